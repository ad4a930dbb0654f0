"""L-BFGS of scipy on the same J: Liu and Nocedal (1989), https://doi.org/10.1007/BF01589116."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from .loop import Descent, Objective, Penalty, Stopping

Floats = NDArray[np.floating]

_RESOLUTION = 64 * np.finfo(np.float64).eps  # J no longer falls by more than rounding


def descend_lbfgs(
    descent: Descent,
    objective: Objective,
    penalty: Penalty,
    stopping: Stopping,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
) -> None:
    """As `loop.descend`, for a full batch and a single problem: until no entry of J's gradient exceeds `tol`.

    `stopping` may end it before. The parameters (1, n_params) are float64.
    """
    ((batch, _),) = objective.batches()
    trial = np.empty_like(descent.params)
    gradient = np.empty_like(descent.params)

    def value_and_gradient(x: Floats) -> tuple[float, Floats]:
        trial[0] = x
        loss, gradient[:] = objective.gradient(trial, batch)
        loss += penalty.value(trial)
        penalty.add_gradient(trial, gradient)
        return float(loss[0]), gradient[0].copy()

    def end_iteration(intermediate_result: OptimizeResult) -> None:
        descent.params[0] = intermediate_result.x
        descent.n_iter[0] += 1
        J = float(intermediate_result.fun)
        descent.losses[0].append((J, float(penalty.value(descent.params)[0])))
        descent.finished |= stopping.finished(descent.params, np.array([J]), gradient)
        if descent.finished[0]:
            raise StopIteration

    result = minimize(
        value_and_gradient,
        descent.params[0],
        jac=True,
        method="L-BFGS-B",
        callback=end_iteration,
        options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol, "ftol": _RESOLUTION},
    )
    if not descent.losses[0]:  # nothing to descend
        descent.losses[0].append((float(result.fun), float(penalty.value(descent.params)[0])))
    descent.finished |= result.status == 0

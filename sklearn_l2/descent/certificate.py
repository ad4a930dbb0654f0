"""A certificate: an upper bound on J - J* from the gradient, without knowing the optimum.

For fixed W the bias is solved again; then the residuals are a feasible point of the dual problem (Fenchel duality,
Rockafellar 1970), and

    J(W, b) - J* <= [J(W, b) - J(W, b^)] + m/(2 lambda) ||grad_W J(W, b^)||^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .linear import LinearObjective
from .losses import LogLoss, SoftmaxCrossEntropy
from .penalties import L2
from .rows import multiply

Floats = NDArray[np.floating]

_SMALL_STEP = 1e-6  # of Newton's method: its square is what is left


def dual_gap(
    objective: LinearObjective,
    penalty: L2,
    theta: Floats,
    J: Floats,
    *,
    column_weight: Floats | None,
    free_bias: bool,
) -> Floats:
    """The bound on J - J* (P,) at theta (P, K, D), where J is J (P,) and the objective's scores are: inf for lambda 0.

    `column_weight` (P, n_columns) is the weight of w_j^2 in ||W||^2 where it is not one.
    """
    assert objective.scores is not None
    if free_bias:
        shift = best_bias_shift(objective)
        objective.set_scores(objective.scores + shift)
        theta = theta.copy()
        theta[..., -1] += shift
    value, gradient = objective.gradient(theta)
    excess = np.maximum(J - value - penalty.value(theta), 0.0) if free_bias else 0.0
    penalty.add_gradient(theta, gradient)
    n_columns = objective.rows.n_columns
    scale = objective.columns.inverse_scale
    if column_weight is not None:
        scale = scale * np.sqrt(column_weight)[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gradient[..., :n_columns] = np.where(scale > 0, gradient[..., :n_columns] / scale, 0.0)
        if free_bias:
            gradient = gradient[..., :n_columns]
        squares = np.einsum("pkd,pkd->p", gradient, gradient)
        bound = excess + penalty.m / (2 * penalty.lambd) * squares
    return np.where((penalty.lambd > 0) & ~np.isnan(bound), bound, np.inf)


def best_bias_shift(objective: LinearObjective, max_steps: int = 50) -> Floats:
    """What to add to the biases (P, K) to minimize J for fixed W: Newton's method in one dimension, or K - 1."""
    assert objective.scores is not None
    shift = np.zeros(objective.scores.shape[1:])
    for _ in range(max_steps):
        g, H = _bias_derivatives(objective, shift)
        if not np.isfinite(H).all():
            break
        if objective.is_binary:
            step = -g / np.maximum(H[:, 0], np.finfo(float).tiny)
        else:
            H += 1 / g.shape[1]  # one vector added to all classes changes nothing
            step = -(np.linalg.pinv(H, hermitian=True) @ g[..., None])[..., 0]
            step -= step.mean(axis=1, keepdims=True)
        step = np.clip(step, -1, 1)
        shift += step
        if np.abs(step).max(initial=0.0) <= _SMALL_STEP:
            break
    return shift


def _bias_derivatives(objective: LinearObjective, shift: Floats) -> tuple[Floats, Floats]:
    """First two derivatives of the data loss in the biases at scores + shift (P, K): (P, K) and (P, K, K)."""
    assert objective.scores is not None
    scores, each = objective.scores, np.arange(shift.shape[1])

    def add(rows: slice, g: Floats, H: Floats) -> None:
        for part in objective.pieces(rows):
            z, target, share = scores[part] + shift, objective.target[part], objective.share_of(part)
            if objective.is_binary:
                _, slope, curvature = LogLoss.derivatives(z, target)
                assert curvature is not None
                H[:, 0] += np.einsum("np,npk->pk", share, curvature)
            else:
                _, slope, p = SoftmaxCrossEntropy.derivatives(z, target)
                weighted = p * share[..., None]
                for k in range(len(H)):
                    H[k] -= multiply(p[:, k].T, weighted[:, k])
                H[:, each, each] += weighted.sum(axis=0)
            g += np.einsum("np,npk->pk", share, slope)

    g, H = objective.rows.sum_rows(add, shift.shape, (*shift.shape, shift.shape[1]))
    return g, H

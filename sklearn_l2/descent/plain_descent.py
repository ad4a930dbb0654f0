"""Plain full-batch gradient descent of linear problems."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .loop import Descent, DivergenceError, descend
from .penalties import L2
from .problems import LinearProblems
from .results import CONVERGED, LinearFit, finish
from .rows import RowBlocks
from .updates import GradientDescent

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


@np.errstate(all="ignore")
def solve_gradient_descent(
    problems: LinearProblems,
    rows: RowBlocks,
    *,
    learning_rate: float,
    tol: float,
    max_iter: int,
    start: tuple[Floats, Floats] | None = None,
) -> LinearFit:
    """Plain full-batch gradient descent on X as it is, from W = 0 and b = 0 (or a given start)."""
    columns = Columns.unscaled(rows.n_columns, intercept=problems.fit_intercept)
    objective, penalty = problems.objective(rows, columns), problems.penalty(columns)
    end = _GradientDescentEnd(problems, rows, penalty, learning_rate=learning_rate, tol=tol)
    shape = (len(problems.lambd), problems.n_score_rows, objective.n_parameters)
    descent = Descent.start(np.zeros(shape) if start is None else columns.from_model(*start))
    descend(descent, objective, penalty, GradientDescent(learning_rate), end, max_iter=max_iter)
    fit = finish(problems, rows, columns, descent)
    end.check_descended(fit)
    return fit


class _GradientDescentEnd:
    """Stops plain descent where the gradient certifies J - J* <= tol (strong convexity), or where it diverges."""

    def __init__(
        self, problems: LinearProblems, rows: RowBlocks, penalty: L2, *, learning_rate: float, tol: float
    ) -> None:
        self.penalty, self.tol = penalty, tol
        strength = problems.lambd / problems.m
        safe = 2 / (strength + _largest_curvature(problems, rows)).max()
        self.advice = (
            f"learning_rate={learning_rate:g} is too large: up to {safe:.3g} gradient descent cannot diverge on "
            'these data. Lower it, scale X, or use solver="auto", which needs no learning rate.'
        )
        if (learning_rate * strength >= 2).any():
            raise DivergenceError(
                f"Gradient descent must diverge: learning_rate * lambd / m = {(learning_rate * strength).max():.3g} "
                f"and has to be below 2. {self.advice}"
            )

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        if not (np.isfinite(loss).all() and np.isfinite(params).all()):
            raise DivergenceError(f"Gradient descent diverged: J or a weight is not finite any more. {self.advice}")
        squares = np.einsum("pkd,pkd->p", gradient, gradient)
        strength = self.penalty.lambd / self.penalty.m
        return np.where((squares <= 2 * strength * self.tol) | (squares == 0), CONVERGED, 0)

    def check_descended(self, fit: LinearFit) -> None:
        """An error if J ended above where it began."""
        for losses in fit.losses:
            first, last = losses[0][0], losses[-1][0]
            if last > first * (1 + 1e-9):
                raise DivergenceError(
                    f"Gradient descent diverged: J rose from {first:.6g} to {last:.6g}. {self.advice}"
                )

    def keep(self, mask: Mask) -> None:
        """The loop tells the penalty itself."""


def _largest_curvature(problems: LinearProblems, rows: RowBlocks) -> Floats:
    """Upper bound on the data loss's curvature, sum_i s_i ||[x_i, 1]||^2 / (4 m), softmax / (2 m): (P,).

    Boehning (1992), https://doi.org/10.1007/BF00048682.
    """

    def add(block: Any, at: slice, total: Floats) -> None:
        squares = np.asarray(block.multiply(block).sum(axis=1)) if rows.is_sparse else (block * block).sum(axis=1)
        total += (squares.reshape(-1) + problems.fit_intercept) @ problems.share[at]

    (total,) = rows.sum_blocks(add, (problems.share.shape[1],))
    return total[problems.fold] / (4 if problems.n_score_rows == 1 else 2)

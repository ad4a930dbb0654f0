"""One descent of linear problems by one update rule, in single precision where that pays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .linear import LinearObjective
from .loop import Descent, descend
from .newton import ExactNewton, Newton, TruncatedNewton
from .preconditioners import Exact, Preconditioner, choose_preconditioner, has_only_diagonal
from .problems import LinearProblems
from .quasi_newton import QuasiNewton, QuasiNewtonEnd
from .results import CONVERGED, STALLED, UNBOUNDED
from .rows import RowBlocks

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

EARLY_END = 1e-7  # J - J* down to which quasi-Newton steps and gradients in single precision lead
ROUNDED = 1e-13  # J - J* down to which slopes rounded to single precision lead
MAX_QUASI_NEWTON = 30
_PATIENCE, _RESOLVED = 25, 1e-13
# Single precision pays for its copy of X where arithmetic takes longer than reading X, or reading X takes long.
_MANY_SCORES = 3
_MANY_ELEMENTS = 2**18


class Standstill:
    """Tells which problems have neither lowered J nor their decrement for many steps: numbers say no more."""

    def __init__(self, n_problems: int) -> None:
        self.least = np.full((2, n_problems), np.inf)  # J and decrement before the steps in `recent`
        self.recent: list[tuple[Floats, Floats]] = []  # J and decrement at the last steps

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.least = self.least[:, mask]
        self.recent = [(J[mask], decrement[mask]) for J, decrement in self.recent]

    def after(self, J: Floats, decrement: Floats) -> Mask:
        """The same after a step from J with a decrement, (P,) each."""
        self.recent.append((J, decrement))
        if len(self.recent) <= _PATIENCE:
            return np.zeros(len(J), dtype=bool)
        self.least = np.minimum(self.least, self.recent.pop(0))
        lately = np.min(self.recent, axis=0)
        return ~((lately[0] < self.least[0] - _RESOLVED * np.abs(lately[0])) | (lately[1] < self.least[1] / 2))


class NewtonEnd:
    """Stops the problems of a descent whose Newton decrement is small, and those that can go no further."""

    def __init__(self, newton: Newton, descent: Descent) -> None:
        self.newton, self.descent = newton, descent
        self.in_batch = np.arange(len(descent.params))
        self.standstill = Standstill(len(descent.params))

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        newton = self.newton
        self.descent.last_fall[self.in_batch] = np.where(newton.converged, newton.decrement, 0.0)
        reason = STALLED * (newton.stalled | self.standstill.after(loss, newton.decrement))
        reason[newton.unbounded] = UNBOUNDED
        reason[newton.converged] = CONVERGED
        return reason

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The update forgets them itself."""
        self.in_batch = self.in_batch[mask]
        self.standstill.keep(mask)


def pays_in_single_precision(problems: LinearProblems, rows: RowBlocks) -> bool:
    """Whether products with a copy of X in single precision save more time than the copy takes."""
    if rows.is_sparse:
        many_products = problems.n_score_rows > 1 or has_only_diagonal(rows, rows.n_columns)
        return rows.fits_in_single_precision and many_products
    many_scores = len(problems.lambd) * problems.n_score_rows >= _MANY_SCORES
    return rows.fits_in_single_precision and (many_scores or rows.n_elements >= _MANY_ELEMENTS)


def objective_in_single_precision(problems: LinearProblems, rows: RowBlocks, columns: Columns) -> LinearObjective:
    taken, left = columns.split(sparse=rows.is_sparse)
    return problems.objective(rows.in_single_precision(taken.centre, taken.inverse_scale), left)


def descend_quasi_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    theta: Floats,
    preconditioner: Preconditioner,
    *,
    tol: float,
    max_iter: int,
    patient: bool = False,
) -> Descent:
    """The descent from theta by quasi-Newton steps, as far as they go; in single precision where that pays.

    Unless `patient`, it ends where the metric turns out not to suit a problem.
    """
    descent = Descent.start(theta)
    if pays_in_single_precision(problems, rows):
        objective = objective_in_single_precision(problems, rows, columns)
    else:
        objective = problems.objective(rows, columns)
    penalty = problems.penalty(columns)
    update = QuasiNewton(objective, penalty, preconditioner, tol=tol, patient=patient)
    descend(descent, objective, penalty, update, QuasiNewtonEnd(update), max_iter=max_iter)
    return descent


def descend_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    theta: Floats,
    preconditioner: Preconditioner | Exact | None = None,
    *,
    tol: float,
    max_iter: int,
    hard: bool = False,
    thorough: bool = False,
    in_single_precision: bool = False,
) -> tuple[Descent, Newton]:
    """The descent from theta by Newton steps, with a preconditioner that is given, or a new one.

    In single precision are then the products with Hessians only: a gradient that is exact mends what a step got wrong.
    """
    descent = Descent.start(theta)
    penalty = problems.penalty(columns)
    metric = preconditioner or choose_preconditioner(problems, rows, columns, shared=False, hard=hard)
    newton: Newton
    if isinstance(metric, Exact):
        newton = ExactNewton(problems.standardized(rows, columns), penalty, metric, tol=tol)
    else:
        twin = objective_in_single_precision(problems, rows, columns) if in_single_precision else None
        objective = problems.objective(rows, columns, twin)
        free_bias = problems.free_bias
        newton = TruncatedNewton(objective, penalty, metric, tol=tol, thorough=thorough, free_bias=free_bias)
    descend(descent, newton.objective, penalty, newton, NewtonEnd(newton, descent), max_iter=max_iter)
    return descent, newton


def joined(first: Descent, second: Descent) -> Descent:
    """One descent of two, the second from where the first ended."""
    losses = [a + b for a, b in zip(first.losses, second.losses, strict=True)]
    return Descent(second.params, first.n_iter + second.n_iter, losses, second.finished, second.last_fall)

"""Descents of linear problems as models of X: weights, J and the bound on J - J*."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .certificate import dual_gap
from .columns import Columns
from .linear import LinearObjective
from .loop import Descent
from .problems import LinearProblems
from .rows import RowBlocks

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

CERTIFIED = 1e-8  # a fit that is not known to end below this is looked at again
_ROUNDING = 1e-6  # relative, of J at W = 0: more than single precision leaves in it
CONVERGED, UNBOUNDED, STALLED = 1, 2, 3


@dataclass
class LinearFit:
    """W (P, K, n_columns), b (P, K) and how each problem ended."""

    W: Floats
    b: Floats
    n_iter: NDArray[np.int64]
    losses: list[list[tuple[float, float]]]  # J and its penalty's part, before the first iteration and after each one
    converged: Mask
    separable: Mask  # lambda = 0 and no finite optimum
    dual_gap: Floats  # infinite where lambda is 0

    @classmethod
    def of_parts(cls, fits: list[LinearFit], parts: list[NDArray[np.intp]]) -> LinearFit:
        """The fit of all problems, from fits of some that `parts` give the indices of."""
        back = np.argsort(np.concatenate(parts), kind="stable")
        losses = [curve for fit in fits for curve in fit.losses]
        arrays = {
            name: np.concatenate([getattr(fit, name) for fit in fits])[back]
            for name in vars(fits[0])
            if name != "losses"
        }
        return cls(**arrays, losses=[losses[k] for k in back])


def finish(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    descent: Descent,
    last: LinearObjective | None = None,
    *,
    certify: bool = True,
) -> LinearFit:
    """Back to the columns of X, with J and the certificate at the end; `last` may still know the scores there."""
    theta = descent.params
    if problems.n_score_rows > 1:
        # One vector added to all classes changes no probability: of all such models, the one whose classes sum to zero.
        if problems.free_bias:
            theta[..., -1] -= theta[..., -1].mean(axis=1, keepdims=True)
        theta[problems.lambd == 0] -= theta[problems.lambd == 0].mean(axis=1, keepdims=True)
    W, b = columns.to_model(theta)
    if problems.dtype != np.float64:
        W, b = (a.astype(problems.dtype).astype(np.float64) for a in (W, b))
        theta = columns.from_model(W, b)
    if last is not None and last.scores_are_current and last.n_problems == len(theta) and theta is descent.params:
        assert last.scores is not None
        objective = last if last.twin is None else problems.objective(rows, columns)  # whose losses are not rounded
        objective.set_scores(last.scores)
    else:
        objective = problems.objective(rows, columns)
    unpenalized = problems.lambd == 0
    if certify or unpenalized.any():
        J, penalized, gap = _certified(problems, objective, columns, theta)
        ends = list(zip(J.tolist(), penalized.tolist(), strict=True))
    else:
        falls = descent.last_fall.tolist()
        ends = [(curve[-1][0] - fall, curve[-1][1]) for curve, fall in zip(descent.losses, falls, strict=True)]
        gap = np.full(len(theta), np.inf)
    losses = [[*curve, end] for curve, end in zip(descent.losses, ends, strict=True)]
    separable = unpenalized & ((descent.finished == UNBOUNDED) | (unpenalized.any() and _all_right(objective)))
    return LinearFit(W, b, descent.n_iter, losses, descent.finished == CONVERGED, separable, gap)


def where_it_stood(losses: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The curve of where a descent stood: a step that went too far, which was taken back, is no part of it.

    Nor is what single precision rounds off J, which would be a step up to the next descent or to the end.
    """
    return list(accumulate((max(J, losses[-1]) for J in losses), min))


def no_worse_than_zero(problems: LinearProblems, rows: RowBlocks, columns: Columns, fit: LinearFit) -> LinearFit:
    """W = 0 for problems whose numbers differ so much in size that rounding left nothing of the scores, (P,)."""
    lost = ~(np.array([losses[-1][0] for losses in fit.losses]) <= problems.value_at_start() * (1 + _ROUNDING))
    # What a precision cannot hold is an error of its own; in double precision NaN comes of a step of huge numbers.
    too_large = ~np.isfinite(fit.W) if rows.X.dtype == np.float32 else np.isinf(fit.W)
    lost &= ~too_large.any(axis=(1, 2))
    if lost.any():
        # J may have been taken before a last step that mended it.
        J, penalized, gap = certified(problems.select(lost), rows, fit.W[lost], fit.b[lost])
        mended = J <= problems.value_at_start()[lost] * (1 + _ROUNDING)
        fit.dual_gap[np.flatnonzero(lost)[mended]] = gap[mended]
        for p, *end in zip(np.flatnonzero(lost)[mended], J[mended].tolist(), penalized[mended].tolist(), strict=True):
            fit.losses[p][-1] = tuple(end)
        lost[np.flatnonzero(lost)[mended]] = False
    if lost.any():
        some = problems.select(lost)
        fit.W[lost], fit.b[lost] = columns.to_model(some.start(columns))
        J, penalized, fit.dual_gap[lost] = certified(some, rows, fit.W[lost], fit.b[lost])
        fit.converged[lost] = False
        for p, *end in zip(np.flatnonzero(lost), J.tolist(), penalized.tolist(), strict=True):
            fit.losses[p][-1] = tuple(end)
    return fit


def certified(problems: LinearProblems, rows: RowBlocks, W: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """J, its penalty's part and the bound on J - J* (infinite for lambda 0), each (P,).

    Of weights (P, K, n_columns) and biases (P, K).
    """
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    return _certified(problems, problems.objective(rows, columns), columns, columns.from_model(W, b))


def _certified(
    problems: LinearProblems, objective: LinearObjective, columns: Columns, theta: Floats
) -> tuple[Floats, Floats, Floats]:
    if not objective.scores_are_current:
        objective.set_scores(objective.compute_scores(theta))
    penalty = problems.penalty(columns)
    penalized = penalty.value(theta)
    loss, gap = dual_gap(objective, penalty, theta, column_weight=problems.column_weight, free_bias=problems.free_bias)
    return loss + penalized, penalized, gap


def _all_right(objective: LinearObjective) -> Mask:
    """Per problem, whether every row of positive weight has its largest score at its own class, (P,)."""
    assert objective.scores is not None
    if objective.is_binary:
        right = (objective.scores * objective.target)[..., 0] < 0
    else:
        own = np.take_along_axis(objective.scores, objective.target[..., None], axis=2)
        right = (objective.scores < own).sum(axis=2) == objective.n_score_rows - 1
    return (right | (objective.share_of(slice(None)) == 0)).all(axis=0)

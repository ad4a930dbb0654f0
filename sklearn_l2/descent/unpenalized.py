"""A problem without a penalty, lambda = 0. Where its classes are separable it has no optimum: J falls forever.

What is left is a direction. With lambda > 0 the optimum's direction goes to that of the widest margin as lambda goes
to 0 (Rosset, Zhu and Hastie 2003), where unpenalized steps may end in any that separates the rows. So the problem is
first solved with a penalty next to nothing, on columns of size 1 each, for no penalty knows no scale either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .loop import Descent
from .preconditioners import has_only_diagonal
from .problems import LinearProblems
from .results import LinearFit, finish, where_it_stood
from .rows import RowBlocks, multiply, with_values

Floats = NDArray[np.floating]

_STRENGTH = 1e-8  # lambda/m of a penalty next to nothing,
_STRENGTH_OF_DIAGONAL = 1e-6  # and where less takes conjugate gradients too many steps
_NO_LOSS = 1e-6  # J - inf J of separable classes where a descent may end
_MOST_DOUBLINGS = 40  # of weights, which take J there
_ROUNDING = 1e-6  # relative, of J
_CONSTANT = 1e-13  # mean square of a column of the core's that is constant but for rounding
_SMALLEST_WEIGHT = 1e-300  # beyond, the squares of X's numbers leave the range of float64


def solve_unpenalized(
    problem: LinearProblems,
    rows: RowBlocks,
    solve: Callable[..., LinearFit],
    *,
    start: tuple[Floats, Floats] | None,
    max_iter: int,
) -> LinearFit:
    """The optimum where there is one, else the direction of about the widest margin; `solve` descends.

    Rows of weight 0 are left out, and so change nothing.
    """
    problem = replace(
        problem,
        weights=problem.weights[:, problem.fold],
        fold=None,
        penalize_intercept=False,
        column_weight=None,
    )
    counted = np.flatnonzero(problem.weights[:, 0])
    if len(counted) == rows.n_rows or not rows.fits_in_single_precision:
        fit = _solve(problem, rows, solve, start, max_iter)
    else:
        fewer = problem.take(counted)
        assert fewer is not None
        with rows.like(rows.X[counted], problem.n_score_rows) as part:
            fit = _solve(fewer, part, solve, start, max_iter)
    fit.losses = [where_it_stood(losses) for losses in fit.losses]  # the way led along another J, with a penalty
    return fit


def _solve(
    problem: LinearProblems,
    rows: RowBlocks,
    solve: Callable[..., LinearFit],
    start: tuple[Floats, Floats] | None,
    max_iter: int,
) -> LinearFit:
    columns = Columns.scaled(rows, intercept=problem.fit_intercept, centred=problem.fit_intercept)
    if columns.penalty_weight.min() < _SMALLEST_WEIGHT:
        return solve(problem, rows, start=start, max_iter=max_iter)
    only_diagonal = has_only_diagonal(rows, rows.n_columns * problem.n_score_rows)
    strength = _STRENGTH_OF_DIAGONAL if only_diagonal else _STRENGTH
    with_penalty = replace(
        problem, lambd=strength * problem.m, column_weight=_squared_sizes(problem, rows, columns)[None]
    )
    # Few rows are solved in their space, which needs no start.
    is_wide = rows.n_rows < rows.n_columns
    first = solve(with_penalty, rows, start=None if is_wide else start, max_iter=max_iter)
    left = max_iter - int(first.n_iter[0])
    curve = [(J - penalized, 0.0) for J, penalized in first.losses[0][:-1]]
    theta = columns.from_model(first.W, first.b)
    for _ in range(_MOST_DOUBLINGS):
        descent = replace(Descent.start(theta.copy()), n_iter=first.n_iter, losses=[curve.copy()])
        descent.finished = first.converged.astype(np.int8)
        fit = finish(problem, rows, columns, descent)
        if left == 0 or (fit.separable[0] and fit.losses[0][-1][0] <= _NO_LOSS):
            return fit
        if not fit.separable[0]:
            break
        theta *= 2
    rest = solve(problem, rows, start=None if is_wide else (first.W, first.b), max_iter=left)
    if rest.losses[0][-1][0] > fit.losses[0][-1][0] * (1 + _ROUNDING):
        # Numbers differ so much in size that rounding led it astray.
        fit.converged[:] = False
        return fit
    rest.n_iter += first.n_iter
    rest.losses = [curve + rest.losses[0]]
    return rest


def _squared_sizes(problem: LinearProblems, rows: RowBlocks, columns: Columns) -> Floats:
    """Each column's variance, or mean square without a bias; of sparse X the square of its mean non-zero size."""
    share = problem.share[:, 0]
    n_columns = rows.n_columns

    def add_dense(block: Any, at: slice, mean: Floats, square: Floats) -> None:
        scaled = (block - columns.centre) * columns.inverse_scale
        mean += multiply(scaled.T, share[at])
        square += multiply(np.square(scaled, out=scaled).T, share[at])

    def add_sparse(block: Any, at: slice, count: Floats, size: Floats) -> None:
        count += multiply(with_values(block, (block.data != 0).astype(float)).T, share[at])
        size += multiply(with_values(block, np.abs(block.data)).T, share[at])

    if rows.is_sparse:
        count, size = rows.sum_blocks(add_sparse, (n_columns,), (n_columns,))
        squares: Floats = (size / np.where(count > 0, count, 1.0) * columns.inverse_scale) ** 2
    else:
        mean, squares = rows.sum_blocks(add_dense, (n_columns,), (n_columns,))
        squares -= problem.fit_intercept * mean**2
    # The core's columns are divided by what `penalty_weight` is the square of.
    return np.where(squares > _CONSTANT, squares, 1.0) / columns.penalty_weight

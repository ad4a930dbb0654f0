"""Linear problems from start to certified end: which columns, which preconditioner, which update rule."""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .continuation import Path, continue_along_lambda, continue_path, worthwhile_chains
from .descents import (
    EARLY_END,
    MAX_QUASI_NEWTON,
    ROUNDED,
    descend_newton,
    descend_quasi_newton,
    joined,
    pays_in_single_precision,
)
from .interpolation import CLOSE, FAR, descend_at_nodes, merged
from .kronecker import Kronecker
from .loop import Descent
from .newton import ExactNewton, Newton
from .preconditioners import Diagonal, Exact, Preconditioner, choose_preconditioner
from .problems import LinearProblems
from .quasi_newton import NEAR
from .results import CERTIFIED, CONVERGED, LinearFit, finish, no_worse_than_zero, where_it_stood
from .row_space import solve_in_row_space
from .rows import RowBlocks
from .sampled_hessians import FEW_OPERATIONS, CurvedHessian, SampledHessian, n_sampled_rows
from .side_by_side import solve_side_by_side, stand_alone
from .unpenalized import solve_unpenalized

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

_ROW_SPACE_MAX_ROWS = 1000
_SAMPLE_RATIO = 4  # rows there are at least per sampled one, for a sample to pay
_MOST_RATIO = 128  # and at most: a pass over so few costs nothing
_RARE_RATIO = 16  # and where a class is rare
_SAMPLE_ROWS_PER_PARAMETER = 16
_SAMPLE_MAX_ITER = 30
_ROUGH = 1e-2  # J - J* at which a Kronecker product is near what it is at the optimum
_EXCELLENT = 100  # times tol: a bound on J - J* that leaves nothing to do
_QUICKLY_READ = 2**21  # elements
_MANY_PARAMETERS = 1000  # of a batch, from which on problems share a preconditioner from the start


@np.errstate(all="ignore")  # what is not finite is looked for where it matters
def solve_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    *,
    tol: float,
    max_iter: int,
    start: tuple[Floats, Floats] | None = None,
    path: Path | None = None,
    certify: bool = True,
) -> LinearFit:
    """The optimum by preconditioned descent, whatever the columns' scale; certified where asked for or in doubt.

    On a `path`, it is found from the optima before it.
    """
    solve = partial(_solve, tol=tol, certify=certify)
    if path is not None:
        start = path.start(problems)
        if path.rows is not None:
            rows.take_over(path.rows)
        path.rows = rows
    unpenalized = np.flatnonzero(problems.lambd == 0)
    if not len(unpenalized):
        fit = solve(problems, rows, start=start, max_iter=max_iter, path=path)
        if path is not None:
            path.add(problems, fit)
        return fit

    def solve_part(part: Indices) -> LinearFit:
        begin = None if start is None else (start[0][part], start[1][part])
        if problems.lambd[part[0]] > 0:
            return solve(problems.select(part), rows, start=begin, max_iter=max_iter)
        return solve_unpenalized(problems.select(part), rows, solve, start=begin, max_iter=max_iter)

    penalized = np.flatnonzero(problems.lambd > 0)
    parts = [*np.split(unpenalized, len(unpenalized)), *([penalized] if len(penalized) else [])]
    return LinearFit.of_parts([solve_part(part) for part in parts], parts)


def _solve(
    problems: LinearProblems,
    rows: RowBlocks,
    *,
    tol: float,
    max_iter: int,
    start: tuple[Floats, Floats] | None,
    certify: bool,
    path: Path | None = None,
) -> LinearFit:
    if stand_alone(problems, rows):
        solve = partial(_solve, tol=tol, max_iter=max_iter, certify=certify)
        return solve_side_by_side(problems, rows, solve, start)
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    is_wide = not rows.is_sparse and rows.n_rows < rows.n_columns and rows.n_rows <= _ROW_SPACE_MAX_ROWS
    if start is None and is_wide and problems.weighs_columns_alike:
        minimize = partial(_minimize, start=None, tol=tol, max_iter=max_iter)
        outcome = solve_in_row_space(
            problems, rows, columns.centre, minimize, tol=tol, max_iter=max_iter, certify=certify
        )
        if outcome is not None:
            fit, gap = outcome
            if (gap <= _EXCELLENT * tol).all() or not (problems.lambd > 0).all():
                return fit
            start = fit.W, fit.b
    descent, last = _minimize(problems, rows, columns, start, path, tol=tol, max_iter=max_iter)
    certify |= bool(last.preconditioner.rough or not (descent.finished == CONVERGED).all())
    fit = finish(problems, rows, columns, descent, last.objective, certify=certify)
    # Where a step is cheap, and columns' scales differ so much that little left of J is much of a gradient.
    enough = tol if isinstance(last, ExactNewton) else max(tol, CERTIFIED)
    may_mend = last.preconditioner.rough or (isinstance(last, ExactNewton) and certify)
    if may_mend and (fit.dual_gap[fit.converged] > enough).any():
        again, last = descend_newton(problems, rows, columns, descent.params, tol=tol, max_iter=max_iter, thorough=True)
        fit = finish(problems, rows, columns, joined(descent, again), last.objective)
    fit.losses = [where_it_stood(losses) for losses in fit.losses]
    return no_worse_than_zero(problems, rows, columns, fit)


def _minimize(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    start: tuple[Floats, Floats] | None,
    path: Path | None = None,
    *,
    tol: float,
    max_iter: int,
) -> tuple[Descent, Newton]:
    """The descent from a start (by default a cheap one that is near), and the update rule that ended it."""
    if path is not None and start is not None and path.metric is not None:
        return continue_path(path, problems, rows, columns, columns.from_model(*start), tol=tol, max_iter=max_iter)
    chain = worthwhile_chains(problems, rows) if start is None else None
    if chain is not None:
        return continue_along_lambda(problems, rows, columns, chain, tol=tol, max_iter=max_iter)
    theta, preconditioner = _set_out(problems, rows, columns, start)
    # What slopes rounded to single precision leave of J - J* has to be small beside tol.
    suits = tol >= ROUNDED and pays_in_single_precision(problems, rows)
    is_product, is_large = isinstance(preconditioner, Kronecker), isinstance(preconditioner, CurvedHessian)
    if path is not None and isinstance(preconditioner, Kronecker):
        path.metric = preconditioner
    # What a start that is given leaves to do, on X that is quickly read, is not worth a descent before the last one.
    brief = is_product and start is not None and rows.n_elements < _QUICKLY_READ
    if not isinstance(preconditioner, SampledHessian | Kronecker) or brief or max_iter == 1:
        suits &= isinstance(preconditioner, Diagonal) and (rows.is_sparse or problems.n_score_rows == 1)
        return descend_newton(
            problems, rows, columns, theta, preconditioner, tol=tol, max_iter=max_iter, in_single_precision=suits
        )

    def descend_early(which: Mask, start: Floats) -> Descent:
        some, metric = (
            (problems, preconditioner) if which.all() else (problems.select(which), preconditioner.select(which))
        )
        begin, most = (some, rows, columns, start, metric), min(max_iter - 1, MAX_QUASI_NEWTON)
        return descend_quasi_newton(*begin, tol=max(EARLY_END, tol), max_iter=most, patient=is_large)

    # A preconditioner that is built already comes with a start that is near.
    if preconditioner.is_built:
        early = descend_at_nodes(problems, theta, descend_early)
    else:
        early = descend_early(np.ones(len(theta), dtype=bool), theta)
    near = early.finished == NEAR
    suits &= problems.n_score_rows == 1 or is_product
    # What single precision rounds off is too much for a Hessian that is as good as singular.
    twin = (near | is_product) & preconditioner.is_well_conditioned() & suits
    late = Descent.start(early.params)
    for is_near, in_single_precision in product((True, False), repeat=2):
        mask = (near == is_near) & (twin == in_single_precision)
        if mask.any():
            part, last = descend_newton(
                problems.select(mask),
                rows,
                columns,
                early.params[mask],
                # One of its own helps a problem that a shared or an old one did not.
                preconditioner.select(mask) if is_near else None,
                tol=tol,
                max_iter=max_iter - int(early.n_iter.max()),
                hard=not is_near and not is_product,
                in_single_precision=in_single_precision,
            )
            late.take(part, mask)
    return joined(early, late), last


def _set_out(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    start: tuple[Floats, Floats] | None,
    *,
    rough: bool = False,
) -> tuple[Floats, Preconditioner | Exact]:
    """Where a descent begins, by default near its end where that is cheap to know; the preconditioner for it."""
    preconditioner: Preconditioner | Exact | None = None
    if start is None:
        start, preconditioner = _coarse_optimum(problems, rows)
    theta = problems.start(columns) if start is None else columns.from_model(*start)
    if preconditioner is None:
        shared = start is not None or theta.size > _MANY_PARAMETERS
        preconditioner = choose_preconditioner(problems, rows, columns, shared=shared, rough=rough)
        if isinstance(preconditioner, CurvedHessian):
            # Far from the optimum, where many rows are curved that are not later, its diagonal will do.
            diagonal, n_steps = Diagonal(1.0), int(preconditioner.cost)
            early = descend_quasi_newton(
                problems, rows, columns, theta, diagonal, tol=EARLY_END, max_iter=n_steps, patient=True
            )
            theta, objective = early.params, problems.objective(rows, columns)
            objective.gradient(theta)
            if early.finished.all() or not preconditioner.pays(objective):
                preconditioner = diagonal
        if isinstance(preconditioner, Kronecker) and start is None:
            early = descend_quasi_newton(
                problems, rows, columns, theta, preconditioner, tol=_ROUGH, max_iter=_SAMPLE_MAX_ITER
            )
            theta, preconditioner = early.params, preconditioner.unbuilt()
    return theta, preconditioner


def _coarse_optimum(
    problems: LinearProblems, rows: RowBlocks
) -> tuple[tuple[Floats, Floats] | None, Preconditioner | Exact | None]:
    """W and b near the optimum of all rows, where that is cheap: from a sample of many rows, or from merged problems.

    The coarse problem is solved about as well as its data can tell, and itself starts from a coarser one, so that all
    of X is read, and all problems are solved, only for the last digits. The preconditioner of merged problems suits
    those that they were merged from.
    """
    n_parameters = rows.n_columns * problems.n_score_rows
    if len(problems.lambd) > 1:
        # Where each has a Hessian of its own, more of them cost more than a start of folds that is nearer saves.
        far_apart = rows.n_rows * n_parameters**2 <= FEW_OPERATIONS
        few, at_all, nearest = merged(problems, FAR if far_apart else CLOSE)
        if len(few.lambd) < len(problems.lambd):
            optimum, preconditioner = _rough_optimum(few, rows, 1e-4 * n_parameters / rows.n_rows)
            if optimum is None:
                return None, None
            built = preconditioner.select(nearest) if isinstance(preconditioner, SampledHessian) else None
            return (at_all(optimum[0]), at_all(optimum[1])), built
    if rows.is_small:
        return None, None
    n_sample = max(n_sampled_rows(rows.n_rows, n_parameters), rows.n_rows // _MOST_RATIO)
    if n_sample >= _SAMPLE_ROWS_PER_PARAMETER * n_parameters and _SAMPLE_RATIO * n_sample <= rows.n_rows:
        indices, counts = problems.draw_rows(n_sample, most=rows.n_rows // _RARE_RATIO)
        sample = problems.take(indices, counts)
        if sample is not None:
            with rows.sampled(indices) as part:
                return _rough_optimum(sample, part, 0.1 * n_parameters / n_sample)[0], None
    return None, None


def _rough_optimum(
    problems: LinearProblems, rows: RowBlocks, tol: float
) -> tuple[tuple[Floats, Floats] | None, Preconditioner | Exact]:
    """W and b within about tol of the optimum, or None where there may be none; the preconditioner used."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    theta, preconditioner = _set_out(problems, rows, columns, None, rough=True)
    begin, n = (problems, rows, columns, theta), _SAMPLE_MAX_ITER
    if isinstance(preconditioner, Exact) or preconditioner.rough:
        descent, _ = descend_newton(*begin, preconditioner, tol=tol, max_iter=n)
    else:
        descent = descend_quasi_newton(*begin, preconditioner, tol=tol, max_iter=n)
    return columns.to_model(descent.params) if descent.finished.all() else None, preconditioner

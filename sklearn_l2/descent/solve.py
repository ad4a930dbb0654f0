"""Linear problems from start to certified end: which columns, which preconditioner, which update rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .certificate import dual_gap
from .continuation import chains, descend_along
from .linear import Columns, LinearObjective
from .loop import Descent, DivergenceError, descend
from .newton import TruncatedNewton
from .penalties import L2
from .preconditioners import (
    CarriedHessian,
    Preconditioner,
    SampledHessian,
    choose_preconditioner,
    is_mid_sized,
    n_sampled_rows,
)
from .quasi_newton import NEAR, QuasiNewton, QuasiNewtonEnd
from .row_space import RowSpaceHessian
from .rows import RowBlocks, even_sample, multiply
from .updates import GradientDescent

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_LARGEST_PENALTY = 1e300  # beyond any curvature of the loss, and finite
CERTIFIED = 1e-8  # a fit that is not known to end below this is looked at again
_ROW_SPACE_MAX_ROWS = 1000
_SMALLEST_VARIANCE = 1e-200
_ROUNDING = 1e-6  # relative, of J at W = 0: more than single precision leaves in it
_SAMPLE_RATIO = 4  # rows there are at least per sampled one, for a sample to pay
_SAMPLE_ROWS_PER_PARAMETER = 16
_SAMPLE_MAX_ITER = 30
_MERGED_TOL = 0.01  # J - J* that is left where merged problems' optimum is near enough to each problem's own
_NEAR = 1e-7  # J - J* where Newton steps take over from quasi-Newton steps
_EXCELLENT = 100  # times tol: a bound on J - J* that leaves nothing to do
_ROUNDED = 1e-13  # J - J* down to which slopes rounded to single precision lead
_MAX_QUASI_NEWTON = 30
_LONG_CHAINS = 4  # problems in a chain, from which on they are solved one after another
_MANY_PARAMETERS = 1000  # of a batch, from which on problems share a preconditioner from the start
# Single precision pays for its copy of X where arithmetic takes longer than reading X, or reading X takes long.
_MANY_SCORES = 8
_MANY_ELEMENTS = 2**21


@dataclass
class LinearProblems:
    """P problems that share X and y: weights s (n_rows, P), lambda (P,); how the bias is treated.

    `target` is (n_rows, 1, 1) signs 1 - 2 y with n_score_rows = 1, or (n_rows, 1) class codes. `column_weight`
    (P, n_columns) is the weight of w_j^2 in ||W||^2: for columns seen divided by something, its square.
    """

    target: NDArray[Any]
    n_score_rows: int
    weights: Floats
    lambd: Floats
    fit_intercept: bool = True
    penalize_intercept: bool = False
    dtype: Any = np.float64  # what the weights will be rounded to
    column_weight: Floats | None = None

    def __post_init__(self) -> None:
        self.m = self.weights.sum(axis=0)
        self.share = self.weights / self.m

    @property
    def free_bias(self) -> bool:
        return self.fit_intercept and not self.penalize_intercept

    @property
    def is_plain(self) -> bool:
        """Two classes and an intercept, if any, that is free."""
        return self.n_score_rows == 1 and not (self.fit_intercept and self.penalize_intercept)

    def take(self, indices: NDArray[np.intp]) -> LinearProblems | None:
        """The same problems on some rows, with the same lambda/m; None where a class or problem has no weight left."""
        weights, target = self.weights[indices], self.target[indices]
        present = (
            [target[:, 0, 0] < 0, target[:, 0, 0] > 0]
            if self.n_score_rows == 1
            else [target[:, 0] == k for k in range(self.n_score_rows)]
        )
        if not all((weights[rows].sum(axis=0) > 0).all() for rows in present):
            return None
        lambd = self.lambd * weights.sum(axis=0) / self.m
        return replace(self, weights=weights, target=target, lambd=lambd)

    def select(self, which: Mask | NDArray[np.intp]) -> LinearProblems:
        """Some of the problems, by a mask (P,) or by their indices."""
        return replace(
            self,
            weights=self.weights[:, which],
            lambd=self.lambd[which],
            column_weight=None if self.column_weight is None else self.column_weight[which],
        )

    def merged(self) -> tuple[LinearProblems, NDArray[np.intp]]:
        """One problem in place of those of like lambda/m, with their mean data; each problem's place in it, (P,)."""
        strength = np.round(np.log10(np.maximum(self.lambd / self.m, np.finfo(float).tiny)), 1)
        _, member_of = np.unique(strength, return_inverse=True)
        groups = [member_of == g for g in range(member_of.max() + 1)]
        m = np.array([self.m[group].mean() for group in groups])
        column_weight = self.column_weight
        if column_weight is not None:
            column_weight = np.stack([column_weight[group].mean(axis=0) for group in groups])
        mean = replace(
            self,
            weights=np.stack([self.share[:, group].mean(axis=1) for group in groups], axis=1) * m,
            lambd=np.array([(self.lambd[group] / self.m[group]).mean() for group in groups]) * m,
            column_weight=column_weight,
        )
        return mean, member_of

    def objective(self, rows: RowBlocks, columns: Columns, twin: LinearObjective | None = None) -> LinearObjective:
        return LinearObjective(rows, columns, self.target, self.share, self.n_score_rows, twin)

    def penalty(self, columns: Columns) -> L2:
        """lambda/(2m) ||W||^2 in the core's columns, the bias left out unless asked for."""
        strongest = max((self.lambd / self.m).max(), 1.0)
        weight = columns.penalty_weight()
        if self.column_weight is not None:
            weight = weight * self.column_weight[:, None]
        weight = np.minimum(weight, _LARGEST_PENALTY / strongest)
        if self.penalize_intercept and self.fit_intercept:
            bias = np.ones((*weight.shape[:-1], 1))
            return L2(self.lambd, self.m, ..., np.concatenate([weight, bias], axis=-1))
        return L2(self.lambd, self.m, np.s_[:, : weight.shape[-1]], weight)

    def class_shares(self) -> Floats:
        """Each class's part of a problem's weight, (P, number of classes)."""
        K = self.n_score_rows
        codes = self.target[:, 0, 0] < 0 if K == 1 else self.target[:, 0]
        return np.stack([self.share[codes == k].sum(axis=0) for k in range(max(K, 2))], axis=1)

    def start(self, columns: Columns) -> Floats:
        """theta with W = 0 and, where the bias is free, the bias that fits the classes' shares: (P, K, D)."""
        theta = np.zeros((len(self.lambd), self.n_score_rows, len(columns.centre) + columns.intercept))
        if self.free_bias:
            logs = np.log(self.class_shares())
            theta[:, :, -1] = (
                logs[:, 1:] - logs[:, :1] if self.n_score_rows == 1 else logs - logs.mean(axis=1, keepdims=True)
            )
        return theta

    def value_at_start(self) -> Floats:
        """J with W = 0, (P,)."""
        shares = self.class_shares()
        if not self.free_bias:
            return np.full(len(shares), np.log(shares.shape[1]))
        return -np.sum(shares * np.log(shares), axis=1)


@dataclass
class LinearFit:
    """W (P, K, n_columns), b (P, K) and how each problem ended."""

    W: Floats
    b: Floats
    n_iter: NDArray[np.int64]
    losses: list[list[float]]  # J before the first iteration and after each one
    converged: Mask
    separable: Mask  # lambda = 0 and no finite optimum
    dual_gap: Floats  # infinite where lambda is 0


CONVERGED, UNBOUNDED, STALLED = 1, 2, 3


class _NewtonEnd:
    """Stops the problems whose Newton decrement is small, and those that can go no further."""

    def __init__(self, newton: TruncatedNewton) -> None:
        self.newton = newton

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        newton = self.newton
        if not (newton.converged | newton.unbounded | newton.stalled).any():
            return np.zeros(len(params), dtype=np.int8)
        return np.select([newton.converged, newton.unbounded, newton.stalled], [CONVERGED, UNBOUNDED, STALLED])

    def keep(self, mask: Mask) -> None:
        """The update forgets the problems itself."""


@np.errstate(all="ignore")  # what is not finite is looked for where it matters
def solve_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    *,
    tol: float,
    max_iter: int,
    start: tuple[Floats, Floats] | None = None,
    certify: bool = True,
) -> LinearFit:
    """The optimum by preconditioned descent, whatever the columns' scale; certified where asked for or in doubt."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    is_wide = not rows.is_sparse and rows.n_rows < rows.n_columns and rows.n_rows <= _ROW_SPACE_MAX_ROWS
    if start is None and is_wide and problems.column_weight is None:
        outcome = _solve_in_row_space(problems, rows, columns.centre, tol=tol, max_iter=max_iter, certify=certify)
        if outcome is not None:
            fit, gap = outcome
            if (gap <= _EXCELLENT * tol).all() or not (problems.lambd > 0).all():
                return fit
            start = fit.W, fit.b
    descent, last = _minimize(problems, rows, columns, start, tol=tol, max_iter=max_iter)
    certify |= bool(last.preconditioner.rough or not (descent.finished == CONVERGED).all())
    fit = _finish(problems, rows, columns, descent, last.objective, certify=certify)
    if last.preconditioner.rough and (fit.dual_gap[fit.converged] > CERTIFIED).any():
        again, last = _truncated_newton(
            problems, rows, columns, descent.params, tol=tol, max_iter=max_iter, thorough=True
        )
        fit = _finish(problems, rows, columns, _joined(descent, again), last.objective)
    return _no_worse_than_zero(problems, rows, columns, fit)


def _minimize(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    start: tuple[Floats, Floats] | None,
    *,
    tol: float,
    max_iter: int,
) -> tuple[Descent, TruncatedNewton]:
    """The descent from a start (by default a cheap one that is near), and the update rule that ended it."""
    chain = _worthwhile_chains(problems, rows) if start is None else None
    if chain is not None:
        return _continue_along_lambda(problems, rows, columns, chain, tol=tol, max_iter=max_iter)
    theta, preconditioner = _set_out(problems, rows, columns, start)
    if preconditioner.exact or not isinstance(preconditioner, SampledHessian):
        return _truncated_newton(problems, rows, columns, theta, preconditioner, tol=tol, max_iter=max_iter)
    early = _quasi_newton(problems, rows, columns, theta, preconditioner, tol=max(_NEAR, tol), max_iter=max_iter - 1)
    near = early.finished == NEAR
    # What single precision rounds off is too much for a Hessian that is as good as singular.
    suits = problems.n_score_rows == 1 and tol >= _ROUNDED and _pays_in_single_precision(problems, rows)
    twin = near & preconditioner.is_well_conditioned() & suits
    late = Descent.start(early.params)
    for mask, in_single_precision in ((twin, True), (near & ~twin, False), (~near, False)):
        if mask.any():
            # A preconditioner of its own helps a problem that a shared or an old one did not.
            metric = preconditioner.select(mask) if near[mask].all() else None
            part, last = _truncated_newton(
                problems.select(mask),
                rows,
                columns,
                early.params[mask],
                metric,
                tol=tol,
                max_iter=max_iter - int(early.n_iter.max()),
                hard=metric is None,
                in_single_precision=in_single_precision,
            )
            late.take(part, mask)
    return _joined(early, late), last


def _worthwhile_chains(problems: LinearProblems, rows: RowBlocks) -> NDArray[np.intp] | None:
    """Which problems differ in lambda only, (P,), where it pays to solve them one after another."""
    if problems.n_score_rows == 1 or not (problems.lambd > 0).all():
        return None
    if not _pays_in_single_precision(problems, rows) or not is_mid_sized(rows, problems.n_score_rows):
        return None
    data = problems.share if problems.column_weight is None else np.vstack([problems.share, problems.column_weight.T])
    chain = chains(data)
    return chain if len(chain) >= _LONG_CHAINS * (chain.max() + 1) else None


def _continue_along_lambda(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    chain: NDArray[np.intp],
    *,
    tol: float,
    max_iter: int,
) -> tuple[Descent, TruncatedNewton]:
    """The descent of chains of problems from large to small lambda, and the update rule that ended the last of them."""
    descent = Descent.start(problems.start(columns))
    metric: CarriedHessian | None = None
    last: TruncatedNewton | None = None

    def solve(level: NDArray[np.intp], start: Floats) -> Floats:
        nonlocal metric, last
        some = problems.select(level)
        objective = some.objective(rows, columns, _objective_in_single_precision(some, rows, columns))
        metric = metric or CarriedHessian(objective)
        newton = TruncatedNewton(objective, some.penalty(columns), metric.serving(chain[level]), tol=tol)
        newton.debt = newton.debt if last is None else last.debt
        part, last = Descent.start(start), newton
        descend(part, objective, newton.penalty, newton, _NewtonEnd(newton), max_iter=max_iter)
        descent.take(part, level)
        return part.params

    descend_along(chain, problems.lambd / problems.m, descent.params, solve)
    assert last is not None
    hard = descent.finished != CONVERGED
    left = max_iter - int(descent.n_iter.max())
    if hard.any() and left > 0:
        part, last = _truncated_newton(
            problems.select(hard), rows, columns, descent.params[hard], tol=tol, max_iter=left, hard=True
        )
        early = descent.select(hard)
        descent.take(_joined(early, part), hard)
    return descent, last


def _set_out(
    problems: LinearProblems, rows: RowBlocks, columns: Columns, start: tuple[Floats, Floats] | None
) -> tuple[Floats, Preconditioner]:
    """Where a descent begins, by default near its end where that is cheap to know; the preconditioner for it."""
    preconditioner: Preconditioner | None = None
    if start is None:
        start, preconditioner = _coarse_optimum(problems, rows)
    theta = problems.start(columns) if start is None else columns.from_model(*start)
    if preconditioner is None:
        shared = start is not None or theta.size > _MANY_PARAMETERS
        objective, penalty = problems.objective(rows, columns), problems.penalty(columns)
        preconditioner = choose_preconditioner(objective, penalty, shared=shared)
    return theta, preconditioner


def _pays_in_single_precision(problems: LinearProblems, rows: RowBlocks) -> bool:
    """Whether products with a copy of X in single precision save more time than the copy takes."""
    many_scores = len(problems.lambd) * problems.n_score_rows >= _MANY_SCORES
    return rows.fits_in_single_precision and (many_scores or rows.n_elements >= _MANY_ELEMENTS)


def _objective_in_single_precision(problems: LinearProblems, rows: RowBlocks, columns: Columns) -> LinearObjective:
    single = rows.in_single_precision(columns.centre, columns.inverse_scale)
    return problems.objective(single, Columns.unscaled(rows.n_columns, intercept=problems.fit_intercept))


def _quasi_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    theta: Floats,
    preconditioner: Preconditioner,
    *,
    tol: float,
    max_iter: int,
) -> Descent:
    """The descent from theta by quasi-Newton steps, as far as they go; in single precision where that pays."""
    descent = Descent.start(theta)
    if _pays_in_single_precision(problems, rows):
        objective = _objective_in_single_precision(problems, rows, columns)
    else:
        objective = problems.objective(rows, columns)
    penalty = problems.penalty(columns)
    update = QuasiNewton(objective, penalty, preconditioner, tol=tol)
    descend(descent, objective, penalty, update, QuasiNewtonEnd(update), max_iter=min(max_iter, _MAX_QUASI_NEWTON))
    # A step that went too far is taken back: the curve shows where the descent stood.
    descent.losses = [np.minimum.accumulate(losses).tolist() for losses in descent.losses]
    return descent


def _truncated_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    theta: Floats,
    preconditioner: Preconditioner | None = None,
    *,
    tol: float,
    max_iter: int,
    hard: bool = False,
    thorough: bool = False,
    in_single_precision: bool = False,
) -> tuple[Descent, TruncatedNewton]:
    """The descent from theta by Newton steps, with a preconditioner that is given, or a new one.

    In single precision are then the products with Hessians only: a gradient that is exact mends what a step got wrong.
    """
    descent = Descent.start(theta)
    twin = _objective_in_single_precision(problems, rows, columns) if in_single_precision else None
    objective, penalty = problems.objective(rows, columns, twin), problems.penalty(columns)
    newton = TruncatedNewton(
        objective,
        penalty,
        preconditioner or choose_preconditioner(objective, penalty, shared=False, hard=hard),
        tol=tol,
        thorough=thorough,
    )
    descend(descent, objective, penalty, newton, _NewtonEnd(newton), max_iter=max_iter)
    return descent, newton


def _joined(first: Descent, second: Descent) -> Descent:
    """One descent of two, the second from where the first ended."""
    losses = [a + b for a, b in zip(first.losses, second.losses, strict=True)]
    return Descent(second.params, first.n_iter + second.n_iter, losses, second.finished)


def _coarse_optimum(
    problems: LinearProblems, rows: RowBlocks
) -> tuple[tuple[Floats, Floats] | None, Preconditioner | None]:
    """W and b near the optimum of all rows, where that is cheap: from a sample of many rows, or from merged problems.

    The coarse problem is solved about as well as its data can tell, and itself starts from a coarser one, so that all
    of X is read, and all problems are solved, only for the last digits. The preconditioner of merged problems suits
    those that they were merged from.
    """
    n_parameters = rows.n_columns * problems.n_score_rows
    merged, member_of = problems.merged()
    if len(merged.lambd) < len(problems.lambd):
        optimum, preconditioner = _rough_optimum(merged, rows, 0.01 * n_parameters / rows.n_rows)
        if optimum is None:
            return None, None
        if isinstance(preconditioner, SampledHessian) and not preconditioner.exact:
            return (optimum[0][member_of], optimum[1][member_of]), preconditioner.select(member_of)
        return (optimum[0][member_of], optimum[1][member_of]), None
    n_sample = n_sampled_rows(rows.n_rows, n_parameters)
    if n_sample >= _SAMPLE_ROWS_PER_PARAMETER * n_parameters and _SAMPLE_RATIO * n_sample <= rows.n_rows:
        indices = even_sample(rows.n_rows, n_sample)
        sample = problems.take(indices)
        if sample is not None:
            with rows.sampled(indices) as part:
                return _rough_optimum(sample, part, 0.1 * n_parameters / n_sample)[0], None
    return None, None


def _rough_optimum(
    problems: LinearProblems, rows: RowBlocks, tol: float
) -> tuple[tuple[Floats, Floats] | None, Preconditioner]:
    """W and b within about tol of the optimum, or None where there may be none; the preconditioner used."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    theta, preconditioner = _set_out(problems, rows, columns, None)
    begin, n = (problems, rows, columns, theta, preconditioner), _SAMPLE_MAX_ITER
    if preconditioner.exact or preconditioner.rough:
        descent, _ = _truncated_newton(*begin, tol=tol, max_iter=n)
    else:
        descent = _quasi_newton(*begin, tol=tol, max_iter=n)
    return columns.to_model(descent.params) if descent.finished.all() else None, preconditioner


def _solve_in_row_space(
    problems: LinearProblems, rows: RowBlocks, centre: Floats, *, tol: float, max_iter: int, certify: bool
) -> tuple[LinearFit, Floats] | None:
    """Fewer rows than columns: W = (X - centre)^T V z / sigma lies in the row space, so solve for z, ||z|| = ||W||.

    The fit, and bounds on J - J*: of all problems, or of those that went worst. None where the products of X's numbers
    leave the range of float64, or all are zero.
    """
    gram = rows.gram(centre)
    if not (np.isfinite(gram).all() and np.trace(gram) > _SMALLEST_VARIANCE):
        return None
    variances, V = np.linalg.eigh(gram)
    kept = variances > len(V) * np.finfo(float).eps * variances[-1]
    sigma, V = np.sqrt(variances[kept]), V[:, kept]
    reduced = rows.like(V * sigma, problems.n_score_rows * len(problems.lambd))
    columns = Columns.unscaled(len(sigma), intercept=problems.fit_intercept)
    if problems.is_plain and RowSpaceHessian.suits(problems.lambd / problems.m, problems.share, gram):
        descent = _newton_in_row_space(problems, reduced, columns, tol=tol, max_iter=max_iter)
    else:
        descent, _ = _minimize(problems, reduced, columns, None, tol=tol, max_iter=max_iter)
    z = descent.params[..., : len(sigma)]
    combination = (V / sigma) @ z.reshape(-1, len(sigma)).T

    def add(block: Any, at: slice, W: Floats) -> None:
        W += multiply(block.T, combination[at])

    (W,) = rows.sum_blocks(add, (rows.n_columns, combination.shape[1]))
    W -= np.multiply.outer(centre, combination.sum(axis=0))
    theta = np.concatenate([W.T.reshape(*z.shape[:2], -1), descent.params[..., len(sigma) :]], axis=-1)
    original = Columns(centre, np.ones(rows.n_columns), problems.fit_intercept)
    certify |= not (descent.finished == CONVERGED).all()
    descent = Descent(theta, descent.n_iter, descent.losses, descent.finished)
    fit = _finish(problems, rows, original, descent, certify=certify)
    if certify:
        return fit, fit.dual_gap
    # Rounding in the products of rows, which all problems share, matters most where the penalty is weakest.
    strength = problems.lambd / problems.m
    weakest = strength <= 2 * strength.min()
    return fit, certified(problems.select(weakest), rows, fit.W[weakest], fit.b[weakest])[1]


def _newton_in_row_space(
    problems: LinearProblems, rows: RowBlocks, columns: Columns, *, tol: float, max_iter: int
) -> Descent:
    """Newton's method with each problem's own Hessian, of many problems from the optimum of merged ones."""
    merged, member_of = problems.merged()
    theta = problems.start(columns)
    if len(merged.lambd) < len(problems.lambd):
        theta = _newton_in_row_space(merged, rows, columns, tol=_MERGED_TOL, max_iter=max_iter).params[member_of]
    newton = RowSpaceHessian(rows)
    descent, _ = _truncated_newton(problems, rows, columns, theta, newton, tol=tol, max_iter=max_iter)
    return descent


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
    fit = _finish(problems, rows, columns, descent)
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
            if losses[-1] > losses[0] * (1 + 1e-9):
                raise DivergenceError(
                    f"Gradient descent diverged: J rose from {losses[0]:.6g} to {losses[-1]:.6g}. {self.advice}"
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

    (total,) = rows.sum_blocks(add, (len(problems.lambd),))
    return total / (4 if problems.n_score_rows == 1 else 2)


def _finish(
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
    objective = problems.objective(rows, columns)
    if (
        last is not None
        and last.is_binary
        and last.scores is not None
        and last.n_problems == len(theta)
        and theta is descent.params
    ):
        objective = last
    unpenalized = problems.lambd == 0
    if certify or unpenalized.any():
        J, gap = _certified(problems, objective, columns, theta)
    else:
        J = np.array([losses[-1] for losses in descent.losses])  # before the last step, which hardly changes it
        gap = np.full(len(theta), np.inf)
    for losses, end in zip(descent.losses, J.tolist(), strict=True):
        losses.append(end)
    separable = unpenalized & ((descent.finished == UNBOUNDED) | (unpenalized.any() and _all_right(objective)))
    return LinearFit(W, b, descent.n_iter, descent.losses, descent.finished == CONVERGED, separable, gap)


def _no_worse_than_zero(problems: LinearProblems, rows: RowBlocks, columns: Columns, fit: LinearFit) -> LinearFit:
    """W = 0 for problems whose numbers differ so much in size that rounding left nothing of the scores, (P,)."""
    lost = ~(np.array([losses[-1] for losses in fit.losses]) <= problems.value_at_start() * (1 + _ROUNDING))
    lost &= np.isfinite(fit.W).all(axis=(1, 2))  # what single precision cannot hold is an error of its own
    if lost.any():
        some = problems.select(lost)
        fit.W[lost], fit.b[lost] = columns.to_model(some.start(columns))
        J, fit.dual_gap[lost] = certified(some, rows, fit.W[lost], fit.b[lost])
        fit.converged[lost] = False
        for p, end in zip(np.flatnonzero(lost), J.tolist(), strict=True):
            fit.losses[p][-1] = end
    return fit


def certified(problems: LinearProblems, rows: RowBlocks, W: Floats, b: Floats) -> tuple[Floats, Floats]:
    """J and the bound on J - J* (infinite for lambda 0), (P,), of weights (P, K, n_columns) and biases (P, K)."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    return _certified(problems, problems.objective(rows, columns), columns, columns.from_model(W, b))


def _certified(
    problems: LinearProblems, objective: LinearObjective, columns: Columns, theta: Floats
) -> tuple[Floats, Floats]:
    if not objective.scores_are_current:
        objective.set_scores(objective.compute_scores(theta))
    penalty = problems.penalty(columns)
    J = objective.loss() + penalty.value(theta)
    gap = dual_gap(objective, penalty, theta, J, column_weight=problems.column_weight, free_bias=problems.free_bias)
    return J, gap


def _all_right(objective: LinearObjective) -> Mask:
    """Per problem, whether every row of positive weight has its largest score at its own class, (P,)."""
    assert objective.scores is not None
    if objective.is_binary:
        right = (objective.scores * objective.target)[..., 0] < 0
    else:
        own = np.take_along_axis(objective.scores, objective.target[..., None], axis=2)
        right = (objective.scores < own).sum(axis=2) == objective.n_score_rows - 1
    return (right | (objective.share == 0)).all(axis=0)

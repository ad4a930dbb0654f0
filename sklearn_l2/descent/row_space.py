"""Fewer rows than columns: the optimum lies in the space of the rows, and its Newton systems have an equation per row.

With the Hessian of two classes, H = Z^T C Z + rho I, the matrix inversion lemma gives

    H^-1 u = (u - Z^T R q) / rho,    R = C^(1/2),    (R Z Z^T R + rho I) q = R Z u,

and Z Z^T is the same for all problems: no product of matrices is left, but a small factorization for each problem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrs

from .columns import Columns
from .descents import descend_newton
from .interpolation import FAR, merged
from .loop import Descent
from .newton import Newton
from .penalties import L2
from .preconditioners import Exact
from .problems import LinearProblems
from .results import CONVERGED, LinearFit, certified, finish
from .rows import RowBlocks, multiply
from .standardized import StandardizedObjective

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_SMALLEST_VARIANCE = 1e-200
_MERGED_TOL = 0.01  # J - J* that is left where merged problems' optimum is near enough to each problem's own
_MAX_ROWS = 300  # beyond, conjugate gradients take less time than so many factorizations
_LARGEST_CONDITION = 1e9  # of H, up to which the subtraction above leaves enough digits
_LARGEST_CURVATURE = 0.25  # of a row's log loss


class RowSpaceHessian(Exact):
    """H of each problem at the point of the objective's last gradient, with an unpenalized bias if there is one."""

    keeps_factor = False

    def __init__(self, rows: RowBlocks, share: Floats) -> None:
        self.rows = rows
        gram = multiply(rows.X, rows.X.T)
        self.trained = [np.flatnonzero(of_fold) for of_fold in share.T]  # the others have no curvature
        self.grams = [gram[np.ix_(some, some)] for some in self.trained]  # of each fold
        self.fold: Indices = np.empty(0, dtype=np.intp)
        self.curvature: Floats = np.empty(0)
        self.strength: Floats = np.empty(0)

    @staticmethod
    def suits(strength: Floats, share: Floats, gram: Floats) -> bool:
        """Whether rows are few, and lambda/m (P,) is not too small for row weights s/m (n, P)."""
        largest = _LARGEST_CURVATURE * np.trace(gram) * share.max()
        return len(gram) <= _MAX_ROWS and bool(largest <= _LARGEST_CONDITION * strength.min())

    def build(self, objective: StandardizedObjective, penalty: L2, theta: Floats) -> None:
        self.fold, self.curvature = objective.fold, objective.curvature[..., 0]
        self.strength = penalty.lambd / penalty.m

    def solve(self, r: Floats, problems: Indices) -> Floats:
        Z, n = self.rows.X, len(self.rows.X)
        rank = Z.shape[1]
        u = r[:, 0, :rank]
        products = multiply(u, Z.T)
        combination = np.zeros((len(problems), n))
        bias = np.zeros(len(problems))
        has_bias = r.shape[2] > rank

        def solve_one(i: int) -> None:
            p = problems[i]
            some, rho = self.trained[self.fold[p]], self.strength[p]
            root, of_rows = np.sqrt(self.curvature[some, p]), products[i, some]
            system = self.grams[self.fold[p]] * root[:, None]
            system *= root
            system.reshape(-1)[:: len(some) + 1] += rho
            q, w = _solve_spd(system, np.stack([root * of_rows, root])).T
            if has_bias:
                bias[i] = (r[i, 0, rank] - w @ (root * of_rows)) / (rho * (w @ root))
            combination[i, some] = root * (q + rho * bias[i] * w)

        self.rows.run(solve_one, range(len(problems)), n**3 // 3)
        s = np.empty_like(r)
        s[:, 0, :rank] = (u - multiply(combination, Z)) / self.strength[problems, None]
        if has_bias:
            s[:, 0, rank] = bias
        return s


def _solve_spd(system: Floats, right: Floats) -> Any:
    """Solutions (n, C) for right-hand sides (C, n), of a system (n, n)."""
    try:
        factor = np.linalg.cholesky(system)  # unlike scipy's, it lets other threads run meanwhile
    except np.linalg.LinAlgError:
        return np.zeros_like(right.T)
    return dpotrs(factor.T, right.T)[0]


def solve_in_row_space(
    problems: LinearProblems,
    rows: RowBlocks,
    centre: Floats,
    minimize: Callable[[LinearProblems, RowBlocks, Columns], tuple[Descent, Newton]],
    *,
    tol: float,
    max_iter: int,
    certify: bool,
) -> tuple[LinearFit, Floats] | None:
    """W = C^-1 (X - centre)^T V z / sigma, with column weights C, lies in the row space: solve for z, ||z|| = ||W||_C.

    The fit, and bounds on J - J*: of all problems, or of those that went worst. None where the products of X's numbers
    leave the range of float64, or all are zero.
    """
    column_weight = None if problems.column_weight is None else problems.column_weight[0]
    gram = rows.gram(centre, column_weight)
    if not (np.isfinite(gram).all() and np.trace(gram) > _SMALLEST_VARIANCE):
        return None
    variances, V = np.linalg.eigh(gram)
    kept = variances > len(V) * np.finfo(float).eps * variances[-1]
    sigma, V = np.sqrt(variances[kept]), V[:, kept]
    reduced = rows.like(V * sigma, problems.n_score_rows * len(problems.lambd))
    columns = Columns.unscaled(len(sigma), intercept=problems.fit_intercept)
    of_rows = replace(problems, column_weight=None)
    if problems.is_plain and RowSpaceHessian.suits(problems.lambd / problems.m, problems.share, gram):
        descent = _newton_in_row_space(of_rows, reduced, columns, tol=tol, max_iter=max_iter)
    else:
        descent, _ = minimize(of_rows, reduced, columns)
    z = descent.params[..., : len(sigma)]
    combination = (V / sigma) @ z.reshape(-1, len(sigma)).T

    def add(block: Any, at: slice, W: Floats) -> None:
        W += multiply(block.T, combination[at])

    (W,) = rows.sum_blocks(add, (rows.n_columns, combination.shape[1]))
    W -= np.multiply.outer(centre, combination.sum(axis=0))
    if column_weight is not None:
        W /= column_weight[:, None]
    theta = np.concatenate([W.T.reshape(*z.shape[:2], -1), descent.params[..., len(sigma) :]], axis=-1)
    original = Columns(centre, np.ones(rows.n_columns), problems.fit_intercept)
    certify |= not (descent.finished == CONVERGED).all()
    descent = replace(descent, params=theta)
    fit = finish(problems, rows, original, descent, certify=certify)
    if certify:
        return fit, fit.dual_gap
    # Rounding in the products of rows, which all problems share, matters most where the penalty is weakest.
    strength = problems.lambd / problems.m
    weakest = strength <= 2 * strength.min()
    return fit, certified(problems.select(weakest), rows, fit.W[weakest], fit.b[weakest])[2]


def _newton_in_row_space(
    problems: LinearProblems, rows: RowBlocks, columns: Columns, *, tol: float, max_iter: int
) -> Descent:
    """Newton's method with each problem's own Hessian, of many problems from the optimum of merged ones."""
    few, at_all, _ = merged(problems, FAR)  # what they do not tell of those between, a step makes up for
    theta = problems.start(columns)
    if len(few.lambd) < len(problems.lambd):
        theta = at_all(_newton_in_row_space(few, rows, columns, tol=_MERGED_TOL, max_iter=max_iter).params)
    newton = RowSpaceHessian(rows, problems.share)
    descent, _ = descend_newton(problems, rows, columns, theta, newton, tol=tol, max_iter=max_iter)
    return descent

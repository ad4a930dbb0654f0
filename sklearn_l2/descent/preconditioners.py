"""Preconditioners: approximations of the Hessian, cheap to invert, that make feature scale irrelevant.

Each is built for P problems from the objective's current second derivatives and applies M^-1 to directions (A, K, D)
of some of them; problems may share one. `cost` is the price of a build, measured in passes over X; the descent
rebuilds when the conjugate-gradient steps a stale one has cost add up to that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrs

from .columns import Columns
from .hessians import binary_hessian, cholesky_factor, softmax_hessian
from .kronecker import Kronecker
from .linear import LinearObjective
from .penalties import L2
from .problems import LinearProblems
from .rows import RowBlocks
from .sampled_hessians import (
    FEW_OPERATIONS,
    LARGEST_CHOLESKY,
    MANY_PROBLEMS,
    ROWS_PER_PARAMETER,
    SAFETY,
    CurvedHessian,
    SampledHessian,
    has_drifted,
)
from .standardized import StandardizedObjective

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

_MANY_PARAMETERS = 200  # a factor of so many takes longer than the steps it saves
_OPERATIONS_FROM_FAR = 4e7  # and these less than the many steps that other ones take from W = 0
_FEW_ROWS_PER_PARAMETER = 4 * ROWS_PER_PARAMETER  # a problem with more has a start near its optimum
_SMALL = 150
_STALE_WILL_DO = 30.0  # passes: a fresh diagonal of sparse X saves few of the steps that a stale one takes
_SMALLEST_IN_SINGLE = 1e-15  # its square is far from what single precision cannot hold
_DRIFT_OF_DIAGONAL = 1.5  # which costs little to renew


class Preconditioner(Protocol):
    """An approximate Hessian."""

    cost: float
    rough: bool  # M may be so far from the Hessian that a residual measured by it says little
    safety: float  # otherwise, how many times more it may be
    dtype: Any  # of vectors that conjugate gradients keep

    @property
    def is_built(self) -> bool: ...

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        """Take the Hessian at theta (P, K, D), the point of the objective's last gradient."""

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: Mask) -> None:
        """The same for the problems in stale (P,), each by itself."""

    def outdated(self, objective: LinearObjective) -> Mask:
        """Which problems' curvature is no more what it was when M was built, (P,)."""

    def solve(self, r: Floats, problems: Indices) -> Floats:
        """M^-1 r for r (A, K, D) of the given problems (A,)."""

    def keep(self, mask: NDArray[np.bool_]) -> None: ...


def choose_preconditioner(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    *,
    shared: bool,
    hard: bool = False,
    rough: bool = False,
) -> Preconditioner | Exact:
    """The preconditioner that suits the shape of X and the number of classes.

    `shared`: problems whose lambda/m lie within a factor of about 10 have the data part of it together. `hard`: a
    cheaper one is known to have failed. `rough`: the first digits will do.
    """
    D, K, n_problems = rows.n_columns + columns.intercept, problems.n_score_rows, len(problems.lambd)
    size, is_binary = D * K, K == 1
    if CurvedHessian.suits(problems, rows, size) and not hard:
        return CurvedHessian(problems.objective(rows, columns))
    pays = is_binary or hard or (shared and n_problems > MANY_PROBLEMS)
    if size > (LARGEST_CHOLESKY if pays else _SMALL) or has_only_diagonal(rows, size):
        if not is_binary and Kronecker.suits(rows, D, K):
            return Kronecker(problems.objective(rows, columns))
        return Diagonal(_STALE_WILL_DO if rows.is_sparse and is_binary else 1.0)
    of_data: NDArray[Any] = np.arange(n_problems)
    of_factor = of_data
    if shared:
        strength = np.log10(np.maximum(problems.lambd / problems.m, np.finfo(float).tiny))
        of_data, of_factor = np.round(strength), np.round(strength, 2)
    all_differ = not shared or len(np.unique(of_data)) == n_problems
    starts_far = n_problems == 1 and not rough and rows.n_rows <= _FEW_ROWS_PER_PARAMETER * size
    if all_differ and rows.n_rows * size**2 <= (_OPERATIONS_FROM_FAR if starts_far else FEW_OPERATIONS):
        return ExactHessian()
    if size > _MANY_PARAMETERS:
        of_factor = of_data
    objective = problems.objective(rows, columns)
    if is_binary:
        return SampledHessian(objective, binary_hessian, of_data, of_factor, (np.float32, np.float64))
    return SampledHessian(objective, softmax_hessian, of_data, of_factor)


def is_mid_sized(rows: RowBlocks, n_score_rows: int) -> bool:
    """Whether a Hessian is worth its price only where it serves many conjugate-gradient steps."""
    return not rows.is_sparse and _SMALL < n_score_rows * (rows.n_columns + 1) <= LARGEST_CHOLESKY


def is_large(n_columns: int, n_score_rows: int) -> bool:
    """Whether a Hessian takes too long to factorize."""
    return n_score_rows * (n_columns + 1) > LARGEST_CHOLESKY


def has_only_diagonal(rows: RowBlocks, size: int) -> bool:
    """Whether a Hessian of size x size of sparse X takes too long to factorize."""
    return rows.is_sparse and size > _SMALL and (size > LARGEST_CHOLESKY or rows.n_rows < 4 * size)


class Diagonal:
    """The Hessian's diagonal: for large sparse X, and for softmax with more columns than Kronecker can take."""

    rough = True
    safety = 3 * SAFETY  # as many times more is what the penalty's curvature alone tells of a residual

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.dtype: Any = np.float64
        self.inverse: Floats = np.empty(0)
        self.total_curvature: Floats = np.empty(0)  # when it was built

    @property
    def is_built(self) -> bool:
        return self.inverse.size > 0

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        self.total_curvature = objective.total_curvature()
        diagonal = objective.hessian_diagonal() + penalty.curvature(theta)
        inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny ** 0.5)
        if objective.twin is not None:
            in_range = _SMALLEST_IN_SINGLE < inverse.min() and inverse.max() < 1 / _SMALLEST_IN_SINGLE
            self.dtype = objective.twin.rows.dtype if in_range else np.float64
        self.inverse = inverse.astype(self.dtype, copy=False)

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: Mask) -> None:
        self.build(objective, penalty, theta)

    def outdated(self, objective: LinearObjective) -> Mask:
        return has_drifted(objective.total_curvature() / self.total_curvature, _DRIFT_OF_DIAGONAL)

    def solve(self, r: Floats, problems: Indices) -> Floats:
        return (self.inverse if len(problems) == len(self.inverse) else self.inverse[problems]) * r

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.inverse, self.total_curvature = self.inverse[mask], self.total_curvature[mask]


class Exact(ABC):
    """The Hessian itself, built anew for every step."""

    rough = False
    keeps_factor = True  # or else every solution takes a factorization

    @abstractmethod
    def build(self, objective: StandardizedObjective, penalty: L2, theta: Floats) -> None:
        """Take the Hessian at theta (P, K, D), the point of the objective's last gradient."""

    @abstractmethod
    def solve(self, r: Floats, problems: Indices) -> Floats:
        """H^-1 r for r (A, K, D) of the given problems (A,)."""


class ExactHessian(Exact):
    """Each problem's Hessian over all rows, where that costs less than the calls around it."""

    def __init__(self) -> None:
        self.factors: list[tuple[Floats, Floats]] = []  # of each problem

    def build(self, objective: StandardizedObjective, penalty: L2, theta: Floats) -> None:
        ridge = penalty.curvature(theta).reshape(len(theta), -1)
        self.factors = [cholesky_factor(objective.hessian(p), ridge[p]) for p in range(len(ridge))]

    def solve(self, r: Floats, problems: Indices) -> Floats:
        solution = np.empty_like(r)
        for own, right, p in zip(solution, r, problems, strict=True):
            L, scale = self.factors[p]
            own[...] = (scale * dpotrs(L, scale * right.reshape(-1), lower=1)[0]).reshape(own.shape)
        return solution

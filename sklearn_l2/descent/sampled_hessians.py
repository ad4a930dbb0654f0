"""Hessians of rows of X as preconditioners, by their Cholesky factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hessians import inverse_cholesky, large_binary_hessian, softmax_hessian_of_curved_rows
from .kronecker import LARGEST_INVERSE_TRACE
from .linear import LinearObjective
from .penalties import L2
from .problems import LinearProblems
from .rows import RowBlocks, even_sample, sample_along

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

SAFETY = 5.0  # a residual's energy is an estimate
FEW_OPERATIONS = 4e6  # a Hessian over all rows costs less than the calls around it
LARGEST_CHOLESKY = 1000
_LARGEST_CURVED = 3000
_GEMM_SPEEDUP = 25.0  # multiply-adds per second of a symmetric matrix product over those of a pass over X
_PASSES_FOR_A_BUILD = 0.8
ROWS_PER_PARAMETER = 40
_FEWEST_ROWS_PER_PARAMETER, _ROWS_PER_PARAMETER_OF_MANY = 8, 100
MANY_PROBLEMS = 8
_ROWS_PER_COLUMN = 0.75
_COLUMNS_FOR_A_PASS = 36.0  # of a build
_FLAT_PART = 0.003  # of the curvature: rows that together have no more are left out of a large Hessian
_BUILDS_TOGETHER = 2
_LARGEST_TRACE_IN_SINGLE = 1e6  # of M^-1, with M's diagonal of ones: its least eigenvalue is then well above rounding
_DRIFT = 3.0  # of the total curvature, up to which M is taken for what it was; less than the safety on a residual


def n_sampled_rows(n_rows: int, size: int, n_problems: int = 1) -> int:
    """Rows for a Hessian of size x size: its sampling error matters below, its price above."""
    affordable = int(_PASSES_FOR_A_BUILD * _GEMM_SPEEDUP * n_rows / size)
    most = ROWS_PER_PARAMETER if n_problems <= MANY_PROBLEMS else _ROWS_PER_PARAMETER_OF_MANY
    return int(np.clip(affordable, _FEWEST_ROWS_PER_PARAMETER * size, most * size))


def has_drifted(ratio: Floats, most: float) -> Mask:
    """Where a ratio, also if it is not a number, is far from 1."""
    return ~((ratio >= 1 / most) & (ratio <= most))


class SampledHessian:
    """Hessians of a sample of rows, as inverse Cholesky factors.

    With two classes, a build draws the rows evenly along their curvature, so that the few that a Hessian may consist of
    are among them. With more, an even sample is drawn once.

    `hessian` makes the data part of one from the sampled rows (n, D) and their score curvature (n,), or with softmax
    probabilities (n, K) and share (n,), in a given precision. Problems with equal `of_data` (P,) have that part
    together, those with equal `of_factor` all of it. The first of `dtypes` that is precise enough for it is used.
    """

    rough = False
    safety = SAFETY
    dtype = np.float64

    def __init__(
        self,
        objective: LinearObjective,
        hessian: Callable[..., Floats],
        of_data: NDArray[Any],
        of_factor: NDArray[Any],
        dtypes: Sequence[Any] = (np.float64,),
    ) -> None:
        n_rows, size = objective.rows.n_rows, objective.n_parameters * objective.n_score_rows
        self.hessian, self.dtypes = hessian, dtypes
        self.of_data, self.of_factor = (np.unique(g, return_inverse=True)[1] for g in (of_data, of_factor))
        n_data = self.of_data.max() + 1
        n_sample = n_sampled_rows(n_rows, size, objective.n_problems)
        if n_rows * size**2 <= FEW_OPERATIONS or n_sample >= n_rows / 2:
            n_sample = n_rows
        self.n_sample = n_sample
        self.follows_curvature = objective.is_binary and (n_sample < n_rows or size > LARGEST_CHOLESKY)
        if not self.follows_curvature:
            self.indices: Any = slice(None) if n_sample == n_rows else even_sample(n_rows, n_sample)
            self.sample = objective.sample_columns(self.indices, dtypes[0])
        self.cost = n_data / objective.n_problems * n_sample / n_rows * size / _GEMM_SPEEDUP
        self.inverse_factor: dict[int, Floats] = {}
        self.inverse_trace: dict[int, float] = {}  # of M with a diagonal of ones
        self.total_curvature: Floats = np.empty(0)  # when M was built

    @property
    def is_built(self) -> bool:
        return len(self.inverse_factor) > 0

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        self._build(objective, penalty, theta, np.ones(len(theta), dtype=bool))

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: Mask) -> None:
        for of_what in (self.of_data, self.of_factor):
            of_what[stale] = of_what.max() + 1 + np.arange(stale.sum())
        self._build(objective, penalty, theta, stale)

    def outdated(self, objective: LinearObjective) -> Mask:
        return has_drifted(objective.total_curvature() / self.total_curvature, _DRIFT)

    def _build(self, objective: LinearObjective, penalty: L2, theta: Floats, which: Mask) -> None:
        ridge = penalty.curvature(theta).reshape(len(theta), -1)
        rows, size = objective.rows, objective.n_parameters * objective.n_score_rows
        total = objective.total_curvature()
        if not self.total_curvature.size:
            self.total_curvature = total.copy()

        def build_one(data: int) -> None:
            members = np.flatnonzero(self.of_data == data)
            self.total_curvature[members] = total[members].mean()
            of_rows = self._rows(objective, members)
            left = np.unique(self.of_factor[members]).tolist()
            for dtype in self.dtypes:
                H = self.hessian(rows, *of_rows, dtype)
                for factor in left:
                    alike = members[self.of_factor[members] == factor]
                    M = inverse_cholesky(H, np.exp(np.log(ridge[alike]).mean(axis=0)), dtype)
                    self.inverse_factor[factor], self.inverse_trace[factor] = M
                left = [factor for factor in left if self.inverse_trace[factor] > _LARGEST_TRACE_IN_SINGLE]
                if not left:
                    break

        rows.run(build_one, np.unique(self.of_data[which]).tolist(), self.n_sample * size**2)

    def _rows(self, objective: LinearObjective, members: Indices) -> tuple[Floats, ...]:
        """The rows of a Hessian that some problems have together, and what `hessian` needs to know of them."""
        if objective.is_binary:
            one = len(members) == 1
            curvature = objective.curvature[:, members[0] if one else members, 0]
            curvature = curvature if one else curvature.mean(axis=1)
            if not self.follows_curvature:
                return self.sample, curvature
            indices, each = sample_along(curvature, self.n_sample)
            return objective.sample_columns(indices, self.dtypes[0]), np.full(self.n_sample, each)
        share, counts = objective.share_of(self.indices, members), 1.0
        if self.n_sample < len(objective.share):
            # What a sampled row counts for: the weight of all rows over that of the sampled ones.
            of_sample = share.sum(axis=0)
            counts = objective.share.sum(axis=0)[objective.fold[members]] / np.where(of_sample > 0, of_sample, 1.0)
        return self.sample, objective.curvature[self.indices][:, members].mean(axis=1), (share * counts).mean(axis=1)

    def select(self, which: Mask | Indices) -> SampledHessian:
        """The same for some of the problems, in any order."""
        some = copy(self)
        some.inverse_factor, some.inverse_trace = self.inverse_factor.copy(), self.inverse_trace.copy()
        some.keep(which)
        return some

    def is_well_conditioned(self) -> Mask:
        """Per problem, whether the least eigenvalue of M, with a diagonal of ones, is far above single precision."""
        return np.array([self.inverse_trace[factor] <= LARGEST_INVERSE_TRACE for factor in self.of_factor])

    def keep(self, mask: Mask | Indices) -> None:
        for name in ("of_data", "of_factor", "total_curvature"):
            setattr(self, name, getattr(self, name)[mask])

    def solve(self, r: Floats, problems: Indices) -> Floats:
        flat, solution = r.reshape(len(r), -1), np.empty_like(r)
        groups = self.of_factor[problems]
        for group in set(groups.tolist()):
            factor, members = self.inverse_factor[group], groups == group
            right = flat[members].astype(factor.dtype, copy=False)
            solution[members] = ((right @ factor.T) @ factor).reshape(-1, *r.shape[1:])
        return solution


class CurvedHessian(SampledHessian):
    """The Hessian of the rows that hold nearly all of its curvature, in single precision, with the others' diagonal.

    For one problem with so many columns that a build takes as long as many passes: where classes hardly overlap, most
    rows are flat, and few at first.
    """

    def __init__(self, objective: LinearObjective) -> None:
        of_one = np.zeros(1, dtype=np.intp)
        super().__init__(objective, self._with_the_diagonal, of_one, of_one, (np.float32,))
        self.cost = objective.n_parameters / _COLUMNS_FOR_A_PASS
        self.diagonal: Floats = np.empty(0)

    @staticmethod
    def suits(problems: LinearProblems, rows: RowBlocks, size: int) -> bool:
        """Whether there are many columns and one problem: of more, products take less time for each."""
        is_large = LARGEST_CHOLESKY < size <= min(_LARGEST_CURVED, rows.n_rows)
        return is_large and problems.n_score_rows == len(problems.lambd) == 1 and not rows.is_sparse

    def pays(self, objective: LinearObjective) -> bool:
        """Whether rows enough are curved for the Hessian to be what it is here a few steps later."""
        return len(_curved_rows(objective.curvature[:, 0, 0])) >= _ROWS_PER_COLUMN * objective.n_parameters

    def _rows(self, objective: LinearObjective, members: Indices) -> tuple[Floats, ...]:
        self.diagonal = objective.hessian_diagonal()[members, 0].mean(axis=0)
        curvature = objective.curvature[:, members, 0].mean(axis=1)
        curved = _curved_rows(curvature)
        return objective.sample_columns(curved, np.float32), curvature[curved]

    def _with_the_diagonal(self, rows: RowBlocks, sample: Floats, curvature: Floats, dtype: Any) -> Floats:
        H = large_binary_hessian(rows, sample, curvature)
        H.reshape(-1)[:: len(H) + 1] = self.diagonal
        return H


def _curved_rows(curvature: Floats) -> Indices:
    """Sorted indices of the rows that hold nearly all of the curvature (n,)."""
    order = np.argsort(curvature)
    reached = np.cumsum(curvature[order], dtype=np.float64)
    return np.sort(order[reached > _FLAT_PART * reached[-1]])


class CarriedHessian(SampledHessian):
    """Hessians in single precision that serve the problems of a chain, which differ in lambda only, one after another.

    The first ones serve all chains, for near W = 0 they have the same.
    """

    def __init__(self, objective: LinearObjective) -> None:
        together = np.zeros(objective.n_problems, dtype=np.intp)
        super().__init__(objective, softmax_hessian_of_curved_rows, together, together, (np.float32,))
        self.cost = objective.n_parameters * objective.n_score_rows / _GEMM_SPEEDUP
        self.n_builds = np.zeros(objective.n_problems, dtype=np.intp)  # for each chain
        self.factor_of_chain = together
        self.chains = np.arange(objective.n_problems)  # of the problems now served

    def serving(self, chains: Indices) -> CarriedHessian:
        """The same for problems of some chains (P,); what it builds will serve the later ones."""
        some = copy(self)
        some.chains = chains
        some.of_data = some.of_factor = self.factor_of_chain[chains]
        some.total_curvature = np.ones(len(chains))
        return some

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        self.n_builds[self.chains] += 1
        alike = (self.n_builds[self.chains] <= _BUILDS_TOGETHER).all()
        self.factor_of_chain[self.chains] = 0 if alike else 1 + self.chains
        self.of_data = self.of_factor = self.factor_of_chain[self.chains]
        super().build(objective, penalty, theta)

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: Mask) -> None:
        self.factor_of_chain[self.chains[stale]] = 1 + self.chains[stale]
        self.of_data = self.of_factor = self.factor_of_chain[self.chains]
        self._build(objective, penalty, theta, stale)

    def keep(self, mask: Mask | Indices) -> None:
        super().keep(mask)
        self.chains = self.chains[mask]

    def outdated(self, objective: LinearObjective) -> Mask:
        """None: it is meant for other lambdas, where the curvature is another."""
        return np.zeros(objective.n_problems, dtype=bool)

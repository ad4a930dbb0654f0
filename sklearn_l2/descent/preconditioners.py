"""Preconditioners: approximations of the Hessian, cheap to invert, that make feature scale irrelevant.

Each is built for P problems from the objective's current second derivatives and applies M^-1 to directions (A, K, D)
of some of them; problems may share one. `cost` is the price of a build, measured in passes over X; the descent
rebuilds when the conjugate-gradient steps a stale one has cost add up to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .linear import LinearObjective
from .penalties import L2
from .rows import RowBlocks, even_sample, multiply

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_GEMM_SPEEDUP = 25.0  # multiply-adds per second of a symmetric matrix product over those of a pass over X
_PASSES_FOR_A_BUILD = 0.8
_FEWEST_ROWS_PER_PARAMETER, _ROWS_PER_PARAMETER = 8, 40
_FEW_OPERATIONS = 4e6  # a Hessian over all rows costs less than the calls around it
_SMALL_SOFTMAX = 150
_LARGEST_CHOLESKY = 1000
_JITTER = 1e-14


class Preconditioner(Protocol):
    """An approximate Hessian."""

    cost: float
    exact: bool  # M is the Hessian itself where it was last built
    rough: bool  # M may be so far from the Hessian that a residual measured by it says little

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        """Take the Hessian at theta (P, K, D), the point of the objective's last gradient."""

    def solve(self, r: Floats, problems: Indices) -> Floats:
        """M^-1 r for r (A, K, D) of the given problems (A,)."""

    def keep(self, mask: NDArray[np.bool_]) -> None: ...


def choose_preconditioner(objective: LinearObjective, penalty: L2, *, shared: bool) -> Preconditioner:
    """The preconditioner that suits the shape of X and the number of classes.

    `shared`: problems whose lambda/m lie within a factor of about 10 have one together, where it is a matrix.
    """
    n_rows, D, K = objective.rows.n_rows, objective.n_parameters, objective.n_score_rows
    size = D * K
    if objective.is_binary and D <= _LARGEST_CHOLESKY and (not objective.rows.is_sparse or 4 * D <= n_rows):
        build: Any = _hessian
    elif not objective.is_binary and size <= _SMALL_SOFTMAX:
        build = _softmax_hessian
    else:
        return Diagonal()
    groups = _decades(penalty.lambd / penalty.m) if shared else np.arange(objective.n_problems)
    return SampledHessian(objective, build, groups)


def _decades(strength: Floats) -> Indices:
    """Numbers 0, 1, ... of the groups of similar lambda/m (P,)."""
    decade = np.round(np.log10(np.maximum(strength, np.finfo(float).tiny)))
    return np.unique(decade, return_inverse=True)[1]


def n_sampled_rows(n_rows: int, size: int) -> int:
    """Rows for a Hessian of size x size: its sampling error matters below, its price above."""
    affordable = int(_PASSES_FOR_A_BUILD * _GEMM_SPEEDUP * n_rows / size)
    return int(np.clip(affordable, _FEWEST_ROWS_PER_PARAMETER * size, _ROWS_PER_PARAMETER * size))


class Diagonal:
    """The Hessian's diagonal: for large sparse X, and for softmax beyond a few parameters."""

    cost = 1.0
    exact = False
    rough = True

    def __init__(self) -> None:
        self.inverse: Floats = np.empty(0)

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        diagonal = objective.hessian_diagonal() + penalty.curvature(theta)
        self.inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny ** 0.5)

    def solve(self, r: Floats, problems: Indices) -> Floats:
        return self.inverse[problems] * r

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.inverse = self.inverse[mask]


class SampledHessian:
    """Hessians of a fixed, evenly drawn sample of rows, one per group of problems, as inverse Cholesky factors.

    `hessian` makes the data part of one from the sampled rows (n, D), and the score curvature and share of each (n, K)
    and (n,); `groups` (P,) numbers each problem's group.
    """

    rough = False

    def __init__(
        self,
        objective: LinearObjective,
        hessian: Callable[[RowBlocks, Floats, Floats, Floats], Floats],
        groups: Indices,
    ) -> None:
        n_rows, size = objective.rows.n_rows, objective.n_parameters * objective.n_score_rows
        self.hessian, self.groups = hessian, groups
        n_sample = n_sampled_rows(n_rows, size)
        if n_rows * size**2 <= _FEW_OPERATIONS or n_sample >= n_rows / 2:
            n_sample = n_rows
        each_its_own = len(groups) == groups.max() + 1
        self.exact = n_rows * size**2 <= _FEW_OPERATIONS and each_its_own
        self.indices: Any = slice(None) if n_sample == n_rows else even_sample(n_rows, n_sample)
        self.sample = objective.sample_columns(self.indices)
        self.cost = (groups.max() + 1) / len(groups) * len(self.sample) / n_rows * size / _GEMM_SPEEDUP
        self.inverse_factor: dict[int, Floats] = {}

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        curvature, share = objective.curvature, objective.share
        ridge = penalty.curvature(theta).reshape(len(theta), -1)
        if len(self.sample) < len(share):
            # What a sampled row counts for: the weight of all rows over that of the sampled ones.
            of_all, share, curvature = share.sum(axis=0), share[self.indices], curvature[self.indices]
            of_sample = share.sum(axis=0)
            counts = of_all / np.where(of_sample > 0, of_sample, 1.0)
            share = share * counts
            curvature = curvature * counts[:, None] if objective.is_binary else curvature
        if len(theta) == 1:
            self._build_group(0, objective.rows, curvature[:, 0], share[:, 0], ridge[0])
            return
        for group in np.unique(self.groups):
            members = self.groups == group
            mean_ridge = np.exp(np.log(ridge[members]).mean(axis=0))
            self._build_group(
                group, objective.rows, curvature[:, members].mean(axis=1), share[:, members].mean(axis=1), mean_ridge
            )

    def _build_group(self, group: int, rows: RowBlocks, curvature: Floats, share: Floats, ridge: Floats) -> None:
        self.inverse_factor[group] = _inverse_cholesky(self.hessian(rows, self.sample, curvature, share), ridge)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.groups = self.groups[mask]

    def solve(self, r: Floats, problems: Indices) -> Floats:
        flat = r.reshape(len(r), -1)
        if len(self.inverse_factor) == 1:
            (factor,) = self.inverse_factor.values()
            return ((flat @ factor.T) @ factor).reshape(r.shape)
        groups = self.groups[problems]
        solution = np.empty_like(flat)
        for group in np.unique(groups):
            factor, members = self.inverse_factor[group], groups == group
            solution[members] = (flat[members] @ factor.T) @ factor
        return solution.reshape(r.shape)


def _hessian(rows: RowBlocks, sample: Floats, curvature: Floats, share: Floats) -> Floats:
    """Two classes: sample^T diag(curvature) sample, (D, D)."""
    root = np.sqrt(curvature)

    def add(part: slice, total: Floats) -> None:
        scaled = root[part] * sample[part]
        total += multiply(scaled.T, scaled)

    (H,) = rows.sum_range(len(sample), add, (sample.shape[1], sample.shape[1]))
    return H


def _softmax_hessian(rows: RowBlocks, sample: Floats, p: Floats, share: Floats) -> Floats:
    """Softmax with probabilities p (n, K): (K D, K D)."""
    K, D = p.shape[1], sample.shape[1]
    root = np.sqrt(share)[:, None]
    joint = ((p * root)[:, :, None] * sample[:, None, :]).reshape(-1, K * D)
    H = -(joint.T @ joint)
    blocks = H.reshape(K, D, K, D)
    for k in range(K):
        scaled = root * np.sqrt(p[:, k, None]) * sample
        blocks[k, :, k] += scaled.T @ scaled
    # Adding one vector to all classes changes no probability; some curvature there keeps H invertible.
    j = np.arange(D)
    blocks[:, j, :, j] += np.einsum("kjkj->j", blocks)[:, None, None] / K**2
    return H


def _inverse_cholesky(H: Floats, ridge: Floats) -> Floats:
    """L^-1 with L L^T = H + diag(ridge), for H (D, D) and ridge (D,); flat directions get a little more ridge."""
    diagonal = np.diagonal(H) + ridge
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    H = H * scale[:, None] * scale
    jitter = _JITTER
    while True:
        np.fill_diagonal(H, 1 + jitter)
        L, failed = scipy.linalg.lapack.dpotrf(H, lower=1, clean=1)
        if not failed:
            inverse, _ = scipy.linalg.lapack.dtrtri(L, lower=1)
            return inverse * scale
        jitter *= 100

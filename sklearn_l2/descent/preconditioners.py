"""Preconditioners: approximations of the Hessian, cheap to invert, that make feature scale irrelevant.

Each is built for P problems from the objective's current second derivatives and applies M^-1 to (A, K, D) directions
of some of them. `cost` is the price of a build, measured in passes over X; the descent rebuilds when the conjugate-gradient
steps a stale one has cost add up to that.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .linear import LinearObjective
from .penalties import L2

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_GEMM_SPEEDUP = 10.0  # multiply-adds per second of a matrix product over those of a pass over X
_ROWS_PER_PARAMETER = 4
_PASSES_FOR_A_BUILD = 1.6
_SMALL_SOFTMAX = 150
_LARGEST_CHOLESKY = 1000
_FEW_OPERATIONS = 2e6  # a Hessian over all rows costs less than the calls around it
_JITTER = 1e-14


class Preconditioner(Protocol):
    """An approximate Hessian."""

    cost: float
    exact: bool  # M is the Hessian itself where it was last built

    def build(self, theta: Floats) -> None:
        """Take the Hessian at theta (P, K, D), the point of the objective's last gradient."""

    def solve(self, r: Floats, problems: Indices) -> Floats:
        """M^-1 r for r (A, K, D) of the given problems (A,)."""

    def keep(self, mask: NDArray[np.bool_]) -> None: ...


def choose_preconditioner(objective: LinearObjective, penalty: L2) -> Preconditioner:
    """The preconditioner that suits the shape of X and the number of classes."""
    D, K = objective.n_parameters, objective.n_score_rows
    if D > _LARGEST_CHOLESKY or (objective.rows.is_sparse and _ROWS_PER_PARAMETER * D > objective.rows.n_rows):
        return Diagonal(objective, penalty)
    if K > 1 and K * D <= _SMALL_SOFTMAX:
        return FullSoftmax(objective, penalty)
    return CholeskyBlocks(objective, penalty)


class Diagonal:
    """The Hessian's diagonal: for large sparse X."""

    cost = 1.0
    exact = False

    def __init__(self, objective: LinearObjective, penalty: L2) -> None:
        self.objective, self.penalty = objective, penalty
        self.inverse: Floats = np.empty(0)

    def build(self, theta: Floats) -> None:
        diagonal = self.objective.hessian_diagonal() + self.penalty.curvature(theta)
        self.inverse = 1 / np.maximum(diagonal, np.finfo(float).tiny ** 0.5)

    def solve(self, r: Floats, problems: Indices) -> Floats:
        return self.inverse[problems] * r

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.inverse = self.inverse[mask]


class _Cholesky:
    """Shared by the preconditioners that factor a Hessian estimated on a fixed, evenly drawn sample of rows."""

    def __init__(self, objective: LinearObjective, penalty: L2, size: int) -> None:
        self.objective, self.penalty = objective, penalty
        n_rows = objective.rows.n_rows
        n_sample = max(_ROWS_PER_PARAMETER * size, int(_PASSES_FOR_A_BUILD * _GEMM_SPEEDUP * n_rows / size))
        if n_sample >= n_rows or n_rows * size**2 <= _FEW_OPERATIONS:
            self.indices = np.arange(n_rows)
        else:
            self.indices = np.sort(np.random.default_rng(0).choice(n_rows, n_sample, replace=False))
        self.exact = len(self.indices) == n_rows
        self.sample = objective.sample_columns(self.indices)
        self.cost = len(self.indices) / n_rows * size / _GEMM_SPEEDUP
        self.inverse_factor: Floats = np.empty(0)

    def _sampling_weight(self) -> Floats:
        """What a sampled row counts for, (P, 1): the weight of all rows over that of the sampled ones."""
        share = self.objective.share
        sampled = share[self.indices].sum(axis=0)
        return (share.sum(axis=0) / np.where(sampled > 0, sampled, 1.0))[:, None]

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.inverse_factor = self.inverse_factor[mask]


class CholeskyBlocks(_Cholesky):
    """A D x D Cholesky factor per row of scores: the Hessian for two classes, its diagonal blocks for softmax."""

    def __init__(self, objective: LinearObjective, penalty: L2) -> None:
        super().__init__(objective, penalty, objective.n_parameters)
        self.exact &= objective.is_binary

    def build(self, theta: Floats) -> None:
        curvature = self.objective.score_curvature(self.indices) * self._sampling_weight()
        ridge = self.penalty.curvature(theta)
        self.inverse_factor = np.empty((*theta.shape, theta.shape[-1]))
        for p, k in np.ndindex(theta.shape[:2]):
            root = np.sqrt(curvature[:, p, k])[:, None] * self.sample
            self.inverse_factor[p, k] = _inverse_cholesky(root.T @ root, ridge[p, k])

    def solve(self, r: Floats, problems: Indices) -> Floats:
        factor = self.inverse_factor[problems]
        y = factor @ r[..., None]
        return (factor.swapaxes(-1, -2) @ y)[..., 0]


class FullSoftmax(_Cholesky):
    """The whole K D x K D Hessian of softmax."""

    def __init__(self, objective: LinearObjective, penalty: L2) -> None:
        super().__init__(objective, penalty, objective.n_parameters * objective.n_score_rows)

    def build(self, theta: Floats) -> None:
        P, K, D = theta.shape
        p = self.objective.curvature[self.indices]
        weight = self.objective.share[self.indices] * self._sampling_weight()[:, 0]
        ridge = self.penalty.curvature(theta).reshape(P, K * D)
        self.inverse_factor = np.empty((P, K * D, K * D))
        for problem in range(P):
            share = np.sqrt(weight[:, problem])[:, None]
            joint = ((p[:, problem] * share)[:, :, None] * self.sample[:, None, :]).reshape(-1, K * D)
            H = -(joint.T @ joint)
            diagonal_blocks = H.reshape(K, D, K, D)
            for k in range(K):
                root = share * np.sqrt(p[:, problem, k])[:, None] * self.sample
                diagonal_blocks[k, :, k] += root.T @ root
            # Adding one vector to all classes changes no probability; some curvature there keeps H invertible.
            for j, h in enumerate(np.einsum("kjkj->j", diagonal_blocks)):
                diagonal_blocks[:, j, :, j] += h / K**2
            self.inverse_factor[problem] = _inverse_cholesky(H, ridge[problem])

    def solve(self, r: Floats, problems: Indices) -> Floats:
        factor = self.inverse_factor[problems]
        y = factor @ r.reshape(len(r), -1, 1)
        return (factor.swapaxes(-1, -2) @ y).reshape(r.shape)


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

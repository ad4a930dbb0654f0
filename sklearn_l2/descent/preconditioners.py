"""Preconditioners: approximations of the Hessian, cheap to invert, that make feature scale irrelevant.

Each is built for P problems from the objective's current second derivatives and applies M^-1 to directions (A, K, D)
of some of them. `cost` is the price of a build, measured in passes over X; the descent rebuilds when the
conjugate-gradient steps a stale one has cost add up to that.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .linear import LinearObjective
from .penalties import L2
from .rows import even_sample, multiply

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_GEMM_SPEEDUP = 25.0  # multiply-adds per second of a symmetric matrix product over those of a pass over X
_PASSES_FOR_A_BUILD = 0.8
_ROWS_PER_PARAMETER = 8
_SAMPLE_ELEMENTS = 2**21  # 16 MiB
_FEW_OPERATIONS = 4e6  # a Hessian over all rows costs less than the calls around it
_SMALL_SOFTMAX = 150
_LARGEST_CHOLESKY = 1000
_JITTER = 1e-14


class Preconditioner(Protocol):
    """An approximate Hessian."""

    cost: float
    exact: bool  # M is the Hessian itself where it was last built
    rough: bool  # M may be so far from the Hessian that a residual measured by it says little

    def build(self, theta: Floats) -> None:
        """Take the Hessian at theta (P, K, D), the point of the objective's last gradient."""

    def solve(self, r: Floats, problems: Indices) -> Floats:
        """M^-1 r for r (A, K, D) of the given problems (A,)."""

    def keep(self, mask: NDArray[np.bool_]) -> None: ...


def choose_preconditioner(objective: LinearObjective, penalty: L2) -> Preconditioner:
    """The preconditioner that suits the shape of X and the number of classes."""
    n_rows, D, K = objective.rows.n_rows, objective.n_parameters, objective.n_score_rows
    if objective.is_binary and D <= _LARGEST_CHOLESKY and (not objective.rows.is_sparse or 4 * D <= n_rows):
        return SampledHessian(objective, penalty)
    if not objective.is_binary and K * D <= _SMALL_SOFTMAX:
        return SampledSoftmaxHessian(objective, penalty)
    return Diagonal(objective, penalty)


class Diagonal:
    """The Hessian's diagonal: for large sparse X, and for softmax beyond a few parameters."""

    cost = 1.0
    exact = False
    rough = True

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


class _Sampled:
    """A Hessian estimated on a fixed, evenly drawn sample of rows, as the inverse of its Cholesky factor."""

    rough = False

    def __init__(self, objective: LinearObjective, penalty: L2, size: int) -> None:
        self.objective, self.penalty = objective, penalty
        n_rows, D = objective.rows.n_rows, objective.n_parameters
        affordable = min(_PASSES_FOR_A_BUILD * _GEMM_SPEEDUP * n_rows / size, _SAMPLE_ELEMENTS / D)
        n_sample = max(_ROWS_PER_PARAMETER * size, int(affordable))
        if n_rows * size**2 <= _FEW_OPERATIONS:
            n_sample = n_rows
        self.exact = n_sample >= n_rows
        self.indices: Any = slice(None) if self.exact else even_sample(n_rows, n_sample)
        self.sample = objective.sample_columns(self.indices)
        self.cost = len(self.sample) / n_rows * size / _GEMM_SPEEDUP
        self.inverse_factor: Floats = np.empty(0)

    def _sampling_weight(self) -> Floats:
        """What a sampled row counts for, (P,): the weight of all rows over that of the sampled ones."""
        if self.exact:
            return np.ones(self.objective.n_problems)
        share = self.objective.share
        sampled = share[self.indices].sum(axis=0)
        return share.sum(axis=0) / np.where(sampled > 0, sampled, 1.0)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        self.inverse_factor = self.inverse_factor[mask]

    def solve(self, r: Floats, problems: Indices) -> Floats:
        factor = self.inverse_factor[problems]
        y = factor @ r.reshape(len(r), -1, 1)
        return (factor.swapaxes(-1, -2) @ y).reshape(r.shape)


class SampledHessian(_Sampled):
    """Two classes: the D x D Hessian."""

    def __init__(self, objective: LinearObjective, penalty: L2) -> None:
        super().__init__(objective, penalty, objective.n_parameters)

    def build(self, theta: Floats) -> None:
        P, _, D = theta.shape
        root = np.sqrt(self.objective.curvature[self.indices, :, 0] * self._sampling_weight())
        ridge = self.penalty.curvature(theta)[:, 0]
        self.inverse_factor = np.empty((P, D, D))
        for p in range(P):

            def add(rows: slice, total: Floats, root: Floats = root[:, p : p + 1]) -> None:
                scaled = root[rows] * self.sample[rows]
                total += multiply(scaled.T, scaled)

            (H,) = self.objective.rows.sum_range(len(self.sample), add, (D, D))
            self.inverse_factor[p] = _inverse_cholesky(H, ridge[p])


class SampledSoftmaxHessian(_Sampled):
    """Softmax: the K D x K D Hessian."""

    def __init__(self, objective: LinearObjective, penalty: L2) -> None:
        super().__init__(objective, penalty, objective.n_parameters * objective.n_score_rows)

    def build(self, theta: Floats) -> None:
        P, K, D = theta.shape
        probabilities = self.objective.curvature[self.indices]
        root_weight = np.sqrt(self.objective.share[self.indices] * self._sampling_weight())
        ridge = self.penalty.curvature(theta).reshape(P, K * D)
        self.inverse_factor = np.empty((P, K * D, K * D))
        for problem in range(P):
            p, root = probabilities[:, problem], root_weight[:, problem, None]
            joint = ((p * root)[:, :, None] * self.sample[:, None, :]).reshape(-1, K * D)
            H = -(joint.T @ joint)
            blocks = H.reshape(K, D, K, D)
            for k in range(K):
                scaled = root * np.sqrt(p[:, k, None]) * self.sample
                blocks[k, :, k] += scaled.T @ scaled
            # Adding one vector to all classes changes no probability; some curvature there keeps H invertible.
            j = np.arange(D)
            blocks[:, j, :, j] += np.einsum("kjkj->j", blocks)[:, None, None] / K**2
            self.inverse_factor[problem] = _inverse_cholesky(H, ridge[problem])


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

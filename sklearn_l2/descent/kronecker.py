"""A preconditioner for softmax with many parameters on dense X: a Kronecker product in place of the Hessian.

With probabilities p_i the data part of H is the sum of (s_i/m) (diag(p_i) - p_i p_i^T) (x) x~_i x~_i^T. If the second
factors were the same for all pairs of classes, it would be A (x) B, with A (K, K) the mean of the first factors and B
(D, D) that of the second (compare Martens and Grosse 2015, https://arxiv.org/abs/1503.05671). They are not: the rows
between classes k and l lie around a place of their own. Where biases are free, those places are what couples them to
the weights, so that eliminating the biases centres each pair of classes at its place, and what is left is alike.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .linear import LinearObjective
from .memory import Pair, corrected, pair
from .penalties import L2
from .rows import RowBlocks, even_sample, multiply

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

_ROWS_PER_COLUMN = 32
LARGEST_INVERSE_TRACE = 1e8
_LARGEST = 10  # eigendecomposition, in scores to compute
_FLAT = 1e-10  # of the largest eigenvalue: what rounding leaves of none
MEMORY = 16  # products with the Hessian
_SAFETY_OF_LEARNED, _COST_OF_LEARNED = 2.5, 6.0  # with what these tell, M is nearer, and a fresh one saves less


class Kronecker:
    """M for each problem, from a fixed, evenly drawn sample of rows, corrected by the last products with the Hessian.

    Adding one vector to all classes changes no probability: along such directions H is the ridge alone, and so is M.
    """

    rough = False
    safety = 50.0  # on images of digits the least eigenvalue of M^-1 H is 0.02
    dtype = np.float64
    cost = 2.0

    @staticmethod
    def suits(rows: RowBlocks, n_parameters: int, n_classes: int) -> bool:
        """Whether eigenvectors as long as a class has parameters take less time than the passes they save."""
        return not rows.is_sparse and n_parameters**2 <= _LARGEST * rows.n_rows * n_classes

    def __init__(self, objective: LinearObjective) -> None:
        n_rows, n_sample = objective.rows.n_rows, _ROWS_PER_COLUMN * objective.n_parameters
        self.indices: Any = slice(None) if n_sample >= n_rows / 2 else even_sample(n_rows, n_sample)
        self.sample = objective.sample_columns(self.indices).astype(np.float32)
        self.models: dict[int, _Model] = {}
        self.pairs: dict[int, list[Pair]] = {}
        self.problems = np.arange(objective.n_problems)  # those in the batch, by the number of their model

    @property
    def is_built(self) -> bool:
        return len(self.models) > 0

    def unbuilt(self) -> Kronecker:
        """The same before it was built."""
        some = copy(self)
        some.models, some.pairs = {}, {}
        return some

    def select(self, which: Mask) -> Kronecker:
        """The same for some of the problems."""
        some = copy(self)
        some.keep(which)
        return some

    def is_well_conditioned(self) -> Mask:
        """Per problem, whether the least eigenvalue of M, with a diagonal of ones, is far above single precision."""
        return np.array([self.models[p].inverse_trace() <= LARGEST_INVERSE_TRACE for p in self.problems.tolist()])

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        share = objective.share_of(self.indices)
        share = (share / share.sum(axis=0)).astype(np.float32)
        p = objective.curvature[self.indices].astype(np.float32, copy=False)
        weight, strength = penalty.weights(theta)[:, 0], penalty.lambd / penalty.m
        for i, number in enumerate(self.problems.tolist()):
            self.models[number] = _model(self.sample, p[:, i], share[:, i], weight[i], float(strength[i]))
            self.pairs.setdefault(number, [])

    def serve(self, penalty: L2) -> None:
        """Take the ridges of other lambdas, for the same data, whose Hessian is known from products by now."""
        self.safety, self.cost = _SAFETY_OF_LEARNED, _COST_OF_LEARNED
        for number, strength in zip(self.problems.tolist(), (penalty.lambd / penalty.m).tolist(), strict=True):
            model = self.models[number]
            more = (strength - model.strength) * model.weight
            model.strength = strength
            self.pairs[number] = [pair(s, y + more * s, rho > 0) for s, y, rho in self.pairs[number]]

    def learn(self, s: Floats, Hs: Floats, problems: Indices) -> None:
        """Take in products with the Hessians of some problems, (A, K, D)."""
        for number, *new in zip(self.problems[problems].tolist(), s[:, None], Hs[:, None], strict=True):
            self.pairs[number] = [*self.pairs[number], pair(*new)][-MEMORY:]

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: Mask) -> None:
        self.build(objective, penalty, theta)

    def outdated(self, objective: LinearObjective) -> Mask:
        return np.zeros(objective.n_problems, dtype=bool)

    def solve(self, r: Floats, problems: Indices) -> Floats:
        each = zip(self.problems[problems].tolist(), r[:, None], strict=True)
        return np.concatenate([corrected(right, self.pairs[p], self.models[p].solve) for p, right in each])

    def keep(self, mask: Mask) -> None:
        self.problems = self.problems[mask]


@dataclass
class _Model:
    """M = L (A (x) B + strength I (x) diag(w), bias part A) L^T, as inverses; without a free bias, the first part.

    L eliminates the biases, whose coupling with the weights of class k is, for the bias of class l, A_kl (v_k + v_l)/2,
    for its own A_kk mu_k. The v make the coupling with a bias common to all classes zero, as it is.
    """

    U: Floats  # (K, K) with A = U diag(..) U^T
    V: Floats  # (d, d) with V^T B V = diag(..), V^T diag(w) V = I
    eigenvalues: Floats  # of A (x) B, (K, d)
    strength: float
    weight: Floats  # of the penalty, (D,)
    w: Floats  # the same of the first d, none of them too small, (d,)
    diagonal: Floats  # of A (x) B, (K, d)
    free_bias: bool
    A: Floats
    inverse_A: Floats
    places: Floats  # v, (K, d)
    excess: Floats  # A_kk (mu_k - v_k), (K, d)

    def inverse_trace(self) -> float:
        """Of M^-1 without biases, M scaled to a diagonal of ones."""
        diagonal = self.diagonal + self.strength * self.w
        return float(np.sum(multiply(multiply(self.U**2, self._inverse()), self.V.T**2) * diagonal))

    def _inverse(self) -> Floats:
        """Of the eigenvalues of M, (K, d)."""
        floor = 0.0 if self.strength > 0 else _FLAT * self.eigenvalues.max()
        return 1 / np.maximum(self.eigenvalues + self.strength, max(floor, np.finfo(float).tiny))

    def solve(self, r: Floats) -> Floats:
        """M^-1 r for r (1, K, D)."""
        return self._solve(r[0])[None]

    def _solve(self, r: Floats) -> Floats:
        common = r.mean(axis=0)
        r = r - common
        if not self.free_bias:
            s = self._solve_weights(r)
            s += self._solve_common(common) - s.mean(axis=0)
            return s
        bias, weights = r[:, -1:], r[:, :-1]
        q = multiply(self.inverse_A, bias)
        weights = weights - (self.places * bias + multiply(self.A, q * self.places)) / 2 - q * self.excess
        s = np.empty_like(r)
        s[:, :-1] = t = self._solve_weights(weights)
        along = np.einsum("kd,kd->k", self.places, t)
        coupling = multiply(self.A, along) / 2 + np.einsum("kd,kd->k", self.places, multiply(self.A, t)) / 2
        coupling += np.einsum("kd,kd->k", self.excess, t)
        s[:, -1] = q[:, 0] - multiply(self.inverse_A, coupling)
        s -= s.mean(axis=0)
        s[:, :-1] += self._solve_common(common[:-1])
        return s

    def _solve_common(self, r: Floats) -> Floats:
        """For what all classes share, (d,)."""
        return r / (self.strength * self.w) if self.strength > 0 else np.zeros_like(r)

    def _solve_weights(self, r: Floats) -> Floats:
        t = multiply(multiply(self.U.T, r), self.V)
        t *= self._inverse()
        return multiply(self.U, multiply(t, self.V.T))


def _model(sample: Floats, p: Floats, share: Floats, weight: Floats, strength: float) -> _Model:
    """From sampled rows (n, D) with probabilities p (n, K) and share (n,); the ridge is strength * weight (D,)."""
    K, free_bias = p.shape[1], weight[-1] == 0
    A = -multiply(p.T, p * share[:, None]).astype(float)
    A = (A + A.T) / 2
    np.fill_diagonal(A, 0)
    np.fill_diagonal(A, -A.sum(axis=0))
    total = max(float(np.trace(A)), np.finfo(float).tiny)
    alpha, U = np.linalg.eigh(A)
    alpha = np.where(alpha > _FLAT * alpha[-1], alpha, 0.0)
    inverse_A = multiply(U * np.divide(1, alpha, out=np.zeros(K), where=alpha > 0), U.T)

    Z = sample[:, :-1] if free_bias else sample
    d = Z.shape[1]
    curvature = p * (1 - p) * share[:, None]
    of_rows = curvature.sum(axis=1)
    scaled = Z * np.sqrt(of_rows)[:, None]
    B = multiply(scaled.T, scaled).astype(float)
    places = excess = np.zeros((0, d))
    if free_bias:
        of_classes = np.maximum(curvature.sum(axis=0, dtype=float), np.finfo(float).tiny)
        moments = multiply(curvature.T, Z).astype(float)
        B -= multiply((moments / of_classes[:, None]).T, moments)
        diagonal = A.diagonal()
        centres = diagonal[:, None] * (moments / of_classes[:, None])
        places = np.linalg.pinv(2 * np.diag(diagonal) - A, rcond=_FLAT, hermitian=True) @ (2 * centres)
        excess = centres - diagonal[:, None] * places
    # A penalty that is as good as none is taken for a little one, or what it leaves unbound would drown the rest.
    curved = np.maximum(B.diagonal(), 0) / total
    if strength > 0:
        w = np.maximum(weight[:d], _FLAT * alpha[-1] / strength * curved)
    else:
        w = np.where(curved > 0, curved, 1.0)
    root = 1 / np.sqrt(w)
    sigma, V = scipy.linalg.eigh(B / total * root[:, None] * root)
    V *= root[:, None]
    eigenvalues = np.multiply.outer(alpha, np.maximum(sigma, 0))
    diagonal = np.multiply.outer(A.diagonal(), curved)
    return _Model(U, V, eigenvalues, strength, weight, w, diagonal, free_bias, A, inverse_A, places, excess)

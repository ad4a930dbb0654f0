"""The penalties. With L2: J = (1/m) sum_i s_i loss_i + lambda/(2m) ||W||^2 and dW = dJ_original/dW + (lambda/m) W.

Every penalty covers P problems at once: parameters are (P, ...), lambda and m are (P,). `part` picks the penalized
parameters on the axes after the first (biases are left out) and `weight` is their penalty weight, which is not one
where columns of X are rescaled; with three axes, (P, 1, D), it is each problem's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def decay_factor(learning_rate: Any, lambd: Any, m: Any) -> Any:
    """1 - alpha lambda/m: what a step of gradient descent multiplies the weights by."""
    return 1 - learning_rate * lambd / m


class _Penalty:
    def __init__(self, lambd: Floats, m: Floats, part: Any = ..., weight: Any = 1.0) -> None:
        self.lambd = np.asarray(lambd)
        self.m = np.asarray(m)
        self.part = (slice(None), *part) if isinstance(part, tuple) else (slice(None), part)
        self.weight = weight
        self._is_plain = isinstance(weight, float) and weight == 1.0
        self._ridge: Floats | None = None
        self._curvature: Floats | None = None
        self._addend = np.empty(0)  # a buffer: arrays of a network's size are slow to allocate at every step

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop the problems that left the batch; mask (P,)."""
        self.lambd, self.m = self.lambd[mask], self.m[mask]
        if np.ndim(self.weight) == 3:
            self.weight = self.weight[mask]
        self._ridge = self._curvature = None

    def strength(self, params: Floats) -> Floats:
        """lambda/m, shaped to multiply params (P, ...)."""
        return (self.lambd / self.m).reshape((-1,) + (1,) * (params.ndim - 1)).astype(params.dtype, copy=False)

    def ridge(self, params: Floats) -> Floats:
        """lambda/m * weight, shaped to multiply the penalized part of params (P, ...)."""
        if self._ridge is None:
            self._ridge = self.strength(params) * self.weight
        return self._ridge


class L2(_Penalty):
    """lambda/(2m) ||W||^2, for matrices the squared Frobenius norm."""

    def value(self, params: Floats) -> Floats:
        """lambda/(2m) sum of weight * W^2 per problem, (P,)."""
        W = params[self.part]
        if W.ndim == 2 and self._is_plain:
            return self.lambd / (2 * self.m) * np.matmul(W[:, None, :], W[:, :, None])[:, 0, 0]
        return (self.ridge(params) * W * W).reshape(len(W), -1).sum(axis=1) / 2

    def add_gradient(self, params: Floats, gradient: Floats) -> None:
        """gradient += (lambda/m) W, in place."""
        W, dW = params[self.part], gradient[self.part]
        if self._addend.shape != W.shape or self._addend.dtype != W.dtype:
            self._addend = np.empty_like(W)
        np.multiply(self.ridge(params), W, out=self._addend)
        dW += self._addend

    def curvature(self, params: Floats) -> Floats:
        """Second derivative per parameter, lambda/m on the penalized ones; shape of params."""
        if self._curvature is None:
            self._curvature = np.zeros_like(params)
            self._curvature[self.part] = self.ridge(params)
        return self._curvature

    def weights(self, params: Floats) -> Floats:
        """The weight of each parameter's square, 0 of one that is not penalized; shape of params."""
        weights = np.zeros_like(params)
        weights[self.part] = self.weight
        return weights


class L1(_Penalty):
    """lambda/m ||w||_1."""

    def value(self, params: Floats) -> Floats:
        """lambda/m sum of weight * |w| per problem, (P,)."""
        w = params[self.part]
        return self.lambd / self.m * (self.weight * np.abs(w)).reshape(len(w), -1).sum(axis=1)

    def add_gradient(self, params: Floats, gradient: Floats) -> None:
        """Nothing: |w| has no gradient at 0; the update takes the penalty into account by its prox."""

    def threshold(self, params: Floats) -> Floats:
        """lambda/m * weight on the penalized parameters, 0 on the others: a zero stays where |slope| is below it."""
        threshold = np.zeros_like(params)
        threshold[self.part] = self.ridge(params)
        return threshold

    def prox(self, params: Floats, step: Any = 1.0) -> Floats:
        """Minimizer of (1/2)||x - params||^2 + step * penalty(x): soft thresholding; shape of params."""
        return np.sign(params) * np.maximum(np.abs(params) - step * self.threshold(params), 0)

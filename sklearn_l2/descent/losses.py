"""Losses per row, their slopes and curvatures with respect to the scores; the last axis holds a row's scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

_SHORT = 32  # an axis along which numpy finds a maximum more slowly than across it


class LogLoss:
    r"""Log loss of y in {0, 1}: log(1 + exp(v)) with v = (1 - 2 y) z, summed over a row's scores z.

    Targets are the signs 1 - 2 y, of a shape that broadcasts with the scores (..., K).
    """

    @staticmethod
    def value(scores: Floats, sign: Floats) -> Floats:
        """Loss per row, shape scores.shape[:-1]."""
        v = scores * sign
        e = np.abs(v)
        np.negative(e, out=e)
        np.exp(e, out=e)
        loss = _log_of_sum(1 + e, 1.0, e)
        loss += np.maximum(v, 0)
        return loss[..., 0] if loss.shape[-1] == 1 else loss.sum(axis=-1)

    @staticmethod
    def derivatives(scores: Floats, sign: Floats, *, curvature: bool = True) -> tuple[Floats, Floats, Floats | None]:
        """Loss, d loss / d score and, if asked for, d^2 loss / d score^2 from one exponential; shapes of the scores."""
        v = scores * sign
        e = np.abs(v)
        np.negative(e, out=e)
        np.exp(e, out=e)
        u = 1 + e
        loss = _log_of_sum(u, 1.0, e) if e.dtype == np.float64 else np.log(u)
        loss += np.maximum(v, 0)
        slope = np.maximum(e, v >= 0)  # exp(min(v, 0))
        slope /= u
        slope *= sign
        if not curvature:
            return loss, slope, None
        e /= u
        e /= u
        return loss, slope, e

    @staticmethod
    def slope(scores: Floats, sign: Floats) -> Floats:
        """d loss / d scores = probability - y, computed without cancellation; shape of the scores."""
        slope = scores * sign
        expit(slope, out=slope)
        slope *= sign
        return slope


class SoftmaxCrossEntropy:
    """Cross-entropy of softmax probabilities; targets are class codes of shape scores.shape[:-1] (or broadcasting).

    With `apart`, the bits of scores[p] are those that it has alone.
    """

    @staticmethod
    def value(scores: Floats, code: Integers, *, apart: bool = False) -> Floats:
        """Loss per row: log sum_k exp(z_k) - z_y, shape scores.shape[:-1]."""
        return _softmax(scores, code, apart)[0]

    @staticmethod
    def loss_and_slope(scores: Floats, code: Integers, *, apart: bool = False) -> tuple[Floats, Floats]:
        """Loss per row and d loss / d scores, shapes as above and of the scores."""
        loss, slope, at, others, own = _softmax(scores, code, apart)
        total = others + own
        slope /= total[..., None]
        slope.reshape(-1)[at] = -(others / total).reshape(-1)
        return loss, slope

    @staticmethod
    def derivatives(scores: Floats, code: Integers) -> tuple[Floats, Floats, Floats]:
        """Loss per row, d loss / d scores and the probabilities from one exponential; shapes as above and of scores."""
        loss, slope, at, others, own = _softmax(scores, code)
        total = others + own
        slope /= total[..., None]
        p = slope.copy()
        p.reshape(-1)[at] = (own / total).reshape(-1)
        slope.reshape(-1)[at] = -(others / total).reshape(-1)
        return loss, slope, p

    @staticmethod
    def probabilities(scores: Floats) -> Floats:
        """exp(z_k) / sum_j exp(z_j), shape of the scores."""
        p = scores - scores.max(axis=-1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=-1, keepdims=True)
        return p

    @staticmethod
    def slope_from_probabilities(p: Floats, code: Integers) -> Floats:
        """d loss / d scores = p - onehot(code), the right class without cancellation; shape of p."""
        slope = p.copy(order="C")
        at = _flat_index(code, p)
        flat = slope.reshape(-1)
        flat[at] = 0
        flat[at] = -slope.sum(axis=-1).reshape(-1)
        return slope


def _softmax(scores: Floats, code: Integers, apart: bool = False) -> tuple[Floats, Floats, Integers, Floats, Floats]:
    """Loss per row, exp(z_k - max_j z_j) with 0 at its own class, where those stand, and their sum and the own one.

    The own class apart from the others: neither a tiny loss nor a small slope loses digits.
    """
    top = _extreme(np.maximum, scores)
    e = np.subtract(scores, top[..., None], order="C")
    at, flat = _flat_index(code, scores), e.reshape(-1)
    behind = flat[at].reshape(top.shape)
    np.exp(e, out=e)
    own = flat[at].reshape(top.shape)
    flat[at] = 0
    # BLAS rounds a row's sum by the place of the row among those it is given.
    rows = e if apart else e.reshape(-1, e.shape[-1])
    others = (rows @ np.ones(e.shape[-1], dtype=e.dtype)).reshape(top.shape)
    loss = _log_of_sum(others + own, own, others)
    loss -= behind
    return loss, e, at, others, own


def _log_of_sum(total: Floats, a: Floats | float, b: Floats) -> Floats:
    """log(a + b) for the rounded total a + b >= 1: putting that right is faster than numpy's log1p, and as precise."""
    lost = total - a
    lost -= b
    lost /= total
    return np.log(total) - lost


def spread(scores: Floats) -> Floats:
    """Largest less smallest score per row, shape scores.shape[:-1]."""
    return _extreme(np.maximum, scores) - _extreme(np.minimum, scores)


def _extreme(extremum: np.ufunc, scores: Floats) -> Floats:
    """Maximum or minimum over the last axis, which is short."""
    if scores.shape[-1] > _SHORT:
        return extremum.reduce(scores, axis=-1)
    rows = scores.reshape(-1, scores.shape[-1])
    best = rows[:, 0].copy()
    for k in range(1, rows.shape[1]):
        extremum(best, rows[:, k], out=best)
    return best.reshape(scores.shape[:-1])


def own_scores(scores: Floats, code: Integers) -> Floats:
    """Score of each row's own class, shape scores.shape[:-1]."""
    return scores.reshape(-1)[_flat_index(code, scores)].reshape(scores.shape[:-1])


def _flat_index(code: Integers, scores: Floats) -> Integers:
    """Where each row's own class stands in scores.reshape(-1)."""
    n_scores = scores.shape[-1]
    first = np.arange(0, scores.size, n_scores).reshape(scores.shape[:-1])
    return (first + code).reshape(-1)

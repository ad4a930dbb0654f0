"""The data part of a Hessian from rows of X, and its Cholesky factor."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from .rows import RowBlocks, multiply, pieces

Floats = NDArray[np.floating]

_ROWS_AT_A_TIME = 1000
_STRIP = 256  # columns
_JITTER = 50.0  # in units of rounding
_FLAT = 1e-3  # of the mean curvature of a row: what leaves a preconditioner as it is


def binary_hessian(rows: RowBlocks, sample: Floats, curvature: Floats, dtype: Any = np.float64) -> Floats:
    """Two classes: sample^T diag(curvature) sample, (D, D), from products in `dtype`."""
    largest = max(float(curvature.max()), np.finfo(float).tiny)
    root = np.sqrt(curvature / largest).astype(dtype)[:, None]

    def add(part: slice, total: Floats) -> None:
        for some in pieces(part, _ROWS_AT_A_TIME):
            scaled = root[some] * sample[some]
            total += multiply(scaled.T, scaled)

    (H,) = rows.sum_range(len(sample), add, (sample.shape[1], sample.shape[1]))
    H *= largest
    return H


def large_binary_hessian(rows: RowBlocks, sample: Floats, curvature: Floats) -> Floats:
    """The same in the sample's precision, and its lower triangle only: made in strips, for want of cache and memory."""
    scaled = np.sqrt(curvature, dtype=sample.dtype)[:, None] * sample
    H = np.zeros((sample.shape[1], sample.shape[1]), dtype=sample.dtype)
    strips = [slice(a, a + _STRIP) for a in range(0, len(H), _STRIP)]

    def fill(strip: slice) -> None:
        H[strip, : strip.stop] = multiply(scaled[:, strip].T, scaled[:, : strip.stop])

    rows.run(fill, strips[::-1], len(sample) * len(H) * _STRIP)
    return H


def softmax_hessian(rows: RowBlocks, sample: Floats, p: Floats, share: Floats, dtype: Any = None) -> Floats:
    """Softmax with probabilities p (n, K): (K D, K D)."""
    K, D = p.shape[1], sample.shape[1]
    columns, p, root = sample.T, np.ascontiguousarray(p.T), np.sqrt(share)
    joint = ((p * root)[:, None] * columns).reshape(K * D, -1)
    H = -multiply(joint, joint.T)
    blocks = H.reshape(K, D, K, D)
    others = multiply(1 - np.eye(K, dtype=p.dtype), p)  # 1 - p_k without cancellation
    roots = root * np.sqrt(p * others)
    for k in range(K):
        scaled = roots[k] * columns
        blocks[k, :, k] = multiply(scaled, scaled.T)
    # Adding one vector to all classes changes no probability; some curvature there keeps H invertible.
    common = np.einsum("kjlj->klj", blocks)  # a view
    common += np.einsum("kjkj->j", blocks) / K**2
    return H


def softmax_hessian_of_curved_rows(rows: RowBlocks, sample: Floats, p: Floats, share: Floats, dtype: Any) -> Floats:
    """The same from the rows that matter."""
    curvature = share * np.sort(p, axis=1)[:, :-1].sum(axis=1)  # but for a factor between 1 and 2
    curved = curvature > _FLAT * curvature.mean()
    p, share = (a[curved].astype(dtype, copy=False) for a in (p, share))
    return softmax_hessian(rows, sample[curved], p, share)


def cholesky_factor(H: Floats, ridge: Floats, dtype: Any = np.float64) -> tuple[Floats, Floats]:
    """L (D, D), in `dtype`, and scale (D,) of M = H + diag(ridge): L L^T = diag(scale) M diag(scale).

    Its diagonal is of ones. Flat directions get a little more ridge.
    """
    diagonal = H.diagonal() + ridge
    diagonal[diagonal <= 0] = 1.0
    scale = 1 / np.sqrt(diagonal)
    H = H * scale[:, None].astype(H.dtype, copy=False)
    H *= scale
    H = H.astype(dtype, copy=False)
    jitter = _JITTER * float(np.finfo(H.dtype).eps)
    (factorize,) = scipy.linalg.get_lapack_funcs(("potrf",), dtype=H.dtype)
    while True:
        H.reshape(-1)[:: len(H) + 1] = 1 + jitter
        L, failed = factorize(H, lower=1, clean=1)
        if not failed:
            return L, scale
        jitter *= 100


def inverse_cholesky(H: Floats, ridge: Floats, dtype: Any = np.float64) -> tuple[Floats, float]:
    """L^-1, in `dtype`, with L L^T = M = H + diag(ridge), for H (D, D) and ridge (D,).

    Also the trace of M^-1 after M is scaled to a diagonal of ones; infinite where `dtype` does not hold the scale.
    """
    L, scale = cholesky_factor(H, ridge, dtype)
    (invert,) = scipy.linalg.get_lapack_funcs(("trtri",), dtype=L.dtype)
    inverse, _ = invert(L, lower=1)
    trace = float(np.einsum("ij,ij->", inverse, inverse))
    inverse *= scale.astype(dtype, copy=False)
    return inverse, trace if np.isfinite(inverse).all() else np.inf

"""How far the columns of X spread on folds, and whether these can share their scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._linear import row_blocks
from ..descent.rows import even_sample, multiply

Floats = NDArray[np.floating]

_RATIO = 1e5  # of spreads, beyond which the digits of the smaller one are lost in the larger one
_NEAR = 10.0  # spread over all rows, to which the weight of a column that is constant on a fold may be rounding
_N_SAMPLED = 11


def spread_alike(X: Any, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For row weights (n, F) of folds, whether each column has about the spread over all rows of X, (F,).

    Or none, and little over all rows, as where a rare category is missing.

    A fold of which this is not true has rows to score on that are far from all it is trained on.
    """
    _, variance, square = moments(X, np.column_stack([weights, np.ones(len(weights))]))
    with np.errstate(all="ignore"):
        alike = variance[:, -1:] <= _RATIO**2 * variance[:, :-1]
    missing = (square[:, :-1] == 0) & (variance[:, -1:] <= _NEAR**2)
    return (alike | missing).all(axis=0)


def moments(X: Any, weights: NDArray[np.float64]) -> tuple[Floats, Floats, Floats]:
    """Each column's weighted mean, variance and mean square less a number that is near it, for weights (n, F): (d, F).

    The number is 0 for sparse X. A variance that is much less than the square has lost digits.
    """
    n, d = X.shape
    centre = np.zeros(d) if sp.issparse(X) else np.median(X[even_sample(n, _N_SAMPLED)], axis=0).astype(np.float64)
    share = weights / weights.sum(axis=0)

    def add(block: Any, at: slice, mean: Floats, square: Floats) -> None:
        block = block.astype(np.float64) if sp.issparse(block) else block - centre
        mean += multiply(block.T, share[at])
        square += multiply(block.T.power(2) if sp.issparse(block) else np.square(block).T, share[at])

    with row_blocks(X, share.shape[1]) as rows, np.errstate(all="ignore"):
        mean, square = rows.sum_blocks(add, (d, share.shape[1]), (d, share.shape[1]))
        return mean + centre[:, None], square - mean**2, square

"""Whether folds can share the scale of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .._linear import row_blocks
from ..descent.rows import even_sample, multiply

_RATIO = 1e5  # of spreads, beyond which the digits of the smaller one are lost in the larger one
_N_SAMPLED = 11


def spread_alike(X: Any, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """For row weights (n, F) of folds, whether each column has about the spread over all rows of X, or none, (F,).

    A fold of which this is not true has rows to score on that are far from all it is trained on.
    """
    n, d = X.shape
    centre = np.zeros(d) if sp.issparse(X) else np.median(X[even_sample(n, _N_SAMPLED)], axis=0)
    share = np.column_stack([weights / weights.sum(axis=0), np.full(n, 1 / n)])

    def add(block: Any, at: slice, mean: NDArray[np.float64], square: NDArray[np.float64]) -> None:
        block = block.astype(np.float64) if sp.issparse(block) else block - centre.astype(np.float64)
        mean += multiply(block.T, share[at])
        square += multiply(block.T.power(2) if sp.issparse(block) else np.square(block).T, share[at])

    with row_blocks(X, share.shape[1]) as rows, np.errstate(all="ignore"):
        mean, square = rows.sum_blocks(add, (d, share.shape[1]), (d, share.shape[1]))
        variance = square - mean**2
        alike = variance[:, -1:] <= _RATIO**2 * variance[:, :-1]
    return (alike | (square[:, :-1] == 0)).all(axis=0)

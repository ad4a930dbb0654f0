"""Batches of rows for networks: the only code of theirs that touches X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Rows = slice | NDArray[np.intp]


class RowReader:
    """Rows of X (n, n_features), C-ordered or CSR, as `dtype`."""

    def __init__(self, X: Any, dtype: Any) -> None:
        self.X = X
        self.n_rows = X.shape[0]
        self.dtype = np.dtype(dtype)
        self._can_gather = not sp.issparse(X) and X.dtype == self.dtype
        self._buffers: dict[int, Floats] = {}

    def read(self, rows: Rows) -> Any:
        """(b, n_features), dense or CSR; not to be written to, and gone with the next call."""
        if isinstance(rows, slice) or not self._can_gather:
            return self.X[rows].astype(self.dtype, copy=False)
        buffer = self._buffers.get(len(rows))
        if buffer is None:
            buffer = self._buffers[len(rows)] = np.empty((len(rows), self.X.shape[1]), self.dtype)
        return np.take(self.X, rows, axis=0, out=buffer, mode="clip")  # the default mode copies through a second buffer


class RowBatches(RowReader):
    """X with targets (n, ...) and the row weights of P problems that share X.

    `weight` (P, n) is s_i, or None where all are one; `m` (P,) is its sum. Batches have `batch_size` rows, in an order
    that `random` shuffles anew for each epoch, or in X's order where it is None.
    """

    def __init__(
        self,
        X: Any,
        target: NDArray[Any],
        weight: Floats | None,
        m: Floats,
        *,
        batch_size: int,
        random: np.random.RandomState | None,
        dtype: Any,
    ) -> None:
        super().__init__(X, dtype)
        self.target = target
        self.batch_size = min(batch_size, self.n_rows)
        # n/m s_i, one on average: a batch's mean of weighted losses estimates (1/m) sum_i s_i loss_i without bias.
        self.relative_weight = (
            None if weight is None else (weight / m[:, None] * self.n_rows).astype(self.dtype, copy=False)
        )
        self._random = random if self.batch_size < self.n_rows else None
        self._order = np.arange(self.n_rows)

    def epoch(self) -> Iterator[tuple[Rows, float]]:
        """The rows of each batch, and which share of all rows they are."""
        if self._random is not None:
            self._random.shuffle(self._order)
        for start in range(0, self.n_rows, self.batch_size):
            stop = min(start + self.batch_size, self.n_rows)
            rows = slice(start, stop) if self._random is None else self._order[start:stop]
            yield rows, (stop - start) / self.n_rows

    def labels(self, rows: Rows) -> tuple[NDArray[Any], Floats | None]:
        """Targets (b, ...) and n/m s_i (P, b) of some rows."""
        weight = None if self.relative_weight is None else self.relative_weight[:, rows]
        return self.target[rows], weight

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Drop problems; mask (P,)."""
        if self.relative_weight is not None:
            self.relative_weight = self.relative_weight[mask]


def pieces(rows: Rows, size: int) -> list[Rows]:
    """Rows cut into pieces of at most `size`."""
    if isinstance(rows, slice):
        return [slice(a, min(a + size, rows.stop)) for a in range(rows.start, rows.stop, size)]
    return [rows[a : a + size] for a in range(0, len(rows), size)]

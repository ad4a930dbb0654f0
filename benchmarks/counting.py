"""Counts what the core does while it fits: multiply-adds of its matrix products, and bytes of X that it reads.

It stands in for `rows.multiply`, through which the core's matrix products go, and for `RowBlocks.block`, through which
it reads X; the package itself knows nothing of it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklearn_l2.descent import rows

PACKAGE = "sklearn_l2.descent"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """What is done inside: multiply-adds per data type, "bytes" of X read, and "blocks"."""
    done: list[tuple[str, int]] = []  # appended to by several threads; added up in the end
    totals: Counter[str] = Counter()
    multiply, block = rows.multiply, rows.RowBlocks.block

    def counting_multiply(A: Any, B: Any) -> Any:
        done.append((np.dtype(A.dtype).name, _multiply_adds(A, B)))
        return multiply(A, B)

    def counting_block(self: rows.RowBlocks, k: int) -> Any:
        done.append(("bytes", _bytes(self, k)))
        done.append(("blocks", 1))
        return block(self, k)

    users = [
        module
        for name, module in sys.modules.items()
        if name.startswith(PACKAGE) and getattr(module, "multiply", None) is multiply
    ]
    for module in users:
        module.multiply = counting_multiply  # type: ignore[attr-defined]
    rows.RowBlocks.block = counting_block  # type: ignore[method-assign]
    try:
        yield totals
    finally:
        for module in users:
            module.multiply = multiply  # type: ignore[attr-defined]
        rows.RowBlocks.block = block  # type: ignore[method-assign]
        for what, count in done:
            totals[what] += count


def _multiply_adds(A: Any, B: Any) -> int:
    n_columns = B.shape[1] if B.ndim == 2 else 1
    if not isinstance(A, np.ndarray):
        stored = A if hasattr(A, "nnz") else A._by_columns
        return int(stored.nnz) * n_columns
    products = A.size * n_columns
    # numpy makes half of a symmetric product, and copies it to the other half.
    return products // 2 if B.ndim == 2 and np.shares_memory(A, B) else products


def _bytes(self: rows.RowBlocks, k: int) -> int:
    part = self.slices[k]
    if self.is_sparse:
        matrix = self._sparse_blocks[k]
        stored = matrix if hasattr(matrix, "nnz") else matrix._by_columns
        return int(stored.nnz) * (stored.data.itemsize + stored.indices.itemsize)
    return (part.stop - part.start) * self.n_columns * self.X.dtype.itemsize

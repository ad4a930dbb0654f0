"""Row blocks: the only code that touches X.

An objective is a sum over rows. X is cut into blocks that fit the cache, blocks into groups; each group is summed
by one thread, and the groups' sums are added in order. Blocks and groups depend on the shape alone, so the number
of threads never changes a bit of the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_BLOCK_ELEMENTS = 2**19  # 4 MiB of float64: a block stays in the cache between its two products
_BLOCK_SCORES = 2**17  # arrays of so many scores stay in the cache through a dozen operations
_MAX_GROUPS = 16
# Costs are counted in elements of X that are read and used once; below this a thread takes longer to wake up.
_COST_WORTH_A_THREAD = 2**20
_COST_OF_THE_CALLS = 2**18  # around a pass over X
_COST_OF_A_SCORE = 16
_PRODUCTS_PER_ELEMENT = 20  # multiply-adds of a matrix product in the time an element of X is read
_MAX_RANGES = 4
_LANES = 4  # numbers to a register: a row of so many is added to another in one instruction
_LARGEST_KEPT = 2**25 - 2**16  # bytes

# Until glibc's malloc has seen a large array freed, it hands memory back to the system whenever it can, and every
# pass would take its arrays' pages anew. This one is never touched; of a larger one malloc learns nothing.
np.empty(_LARGEST_KEPT, dtype=np.uint8)


class RowBlocks:
    """X (n_rows, n_columns), dense in any order or CSR, float32 or float64, as blocks of rows of `dtype`.

    `n_scores` is the number of score columns X is multiplied with; `working_memory` (bytes) bounds the partial sums.
    `helpers` are threads that belong to other row blocks. Undivided blocks are one block for one thread.
    """

    def __init__(
        self,
        X: Any,
        *,
        n_scores: int = 1,
        working_memory: int = 2**30,
        n_threads: int = 1,
        helpers: ThreadPoolExecutor | None = None,
        dtype: Any = np.float64,
        divided: bool = True,
    ) -> None:
        self.X = X
        self.dtype = np.dtype(dtype)
        self.divided = divided
        self._settings: dict[str, Any] = {
            "n_scores": n_scores,
            "working_memory": working_memory,
            "n_threads": n_threads if divided else 1,
            "divided": divided,
        }
        self.n_rows, self.n_columns = X.shape
        self.is_sparse = sp.issparse(X)
        if self.is_sparse:
            self.n_elements = X.nnz + self.n_rows
            elements_per_row = self.n_elements / self.n_rows + n_scores
        else:
            self.n_elements = self.n_rows * self.n_columns
            # As many rows as columns at least, or adding up the blocks' sums takes longer than making them.
            elements_per_row = max(
                self.n_columns, min(n_scores * _BLOCK_ELEMENTS // _BLOCK_SCORES, _BLOCK_ELEMENTS // self.n_columns)
            )
        size = max(16, int(_BLOCK_ELEMENTS // elements_per_row)) if divided else self.n_rows
        self.slices = [slice(a, min(a + size, self.n_rows)) for a in range(0, self.n_rows, size)]
        partial_sum = 8 * (self.n_columns + 1) * n_scores
        n_groups = max(1, min(_MAX_GROUPS, len(self.slices), working_memory // (4 * partial_sum)))
        self.groups = _even_parts(len(self.slices), n_groups)
        self._pass_cost = int(self.n_elements * (1 + n_scores / 8)) + _COST_OF_A_SCORE * self.n_rows * n_scores
        n_row_groups = min(_MAX_GROUPS, 1 + _COST_OF_A_SCORE * self.n_rows * n_scores // _COST_WORTH_A_THREAD)
        self.row_groups = _even_slices(self.n_rows, n_row_groups)
        self._sparse_blocks: list[Any] = [_csr_rows(X, rows) for rows in self.slices] if self.is_sparse else []
        self._single: RowBlocks | None = None
        self._statistics: tuple[Floats, Floats] | None = None
        self._owns_helpers = helpers is None and n_threads > 1
        self._helpers = ThreadPoolExecutor(n_threads - 1) if self._owns_helpers else helpers

    def __enter__(self) -> RowBlocks:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owns_helpers and self._helpers is not None:
            self._helpers.shutdown()

    def block(self, k: int) -> Any:
        """Rows `slices[k]` of X: a view where X has the dtype, dense (rows, n_columns) or CSR."""
        if self.is_sparse:
            block = self._sparse_blocks[k]
            return block if block.dtype == self.dtype else block.astype(self.dtype)
        return np.asarray(self.X[self.slices[k]], dtype=self.dtype)

    def take(self, indices: Any) -> Any:
        """Some rows of X, of `dtype`."""
        block = self.X[indices]
        return block.astype(self.dtype, copy=False) if self.is_sparse else np.asarray(block, dtype=self.dtype)

    def like(self, X: Any, n_scores: int, dtype: Any = np.float64) -> RowBlocks:
        """Row blocks of another matrix, on the threads of this one."""
        return RowBlocks(X, **self._settings | {"n_scores": n_scores}, helpers=self._helpers, dtype=dtype)

    def sampled(self, indices: NDArray[np.intp]) -> RowBlocks:
        """Row blocks of a copy of some rows."""
        return self.like(self.X[indices], self._settings["n_scores"])

    def undivided(self) -> RowBlocks:
        """The same in one block, to be used by one thread while others use it too."""
        whole = RowBlocks(self.X, **self._settings | {"divided": False}, dtype=self.dtype)
        whole._statistics = self._statistics
        return whole

    def take_over(self, other: RowBlocks) -> None:
        """What is known from other blocks of the same X."""
        self._statistics = other._statistics
        if other._single is not None and not self.is_sparse:
            self._single = self.like(other._single.X, self._settings["n_scores"], np.float32)

    @property
    def is_small(self) -> bool:
        """Whether a pass over X takes no longer than the calls around it."""
        return self._pass_cost <= _COST_OF_THE_CALLS

    @property
    def fits_in_single_precision(self) -> bool:
        """Whether a float32 copy of X takes a small part of working memory."""
        return 16 * self.n_elements <= self._settings["working_memory"]

    def in_single_precision(self, centre: Floats, inverse_scale: Floats) -> RowBlocks:
        """Row blocks of a float32 copy of (X - centre) * inverse_scale, or of sparse X * inverse_scale.

        It is kept for the next time.
        """
        if self._single is None:
            n_scores = self._settings["n_scores"]
            if self.is_sparse:
                data = (self.X.data * inverse_scale[self.X.indices]).astype(np.float32)
                copy = sp.csr_array((data, self.X.indices, self.X.indptr), shape=self.X.shape, copy=False)
                self._single = self.like(copy, n_scores, np.float32)
                if not self.divided:
                    self._single._sparse_blocks = [_ScatteringMatrix(copy.tocsc(), copy.T)]
            else:
                copy = np.empty(self.X.shape, dtype=np.float32)
                is_plain = not centre.any() and (inverse_scale == 1).all()

                def standardize(block: Any, rows: slice) -> None:
                    if is_plain:
                        copy[rows] = block
                    else:
                        np.multiply(block - centre, inverse_scale, out=copy[rows], casting="same_kind")

                self.sum_blocks(standardize)
                self._single = self.like(copy, n_scores, np.float32)
        return self._single

    def sum_blocks(
        self, function: Callable[..., None], *shapes: tuple[int, ...], dtype: Any = np.float64
    ) -> list[Floats]:
        """Sums over all rows: `function(block, rows, *sums)` adds a block's part to arrays of `shapes`."""

        def work(group: list[int], *sums: Floats) -> None:
            for k in group:
                function(self.block(k), self.slices[k], *sums)

        return self._sum(work, self.groups, shapes, self._pass_cost, dtype)

    def sum_rows(self, function: Callable[..., None], *shapes: tuple[int, ...]) -> list[Floats]:
        """As `sum_blocks` without reading X: `function(rows, *sums)`."""
        cost = _COST_OF_A_SCORE * self.n_rows * self._settings["n_scores"]
        return self._sum(function, self.row_groups, shapes, cost)

    def sum_range(self, n: int, function: Callable[..., None], *shapes: tuple[int, ...]) -> list[Floats]:
        """Sums over range(n) that need no X: `function(rows, *sums)` adds a slice's part to arrays of `shapes`."""
        cost = n * math.prod(shapes[0]) // _PRODUCTS_PER_ELEMENT
        n_groups = min(_MAX_RANGES, 1 + cost // _COST_WORTH_A_THREAD)
        return self._sum(function, _even_slices(n, n_groups), shapes, cost)

    def run(self, task: Callable[[Any], None], items: Sequence[Any], n_products: int) -> None:
        """`task(item)` for each item, on the threads that it is worth: each takes n_products multiply-adds."""
        cost = len(items) * n_products // _PRODUCTS_PER_ELEMENT
        self._sum(task, items, [], cost)

    def gram(self, centre: Floats, column_weight: Floats | None = None) -> Floats:
        """(X - centre) diag(1/weight) (X - centre)^T, (n_rows, n_rows), for dense X with few rows; cut by columns."""
        size = max(64, _BLOCK_ELEMENTS // self.n_rows)
        pieces = [slice(a, a + size) for a in range(0, self.n_columns, size)]
        groups = _even_parts(len(pieces), min(_MAX_RANGES, len(pieces)))

        def work(group: list[int], product: Floats) -> None:
            for k in group:
                columns = self.X[:, pieces[k]] - centre[pieces[k]]
                if column_weight is not None:
                    columns = columns / np.sqrt(column_weight[pieces[k]])
                product += multiply(columns, columns.T)

        return self._sum(
            work, groups, [(self.n_rows, self.n_rows)], self.n_rows * self.n_elements // _PRODUCTS_PER_ELEMENT
        )[0]

    def _sum(
        self,
        work: Callable[..., None],
        groups: Sequence[Any],
        shapes: Sequence[tuple[int, ...]],
        cost: int,
        dtype: Any = np.float64,
    ) -> list[Floats]:
        """`work(group, *sums)` for each group on the threads it is worth; the groups' sums, added in order."""
        if len(groups) == 1:
            only: list[Floats] = [np.zeros(shape, dtype) for shape in shapes]
            work(groups[0], *only)
            return only
        partial: list[list[Floats]] = [[] for _ in groups]
        next_group = iter(range(len(groups)))

        def take_groups() -> None:
            with np.errstate(all="ignore"):  # a thread does not inherit it
                for g in next_group:
                    partial[g] = [np.zeros(shape, dtype) for shape in shapes]
                    work(groups[g], *partial[g])

        n_helpers = min(self._settings["n_threads"] - 1, len(groups) - 1, cost // _COST_WORTH_A_THREAD)
        helpers = [self._helpers.submit(take_groups) for _ in range(n_helpers)] if self._helpers else []
        try:
            take_groups()
        finally:
            for helper in helpers:
                if not helper.cancel():  # one that has not started is not needed any more, and may wait for this thread
                    helper.result()
        totals = partial[0]
        for sums in partial[1:]:
            for total, part in zip(totals, sums, strict=True):
                total += part
        return totals

    def column_centre_and_spread(self) -> tuple[Floats, Floats]:
        """Per column the mean and the largest distance from it (sparse: the mean size of the non-zeros)."""
        if self._statistics is None:
            self._statistics = self._column_centre_and_spread()
        return self._statistics

    def _column_centre_and_spread(self) -> tuple[Floats, Floats]:
        n_columns = self.n_columns
        if self.is_sparse:

            def add(block: Any, rows: slice, total: Floats, size: Floats, count: Floats) -> None:
                total += multiply(block.T, np.full(block.shape[0], 1 / self.n_rows))
                size += multiply(with_values(block, np.abs(block.data)).T, np.ones(block.shape[0]))
                count += np.bincount(block.indices, minlength=n_columns)

            mean, size, count = self.sum_blocks(add, (n_columns,), (n_columns,), (n_columns,))
            return mean, size / np.maximum(count, 1)

        low = np.empty((len(self.slices), n_columns))
        high = np.empty((len(self.slices), n_columns))
        share = np.full(self.n_rows, 1 / self.n_rows)
        number = {rows.start: k for k, rows in enumerate(self.slices)}

        def scan(block: Any, rows: slice, mean: Floats) -> None:
            mean += multiply(block.T, share[rows])
            low[number[rows.start]] = _over_rows(np.minimum, block)
            high[number[rows.start]] = _over_rows(np.maximum, block)

        (mean,) = self.sum_blocks(scan, (n_columns,))
        lowest, highest = low.min(axis=0), high.max(axis=0)
        spread = np.maximum(highest / 2 - mean / 2, mean / 2 - lowest / 2) * 2
        return np.clip(mean, lowest, highest), np.where(lowest == highest, 0.0, spread)


def _even_parts(n: int, n_parts: int) -> list[list[int]]:
    """range(n) cut into parts of like length, the first ones the longer."""
    length, longer = divmod(n, n_parts)
    bounds = [k * length + min(k, longer) for k in range(n_parts + 1)]
    return [list(range(a, b)) for a, b in itertools.pairwise(bounds)]


def _even_slices(n: int, n_slices: int) -> list[slice]:
    """range(n) cut into slices of like length."""
    bounds = [n * g // n_slices for g in range(n_slices + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds)]


def _over_rows(extremum: np.ufunc, block: Floats) -> Floats:
    """Per column the minimum or maximum of block (rows, n_columns); 16 rows side by side, as long rows go faster."""
    whole = len(block) // 16 * 16
    if not (whole and block.flags.c_contiguous):
        return extremum.reduce(block, axis=0)
    best = extremum.reduce(block[:whole].reshape(-1, 16 * block.shape[1]), axis=0).reshape(16, -1)
    return extremum.reduce(np.concatenate([best, block[whole:]]), axis=0)


def _csr_rows(X: Any, rows: slice) -> Any:
    """Rows of a CSR matrix that share its memory."""
    start, stop = X.indptr[rows.start], X.indptr[rows.stop]
    indptr = X.indptr[rows.start : rows.stop + 1] - start
    shape = (rows.stop - rows.start, X.shape[1])
    return sp.csr_array((X.data[start:stop], X.indices[start:stop], indptr), shape=shape, copy=False)


def with_values(block: Any, data: Floats) -> Any:
    """A CSR matrix with other numbers in the same places."""
    return sp.csr_array((data, block.indices, block.indptr), shape=block.shape, copy=False)


class _ScatteringMatrix:
    """Sparse X, stored by columns, and X^T, the same way, for products with dense matrices.

    Each number adds to another row of the product than the one before, for which the sum need not wait.
    """

    def __init__(self, by_columns: Any, transposed_by_columns: Any) -> None:
        self.dtype = by_columns.dtype
        self._by_columns, self._transposed = by_columns, transposed_by_columns

    @property
    def T(self) -> _ScatteringMatrix:
        return _ScatteringMatrix(self._transposed, self._by_columns)

    def __matmul__(self, B: Floats) -> Floats:
        if B.ndim == 1 or B.shape[1] % _LANES == 0:
            return self._by_columns @ B
        filled = np.zeros((len(B), -(-B.shape[1] // _LANES) * _LANES), dtype=B.dtype)
        filled[:, : B.shape[1]] = B
        return (self._by_columns @ filled)[:, : B.shape[1]]


def multiply(A: Any, B: Floats) -> Floats:
    """A @ B for dense or sparse A. Unlike `@`, numpy's `dot` lets other threads run meanwhile."""
    return np.dot(A, B) if isinstance(A, np.ndarray) else A @ B


def pieces(rows: slice, size: int) -> Iterable[slice]:
    """Slices of `size` rows, one after another."""
    if rows.stop - rows.start <= size:
        return (rows,)
    return (slice(a, min(a + size, rows.stop)) for a in range(rows.start, rows.stop, size))


def even_sample(n_rows: int, n_sample: int) -> NDArray[np.intp]:
    """Sorted indices of n_sample rows, one at a fixed random place in each of n_sample equal stretches."""
    if n_sample >= n_rows:
        return np.arange(n_rows)
    return (_places(n_sample) * (n_rows / n_sample)).astype(np.intp)


def sample_along(weight: Floats, n_sample: int) -> tuple[NDArray[np.intp], float]:
    """The same, drawn evenly along the rows' weight (n,), so that each stands for as much of it; and how much."""
    reached = np.cumsum(weight, dtype=np.float64)
    each = float(reached[-1]) / n_sample
    if not 0 < each < np.inf:
        return even_sample(len(weight), n_sample), each
    return np.searchsorted(reached[:-1], _places(n_sample) * each, side="right"), each


@lru_cache(maxsize=4)
def _places(n: int) -> Floats:
    """A fixed random place in each of n stretches of length 1; not to be written to."""
    return np.arange(n) + np.random.default_rng(0).random(n)

"""Batches of problems on sparse X that have nothing to share but X: a few at a time, each few by one thread.

Their arrays are as long as X has columns; of a few problems they stay in a thread's cache, and no sums over row blocks
have to be added up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .preconditioners import has_only_diagonal
from .problems import LinearProblems
from .results import LinearFit
from .rows import RowBlocks

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_AT_A_TIME = 12
_PRODUCTS_OF_A_DESCENT = 50


def stand_alone(problems: LinearProblems, rows: RowBlocks) -> bool:
    """Whether problems are many, of two classes, X is sparse, and arrays of theirs are large."""
    return (
        rows.divided
        and len(problems.lambd) > 1
        and problems.n_score_rows == 1
        and has_only_diagonal(rows, rows.n_columns)
    )


def solve_side_by_side(
    problems: LinearProblems,
    rows: RowBlocks,
    solve: Callable[..., LinearFit],
    start: tuple[Floats, Floats] | None,
) -> LinearFit:
    """Problems of like lambda/m together, by `solve`."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    whole = rows.undivided()
    whole.in_single_precision(columns.centre, columns.inverse_scale)  # once for all threads
    order = np.argsort(problems.lambd / problems.m, kind="stable")
    parts = np.array_split(order, -(-len(order) // _AT_A_TIME))
    fits: dict[int, LinearFit] = {}

    def solve_part(k: int) -> None:
        own_start = None if start is None else (start[0][parts[k]], start[1][parts[k]])
        fits[k] = solve(problems.select(parts[k]), whole, start=own_start)

    rows.run(solve_part, range(len(parts)), _AT_A_TIME * rows.n_elements * _PRODUCTS_OF_A_DESCENT)
    return LinearFit.of_parts([fits[k] for k in range(len(parts))], parts)

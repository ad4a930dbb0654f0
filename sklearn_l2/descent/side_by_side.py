"""Batches of problems on sparse X that have nothing to share but X: a few at a time, each few by one thread.

Their arrays are as long as X has columns; of a few problems they stay in a thread's cache, and no sums over row blocks
have to be added up. Folds go from large to small lambdas, each lambda from where the last ones' optima lead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .continuation import Path, are_long, ranks
from .preconditioners import has_only_diagonal
from .problems import LinearProblems
from .results import LinearFit
from .rows import RowBlocks

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

Level = list[tuple[int, Indices]]  # parts of the problems that are solved side by side, and numbers of their paths

_AT_A_TIME = 12
# Of fewer chains, products with one lambda's problems at a time cost more than a start near the optimum saves.
_FEWEST_CHAINS, _CHAINS_AT_A_TIME = 4, 8
_LAMBDAS_AT_A_TIME = 2  # side by side; the further from the last optima, the worse is a start
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
    """By `solve`: chains from large to small lambda, a few lambdas at a time, or else problems of like lambda/m."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    whole = rows.undivided()
    whole.in_single_precision(columns.centre, columns.inverse_scale)  # once for all threads
    paths: defaultdict[int, Path] = defaultdict(Path)

    def solve_level(level: Level) -> list[LinearFit]:
        some = [problems.select(part) for _, part in level]
        found: dict[int, LinearFit] = {}
        if start is None:
            starts = [paths[number].start(own) for (number, _), own in zip(level, some, strict=True)]
        else:
            starts = [(start[0][part], start[1][part]) for _, part in level]

        def solve_part(k: int) -> None:
            found[k] = solve(some[k], whole, start=starts[k])

        longest = max(len(part) for _, part in level)
        rows.run(solve_part, range(len(level)), longest * rows.n_elements * _PRODUCTS_OF_A_DESCENT)
        for k, (number, _) in enumerate(level):
            paths[number].add(some[k], found[k])
        return [found[k] for k in range(len(level))]

    levels = _along_lambda(problems) if start is None else [_alike(problems)]
    fits = [fit for level in levels for fit in solve_level(level)]
    return LinearFit.of_parts(fits, [part for level in levels for _, part in level])


def _along_lambda(problems: LinearProblems) -> list[Level]:
    """The largest lambdas of each chain, then the next ones, and so on; all at once where chains are few or short."""
    chain = problems.chains()
    lengths = np.bincount(chain)
    if len(lengths) < _FEWEST_CHAINS or not are_long(chain) or (lengths != lengths[0]).any():
        return [_alike(problems)]
    n_paths = -(-len(lengths) // _CHAINS_AT_A_TIME)
    by_lambda = [rank[np.argsort(chain[rank])] for rank in ranks(chain, problems.places())]
    parts = [list(enumerate(np.array_split(rank, n_paths))) for rank in by_lambda]
    starts = range(0, len(parts), _LAMBDAS_AT_A_TIME)
    return [[part for own in parts[k : k + _LAMBDAS_AT_A_TIME] for part in own] for k in starts]


def _alike(problems: LinearProblems) -> Level:
    """Problems of like lambda/m together."""
    order = np.argsort(problems.places(), kind="stable")
    return list(enumerate(np.array_split(order, -(-len(order) // _AT_A_TIME))))

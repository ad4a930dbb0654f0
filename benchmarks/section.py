"""What a section of the benchmarks is.

A section is a module of this package that `benchmarks.__main__` lists, with

    TITLE                           its heading on the page
    cells(quick) -> list[Cell]      what there is to measure; a few small cells of it if `quick`
    markdown(rows, pictures) -> str its part of the page, without the heading, from the rows of all its cells alone;
                                    pictures are saved in the directory `pictures` and linked by their names

`Cell.run()` returns rows: dicts that JSON can hold, with every raw time in them. Rows survive in the JSON file, and the
page can be written again from there, so `markdown` must not measure or look anything up. Peers run in processes of
their own, `worker.Worker`; `worker.in_turn` times them in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One data set, or one setting, on which some sides are compared."""

    name: str
    run: Callable[[], list[Row]]


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines)) + "\n"


def duration(seconds: float) -> str:
    """Two or three digits, with a unit."""
    if seconds >= 0.9995:
        return f"{seconds:#.3g} s".replace(". ", " ")
    return f"{seconds * 1e3:#.3g} ms".replace(". ", " ")


def ratio(times: float) -> str:
    """As in 1.8× or 12×."""
    return f"{times:.1f}×" if times < 10 else f"{times:.0f}×"

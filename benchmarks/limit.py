"""Section: how far a fit is from what the machine could do at best."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

from . import data, machine
from .counting import counted
from .section import Cell, Row, duration, table
from .worker import Worker, timed

TITLE = "The distance to the limit"

FITS = (
    "50 000 x 100",
    "20 000 x 500",
    "5 000 x 2 000",
    "1 000 000 x 20",
    "20 000 x 100, 20 classes",
    "10 000 x 100, 100 classes",
    "sparse 50 000 x 18 000, 20 classes",
)
SEARCHES = ("10 000 x 50", "50 000 x 100")
LAMBDS = tuple(np.logspace(-3, 3, 20).tolist())


def cells(quick: bool) -> list[Cell]:
    """Fits and searches of some size."""
    found = [Cell(name, partial(_run, name, False)) for name in (FITS[:1] if quick else FITS)]
    return found + [Cell(f"search, {name}", partial(_run, name, True)) for name in (() if quick else SEARCHES)]


def _run(name: str, is_search: bool) -> list[Row]:
    with Worker(serve, name, is_search) as worker:
        return [worker.ask("row")]


def serve(name: str, is_search: bool) -> Callable[[Any], Row]:
    """A row: raw times, and what is counted in another fit."""
    X, y = data.make(name)

    def fit() -> None:
        model: Any = L2LogisticRegression()
        if is_search:
            model = LambdaSearchCV(model, LAMBDS, scoring="neg_log_loss", cv=5)
        model.fit(X, y)

    def row(_: Any) -> Row:
        fit()
        seconds = [timed(fit)[0] for _ in range(3)]
        with counted() as counts:
            fit()
        return {
            "data": name,
            "search": is_search,
            "bytes of X": X.data.nbytes + X.indices.nbytes if hasattr(X, "indices") else X.nbytes,
            "seconds": seconds,
            "counts": dict(counts),
            "rates": machine.rates(),
        }

    return row


def markdown(rows: list[Row], pictures: Path) -> str:
    """Arithmetic and bytes at the measured rates, against the time taken."""
    lines = []
    for row in rows:
        seconds, counts, rates = statistics.median(row["seconds"]), row["counts"], row["rates"]
        arithmetic = sum(
            counts.get(kind, 0) / rates[f"{kind} multiply-adds per second"] for kind in ("float64", "float32")
        )
        reading = counts["bytes"] / rates["bytes per second"]
        lines.append(
            [
                ("search, " if row["search"] else "") + row["data"],
                duration(seconds),
                *(f"{counts.get(kind, 0) * 1e-9:.2f}" for kind in ("float64", "float32")),
                duration(arithmetic),
                f"{counts['bytes'] / row['bytes of X']:.1f}",
                duration(reading),
                f"**{max(arithmetic, reading) / seconds:.0%}**",
            ]
        )
    head = [
        *("data", "time", "10⁹ multiply-adds, float64", "float32", "at the rate of a matrix product"),
        *("X read, times", "at the rate of memory", "limit / time"),
    ]
    return (
        "The multiply-adds of all matrix products, and the bytes of X that are read, are counted in a fit of its own "
        "(`counting.py`) and divided by the rates that the same process measures for a large matrix product and a long "
        "read, on all cores. The greater of the two is the limit: at best they overlap. A block of rows that stays in "
        "the cache for a second product is read once; what the losses, their scores and the factorizations of Hessians "
        "cost is not in the limit, nor what products with a sparse X gather. Searches have 20 lambdas and 5 folds.\n\n"
        + table(head, lines)
    )

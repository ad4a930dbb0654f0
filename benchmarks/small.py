"""Section: what is paid even for little: the import, and a fit on 150 rows.

An import is that of a fresh process, timed in it from the first statement on, in turn with the import of
sklearn.linear_model, which most of it is. All modules are compiled before, as those of installed packages are.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sklearn.linear_model import LogisticRegression

from sklearn_l2 import L2LogisticRegression

from . import data
from .section import Cell, Row, duration, ratio, table
from .worker import Worker, in_turn, timed

TITLE = "What is paid for little"

IMPORTS = ("sklearn_l2", "sklearn.linear_model")
FITS: dict[str, Callable[[], Any]] = {
    "L2LogisticRegression()": L2LogisticRegression,
    "LogisticRegression()": LogisticRegression,
    "LogisticRegression(solver='newton-cholesky')": partial(LogisticRegression, solver="newton-cholesky"),
}
DATA = ("iris, two classes", "iris, three classes")
_AT_A_TIME = 20  # fits that are timed together


def cells(quick: bool) -> list[Cell]:
    """The imports, and iris with two classes and with three."""
    repeats = 3 if quick else 25
    fits = [Cell(name, partial(_fits, name, repeats)) for name in DATA]
    return [Cell("import", partial(_imports, repeats)), *fits]


def _imports(repeats: int) -> list[Row]:
    for module in IMPORTS:
        _import(module)  # writes what is compiled, and fills the cache of files
    seconds = in_turn({module: partial(_import, module) for module in IMPORTS}, repeats)
    return [{"name": "import", "seconds": seconds}]


def _import(module: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    code = f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
    process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return float(process.stdout)


def _fits(name: str, repeats: int) -> list[Row]:
    with Worker(serve, name) as worker:
        seconds = in_turn({side: lambda side=side: worker.ask(side) for side in FITS}, repeats)
    return [{"name": name, "seconds": seconds}]


def serve(name: str) -> Callable[[str], float]:
    """Make the data; a request is a side, the answer the seconds of its fit, one of many."""
    X, y = data.raw("iris")
    y = (y == 1).astype(int) if name == DATA[0] else y

    def fit(side: str) -> float:
        model = FITS[side]()
        model.fit(X, y)
        return timed(lambda: [model.fit(X, y) for _ in range(_AT_A_TIME)])[0] / _AT_A_TIME

    return fit


def markdown(rows: list[Row], pictures: Path) -> str:
    """A sentence on the import, and a table of fits."""
    parts = []
    medians = [{side: statistics.median(each) for side, each in row["seconds"].items()} for row in rows]
    for row, times in zip(rows, medians, strict=True):
        if row["name"] == "import":
            ours, theirs = (times[module] for module in IMPORTS)
            parts.append(
                f"`import {IMPORTS[0]}` takes {duration(ours)}, `import {IMPORTS[1]}` {duration(theirs)}: "
                f"{ours / theirs - 1:+.0%}.\n"
            )
    lines = [
        [
            f"{row['name']}, 150 x 4",
            *(
                duration(seconds) + ("" if k == 0 else f", {ratio(seconds / next(iter(times.values())))}")
                for k, seconds in enumerate(times.values())
            ),
        ]
        for row, times in zip(rows, medians, strict=True)
        if row["name"] != "import"
    ]
    if lines:
        parts += [
            "A fit with the defaults, lbfgs ends with a warning where it stops early:\n",
            table(["", *FITS], lines),
        ]
    return "\n".join(parts)

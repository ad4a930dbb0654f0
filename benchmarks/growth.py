"""Section: how the cost grows with rows, columns, classes, lambdas and folds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

from . import data, peers, pictures
from .race import race, times
from .section import Cell, Row, duration, table
from .worker import Worker, in_turn, timed

TITLE = "How the cost grows"

FITS = {
    "rows": ("rows, of 50 columns", {n: data.ladder(n, 50) for n in (1_000, 4_000, 16_000, 64_000, 256_000)}),
    "columns": ("columns, of 20 000 rows", {d: data.ladder(20_000, d) for d in (10, 40, 160, 640)}),
    "classes": ("classes, 10 000 x 50", {k: data.ladder(10_000, 50, k) for k in (3, 6, 12, 25, 50)}),
}
SEARCHES = {
    "lambdas": ("lambdas, 5 folds, 10 000 x 50", {n: (n, 5) for n in (5, 10, 20, 40, 80)}),
    "folds": ("folds, 20 lambdas, 10 000 x 50", {k: (20, k) for k in (3, 6, 12, 24)}),
}
RUNNERS = (peers.OURS, "lbfgs", "intelex lbfgs")
SEARCHED = ("LambdaSearchCV", "LogisticRegressionCV")
LEVEL = 1e-7


def cells(quick: bool) -> list[Cell]:
    """A ladder each."""
    found = []
    for axis, (_, ladder) in FITS.items():
        steps = dict(list(ladder.items())[:2]) if quick else ladder
        found += [] if quick and axis != "rows" else [Cell(axis, partial(_run_fits, axis, steps))]
    for axis, (_, ladder) in SEARCHES.items():
        found += [] if quick else [Cell(axis, partial(_run_searches, axis, ladder))]
    return found


def _run_fits(axis: str, ladder: dict[int, str]) -> list[Row]:
    rows = []
    for size, name in ladder.items():
        outcome = race(name, 1.0, repeats=3, longest=3.0, only=RUNNERS)
        rows += [{"axis": axis, "at": size, "side": side, "seconds": [s]} for side, s in times(outcome, LEVEL).items()]
    return rows


def _run_searches(axis: str, ladder: dict[int, tuple[int, int]]) -> list[Row]:
    rows = []
    for size, asked in ladder.items():
        sides: dict[str, Callable[[], float]] = {side: partial(_searcher(side).ask, asked) for side in SEARCHED}
        seconds = in_turn(sides, 3)
        rows += [{"axis": axis, "at": size, "side": side, "seconds": each} for side, each in seconds.items()]
    return rows


@cache
def _searcher(side: str) -> Worker:
    return Worker(serve, side)


def serve(side: str) -> Callable[[tuple[int, int]], float]:
    """Seconds of a search over so many lambdas and folds, both in the same units of accuracy."""
    X, y = data.make("10 000 x 50")

    def search(n_lambdas: int, n_folds: int) -> float:
        lambds = np.logspace(-3, 3, n_lambdas)
        shared: dict[str, Any] = {"scoring": "neg_log_loss", "cv": list(StratifiedKFold(n_folds).split(X, y))}
        model = (
            LambdaSearchCV(L2LogisticRegression(), lambds, **shared)
            if side == "LambdaSearchCV"
            else LogisticRegressionCV(Cs=1 / lambds, solver="newton-cholesky", n_jobs=-1, **shared)
        )
        return timed(lambda: model.fit(X, y))[0]

    search(3, 3)
    return lambda asked: search(*asked)


def markdown(rows: list[Row], pictures_directory: Path) -> str:
    """Pictures, and the slopes of the lines through them."""
    axes = {axis: title for axis, (title, _) in (FITS | SEARCHES).items() if any(row["axis"] == axis for row in rows)}
    names = list(dict.fromkeys([*RUNNERS, *SEARCHED]))
    curves: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for axis, title in axes.items():
        panel = curves.setdefault(title, {})
        for row in rows:
            if row["axis"] == axis:
                panel.setdefault(row["side"], []).append((row["at"], statistics.median(row["seconds"])))
    path = pictures_directory / "growth.png"
    pictures.panels(path, curves, names, x="", y="seconds", bold=(peers.OURS, SEARCHED[0]), ticks_at_points=True)
    lines = [
        [title, side, f"{_slope(points):.2f}", duration(points[0][1]), duration(points[-1][1])]
        for title, panel in curves.items()
        for side, points in panel.items()
        if len(points) > 1
    ]
    return (
        "Time of one fit with `lambd=1` to J - J* ≤ 10⁻⁷, and of searches (LogisticRegressionCV with newton-cholesky, "
        "all cores and its default tol). The slope is that of a line through the points of the log-log picture: 1 is "
        "in proportion.\n\n"
        f"![Seconds against size]({pictures_directory.name}/{path.name})\n\n"
        + table(["growing", "side", "slope", "least", "most"], lines)
    )


def _slope(points: list[tuple[float, float]]) -> float:
    sizes, seconds = np.log(points).T
    return float(np.polyfit(sizes, seconds, 1)[0])

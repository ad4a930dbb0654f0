"""Section: a linear probe, as it is fitted to the embeddings of an image or text encoder.

50 000 x 512 float32 in 100 classes, and 10 000 rows more to choose among 20 lambdas by log loss; the best is not fitted
again to all rows. Every side has a process of its own, which may use all cores; its peak is the memory resident in it
and in the processes it starts, data and libraries included.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

from .data import embeddings
from .peak import Peak, of_family
from .section import Cell, Row, duration, ratio, table
from .worker import Worker, timed

TITLE = "A linear probe"

OURS = "LambdaSearchCV"
TOL = 1e-6  # J - J*: about the best lambda, dev log losses have three digits of the optimum's or more
DEV_SHARE = 6  # one row of so many
_LONGEST = 3600.0

Shape = tuple[int, int, int]


def ours(lambds: Any, n_train: int, n_dev: int) -> Any:
    return LambdaSearchCV(L2LogisticRegression(tol=TOL), lambds, scoring="neg_log_loss", refit=False)


def theirs(lambds: Any, n_train: int, n_dev: int) -> Any:
    split = PredefinedSplit(np.repeat([-1, 0], [n_train, n_dev]))
    return GridSearchCV(
        LogisticRegression(), {"C": 1 / lambds}, cv=split, scoring="neg_log_loss", refit=False, n_jobs=-1
    )


SIDES: dict[str, Callable[..., Any]] = {OURS: ours, "GridSearchCV": theirs}


def cells(quick: bool) -> list[Cell]:
    """A search by each side."""
    shape = (6_000, 64, 10) if quick else (60_000, 512, 100)
    lambds = np.logspace(-1, 3, 5) if quick else np.logspace(-2, 3, 20)
    return [Cell(side, partial(_run, side, shape, lambds)) for side in SIDES]


def _run(side: str, shape: Shape, lambds: Any) -> list[Row]:
    with Worker(serve, side, shape, lambds) as worker:
        answer = worker.ask(None, _LONGEST)
    return [{"side": side, "shape": list(shape), "lambds": lambds.tolist(), **answer}]


def serve(side: str, shape: Shape, lambds: Any) -> Callable[[Any], dict[str, Any]]:
    """Make the data, and wait for the word to search."""
    X, y = embeddings(*shape)
    n_dev = len(X) // DEV_SHARE
    n_train = len(X) - n_dev
    search = SIDES[side](lambds, n_train, n_dev)
    train, dev = slice(n_train), slice(n_train, None)

    def fit(_: Any) -> dict[str, Any]:
        with Peak(of_family, every=0.2) as peak:
            if side == OURS:
                seconds, _search = timed(lambda: search.fit(X[train], y[train], X_val=X[dev], y_val=y[dev]))
            else:
                seconds, _search = timed(lambda: search.fit(X, y))
        losses = -search.cv_results_["mean_test_score"]
        return {"seconds": seconds, "peak": peak.bytes, "losses": losses.tolist()}

    return fit


def markdown(rows: list[Row], pictures: Path) -> str:
    """A table of the sides, and one of the log losses."""
    first = rows[0]
    n, d, K = first["shape"]
    lambds = first["lambds"]
    own = next((row["seconds"] for row in rows if row["side"] == OURS), None)
    lines = [
        [
            row["side"],
            duration(row["seconds"]),
            "" if own is None or row["side"] == OURS else ratio(row["seconds"] / own),
            f"{row['peak'] / 2**20:.0f} MiB",
            f"{min(row['losses']):.5f}",
            f"{lambds[int(np.argmin(row['losses']))]:.3g}",
        ]
        for row in rows
    ]
    n_dev = n // DEV_SHARE
    return "\n".join(
        [
            f"{n - n_dev} x {d} float32 in {K} classes, made like embeddings: class means and noise with a decaying "
            f"spectrum, rows of mean 0 and variance 1; {len(lambds)} lambdas from {lambds[0]:g} to {lambds[-1]:g}, "
            f"chosen by log loss on {n_dev} rows more. Ours is `LambdaSearchCV(L2LogisticRegression(tol={TOL:g}))` "
            "with a dev set; theirs `GridSearchCV(LogisticRegression(), cv=PredefinedSplit(...), n_jobs=-1)`. The peak "
            "is the memory resident in all processes of a side, the data included. One run each.\n",
            table(["", "time", "ours takes less by", "peak", "best dev log loss", "at lambd"], lines),
            "Dev log loss at each lambd:\n",
            table(
                ["lambd", *(f"{lambd:.2g}" for lambd in lambds)],
                [[row["side"], *(f"{loss:.4f}" for loss in row["losses"])] for row in rows],
            ),
        ]
    )

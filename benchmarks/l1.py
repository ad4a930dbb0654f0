"""Section: one fit with an L1 penalty, against coordinate descent and working sets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from . import data
from .fits_page import curves, summary, times_table
from .race import race
from .section import Cell, Row

TITLE = "One fit, L1"

LAMBDS = {
    "2 000 x 2 000, few informative": (30.0, 3.0),
    "2 000 x 2 000, independent": (20.0, 1.0),
    "2 000 x 2 000, correlated": (30.0, 3.0),
    "wide 200 x 10 000": (1.0,),
    "sparse 10 000 x 50 000": (1.0,),
    "digits, scaled": (1.0,),
    "50 000 x 100": (30.0,),
}
QUICK = ("2 000 x 2 000, independent", 20.0)


def cells(quick: bool) -> list[Cell]:
    """Data sets and lambdas."""
    return [
        Cell(f"{name}, lambd {lambd:g}", partial(_run, name, lambd, quick))
        for name, lambds in LAMBDS.items()
        for lambd in lambds
        if data.is_available(name) and (not quick or (name, lambd) == QUICK)
    ]


def _run(name: str, lambd: float, quick: bool) -> list[Row]:
    settings = {"repeats": 2, "longest": 0.5} if quick else {}
    return [race(name, lambd, penalty="l1", intercept=False, **settings)]


def markdown(rows: list[Row], pictures: Path) -> str:
    """Ratios, times and curves."""
    shares = "; ".join(f"{row['data']}, lambd {row['lambd']:g}: {row['non-zero']:.1%}" for row in rows)
    return "\n".join(
        [
            f"Measured as one fit with L2, and without an intercept. Weights that are not zero: {shares}.\n",
            summary(rows),
            times_table(rows),
            curves(rows, pictures, "l1"),
        ]
    )

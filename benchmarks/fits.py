"""Section: one fit with an L2 penalty, dense, sparse and softmax, against every peer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from . import data, peers
from .fits_page import curves, notes, overview, summary, times_table
from .race import race
from .section import Cell, Row

TITLE = "One fit, L2"

BINARY = {
    "breast cancer, raw": (1.0,),
    "breast cancer, scaled": (1.0,),
    "credit default, raw": (1.0,),
    "1 000 x 5": (1.0,),
    "1 000 x 20": (1.0,),
    "10 000 x 50": (0.01, 1.0, 100.0),
    "50 000 x 100": (1.0,),
    "20 000 x 500": (1.0,),
    "5 000 x 2 000": (1.0,),
    "1 000 000 x 20": (1.0,),
    "50 000 x 100, badly scaled": (1.0,),
    "10 000 x 50, condition 1e+04": (1.0,),
    "10 000 x 50, condition 1e+08": (1.0,),
    "10 000 x 50, condition 1e+12": (1.0,),
    "10 000 x 200, neighbours correlated": (1.0,),
    "100 000 x 20, one in 1 000": (1.0,),
    "wide 200 x 10 000": (1.0,),
    "sparse 10 000 x 50 000": (0.01, 1.0),
}
SOFTMAX = {
    **{f"{name}, {how}": (1.0,) for name in ("iris", "wine", "digits") for how in ("raw", "scaled")},
    "10 000 x 50, 5 classes": (1.0,),
    "20 000 x 100, 20 classes": (1.0,),
    "10 000 x 100, 100 classes": (1.0,),
    "sparse 50 000 x 18 000, 20 classes": (1.0,),
}
# Of a race; there scikit-learn's lbfgs needs about as many seconds.
SETTINGS = {"sparse 50 000 x 18 000, 20 classes": {"longest": 12.0}}
QUICK = ("10 000 x 50", "iris, raw")


def cells(quick: bool) -> list[Cell]:
    """Data sets and lambdas."""
    found = []
    for name, lambds in (BINARY | SOFTMAX).items():
        if data.is_available(name) and (name in QUICK or not quick):
            for lambd in (1.0,) if quick else lambds:
                settings = {"repeats": 3, "shortest": 0.3, "longest": 0.5} if quick else SETTINGS.get(name, {})
                found.append(Cell(f"{name}, lambd {lambd:g}", partial(_run, name, lambd, settings)))
    return found


def _run(name: str, lambd: float, settings: dict[str, float]) -> list[Row]:
    return [race(name, lambd, **settings)]


def markdown(rows: list[Row], pictures: Path) -> str:
    """Ratios, times and curves, for two classes and for more."""
    two = [row for row in rows if row["classes"] == 2]
    more = [row for row in rows if row["classes"] > 2]
    parts = [overview(), summary(rows)]
    for title, part, picture in (("Two classes", two, "two-classes"), ("More classes: softmax", more, "softmax")):
        if part:
            parts += [f"### {title}\n", times_table(part), curves(part, pictures, picture)]
    longer = [f"On {name} a fit may take {its['longest']:g} s." for name, its in SETTINGS.items()]
    return "\n".join([*parts, notes([*peers.NOTES, *longer])])

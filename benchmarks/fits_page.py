"""The page's part on single fits: who is how far from the optimum after how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from . import peers, pictures
from .race import FAIR, FITS, HOPELESS, LEVELS, reached, times
from .section import Row, duration, ratio, table

_LOWEST = 1e-16  # of a picture
_MAIN = 1e-7

OVERVIEW = f"""\
Each peer fits with stricter and stricter stopping; J - J* is that of the coefficients it returns, against an optimum
known to 10⁻¹⁴ or better, whatever the peer says of itself. A time is that of the fastest stopping that got within the
level: ours and the two fastest others of each level are timed in turn, medians, the others once. Each library runs in a
process of its own. A fit that takes {HOPELESS} times as long as our strictest one is given up (never before 0.25 s, at
most after 1.5 s or {FAIR} times as long as ours), as is a peer with {FITS} times as much in all; – then tells how near
it came.
"""


def overview() -> str:
    """How it was measured."""
    return OVERVIEW


def summary(rows: Sequence[Row]) -> str:
    """Ours against the best of all others, at each level."""
    lines = []
    for row in rows:
        line = [row["data"], f"{row['lambd']:g}"]
        for level in LEVELS:
            own, rival = _best(row, level)
            if own is None:
                line.append("we do not get there")
            elif rival is None:
                line.append(f"{duration(own)}, nobody else")
            else:
                line.append(f"{ratio(rival[0] / own)} ({rival[1]}, {duration(rival[0])})")
        lines.append(line)
    head = ["data", "lambd", *(f"best other / ours at {_power(level)}" for level in LEVELS)]
    geometric = []
    for level in LEVELS:
        logs = [
            math.log(rival[0] / own)
            for row in rows
            for own, rival in [_best(row, level)]
            if own is not None and rival is not None
        ]
        geometric.append(f"**{ratio(math.exp(sum(logs) / len(logs)))}** over {len(logs)}" if logs else "")
    return table(head, [*lines, ["**geometric mean**", "", *geometric]])


def _best(row: Row, level: float) -> tuple[float | None, tuple[float, str] | None]:
    medians = times(row, level)
    others = [(seconds, peer) for peer, seconds in medians.items() if peer != peers.OURS]
    return medians.get(peers.OURS), min(others, default=None)


def times_table(rows: Sequence[Row]) -> str:
    """Every peer's time to the main level, or how near it came."""
    names = [name for name in peers.BY_NAME if any(name in row["sweeps"] for row in rows)]
    lines = []
    for row in rows:
        medians = times(row, _MAIN)
        line = [row["data"], f"{row['lambd']:g}"]
        for name in names:
            if name in medians:
                line.append(duration(medians[name]))
            elif name in row["sweeps"]:
                gap = reached(row, name)
                line.append("–" if gap is None else f"– ({gap:.0e})")
            else:
                line.append("")
        lines.append(line)
    return f"Time to J - J* ≤ {_power(_MAIN)}:\n\n" + table(["data", "lambd", *names], lines)


def curves(rows: Sequence[Row], directory: Path, name: str) -> str:
    """J - J* against time, one panel for each row."""
    panels = {
        f"{row['data']}, λ = {row['lambd']:g}": {
            peer: [(point["seconds"], point["gap"]) for point in points]
            for peer, points in row["sweeps"].items()
            if points
        }
        for row in rows
    }
    path = directory / f"{name}.png"
    pictures.panels(
        path, panels, list(peers.BY_NAME), x="seconds", y="J - J*", levels=LEVELS, lowest=_LOWEST, bold=(peers.OURS,)
    )
    return f"![J - J* against seconds: {name}]({directory.name}/{path.name})\n"


def notes(lines: Sequence[str]) -> str:
    """Where a peer's model or treatment differs."""
    return "\n".join(f"- {line}" for line in lines) + "\n"


def _power(level: float) -> str:
    exponent = round(math.log10(level))
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))

"""Pictures for the page, as small PNG files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams.update({"font.size": 8, "axes.titlesize": 8})
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import NullFormatter  # noqa: E402

Curve = Sequence[tuple[float, float]]

_COLUMNS = 4
_STYLES = [(f"C{i % 10}", "-" if i < 10 else "--") for i in range(20)]


def panels(
    path: Path,
    curves: Mapping[str, Mapping[str, Curve]],
    names: Sequence[str],
    *,
    x: str,
    y: str,
    levels: Sequence[float] = (),
    lowest: float = 0.0,
    bold: Sequence[str] = (),
    ticks_at_points: bool = False,
) -> None:
    """Per panel a log-log picture of each side's points; `names` fixes the sides' colours, `bold` ones are black."""
    present = [name for name in names if any(name in panel for panel in curves.values())]
    n_columns = min(_COLUMNS, len(curves))
    n_rows = math.ceil(len(curves) / n_columns)
    n_side_by_side = min(len(present), 2 * n_columns)
    legend = 0.15 + 0.2 * math.ceil(len(present) / n_side_by_side)  # inches
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(2.9 * n_columns, 2.3 * n_rows + legend), squeeze=False)
    handles: dict[str, Any] = {}
    for axis, (title, panel) in zip(axes.flat, curves.items(), strict=False):
        for name in present:
            if name in panel:
                colour, line = _STYLES[names.index(name) % len(_STYLES)]
                points = [(a, max(b, lowest)) for a, b in panel[name]]
                (handles[name],) = axis.loglog(
                    *zip(*points, strict=True),
                    marker="o",
                    markersize=3,
                    color="black" if name in bold else colour,
                    linestyle=line,
                    linewidth=2 if name in bold else 1,
                    zorder=3 if name in bold else 2,
                )
        for level in levels:
            axis.axhline(level, color="0.8", linewidth=0.6, zorder=1)
        axis.xaxis.set_minor_formatter(NullFormatter())
        if ticks_at_points:
            sizes = sorted({a for points in panel.values() for a, _ in points})
            axis.set_xticks(sizes, [f"{size:,}".replace(",", " ") for size in sizes])
        axis.set_title(title)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel(y)
    for axis in axes.flat[max(len(curves) - n_columns, 0) : len(curves)]:
        axis.set_xlabel(x)
    ordered = [name for name in present if name in handles]
    figure.legend([handles[name] for name in ordered], ordered, loc="upper center", ncols=n_side_by_side)
    figure.tight_layout(rect=(0, 0, 1, 1 - legend / figure.get_figheight()))
    figure.savefig(path, dpi=90)
    plt.close(figure)

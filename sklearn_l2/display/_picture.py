"""What all pictures share: where they are drawn, their colours, and room for what must not lie on the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from .._search.candidates import last_step

Floats = NDArray[np.floating]

# Okabe and Ito (2008), https://jfly.uni-koeln.de/color: told apart by colour-blind readers.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, BLACK, GRAY = "#56B4E9", "#CC79A7", "#000000", "#8C8C8C"

TEXT_SIZE = "small"
_AIR = 4.0  # points between a text and its neighbours
_LEADER = 14.0  # points from a name to its line
_SPARE = 1.15  # layout may still change a little after measuring


def pyplot(what: str) -> Any:
    """matplotlib.pyplot."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what}.plot needs matplotlib, which is not installed: pip install 'sklearn-l2[plot]'."
        ) from error
    return plt


def axes_for(display: Any, ax: Any) -> Any:
    """`ax`, or the Axes of a new figure; sets `ax_` and `figure_`."""
    if ax is None:
        _, ax = pyplot(type(display).__name__).subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def lay_out(ax: Any) -> Any:
    """The extent of the Axes in pixels, once the figure's layout is done."""
    ax.figure.canvas.figure.draw_without_rendering()
    return ax.get_window_extent()


def pixels(ax: Any, points: float) -> float:
    """Points as pixels of the figure."""
    return points * ax.figure.dpi / 72


def legend_off_the_data(ax: Any) -> None:
    """A legend at the top of the Axes, with the data moved down to make room for it."""
    box, air = lay_out(ax), pixels(ax, 3 * _AIR)
    for n_columns in (2, 1):
        legend = ax.legend(loc="upper center", ncols=n_columns, fontsize=TEXT_SIZE, framealpha=1.0)
        extent = legend.get_window_extent()
        if extent.width + air <= box.width:
            break
    share = min(0.7, _SPARE * (extent.height + air) / box.height)
    widen(ax.yaxis, above=share / (1 - share))


def widen(axis: Any, *, below: float = 0.0, above: float = 0.0) -> None:
    """Move an axis's limits apart, by shares of their distance on the picture."""
    transform = axis.get_transform()
    low, high = transform.transform(np.sort(axis.get_view_interval()).astype(float))
    length = high - low
    ends = transform.inverted().transform(np.array([low - below * length, high + above * length]))
    (axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim)(*ends.tolist())


def spread(centres: Floats, sizes: Floats, low: float, high: float) -> Floats:
    """Places between low and high near the centres (n,), in their order, at which things of these sizes do not overlap.

    The sum of squared moves is least: isotonic regression of the centres less the room that things before need.
    """
    order = np.argsort(centres, kind="stable")
    half = sizes[order] / 2
    offset = np.concatenate([[0.0], np.cumsum(half[:-1] + half[1:])])
    free = isotonic_regression(
        centres[order] - offset, y_min=low + half[0], y_max=max(high - half[-1] - offset[-1], low + half[0])
    )
    places = np.empty(len(centres))
    places[order] = free + offset
    return places


def name_lines(ax: Any, x: float, y: Floats, names: Sequence[str], colours: Sequence[str]) -> list[Any]:
    """Names for lines that begin at x and the heights y (n,), to the left of x, where room is made for them.

    Where not all of them have room, the last ones are left out.
    """
    box, air = lay_out(ax), pixels(ax, _AIR)
    extents = [text_extent(ax, name) for name in names]
    heights = np.array([extent.height for extent in extents]) + air / 2
    n = int(np.searchsorted(np.cumsum(heights), box.height - 3 * air))
    if not n:
        return []
    names, y, colours, heights, extents = names[:n], y[:n], colours[:n], heights[:n], extents[:n]
    width = max(extent.width for extent in extents) + pixels(ax, _LEADER) + air
    share = min(0.6, width / box.width)
    widen(ax.xaxis, below=share / (1 - share))
    box = lay_out(ax)
    at = ax.transData.transform([(x, height) for height in y.tolist()])[:, 1]
    places = spread(at, heights, box.y0 + air, box.y1 - air)
    return [
        ax.annotate(
            name,
            (x, height),
            xytext=(-_LEADER, move * 72 / ax.figure.dpi),
            textcoords="offset points",
            ha="right",
            va="center",
            color=colour,
            fontsize=TEXT_SIZE,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "relpos": (1, 0.5), "shrinkB": 0},
        )
        for name, height, move, colour in zip(names, y.tolist(), (places - at).tolist(), colours, strict=True)
    ]


def text_extent(ax: Any, text: str) -> Any:
    """What a text takes up, in pixels."""
    trial = ax.text(0, 0, text, fontsize=TEXT_SIZE)
    extent = trial.get_window_extent()
    trial.remove()
    return extent


def title(estimator: Any) -> str:
    """The name of a classifier, at the end of a Pipeline or not."""
    return type(last_step(estimator)).__name__


def shortened(name: Any, length: int = 22) -> str:
    """A name on one line, its middle left out where it is long; mathtext is not meant."""
    text = " ".join(str(name).split())
    if len(text) > length:
        text = f"{text[: length // 2]}…{text[-(length // 2 - 1) :]}"
    return text.replace("$", r"\$")

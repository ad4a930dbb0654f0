"""Pictures for the HTML report, as SVG inside of it."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import ConfusionMatrixDisplay

from ..display import LossCurveDisplay
from .files import curve
from .markup import element, visible
from .messages import require
from .tuning import Tuned

LONGEST_LABEL = 24
MOST_COUNTS = 20
ROWS_PER_POINT = 20
_STYLE = {
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "legend.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: it can be searched, and the reader's fonts know more letters
    "svg.hashsalt": "sklearn-l2",
}


def picture(
    name: str,
    caption: str,
    draw: Callable[[Any], object],
    *,
    size: tuple[float, float] = (5.5, 4.2),
    parse_math: bool = False,
) -> ET.Element:
    """A figure of what `draw` draws on an Axes; no other picture of the page has its name."""
    style = require("matplotlib.style", "--report")
    with style.context(["default", _STYLE | {"text.parse_math": parse_math}]):
        figure = require("matplotlib.figure", "--report").Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = _part_of_a_page(ET.fromstring(file.getvalue()), name)
    svg.attrib |= {"role": "img", "aria-label": visible(caption)}
    return element("figure", svg, element("figcaption", caption))


def _part_of_a_page(svg: ET.Element, name: str) -> ET.Element:
    """Without name spaces and rules for the whole page, and with those ids only that are used, once on the page."""
    references = re.compile(r"^#(.*)$|url\(#(.*?)\)")
    for each in svg.iter():
        each.tag = each.tag.rpartition("}")[2]
        each.attrib = {key.rpartition("}")[2]: value for key, value in each.attrib.items()}
    for parent in svg.iter("defs"):
        for style in parent.findall("style"):  # the page's own style has its rule
            parent.remove(style)
    linked = [found for each in svg.iter() for value in each.attrib.values() for found in references.findall(value)]
    used = {first or second for first, second in linked}
    for each in svg.iter():
        if each.get("id") in used:
            each.set("id", f"{name}-{each.attrib['id']}")
        else:
            each.attrib.pop("id", None)
        for key in {"href", "clip-path"} & set(each.attrib):
            each.set(key, each.attrib[key].replace("#", f"#{name}-", 1))
    return svg


def curve_picture(tuned: Tuned) -> ET.Element:
    """Train and dev loss of a family over lambd."""
    caption = f"Losses of the {tuned.family.title} on training and dev rows."
    return picture(f"curve-{tuned.family.name}", caption, curve(tuned).plot, parse_math=True)


def descent_picture(classifier: Any) -> ET.Element:
    """J of the chosen fit, iteration by iteration."""

    def draw(ax: Any) -> None:
        LossCurveDisplay.from_estimator(classifier, ax=ax)

    return picture("descent", "How the fit of the chosen model went.", draw, parse_math=True)


def confusion_picture(y: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> ET.Element:
    """How many rows of each class were taken for which."""
    few = len(classes) <= MOST_COUNTS
    side = max(4.0, 2.4 + 0.25 * len(classes)) if few else 4.4
    order = "" if few else ", in the order of the classes"

    def draw(ax: Any) -> None:
        ConfusionMatrixDisplay.from_predictions(
            y,
            predicted,
            labels=classes,
            display_labels=_short(classes),
            include_values=few,
            xticks_rotation="vertical",
            cmap="Blues",
            colorbar=not few,
            im_kw={"interpolation": "none"},
            text_kw={"fontsize": "small"} if few else None,
            ax=ax,
        )
        ax.set(xlabel=f"predicted class{order}", ylabel=f"true class{order}", title="Confusion matrix, test rows")
        if not few:
            ax.set(xticks=[], yticks=[])

    return picture("confusion", "Test rows by true and predicted class.", draw, size=(side + 0.8, side))


def calibration_picture(y: np.ndarray, probabilities: np.ndarray, classes: np.ndarray) -> ET.Element:
    """How often what is said to be probable does happen; from 3 classes on, that the predicted one is true."""
    if len(classes) == 2:
        hit, said = y == classes[1], probabilities[:, 1]
        (what,) = _short(classes[1:])
        labels = f"predicted probability of {what}", f"share of rows that are {what}"
    else:
        hit, said = y == classes[probabilities.argmax(axis=1)], probabilities.max(axis=1)
        labels = "probability of the predicted class", "share of rows where it is the true class"
    n_points = int(np.clip(len(y) // ROWS_PER_POINT, 2, 10))

    def draw(ax: Any) -> None:
        CalibrationDisplay.from_predictions(hit.astype(int), said, n_bins=n_points, strategy="quantile", ax=ax)
        ax.set(xlabel=labels[0], ylabel=labels[1], title="Calibration, test rows", xlim=(-0.02, 1.02))
        handles, _ = ax.get_legend_handles_labels()
        ax.legend(handles, ["perfect", "this model"], loc="upper left")

    caption = (
        f"Each point is about {len(y) / n_points:.0f} test rows with neighbouring probabilities. Above the "
        "diagonal the model says too little, below it too much."
    )
    return picture("calibration", caption, draw)


def _short(classes: Sequence[Any] | np.ndarray) -> list[str]:
    texts = [visible(str(each)).replace("\n", " ") for each in classes]
    return [text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…" for text in texts]

"""Pictures can be read: no text is cut off or on another one, no legend or name on the data."""

from contextlib import contextmanager
from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import make_moons

from sklearn_l2 import L2LogisticRegression

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.text import Text  # noqa: E402

from sklearn_l2.display import (  # noqa: E402
    CoefficientPathDisplay,
    DecisionSurfaceDisplay,
    LambdaCurveDisplay,
    LossCurveDisplay,
    WeightDecayDisplay,
)

pytestmark = pytest.mark.slow

MANY = np.logspace(-6, 6, 60)
OVER, RIGHT, UNDER = "overfitting", "just right", "underfitting"


def valley(lambds, scale=1.0):
    """Train and dev loss as they often are, and a standard error."""
    place = np.log10(np.maximum(lambds, 1e-8))
    dev = scale * (0.2 + 0.02 * place**2)
    return {"train": dev - 0.1 * scale / (1 + np.exp(place)), "dev": dev, "dev_se": np.full(len(dev), 0.05 * scale)}


def verdicts(*counts):
    return [text for text, n in zip((OVER, RIGHT, UNDER), counts, strict=True) for _ in range(n)]


def curve(lambds, *counts, scale=1.0, **options):
    lambds = np.asarray(lambds, dtype=float)
    options = {"name": "L2LogisticRegression", **options}
    return LambdaCurveDisplay(lambds, **valley(lambds, scale), verdicts=verdicts(*counts), **options)


def path(n_lambds, n_features, *, names="feature {}", close=1.0, zero=False, **options):
    lambds = np.r_[[0] if zero else [], np.logspace(-2, 2, n_lambds)]
    size = close * np.random.default_rng(0).normal(size=n_features)
    coefs = size / (1 + np.arange(len(lambds))[:, None] / 5)
    names = [names.format(j) for j in range(n_features)]
    return CoefficientPathDisplay(lambds, coefs, feature_names=names, name="L1LogisticRegression", **options)


def losses(n, **options):
    loss = 0.5 + np.exp(-np.arange(n))
    return LossCurveDisplay(loss, 0.3 - 0.3 * np.exp(-np.arange(n)), name="L2MLPClassifier, λ = 0.001", **options)


CASES = {
    "zero and few": curve([0, 0.01, 0.1, 1, 10, 100], 3, 1, 2, chosen=1),
    "few": curve([0.1, 1, 10], 1, 1, 1, chosen=10),
    "many": curve(MANY, 29, 2, 29, chosen=MANY[3]),
    "zero and many": curve(np.r_[0, MANY], 60, 1, 0, chosen=0),
    "the first is right": curve(MANY, 0, 1, 59),
    "all but one overfit": curve(MANY, 58, 1, 1),
    "close to each other": curve([0.9, 1, 1.1], 1, 1, 1),
    "within a decade": curve([0, 2, 3, 5, 7], 2, 1, 2),
    "a huge range": curve([0, 1e-100, 1, 1e100], 1, 1, 2),
    "one": curve([3], 0, 1, 0, chosen=3),
    "zero alone": curve([0], 0, 1, 0),
    "zero and one": curve([0, 1], 1, 1, 0),
    "large losses": curve(MANY, 20, 20, 20, scale=1e6),
    "small losses": curve(MANY, 20, 20, 20, scale=1e-6),
    "losses far apart": LambdaCurveDisplay([0, 1, 10], [1e-9, 0.1, 0.2], [8.0, 0.1, 0.3], verdicts=verdicts(1, 1, 1)),
    "failed": LambdaCurveDisplay([0.1, 1, 10], [1, np.nan, 2], [3, np.nan, 2.5], verdicts=["", "", RIGHT]),
    "a score": curve(MANY, 20, 20, 20, metric="neg_log_loss", chosen=10.0),
    "negative numbers": LambdaCurveDisplay([0.1, 1, 10], None, [-3, -2, -4], metric="neg_log_loss"),
    "a long name": curve([1, 10], 1, 1, 0, name="a rather long title of a picture, but not beyond bounds"),
    "path": path(20, 30),
    "path of few": path(3, 2),
    "path of one lambda": path(1, 5),
    "path with zero": path(20, 30, zero=True),
    "long names": path(20, 30, names="a feature whose name is longer than anybody wants to read, number {}"),
    "weights alike": path(20, 30, close=1e-9),
    "large weights": path(20, 30, close=1e9),
    "many names": path(20, 60, n_labels=60),
    "one class of several": path(20, 8, score_of="a class whose name is long as well"),
    "no weights": CoefficientPathDisplay([1, 10], np.zeros((2, 3)), name="L1LogisticRegression"),
    "losses": losses(8),
    "one loss": losses(1),
    "many losses": losses(1000, dev_loss=np.linspace(3, 1, 1000), first=1, kept=700, unit="epoch"),
    "rising losses": LossCurveDisplay(np.linspace(0.1, 5, 30), np.full(30, 0.05), dev_loss=np.linspace(5, 9, 30)),
    "decay": WeightDecayDisplay(
        np.linspace(1, 3, 50), np.linspace(1, 9, 50), decay_factor=0.99999123, lambd=1e-5, name="L2LogisticRegression"
    ),
}


@contextmanager
def drawn_texts():
    """Collects the texts that are drawn, and nothing that is not."""
    drawn, draw = [], Text.draw

    def record(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        return draw(text, renderer, *args, **kwargs)

    Text.draw = record
    try:
        yield drawn
    finally:
        Text.draw = draw


def extents(figure):
    """What the texts of a figure take up, without the lines that lead to them."""
    with drawn_texts() as drawn:
        figure.savefig(BytesIO(), format="png")
    return {text: Text.get_window_extent(text) for text in dict.fromkeys(drawn)}


def points(ax):
    """Points on the lines and bars of an Axes, (n, 2) in pixels, two pixels apart at most."""
    paths = [line.get_xydata() for line in ax.lines if line.get_transform() == ax.transData]
    paths += [segment for bars in ax.collections if hasattr(bars, "get_segments") for segment in bars.get_segments()]
    found = [np.empty((0, 2))]
    for each in paths:
        at = ax.transData.transform(np.ma.filled(np.asarray(each, dtype=float), np.nan))
        at = np.clip(at[np.isfinite(at).all(axis=1)], -1e4, 1e4)
        length = np.r_[0, np.cumsum(np.hypot(*np.diff(at, axis=0).T))]
        along = np.r_[length, np.arange(0, length[-1:].sum(), 2)]
        found.append(np.column_stack([np.interp(along, length, at[:, k]) for k in (0, 1)]) if len(at) else at)
    return np.concatenate(found)


def within(box, at):
    """Which points (n, 2) lie in a box."""
    return ((at > box.min) & (at < box.max)).all(axis=1)


def check(figure, *, tolerance=1.0):
    texts = extents(figure)
    assert texts
    for text, box in texts.items():
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, f"{text} is cut off"
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, f"{text} is cut off"
    for (a, box_a), (b, box_b) in combinations(texts.items(), 2):
        across = min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0)
        up = min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0)
        assert min(across, up) <= tolerance, f"{a} lies on {b}"
    for ax in figure.axes:
        covers = [ax.get_legend().get_window_extent()] if ax.get_legend() else []
        covers += [texts[text] for text in texts if text in ax.texts]
        at = points(ax)
        at = at[within(ax.bbox, at)]
        for cover in covers:
            assert not within(cover, at).any(), f"{cover} lies on the data"


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        *((name, "constrained") for name in CASES),
        *((name, None) for name in ("zero and few", "many", "path", "losses")),
    ],
)
def test_it_can_be_read(name, layout):
    display = CASES[name].plot(Figure(layout=layout).subplots())
    check(display.figure_)


@pytest.mark.parametrize("name", ["zero and few", "many", "path", "long names", "many losses", "decay"])
def test_it_can_be_read_in_half_a_figure(name):
    figure = Figure(figsize=(10, 4), layout="constrained")
    for ax in figure.subplots(1, 2):
        CASES[name].plot(ax)
    check(figure)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_lambds", [1, 2, 5])
def test_surfaces_can_be_read(n_lambds, n_classes):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    X, y = make_moons(60, noise=0.3, random_state=0)
    y = np.where(X[:, 0] > 1, n_classes - 1, y)
    names = ["the first of the two features, with a long name", "the second"]
    try:
        display = DecisionSurfaceDisplay.from_estimator(
            L2LogisticRegression(), X, y, lambds=np.logspace(-4, 4, n_lambds), feature_names=names
        )
        check(display.figure_)
    finally:
        pyplot.close("all")


def draw_through_the_legend(ax):
    box = ax.get_legend().get_window_extent()
    (left, y), (right, _) = ax.transData.inverted().transform([(box.x0, box.y0 + 5), (box.x1, box.y0 + 5)])
    ax.plot([left, right], [y, y], scalex=False, scaley=False)


SPOILED = {
    "a title too long": lambda ax: ax.set_title("far too long a title " * 10),
    "text on a text": lambda ax: ax.text(0.5, 1.0, "lies on the title", transform=ax.transAxes),
    "a line below the legend": draw_through_the_legend,
    "text on a line": lambda ax: ax.annotate("on the line", (1, 0.2)),
}


@pytest.mark.parametrize("name", SPOILED)
def test_the_checks_can_fail(name):
    ax = CASES["few"].plot(Figure().subplots()).ax_
    check(ax.figure)
    SPOILED[name](ax)
    with pytest.raises(AssertionError, match=r"is cut off|lies on"):
        check(ax.figure)

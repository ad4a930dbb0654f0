"""Pictures against those that were looked at, in tests/baseline_images; this file, run by itself, draws them anew.

They are compared where matplotlib is of the version that drew them. Versions place and smooth letters differently:
the RMS distance from what 3.7.0 draws is 30 to 47 (of 255), while a line that is missing makes 2.4 to 15 and a changed
colour 11 to 17. What is drawn is tested with every version in test_display.py, and whether it can be read in
test_display_layout.py.
"""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import make_moons

from sklearn_l2 import L2LogisticRegression

matplotlib = pytest.importorskip("matplotlib")

from matplotlib.figure import Figure  # noqa: E402
from matplotlib.testing.compare import compare_images  # noqa: E402

from sklearn_l2.display import (  # noqa: E402
    CoefficientPathDisplay,
    DecisionSurfaceDisplay,
    LambdaCurveDisplay,
    LossCurveDisplay,
    WeightDecayDisplay,
)

BASELINES = Path(__file__).parent / "baseline_images"
DRAWN_BY = "3.11."
TOLERANCE = 2.0

pytestmark = pytest.mark.skipif(
    not matplotlib.__version__.startswith(DRAWN_BY), reason=f"the pictures to compare with were drawn by {DRAWN_BY}*"
)


def figure(n=1, width=5.0):
    """A figure in matplotlib's own style, whatever the user's is."""
    return Figure(figsize=(width, 3.75), dpi=60, layout="constrained").subplots(1, n)


def lambda_curve(ax):
    lambds = np.r_[0, np.logspace(-3, 3, 7)]
    train = [0.0, 0.02, 0.05, 0.1, 0.16, 0.22, 0.35, 0.5]
    dev = [0.9, 0.75, 0.5, 0.3, 0.25, 0.26, 0.4, 0.55]
    verdicts = ["overfitting"] * 4 + ["just right"] * 2 + ["underfitting"] * 2
    options = {"dev_se": np.full(8, 0.04), "verdicts": verdicts, "chosen": 1.0, "name": "L2LogisticRegression"}
    LambdaCurveDisplay(lambds, train, dev, **options).plot(ax)


def coefficient_path(ax):
    lambds = np.r_[0, np.logspace(-2, 2, 25)]
    place = np.log10(np.maximum(lambds, 1e-3))[:, None]
    size = np.array([3.0, -2.0, 1.0, 0.9, -0.5, 0.2])
    coefs = np.sign(size) * np.maximum(np.abs(size) - 0.5 * (place + 3), 0)
    CoefficientPathDisplay(lambds, coefs, n_labels=4, name="L1LogisticRegression").plot(ax)


def loss_curve(ax):
    epochs = np.arange(1, 61)
    loss, dev_loss = 0.3 + np.exp(-epochs / 10), 0.4 + np.exp(-epochs / 8) + 1e-4 * (epochs - 30.0) ** 2
    options = {"dev_loss": dev_loss, "first": 1, "kept": 32, "unit": "epoch", "name": "L2MLPClassifier, λ = 1"}
    LossCurveDisplay(loss, 0.1 - 0.1 * np.exp(-epochs / 20), **options).plot(ax)


def weight_decay(ax):
    steps = np.arange(1, 41)
    options = {"decay_factor": 0.99, "lambd": 10.0, "first": 1, "name": "L2LogisticRegression"}
    WeightDecayDisplay(1 - np.exp(-steps / 10), np.log1p(steps / 10), **options).plot(ax)


def decision_surface(axes):
    X, y = make_moons(60, noise=0.2, random_state=0)
    DecisionSurfaceDisplay.from_estimator(L2LogisticRegression(), X, y, lambds=(0.1, 100), axes=axes)


PICTURES = {
    "lambda_curve": (lambda_curve, figure),
    "coefficient_path": (coefficient_path, figure),
    "loss_curve": (loss_curve, figure),
    "weight_decay": (weight_decay, figure),
    "decision_surface": (decision_surface, lambda: figure(2, 7.0)),
}


def draw(name, folder, change=None):
    """Draw a picture into a file, changed or not."""
    plot, axes = PICTURES[name]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        ax = axes()
        plot(ax)
        last = np.ravel(ax)[-1]
        if change:
            change(last)
        path = Path(folder) / f"{name}.png"
        last.figure.savefig(path)
    return path


def difference(path):
    """RMS distance from the picture that was looked at, or None within the tolerance."""
    return compare_images(str(BASELINES / path.name), str(path), TOLERANCE, in_decorator=True)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_those_that_were_looked_at(name, tmp_path):
    assert difference(draw(name, tmp_path)) is None


@pytest.mark.parametrize("name", ["lambda_curve", "coefficient_path", "loss_curve", "weight_decay"])
def test_a_missing_line_is_noticed(name, tmp_path):
    assert difference(draw(name, tmp_path, lambda ax: ax.lines[0].remove())) is not None


@pytest.mark.parametrize("name", PICTURES)
def test_other_colours_are_noticed(name, tmp_path):
    def change(ax):
        for artist in (*ax.lines, *ax.collections):
            artist.set_color("red")

    assert difference(draw(name, tmp_path, change)) is not None


if __name__ == "__main__":
    for name in PICTURES:
        draw(name, BASELINES)

"""WeightDecayDisplay."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight

from .._search.candidates import last_step
from ..descent.penalties import decay_factor
from ..logistic import L2LogisticRegression
from ..mlp import L2MLPClassifier
from ._picture import BLUE, VERMILLION, axes_for, legend_off_the_data, title


class WeightDecayDisplay:
    r"""||W|| over the same steps of gradient descent, with weight decay and without.

    Each step first multiplies the weights by the decay factor, then follows the gradient of the data term:

    .. math:: W := (1 - \alpha\lambda/m) W - \alpha\, \partial J_{data} / \partial W

    Make one by `from_estimator`. The constructor takes the numbers themselves.

    Parameters
    ----------
    with_decay, without_decay : array-like of shape (n,)
        ||W|| after each iteration, of all layers together.
    decay_factor : float
        1 - alpha lambda/m.
    lambd : float
        The regularization strength.
    first : int, default=0
        Number of the first iteration.
    unit : str, default="iteration"
        What is counted.
    name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it was drawn on.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    lines_ : list of matplotlib Line2D
        With decay, and without.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression
    >>> from sklearn_l2.display import WeightDecayDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = L2LogisticRegression(lambd=50, solver="gd", learning_rate=0.1, max_iter=20)
    >>> display = WeightDecayDisplay.from_estimator(model, X, y, ax=Figure().subplots())
    >>> [round(float(line.get_ydata()[-1]), 2) for line in display.lines_]
    [0.79, 0.85]
    """

    def __init__(
        self,
        with_decay: ArrayLike,
        without_decay: ArrayLike,
        *,
        decay_factor: float,
        lambd: float,
        first: int = 0,
        unit: str = "iteration",
        name: str | None = None,
    ) -> None:
        self.with_decay = with_decay
        self.without_decay = without_decay
        self.decay_factor = decay_factor
        self.lambd = lambd
        self.first = first
        self.unit = unit
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, ax: Any = None, name: str | None = None
    ) -> WeightDecayDisplay:
        """Train twice for `max_iter` iterations, with the estimator's lambd and with 0, and draw ||W||.

        Both start alike and, with mini-batches, see the rows in the same order. Neither stops early.

        Parameters
        ----------
        estimator : L2LogisticRegression(solver="gd"), L2MLPClassifier or a Pipeline that ends in one
            Need not be fitted. lambd > 0. The solver of a network is "gd", "sgd" or "adam".
        X, y : array-likes
            Training data.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.
        name : str, default=None
            Title. None names the classifier.

        Returns
        -------
        WeightDecayDisplay

        Raises
        ------
        TypeError
            For any other estimator.
        ValueError
            For a solver without plain steps, lambd = 0, `early_stopping`, and what `fit` refuses.
        """
        model = last_step(estimator)
        _check(model, estimator)
        if model is not estimator:
            X = clone(estimator[:-1]).fit_transform(X, y)
        seed = check_random_state(model.random_state).randint(2**31 - 1)
        norms = [_norms(clone(model).set_params(lambd=lambd), X, y, seed) for lambd in (model.lambd, 0.0)]
        is_network = isinstance(model, L2MLPClassifier)
        alpha = model.learning_rate_init if is_network else model.learning_rate
        m = compute_sample_weight(model.class_weight, y).sum()
        display = cls(
            *norms,
            decay_factor=float(decay_factor(alpha, model.lambd, m)),
            lambd=float(model.lambd),
            first=1,
            unit="epoch" if is_network else "iteration",
            name=title(model) if name is None else name,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> WeightDecayDisplay:
        """Draw both curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : WeightDecayDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `ax` is None and matplotlib is not installed.
        """
        ax = axes_for(self, ax)
        self.lines_ = []
        for norms, style, colour, label in (
            (self.with_decay, "-", BLUE, f"with decay: λ = {self.lambd:g}"),
            (self.without_decay, "--", VERMILLION, "without decay: λ = 0"),
        ):
            norms = np.asarray(norms, dtype=float)
            marker = "o" if len(norms) <= 20 else None
            at = self.first + np.arange(len(norms))
            self.lines_ += ax.plot(at, norms, style, marker=marker, markersize=3, color=colour, label=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel=self.unit, ylabel="size of the weights, ||W||")
        ax.set_ylim(bottom=0)
        factor = f"decay factor 1 - αλ/m = {self.decay_factor:.6g} in each step"
        ax.set_title(f"{self.name or ''}\n{factor}".strip(), fontsize="medium")
        legend_off_the_data(ax)
        return self


def _check(model: Any, estimator: Any) -> None:
    if not isinstance(model, L2LogisticRegression | L2MLPClassifier):
        raise TypeError(
            "WeightDecayDisplay needs an L2LogisticRegression or an L2MLPClassifier, bare or at the end of a Pipeline; "
            f"got {estimator!r}."
        )
    if model.solver in ("auto", "lbfgs"):
        allowed = "'gd'" if isinstance(model, L2LogisticRegression) else "'gd', 'sgd' or 'adam'"
        raise ValueError(f"solver={model.solver!r} has no plain steps to follow; use solver={allowed}.")
    if not model.lambd > 0:
        raise ValueError(f"Without a penalty there is no decay to show: lambd={model.lambd!r}; use lambd > 0.")
    if getattr(model, "early_stopping", False):
        raise ValueError("early_stopping=True would end the two trainings apart; use early_stopping=False.")


def _norms(model: Any, X: Any, y: Any, seed: int) -> list[float]:
    """||W|| after each of `max_iter` iterations, which go on one from the other."""
    norms = []
    if isinstance(model, L2MLPClassifier):
        model.set_params(random_state=np.random.RandomState(seed))  # goes on from epoch to epoch
        classes = np.unique(y)
        for _ in range(model.max_iter):
            model.partial_fit(X, y, classes=classes)
            norms.append(float(np.sqrt(sum(np.vdot(W, W) for W in model.coefs_))))
        return norms
    steps = model.max_iter
    model.set_params(max_iter=1, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of every single step
        for _ in range(steps):
            model.fit(X, y)
            norms.append(float(np.linalg.norm(model.coef_)))
    return norms

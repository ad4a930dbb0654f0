"""LossCurveDisplay."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from .._linear import LinearClassifier
from .._networks import NetworkClassifier
from .._search.candidates import last_step
from ._picture import BLACK, BLUE, GREEN, VERMILLION, axes_for, legend_off_the_data, title


class LossCurveDisplay:
    """J, its data term and its penalty term over the iterations of a fit; for networks the loss on a dev set too.

    Make one by `from_estimator`. The constructor takes the numbers themselves.

    Parameters
    ----------
    loss : array-like of shape (n,)
        J of each iteration.
    penalty : array-like of shape (n,)
        The penalty's part of it; the rest is the data term, the mean loss on the training set.
    dev_loss : array-like of shape (n,), default=None
        Mean loss on the dev set.
    first : int, default=0
        Number of the first iteration.
    kept : int, default=None
        Number of the iteration whose weights early stopping kept.
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
    loss_, data_, penalty_ : matplotlib Line2D
        J and its two terms.
    dev_loss_ : matplotlib Line2D or None
        The loss on the dev set.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression
    >>> from sklearn_l2.display import LossCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = L2LogisticRegression(lambd=10).fit(StandardScaler().fit_transform(X), y)
    >>> display = LossCurveDisplay.from_estimator(model, ax=Figure().subplots())
    >>> [round(float(line.get_ydata()[-1]), 3) for line in (display.loss_, display.data_, display.penalty_)]
    [0.116, 0.083, 0.033]
    """

    def __init__(
        self,
        loss: ArrayLike,
        penalty: ArrayLike,
        *,
        dev_loss: ArrayLike | None = None,
        first: int = 0,
        kept: int | None = None,
        unit: str = "iteration",
        name: str | None = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.dev_loss = dev_loss
        self.first = first
        self.kept = kept
        self.unit = unit
        self.name = name

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, name: str | None = None) -> LossCurveDisplay:
        """Draw what a fitted classifier of this package recorded.

        Parameters
        ----------
        estimator : L2LogisticRegression, L1LogisticRegression, L2MLPClassifier or a Pipeline that ends in one
            Fitted. A network has a dev loss where `fit` was given a dev set or `early_stopping` set one aside.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.
        name : str, default=None
            Title. None names the classifier and its lambd.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        TypeError
            For any other estimator.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        """
        model = last_step(estimator)
        if not isinstance(model, LinearClassifier | NetworkClassifier):
            raise TypeError(
                "LossCurveDisplay needs a fitted classifier of sklearn_l2, bare or at the end of a Pipeline; "
                f"got {estimator!r}."
            )
        check_is_fitted(model, "loss_curve_")
        default = f"{title(model)}, λ = {model.lambd:g}"
        display = cls(model.loss_curve_, model.penalty_curve_, name=default if name is None else name)
        if isinstance(model, NetworkClassifier):
            display.first, display.dev_loss = 1, model.validation_loss_curve_
            display.unit = "iteration" if model.solver == "lbfgs" else "epoch"
            if model.validation_scores_ is not None:
                display.kept = 1 + int(np.argmax(model.validation_scores_))
        return display.plot(ax)

    def plot(self, ax: Any = None) -> LossCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : LossCurveDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `ax` is None and matplotlib is not installed.
        ValueError
            If the curves are of different lengths.
        """
        loss, penalty = (np.asarray(curve, dtype=float) for curve in (self.loss, self.penalty))
        dev_loss = None if self.dev_loss is None else np.asarray(self.dev_loss, dtype=float)
        lengths = [len(curve) for curve in (loss, penalty, dev_loss) if curve is not None]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(f"loss, penalty and dev_loss must have the same length, 1 or more; got {lengths}.")
        ax = axes_for(self, ax)
        at = self.first + np.arange(len(loss))
        marker = "o" if len(loss) <= 20 else None

        def curve(values: Any, style: str, colour: str, label: str) -> Any:
            return ax.plot(at, values, style, marker=marker, markersize=3, color=colour, label=label)[0]

        self.loss_ = curve(loss, "-", BLACK, "J")
        self.data_ = curve(loss - penalty, "-", BLUE, "data term: loss on the training set")
        self.penalty_ = curve(penalty, "--", GREEN, "penalty term")
        self.dev_loss_ = None if dev_loss is None else curve(dev_loss, "-", VERMILLION, "loss on the dev set")
        if self.kept is not None:
            label = f"early stopping keeps {self.unit} {self.kept}"
            ax.axvline(self.kept, color=BLACK, linestyle=":", linewidth=1, label=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel=self.unit, ylabel="mean log loss and penalty (nats)")
        ax.set_title(self.name or "", fontsize="medium")
        ax.set_ylim(bottom=0)
        legend_off_the_data(ax)
        return self

"""CoefficientPathDisplay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._search.candidates import last_step
from .._search.lambda_path import lambda_path
from ._lambda_axis import LambdaAxis, number
from ._picture import BLACK, BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, VERMILLION, axes_for, name_lines, shortened, title

_COLOURS = BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK


class CoefficientPathDisplay:
    """The weights of a logistic regression over lambd.

    L2 makes weights small as lambd grows, L1 makes them zero one after the other: draw both side by side.

    Make one by `from_estimator`. The constructor takes the numbers themselves.

    Parameters
    ----------
    lambds : array-like of shape (n_lambds,)
        Regularization strengths, each 0 or more, in any order.
    coefs : array-like of shape (n_lambds, n_features)
        Weights at each.
    feature_names : sequence of str, default=None
        Names of the columns; by default "x0", "x1", ...
    n_labels : int, default=6
        How many weights are named: the largest ones at the smallest lambd.
    score_of : object, default=None
        The class whose score the weights are of, where there are several scores.
    name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it was drawn on.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    lines_ : list of matplotlib Line2D
        One for each feature, in their order.
    labels_ : list of matplotlib Annotation
        The names, those of the largest weights first, as many as there is room for.

    See Also
    --------
    lambda_path : The same numbers without a picture.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression
    >>> from sklearn_l2.display import CoefficientPathDisplay
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> display = CoefficientPathDisplay.from_estimator(
    ...     pipeline, X, y, lambds=[1, 10, 100], n_labels=2, ax=Figure().subplots()
    ... )
    >>> [label.get_text() for label in display.labels_]
    ['worst texture', 'radius error']
    """

    def __init__(
        self,
        lambds: ArrayLike,
        coefs: ArrayLike,
        *,
        feature_names: Sequence[str] | None = None,
        n_labels: int = 6,
        score_of: Any = None,
        name: str | None = None,
    ) -> None:
        self.lambds = lambds
        self.coefs = coefs
        self.feature_names = feature_names
        self.n_labels = n_labels
        self.score_of = score_of
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        lambds: Sequence[float],
        feature_names: Sequence[str] | None = None,
        n_labels: int = 6,
        target: Any = None,
        ax: Any = None,
        name: str | None = None,
    ) -> CoefficientPathDisplay:
        """Fit a logistic regression with every lambda, as one batch, and draw its weights.

        Parameters
        ----------
        estimator : L2LogisticRegression, L1LogisticRegression or a Pipeline that ends in one
            Its own `lambd` does not matter.
        X, y : array-likes
            Training data.
        lambds : sequence of float
            Regularization strengths >= 0.
        feature_names : sequence of str, default=None
            Names of the columns that the classifier sees; by default those that X has, or that the steps of a Pipeline
            tell by `get_feature_names_out`.
        n_labels : int, default=6
            How many weights are named: the largest ones at the smallest lambd.
        target : class label, default=None
            With three or more classes, the one whose weights are drawn; None is the first.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.
        name : str, default=None
            Title. None names the classifier.

        Returns
        -------
        CoefficientPathDisplay

        Raises
        ------
        TypeError, ValueError
            As :func:`lambda_path`; ValueError for a `target` that is no class, and names that are too many or too few.
        """
        strengths, coefs, _, _ = lambda_path(estimator, X, y, lambds)
        k, score_of = _score_row(np.unique(np.asarray(y)), target)
        if feature_names is None:
            feature_names = _names_of_columns(estimator, X, y, coefs.shape[2])
        display = cls(
            strengths,
            coefs[:, k],
            feature_names=feature_names,
            n_labels=n_labels,
            score_of=score_of,
            name=title(estimator) if name is None else name,
        )
        return display.plot(ax)

    def plot(self, ax: Any = None) -> CoefficientPathDisplay:
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : CoefficientPathDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `ax` is None and matplotlib is not installed.
        ValueError
            If numbers or names do not go together.
        """
        lambds, coefs = np.atleast_1d(np.asarray(self.lambds, dtype=float)), np.asarray(self.coefs, dtype=float)
        if coefs.ndim != 2 or len(coefs) != len(lambds):
            raise ValueError(f"coefs must be ({len(lambds)}, n_features) for {len(lambds)} lambds; got {coefs.shape}.")
        names = self.feature_names
        names = [f"x{j}" for j in range(coefs.shape[1])] if names is None else list(names)
        if len(names) != coefs.shape[1]:
            raise ValueError(f"There are {len(names)} feature_names, but {coefs.shape[1]} weights.")
        order = np.argsort(lambds, kind="stable")
        lambds, coefs = lambds[order], coefs[order]
        ax = axes_for(self, ax)
        LambdaAxis(lambds).draw(ax)
        by_size = np.argsort(-np.abs(coefs[0]), kind="stable")
        largest = [j for j in by_size[: max(int(self.n_labels), 0)].tolist() if coefs[0, j] != 0]
        colours = {j: _COLOURS[i % len(_COLOURS)] for i, j in enumerate(largest)}
        ax.axhline(0, color=GRAY, linewidth=0.8, zorder=1)
        marker = "o" if len(lambds) <= 12 else None
        self.lines_ = []
        for j in range(coefs.shape[1]):
            style: dict[str, Any] = {"color": colours.get(j, GRAY), "zorder": 3 if j in colours else 2}
            style |= {"linewidth": 1.6 if j in colours else 0.7, "marker": marker, "markersize": 3}
            first = int(np.searchsorted(lambds, 0, side="right"))
            (line,) = ax.plot(lambds[first:], coefs[first:, j], **style)
            if first:
                ax.plot(lambds[: first + 1], coefs[: first + 1, j], **style | {"linestyle": ":"})
            self.lines_.append(line)
        ax.set_ylabel("weight (per unit of the feature)")
        parts = [self.name, None if self.score_of is None else f"score of class {shortened(self.score_of)}"]
        left = f"at λ = {number(lambds[-1])}, {np.count_nonzero(coefs[-1])} of {coefs.shape[1]} weights are not 0"
        ax.set_title("\n".join([", ".join(part for part in parts if part), left]).strip(), fontsize="medium")
        texts = [shortened(names[j]) for j in largest]
        self.labels_ = name_lines(ax, float(lambds[0]), coefs[0, largest], texts, [colours[j] for j in largest])
        return self


def _score_row(classes: Any, target: Any) -> tuple[int, Any]:
    """Which row of the weights is the target's, and the class it is named after; two classes have one row."""
    if len(classes) == 2 and target in (None, classes[1]):
        return 0, None
    if len(classes) == 2:
        raise ValueError(
            f"With two classes there is one score, that of {classes.tolist()[1]!r}, and target={target!r} is not it. "
            "Leave target out."
        )
    if target is None:
        return 0, classes[0]
    (found,) = np.nonzero(classes == target)
    if not len(found):
        raise ValueError(f"target={target!r} is none of the classes {classes.tolist()}.")
    return int(found[0]), target


def _names_of_columns(estimator: Any, X: Any, y: Any, n_features: int) -> list[str]:
    """Names of the columns that the classifier sees."""
    if isinstance(estimator, Pipeline) and last_step(estimator) is not estimator and len(estimator) > 1:
        steps = clone(estimator[:-1]).fit(X, y)
        try:
            return [str(name) for name in steps.get_feature_names_out()]
        except (AttributeError, ValueError):  # a step that does not tell
            return [f"x{j}" for j in range(n_features)]
    columns = getattr(X, "columns", None)
    return [f"x{j}" for j in range(n_features)] if columns is None else [str(name) for name in columns]

"""DecisionSurfaceDisplay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import train_test_split

from .._search.candidates import lambd_parameter
from ._lambda_axis import number
from ._picture import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY, TEXT_SIZE, VERMILLION, pyplot, shortened

_MARGIN = 0.1  # around the rows, as a share of the narrower feature's range
_COLOURS = BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY


class DecisionSurfaceDisplay:
    """What a classifier of two features decides where, for several lambdas side by side.

    Small lambdas bend the boundary around single rows (overfitting), large ones leave hardly any (underfitting).

    Make one by `from_estimator`.

    Parameters
    ----------
    models : sequence of estimators
        Fitted on two features.
    lambds : sequence of float
        Their regularization strengths.
    X_train, y_train, X_val, y_val : array-likes
        What they were trained on, and the dev set.
    feature_names : sequence of two str, default=None
        Names of the axes; by default those that X has, or "x0" and "x1".

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each lambda.
    figure_ : matplotlib Figure
        Their figure.
    surfaces_ : list of DecisionBoundaryDisplay
        scikit-learn's displays, one for each lambda.
    train_errors_, dev_errors_ : list of float
        Shares of wrong classes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import make_moons
    >>> from sklearn_l2 import L2LogisticRegression
    >>> from sklearn_l2.display import DecisionSurfaceDisplay
    >>> X, y = make_moons(100, noise=0.3, random_state=0)
    >>> display = DecisionSurfaceDisplay.from_estimator(
    ...     L2LogisticRegression(), X, y, lambds=(0, 100), axes=Figure(figsize=(8, 4)).subplots(1, 2)
    ... )
    >>> [ax.get_title().split()[:3] for ax in display.axes_]
    [['λ', '=', '0'], ['λ', '=', '100']]
    """

    def __init__(
        self,
        models: Sequence[Any],
        lambds: Sequence[float],
        X_train: Any,
        y_train: Any,
        X_val: Any,
        y_val: Any,
        *,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.models = models
        self.lambds = lambds
        self.X_train = X_train
        self.y_train = y_train
        self.X_val = X_val
        self.y_val = y_val
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        lambds: Sequence[float] = (0, 1, 10, 100),
        X_val: Any = None,
        y_val: Any = None,
        axes: Any = None,
        feature_names: Sequence[str] | None = None,
    ) -> DecisionSurfaceDisplay:
        """Fit a classifier with every lambda, and draw what it decides where.

        Parameters
        ----------
        estimator : estimator object
            A classifier with one parameter `lambd`; a Pipeline may end in it.
        X : array-like of shape (n_samples, 2)
            Two features.
        y : array-like of shape (n_samples,)
            Class labels.
        lambds : sequence of float, default=(0, 1, 10, 100)
            Regularization strengths >= 0.
        X_val, y_val : array-likes, default=None
            The dev set. By default 30 % of the rows, drawn by class with a fixed seed, which are then not trained on.
        axes : array of matplotlib Axes, default=None
            One for each lambda. None makes a figure with `matplotlib.pyplot`.
        feature_names : sequence of two str, default=None
            Names of the axes; by default those that X has, or "x0" and "x1".

        Returns
        -------
        DecisionSurfaceDisplay

        Raises
        ------
        ValueError
            If X has other than two columns, for half a dev set, and what `fit` refuses.
        """
        shape = np.shape(X)
        if len(shape) != 2 or shape[1] != 2:
            raise ValueError(f"A decision surface needs X with two columns; got shape {shape}. Choose two features.")
        if (X_val is None) != (y_val is None):
            raise ValueError("A dev set is X_val and y_val together; one of them is missing.")
        if X_val is None:
            X, X_val, y, y_val = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
        parameter = lambd_parameter(estimator)
        models = [clone(estimator).set_params(**{parameter: lambd}).fit(X, y) for lambd in lambds]
        return cls(models, list(lambds), X, y, X_val, y_val, feature_names=feature_names).plot(axes)

    def plot(self, axes: Any = None) -> DecisionSurfaceDisplay:
        """Draw the panels.

        Parameters
        ----------
        axes : array of matplotlib Axes, default=None
            One for each lambda. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : DecisionSurfaceDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `axes` is None and matplotlib is not installed.
        ValueError
            If there are not as many Axes as lambdas.
        """
        n = len(self.models)
        axes_are_own = axes is None
        if axes_are_own:
            width = 3.0 * n + 0.4
            _, axes = pyplot(type(self).__name__).subplots(
                1, n, figsize=(max(width, 6.4), 4.0), sharex=True, sharey=True, squeeze=False, layout="constrained"
            )
        self.axes_ = np.asarray(axes).reshape(-1)
        if len(self.axes_) != n:
            raise ValueError(f"There are {n} lambdas and {len(self.axes_)} axes: give one for each.")
        self.figure_ = self.axes_[0].figure
        self.surfaces_: list[Any] = []
        self.train_errors_: list[float] = []
        self.dev_errors_: list[float] = []
        for ax, model, lambd in zip(self.axes_, self.models, self.lambds, strict=True):
            self._draw(ax, model, lambd)
        for ax in self.axes_[1:]:
            ax.set_ylabel("")
        if axes_are_own:
            self._name_points()
        return self

    def _name_points(self) -> None:
        """A legend below the panels."""
        from matplotlib.lines import Line2D

        classes = self.models[0].classes_
        points = [
            *(
                (f"class {shortened(k)}", colour, "s")
                for k, colour in zip(classes, _class_colours(len(classes)), strict=True)
            ),
            ("training set", GRAY, "o"),
            ("dev set", GRAY, "^"),
        ]
        handles = [
            Line2D([], [], linestyle="none", color=colour, marker=marker, label=label)
            for label, colour, marker in points
        ]
        self.figure_.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), fontsize=TEXT_SIZE)

    def _rows(self) -> Any:
        """Training and dev rows, of the type of X_train, (n, 2)."""
        rows = np.vstack([np.asarray(self.X_train), np.asarray(self.X_val)])
        names = getattr(self.X_train, "columns", None)
        return rows if names is None else type(self.X_train)(rows, columns=names)

    def _draw(self, ax: Any, model: Any, lambd: float) -> None:
        classes = model.classes_
        names = self.feature_names
        x_name, y_name = map(shortened, getattr(self.X_train, "columns", ("x0", "x1")) if names is None else names)
        options: dict[str, Any] = {"response_method": "predict_proba", "xlabel": x_name, "ylabel": y_name}
        if len(classes) == 2:
            options |= {"cmap": _two_colours(), "levels": np.linspace(0, 1, 11), "alpha": 0.7}
        else:
            options |= {"multiclass_colors": _class_colours(len(classes)), "plot_method": "pcolormesh", "alpha": 0.6}
        rows = self._rows()
        options["eps"] = _MARGIN * float(np.ptp(np.asarray(rows), axis=0).min()) or 1.0
        self.surfaces_.append(DecisionBoundaryDisplay.from_estimator(model, rows, ax=ax, **options))
        errors = []
        for X, y, marker in ((self.X_train, self.y_train, "o"), (self.X_val, self.y_val, "^")):
            errors.append(float(1 - model.score(X, y)))
            points = np.asarray(X)
            for k, colour in zip(classes, _class_colours(len(classes)), strict=True):
                at = points[np.asarray(y) == k].T
                ax.scatter(*at, s=14, marker=marker, color=colour, edgecolor="white", linewidth=0.4)
        self.train_errors_.append(errors[0])
        self.dev_errors_.append(errors[1])
        ax.set_title(f"λ = {number(lambd)}\nerror: train {errors[0]:.1%}, dev {errors[1]:.1%}", fontsize="medium")


def _class_colours(n: int) -> list[str]:
    return [_COLOURS[k % len(_COLOURS)] for k in range(n)]


def _two_colours() -> Any:
    """From the first class's colour by white to the second's."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("classes", [BLUE, "white", VERMILLION])

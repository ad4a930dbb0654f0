"""LambdaCurveDisplay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .._search.choice import lambd_axis
from .._search.verdicts import JUST_RIGHT, OVERFITTING, UNDERFITTING
from ..search import LambdaSearchCV
from ._lambda_axis import LambdaAxis, number
from ._picture import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    TEXT_SIZE,
    VERMILLION,
    axes_for,
    lay_out,
    legend_off_the_data,
    pixels,
    spread,
    text_extent,
    title,
)

Floats = NDArray[np.floating]

_ZONES = {OVERFITTING: ORANGE, JUST_RIGHT: GREEN, UNDERFITTING: SKY}
_LABELS = {"loss": "mean log loss (nats)", "error": "error rate (share of rows)"}


class LambdaCurveDisplay:
    """Loss, error or score on training and dev set over lambd.

    With a small lambd the training loss is low and the dev loss high (overfitting), with a large one both are
    high (underfitting); the lambd to choose lies between.

    Make one by `from_search` or `from_estimator`. The constructor takes the numbers themselves.

    Parameters
    ----------
    lambds : array-like of shape (n_lambds,)
        Regularization strengths, each 0 or more, in any order.
    train : array-like of shape (n_lambds,) or None
        Mean loss, error or score on the training set.
    dev : array-like of shape (n_lambds,)
        The same on the dev set, or its mean over folds. NaN where a fit failed.
    train_se, dev_se : array-like of shape (n_lambds,), default=None
        Their standard errors, drawn as bars.
    verdicts : sequence of str, default=None
        For each lambd "overfitting", "just right", "underfitting" or "": zones of these are shaded.
    chosen : float, default=None
        The lambd that a search chose.
    metric : str, default="loss"
        "loss" and "error" are better when small; anything else is the name of a score, better when large.
    name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it was drawn on.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    train_, dev_ : matplotlib ErrorbarContainer
        The two curves; `train_` is None where there are no figures of the training set.
    best_, one_standard_error_ : float
        The lambd of the best dev value, and the largest one whose value is within one standard error of that.

    See Also
    --------
    LambdaSearchCV.lambda_table : The same numbers as a table.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
    >>> from sklearn_l2.display import LambdaCurveDisplay
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> search = LambdaSearchCV(pipeline, (0.01, 0.1, 1, 10, 100), scoring="neg_log_loss").fit(X, y)
    >>> display = LambdaCurveDisplay.from_search(search, ax=Figure().subplots())
    >>> display.best_, display.one_standard_error_
    (1.0, 1.0)
    """

    def __init__(
        self,
        lambds: ArrayLike,
        train: ArrayLike | None,
        dev: ArrayLike,
        *,
        train_se: ArrayLike | None = None,
        dev_se: ArrayLike | None = None,
        verdicts: Sequence[str] | None = None,
        chosen: float | None = None,
        metric: str = "loss",
        name: str | None = None,
    ) -> None:
        self.lambds = lambds
        self.train = train
        self.dev = dev
        self.train_se = train_se
        self.dev_se = dev_se
        self.verdicts = verdicts
        self.chosen = chosen
        self.metric = metric
        self.name = name

    @classmethod
    def from_search(
        cls, search: LambdaSearchCV, *, metric: str = "loss", ax: Any = None, name: str | None = None
    ) -> LambdaCurveDisplay:
        """Draw what a fitted search found.

        Where candidates differ in other parameters too, those are drawn that differ from the best in lambd only.

        Parameters
        ----------
        search : LambdaSearchCV
            Fitted.
        metric : {"loss", "error", "score"}, default="loss"
            Mean log loss, share of wrong classes, or what the search chose by. The zones are the verdicts of
            `lambda_table`, which rest on the loss.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.
        name : str, default=None
            Title. None names the classifier.

        Returns
        -------
        LambdaCurveDisplay

        Raises
        ------
        TypeError
            If `search` is no LambdaSearchCV.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            For an unknown metric, and where the search did not find any values of it.
        """
        if not isinstance(search, LambdaSearchCV):
            raise TypeError(
                f"from_search needs a fitted LambdaSearchCV; got {search!r}. "
                "LambdaCurveDisplay.from_estimator draws the curve of a classifier."
            )
        check_is_fitted(search, "cv_results_")
        if metric not in ("loss", "error", "score"):
            raise ValueError(f"metric must be 'loss', 'error' or 'score'; got {metric!r}.")
        best = getattr(search, "best_index_", 0)
        axis, lambds = lambd_axis(search.cv_results_["params"], best)
        if not len(axis):
            raise ValueError(
                "A curve needs candidates that differ in one parameter called lambd; "
                f"the best has the parameters {search.cv_results_['params'][best]}."
            )
        table = search.lambda_table()
        label, columns = _score_columns(search) if metric == "score" else (metric, _table_columns(table, metric))
        train, train_se, dev, dev_se = (None if column is None else column[axis] for column in columns)
        assert dev is not None
        if np.isnan(dev).all():
            raise ValueError(
                f"The search knows no {metric} of these candidates: their fits failed, or were not a batch. "
                + ("See cv_results_." if metric == "score" else "metric='score' draws what it chose by.")
            )
        display = cls(
            lambds,
            train,
            dev,
            train_se=train_se,
            dev_se=dev_se,
            verdicts=table["verdict"][axis].tolist(),
            chosen=float(lambds[axis == best][0]) if hasattr(search, "best_index_") else None,
            metric=label,
            name=title(search.estimator) if name is None else name,
        )
        return display.plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        lambds: Sequence[float],
        X_val: Any,
        y_val: Any,
        ax: Any = None,
        name: str | None = None,
    ) -> LambdaCurveDisplay:
        """Fit an estimator with every lambda, and draw the log loss on training and dev set.

        Parameters
        ----------
        estimator : estimator object
            With one parameter `lambd`; a Pipeline may end in it.
        X, y : array-likes
            Training data.
        lambds : sequence of float
            Regularization strengths >= 0.
        X_val, y_val : array-likes
            The dev set.
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.
        name : str, default=None
            Title. None names the classifier.

        Returns
        -------
        LambdaCurveDisplay

        Raises
        ------
        TypeError, ValueError
            As LambdaSearchCV.
        """
        search = LambdaSearchCV(estimator, lambds, scoring="neg_log_loss").fit(X, y, X_val=X_val, y_val=y_val)
        return cls.from_search(search, ax=ax, name=name)

    def plot(self, ax: Any = None) -> LambdaCurveDisplay:
        """Draw the curves.

        The axis of lambd is logarithmic; 0 has a place of its own at its left, beyond a break. Where dev losses differ
        more than tenfold, their axis is logarithmic too, down to a tenth of the lowest dev loss.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : LambdaCurveDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `ax` is None and matplotlib is not installed.
        ValueError
            If numbers are of different lengths, a lambd is negative, or no dev value is a number.
        """
        lambds, train, train_se, dev, dev_se, verdicts = self._sorted()
        ax = axes_for(self, ax)
        axis = LambdaAxis(lambds)
        axis.draw(ax)
        zones = self._shade(ax, axis, lambds, verdicts)
        self.train_ = None
        if train is not None:
            self.train_ = _curve(ax, lambds, train, train_se, "o", BLUE, "training set")
        self.dev_ = _curve(ax, lambds, dev, dev_se, "s", VERMILLION, "dev set")
        failed = lambds[np.isnan(dev)]
        if len(failed):
            floor = np.full(len(failed), 0.03)
            ax.plot(failed, floor, "x", color=BLACK, transform=ax.get_xaxis_transform(), label="fit failed")
        self._mark(ax, lambds, dev, dev_se)
        lowest, highest = np.nanmin(dev), np.nanmax(dev)
        if self.metric == "loss" and highest > 10 * lowest > 0:
            ax.set_yscale("log")
            ax.set_ylim(bottom=lowest / 10)
        ax.set_ylabel(_LABELS.get(self.metric, f"mean {self.metric}"))
        ax.set_title(self.name or "", fontsize="medium", pad=20 if zones else None)
        legend_off_the_data(ax)
        _name_zones(ax, zones)
        return self

    def _sorted(self) -> tuple[Any, ...]:
        """The numbers as arrays in rising order of lambd."""
        lambds = np.atleast_1d(np.asarray(self.lambds, dtype=float))
        if not len(lambds) or not (np.isfinite(lambds) & (lambds >= 0)).all():
            raise ValueError(f"lambds must be one or more finite numbers >= 0; got {lambds.tolist()}.")
        order = np.argsort(lambds, kind="stable")
        columns: list[Any] = [lambds[order]]
        for name in ("train", "train_se", "dev", "dev_se"):
            given = getattr(self, name)
            column = None if given is None else np.atleast_1d(np.asarray(given, dtype=float))
            if column is not None and column.shape != lambds.shape:
                raise ValueError(f"{name} has shape {column.shape}, but there are {len(lambds)} lambdas.")
            columns.append(None if column is None else column[order])
        if columns[3] is None or np.isnan(columns[3]).all():
            raise ValueError("dev holds no number: there is nothing to draw.")
        verdicts = [""] * len(lambds) if self.verdicts is None else list(self.verdicts)
        if len(verdicts) != len(lambds):
            raise ValueError(f"There are {len(verdicts)} verdicts, but {len(lambds)} lambdas.")
        return *columns, [verdicts[i] for i in order]

    def _shade(self, ax: Any, axis: LambdaAxis, lambds: Floats, verdicts: list[str]) -> dict[str, tuple[float, float]]:
        """Colour the zones; for each verdict the widest one's ends, as places on the axis."""
        widest: dict[str, tuple[float, float]] = {}
        places = axis.place(lambds)
        left, right = axis.place(np.array(ax.get_xlim()))
        edges = np.concatenate([[left], (places[1:] + places[:-1]) / 2, [right]])
        start = 0
        for i, verdict in enumerate(verdicts):
            if i + 1 < len(verdicts) and verdicts[i + 1] == verdict:
                continue
            ends = float(edges[start]), float(edges[i + 1])
            start = i + 1
            if verdict not in _ZONES:
                continue
            ax.axvspan(*axis.value(ends).tolist(), color=_ZONES[verdict], alpha=0.18, linewidth=0, zorder=0)
            if verdict not in widest or ends[1] - ends[0] > widest[verdict][1] - widest[verdict][0]:
                widest[verdict] = ends
        return {verdict: tuple((np.array(ends) - left) / (right - left)) for verdict, ends in widest.items()}

    def _mark(self, ax: Any, lambds: Floats, dev: Floats, dev_se: Floats | None) -> None:
        """The best lambd, the one-standard-error choice, and what the search chose where it is another."""
        sign = 1 if self.metric in _LABELS else -1
        cost = sign * dev
        best = int(np.flatnonzero(cost == np.nanmin(cost))[-1])
        self.best_ = float(lambds[best])
        error = 0.0 if dev_se is None or np.isnan(dev_se[best]) else float(dev_se[best])
        within = int(np.flatnonzero(cost <= cost[best] + error)[-1])
        self.one_standard_error_ = float(lambds[within])
        marks = [(best, "lowest" if sign == 1 else "highest", "-")]
        if within != best:
            marks.append((within, "within 1 standard error", "--"))
        for i, label, style in marks:
            chosen = " (chosen)" if self.chosen == lambds[i] else ""
            _vertical(ax, lambds[i], style, f"{label}: λ = {number(lambds[i])}{chosen}")
        if self.chosen is not None and self.chosen not in (self.best_, self.one_standard_error_):
            _vertical(ax, self.chosen, ":", f"chosen: λ = {number(self.chosen)}")


def _vertical(ax: Any, lambd: float, style: str, label: str) -> None:
    ax.axvline(lambd, color=BLACK, linestyle=style, linewidth=1, zorder=1, label=label)


def _curve(ax: Any, lambds: Floats, mean: Floats, error: Floats | None, marker: str, colour: str, label: str) -> Any:
    """A line through the numbers, dotted from lambda 0 across the break, with bars."""
    known = ~np.isnan(mean)
    lambds, mean = lambds[known], mean[known]
    error = None if error is None or np.isnan(error[known]).all() else np.nan_to_num(error[known])
    bars = "" if error is None else " ± 1 standard error"
    line = ax.errorbar(lambds, mean, yerr=error, fmt=marker, color=colour, capsize=3, markersize=4, label=label + bars)
    first = np.searchsorted(lambds, 0, side="right")
    ax.plot(lambds[first:], mean[first:], color=colour)
    if 0 < first < len(lambds):
        ax.plot(lambds[first - 1 : first + 1], mean[first - 1 : first + 1], ":", color=colour)
    return line


def _name_zones(ax: Any, zones: dict[str, tuple[float, float]]) -> None:
    """Their names above the Axes, near the middle of each, without overlap."""
    if not zones:
        return
    box = lay_out(ax)
    middles = np.array([np.mean(ends) for ends in zones.values()])
    widths = np.array([text_extent(ax, verdict).width + pixels(ax, 8) for verdict in zones]) / box.width
    for verdict, place in zip(zones, spread(middles, widths, 0.0, 1.0).tolist(), strict=True):
        ax.annotate(
            verdict,
            (place, 1),
            xytext=(0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=TEXT_SIZE,
        )


def _table_columns(table: Any, metric: str) -> tuple[Any, Any, Any, Any]:
    return table[f"train_{metric}"], table[f"train_{metric}_se"], table[f"dev_{metric}"], table[f"dev_{metric}_se"]


def _score_columns(search: LambdaSearchCV) -> tuple[str, tuple[Any, Any, Any, Any]]:
    """The name of the score that the search chose by; means and standard errors on training and dev set."""
    key = "score"
    if search.multimetric_:
        if not isinstance(search.refit, str):
            raise ValueError(
                "The search has several metrics, and refit does not name the one to draw. Use metric='loss' or 'error'."
            )
        key = search.refit
    results = search.cv_results_
    mean, std = (np.asarray(results[f"{kind}_test_{key}"], dtype=float) for kind in ("mean", "std"))
    n = search.n_splits_
    error = std / np.sqrt(n - 1) if n > 1 else results.get(f"se_test_{key}")
    train, train_error = results.get(f"mean_train_{key}"), None
    if train is not None and n > 1:
        train_error = results[f"std_train_{key}"] / np.sqrt(n - 1)
    name = key if search.multimetric_ else search.scoring
    return name if isinstance(name, str) else "score", (train, train_error, mean, error)

"""Scores of fitted candidates: log loss and accuracy from a matrix of scores, everything else by the scorer itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.special import expit, softmax

from .._sklearn import _score, known_metric, scorers_by_name
from .folds import Rows
from .verdicts import standard_error

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class RowFigures:
    """Per row and lambda, (n, L): the log loss, clipped as scikit-learn does, and whether the class is wrong.

    `complete` says whether the rows have all the classes of the model and no other.
    """

    losses: Floats
    wrong: NDArray[np.bool_]
    complete: bool

    @classmethod
    def of_scores(cls, scores: Floats, codes: NDArray[np.intp]) -> RowFigures:
        """From scores (n, L, K), K = 1 for two classes, and class codes (n,), -1 for a class unknown to the model."""
        n_classes = max(scores.shape[2], 2)
        known = codes >= 0
        if scores.shape[2] == 1:
            sign = np.where(codes == 1, 1, -1).astype(scores.dtype)
            probability = expit(scores[:, :, 0] * sign[:, None])
        else:
            own = np.maximum(codes, 0)[:, None, None]
            probability = np.take_along_axis(softmax(scores, axis=2), own, axis=2)[:, :, 0]
        if not known.all():
            probability[~known] = 0
        complete = bool(known.all()) and bool(np.bincount(codes, minlength=n_classes).all())
        return cls(clipped_log_losses(probability), wrong_classes(scores, codes), complete)

    def metric(self, name: str, weights: Any) -> Floats:
        """The mean over the rows as the scorer of that name has it, (L,)."""
        if name == "accuracy":
            return np.average(~self.wrong, axis=0, weights=weights)
        return -np.average(self.losses, axis=0, weights=weights)


def clipped_log_losses(probability: Floats) -> Floats:
    """-log of the probabilities of rows' own classes, clipped as in `sklearn.metrics.log_loss`; in place."""
    tiny = np.finfo(probability.dtype).eps
    losses = np.clip(probability, tiny, 1 - tiny, out=probability)
    np.log(losses, out=losses)
    return np.negative(losses, out=losses)


def wrong_classes(scores: Floats, codes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the predicted class is another one than the row's, (n, L)."""
    if scores.shape[2] == 1:
        wrong = (scores[:, :, 0] > 0) != (codes == 1)[:, None]
        wrong[codes < 0] = True
        return wrong
    return scores.argmax(axis=2) != codes[:, None]


def one_column(y: Any) -> NDArray[Any]:
    """y as an array, a column of it flat."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def class_codes(classes: NDArray[Any], y: Any) -> NDArray[np.intp]:
    """Each row's number in the sorted `classes`, -1 for a class that is not there."""
    y = one_column(y)
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    return np.where(classes[codes] == y, codes, -1)


class Scoring:
    """What a search scores with; a score is a number, or a dict of numbers for several metrics."""

    def __init__(self, scorer: Any, error_score: Any, return_train_score: bool) -> None:
        self.scorer, self.error_score, self.return_train_score = scorer, error_score, return_train_score
        self._names = scorers_by_name(scorer)
        known = {name: known_metric(each) for name, each in (self._names or {"score": scorer}).items()}
        self._metrics = {name: metric for name, metric in known.items() if metric is not None}
        self._all_known = len(self._metrics) == len(known)

    def from_rows(self, figures: RowFigures | None, params: dict[str, Any]) -> list[Any] | None:
        """The scores for each lambda, or None where they need the estimators."""
        if figures is None or not self._all_known or not params.keys() <= {"sample_weight"}:
            return None
        if params and sklearn.get_config()["enable_metadata_routing"]:
            return None
        if not figures.complete and "neg_log_loss" in self._metrics.values():
            return None
        weights = params.get("sample_weight")
        if weights is not None and not np.sum(weights) > 0:
            return None
        scores = {name: figures.metric(metric, weights).tolist() for name, metric in self._metrics.items()}
        if self._names is None:
            return scores["score"]
        return [dict(zip(scores, values, strict=True)) for values in zip(*scores.values(), strict=True)]

    def standard_errors(self, figures: RowFigures | None, params: dict[str, Any], i: int) -> dict[str, float]:
        """Of the scores of lambda i, for the metrics that are means over rows."""
        if figures is None:
            return {}
        rows = {"accuracy": figures.wrong, "neg_log_loss": figures.losses}
        weights = params.get("sample_weight")
        return {name: standard_error(rows[metric][:, i], weights) for name, metric in self._metrics.items()}

    def standard_errors_of_model(self, model: Any, rows: Rows) -> dict[str, float]:
        """The same of a fitted estimator's scores."""
        try:
            return self.standard_errors(self._row_figures(model, rows), rows.params, 0)
        except Exception:  # such as a y of several columns: then the scores are no means over rows either
            return {}

    def _row_figures(self, model: Any, rows: Rows) -> RowFigures | None:
        if not self._metrics:
            return None
        codes = class_codes(model.classes_, rows.y)
        wrong = model.predict(rows.X) != one_column(rows.y)
        losses = np.full(len(codes), np.nan)
        if "neg_log_loss" in self._metrics.values():
            losses = clipped_log_losses(model.predict_proba(rows.X)[np.arange(len(codes)), codes])
        return RowFigures(losses[:, None], wrong[:, None], complete=True)

    def of_model(self, model: Any, rows: Rows) -> Any:
        """The scorer called on a fitted estimator."""
        return _score(model, rows.X, rows.y, self.scorer, rows.params, self.error_score)

    def of_failure(self) -> Any:
        """What a failed fit scores."""
        return self.error_score if self._names is None else dict.fromkeys(self._names, self.error_score)

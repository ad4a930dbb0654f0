"""The one place that touches scikit-learn's private names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.metrics import accuracy_score, log_loss
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer, _Scorer
from sklearn.model_selection._validation import _insert_error_scores, _score, _warn_or_raise_about_fit_failures
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import _safe_indexing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params, _check_sample_weight, _num_samples

__all__ = [
    "LinearClassifierMixin",
    "SparseCoefMixin",
    "_check_method_params",
    "_check_sample_weight",
    "_fit_context",
    "_num_samples",
    "_safe_indexing",
    "_safe_split",
    "_score",
    "complete_mlp_classifier",
    "finish_outcomes",
    "has_callbacks",
    "known_metric",
    "scorers_by_name",
]


def complete_mlp_classifier(model: MLPClassifier) -> MLPClassifier:
    """Give a network whose public fitted attributes are set the private ones that predict and partial_fit look for."""
    multilabel = model.out_activation_ == "logistic" and model.n_outputs_ > 1
    labels = np.eye(model.n_outputs_, dtype=int) if multilabel else model.classes_
    model._label_binarizer = LabelBinarizer().fit(labels)
    model._no_improvement_count = 0
    model._best_coefs, model._best_intercepts = model.coefs_, model.intercepts_
    return model


def scorers_by_name(scorer: Any) -> dict[str, Any] | None:
    """The scorers of a search for several metrics; None for a single scorer or a callable of the user's."""
    return scorer._scorers if isinstance(scorer, _MultimetricScorer) else None


def has_callbacks(estimator: Any) -> bool:
    """Whether scikit-learn's callbacks (from 1.9 on) were set on the estimator."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def finish_outcomes(outcomes: list[dict[str, Any]], scoring: Any, error_score: Any) -> None:
    """Warn about failed fits, or raise where all failed; where `scoring` turned out to give dicts, so do failures."""
    _warn_or_raise_about_fit_failures(outcomes, error_score)
    if callable(scoring):
        _insert_error_scores(outcomes, error_score)


def known_metric(scorer: Any) -> str | None:
    """ "accuracy" or "neg_log_loss" where a scorer of a classifier is exactly that, without options of its own."""
    if type(scorer) is _PassthroughScorer:
        return "accuracy"  # what `score` of a classifier is
    if type(scorer) is not _Scorer or scorer._kwargs:
        return None
    if scorer._score_func is accuracy_score and scorer._sign == 1 and scorer._response_method == "predict":
        return "accuracy"
    if scorer._score_func is log_loss and scorer._sign == -1 and scorer._response_method == "predict_proba":
        return "neg_log_loss"
    return None

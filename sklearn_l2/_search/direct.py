"""Candidates one by one: fitted and scored on a fold as GridSearchCV does it."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import format_exc
from types import MappingProxyType
from typing import Any

from sklearn.base import clone

from ..mlp import L2MLPClassifier
from .candidates import last_step
from .folds import Fold, join, prepare
from .scoring import Scoring

_INTERRUPTED = r"Training (was )?interrupted"  # what our networks and scikit-learn's warn of

Outcome = dict[str, Any]  # of a candidate on a fold, with the keys that scikit-learn aggregates


def outcome(
    scoring: Scoring,
    test_scores: Any,
    train_scores: Any,
    *,
    fit_time: float,
    score_time: float,
    error: str | None = None,
    standard_errors: Mapping[str, float] = MappingProxyType({}),
) -> Outcome:
    """The scores and times of one fit; `error` is the traceback of a failed one."""
    result = {
        "test_scores": test_scores,
        "fit_time": fit_time,
        "score_time": score_time,
        "fit_error": error,
        "standard_errors": standard_errors,
    }
    return result | ({"train_scores": train_scores} if scoring.return_train_score else {})


def score_models(models: Iterable[tuple[Any, float]], fold: Fold, scoring: Scoring) -> Iterator[Outcome]:
    """Call the scorer on fitted estimators, each given with the seconds of its fit."""
    test = fold.testing()
    train = fold.scored_training() if scoring.return_train_score else None
    for model, fit_time in models:
        start = time.perf_counter()
        scores = scoring.of_model(model, test)
        score_time = time.perf_counter() - start
        train_scores = None if train is None else scoring.of_model(model, train)
        errors = scoring.standard_errors_of_model(model, test) if fold.is_only else {}
        yield outcome(scoring, scores, train_scores, fit_time=fit_time, score_time=score_time, standard_errors=errors)


@dataclass(frozen=True)
class Direct:
    """An outcome and, where a dev set was given, the fitted estimator."""

    outcome: Outcome
    model: Any = None


def fit_and_score(estimator: Any, params: dict[str, Any], fold: Fold, scoring: Scoring) -> Direct:
    """Fit a clone with these parameters on the fold's training rows, and score it."""
    estimator = clone(estimator).set_params(**clone(params, safe=False))
    fold = fold.seen_by(estimator)
    start = time.perf_counter()
    try:
        with _stopped_by_ctrl_c():
            model = _fit(estimator, fold)
    except Exception:
        if scoring.error_score == "raise":
            raise
        failed, seconds = scoring.of_failure(), time.perf_counter() - start
        return Direct(outcome(scoring, failed, failed, fit_time=seconds, score_time=0.0, error=format_exc()))
    (result,) = score_models([(model, time.perf_counter() - start)], fold, scoring)
    return Direct(result, None if fold.dev is None else model)


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt where a network takes it for the end of its training, and says so in a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", _INTERRUPTED)
        try:
            yield
        except Warning as warning:
            if re.match(_INTERRUPTED, str(warning)):
                raise KeyboardInterrupt from warning
            raise


def _fit(estimator: Any, fold: Fold) -> Any:
    if fold.dev is not None and type(last_step(estimator)) is L2MLPClassifier:
        return _fit_network(estimator, fold)
    rows = fold.training()
    estimator.fit(rows.X, *([] if rows.y is None else [rows.y]), **rows.params)
    return estimator


def _fit_network(estimator: Any, fold: Fold) -> Any:
    """A network follows the dev set while it trains, behind the steps fitted on the training rows."""
    dev, prepared = fold.dev, prepare(estimator, fold)
    assert dev is not None
    network = last_step(estimator).fit(
        prepared.X,
        prepared.y,
        sample_weight=prepared.sample_weight,
        X_val=prepared.transform(dev.X),
        y_val=dev.y,
        sample_weight_val=dev.sample_weight,
    )
    return join(estimator, prepared.transformers, network)

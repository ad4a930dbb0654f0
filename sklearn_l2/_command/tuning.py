"""Tuning lambd on dev data: a row for every lambd, one-standard-error verdicts, and the choice."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

from .._search.verdicts import Verdict, standard_error
from .._search.verdicts import verdicts as one_error_verdicts
from ..logistic import L2LogisticRegression
from ..mlp import L2MLPClassifier
from .data import take
from .messages import CommandError, did_you_mean, first_line, listed

Scorer = Callable[[Any, Any, np.ndarray], float]


@dataclass(frozen=True)
class Family:
    """Models that differ in lambd only."""

    name: str
    title: str
    build: Callable[..., Any]


FAMILIES = {
    "logistic": Family("logistic", "logistic regression", L2LogisticRegression),
    "mlp": Family("mlp", "neural network", partial(L2MLPClassifier, max_iter=500, random_state=0)),
}


# Splitting


@dataclass(frozen=True)
class Fold:
    """A training set and the dev set it is scored on, after the preprocessing fitted on the training set."""

    preprocessing: Any
    X: Any
    y: np.ndarray
    X_dev: Any
    y_dev: np.ndarray


def split(y: np.ndarray, shares: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Row numbers of stratified parts, none for a share of 0, and of the rest, which is "train"."""
    shares = {part: share for part, share in shares.items() if share}
    parts = ["train", *shares]
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < len(parts):
        raise CommandError(
            f"class {listed(classes[[counts.argmin()]])} has too few rows to split: {counts.min()}, where "
            f"{len(parts)} are needed, one each for {', '.join(parts)}. Add rows or remove the class."
        )
    rows = {"train": np.arange(len(y))}
    for part, share in shares.items():
        size = int(np.ceil(share * len(y)))
        try:
            rest, taken = train_test_split(rows["train"], test_size=size, stratify=y[rows["train"]], random_state=0)
        except ValueError as error:
            raise CommandError(
                f"too few rows to split: {size} of {len(y)} were to be the {part} part, "
                f"with {len(classes)} classes ({first_line(error)})"
            ) from None
        rows["train"], rows[part] = np.sort(rest), np.sort(taken)
    lost = np.setdiff1d(classes, y[rows["train"]])
    if len(lost):
        raise CommandError(f"class {listed(lost[:1])} has too few rows to split: none is left to train on.")
    return rows


def single_fold(preprocessing: Any, X: Any, y: np.ndarray, X_dev: Any, y_dev: np.ndarray) -> Fold:
    """The preprocessing is fitted on the training rows only."""
    fitted = clone(preprocessing).fit(X)
    return Fold(fitted, fitted.transform(X), y, fitted.transform(X_dev), y_dev)


def stratified_folds(preprocessing: Any, X: Any, y: np.ndarray, n_folds: int) -> list[Fold]:
    """Each row is in the dev set of one fold, and in the training set of all the others."""
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < n_folds:
        raise CommandError(
            f"class {listed(classes[[counts.argmin()]])} has too few rows for --cv {n_folds}: {counts.min()} "
            f"of {len(y)} training rows. Use fewer folds, add rows or remove the class."
        )
    sides = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(np.zeros(len(y)), y)
    return [single_fold(preprocessing, take(X, train), y[train], take(X, dev), y[dev]) for train, dev in sides]


# Scoring


def scorer_named(name: str, y: np.ndarray) -> Scorer:
    """A scikit-learn scorer, tried on a model that guesses, so that a misfit shows before the long fits."""
    if name not in get_scorer_names():
        raise CommandError(
            f"--scoring {name!r} is no scorer of scikit-learn.{did_you_mean(name, get_scorer_names())} "
            "sklearn.metrics.get_scorer_names() lists them all; 'accuracy' and 'roc_auc' are two."
        )
    scorer = get_scorer(name)
    X = np.zeros((len(y), 1))
    try:
        scorer(DummyClassifier().fit(X, y), X, y)
    except Exception as error:
        raise CommandError(f"--scoring {name} does not suit these labels: {first_line(error)}") from None
    return scorer


def log_losses(classifier: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """The log loss of every row, clipped as in `sklearn.metrics.log_loss`."""
    probabilities = classifier.predict_proba(X)
    of_label = probabilities[np.arange(len(y)), np.searchsorted(classifier.classes_, y)]
    tiny = np.finfo(probabilities.dtype).eps
    return -np.log(np.clip(of_label, tiny, 1 - tiny)).astype(float)


def error_rate(classifier: Any, X: Any, y: np.ndarray) -> float:
    """The share of rows that get another label than theirs."""
    return float(np.mean(classifier.predict(X) != y))


def weight_norm(classifier: Any) -> float:
    """||W||: Euclidean, over all layers of a network."""
    weights = getattr(classifier, "coefs_", None) or [classifier.coef_]
    return float(np.sqrt(sum(np.sum(np.square(layer, dtype=float)) for layer in weights)))


# Tuning


@dataclass(frozen=True)
class Figures:
    """What one fit came to on one fold."""

    norm: float
    train_error: float
    train_loss: float
    dev_error: float
    dev_losses: np.ndarray
    dev_score: float


@dataclass(frozen=True)
class Row:
    """One lambd, fitted on every fold; its figures are means over the folds."""

    lambd: float
    figures: tuple[Figures, ...] = ()
    classifier: Any = None
    warnings: tuple[str, ...] = ()
    failure: str = ""

    def mean(self, name: str) -> float:
        return float(np.mean([getattr(each, name) for each in self.figures])) if self.figures else np.nan

    @property
    def units(self) -> np.ndarray:
        """What standard errors are taken over: the loss of every dev row, or the mean loss of every fold."""
        losses = [each.dev_losses for each in self.figures]
        return losses[0] if len(losses) == 1 else np.array([each.mean() for each in losses])

    @property
    def dev_loss(self) -> float:
        return float(np.mean(self.units)) if self.figures else np.nan

    @property
    def dev_loss_se(self) -> float:
        return standard_error(self.units)


def tune(
    family: Family,
    lambds: Sequence[float],
    folds: Sequence[Fold],
    scorer: Scorer | None,
    tick: Callable[[str], None],
) -> Iterator[Row]:
    """Rows in the order of lambds, each when all its folds are fitted; `tick` is called around every fit."""
    for lambd in lambds:
        figures: list[Figures] = []
        classifier, failure = None, ""
        with told_warnings() as messages:
            try:
                for fold in folds:
                    tick(f"{family.title}: lambd {lambd:g}")
                    classifier = family.build(lambd=lambd).fit(fold.X, fold.y)
                    tick("")
                    figures.append(_figures(classifier, fold, scorer))
            except Exception as error:
                figures, failure = [], f"{type(error).__name__}: {first_line(error)}"
        yield Row(lambd, tuple(figures), classifier, tuple(messages), failure)


@contextmanager
def told_warnings() -> Iterator[list[str]]:
    """A list that holds, in the end, one sentence for each different warning."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield told
        finally:
            told.extend(dict.fromkeys(f"{each.category.__name__}: {_sentence(each.message)}" for each in caught))


def _figures(classifier: Any, fold: Fold, scorer: Scorer | None) -> Figures:
    losses = log_losses(classifier, fold.X_dev, fold.y_dev)
    if not np.isfinite(losses).all():
        raise ValueError("the predicted probabilities are not finite")
    return Figures(
        norm=weight_norm(classifier),
        train_error=error_rate(classifier, fold.X, fold.y),
        train_loss=float(np.mean(log_losses(classifier, fold.X, fold.y))),
        dev_error=error_rate(classifier, fold.X_dev, fold.y_dev),
        dev_losses=losses,
        dev_score=float(scorer(classifier, fold.X_dev, fold.y_dev)) if scorer else -float(np.mean(losses)),
    )


def _sentence(message: Any) -> str:
    return first_line(message).partition(". ")[0].rstrip(".")


# Choosing


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """The one-standard-error rule on the dev loss, taken dev row by dev row (or fold by fold)."""
    lambds = [row.lambd for row in rows]
    judged = one_error_verdicts(lambds, [None if row.failure else row.units for row in rows])
    return [verdict or Verdict("failed") for verdict in judged]


def preference(row: Row) -> tuple[float, float, float]:
    """The least is chosen: the best score, then the lowest dev loss, then the largest lambd."""
    return -row.mean("dev_score"), row.dev_loss, -row.lambd


def choose(rows: Sequence[Row]) -> Row | None:
    """The best of the rows that have a score."""
    return min((row for row in rows if np.isfinite(row.mean("dev_score"))), key=preference, default=None)


def final_model(family: Family, row: Row, folds: Sequence[Fold], X: Any, y: np.ndarray) -> Pipeline:
    """The very model that was scored, or with several folds one fitted anew on all their rows."""
    if len(folds) == 1:
        return Pipeline([("preprocessing", folds[0].preprocessing), ("classifier", row.classifier)])
    model = Pipeline([("preprocessing", clone(folds[0].preprocessing)), ("classifier", family.build(lambd=row.lambd))])
    try:
        return model.fit(X, y)
    except Exception as error:
        raise CommandError(f"the fit on all {len(y)} training rows failed: {first_line(error)}") from None

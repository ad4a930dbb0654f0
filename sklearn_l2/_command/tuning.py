"""Tuning lambd: the rows' parts, the search of a family, a row for every lambd, and the choice."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

from .._search.verdicts import Verdict
from ..logistic import L2LogisticRegression
from ..mlp import L2MLPClassifier
from ..search import LambdaSearchCV
from .messages import CommandError, did_you_mean, first_line, listed

Scorer = Callable[[Any, Any, np.ndarray], float]


@dataclass(frozen=True)
class Family:
    """Models that differ in lambd only."""

    name: str
    title: str
    build: Callable[[], Any]


FAMILIES = {
    "logistic": Family("logistic", "logistic regression", L2LogisticRegression),
    "mlp": Family("mlp", "neural network", partial(L2MLPClassifier, max_iter=500, random_state=0)),
}


# Splitting


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


def stratified_folds(y: np.ndarray, n_folds: int) -> StratifiedKFold:
    """Each row is in the dev set of one fold, and in the training set of all the others."""
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < n_folds:
        raise CommandError(
            f"class {listed(classes[[counts.argmin()]])} has too few rows for --cv {n_folds}: {counts.min()} "
            f"of {len(y)} training rows. Use fewer folds, add rows or remove the class."
        )
    return StratifiedKFold(n_folds, shuffle=True, random_state=0)


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


# Tuning


@dataclass(frozen=True)
class Task:
    """What every family is tuned on: rows to train on, and a dev set or else folds of these rows."""

    preprocessing: Any
    X: Any
    y: np.ndarray
    scorer: Scorer | None
    X_dev: Any = None
    y_dev: np.ndarray | None = None
    folds: StratifiedKFold | None = None


FAILED = Verdict("failed")
_FIGURES = ("lambd", "norm", "train_error", "train_loss", "dev_error", "dev_loss", "dev_loss_se")
# Warnings that one fit gives, where they say with which lambd.
_NAMES_LAMBD = re.compile(r"ConvergenceWarning: .*?\blambd=([-+.\de]+)")


@dataclass(frozen=True)
class Row:
    """What one lambd came to, by the search's table; `dev_score` is what to choose by."""

    lambd: float
    norm: float = np.nan
    train_error: float = np.nan
    train_loss: float = np.nan
    dev_error: float = np.nan
    dev_loss: float = np.nan
    dev_loss_se: float = np.nan
    dev_score: float = np.nan
    verdict: Verdict = FAILED
    failure: str = ""
    warnings: tuple[str, ...] = ()


@dataclass
class Tuned:
    """What has come out of the search of one family: `model` is the best, `remarks` are of no single lambd."""

    family: Family
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    model: Any = None

    def run(self, lambds: Sequence[float], task: Task, verbose: int) -> None:
        """Search. However it ends, there are rows of the lambdas that were finished."""
        steps = [("preprocessing", clone(task.preprocessing)), ("classifier", self.family.build())]
        search: LambdaSearchCV = LambdaSearchCV(
            Pipeline(steps),
            lambds,
            scoring=task.scorer,
            refit=lambda _: _choose_number(_rows(search)),
            cv=task.folds,
            verbose=verbose,
        )
        told: list[str] = []
        try:
            with told_warnings() as told:
                search.fit(task.X, task.y, X_val=task.X_dev, y_val=task.y_dev)
            self.model = search.best_estimator_
        except _NothingToChooseError:
            pass
        except Exception as error:
            if hasattr(search, "cv_results_"):
                raise CommandError(f"the fit on all {len(task.y)} training rows failed: {first_line(error)}") from None
            if not _rows(search):  # where every fit failed, the rows say why
                raise
        finally:
            self._take(_rows(search), told)

    def _take(self, rows: Sequence[Row], told: Sequence[str]) -> None:
        of_lambd: dict[str, list[str]] = {f"{row.lambd:g}": [] for row in rows}
        self.remarks = []
        for text in told:
            named = _NAMES_LAMBD.match(text)
            of_lambd.get(named[1] if named else "", self.remarks).append(text)
        self.rows = [replace(row, warnings=tuple(of_lambd[f"{row.lambd:g}"])) for row in rows]


def _rows(search: LambdaSearchCV) -> list[Row]:
    """Of the lambdas that the search has finished."""
    try:
        table = search.lambda_table()
    except NotFittedError:
        return []
    scores = -table["dev_loss"]
    if search.scoring is not None and hasattr(search, "cv_results_"):
        scores = search.cv_results_["mean_test_score"]
    rows = []
    for i, (verdict, failure) in enumerate(zip(table.verdicts, table.failures, strict=True)):
        figures: dict[str, Any] = {name: float(table[name][i]) for name in _FIGURES}
        if np.isfinite(figures["dev_loss"]):
            rows.append(Row(**figures, dev_score=float(scores[i]), verdict=verdict))
        else:
            rows.append(Row(figures["lambd"], failure=failure or "a dev loss that is not finite"))
    return rows


@contextmanager
def told_warnings() -> Iterator[list[str]]:
    """A list that holds, in the end, one line for each different warning."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", FitFailedWarning)  # the table tells of these two
        warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
        try:
            yield told
        finally:
            told.extend(dict.fromkeys(_line(each) for each in caught))


def _line(warning: warnings.WarningMessage) -> str:
    """Advice on parameters, which follows the first sentence, is of no use here; a search's advice on lambdas is."""
    lines = str(warning.message).strip().splitlines() or [""]
    if warning.category is UserWarning:
        return " ".join(dict.fromkeys([lines[0].rstrip(), lines[-1]]))  # the last line of a traceback is the error
    return f"{warning.category.__name__}: {lines[0].partition('. ')[0].rstrip('.')}"


# Choosing


def preference(row: Row) -> tuple[float, float, float]:
    """The least is chosen: the best score, then the lowest dev loss, then the largest lambd."""
    return -row.dev_score, row.dev_loss, -row.lambd


def choose(rows: Sequence[Row]) -> Row | None:
    """The best of the rows that have a score."""
    return min((row for row in rows if np.isfinite(row.dev_score)), key=preference, default=None)


def _choose_number(rows: Sequence[Row]) -> int:
    best = choose(rows)
    if best is None:
        raise _NothingToChooseError
    return rows.index(best)


class _NothingToChooseError(Exception):
    pass

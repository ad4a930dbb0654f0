"""All candidates on all folds: those that can be batched in batches, the others one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from ..l1 import L1LogisticRegression
from ..logistic import L2LogisticRegression
from ..mlp import L2MLPClassifier
from . import linear, networks, paths
from .candidates import Group, last_step
from .direct import Outcome, fit_and_score, outcome, score_models
from .fits import Fits, Unfitted
from .folds import Fold
from .parallel import in_parallel
from .progress import finished, last_error
from .scoring import Scoring
from .table import LambdaTable, Result, make_table


def batch_fit(estimator: Any) -> Callable[..., Iterator[Fits | Unfitted]] | None:
    """The function that fits a group of candidates with this estimator; None where they are fitted one by one."""
    classifier = last_step(estimator)
    if type(classifier) is L2LogisticRegression and classifier.solver == "auto":
        return linear.fit_group
    if type(classifier) is L1LogisticRegression:
        return paths.fit_group
    if type(classifier) is L2MLPClassifier and networks.can_batch(classifier):
        return networks.fit_group
    return None


@dataclass
class Run:
    """The work of a search, and what has come out of it so far: by number of candidate and fold."""

    estimator: Any
    candidates: Sequence[Mapping[str, Any]]
    folds: Sequence[Fold]
    scoring: Scoring
    n_jobs: Any
    pre_dispatch: Any
    verbose: int
    outcomes: dict[tuple[int, int], Outcome] = field(default_factory=dict)
    results: dict[tuple[int, int], Result] = field(default_factory=dict)  # of what was batched
    models: dict[int, Callable[[], Any]] = field(default_factory=dict)  # of a dev set's fold

    def fit(self, groups: Sequence[Group], others: Sequence[int]) -> None:
        """Fit and score everything."""
        for group in groups:
            self._fit_group(group)
        self._fit_directly([(c, f) for c, f in product(others, range(len(self.folds)))])

    def finished(self) -> list[int]:
        """Candidates that have been scored on all folds."""
        numbers = range(len(self.folds))
        return [c for c in range(len(self.candidates)) if all((c, f) in self.outcomes for f in numbers)]

    def model(self, candidate: int) -> Any:
        """The fitted estimator that was scored on the dev set, or a new try at the fit that failed."""
        if candidate in self.models:
            return self.models[candidate]()
        rows = self.folds[0].training()
        estimator = clone(self.estimator).set_params(**clone(self.candidates[candidate], safe=False))
        return estimator.fit(rows.X, rows.y, **rows.params)

    def table(self, candidates: Sequence[int]) -> LambdaTable:
        """The table of some candidates, which have been scored on all folds."""
        results = [
            [self.results[candidate, fold.number] for fold in self.folds if (candidate, fold.number) in self.results]
            for candidate in candidates
        ]
        complete = [each if len(each) == len(self.folds) else [] for each in results]
        weight = self.folds[0].test_weight() if self.folds[0].is_only else None
        failures = [self._failure(candidate) for candidate in candidates]
        return make_table([self.candidates[candidate] for candidate in candidates], complete, failures, weight)

    def _failure(self, candidate: int) -> str:
        """The error of the first fold where the fit failed, or nothing."""
        tracebacks = [self.outcomes[candidate, fold.number]["fit_error"] for fold in self.folds]
        return next((last_error(each) for each in tracebacks if each is not None), "")

    def _fit_group(self, group: Group) -> None:
        fit = batch_fit(group.estimator)
        assert fit is not None
        train_rows = self.scoring.return_train_score
        folds = [fold.seen_by(group.estimator) for fold in self.folds]
        for fits in fit(group, folds, train_rows=train_rows, n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch):
            if isinstance(fits, Unfitted):
                unfitted = group.candidates[np.isin(group.place, fits.lambdas)].tolist()
                self._fit_directly([(c, fits.fold) for c in unfitted])
            else:
                self._score(group, folds[fits.fold], fits)

    def _score(self, group: Group, fold: Fold, fits: Fits) -> None:
        start = time.perf_counter()
        for i, (number, scored) in enumerate(zip(fits.lambdas, self._outcomes(fold, fits), strict=True)):
            for candidate in group.candidates[group.place == number].tolist():
                self.outcomes[candidate, fold.number] = dict(scored)
                if fits.figures is not None and fits.test is not None:
                    rows = (fits.test.losses[:, i], fits.test.wrong[:, i]) if fold.is_only else ()
                    self.results[candidate, fold.number] = Result(fits.figures.at(i), *rows)
                if fold.dev is not None:
                    self.models[candidate] = partial(fits.model, i)
        seconds = fits.seconds_per_fit * len(fits.lambdas) + time.perf_counter() - start
        self._tell(group.candidates[np.isin(group.place, fits.lambdas)].tolist(), fold.number, seconds)

    def _outcomes(self, fold: Fold, fits: Fits) -> Iterable[Outcome]:
        start = time.perf_counter()
        n_fits = len(fits.lambdas)
        test_params = fold.test_params()
        test = self.scoring.from_rows(fits.test, test_params)
        score_time = (time.perf_counter() - start) / n_fits
        train: list[Any] | None = [None] * n_fits
        if self.scoring.return_train_score:
            train = self.scoring.from_rows(fits.train, fold.train_params())
        if test is None or train is None:
            return score_models(((fits.model(i), fits.seconds_per_fit) for i in range(n_fits)), fold, self.scoring)
        return [
            outcome(
                self.scoring,
                test[i],
                train[i],
                fit_time=fits.seconds_per_fit,
                score_time=score_time,
                standard_errors=self.scoring.standard_errors(fits.test, test_params, i) if fold.is_only else {},
            )
            for i in range(n_fits)
        ]

    def _fit_directly(self, jobs: Sequence[tuple[int, int]]) -> None:
        calls = [(self.estimator, self.candidates[c], self.folds[f], self.scoring) for c, f in jobs]
        results = in_parallel(fit_and_score, calls, n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch)
        for (candidate, fold), result in zip(jobs, results, strict=True):
            self.outcomes[candidate, fold] = result.outcome
            if result.model is not None:
                self.models[candidate] = partial(_identity, result.model)
            seconds = result.outcome["fit_time"] + result.outcome["score_time"]
            self._tell([candidate], fold, seconds)

    def _tell(self, candidates: Sequence[int], fold: int, seconds: float) -> None:
        """Say that candidates have been scored on a fold."""
        if self.verbose > 1:
            n_folds = len(self.folds)
            place = f"{fold + 1}/{n_folds}; {len(self.outcomes)}/{len(self.candidates) * n_folds}"
            scores = [self.outcomes[c, fold] for c in candidates] if self.verbose > 2 else None
            print(finished(place, [self.candidates[c] for c in candidates], scores, seconds), flush=True)


def _identity(model: Any) -> Any:
    return model

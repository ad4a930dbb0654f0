"""Folds: the rows a candidate is trained on and those it is scored on, and a Pipeline's steps fitted on the former."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing

from .._sklearn import _check_method_params, _num_samples, _safe_split


@dataclass(frozen=True)
class Rows:
    """Rows of data with the metadata that a fit or a score of them gets."""

    X: Any
    y: Any
    params: dict[str, Any]


@dataclass(frozen=True)
class DevSet:
    """Rows that candidates are scored on and never trained on."""

    X: Any
    y: Any
    sample_weight: Any
    score_params: dict[str, Any]


@dataclass(frozen=True)
class Fold:
    """Row numbers `train` (they may repeat) of X and y to train on, and to score on `test`, or else the dev set.

    `estimator` is the one that will see the rows: of a square X, some want the columns of the training rows only.
    """

    number: int
    X: Any
    y: Any
    fit_params: dict[str, Any]
    score_params: dict[str, Any]
    train: NDArray[np.intp]
    test: NDArray[np.intp] | None
    is_only: bool
    dev: DevSet | None = None
    estimator: Any = None

    def seen_by(self, estimator: Any) -> Fold:
        """The same fold for that estimator."""
        return replace(self, estimator=estimator)

    def training(self) -> Rows:
        """The rows to train on, with what their fit gets."""
        return self._rows(self.train, self.fit_params)

    def scored_training(self) -> Rows:
        """The rows to train on, with what their score gets."""
        return self._rows(self.train, self.score_params)

    def testing(self) -> Rows:
        """The rows to score on, with what their score gets."""
        if self.dev is None:
            return self._rows(self.test, self.score_params)
        return Rows(self.dev.X, self.dev.y, self.test_params())

    def test_params(self) -> dict[str, Any]:
        """What a score of the rows to score on gets."""
        if self.dev is None:
            return _check_method_params(self.X, self.score_params, self.test)
        return self.dev.score_params

    def train_params(self) -> dict[str, Any]:
        """What a score of the rows to train on gets."""
        return self.score_params if self.dev else _check_method_params(self.X, self.score_params, self.train)

    def test_weight(self) -> Any:
        """Weights of the rows to score on, where the fit has row weights or the dev set has its own."""
        if self.dev is not None:
            return self.dev.sample_weight
        weights = [value for name, value in self.fit_params.items() if is_row_weight(name)]
        return None if not weights or weights[0] is None else np.asarray(weights[0])[self.test]

    def _rows(self, indices: Any, params: dict[str, Any]) -> Rows:
        if self.dev is not None:  # which leaves all of X to train on
            return Rows(self.X, self.y, params)
        X, y = _safe_split(self.estimator, self.X, self.y, indices, self.train)
        return Rows(X, y, _check_method_params(self.X, params, indices))


def is_row_weight(name: str) -> bool:
    """Whether a fit's parameter of that name weights its rows."""
    return name.split("__")[-1] == "sample_weight"


def with_row_weights(params: dict[str, Any], n_rows: int) -> dict[str, Any]:
    """A fit's parameters with a weight for each row, of a number too; a ValueError where there are more or fewer.

    On a fold, a fit could take such weights for those of its own rows.
    """
    checked = dict(params)
    for name, value in params.items():
        if is_row_weight(name) and value is not None:
            checked[name] = np.full(n_rows, value) if isinstance(value, Real) else value
            if np.shape(checked[name]) != (n_rows,):
                raise ValueError(f"{name}.shape == {np.shape(value)}, expected {(n_rows,)}!")
    return checked


def cross_validation_folds(
    X: Any, y: Any, splits: Any, fit_params: dict[str, Any], score_params: dict[str, Any]
) -> list[Fold]:
    """A fold for each pair of row numbers, or masks of rows."""
    numbers = np.arange(_num_samples(X))
    pairs = list(splits)
    return [
        Fold(i, X, y, fit_params, score_params, numbers[train], numbers[test], is_only=len(pairs) == 1)
        for i, (train, test) in enumerate(pairs)
    ]


def dev_fold(X: Any, y: Any, dev: DevSet, fit_params: dict[str, Any], score_params: dict[str, Any]) -> Fold:
    """The one fold that trains on all of X and y and is scored on the dev set."""
    return Fold(0, X, y, fit_params, score_params, np.arange(_num_samples(X)), None, is_only=True, dev=dev)


@dataclass(frozen=True)
class Prepared:
    """A fold's training rows after the earlier steps of a Pipeline, which were fitted on them."""

    transformers: Pipeline | None
    X: Any
    y: Any
    sample_weight: Any

    def transform(self, X: Any) -> Any:
        """X as the last step will see it."""
        return X if self.transformers is None else self.transformers.transform(X)


def prepare(estimator: Any, fold: Fold) -> Prepared:
    """Fit the steps before the last one on the fold's training rows."""
    rows = fold.training()
    weight = last_step_params(estimator, rows.params).get("sample_weight")
    transformers = unfitted_transformers(estimator)
    X = rows.X if transformers is None else transformers.fit_transform(rows.X, rows.y)
    return Prepared(transformers, X, rows.y, weight)


def _routing_enabled() -> bool:
    return bool(sklearn.get_config()["enable_metadata_routing"])


def unfitted_transformers(estimator: Any) -> Pipeline | None:
    """A Pipeline of the steps before the last one; None where there are none."""
    if type(estimator) is not Pipeline or len(estimator.steps) == 1:
        return None
    return clone(estimator[:-1])


def join(estimator: Any, transformers: Pipeline | None, model: Any) -> Any:
    """`estimator` with fitted transformers and a fitted last step in its place."""
    if type(estimator) is not Pipeline:
        return model
    joined = clone(estimator)
    joined.steps = [*(transformers.steps if transformers is not None else []), (estimator.steps[-1][0], model)]
    return joined


def last_step_params(estimator: Any, fit_params: dict[str, Any]) -> dict[str, Any]:
    """Those of a fit's parameters that reach the last step, under the names it knows."""
    if type(estimator) is not Pipeline:
        return fit_params
    name = estimator.steps[-1][0]
    if _routing_enabled():
        return dict(process_routing(estimator, "fit", **fit_params)[name].fit) if fit_params else {}
    prefix = f"{name}__"
    return {key.removeprefix(prefix): value for key, value in fit_params.items() if key.startswith(prefix)}


def only_weights_for_the_last_step(estimator: Any, fit_params: dict[str, Any]) -> bool:
    """Whether a fit gets nothing but row weights, and those for the last step only."""
    try:
        params = last_step_params(estimator, fit_params)
    except Exception:  # the fit itself will say what is wrong
        return False
    if not params.keys() <= {"sample_weight"}:
        return False
    if type(estimator) is Pipeline and _routing_enabled() and fit_params:
        routed = process_routing(estimator, "fit", **fit_params)
        return not any(any(routed[name].values()) for name, _ in estimator.steps[:-1] if name in routed)
    return len(params) == len(fit_params)

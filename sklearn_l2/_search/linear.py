"""L2LogisticRegression over folds and lambdas: all problems that share X are solved as one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone

from .._sklearn import _check_sample_weight
from .._training import training_weights
from ..logistic import L2LogisticRegression
from .batch import Batch, Part
from .candidates import Group, last_step
from .fits import Fits, Unfitted
from .folds import Fold, last_step_params, prepare, unfitted_transformers
from .parallel import in_parallel
from .scalers import only_scalers, scale_and_shift, standardizing
from .spread import spread_alike

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]


def fit_group(
    group: Group, folds: Sequence[Fold], *, train_rows: bool, n_jobs: Any, pre_dispatch: Any
) -> Iterator[Fits | Unfitted]:
    """Fit all lambdas on all folds; `train_rows` asks for the figures of every training row."""
    together = _together(group, folds)
    if together is not None:
        yield from together.solve(train_rows)
        done = {part.fold.number for part in together.parts}
        folds = [fold for fold in folds if fold.number not in done]
    calls = [(group, fold, train_rows) for fold in folds]
    for outcome in in_parallel(_fit_alone, calls, n_jobs=n_jobs, pre_dispatch=pre_dispatch):
        yield from outcome


def _fit_alone(group: Group, fold: Fold, train_rows: bool) -> list[Fits | Unfitted]:
    batch = _alone(group, fold)
    if batch is None:
        return [Unfitted(fold.number, np.arange(len(group.lambds)))]
    return list(batch.solve(train_rows))


def _together(group: Group, folds: Sequence[Fold]) -> Batch | None:
    """The batch of all folds that have every class, where they share X but for shifts and scales of its columns.

    A fold whose columns have far less spread than they have with its test rows is left out.
    """
    model = clone(last_step(group.estimator))
    transformers = unfitted_transformers(group.estimator)
    if transformers is not None and not (
        only_scalers(transformers) and model.fit_intercept and not model.penalize_intercept
    ):
        return None
    try:
        X, codes = model._check_X_y(folds[0].X, folds[0].y)
    except Exception:  # the fit on each fold will say what is wrong, if it has those rows
        return None
    if transformers is not None and sp.issparse(X):
        return None
    known: list[tuple[Floats, Floats] | None] = [None] * len(folds)
    if transformers is not None:
        known = standardizing(transformers, X, [fold.train for fold in folds])
    parts = [
        _part_of_shared_rows(group, model, X, codes, fold, scaling) for fold, scaling in zip(folds, known, strict=True)
    ]
    usable = [part for part in parts if part is not None]
    if usable:
        alike = spread_alike(X, np.stack([part.weights for part in usable], axis=1))
        usable = [part for part, is_alike in zip(usable, alike, strict=True) if is_alike]
    return Batch(group, model, X, codes, usable, is_transformed=False) if usable else None


def _part_of_shared_rows(
    group: Group,
    model: L2LogisticRegression,
    X: Any,
    codes: Indices,
    fold: Fold,
    known: tuple[Floats, Floats] | None,
) -> Part | None:
    """A fold in a batch on all rows; its transformers are fitted unless the scale and shift they find are `known`."""
    n, train = X.shape[0], fold.train
    own_codes = codes[train]
    if not np.bincount(own_codes, minlength=len(model.classes_)).all():
        return None
    given = last_step_params(group.estimator, fold.fit_params).get("sample_weight")
    transformers = unfitted_transformers(group.estimator)
    scale = shift = None
    try:
        given = None if given is None else _check_sample_weight(given, X)[train]
        s = training_weights(given, model.class_weight, own_codes, model.classes_, own_codes)
        scaling = known
        if transformers is not None and scaling is None:
            rows = fold.training()
            scaling = scale_and_shift(transformers.fit(rows.X, rows.y), X.shape[1])
        if scaling is not None:
            scale, shift = scaling
            if not (np.isfinite(scale**-2.0).all() and (scale**-2.0 > 0).all()):
                return None
    except Exception:
        return None
    weights = np.bincount(train, weights=s, minlength=n).astype(float)
    plain = weights if model.class_weight is None else np.bincount(train, weights=given, minlength=n).astype(float)
    return Part(fold, train, weights, plain, transformers, scale, shift, is_fitted=known is None)


def _alone(group: Group, fold: Fold) -> Batch | None:
    """The batch of one fold, on its own training rows after its own transformers."""
    model = clone(last_step(group.estimator))
    try:
        prepared = prepare(group.estimator, fold)
        X, codes = model._check_X_y(prepared.X, prepared.y)
        s = training_weights(prepared.sample_weight, model.class_weight, X, model.classes_, codes)
    except Exception:  # the fits one by one will say what is wrong
        return None
    given = prepared.sample_weight
    plain = np.ones(len(s)) if given is None else np.asarray(given, dtype=np.float64)
    part = Part(fold, slice(None), s, plain, prepared.transformers)
    return Batch(group, model, X, codes, [part], is_transformed=True)

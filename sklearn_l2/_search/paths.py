"""L1LogisticRegression over lambdas: on each fold from large to small, every fit going on from the one before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .candidates import Group, last_step
from .fits import Fits, Unfitted
from .folds import Fold, join, prepare
from .parallel import in_parallel


def fit_group(
    group: Group, folds: Sequence[Fold], *, train_rows: bool, n_jobs: Any, pre_dispatch: Any
) -> Iterator[Fits | Unfitted]:
    """Fit all lambdas on all folds."""
    calls = [(group, fold) for fold in folds]
    yield from in_parallel(_fit_path, calls, n_jobs=n_jobs, pre_dispatch=pre_dispatch)


def _fit_path(group: Group, fold: Fold) -> Fits | Unfitted:
    lambdas = np.arange(len(group.lambds))
    start = time.perf_counter()
    models: list[Any] = []
    try:
        prepared = prepare(group.estimator, fold)
        for k in reversed(lambdas):
            estimator = group.with_lambd(k)
            model = last_step(estimator)
            as_given = model.warm_start
            if models:
                before = last_step(models[-1])
                model.coef_, model.intercept_ = before.coef_, before.intercept_
            model.set_params(warm_start=True).fit(prepared.X, prepared.y, sample_weight=prepared.sample_weight)
            models.append(join(estimator, prepared.transformers, model.set_params(warm_start=as_given)))
    except Exception:  # the fits one by one will say what is wrong
        return Unfitted(fold.number, lambdas)
    seconds = (time.perf_counter() - start) / len(models)
    return Fits(fold.number, lambdas, seconds, models[::-1].__getitem__)

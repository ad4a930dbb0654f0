"""Pipelines that only shift and scale columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from .spread import moments

Floats = NDArray[np.floating]

_CLEAR = 1e-6  # of a mean square: a variance above has lost few digits


def only_scalers(transformers: Pipeline) -> bool:
    """Whether all steps are column shifts and scales."""
    return all(
        step is None
        or (isinstance(step, str) and step == "passthrough")
        or type(step) in (StandardScaler, MaxAbsScaler)
        or (type(step) is MinMaxScaler and not step.clip)
        for _, step in transformers.steps
    )


def scale_and_shift(transformers: Pipeline, n_columns: int) -> tuple[Floats, Floats]:
    """Of fitted scalers: what each column is multiplied with, and what is then added, (n_columns,)."""
    scale, shift = np.ones(n_columns), np.zeros(n_columns)
    for _, step in transformers.steps:
        if type(step) is StandardScaler:
            divisor: Any = 1.0 if step.scale_ is None else step.scale_
            scale, shift = scale / divisor, (shift - (step.mean_ if step.with_mean else 0.0)) / divisor
        elif type(step) is MaxAbsScaler:
            scale, shift = scale / step.scale_, shift / step.scale_
        elif type(step) is MinMaxScaler:
            scale, shift = scale * step.scale_, shift * step.scale_ + step.min_
    return scale, shift


def standardizing(
    transformers: Pipeline, X: Any, rows: Sequence[NDArray[np.intp]]
) -> list[tuple[Floats, Floats] | None]:
    """The same of a StandardScaler alone, fitted on some rows of X, and on others: in one pass for all.

    None where it is for the scaler to tell, which takes a column of too little spread for a constant.
    """
    (_, first), *others = transformers.steps
    if others or type(first) is not StandardScaler or first.get_params() != StandardScaler().get_params():
        return [None] * len(rows)
    counts = np.stack([np.bincount(some, minlength=X.shape[0]).astype(float) for some in rows], axis=1)
    rounding = counts.sum(axis=0) * np.finfo(float).eps
    mean, variance, square = moments(X, counts)
    clear = (variance > _CLEAR * square) & (_CLEAR * variance > (rounding * mean) ** 2)
    with np.errstate(all="ignore"):
        scale = 1 / np.sqrt(variance)
        shift = -mean * scale
    return [(scale[:, f], shift[:, f]) if is_clear else None for f, is_clear in enumerate(clear.all(axis=0))]

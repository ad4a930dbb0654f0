"""Pipelines that only shift and scale columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

Floats = NDArray[np.float64]


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

"""What a group's fits come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scoring import RowFigures

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Figures:
    """For each of L lambdas, (L,): ||W||, mean losses and error rates; m is the weight of the training rows."""

    m: float
    norm: Floats
    train_loss: Floats
    train_error: Floats
    dev_loss: Floats
    dev_error: Floats


@dataclass(frozen=True)
class Fits:
    """Fits of some of a group's lambdas on one fold.

    `model(i)` gives the fitted estimator of lambda number `lambdas[i]`. What is None only the estimators can tell.
    """

    fold: int
    lambdas: Indices
    seconds_per_fit: float
    model: Callable[[int], Any]
    test: RowFigures | None = None
    train: RowFigures | None = None
    figures: Figures | None = None


@dataclass(frozen=True)
class Unfitted:
    """Lambdas that have to be fitted one by one on a fold, since a fit with them fails."""

    fold: int
    lambdas: Indices

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
    """For each of L lambdas, (L,): ||W||, mean losses and error rates, and the decay factor where there is one."""

    norm: Floats
    train_loss: Floats
    train_error: Floats
    dev_loss: Floats
    dev_error: Floats
    decay_factor: Floats | None = None

    def at(self, i: int) -> dict[str, float]:
        """The figures of one lambda by name."""
        return {name: float(values[i]) for name, values in vars(self).items() if values is not None}


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

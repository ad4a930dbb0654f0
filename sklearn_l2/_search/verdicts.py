"""The one-standard-error rule on the dev loss, lambda by lambda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

JUST_RIGHT, OVERFITTING, UNDERFITTING = "just right", "overfitting", "underfitting"


def standard_error(values: Any, weights: Any = None) -> float:
    """Of the mean of independent values: std (ddof = 1) / sqrt(n), or of their weighted mean; NaN below two values."""
    n = len(values)
    if n < 2:
        return np.nan
    share = np.full(n, 1 / n) if weights is None else np.asarray(weights, dtype=float) / np.sum(weights)
    values = np.asarray(values, dtype=float)
    return float(np.sqrt(n / (n - 1) * np.sum(share**2 * (values - share @ values) ** 2)))


@dataclass(frozen=True)
class Verdict:
    """How far a lambda's dev loss lies above the best, the standard error of that, and what it means."""

    text: str
    above_best: float = np.nan
    above_best_se: float = np.nan


def verdicts(lambds: Sequence[float], losses: Sequence[Floats | None], weights: Any = None) -> list[Verdict | None]:
    """For each lambda a verdict on its dev losses, fold by fold or row by row; None where there are none.

    A lambda is just right if its dev loss exceeds the best by no more than one standard error of the difference, which
    is taken in pairs. Any other is overfitting if it is smaller than the best lambda, underfitting if it is larger.
    """
    known = [i for i, each in enumerate(losses) if each is not None]
    if not known:
        return [None] * len(lambds)
    best = min(known, key=lambda i: (_mean(losses[i], weights), -lambds[i]))
    return [
        _verdict(lambd, each, lambds[best], losses[best], weights) for lambd, each in zip(lambds, losses, strict=True)
    ]


def _mean(values: Any, weights: Any) -> float:
    return float(np.average(values, weights=weights))


def _verdict(lambd: float, losses: Floats | None, best_lambd: float, best_losses: Any, weights: Any) -> Verdict | None:
    if losses is None:
        return None
    differences = losses - best_losses
    above, error = _mean(differences, weights), standard_error(differences, weights)
    if lambd == best_lambd or above <= error:
        return Verdict(JUST_RIGHT, above, error)
    return Verdict(OVERFITTING if lambd < best_lambd else UNDERFITTING, above, error)

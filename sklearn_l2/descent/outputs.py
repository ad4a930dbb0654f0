"""Output layers of a network: from scores to the loss per row and its slope.

Scores are (P, b, K): P problems, b rows of a batch, K scores per row.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .losses import LogLoss, SoftmaxCrossEntropy

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Mask = NDArray[np.bool_]


class Output(Protocol):
    """What a network needs to know of its last layer."""

    name: str

    def target(self, y: NDArray[Any], dtype: Any) -> NDArray[Any]:
        """Targets as the other methods want them, one row per row of y."""

    def loss(self, scores: Floats, target: NDArray[Any]) -> Floats:
        """Loss per row, (P, b)."""

    def loss_and_slope(self, scores: Floats, target: NDArray[Any]) -> tuple[Floats, Floats]:
        """Loss per row (P, b) and its slope (P, b, K)."""

    def is_right(self, scores: Floats, target: NDArray[Any]) -> Mask:
        """Rows whose predicted class (all of whose predicted labels) are the target's, (P, b)."""


class LogisticOutput:
    """Two classes (K = 1), or K labels that may occur together. y is 0 or 1, (n,) or (n, K).

    Targets are signs 1 - 2 y, (n, K)."""

    name = "logistic"

    @staticmethod
    def target(y: NDArray[Any], dtype: Any) -> Floats:
        return (1 - 2 * y.reshape(len(y), -1)).astype(dtype)

    @staticmethod
    def loss(scores: Floats, sign: Floats) -> Floats:
        return LogLoss.value(scores, sign)

    @staticmethod
    def loss_and_slope(scores: Floats, sign: Floats) -> tuple[Floats, Floats]:
        return LogLoss.value(scores, sign), LogLoss.slope(scores, sign)

    @staticmethod
    def is_right(scores: Floats, sign: Floats) -> Mask:
        return ((scores > 0) == (sign < 0)).all(axis=-1)


class SoftmaxOutput:
    """K >= 3 classes that exclude one another. y and targets are class codes 0 ... K - 1, (n,)."""

    name = "softmax"

    @staticmethod
    def target(y: NDArray[Any], dtype: Any) -> Integers:
        return y.astype(np.intp, copy=False)

    @staticmethod
    def loss(scores: Floats, code: Integers) -> Floats:
        return SoftmaxCrossEntropy.value(scores, code, apart=True)

    @staticmethod
    def loss_and_slope(scores: Floats, code: Integers) -> tuple[Floats, Floats]:
        return SoftmaxCrossEntropy.loss_and_slope(scores, code, apart=True)

    @staticmethod
    def is_right(scores: Floats, code: Integers) -> Mask:
        return scores.argmax(axis=-1) == code

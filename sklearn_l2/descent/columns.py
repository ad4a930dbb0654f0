"""How the columns that the core sees relate to those of X: centred, and divided by powers of two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .rows import RowBlocks

Floats = NDArray[np.floating]

_LARGEST_INVERSE_SCALE = 2.0**460  # its square, the penalty's weight, times lambda/m stays finite
_SMALLEST_INVERSE_SCALE = 2.0**-1020
_NEARLY_ONE = 2.0**10  # factor to 1 at which a column is far from what single precision cannot hold


@dataclass(frozen=True)
class Columns:
    """How the core's columns relate to X's: x~ = (x - centre) * inverse_scale; `intercept`: theta ends in a bias."""

    centre: Floats
    inverse_scale: Floats
    intercept: bool

    @classmethod
    def unscaled(cls, n_columns: int, *, intercept: bool) -> Columns:
        """X as it is."""
        return cls(np.zeros(n_columns), np.ones(n_columns), intercept)

    @classmethod
    def scaled(cls, rows: RowBlocks, *, intercept: bool, centred: bool) -> Columns:
        """Centred (where a free bias makes up for it), and divided by a power of two near the column's spread."""
        mean, spread = rows.column_centre_and_spread()
        centre = mean if centred else np.zeros_like(mean)
        if not centred:
            spread = np.maximum(spread, np.abs(mean))
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.exp2(-np.floor(np.log2(spread)))
        inverse = np.clip(inverse, _SMALLEST_INVERSE_SCALE, _LARGEST_INVERSE_SCALE)
        return cls(centre, np.where(spread > 0, inverse, 0.0), intercept)

    @cached_property
    def shift(self) -> Floats:
        """What the scaled columns of X have more than the core's."""
        return self.centre * self.inverse_scale

    @cached_property
    def is_scaled(self) -> bool:
        return bool((self.inverse_scale != 1).any())

    @cached_property
    def is_centred(self) -> bool:
        return bool(self.shift.any())

    @cached_property
    def is_nearly_standard(self) -> bool:
        """Whether X rounded to single precision is hardly worse than the core's columns rounded to it."""
        far = (np.abs(self.shift) > 1) | (self.inverse_scale > _NEARLY_ONE) | (self.inverse_scale < 1 / _NEARLY_ONE)
        return not far.any()

    def split(self, *, sparse: bool) -> tuple[Columns, Columns]:
        """What a copy in single precision takes in of it, and how the core's columns then relate to that copy's."""
        nothing = Columns.unscaled(len(self.centre), intercept=self.intercept)
        if sparse:
            return replace(self, centre=nothing.centre), replace(nothing, centre=self.shift)
        return (nothing, self) if self.is_nearly_standard else (self, nothing)

    @cached_property
    def penalty_weight(self) -> Floats:
        """Weight of theta_j^2 in ||W||^2: inverse_scale_j^2, and 1 for columns that carry nothing, (n_columns,)."""
        return np.where(self.inverse_scale > 0, self.inverse_scale**2, 1.0)

    def to_model(self, theta: Floats) -> tuple[Floats, Floats]:
        """Weights (P, K, n_columns) and biases (P, K) for X as it is."""
        n_columns = len(self.centre)
        W = theta[..., :n_columns] * self.inverse_scale
        b = -(W @ self.centre)
        if self.intercept:
            b = b + theta[..., n_columns]
        return W, b

    def from_model(self, W: Floats, b: Floats) -> Floats:
        """The theta of given weights (P, K, n_columns) and biases (P, K)."""
        safe = np.where(self.inverse_scale > 0, self.inverse_scale, 1.0)
        theta = np.where(self.inverse_scale > 0, W / safe, 0.0)
        if not self.intercept:
            return theta
        return np.concatenate([theta, (b + W @ self.centre)[..., None]], axis=-1)

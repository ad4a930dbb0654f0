"""The axis of lambda: logarithmic, with a place of its own for 0 beyond a break."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LABEL = "regularization strength λ (lambd)"

_GAP, _MARGIN = 0.15, 0.05  # between 0 and the smallest positive lambda, and at the ends: shares of the rest
_MOST_TICKS = 7


class LambdaAxis:
    """Lambdas (n,) on an axis; `place` and `value` go to places on it, in decades, and back."""

    def __init__(self, lambds: Floats) -> None:
        positive = lambds[lambds > 0]
        self.has_zero = len(positive) < len(lambds)
        self.least = float(positive.min()) if len(positive) else 1.0
        self.most = float(positive.max()) if len(positive) else 1.0
        self.has_positive = bool(len(positive))
        decades = (np.log10(self.most) - np.log10(self.least)) or 1.0
        self.gap, self.margin = _GAP * decades, _MARGIN * decades

    def place(self, lambds: Any) -> Any:
        """log10 lambda; below the smallest positive one, a straight line to 0."""
        lambds = np.asarray(lambds, dtype=float)
        below = 1 - np.minimum(lambds, self.least) / self.least
        return np.log10(np.maximum(lambds, self.least)) - self.gap * below

    def value(self, places: Any) -> Any:
        """The lambda at a place."""
        places = np.asarray(places, dtype=float)
        start = np.log10(self.least)
        below = np.maximum(start - places, 0) / self.gap
        return np.where(below > 0, self.least * (1 - below), 10.0 ** np.maximum(places, start))

    def draw(self, ax: Any) -> None:
        """Set scale, limits, ticks and label of the x-axis, and mark the break."""
        if self.has_zero:
            ax.set_xscale("function", functions=(self.place, self.value))
        else:
            ax.set_xscale("log")
        ends = self.place(np.array([0.0 if self.has_zero else self.least, self.most if self.has_positive else 0.0]))
        low, high = ends + np.array([-self.margin, self.margin])
        ax.set_xlim(*(self.value([low, high]) if self.has_zero else 10.0 ** np.array([low, high])).tolist())
        ticks, labels = self._ticks()
        ax.set_xticks(ticks, labels)
        ax.set_xticks([], minor=True)
        ax.set_xlabel(LABEL)
        if self.has_zero and self.has_positive:
            middle = self.value(np.log10(self.least) - self.gap / 2)
            ax.plot(
                self.value(self.place(middle) + np.array([-0.06, 0.06]) * self.gap),
                [0, 0],
                transform=ax.get_xaxis_transform(),
                clip_on=False,
                linestyle="none",
                marker=[(-0.5, -1), (0.5, 1)],
                markersize=9,
                color="black",
                zorder=5,
            )

    def _ticks(self) -> tuple[list[float], list[str]]:
        values = _round_numbers(self.least, self.most) if self.has_positive else []
        plain = all(1e-4 < value < 1e5 for value in values)
        labels = [f"{value:g}" if plain else _power(value) for value in values]
        return ([0.0, *values], ["0", *labels]) if self.has_zero else (values, labels)


def _round_numbers(least: float, most: float) -> list[float]:
    """Powers of ten from least to most, or where these are few, numbers between them too."""
    slack = 1e-9
    low, high = np.ceil(np.log10(least) - slack), np.floor(np.log10(most) + slack)
    n = int(high - low) + 1
    if n >= 2:
        step = -(-n // _MOST_TICKS)
        return [float(f"1e{int(k)}") for k in np.arange(low, high + 1, step)]
    lowest = int(np.floor(np.log10(least)))
    near = [float(f"{digit}e{lowest + k}") for k in (0, 1) for digit in (1, 2, 5)]
    inside = [value for value in near if least * (1 - slack) <= value <= most * (1 + slack)]
    return inside if len(inside) > 1 else sorted({float(f"{least:.3g}"), float(f"{most:.3g}")})


def _power(value: float) -> str:
    digit, exponent = f"{value:.2e}".split("e")
    factor = "" if float(digit) == 1 else rf"{float(digit):g} \times "
    return rf"${factor}10^{{{int(exponent)}}}$"


def number(lambd: float) -> str:
    """A lambda in a text."""
    return f"{float(f'{lambd:.3g}'):g}"

"""The model that a proximal Newton step minimizes: a quadratic plus an L1 penalty.

    q(x) = g^T (x - x0) + (1/2) (x - x0)^T H (x - x0) + sum_j threshold_j |x_j|,    threshold_j = 0: not penalized.

Within an orthant q is smooth, and one linear system gives its minimum. What crosses zero on the way there is held at
zero and the others are solved for again: many coordinates change at once, and what is zero is exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
# (r, free) -> s with (H + ridge diag(H)) s = -r on the free coordinates, and s = 0 on the others.
Solve = Callable[[Floats, Mask], Floats]

ROUNDING = 1e-10  # relative: a slope that exceeds its threshold by less does not leave zero
_NO_RIDGE, _FIRST_RIDGE, _LARGEST_RIDGE = 1e-9, 1e-3, 1e6
_EXACT_RIDGE = 1e-8
_MAX_STEPS = 100
_MAX_ROUNDS = 4


class Hessian(Protocol):
    """H (C, C)."""

    diagonal: Floats

    def product(self, v: Floats) -> Floats:
        """H v."""

    def solver(self, free: Mask, ridge: float, tolerance: float) -> Solve:
        """Solves for `free` and parts of it, up to `tolerance` of the residual's energy."""


@dataclass
class Minimum:
    """x (C,), the ridge for the next model, and whether x minimizes q in its orthant and q wants to stay in it."""

    x: Floats
    ridge: float
    settled: bool


def minimize_quadratic(
    hessian: Hessian, gradient: Floats, threshold: Floats, start: Floats, *, accuracy: float, ridge: float
) -> Minimum:
    """x with q(x) near its minimum: the last step gained no more than `accuracy` of all that was gained.

    Steps are damped by ridge diag(H). It grows where a step ends above its start, for flat directions of H lead far
    out of the orthant, and falls otherwise.
    """
    x, slope = start.copy(), gradient.copy()
    gained, inside, damped_by = 0.0, False, np.inf
    for _ in range(_MAX_STEPS):
        sign = _orthant(x, slope, threshold)
        if inside and damped_by <= accuracy and not ((sign != 0) & (x == 0)).any():
            break
        direction, step = _steps(hessian, x, slope, threshold, sign, accuracy=accuracy, ridge=ridge)
        inside, damped_by = step is direction, ridge
        change = hessian.product(step)
        rise = _rise(x, slope, threshold, step, change)
        too_far = rise >= 0 and not inside
        if too_far:
            step = _step_along(hessian, x, slope, threshold, sign, direction)
            change = hessian.product(step)
            rise = _rise(x, slope, threshold, step, change)
            ridge = max(10 * ridge, _FIRST_RIDGE)
        else:
            ridge /= 1e4 if inside else 3
            ridge = ridge if ridge > _NO_RIDGE else 0.0
        if ridge > _LARGEST_RIDGE or (rise > 0 and inside):
            break
        if rise > 0:  # rounding along a flat direction: the larger ridge shortens it
            continue
        x += step
        slope += change
        gained -= rise
        if -rise <= accuracy * gained and not too_far:
            break
    return Minimum(x, ridge, inside and damped_by <= _EXACT_RIDGE)


def size_change(x: Floats, step: Floats) -> Floats:
    """|x + step| - |x|, without cancellation where x keeps its sign."""
    return np.where(x * (x + step) > 0, np.sign(x) * step, np.abs(x + step) - np.abs(x))


def _rise(x: Floats, slope: Floats, threshold: Floats, step: Floats, change: Floats) -> float:
    """q(x + step) - q(x), with change = H step."""
    return float(slope @ step + step @ change / 2 + threshold @ size_change(x, step))


def _orthant(x: Floats, slope: Floats, threshold: Floats) -> Floats:
    """Sign of each coordinate in the orthant to search: that of x, and where x is 0 the one q falls into, or 0."""
    leaves_zero = np.abs(slope) > threshold * (1 + ROUNDING)
    return np.where(x != 0, np.sign(x), np.where(leaves_zero, -np.sign(slope), 0.0))


def _steps(
    hessian: Hessian, x: Floats, slope: Floats, threshold: Floats, sign: Floats, *, accuracy: float, ridge: float
) -> tuple[Floats, Floats]:
    """The step to the minimum of q continued beyond the orthant, and one to about its minimum within the orthant.

    They are the same array where the first stays in the orthant.
    """
    penalized = threshold > 0
    free = (sign != 0) | ~penalized
    solve = hessian.solver(free, ridge, tolerance=10 * accuracy**2)
    orthant_slope = slope + threshold * sign
    direction = step = solve(orthant_slope, free)
    for _ in range(_MAX_ROUNDS):
        crossed = free & penalized & ((x + step) * sign <= 0)
        if not crossed.any():
            return direction, step
        step = np.where(crossed, -x, step)
        free = free & ~crossed
        step += solve(orthant_slope + hessian.product(step) + ridge * hessian.diagonal * step, free)
    crossed = free & penalized & ((x + step) * sign <= 0)
    return direction, np.where(crossed, -x, step)


def _step_along(
    hessian: Hessian, x: Floats, slope: Floats, threshold: Floats, sign: Floats, direction: Floats
) -> Floats:
    """The step to the minimum of q along a direction, without the zeros that it would move to the wrong side."""
    direction = np.where((x == 0) & (direction * sign < 0), 0.0, direction)
    curvature = direction @ hessian.product(direction)
    incline = direction @ (slope + threshold * sign)
    crossing = np.flatnonzero((threshold > 0) & (x * direction < 0))
    at = -x[crossing] / direction[crossing]
    order = np.argsort(at, kind="stable")
    crossing, at = crossing[order], at[order]
    # Past each crossing one more |x_j| grows instead of falling; the minimum is where the incline stops being negative.
    steepening = np.append(0.0, np.cumsum(2 * threshold[crossing] * np.abs(direction[crossing])))
    n_passed = np.count_nonzero(incline + steepening[1:] + curvature * at < 0)
    if curvature > 0:
        length = -(incline + steepening[n_passed]) / curvature
        if n_passed == len(at) or length < at[n_passed]:
            return length * direction
    elif n_passed == len(at):
        return np.zeros_like(x)
    step = at[n_passed] * direction
    step[crossing[n_passed]] = -x[crossing[n_passed]]
    return step

"""Backtracking along a step whose change of the scores is known, for P linear problems at once; reads no X."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linear import LinearObjective
from .loop import Penalty

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

SMALL_MOVE = 0.5  # scores that move by less keep their curvature within exp(+-0.5): the full step must go down
ARMIJO = 1e-4  # of the fall of J that the slope promises, what a step must reach
_RESOLUTION = 1e-10  # relative to J: a decrease smaller than this drowns in its rounding
_MAX_HALVINGS = 60


def dot(a: Floats, b: Floats) -> Floats:
    """Inner product of parameters (P, K, D) per problem, (P,)."""
    return np.einsum("pkd,pkd->p", a, b)


def per_problem(x: NDArray[Any]) -> NDArray[Any]:
    """A number for each problem (P,), shaped to go with parameters (P, K, D)."""
    return x[:, None, None]


def largest_move(change: Floats) -> Floats:
    """Per problem the largest change of a score against the row's others (two classes: against 0), from (n, P, K)."""
    if change.shape[2] == 1:
        return np.maximum(change.max(axis=0), -change.min(axis=0))[:, 0]
    return (change.max(axis=2) - change.min(axis=2)).max(axis=0)


def line_search(
    objective: LinearObjective, penalty: Penalty, params: Floats, s: Floats, change: Floats, slope: Floats, small: Mask
) -> Floats:
    """Step lengths (P,), 1 where it lowers J enough, else backtracked, 0 where none does.

    `slope` (P,) is the fall of J expected of the step s (P, K, D), `change` the scores' change by it (n, P, K), and
    `small` tells which problems' scores hardly move.
    """
    length = np.ones(len(params))
    assert objective.value is not None
    J = objective.value + penalty.value(params)
    # Where J no longer resolves the descent, a small move is known to go down and needs no test.
    undecided = ~(small & (-slope <= _RESOLUTION * J))
    for _ in range(_MAX_HALVINGS):
        if not undecided.any():
            return length
        value = objective.loss_after(change, length, np.flatnonzero(undecided))
        penalties = penalty.value(params + per_problem(length) * s)[undecided]
        enough = (J + ARMIJO * length * slope)[undecided]
        undecided[undecided] = ~(value + penalties <= enough)
        length[undecided] /= 2
    length[undecided] = 0.0
    return length

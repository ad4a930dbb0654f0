"""Backtracking along a step whose change of the scores is known, for P linear problems at once; reads no X."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .linear import LinearObjective
from .loop import Penalty
from .memory import per_problem

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

# Scores that move by less keep their curvature within exp(+-0.5). So J falls by 1 - exp(0.5)/2 of what the slope of a
# Newton step promises, or by more.
SMALL_MOVE = 0.5
# A Newton step whose scores move by d at most changes J by -s^T H s (1 - (e^d - d - 1) / d^2) at most: up to this d it
# falls by a tenth of s^T H s = -slope (Bach 2010, https://doi.org/10.1214/09-EJS521).
SAFE_MOVE = 1.5
ARMIJO = 1e-4  # of the fall of J that the slope promises, what a step must reach
_RESOLVED_MOVE = 1e-3
TINY = np.finfo(float).tiny
_MAX_HALVINGS = 60


def surely_falls(slope: Floats, energy: Floats, move: Floats) -> Mask:
    """Whether a step is known to lower J enough, (P,), from its slope, s^T H s and how far it moves scores (Bach 2010).

    J(x + s) - J(x) <= slope + s^T H s (e^d - d - 1) / d^2 for scores that move by d at most.
    """
    d = np.maximum(move, _RESOLVED_MOVE)
    return slope + energy * (np.expm1(d) - d) / d**2 <= ARMIJO * slope


def line_search(
    objective: LinearObjective,
    penalty: Penalty,
    params: Floats,
    s: Floats,
    change: Floats,
    slope: Floats,
    certain: Mask,
) -> Floats:
    """Step lengths (P,), 1 where it lowers J enough, else backtracked, 0 where none does.

    It starts where the objective's last gradient was. `slope` (P,) is the fall of J expected of the step s (P, K, D),
    `change` the scores' change by it (n, P, K), and `certain` tells which problems' full step is known to go down.
    """
    length = np.ones(len(params))
    if certain.all():
        return length
    undecided = ~certain
    scores = objective.scores
    if scores is None:
        scores = objective.compute_scores(params)
    if objective.scores is None or objective.row_dtype != scores.dtype:  # rounded losses do not compare with exact ones
        loss = objective.loss_after(scores, change, 0 * length, np.arange(len(params)))
    else:
        assert objective.value is not None
        loss = objective.value
    J = loss + penalty.value(params)
    for _ in range(_MAX_HALVINGS):
        value = objective.loss_after(scores, change, length, np.flatnonzero(undecided))
        penalties = penalty.value(params + per_problem(length) * s)[undecided]
        enough = (J + ARMIJO * length * slope)[undecided]
        undecided[undecided] = ~(value + penalties <= enough)
        if not undecided.any():
            return length
        length[undecided] /= 2
    length[undecided] = 0.0
    return length

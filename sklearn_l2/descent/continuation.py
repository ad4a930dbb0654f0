"""Chains of problems that differ in lambda only, solved from large to small lambda.

Along log lambda the weights change smoothly, so that the parabola through three optima ends near the next one
(Allgower and Georg 1990, https://doi.org/10.1007/978-3-642-61257-2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .descents import (
    EARLY_END,
    ROUNDED,
    NewtonEnd,
    descend_newton,
    joined,
    objective_in_single_precision,
    pays_in_single_precision,
)
from .kronecker import Kronecker
from .loop import Descent, descend
from .newton import Newton, TruncatedNewton
from .preconditioners import is_mid_sized
from .problems import LinearProblems
from .results import CONVERGED, LinearFit
from .rows import RowBlocks
from .sampled_hessians import CarriedHessian

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_LONG_CHAINS = 4  # problems in a chain, from which on they are solved one after another
_MOST_POINTS = 3
_MOST_AMPLIFIED = 8.0  # errors of the points, which are amplified 7 times where all are equally spaced


def descend_along(chain: Indices, place: Floats, theta: Floats, solve: Callable[[Indices, Floats], Floats]) -> None:
    """Solve all problems: the first ones of each chain (P,), then the second ones, and so on.

    `solve(problems, start)` gives the theta where it ends; theta (P, K, D) takes it in place. The `place` (P,) is
    log(lambda/m). A chain begins at its theta as given.
    """
    done: list[list[int]] = [[] for _ in range(chain.max() + 1)]
    for level in ranks(chain, place):
        for p in level:
            before = done[chain[p]]
            near = before[-_MOST_POINTS:]
            if near:
                theta[p] = np.tensordot(extrapolation_weights(place[near], place[p]), theta[near], 1)
            before.append(p)
        theta[level] = solve(level, theta[level])


def ranks(chain: Indices, place: Floats) -> list[Indices]:
    """The problems of largest place (P,) in their chain, then the second ones, and so on."""
    rank = np.empty(len(chain), dtype=np.intp)
    for c in range(chain.max() + 1):
        members = np.flatnonzero(chain == c)
        rank[members[np.argsort(-place[members], kind="stable")]] = np.arange(len(members))
    return [np.flatnonzero(rank == r) for r in range(rank.max() + 1)]


def extrapolation_weights(places: Floats, at: float) -> Floats:
    """Weights (N,) of the values at `places` (N,), the nearest last, whose sum is a polynomial's value at `at`.

    It goes through as many of the last ones as do not amplify their errors too much.
    """
    for first in range(len(places) - 1):
        x = places[first:]
        if np.unique(x).size == len(x):
            w = np.array([np.prod((at - np.delete(x, i)) / (x[i] - np.delete(x, i))) for i in range(len(x))])
            if np.abs(w).sum() <= _MOST_AMPLIFIED:
                return np.concatenate([np.zeros(first), w])
    return np.eye(len(places))[-1]


@dataclass
class Path:
    """Optima of problems that differ in lambda only, found one after another: what the next one learns from them."""

    places: list[Floats] = field(default_factory=list)  # of the last few, log lambda/m, (P,)
    W: list[Floats] = field(default_factory=list)
    b: list[Floats] = field(default_factory=list)
    rows: RowBlocks | None = None
    metric: Kronecker | None = None
    debt: float = 0.0  # of the metric, as a TruncatedNewton counts it

    def start(self, problems: LinearProblems) -> tuple[Floats, Floats] | None:
        """W and b where the next optimum is likely to be."""
        if not self.places:
            return None
        places, at = np.stack(self.places), problems.places()
        return continued(places, np.stack(self.W), at), continued(places, np.stack(self.b), at)

    def add(self, problems: LinearProblems, fit: LinearFit) -> None:
        for values, value in ((self.places, problems.places()), (self.W, fit.W), (self.b, fit.b)):
            values.append(value)
            del values[:-_MOST_POINTS]


def continued(places: Floats, values: Floats, at: Floats) -> Floats:
    """Each problem's values (N, P, ...) at places (N, P), the nearest last, continued to its `at` (P,): (P, ...)."""
    weights = [extrapolation_weights(x, to) for x, to in zip(places.T, at, strict=True)]
    return np.stack([np.tensordot(w, values[-len(w) :, p], 1) for p, w in enumerate(weights)])


def are_long(chain: Indices) -> bool:
    """Whether it pays to solve chains of problems (P,) along lambda."""
    return len(chain) >= _LONG_CHAINS * (chain.max() + 1)


def worthwhile_chains(problems: LinearProblems, rows: RowBlocks) -> Indices | None:
    """Which problems differ in lambda only, (P,), where it pays to solve them one after another."""
    if problems.n_score_rows == 1 or not (problems.lambd > 0).all():
        return None
    if not pays_in_single_precision(problems, rows) or not is_mid_sized(rows, problems.n_score_rows):
        return None
    chain = problems.chains()
    return chain if are_long(chain) else None


def continue_along_lambda(
    problems: LinearProblems,
    rows: RowBlocks,
    columns: Columns,
    chain: Indices,
    *,
    tol: float,
    max_iter: int,
) -> tuple[Descent, Newton]:
    """The descent of chains of problems from large to small lambda, and the update rule that ended the last of them."""
    descent = Descent.start(problems.start(columns))
    metric: CarriedHessian | None = None
    last: TruncatedNewton | None = None

    def solve(level: Indices, start: Floats) -> Floats:
        nonlocal metric, last
        some = problems.select(level)
        objective = some.objective(rows, columns, objective_in_single_precision(some, rows, columns))
        metric = metric or CarriedHessian(objective)
        newton = TruncatedNewton(objective, some.penalty(columns), metric.serving(chain[level]), tol=tol)
        newton.debt = newton.debt if last is None else last.debt
        part, last = Descent.start(start), newton
        descend(part, objective, newton.penalty, newton, NewtonEnd(newton, part), max_iter=max_iter)
        descent.take(part, level)
        return part.params

    descend_along(chain, problems.places(), descent.params, solve)
    assert last is not None
    hard = descent.finished != CONVERGED
    left = max_iter - int(descent.n_iter.max())
    if hard.any() and left > 0:
        part, newton = descend_newton(
            problems.select(hard), rows, columns, descent.params[hard], tol=tol, max_iter=left, hard=True
        )
        early = descent.select(hard)
        descent.take(joined(early, part), hard)
        return descent, newton
    return descent, last


def continue_path(
    path: Path, problems: LinearProblems, rows: RowBlocks, columns: Columns, theta: Floats, *, tol: float, max_iter: int
) -> tuple[Descent, TruncatedNewton]:
    """The descent from theta (P, K, D) in the metric of a path, which it refines, and the update rule that ended it."""
    metric, penalty = path.metric, problems.penalty(columns)
    assert metric is not None
    metric.serve(penalty)
    twin = None
    if tol >= ROUNDED and pays_in_single_precision(problems, rows) and metric.is_well_conditioned().all():
        twin = objective_in_single_precision(problems, rows, columns)
    # Of a gradient, single precision rounds off far less than such a tol.
    objective = twin if twin is not None and tol >= EARLY_END else problems.objective(rows, columns, twin)
    newton = TruncatedNewton(objective, penalty, metric.select(np.ones(len(theta), dtype=bool)), tol=tol, near=True)
    newton.debt = path.debt
    descent = Descent.start(theta)
    descend(descent, objective, penalty, newton, NewtonEnd(newton, descent), max_iter=max_iter)
    path.debt = newton.debt
    return descent, newton

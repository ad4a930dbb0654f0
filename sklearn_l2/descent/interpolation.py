"""Where lambdas lie close together, a few of them tell about the others.

Along log lambda the weights change smoothly, with nothing sharper than 1 / (1 + exp(log lambda - log of a curvature)):
a cubic spline through a few optima ends near those between.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from .loop import Descent
from .problems import LinearProblems
from .quasi_newton import NEAR

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Between neighbouring nodes in log lambda; a spline's error grows with its fourth power, and J - J* with its eighth.
FAR, CLOSE = 2.3, 0.8
_FEWEST = 4  # nodes of a cubic spline
_BEYOND = 0.2  # in log lambda, how far a spline is to be trusted


def merged(problems: LinearProblems, furthest: float) -> tuple[LinearProblems, Callable[[Floats], Floats], Indices]:
    """Few problems with the mean data of all, at lambdas that lie close enough to tell about those between.

    Also how to make values for all problems from theirs (R, ...), and which of them is nearest to each problem, (P,).
    """
    mean = problems.with_mean_data(np.unique(problems.lambd))
    few = mean.select(nodes_among(mean.places(), furthest))
    nodes = few.places()
    # Folds differ in m.
    place = np.clip(problems.places(), nodes[0] - _BEYOND, nodes[-1] + _BEYOND)

    def at_all(values: Floats) -> Floats:
        return CubicSpline(nodes, values)(place) if len(nodes) > 1 else np.repeat(values, len(place), axis=0)

    return few, at_all, np.abs(place[:, None] - nodes).argmin(axis=1)


def nodes_among(places: Floats, furthest: float) -> Mask:
    """Which of some places (N,), in increasing order, to solve: the ends, and between as few as lie close enough.

    Of equal places one at most, though lambdas differ: rounding can make them so.
    """
    distinct = np.flatnonzero(np.diff(places, prepend=-np.inf) > 0)
    nodes = np.zeros(len(places), dtype=bool)
    nodes[distinct[[0, -1]]] = True
    last = places[0]
    for here, following in pairwise(distinct):
        if places[following] - last > furthest:
            nodes[here], last = True, places[here]
    return nodes


def descend_at_nodes(problems: LinearProblems, theta: Floats, descend: Callable[[Mask, Floats], Descent]) -> Descent:
    """The descent from theta (P, K, D) of a few lambdas of each chain; the others go as far as a spline tells.

    The way to a problem's optimum from one of nearby data is short and smooth. `descend(which, start)` makes the
    descent of some problems; the ones that do not come near without get one, too.
    """
    chain, place = problems.chains(), problems.places()
    chains = [np.flatnonzero(chain == c) for c in range(chain.max() + 1)]
    chains = [members[np.argsort(place[members], kind="stable")] for members in chains]
    first = np.zeros(len(chain), dtype=bool)
    for members in chains:
        first[members] = nodes_among(place[members], FAR)
    descent = Descent.start(theta.copy())
    descent.take(descend(first, theta[first]), first)
    for members in chains:
        nodes, between = members[first[members]], members[~first[members]]
        if len(nodes) >= _FEWEST and len(between) and (descent.finished[nodes] == NEAR).all():
            ways = CubicSpline(place[nodes], descent.params[nodes] - theta[nodes])
            descent.params[between] += ways(place[between])
            descent.finished[between] = NEAR
    far = ~first & (descent.finished != NEAR)
    if far.any():
        descent.take(descend(far, theta[far]), far)
    return descent

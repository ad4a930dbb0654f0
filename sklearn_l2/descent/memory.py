"""What steps s and their changes y of a gradient tell about the inverse of a Hessian.

Nocedal (1980), https://doi.org/10.1090/S0025-5718-1980-0572855-7. In the steps of conjugate gradients, for the next
system: Morales and Nocedal (2000), https://doi.org/10.1137/S1052623497327854.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

Pair = tuple[Floats, Floats, Floats]  # s, y (P, K, D), 1 / s^T y (P,), where y is 0 and this, too, if they tell nothing


def dot(a: Floats, b: Floats) -> Floats:
    """Inner product of parameters (P, K, D) per problem, (P,)."""
    return np.einsum("pkd,pkd->p", a, b)


def per_problem(x: NDArray[Any]) -> NDArray[Any]:
    """A number for each problem (P,), shaped to go with parameters (P, K, D)."""
    return x[:, None, None]


def pair(s: Floats, y: Floats, is_usable: NDArray[np.bool_] | bool = True) -> Pair:
    """From s and y (P, K, D)."""
    sy = dot(s, y)
    usable = is_usable & (sy > 0)
    return s, np.where(per_problem(usable), y, 0.0), np.where(usable, 1 / sy, 0.0)


def corrected(r: Floats, pairs: list[Pair], solve: Callable[[Floats], Floats]) -> Floats:
    """B r (P, K, D) by the two-loop recursion: B is M^-1, as `solve` has it, corrected by pairs, the latest last."""
    alphas = []
    for s, y, rho in reversed(pairs):
        alphas.append(rho * dot(s, r))
        r = r - per_problem(alphas[-1]) * y
    r = solve(r)
    for (s, y, rho), alpha in zip(pairs, reversed(alphas), strict=True):
        r = r + per_problem(alpha - rho * dot(y, r)) * s
    return r

"""The Hessian of two-class problems with few rows, solved for in a system of one equation per row.

With H = Z^T C Z + rho I, the matrix inversion lemma gives

    H^-1 u = (u - Z^T R q) / rho,    R = C^(1/2),    (R Z Z^T R + rho I) q = R Z u,

and Z Z^T is the same for all problems: no product of matrices is left, but a small factorization for each problem.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrs

from .linear import LinearObjective
from .penalties import L2
from .rows import RowBlocks, multiply

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_MAX_ROWS = 300  # beyond, conjugate gradients take less time than so many factorizations
_LARGEST_CONDITION = 1e9  # of H, up to which the subtraction above leaves enough digits
_LARGEST_CURVATURE = 0.25  # of a row's log loss


class RowSpaceHessian:
    """H of each problem at the point of the objective's last gradient, with an unpenalized bias if there is one."""

    cost = 0.0
    exact = True
    rough = False
    is_built = True

    def __init__(self, rows: RowBlocks) -> None:
        self.rows = rows
        self.gram = multiply(rows.X, rows.X.T)
        self.curvature: Floats = np.empty(0)
        self.strength: Floats = np.empty(0)

    @staticmethod
    def suits(strength: Floats, share: Floats, gram: Floats) -> bool:
        """Whether rows are few, and lambda/m (P,) is not too small for row weights s/m (n, P)."""
        largest = _LARGEST_CURVATURE * np.trace(gram) * share.max()
        return len(gram) <= _MAX_ROWS and bool(largest <= _LARGEST_CONDITION * strength.min())

    def build(self, objective: LinearObjective, penalty: L2, theta: Floats) -> None:
        self.curvature = objective.curvature[..., 0]
        self.strength = penalty.lambd / penalty.m

    def renew(self, objective: LinearObjective, penalty: L2, theta: Floats, stale: NDArray[np.bool_]) -> None:
        self.build(objective, penalty, theta)

    def outdated(self, objective: LinearObjective) -> NDArray[np.bool_]:
        return np.zeros(objective.n_problems, dtype=bool)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Nothing: it is built anew for every step."""

    def solve(self, r: Floats, problems: Indices) -> Floats:
        Z, n = self.rows.X, len(self.gram)
        rank = Z.shape[1]
        u = r[:, 0, :rank]
        products = multiply(u, Z.T)
        combination = np.empty((len(problems), n))
        bias = np.zeros(len(problems))
        has_bias = r.shape[2] > rank

        def solve_one(i: int) -> None:
            p = problems[i]
            root, rho = np.sqrt(self.curvature[:, p]), self.strength[p]
            system = self.gram * root[:, None]
            system *= root
            system.reshape(-1)[:: n + 1] += rho
            q, w = _solve_spd(system, np.stack([root * products[i], root])).T
            if has_bias:
                bias[i] = (r[i, 0, rank] - w @ (root * products[i])) / (rho * (w @ root))
            combination[i] = root * (q + rho * bias[i] * w)

        self.rows.run(solve_one, range(len(problems)), n**3 // 3)
        s = np.empty_like(r)
        s[:, 0, :rank] = (u - multiply(combination, Z)) / self.strength[problems, None]
        if has_bias:
            s[:, 0, rank] = bias
        return s


def _solve_spd(system: Floats, right: Floats) -> Any:
    """Solutions (n, C) for right-hand sides (C, n), of a system (n, n)."""
    try:
        factor = np.linalg.cholesky(system)  # unlike scipy's, it lets other threads run meanwhile
    except np.linalg.LinAlgError:
        return np.zeros_like(right.T)
    return dpotrs(factor.T, right.T)[0]

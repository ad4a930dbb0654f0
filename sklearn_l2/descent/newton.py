"""Truncated Newton: the default update rule, a Newton step by preconditioned conjugate gradients and a line search.

Dembo and Steihaug (1983), https://doi.org/10.1007/BF02592055.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .line_search import SMALL_MOVE, dot, largest_move, line_search, per_problem
from .linear import LinearObjective
from .penalties import L2
from .preconditioners import Preconditioner

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

_ENERGY_TOLERANCE = 0.01  # the squared 10 per cent to which a Newton system is solved at least
_THOROUGH = 1e-8  # where the preconditioner is so poor that a residual measured by it says little
_TINY_MOVE = 0.01
_PATIENCE, _RESOLVED = 25, 1e-13
_FREE_STEPS = 2  # conjugate-gradient steps a fresh preconditioner needs as well


def conjugate_gradients(
    product: Callable[[Floats, Indices], tuple[Floats, Floats]],
    solve: Callable[[Floats, Indices], Floats],
    gradient: Floats,
    tolerance: Floats,
    n_rows: int,
    max_steps: int,
    floor: float,
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Solve H s = -gradient for A problems: s (A, K, D), the scores' change X s (n, A, K), steps taken (A,).

    A problem is done when its residual's energy r^T M^-1 r has fallen to `tolerance` (A,) of the first, 0.01 (10 per
    cent of the step) at most; below that only as long as the energy is above `floor`, and never below `floor` / 100.
    """
    A = len(gradient)
    s = np.zeros_like(gradient)
    change = np.zeros((n_rows, A, gradient.shape[1]))
    steps = np.zeros(A, dtype=np.int64)
    active = np.arange(A)
    r = -gradient
    z = solve(r, active)
    rz = dot(r, z)
    target = np.maximum(np.minimum(np.maximum(tolerance * rz, floor), _ENERGY_TOLERANCE * rz), floor / 100)
    direction = z
    running = rz > 0
    while True:
        if not running.all():
            active, r, direction, rz = active[running], r[running], direction[running], rz[running]
        if not len(active) or steps[active[0]] >= max_steps:
            return s, change, steps
        Hd, Xd = product(direction, active)
        curvature = dot(direction, Hd)
        usable = curvature > 0
        length = np.where(usable, rz / np.where(usable, curvature, 1.0), 0.0)
        Xd *= length[:, None]
        if len(active) == A:
            s += per_problem(length) * direction
            change += Xd
        else:
            s[active] += per_problem(length) * direction
            change[:, active] += Xd
        steps[active] += 1
        Hd *= per_problem(length)
        r -= Hd
        z = solve(r, active)
        rz_next = dot(r, z)
        direction *= per_problem(rz_next / rz)
        direction += z
        rz = rz_next
        running = usable & (rz > target[active])


class TruncatedNewton:
    """s solves H s = -g to 10 per cent or better at the current point; theta := theta + t s.

    A problem has converged when its decrement, -(1/2) g^T s, an estimate of J - J*, is at most tol; it still takes that
    last step. `converged`, `stalled` and `unbounded` (P,) say how the last step went.
    """

    def __init__(
        self,
        objective: LinearObjective,
        penalty: L2,
        preconditioner: Preconditioner,
        *,
        tol: float,
        thorough: bool = False,
    ) -> None:
        self.objective, self.penalty, self.preconditioner = objective, penalty, preconditioner
        self.tol, self.thorough = tol, thorough
        n_problems = objective.n_problems
        self.decrement = np.full(n_problems, np.inf)
        self.reduction = np.ones(n_problems)  # decrement over the one before
        self.converged = np.zeros(n_problems, dtype=bool)
        self.stalled = np.zeros(n_problems, dtype=bool)
        self.unbounded = np.zeros(n_problems, dtype=bool)
        self.doubted = np.zeros(n_problems, dtype=bool)
        self.least = np.full((2, n_problems), np.inf)  # J and decrement so far
        self.idle = np.zeros(n_problems, dtype=np.int64)  # steps since one of them fell
        self._debt = 0.0 if preconditioner.is_built else np.inf

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The loop tells objective and penalty itself."""
        self.preconditioner.keep(mask)
        for name in ("decrement", "reduction", "converged", "stalled", "unbounded", "doubted", "idle"):
            setattr(self, name, getattr(self, name)[mask])
        self.least = self.least[:, mask]

    def step(self, params: Floats, gradient: Floats) -> None:
        """One Newton step for every problem of the batch, params (P, K, D), in place."""
        if self.preconditioner.exact or self._debt >= self.preconditioner.cost:
            self.preconditioner.build(self.objective, self.penalty, params)
            self._debt = 0.0
        elif self.doubted.any():
            self.preconditioner.renew(self.objective, self.penalty, params, self.doubted)
        assert self.objective.value is not None
        J = self.objective.value + self.penalty.value(params)
        s, change = self._newton_direction(params, gradient)
        slope = dot(gradient, s)
        decrement = np.maximum(-slope / 2, np.finfo(float).tiny)
        self.reduction = np.where(np.isinf(self.decrement), 1.0, np.minimum(decrement / self.decrement, 1.0))
        self.decrement = decrement

        move = largest_move(change)
        small = move <= SMALL_MOVE
        length = line_search(self.objective, self.penalty, params, s, change, slope, small)
        params += per_problem(length) * s
        self.objective.move(change, length)
        self.unbounded = (decrement <= self.tol) & ~small & (self.penalty.lambd == 0)
        self.stalled = (length == 0) | self._stands_still(J)
        # The step leaves a hundredth of the decrement where the scores, and so the curvature, hardly change by it.
        left = np.where((move <= _TINY_MOVE) & (not self.preconditioner.rough), 10 * _ENERGY_TOLERANCE, 1.0) * decrement
        self.converged = (left <= self.tol) & small
        # A residual measured by what was the curvature elsewhere says little.
        self.doubted = self.converged & self.preconditioner.outdated(self.objective)
        self.converged &= ~self.doubted

    def _stands_still(self, J: Floats) -> Mask:
        """Which problems have neither lowered J (P,) nor their decrement for many steps: numbers say no more."""
        gained = (J < self.least[0] - _RESOLVED * np.abs(J)) | (self.decrement < self.least[1] / 2)
        self.least = np.minimum(self.least, [J, self.decrement])
        self.idle = np.where(gained, 0, self.idle + 1)
        return self.idle >= _PATIENCE

    def _newton_direction(self, params: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        """s (P, K, D) with H s = -gradient, and X~ s (n, P, K)."""
        if self.preconditioner.exact:
            s = -self.preconditioner.solve(gradient, np.arange(len(params)))
            return s, self.objective.compute_scores(s)
        ridge = self.penalty.curvature(params)

        def product(direction: Floats, problems: Indices) -> tuple[Floats, Floats]:
            Hd, Xd = self.objective.hessian_product(direction, problems)
            Hd += (ridge if len(problems) == len(ridge) else ridge[problems]) * direction
            return Hd, Xd

        # A Newton step is worth solving as exactly as it is right: its error falls with the square of the last one's.
        s, change, steps = conjugate_gradients(
            product,
            self.preconditioner.solve,
            gradient,
            np.minimum(0.1 * self.reduction**2, _THOROUGH if self.thorough else _ENERGY_TOLERANCE),
            self.objective.rows.n_rows,
            max_steps=20 + 2 * gradient[0].size,
            floor=0.0 if self.thorough else 0.1 * self.tol,
        )
        self._debt += float(np.mean(np.maximum(steps - _FREE_STEPS, 0)))
        return s, change

"""Newton's method, the default update rule: a step, by a factorization or conjugate gradients, and a line search.

Truncated Newton: Dembo and Steihaug (1983), https://doi.org/10.1007/BF02592055.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .certificate import best_bias_shift
from .exact_newton import ExactNewton
from .kronecker import MEMORY, Kronecker
from .line_search import SAFE_MOVE, SMALL_MOVE, TINY, line_search
from .linear import LinearObjective
from .memory import dot, per_problem
from .penalties import L2
from .preconditioners import Preconditioner

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

ENERGY_TOLERANCE = 0.01  # the squared 10 per cent to which a Newton system is solved at least
_ENERGY_TOLERANCE_WHEN_NEAR, _SPEED_WHEN_NEAR = 0.25, 0.1  # for a step that is meant to be the last
_THOROUGH = 1e-8  # where the preconditioner is so poor that a residual measured by it says little
# With sparse X and two classes, where a step costs little beside its conjugate gradients, which are many: measured.
_LOOSE, _SPEED_IF_LOOSE = 0.1, 150.0
_SPEED = 10.0  # of Newton's method: after a step from a decrement of e about 10 e^2 is left of it
_LONG = 10.0  # steps of conjugate gradients: M is far larger than H somewhere
_FREE_STEPS = 2  # conjugate-gradient steps a fresh preconditioner needs as well


class LinearSystem(Protocol):
    """H s = -g for A problems."""

    def product(self, direction: Floats, problems: Indices) -> Floats:
        """H direction (A, K, D), for some problems."""

    def precondition(self, r: Floats, problems: Indices) -> Floats:
        """M^-1 r, M near H."""


def conjugate_gradients(
    system: LinearSystem,
    gradient: Floats,
    tolerance: Floats,
    *,
    max_steps: int,
    floor: float,
    speed: float = np.inf,
    at_least: float = ENERGY_TOLERANCE,
) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Solve H s = -gradient for A problems.

    Returns s (A, K, D), the energy r^T H^-1 r of its residual (A,), the longest step (A,) and the number of steps (A,).
    A step is longer than 1 where M is larger than H: the energy is estimated by r^T M^-1 r times the longest step, or
    times 10. A problem is done when it has fallen to `tolerance` (A,) of the energy s^T H s (or of g^T M^-1 g, if that
    is less), or to `speed` times its square; below `at_least` of it only as long as it is above `floor`, and never
    below `floor` / 100.
    """
    s = own = np.zeros_like(gradient)  # own: of the active ones
    energy, gained = np.zeros((2, len(s)))
    longest = np.ones(len(s))
    steps = np.zeros(len(s), dtype=np.int64)
    active = np.arange(len(s))
    r = -gradient
    direction = system.precondition(r, active)
    first = rz = dot(r, direction)
    running = rz > 0
    while True:
        if not running.all():
            s[active] = own
            active, rz = active[running], rz[running]
            own, r, direction = own[running], r[running], direction[running]
        if not len(active) or steps[active[0]] >= max_steps:
            s[active] = own
            return s, energy, longest, steps
        Hd = system.product(direction, active)
        curvature = dot(direction, Hd)
        usable = curvature > 0
        length = np.where(usable, rz / np.where(usable, curvature, 1.0), 0.0)
        own += per_problem(length) * direction
        gained[active] += length * rz
        longest[active] = np.maximum(longest[active], length)
        steps[active] += 1
        Hd *= per_problem(length)
        r -= Hd
        z = system.precondition(r, active)
        rz_next = dot(r, z)
        direction *= per_problem(rz_next / rz)
        direction += z
        rz = rz_next
        energy[active] = left = rz * np.minimum(longest[active], _LONG)
        of_step = np.minimum(gained[active], first[active])
        target = np.minimum(tolerance[active], speed * of_step) * of_step
        target = np.maximum(target, np.minimum(floor, at_least * of_step))
        running = usable & (left > np.maximum(target, floor / 100))


class _NewtonSystem:
    """The Newton system of P problems."""

    def __init__(
        self, objective: LinearObjective, penalty: L2, preconditioner: Preconditioner, params: Floats, *, learns: bool
    ) -> None:
        self.objective = objective
        self.ridge = penalty.curvature(params).astype(preconditioner.dtype, copy=False)
        self.precondition = preconditioner.solve
        self.learner = preconditioner if learns and isinstance(preconditioner, Kronecker) else None
        self.products: list[tuple[Floats, Floats, Indices]] = []  # directions, times which problems' Hessians

    def product(self, direction: Floats, problems: Indices) -> Floats:
        Hd = self.objective.hessian_product(direction, problems)
        Hd += (self.ridge if len(problems) == len(self.ridge) else self.ridge[problems]) * direction
        if self.learner is not None:
            self.products.append((direction.copy(), Hd.copy(), problems))
            del self.products[:-MEMORY]
        return Hd

    def teach(self) -> None:
        """Let the preconditioner take in the products that were made, for the next system."""
        if self.learner is not None:
            for product in self.products:
                self.learner.learn(*product)


class TruncatedNewton:
    """s solves H s = -g to 10 per cent or better near the optimum; theta := theta + t s.

    A problem has converged when its decrement, -(1/2) g^T s, an estimate of J - J*, is at most tol; it still takes that
    last step. No step is taken where the penalty's curvature alone shows that J - J* is at most tol. `converged`,
    `stalled` and `unbounded` (P,) say how the last step went. Problems that begin `near` their optimum are expected to
    end with the first.
    """

    def __init__(
        self,
        objective: LinearObjective,
        penalty: L2,
        preconditioner: Preconditioner,
        *,
        tol: float,
        thorough: bool = False,
        free_bias: bool = True,
        near: bool = False,
    ) -> None:
        self.objective, self.penalty, self.preconditioner = objective, penalty, preconditioner
        self.tol, self.thorough, self.near = tol, thorough, near
        n_problems = objective.n_problems
        self.decrement: Floats = np.full(n_problems, np.inf)
        self.reduction = np.ones(n_problems)  # decrement over the one before
        self.residual: Floats = np.zeros(n_problems)  # energy of what a step leaves of its linear system
        self.converged = np.zeros(n_problems, dtype=bool)
        self.stalled = np.zeros(n_problems, dtype=bool)
        self.unbounded = np.zeros(n_problems, dtype=bool)
        self.strayed, self.doubted = np.zeros((2, n_problems), dtype=bool)
        self.debt = 0.0 if preconditioner.is_built else np.inf
        self.is_loose = preconditioner.rough and objective.is_binary and not thorough
        self.bias_is_best = not free_bias  # whether J is least in it
        self.mends_bias = free_bias and preconditioner.rough and objective.is_binary and objective.keeps_scores

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The loop tells objective and penalty itself."""
        self.preconditioner.keep(mask)
        for name in (
            "decrement",
            "reduction",
            "residual",
            "converged",
            "stalled",
            "unbounded",
            "strayed",
            "doubted",
        ):
            setattr(self, name, getattr(self, name)[mask])

    def step(self, params: Floats, gradient: Floats) -> None:
        """One Newton step for every problem of the batch, params (P, K, D), in place."""
        near = self._known_to_be_near(params, gradient)
        if near.all() and self.objective.scores is not None:
            self.converged, self.decrement = near, np.full(len(params), TINY)
            self.objective.set_scores(self.objective.scores)
            return
        if near.any():
            gradient = np.where(per_problem(near), 0.0, gradient)
        if self.doubted.any():
            self.preconditioner.renew(self.objective, self.penalty, params, self.doubted)
        elif self.debt >= self.preconditioner.cost or (
            self.preconditioner.rough and self.preconditioner.outdated(self.objective).any()
        ):
            self.preconditioner.build(self.objective, self.penalty, params)
            self.debt = 0.0
        s = self._newton_direction(params, gradient)
        slope = dot(gradient, s)
        decrement = np.maximum(-slope / 2, TINY)
        self.reduction = np.where(np.isinf(self.decrement), 1.0, np.minimum(decrement / self.decrement, 1.0))
        self.decrement = decrement

        change = self.objective.score_changes(s)
        left = decrement
        if self.preconditioner.rough:  # and does not tell what a step leaves
            move = self.objective.largest_move(change)
        else:
            move, drift = self.objective.moves(change)
            left = self.preconditioner.safety * self.residual + drift
        small = move <= SMALL_MOVE
        length = line_search(self.objective, self.penalty, params, s, change, slope, move <= SAFE_MOVE)
        params += per_problem(length) * s
        self.objective.move(change, length)
        if self.mends_bias:
            # Of its decrement a step leaves the square at least: only below may it have been the last one.
            self.bias_is_best = bool((decrement**2 <= self.tol).any())
            if self.bias_is_best:
                shift, _ = best_bias_shift(self.objective)
                params[..., -1] += shift
                self.objective.move(np.broadcast_to(shift, change.shape), np.ones(len(params)))
        self.unbounded = (decrement <= self.tol) & ~small & (self.penalty.lambd == 0)
        self.stalled = length == 0
        self.converged = (left <= self.tol) & (small if self.preconditioner.rough else move <= SAFE_MOVE)
        # A residual measured by what is not the curvature here says little.
        renewed = self.doubted
        self.doubted = self.converged & self.preconditioner.outdated(self.objective)
        self.doubted |= self.strayed & (not self.preconditioner.rough)
        self.converged &= renewed | ~self.doubted

    def _known_to_be_near(self, params: Floats, gradient: Floats) -> Mask:
        """Where J - J* <= tol is certain, (P,): it is (1/2) g^T R^-1 g at most, with the curvature R of the penalty."""
        if not (self.preconditioner.rough and self.bias_is_best):
            return np.zeros(len(params), dtype=bool)
        slope = gradient[self.penalty.part]
        return np.einsum("pkd,pkd->p", slope, slope / self.penalty.ridge(params)) / 2 <= self.tol

    def _tolerance(self) -> Floats:
        """Up to which share of its energy a Newton system is solved, (P,)."""
        if self.is_loose:
            return np.full(len(self.reduction), _LOOSE)
        # A Newton step is worth solving as exactly as it is right: its error falls with the square of the last one's.
        return np.minimum(0.1 * self.reduction**2, _THOROUGH if self.thorough else ENERGY_TOLERANCE)

    def _speed(self) -> float:
        """Times its square, how much of its energy a Newton system may keep."""
        if self.near:
            return _SPEED_WHEN_NEAR
        if self.is_loose:
            return _SPEED_IF_LOOSE
        return np.inf if self.preconditioner.rough else _SPEED

    def _newton_direction(self, params: Floats, gradient: Floats) -> Floats:
        """s (P, K, D) with H s = -gradient."""
        # Far from the optimum the next Hessian is another one: then the products teach less than learning costs.
        system = _NewtonSystem(self.objective, self.penalty, self.preconditioner, params, learns=self.near)
        s, self.residual, longest, steps = conjugate_gradients(
            system,
            gradient.astype(self.preconditioner.dtype, copy=False),
            self._tolerance(),
            max_steps=20 + 2 * gradient[0].size,
            floor=0.0 if self.thorough else self.tol / (2 * self.preconditioner.safety),
            speed=self._speed(),
            at_least=_ENERGY_TOLERANCE_WHEN_NEAR if self.near else ENERGY_TOLERANCE,
        )
        system.teach()
        self.strayed = longest > _LONG
        self.debt += float(np.mean(np.maximum(steps - _FREE_STEPS, 0)))
        return s.astype(np.float64, copy=False)


Newton = ExactNewton | TruncatedNewton

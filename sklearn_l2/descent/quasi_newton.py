"""Limited-memory BFGS in the metric of a preconditioner: one pass over X per step, for P problems side by side."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .line_search import ARMIJO, SMALL_MOVE
from .linear import LinearObjective
from .memory import Pair, corrected, dot, pair, per_problem
from .penalties import L2
from .preconditioners import Preconditioner

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_RESOLUTION = 5e5  # times the rounding error of J: a decrease smaller than this drowns in it
_SMALLEST_LENGTH = 1e-3
_MEMORY = 5
_PATIENCE, _FALL = 6, 0.3  # a decrement that falls by less in so many steps will not be small soon

NEAR, LOST = 1, 2


class QuasiNewton:
    """theta := theta + t s with s = -B g; B is M^-1 corrected by the last steps and their changes of the gradient.

    The next gradient shows whether a step was good; a problem that went too far goes back a part of it. A problem is
    near when its decrement (1/2) g^T B g is at most `tol`; a short step is then still made, and not judged. It is lost
    when no step helps, or, unless `patient`, its decrement hardly falls.
    """

    def __init__(
        self,
        objective: LinearObjective,
        penalty: L2,
        preconditioner: Preconditioner,
        *,
        tol: float,
        patient: bool = False,
    ) -> None:
        self.objective, self.penalty, self.preconditioner = objective, penalty, preconditioner
        self.tol, self.patient = tol, patient
        objective.keeps_scores, objective.keeps_curvature = False, not preconditioner.is_built
        self.resolution = _RESOLUTION * float(np.finfo(objective.rows.dtype).eps)
        self.problems = np.arange(objective.n_problems)  # those in the batch, by the preconditioner's count
        self.pairs: list[Pair] = []
        self.decrements: list[Floats] = []  # of the last steps
        self.near, self.lost = np.zeros((2, objective.n_problems), dtype=bool)
        self.length = np.ones(objective.n_problems)
        self.point: Floats = np.empty(0)  # the last good params, with their gradient, J, step and slope along it
        self.gradient: Floats = self.point
        self.J: Floats = self.point
        self.s: Floats = self.point
        self.slope: Floats = self.point

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The loop tells objective and penalty itself."""
        self.pairs = [(s[mask], y[mask], rho[mask]) for s, y, rho in self.pairs]
        self.decrements = [decrement[mask] for decrement in self.decrements]
        for name in ("near", "lost", "problems", "length", "point", "gradient", "J", "s", "slope"):
            setattr(self, name, getattr(self, name)[mask])

    def step(self, params: Floats, gradient: Floats) -> None:
        """Judge the step that led to params (P, K, D), and make the next one, in place."""
        assert self.objective.value is not None
        J = self.objective.value + self.penalty.value(params)
        if not self.point.size:
            if not self.preconditioner.is_built:
                self.preconditioner.build(self.objective, self.penalty, params)
            self.objective.keeps_curvature = False
            self.point, self.gradient, self.J = params.copy(), gradient, J
            self._aim(np.ones(len(params), dtype=bool))
        else:
            good = self._judge(J, gradient)
            self._remember(gradient, good)
            self.point[good], self.gradient[good], self.J[good] = params[good], gradient[good], J[good]
            self._aim(good)
        self.decrements = [*self.decrements[-_PATIENCE:], -self.slope / 2]
        self.near = -self.slope <= 2 * self.tol
        self.lost = ~(self.length >= _SMALLEST_LENGTH) | ~(self.slope <= 0) | self._slow()
        # The core's columns are about as large as 1: a step so short hardly moves a score.
        is_short = np.abs(self.s).sum(axis=2).max(axis=1) <= SMALL_MOVE / 2
        stays = self.lost | (self.near & ~is_short)
        params[...] = self.point + per_problem(np.where(stays, 0.0, self.length)) * self.s

    def _slow(self) -> Mask:
        """Which decrements have hardly fallen of late: the metric does not suit the problem."""
        if self.patient or len(self.decrements) <= _PATIENCE:
            return np.zeros(len(self.slope), dtype=bool)
        return self.decrements[-1] > _FALL * self.decrements[-1 - _PATIENCE]

    def _judge(self, J: Floats, gradient: Floats) -> Mask:
        """Which steps lowered J enough; the others are shortened to where the slope along them seems to be 0."""
        slope = dot(gradient, self.s)
        # Where J no longer resolves the descent, its slope along the step has to have fallen.
        unresolved = (-self.slope <= self.resolution * self.J) & (np.abs(slope) <= -self.slope)
        good = (J <= self.J + ARMIJO * self.length * self.slope) | unresolved
        if good.all():
            return good
        zero_at = self.slope / (self.slope - slope)
        shorter = np.where(np.isfinite(zero_at), np.clip(zero_at, 0.1, 0.5), 0.1)
        self.length = np.where(good, self.length, self.length * shorter)
        return good

    def _remember(self, gradient: Floats, good: Mask) -> None:
        """Take in the pair of the step just made."""
        self.pairs.append(pair(per_problem(self.length) * self.s, gradient - self.gradient, good))
        del self.pairs[:-_MEMORY]

    def _aim(self, good: Mask) -> None:
        """A new step for the problems that stand at a new point."""
        if not good.any():
            return
        precondition = partial(self.preconditioner.solve, problems=self.problems)
        direction = -corrected(self.gradient, self.pairs, precondition)
        slope = dot(self.gradient, direction)
        if good.all():
            self.s, self.slope, self.length = direction, slope, np.ones_like(slope)
        else:
            self.s[good], self.slope[good], self.length[good] = direction[good], slope[good], 1.0


class QuasiNewtonEnd:
    """Stops the problems that are near, and those that are lost."""

    def __init__(self, update: QuasiNewton) -> None:
        self.update = update

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        reason = NEAR * self.update.near
        reason[self.update.lost] = LOST
        return reason

    def keep(self, mask: Mask) -> None:
        """The update forgets the problems itself."""

"""Newton's method with the Hessian itself, in few steps.

The first one from W = 0 is the least-squares solution, which points to Fisher's discriminant and falls short of it.
The others are bent by the third derivative: one more solution with the same factor, and an error of the third order
(Chebyshev's method; Traub 1964, Iterative Methods for the Solution of Equations).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .line_search import SMALL_MOVE, TINY, line_search, surely_falls
from .losses import SoftmaxCrossEntropy
from .memory import dot, per_problem
from .penalties import L2
from .preconditioners import Exact
from .standardized import StandardizedObjective

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

# Of tol, what may be left. An error of W shows in J with its square only: where J is wanted to the last digit, so is W.
_LITTLE, _NEXT_TO_NOTHING = 0.1, 1e-5
_LAST_DIGITS = 1e-11
_LONG, _BENDABLE = 1.0, 3.0  # moves of scores: beyond, a start takes the discriminant; up to which a bend helps
_SURE = 0.9  # of what least squares explain: on few rows, some of it is chance


class ExactNewton:
    """s = -H^-1 g with the Hessian itself, then lengthened or bent; theta := theta + t s.

    `converged`, `stalled` and `unbounded` are as of a TruncatedNewton.
    """

    def __init__(self, objective: StandardizedObjective, penalty: L2, hessian: Exact, *, tol: float) -> None:
        self.objective, self.penalty, self.preconditioner, self.tol = objective, penalty, hessian, tol
        self.enough = tol * (_LITTLE if tol > _LAST_DIGITS else _NEXT_TO_NOTHING)
        self.is_first = True
        self.decrement: Floats = np.empty(0)
        self.converged, self.stalled, self.unbounded = np.zeros((3, objective.n_problems), dtype=bool)

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The loop tells objective and penalty itself, and a step keeps nothing."""

    def step(self, params: Floats, gradient: Floats) -> None:
        """One step for every problem of the batch, params (P, K, D), in place."""
        objective, hessian, each = self.objective, self.preconditioner, np.arange(len(params))
        hessian.build(objective, self.penalty, params)
        s = hessian.solve(gradient, each)
        np.negative(s, out=s)
        slope = dot(gradient, s)
        energy = -slope  # s^T H s
        self.decrement = np.maximum(energy / 2, TINY)
        change = objective.score_changes(s)
        move = objective.largest_move(change)
        # Scores that move by d change their curvature by d of it at most, which leaves d^2 of the decrement at most.
        left = move**2 * self.decrement
        leaves_much = left > self.enough
        from_zero = self.is_first and not params[..., : objective.rows.n_columns].any()
        self.is_first = False
        longer = leaves_much & (move > _LONG) & from_zero
        bent = leaves_much & (move <= _BENDABLE) & ~longer & hessian.keeps_factor
        if longer.any():
            discriminant = self._discriminant(params, gradient, s)
            longer &= dot(gradient, discriminant) < 0
            s = np.where(per_problem(longer), discriminant, s)
            slope = dot(gradient, s)
            change = objective.score_changes(s)
        if bent.any():
            bend = objective.bend(change)
            aside = hessian.solve(bend, each)
            # Far from the optimum, a bend can take a step back to where it came from.
            bent &= dot(gradient, aside) >= slope / 2
            bend, aside = bend * per_problem(bent), aside * per_problem(bent)
            s -= aside
            change -= objective.score_changes(aside)
            slope = dot(gradient, s)
            energy = -slope - dot(bend, s)
            move = np.maximum(move, objective.largest_move(change))
            left = np.where(bent, move**2 * dot(bend, aside), left)
        small = move <= SMALL_MOVE
        certain = small if small.all() else surely_falls(slope, energy, move) & ~longer
        length = line_search(objective, self.penalty, params, s, change, slope, certain)
        params += per_problem(length) * s
        objective.move(change, length)
        self.converged = small & (left <= self.enough)
        self.unbounded = ~small & (self.decrement <= self.tol) & (self.penalty.lambd == 0)
        self.stalled = length == 0

    def _discriminant(self, params: Floats, gradient: Floats, s: Floats) -> Floats:
        """Fisher's discriminant (P, K, D), from the Newton step s from W = 0.

        In place of the total covariance, of which s has the inverse, it has S_t - sum_k p_k m_k m_k^T, the one within
        classes of share p_k and mean m_k. Data centred at 0 have the gradients -p_k m_k.
        """
        n_columns = self.objective.rows.n_columns
        g, w = gradient[..., :n_columns], s[..., :n_columns]
        explained = np.matmul(w, g.transpose(0, 2, 1))  # -R^2 for two classes
        unexplained = np.eye(g.shape[1]) + _SURE * explained
        w = w / unexplained if self.objective.is_binary else np.linalg.solve(unexplained, w)
        s = s.copy()
        s[..., :n_columns] = w
        if s.shape[2] > n_columns:
            b = params[..., n_columns]
            if self.objective.is_binary:
                s[..., n_columns] -= np.sinh(b) * dot(g, w)[:, None]  # (1/p_1 - 1/p_0) / 2
            else:
                p = SoftmaxCrossEntropy.probabilities(b)
                w = w - np.matmul(p[:, None], w)
                shift = np.einsum("pkd,pkd->pk", g, w) / (2 * p)
                s[..., n_columns] += shift - shift.mean(axis=1, keepdims=True)
        return s

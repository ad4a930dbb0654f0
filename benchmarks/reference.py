"""How far a model is from the optimum: J - J*, to 1e-14 and better, without the package that is measured.

    J(W, b) = (1/m) sum_i loss(scores_i, y_i) + lambd/(2 m) ||W||^2     or     + lambd/m ||W||_1,    m rows

J - J* is not a difference of two costs, which would lose what is below 1e-16 J. With scores s* of the optimum and
d = X (W - W*) + b - b*, the loss of a row changes by log(1 + sum_k p*_k (e^d_k - 1)) - d_y, which keeps its relative
precision, and the rows' changes are added exactly. The optimum is that of L2LogisticRegression or L1LogisticRegression
at its strictest, put right by Newton steps made here; what is left is told by the last one, g^T H^-1 g / 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression

Array = np.ndarray[Any, Any]

_STEPS = 5
_CLOSE = 1e-18  # a Newton step that gains less than this is the last one
_RESIDUAL = 1e-2  # a Newton step leaves so much of its linear system,
_MAX_PRODUCTS = 500  # or stops after so many products with the Hessian


@dataclass(frozen=True)
class Problem:
    """What is minimized; y holds 0, 1, ... and two classes have one row of weights."""

    X: Any
    y: Array
    lambd: float
    penalty: str = "l2"
    intercept: bool = True

    @property
    def n_score_rows(self) -> int:
        n_classes = int(self.y.max()) + 1
        return n_classes if n_classes > 2 else 1

    def scores(self, W: Array, b: Array) -> Array:
        """X W^T + b, (n, K): for two classes those of class 1, beside zeros for class 0."""
        own = np.asarray(self.X @ W.T) + b
        return np.column_stack([np.zeros(len(own)), own]) if self.n_score_rows == 1 else own


@dataclass(frozen=True)
class Reference:
    """The optimum: weights (K, d), intercepts (K,), class probabilities of all rows, and a bound on what is left."""

    problem: Problem
    W: Array
    b: Array
    p: Array
    left: float

    def suboptimality(self, W: Any, b: Any) -> float:
        """J(W, b) - J*."""
        problem = self.problem
        m = len(problem.y)
        dW = np.asarray(W, dtype=np.float64) - self.W
        db = np.asarray(b, dtype=np.float64) - self.b
        if not (np.isfinite(dW).all() and np.isfinite(db).all()):
            return math.inf
        change = problem.scores(dW, db)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            growth = np.log1p(np.einsum("nk,nk->n", self.p, np.expm1(change)))
        far = ~np.isfinite(growth)
        growth[far] = np.logaddexp.reduce(np.log(np.maximum(self.p[far], 1e-300)) + change[far], axis=1)
        loss = math.fsum((growth - change[np.arange(m), problem.y]).tolist()) / m
        if problem.penalty == "l1":
            penalty = problem.lambd / m * math.fsum((np.abs(self.W + dW) - np.abs(self.W)).ravel().tolist())
        else:
            penalty = problem.lambd / (2 * m) * math.fsum((dW * (2 * self.W + dW)).ravel().tolist())
        return loss + penalty


def solve(problem: Problem) -> Reference:
    """The optimum of a problem."""
    kind = L1LogisticRegression if problem.penalty == "l1" else L2LogisticRegression
    model = kind(problem.lambd, tol=1e-16, fit_intercept=problem.intercept).fit(problem.X, problem.y)
    W, b = model.coef_.astype(float), np.broadcast_to(model.intercept_, problem.n_score_rows).astype(float)
    for _ in range(_STEPS):
        newton = _Newton(problem, W, b)
        dW, db, left = newton.step()
        if left <= _CLOSE:
            break
        if problem.penalty == "l1" and (np.sign(W + dW) != np.sign(W)).any():
            break  # the signs are not yet those of the optimum, or a weight is 0 but for rounding
        W, b = W + dW, b + db
    return Reference(problem, W, b, newton.p, max(left, newton.violation))


class _Newton:
    """A Newton step at (W, b), on the weights that are not 0 where the penalty is L1."""

    def __init__(self, problem: Problem, W: Array, b: Array) -> None:
        X, m, K = problem.X, len(problem.y), problem.n_score_rows
        self.problem = problem
        self.p = softmax(problem.scores(W, b), axis=1)
        residual = self.p.copy()
        residual[np.arange(m), problem.y] -= 1
        self.residual = residual[:, 1:] if K == 1 else residual
        data_gradient = np.asarray(X.T @ self.residual).T / m
        strength = problem.lambd / m
        if problem.penalty == "l1":
            self.free = W != 0
            self.gradient = data_gradient + strength * np.sign(W)
            excess = np.maximum(np.abs(data_gradient[~self.free]) - strength, 0)
            # Moving a weight whose gradient is too large by e gains about e^2 over twice its curvature.
            curvature = np.mean(self._curvatures()) * self._squares().mean() if excess.any() else 1.0
            self.violation = float(np.sum(excess**2) / (2 * curvature))
            self.strength = 0.0
        else:
            self.free = np.ones_like(W, dtype=bool)
            self.gradient = data_gradient + strength * W
            self.violation = 0.0
            self.strength = strength

    def step(self) -> tuple[Array, Array, float]:
        """What to add to W and b, and g^T H^-1 g / 2."""
        K, d = self.free.shape
        m = len(self.problem.y)
        bias = self.residual.mean(axis=0)
        if K > 1:
            bias -= bias.mean()  # which is 0 but for rounding: H knows nothing of a shift of all intercepts
        g = np.concatenate([self.gradient[self.free], bias if self.problem.intercept else []])
        n_weights = int(self.free.sum())
        squares = self._squares()
        diagonal = np.full(len(g), 1.0)
        per_class = self._curvatures()
        diagonal[:n_weights] = (np.outer(per_class, squares) + self.strength)[self.free]
        diagonal[n_weights:] = per_class[: len(g) - n_weights]
        scale = 1 / np.sqrt(np.maximum(diagonal, 1e-300))

        def product(v: Array) -> Array:
            v = v * scale
            dW, db = np.zeros((K, d)), np.zeros(K)
            dW[self.free] = v[:n_weights]
            db[: len(g) - n_weights] = v[n_weights:]
            ds = self.problem.scores(dW, db)
            slope = self.p * (ds - np.einsum("nk,nk->n", self.p, ds)[:, None])
            slope = slope[:, 1:] if K == 1 else slope
            HW = np.asarray(self.problem.X.T @ slope).T / m + self.strength * dW
            return np.concatenate([HW[self.free], slope.mean(axis=0)[: len(g) - n_weights]]) * scale

        step = _conjugate_gradients(product, -g * scale) * scale
        dW, db = np.zeros((K, d)), np.zeros(K)
        dW[self.free], db[: len(g) - n_weights] = step[:n_weights], step[n_weights:]
        return dW, db, float(-g @ step / 2)

    def _squares(self) -> Array:
        X = self.problem.X
        squares = X.multiply(X).mean(axis=0) if hasattr(X, "multiply") else np.einsum("ij,ij->j", X, X) / len(X)
        return np.asarray(squares).ravel()

    def _curvatures(self) -> Array:
        curvature = (self.p * (1 - self.p)).mean(axis=0)
        return curvature[1:] if self.problem.n_score_rows == 1 else curvature


def _conjugate_gradients(product: Callable[[Array], Array], b: Array) -> Array:
    """x with product(x) = b, but for a small part of b."""
    x, r = np.zeros_like(b), b
    p, square = r, r @ r
    enough = _RESIDUAL**2 * square
    for _ in range(_MAX_PRODUCTS):
        if square <= enough:
            break
        Hp = product(p)
        length = square / (p @ Hp)
        x, r = x + length * p, r - length * Hp
        p, square = r + (r @ r) / square * p, r @ r
    return x

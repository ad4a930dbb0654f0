"""L1-penalized linear problems from start to certified end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from .certificate import best_bias_shift
from .columns import Columns
from .linear import LinearObjective
from .loop import Descent, descend
from .losses import LogLoss, SoftmaxCrossEntropy
from .penalties import L1
from .problems import LinearProblems
from .proximal import ProximalNewton, least_shift
from .results import CONVERGED, STALLED, LinearFit
from .rows import RowBlocks

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_LARGEST_THRESHOLD = 1e300  # beyond any gradient, and finite


class _ProximalEnd:
    """Stops the problems whose decrement is small, and those that can go no further."""

    def __init__(self, update: ProximalNewton) -> None:
        self.update = update

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        return np.select([self.update.converged, self.update.stalled], [CONVERGED, STALLED])

    def keep(self, mask: Mask) -> None:
        """The update forgets the problems itself."""


@np.errstate(all="ignore")
def solve_proximal_newton(
    problems: LinearProblems,
    rows: RowBlocks,
    *,
    tol: float,
    max_iter: int,
    start: tuple[Floats, Floats] | None = None,
) -> LinearFit:
    """The optimum of J with the L1 penalty lambda/m ||w||_1 for lambda > 0; biases are free."""
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    objective, penalty = problems.objective(rows, columns), _penalty(problems, columns)
    update = ProximalNewton(objective, penalty, tol=tol)
    descent = Descent.start(problems.start(columns) if start is None else columns.from_model(*start))
    descend(descent, objective, penalty, update, _ProximalEnd(update), max_iter=max_iter)
    return _finish(problems, rows, columns, descent)


def _penalty(problems: LinearProblems, columns: Columns) -> L1:
    """lambda/m ||W||_1 in the core's columns."""
    weight = np.where(columns.inverse_scale > 0, columns.inverse_scale, 1.0)
    weight = np.minimum(weight, _LARGEST_THRESHOLD / np.maximum(problems.lambd / problems.m, 1.0).max())
    return L1(problems.lambd, problems.m, np.s_[:, : len(weight)], weight)


def _finish(problems: LinearProblems, rows: RowBlocks, columns: Columns, descent: Descent) -> LinearFit:
    """Back to the columns of X, with J and the certificate at the end."""
    theta, n_columns = descent.params, rows.n_columns
    if problems.n_score_rows > 1:
        theta[..., :n_columns] = least_shift(theta[..., :n_columns])
    W, b = columns.to_model(theta)
    if problems.n_score_rows > 1 and problems.free_bias:
        b -= b.mean(axis=1, keepdims=True)
    W, b = (a.astype(problems.dtype).astype(np.float64) for a in (W, b))
    theta = columns.from_model(W, b)
    objective, penalty = problems.objective(rows, columns), _penalty(problems, columns)
    J, gap = dual_gap(objective, penalty, theta, free_bias=problems.free_bias)
    for losses, last in zip(descent.losses, zip(J.tolist(), penalty.value(theta).tolist(), strict=True), strict=True):
        losses.append(last)
    separable = np.zeros(len(gap), dtype=bool)
    return LinearFit(W, b, descent.n_iter, descent.losses, descent.finished == CONVERGED, separable, gap)


def dual_gap(objective: LinearObjective, penalty: L1, theta: Floats, *, free_bias: bool) -> tuple[Floats, Floats]:
    """J (P,) at theta (P, K, D), and an upper bound on J - J* (P,).

    With the bias solved again for fixed W, the residuals r, shrunk by c <= 1 until |sum_i s_i x_ij c r_i| <= lambda for
    every column, are a feasible point of the dual problem. The gap between J and the dual value there is the sum of

        (1/m) sum_i s_i KL(e_y + c r_i || e_y + r_i)  and  sum_kj threshold_kj |theta_kj| + c gradient_kj theta_kj,

    neither of which can be negative.
    """
    scores = objective.compute_scores(theta)
    objective.set_scores(scores)
    J = objective.loss() + penalty.value(theta)
    excess = np.zeros(len(theta))
    if free_bias:
        objective.set_scores(scores + best_bias_shift(objective)[0])
        excess = np.maximum(J - objective.loss() - penalty.value(theta), 0.0)
    _, gradient = objective.gradient(theta)
    threshold = penalty.threshold(theta)
    penalized = threshold > 0
    ratio = np.divide(np.abs(gradient), threshold, out=np.zeros_like(gradient), where=penalized)
    c = 1 / np.maximum(ratio.max(axis=(1, 2)), 1.0)
    slack = np.where(penalized, threshold * np.abs(theta) + c[:, None, None] * gradient * theta, 0.0)
    divergence = np.einsum("np,np->p", objective.share_of(slice(None)), _divergence(objective, c))
    return J, excess + divergence + np.maximum(slack, 0.0).sum(axis=(1, 2))


def _divergence(objective: LinearObjective, c: Floats) -> Floats:
    """KL divergence of e_y + c r from e_y + r = p per row, (n, P), with r = p - e_y at the current scores."""
    assert objective.scores is not None
    if objective.is_binary:
        wrong = np.abs(LogLoss.slope(objective.scores, objective.target))[..., 0]
        right = np.abs(LogLoss.slope(objective.scores, -objective.target))[..., 0]
    else:
        p = SoftmaxCrossEntropy.probabilities(objective.scores)
        own = objective.target[..., None]
        right = np.take_along_axis(p, own, axis=2)[..., 0]
        wrong = -np.take_along_axis(SoftmaxCrossEntropy.slope_from_probabilities(p, objective.target), own, axis=2)
        wrong = wrong[..., 0]
    # The wrong classes keep a share c of their probability; the right one gets what they lose.
    moved = (1 - c) * wrong
    growth = np.divide(moved, right, out=np.where(moved > 0, np.inf, 0.0), where=right > 0)
    return np.maximum(wrong * xlogy(c, c) + (1 - c * wrong) * np.log1p(growth), 0.0)

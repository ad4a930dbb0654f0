"""A certificate: an upper bound on J - J* from the gradient, without knowing the optimum.

For fixed W the bias is solved again; then the residuals are a feasible point of the dual problem (Fenchel duality,
Rockafellar 1970), and

    J(W, b) - J* <= [J(W, b) - J(W, b^)] + m/(2 lambda) ||grad_W J(W, b^)||^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linear import LinearObjective
from .losses import LogLoss, SoftmaxCrossEntropy
from .penalties import L2
from .rows import multiply

Floats = NDArray[np.floating]

_SMALL_STEP = 1e-6  # of Newton's method: its square is what is left
_FLAT = 1e-15  # of the largest eigenvalue: what rounding leaves of none


def dual_gap(
    objective: LinearObjective,
    penalty: L2,
    theta: Floats,
    *,
    column_weight: Floats | None,
    free_bias: bool,
) -> tuple[Floats, Floats]:
    """The data loss (P,) at theta (P, K, D), where the objective's scores are, and the bound on J - J* (P,).

    It is infinite for lambda 0.

    `column_weight` (P, n_columns) is the weight of w_j^2 in ||W||^2 where it is not one.
    """
    assert objective.scores is not None
    before: Any = 0.0
    if free_bias:
        shift, before = best_bias_shift(objective)
        objective.set_scores(objective.scores + shift)
        theta = theta.copy()
        theta[..., -1] += shift
    loss, gradient = objective.gradient(theta)
    excess = np.maximum(before - loss, 0.0)  # of the bias, which is not penalized
    penalty.add_gradient(theta, gradient)
    n_columns = objective.rows.n_columns
    scale = objective.columns.inverse_scale
    if column_weight is not None:
        scale = scale * np.sqrt(column_weight)[:, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gradient[..., :n_columns] = np.where(scale > 0, gradient[..., :n_columns] / scale, 0.0)
        if free_bias:
            gradient = gradient[..., :n_columns]
        squares = np.einsum("pkd,pkd->p", gradient, gradient)
        bound = excess + penalty.m / (2 * penalty.lambd) * squares
    bound = np.where((penalty.lambd > 0) & ~np.isnan(bound), bound, np.inf)
    return before if free_bias else loss, bound


def best_bias_shift(objective: LinearObjective, max_steps: int = 50) -> tuple[Floats, Floats]:
    """What to add to the biases (P, K) to minimize J for fixed W, and the data loss (P,) before that.

    By Newton's method in one dimension, or in K - 1.
    """
    assert objective.scores is not None
    shift = np.zeros(objective.scores.shape[1:])
    before: Floats = np.empty(0)
    for i in range(max_steps):
        loss, g, H = _bias_derivatives(objective, shift)
        if i == 0:
            before = loss
        if not np.isfinite(H).all():
            break
        if objective.is_binary:
            step: Floats = -g / np.maximum(H[:, 0], np.finfo(float).tiny)
        else:
            H += 1 / g.shape[1]  # one vector added to all classes changes nothing
            step = _solve_symmetric(H, -g)
            step -= step.mean(axis=1, keepdims=True)
        step = np.clip(step, -1, 1)
        shift += step
        if np.abs(step).max(initial=0.0) <= _SMALL_STEP:
            break
    return shift, before


def _solve_symmetric(H: Floats, g: Floats) -> Floats:
    """x (P, K) with H x = g as far as H (P, K, K) tells, and 0 along what it is flat in."""
    eigenvalues, U = np.linalg.eigh(H)
    curved = eigenvalues > _FLAT * eigenvalues[:, -1:]
    along = np.matmul(g[:, None], U)[:, 0]
    x = np.divide(along, eigenvalues, out=np.zeros_like(g), where=curved)
    return np.matmul(U, x[..., None])[..., 0]


def _bias_derivatives(objective: LinearObjective, shift: Floats) -> tuple[Floats, Floats, Floats]:
    """The data loss (P,) and its derivatives in the biases, (P, K) and (P, K, K), at scores + shift (P, K)."""
    assert objective.scores is not None
    scores, each = objective.scores, np.arange(shift.shape[1])

    def add(rows: slice, value: Floats, g: Floats, H: Floats) -> None:
        for part in objective.pieces(rows):
            z, target, share = scores[part] + shift, objective.target[part], objective.share_of(part)
            if objective.is_binary:
                loss, slope, curvature = LogLoss.derivatives(z, target)
                assert curvature is not None
                loss = loss[..., 0]
                H[:, 0] += np.einsum("np,npk->pk", share, curvature)
            else:
                loss, slope, p = SoftmaxCrossEntropy.derivatives(z, target)
                weighted = p * share[..., None]
                for k in range(len(H)):
                    H[k] -= multiply(p[:, k].T, weighted[:, k])
                H[:, each, each] += weighted.sum(axis=0)
            value += np.einsum("np,np->p", share, loss)
            g += np.einsum("np,npk->pk", share, slope)

    value, g, H = objective.rows.sum_rows(add, shift.shape[:1], shift.shape, (*shift.shape, shift.shape[1]))
    return value, g, H

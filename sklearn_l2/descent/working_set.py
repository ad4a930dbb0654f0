"""The working set: the columns that a proximal Newton step moves, gathered into a small matrix, and their Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from .columns import Columns
from .linear import LinearObjective
from .newton import ENERGY_TOLERANCE, conjugate_gradients
from .quadratic import Hessian, Solve
from .rows import RowBlocks, multiply

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

_LARGEST_DENSE = 2**20  # elements of sparse columns that are few enough to be treated as dense ones
_LARGEST_GRAM = 3000  # coordinates
_BLOCK_ELEMENTS, _LEAST_BLOCK_ROWS = 2**17, 512
_HELD_PER_FREE = 1 / 6  # holding more coordinates costs more than another Cholesky factor
_JITTER = 1e-14
_MAX_CG_STEPS = 500
_ONE_PROBLEM = np.arange(1)


class WorkingSet:
    """Some columns of X~ and the bias, copied for one problem of the batch.

    `parameters` says which of the D parameters they are; a coordinate is an index into (K, len(parameters)).
    """

    def __init__(self, objective: LinearObjective, problem: int, columns: Indices) -> None:
        bias = [objective.rows.n_columns] if objective.columns.intercept else []
        self.columns = columns
        self.parameters = np.append(columns, bias).astype(np.intp)
        keep_sparse = objective.rows.is_sparse and objective.rows.n_rows * len(columns) > _LARGEST_DENSE
        gather = _gather_sparse if keep_sparse else _gather_dense
        rows, relation = gather(objective, columns)
        fold = objective.fold[[problem]]
        self.objective = LinearObjective(
            rows, relation, objective.target, objective.share, fold, objective.n_score_rows
        )

    def holds(self, columns: Indices) -> bool:
        """Whether all these columns are here."""
        return bool(np.isin(columns, self.columns, assume_unique=True).all())

    def hessian(self, curvature: Floats, coordinates: Indices) -> Hessian:
        """H between some coordinates, at the point whose curvature (n, 1, K) is given."""
        self.objective.curvature = curvature
        if self.objective.rows.is_sparse or len(coordinates) > _LARGEST_GRAM:
            return ProductHessian(self.objective, coordinates)
        return GramHessian(_gram(self.objective, coordinates))

    def scores(self, step: Floats) -> Floats:
        """The scores' change (n, 1, K) by a step (K, len(parameters))."""
        return self.objective.compute_scores(step[None])


def _gather_dense(objective: LinearObjective, columns: Indices) -> tuple[RowBlocks, Columns]:
    """Columns centred and scaled, and a last one of ones for the bias."""
    rows, intercept = objective.rows, objective.columns.intercept
    centre, scale = objective.columns.centre[columns], objective.columns.inverse_scale[columns]
    gathered = np.ones((rows.n_rows, len(columns) + intercept))

    def copy(block: Any, at: slice) -> None:
        part = block[:, columns].toarray() if rows.is_sparse else block[:, columns]
        part = np.subtract(part, centre, out=gathered[at, : len(columns)])
        part *= scale

    rows.sum_blocks(copy)
    return rows.like(gathered, objective.n_score_rows), Columns.unscaled(gathered.shape[1], intercept=False)


def _gather_sparse(objective: LinearObjective, columns: Indices) -> tuple[RowBlocks, Columns]:
    """Columns as they are in X, and their relation to X~."""
    relation = objective.columns
    pieces: dict[int, Any] = {}

    def copy(block: Any, at: slice) -> None:
        pieces[at.start] = block[:, columns]

    objective.rows.sum_blocks(copy)
    gathered = sp.vstack([pieces[start] for start in sorted(pieces)], format="csr")
    relation = Columns(relation.centre[columns], relation.inverse_scale[columns], relation.intercept)
    return objective.rows.like(gathered, objective.n_score_rows), relation


def _gram(objective: LinearObjective, coordinates: Indices) -> Floats:
    """H (C, C) between coordinates (C,) of dense columns."""
    M, K, C = objective.rows.X, objective.n_score_rows, len(coordinates)
    score, column = np.divmod(coordinates, objective.n_parameters)
    of_class = [np.flatnonzero(score == k) for k in range(K)]
    all_columns = C == M.shape[1]

    def add_binary(at: slice, H: Floats) -> None:
        block = M[at] if all_columns else M[at][:, column]
        root = block * np.sqrt(objective.curvature[at, 0])
        H += multiply(root.T, root)

    def add_softmax(at: slice, H: Floats) -> None:
        p, share = objective.curvature[at, 0], np.sqrt(objective.share_of(at))
        joint = M[at][:, column] * (p * share)[:, score]
        H -= multiply(joint.T, joint)
        for k, own in enumerate(of_class):
            root = M[at][:, column[own]] * (np.sqrt(p[:, k : k + 1]) * share)
            H[np.ix_(own, own)] += multiply(root.T, root)

    def add(rows: slice, H: Floats) -> None:
        size = max(_BLOCK_ELEMENTS // C, _LEAST_BLOCK_ROWS)
        for start in range(rows.start, rows.stop, size):
            at = slice(start, min(start + size, rows.stop))
            (add_binary if objective.is_binary else add_softmax)(at, H)

    (H,) = objective.rows.sum_range(len(M), add, (C, C))
    return H


class GramHessian:
    """H as a matrix, factored by Cholesky: for dense columns."""

    def __init__(self, H: Floats) -> None:
        self.H = H
        self.diagonal = np.diagonal(H).copy()

    def product(self, v: Floats) -> Floats:
        return self.H @ v

    def solver(self, free: Mask, ridge: float, tolerance: float) -> Solve:
        """Solves exactly; a new factor is made where much of `free` is no longer free."""
        factor = _Factor(self, free, ridge)

        def solve(r: Floats, still_free: Mask) -> Floats:
            nonlocal factor
            if not still_free.any():
                return np.zeros_like(r)
            if np.count_nonzero(factor.free & ~still_free) > _HELD_PER_FREE * len(factor.indices):
                factor = _Factor(self, still_free, ridge)
            return factor.solve(r, still_free)

        return solve


class _Factor:
    """Cholesky factor of H + ridge diag(H) on the free coordinates (F,), some of which can be held at zero later."""

    def __init__(self, hessian: GramHessian, free: Mask, ridge: float) -> None:
        self.free = free
        self.indices = np.flatnonzero(free)
        diagonal = hessian.diagonal[self.indices]
        self.scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        H = hessian.H[np.ix_(self.indices, self.indices)]
        H *= self.scale[:, None]
        H *= self.scale
        jitter = max(ridge, _JITTER)
        while True:
            np.fill_diagonal(H, 1 + jitter)
            self.lower, failed = scipy.linalg.lapack.dpotrf(H, lower=1)
            if not failed:
                break
            jitter *= 100
        self.held = np.empty(0, dtype=np.intp)
        self.inverse_columns = np.empty((len(self.indices), 0))  # one for each held coordinate

    def solve(self, r: Floats, still_free: Mask) -> Floats:
        held = ~still_free[self.indices]
        s = self._apply_inverse(-r[self.indices])
        if held.any():
            self._hold(np.setdiff1d(np.flatnonzero(held), self.held, assume_unique=True))
            # Forces on the held coordinates that keep them in place.
            s -= self.inverse_columns @ np.linalg.solve(self.inverse_columns[self.held], s[self.held])
            s[held] = 0.0
        full = np.zeros_like(r)
        full[self.indices] = s
        return full

    def _hold(self, indices: Indices) -> None:
        units = np.zeros((len(self.indices), len(indices)))
        units[indices, np.arange(len(indices))] = 1.0
        self.inverse_columns = np.hstack([self.inverse_columns, self._apply_inverse(units)])
        self.held = np.append(self.held, indices)

    def _apply_inverse(self, b: Floats) -> Floats:
        scale = self.scale if b.ndim == 1 else self.scale[:, None]
        return scipy.linalg.lapack.dpotrs(self.lower, b * scale, lower=1)[0] * scale


class ProductHessian:
    """H by products with the columns, solved by preconditioned conjugate gradients: for sparse or very many columns."""

    def __init__(self, objective: LinearObjective, coordinates: Indices) -> None:
        self.objective, self.coordinates = objective, coordinates
        self.diagonal = objective.hessian_diagonal().reshape(-1)[coordinates]

    def product(self, v: Floats) -> Floats:
        direction = np.zeros((1, self.objective.n_score_rows, self.objective.n_parameters))
        direction.reshape(-1)[self.coordinates] = v
        return self.objective.hessian_product(direction, _ONE_PROBLEM).reshape(-1)[self.coordinates]

    def solver(self, free: Mask, ridge: float, tolerance: float) -> Solve:
        """Solves with the diagonal as preconditioner."""
        damping = ridge * self.diagonal

        def solve(r: Floats, still_free: Mask) -> Floats:
            s, *_ = conjugate_gradients(
                _DampedSystem(self, damping, still_free),
                np.where(still_free, r, 0.0)[None, None],
                np.array([min(tolerance, ENERGY_TOLERANCE)]),
                max_steps=min(20 + 2 * len(r), _MAX_CG_STEPS),
                floor=0.0,
            )
            return s[0, 0]

        return solve


class _DampedSystem:
    """(H + damping) s = -r on the free coordinates (C,), as one problem with one row of scores."""

    def __init__(self, hessian: ProductHessian, damping: Floats, free: Mask) -> None:
        self.hessian, self.damping, self.free = hessian, damping, free
        diagonal = hessian.diagonal + damping
        self.inverse = 1 / np.where(diagonal > 0, diagonal, 1.0)

    def product(self, direction: Floats, _: Indices) -> Floats:
        v = direction[0, 0]
        return np.where(self.free, self.hessian.product(v) + self.damping * v, 0.0)[None, None]

    def precondition(self, r: Floats, _: Indices) -> Floats:
        return self.inverse * r

"""The objective of Newton's method with the Hessian itself: on a copy of X, then one of the smaller arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .hessians import softmax_hessian
from .linear import LinearObjective
from .rows import RowBlocks, multiply

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


class StandardizedObjective(LinearObjective):
    """The same on X~ itself, with a column of ones where there is a bias: a product is one product."""

    def __init__(
        self,
        rows: RowBlocks,
        columns: Columns,
        target: NDArray[Any],
        share: Floats,
        fold: NDArray[np.intp],
        n_score_rows: int,
    ) -> None:
        super().__init__(rows, columns, target, share, fold, n_score_rows)
        self.matrix = self._columns()
        self.slope: Floats = np.empty(0)  # of the loss in the scores, s/m dl/dz, (n, P, K)
        # Where slopes and curvature belong to the point a step leads to: its lengths (P,), and the loss there (P,).
        self.ahead: Floats | None = None
        self.value_ahead: Floats = np.empty(0)

    def _columns(self) -> Floats:
        """X~ (n_rows, D), with a last column of ones where there is a bias; long columns go faster than long rows."""
        n_columns = self.rows.n_columns
        matrix = np.empty((self.n_parameters, self.rows.n_rows)).T

        def standardize(block: Any, rows: slice) -> None:
            own = matrix[rows, :n_columns]
            np.subtract(block.toarray() if self.rows.is_sparse else block, self.columns.centre, out=own)
            own *= self.columns.inverse_scale

        self.rows.sum_blocks(standardize)
        matrix[:, n_columns:] = 1.0
        return matrix

    def keep(self, mask: Mask) -> None:
        super().keep(mask)
        if self.ahead is not None:
            self.ahead, self.value_ahead = self.ahead[mask], self.value_ahead[mask]
            self.slope = np.compress(mask, self.slope, axis=1)

    def compute_scores(self, theta: Floats) -> Floats:
        """X~ theta, shape (n, P, K)."""
        factor = theta.reshape(-1, theta.shape[-1]).T
        scores = np.empty((len(self.matrix), *theta.shape[:2]))
        flat = scores.reshape(-1, factor.shape[1])

        def times(rows: slice) -> None:
            flat[rows] = np.dot(self.matrix[rows], factor)

        self.rows.sum_rows(times)
        return scores

    def set_scores(self, scores: Floats) -> None:
        super().set_scores(scores)
        self.ahead = None

    def loss_after(self, scores: Floats, step: Floats, length: Floats, problems: NDArray[np.intp]) -> Floats:
        """The same; of all problems it takes slopes and curvature down as well, which the next gradient will need."""
        if len(problems) < self.n_problems:
            return super().loss_after(scores, step, length, problems)
        self.ahead = length.copy()
        self.value_ahead = self._evaluate(scores + length[:, None] * step)
        return self.value_ahead

    def move(self, step: Floats, length: Floats) -> None:
        assert self.scores is not None
        if self.ahead is not None and not np.array_equal(self.ahead, length):
            self.ahead = None
        self.scores += length[:, None] * step
        self.scores_are_current = True

    def gradient(self, params: Floats, batch: Any = None) -> tuple[Floats, Floats]:
        """Data loss (P,) and gradient (P, K, D)."""
        if not self.scores_are_current:
            self.set_scores(self.compute_scores(params))
        assert self.scores is not None
        if self.ahead is None:
            self.value_ahead = self._evaluate(self.scores)
        self.value, self.ahead, self.scores_are_current = self.value_ahead, None, False
        return self.value, self._in_contrast(self._from_rows(self.slope))

    def _evaluate(self, scores: Floats) -> Floats:
        """Data loss (P,) at scores (n, P, K); takes down slopes and curvature."""
        self.slope, self.curvature = np.empty((2, *scores.shape))

        def add(rows: slice, value: Floats) -> None:
            for part in self.pieces(rows):
                loss, self.slope[part] = self._differentiate(scores[part], part)
                value += loss

        return self.rows.sum_rows(add, scores.shape[1:2])[0]

    def _from_rows(self, r: Floats) -> Floats:
        """X~^T r for r (n, P, K): (P, K, D)."""
        flat = r.reshape(len(r), -1)

        def add(rows: slice, products: Floats) -> None:
            products += np.dot(flat[rows].T, self.matrix[rows])

        (products,) = self.rows.sum_rows(add, (flat.shape[1], self.matrix.shape[1]))
        return products.reshape(*r.shape[1:], -1)

    def bend(self, change: Floats) -> Floats:
        """By how much more than H s the gradient changes, to second order, as scores change by X~ s: (P, K, D)."""
        r = np.empty_like(change)

        def add(rows: slice) -> None:
            for part in self.pieces(rows):
                d, curvature = change[part], self.curvature[part]
                if self.is_binary:
                    assert self.scores is not None
                    np.multiply(np.tanh(self.scores[part] / -2) / 2 * curvature, d * d, out=r[part])
                else:
                    d = d - np.einsum("npk,npk->np", curvature, d)[..., None]
                    d *= d
                    d -= np.einsum("npk,npk->np", curvature, d)[..., None]
                    d *= curvature
                    np.multiply(d, self.share_of(part)[..., None] / 2, out=r[part])

        self.rows.sum_rows(add)
        return self._from_rows(r)

    def hessian(self, problem: int) -> Floats:
        """The data part of a problem's Hessian at the point of the last gradient, (K D, K D)."""
        curvature = self.curvature[:, problem]
        if not self.is_binary:
            return softmax_hessian(self.rows, self.matrix, curvature, self.share_of(slice(None), problem))
        root = np.sqrt(curvature)

        def add(part: slice, total: Floats) -> None:
            scaled = root[part] * self.matrix[part]
            total += multiply(scaled.T, scaled)

        return self.rows.sum_range(len(root), add, (self.n_parameters, self.n_parameters))[0]

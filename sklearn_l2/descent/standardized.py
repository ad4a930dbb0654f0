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
        self.matrix = np.asfortranarray(self.sample_columns(slice(None)))  # long columns go faster

    def compute_scores(self, theta: Floats) -> Floats:
        """X~ theta, shape (n, P, K)."""
        factor = theta.reshape(-1, theta.shape[-1]).T
        scores = np.empty((len(self.matrix), *theta.shape[:2]))
        flat = scores.reshape(-1, factor.shape[1])

        def times(rows: slice) -> None:
            flat[rows] = np.dot(self.matrix[rows], factor)

        self.rows.sum_rows(times)
        return scores

    def gradient(self, params: Floats, batch: Any = None) -> tuple[Floats, Floats]:
        """Data loss (P,) and gradient (P, K, D)."""
        if not self.scores_are_current:
            self.scores = self.compute_scores(params)
        scores = self.scores
        assert scores is not None
        if not self.curvature.size:
            self.curvature = np.empty(scores.shape)

        def add(rows: slice, products: Floats, value: Floats) -> None:
            for part in self.pieces(rows):
                loss, slope = self._differentiate(scores[part], part)
                value += loss
                products += np.dot(slope.reshape(len(slope), -1).T, self.matrix[part])

        shape = (params.shape[0] * params.shape[1], params.shape[2])
        products, self.value = self.rows.sum_rows(add, shape, (self.n_problems,))
        self.scores_are_current = False
        return self.value, self._in_contrast(products.reshape(params.shape))

    def hessian(self, problem: int) -> Floats:
        """The data part of a problem's Hessian at the point of the last gradient, (K D, K D)."""
        curvature = self.curvature[:, problem]
        if not self.is_binary:
            return softmax_hessian(self.rows, self.matrix, curvature, self.share_of(slice(None), problem))
        scaled = np.sqrt(curvature) * self.matrix
        return multiply(scaled.T, scaled)

"""Linear models: scores = X W + b for P problems that share X, the loss of the scores, and its derivatives.

Parameters theta (P, K, D) hold K rows of weights per problem (K = 1 for two classes, else one per class), the bias as
last column where there is one. They belong to centred and rescaled columns, x~_j = (x_j - centre_j) * inverse_scale_j,
so that feature scale does not matter to the descent; X itself is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .columns import Columns
from .losses import LogLoss, SoftmaxCrossEntropy, own_scores, spread
from .rows import RowBlocks, multiply, pieces, with_values

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_FEW = 4  # vectors that sparse X takes longer to multiply with together
_PIECE = 2**16  # scores whose temporary arrays stay in the cache


class LinearObjective:
    """Data part of J for P linear problems: (1/m_p) sum_i s_ip loss(scores_ip, y_i).

    `share` (n_rows, F) is s / m, of which a problem has the column that `fold` (P,) tells. `target` is (n_rows, 1, 1)
    signs 1 - 2 y for two classes (n_classes=1 row of scores), or (n_rows, 1) class codes. The scores of the current
    point are kept, so that a line search reads no X.

    `twin` is the same in single precision: it multiplies with the Hessian in place of this one, and the losses and
    slopes of a gradient are rounded as its are. A rounded slope r_i (1 + e_i) moves the point where the gradient is 0,
    but hardly J there: by at most (1/2) sum_i s_i/m (e_i r_i)^2 / (p_i (1 - p_i)) <= max e_i^2 / 2, whatever X is.
    """

    def __init__(
        self,
        rows: RowBlocks,
        columns: Columns,
        target: NDArray[Any],
        share: Floats,
        fold: NDArray[np.intp],
        n_score_rows: int,
        twin: LinearObjective | None = None,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.twin = twin
        self.row_dtype: np.dtype[Any] = rows.dtype if twin is None else twin.row_dtype  # of all of a row but its scores
        self.target = target if n_score_rows > 1 else target.astype(self.row_dtype, copy=False)
        self.share: Floats = share.astype(self.row_dtype, copy=False) if twin is None else twin.share
        self.fold = fold
        self.has_own_shares = np.array_equal(fold, np.arange(share.shape[1]))  # each problem, the column of its number
        self.n_score_rows = n_score_rows
        self.is_binary = n_score_rows == 1
        self._loss: Any = LogLoss if self.is_binary else SoftmaxCrossEntropy
        self.keeps_scores = twin is None or rows.is_sparse
        self.scores: Floats | None = None
        self.scores_are_current = False  # whether they belong to the params of the next gradient
        self.value: Floats | None = None  # data loss (P,) at the last gradient
        # Two classes: s/m p (1 - p), (n, P, 1). Softmax: probabilities, (n, P, K).
        self.keeps_curvature = True  # whether a gradient takes down second derivatives too
        self.curvature: Floats = np.empty(0)

    @property
    def n_problems(self) -> int:
        return len(self.fold)

    def share_of(self, rows: Any, problems: Any = slice(None)) -> Floats:
        """s / m of some rows in some problems, (rows, A)."""
        return self.share[rows][:, problems if self.has_own_shares else self.fold[problems]]

    @property
    def n_parameters(self) -> int:
        """D: parameters per row of scores."""
        return self.rows.n_columns + self.columns.intercept

    def batches(self) -> Iterable[tuple[None, float]]:
        """Full-batch descent."""
        return ((None, 1.0),)

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.fold, self.has_own_shares = self.fold[mask], False
        if self.curvature.size:
            self.curvature = np.compress(mask, self.curvature, axis=1)
        if self.scores is not None:
            self.scores = np.compress(mask, self.scores, axis=1)
        if self.value is not None:
            self.value = self.value[mask]

    # -- products with X ------------------------------------------------------------------------------------------

    def _to_scores(self, theta: Floats) -> tuple[Floats, Floats]:
        """Right-hand factor (n_columns, P K) and offsets (P K) such that scores = X factor + offsets."""
        n_columns, scale = self.rows.n_columns, self.columns.inverse_scale
        flat = theta.reshape(-1, theta.shape[-1])
        factor = np.empty((n_columns, len(flat)), dtype=self.rows.dtype)
        for part in _pieces(n_columns, len(flat)):
            factor[part] = (flat[:, part] * scale[part] if self.columns.is_scaled else flat[:, part]).T
        offset = -(flat[:, :n_columns] @ self.columns.shift.astype(flat.dtype, copy=False))
        if self.columns.intercept:
            offset += flat[:, n_columns]
        return factor, offset.astype(self.rows.dtype, copy=False)

    def _from_columns(self, products: Floats, sums: Floats, shape: tuple[int, ...]) -> Floats:
        """Gradient with respect to theta from X^T R (n_columns, P K) and the sums of R (P K)."""
        n_columns, scale = self.rows.n_columns, self.columns.inverse_scale
        shift = self.columns.shift.astype(products.dtype, copy=False)
        flat = np.empty((len(sums), shape[-1]), dtype=products.dtype)
        for part in _pieces(n_columns, len(sums)):
            centred = flat[:, part]
            centred[...] = products[part].T
            if self.columns.is_scaled:
                centred *= scale[part]
            if self.columns.is_centred:
                centred -= np.multiply.outer(sums, shift[part])
        if self.columns.intercept:
            flat[:, n_columns] = sums
        return self._in_contrast(flat.reshape(shape))

    def _in_contrast(self, derivative: Floats) -> Floats:
        """The derivative (P, K, D) without its mean over classes, in place.

        Adding one vector to all classes changes no loss, and only the penalty, if any, stops what rounding does.
        """
        if not self.is_binary:
            derivative -= derivative.mean(axis=1, keepdims=True)
        return derivative

    def compute_scores(self, theta: Floats) -> Floats:
        """X~ theta, shape (n, P, K)."""
        factor, offset = self._to_scores(theta)
        scores = np.empty((self.rows.n_rows, *theta.shape[:2]), dtype=self.rows.dtype)

        def times(block: Any, rows: slice) -> None:
            np.add(_times(block, factor), offset, out=scores[rows].reshape(-1, factor.shape[1]))

        self.rows.sum_blocks(times)
        return scores

    def score_changes(self, s: Floats) -> Floats:
        """X~ s for a step s (P, K, D): (n, P, K); in the precision of the Hessian's products if no scores are kept."""
        return (self if self.keeps_scores else self.twin or self).compute_scores(s)

    # -- the loss at the current scores ---------------------------------------------------------------------------

    def loss(self) -> Floats:
        """Data loss (P,) at the current scores."""
        assert self.scores is not None
        scores = self.scores

        def add(rows: slice, total: Floats) -> None:
            for part in self.pieces(rows):
                total += self._weighted_loss(scores[part], self.share_of(part), part)

        (total,) = self.rows.sum_rows(add, (self.n_problems,))
        return total

    def loss_after(self, scores: Floats, step: Floats, length: Floats, problems: NDArray[np.intp]) -> Floats:
        """Data loss (A,) of some problems at scores (n, P, K) + length * step (n, P, K) with length (P,)."""
        some: Any = slice(None) if len(problems) == self.n_problems else problems

        def add(rows: slice, total: Floats) -> None:
            for part in self.pieces(rows):
                z = scores[part][:, some] + length[some, None] * step[part][:, some]
                total += self._weighted_loss(z, self.share_of(part, some), part)

        (total,) = self.rows.sum_rows(add, (len(problems),))
        return total

    def move(self, step: Floats, length: Floats) -> None:
        """scores += length * step, with step (n, P, K) and length (P,), where they are kept."""
        if self.scores is None:
            return

        def add(rows: slice) -> None:
            assert self.scores is not None
            for part in self.pieces(rows):
                self.scores[part] += length[:, None] * step[part]

        self.rows.sum_rows(add)
        self.scores_are_current = True

    def set_scores(self, scores: Floats) -> None:
        """Take scores (n, P, K) that belong to the params of the next gradient."""
        self.scores, self.scores_are_current = scores, True

    def gradient(self, params: Floats, batch: Any = None) -> tuple[Floats, Floats]:
        """Data loss (P,) and gradient (P, K, D); reads X once."""
        shape = (self.rows.n_rows, *params.shape[:2])
        scores_known = self.scores_are_current
        if self.scores is None and self.keeps_scores:
            self.scores = np.empty(shape, dtype=self.rows.dtype)
        if not self.curvature.size and self.keeps_curvature:
            self.curvature = np.empty(shape, dtype=self.row_dtype)
        if not scores_known:
            factor, offset = self._to_scores(params)

        def add(block: Any, rows: slice, products: Floats, sums: Floats, value: Floats) -> None:
            if scores_known:
                assert self.scores is not None
                z = self.scores[rows]
            else:
                z = _times(block, factor)
                z += offset
                z = z.reshape(-1, *shape[1:])
                if self.scores is not None:
                    self.scores[rows] = z
            loss, slope = self._differentiate(z.astype(self.row_dtype, copy=False), rows)
            value += loss
            slope = slope.astype(self.rows.dtype, copy=False)
            sums += multiply(np.ones(len(slope), dtype=slope.dtype), _flat(slope))
            _add_transposed(block, slope, products)

        n_columns, n_scores = self.rows.n_columns, shape[1] * shape[2]
        products, sums, self.value = self.rows.sum_blocks(add, (n_columns, n_scores), (n_scores,), (self.n_problems,))
        self.scores_are_current = False
        return self.value, self._from_columns(products, sums, params.shape)

    def _differentiate(self, z: Floats, rows: slice) -> tuple[Floats, Floats]:
        """The weighted loss (P,) of rows at scores z (rows, P, K), and its slopes; takes down its curvature."""
        target, share = self.target[rows], self.share_of(rows)[..., None]
        if self.is_binary:
            loss, slope, curvature = LogLoss.derivatives(z, target, curvature=self.keeps_curvature)
            if curvature is not None:
                np.multiply(curvature, share, out=self.curvature[rows])
            loss = loss[..., 0]
        else:
            loss, slope, p = SoftmaxCrossEntropy.derivatives(z, target)
            if self.keeps_curvature:
                self.curvature[rows] = p
        slope *= share
        of_folds = multiply(self.share[rows].T, loss)  # (F, P): faster than each problem's share by itself
        if self.has_own_shares:
            return of_folds.diagonal(), slope
        return of_folds[self.fold, np.arange(self.n_problems)], slope

    def _weighted_loss(self, z: Floats, share: Floats, rows: slice) -> Floats:
        """Sum over some rows of (s/m) loss at scores z (rows, A, K), with share (rows, A): (A,)."""
        return np.einsum("np,np->p", share, self._loss.value(z, self.target[rows]))

    def pieces(self, rows: slice) -> Iterable[slice]:
        """Slices of `rows` with about _PIECE scores each."""
        return _pieces(rows.stop, self.n_problems * self.n_score_rows, rows.start)

    def _row_moves(self, change: Floats) -> Floats:
        """How far a score of a row moves against the row's others (two classes: against 0), (rows, P)."""
        return np.abs(change[:, :, 0]) if self.is_binary else spread(change)

    def largest_move(self, change: Floats) -> Floats:
        """How far a step moves scores by change (n, P, K), (P,)."""
        largest: list[Floats] = []

        def add(rows: slice) -> None:
            for part in self.pieces(rows):
                largest.append(np.maximum.reduce(self._row_moves(change[part]), axis=0))

        self.rows.sum_rows(add)
        return largest[0] if len(largest) == 1 else np.maximum.reduce(largest, axis=0)

    def moves(self, change: Floats) -> tuple[Floats, Floats]:
        """The same, and a bound on what the step leaves of J for it, (P,) each.

        Rows that move by d_i change their curvature h_i by h_i d_i at most, which leaves (1/8) sum h_i d_i^4, but for
        factors of exp(d_i) at both ends and, with softmax, for a mean that moves meanwhile: exp(3 d_i) is more. There
        it is sum_k p_ik c_ik^4 in place of d_i^4, where c_i are the row's changes less their mean under p_i.
        """
        largest: list[Floats] = []

        def add(rows: slice, bound: Floats) -> None:
            for part in self.pieces(rows):
                d = self._row_moves(change[part])
                largest.append(d.max(axis=0))
                if self.is_binary:
                    np.multiply(d, d, out=d)
                    np.multiply(d, d, out=d)
                    bound += np.einsum("np,np->p", d, self.curvature[part, :, 0])
                else:
                    p = self.curvature[part]
                    c = change[part] - np.einsum("npk,npk->np", p, change[part])[..., None]
                    np.multiply(c, c, out=c)
                    np.multiply(c, c, out=c)
                    bound += np.einsum("np,np->p", np.einsum("npk,npk->np", p, c), self.share_of(part))

        (bound,) = self.rows.sum_rows(add, (self.n_problems,))
        move = np.max(largest, axis=0)
        return move, np.exp(3 * np.minimum(move, 100)) * bound / 8

    # -- second derivatives at the point of the last gradient -----------------------------------------------------

    def hessian_product(self, direction: Floats, problems: NDArray[np.intp]) -> Floats:
        """For some problems: H direction (A, K, D), in its precision; reads X once."""
        if self.twin is not None:
            for name in ("fold", "has_own_shares", "curvature"):
                setattr(self.twin, name, getattr(self, name))
            return self.twin.hessian_product(direction, problems)
        factor, offset = self._to_scores(direction)
        some: Any = slice(None) if len(problems) == self.n_problems else problems

        def add(block: Any, rows: slice, products: Floats, sums: Floats) -> None:
            t = _times(block, factor)
            t += offset
            r, curvature = t.reshape(-1, *direction.shape[:2]), self.curvature[rows][:, some]
            if self.is_binary:
                r *= curvature
            else:
                if r.dtype == np.float32:
                    # Measured from the own class, whose probability is near 1, a tiny curvature keeps its digits.
                    r -= own_scores(r, self.target[rows])[..., None]
                r -= np.einsum("npk,npk->np", r, curvature)[..., None]
                r *= curvature
                r *= self.share_of(rows, some)[..., None]
            sums += multiply(np.ones(len(r), dtype=r.dtype), _flat(r))
            _add_transposed(block, r, products)

        products, sums = self.rows.sum_blocks(add, factor.shape, offset.shape, dtype=direction.dtype)
        return self._from_columns(products, sums, direction.shape)

    def total_curvature(self) -> Floats:
        """Sum of the score curvatures over rows and classes, (P,)."""
        if self.is_binary:
            return self.curvature[..., 0].sum(axis=0, dtype=np.float64)
        p, before = self.curvature, np.cumsum(self.curvature, axis=2)
        pairs = np.einsum("npk,npk->np", p[:, :, 1:], before[:, :, :-1])  # 2 sum_{j<k} p_j p_k = 1 - sum_k p_k^2
        return 2 * np.einsum("np,np->p", self.share_of(slice(None)), pairs).astype(np.float64)

    def score_curvature(self, indices: Any = slice(None)) -> Floats:
        """Diagonal of the loss's Hessian in the scores: s/m p (1 - p) for some rows, (rows, P, K)."""
        if self.is_binary:
            return self.curvature[indices]
        p = self.curvature[indices]
        return p * (1 - p) * self.share_of(indices)[..., None]

    def sample_columns(self, indices: Any, dtype: Any = np.float64) -> Floats:
        """Some rows of X~, with a last column of ones where there is a bias: dense (rows, D), of `dtype`."""
        n_columns, indices = self.rows.n_columns, np.arange(self.rows.n_rows)[indices]
        relation = self.columns.centre, self.columns.inverse_scale
        centre, scale = (a.astype(self.rows.dtype, copy=False) for a in relation)
        sample = np.empty((len(indices), self.n_parameters), dtype=dtype)
        for part in _pieces(len(indices), n_columns):
            X = self.rows.take(indices[part])
            X = X.toarray() if self.rows.is_sparse else X
            np.multiply(X - centre, scale, out=sample[part, :n_columns], casting="same_kind")
        if self.columns.intercept:
            sample[:, -1] = 1.0
        return sample

    def hessian_diagonal(self) -> Floats:
        """Diagonal of the data part's Hessian, (P, K, D); reads X once."""
        n_columns, n_scores = self.rows.n_columns, self.n_problems * self.n_score_rows
        scale, shift = self.columns.inverse_scale, self.columns.shift

        def add(block: Any, rows: slice, squares: Floats, sums: Floats) -> None:
            r = self.score_curvature(rows).reshape(rows.stop - rows.start, n_scores)
            sums += r.sum(axis=0)
            if self.rows.is_sparse:
                squares += scale[:, None] ** 2 * multiply(with_values(block, block.data**2).T, r)
                squares -= (2 * scale * shift)[:, None] * multiply(block.T, r)
            else:
                centred = block * scale if self.columns.is_scaled else block
                centred = centred - shift if self.columns.is_centred else centred
                squares += multiply((centred * centred).T, r.astype(centred.dtype, copy=False))

        squares, sums = self.rows.sum_blocks(add, (n_columns, n_scores), (n_scores,))
        if self.rows.is_sparse:
            squares += np.multiply.outer(shift**2, sums)  # what the zeros have, too
        diagonal = np.empty((self.n_problems, self.n_score_rows, self.n_parameters))
        diagonal[..., :n_columns] = np.maximum(squares, 0).T.reshape(self.n_problems, -1, n_columns)
        if self.columns.intercept:
            diagonal[..., n_columns] = sums.reshape(self.n_problems, -1)
        return diagonal


def _pieces(stop: int, width: int, start: int = 0) -> Iterable[slice]:
    """Slices of range(start, stop) with about _PIECE elements of `width` each."""
    return pieces(slice(start, stop), max(1, _PIECE // width))


def _flat(a: Floats) -> Floats:
    """(rows, P, K) as (rows, P K)."""
    return a.reshape(len(a), -1)


def _times(block: Any, factor: Floats) -> Floats:
    """block (rows, n_columns) @ factor (n_columns, C): matrix-vector products where C is small."""
    if factor.shape[1] == 1:
        return multiply(block, factor[:, 0])[:, None]
    if sp.issparse(block) and factor.shape[1] < _FEW:
        return np.stack([multiply(block, column) for column in factor.T], axis=1)
    return multiply(block, factor)


def _add_transposed(block: Any, r: Floats, products: Floats) -> None:
    """products (n_columns, C) += block^T r for r (rows, P, K) with P K = C."""
    r = r.reshape(len(r), -1)
    if r.shape[1] == 1:
        products[:, 0] += multiply(block.T, r[:, 0])
    else:
        products += multiply(block.T, r)

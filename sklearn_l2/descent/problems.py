"""Linear problems: many that share X, each with row weights and a lambda of its own."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .linear import LinearObjective
from .penalties import L2
from .rows import RowBlocks, even_sample
from .standardized import StandardizedObjective

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_NOT_RARE = 0.5  # of the rows that a class would have if all were of one size
_LARGEST_PENALTY = 1e300  # beyond any curvature of the loss, and finite


@dataclass
class LinearProblems:
    """P problems that share X and y: weights s (n_rows, F), lambda (P,); how the bias is treated.

    `fold` (P,) tells which column of the weights a problem has; without it each has its own. `target` is (n_rows, 1, 1)
    signs 1 - 2 y with n_score_rows = 1, or (n_rows, 1) class codes. `column_weight` (P, n_columns) is the weight of
    w_j^2 in ||W||^2: for columns seen divided by something, its square.
    """

    target: NDArray[Any]
    n_score_rows: int
    weights: Floats
    lambd: Floats
    fit_intercept: bool = True
    penalize_intercept: bool = False
    dtype: Any = np.float64  # what the weights will be rounded to
    column_weight: Floats | None = None
    fold: Any = None

    def __post_init__(self) -> None:
        self.fold = np.arange(len(self.lambd)) if self.fold is None else self.fold
        of_fold = self.weights.sum(axis=0)
        self.m = of_fold[self.fold]
        self.share = self.weights / of_fold  # (n_rows, F)

    @property
    def free_bias(self) -> bool:
        return self.fit_intercept and not self.penalize_intercept

    @property
    def is_plain(self) -> bool:
        """Two classes and an intercept, if any, that is free."""
        return self.n_score_rows == 1 and not (self.fit_intercept and self.penalize_intercept)

    @property
    def weighs_columns_alike(self) -> bool:
        """Whether all problems have the same column weights, if any."""
        return self.column_weight is None or bool((self.column_weight == self.column_weight[0]).all())

    def draw_rows(self, n_sample: int, *, most: int) -> tuple[NDArray[np.intp], Floats]:
        """Sorted indices of about n_sample evenly drawn rows, and what each of them counts for.

        Where a class is rare, up to `most`, and of that class as many as if all were of one size.
        """
        codes, n_rows = self.codes, len(self.target)
        sizes = np.bincount(codes)
        rarity = sizes.min() * len(sizes) / n_rows
        if rarity >= _NOT_RARE:
            return even_sample(n_rows, n_sample), np.ones(n_sample)
        total = max(n_sample, min(int(n_sample / rarity), most))
        numbers = np.minimum(sizes, np.maximum(n_sample / len(sizes), total * (sizes / n_rows)).astype(np.intp))
        drawn = [np.flatnonzero(codes == k)[even_sample(sizes[k], n)] for k, n in enumerate(numbers)]
        indices = np.sort(np.concatenate(drawn))
        return indices, (sizes / numbers)[codes[indices]]

    def take(self, indices: NDArray[np.intp], counts: Floats | float = 1.0) -> LinearProblems | None:
        """The same problems on some rows, weights multiplied, with the same lambda/m.

        None where a class or problem has no weight left.
        """
        weights, target = self.weights[indices] * np.asarray(counts)[..., None], self.target[indices]
        codes = self.codes[indices]
        if not all((weights[codes == k].sum(axis=0) > 0).all() for k in range(max(self.n_score_rows, 2))):
            return None
        lambd = self.lambd * weights.sum(axis=0)[self.fold] / self.m
        return replace(self, weights=weights, target=target, lambd=lambd)

    def select(self, which: Mask | NDArray[np.intp]) -> LinearProblems:
        """Some of the problems, by a mask (P,) or by their indices."""
        some = copy(self)
        some.__dict__.pop("class_shares", None)
        some.lambd, some.m, some.fold = self.lambd[which], self.m[which], self.fold[which]
        if self.column_weight is not None:
            some.column_weight = self.column_weight[which]
        return some

    def chains(self) -> NDArray[np.intp]:
        """Which problems differ in lambda only, as a number for each, (P,)."""
        chain = _equal_columns(self.share)[self.fold]
        if self.column_weight is None:
            return chain
        return _equal_columns(np.vstack([chain[None], self.column_weight.T]))

    def places(self) -> Floats:
        """log(lambda/m), (P,)."""
        return np.log(np.maximum(self.lambd / self.m, np.finfo(float).tiny))

    def with_mean_data(self, lambd: Floats) -> LinearProblems:
        """Problems with the mean data of all, for some lambdas (R,)."""
        mixture = np.bincount(self.fold, minlength=self.weights.shape[1]) / len(self.fold)
        weights = (self.share @ mixture) * (self.weights.sum(axis=0) @ mixture)
        column_weight = self.column_weight
        if column_weight is not None:
            column_weight = np.tile(column_weight.mean(axis=0), (len(lambd), 1))
        return replace(
            self,
            weights=weights[:, None],
            lambd=lambd,
            column_weight=column_weight,
            fold=np.zeros(len(lambd), dtype=np.intp),
        )

    def objective(self, rows: RowBlocks, columns: Columns, twin: LinearObjective | None = None) -> LinearObjective:
        return LinearObjective(rows, columns, self.target, self.share, self.fold, self.n_score_rows, twin)

    def standardized(self, rows: RowBlocks, columns: Columns) -> StandardizedObjective:
        return StandardizedObjective(rows, columns, self.target, self.share, self.fold, self.n_score_rows)

    def penalty(self, columns: Columns) -> L2:
        """lambda/(2m) ||W||^2 in the core's columns, the bias left out unless asked for."""
        strength = np.maximum(self.lambd / self.m, 1.0)
        weight = columns.penalty_weight
        if self.column_weight is not None:
            weight = weight * self.column_weight[:, None]
        if weight.max() > _LARGEST_PENALTY / strength.max():
            weight = np.minimum(weight, (_LARGEST_PENALTY / strength)[:, None, None])
        if self.penalize_intercept and self.fit_intercept:
            bias = np.ones((*weight.shape[:-1], 1))
            return L2(self.lambd, self.m, ..., np.concatenate([weight, bias], axis=-1))
        return L2(self.lambd, self.m, np.s_[:, : weight.shape[-1]], weight)

    @property
    def codes(self) -> NDArray[np.intp]:
        """Each row's class, (n_rows,)."""
        return (self.target[:, 0, 0] < 0).astype(np.intp) if self.n_score_rows == 1 else self.target[:, 0]

    @cached_property
    def class_shares(self) -> Floats:
        """Each class's part of a problem's weight, (P, number of classes)."""
        codes, n_classes = self.codes, max(self.n_score_rows, 2)
        return np.array([np.bincount(codes, share, n_classes) for share in self.share.T])[self.fold]

    def start(self, columns: Columns) -> Floats:
        """theta with W = 0 and, where the bias is free, the bias that fits the classes' shares: (P, K, D)."""
        theta = np.zeros((len(self.lambd), self.n_score_rows, len(columns.centre) + columns.intercept))
        if self.free_bias:
            logs = np.log(self.class_shares)
            theta[:, :, -1] = (
                logs[:, 1:] - logs[:, :1] if self.n_score_rows == 1 else logs - logs.mean(axis=1, keepdims=True)
            )
        return theta

    def value_at_start(self) -> Floats:
        """J with W = 0, (P,)."""
        shares = self.class_shares
        if not self.free_bias:
            return np.full(len(shares), np.log(shares.shape[1]))
        return -np.sum(shares * np.log(shares), axis=1)


def _equal_columns(columns: Floats) -> NDArray[np.intp]:
    """Which of the columns (n, P) are equal, as a number for each, (P,)."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(column.tobytes(), len(numbers)) for column in np.ascontiguousarray(columns.T)])

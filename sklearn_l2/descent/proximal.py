"""Proximal Newton: the update rule for the L1 penalty, on a working set of columns.

Lee, Sun and Saunders (2014), https://doi.org/10.1137/130921428.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .line_search import SMALL_MOVE, line_search
from .linear import LinearObjective
from .penalties import L1
from .quadratic import ROUNDING, minimize_quadratic, size_change
from .working_set import WorkingSet

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

_LEAST_LIMIT = 100  # coordinates that may enter at once, or a share of those that are in play
_GROWTH, _DENSE_GROWTH = 1.0, 0.5  # a dense Hessian costs the square of its size
_SPARE_COLUMNS = 1.25
_MANY_ENTERING, _CAUTIOUS_RIDGE = 20, 1e-2
_ACCURACY = 0.1
_RESOLUTION = 1e-10  # relative to J: a decrease smaller than this drowns in its rounding
_NEGLIGIBLE = 1e-6


def least_shift(W: Floats) -> Floats:
    """The weights (P, K, n_columns) of least penalty, and of these the sparsest, with the same softmax probabilities.

    One number may be taken off all classes of a column: a median leaves the least penalty, and the median nearest to
    zero the most zeros where the number of classes is even. At least one class is zero then.
    """
    ordered = np.sort(W, axis=1)
    K = W.shape[1]
    lower, upper = ordered[:, (K - 1) // 2], ordered[:, K // 2]
    return W - np.where(np.abs(lower) <= np.abs(upper), lower, upper)[:, None]


class ProximalNewton:
    """theta := theta + t s, where theta + s minimizes the loss's quadratic model plus the L1 penalty.

    The model covers the coordinates that are not zero and those that the slope draws away from zero: others stay. A
    problem has converged when its decrement, an estimate of J - J*, is at most tol and the step has left zero whatever
    was zero and nothing else. `converged` and `stalled` (P,) say how the last step went.
    """

    def __init__(self, objective: LinearObjective, penalty: L1, *, tol: float) -> None:
        self.objective, self.penalty, self.tol = objective, penalty, tol
        n_problems = objective.n_problems
        self.sets: list[WorkingSet | None] = [None] * n_problems
        self.ridge = np.zeros(n_problems)
        self.decrement = np.full(n_problems, np.inf)
        self.reduction = np.ones(n_problems)  # decrement over the one before
        self.converged = np.zeros(n_problems, dtype=bool)
        self.stalled = np.zeros(n_problems, dtype=bool)

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The loop tells objective and penalty itself."""
        self.sets = [s for s, stays in zip(self.sets, mask, strict=True) if stays]
        for name in ("ridge", "decrement", "reduction", "converged", "stalled"):
            setattr(self, name, getattr(self, name)[mask])

    def step(self, params: Floats, gradient: Floats) -> None:
        """One step for every problem of the batch, params (P, K, D), in place."""
        n_columns, is_softmax = self.objective.rows.n_columns, params.shape[1] > 1
        if is_softmax:
            params[..., :n_columns] = least_shift(params[..., :n_columns])
        threshold = self.penalty.threshold(params)
        pull = np.abs(self.penalty.prox(params - gradient))
        pull[(params != 0) | (pull <= ROUNDING * threshold)] = 0.0
        s = np.zeros_like(params)
        change = np.zeros((self.objective.rows.n_rows, *params.shape[:2]))
        settled = np.ones(len(params), dtype=bool)
        for p in range(len(params)):
            in_play, complete = self._in_play(params[p], threshold[p], pull[p])
            if in_play.any():
                s[p], change[:, p : p + 1], settled[p] = self._direction(
                    p, params[p], gradient[p], threshold[p], in_play
                )
            settled[p] &= complete and np.array_equal(params[p] + s[p] != 0, params[p] != 0)

        slope = (gradient * s + threshold * size_change(params, s)).sum(axis=(1, 2))
        decrement = np.maximum(-slope / 2, np.finfo(float).tiny)
        self.reduction = np.where(np.isinf(self.decrement), 1.0, np.minimum(decrement / self.decrement, 1.0))
        self.decrement = decrement
        small = self.objective.largest_move(change) <= SMALL_MOVE
        assert self.objective.value is not None
        J = self.objective.value + self.penalty.value(params)
        # Where J no longer resolves the descent, a small move is known to go down and needs no test.
        certain = small & (-slope <= _RESOLUTION * J)
        length = line_search(self.objective, self.penalty, params, s, change, slope, certain)
        length[slope > 0] = 0.0
        params += length[:, None, None] * s
        self.objective.move(change, length)
        negligible = (decrement <= _NEGLIGIBLE * self.tol) & (slope < 0)  # slope 0: no step was found
        self.converged = small & (decrement <= self.tol) & (settled | negligible)
        self.stalled = (length == 0) | (slope == 0)

    def _in_play(self, theta: Floats, threshold: Floats, pull: Floats) -> tuple[Mask, bool]:
        """Which coordinates (K, D) of one problem the model covers, and whether these are all that should move.

        One class of a column, and one bias, can stay where it is with softmax, where only differences count.
        """
        in_play = (theta != 0) | (threshold == 0)
        entering = np.flatnonzero(pull)
        growth = _GROWTH if self.objective.rows.is_sparse else _DENSE_GROWTH
        limit = max(_LEAST_LIMIT, int(growth * np.count_nonzero(in_play)))
        complete = len(entering) <= limit
        if not complete:
            entering = entering[np.argpartition(-pull.reshape(-1)[entering], limit)[:limit]]
        in_play.reshape(-1)[entering] = True
        if len(theta) > 1:
            columns = np.flatnonzero(in_play.all(axis=0))
            staying = np.where(theta[:, columns] == 0, pull[:, columns], np.inf).argmin(axis=0)
            in_play[staying, columns] = False
        return in_play, complete

    def _direction(
        self, p: int, theta: Floats, gradient: Floats, threshold: Floats, in_play: Mask
    ) -> tuple[Floats, Floats, bool]:
        """For one problem: s (K, D), X~ s (n, 1, K), and whether theta + s is the model's minimum."""
        working_set = self._working_set(p, in_play)
        at = working_set.parameters
        coordinates = np.flatnonzero(in_play[:, at])
        g, t, x = (a[:, at].reshape(-1)[coordinates] for a in (gradient, threshold, theta))
        ridge = self.ridge[p]
        n_entering = np.count_nonzero((x == 0) & (t > 0))
        if n_entering > max(_MANY_ENTERING, 0.05 * len(x)):
            ridge = max(ridge, _CAUTIOUS_RIDGE)
        # A model is worth minimizing as well as it is right: its error falls with the square of the last one's.
        minimum = minimize_quadratic(
            working_set.hessian(self.objective.curvature[:, p : p + 1], coordinates),
            g,
            t,
            x,
            accuracy=_ACCURACY * self.reduction[p],
            ridge=ridge,
        )
        self.ridge[p] = minimum.ridge
        step = np.zeros((len(theta), len(at)))
        step.reshape(-1)[coordinates] = minimum.x - x
        s = np.zeros_like(theta)
        s[:, at] = step
        return s, working_set.scores(step), minimum.settled

    def _working_set(self, p: int, in_play: Mask) -> WorkingSet:
        """The columns in play: those of the last step where they suffice and are not many more."""
        columns = np.flatnonzero(in_play[:, : self.objective.rows.n_columns].any(axis=0))
        columns = columns if len(columns) else np.arange(1)  # a bias alone still needs a matrix to stand in
        held = self.sets[p]
        if held is None or len(held.columns) > _SPARE_COLUMNS * len(columns) or not held.holds(columns):
            held = self.sets[p] = WorkingSet(self.objective, p, columns)
        return held

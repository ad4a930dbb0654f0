"""The loop of regularized gradient descent: gradient, add the penalty's part, update.

Logistic regression and networks, plain and preconditioned descent all run through `descend`; they differ in the
objective, the penalty and the update they hand in. Parameters are (P, ...): one row per problem of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


class DivergenceError(ValueError):
    """The steps of gradient descent are so long that J grows without bound.

    Raised before the first step where divergence is certain, alpha lambda/m >= 2 for plain steps [1]_; later where J or
    a weight is no longer finite, or J ends above where it began. It is a ValueError, and its message says what to
    change. The model stays as it was before the fit.

    References
    ----------
    .. [1] Y. Nesterov, Lectures on convex optimization, Springer (2018), section 1.2,
       https://doi.org/10.1007/978-3-319-91578-4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_l2 import DivergenceError, L2LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> try:
    ...     L2LogisticRegression(lambd=1.0, solver="gd", learning_rate=1000.0).fit(X, y)
    ... except DivergenceError as error:
    ...     print(type(error).__name__)
    DivergenceError
    """


class Objective(Protocol):
    """The data part of J, (1/m) sum_i s_i loss_i, for P problems."""

    def batches(self) -> Iterable[tuple[Any, float]]:
        """Batches of one iteration (an epoch), each with its share of it; full-batch descent has one of share 1."""

    def gradient(self, params: Floats, batch: Any) -> tuple[Floats, Floats]:
        """(Estimate of the) data loss (P,) and its gradient, of params' shape."""

    def keep(self, mask: Mask) -> None:
        """Drop problems that left the batch; mask (P,)."""


class Penalty(Protocol):
    """The penalty's part of J."""

    def value(self, params: Floats) -> Floats: ...

    def add_gradient(self, params: Floats, gradient: Floats) -> None: ...

    def keep(self, mask: Mask) -> None: ...


class Update(Protocol):
    """Turns a gradient into the next parameters."""

    def step(self, params: Floats, gradient: Floats) -> None:
        """Update params in place."""

    def keep(self, mask: Mask) -> None: ...


class Stopping(Protocol):
    """Decides after each iteration which problems are finished."""

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> NDArray[Any]:
        """(P,) 0 for problems that go on, else why they stop (true will do); may raise DivergenceError."""

    def keep(self, mask: Mask) -> None: ...


@dataclass
class Descent:
    """What a descent leaves: params (P, ...), per problem the iterations, how it finished (0: not), and `losses`, which
    are J and its penalty's part before each iteration. The last one made J less by about `last_fall`.

    The arrays are kept current during the descent, so that an interrupted one leaves what it has reached.
    """

    params: Floats
    n_iter: NDArray[np.int64]
    losses: list[list[tuple[float, float]]]
    finished: NDArray[np.int8]
    last_fall: NDArray[np.floating]

    @classmethod
    def start(cls, params: Floats) -> Descent:
        n = len(params)
        n_iter, finished = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int8)
        return cls(params, n_iter, [[] for _ in range(n)], finished, np.zeros(n))

    def select(self, mask: Mask) -> Descent:
        """The same of some problems; mask (P,)."""
        losses = [self.losses[p] for p in np.flatnonzero(mask)]
        return Descent(self.params[mask], self.n_iter[mask], losses, self.finished[mask], self.last_fall[mask])

    def take(self, part: Descent, which: NDArray[Any]) -> None:
        """What a descent of some problems left, given by a mask (P,) or their indices."""
        for name in ("params", "n_iter", "finished", "last_fall"):
            getattr(self, name)[which] = getattr(part, name)
        for p, losses in zip(np.arange(len(self.losses))[which], part.losses, strict=True):
            self.losses[p] = losses


def descend(
    descent: Descent,
    objective: Objective,
    penalty: Penalty,
    update: Update,
    stopping: Stopping,
    *,
    max_iter: int,
) -> None:
    """Run at most max_iter iterations on `descent`, in place; finished problems leave the batch."""
    in_batch = np.arange(len(descent.params))
    params = descent.params
    for _ in range(max_iter):
        loss, penalized = np.zeros((2, len(in_batch)))
        for batch, share in objective.batches():
            value, gradient = objective.gradient(params, batch)
            cost = penalty.value(params)
            loss += share * (value + cost)
            penalized += share * cost
            penalty.add_gradient(params, gradient)
            update.step(params, gradient)

        if params is not descent.params:
            descent.params[in_batch] = params
        descent.n_iter[in_batch] += 1
        for p, J in zip(in_batch, zip(loss.tolist(), penalized.tolist(), strict=True), strict=True):
            descent.losses[p].append(J)

        finished = stopping.finished(params, loss, gradient)
        if finished.any():
            descent.finished[in_batch] = finished
            staying = finished == 0
            in_batch, params = in_batch[staying], params[staying]
            if not len(in_batch):
                return
            for part in (objective, penalty, update, stopping):
                part.keep(staying)

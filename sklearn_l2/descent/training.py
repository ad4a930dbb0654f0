"""Training of P networks of one shape that share their rows: from settings to the descent they stand for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .batches import RowBatches
from .epochs import EpochStopping, Progress
from .lbfgs import descend_lbfgs
from .loop import Descent, DivergenceError, Update, descend
from .network import DevSet, Network, NetworkObjective
from .penalties import L2
from .threads import one_blas_thread
from .updates import (
    Adam,
    Adaptive,
    DecoupledL2,
    GradientDescent,
    InverseScaling,
    LearningRate,
    Memory,
    Momentum,
    WeightDecay,
    largest_learning_rate,
)

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

_SMALL_PRODUCT = 2**23  # multiply-adds


@dataclass(frozen=True)
class Settings:
    """How networks are trained, in the names of L2MLPClassifier's parameters."""

    solver: str
    learning_rate: str
    learning_rate_init: float
    power_t: float
    momentum: float
    nesterovs_momentum: bool
    beta_1: float
    beta_2: float
    epsilon: float
    decoupled_weight_decay: bool
    early_stopping: bool
    n_iter_no_change: float
    tol: float
    max_iter: int
    max_fun: int

    @property
    def is_decoupled(self) -> bool:
        """Whether the weights decay apart from the gradient; for plain descent that is the same step."""
        return self.decoupled_weight_decay and self.solver in ("adam", "sgd")

    def check_learning_rate(self, lambd: Floats, m: Floats) -> None:
        """Raise DivergenceError where the penalty alone makes the first steps of a problem grow; lambd, m (P,)."""
        if self.solver == "lbfgs" or (self.solver == "adam" and not self.is_decoupled):
            return
        with_momentum = self.solver == "sgd" and not self.is_decoupled
        for lambd_p, m_p in zip(lambd.tolist(), m.tolist(), strict=True):
            bound = largest_learning_rate(
                lambd_p,
                m_p,
                momentum=self.momentum if with_momentum else 0.0,
                nesterov=with_momentum and self.nesterovs_momentum,
            )
            if self.learning_rate_init >= bound:
                raise DivergenceError(
                    f"learning_rate_init={self.learning_rate_init:g} must diverge: with lambd={lambd_p:g} and a "
                    f"training set of weight m={m_p:g}, solver={self.solver!r} needs a learning_rate_init below "
                    f"{bound:g}. Use a smaller learning_rate_init or a smaller lambd."
                )

    def rates(self, n_problems: int, n_rows: int, seen: int) -> LearningRate:
        """The learning rates of P problems; an epoch has n_rows, and `seen` rows were trained on before."""
        if self.solver == "sgd" and self.learning_rate == "adaptive":
            return Adaptive(self.learning_rate_init, n_problems)
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            return InverseScaling(self.learning_rate_init, n_problems, power=self.power_t, n_rows=n_rows, seen=seen)
        return LearningRate(self.learning_rate_init, n_problems)

    @property
    def patience(self) -> float:
        """Epochs without improvement; "lbfgs" stops by its gradient alone, unless a dev set has a say."""
        return np.inf if self.solver == "lbfgs" and not self.early_stopping else self.n_iter_no_change

    def rule(self, params: Floats, rates: LearningRate) -> GradientDescent | Momentum | Adam | None:
        """The update rule of "gd", "sgd" or "adam" for params (P, n_params); "lbfgs" has none."""
        if self.solver == "lbfgs":
            return None
        if self.solver == "gd":
            return GradientDescent(self.learning_rate_init)
        if self.solver == "sgd":
            return Momentum(rates, params, momentum=self.momentum, nesterov=self.nesterovs_momentum)
        return Adam(rates, params, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)


@dataclass
class Trained:
    """What a training leaves: params (P, n_params), the descent, the stopping's records and the rule's memories."""

    params: Floats
    descent: Descent
    stopping: EpochStopping
    memories: list[Memory]
    interrupted: bool

    @property
    def diverged(self) -> Mask:
        """(P,) whether the loss, its gradient or the weights of a problem are not finite."""
        finite = [not J or bool(np.isfinite(J[-1][0])) for J in self.descent.losses]
        return self.stopping.diverged | ~np.array(finite) | ~np.isfinite(self.params).all(axis=1)

    def check_finite(self, settings: Settings) -> None:
        """Raise DivergenceError where a problem diverged."""
        if not self.diverged.any():
            return
        by_rate = settings.solver != "lbfgs"
        rate = f" with learning_rate_init={settings.learning_rate_init:g}" if by_rate else ""
        remedy = " or use a smaller learning_rate_init" if by_rate else ""
        raise DivergenceError(
            f"Training diverged: solver={settings.solver!r}{rate} left the range of {self.params.dtype} in iteration "
            f"{self.descent.n_iter.max()}. Scale the columns of X (for instance with StandardScaler){remedy}."
        )


class _Remembering:
    """An update that remembers of every problem what its rule last knew, also once the problem has left the batch."""

    def __init__(self, update: Update, rule: GradientDescent | Momentum | Adam, n_problems: int) -> None:
        self.step = update.step
        self._update = update
        self._rule = rule
        self._in_batch = np.arange(n_problems)
        self._memories: list[Memory] = [{} for _ in range(n_problems)]

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self._remember(np.flatnonzero(~mask))
        self._update.keep(mask)
        self._in_batch = self._in_batch[mask]

    def memories(self) -> list[Memory]:
        """One per problem."""
        self._remember(np.arange(len(self._in_batch)))
        return self._memories

    def _remember(self, places: NDArray[np.intp]) -> None:
        memory = self._rule.memory() if isinstance(self._rule, Momentum | Adam) else {}
        alone = len(self._in_batch) == 1
        for i in places.tolist():
            self._memories[self._in_batch[i]] = {
                name: value[i : i + 1].copy() if isinstance(value, np.ndarray) and not alone else value
                for name, value in memory.items()
            }


def _threads(network: Network, rows: RowBatches) -> AbstractContextManager[None]:
    """Small products take longer on several BLAS threads than on one, far longer on a busy machine."""
    largest = min(rows.batch_size, network.rows_per_piece) * max(n_in * n_out for n_in, n_out in network.shapes)
    return one_blas_thread() if largest <= _SMALL_PRODUCT else nullcontext()


def train(
    network: Network,
    rows: RowBatches,
    params: Floats,
    lambd: Floats,
    m: Floats,
    settings: Settings,
    *,
    progress: Progress,
    seen: int = 0,
    memory: Memory | None = None,
    dev: DevSet | None = None,
    report: Callable[[str], object] | None = None,
    cancelled: threading.Event | None = None,
) -> Trained:
    """Minimize J, starting at params (P, n_params), which are overwritten; lambd and m are (P,).

    `progress`, the number of rows `seen` and the `memory` are those of an earlier training to go on from. Ctrl-C
    ends the training with what it has reached, and so does setting `cancelled`. "lbfgs" takes a single problem.
    """
    settings.check_learning_rate(lambd, m)
    rates = settings.rates(len(params), rows.n_rows, seen)
    rule = settings.rule(params, rates)
    if memory and isinstance(rule, Momentum | Adam):
        rule.resume(memory)
    penalty = (DecoupledL2 if settings.is_decoupled else L2)(lambd, m, slice(0, network.n_weights))
    update: _Remembering | None = None
    if isinstance(penalty, DecoupledL2) and isinstance(rule, Momentum | Adam):
        update = _Remembering(WeightDecay(rule, penalty), rule, len(params))
    elif rule is not None:
        update = _Remembering(rule, rule, len(params))

    objective = NetworkObjective(network, rows, cancelled)
    stopping = EpochStopping(
        params,
        progress,
        rates,
        tol=settings.tol,
        patience=settings.patience,
        dev=dev,
        early_stopping=settings.early_stopping,
        report=report,
    )
    descent = Descent.start(params)
    interrupted = False
    with _threads(network, rows), np.errstate(all="ignore"):  # `stopping` looks for what is not finite
        try:
            if update is None:
                descend_lbfgs(
                    descent,
                    objective,
                    penalty,
                    stopping,
                    max_iter=settings.max_iter,
                    max_fun=settings.max_fun,
                    tol=settings.tol,
                )
            else:
                descend(descent, objective, penalty, update, stopping, max_iter=settings.max_iter)
        except KeyboardInterrupt:
            interrupted = True
    return Trained(
        params=stopping.best_params if settings.early_stopping else params,
        descent=descent,
        stopping=stopping,
        memories=[{}] if update is None else update.memories(),
        interrupted=interrupted,
    )

"""When the training of networks ends: J, or the accuracy on a dev set, no longer improves from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .network import DevSet
from .updates import LearningRate

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass
class Progress:
    """The lowest cost so far and the number of epochs since that came near it, (P,) each.

    The cost is J, or minus the accuracy on the dev set with early stopping.
    """

    best_cost: Floats
    n_without: NDArray[np.int64]

    @classmethod
    def start(cls, n_problems: int) -> Progress:
        return cls(np.full(n_problems, np.inf), np.zeros(n_problems, dtype=np.int64))


class EpochStopping:
    """A problem stalls when more than `patience` epochs in a row did not lower its best cost by `tol`.

    A stalled problem is finished, unless the learning rate still has a smaller value to try; so is one whose loss or
    gradient left the range of its numbers (`diverged`). With `early_stopping`, `best_params` are the parameters of the
    highest dev accuracy. Records cover all problems, also those that have left the batch.
    """

    def __init__(
        self,
        params: Floats,
        progress: Progress,
        learning_rate: LearningRate,
        *,
        tol: float,
        patience: float,
        dev: DevSet | None = None,
        early_stopping: bool = False,
        report: Callable[[str], object] | None = None,
    ) -> None:
        n_problems = len(params)
        self.progress = progress
        self.learning_rate = learning_rate
        self.tol = tol
        self.patience = patience
        self.dev = dev
        self.early_stopping = early_stopping
        self.best_params = params.copy() if early_stopping else params
        self.diverged = np.zeros(n_problems, dtype=bool)
        self.dev_losses: list[list[float]] = [[] for _ in range(n_problems)]
        self.dev_scores: list[list[float]] = [[] for _ in range(n_problems)]
        self._report = report
        self._in_batch = np.arange(n_problems)
        self._n_epochs = 0

    def finished(self, params: Floats, loss: Floats, gradient: Floats) -> Mask:
        """(P,) true for problems to take out; params (P, n_params) are the epoch's last, loss (P,) is its mean J."""
        self._n_epochs += 1
        self._say("loss", loss)
        cost, diverged = loss, ~np.isfinite(loss)
        steepest = np.maximum(gradient.max(axis=1), -gradient.min(axis=1))
        diverged |= ~(steepest <= np.sqrt(np.finfo(gradient.dtype).max))  # Adam could not square it
        if self.dev is not None:
            dev_loss, dev_score = self.dev.evaluate(params)
            diverged |= ~np.isfinite(dev_loss)
            self._say("dev loss", dev_loss)
            self._say("dev accuracy", dev_score)
            for p, loss_p, score_p in zip(self._in_batch, dev_loss.tolist(), dev_score.tolist(), strict=True):
                self.dev_losses[p].append(loss_p)
                self.dev_scores[p].append(score_p)
            if self.early_stopping:
                cost = -dev_score
        stalled = self._update_progress(np.where(diverged, np.inf, cost), params)
        self.learning_rate.end_epoch()
        finished = self.learning_rate.give_up(stalled)
        self.diverged[self._in_batch] = diverged
        return finished | diverged

    def _update_progress(self, cost: Floats, params: Floats) -> Mask:
        """Which problems have stalled, (P,)."""
        best, n_without = self.progress.best_cost[self._in_batch], self.progress.n_without[self._in_batch]
        n_without = np.where(cost > best - self.tol, n_without + 1, 0)
        stalled = n_without > self.patience
        n_without[stalled] = 0
        better = cost < best
        self.progress.best_cost[self._in_batch] = np.minimum(best, cost)
        self.progress.n_without[self._in_batch] = n_without
        if self.early_stopping:
            self.best_params[self._in_batch[better]] = params[better]
        return stalled

    def _say(self, what: str, values: Floats) -> None:
        if self._report is not None:
            numbers = ", ".join(f"{value:.8f}" for value in values)
            self._report(f"Iteration {self._n_epochs}, {what} = {numbers}")

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self._in_batch = self._in_batch[mask]

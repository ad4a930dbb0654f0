"""What the training of a network starts from, and the training itself, for one lambda or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .descent.batches import RowBatches
from .descent.epochs import Progress
from .descent.network import DevSet, Network
from .descent.outputs import LogisticOutput
from .descent.training import Settings, Trained, train

Weights = NDArray[np.float64]


@dataclass
class Start:
    """What is to be trained: the network, its parameters (1, n_params), and whether it goes on from an earlier fit."""

    network: Network
    params: NDArray[np.floating]
    classes: NDArray[Any]
    continued: bool

    @property
    def multilabel(self) -> bool:
        """Whether targets are a matrix of labels."""
        return self.network.output is LogisticOutput and self.network.sizes[-1] > 1

    def dev_set(self, X: Any, codes: NDArray[Any], s: Weights | None) -> DevSet:
        """Rows to judge by, with codes as `codes_for` gives them."""
        return DevSet(self.network, X, self.network.output.target(codes, self.params.dtype), s)


@dataclass
class Training:
    """What to train on: rows X (n, n_features), their codes, and weights s (n,) or None where all are one.

    `random` draws the order of the rows.
    """

    start: Start
    X: Any
    codes: NDArray[Any]
    s: Weights | None
    dev: DevSet | None
    random: np.random.RandomState

    @property
    def n_rows(self) -> int:
        """n."""
        return self.X.shape[0]

    @property
    def weight(self) -> float:
        """The sum of all s_i."""
        return float(self.n_rows if self.s is None else self.s.sum())

    def run(
        self,
        lambds: NDArray[np.float64],
        settings: Settings,
        *,
        batch_size: int,
        shuffle: bool,
        n_samples_total: float | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Trained:
        """Train a network for each lambda (P,), all from the same start and on the same batches."""
        network, params, n_problems = self.start.network, self.start.params, len(lambds)
        weight = np.full(n_problems, self.weight)
        precision = np.float64 if settings.solver == "lbfgs" else params.dtype
        rows = RowBatches(
            self.X,
            network.output.target(self.codes, precision),
            None if self.s is None else np.broadcast_to(self.s, (n_problems, self.n_rows)),
            weight,
            batch_size=batch_size,
            random=self.random if shuffle else None,
            dtype=precision,
        )
        trained = train(
            network,
            rows,
            np.repeat(params.astype(precision, copy=False), n_problems, axis=0),
            lambds,
            weight if n_samples_total is None else weight * (n_samples_total / self.n_rows),
            settings,
            progress=progress or Progress.start(n_problems),
            dev=self.dev,
            **options,
        )
        with np.errstate(over="ignore"):
            trained.params = trained.params.astype(params.dtype, copy=False)
        return trained

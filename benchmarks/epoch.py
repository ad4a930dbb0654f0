"""Time of one training epoch of L2MLPClassifier and scikit-learn's MLPClassifier: `python -m benchmarks.epoch`.

Both train the same network from the same weights on the same batches (Adam, 200 rows), with alpha chosen so that the
objectives are the same. Fits are interleaved; medians and the median of the pairs' ratios are printed, and the loss
that both reached as a proof that they did the same work.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_l2.mlp import L2MLPClassifier

LAMBD = 1.0
HIDDEN = ((100,), (256, 128))


def data_sets() -> dict[str, tuple[np.ndarray, np.ndarray, int]]:
    """X, y, and the number of epochs that make a run of some length."""
    binary = load_breast_cancer(return_X_y=True)
    digits = load_digits(return_X_y=True)
    large = make_classification(
        10_000, 784, n_informative=50, n_redundant=0, n_classes=10, n_clusters_per_class=1, random_state=0
    )
    return {
        "binary 569 x 30": (*binary, 60),
        "digits 1 797 x 64": (*digits, 20),
        "synthetic 10 000 x 784": (*large, 3),
    }


def time_epochs(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Milliseconds per epoch of a whole fit."""
    start = time.perf_counter()
    model.fit(X, y)
    return (time.perf_counter() - start) * 1e3 / model.n_iter_


def compared(measure: Callable[[Any], float], ours: Any, theirs: Any, repeats: int) -> tuple[float, float, float]:
    """Medians of what both take, in turn, and of the pairs' ratios; a first round is not counted."""
    pairs = [(measure(ours), measure(theirs)) for _ in range(repeats + 1)][1:]
    own, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    return own, other, statistics.median(b / a for a, b in pairs)


def print_row(name: str, hidden: tuple[int, ...], dtype: Any, times: Iterable[float], proof: list[str]) -> None:
    """A row of the table: the times and their ratio, and what both sides reached."""
    cells = (f"{name}, {hidden}", np.dtype(dtype).name, *(f"{each:.2f}" for each in times), *proof)
    print("|", " | ".join(cells), "|", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        "| data, hidden | dtype | L2MLPClassifier, ms/epoch | MLPClassifier, ms/epoch | ratio | J, ours | J, theirs |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, (X, y, epochs) in data_sets().items():
        X = StandardScaler().fit_transform(X)
        for hidden in HIDDEN:
            for dtype in (np.float64, np.float32):
                shared: dict[str, Any] = {"max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
                ours = L2MLPClassifier(hidden, lambd=LAMBD, **shared)
                theirs = MLPClassifier(hidden, alpha=LAMBD * 200 / len(X), **shared)
                X_typed = X.astype(dtype)
                times = compared(partial(time_epochs, X=X_typed, y=y), ours, theirs, repeats)
                print_row(name, hidden, dtype, times, [f"{model.loss_:.6f}" for model in (ours, theirs)])


if __name__ == "__main__":
    main()

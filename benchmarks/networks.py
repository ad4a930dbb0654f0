"""Section: networks, an epoch against MLPClassifier and PyTorch on the CPU, and a search against GridSearchCV.

Adam, batches of 200 rows, the same layers, the same J and the same dtype. MLPClassifier begins with our weights and
takes our batches, and J comes out the same where all are of 200 rows (it divides its penalty by the rows of a batch);
PyTorch draws weights of the same size and batches of its own.
Every library has a process of its own, which may use all cores.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier

from sklearn_l2 import L2MLPClassifier, LambdaSearchCV

from . import data
from .section import Cell, Row, duration, ratio, table
from .worker import Worker, in_turn, timed

TITLE = "Networks"

LAMBD = 1.0
BATCH = 200
LEARNING_RATE = 0.001
HIDDEN = ((100,), (256, 128), (128, 64, 32))
EPOCHS = {"breast cancer, scaled": 60, "digits, scaled": 20, "10 000 x 784, 10 classes": 3}
LAMBDS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
N_FOLDS = 5
SEARCHED = {"digits, scaled": 50, "10 000 x 784, 10 classes": 3}  # epochs of each fit

OURS = "sklearn-l2"
EPOCH_SIDES = {OURS: "sklearn_l2", "MLPClassifier": "sklearn", "PyTorch": "torch"}
SEARCH_SIDES = {OURS: "sklearn_l2", "GridSearchCV(MLPClassifier)": "sklearn"}


def cells(quick: bool) -> list[Cell]:
    """Data, layers and dtypes."""
    repeats = 2 if quick else 15
    found = []
    for kind, epochs in (("epoch", EPOCHS), ("search", {} if quick else SEARCHED)):
        for name in list(epochs)[:1] if quick else epochs:
            for hidden in HIDDEN[:1] if quick else HIDDEN:
                for dtype in ("float32",) if quick else ("float64", "float32"):
                    run = partial(_run, kind, name, hidden, dtype, repeats if kind == "epoch" else min(repeats, 5))
                    found.append(Cell(f"{kind}, {name}, {hidden}, {dtype}", run))
    return found


def _run(kind: str, name: str, hidden: tuple[int, ...], dtype: str, repeats: int) -> list[Row]:
    sides = EPOCH_SIDES if kind == "epoch" else SEARCH_SIDES
    serve = serve_epochs if kind == "epoch" else serve_search
    reached = {}
    with ExitStack() as stack:
        workers = {
            side: stack.enter_context(Worker(serve, side, name, hidden, dtype))
            for side, library in sides.items()
            if importlib.util.find_spec(library)
        }
        for side, worker in workers.items():
            _, reached[side] = worker.ask(None)  # not counted
        seconds = in_turn(
            {side: lambda worker=worker: worker.ask(None)[0] for side, worker in workers.items()}, repeats
        )
    return [
        {"kind": kind, "data": name, "hidden": list(hidden), "dtype": dtype, "seconds": seconds, "reached": reached}
    ]


def serve_epochs(side: str, name: str, hidden: tuple[int, ...], dtype: str) -> Callable[[Any], tuple[float, float]]:
    """Make the data; the answer is the seconds of an epoch, and the J reached."""
    X, y = _data(name, dtype)
    if side == "PyTorch":
        return _torch(X, y, hidden, EPOCHS[name])
    shared: dict[str, Any] = {"max_iter": EPOCHS[name], "n_iter_no_change": EPOCHS[name], "random_state": 0}
    if side == OURS:
        model: Any = L2MLPClassifier(hidden, lambd=LAMBD, **shared)
    else:
        model = MLPClassifier(hidden, alpha=LAMBD * min(BATCH, len(X)) / len(X), **shared)

    def fit(_: Any) -> tuple[float, float]:
        seconds, _model = timed(lambda: model.fit(X, y))
        return seconds / model.n_iter_, float(model.loss_)

    return fit


def _torch(X: Any, y: Any, hidden: tuple[int, ...], n_epochs: int) -> Callable[[Any], tuple[float, float]]:
    """The same network in PyTorch; lambd/m acts on the weights alone, as `weight_decay` of Adam, which is coupled."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    n_outputs = int(y.max()) + 1 if y.max() > 1 else 1
    loss: Any = torch.nn.CrossEntropyLoss() if n_outputs > 1 else torch.nn.BCEWithLogitsLoss()
    rows = torch.from_numpy(X)
    target = torch.from_numpy(y if n_outputs > 1 else y.astype(X.dtype)[:, None])
    sizes = [X.shape[1], *hidden, n_outputs]

    def network() -> Any:
        torch.manual_seed(0)
        layers: list[Any] = []
        for n_in, n_out in pairwise(sizes):
            layer = torch.nn.Linear(n_in, n_out, dtype=rows.dtype)
            torch.nn.init.xavier_uniform_(layer.weight)  # as both others begin
            layers += [layer, torch.nn.ReLU()]
        return torch.nn.Sequential(*layers[:-1])

    def train() -> float:
        model = network()
        weights = [p for p in model.parameters() if p.ndim == 2]
        biases = [p for p in model.parameters() if p.ndim == 1]
        groups = [{"params": weights, "weight_decay": LAMBD / len(rows)}, {"params": biases}]
        adam = torch.optim.Adam(groups, lr=LEARNING_RATE, fused=True)
        for _ in range(n_epochs):
            total = torch.zeros((), dtype=rows.dtype)
            order = torch.randperm(len(rows))
            for start in range(0, len(rows), BATCH):
                batch = order[start : start + BATCH]
                adam.zero_grad()
                value = loss(model(rows[batch]), target[batch])
                value.backward()
                total += value.detach() * len(batch)
                adam.step()
        squares = sum(float((w.detach() ** 2).sum()) for w in weights)
        return (float(total) + LAMBD / 2 * squares) / len(rows)

    def fit(_: Any) -> tuple[float, float]:
        seconds, reached = timed(train)
        return seconds / n_epochs, reached

    return fit


def serve_search(side: str, name: str, hidden: tuple[int, ...], dtype: str) -> Callable[[Any], tuple[float, float]]:
    """Make the data; the answer is the seconds of a search without refit, and the best mean score."""
    X, y = _data(name, dtype)
    shared: dict[str, Any] = {"max_iter": SEARCHED[name], "n_iter_no_change": SEARCHED[name], "random_state": 0}
    cv = StratifiedKFold(N_FOLDS)
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the processes that a search starts
    if side == OURS:
        search: Any = LambdaSearchCV(L2MLPClassifier(hidden, **shared), LAMBDS, cv=cv, refit=False, n_jobs=-1)
    else:
        alphas = [lambd * BATCH / (len(X) * (1 - 1 / N_FOLDS)) for lambd in LAMBDS]
        search = GridSearchCV(MLPClassifier(hidden, **shared), {"alpha": alphas}, cv=cv, refit=False, n_jobs=-1)

    def fit(_: Any) -> tuple[float, float]:
        seconds, _search = timed(lambda: search.fit(X, y))
        return seconds, float(search.cv_results_["mean_test_score"].max())

    return fit


def _data(name: str, dtype: str) -> data.Data:
    X, y = data.make(name)
    return np.ascontiguousarray(X, dtype=dtype), y


def markdown(rows: list[Row], pictures: Path) -> str:
    """A table of epochs, and one of searches."""
    epochs = [row for row in rows if row["kind"] == "epoch"]
    searches = [row for row in rows if row["kind"] == "search"]
    parts = [
        f"Adam, batches of {BATCH} rows, lambd = {LAMBD:g}; MLPClassifier trains from the same weights on the same "
        "batches, PyTorch (`torch.optim.Adam`, fused, with the penalty as `weight_decay`) on some of its own. The mean "
        "J of the last epoch says that the work was the same.\n",
        _table(epochs, list(EPOCH_SIDES), "an epoch", "J"),
    ]
    if searches:
        parts += [
            f"A search: {len(LAMBDS)} lambdas, {N_FOLDS} folds, accuracy, no refit, `n_jobs=-1`.\n",
            _table(searches, list(SEARCH_SIDES), "a search", "best score"),
        ]
    return "\n".join(parts)


def _table(rows: list[Row], sides: list[str], what: str, proof: str) -> str:
    lines = []
    for row in rows:
        medians = {side: statistics.median(seconds) for side, seconds in row["seconds"].items()}
        cells = [f"{row['data']}, {tuple(row['hidden'])}", row["dtype"]]
        for side in sides:
            if side not in medians:
                cells.append("")
                continue
            again = "" if side == OURS else f", {ratio(medians[side] / medians[OURS])}"
            cells.append(f"{duration(medians[side])}{again} ({row['reached'][side]:.5f})")
        lines.append(cells)
    return table(["data, hidden layers", "dtype", *(f"{side}: {what} ({proof})" for side in sides)], lines)

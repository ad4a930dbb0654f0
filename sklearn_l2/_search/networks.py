"""L2MLPClassifier over lambdas: networks of one fold train on the same mini-batches, folds side by side on threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, gcd
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from .._network_training import Training
from ..descent.loop import DivergenceError
from ..descent.penalties import decay_factor
from ..descent.threads import available_threads, one_blas_thread
from ..descent.training import Settings, Trained
from ..mlp import L2MLPClassifier
from .candidates import Group, last_step
from .fits import Figures, Fits, Unfitted
from .folds import Fold, Prepared, join, prepare
from .parallel import in_parallel
from .scoring import RowFigures, class_codes

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_MOST_TOGETHER = 8  # networks; more are not faster, and Ctrl-C loses those that have not finished
_ARRAYS_PER_NETWORK = 8  # of the size of its parameters, while it trains
_ARRAYS_PER_SCORE = 4  # of the size of a network's scores, while it is scored


def can_batch(network: L2MLPClassifier) -> bool:
    """Whether single fits would all start alike, and say nothing on the way."""
    return network.solver != "lbfgs" and isinstance(network.random_state, Integral) and not network.verbose


def fit_group(
    group: Group, folds: Sequence[Fold], *, train_rows: bool, n_jobs: Any, pre_dispatch: Any
) -> Iterator[Fits | Unfitted]:
    """Fit all lambdas on all folds; `train_rows` asks for the figures of every training row."""
    n_processes = effective_n_jobs(n_jobs)
    everything = np.arange(len(group.lambds))
    if n_processes == 1:
        yield from _fit_folds(group, folds, everything, train_rows)
        return
    parts = _parts(everything, _evenly(len(folds), n_processes))
    calls = [(group, fold, part, train_rows) for part, fold in product(parts, folds)]
    for outcome in in_parallel(_fit_fold, calls, n_jobs=n_jobs, pre_dispatch=pre_dispatch):
        yield from outcome


def _evenly(n_folds: int, n_workers: int) -> int:
    """Into how many parts to divide each fold's lambdas so that every worker gets equally many."""
    return n_workers // gcd(n_folds, n_workers)


def _parts(lambdas: Indices, n_parts: int) -> list[Indices]:
    return np.array_split(lambdas, min(n_parts, len(lambdas)))


def _fit_fold(group: Group, fold: Fold, lambdas: Indices, train_rows: bool) -> list[Fits | Unfitted]:
    return list(_fit_folds(group, [fold], lambdas, train_rows))


def _fit_folds(group: Group, folds: Sequence[Fold], lambdas: Indices, train_rows: bool) -> Iterator[Fits | Unfitted]:
    n_threads = available_threads()
    with _workers(n_threads) as (pool, cancelled):
        pending: deque[tuple[_Batch, Future[_Result]]] = deque()
        for fold, rows, part in _jobs(group, folds, lambdas, n_threads):
            usable = np.zeros(len(part), dtype=bool) if rows is None else rows.usable(group.lambds[part])
            if not usable.all():
                yield Unfitted(fold.number, part[~usable])
            if rows is None or not usable.any():
                continue
            batch = _Batch(group, rows, part[usable])
            pending.append((batch, pool.submit(batch.train, train_rows, cancelled)))
            if len(pending) > n_threads:
                yield from _finish(*pending.popleft())
        while pending:
            yield from _finish(*pending.popleft())


@contextmanager
def _workers(n_threads: int) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """Threads, BLAS keeping to one in each, and what tells them to stop."""
    cancelled = threading.Event()
    with one_blas_thread(), ThreadPoolExecutor(n_threads) as pool:
        try:
            yield pool, cancelled
        finally:
            cancelled.set()
            pool.shutdown(cancel_futures=True)


def _jobs(
    group: Group, folds: Sequence[Fold], lambdas: Indices, n_threads: int
) -> Iterator[tuple[Fold, _FoldRows | None, Indices]]:
    """Which lambdas to train together on which fold, in an order that finishes lambdas early.

    That order needs the prepared rows of all folds over and over; where they are more than working memory holds, all
    lambdas of a fold come one after the other.
    """
    working_memory = int(sklearn.get_config()["working_memory"] * 2**20)
    first = _prepare(group, folds[0])
    most = _MOST_TOGETHER if first is None else min(_MOST_TOGETHER, working_memory // n_threads // first.network_bytes)
    parts = _parts(lambdas, max(_evenly(len(folds), n_threads), ceil(len(lambdas) / max(most, 1))))
    keep = first is not None and len(parts) > 1 and len(folds) * first.nbytes <= working_memory
    prepared = {folds[0].number: first}
    for part, fold in product(parts, folds) if keep else ((part, fold) for fold in folds for part in parts):
        if fold.number not in prepared:
            if not keep:
                prepared.clear()
            prepared[fold.number] = _prepare(group, fold)
        yield fold, prepared[fold.number], part


@dataclass
class _LabelledRows:
    """Rows as the network sees them, and their class codes, -1 for a class it does not know."""

    X: Any
    codes: Indices
    weight: Any


@dataclass
class _FoldRows:
    """A fold behind a Pipeline's earlier steps.

    `train` are all training rows, `training` those that are not set aside for early stopping. `train` and `test` are
    None where there is something about them that is for the scorer to say.
    """

    fold: Fold
    transformers: Pipeline | None
    model: L2MLPClassifier
    training: Training
    settings: Settings
    batch_size: int
    train: _LabelledRows | None
    test: _LabelledRows | None

    def usable(self, lambds: Floats) -> NDArray[np.bool_]:
        """Which lambdas the learning rate is not too large for."""
        return np.array([self._is_usable(lambd) for lambd in lambds])

    def _is_usable(self, lambd: float) -> bool:
        try:
            self.settings.check_learning_rate(np.array([lambd]), np.array([self.training.weight]))
        except DivergenceError:
            return False
        return True

    @property
    def nbytes(self) -> int:
        """Of the rows."""
        return sum(_nbytes(X) for X in {id(X): X for X in self._all_rows()}.values())

    @property
    def network_bytes(self) -> int:
        """Of memory that a network needs for itself while it trains."""
        network, itemsize = self.training.start.network, self.training.start.params.dtype.itemsize
        n_rows = sum(X.shape[0] for X in self._all_rows())
        units = sum(network.sizes[1:]) * min(network.rows_per_piece, n_rows)
        scores = n_rows * (network.sizes[-1] + 2)
        return itemsize * (_ARRAYS_PER_NETWORK * network.n_params + 2 * units + _ARRAYS_PER_SCORE * scores)

    def _all_rows(self) -> list[Any]:
        return [self.training.X, *(rows.X for rows in (self.train, self.test) if rows is not None)]


def _nbytes(X: Any) -> int:
    return X.data.nbytes + X.indices.nbytes + X.indptr.nbytes if sp.issparse(X) else X.nbytes


def _prepare(group: Group, fold: Fold) -> _FoldRows | None:
    """None where that fails, which the fits one by one will explain."""
    model = clone(last_step(group.estimator))
    try:
        prepared = prepare(group.estimator, fold)
        dev = fold.dev
        given = (None, None, None)
        if dev is not None:
            given = (prepared.transform(dev.X), dev.y, dev.sample_weight)
        training = model._prepare(prepared.X, prepared.y, prepared.sample_weight, *given)
        batch_size = model._rows_per_batch(training.n_rows)
    except Exception:
        return None
    train = test = None
    if not training.start.multilabel:
        classes, weight = training.start.classes, prepared.sample_weight
        train = _labelled(model, classes, lambda: (prepared.X, prepared.y), weight)
        test = _labelled(model, classes, lambda: _scored_rows(fold, prepared), fold.test_weight())
    return _FoldRows(fold, prepared.transformers, model, training, model._settings(), batch_size, train, test)


def _scored_rows(fold: Fold, prepared: Prepared) -> tuple[Any, Any]:
    rows = fold.testing()
    return prepared.transform(rows.X), rows.y


def _labelled(
    model: L2MLPClassifier, classes: NDArray[Any], rows: Callable[[], tuple[Any, Any]], weight: Any
) -> _LabelledRows | None:
    try:
        X, y = rows()
        X = validate_data(model, X, accept_sparse="csr", order="C", dtype=(np.float64, np.float32), reset=False)
        return _LabelledRows(X, class_codes(classes, column_or_1d(y)), weight)
    except Exception:
        return None


@dataclass(frozen=True)
class _Result:
    """Of a batch of networks: the training, and of those that did not diverge (`kept`) the figures of rows."""

    trained: Trained
    kept: Indices
    test: RowFigures | None
    train: RowFigures | None
    figures: Figures | None
    seconds: float


@dataclass
class _Batch:
    """Some lambdas of a group on a fold."""

    group: Group
    rows: _FoldRows
    lambdas: Indices

    def train(self, train_rows: bool, cancelled: threading.Event) -> _Result:
        """On a thread of its own."""
        start = time.perf_counter()
        rows = self.rows
        trained = replace(rows.training, random=deepcopy(rows.training.random)).run(
            self.group.lambds[self.lambdas],
            rows.settings,
            batch_size=rows.batch_size,
            shuffle=rows.model.shuffle,
            cancelled=cancelled,
        )
        seconds = time.perf_counter() - start
        kept = np.flatnonzero(~trained.diverged)
        params = trained.params[kept]
        test, train = self._row_figures(params, rows.test), self._row_figures(params, rows.train)
        figures = self._figures(params, self.lambdas[kept], train, test)
        return _Result(trained, kept, test, train if train_rows else None, figures, seconds)

    def _row_figures(self, params: Floats, rows: _LabelledRows | None) -> RowFigures | None:
        if rows is None or not len(params):
            return None
        network = self.rows.training.start.network
        scores = np.empty((rows.X.shape[0], len(params), network.sizes[-1]), params.dtype)
        with np.errstate(all="ignore"):
            for piece, part in network.scores(rows.X, *network.views(params)):
                scores[piece] = part.transpose(1, 0, 2)
        return RowFigures.of_scores(scores, rows.codes) if np.isfinite(scores).all() else None

    def _figures(
        self, params: Floats, lambdas: Indices, train: RowFigures | None, test: RowFigures | None
    ) -> Figures | None:
        rows, settings = self.rows, self.rows.settings
        if train is None or test is None or rows.train is None or rows.test is None:
            return None
        has_factor = settings.solver != "adam" or settings.is_decoupled
        lambds = self.group.lambds[lambdas]
        return Figures(
            norm=np.linalg.norm(params[:, : rows.training.start.network.n_weights], axis=1),
            train_loss=_mean(train.losses, rows.train.weight),
            train_error=_mean(train.wrong, rows.train.weight),
            dev_loss=_mean(test.losses, rows.test.weight),
            dev_error=_mean(test.wrong, rows.test.weight),
            decay_factor=decay_factor(settings.learning_rate_init, lambds, rows.training.weight)
            if has_factor
            else None,
        )

    def model(self, trained: Trained, p: int) -> Any:
        """The fitted estimator of network p, which gives the warnings of a single fit."""
        rows = self.rows
        estimator = self.group.with_lambd(int(self.lambdas[p]))
        model = last_step(estimator)
        vars(model).update({name: value for name, value in vars(rows.model).items() if name.endswith("_in_")})
        model._take(rows.training, trained, p, batch_size=rows.batch_size)
        model._warn(trained, p)
        return join(estimator, rows.transformers, model)


def _mean(values: NDArray[Any], weights: Any) -> Floats:
    """Over the rows; NaN where all weigh nothing."""
    if weights is not None and not np.sum(weights) > 0:
        return np.full(values.shape[1], np.nan)
    return np.average(values, axis=0, weights=weights)


def _finish(batch: _Batch, future: Future[_Result]) -> Iterator[Fits | Unfitted]:
    result, fold = future.result(), batch.rows.fold.number
    failed = np.delete(batch.lambdas, result.kept)
    if len(failed):
        yield Unfitted(fold, failed)
    if len(result.kept):
        models = [batch.model(result.trained, p) for p in result.kept.tolist()]
        seconds = result.seconds / len(batch.lambdas)
        yield Fits(
            fold, batch.lambdas[result.kept], seconds, models.__getitem__, result.test, result.train, result.figures
        )

"""Who fits a logistic regression, and how each is told lambd and when to stop.

Every peer minimizes the same J, its strength translated from lambd; that it does is seen from the suboptimality it
reaches. Where its model is another one, `NOTES` says so. A library has a process of its own, which `serve` runs.
"""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.utils.fixes import parse_version

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression

from . import data
from .worker import timed

OURS = "sklearn-l2"
_N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
# scikit-learn 1.8 renamed the parameter.
_L1 = {"l1_ratio": 1.0} if parse_version(sklearn.__version__) >= parse_version("1.8") else {"penalty": "l1"}

NOTES = (
    "liblinear penalizes the intercept; `intercept_scaling=1000` makes that too little to be seen. L1 is compared "
    "without an intercept, which it and celer do not have as we do.",
    "snapml penalizes the intercept too, and has no softmax, only one class against the rest. It runs with "
    "`dual=True`, which is faster and gets nearer than `dual=False`, and with `intercept_scaling=1`, since greater "
    "ones take many times as long; its optimum is therefore another one where the intercept is not near 0.",
    "adelie wants columns in Fortran order and gets them so; the copy is not timed. It asks for a numpy older than 2, "
    "but runs with a current one when installed with `--no-deps`. Its L1 penalty of a softmax takes the classes' "
    "weights of a column as a group.",
    "glum, skglm, celer and SGDClassifier have no softmax. SGDClassifier has no stopping that would lead to an "
    "optimum: it is given more and more epochs.",
    "scikit-learn-intelex runs its own lbfgs and newton-cg on dense X; on sparse X it hands over to scikit-learn.",
)


@dataclass(frozen=True)
class Task:
    """What a peer must suit: a shape, and what is minimized."""

    n_rows: int
    n_columns: int
    n_classes: int
    is_sparse: bool
    penalty: str = "l2"
    intercept: bool = True


@dataclass(frozen=True)
class Settings:
    """Strength, what is minimized, and when to stop."""

    lambd: float
    penalty: str
    intercept: bool
    stop: float


@dataclass(frozen=True)
class Peer:
    """`make(settings, n_rows, n_classes)` is an estimator; `stops` go from the loosest to the strictest."""

    name: str
    library: str
    module: str
    make: Callable[[Settings, int, int], Any]
    stops: tuple[float, ...]
    suits: Callable[[Task], bool]
    order: str = "C"  # of a dense X

    @property
    def is_installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


def tolerances(first: int, last: int) -> tuple[float, ...]:
    """Powers of ten."""
    return tuple(float(f"1e{e}") for e in range(first, last - 1, -1))


def _ours(s: Settings, *_: int) -> Any:
    kind = L1LogisticRegression if s.penalty == "l1" else L2LogisticRegression
    return kind(s.lambd, tol=s.stop, fit_intercept=s.intercept)


def _sklearn(solver: str, s: Settings, *_: int, module: Any = LogisticRegression) -> Any:
    return module(
        C=1 / s.lambd,
        solver=solver,
        tol=s.stop,
        max_iter=1_000_000,
        fit_intercept=s.intercept,
        intercept_scaling=1000.0 if solver == "liblinear" else 1.0,
        random_state=0,
        **(_L1 if s.penalty == "l1" else {}),
    )


def _intelex(solver: str, s: Settings, *_: int) -> Any:
    from sklearnex.linear_model import LogisticRegression as Patched

    return _sklearn(solver, s, module=Patched)


def _sgd(s: Settings, n_rows: int, _: int) -> Any:
    return SGDClassifier(loss="log_loss", alpha=s.lambd / n_rows, tol=None, max_iter=int(s.stop), random_state=0)


def _glum(s: Settings, n_rows: int, _: int) -> Any:
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(
        family="binomial",
        alpha=s.lambd / n_rows,
        l1_ratio=float(s.penalty == "l1"),
        fit_intercept=s.intercept,
        gradient_tol=s.stop,
        max_iter=10_000,
    )


def _snapml(s: Settings, *_: int) -> Any:
    from snapml import LogisticRegression as Snap

    return Snap(
        regularizer=s.lambd, dual=True, fit_intercept=s.intercept, tol=s.stop, max_iter=100_000, n_jobs=_N_CORES
    )


class _Adelie:
    """`adelie.grpnet` as an estimator."""

    def __init__(self, s: Settings, n_rows: int, n_classes: int) -> None:
        self._settings, self._n_rows, self._n_classes = s, n_rows, n_classes

    def fit(self, X: Any, y: Any) -> None:
        from adelie import glm, grpnet

        s, K = self._settings, self._n_classes
        family = glm.binomial(y.astype(float)) if K == 2 else glm.multinomial(np.eye(K)[y])
        state = grpnet(
            X,
            family,
            alpha=float(s.penalty == "l1"),
            penalty=np.ones(X.shape[1]),
            # Its multinomial loss is divided by the number of classes.
            lmda_path=np.array([s.lambd / self._n_rows / (1 if K == 2 else K)]),
            tol=s.stop,
            irls_tol=s.stop,
            intercept=s.intercept,
            n_threads=_N_CORES,
            early_exit=False,
            progress_bar=False,
        )
        weights = state.betas.toarray().ravel()
        self.coef_ = weights.reshape(1, -1) if K == 2 else weights.reshape(-1, K).T
        self.intercept_ = np.ravel(state.intercepts)


def _skglm(s: Settings, n_rows: int, _: int) -> Any:
    from skglm import SparseLogisticRegression

    return SparseLogisticRegression(
        alpha=s.lambd / n_rows, tol=s.stop, max_iter=1000, max_epochs=100_000, fit_intercept=s.intercept
    )


def _celer(s: Settings, *_: int) -> Any:
    from celer import LogisticRegression as Celer

    return Celer(C=1 / s.lambd, tol=s.stop, max_iter=1000, max_epochs=1_000_000, fit_intercept=s.intercept)


def _two_classes(task: Task) -> bool:
    return task.n_classes == 2


def _l2(task: Task) -> bool:
    return task.penalty == "l2"


def _l1(task: Task) -> bool:
    return task.penalty == "l1"


def _suits_stochastic_descent(task: Task) -> bool:
    """Many rows, but not so much data that a few epochs take seconds."""
    return task.n_rows >= 10_000 and task.n_rows * task.n_columns <= 1_000_000


def _parameters(task: Task) -> int:
    return task.n_columns * (1 if task.n_classes == 2 else task.n_classes)


def _intelex_peer(solver: str, last: int) -> Peer:
    return Peer(
        f"intelex {solver}",
        "scikit-learn-intelex",
        "sklearnex",
        partial(_intelex, solver),
        tolerances(-1, last),
        lambda task: _l2(task) and not task.is_sparse,
    )


PEERS = (
    Peer(OURS, OURS, "sklearn_l2", _ours, (1e-4, 1e-7, 1e-10, 1e-12), lambda task: True),
    Peer("lbfgs", "scikit-learn", "sklearn", partial(_sklearn, "lbfgs"), tolerances(-1, -12), _l2),
    Peer("newton-cg", "scikit-learn", "sklearn", partial(_sklearn, "newton-cg"), tolerances(-1, -10), _l2),
    Peer(
        "newton-cholesky",
        "scikit-learn",
        "sklearn",
        partial(_sklearn, "newton-cholesky"),
        tolerances(-1, -10),
        lambda task: _l2(task) and _parameters(task) <= 2500,
    ),
    Peer(
        "liblinear",
        "scikit-learn",
        "sklearn",
        partial(_sklearn, "liblinear"),
        tolerances(-1, -12),
        lambda task: _two_classes(task) and not (_l1(task) and task.intercept),
    ),
    Peer(
        "sag",
        "scikit-learn",
        "sklearn",
        partial(_sklearn, "sag"),
        tolerances(-2, -10),
        lambda task: _l2(task) and _suits_stochastic_descent(task),
    ),
    Peer("saga", "scikit-learn", "sklearn", partial(_sklearn, "saga"), tolerances(-2, -10), _l1),
    Peer(
        "SGDClassifier",
        "scikit-learn",
        "sklearn",
        _sgd,
        (5, 20, 80, 320),
        lambda task: _l2(task) and _two_classes(task) and _suits_stochastic_descent(task),
    ),
    _intelex_peer("lbfgs", -12),
    _intelex_peer("newton-cg", -10),
    Peer(
        "glum",
        "glum",
        "glum",
        _glum,
        tolerances(-1, -10),
        lambda task: _two_classes(task) and task.n_columns <= 5_000,
    ),
    Peer("snapml", "snapml", "snapml", _snapml, tolerances(-2, -10), lambda task: _l2(task) and _two_classes(task)),
    Peer(
        "adelie",
        "adelie",
        "adelie",
        _Adelie,
        tolerances(-2, -16),
        lambda task: not task.is_sparse and not (_l1(task) and task.n_classes > 2),
        order="F",
    ),
    Peer("skglm", "skglm", "skglm", _skglm, tolerances(-1, -10), lambda task: _l1(task) and _two_classes(task), "F"),
    Peer("celer", "celer", "celer", _celer, tolerances(-1, -10), lambda task: _l1(task) and _two_classes(task), "F"),
)

BY_NAME = {peer.name: peer for peer in PEERS}


def installed(task: Task) -> list[Peer]:
    """The peers that suit a task, ours first."""
    return [peer for peer in PEERS if peer.is_installed and peer.suits(task)]


Request = tuple[str, Any]  # ("load", data set), ("warm", (peer, settings)) or ("fit", (peer, settings))


def serve() -> Callable[[Request], Any]:
    """Of the process of a library: make a data set, and fit what was made last."""
    loaded: dict[str, Any] = {"name": None, "warm": set()}

    def respond(request: Request) -> Any:
        kind, argument = request
        if kind == "load":
            if loaded["name"] != argument:
                loaded["X"], loaded["y"] = data.make(argument)
                loaded["name"] = argument
                loaded.pop("F", None)
            return None
        peer, settings = BY_NAME[argument[0]], argument[1]
        X, y = loaded["X"], loaded["y"]
        if peer.order == "F":
            if "F" not in loaded:
                loaded["F"] = X.tocsc() if sp.issparse(X) else np.asfortranarray(X)
            X = loaded["F"]
        what = (peer.name, settings.penalty, sp.issparse(X), y.max() > 1)
        if kind == "warm":  # imports, compiles, starts threads
            if what not in loaded["warm"]:
                _fit(peer, settings, *_small(X, y))
                loaded["warm"].add(what)
            return None
        gc.collect()
        seconds, model = _fit(peer, settings, X, y)
        W = np.atleast_2d(np.asarray(model.coef_))
        return seconds, W, np.broadcast_to(np.ravel(model.intercept_), len(W)).copy()

    return respond


def _fit(peer: Peer, settings: Settings, X: Any, y: Any) -> tuple[float, Any]:
    model = peer.make(settings, len(y), int(y.max()) + 1)
    seconds, _ = timed(lambda: model.fit(X, y))
    return seconds, model


def _small(X: Any, y: Any) -> data.Data:
    """A small data set of the same kind."""
    rng = np.random.default_rng(0)
    small = rng.standard_normal((60, 4))
    return (type(X)(small) if sp.issparse(X) else np.asfortranarray(small)), np.arange(60) % min(int(y.max()) + 1, 3)

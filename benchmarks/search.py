"""Section: a search over lambdas, against GridSearchCV, LogisticRegressionCV and glum.

All search the same lambdas on the same folds and fit the best again; what a side does beyond that it does by itself. A
peer's solver is the fastest of those whose mean log losses come within 1e-4 of ours at every lambda, each with its
loosest tol that does; where none does, the one that comes nearest is timed, and how far it is off is told. Every
library has a process of its own, which may use all cores.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

from . import data
from .section import Cell, Row, duration, ratio, table
from .worker import Failed, OutOfTime, Worker, in_turn, timed

TITLE = "A search over lambdas"

OURS = "LambdaSearchCV"
N_FOLDS = 5
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8)
SAME_SCORES = 1e-4
MAX_ITER = 1000  # lbfgs would take far more on raw columns
_LONG = 10.0  # a solver that takes so many seconds is not tried with a smaller tol
_LONGEST = 60.0
_SHORT = 6.0  # once a search is found that will do, another is given little more than its time, but so many seconds


@dataclass(frozen=True)
class Case:
    """Data by name, the number of lambdas, and whether a scaler comes first."""

    data: str
    n_lambdas: int = 20
    scaled: bool = False

    @property
    def lambds(self) -> Any:
        return np.logspace(-3, 3, self.n_lambdas)


CASES = {
    **{
        name: Case(name)
        for name in ("1 000 x 20", "10 000 x 50", "50 000 x 100", "breast cancer, raw", "digits, scaled")
    },
    "50 000 x 100, badly scaled, behind a StandardScaler": Case("50 000 x 100, badly scaled", scaled=True),
    "wide 200 x 10 000": Case("wide 200 x 10 000"),
    "sparse 10 000 x 50 000": Case("sparse 10 000 x 50 000", n_lambdas=10),
}
QUICK = ("1 000 x 20",)


@dataclass(frozen=True)
class Peer:
    """`make(case, folds, solver, tol)` is a search; `losses(search)` its mean log losses, in the order of lambdas."""

    library: str
    make: Callable[..., Any]
    losses: Callable[[Any], Any]
    solvers: tuple[str, ...] = ("",)
    takes_scaler: bool = False


def _in_pipeline(model: Any, case: Case) -> tuple[Any, str]:
    """The model behind a StandardScaler, and the prefix of its parameters; or alone."""
    return (Pipeline([("scale", StandardScaler()), ("model", model)]), "model__") if case.scaled else (model, "")


def _ours(case: Case, folds: Any, solver: str, tol: float) -> Any:
    model, prefix = _in_pipeline(L2LogisticRegression(), case)
    return LambdaSearchCV(model, {f"{prefix}lambd": case.lambds}, scoring="neg_log_loss", cv=folds)


def _grid_search(case: Case, folds: Any, solver: str, tol: float) -> Any:
    model, prefix = _in_pipeline(LogisticRegression(**_settings(solver, tol)), case)
    return GridSearchCV(model, {f"{prefix}C": 1 / case.lambds}, scoring="neg_log_loss", cv=folds, n_jobs=-1)


def _path(case: Case, folds: Any, solver: str, tol: float) -> Any:
    settings = _settings(solver, tol)
    return LogisticRegressionCV(Cs=1 / case.lambds, scoring="neg_log_loss", cv=folds, n_jobs=-1, **settings)


def _settings(solver: str, tol: float) -> dict[str, Any]:
    # liblinear penalizes the intercept, by 1 / intercept_scaling^2
    scaling = 100.0 if solver == "liblinear" else 1.0
    return {"solver": solver, "tol": tol, "max_iter": MAX_ITER, "intercept_scaling": scaling}


def _glum(case: Case, folds: Any, solver: str, tol: float) -> Any:
    from glum import GeneralizedLinearRegressorCV

    m = statistics.mean(len(train) for train, _ in folds)
    return GeneralizedLinearRegressorCV(
        family="binomial", l1_ratio=0, alphas=case.lambds[::-1] / m, cv=folds, n_jobs=-1, gradient_tol=tol
    )


def _grid_losses(search: Any) -> Any:
    return -search.cv_results_["mean_test_score"]


def _path_losses(search: Any) -> Any:
    by_class = search.scores_ if isinstance(search.scores_, np.ndarray) else next(iter(search.scores_.values()))
    return -np.asarray(by_class).reshape(-1, len(search.Cs)).mean(axis=0)


def _glum_losses(search: Any) -> Any:
    return np.asarray(search.deviance_path_).reshape(-1, N_FOLDS, len(search.alphas_))[0].mean(axis=0)[::-1] / 2


_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "liblinear")
PEERS = {
    OURS: Peer("sklearn_l2", _ours, _grid_losses, takes_scaler=True),
    "GridSearchCV": Peer("sklearn", _grid_search, _grid_losses, _SOLVERS, takes_scaler=True),
    "LogisticRegressionCV": Peer("sklearn", _path, _path_losses, _SOLVERS),
    "glum": Peer("glum", _glum, _glum_losses),
}


def cells(quick: bool) -> list[Cell]:
    """Data sets."""
    repeats = 2 if quick else 5
    return [Cell(name, partial(_run, name, repeats)) for name in (QUICK if quick else CASES)]


def serve(case: Case, peer: str) -> Callable[[tuple[str, float]], tuple[float, Any]]:
    """Make the data; a request is a solver and a tol, the answer the seconds of a search and its log losses."""
    X, y = data.make(case.data)
    folds = list(StratifiedKFold(N_FOLDS).split(X, y))

    def search(request: tuple[str, float]) -> tuple[float, Any]:
        search = PEERS[peer].make(case, folds, *request)
        seconds, _search = timed(lambda: search.fit(X, y))
        return seconds, PEERS[peer].losses(search)

    return search


def _run(name: str, repeats: int) -> list[Row]:
    case = CASES[name]
    X, y = data.make(case.data)
    n_classes = int(y.max()) + 1
    with ExitStack() as stack:
        workers = {
            peer: stack.enter_context(Worker(serve, case, peer)) for peer in _suited(case, n_classes, X.shape[1])
        }
        _, losses = workers[OURS].ask(("", 0.0))
        chosen: dict[str, tuple[str, float, float]] = {OURS: ("", 0.0, 0.0)}
        failures: dict[str, str] = {}
        for peer in list(workers)[1:]:
            try:
                chosen[peer] = _best(workers[peer], _solvers(peer, n_classes, X.shape[1]), losses)
            except (OutOfTime, Failed) as failure:
                failures[peer] = str(failure)
        seconds = in_turn(
            {peer: lambda peer=peer: workers[peer].ask(chosen[peer][:2], _LONGEST)[0] for peer in chosen}, repeats
        )
    sides = {
        peer: {"solver": solver, "tol": tol, "off": off, "seconds": seconds[peer]}
        for peer, (solver, tol, off) in chosen.items()
    }
    return [{"data": name, "lambdas": case.n_lambdas, "sides": sides, "failures": failures}]


def _suited(case: Case, n_classes: int, n_columns: int) -> Iterator[str]:
    for name, peer in PEERS.items():
        is_able = name != "glum" or (n_classes == 2 and n_columns <= 2000)
        if is_able and (peer.takes_scaler or not case.scaled) and importlib.util.find_spec(peer.library):
            yield name


def _solvers(peer: str, n_classes: int, n_columns: int) -> list[str]:
    left_out = {"liblinear"} if n_classes > 2 else set()
    left_out |= {"newton-cholesky"} if n_columns > 2000 else set()
    return [solver for solver in PEERS[peer].solvers if solver not in left_out]


def _best(worker: Worker, solvers: list[str], losses: Any) -> tuple[str, float, float]:
    """The solver and tol of the fastest search whose losses are these, or the nearest; how far it is off."""
    found = []
    failure: Exception = Failed("no solver")
    longest = _LONGEST
    for solver in solvers:
        for tol in TOLERANCES:
            try:
                seconds, own = worker.ask((solver, tol), longest)
                if tol == TOLERANCES[0] and seconds < _SHORT:  # it started processes, and loaded what is needed
                    seconds, own = worker.ask((solver, tol), longest)
            except (OutOfTime, Failed) as error:
                failure = error
                break
            off = float(np.abs(own - losses).max())
            found.append((max(off, SAME_SCORES), seconds, off, solver, tol))
            if off <= SAME_SCORES:
                longest = min(longest, max(_SHORT, 1.2 * seconds))
            if off <= SAME_SCORES or seconds > _LONG:
                break
    if not found:
        raise failure
    _, _, off, solver, tol = min(found)
    return solver, tol, off


def markdown(rows: list[Row], pictures: Path) -> str:
    """A table of times, and the geometric means of the ratios."""
    names = [name for name in PEERS if any(name in row["sides"] for row in rows)]
    times = [{name: statistics.median(side["seconds"]) for name, side in row["sides"].items()} for row in rows]
    lines = []
    for row, medians in zip(rows, times, strict=True):
        cells = [f"{row['data']}, {row['lambdas']} lambdas"]
        for name in names:
            if name not in medians:
                cells.append(row["failures"].get(name, ""))
                continue
            side, text = row["sides"][name], duration(medians[name])
            if name != OURS:
                text += f", {ratio(medians[name] / medians[OURS])}"
                text += f" ({side['solver']})" if side["solver"] else ""
                text += f", off by {side['off']:.0e}" if side["off"] > SAME_SCORES else ""
            cells.append(text)
        lines.append(cells)
    means = []
    for name in names[1:]:
        logs = [math.log(each[name] / each[OURS]) for each in times if name in each]
        means.append(f"{name} {ratio(math.exp(statistics.mean(logs)))}")
    return (
        f"{N_FOLDS} folds, log loss, refit included. A peer's solver is the fastest of those whose log losses come "
        f"within {SAME_SCORES:g} of ours at every lambda, with the loosest tol that does; what comes no nearer is "
        "timed too, and it is said how far it is off. glum has no softmax, and is left out beyond 2 000 columns.\n\n"
        + table(["", *names], lines)
        + f"\nGeometric means of the ratios: {'; '.join(means)}.\n"
    )

"""LambdaSearchCV against GridSearchCV and LogisticRegressionCV of scikit-learn, which use all cores.

    python -m benchmarks.search [--repeats 5] [--only NAME ...] [--growth]

All search the same lambdas on the same folds by neg_log_loss and refit the best. The peers' solver is the fastest of
those whose scores come within 1e-4 of ours, each with its loosest tol that does; where none does, the one that comes
nearest is timed, and how far its scores are off is told. The sides run in turn in one process; medians and their ratios
are printed. `--growth` shows how the cost grows with the number of lambdas. Networks have a
benchmark of their own, `benchmarks.search_networks`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import data
from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

LAMBDS = np.logspace(-3, 3, 20)
TOLERANCES = (1e-2, 1e-4, 1e-6, 1e-8)
SECONDS_PER_TRY = 10.0  # a solver that takes longer is not tried with a smaller tol
SAME_SCORES = 1e-4
MAX_ITER = 1000  # lbfgs would take far more on raw columns


@dataclass(frozen=True)
class Case:
    """Data, lambdas, and whether a scaler comes first."""

    make: Callable[[], data.Data]
    lambds: Any = tuple(LAMBDS)
    scaled: bool = False


CASES = {
    "1 000 x 20": Case(lambda: data.dense(1_000, 20)),
    "10 000 x 50": Case(lambda: data.dense(10_000, 50)),
    "50 000 x 100": Case(lambda: data.dense(50_000, 100)),
    "breast cancer, raw": Case(lambda: data.raw("breast cancer")),
    "digits": Case(lambda: data.standardized("digits")),
    "wide 200 x 10 000": Case(data.wide),
    "sparse 10 000 x 50 000": Case(data.sparse_text, tuple(np.logspace(-3, 3, 10))),
    "Pipeline, 50 000 x 100": Case(lambda: data.badly_scaled(50_000, 100), scaled=True),
}


def in_pipeline(model: Any, scaled: bool) -> tuple[Any, str]:
    """The model behind a StandardScaler, and the prefix of its parameters; or alone."""
    return (Pipeline([("scale", StandardScaler()), ("model", model)]), "model__") if scaled else (model, "")


def ours(case: Case, folds: Any, search: Any = LambdaSearchCV) -> Any:
    model, prefix = in_pipeline(L2LogisticRegression(), case.scaled)
    return search(model, {f"{prefix}lambd": case.lambds}, scoring="neg_log_loss", cv=folds)


def grid_search(case: Case, folds: Any, solver: str, tol: float) -> Any:
    peer = LogisticRegression(solver=solver, tol=tol, max_iter=MAX_ITER, intercept_scaling=_scaling(solver))
    model, prefix = in_pipeline(peer, case.scaled)
    strengths = [1 / lambd for lambd in case.lambds]
    return GridSearchCV(model, {f"{prefix}C": strengths}, scoring="neg_log_loss", cv=folds, n_jobs=-1)


def path(case: Case, folds: Any, solver: str, tol: float) -> Any:
    return LogisticRegressionCV(
        Cs=[1 / lambd for lambd in case.lambds],
        solver=solver,
        tol=tol,
        max_iter=MAX_ITER,
        scoring="neg_log_loss",
        cv=folds,
        n_jobs=-1,
        intercept_scaling=_scaling(solver),
    )


def _scaling(solver: str) -> float:
    return 100.0 if solver == "liblinear" else 1.0  # liblinear penalizes the intercept, by 1 / scaling^2


def timed(search: Any, X: Any, y: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        search.fit(X, y)
        return time.perf_counter() - start


def scores(search: Any) -> np.ndarray:
    """Mean dev score for each lambda, in the order of `Case.lambds`."""
    if isinstance(search, LogisticRegressionCV):
        by_class = search.scores_ if isinstance(search.scores_, np.ndarray) else next(iter(search.scores_.values()))
        return np.asarray(by_class).reshape(-1, len(search.Cs)).mean(axis=0)
    return search.cv_results_["mean_test_score"]


def best_solver(
    make: Callable[..., Any], case: Case, folds: Any, X: Any, y: Any, reference: np.ndarray
) -> tuple[Any, float]:
    """The fastest search whose scores are those of the reference, or the nearest ones; how far they are off."""
    solvers = ["lbfgs", "newton-cg"]
    solvers += ["newton-cholesky"] if X.shape[1] <= 2000 else []
    solvers += ["liblinear"] if len(np.unique(y)) == 2 else []
    found = []
    for solver in solvers:
        for tol in TOLERANCES:
            search = make(case, folds, solver, tol)
            seconds = timed(search, X, y)
            off = float(np.abs(scores(search) - reference).max())
            found.append((max(off, SAME_SCORES), seconds, off, solver, tol))
            if off <= SAME_SCORES or seconds > SECONDS_PER_TRY:
                break
    _, _, off, solver, tol = min(found)
    return make(case, folds, solver, tol), off


def interleaved(searches: dict[str, Any], X: Any, y: Any, repeats: int) -> dict[str, float]:
    """Median seconds of each search, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(repeats):
        for name, search in searches.items():
            time.sleep(0.25)  # until the other side's threads have stopped spinning
            seconds[name].append(timed(search, X, y))
    return {name: float(np.median(each)) for name, each in seconds.items()}


def report(name: str, medians: dict[str, float]) -> None:
    own = medians["LambdaSearchCV"]
    parts = [
        f"{side} {s * 1e3:.0f} ms" + ("" if side == "LambdaSearchCV" else f" = {s / own:.1f}x")
        for side, s in medians.items()
    ]
    print(f"{name}\n  {'; '.join(parts)}", flush=True)


def run(name: str, case: Case, repeats: int) -> None:
    X, y = case.make()
    folds = list(StratifiedKFold(5).split(X, y))
    searches = {
        "LambdaSearchCV": ours(case, folds),
        "GridSearchCV(L2LogisticRegression)": ours(case, folds, GridSearchCV),
    }
    timed(searches["LambdaSearchCV"], X, y)
    reference = scores(searches["LambdaSearchCV"])
    peers = (
        {"GridSearchCV": grid_search} if case.scaled else {"GridSearchCV": grid_search, "LogisticRegressionCV": path}
    )
    for kind, make in peers.items():
        search, off = best_solver(make, case, folds, X, y, reference)
        model = search.estimator if kind == "GridSearchCV" else search
        model = model[-1] if case.scaled else model
        told = f", scores off by {off:.0e}" if off > SAME_SCORES else ""
        searches[f"{kind} ({model.solver}, tol={model.tol:g}{told})"] = search
    report(name, interleaved(searches, X, y, repeats))


def growth(repeats: int) -> None:
    X, y = data.dense(10_000, 50)
    folds = list(StratifiedKFold(5).split(X, y))
    counts = (5, 20, 80)
    searches = {f"{n}": ours(Case(lambda: (X, y), tuple(np.logspace(-3, 3, n))), folds) for n in counts}
    medians = interleaved(searches, X, y, repeats)
    parts = [f"{n} lambdas {seconds * 1e3:.0f} ms" for n, seconds in medians.items()]
    print(f"growth, 10 000 x 50\n  {'; '.join(parts)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="cases whose name contains one of these")
    parser.add_argument("--growth", action="store_true", help="only the growth with the number of lambdas")
    arguments = parser.parse_args()

    def wanted(name: str) -> bool:
        return not arguments.growth and (not arguments.only or any(part in name for part in arguments.only))

    for name, case in CASES.items():
        if wanted(name):
            run(name, case, arguments.repeats)
    if arguments.growth or not arguments.only:
        growth(arguments.repeats)


if __name__ == "__main__":
    main()

"""One fit of L1LogisticRegression against scikit-learn's liblinear and saga.

    python -m benchmarks.l1 [--repeats 3] [--only NAME ...] [--seconds 60]

All without an intercept, which liblinear would penalize. Ours runs with its defaults, each peer with the loosest
stopping that ends within 1e-8 of the optimum, where it gets there in time, and else as near as it came. The sides run
in turn in one process; medians and their ratio to ours are printed, and beside each time the distance J - J* that was
reached. J* is the least J of any fit; its certificate, the dual gap of our strictest fit, is printed too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.utils.fixes import parse_version

from benchmarks import data
from benchmarks.fit import interleaved, timed
from sklearn_l2 import L1LogisticRegression

# scikit-learn 1.8 renamed the parameter.
L1 = {"l1_ratio": 1.0} if parse_version(sklearn.__version__) >= parse_version("1.8") else {"penalty": "l1"}
CLOSE = 1e-8


def few_informative(n: int = 2000) -> data.Data:
    """50 informative columns and 100 that repeat them among n."""
    return make_classification(n, n, n_informative=50, n_redundant=100, random_state=0)


def independent(n: int = 2000) -> data.Data:
    """Independent columns, where coordinate descent is at its best, 100 of n with a weight."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n))
    w = np.zeros(n)
    w[:100] = rng.standard_normal(100)
    return X, (X @ w + 2 * rng.standard_normal(n) > 0).astype(int)


def correlated(n: int = 2000) -> data.Data:
    """Neighbouring columns correlated by 0.9, 100 of n with a weight."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n))
    for j in range(1, n):
        X[:, j] = 0.9 * X[:, j - 1] + np.sqrt(1 - 0.81) * X[:, j]
    w = np.zeros(n)
    w[rng.choice(n, 100, replace=False)] = rng.standard_normal(100)
    return X, (X @ w + 2 * rng.standard_normal(n) > 0).astype(int)


CASES: dict[str, tuple[Callable[[], data.Data], list[float]]] = {
    "2 000 x 2 000, few informative": (few_informative, [30.0, 10.0, 3.0, 1.0]),
    "2 000 x 2 000, independent": (independent, [20.0, 5.0, 1.0, 0.1]),
    "2 000 x 2 000, correlated": (correlated, [30.0, 10.0, 3.0, 1.0]),
    "wide 200 x 10 000": (data.wide, [10.0, 1.0, 0.1]),
    "sparse 10 000 x 50 000": (data.sparse_text, [10.0, 1.0, 0.1]),
    "digits, standardized": (lambda: data.standardized("digits"), [10.0, 1.0, 0.1]),
    "50 000 x 100": (lambda: data.dense(50_000, 100), [300.0, 30.0]),
}


def peers(solver: str, lambd: float) -> list[LogisticRegression]:
    """The solver with stricter and stricter stopping."""
    model = {"C": 1 / lambd, "solver": solver, "fit_intercept": False, "random_state": 0, **L1}
    if solver == "saga":
        return [LogisticRegression(**model, tol=1e-10, max_iter=n) for n in (100, 300, 1000, 3000, 10_000)]
    return [LogisticRegression(**model, tol=tol, max_iter=100_000) for tol in (1e-4, 1e-5, 1e-6, 1e-8, 1e-10)]


def cost(model: Any, X: Any, y: Any, lambd: float) -> float:
    """J of a fitted model."""
    scores = np.asarray(X @ model.coef_.T)
    code = np.searchsorted(model.classes_, y)
    if len(model.classes_) == 2:
        loss = np.logaddexp(0, (1 - 2 * code) * scores[:, 0])
    else:
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), code]
    return float(loss.mean() + lambd / len(y) * np.abs(model.coef_).sum())


def nearest(solver: str, X: Any, y: Any, lambd: float, best: float, seconds: float) -> LogisticRegression:
    """The first of the peers that is close enough, or the last one there was time for."""
    start = time.perf_counter()
    for model in peers(solver, lambd):
        used, _ = timed(model, X, y)
        if cost(model, X, y, lambd) - best <= CLOSE or time.perf_counter() - start + 3 * used > seconds:
            break
    return model


def run(name: str, X: Any, y: Any, lambd: float, repeats: int, seconds: float) -> None:
    ours = L1LogisticRegression(lambd, fit_intercept=False)
    strict = L1LogisticRegression(lambd, fit_intercept=False, tol=1e-16)
    timed(strict, X, y)
    best = cost(strict, X, y, lambd)
    solvers = ["saga"] if len(np.unique(y)) > 2 else ["liblinear", "saga"]
    models: dict[str, Any] = {"ours": ours} | {s: nearest(s, X, y, lambd, best, seconds) for s in solvers}
    medians = interleaved(models, X, y, repeats)
    costs = {side: cost(model, X, y, lambd) for side, model in models.items()}
    best = min(best, *costs.values())
    parts = [f"J* certified to {strict.dual_gap_:.0e}"]
    for side in models:
        ratio = "" if side == "ours" else f" = {medians[side] / medians['ours']:.1f}x"
        parts.append(f"{side} {medians[side] * 1e3:.0f} ms{ratio} ({costs[side] - best:.0e})")
    used = np.count_nonzero(ours.coef_) / ours.coef_.size
    print(f"{name}, lambd {lambd:g}, {used:.1%} non-zero: {'; '.join(parts)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="cases whose name contains one of these")
    parser.add_argument("--seconds", type=float, default=60.0, help="time to find a peer's stopping")
    arguments = parser.parse_args()
    for name, (make, lambds) in CASES.items():
        if not arguments.only or any(part in name for part in arguments.only):
            X, y = make()
            for lambd in lambds:
                run(name, X, y, lambd, arguments.repeats, arguments.seconds)


if __name__ == "__main__":
    main()

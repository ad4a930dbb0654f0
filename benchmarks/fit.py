"""One fit of L2LogisticRegression against scikit-learn's LogisticRegression.

    python -m benchmarks.fit [--lambd 1.0] [--repeats 7] [--only NAME ...] [--memory]

The two sides run in turn in one process; medians and their ratio are printed, and beside each time the distance J - J*
that was reached. First both sides until J - J* <= 1e-8 (scikit-learn with the loosest tol that gets there), then both
with their defaults.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from benchmarks import data
from sklearn_l2 import L2LogisticRegression

CASES: dict[str, Callable[[], data.Data]] = {
    "1 000 x 20": lambda: data.dense(1_000, 20),
    "10 000 x 50": lambda: data.dense(10_000, 50),
    "50 000 x 100": lambda: data.dense(50_000, 100),
    "20 000 x 500": lambda: data.dense(20_000, 500),
    "digits, standardized": lambda: data.standardized("digits"),
    "1 000 x 20, badly scaled": lambda: data.badly_scaled(1_000, 20),
    "10 000 x 50, badly scaled": lambda: data.badly_scaled(10_000, 50),
    "50 000 x 100, badly scaled": lambda: data.badly_scaled(50_000, 100),
    "iris, raw": lambda: data.raw("iris"),
    "wine, raw": lambda: data.raw("wine"),
    "breast cancer, raw": lambda: data.raw("breast cancer"),
    "digits, raw": lambda: data.raw("digits"),
    "wide 200 x 10 000": data.wide,
    "sparse 10 000 x 50 000": data.sparse_text,
}
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)
SECONDS_PER_SEARCH = 8.0  # a solver that takes longer to find its tol is passed over


def objective(model: Any, X: Any, y: Any, lambd: float) -> float:
    """J of a fitted model, with log loss from its scores."""
    scores = np.asarray(X @ model.coef_.T) + model.intercept_
    code = np.searchsorted(model.classes_, y)
    if len(model.classes_) == 2:
        loss = np.logaddexp(0, (1 - 2 * code) * scores[:, 0])
    else:
        loss = -log_softmax(scores, axis=1)[np.arange(len(y)), code]
    return float(loss.mean() + lambd / (2 * len(y)) * np.sum(model.coef_**2))


def timed(model: Any, X: Any, y: Any) -> tuple[float, int]:
    """Seconds of one fit, and the number of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        model.fit(X, y)
        return time.perf_counter() - start, len(caught)


def peer(solver: str, lambd: float, tol: float) -> LogisticRegression:
    scaling = 100.0 if solver == "liblinear" else 1.0  # liblinear penalizes the intercept, by 1 / scaling^2
    return LogisticRegression(C=1 / lambd, solver=solver, tol=tol, max_iter=100_000, intercept_scaling=scaling)


def loosest(solver: str, X: Any, y: Any, lambd: float, best: float) -> LogisticRegression | None:
    """The solver with the loosest tol that ends within 1e-8 of the optimum, or None."""
    start = time.perf_counter()
    for tol in TOLERANCES:
        model = peer(solver, lambd, tol)
        timed(model, X, y)
        if objective(model, X, y, lambd) - best <= 1e-8:
            return model
        if time.perf_counter() - start > SECONDS_PER_SEARCH:
            break
    return None


def interleaved(models: dict[str, Any], X: Any, y: Any, repeats: int) -> dict[str, float]:
    """Median seconds of each model's fit, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            time.sleep(0.25)  # until the other side's BLAS threads have stopped spinning
            seconds[name].append(timed(model, X, y)[0])
    return {name: float(np.median(s)) for name, s in seconds.items()}


def run(name: str, X: Any, y: Any, lambd: float, repeats: int) -> None:
    reference = L2LogisticRegression(lambd, tol=1e-15).fit(X, y)
    best = objective(reference, X, y, lambd)
    many_classes = len(np.unique(y)) > 2
    solvers = ["lbfgs", "newton-cg", "newton-cholesky"] + ([] if many_classes else ["liblinear"])
    if X.shape[1] > 2000:
        solvers.remove("newton-cholesky")
    models: dict[str, Any] = {"ours": L2LogisticRegression(lambd, tol=1e-8)}
    for solver in solvers:
        model = loosest(solver, X, y, lambd, best)
        if model is not None:
            models[solver] = model
    medians = interleaved(models, X, y, repeats)
    parts = []
    for solver, seconds in medians.items():
        gap = objective(models[solver], X, y, lambd) - best
        ratio = "" if solver == "ours" else f" = {seconds / medians['ours']:.1f}x"
        parts.append(f"{solver} {seconds * 1e3:.2f} ms{ratio} ({max(gap, 0):.0e})")
    parts += [f"{solver} never" for solver in solvers if solver not in models]
    print(f"{name}\n  at 1e-8:  {'; '.join(parts)}", flush=True)

    defaults = {"ours": L2LogisticRegression(lambd), "LogisticRegression": LogisticRegression(C=1 / lambd)}
    medians = interleaved(defaults, X, y, repeats)
    parts = []
    for side, model in defaults.items():
        gap = objective(model, X, y, lambd) - best
        _, n_warnings = timed(model, X, y)
        parts.append(f"{side} {medians[side] * 1e3:.2f} ms ({max(gap, 0):.0e}, {n_warnings} warnings)")
    ratio = medians["LogisticRegression"] / medians["ours"]
    print(f"  defaults: {'; '.join(parts)}: {ratio:.1f}x", flush=True)


MEMORY = """
import resource
import numpy as np
from benchmarks import data
from sklearn_l2 import L2LogisticRegression
rng = np.random.default_rng(0)
X = rng.standard_normal((50_000, 100))
y = (X[:, 0] + rng.standard_normal(50_000) > 0).astype(int)
L2LogisticRegression().fit(X[:1000], y[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
L2LogisticRegression().fit(X, y)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"peak memory of a fit on 50 000 x 100 ({X.nbytes / 2**20:.0f} MiB): X + {(after - before) / 2**10:.0f} MiB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lambd", type=float, default=1.0)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", nargs="*", help="cases whose name contains one of these")
    parser.add_argument("--memory", action="store_true", help="only the peak memory")
    arguments = parser.parse_args()
    if not arguments.memory:
        for name, make in CASES.items():
            if not arguments.only or any(part in name for part in arguments.only):
                X, y = make()
                run(name, X, y, arguments.lambd, arguments.repeats)
    if arguments.memory or not arguments.only:
        subprocess.run([sys.executable, "-c", MEMORY], check=True)


if __name__ == "__main__":
    main()

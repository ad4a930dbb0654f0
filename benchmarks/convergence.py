"""Warnings and distance from the optimum: LogisticRegression and L2LogisticRegression, both with their defaults.

    python -m benchmarks.convergence [--only NAME ...]

15 real and synthetic data sets at lambd = 1 / C = 0.01, 1 and 100. Per data set the number of fits that warn and the
largest J - J* are printed, and their totals in the end.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from sklearn_l2 import L2LogisticRegression

from . import data, reference

LAMBDS = (0.01, 1.0, 100.0)


def separable(n_samples: int = 500, n_features: int = 10) -> data.Data:
    """Two classes far apart: only the penalty bounds the weights."""
    return make_blobs(n_samples, n_features, centers=2, cluster_std=1.0, random_state=0)


CASES: dict[str, Callable[[], data.Data]] = {
    **{f"{name}, raw": lambda name=name: data.raw(name) for name in data.RAW},
    **{f"{name}, standardized": lambda name=name: data.standardized(name) for name in data.RAW},
    "1 000 x 20": lambda: data.dense(1_000, 20),
    "10 000 x 50": lambda: data.dense(10_000, 50),
    "1 000 x 20, badly scaled": lambda: data.badly_scaled(1_000, 20),
    "10 000 x 50, badly scaled": lambda: data.badly_scaled(10_000, 50),
    "500 x 10, separable": separable,
    "wide 200 x 10 000": data.wide,
    "sparse 10 000 x 50 000": data.sparse_text,
}


@dataclass
class Outcome:
    """How many of some fits warn, and the largest J - J* among them."""

    n_warn: int = 0
    largest_gap: float = 0.0

    def add(self, n_warn: int, gap: float) -> None:
        self.n_warn += n_warn
        self.largest_gap = max(self.largest_gap, gap)

    def __str__(self) -> str:
        return f"{self.n_warn:4d} warn {self.largest_gap:9.0e}"


def run(name: str, X: Any, y: Any, totals: dict[str, Outcome]) -> None:
    outcomes = {side: Outcome() for side in totals}
    for lambd in LAMBDS:
        optimum = reference.solve(reference.Problem(X, y, lambd))
        for side, model in zip(totals, (LogisticRegression(C=1 / lambd), L2LogisticRegression(lambd)), strict=True):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.fit(X, y)
            result = int(len(caught) > 0), max(optimum.suboptimality(model.coef_, model.intercept_), 0.0)
            outcomes[side].add(*result)
            totals[side].add(*result)
    print_row(name, outcomes)


def print_row(name: str, outcomes: dict[str, Outcome]) -> None:
    print(f"{name:26s}" + "".join(f"{outcome!s:>24s}" for outcome in outcomes.values()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="data sets whose name contains one of these")
    arguments = parser.parse_args()
    totals = {"LogisticRegression": Outcome(), "L2LogisticRegression": Outcome()}
    names = [name for name in CASES if not arguments.only or any(part in name for part in arguments.only)]
    print(" " * 26 + "".join(f"{side:>24s}" for side in totals))
    for name in names:
        run(name, *CASES[name](), totals)
    print_row(f"all {len(names) * len(LAMBDS)} fits", totals)


if __name__ == "__main__":
    main()

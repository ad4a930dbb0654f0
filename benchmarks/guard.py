"""Whether sklearn-l2 is as fast, beside scikit-learn, as it was: five ratios, in one minute.

    python -m benchmarks.guard [--record]

Exits with 1 when a ratio has fallen under 80 % of the one in guard.json; `--record` writes them there. Both sides run
in turn in one process, so that a slow machine slows both. Yet a ratio depends on the machine, and more so on a busy
one: record where you compare, and let nothing else run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from sklearn_l2 import L2LogisticRegression, L2MLPClassifier, LambdaSearchCV

from . import data
from .worker import in_turn, timed

RECORDED = Path(__file__).with_suffix(".json")
KEPT = 0.8
REPEATS = 7


@dataclass(frozen=True)
class Pair:
    """Data, and what both sides fit to them."""

    make: Callable[[], data.Data]
    ours: Any
    theirs: Any


def pairs() -> dict[str, Pair]:
    """The five comparisons, each of a kind of work of its own."""
    lambds = np.logspace(-2, 2, 10)
    scoring: dict[str, Any] = {"scoring": "neg_log_loss", "cv": 5}
    network: dict[str, Any] = {"hidden_layer_sizes": (256, 128), "max_iter": 15, "n_iter_no_change": 15}
    return {
        "dense fit": Pair(
            lambda: data.dense(50_000, 100),
            L2LogisticRegression(),
            LogisticRegression(tol=1e-6, max_iter=1000),
        ),
        "fit on badly scaled columns": Pair(
            lambda: data.badly_scaled(10_000, 50),
            L2LogisticRegression(),
            LogisticRegression(solver="newton-cholesky", tol=1e-8),
        ),
        "softmax fit": Pair(
            lambda: data.standardized("digits"),
            L2LogisticRegression(),
            LogisticRegression(tol=1e-6, max_iter=1000),
        ),
        "search": Pair(
            lambda: data.dense(10_000, 50),
            LambdaSearchCV(L2LogisticRegression(), lambds, **scoring),
            GridSearchCV(LogisticRegression(solver="newton-cholesky"), {"C": 1 / lambds}, n_jobs=-1, **scoring),
        ),
        "network": Pair(
            lambda: data.standardized("digits"),
            L2MLPClassifier(random_state=0, **network),
            MLPClassifier(random_state=0, **network),
        ),
    }


def measure(pair: Pair, repeats: int = REPEATS) -> float:
    """How many times as long scikit-learn takes: the median over pairs of fits, after one that is not counted."""
    X, y = pair.make()
    models = {"ours": pair.ours, "theirs": pair.theirs}
    sides = {side: lambda model=model: timed(lambda: model.fit(X, y))[0] for side, model in models.items()}
    seconds = in_turn(sides, repeats + 1)
    return statistics.median(b / a for a, b in list(zip(seconds["ours"], seconds["theirs"], strict=True))[1:])


def fallen(ratios: Mapping[str, float], recorded: Mapping[str, float]) -> list[str]:
    """The names whose ratio is under 80 % of the recorded one; the same names have to be in both."""
    if ratios.keys() != recorded.keys():
        raise ValueError(f"{RECORDED.name} has {', '.join(recorded) or 'nothing'}; write it anew: --record")
    return [name for name, ratio in ratios.items() if ratio < KEPT * recorded[name]]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.guard", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--record", action="store_true", help="write the ratios to guard.json")
    record = parser.parse_args(arguments).record
    recorded = {} if record else json.loads(RECORDED.read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")
    ratios = {}
    for name, pair in pairs().items():
        ratios[name] = round(measure(pair), 2)
        before = "" if record else f", recorded {recorded.get(name)}x"
        print(f"{name}: {ratios[name]}x as fast as scikit-learn{before}", flush=True)
    if record:
        RECORDED.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")
        return 0
    slower = fallen(ratios, recorded)
    for name in slower:
        print(f"{name}: under {KEPT:.0%} of what was recorded", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())

"""LambdaSearchCV of L2MLPClassifier against GridSearchCV of MLPClassifier: `python -m benchmarks.search_networks`.

6 lambdas x 5 folds, Adam, batches of 200 rows; the same folds, seeds and scorer, and alpha chosen so that both minimize
the same J. GridSearchCV has n_jobs=-1, and a first round, not counted, starts its processes. Searches are interleaved;
medians and the median of the pairs' ratios are printed, and the best mean score of both as a proof that they did the
same work.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2MLPClassifier, LambdaSearchCV

from .epoch import HIDDEN, compared, data_sets, print_row

LAMBDS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
N_FOLDS = 5
EPOCHS = {"digits 1 797 x 64": 50, "synthetic 10 000 x 784": 3}


def seconds(search: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Of a whole search, without the refit."""
    start = time.perf_counter()
    search.fit(X, y)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="part of a row's name")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "The best lambd")
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the worker processes
    print("| data, hidden | dtype | LambdaSearchCV, s | GridSearchCV, s | ratio | best score, ours | theirs |")
    print("|---|---|---|---|---|---|---|")
    for name, epochs in EPOCHS.items():
        X, y, _ = data_sets()[name]
        X = StandardScaler().fit_transform(X)
        n_train = len(X) * (1 - 1 / N_FOLDS)
        for hidden in HIDDEN:
            for dtype in (np.float64, np.float32):
                row = f"{name}, {hidden}, {np.dtype(dtype).name}"
                if arguments.only not in row:
                    continue
                shared: dict[str, Any] = {"max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
                cv = StratifiedKFold(N_FOLDS)
                ours = LambdaSearchCV(L2MLPClassifier(hidden, **shared), LAMBDS, cv=cv, refit=False)
                alphas = [lambd * 200 / n_train for lambd in LAMBDS]
                peer = MLPClassifier(hidden, **shared)
                theirs = GridSearchCV(peer, {"alpha": alphas}, cv=cv, refit=False, n_jobs=-1)
                X_typed = X.astype(dtype)
                times = compared(partial(seconds, X=X_typed, y=y), ours, theirs, arguments.repeats)
                best = [f"{search.cv_results_['mean_test_score'].max():.4f}" for search in (ours, theirs)]
                print_row(name, hidden, dtype, times, best)


if __name__ == "__main__":
    main()

"""Long searches: large batches come in pieces, what is finished is told, and Ctrl-C keeps it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from common import noisy
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2._search import batch

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")


@pytest.fixture
def pieces(monkeypatch):
    """The lambdas of every batch that is solved."""
    solved = []
    solve = batch.solve_newton

    def remembered(problems, rows, **settings):
        solved.append(np.unique(problems.lambd).tolist())
        return solve(problems, rows, **settings)

    monkeypatch.setattr(batch, "solve_newton", remembered)
    return solved


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_long_job_comes_in_pieces_from_large_to_small_lambdas(n_classes, pieces, monkeypatch):
    X, y = noisy(200, 5, n_classes)
    lambds = [1, 100, 0, 10, 1000, 3]
    search = LambdaSearchCV(L2LogisticRegression(tol=1e-13), lambds, cv=3, scoring="neg_log_loss")
    whole = search.fit(X, y).cv_results_["mean_test_score"]
    assert pieces == [[1, 3, 10, 100, 1000], [0], [0], [0]]
    pieces.clear()
    n_scores = 1 if n_classes == 2 else 3
    monkeypatch.setattr(batch, "_FEWEST", 1)
    monkeypatch.setattr(batch, "_LONG", X.size * n_scores * 3 * 2)  # 3 folds of 2 lambdas at a time
    # Either model may lie 1e-13 above the optimum in J, which moves a dev loss by more than that.
    assert_allclose(search.fit(X, y).cv_results_["mean_test_score"], whole, rtol=0, atol=1e-8)
    assert pieces == [[1000], [10, 100], [1, 3], [0], [0], [0]]


def test_the_pieces_of_a_long_job_are_not_too_small(pieces, monkeypatch):
    X, y = noisy(200, 5)
    monkeypatch.setattr(batch, "_LONG", 1)
    LambdaSearchCV(L2LogisticRegression(), np.logspace(-1, 2, 40), cv=4, refit=False).fit(X, y)
    assert [len(piece) for piece in pieces] == [13, 13, 14]  # times 4 folds: up to 64 problems, as even as can be


def test_what_is_finished_is_told(capsys):
    X, y = noisy(90, 4)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=1e-6, max_iter=1000))
    grid = {"l2logisticregression__lambd": [10, 1, 100], "l2logisticregression__solver": ["auto", "gd"]}
    search = LambdaSearchCV(pipeline, grid, cv=2, refit=False)
    for verbose, n_lines in [(0, 0), (1, 1), (2, 9)]:
        search.set_params(verbose=verbose).fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == n_lines
    batch = "l2logisticregression__lambd=1..100 (3), l2logisticregression__solver=auto"
    single = "l2logisticregression__lambd=10, l2logisticregression__solver=gd"
    time = r"; total time= +\d+\.\ds"
    assert re.fullmatch(rf"\[CV 1/2; 3/12\] END \.* {re.escape(batch)}{time}", lines[1])
    assert re.fullmatch(rf"\[CV 2/2; 6/12\] END \.* {re.escape(batch)}{time}", lines[2])
    assert re.fullmatch(rf"\[CV 1/2; 7/12\] END \.* {re.escape(single)}{time}", lines[3])
    assert lines[-1].startswith("[CV 2/2; 12/12]")


@pytest.mark.parametrize("return_train_score", [False, True])
def test_scores_are_told_from_verbose_3_on(return_train_score, capsys):
    X, y = noisy(90, 4)
    search = LambdaSearchCV(L2LogisticRegression(), [1, 1000], cv=2, verbose=3, return_train_score=return_train_score)
    results = search.fit(X, y).cv_results_
    spans = {
        side: "..".join(f"{score:.3f}" for score in sorted(results[f"split0_{side}_score"]))
        for side in ("train", "test")
        if f"split0_{side}_score" in results
    }
    expected = (
        f"score=(train={spans['train']}, test={spans['test']})" if return_train_score else f"score={spans['test']}"
    )
    lines = capsys.readouterr().out.splitlines()
    assert f"lambd=1..1000 (2); {expected}; total" in lines[1]
    search.set_params(scoring=["accuracy", "neg_log_loss"], refit=False, param_grid=[10]).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    numbers = r"\(train=\S+, test=\S+\)" if return_train_score else r"\S+"
    assert re.search(rf" lambd=10; accuracy={numbers}; neg_log_loss={numbers}; total", lines[1])


INTERRUPTED = """
import json, sys
import numpy as np
from common import noisy
from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2._search import batch

batch._LONG, batch._FEWEST = 0, 15
solver, n_jobs = sys.argv[1], int(sys.argv[2])
model = L2LogisticRegression(solver=solver, tol=1e-6, max_iter=200)
search = LambdaSearchCV(
    model, np.logspace(4, 1, 900), scoring="neg_log_loss", cv=5, n_jobs=n_jobs, verbose=2, error_score="raise"
)
X, y = noisy(4000, 20)
try:
    search.fit(X, y)
except KeyboardInterrupt:
    results = search.cv_results_
    kept = [params["lambd"] for params in results["params"]]
    again = LambdaSearchCV(model, kept, scoring="neg_log_loss", cv=5, refit=False).fit(X, y)
    gap = np.abs(results["mean_test_score"] - again.cv_results_["mean_test_score"]).max()
    told = {"kept": kept, "gap": gap, "rows": len(search.lambda_table()), "best": hasattr(search, "best_index_")}
    print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to a single process")
@pytest.mark.parametrize(("solver", "n_jobs"), [("auto", 1), ("gd", 1), pytest.param("gd", 2, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_what_is_finished(solver, n_jobs):
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED, solver, str(n_jobs)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout:
            if line.startswith("[CV 5/5;"):
                break
        process.send_signal(signal.SIGINT)
        *_, last = process.communicate(timeout=120)[0].splitlines()
    finally:
        process.kill()
    told = json.loads(last)
    assert 0 < len(told["kept"]) < 900
    assert told["kept"] == np.logspace(4, 1, 900)[: len(told["kept"])].tolist()
    assert told["gap"] < 1e-6
    assert told["rows"] == len(told["kept"])
    assert not told["best"]

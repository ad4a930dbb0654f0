"""The benchmarks: distances from the optimum are right to 1e-13 and beyond, and a small run writes its page."""

import json
import time
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from benchmarks import __main__ as command
from benchmarks import counting, fits, machine, page, race, reference, worker
from benchmarks.section import Cell
from sklearn_l2 import L2LogisticRegression
from sklearn_l2.descent import linear, rows

pytestmark = pytest.mark.slow


@pytest.fixture
def no_rates(monkeypatch):
    """Not to measure the machine, which takes seconds."""
    monkeypatch.setattr(machine, "_N", 2)
    monkeypatch.setattr(machine, "_BYTES", 2**11)


def small(n_classes, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 3)) * [1.0, 100.0, 0.01] + [0.0, 500.0, 0.0]
    return X, rng.permutation(np.arange(40) % n_classes)


def exact_cost(problem, W, b):
    """J in 50 digits."""
    with mpmath.workdps(50):
        m, total = len(problem.y), mpmath.mpf(0)
        for x, code in zip(problem.X, problem.y, strict=True):
            scores = [mpmath.fdot(x.tolist(), w.tolist()) + mpmath.mpf(float(c)) for w, c in zip(W, b, strict=True)]
            scores = [mpmath.mpf(0), *scores] if problem.n_score_rows == 1 else scores
            total += mpmath.log(mpmath.fsum(mpmath.exp(s) for s in scores)) - scores[code]
        weights = [mpmath.mpf(float(w)) for w in W.ravel()]
        if problem.penalty == "l1":
            return total / m + mpmath.mpf(problem.lambd) / m * mpmath.fsum(abs(w) for w in weights)
        return total / m + mpmath.mpf(problem.lambd) / (2 * m) * mpmath.fsum(w * w for w in weights)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("size", [1e-7, 1e-3, 1.0])
def test_suboptimality_agrees_with_many_digits(n_classes, penalty, size):
    problem = reference.Problem(*small(n_classes), 0.7, penalty)
    optimum = reference.solve(problem)
    rng = np.random.default_rng(1)
    W = optimum.W + size * rng.standard_normal(optimum.W.shape) / [1.0, 100.0, 0.01] * (optimum.W != 0)
    b = optimum.b + size * rng.standard_normal(optimum.b.shape)
    with mpmath.workdps(50):
        expected = float(exact_cost(problem, W, b) - exact_cost(problem, optimum.W, optimum.b))
    assert optimum.suboptimality(W, b) == pytest.approx(expected, rel=1e-6, abs=1e-17)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_reference_is_the_optimum(n_classes, penalty):
    """No point nearby costs less, by more than the reference says is left."""
    problem = reference.Problem(*small(n_classes), 0.7, penalty)
    optimum = reference.solve(problem)
    assert optimum.left < 1e-14
    rng = np.random.default_rng(2)
    for size in (1e-8, 1e-6, 1e-4, 1e-2):
        for _ in range(20):
            dW, db = rng.standard_normal(optimum.W.shape), rng.standard_normal(optimum.b.shape)
            W, b = optimum.W + size * dW / [1.0, 100.0, 0.01], optimum.b + size * db
            assert optimum.suboptimality(W, b) > -1e-14


def test_suboptimality_of_sparse_x_and_of_scores_out_of_range():
    X, y = small(2)
    dense = reference.solve(reference.Problem(X, y, 1.0))
    sparse = reference.solve(reference.Problem(sp.csr_matrix(X), y, 1.0))
    W, b = dense.W + 0.1, dense.b - 1
    assert sparse.suboptimality(W, b) == pytest.approx(dense.suboptimality(W, b), rel=1e-9)
    far = reference.Reference(dense.problem, dense.W, dense.b, dense.p, 0.0).suboptimality(dense.W + 100, dense.b)
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_ = np.array([0, 1]), dense.W + 100, dense.b
    loss = np.logaddexp(0, (1 - 2 * y) * model.decision_function(X)).mean()
    assert far == pytest.approx(loss + np.sum((dense.W + 100) ** 2) / 80 - cost(dense), rel=1e-9)
    assert dense.suboptimality(W * np.nan, b) == np.inf


def cost(optimum):
    problem = optimum.problem
    own = optimum.p[np.arange(len(problem.y)), problem.y]
    return -np.log(own).mean() + problem.lambd / (2 * len(problem.y)) * np.sum(optimum.W**2)


def answer_after(addend):
    def respond(request):
        if request < 0:
            raise ValueError("negative")
        time.sleep(request)
        return request + addend

    return respond


def test_a_worker_answers_fails_and_begins_anew_when_it_was_too_slow():
    with worker.Worker(answer_after, 3) as side:
        assert side.ask(0) == 3
        with pytest.raises(worker.Failed, match="ValueError: negative"):
            side.ask(-1)
        with pytest.raises(worker.OutOfTime):
            side.ask(30, seconds=0.01)
        assert side.ask(0) == 3


def test_a_small_run_writes_page_pictures_and_every_raw_time(tmp_path, monkeypatch, no_rates):
    only = ("sklearn-l2", "lbfgs", "newton-cholesky")

    def cells(quick):
        settings = {"repeats": 2, "only": only, "shortest": 60.0, "longest": 60.0}
        return [fits.Cell("iris", lambda: [race.race("iris, raw", 1.0, **settings)])]

    monkeypatch.setattr(fits, "cells", cells)
    monkeypatch.setattr(command, "SECTIONS", ("fits",))
    command.main(["--quick", "--output", str(tmp_path)])
    result = json.loads((tmp_path / "benchmarks.json").read_text())["fits"]
    (row,) = result["rows"]
    assert row["shape"] == list(load_iris().data.shape)
    assert row["reference left"] < 1e-14
    for peer in only:
        gaps = [point["gap"] for point in row["sweeps"][peer]]
        assert -1e-14 < gaps[-1] <= 1e-10
    assert all(len(each["seconds"]) == 2 for each in row["repeated"])
    assert {each["peer"] for each in row["repeated"]} == set(only)
    assert result["machine"]["blas"]
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| iris, raw | 1 |" in page
    assert "lbfgs" in page
    assert [path.name for path in (tmp_path / "benchmarks").iterdir()] == ["softmax.png"]
    (tmp_path / "benchmarks.md").unlink()
    command.main(["--page", "--output", str(tmp_path)])
    assert (tmp_path / "benchmarks.md").read_text() == page


def test_a_cell_measured_again_replaces_its_rows_only(tmp_path, monkeypatch, no_rates):
    runs = iter(range(10))
    section = SimpleNamespace(
        TITLE="Some",
        cells=lambda quick: [Cell(name, lambda: [{"run": next(runs)}, {"run": next(runs)}]) for name in ("a", "b")],
        markdown=lambda rows, pictures: " ".join(f"{row['cell']}{row['run']}" for row in rows),
    )
    monkeypatch.setattr(command.importlib, "import_module", lambda name: section)
    monkeypatch.setattr(command, "SECTIONS", ("some",))
    for arguments, shown in (([], "a0 a1 b2 b3"), (["--cells", "a"], "a4 a5 b2 b3"), (["--cells", "b"], "a4 a5 b6 b7")):
        command.main([*arguments, "--output", str(tmp_path)])
        assert (tmp_path / "benchmarks.md").read_text().endswith(f"{shown}\n")


def test_products_and_reads_are_counted_and_only_inside():
    X, y = small(2)
    with counting.counted() as counts:
        linear.multiply(X, np.ones((3, 5)))
        linear.multiply(X.T, X)
        linear.multiply(sp.csr_array(np.eye(40)), np.ones(40))
        rows.RowBlocks(X).block(0)
    assert counts == {"float64": 40 * 3 * 5 + 40 * 3 * 3 // 2 + 40, "bytes": X.nbytes, "blocks": 1}
    assert linear.multiply is rows.multiply
    with counting.counted() as fit:
        L2LogisticRegression().fit(X, y)
    assert fit["bytes"] >= X.nbytes
    assert fit["float64"] > 2 * X.size


@pytest.mark.parametrize("enough, expected", [(0.0, [0, 1]), (60.0, [0, 1, 2, 3, 4])])
def test_rounds_end_once_they_took_long_enough(enough, expected):
    assert list(worker.rounds(5, at_least=2, enough=enough)) == expected


def test_the_page_describes_a_machine_once_and_of_later_runs_its_rates(tmp_path):
    machine = {"processor": "P", "cores": 2, "system": "S", "python": "3", "versions": {"numpy": "2"}, "blas": []}
    machine |= {"environment": {}, "date": "D", "bytes per second": 1e9}
    machine |= {f"{dtype} multiply-adds per second": 1e9 for dtype in ("float64", "float32")}
    section = SimpleNamespace(TITLE="T", markdown=lambda rows, pictures: "")
    results = {name: {"machine": machine | {"date": name}, "rows": []} for name in ("first", "second")}
    page.write(tmp_path, results, [(name, section) for name in results])
    text = (tmp_path / page.PAGE).read_text()
    assert text.count("P, 2 hardware threads") == text.count("| numpy | 2 |") == 1
    assert "Measured on first" in text and "Measured on second" in text

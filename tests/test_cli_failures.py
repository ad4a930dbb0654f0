"""`python -m sklearn_l2` where fits fail, warn or are interrupted."""

import contextlib
import json
import os
import re
import signal
import sys
import threading
import warnings
from functools import partial
from traceback import format_exc

import numpy as np
import pytest
from common import LOGISTIC
from sklearn.metrics import get_scorer

from sklearn_l2._command.tuning import FAMILIES, Family
from sklearn_l2._search.progress import last_error
from sklearn_l2.cli import main
from sklearn_l2.logistic import L2LogisticRegression
from sklearn_l2.mlp import L2MLPClassifier

pytest_plugins = ["command_fixtures"]

NETWORK = ["--model", "mlp"]
ROWS = re.compile(r"^[* ] +(\S+) .* (?:overfitting|just right|underfitting)$", re.M)


@pytest.fixture
def network(monkeypatch):
    """Replaces the command's network; the default refuses lambd from about 2000 times the number of rows on."""

    def replace(**parameters):
        build = partial(L2MLPClassifier, hidden_layer_sizes=(5,), random_state=0, **parameters)
        monkeypatch.setitem(FAMILIES, "mlp", Family("mlp", "neural network", build))

    replace(solver="sgd", max_iter=100, tol=1e-2)
    return replace


def patch_scorer(monkeypatch, score):
    """`--scoring roc_auc` calls `score(model, X, y)`."""
    monkeypatch.setattr("sklearn_l2._command.tuning.get_scorer", lambda _: score)


# Failures


def test_a_fit_that_fails_leaves_the_others(data, network, outcome, run):
    lambds = ["--lambds", "0.1", "1", "1e9"]
    for folds in ([], ["--cv", "3"]):
        rows = outcome("d.npz", *NETWORK, *lambds, *folds)["models"]["mlp"]["rows"]
        assert [each["verdict"] == "failed" for each in rows] == [False, False, True]
        assert rows[2]["failure"].startswith("DivergenceError: ") and "must diverge" in rows[2]["failure"]
        assert rows[2]["dev_loss"] is None and rows[2]["warnings"] == []
    code, out, err = run("d.npz", *NETWORK, *lambds, "--plot", "p.png")
    assert (code, err) == (0, "")
    assert "lambd 1e+09: failed with DivergenceError: " in out
    assert "FitFailed" not in out and "non-finite" not in out


def test_of_a_traceback_the_last_error_is_told():
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise np.linalg.LinAlgError("weights overflow\n  at row 3\nand 4") from error
    except np.linalg.LinAlgError:
        assert last_error(format_exc()) == "LinAlgError: weights overflow"


def test_the_last_fit_fails(data, run, monkeypatch):
    def fail(*_):
        raise ValueError("weights overflow\nat row 3")

    monkeypatch.setattr(L2LogisticRegression, "fit", fail)  # which the search itself does not call
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--cv", "3")
    assert (code, err) == (2, "error: the fit on all 120 training rows failed: weights overflow\n")
    assert "just right" in out


@pytest.mark.parametrize("folds", [[], ["--cv", "3"]])
def test_every_fit_fails(data, network, run, outcome, folds):
    code, out, err = run("d.npz", *NETWORK, "--lambds", "1e8", "1e9", *folds)
    assert code == 2
    assert "every fit failed: DivergenceError: " in err and "must diverge" in err
    assert "lambd 1e+08, 1e+09: failed with DivergenceError: " in out
    assert "Nothing is chosen" in out
    found = outcome("d.npz", "--lambds", "1e9", *folds)
    assert found["chosen"]["model"] == "logistic"
    assert found["models"]["mlp"]["chosen_lambd"] is None


def test_a_dev_loss_that_is_no_number(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).uniform(-0.1, 0.1, size=(90, 4)).astype(np.float32)
    y = np.arange(90) % 2
    np.savez("train.npz", X=X, y=y)
    X[0] = 3e38  # and more than single precision holds, once scaled
    np.savez("dev.npz", X=X, y=y)
    code, out, err = run("train.npz", "--dev", "dev.npz", *LOGISTIC, "--lambds", "1", "10")
    assert code == 2
    assert "every fit failed: a dev loss that is not finite" in err
    told = " ".join(out.split())
    assert "lambd 1, 10: failed with a dev loss that is not finite" in told
    assert "Details: ValueError: Input X contains infinity" in told
    assert "The best" not in told


# Scores


def test_a_score_that_the_test_rows_do_not_define(data, outcome, monkeypatch):
    def score(model, X, y):
        if len(y) == 30:
            raise ValueError("only one class")
        return 0.5

    patch_scorer(monkeypatch, score)
    found = outcome("d.npz", *LOGISTIC, "--scoring", "roc_auc", "--dev-size", "0.4")
    assert found["chosen"]["test_score"] is None and found["chosen"]["test_error"] < 0.5
    assert found["models"]["logistic"]["warnings"] == []


def test_scores_that_are_no_numbers(data, run, monkeypatch):
    patch_scorer(monkeypatch, lambda *_: np.nan)
    for folds in ([], ["--cv", "3"]):
        code, _, err = run("d.npz", *LOGISTIC, "--scoring", "roc_auc", *folds)
        assert code == 2 and "roc_auc gave no numbers" in err


# Warnings


def test_warnings_take_one_line(outcome, run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, out, err = run(*LOGISTIC, "--lambds", "0", "1", "10", "--cv", "3")
    assert (code, err) == (0, "")
    assert out.count("ConvergenceWarning") == 1  # not once for every fold, where ||W|| differs
    assert "lambd 0: ConvergenceWarning: lambd=0 and the classes are separable" in out
    assert "Set lambd > 0" not in " ".join(out.split())  # which is advice on code
    found = outcome(*LOGISTIC, "--lambds", "0", "1", "10")["models"]["logistic"]
    assert [len(each["warnings"]) for each in found["rows"]] == [1, 0, 0]
    assert found["warnings"] == []


def test_fits_that_did_not_converge_name_their_lambd(data, network, monkeypatch, outcome, run):
    network(max_iter=30, tol=1e-3, n_iter_no_change=2, learning_rate_init=0.05)
    found = outcome("d.npz", *NETWORK, "--lambds", "0", "0.01", "1000", "--cv", "2")["models"]["mlp"]
    assert [len(each["warnings"]) for each in found["rows"]] == [1, 1, 0]
    _, out, _ = run("d.npz", *NETWORK, "--lambds", "0", "0.01", "1000")
    told = " ".join(out.split())
    assert "lambd 0, 0.01: ConvergenceWarning: Training with solver='adam' ended unconverged" in told
    build = partial(L2LogisticRegression, max_iter=1)
    monkeypatch.setitem(FAMILIES, "logistic", Family("logistic", "logistic regression", build))
    found = outcome("d.npz", *LOGISTIC, "--lambds", "0.001", "10")["models"]["logistic"]
    told = [each["warnings"] for each in found["rows"]]
    assert told[0][0].startswith("ConvergenceWarning: L2LogisticRegression with lambd=0.001 did not converge")
    assert not any("converge" in text for text in found["warnings"])


def test_warnings_of_no_single_lambd(data, outcome, run):
    lambds = ["--lambds", "1", "1e8", "1e9"]
    found = outcome("d.npz", *LOGISTIC, *lambds, "--scoring", "precision_macro")["models"]["logistic"]
    assert found["warnings"][0].startswith("UndefinedMetricWarning: Precision is ill-defined")
    _, out, _ = run("d.npz", *LOGISTIC, "--lambds", "1e4", "1e6")
    told = " ".join(out.split())
    assert "The best lambd=10000 is the smallest of the grid; a better one may lie below. Try 100." in told


# Ctrl-C


@pytest.mark.parametrize("swallowed", [False, True])
def test_ctrl_c_prints_the_finished_rows(data, run, monkeypatch, swallowed):
    """Whether the search stops at Ctrl-C or, since something took it for itself, goes on to its end."""
    auc = get_scorer("roc_auc")

    def press(model, X, y):
        if hasattr(model, "steps") and model[-1].lambd == 1:
            with contextlib.suppress(KeyboardInterrupt) if swallowed else contextlib.nullcontext():
                signal.raise_signal(signal.SIGINT)
        return auc(model, X, y)

    patch_scorer(monkeypatch, press)
    scoring = ["--scoring", "roc_auc"]
    code, out, err = run("d.npz", "--save", "m.skops", *scoring)
    assert (code, err) == (130, "interrupted\n")
    finished = ["0", "0.01", "0.1", "1", "10", "100"] if swallowed else ["0", "0.01", "0.1"]
    assert ROWS.findall(out) == finished
    assert "Interrupted" in out and "Neural network" not in out
    assert os.listdir() == ["d.npz"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    code, out, _ = run("d.npz", "--json", *scoring)
    found = json.loads(out)
    assert (code, found["interrupted"], found["chosen"]) == (130, True, None)
    assert len(found["models"]["logistic"]["rows"]) == len(finished)


def test_ctrl_c_in_the_last_fit_saves_nothing(data, run, monkeypatch):
    fit = L2LogisticRegression.fit

    def press(self, X, y):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return fit(self, X, y)

    monkeypatch.setattr(L2LogisticRegression, "fit", press)
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--cv", "3", "--save", "m.skops")
    assert (code, err) == (130, "interrupted\n")
    assert ROWS.findall(out) == ["1"]
    assert "Interrupted" in out and os.listdir() == ["d.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send to a single thread")
def test_ctrl_c_in_the_network(data, network, run):
    """The real network, interrupted in the middle of its epochs."""
    network(max_iter=10**6, tol=0.0, n_iter_no_change=10**6)
    main_thread = threading.main_thread().ident
    threading.Timer(1, signal.pthread_kill, [main_thread, signal.SIGINT]).start()
    code, out, err = run("d.npz", "--lambds", "1", "10")
    assert (code, err) == (130, "interrupted\n")
    assert ROWS.findall(out) == ["1", "10"]  # of the logistic regression
    assert "Interrupted" in out and "Neural network" not in out


# Anything else


def test_out_of_memory(data, run, monkeypatch):
    monkeypatch.setattr("sklearn_l2.cli.read", lambda *_: (_ for _ in ()).throw(MemoryError))
    code, _, err = run("d.npz")
    assert code == 2 and "out of memory" in err


def test_any_thread_can_call_it(data, capsys):
    codes = []
    thread = threading.Thread(target=lambda: codes.append(main(["d.npz", *LOGISTIC])))
    thread.start()
    thread.join()
    assert codes == [0]

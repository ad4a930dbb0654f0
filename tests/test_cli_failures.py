"""`python -m sklearn_l2` where fits fail, warn or are interrupted."""

import contextlib
import json
import os
import re
import signal
import threading
import warnings

import numpy as np
import pytest
from common import LOGISTIC
from sklearn.exceptions import ConvergenceWarning

from sklearn_l2.cli import main
from sklearn_l2.logistic import L2LogisticRegression
from sklearn_l2.mlp import L2MLPClassifier

pytest_plugins = ["command_fixtures"]


def patch_fit(monkeypatch, before):
    """`before(classifier)` runs ahead of every fit of the logistic regression."""
    fit = L2LogisticRegression.fit

    def patched(self, X, y):
        before(self)
        return fit(self, X, y)

    monkeypatch.setattr(L2LogisticRegression, "fit", patched)


def break_at(lambd, error):
    def before(classifier):
        if classifier.lambd == lambd:
            raise error

    return before


def test_a_fit_that_fails_leaves_the_others(data, outcome, run, monkeypatch):
    patch_fit(monkeypatch, break_at(0.1, ValueError("weights overflow\nat row 3")))
    rows = outcome("d.npz", *LOGISTIC)["models"]["logistic"]["rows"]
    assert [each["verdict"] == "failed" for each in rows] == [False, False, True, False, False, False]
    assert rows[2]["failure"] == "ValueError: weights overflow" and rows[2]["dev_loss"] is None
    code, out, err = run("d.npz", *LOGISTIC, "--plot", "p.png")
    assert (code, err) == (0, "")
    assert "lambd 0.1: failed with ValueError: weights overflow" in out


def test_the_last_fit_fails(data, run, monkeypatch):
    sizes = []

    def count(classifier):
        sizes.append(classifier.lambd)
        if len(sizes) > 3:
            raise ValueError("weights overflow")

    patch_fit(monkeypatch, count)
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--cv", "3")
    assert (code, err) == (2, "error: the fit on all 120 training rows failed: weights overflow\n")
    assert "just right" in out


def test_a_score_that_the_test_rows_do_not_define(data, outcome, monkeypatch):
    def scorer(model, X, y):
        if hasattr(model, "steps"):  # the whole pipeline is what the test rows are scored with
            raise ValueError("only one class")
        return 0.5

    monkeypatch.setattr("sklearn_l2._command.tuning.get_scorer", lambda _: scorer)
    assert outcome("d.npz", *LOGISTIC, "--scoring", "roc_auc")["chosen"]["test_score"] is None


def test_every_fit_fails(data, run, monkeypatch):
    patch_fit(monkeypatch, break_at(1, ValueError("weights overflow")))
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1")
    assert code == 2
    assert "every fit failed" in err and "weights overflow" in err
    assert "Nothing is chosen" in out


def test_probabilities_that_are_no_numbers(data, outcome, monkeypatch):
    predict = L2LogisticRegression.predict_proba
    monkeypatch.setattr(
        L2LogisticRegression,
        "predict_proba",
        lambda self, X: predict(self, X) * (np.nan if self.lambd == 1 else 1),
    )
    rows = outcome("d.npz", *LOGISTIC)["models"]["logistic"]["rows"]
    assert [each["lambd"] for each in rows if each["verdict"] == "failed"] == [1]


def test_scores_that_are_no_numbers(data, run, monkeypatch):
    monkeypatch.setattr("sklearn_l2._command.tuning.get_scorer", lambda _: lambda *_: np.nan)
    code, _, err = run("d.npz", *LOGISTIC, "--scoring", "roc_auc")
    assert code == 2 and "roc_auc gave no numbers" in err


def test_warnings_take_one_line(data, run, outcome, monkeypatch):
    rng = np.random.default_rng(0)

    def warn(classifier):
        if classifier.lambd <= 0.01:
            warnings.warn(f"||W|| grew to {rng.random()}. Try\nless.", ConvergenceWarning, stacklevel=2)

    patch_fit(monkeypatch, warn)
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "0.001", "0.01", "10")
    assert (code, err) == (0, "")
    assert out.count("ConvergenceWarning") == 1
    assert "lambd 0.001, 0.01: ConvergenceWarning: ||W|| grew to 0." in out
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, out, _ = run("d.npz", *LOGISTIC, "--lambds", "0.01", "--cv", "3")
    assert out.count("lambd 0.01: ConvergenceWarning") == 1  # not once for every fold
    assert out.count("ConvergenceWarning") == 2  # once more for the last fit
    rows = outcome("d.npz", *LOGISTIC, "--lambds", "0.001", "10")["models"]["logistic"]["rows"]
    assert [len(each["warnings"]) for each in rows] == [1, 0]


@pytest.mark.parametrize("swallowed", [False, True])
def test_ctrl_c_prints_the_finished_rows(data, run, monkeypatch, swallowed):
    """Whether the fit stops at Ctrl-C or, as the network does, returns what it has."""

    def press(classifier):
        if classifier.lambd == 1:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                if not swallowed:
                    raise

    patch_fit(monkeypatch, press)
    code, out, err = run("d.npz", "--save", "m.skops")
    assert (code, err) == (130, "interrupted\n")
    rows = re.findall(r"^[* ] +(\S+) .* (?:overfitting|just right|underfitting)$", out, re.M)
    assert rows == ["0", "0.01", "0.1"]
    assert "Interrupted" in out and "Neural network" not in out
    assert os.listdir() == ["d.npz"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    code, out, _ = run("d.npz", "--json")
    found = json.loads(out)
    assert (code, found["interrupted"], found["chosen"]) == (130, True, None)
    assert len(found["models"]["logistic"]["rows"]) == 3


def test_ctrl_c_in_the_last_fit_saves_nothing(data, run, monkeypatch):
    fits = []

    def press(classifier):
        fits.append(classifier.lambd)
        if len(fits) == 4:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    patch_fit(monkeypatch, press)
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--cv", "3", "--save", "m.skops")
    assert (code, err) == (130, "interrupted\n")
    assert "Interrupted" in out and os.listdir() == ["d.npz"]


def test_ctrl_c_in_the_network(data, run, monkeypatch):
    """The real network, interrupted in the middle of its epochs."""
    rounds = []
    fit = L2MLPClassifier.fit

    def patched(self, X, y):
        if rounds:
            threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()
            self.set_params(max_iter=10**6, tol=0.0, n_iter_no_change=10**6)
        rounds.append(self.lambd)
        return fit(self, X, y)

    monkeypatch.setattr(L2MLPClassifier, "fit", patched)
    code, out, err = run("d.npz", "--model", "mlp")
    assert (code, err) == (130, "interrupted\n")
    assert rounds == [0, 0.01]
    assert len(re.findall(r"^[* ] +\S+ .* just right$", out, re.M)) == 1


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

"""`python -m sklearn_l2`: its arguments, dev sets, folds and scoring."""

import os
import warnings

import numpy as np
import pytest
from common import LOGISTIC
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2._command.tuning import split
from sklearn_l2.search import LambdaSearchCV

pytest_plugins = ["command_fixtures"]


# Arguments


def test_lambds_by_spaces_or_commas_sorted_once_each(data, outcome):
    found = [
        outcome("d.npz", *LOGISTIC, "--lambds", *lambds)["models"]["logistic"]["rows"]
        for lambds in (["16", "0.1", "1"], ["1,0.1,16"], ["16,", "1", "1.0", ".1"])
    ]
    assert [each["lambd"] for each in found[0]] == [0.1, 1, 16]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_one_family_only(data, outcome, model):
    found = outcome("d.npz", "--model", model, "--lambds", "1")
    assert list(found["models"]) == [model]
    assert found["chosen"]["model"] == model


def test_the_family_with_the_lower_dev_loss_is_chosen(data, outcome):
    for lambds in (["1"], ["1e6"]):
        found = outcome("d.npz", "--lambds", *lambds)
        losses = {name: model["rows"][0]["dev_loss"] for name, model in found["models"].items()}
        assert found["chosen"]["model"] == min(losses, key=losses.get)


def test_sizes_of_the_parts(data, outcome):
    assert outcome("d.npz", *LOGISTIC)["n_rows"] == {"train": 90, "dev": 30, "test": 30}
    found = outcome("d.npz", *LOGISTIC, "--dev-size", "0.4", "--test-size", "0")
    assert found["n_rows"] == {"train": 90, "dev": 60}
    assert found["chosen"]["test_error"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lambds", "-1"], ["-1", "0 or more"]),
        (["--lambds", "0,nan"], ["nan", "finite"]),
        (["--lambds", "inf"], ["inf", "finite"]),
        (["--lambds", "0", "much"], ["'much'", "numbers"]),
        (["--lambds", ","], ["nothing was given"]),
        (["--cv", "1"], ["at least 2 folds"]),
        (["--cv", "five"], ["five"]),
        (["--cv", "5", "--dev-size", "0.2"], ["not allowed with"]),
        (["--dev-size", "0"], ["between 0 and 1"]),
        (["--dev-size", "nan"], ["between 0 and 1"]),
        (["--test-size", "1"], ["below 1"]),
        (["--test-size", "0.5", "--dev-size", "0.5"], ["no rows to train on"]),
        (["--model", "tree"], ["'tree'", "logistic"]),
        (["--moddel", "mlp"], ["--moddel"]),
        (["--scoring", "acuracy"], ["'acuracy'", "Did you mean 'accuracy'"]),
        (["--scoring", "precision"], ["--scoring precision does not suit", "pos_label"]),
        (["--dev", "d.npz", "--save", "d.npz"], ["overwrite"]),
        (["--save", "m.skops", "--plot", "m.skops"], [".skops", "extension"]),
        (["--save", "m.png", "--plot", "m.png"], ["overwrite"]),
        (["--save", "nowhere/m.skops"], ["--save nowhere", "cannot be written"]),
        (["--plot", "nowhere/p.png"], ["--plot nowhere", "cannot be written"]),
        (["--save", "."], ["is a directory"]),
        (["--save", "d.npz/m.skops"], ["cannot be written"]),
        (["--plot", "p.jqg"], ["'.jqg'", ".png", ".svg"]),
        (["--report", "r.pdf"], ["'.pdf'", ".html"]),
        (["--report", "nowhere/r.html"], ["--report nowhere", "cannot be written"]),
        (["--report", "r.html", "--save", "r.html"], ["--report r.html", "overwrite"]),
    ],
)
def test_faults_are_told_before_any_fit(data, run, monkeypatch, arguments, words):
    monkeypatch.setattr(LambdaSearchCV, "fit", lambda *_, **__: pytest.fail("fitted"))
    code, out, err = run("d.npz", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and len(err.splitlines()) == 1 and "Traceback" not in err
    for word in words:
        assert word in err
    assert os.listdir() == ["d.npz"]


@pytest.mark.parametrize("arguments", [["--target", "y"], ["--dev", "dev.csv"]])
def test_options_of_a_file_without_a_file(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2 and "need a data file" in err


def test_help(run):
    code, out, _ = run("--help")
    assert code == 0 and "--target" in out


# Dev sets and folds


def test_the_chosen_model_never_saw_the_dev_set(data, outcome):
    skops = pytest.importorskip("skops.io")
    X, y = data
    dev = np.arange(150) % 3 == 0
    np.savez("train.npz", X=X[~dev], y=y[~dev])
    np.savez("dev.npz", X=X[dev], y=y[dev])
    found = outcome(
        "train.npz",
        "--dev",
        "dev.npz",
        "--test-size",
        "0",
        *LOGISTIC,
        "--lambds",
        "0.1,1,10",
        "--save",
        "m.skops",
    )
    assert found["n_rows"] == {"train": 100, "dev": 50}
    lambd = found["chosen"]["lambd"]
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=1 / lambd, tol=1e-10)).fit(X[~dev], y[~dev])
    model = skops.load("m.skops", trusted=found["saved"]["untrusted_types"])
    np.testing.assert_allclose(model[-1].coef_, oracle[-1].coef_, rtol=1e-5)
    assert log_loss(y[dev], model.predict_proba(X[dev])) == pytest.approx(found["chosen"]["dev_loss"], rel=1e-12)


def test_cross_validation(data, outcome):
    skops = pytest.importorskip("skops.io")
    X, y = data
    found = outcome(
        "d.npz",
        "--cv",
        "4",
        "--test-size",
        "0",
        *LOGISTIC,
        "--lambds",
        "0.1",
        "1e3",
        "--save",
        "m.skops",
        "--scoring",
        "roc_auc",
    )
    assert (found["n_folds"], found["n_rows"], found["chosen"]["refitted"]) == (4, {"train": 150}, True)
    for each in found["models"]["logistic"]["rows"]:
        scores = cross_validate(
            make_pipeline(StandardScaler(), LogisticRegression(C=1 / each["lambd"], tol=1e-10)),
            X,
            y,
            cv=StratifiedKFold(4, shuffle=True, random_state=0),
            scoring=["neg_log_loss", "accuracy", "roc_auc"],
            return_train_score=True,
        )
        assert each["dev_loss"] == pytest.approx(-scores["test_neg_log_loss"].mean(), rel=1e-5)
        assert each["dev_loss_se"] == pytest.approx(np.std(scores["test_neg_log_loss"], ddof=1) / 2, rel=1e-4)
        assert each["dev_error"] == pytest.approx(1 - scores["test_accuracy"].mean())
        assert each["train_loss"] == pytest.approx(-scores["train_neg_log_loss"].mean(), rel=1e-5)
        assert each["dev_score"] == pytest.approx(scores["test_roc_auc"].mean())
    oracle = make_pipeline(StandardScaler(), LogisticRegression(C=1 / found["chosen"]["lambd"], tol=1e-10)).fit(X, y)
    model = skops.load("m.skops", trusted=found["saved"]["untrusted_types"])
    np.testing.assert_allclose(model[-1].coef_, oracle[-1].coef_, rtol=1e-5)


def test_cross_validation_says_that_it_refits(data, run):
    _, out, _ = run("d.npz", "--cv", "3", *LOGISTIC, "--lambds", "1")
    assert "fitted anew on all 120 train rows" in out
    assert "means over 3 folds" in out and "fold by fold" in out


def test_scoring_chooses(data, outcome, run):
    X, y = data
    found = outcome("d.npz", *LOGISTIC, "--scoring", "f1_macro")
    rows = found["models"]["logistic"]["rows"]
    parts = split(y, {"dev": 0.2, "test": 0.2})
    for each in rows[1:]:
        oracle = make_pipeline(StandardScaler(), LogisticRegression(C=1 / each["lambd"], tol=1e-8))
        oracle.fit(X[parts["train"]], y[parts["train"]])
        predicted = oracle.predict(X[parts["dev"]])
        assert each["dev_score"] == pytest.approx(f1_score(y[parts["dev"]], predicted, average="macro"))
    best = max(each["dev_score"] for each in rows)
    tied = [each for each in rows if each["dev_score"] == best]
    assert found["chosen"]["lambd"] == min(tied, key=lambda each: each["dev_loss"])["lambd"]
    _, out, _ = run("d.npz", *LOGISTIC, "--scoring", "f1_macro")
    assert "Chosen by the best dev f1_macro" in out and f"{rows[0]['dev_score']:.4f}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_trying_a_scorer_out_does_not_warn(data, run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the model that guesses never predicts one of the classes
        code, _, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--scoring", "precision_macro")
    assert (code, err) == (0, "")

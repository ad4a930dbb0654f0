"""`python -m sklearn_l2`: what it prints, chooses, saves and draws, and how it stops."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from scipy.stats import sem
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_l2
from sklearn_l2._command.report import table
from sklearn_l2._command.tuning import Figures, Row, choose, log_losses, split, verdicts
from sklearn_l2.cli import main
from sklearn_l2.logistic import L2LogisticRegression
from sklearn_l2.mlp import L2MLPClassifier

VERDICTS = {"overfitting", "just right", "underfitting"}
LOGISTIC = ["--model", "logistic"]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A file of 150 rows in the working directory; returns its arrays."""
    monkeypatch.chdir(tmp_path)
    X, y = make_classification(150, 6, n_informative=3, flip_y=0.2, random_state=3)
    y = np.array(["no", "yes"])[y]
    np.savez("d.npz", X=X, y=y)
    return X, y


@pytest.fixture
def run(capsys):
    """Run in this process: exit code, stdout, stderr."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def outcome(run):
    """The JSON object of a run that went well."""

    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out, parse_constant=pytest.fail)

    return call


def process(*arguments, script=None, environment=(), **options):
    """Run in a process of its own, as the module or as a script, with this very package."""
    start = ["-m", "sklearn_l2"] if script is None else ["-c", script]
    root = os.path.dirname(os.path.dirname(sklearn_l2.__file__))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(
        [sys.executable, *start, *arguments],
        env=os.environ | {"PYTHONPATH": root} | dict(environment),
        text=True,
        timeout=300,
        check=False,
        **options,
    )


WITHOUT_EXTRAS = """
import sys

class Hidden:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"pandas", "pyarrow", "skops", "matplotlib"}:
            raise ImportError(name)

sys.meta_path.insert(0, Hidden())
from sklearn_l2.cli import main
from sklearn_l2.logistic import L2LogisticRegression
from sklearn_l2.mlp import L2MLPClassifier
sys.exit(main())
"""


# The run without arguments


def test_without_arguments():
    done = process()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 80
    for title in ("Logistic regression", "Neural network"):
        lines = done.stdout.split(f"{title}\n")[1].splitlines()
        assert re.split(r"\s{2,}", lines[0].strip()) == [
            "lambd",
            "||W||",
            "train err",
            "dev err",
            "dev loss +- se",
            "verdict",
        ]
        rows = [re.split(r"\s{2,}", line.lstrip("* ")) for line in lines[1:7]]
        assert [row[0] for row in rows] == ["0", "0.01", "0.1", "1", "10", "100"]
        norms = [float(row[1]) for row in rows]
        assert norms == sorted(norms, reverse=True)
        assert {row[-1] for row in rows} <= VERDICTS
        assert sum(line.startswith("*") for line in lines[1:7]) == 1
    assert re.search(
        r"^Chosen by the lowest dev loss: (logistic regression|neural network), lambd = ", done.stdout, re.M
    )
    assert re.search(r"^Test error: \d+\.\d\d% \(\d+ of 114 rows\)", done.stdout, re.M)


def test_without_arguments_needs_scikit_learn_only():
    done = process(*LOGISTIC, script=WITHOUT_EXTRAS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Test error" in done.stdout


@pytest.mark.parametrize(("option", "module"), [(["--save", "m.skops"], "skops"), (["--plot", "p.png"], "matplotlib")])
def test_missing_extra(data, run, monkeypatch, option, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run("d.npz", *option)
    assert (code, out) == (2, "")
    assert f"needs {module}" in err and "pip install 'sklearn-l2[cli]'" in err


def test_figures_agree_with_scikit_learn(outcome):
    found = outcome(*LOGISTIC)
    bunch = load_breast_cancer()
    X, y = bunch.data, bunch.target_names[bunch.target]
    parts = split(y, {"dev": 0.2, "test": 0.2})
    rows = found["models"]["logistic"]["rows"]
    losses = {}
    for row in rows:
        if row["lambd"] < 0.1:  # nearly separable: scikit-learn's solver is no oracle there
            continue
        oracle = make_pipeline(
            StandardScaler(), LogisticRegression(C=1 / row["lambd"], solver="newton-cholesky", tol=1e-12)
        ).fit(X[parts["train"]], y[parts["train"]])
        assert row["weight_norm"] == pytest.approx(np.linalg.norm(oracle[-1].coef_), rel=1e-5)
        for part in ("train", "dev"):
            X_part, y_part = X[parts[part]], y[parts[part]]
            assert row[f"{part}_error"] == pytest.approx(1 - oracle.score(X_part, y_part))
            assert row[f"{part}_loss"] == pytest.approx(log_loss(y_part, oracle.predict_proba(X_part)), rel=1e-5)
        of_label = oracle.predict_proba(X_part)[np.arange(len(y_part)), (y_part == "malignant").astype(int)]
        losses[row["lambd"]] = -np.log(of_label)
        assert row["dev_loss_se"] == pytest.approx(sem(losses[row["lambd"]]), rel=1e-5)
        if row["lambd"] == found["chosen"]["lambd"]:
            X_test, y_test = X[parts["test"]], y[parts["test"]]
            assert found["chosen"]["test_error"] == pytest.approx(1 - oracle.score(X_test, y_test))
            assert found["chosen"]["test_loss"] == pytest.approx(
                log_loss(y_test, oracle.predict_proba(X_test)), rel=1e-5
            )
    best = losses[found["chosen"]["lambd"]]
    for row in rows:
        if row["lambd"] in losses:
            assert row["above_best_se"] == pytest.approx(sem(losses[row["lambd"]] - best), rel=1e-4, abs=1e-12)


# Splitting


def test_parts_are_stratified_and_share_no_row():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    parts = split(y, {"dev": 0.3, "test": 0.2})
    assert sorted(np.concatenate(list(parts.values()))) == list(range(100))
    assert {part: np.bincount(y[rows]).tolist() for part, rows in parts.items()} == {
        "train": [25, 15, 10],
        "dev": [15, 9, 6],
        "test": [10, 6, 4],
    }


def test_a_share_of_0_is_no_part():
    assert list(split(np.array([0, 1]), {"dev": 0.0, "test": 0.0})) == ["train"]


# Losses, verdicts and choice


def test_losses_of_certain_predictions_are_finite():
    class Certain:
        classes_ = np.array(["a", "b"])

        def predict_proba(self, X):
            return np.array([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]], dtype=X.dtype)

    for dtype in (np.float32, np.float64):
        X = np.zeros((3, 1), dtype=dtype)
        for labels in (["a", "a", "a"], ["b", "b", "b"]):
            expected = [
                log_loss([label], probabilities[None], labels=["a", "b"])
                for label, probabilities in zip(labels, Certain().predict_proba(X), strict=True)
            ]
            assert log_losses(Certain(), X, np.array(labels)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def row(lambd, losses, score=None):
    losses = np.asarray(losses, dtype=float)
    return Row(lambd, (Figures(1.0, 0.0, 0.0, 0.0, losses, -losses.mean() if score is None else score),))


def test_verdicts_by_one_standard_error_of_the_paired_difference():
    best = np.array([1.0, 2.0, 3.0, 4.0])
    bump = np.array([0.0, 2.0, 0.0, 0.0])  # mean 0.5, standard error exactly 0.5
    rows = [
        row(0, best + 1.01 * bump + 0.01),
        row(0.1, best + bump),
        row(1, best),
        row(10, best + bump),
        row(100, best + 0.01),
    ]
    assert [verdict.text for verdict in verdicts(rows)] == [
        "overfitting",
        "just right",
        "just right",
        "just right",
        "underfitting",
    ]
    for each, verdict in zip(rows, verdicts(rows), strict=True):
        assert verdict.above_best == pytest.approx(np.mean(each.units - best))
        assert verdict.above_best_se == pytest.approx(sem(each.units - best), abs=1e-15)


def test_equal_losses_go_to_the_larger_lambd():
    rows = [row(0, [1.0, 2.0]), row(0.1, [2.0, 3.0]), row(1, [1.0, 2.0]), row(10, [2.0, 3.0])]
    assert choose(rows) is rows[2]
    assert [verdict.text for verdict in verdicts(rows)] == ["just right", "overfitting", "just right", "underfitting"]


def test_the_score_chooses_and_the_loss_breaks_ties():
    rows = [row(0, [1, 1], 0.8), row(1, [3, 3], 0.9), row(10, [2, 2], 0.9), row(100, [1, 1], np.nan)]
    assert choose(rows) is rows[2]
    assert choose(rows[3:]) is None


def test_a_failed_row_has_no_part_in_verdicts_and_choice():
    rows = [Row(0.0, failure="ValueError: broken"), row(1, [1.0, 2.0])]
    assert [verdict.text for verdict in verdicts(rows)] == ["failed", "just right"]
    assert choose(rows) is rows[1]
    assert [verdict.text for verdict in verdicts(rows[:1])] == ["failed"]


def test_both_ends_of_the_grid_get_their_verdict(data, outcome):
    rows = outcome("d.npz", *LOGISTIC, "--lambds", "3", "1e8")["models"]["logistic"]["rows"]
    assert [each["verdict"] for each in rows] == ["just right", "underfitting"]
    assert rows[0]["above_best"] == 0
    assert rows[1]["above_best"] > rows[1]["above_best_se"] > 0


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
    ],
)
def test_faults_are_told_before_any_fit(data, run, monkeypatch, arguments, words):
    monkeypatch.setattr(L2LogisticRegression, "fit", lambda *_: pytest.fail("fitted"))
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


def test_faults_in_a_process_of_its_own(tmp_path):
    done = process("absent.csv", "--target", "y", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no such file: absent.csv\n"


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


# Saving and drawing


def test_the_saved_pipeline_takes_the_raw_table(tmp_path, monkeypatch, outcome, run):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(200) < 0.1, np.nan, rng.normal(size=200)),
            "kind": rng.choice(["a", "b", None], 200),
            "new": rng.random(200) < 0.5,
            "known": rng.choice([True, False, None], 200),
        }
    )
    frame["y"] = np.where((frame["size"].fillna(0) + (frame["kind"] == "a") + frame["new"]) > 0.8, "yes", "no")
    frame.to_csv("d.csv", index=False)
    found = outcome("d.csv", "--target", "y", *LOGISTIC, "--save", "m.skops", "--test-size", "0")
    _, out, _ = run("d.csv", "--target", "y", *LOGISTIC, "--save", "m.skops", "--test-size", "0")
    lines = out.split("Load it with:\n")[1]
    assert all(name in out for name in found["saved"]["untrusted_types"])
    space = {}
    exec("\n".join(line.strip() for line in lines.splitlines()), space)
    raw = pd.read_csv("d.csv")
    parts = split(raw["y"].to_numpy(dtype=str), {"dev": 0.2})
    dev = raw.iloc[parts["dev"]]
    loss = log_loss(dev["y"], space["model"].predict_proba(dev.drop(columns="y")))
    assert loss == pytest.approx(found["chosen"]["dev_loss"], rel=1e-12)


def test_pictures(data, outcome):
    pytest.importorskip("matplotlib")
    assert outcome("d.npz", "--lambds", "0.1", "1", "--plot", "p.png")["plotted"] == "p.png"
    outcome("d.npz", *LOGISTIC, "--plot", "p.svg")
    with open("p.png", "rb") as png, open("p.svg") as svg:
        assert png.read(8) == b"\x89PNG\r\n\x1a\n"
        assert "<svg" in svg.read()


@pytest.mark.parametrize("option", ["--save", "--plot"])
@pytest.mark.parametrize("old", [None, b"the old file"])
def test_a_failed_write_leaves_no_half_file(data, run, monkeypatch, option, old):
    def write_half(*arguments, **_):
        target = next(each for each in arguments if hasattr(each, "write_bytes"))
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pytest.importorskip("skops.io"), "dump", write_half)
    monkeypatch.setattr(pytest.importorskip("matplotlib.figure").Figure, "savefig", write_half)
    if old:
        with open("out.png", "wb") as file:
            file.write(old)
    code, out, err = run("d.npz", *LOGISTIC, option, "out.png")
    assert code == 2
    assert "No space left on device" in err and "Traceback" not in err
    assert "Test error" in out  # the fits are not lost
    assert sorted(os.listdir()) == ["d.npz"] + ["out.png"] * bool(old)
    if old:
        with open("out.png", "rb") as file:
            assert file.read() == old


# Fits that fail, warn or are interrupted


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


# Streams


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_for_terminals_only(data, run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["d.npz", *LOGISTIC, "--lambds", "1", "10", "--json", "--cv", "2"]) == 0
    shown = [line.strip() for line in terminal.getvalue().split("\r") if line.strip()]
    assert shown == [
        f"logistic regression: lambd {lambd} ({number} of 4)" for number, lambd in enumerate([1, 1, 10, 10], start=1)
    ]
    assert terminal.getvalue().split("\r")[-2] == " " * 79  # wiped out


def test_labels_the_terminal_cannot_show(tmp_path):
    np.savez(tmp_path / "\u00e9.npz", X=np.arange(40.0)[:, None], y=["no", "\u00fc"] * 20)
    done = process("\u00e9.npz", *LOGISTIC, cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9.npz" in done.stdout


def test_a_reader_that_leaves_early(data):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = process("d.npz", *LOGISTIC, "--lambds", "1", stdout=closed)
    assert (done.returncode, done.stderr) == (1, "")


def test_table_columns_line_up():
    text = table(["", "a", "last"], [["*", "1", "x"], ["", "222", "yy"]])
    assert text.splitlines() == ["     a  last", "*    1  x", "   222  yy"]


def test_display():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    from sklearn_l2.display import LambdaCurveDisplay

    shown = LambdaCurveDisplay([0, 0.1, 1], [0.1, 0.2, 0.3], [0.9, 0.4, 0.5], dev_loss_se=[0.1, 0.2, 0.3], chosen=0.1)
    assert shown.plot(figure.subplots()) is shown
    assert shown.figure_ is figure
    np.testing.assert_array_equal(shown.line_.get_ydata(), [0.1, 0.2, 0.3])
    line, _, bars = shown.errorbar_
    np.testing.assert_array_equal(line.get_ydata(), [0.9, 0.4, 0.5])
    heights = [segment[:, 1] for segment in bars[0].get_segments()]
    np.testing.assert_allclose(heights, [[0.8, 1.0], [0.2, 0.6], [0.2, 0.8]])
    assert [label.get_text() for label in shown.ax_.get_xticklabels()] == ["0", "0.1", "1"]
    assert any(text.get_text() == "chosen: 0.1" for text in shown.ax_.get_legend().get_texts())


@pytest.mark.parametrize(("worst", "scale"), [(2.0, "linear"), (2.1, "log")])
def test_display_of_losses_far_apart(worst, scale):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    from sklearn_l2.display import LambdaCurveDisplay

    ax = LambdaCurveDisplay([0, 1], [1e-9, 0.1], [worst, 0.2]).plot(figure.subplots()).ax_
    assert ax.get_yscale() == scale
    assert scale == "linear" or ax.get_ylim()[0] == pytest.approx(0.02)


def test_display_makes_its_own_figure():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    from sklearn_l2.display import LambdaCurveDisplay

    shown = LambdaCurveDisplay([0], [0.1], [2.0]).plot()
    assert shown.ax_.figure is shown.figure_
    pyplot.close(shown.figure_)

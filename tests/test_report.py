"""`python -m sklearn_l2 --report`: the page, and the code in it."""

import contextlib
import io
import os
import signal
import warnings
from functools import partial

import numpy as np
import pytest
from common import LOGISTIC
from hypothesis import given, settings
from hypothesis import strategies as st
from report_page import check, shown
from scipy.sparse import csr_array
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_digits, load_iris
from sklearn.metrics import confusion_matrix

from sklearn_l2._command import html_report, markup
from sklearn_l2._command.tuning import FAMILIES, Family, split
from sklearn_l2.mlp import L2MLPClassifier

pytest.importorskip("matplotlib")
pytest_plugins = ["command_fixtures"]

HOSTILE = [
    "<script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    "$\\frac{1}$",
    '" onload="alert(1)',
    "</style></title></code>--!>]]>",
    "&lt;b&gt;",
    "größe 中文 עברית",
    "end\u202etxt",
]
# Without lone surrogates, which no file in UTF-8 can hold.
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))


@pytest.fixture
def report(outcome):
    """Run; the checked page and the JSON object."""

    def call(*arguments):
        found = outcome(*arguments, "--report", "r.html")
        assert found["reported"] == "r.html"
        with open("r.html", encoding="utf-8", newline="") as file:
            return check(file.read()), found

    return call


def executed(code):
    """The names that the page's code leaves."""
    space = {}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The best lambd")  # which is at the edge of the grid
        exec(code, space)
    return space


# Any text


@given(TEXTS, TEXTS)
def test_text_is_text(name, other):
    table = markup.table(name, [name, other], [[other, name], [name, other]], 1)
    page = check(
        markup.page(
            name, [markup.element("h1", name, other), *markup.paragraphs([other]), table, markup.bullets([name])]
        )
    )
    assert page.texts("h1") == [shown(name + other)]
    assert page.texts("p") == [shown(other)] and page.texts("li") == [shown(name)]
    assert page.texts("title") == page.texts("caption") == [shown(name)]
    assert page.texts("th") == [shown(each) for each in (name, other, other, name)]
    ((region, _),) = page.all("div")
    assert region["aria-label"].replace("\r\n", "\n").replace("\r", "\n") == shown(name)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of matplotlib's own fonts, which the page does not use
@settings(max_examples=20)
@given(st.lists(TEXTS, min_size=2, max_size=4, unique=True))
def test_classes_in_pictures_are_text(names):
    classes = np.array(sorted(names))
    if len(np.unique(classes)) != len(names):  # numpy drops NULs at the end
        return
    y, predicted = np.tile(classes, 4), np.repeat(classes, 4)
    probabilities = np.full((len(y), len(classes)), 1 / len(classes))
    pictures = [
        html_report.confusion_picture(y, predicted, classes),
        html_report.calibration_picture(y, probabilities, classes),
    ]
    page = check(markup.page("t", [markup.element("h1", "t"), *pictures]))
    labels = [text for text in page.texts("text") if text.strip()]
    for name in classes:
        if visible := shown(str(name)).replace("\n", " ").strip():
            assert any(visible[:20] in text or text.rstrip("…") in visible for text in labels)


def test_long_tables_are_folded():
    listed = markup.LISTED_CELLS // 2
    rows = [[str(i), "a"] for i in range(listed + 5)]
    page = check(markup.page("t", [markup.element("h1", "t"), *markup.long_table("c", ["x", "y"], rows)]))
    assert page.texts("summary") == [f"{listed - markup.SHOWN} more rows"]
    assert page.texts("p") == ["5 more are not listed."]
    assert page.table("c") == [["x", "y"], *rows[:listed]]


# Pages


def test_hostile_names(tmp_path, monkeypatch, report):
    pd = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=200) for name in HOSTILE[:-1]})
    frame[HOSTILE[-1]] = rng.choice(HOSTILE, 200)
    frame["<y>"] = rng.choice(HOSTILE[:4], 200)
    frame.to_csv("<b>&.csv", index=False)
    page, found = report("<b>&.csv", "--target", "<y>", *LOGISTIC, "--lambds", "1", "10")
    assert "<b>&.csv" in page.texts("h1")[0]
    assert {shown(name) for name in HOSTILE} <= {row[0] for row in page.table("8 columns")}
    weights = [row[0] for row in page.table("Weights for each class, columns with the largest first")]
    assert {shown(name) for name in HOSTILE[:-1]} | {shown(f"{HOSTILE[-1]}_{HOSTILE[0]}")} <= set(weights)
    assert {*HOSTILE[:4]} <= {row[0] for row in page.table("Rows by class and part")}
    assert HOSTILE[0][:20] in "".join(page.texts("text"))
    assert "<y>" in page.texts("code")[0]
    assert executed(page.texts("code")[1])["search"].best_params_ == {"classifier__lambd": found["chosen"]["lambd"]}


@pytest.mark.parametrize("options", [[], ["--cv", "3"], ["--scoring", "roc_auc"], ["--test-size", "0"]])
def test_figures_are_those_of_the_json_object(data, report, options):
    page, found = report("d.npz", "--lambds", "0.1", "1", "10", *options)
    for name, title in (("logistic", "logistic regression"), ("mlp", "neural network")):
        headers, *rows = page.table(f"The {title} for every lambd")
        for row, figures in zip(rows, found["models"][name]["rows"], strict=True):
            cells = dict(zip(headers, row, strict=True))
            assert cells["lambd"] == f"{figures['lambd']:g}"
            assert cells["dev loss ± se"] == f"{figures['dev_loss']:.4f} ± {figures['dev_loss_se']:.4f}"
            assert cells["dev err"] == f"{100 * figures['dev_error']:.2f}%"
            assert cells["train err"] == f"{100 * figures['train_error']:.2f}%"
            best = figures["lambd"] == found["models"][name]["chosen_lambd"]
            assert cells["verdict"] == figures["verdict"] + " (best)" * best
            assert cells.get("score") == (f"{figures['dev_score']:.4f}" if "--scoring" in options else None)
    chosen = found["chosen"]
    title = {"logistic": "logistic regression", "mlp": "neural network"}[chosen["model"]]
    assert page.texts("strong") == [f"{title}, lambd = {chosen['lambd']:g}"]
    text = " ".join(page.texts("p"))
    if chosen["test_error"] is None:
        assert "--test-size 0" in text and len(page.all("figure")) == 3
    else:
        assert f"rror {100 * chosen['test_error']:.2f}% (" in text and f"loss {chosen['test_loss']:.4f}" in text
        assert len(page.all("figure")) == 5
    assert ("means over 3 folds" in text) == ("--cv" in options)
    assert page.table("Rows by class and part")[1][1:-1] == [str(count) for count in found["n_rows"].values()]


def test_fits_that_failed_are_told(data, report, monkeypatch):
    build = partial(L2MLPClassifier, hidden_layer_sizes=(5,), solver="sgd", max_iter=100, tol=1e-2, random_state=0)
    monkeypatch.setitem(FAMILIES, "mlp", Family("mlp", "neural network", build))
    page, found = report("d.npz", "--lambds", "1", "1e9")
    failure = found["models"]["mlp"]["rows"][1]["failure"]
    row = page.table("The neural network for every lambd")[2]
    assert row[:3] == ["1e+09", "failed", "-"]
    assert f"Neural network: lambd 1e+09: failed with {failure}" in page.texts("li")


def test_classes_columns_and_missing_cells(frame, tmp_path, monkeypatch, report):
    monkeypatch.chdir(tmp_path)
    frame[:90].to_csv("d.csv", index=False)
    frame[90:].to_csv("dev.csv", index=False)
    page, found = report("d.csv", "--target", "y", "--dev", "dev.csv", *LOGISTIC)
    kinds = ["number", "number", "category", "true or false"]
    gaps = frame.isna().sum()
    assert page.table("4 columns")[1:] == [
        [name, kind, str(gaps[name]), f"{100 * gaps[name] / 120:.2f}%"]
        for name, kind in zip(frame.columns[:-1], kinds, strict=True)
    ]
    yes = split(frame["y"][:90].to_numpy(dtype=str), {"test": 0.2})
    counts = [
        *(str((frame["y"][:90].to_numpy()[yes[part]] == "yes").sum()) for part in ("train",)),
        str((frame["y"][90:] == "yes").sum()),
        str((frame["y"][:90].to_numpy()[yes["test"]] == "yes").sum()),
    ]
    (row,) = [row for row in page.table("Rows by class and part") if row[0] == "yes"]
    assert row[1:-1] == counts and found["n_rows"]["dev"] == 30


def test_weights_the_largest_first(tmp_path, monkeypatch, report):
    monkeypatch.chdir(tmp_path)
    page, _ = report(*LOGISTIC, "--lambds", "1")
    _, *rows = page.table("Weights, the largest first")
    classifier = executed(page.texts("code")[1])["model"][-1]
    weights = dict(zip(load_breast_cancer().feature_names, classifier.coef_[0], strict=True))
    sizes = [abs(float(value)) for _, value, _ in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert {name: value for name, value, _ in rows} == {name: f"{weight:.4g}" for name, weight in weights.items()}
    text = " ".join(page.texts("p"))
    assert f"The bias b is {classifier.intercept_[0]:.4g}." in text
    assert "positive weight speaks for malignant" in text and classifier.classes_[1] == "malignant"


def test_confusions(tmp_path, monkeypatch, report):
    monkeypatch.chdir(tmp_path)
    X, y = load_digits(return_X_y=True)
    np.savez("d.npz", X=X, y=y)
    page, _ = report("d.npz", *LOGISTIC, "--lambds", "10")
    space = executed(page.texts("code")[1])
    test = space["test"]
    matrix = confusion_matrix(y[test], space["model"].predict(X[test]))
    _, *rows = page.table("Misclassified test rows")
    listed = {(int(true), int(predicted)): int(count) for true, predicted, count in rows}
    np.fill_diagonal(matrix, 0)
    assert listed == {(int(i), int(j)): int(matrix[i, j]) for i, j in zip(*matrix.nonzero(), strict=True)}
    assert len(page.table("Weights for each class, columns with the largest first")[0]) == 11


def test_the_same_run_writes_the_same_page(data, report):
    arguments = ["d.npz", *LOGISTIC, "--lambds", "1"]
    assert report(*arguments)[0].source == report(*arguments)[0].source


# The code in the page


def _svmlight(X, y):
    dump_svmlight_file(csr_array(np.where(abs(X) > 1, X, 0)), y, "d.svmlight")
    dump_svmlight_file(csr_array(X[:50]), y[:50], "dev.svmlight")
    return "svmlight"


def _npz(X, y):
    np.savez("d.npz", X=X.astype(np.float32), y=y.astype(float))
    np.savez("dev.npz", X=X[:50], y=y[:50, None])
    return "npz"


def _csv(X, y):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcd")).mask(X > 1.5)
    frame["kind"] = np.where(frame["a"] > 0, "left", np.where(frame["b"] > 0.5, None, "right"))
    frame["code"] = np.where(frame["c"] > 0, "07", "x")
    frame["large"] = frame["d"] > 0
    frame["y"] = np.array(["no", "yes", "010"])[y]
    frame.to_csv("d.csv")
    frame[frame["code"] == "07"].to_csv("dev.csv", index=False)  # whose codes look like numbers
    return "csv"


def _parquet(X, y):
    pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    _csv(X, y)
    for name, index in (("d", 0), ("dev", None)):
        pd.read_csv(f"{name}.csv", index_col=index, dtype={"code": str, "y": str}).to_parquet(f"{name}.parquet")
    return "parquet"


@pytest.mark.parametrize("options", [[], ["--dev"], ["--cv", "3", "--scoring", "f1_macro", "--test-size", "0"]])
@pytest.mark.parametrize("write", [_svmlight, _npz, _csv, _parquet])
def test_the_code_finds_the_same(tmp_path, monkeypatch, report, write, options):
    monkeypatch.chdir(tmp_path)
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0) + np.random.default_rng(0).normal(scale=0.7, size=X.shape)
    kind = write(X, y)
    target = ["--target", "y"] if kind in ("csv", "parquet") else []
    dev = [f"dev.{kind}"] if options == ["--dev"] else []
    page, found = report(f"d.{kind}", *target, *LOGISTIC, "--lambds", "0.1", "1", "10", *options, *dev)
    space = executed(page.texts("code")[1])
    assert space["search"].best_params_ == {"classifier__lambd": found["chosen"]["lambd"]}
    losses = [row["dev_loss"] for row in found["models"]["logistic"]["rows"]]
    np.testing.assert_allclose(space["search"].lambda_table()["dev_loss"], losses, rtol=1e-12)
    if found["chosen"]["test_error"] is not None:
        X, y, test = (space[name] for name in ("X", "y", "test"))
        predicted = space["model"].predict(X.iloc[test] if kind in ("csv", "parquet") else X[test])
        assert np.mean(predicted != y[test]) == pytest.approx(found["chosen"]["test_error"])


def test_the_code_finds_the_same_network(tmp_path, monkeypatch, report):
    monkeypatch.chdir(tmp_path)
    page, found = report("--model", "mlp", "--lambds", "1", "10")
    space = executed(page.texts("code")[1])
    assert space["search"].best_params_ == {"classifier__lambd": found["chosen"]["lambd"]}
    assert space["search"].lambda_table()["dev_loss"].tolist() == [
        row["dev_loss"] for row in found["models"]["mlp"]["rows"]
    ]


# Files


@pytest.mark.parametrize("old", [None, "the old page"])
def test_a_failed_write_leaves_no_half_page(data, run, monkeypatch, old):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    if old:
        with open("r.html", "w") as file:
            file.write(old)
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--report", "r.html")
    assert code == 2 and "--report r.html cannot be written: No space left on device" in err
    assert "Test error" in out and "Report:" not in out
    assert sorted(os.listdir()) == ["d.npz"] + ["r.html"] * bool(old)


def test_ctrl_c_leaves_an_earlier_page(data, run, monkeypatch):
    with open("r.html", "w") as file:
        file.write("the old page")
    monkeypatch.setattr(html_report, "page", lambda *_: signal.raise_signal(signal.SIGINT))
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--report", "r.html")
    assert (code, err) == (130, "interrupted\n") and "Report:" not in out
    with open("r.html") as file:
        assert file.read() == "the old page"


def test_the_report_is_told(data, run):
    code, out, err = run("d.npz", *LOGISTIC, "--lambds", "1", "--report", "r.html", "--save", "m.skops")
    assert (code, err) == (0, "")
    assert "\nReport: r.html\n" in out
    with open("r.html", encoding="utf-8") as file:
        assert "skops.io.load" in check(file.read()).texts("code")[2]

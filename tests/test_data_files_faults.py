"""Data files given to `python -m sklearn_l2`: every fault is told in plain words."""

import os
import sys

import numpy as np
import pytest
from common import LOGISTIC

from sklearn_l2.cli import main

pytest_plugins = ["command_fixtures"]

pd = pytest.importorskip("pandas")


@pytest.fixture
def fails(tmp_path, monkeypatch, capsys):
    """Run in `tmp_path`: the arguments must be refused with exit code 2 and a message of these words."""
    monkeypatch.chdir(tmp_path)

    def run(arguments, *words):
        assert main([*arguments, *LOGISTIC]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("error: ") and len(err.splitlines()) == 1
        assert "Traceback" not in out + err
        assert out == ""
        for word in words:
            assert word in err

    return run


def test_no_such_file(fails):
    fails(["absent.csv", "--target", "y"], "no such file", "absent.csv")


@pytest.mark.parametrize("name", ["x" * 300 + ".csv", "a\0b.csv"])
def test_a_name_that_no_file_can_have(fails, name):
    fails([name, "--target", "y"], "cannot be opened")


def test_a_directory(fails, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    fails(["folder.csv", "--target", "y"], "is a directory")


def test_unknown_extension(fails, tmp_path):
    (tmp_path / "d.xlsx").write_text("a")
    fails(["d.xlsx", "--target", "y"], "'.xlsx'", ".csv", ".parquet", ".npz", ".svmlight", ".libsvm")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz", "svmlight"])
def test_empty_file(fails, tmp_path, suffix):
    (tmp_path / f"d.{suffix}").write_text("")
    fails([f"d.{suffix}"], "is an empty file")


def test_file_of_blank_lines(fails, tmp_path):
    (tmp_path / "d.csv").write_text("\n\n")
    fails(["d.csv", "--target", "y"], "is an empty file")


def test_header_only(fails, tmp_path):
    (tmp_path / "d.csv").write_text("a,y\n")
    fails(["d.csv", "--target", "y"], "no rows")


def test_comments_only(fails, tmp_path):
    (tmp_path / "d.svmlight").write_text("# nothing\n")
    fails(["d.svmlight"], "is empty")


def test_no_such_column(fails, tmp_path, frame):
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(
        ["d.csv", "--target", "KIND"],
        "no column 'KIND'",
        "Did you mean 'kind'",
        "'size', 'weight', 'kind', 'new', 'y'",
    )


def test_no_target_given(fails, tmp_path, frame):
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv"], "--target", "'size', 'weight', 'kind', 'new', 'y'")


def test_target_given_where_labels_have_their_place(fails, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.eye(4), y=[0, 1, 0, 1])
    fails(["d.npz", "--target", "y"], "--target")


@pytest.mark.parametrize("suffix", ["csv", "npz", "svmlight"])
def test_one_class(fails, tmp_path, suffix):
    pd.DataFrame({"a": range(9), "y": "only"}).to_csv(tmp_path / "d.csv", index=False)
    np.savez(tmp_path / "d.npz", X=np.ones((9, 1)), y=["only"] * 9)
    (tmp_path / "d.svmlight").write_text("1 1:3\n1 1:4\n")
    fails([f"d.{suffix}", *["--target", "y"] * (suffix == "csv")], "one class only")


@pytest.mark.parametrize("values", [np.linspace(0, 1, 90), [0.5, 1.5, 2.5] * 30, np.arange(90) * 1000])
def test_continuous_target(fails, tmp_path, values):
    pd.DataFrame({"a": range(90), "price": values}).to_csv(tmp_path / "d.csv", index=False)
    np.savez(tmp_path / "d.npz", X=np.ones((90, 1)), y=values)
    fails(["d.csv", "--target", "price"], "'price' looks continuous", f"{len(set(values))} different numbers")
    fails(["d.npz"], "y looks continuous")


def test_missing_target_value(fails, tmp_path, frame):
    frame.loc[4, "y"] = None
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv", "--target", "y"], "'y' is missing in row 5", "1 of 120")
    np.savez(tmp_path / "d.npz", X=np.ones((3, 1)), y=[0, np.nan, 1])
    fails(["d.npz"], "missing in row 2")


def test_target_of_dates(fails, tmp_path, frame):
    frame.assign(y=pd.Timestamp("2024-02-03")).to_parquet(tmp_path / "d.parquet")
    fails(["d.parquet", "--target", "y"], "'y' holds", "allowed are")


def test_unreadable_cell_in_a_number_column(fails, tmp_path, frame):
    frame["weight"] = frame["weight"].astype(object)
    frame.loc[6, "weight"] = "abc"
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv", "--target", "y"], "'weight'", "'abc'", "row 7", "1 of 120")


def test_unreadable_cell_in_the_dev_file(fails, tmp_path, frame):
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame["weight"] = "heavy"
    frame.to_csv(tmp_path / "dev.csv", index=False)
    fails(["train.csv", "--target", "y", "--dev", "dev.csv"], "dev.csv", "'weight'", "'heavy'", "row 1")


@pytest.mark.parametrize(("text", "told"), [("inf", "inf"), ("-inf", "-inf"), ("-1e151", "-1e+151")])
def test_infinite_cell(fails, tmp_path, frame, text, told):
    frame["weight"] = frame["weight"].astype(object)
    frame.loc[6, "weight"] = text
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv", "--target", "y"], f"'weight' holds {told} in row 7", "infinite or larger than 1e+150")


def test_infinite_entry_of_an_array(fails, tmp_path):
    X = np.ones((9, 3))
    X[4, 1] = -np.inf
    np.savez(tmp_path / "d.npz", X=X, y=[0, 1, 2] * 3)
    fails(["d.npz"], "-inf in row 5, column 2", "infinite or larger")
    (tmp_path / "d.svmlight").write_text("1 1:3\n0 2:4\n1 1:inf 2:2\n0 1:1\n")
    fails(["d.svmlight"], "row 3 holds inf")


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y", "%d.%m.%Y"])
def test_dates(fails, tmp_path, frame, form):
    frame["when"] = pd.date_range("2020-01-01", periods=len(frame))
    frame.to_parquet(tmp_path / "d.parquet")
    frame["when"] = frame["when"].dt.strftime(form)
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv", "--target", "y"], "'when' holds dates")
    fails(["d.parquet", "--target", "y"], "'when' holds dates")


def test_cells_that_are_lists(fails, tmp_path, frame):
    frame["tags"] = [["a", "b"]] * len(frame)
    frame.to_parquet(tmp_path / "d.parquet")
    fails(["d.parquet", "--target", "y"], "'tags'", "allowed are")


def test_nothing_beside_the_target(fails, tmp_path):
    (tmp_path / "d.csv").write_text("y\n" + "a\nb\n" * 9)
    fails(["d.csv", "--target", "y"], "no column beside")


def test_two_columns_of_one_name(fails, tmp_path):
    (tmp_path / "d.csv").write_text("a,y,y\n" + "1,0,0\n2,1,1\n" * 9)
    fails(["d.csv", "--target", "y"], "several columns named 'y'")


def test_more_cells_than_names(fails, tmp_path):
    (tmp_path / "d.csv").write_text("a,y\n" + "1,0,0\n2,1,1\n" * 9)
    fails(["d.csv", "--target", "y"], "more cells than the header")
    (tmp_path / "d.csv").write_text("a,y\n" + "1,0\n2,1\n" * 9 + "1,0,3\n")
    fails(["d.csv", "--target", "y"], "cannot be read as CSV", "line 20")


def test_semicolons(fails, tmp_path):
    (tmp_path / "d.csv").write_text("a;y\n" + "1;0\n2;1\n" * 9)
    fails(["d.csv", "--target", "y"], "not separated by commas", "'a;y'")


def test_text_in_another_encoding(fails, tmp_path):
    (tmp_path / "d.csv").write_bytes("a,y\n1,caf\xe9\n2,th\xe9\n".encode("latin-1"))
    fails(["d.csv", "--target", "y"], "not UTF-8")


@pytest.mark.parametrize("suffix", ["parquet", "npz", "svmlight"])
def test_a_file_that_is_not_what_its_name_says(fails, tmp_path, suffix):
    (tmp_path / f"d.{suffix}").write_text("a,y\n1,0\n")
    fails([f"d.{suffix}", *["--target", "y"] * (suffix == "parquet")], f"d.{suffix}")


def test_truncated_npz(fails, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.ones((500, 3)), y=np.zeros(500))
    os.truncate(tmp_path / "d.npz", 4000)
    fails(["d.npz"], "cannot be read as an .npz archive")


class Trap:
    """A pickle of it, once loaded, leaves a file behind."""

    def __reduce__(self):
        return open, ("sprung", "w")


def test_no_pickle_is_read(fails, tmp_path):
    np.savez(tmp_path / "d.npz", X=np.array([[Trap()], [1.0]], dtype=object), y=[0, 1])
    fails(["d.npz"], "pickle", "object array")
    with (tmp_path / "bare.npz").open("wb") as file:
        np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)
    fails(["bare.npz"], "cannot be read as an .npz archive")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": np.ones((4, 2))}, ["arrays X and y", "'X'"]),
        ({"X": np.ones(4), "y": [0, 1, 0, 1]}, ["two-dimensional", "1-d"]),
        ({"X": np.array([["a"], ["b"]]), "y": [0, 1]}, ["array of numbers"]),
        ({"X": np.ones((4, 2)), "y": [0, 1]}, ["one label per row", "(4, 2)", "(2,)"]),
        ({"X": np.ones((0, 2)), "y": []}, ["X is empty"]),
        ({"X": np.ones((2, 2)), "y": [1j, 2]}, ["complex"]),
        ({"X": np.ones((2, 2)), "y": [np.inf, 2]}, ["infinite in row 1"]),
    ],
)
def test_arrays_of_the_wrong_kind(fails, tmp_path, arrays, words):
    np.savez(tmp_path / "d.npz", **arrays)
    fails(["d.npz"], *words)


def test_bad_line_of_sparse_rows(fails, tmp_path):
    (tmp_path / "d.svmlight").write_text("1 1:3\n0 2:4\n1 1:abc\n0 1:1\n")
    fails(["d.svmlight"], "line 3", "'1 1:abc'")


def test_sparse_rows_without_columns(fails, tmp_path):
    (tmp_path / "d.svmlight").write_text("1\n0\n1\n0\n")
    fails(["d.svmlight"], "4 rows hold no values")


def test_class_with_too_few_rows(fails, tmp_path, frame):
    frame.loc[:1, "y"] = "perhaps"
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(["d.csv", "--target", "y"], "'perhaps' has too few rows", ": 2, where 3 are needed")
    fails(["d.csv", "--target", "y", "--cv", "5"], "'perhaps' has too few rows for --cv 5")
    frame.loc[:2, "y"] = "perhaps"
    frame.to_csv(tmp_path / "d.csv", index=False)
    fails(
        ["d.csv", "--target", "y", "--dev-size", "0.01"],
        "too few rows to split",
        "2 of 120",
        "the dev part",
        "3 classes",
    )
    fails(["d.csv", "--target", "y", "--dev-size", "0.8", "--test-size", "0.1"], "too few rows to split")
    fails(["d.csv", "--target", "y", "--dev-size", "0.9", "--test-size", "0"], "'perhaps'", "none is left to train on")


def test_dev_file_with_other_columns(fails, tmp_path, frame):
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.rename(columns={"size": "length"}).to_csv(tmp_path / "dev.csv", index=False)
    fails(["train.csv", "--target", "y", "--dev", "dev.csv"], "lacks 'size'", "has 'length' too")
    frame.assign(length=1).to_csv(tmp_path / "dev.csv", index=False)
    fails(["train.csv", "--target", "y", "--dev", "dev.csv"], "it has 'length' too")
    frame.drop(columns="y").to_csv(tmp_path / "dev.csv", index=False)
    fails(["train.csv", "--target", "y", "--dev", "dev.csv"], "lacks 'y'")
    for name, width in (("train", 3), ("dev", 2)):
        np.savez(tmp_path / f"{name}.npz", X=np.ones((9, width)), y=[0, 1, 2] * 3)
    fails(["train.npz", "--dev", "dev.npz"], "other columns", "2 of them, not 3")


def test_dev_file_of_another_kind(fails, tmp_path, frame):
    frame.to_csv(tmp_path / "train.csv", index=False)
    np.savez(tmp_path / "dev.npz", X=np.ones((9, 2)), y=[0, 1, 2] * 3)
    fails(["train.csv", "--target", "y", "--dev", "dev.npz"], "different kinds")


@pytest.mark.parametrize("given", ["'maybe'", "7"])
def test_dev_labels_never_seen_in_training(fails, tmp_path, frame, given):
    known, new = ("'no', 'yes'", "maybe") if given == "'maybe'" else ("0, 1", 7)
    if new == 7:
        frame["y"] = (frame["y"] == "yes").astype(int)
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.loc[3, "y"] = new
    frame.to_csv(tmp_path / "dev.csv", index=False)
    fails(["train.csv", "--target", "y", "--dev", "dev.csv"], f"never seen in train.csv: {given}", known)


@pytest.mark.parametrize(("module", "suffix"), [("pandas", "csv"), ("pandas", "parquet"), ("pyarrow", "parquet")])
def test_missing_extra(fails, tmp_path, frame, monkeypatch, module, suffix):
    frame.to_csv(tmp_path / "d.csv", index=False)
    frame.to_parquet(tmp_path / "d.parquet")
    monkeypatch.setitem(sys.modules, module, None)
    fails([f"d.{suffix}", "--target", "y"], f"needs {module}", "pip install 'sklearn-l2[cli]'")

"""Data files given to `python -m sklearn_l2`: every kind is read, and means what it says."""

import warnings

import numpy as np
import pytest
from common import LOGISTIC
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sklearn_l2._command.data import read

pytest_plugins = ["command_fixtures"]

pd = pytest.importorskip("pandas")

FAST = [*LOGISTIC, "--lambds", "1"]


def test_csv_parquet_and_npz_of_the_same_numbers_agree(tmp_path, outcome):
    X, y = make_classification(150, 5, random_state=0)
    X[::7, 2] = np.nan
    table = pd.DataFrame(X, columns=list("abcde")).assign(y=y)
    table.to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    table.to_parquet(tmp_path / "d.parquet")
    np.savez(tmp_path / "d.npz", X=X, y=y)
    models = [
        outcome(tmp_path / "d.csv", "--target", "y", "--model", "logistic")["models"],
        outcome(tmp_path / "d.parquet", "--target", "y", "--model", "logistic")["models"],
        outcome(tmp_path / "d.npz", "--model", "logistic")["models"],
    ]
    for rows in zip(*(model["logistic"]["rows"] for model in models), strict=True):
        assert {row["verdict"] for row in rows} == {rows[0]["verdict"]}
        # pandas may miss the last bit of a number in a .csv file.
        assert [row["dev_loss"] for row in rows] == pytest.approx([rows[0]["dev_loss"]] * 3, rel=1e-9)


@pytest.mark.parametrize("suffix", [".svmlight", ".libsvm"])
@pytest.mark.parametrize("zero_based", [False, True])
def test_sparse_rows_are_scaled_without_centring(tmp_path, outcome, suffix, zero_based):
    rng = np.random.default_rng(1)
    X = sparse.random(200, 40, density=0.2, random_state=1, format="csr") * 7
    y = np.where(X @ rng.normal(size=40) > 0, 1, -1)
    dump_svmlight_file(X[:150], y[:150], str(tmp_path / f"train{suffix}"), zero_based=zero_based)
    dump_svmlight_file(X[150:], y[150:], str(tmp_path / f"dev{suffix}"), zero_based=zero_based)
    found = outcome(tmp_path / f"train{suffix}", "--dev", tmp_path / f"dev{suffix}", "--test-size", 0, *FAST)
    oracle = make_pipeline(MaxAbsScaler(), LogisticRegression(C=1.0, tol=1e-12, max_iter=10000)).fit(X[:150], y[:150])
    of_label = oracle.predict_proba(X[150:])[np.arange(50), (y[150:] > 0).astype(int)]
    assert found["models"]["logistic"]["rows"][0]["dev_loss"] == pytest.approx(-np.mean(np.log(of_label)), rel=1e-5)
    assert found["n_rows"] == {"train": 150, "dev": 50}
    assert found["classes"] == [-1, 1]


def test_sparse_dev_rows_may_lack_the_last_columns(tmp_path, outcome):
    (tmp_path / "train.svmlight").write_text("1 1:1 9:2\n0 2:1\n" * 20)
    (tmp_path / "dev.svmlight").write_text("1 1:1\n0 2:1\n" * 5)
    found = outcome(tmp_path / "train.svmlight", "--dev", tmp_path / "dev.svmlight", *FAST)
    assert found["n_features"] == 9
    assert found["models"]["logistic"]["rows"][0]["dev_error"] == 0


@pytest.mark.parametrize(
    "labels", [np.array([3, 7]), np.array([0.0, 1.0]), np.array(["a", "b"]), np.array([False, True])]
)
def test_npz_labels_of_any_type(tmp_path, outcome, labels):
    X, y = make_classification(100, 4, random_state=0)
    np.savez(tmp_path / "d.npz", X=X.astype(np.float32), y=labels[y][:, None])
    assert outcome(tmp_path / "d.npz", *FAST)["classes"] == labels.tolist()


def test_a_table_means_the_same_in_either_format(tmp_path, outcome, frame):
    """The dev set is the training set in the other format, so it has the same loss."""
    frame["count"] = pd.array([None, 1, 2] * 40, dtype="Int64")
    frame["flag"] = pd.array([None, True, False] * 40, dtype="boolean")
    frame["grade"] = pd.Categorical(["a", "b", None] * 40)
    frame["code"] = pd.array(["x", None, "y", "z"] * 30, dtype="string")
    frame.to_parquet(tmp_path / "d.parquet")
    frame.to_csv(tmp_path / "d.csv", index=False)
    for train, dev in (("d.parquet", "d.csv"), ("d.csv", "d.parquet")):
        found = outcome(tmp_path / train, "--target", "y", "--dev", tmp_path / dev, "--test-size", 0, *FAST)
        row = found["models"]["logistic"]["rows"][0]
        assert row["dev_loss"] == pytest.approx(row["train_loss"], rel=1e-9)
        assert found["n_features"] == 8


def test_numbers_text_booleans_and_gaps_all_count(tmp_path, outcome, frame):
    """Every column alone tells the classes apart, with the other ones all noise."""
    truth = frame["y"] == "yes"
    for informative in (
        {"size": np.where(truth, 1.0, -1.0)},
        {"kind": np.where(truth, "long", "short")},
        {"kind": np.where(truth, "long", None)},
        {"new": truth},
    ):
        frame.assign(**informative).to_csv(tmp_path / "d.csv", index=False)
        row = outcome(tmp_path / "d.csv", "--target", "y", *FAST)["models"]["logistic"]["rows"][0]
        assert row["dev_error"] == 0


def test_a_category_new_in_the_dev_set_is_no_error(tmp_path, outcome, frame):
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame[::-1].assign(kind="unheard of").to_csv(tmp_path / "dev.csv", index=False)
    found = outcome(tmp_path / "train.csv", "--target", "y", "--dev", tmp_path / "dev.csv", *FAST)
    assert found["n_rows"]["dev"] == 120


def test_text_that_happens_to_be_numbers_in_the_dev_set_stays_text(tmp_path, outcome):
    codes = ["7", "8", "x9", "y9"] * 15
    labels = ["1", "2", "none of", "these"] * 15
    pd.DataFrame({"code": codes, "y": labels}).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"code": ["7", "8"] * 9, "y": ["1", "2"] * 9}).to_csv(tmp_path / "dev.csv", index=False)
    found = outcome(tmp_path / "train.csv", "--target", "y", "--dev", tmp_path / "dev.csv", *FAST)
    assert found["models"]["logistic"]["rows"][0]["dev_error"] == 0


def test_labels_of_twenty_digits_stay_apart(tmp_path, outcome):
    labels = ["18446744073709551614", "18446744073709551615"]
    pd.DataFrame({"a": [1, 2] * 20, "y": labels * 20}).to_csv(tmp_path / "d.csv", index=False)
    found = outcome(tmp_path / "d.csv", "--target", "y", *FAST)
    assert found["classes"] == labels
    assert found["models"]["logistic"]["rows"][0]["dev_error"] == 0


def test_row_numbers_are_left_out_and_told(tmp_path, outcome, frame):
    frame.sort_values("y").reset_index(drop=True).to_csv(tmp_path / "d.csv")
    found = outcome(tmp_path / "d.csv", "--target", "y", *FAST)
    assert found["n_features"] == 4
    assert "counts the rows" in found["notes"][0]


def test_a_text_column_without_repetition_is_told(tmp_path, outcome, frame):
    frame["name"] = [f"row {number}" for number in range(len(frame))]
    frame.to_csv(tmp_path / "d.csv", index=False)
    assert "'name' holds 120 different values" in outcome(tmp_path / "d.csv", "--target", "y", *FAST)["notes"][0]


def test_texts_that_occur_once_share_a_column(tmp_path, frame):
    frame.to_parquet(tmp_path / "few.parquet")
    frame["name"] = [f"row {number}" for number in range(len(frame))]
    frame.to_parquet(tmp_path / "many.parquet")
    few, many = (read(tmp_path / name, "y") for name in ("few.parquet", "many.parquet"))
    widths = [data.preprocessing.fit_transform(data.X).shape[1] for data in (few, many)]
    assert widths[1] == widths[0] + 1


def test_a_column_without_any_value(tmp_path, frame):
    frame.assign(nothing=None).to_csv(tmp_path / "d.csv", index=False)
    data = read(tmp_path / "d.csv", "y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(data.preprocessing.fit_transform(data.X)).all()


def test_spaces_after_commas_and_a_byte_order_mark(tmp_path, outcome):
    (tmp_path / "d.csv").write_text("\ufeffa, y\n" + "1, no\n2, yes\n" * 20, encoding="utf-8")
    assert outcome(tmp_path / "d.csv", "--target", "y", *FAST)["classes"] == ["no", "yes"]

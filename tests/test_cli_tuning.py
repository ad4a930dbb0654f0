"""How `python -m sklearn_l2` splits rows, judges every lambd and chooses one."""

import numpy as np
import pytest
from common import LOGISTIC
from scipy.stats import sem
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2._command.tuning import Row, choose, split

pytest_plugins = ["command_fixtures"]


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


# Choice


def row(lambd, loss, score=None):
    return Row(lambd, dev_loss=loss, dev_score=-loss if score is None else score)


def test_equal_losses_go_to_the_larger_lambd():
    rows = [row(0, 1.5), row(0.1, 2.5), row(1, 1.5), row(10, 2.5)]
    assert choose(rows) is rows[2]


def test_the_score_chooses_and_the_loss_breaks_ties():
    rows = [row(0, 1, 0.8), row(1, 3, 0.9), row(10, 2, 0.9), row(100, 1, np.nan)]
    assert choose(rows) is rows[2]
    assert choose(rows[3:]) is None
    assert choose([Row(0.1, failure="ValueError: broken")]) is None


def test_both_ends_of_the_grid_get_their_verdict(data, outcome):
    rows = outcome("d.npz", *LOGISTIC, "--lambds", "3", "1e8")["models"]["logistic"]["rows"]
    assert [each["verdict"] for each in rows] == ["just right", "underfitting"]
    assert rows[0]["above_best"] == 0
    assert rows[1]["above_best"] > rows[1]["above_best_se"] > 0

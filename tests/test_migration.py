"""The migration page: every parameter and attribute of scikit-learn's classes has its counterpart there.

`test_readme.py` runs the code of the page, whose assertions compare the models.
"""

import re
from pathlib import Path

import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from sklearn_l2 import L2LogisticRegression, L2MLPClassifier, LambdaSearchCV

PAGE = (Path(__file__).parents[1] / "docs/migration.md").read_text(encoding="utf-8")
NOT_IN_EVERY_VERSION = {"multi_class", "n_jobs", "penalty", "use_legacy_attributes"}

PAIRS = {
    LogisticRegression: (LogisticRegression(max_iter=1000), L2LogisticRegression(solver="gd", tol=1e-2)),
    LogisticRegressionCV: (
        LogisticRegressionCV(Cs=[1], cv=2, scoring="accuracy", max_iter=1000),
        LambdaSearchCV(L2LogisticRegression(), (1, 2)),
    ),
    GridSearchCV: (
        GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1, 2]}),
        LambdaSearchCV(L2LogisticRegression(), (1, 2)),
    ),
    MLPClassifier: (
        MLPClassifier((2,), tol=10, n_iter_no_change=1),
        L2MLPClassifier((2,), tol=10, n_iter_no_change=1),
    ),
}
each_class = pytest.mark.parametrize("cls", PAIRS, ids=lambda cls: cls.__name__)


def section(cls, title):
    """What stands under a title of the third rank in the class's part of the page."""
    (part,) = re.findall(rf"^## {cls.__name__}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    (text,) = re.findall(rf"^### {title}\n(.*?)(?=^### |\Z)", part, re.MULTILINE | re.DOTALL)
    return text


def rows(cls):
    """Name, counterpart and difference of each parameter."""
    lines = [line for line in section(cls, "Its parameters").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(name.strip("`"), counterpart, difference) for name, counterpart, difference in cells]


def in_code(text):
    """All names that the text sets as code."""
    return {name for code in re.findall(r"`([^`]+)`", text) for name in re.findall(r"\w+", code)}


def fitted_attributes(model):
    return {name for name in vars(model) if re.fullmatch(r"[a-zA-Z]\w*_", name)}


@each_class
def test_every_parameter_has_one_row(cls):
    theirs = set(PAIRS[cls][0].get_params(deep=False))
    named = [name for name, _, _ in rows(cls)]
    assert len(named) == len(set(named))
    assert theirs - set(named) == set()
    assert set(named) - theirs <= NOT_IN_EVERY_VERSION


@each_class
def test_counterparts_are_parameters_here(cls):
    ours = set(PAIRS[cls][1].get_params(deep=False))
    counterparts = [re.match(r"`(\w+)", counterpart) for _, counterpart, _ in rows(cls)]
    assert {match[1] for match in counterparts if match} - ours <= {"L2LogisticRegression"}
    assert ours - in_code(section(cls, "Its parameters")) == set()


@each_class
def test_a_row_without_counterpart_says_why(cls):
    assert [name for name, counterpart, difference in rows(cls) if not counterpart and not difference] == []


@each_class
@pytest.mark.filterwarnings("ignore")
def test_attributes_that_differ_are_on_the_page(cls):
    X, y = load_iris(return_X_y=True)
    before, after = (fitted_attributes(clone(model).fit(X[50:], y[50:])) for model in PAIRS[cls])
    assert before ^ after <= in_code(section(cls, "Its attributes"))

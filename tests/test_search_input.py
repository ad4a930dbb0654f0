"""What LambdaSearchCV says of data that it cannot use, and data at the border of what it can."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import noisy
from numpy.testing import assert_allclose, assert_array_equal
from search_checks import both
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, LambdaSearchCV, lambda_path

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")


def halves(n_rows=120, **kwargs):
    X, y = noisy(n_rows, 4, **kwargs)
    return X[::2], y[::2], X[1::2], y[1::2]


def test_sparse_X_without_an_entry():
    X, (_, y) = sp.csr_matrix((120, 4)), noisy(120, 4)
    both(L2LogisticRegression(), {"lambd": [1, 10]}, X, y, cv=3, scoring="neg_log_loss")
    _, coefs, intercepts, _ = lambda_path(L2LogisticRegression(), X, y, [1])
    assert not coefs.any()
    assert_allclose(intercepts[0], L2LogisticRegression().fit(X, y).intercept_)


# Row weights

WEIGHTED = {
    "bare": L2LogisticRegression(),
    "scaled": make_pipeline(StandardScaler(), L2LogisticRegression()),
    "projected": make_pipeline(PCA(2), L2LogisticRegression()),
    "L1": L1LogisticRegression(),
}


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("n_weights", [119, 121, 80])  # 80 is what each of the folds trains on
def test_weights_must_be_one_per_row(name, n_weights):
    X, y = noisy(120, 4)
    param = "sample_weight" if name in ("bare", "L1") else f"{WEIGHTED[name].steps[-1][0]}__sample_weight"
    for settings, dev in [({"cv": 3}, {}), ({}, {"X_val": X, "y_val": y})]:
        with pytest.raises(ValueError, match=rf"sample_weight.shape == \({n_weights},\), expected \(120,\)!"):
            LambdaSearchCV(WEIGHTED[name], [1, 10], **settings).fit(X, y, **{param: np.ones(n_weights)}, **dev)


def test_weights_that_are_no_list_of_numbers():
    X, y = noisy(120, 4)
    search = LambdaSearchCV(L2LogisticRegression(), [1, 10], cv=3)
    for wrong in ("balanced", np.ones((120, 1))):
        with pytest.raises(ValueError, match=r"sample_weight.shape == .*, expected \(120,\)!"):
            search.fit(X, y, sample_weight=wrong)
    with pytest.raises(ValueError, match=r"All the 6 fits failed(.|\n)*could not convert string to float"):
        search.fit(X, y, sample_weight=["heavy"] * 120)
    of_all = clone(search).fit(X, y, sample_weight=np.full(120, 2.0))
    search.fit(X, y, sample_weight=2.0)
    assert_array_equal(search.cv_results_["mean_test_score"], of_all.cv_results_["mean_test_score"])
    assert_array_equal(search.best_estimator_.coef_, of_all.best_estimator_.coef_)


# A dev set


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
@pytest.mark.parametrize("estimator", [L2LogisticRegression(), L1LogisticRegression()], ids=repr)
def test_y_val_as_a_column(estimator, scoring):
    X, y, X_val, y_val = halves()
    flat, column = (
        LambdaSearchCV(estimator, [1, 10], scoring=scoring).fit(X, y, X_val=X_val, y_val=each)
        for each in (y_val, y_val[:, None])
    )
    assert column.best_score_ == flat.best_score_
    assert_array_equal(column.cv_results_["se_test_score"], flat.cv_results_["se_test_score"])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_in_the_precision_of_X(dtype, n_classes):
    """In single precision a column far from 0 leaves scores few digits: these must be the model's own."""
    X, y, X_val, y_val = halves(2000, n_classes=n_classes)
    X[:, 0] += 1e6
    X_val[:, 0] += 1e6
    X, X_val = X.astype(np.float32), X_val.astype(dtype)
    for scoring in (None, "neg_log_loss"):
        search = LambdaSearchCV(L2LogisticRegression(), [0.1, 1, 10], scoring=scoring)
        search.fit(X, y, X_val=X_val, y_val=y_val)
        assert search.best_score_ == pytest.approx(search.score(X_val, y_val), abs=1e-6)


SEEN = {
    "bare": L2LogisticRegression(),
    "L1": L1LogisticRegression(),
    "scaled": make_pipeline(StandardScaler(), L2LogisticRegression()),
    "network": L2MLPClassifier((2,), max_iter=2, random_state=0),
}


def poisoned(X):
    X = X.copy()
    X[3, 1] = np.nan
    return X


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (X[:, :3], y), "X_val is not as X: X has 3 features"),
        (lambda X, y: (poisoned(X), y), "X_val contains NaN"),
        (lambda X, y: (sp.csr_array(poisoned(X)), y), "X_val contains NaN"),
        (lambda X, y: (X[:, 0], y), "X_val is not as X: Expected 2D array"),
        (lambda X, y: (X[:0], y[:0]), "X_val and y_val have no rows"),
        (lambda X, y: (X, np.where(y == 1, np.nan, y)), "y_val contains NaN"),
        (lambda X, y: (X, y + 5), "y_val shares no class with y: it has 5, 6, and y has 0, 1"),
        (lambda X, y: (X, y.astype(str)), "y_val shares no class with y: it has '0', '1', and y has 0, 1"),
    ],
)
def test_a_dev_set_that_cannot_be_scored(name, spoil, message):
    X, y, X_val, y_val = halves()
    X_val, y_val = spoil(X_val, y_val)
    with pytest.raises(ValueError, match=message):
        LambdaSearchCV(SEEN[name], [1, 10]).fit(X, y, X_val=X_val, y_val=y_val)


def test_a_dev_set_with_other_columns():
    pandas = pytest.importorskip("pandas")
    X, y, X_val, y_val = halves()
    X, X_val = pandas.DataFrame(X, columns=list("abcd")), pandas.DataFrame(X_val, columns=list("abce"))
    with pytest.raises(ValueError, match=r"X_val is not as X: The feature names should match(.|\n)*- e"):
        LambdaSearchCV(L2LogisticRegression(), [1, 10]).fit(X, y, X_val=X_val, y_val=y_val)
    with pytest.raises(ValueError, match=r"X_val has the shape \(60, 3\)"):
        LambdaSearchCV(SVC(), {"C": [1]}).fit(X.to_numpy(), y, X_val=X_val.to_numpy()[:, :3], y_val=y_val)


def test_a_dev_set_that_earlier_steps_prepare():
    """Missing values, words and columns beside those that are used are for a Pipeline's steps to judge."""
    pandas = pytest.importorskip("pandas")
    X, y, X_val, y_val = halves()
    pipeline = make_pipeline(SimpleImputer(), L2LogisticRegression())
    assert LambdaSearchCV(pipeline, [1, 10]).fit(X, y, X_val=poisoned(X_val), y_val=y_val).best_score_ > 0.5
    words, words_val = ([f"word{int(value > 0)} other" for value in each[:, 0]] for each in (X, X_val))
    pipeline = make_pipeline(CountVectorizer(), L2LogisticRegression())
    assert LambdaSearchCV(pipeline, [1, 10]).fit(words, y, X_val=words_val, y_val=y_val).best_score_ > 0.5
    pipeline = make_pipeline(make_column_transformer((StandardScaler(), ["a", "b"])), L2LogisticRegression())
    X, X_val = pandas.DataFrame(X, columns=list("abcd")), pandas.DataFrame(X_val, columns=list("abcd"))
    search = LambdaSearchCV(pipeline, [1, 10]).fit(X, y, X_val=X_val.assign(e="new"), y_val=y_val)
    assert search.best_score_ > 0.5


# Parameters


def test_an_estimator_or_a_grid_that_is_none():
    X, y = noisy(60, 3)
    with pytest.raises(TypeError, match=r"estimator is the class L2LogisticRegression; give an instance"):
        LambdaSearchCV(L2LogisticRegression, [1.0]).fit(X, y)
    for wrong in (np.array(1.0), np.ones((2, 2))):
        with pytest.raises(TypeError, match="param_grid must have one axis"):
            LambdaSearchCV(L2LogisticRegression(), wrong).fit(X, y)

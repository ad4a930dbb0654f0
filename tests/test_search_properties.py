"""LambdaSearchCV for any combination of what it may be given, and with held-out rows that would spoil any fit."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import noisy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from search_checks import both
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, PredefinedSplit, RepeatedStratifiedKFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, LambdaSearchCV
from sklearn_l2._search.spread import spread_alike

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")

N_ROWS = 90
TIGHT = 1e-14


def any_rows(n_folds, n_train, n_test, seed):
    """Folds whose training rows repeat, and whose sides overlap; all classes are in both."""
    rng = np.random.default_rng(seed)
    first = np.arange(3)
    return [
        (np.r_[first, rng.integers(0, N_ROWS, n_train)], np.r_[first, rng.integers(0, N_ROWS, n_test)])
        for _ in range(n_folds)
    ]


CVS = st.one_of(
    st.sampled_from(
        [
            None,
            KFold(3),
            RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
            PredefinedSplit(np.arange(N_ROWS) % 3 - 1),
            ShuffleSplit(1, random_state=0),
        ]
    ),
    st.builds(any_rows, st.integers(1, 3), st.integers(30, 120), st.integers(10, 90), st.integers(0, 10**6)),
)
ESTIMATORS = st.builds(
    lambda model, steps: make_pipeline(*steps, model) if steps else model,
    st.one_of(
        st.builds(
            L2LogisticRegression,
            tol=st.just(TIGHT),
            fit_intercept=st.booleans(),
            penalize_intercept=st.booleans(),
            class_weight=st.sampled_from([None, "balanced"]),
        ),
        st.just(L1LogisticRegression(tol=1e-12)),
    ),
    st.sampled_from([[], [StandardScaler(with_mean=False)], [MaxAbsScaler(), StandardScaler(with_mean=False)]]),
)


@settings(max_examples=40)
@given(
    n_classes=st.integers(2, 3),
    estimator=ESTIMATORS,
    cv=CVS,
    lambds=st.lists(st.sampled_from([0.5, 1, 1.0, 20, 1e6]), min_size=1, max_size=4),
    scoring=st.sampled_from([None, "accuracy", "neg_log_loss", "neg_brier_score", ["accuracy", "neg_log_loss"]]),
    weighted=st.booleans(),
    sparse=st.booleans(),
    return_train_score=st.booleans(),
)
def test_any_combination(n_classes, estimator, cv, lambds, scoring, weighted, sparse, return_train_score):
    if scoring == "neg_brier_score" and n_classes > 2:
        scoring = "roc_auc_ovr"
    X, y = noisy(N_ROWS, 4, n_classes)
    X[np.abs(X) < 0.3] = 0
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    weights = np.random.default_rng(0).random(N_ROWS) + 0.1
    refit = "neg_log_loss" if isinstance(scoring, list) else True
    both(
        estimator,
        {f"{prefix}lambd": lambds},
        sp.csr_array(X) if sparse else X,
        y,
        params={f"{prefix}sample_weight": weights} if weighted else {},
        cv=cv,
        scoring=scoring,
        refit=refit,
        return_train_score=return_train_score,
    )


SPOILED = {
    "bare": L2LogisticRegression(tol=TIGHT),
    "no bias": L2LogisticRegression(tol=TIGHT, fit_intercept=False),
    "scaled": make_pipeline(StandardScaler(), L2LogisticRegression(tol=TIGHT)),
    "projected": make_pipeline(StandardScaler(), PCA(3), L2LogisticRegression(tol=TIGHT)),
    "sparse": L2LogisticRegression(tol=TIGHT),
}


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("size", [1e4, 1e10, 1e30, 1e200])
@pytest.mark.parametrize("name", SPOILED)
def test_values_out_of_all_proportion_in_held_out_rows_do_not_change_the_weights(name, size):
    """All folds share X: what one of them holds out must neither scale its columns nor take their digits."""
    X, y = noisy(120, 4, 3)
    X[:25, 1:] *= size
    rows = np.arange(120)
    folds = [(rows[30:], rows[:30]), (rows[60:], rows[:60])]
    if name == "sparse":
        X = sp.csr_array(X)

    def weights(search):
        found = {}

        def keep(model, X_test, _):
            last = model[-1] if isinstance(model, Pipeline) else model
            found[X_test.shape[0], last.lambd] = last.coef_
            return 0.0

        prefix = f"{SPOILED[name].steps[-1][0]}__" if isinstance(SPOILED[name], Pipeline) else ""
        grid = {f"{prefix}lambd": [0.1, 1, 10]}
        search(SPOILED[name], grid, scoring=keep, cv=folds, refit=False, error_score="raise").fit(X, y)
        return found

    ours, theirs = weights(LambdaSearchCV), weights(GridSearchCV)
    assert ours.keys() == theirs.keys()
    for key, coef in theirs.items():
        assert_allclose(ours[key], coef, rtol=0, atol=1e-6 * np.abs(coef).max())


@pytest.mark.parametrize(("far", "expected"), [(1e5, True), (1e7, False)])  # a spread of a tenth of it
def test_folds_share_a_scale_up_to_a_ratio_of_spreads(far, expected):
    X = np.random.default_rng(0).standard_normal((100, 2))
    X[0, 1] = far
    weights = np.ones((100, 1))
    weights[0] = 0
    assert spread_alike(X, weights).tolist() == [expected]

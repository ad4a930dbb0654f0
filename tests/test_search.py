"""LambdaSearchCV gives GridSearchCV's results, with all folds and lambdas solved as one batch."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from common import badly_scaled, load, noisy, standardized
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from search_checks import assert_same_results, both
from sklearn.decomposition import PCA
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, StandardScaler

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, LambdaSearchCV
from sklearn_l2._search import batch, direct

LAMBDS = [0.1, 1, 10, 100]

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")
TIGHT = 1e-15  # so that scores agree to 1e-6 where lambda / m is small: J is flat there


@pytest.fixture
def no_direct_fit(monkeypatch):
    """Fail where a candidate is fitted one by one."""

    def refuse(*_):
        raise AssertionError("a candidate was fitted one by one")

    monkeypatch.setattr(direct, "_fit", refuse)


@pytest.fixture
def batches(monkeypatch):
    """The number of problems of every batch that is solved."""
    solved = []
    solve = batch.solve_newton

    def counted(problems, rows, **settings):
        solved.append(len(problems.lambd))
        return solve(problems, rows, **settings)

    monkeypatch.setattr(batch, "solve_newton", counted)
    return solved


def overlapping_folds(n):
    """Folds with rows that repeat, that are left out, and that are in train and test."""
    rng = np.random.default_rng(0)
    return [(rng.integers(0, n, 2 * n // 3), rng.choice(n, n // 4, replace=False)) for _ in range(3)]


CVS = {
    "default": lambda n: None,
    "number": lambda n: 3,
    "KFold": lambda n: KFold(3, shuffle=True, random_state=0),
    "StratifiedKFold": lambda n: StratifiedKFold(4),
    "RepeatedStratifiedKFold": lambda n: RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
    "PredefinedSplit": lambda n: PredefinedSplit(np.where(np.arange(n) % 4 == 0, 0, -1)),
    "ShuffleSplit": lambda n: ShuffleSplit(2, random_state=0),
    "overlapping": overlapping_folds,
    "masks": lambda n: [(np.arange(n) % 3 > 0, np.arange(n) % 3 == 0), (np.arange(n) > 40, np.arange(n) <= 40)],
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CVS)
def test_splits(name, n_classes, no_direct_fit):
    X, y = noisy(120, 5, n_classes)
    cv = CVS[name](len(y))
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=cv, scoring="neg_log_loss", return_train_score=True)


def test_groups(no_direct_fit):
    X, y = noisy(120, 5)
    groups = np.arange(120) // 12
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=GroupKFold(4), params={"groups": groups})


def test_leave_one_out(no_direct_fit):
    X, y = noisy(30, 3)
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=LeaveOneOut())


def always_one(estimator, X, y):
    return 1.0


def two_numbers(estimator, X, y):
    return {"right": float(estimator.score(X, y)), "norm": -float(np.linalg.norm(estimator[-1].coef_))}


SCORINGS = {
    "none": (None, True),
    "accuracy": ("accuracy", True),
    "log loss": ("neg_log_loss", True),
    "a ranking": ("roc_auc", True),
    "with options": (make_scorer(roc_auc_score, response_method="decision_function"), True),
    "known metrics": (["accuracy", "neg_log_loss"], "neg_log_loss"),
    "mixed metrics": ({"a": "accuracy", "b": "f1", "c": "neg_brier_score"}, "b"),
    "a function": (always_one, True),
    "a function of several": (two_numbers, "norm"),
    "no refit": (["accuracy", "roc_auc"], False),
}


@pytest.mark.parametrize("name", SCORINGS)
def test_scoring(name, no_direct_fit):
    X, y = load("breast_cancer")
    scoring, refit = SCORINGS[name]
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=TIGHT))
    grid = {"l2logisticregression__lambd": LAMBDS}
    both(pipeline, grid, X, y, scoring=scoring, refit=refit, return_train_score=True, cv=3)


PIPELINES = {
    "StandardScaler": [StandardScaler()],
    "StandardScaler without mean": [StandardScaler(with_mean=False)],
    "StandardScaler without std": [StandardScaler(with_std=False)],
    "MinMaxScaler": [MinMaxScaler((-1, 2))],
    "MinMaxScaler that clips": [MinMaxScaler(clip=True)],
    "MaxAbsScaler": [MaxAbsScaler()],
    "several": ["passthrough", MinMaxScaler(), StandardScaler(), MaxAbsScaler()],
    "PCA": [StandardScaler(), PCA(2)],
    "DataFrames": [StandardScaler().set_output(transform="pandas")],
    "no step before": [],
}
IN_ONE_BATCH = set(PIPELINES) - {"MinMaxScaler that clips", "PCA"}


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("data", ["wine", "breast_cancer"])
def test_pipelines(name, data, no_direct_fit, batches):
    X, y = load(data)
    steps = [(f"step{i}", step) for i, step in enumerate(PIPELINES[name])]
    pipeline = Pipeline([*steps, ("model", L2LogisticRegression(tol=TIGHT))])
    both(pipeline, {"model__lambd": LAMBDS}, X, y, cv=3, scoring="neg_log_loss", atol=1e-6)
    assert batches == ([12] if name in IN_ONE_BATCH else [4] * 3)


def test_a_column_that_is_constant_in_one_fold(no_direct_fit, batches):
    X, y = noisy(90, 4)
    X[:, 1] = np.where(np.arange(90) < 30, X[:, 1], 3.0)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=TIGHT))
    both(pipeline, {"l2logisticregression__lambd": LAMBDS}, X, y, cv=KFold(3), scoring="neg_log_loss")
    assert batches == [12]


def test_a_column_that_is_constant_in_one_fold_and_far_off_in_its_dev_rows():
    """Its weight there is rounding, which so large a number would make a score."""
    X, y = noisy(90, 4)
    X = 1e3 * X + [0, 1e4, -1e5, 1e5]
    X[:, 3] = np.where(np.arange(90) < 30, X[:, 3], 12_345.0)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=1e-15))
    grid = {"l2logisticregression__lambd": LAMBDS}
    search, peer = (
        kind(pipeline, grid, cv=KFold(3), scoring="neg_log_loss", refit=False).fit(X, y)
        for kind in (LambdaSearchCV, GridSearchCV)
    )
    assert_same_results(search.cv_results_, peer.cv_results_, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The best lambd")
@pytest.mark.parametrize("classes", [2, 3])
def test_a_huge_lambda_leaves_the_others_their_penalty(classes):
    X, y = noisy(200, 4, classes)
    ordinary, beside = (
        LambdaSearchCV(L2LogisticRegression(), [1.0, last], cv=3, scoring="neg_log_loss", refit=False).fit(X, y)
        for last in (10.0, 1e307)
    )
    scores = [search.cv_results_["mean_test_score"][0] for search in (ordinary, beside)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_folds_of_a_scaler_are_standardized_in_one_pass(dtype, no_direct_fit, batches, monkeypatch):
    """But for one where a column has so little spread that the scaler may take it for a constant."""
    X, y = noisy(90, 4)
    X = np.asarray(X * [1e-3, 1, 1e3, 1] + [0, 10, -1e5, 0], dtype=dtype)
    X[:, 3] = np.where(np.arange(90) < 30, X[:, 3], 3.0)
    fit, sizes = StandardScaler.fit, []

    def counted(scaler, X, *args, **kwargs):
        sizes.append(len(X))
        return fit(scaler, X, *args, **kwargs)

    monkeypatch.setattr(StandardScaler, "fit", counted)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=TIGHT))
    search = LambdaSearchCV(pipeline, LAMBDS, cv=KFold(3), scoring="neg_log_loss", refit=False).fit(X, y)
    assert (batches, sizes) == ([12], [60])
    monkeypatch.undo()
    peer = GridSearchCV(pipeline, {"l2logisticregression__lambd": LAMBDS}, cv=KFold(3), scoring="neg_log_loss")
    assert_same_results(search.cv_results_, peer.fit(X, y).cv_results_, atol=1e-6)


ESTIMATORS = {
    "no bias": L2LogisticRegression(fit_intercept=False),
    "penalized bias": L2LogisticRegression(penalize_intercept=True),
    "class weights": L2LogisticRegression(class_weight={0: 1.0, 1: 5.0}),
    "balanced": L2LogisticRegression(class_weight="balanced"),
    "scaled, no bias": make_pipeline(StandardScaler(), L2LogisticRegression(fit_intercept=False)),
    "scaled, penalized bias": make_pipeline(StandardScaler(), L2LogisticRegression(penalize_intercept=True)),
    "scaled, balanced": make_pipeline(StandardScaler(), L2LogisticRegression(class_weight="balanced")),
    "L1": L1LogisticRegression(),
    "L1, scaled": make_pipeline(StandardScaler(), L1LogisticRegression()),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_and_sample_weights(name, weighted, no_direct_fit):
    X, y = noisy(150, 4)
    X = 2 * X + 1
    estimator = ESTIMATORS[name]
    prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
    weights = np.random.default_rng(0).integers(0, 4, 150).astype(float)
    params = {f"{prefix}sample_weight": weights} if weighted else {}
    both(estimator, {f"{prefix}lambd": LAMBDS}, X, y, params=params, scoring="neg_log_loss", return_train_score=True)


def test_scores_that_take_sample_weights(no_direct_fit):
    X, y = noisy(150, 4)
    weights = np.random.default_rng(0).random(150)
    for scoring in (None, "accuracy", "neg_log_loss", ["accuracy", "neg_log_loss"]):
        settings = {"scoring": scoring, "refit": not isinstance(scoring, list), "return_train_score": True}
        both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, params={"sample_weight": weights}, **settings)


@pytest.mark.parametrize("make", [sp.csr_matrix, sp.csc_array, np.asfortranarray, np.float32, list], ids=str)
def test_kinds_of_X(make, no_direct_fit):
    X, y = noisy(120, 5, 3)
    X[np.abs(X) < 0.5] = 0
    single = make is np.float32
    ours, _ = both(L2LogisticRegression(), {"lambd": LAMBDS}, make(X), y, scoring="neg_log_loss", atol=1e-6)
    assert ours.best_estimator_.coef_.dtype == (np.float32 if single else np.float64)


def test_sparse_X_behind_a_scaler(no_direct_fit, batches):
    X, y = noisy(120, 5)
    pipeline = make_pipeline(MaxAbsScaler(), L2LogisticRegression())
    both(pipeline, {"l2logisticregression__lambd": LAMBDS}, sp.csr_matrix(X), y, cv=3, scoring="neg_log_loss")
    assert batches == [4] * 3


def test_labels_of_any_type(no_direct_fit):
    X, y = noisy(120, 5, 3)
    names = np.array(["ox", "ant", "bee"], dtype=object)[y]
    ours, _ = both(L2LogisticRegression(), {"lambd": LAMBDS}, X, names, scoring="neg_log_loss")
    assert ours.classes_.tolist() == ["ant", "bee", "ox"]


def test_columns_on_very_different_scales(no_direct_fit):
    X, y = noisy(200, 6)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    both(pipeline, {"l2logisticregression__lambd": LAMBDS}, badly_scaled(X), y, scoring="neg_log_loss")


def test_wide_X(no_direct_fit):
    X, y = noisy(60, 200)
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, scoring="neg_log_loss", cv=3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_that_is_certainly_wrong_costs_what_it_costs_in_the_peer(n_classes, dtype, no_direct_fit):
    """Its probability is 0, which log_loss clips."""
    X, y = noisy(120, 3, n_classes)
    far = X[y == 0].mean(axis=0) - X[y == 1].mean(axis=0)
    X[5], y[5] = 1e5 * far, 1
    folds = [(np.arange(40, 120), np.arange(40)), (np.arange(6, 80), np.arange(80, 120))]
    ours, _ = both(L2LogisticRegression(), {"lambd": LAMBDS}, X.astype(dtype), y, cv=folds, scoring="neg_log_loss")
    assert (ours.cv_results_["split0_test_score"] < -np.log(1 / np.finfo(dtype).eps) / 40).all()


# Folds that lack a class


def test_a_fold_without_one_of_three_classes_has_a_model_of_the_others(no_direct_fit, batches):
    X, y = noisy(120, 4, 3)
    rows = np.arange(120)
    folds = [(rows[rows % 2 == 0], rows[rows % 2 == 1]), (rows[y < 2], rows[y < 2][:50]), (rows[:80], rows[80:])]
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=folds, return_train_score=True)
    assert batches == [8, 4]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the test scores")
@pytest.mark.parametrize("error_score", [np.nan, -7.0])
def test_a_fold_of_one_class_fails_as_in_the_peer(error_score):
    X, y = noisy(120, 4)
    rows = np.arange(120)
    folds = [(rows[rows % 2 == 0], rows[rows % 2 == 1]), (rows[y == 0], rows[:20])]
    ours, _ = both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=folds, error_score=error_score)
    assert_array_equal(ours.cv_results_["split1_test_score"], np.full(4, error_score))
    with pytest.raises(ValueError, match="only 1 class"):
        LambdaSearchCV(L2LogisticRegression(), LAMBDS, cv=folds, error_score="raise").fit(X, y)


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
def test_a_test_side_without_one_of_the_classes():
    X, y = noisy(120, 4, 3)
    rows = np.arange(120)
    folds = [(rows[:60], rows[60:]), (rows[60:], rows[:60][y[:60] < 2])]
    for scoring in ("accuracy", "neg_log_loss"):
        both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=folds, scoring=scoring)


# What a fold may know


@pytest.mark.filterwarnings("ignore:lambd=0 and the classes")
@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_no_fold_learns_from_the_others_about_its_test_rows(name):
    """Other labels there change the other folds' models, but not its own: also where the loss has no one minimum."""
    X, y = standardized(name)
    lambds = [0, 1e-10, 1, 10]
    cv = list(StratifiedKFold(5).split(X, y))
    test = cv[0][1]

    def first_fold(labels):
        coefs = {}

        def keep(model, rows, _):
            if np.array_equal(rows, X[test]):
                coefs[model.lambd] = model.coef_
            return 0.0

        LambdaSearchCV(L2LogisticRegression(), {"lambd": lambds}, scoring=keep, cv=cv, refit=False).fit(X, labels)
        return coefs

    other = y.copy()
    other[test] = np.random.default_rng(0).permutation(y[test])
    ours, theirs = first_fold(y), first_fold(other)
    for lambd in lambds:
        assert_allclose(ours[lambd], theirs[lambd], rtol=0, atol=1e-4 * np.abs(theirs[lambd]).max())


# Which lambdas, and how many at a time


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0, 0.0, 1e-6, 0.5, 1, 1.0, 3, 1e4, 1e12]), min_size=1, max_size=6))
def test_grids_with_repeated_zero_huge_and_unsorted_lambdas(lambds):
    X, y = noisy(80, 3)
    both(L2LogisticRegression(), {"lambd": lambds}, X, y, cv=3, scoring="neg_log_loss")


def test_equal_lambdas_are_solved_once(batches):
    X, y = noisy(80, 3)
    search = LambdaSearchCV(L2LogisticRegression(), [10, 1, 10, 1.0, 1], cv=3).fit(X, y)
    assert batches == [6]
    assert len(search.cv_results_["params"]) == 5


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_problems", [1, 2, 7])
def test_batches_fit_the_working_memory(n_problems, n_classes, batches):
    X, y = noisy(1000, 3, n_classes)
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, cv=3, scoring="neg_log_loss").fit(X, y)
    whole = search.cv_results_["mean_test_score"]
    batches.clear()
    n_scores = 1 if n_classes == 2 else 3
    per_problem = 8 * batch._MATRICES_PER_PROBLEM * 1000 * n_scores
    with sklearn.config_context(working_memory=per_problem * n_problems / 2**20):
        search.fit(X, y)
    assert batches == {1: [1] * 12, 2: [2, 1] * 4, 7: [6, 6]}[n_problems]
    # Either model may lie 1e-12 above the optimum in J, which moves a dev loss by more than that.
    assert_allclose(search.cv_results_["mean_test_score"], whole, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_memory_stays_under_the_working_memory(n_classes):
    """With 200 lambdas and 10 folds, of which only some can be solved at a time."""
    X, y = noisy(2000, 10, n_classes)
    search = LambdaSearchCV(L2LogisticRegression(tol=1e-6), np.logspace(-2, 3, 200), cv=10, refit=False)
    with sklearn.config_context(working_memory=32):
        tracemalloc.start()
        try:
            search.fit(X, y)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 32 * 2**20


def test_a_step_before_the_last_is_fitted_once_per_fold_and_combination():
    X, y = noisy(90, 4)
    fits = []

    def remember(X, k=1):
        fits.append(len(X))
        return X * k

    step = FunctionTransformer(remember, kw_args={"k": 1})
    grid = {
        "functiontransformer__kw_args": [{"k": 1}, {"k": 2}],
        "l2logisticregression__lambd": LAMBDS,
    }
    search = LambdaSearchCV(make_pipeline(step, L2LogisticRegression()), grid, cv=3, refit=False)
    search.fit(X, y)
    assert fits == [60, 30] * 6  # each fold's training and test rows


def test_other_axes_and_lists_of_grids(no_direct_fit, batches):
    X, y = noisy(90, 4)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    lambd = "l2logisticregression__lambd"
    grid = [
        {"standardscaler": [None, MinMaxScaler()], lambd: LAMBDS},
        {"l2logisticregression__class_weight": [None, "balanced"], "standardscaler__with_mean": [True, False]},
    ]
    both(pipeline, grid, X, y, cv=3, scoring="neg_log_loss")
    assert batches == [12, 12, 3, 3, 3, 3]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_jobs(n_jobs):
    X, y = noisy(90, 4)
    pipeline = make_pipeline(StandardScaler(), PCA(2), L2LogisticRegression())
    grid = {"l2logisticregression__lambd": LAMBDS, "l2logisticregression__solver": ["auto", "gd"]}
    settings = {"cv": 3, "scoring": "neg_log_loss", "n_jobs": n_jobs}
    pipeline.set_params(l2logisticregression__tol=1e-8, l2logisticregression__max_iter=5000)
    both(pipeline, grid, X, y, **settings)


def test_a_scored_model_is_that_of_a_fit_on_its_fold():
    """The scorer sees the estimator as a fit leaves it: parameters, attributes, the steps before."""
    X, y = load("iris")
    seen = []

    def keep(model, X, y):
        seen.append(model)
        return 0.0

    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=TIGHT))
    grid = {"l2logisticregression__lambd": [1.0]}
    LambdaSearchCV(pipeline, grid, scoring=keep, cv=2, refit=False).fit(X, y)
    batched, seen = seen, []
    GridSearchCV(pipeline, grid, scoring=keep, cv=2, refit=False).fit(X, y)
    for ours, theirs in zip(batched, seen, strict=True):
        assert repr(ours) == repr(theirs)
        assert vars(ours[-1]).keys() == vars(theirs[-1]).keys()
        # Probabilities differ as the root of J - J*, which is 1e-16.
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-8)
        assert_allclose(ours[-1].coef_, theirs[-1].coef_, rtol=0, atol=1e-6)
        assert_allclose(ours[-1].loss_curve_[-1], theirs[-1].loss_curve_[-1], rtol=1e-12)
        assert ours[-1].dual_gap_ < 1e-9

"""Without a penalty, separable classes have no optimum: the model is then about the one with the widest margin."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from common import cost, load, noisy, standardized
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.descent.linear import LinearObjective


def without_penalty(X, y, sample_weight=None, **options):
    """The fit with lambd=0 of separable classes, which warns."""
    with pytest.warns(ConvergenceWarning, match="lambd=0 and the classes are separable"):
        return L2LogisticRegression(lambd=0, **options).fit(X, y, sample_weight)


def few_rows(name="breast_cancer", n=30, seed=0):
    X, y = load(name)
    rows = np.random.default_rng(seed).permutation(len(y))
    return X[rows[:n]], y[rows[:n]], X[rows[n:]], y[rows[n:]]


def widest_margin(X, y):
    """The direction of the widest margin on standardized columns, in the columns of X, by another method."""
    scaler = StandardScaler().fit(X)
    return SVC(kernel="linear", C=1e10).fit(scaler.transform(X), y).coef_[0] / scaler.scale_


def cosine(w, v, scale):
    """Of two weight vectors for X, on standardized columns."""
    w, v = w * scale, v * scale
    return w @ v / np.linalg.norm(w) / np.linalg.norm(v)


def wide(n_classes=2):
    X = np.random.default_rng(0).standard_normal((60, 400))
    return X, X[:, :n_classes].argmax(axis=1)


def sparse():
    X = sp.csr_array(sp.random(200, 300, density=0.05, random_state=0))
    return X, (X @ np.random.default_rng(0).standard_normal(300) > 0).astype(int)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_new_rows_are_told_about_as_well_as_with_next_to_no_penalty(seed, scaled):
    X, y, X_new, y_new = few_rows(seed=seed)
    scaler = StandardScaler(with_mean=scaled, with_std=scaled).fit(X)
    X, X_new = scaler.transform(X), scaler.transform(X_new)
    error = 1 - without_penalty(X, y).score(X_new, y_new)
    assert error <= 1 - L2LogisticRegression(lambd=1e-8).fit(X, y).score(X_new, y_new) + 0.03


@pytest.mark.parametrize(
    "case",
    [
        lambda: few_rows()[:2],
        lambda: few_rows(n=100)[:2],
        lambda: few_rows(n=300)[:2],
        lambda: load("breast_cancer"),
        wide,
    ],
    ids=["30 x 30", "100 x 30", "300 x 30", "569 x 30", "60 x 400"],
)
def test_the_direction_is_about_that_of_the_widest_margin(case):
    X, y = case()
    model = without_penalty(X, y)
    assert model.score(X, y) == 1
    assert model.loss_curve_[-1] <= 1e-6
    assert model.loss_curve_[-1] == pytest.approx(float(cost(model.coef_, model.intercept_, X, y, 0)), rel=1e-6)
    assert cosine(model.coef_[0], widest_margin(X, y), X.std(axis=0)) > 0.99


def test_softmax_separates_each_class_by_about_the_widest_margin():
    """The margin to maximize is the smallest lead of a row's own score over another, with ||W|| = 1."""
    from scipy.optimize import minimize

    X, y = standardized("wine")
    X, y = X[::3], y[::3]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    own = np.eye(3)[y]
    others = [(i, k) for i in range(len(y)) for k in range(3) if k != y[i]]
    lead = np.array([np.outer(own[i] - np.eye(3)[k], np.r_[X[i], 1]).ravel() for i, k in others])
    penalized = np.tile(np.r_[np.ones(X.shape[1]), 0], 3)
    best = minimize(
        lambda w: (penalized * w * w).sum() / 2,
        np.zeros(lead.shape[1]),
        jac=lambda w: penalized * w,
        constraints={"type": "ineq", "fun": lambda w: lead @ w - 1, "jac": lambda w: lead},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert best.success
    widest = best.x.reshape(3, -1)[:, :-1].ravel()
    model = without_penalty(X, y)
    assert model.loss_curve_[-1] <= 1e-6
    assert cosine(model.coef_.ravel(), widest, 1) > 0.99


def exactly(model, scale=1.0):
    return np.r_[(model.coef_ * scale).ravel(), model.intercept_]


CASES = {
    "few rows": lambda: few_rows()[:2],
    "wide": wide,
    "wide, three classes": lambda: wide(3),
    "wine": lambda: load("wine"),
    "sparse": sparse,
}


@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}], ids=["bias", "no bias"])
@pytest.mark.parametrize("name", CASES)
def test_powers_of_two_in_the_columns_change_nothing(name, options):
    X, y = CASES[name]()
    powers = 2.0 ** np.random.default_rng(0).integers(-20, 20, X.shape[1])
    model = without_penalty(X, y, **options)
    other = without_penalty(X * powers if not sp.issparse(X) else sp.csr_array(X * powers), y, **options)
    np.testing.assert_array_equal(other.coef_ * powers, model.coef_)
    np.testing.assert_array_equal(other.intercept_, model.intercept_)


def test_the_scale_of_columns_hardly_matters():
    X, y = few_rows()[:2]
    scale = 10.0 ** np.random.default_rng(0).uniform(-3, 3, X.shape[1])
    model, other = without_penalty(X, y), without_penalty(X * scale, y)
    assert cosine(other.coef_[0] * scale, model.coef_[0], X.std(axis=0)) > 1 - 1e-6


@pytest.mark.parametrize("name", ["few rows", "wide", "wide, three classes", "sparse"])
def test_rows_of_weight_zero_change_nothing(name):
    X, y = CASES[name]()
    rows = np.sort(np.random.default_rng(1).permutation(len(y))[: len(y) * 2 // 3])
    weights = np.zeros(len(y))
    weights[rows] = np.random.default_rng(2).integers(1, 4, len(rows))
    far = X.toarray() if sp.issparse(X) else X.copy()
    far[np.flatnonzero(weights == 0)[0], 0] = 1e4
    far = sp.csr_array(far) if sp.issparse(X) else far
    model = without_penalty(X[rows], y[rows], weights[rows])
    np.testing.assert_array_equal(exactly(without_penalty(far, y, weights)), exactly(model))
    repeated = np.repeat(rows, weights[rows].astype(int))
    again = without_penalty(X[repeated], y[repeated])
    np.testing.assert_allclose(again.coef_, model.coef_, rtol=1e-2, atol=1e-2 * np.abs(model.coef_).max())


def test_a_penalty_on_the_intercept_means_nothing_without_a_penalty():
    X, y = few_rows()[:2]
    np.testing.assert_array_equal(
        exactly(without_penalty(X, y, penalize_intercept=True)), exactly(without_penalty(X, y))
    )


def test_a_warm_start_ends_at_the_same_model():
    X, y = few_rows(n=100)[:2]
    model = L2LogisticRegression(lambd=0.1, warm_start=True).fit(X, y).set_params(lambd=0)
    cold = without_penalty(X, y)
    for _ in range(2):
        with pytest.warns(ConvergenceWarning, match="separable"):
            model.fit(X, y)
        assert cosine(model.coef_[0], cold.coef_[0], X.std(axis=0)) > 1 - 1e-6


@pytest.mark.parametrize("case", [lambda: few_rows()[:2], wide], ids=["tall", "wide"])
def test_single_precision(case):
    X, y = case()
    model = without_penalty(X.astype(np.float32), y)
    assert model.coef_.dtype == np.float32
    assert model.loss_curve_[-1] <= 1e-6
    assert cosine(model.coef_[0], without_penalty(X, y).coef_[0], X.std(axis=0)) > 0.999


def test_a_search_gives_what_a_fit_gives():
    X, y = few_rows(n=90)[:2]
    fold = np.arange(len(y)) % 3
    pipe, cv = make_pipeline(StandardScaler(), L2LogisticRegression()), PredefinedSplit(fold)
    search = LambdaSearchCV(pipe, (0, 1), cv=cv, scoring="neg_log_loss", refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    pipe.set_params(l2logisticregression__lambd=0)
    for k in range(3):
        with pytest.warns(ConvergenceWarning, match="separable"):
            pipe.fit(X[fold != k], y[fold != k])
        expected = -log_loss(y[fold == k], pipe.predict_proba(X[fold == k]))
        assert search.cv_results_[f"split{k}_test_score"][0] == pytest.approx(expected, rel=1e-6)


def test_a_search_does_not_chase_infinity(monkeypatch):
    """Products with Hessians and gradients stay few where the training rows are few among many."""
    X, y = load("digits")
    calls = {"gradient": 0, "hessian_product": 0}
    for name in calls:
        original = getattr(LinearObjective, name)

        def counted(self, *args, name=name, original=original):
            calls[name] += 1
            return original(self, *args)

        monkeypatch.setattr(LinearObjective, name, counted)
    cv = StratifiedShuffleSplit(4, train_size=60, random_state=0)
    search = LambdaSearchCV(make_pipeline(StandardScaler(), L2LogisticRegression()), (0,), cv=cv, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y % 2)
    assert calls["gradient"] <= 4 * 40
    assert calls["hessian_product"] <= 4 * 40


@pytest.mark.parametrize("n_classes", [2, 3])
def test_overlapping_classes_end_at_the_optimum(n_classes):
    X, y = noisy(400, 8, n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = L2LogisticRegression(lambd=0).fit(X, y)
    oracle = LogisticRegression(C=np.inf, solver="newton-cg", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(
        model.coef_, oracle.coef_ - (n_classes > 2) * oracle.coef_.mean(axis=0), rtol=1e-6, atol=1e-7
    )


def test_max_iter_bounds_the_iterations_of_both_descents():
    X, y = noisy(400, 8)
    for max_iter in (1, 3, 100):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = L2LogisticRegression(lambd=0, max_iter=max_iter).fit(X, y)
        assert model.n_iter_[0] <= max_iter
        assert len(model.loss_curve_) == model.n_iter_[0] + 1
        assert model.penalty_curve_ == [0] * len(model.loss_curve_)


@pytest.mark.parametrize("factor", [1e-100, 1e150, 1e200])
def test_huge_and_tiny_numbers(factor):
    X, y = few_rows()[:2]
    model = without_penalty(X * factor, y)
    assert model.score(X * factor, y) == 1
    assert model.n_iter_[0] < 50


@pytest.mark.parametrize("classes", [2, 3])
def test_the_loss_curve_rises_nowhere(classes):
    """Weights on the way may be too large, and are taken back for others in the direction of the widest margin."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 200))
    model = without_penalty(X, rng.permutation(np.arange(40) % classes))
    assert (np.diff(model.loss_curve_) <= 0).all()

"""`penalty_curve_`: what the penalty adds to J, iteration by iteration."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, LambdaSearchCV

LAMBD = 2.0


def scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def fit(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


@pytest.mark.parametrize("convert", [np.asarray, csr_matrix])
@pytest.mark.parametrize("load", [load_breast_cancer, load_iris])
@pytest.mark.parametrize(
    "model",
    [
        L2LogisticRegression(LAMBD),
        L2LogisticRegression(LAMBD, penalize_intercept=True),
        L2LogisticRegression(LAMBD, solver="gd", learning_rate=0.01, max_iter=20),
        L1LogisticRegression(LAMBD),
    ],
)
def test_it_ends_at_the_penalty_of_the_fitted_weights(model, load, convert):
    X, y = scaled(load)
    model = fit(model, convert(X), y)
    W, b = model.coef_, model.intercept_
    if isinstance(model, L1LogisticRegression):
        expected = LAMBD / len(y) * np.abs(W).sum()
    else:
        expected = LAMBD / (2 * len(y)) * (np.sum(W**2) + model.penalize_intercept * np.sum(b**2))
    assert len(model.penalty_curve_) == len(model.loss_curve_)
    assert model.penalty_curve_[-1] == pytest.approx(expected, rel=1e-12)
    data = model.loss_curve_[-1] - model.penalty_curve_[-1]
    assert data == pytest.approx(log_loss(y, model.predict_proba(X)), rel=1e-9)


def test_the_wide_and_the_failed_ones():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 100)), np.arange(40) % 2
    model = L2LogisticRegression(LAMBD).fit(X, y)
    assert model.penalty_curve_[-1] == pytest.approx(LAMBD / 80 * np.sum(model.coef_**2), rel=1e-10)
    unpenalized = fit(L2LogisticRegression(0), X[:, :2], y)
    assert set(unpenalized.penalty_curve_) == {0.0}


def test_plain_descent_step_by_step():
    X, y = scaled(load_breast_cancer)
    model = fit(L2LogisticRegression(LAMBD, solver="gd", learning_rate=0.1, max_iter=5), X, y)
    w, b, m, expected = np.zeros(X.shape[1]), 0.0, len(y), []
    for _ in range(6):
        expected.append(LAMBD / (2 * m) * w @ w)
        r = 1 / (1 + np.exp(-(X @ w + b))) - y
        w, b = (1 - 0.1 * LAMBD / m) * w - 0.1 * X.T @ r / m, b - 0.1 * r.mean()
    assert_allclose(model.penalty_curve_, expected, rtol=1e-12)


@pytest.mark.parametrize("solver", ["gd", "sgd", "adam", "lbfgs"])
def test_networks(solver):
    X, y = scaled(load_iris)

    def trained(max_iter):
        options = {"solver": solver, "batch_size": 40, "random_state": 0, "tol": 0, "max_iter": max_iter}
        return fit(L2MLPClassifier((5,), lambd=LAMBD, learning_rate_init=0.01, **options), X, y)

    model, half_way = trained(10), trained(5)
    assert len(model.penalty_curve_) == len(model.loss_curve_) == 10
    assert model.penalty_curve_[:5] == half_way.penalty_curve_
    penalty = LAMBD / (2 * len(y)) * sum(np.sum(W**2) for W in half_way.coefs_)
    if solver == "lbfgs":  # at the end of an iteration
        assert half_way.penalty_curve_[-1] == pytest.approx(penalty, rel=1e-12)
    elif solver == "gd":  # at its beginning
        assert model.penalty_curve_[5] == pytest.approx(penalty, rel=1e-12)
    else:  # the mean over the epoch's batches
        nearby = half_way.penalty_curve_[-1], model.penalty_curve_[6]
        assert min(nearby) < penalty < max(nearby)
    assert (np.array(model.penalty_curve_) < model.loss_curve_).all()


def test_it_goes_on_where_training_does():
    X, y = scaled(load_iris)
    model = L2MLPClassifier((5,), lambd=LAMBD, random_state=0)
    for n in (1, 2, 3):
        assert len(model.partial_fit(X, y, classes=[0, 1, 2]).penalty_curve_) == n


@pytest.mark.parametrize("options", [{}, {"X_val": None}])
def test_models_of_a_search_have_it(options):
    X, y = scaled(load_breast_cancer)
    search = LambdaSearchCV(L2LogisticRegression(), (1, 10), scoring="neg_log_loss")
    dev = {"X_val": X[400:], "y_val": y[400:]} if options else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = search.fit(X[:400], y[:400], **dev).best_estimator_
    expected = model.lambd / 800 * np.sum(model.coef_**2)
    assert model.penalty_curve_[-1] == pytest.approx(expected, rel=1e-12)

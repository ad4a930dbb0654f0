"""The Kronecker preconditioner of softmax: exact where it can be, and near the Hessian where classes overlap."""

import numpy as np
import pytest
from common import noisy
from numpy.testing import assert_allclose

from sklearn_l2 import L2LogisticRegression
from sklearn_l2.descent.columns import Columns
from sklearn_l2.descent.kronecker import Kronecker
from sklearn_l2.descent.linear import LinearObjective
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks


def classes_around_means(n=3000, n_columns=12, n_classes=6, seed=0, distance=1.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    spread = 1 / np.sqrt(1 + np.arange(n_columns))
    means = distance * spread * rng.standard_normal((n_classes, n_columns))
    rotation = np.linalg.qr(rng.standard_normal((n_columns, n_columns)))[0]
    X = (means[y] + rng.standard_normal((n, n_columns)) * spread) @ rotation
    return X * np.where(np.arange(n_columns) % 3, 1, 100) + 5, y


def system(X, y, lambd, *, biases="free", theta=None, dtype=np.float32):
    """The preconditioner built at theta from rows in `dtype`, the objective, and the Hessians (P, K D, K D) there."""
    n_classes, P = y.max() + 1, len(lambd)
    problems = LinearProblems(
        target=y[:, None],
        n_score_rows=n_classes,
        weights=np.column_stack([np.ones(len(y)), 1.0 + np.arange(len(y)) % 3]),
        lambd=lambd,
        fit_intercept=biases != "none",
        penalize_intercept=biases == "penalized",
        fold=np.arange(P) % 2,
    )
    rows = RowBlocks(X, n_scores=P * n_classes)
    columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    objective, penalty = problems.objective(rows, columns), problems.penalty(columns)
    theta = problems.start(columns) if theta is None else theta
    objective.gradient(theta)
    metric = Kronecker(objective)
    metric.sample = metric.sample.astype(dtype)
    metric.build(objective, penalty, theta)
    size = theta[0].size
    H = np.empty((P, size, size))
    for j in range(size):
        unit = np.zeros((P, size))
        unit[:, j] = 1
        unit = unit.reshape(theta.shape)
        H[:, j] = (objective.hessian_product(unit, np.arange(P)) + penalty.curvature(theta) * unit).reshape(P, size)
    return metric, objective, penalty, H


def inverse_matrices(metric, shape):
    """M^-1 of each problem, (P, K D, K D)."""
    P, size = shape[0], shape[1] * shape[2]
    columns = [metric.solve(np.tile(unit.reshape(1, *shape[1:]), (P, 1, 1)), np.arange(P)) for unit in np.eye(size)]
    return np.stack([column.reshape(P, size) for column in columns], axis=2)


@pytest.mark.parametrize("biases", ["free", "penalized", "none"])
def test_it_is_the_inverse_where_all_rows_have_the_same_probabilities(biases):
    X, y = classes_around_means(n=400)  # few enough for all of them to be sampled
    metric, objective, _, H = system(X, y, np.array([1e-3, 1.0, 1e5]), biases=biases, dtype=np.float64)
    shape = (3, objective.n_score_rows, objective.n_parameters)
    r = np.random.default_rng(0).standard_normal(shape)
    if biases == "free":
        r[..., -1] -= r[..., -1].mean(axis=1, keepdims=True)  # a bias common to all classes has no curvature at all
    s = metric.solve(r, np.arange(3))
    assert_allclose(np.matmul(H, s.reshape(3, -1, 1)).reshape(shape), r, atol=1e-5)
    assert_allclose(metric.solve(r[[2, 0]], np.array([2, 0])), s[[2, 0]], rtol=1e-12)
    metric.keep(np.array([False, False, True]))
    assert_allclose(metric.solve(r[2:], np.array([0])), s[2:], rtol=1e-12)


@pytest.mark.parametrize("biases", ["free", "none"])
def test_it_is_symmetric_and_knows_that_only_the_ridge_holds_what_all_classes_share(biases):
    X, y = classes_around_means()
    lambd = np.array([0.5, 50.0])
    _, objective, _, _ = system(X, y, lambd, biases=biases)
    theta = 0.5 * np.random.default_rng(1).standard_normal((2, objective.n_score_rows, objective.n_parameters))
    metric, objective, penalty, _ = system(X, y, lambd, biases=biases, theta=theta)
    inverse = inverse_matrices(metric, theta.shape)
    assert_allclose(inverse, inverse.transpose(0, 2, 1), rtol=1e-9, atol=1e-9 * np.abs(inverse).max())
    assert (np.linalg.eigvalsh(inverse)[:, 0] > -1e-9 * np.abs(inverse).max()).all()
    r = np.ones_like(theta)
    ridge = penalty.curvature(theta)
    expected = np.divide(r, ridge, out=np.zeros_like(r), where=ridge > 0)
    assert_allclose(metric.solve(r, np.arange(2)), expected, rtol=1e-12)


def test_it_is_near_the_hessian_where_classes_differ_in_their_place():
    """Conjugate gradients need few steps where M^-1 H has eigenvalues near 1."""
    X, y = classes_around_means(n_classes=8, distance=0.8)
    lambd = np.array([1.0])
    model = L2LogisticRegression(lambd=1.0).fit(X, y)
    _, objective, _, _ = system(X, y, lambd)
    theta = objective.columns.from_model(model.coef_[None], model.intercept_[None])
    metric, objective, _, H = system(X, y, lambd, theta=theta)
    inverse = inverse_matrices(metric, theta.shape)[0]
    eigenvalues = np.sort(np.linalg.eigvals(inverse @ H[0]).real)
    assert abs(eigenvalues[0]) < 1e-9  # the common bias
    assert eigenvalues[1] > 0.1
    assert eigenvalues[-1] < 3


def test_a_probe_needs_few_products(monkeypatch):
    """Products with X until J - J* <= 1e-12; the diagonal of the Hessian in its place takes several times as many."""
    X, y = classes_around_means(n=6000, n_columns=40, n_classes=20, distance=0.8)
    n_products = []
    product = LinearObjective.hessian_product

    def counted(objective, *args):
        if objective.twin is None:  # else it is the twin that multiplies
            n_products.append(1)
        return product(objective, *args)

    monkeypatch.setattr(LinearObjective, "hessian_product", counted)
    for lambd in (1.0, 100.0):
        n_products.clear()
        model = L2LogisticRegression(lambd=lambd).fit(X, y)
        assert model.dual_gap_ <= 1e-10
        assert len(n_products) <= 70


@pytest.mark.parametrize("lambd", [1e-3, 0.1])
def test_a_weak_penalty_does_not_let_rounding_move_all_classes_together(lambd):
    """The weights that all classes share are held by the penalty alone, which grants single precision little."""
    X, y = noisy(5000, 60, 3)
    model = L2LogisticRegression(lambd, warm_start=True).fit(X, y)
    J = model.loss_curve_[-1]
    assert np.abs(model.coef_.sum(axis=0)).max() <= 1e-9
    assert J - model.set_params(tol=1e-16).fit(X, y).loss_curve_[-1] <= 1e-13


def test_a_column_of_huge_numbers_does_not_drown_the_others():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((600, 60)), rng.integers(0, 12, 600)
    large, huge = X.copy(), X.copy()
    large[:, 4] *= 1e5  # as good as unpenalized either way
    huge[:, 4] *= 1e30
    probabilities = [L2LogisticRegression().fit(Z, y).predict_proba(Z) for Z in (large, huge)]
    assert_allclose(*probabilities, atol=1e-5)

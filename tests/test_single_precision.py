"""What single precision may do to a Newton step, and what not."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import noisy
from newton_checks import LAMBDS, decrement, each_number_of_classes, slope_at, start
from numpy.testing import assert_allclose

from sklearn_l2.descent.preconditioners import Diagonal, ExactHessian
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.solve import solve_newton


@each_number_of_classes
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_array])
def test_single_precision_keeps_the_products_and_the_gradients_digits(layout, n_classes):
    X, y = noisy(300, 6, n_classes)
    X = np.where(np.abs(X) < 0.3, 0, X) * [1e-3, 1, 1e3, 1, 1, 1] + (0 if layout is sp.csr_array else 5)
    exact, _, theta = start(layout(X), y)
    rounded, *_ = start(layout(X), y, in_single_precision=True)
    rng = np.random.default_rng(0)
    theta = theta + 0.5 * rng.standard_normal(theta.shape)
    value, slope = exact.gradient(theta)
    near_value, near_slope = rounded.gradient(theta)
    assert_allclose(near_value, value, rtol=1e-6)
    assert_allclose(near_slope, slope, atol=1e-7)
    direction = rng.standard_normal(theta.shape)
    for problems in (np.arange(4), np.array([3, 1])):
        product = exact.hessian_product(direction[problems], problems)
        near_product = rounded.hessian_product(direction[problems], problems)
        assert_allclose(near_product, product, atol=2e-6)
        nearest = rounded.hessian_product(direction[problems].astype(np.float32), problems)
        assert nearest.dtype == np.float32
        assert_allclose(nearest, product, atol=1e-5)
    assert_allclose(rounded.score_changes(direction), exact.score_changes(direction), atol=1e-4)
    mask = np.array([True, False, True, False])
    for objective in (exact, rounded):
        objective.keep(mask)
    assert_allclose(
        rounded.hessian_product(direction[mask], np.arange(2)),
        exact.hessian_product(direction[mask], np.arange(2)),
        atol=2e-6,
    )


@pytest.mark.parametrize("shift, scale, as_it_is", [(0.5, 3.0, True), (100.0, 1.0, False), (0.0, 1e5, False)])
def test_columns_that_are_nearly_standard_are_rounded_as_they_are(shift, scale, as_it_is):
    X, y = noisy(300, 6)
    X = (X + shift) * [scale, 1, 1, 1, 1, 1]
    exact, _, theta = start(X, y)
    rounded, *_ = start(X, y, in_single_precision=True)
    assert np.array_equal(rounded.twin.rows.X, X.astype(np.float32)) == as_it_is
    direction = np.random.default_rng(0).standard_normal(theta.shape)
    exact.gradient(theta)
    rounded.gradient(theta)
    problems = np.arange(len(theta))
    assert_allclose(rounded.twin.compute_scores(direction), exact.compute_scores(direction), atol=1e-5)
    assert_allclose(rounded.hessian_product(direction, problems), exact.hessian_product(direction, problems), atol=2e-6)
    sample = np.array([3, 1, 200])
    assert_allclose(rounded.twin.sample_columns(sample), exact.sample_columns(sample), atol=1e-6)


@pytest.mark.parametrize("smallest, dtype", [(1e-3, np.float32), (1e-12, np.float64), (1e-200, np.float64)])
def test_steps_are_rounded_only_where_single_precision_holds_the_diagonal(smallest, dtype):
    X, y = noisy(300, 6)
    X = sp.csr_array(np.where(np.abs(X) < 0.3, 0, X) * [smallest, 1, 1e3, 1, 1, 1])
    objective, penalty, theta = start(X, y, in_single_precision=True)
    slope_at(objective, penalty, theta)
    diagonal = Diagonal(1.0)
    diagonal.build(objective, penalty, theta)
    assert diagonal.dtype == diagonal.inverse.dtype == dtype
    assert np.isfinite(diagonal.inverse).all()


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("smallest", [1.0, 1e-12])
def test_sparse_problems_end_at_their_optimum_by_rounded_steps(n_classes, smallest):
    X, y = noisy(1000, 400, n_classes)
    X = np.where(np.abs(X) < 1, 0, X)
    X[:, 0] *= smallest
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None],
        n_score_rows=1 if n_classes == 2 else n_classes,
        weights=np.column_stack([np.ones(len(y)), 1 + np.arange(len(y)) % 3]),
        lambd=LAMBDS,
        fold=np.array([0, 0, 0, 1]),
    )
    with RowBlocks(sp.csr_array(X), n_scores=len(LAMBDS) * problems.n_score_rows) as rows:
        fit = solve_newton(problems, rows, tol=1e-12, max_iter=1000)
    assert fit.converged.all()
    assert (fit.dual_gap <= 1e-11).all()


@each_number_of_classes
def test_rounded_slopes_move_the_optimum_by_less_than_they_are_allowed_to(n_classes):
    """(1/2) g^T H^-1 g of what rounding adds to the gradient is at most half the square of the relative rounding."""
    X, y = noisy(2000, 20, n_classes)
    X[:, 1] = X[:, 0] + 1e-5 * X[:, 1]  # nearly dependent
    exact, penalty, theta = start(X, y, standardized=True)
    rounded, *_ = start(X, y, in_single_precision=True)
    theta = theta + 0.3 * np.random.default_rng(0).standard_normal(theta.shape)
    _, slope = slope_at(exact, penalty, theta)
    _, near_slope = slope_at(rounded, penalty, theta)
    hessian = ExactHessian()
    hessian.build(exact, penalty, theta)
    moved, _ = decrement(hessian, near_slope - slope)
    eps = 8 * np.finfo(np.float32).eps  # of a slope: exponential, quotient, share and product, each rounded
    assert (moved <= eps**2 / 2).all()
    assert (moved > 0).all()


def test_a_tiny_curvature_keeps_its_digits_in_single_precision():
    """Softmax rows that are as good as certain of their class."""
    X, y = noisy(200, 4, 3)
    exact, _, theta = start(X, y)
    rounded, *_ = start(X, y, in_single_precision=True)
    theta = np.zeros_like(theta)
    scores = np.full((200, 4, 3), -30.0)
    scores[np.arange(200), :, y] = 0.0
    for objective in (exact, rounded):
        objective.set_scores(scores)
        objective.gradient(theta)
    direction = np.random.default_rng(0).standard_normal(theta.shape)
    product = exact.hessian_product(direction, np.arange(4))
    near = rounded.hessian_product(direction, np.arange(4))
    assert np.abs(product).max() < 1e-12
    assert_allclose(near, product, rtol=1e-3, atol=1e-5 * np.abs(product).max())

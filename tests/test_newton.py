"""What a Newton step is known to leave of J, and where it ends."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import badly_scaled, certified_gap, cost, noisy
from hypothesis import given, settings
from hypothesis import strategies as st
from newton_checks import decrement, each_number_of_classes, slope_at, start
from numpy.testing import assert_allclose
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sklearn_l2 import L2LogisticRegression
from sklearn_l2.descent import exact_newton, solve
from sklearn_l2.descent.columns import Columns
from sklearn_l2.descent.exact_newton import ExactNewton
from sklearn_l2.descent.line_search import SAFE_MOVE, surely_falls
from sklearn_l2.descent.memory import dot
from sklearn_l2.descent.newton import TruncatedNewton, conjugate_gradients
from sklearn_l2.descent.preconditioners import ExactHessian
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.results import CERTIFIED, LinearFit, no_worse_than_zero
from sklearn_l2.descent.row_space import RowSpaceHessian
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.solve import solve_newton


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.floats(0.01, 3), st.integers(1, 12))
def test_the_rows_moves_bound_what_a_newton_step_leaves(seed, n_classes, size, n_columns):
    X, y = noisy(60, n_columns, n_classes, seed=seed)
    X *= size
    objective, penalty, theta = start(X, y, standardized=True)
    hessian = ExactHessian()
    for _ in range(6):
        _, slope = slope_at(objective, penalty, theta)
        hessian.build(objective, penalty, theta)
        _, s = decrement(hessian, slope)
        change = objective.compute_scores(s)
        largest, bound = objective.moves(change)
        np.testing.assert_array_equal(objective.largest_move(change), largest)
        pairs = change - change.min(axis=2, keepdims=True) if n_classes > 2 else np.abs(change)
        assert_allclose(largest, pairs.max(axis=(0, 2)))
        shorten = np.minimum(1, 0.5 / np.maximum(largest, 1e-300))  # the bound is for moves of up to 0.5
        theta = theta + shorten[:, None, None] * s
        _, slope = slope_at(objective, penalty, theta)
        hessian.build(objective, penalty, theta)
        left, _ = decrement(hessian, slope)
        full = largest <= 0.5
        assert (left[full] <= bound[full] + 1e-28).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.floats(0.01, 5), st.integers(1, 12))
def test_a_newton_step_that_moves_scores_little_is_safe(seed, n_classes, size, n_columns):
    X, y = noisy(60, n_columns, n_classes, seed=seed)
    X *= size
    objective, penalty, theta = start(X, y, standardized=True)
    hessian = ExactHessian()
    for shift in (0.0, 1.0, 3.0):
        theta = theta + shift * np.random.default_rng(seed).standard_normal(theta.shape)
        J, slope = slope_at(objective, penalty, theta)
        hessian.build(objective, penalty, theta)
        half, s = decrement(hessian, slope)
        safe = objective.largest_move(objective.compute_scores(s)) <= SAFE_MOVE
        after, _ = slope_at(objective, penalty, theta + s)
        assert (after[safe] <= (J - 0.1 * 2 * half)[safe] + 1e-12 * J[safe]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 4]), st.floats(0.01, 5), st.floats(-2, 2))
def test_a_step_that_is_known_to_go_down_does(seed, n_classes, size, bent):
    X, y = noisy(60, 5, n_classes, seed=seed)
    X *= size
    objective, penalty, theta = start(X, y, standardized=True)
    hessian = ExactHessian()
    for shift in (0.0, 1.0, 3.0):
        theta = theta + shift * np.random.default_rng(seed).standard_normal(theta.shape)
        J, gradient = slope_at(objective, penalty, theta)
        hessian.build(objective, penalty, theta)
        _, s = decrement(hessian, gradient)
        bend = objective.bend(objective.compute_scores(s))
        _, aside = decrement(hessian, bend)
        s += bent * aside
        slope = dot(gradient, s)
        energy = -slope - bent * dot(bend, s)
        move = objective.largest_move(objective.compute_scores(s))
        with np.errstate(over="ignore"):
            sure = surely_falls(slope, energy, move)
        after, _ = slope_at(objective, penalty, theta + s)
        assert (after[sure] <= J[sure] + 1e-12 * J[sure]).all()


@each_number_of_classes
def test_the_bend_is_half_the_third_derivative(n_classes):
    X, y = noisy(80, 5, n_classes)
    objective, _, theta = start(X, y, standardized=True)
    rng = np.random.default_rng(0)
    theta = theta + rng.standard_normal(theta.shape)
    s = 1e-3 * rng.standard_normal(theta.shape)
    above, below, at = (objective.gradient(theta + t * s)[1].copy() for t in (1, -1, 0))
    objective.gradient(theta)
    assert_allclose(objective.bend(objective.compute_scores(s)), (above + below - 2 * at) / 2, rtol=1e-4, atol=1e-13)


def test_what_is_certified_to_be_within_tol_is_not_descended_again(monkeypatch):
    descents = []
    descend = solve.descend_newton
    monkeypatch.setattr(solve, "descend_newton", lambda *a, **k: descents.append(k) or descend(*a, **k))
    X, y = noisy(3000, 1200)
    model = L2LogisticRegression(lambd=30.0, tol=1e-4).fit(sp.csr_array(np.where(np.abs(X) < 2, 0, X)), y)
    assert len(descents) == 1
    assert CERTIFIED < model.dual_gap_ <= 1e-4


def test_a_bend_does_not_take_a_step_back_to_where_it_came_from():
    X = np.array(
        [
            [0.01, -10, 0, -10, 10],
            [0.01, 10, -10, 0, 20],
            [0.01, -20, 0, 0, -10],
            [0.01, 0, 10, 0, 0],
            [-0.01, 0, 0, -20, -20],
        ]
    )
    y = np.array([0, 1, 1, 0, 1])
    model = L2LogisticRegression(lambd=0.01).fit(X, y)
    assert model.n_iter_[0] < 10
    assert model.dual_gap_ < 1e-9


@each_number_of_classes
def test_from_zero_newtons_first_step_goes_to_the_discriminant(n_classes, monkeypatch):
    monkeypatch.setattr(exact_newton, "_SURE", 1.0)
    X, y = noisy(300, 5, n_classes)
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None],
        n_score_rows=1 if n_classes == 2 else n_classes,
        weights=np.ones((len(y), 1)),
        lambd=np.array([1e-9]),
    )
    rows = RowBlocks(X)
    columns = Columns.scaled(rows, intercept=True, centred=True)
    objective, penalty, theta = problems.standardized(rows, columns), problems.penalty(columns), problems.start(columns)
    _, gradient = slope_at(objective, penalty, theta)
    ExactNewton(objective, penalty, ExactHessian(), tol=1e-12).step(theta, gradient)
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(X, y)
    (W,), (b,) = columns.to_model(theta)
    if n_classes > 2:
        expected.coef_ -= expected.coef_.mean(axis=0)
        expected.intercept_ -= expected.intercept_.mean()
        W, b = W - W.mean(axis=0), b - b.mean()
    assert_allclose(W, expected.coef_, rtol=1e-6)
    assert_allclose(b, expected.intercept_, rtol=1e-6, atol=1e-6)


@each_number_of_classes
@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("leaving", [True, False])
def test_what_a_line_search_computed_ahead_is_the_next_gradient(n_classes, accepted, leaving):
    X, y = noisy(80, 5, n_classes)
    objective, _, theta = start(X, y, standardized=True)
    objective.gradient(theta)
    s = np.random.default_rng(0).standard_normal(theta.shape)
    change = objective.compute_scores(s)
    length = np.full(len(theta), 0.5)
    objective.loss_after(objective.scores, change, length, np.arange(len(theta)))
    if not accepted:
        length[1] /= 2
    objective.move(change, length)
    theta = theta + length[:, None, None] * s
    if leaving:
        mask = np.array([True, False, True, True])
        objective.keep(mask)
        theta = theta[mask]
    value, gradient = objective.gradient(theta)
    curvature = objective.curvature
    objective.set_scores(objective.compute_scores(theta))
    expected_value, expected = objective.gradient(theta)
    assert_allclose(value, expected_value, rtol=1e-13)
    assert_allclose(gradient, expected, rtol=1e-10, atol=1e-14)
    assert_allclose(curvature, objective.curvature, rtol=1e-10)


def test_the_worst_of_safe_newton_steps_lowers_the_loss():
    """A bias so low that the curvature grows by e^d along the step: no bound can promise more."""
    d, p = SAFE_MOVE, 1e-6
    curvature = p * (1 - p)
    share = p + d * curvature  # of the rows of the second class, for a Newton step of length d
    low = np.log(p / (1 - p))
    before, after = (np.log1p(np.exp(bias)) - share * bias for bias in (low, low + d))
    assert 0.1 <= (before - after) / (curvature * d**2) <= 0.15


@each_number_of_classes
def test_the_exact_hessian_solves_its_system(n_classes):
    X, y = noisy(80, 5, n_classes)
    objective, penalty, theta = start(X, y, standardized=True)
    _, slope = slope_at(objective, penalty, theta)
    hessian = ExactHessian()
    hessian.build(objective, penalty, theta)
    s = hessian.solve(slope, np.arange(4))
    product = objective.hessian_product(s, np.arange(4))
    assert_allclose(product + penalty.curvature(theta) * s, slope, atol=1e-12)
    assert_allclose(hessian.solve(slope[[2, 0]], np.array([2, 0])), s[[2, 0]], rtol=1e-12)


class System:
    """A diagonal system with a preconditioner that is `factor` times too large, and 100 times more in a direction."""

    def __init__(self, factor, far=1.0):
        self.H = np.linspace(1, 2, 30)
        self.M = self.H * factor
        self.M[7] *= far

    def product(self, direction, problems):
        return self.H * direction

    def precondition(self, r, problems):
        return r / self.M


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("far", [1.0, 3.0])
def test_the_energy_of_a_residual_is_not_underestimated(factor, far):
    system = System(factor, far)
    g = np.random.default_rng(0).standard_normal((2, 1, 30))
    s, energy, longest, _ = conjugate_gradients(system, g, np.full(2, 0.01), max_steps=50, floor=1e-30)
    residual = system.H * s + g
    true = (residual**2 / system.H).sum(axis=(1, 2))
    assert (energy >= true / 5).all()  # what the descent allows for
    assert (energy <= 0.0101 * (system.H * s * s).sum(axis=(1, 2))).all()
    assert (longest <= 1.01 * max(1, factor * far)).all()


def test_a_preconditioner_that_is_far_too_large_somewhere_shows():
    system = System(1.0, 1000.0)
    g = np.zeros((1, 1, 30))
    g[0, 0, [3, 7]] = 1.0
    *_, longest, steps = conjugate_gradients(system, g, np.full(1, 1e-6), max_steps=50, floor=1e-30)
    assert longest[0] > 100
    assert steps[0] == 2


# -- single precision ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tol", [1e-2, 1e-12])
@pytest.mark.parametrize("bias", [{}, {"penalize_intercept": True}, {"fit_intercept": False}])
def test_problems_that_the_penalty_shows_to_be_near_are_near(bias, tol, monkeypatch):
    X, y = noisy(1000, 400)
    X = np.where(np.abs(X) < 1, 0, X + 1)
    lambds = np.array([0.1, 1.0, 10.0])
    problems = LinearProblems(
        (1.0 - 2.0 * y)[:, None, None], 1, np.ones((1000, 1)), lambds, fold=np.zeros(3, int), **bias
    )

    def J(W, b, lambd):
        return cost(W, b, X, y, lambd, penalize_intercept=problems.penalize_intercept)

    known, near_places = TruncatedNewton._known_to_be_near, []

    def spy(newton, params, gradient):
        near = known(newton, params, gradient)
        near_places.extend(zip(newton.penalty.lambd[near], params[near], strict=True))
        assert not problems.free_bias or (np.abs(gradient[near, :, -1]) < 1e-7).all()
        return near

    with RowBlocks(sp.csr_array(X), n_scores=3) as rows:
        best = solve_newton(problems, rows, tol=1e-14, max_iter=1000)
        monkeypatch.setattr(TruncatedNewton, "_known_to_be_near", spy)
        fit = solve_newton(problems, rows, tol=tol, max_iter=1000)
        columns = Columns.scaled(rows, intercept=problems.fit_intercept, centred=problems.free_bias)
    assert fit.converged.all()
    least = dict(zip(lambds, map(J, best.W, best.b, lambds), strict=True))
    assert near_places
    for lambd, theta in near_places:
        (W,), (b,) = columns.to_model(theta[None])
        assert J(W, b, lambd) <= least[lambd] + 1.001 * tol + 1e-15


# -- other Hessians, other ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_row_space_hessian_solves_its_system(fit_intercept):
    X, y = noisy(40, 40)
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None],
        n_score_rows=1,
        weights=np.column_stack([np.ones(40), np.arange(40) % 3]),
        lambd=np.array([0.1, 1.0, 10.0]),
        fit_intercept=fit_intercept,
        fold=np.array([0, 0, 1]),
    )
    rows, columns = RowBlocks(X, n_scores=3), Columns.unscaled(40, intercept=fit_intercept)
    objective, penalty = problems.objective(rows, columns), problems.penalty(columns)
    theta = 0.1 * np.random.default_rng(0).standard_normal((3, 1, 40 + fit_intercept))
    _, slope = slope_at(objective, penalty, theta)
    hessian = RowSpaceHessian(rows, problems.share)
    hessian.build(objective, penalty, theta)
    for some in (np.arange(3), np.array([2, 0])):
        s = np.zeros_like(slope)
        s[some] = hessian.solve(slope[some], some)
        product = objective.hessian_product(s[some], some)
        assert_allclose(product + penalty.curvature(theta)[some] * s[some], slope[some], atol=1e-11)


@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [(120, 6), (3000, 30), (30, 60)])
def test_a_batch_that_may_take_few_steps_says_so(max_iter, n_classes, shape):
    X, y = noisy(*shape, n_classes)
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None],
        n_score_rows=1 if n_classes == 2 else n_classes,
        weights=np.ones((len(y), 1)),
        lambd=np.logspace(-2, 2, 10),
        fold=np.zeros(10, dtype=int),
    )
    with RowBlocks(X, n_scores=10 * problems.n_score_rows) as rows:
        fit = solve_newton(problems, rows, tol=1e-12, max_iter=max_iter)
    assert np.isfinite(fit.W).all()
    assert (fit.n_iter <= max_iter).all()
    assert (fit.converged <= (fit.dual_gap <= 1e-6)).all()


def test_the_certificate_is_that_of_the_weights_as_they_are_rounded():
    X, y = noisy(200, 5)
    model = L2LogisticRegression(lambd=0.1).fit(X.astype(np.float32), y)
    X = X.astype(np.float32).astype(float)
    assert model.loss_curve_[-1] == pytest.approx(float(cost(model.coef_, model.intercept_, X, y, 0.1)), rel=1e-14)
    assert model.dual_gap_ == pytest.approx(certified_gap(model, X, y, 0.1), rel=0.05, abs=0)


def test_falling_back_to_zero_is_not_called_converged():
    X, y = noisy(60, 3)
    problems = LinearProblems((1.0 - 2.0 * y)[:, None, None], 1, np.ones((60, 1)), np.array([1.0]))
    rows = RowBlocks(X)
    columns = Columns.scaled(rows, intercept=True, centred=True)
    worse = LinearFit(
        np.full((1, 1, 3), 50.0),
        np.zeros((1, 1)),
        np.array([3]),
        [[(0.7, 0.0), (9.0, 1.0)]],
        *np.array([[True], [False]]),
        np.array([0.0]),
    )
    fit = no_worse_than_zero(problems, rows, columns, worse)
    assert not fit.converged[0]
    assert not fit.W.any()
    share = y.mean()
    assert fit.losses[0][-1][0] == pytest.approx(-share * np.log(share) - (1 - share) * np.log(1 - share))
    assert fit.dual_gap[0] > 0


def test_a_fit_goes_on_where_its_certificate_says_more_than_its_estimate():
    """On columns whose scales differ much, J within 1e-13 of the optimum leaves much of a gradient."""
    X, y = noisy(500, 15)
    model = L2LogisticRegression(lambd=0.01).fit(badly_scaled(X), y)
    assert model.dual_gap_ <= model.tol
    assert len(model.loss_curve_) == len(model.penalty_curve_) == model.n_iter_[0] + 1
    assert all(np.diff(model.loss_curve_) <= 0)

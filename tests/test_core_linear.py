"""The core of the linear models: derivatives, batches of problems, row blocks, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from common import badly_scaled, cost, early, noisy
from common import gradient as gradient_formula
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_l2 import DivergenceError, L2LogisticRegression
from sklearn_l2.descent import rows as rows_module
from sklearn_l2.descent.columns import Columns
from sklearn_l2.descent.plain_descent import solve_gradient_descent
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks, even_sample, sample_along
from sklearn_l2.descent.solve import solve_newton
from sklearn_l2.descent.threads import available_threads, one_blas_thread

LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
    "CSR": sp.csr_array,
    "CSR, float32": lambda X: sp.csr_array(X.astype(np.float32)),
    "every second row and column": lambda X: np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2],
}

each_layout = pytest.mark.parametrize("layout", LAYOUTS)
each_number_of_classes = pytest.mark.parametrize("n_classes", [2, 3])


def linear_problems(y, weights, lambd, **options):
    """The core's problems for class codes y, weights (n, P) and lambd (P,)."""
    n_classes = y.max() + 1
    target = (1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None]
    lambd = np.asarray(lambd, dtype=float)
    return LinearProblems(target, 1 if n_classes == 2 else n_classes, weights, lambd, **options)


# -- derivatives -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["objective", "standardized"])
def at_random(layout, n_classes, request):
    """Three problems in scaled columns, at a random point: (X, y, problems, columns, objective, penalty, theta)."""
    rng = np.random.default_rng(5)
    X, y = noisy(50, 4, n_classes)
    X[np.abs(X) < 0.4] = 0
    X = (X * [1, 10, 0.1, 2]).astype(np.float32).astype(float)  # exact in float32
    blocks = RowBlocks(LAYOUTS[layout](X), n_scores=3)
    problems = linear_problems(y, rng.uniform(0, 2, (50, 3)) * (rng.random((50, 3)) < 0.8), [0.5, 2.0, 0.0])
    columns = Columns(np.array([1.0, -2, 0, 0.3]), np.array([1.0, 0.25, 8, 0.5]), True)
    theta = rng.standard_normal((3, problems.n_score_rows, 5))
    objective = getattr(problems, request.param)(blocks, columns)
    return X, y, problems, columns, objective, problems.penalty(columns), theta


@each_layout
@each_number_of_classes
def test_value_and_gradient_are_the_formulas(at_random):
    X, y, problems, columns, objective, penalty, theta = at_random
    value, slope = objective.gradient(theta)
    value = value + penalty.value(theta)
    penalty.add_gradient(theta, slope)
    W, b = columns.to_model(theta)
    for p in range(3):
        s, lambd = problems.weights[:, p], problems.lambd[p]
        assert value[p] == pytest.approx(float(cost(W[p], b[p], X, y, lambd, s)), rel=1e-13)
        dW, db = gradient_formula(W[p], b[p], X, y, lambd, s)
        # W = theta * inverse_scale and b = bias - W @ centre: the chain rule.
        assert_allclose(slope[p, :, :-1], (dW - np.outer(db, columns.centre)) * columns.inverse_scale, rtol=1e-11)
        assert_allclose(slope[p, :, -1], db.astype(float), rtol=1e-11)
    assert_allclose(columns.from_model(W, b), theta, rtol=1e-12)


@each_layout
@each_number_of_classes
def test_the_gradient_is_the_finite_difference_of_the_value(at_random):
    _, _, _, _, objective, penalty, theta = at_random

    def J(theta):
        objective.set_scores(objective.compute_scores(theta))
        return objective.loss() + penalty.value(theta)

    _, slope = objective.gradient(theta)
    penalty.add_gradient(theta, slope)
    h = 1e-5
    for index in np.ndindex(theta.shape[1:]):
        step = np.zeros_like(theta)
        step[:, *index] = h
        assert_allclose(slope[:, *index], (J(theta + step) - J(theta - step)) / (2 * h), rtol=1e-6, atol=1e-9)


@each_layout
@each_number_of_classes
def test_the_hessian_is_the_finite_difference_of_the_gradient(at_random):
    _, _, _, _, objective, penalty, theta = at_random

    def slope_at(theta):
        _value, slope = objective.gradient(theta)
        penalty.add_gradient(theta, slope)
        return slope

    h = 1e-5
    diagonal = np.zeros_like(theta)
    some = np.array([0, 2])
    for index in np.ndindex(theta.shape[1:]):
        step = np.zeros_like(theta)
        step[:, *index] = h
        difference = (slope_at(theta + step) - slope_at(theta - step)) / (2 * h)
        slope_at(theta)
        product = objective.hessian_product(step / h, np.arange(3))
        assert_allclose(product + penalty.curvature(theta) * step / h, difference, rtol=1e-6, atol=1e-9)
        assert_allclose(
            objective.score_changes(step / h),
            (objective.compute_scores(theta + step / h) - objective.compute_scores(theta)),
            atol=1e-12,
        )
        assert_allclose(objective.hessian_product(step[some] / h, some), product[some], rtol=1e-13)
        diagonal[:, *index] = product[:, *index]
    assert_allclose(objective.hessian_diagonal(), diagonal, rtol=1e-9, atol=1e-14)


@each_layout
@each_number_of_classes
def test_scores_moved_along_are_the_scores_at_the_new_point(at_random):
    *_, objective, _, theta = at_random
    rng = np.random.default_rng(0)
    objective.gradient(theta)
    here = objective.scores.copy()
    step, length = rng.standard_normal(theta.shape), np.array([1.0, 0.5, 0.0])
    change = objective.compute_scores(step)
    ahead = objective.loss_after(here, change, length, np.arange(len(length)))
    assert_allclose(objective.loss_after(here, change, length, np.array([0, 2])), ahead[[0, 2]], rtol=1e-14)
    objective.move(change, length)
    moved = theta + length[:, None, None] * step
    value, slope = objective.gradient(moved)
    assert_allclose(ahead, value, rtol=1e-14)
    fresh, fresh_slope = objective.gradient(moved)  # nobody has moved the scores: computed anew
    assert_allclose(value, fresh, rtol=1e-13)
    assert_allclose(slope, fresh_slope, rtol=1e-10, atol=1e-15)


# -- a batch of problems ---------------------------------------------------------------------------------------------


def fold_weights(n_rows, n_folds):
    """(n_rows, n_folds) 1 in the training part, 0 in the test part; the last problem counts every row 0 to 3 times."""
    rng = np.random.default_rng(0)
    weights = (np.arange(n_rows)[:, None] % n_folds != np.arange(n_folds)).astype(float)
    return np.column_stack([weights, rng.integers(0, 4, n_rows)])


BATCHES = {
    "tall": lambda K: noisy(400, 6, K),
    "badly scaled": lambda K: (badly_scaled(noisy(400, 6, K)[0]), noisy(400, 6, K)[1]),
    "wide": lambda K: noisy(30, 60, K),
    "sparse": lambda K: (sp.random(200, 150, density=0.1, random_state=0, format="csr"), noisy(200, 2, K)[1]),
    "sampled first": lambda K: noisy(8000, 10, K),
}


@each_number_of_classes
@pytest.mark.parametrize("shape", BATCHES)
@pytest.mark.parametrize("options", [{}, {"penalize_intercept": True}, {"fit_intercept": False}], ids=str)
def test_a_batch_is_its_single_fits(shape, n_classes, options):
    X, y = BATCHES[shape](n_classes)
    lambd = [0.01, 1.0, 30.0, 1e12]
    problems = linear_problems(y, fold_weights(len(y), 3), lambd, **options)
    batch = solve_newton(problems, RowBlocks(X, n_scores=4 * problems.n_score_rows), tol=1e-12, max_iter=100)
    for p in range(4):
        single = L2LogisticRegression(lambd=lambd[p], **options).fit(X, y, problems.weights[:, p])
        # Both end within 1e-12 of the minimum of a function with curvature lambda/m.
        distance = 2 * np.sqrt(2 * 1e-12 * problems.m[p] / lambd[p])
        assert np.linalg.norm(batch.W[p] - single.coef_) <= distance
        assert batch.losses[p][-1][0] == pytest.approx(single.loss_curve_[-1], abs=1e-12)
        assert batch.dual_gap[p] <= 1e-8
        assert len(batch.losses[p]) == batch.n_iter[p] + 1
    assert batch.converged.all()


@each_number_of_classes
def test_a_batch_is_its_single_fits_at_lambda_zero(n_classes):
    X, y = noisy(300, 4, n_classes)
    problems = linear_problems(y, np.ones((300, 2)), [0.0, 1.0])
    batch = solve_newton(problems, RowBlocks(X), tol=1e-12, max_iter=100)
    assert_allclose(batch.W[0], L2LogisticRegression(lambd=0).fit(X, y).coef_, atol=1e-5)
    assert_allclose(batch.W[1], L2LogisticRegression(lambd=1).fit(X, y).coef_, atol=1e-5)
    assert batch.dual_gap[0] == np.inf


@each_number_of_classes
def test_a_batch_of_gradient_descents(n_classes):
    X, y = noisy(100, 4, n_classes)
    lambd = [0.0, 1.0, 50.0]
    problems = linear_problems(y, fold_weights(100, 2), lambd)
    batch = solve_gradient_descent(problems, RowBlocks(X), learning_rate=0.5, tol=1e-10, max_iter=200)
    for p in range(3):
        single = L2LogisticRegression(lambd=lambd[p], solver="gd", learning_rate=0.5, tol=1e-10, max_iter=200)
        early(single, X, y, problems.weights[:, p])
        assert_allclose(batch.W[p], single.coef_, rtol=1e-12, atol=1e-15)
        assert_allclose(batch.losses[p], list(zip(single.loss_curve_, single.penalty_curve_, strict=True)), rtol=1e-12)
    assert batch.n_iter[2] < batch.n_iter[0] == 200  # the finished ones left early


# -- row blocks ------------------------------------------------------------------------------------------------------


@each_layout
@pytest.mark.parametrize(("n_rows", "n_columns"), [(1, 1), (100, 3), (1000, 7), (40, 500)])
def test_row_blocks_cover_every_row_once(layout, n_rows, n_columns, monkeypatch):
    monkeypatch.setattr(rows_module, "_BLOCK_ELEMENTS", 256)
    X = np.random.default_rng(0).standard_normal((n_rows, n_columns)).astype(np.float32)
    r = np.random.default_rng(1).standard_normal((n_rows, 2))
    blocks = RowBlocks(LAYOUTS[layout](X), n_scores=2, n_threads=2)

    def add(block, rows, total, count):
        total += block.T @ r[rows]
        count += 1

    with blocks:
        total, count = blocks.sum_blocks(add, (n_columns, 2), (1,))
    assert_allclose(total, X.T.astype(float) @ r, rtol=1e-12, atol=1e-13)
    assert count[0] == len(blocks.slices)
    assert n_rows < 64 or len(blocks.slices) > 1
    assert sorted(k for group in blocks.groups for k in group) == list(range(len(blocks.slices)))


@each_number_of_classes
@pytest.mark.parametrize("shape", BATCHES)
def test_the_size_of_row_blocks_does_not_matter(shape, n_classes, monkeypatch):
    X, y = BATCHES[shape](n_classes)
    model = L2LogisticRegression().fit(X, y)
    for size in (1, 1000):
        monkeypatch.setattr(rows_module, "_BLOCK_ELEMENTS", size)
        other = L2LogisticRegression().fit(X, y)
        assert other.n_iter_[0] <= model.n_iter_[0] + 1
        assert np.linalg.norm(other.coef_ - model.coef_) <= 2 * np.sqrt(2 * 1e-12 * len(y))
        assert other.loss_curve_[-1] == pytest.approx(model.loss_curve_[-1], abs=1e-12)


# -- threads ---------------------------------------------------------------------------------------------------------

LARGE = {
    "dense": lambda: noisy(30_000, 30),
    "float32": lambda: (noisy(30_000, 30)[0].astype(np.float32), noisy(30_000, 30)[1]),
    "F order": lambda: (np.asfortranarray(noisy(30_000, 30)[0]), noisy(30_000, 30)[1]),
    "softmax": lambda: noisy(40_000, 30, 4),
    "CSR": lambda: (
        # A generator: from a mere seed SciPy shuffles all 72 million places first.
        sp.random(8000, 9000, density=0.015, random_state=np.random.default_rng(0), format="csr"),
        noisy(8000, 2)[1],
    ),
    "wide": lambda: noisy(1500, 1600),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_thread_count_does_not_change_a_bit(name, monkeypatch):
    X, y = LARGE[name]()
    started = []

    class Recorded(ThreadPoolExecutor):
        def __init__(self, n):
            started.append(n)
            super().__init__(n)

    monkeypatch.setattr(rows_module, "ThreadPoolExecutor", Recorded)
    fits = []
    for n_threads in (1, 2, 3, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            fits.append(early(L2LogisticRegression(max_iter=4), X, y))
            assert max(started, default=0) == n_threads - 1
        started.clear()
    for fit in fits[1:]:
        assert_array_equal(fit.coef_, fits[0].coef_)
        assert_array_equal(fit.intercept_, fits[0].intercept_)
        assert fit.loss_curve_ == fits[0].loss_curve_
        assert fit.dual_gap_ == fits[0].dual_gap_


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_blas_has_its_threads_back_after_a_fit(n_threads, solver):
    X, y = noisy(100, 4)
    with threadpool_limits(n_threads, user_api="blas"):
        before = blas_threads()
        assert before
        early(L2LogisticRegression(solver=solver, max_iter=20), X, y)
        assert blas_threads() == before
        with pytest.raises(DivergenceError):
            L2LogisticRegression(solver="gd", learning_rate=1e9).fit(X, y)
        assert blas_threads() == before


def test_blas_is_held_to_one_thread_during_a_fit(monkeypatch):
    X, y = noisy(100, 4)
    seen = []
    sum_blocks = RowBlocks.sum_blocks
    monkeypatch.setattr(
        RowBlocks, "sum_blocks", lambda *args, **kwargs: (seen.extend(blas_threads()), sum_blocks(*args, **kwargs))[1]
    )
    with threadpool_limits(2, user_api="blas"):
        L2LogisticRegression().fit(X, y)
    assert set(seen) == {1}


def test_overlapping_fits_leave_blas_as_it_was():
    data = [noisy(2000, 20, 2 + seed % 2, seed=seed) for seed in range(12)]
    alone = [L2LogisticRegression().fit(X, y) for X, y in data]

    def fit(k):
        if k % 4 == 3:
            with pytest.raises(DivergenceError):
                L2LogisticRegression(solver="gd", learning_rate=1e9).fit(*data[k])
        return L2LogisticRegression().fit(*data[k])

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with ThreadPoolExecutor(4) as pool:
            overlapping = list(pool.map(fit, range(12)))
        assert blas_threads() == before
    for one, other in zip(overlapping, alone, strict=True):
        # Not to the bit: outside of the main thread numpy 1 rounds some sums in another way.
        assert_allclose(one.coef_, other.coef_, rtol=1e-11, atol=1e-13)


def test_the_last_of_several_users_restores_the_blas_threads():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        assert available_threads() == 1
        second.__exit__(None, None, None)
        assert blas_threads() == before
        assert available_threads() == 2


def test_an_error_in_a_helper_thread_is_raised():
    def fail(block, rows):
        if rows.start > 0:
            raise RuntimeError("from a block")

    with RowBlocks(np.zeros((10_000, 100)), n_threads=2) as blocks, pytest.raises(RuntimeError, match="from a block"):
        blocks.sum_blocks(fail)


def test_rows_are_drawn_as_often_as_their_weight_asks():
    weight = np.zeros(1000)
    weight[100:200], weight[500] = 1.0, 300.0
    indices, each = sample_along(weight, 40)
    assert each == 10.0
    assert_allclose(np.bincount(indices, minlength=1000) * each, weight, rtol=0, atol=2 * each)
    assert (weight[indices] > 0).all()
    assert_array_equal(sample_along(np.ones(1000), 40)[0], even_sample(1000, 40))
    assert_array_equal(sample_along(np.zeros(1000), 40)[0], even_sample(1000, 40))


def test_a_sample_holds_a_rare_class_and_counts_its_rows_once():
    codes = np.arange(20_000) % 1000 == 0
    problems = LinearProblems((1.0 - 2.0 * codes)[:, None, None], 1, np.ones((len(codes), 1)), np.array([1.0]))
    indices, counts = problems.draw_rows(500, most=1000)
    assert 500 < len(indices) == len(np.unique(indices)) <= 1000 + codes.sum()
    assert codes[indices].sum() == codes.sum()
    assert_allclose(counts[codes[indices]], 1)
    assert_allclose(counts.sum(), len(codes))
    sample = problems.take(indices, counts)
    assert_allclose(sample.class_shares, problems.class_shares)
    assert_allclose(sample.lambd, problems.lambd)

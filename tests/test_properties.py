"""What must hold for all inputs of L2LogisticRegression."""

import warnings

import numpy as np
import scipy.sparse as sp
from common import early
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.exceptions import ConvergenceWarning

from sklearn_l2 import L2LogisticRegression

few = settings(max_examples=40)


@st.composite
def data_sets(draw, max_rows=40, max_columns=6):
    """X (n, p) on a few scales with repeated values, and class codes of 2 or 3 classes that are all there."""
    n_classes = draw(st.integers(2, 3))
    n_rows = draw(st.integers(max(n_classes, 4), max_rows))
    n_columns = draw(st.integers(1, max_columns))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_columns))
    if draw(st.booleans()):
        X = np.round(X)
    X *= 10.0 ** np.array(draw(st.lists(st.sampled_from([-2, 0, 1]), min_size=n_columns, max_size=n_columns)))
    y = rng.integers(0, n_classes, n_rows)
    y[:n_classes] = np.arange(n_classes)
    return X, y


lambdas = st.sampled_from([0.01, 0.3, 1.0, 20.0, 1e4])
seeds = st.integers(0, 2**32 - 1)


def fit(X, y, lambd, sample_weight=None, **options):
    return L2LogisticRegression(lambd=lambd, **options).fit(X, y, sample_weight)


def slack(lambd, m):
    """How far two fits' W may lie apart: each J is within 1e-12 of the minimum of a function of curvature lambda/m."""
    return 2 * np.sqrt(2 * 1e-12 * m / lambd)


def assert_same_model(model, other, lambd, m, *, columns=slice(None), scale=1.0):
    assert np.linalg.norm(model.coef_[:, columns] - scale * other.coef_) <= slack(lambd, m) + 1e-12


@few
@given(data_sets(), lambdas, seeds)
def test_an_integer_weight_is_a_repeated_row(data, lambd, seed):
    X, y = data
    s = np.random.default_rng(seed).integers(0, 4, len(y))
    s[: y.max() + 1] = np.maximum(s[: y.max() + 1], 1)
    weighted, repeated = fit(X, y, lambd, s), fit(X.repeat(s, axis=0), y.repeat(s), lambd)
    assert_same_model(weighted, repeated, lambd, s.sum())
    assert abs(weighted.loss_curve_[-1] - repeated.loss_curve_[-1]) <= 1e-12


@few
@given(data_sets(), lambdas, st.sampled_from([1e-6, 0.5, 7.0, 1e6]))
def test_weights_and_lambd_have_a_common_unit(data, lambd, factor):
    X, y = data
    s = np.full(len(y), factor)
    assert_same_model(fit(X, y, lambd * factor, s), fit(X, y, lambd), lambd, len(y))


@few
@given(data_sets(), lambdas, seeds)
def test_the_order_of_columns_does_not_matter(data, lambd, seed):
    X, y = data
    order = np.random.default_rng(seed).permutation(X.shape[1])
    assert_same_model(fit(X, y, lambd), fit(X[:, order], y, lambd), lambd, len(y), columns=order)


@few
@given(data_sets(), lambdas, seeds)
def test_the_order_of_rows_does_not_matter(data, lambd, seed):
    X, y = data
    order = np.random.default_rng(seed).permutation(len(y))
    assert_same_model(fit(X, y, lambd), fit(X[order], y[order], lambd), lambd, len(y))


@few
@given(data_sets(), lambdas, seeds)
def test_the_names_of_the_classes_do_not_matter(data, lambd, seed):
    """Two classes that change places change the sign, more move their rows."""
    X, y = data
    new = np.random.default_rng(seed).permutation(y.max() + 1)
    model, other = fit(X, y, lambd), fit(X, new[y], lambd)
    expected = other.coef_[new] if len(new) > 2 else other.coef_ * (1 if new[0] == 0 else -1)
    assert np.linalg.norm(model.coef_ - expected) <= slack(lambd, len(y)) + 1e-12
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X)[:, new], atol=1e-5)


@few
@given(data_sets(), lambdas, st.sampled_from([1e-100, 1e-3, -1.0, 0.1, 1e5, 1e100]))
def test_scaling_x_by_a_and_lambd_by_its_square_leaves_the_probabilities_alone(data, lambd, a):
    X, y = data
    model, other = fit(X, y, lambd), fit(a * X, y, a**2 * lambd)
    np.testing.assert_allclose(other.predict_proba(a * X), model.predict_proba(X), atol=2e-5)
    assert_same_model(model, other, lambd, len(y), scale=a)


@few
@given(data_sets(), st.lists(st.floats(1e-3, 1e6), min_size=2, max_size=5, unique=True))
def test_a_larger_lambd_gives_smaller_weights_and_a_larger_loss(data, grid):
    X, y = data
    grid = sorted(grid)
    models = [fit(X, y, lambd) for lambd in grid]
    norms = [np.linalg.norm(model.coef_) for model in models]
    for a, b, k in zip(grid, grid[1:], range(len(grid)), strict=False):
        # Each norm may be off by sqrt(2 gap m/lambda), and each loss by what that moves the penalty, and the gap.
        error = [np.sqrt(2 * model.dual_gap_ * len(y) / lambd) for model, lambd in zip(models, grid, strict=True)]
        assert norms[k + 1] <= norms[k] + error[k] + error[k + 1] + 1e-14
        losses = [
            model.loss_curve_[-1] - lambd / (2 * len(y)) * norm**2
            for model, lambd, norm in zip(models, grid, norms, strict=True)
        ]
        moved = sum(
            models[i].dual_gap_ + lambd / (2 * len(y)) * error[i] * (2 * norms[i] + error[i])
            for i, lambd in ((k, a), (k + 1, b))
        )
        assert losses[k] <= losses[k + 1] + moved + 1e-14


@few
@given(data_sets(), lambdas)
def test_float32_is_close_to_float64(data, lambd):
    X, y = data
    X = X.astype(np.float32)
    single, double = fit(X, y, lambd), fit(X.astype(float), y, lambd)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-6, atol=slack(lambd, len(y)) + 1e-30)
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=1e-4)


@few
@given(data_sets(), lambdas, st.sampled_from([sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix]), st.booleans())
def test_sparse_is_dense(data, lambd, container, fit_intercept):
    X, y = data
    X = np.where(np.abs(X) < np.median(np.abs(X)), 0.0, X)
    dense = fit(X, y, lambd, fit_intercept=fit_intercept)
    sparse = fit(container(X), y, lambd, fit_intercept=fit_intercept)
    assert_same_model(dense, sparse, lambd, len(y))
    np.testing.assert_allclose(
        sparse.decision_function(container(X)), sparse.decision_function(X), rtol=1e-9, atol=1e-12
    )


@few
@given(data_sets(), lambdas, seeds)
def test_csr_with_repeated_unsorted_and_stored_zero_entries(data, lambd, seed):
    X, y = data
    rng = np.random.default_rng(seed)
    n_rows, n_columns = X.shape
    columns = np.concatenate([rng.permutation(np.r_[:n_columns, :n_columns]) for _ in range(n_rows)])
    values = X[np.repeat(np.arange(n_rows), 2 * n_columns), columns] / 2  # each entry twice, half of it
    odd = sp.csr_array((values, columns.astype(np.int64), np.arange(0, len(columns) + 1, 2 * n_columns)), X.shape)
    before = odd.copy()
    assert_same_model(fit(odd, y, lambd), fit(X, y, lambd), lambd, len(y))
    np.testing.assert_array_equal(odd.data, before.data)
    np.testing.assert_array_equal(odd.indices, before.indices)


@few
@given(data_sets(), lambdas, seeds)
def test_a_row_of_weight_zero_does_not_count(data, lambd, seed):
    X, y = data
    rng = np.random.default_rng(seed)
    s = np.r_[np.ones(len(y)), np.zeros(3)]
    other = fit(np.vstack([X, rng.standard_normal((3, X.shape[1])) * 1e3]), np.r_[y, rng.integers(0, 2, 3)], lambd, s)
    assert_same_model(fit(X, y, lambd), other, lambd, len(y))


@few
@given(data_sets(), lambdas)
def test_fitting_twice_gives_the_same_bits(data, lambd):
    X, y = data
    model, other = fit(X, y, lambd, random_state=1), fit(X, y, lambd, random_state=2)
    np.testing.assert_array_equal(model.coef_, other.coef_)
    np.testing.assert_array_equal(model.intercept_, other.intercept_)
    # BLAS sums columns that lie apart in another order.
    np.testing.assert_allclose(model.coef_, fit(np.asfortranarray(X), y, lambd).coef_, rtol=1e-9, atol=1e-12)


@few
@given(data_sets(), lambdas)
def test_the_gap_bounds_the_distance_to_any_other_model(data, lambd):
    """An early stop may not claim to be nearer to the optimum than it is; the full fit is known to be below."""
    X, y = data
    full = fit(X, y, lambd)
    for options in ({"max_iter": 1}, {"max_iter": 2}, {"solver": "gd", "learning_rate": 1e-6, "max_iter": 3}):
        stopped = early(L2LogisticRegression(lambd=lambd, **options), X, y)
        assert stopped.loss_curve_[-1] - full.loss_curve_[-1] <= stopped.dual_gap_ + 1e-14


# -- any finite X ----------------------------------------------------------------------------------------------------

magnitudes = st.floats(1e-150, 1e150) | st.floats(-1e150, -1e-150)
any_finite = st.sampled_from([0.0, 1.0, -1.0, 1e150, -1e150, 1e-150, 5e-324]) | magnitudes
any_lambd = st.sampled_from([0.0, 1e-300, 1e-12, 1.0, 1e12, 1e300]) | st.floats(0, 1e300)


@st.composite
def extreme_data_sets(draw, elements=any_finite):
    n_classes = draw(st.integers(2, 3))
    shape = draw(st.tuples(st.integers(n_classes, 8), st.integers(1, 10)))
    X = draw(arrays(np.float64, shape, elements=elements))
    y = draw(arrays(np.int64, shape[0], elements=st.integers(0, n_classes - 1)))
    y[:n_classes] = np.arange(n_classes)
    return X, y


huge_and_separable = np.zeros((3, 5))
huge_and_separable[[0, 1, 2], [4, 3, 2]] = 8.09865312e148, -1e150, -1e150
huge_in_places = np.ones((7, 8))
huge_in_places[[1, 1, 3], [1, 2, 0]] = -1e150, -1e150, -5.14184587e148


@settings(max_examples=150)
@given(extreme_data_sets(), any_lambd, st.booleans(), st.booleans())
@example((huge_and_separable, np.arange(3)), 1.1125369292536007e-308, True, False)  # p (1 - p) was rounded to 0
@example((huge_in_places, np.array([0, 1, 0, 0, 0, 0, 0])), 1e-300, False, False)  # a step was not a number
@example((np.where(np.arange(10).reshape(5, 2) > 0, 1e-150, 0), np.arange(5) % 5 == 1), 0.0, True, True)  # ||W||
def test_any_finite_x_and_any_lambd_give_finite_weights(data, lambd, fit_intercept, sparse):
    X, y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fit(sp.csr_array(X) if sparse else X, y, lambd, fit_intercept=fit_intercept)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert np.isfinite(model.loss_curve_).all()
    assert model.loss_curve_[-1] <= model.loss_curve_[0] + 1e-12
    if lambd > 0:
        assert model.dual_gap_ >= 0

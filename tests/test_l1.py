"""L1LogisticRegression: the optimum and zero pattern of independent solvers, certified, whatever the data look like."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_l2.descent import proximal, working_set
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.quadratic import Minimum, minimize_quadratic
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.solve_l1 import solve_proximal_newton
from sklearn_l2.descent.working_set import GramHessian
from sklearn_l2.l1 import L1LogisticRegression
from sklearn_l2.logistic import L2LogisticRegression


@parametrize_with_checks([L1LogisticRegression()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# -- oracles, in plain numpy ------------------------------------------------------------------------------------------


def cost(W, b, X, y, lambd, s=None):
    """J = (1/m) sum_i s_i loss_i + lambda/m ||W||_1 for codes y."""
    s = np.ones(len(y)) if s is None else s
    scores = X @ W.T + b
    if len(W) == 1:
        loss = np.logaddexp(0, (1 - 2 * y) * scores[:, 0])
    else:
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), y]
    return (s @ loss + lambd * np.abs(W).sum()) / s.sum()


def slopes(W, b, X, y, s=None):
    """G = sum_i s_i r_i x_i (K, n_features) and sum_i s_i r_i (K,), with residuals r = p - e_y."""
    s = np.ones(len(y)) if s is None else s
    scores = X @ W.T + b
    r = expit(scores) - y[:, None] if len(W) == 1 else softmax(scores, axis=1) - np.eye(len(W))[y]
    r = s[:, None] * r
    return r.T @ X, r.sum(axis=0)


def fista(X, y, lambd, *, fit_intercept=True, n_iter=20_000):
    """Accelerated proximal gradient descent (Beck and Teboulle 2009) with restarts."""
    K = 1 if y.max() == 1 else y.max() + 1
    m, n = X.shape
    A = np.hstack([X, np.full((m, 1), float(fit_intercept))])
    step = (4 if K == 1 else 2) * m / np.linalg.norm(A, 2) ** 2
    V = old = np.zeros((K, n + 1))
    t = 1.0
    for _ in range(n_iter):
        G, g = slopes(V[:, :n], V[:, n], X, y)
        new = V - step / m * np.hstack([G, g[:, None] * fit_intercept])
        new[:, :n] = np.sign(new[:, :n]) * np.maximum(np.abs(new[:, :n]) - step / m * lambd, 0)
        if np.abs(new - old).max() < 1e-14 and np.abs(new - V).max() < 1e-14:
            break
        if np.sum((V - new) * (new - old)) > 0:
            t = 1.0
        t_next = (1 + np.sqrt(1 + 4 * t * t)) / 2
        V, old, t = new + (t - 1) / t_next * (new - old), new, t_next
    return old[:, :n], old[:, n]


def assert_optimal(model, X, y, lambd, s=None, *, tolerance=1e-6):
    """The conditions that hold at the optimum and nowhere else: |G| <= lambda, and G = -lambda sign(w) where w != 0."""
    codes = np.searchsorted(model.classes_, y)
    X = X.toarray() if sp.issparse(X) else X
    G, g = slopes(model.coef_, model.intercept_, X, codes, s)
    active = model.coef_ != 0
    np.testing.assert_allclose(G[active], -lambd * np.sign(model.coef_[active]), rtol=tolerance, atol=0)
    assert np.abs(G).max() <= lambd * (1 + tolerance)
    if model.fit_intercept:
        assert np.abs(g).max() <= tolerance * lambd / max(np.abs(X).max(), 1)


def classes(n_classes, n_samples=80, n_features=12, seed=0):
    """Overlapping classes that depend on a few of the columns."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    scores = X[:, :3] @ rng.standard_normal((3, n_classes)) + 0.7 * rng.gumbel(size=(n_samples, n_classes))
    return X, scores.argmax(axis=1)


def l1_peer(solver, lambd, **parameters):
    """scikit-learn's L1 logistic regression, whose parameter changed its name."""
    l1 = {"l1_ratio": 1.0} if parse_version(sklearn.__version__) >= parse_version("1.8") else {"penalty": "l1"}
    return LogisticRegression(C=1 / lambd, solver=solver, **l1, **parameters)


# -- the optimum and its zeros ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("lambd", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_optimum_and_zeros_of_proximal_gradient_descent(n_classes, lambd, fit_intercept):
    X, y = classes(n_classes)
    model = L1LogisticRegression(lambd, fit_intercept=fit_intercept).fit(X, y)
    W, b = fista(X, y, lambd, fit_intercept=fit_intercept)
    assert model.loss_curve_[-1] == pytest.approx(cost(W, b, X, y, lambd), abs=1e-12)
    assert model.loss_curve_[-1] == pytest.approx(cost(model.coef_, model.intercept_, X, y, lambd), abs=1e-14)
    np.testing.assert_allclose(model.coef_, W, atol=1e-6)
    np.testing.assert_array_equal(model.coef_ != 0, W != 0)
    if fit_intercept:
        np.testing.assert_allclose(model.intercept_, b - (b.mean() if n_classes > 2 else 0), atol=1e-6)
    else:
        assert not model.intercept_.any()


@pytest.mark.parametrize("lambd", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("n_samples, n_features", [(300, 40), (60, 300)])
def test_optimum_and_zeros_of_liblinear(n_samples, n_features, lambd):
    X, y = make_classification(n_samples, n_features, n_informative=8, random_state=1)
    model = L1LogisticRegression(lambd, fit_intercept=False).fit(X, y)
    peer = l1_peer("liblinear", lambd, fit_intercept=False, tol=1e-11, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-6)
    np.testing.assert_array_equal(model.coef_ != 0, peer.coef_ != 0)
    assert 0 < np.count_nonzero(model.coef_) < n_features


@pytest.mark.parametrize("data", [load_iris, load_wine, load_breast_cancer])
def test_optimum_and_zeros_of_saga(data):
    X, y = data(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = L1LogisticRegression(3.0).fit(X, y)
    peer = l1_peer("saga", 3.0, tol=1e-9, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    np.testing.assert_array_equal(model.coef_ != 0, np.abs(peer.coef_) > 1e-5)
    assert 0 < np.count_nonzero(model.coef_) < model.coef_.size


@pytest.mark.parametrize("lambd", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("data", [load_iris, load_wine, load_breast_cancer, load_digits])
def test_raw_data_need_no_scaling(data, lambd):
    X, y = data(return_X_y=True)
    model = L1LogisticRegression(lambd).fit(X, y)  # a warning would be an error
    assert_optimal(model, X, y, lambd)
    assert model.dual_gap_ < 1e-8
    assert len(model.loss_curve_) == model.n_iter_[0] + 1
    # No step goes up, to the rounding of J.
    assert np.all(np.diff(model.loss_curve_) <= 1e-14)


def test_even_number_of_classes_takes_the_sparsest_of_equal_models():
    X, y = classes(4, n_samples=200)
    model = L1LogisticRegression(0.5).fit(X, y)
    W, b = fista(X, y, 0.5)
    assert model.loss_curve_[-1] == pytest.approx(cost(W, b, X, y, 0.5), abs=1e-12)
    assert_optimal(model, X, y, 0.5)
    assert (model.coef_ == 0).any(axis=0).all()
    assert np.count_nonzero(model.coef_) < np.count_nonzero(W)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_from_the_largest_slope_on_all_weights_are_zero(n_classes):
    X, y = classes(n_classes)
    shares = np.bincount(y) / len(y)
    b = np.log(shares[1:] / shares[:-1]) if n_classes == 2 else np.log(shares) - np.log(shares).mean()
    lambda_max = np.abs(slopes(np.zeros((len(b), X.shape[1])), b, X, y)[0]).max()
    for lambd in (lambda_max * (1 + 1e-9), 10 * lambda_max, 1e12):
        model = L1LogisticRegression(lambd).fit(X, y)
        assert not model.coef_.any()
        np.testing.assert_allclose(model.intercept_, b, atol=1e-14)
    assert np.count_nonzero(L1LogisticRegression(lambda_max * (1 - 1e-6)).fit(X, y).coef_) > 0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_shrink_and_zeros_multiply_as_lambd_grows(n_classes):
    X, y = classes(n_classes, n_samples=150, n_features=30)
    models = [L1LogisticRegression(lambd).fit(X, y) for lambd in np.geomspace(0.01, 1000, 16)]
    sizes = np.array([np.abs(model.coef_).sum() for model in models])
    losses = [cost(model.coef_, model.intercept_, X, y, 0) for model in models]
    assert np.all(np.diff(sizes) <= 1e-6) and np.all(np.diff(losses) >= -1e-9)
    zeros = [np.sum(model.coef_ == 0) for model in models]
    assert zeros[0] < zeros[6] < zeros[9] < zeros[-1] == models[0].coef_.size


def test_lambd_0_is_the_unpenalized_fit():
    X, y = classes(2)
    model = L1LogisticRegression(0.0).fit(X, y)
    np.testing.assert_allclose(model.coef_, L2LogisticRegression(0.0).fit(X, y).coef_, rtol=1e-12)
    assert not hasattr(model, "dual_gap_")
    with pytest.warns(ConvergenceWarning, match="separable"):
        L1LogisticRegression(0.0).fit(X, X[:, 0] > 0)


# -- the certificate --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_dual_gap_bounds_the_distance_from_the_optimum(n_classes, fit_intercept):
    X, y = classes(n_classes, n_samples=150)
    X = X * np.geomspace(0.1, 10, X.shape[1]) + 1
    optimum = L1LogisticRegression(0.5, fit_intercept=fit_intercept, tol=1e-16).fit(X, y).loss_curve_[-1]
    model = L1LogisticRegression(0.5, fit_intercept=fit_intercept, max_iter=1, warm_start=True)
    distances, gaps = [], []
    for _ in range(12):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        distances.append(cost(model.coef_, model.intercept_, X, y, 0.5) - optimum)
        gaps.append(model.dual_gap_)
    assert np.all(np.array(distances) <= np.array(gaps) + 1e-15)
    assert distances[0] > 1e-3 and distances[-1] < 1e-14 and gaps[-1] < 1e-8


def test_a_fit_cut_short_warns_with_its_bound():
    X, y = classes(2)
    with pytest.warns(ConvergenceWarning, match=r"max_iter=1\); J may lie up to"):
        L1LogisticRegression(0.1, max_iter=1).fit(X, y)


# -- what must not matter ---------------------------------------------------------------------------------------------


@given(data=st.data(), n_classes=st.sampled_from([2, 3]), lambd=st.floats(0.05, 10))
@settings(max_examples=20)
def test_weight_is_repetition(data, n_classes, lambd):
    X, y = classes(n_classes, n_samples=40, n_features=5)
    s = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y))))
    s[: 2 * n_classes] = 1  # every class keeps a weight
    y[:n_classes] = range(n_classes)
    weighted = L1LogisticRegression(lambd).fit(X, y, sample_weight=s)
    repeated = L1LogisticRegression(lambd).fit(np.repeat(X, s, axis=0), np.repeat(y, s))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-7)
    np.testing.assert_array_equal(weighted.coef_ != 0, repeated.coef_ != 0)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-7)
    assert_optimal(weighted, X, y, lambd, s)


def test_class_weight_is_row_weight():
    X, y = classes(3)
    weighted = L1LogisticRegression(0.5, class_weight={0: 2.0, 1: 0.5, 2: 1.0}).fit(X, y)
    assert_optimal(weighted, X, y, 0.5, np.array([2.0, 0.5, 1.0])[y])


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 100), n_classes=st.sampled_from([2, 3]))
@settings(max_examples=20)
def test_scale_order_and_names(scale, seed, n_classes):
    """X times a with lambd times a, other columns' and rows' order, other labels: the same probabilities and zeros."""
    X, y = classes(n_classes, seed=seed, n_samples=60, n_features=6)
    y[:n_classes] = range(n_classes)
    plain = L1LogisticRegression(0.5).fit(X, y)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    names = np.array(["one", "three", "two"])[:n_classes]
    other = L1LogisticRegression(0.5 * scale).fit(scale * X[rows][:, columns], names[y[rows]])
    np.testing.assert_allclose(other.coef_ * scale, plain.coef_[:, columns], atol=1e-7)
    np.testing.assert_array_equal(other.coef_ != 0, plain.coef_[:, columns] != 0)
    np.testing.assert_array_equal(other.predict(scale * X[:, columns]), names[plain.predict(X)])


@pytest.fixture(params=["few columns", "many columns"])
def sparse_path(request, monkeypatch):
    """Both ways sparse columns are treated: like dense ones where they are few, else by conjugate gradients."""
    if request.param == "many columns":
        monkeypatch.setattr(working_set, "_LARGEST_DENSE", 0)


@pytest.mark.usefixtures("sparse_path")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_is_dense(n_classes, fit_intercept):
    X, y = classes(n_classes, n_samples=300, n_features=40)
    X = np.where(np.random.default_rng(0).random(X.shape) < 0.3, X + 2, 0.0) * np.geomspace(0.1, 10, X.shape[1])
    dense = L1LogisticRegression(2.0, fit_intercept=fit_intercept).fit(X, y)
    for form in (sp.csr_matrix, sp.csc_array):
        model = L1LogisticRegression(2.0, fit_intercept=fit_intercept).fit(form(X), y)
        np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-7)
        np.testing.assert_array_equal(model.coef_ != 0, dense.coef_ != 0)
        np.testing.assert_allclose(model.predict_proba(form(X)), dense.predict_proba(X), atol=1e-8)
    assert 0 < np.count_nonzero(dense.coef_) < dense.coef_.size


@pytest.mark.usefixtures("sparse_path")
def test_sparse_columns_of_any_scale():
    """More of them than rows, and most of no use."""
    rng = np.random.default_rng(0)
    X = sp.random(200, 3000, 0.02, format="csr", random_state=0) @ sp.diags(10 ** rng.uniform(-2, 2, 3000))
    y = (X @ rng.standard_normal(3000) > 0).astype(int)
    model = L1LogisticRegression(0.05).fit(X, y)
    assert_optimal(model, X, y, 0.05)
    assert 20 < np.count_nonzero(model.coef_) < 300


@pytest.mark.parametrize("n_classes", [2, 3])
def test_float32_is_kept(n_classes):
    X, y = classes(n_classes)
    model = L1LogisticRegression(1.0).fit(X.astype(np.float32), y)
    reference = L1LogisticRegression(1.0).fit(X.astype(np.float32).astype(np.float64), y)
    assert model.coef_.dtype == model.intercept_.dtype == model.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-6)
    np.testing.assert_array_equal(model.coef_ != 0, reference.coef_ != 0)
    assert reference.loss_curve_[-1] <= model.loss_curve_[-1] <= reference.loss_curve_[-1] + model.dual_gap_
    assert model.dual_gap_ < 1e-6


def test_warm_start_begins_where_the_last_fit_ended():
    X, y = classes(3, n_samples=200, n_features=30)
    model = L1LogisticRegression(0.3, warm_start=True).fit(X, y)
    coef, cold = model.coef_, model.n_iter_[0]
    model.fit(X, y)
    assert model.n_iter_[0] == 1 < cold
    np.testing.assert_allclose(model.coef_, coef, atol=1e-9)
    model.set_params(lambd=0.25).fit(X, y)
    assert model.n_iter_[0] < cold
    np.testing.assert_allclose(model.coef_, L1LogisticRegression(0.25).fit(X, y).coef_, atol=1e-7)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_batch_is_its_single_fits(n_classes):
    X, y = classes(n_classes, n_samples=120, n_features=20)
    rng = np.random.default_rng(0)
    lambds = np.array([0.1, 1.0, 1.0, 8.0, 1000.0])
    weights = rng.integers(0, 3, size=(len(y), len(lambds))).astype(float)
    weights[: 3 * n_classes], y[:n_classes] = 1, range(n_classes)
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None],
        n_score_rows=1 if n_classes == 2 else n_classes,
        weights=weights,
        lambd=lambds,
    )
    with RowBlocks(X, n_scores=problems.n_score_rows * len(lambds)) as rows:
        batch = solve_proximal_newton(problems, rows, tol=1e-12, max_iter=100)
    assert batch.converged.all() and len(set(batch.n_iter.tolist())) > 2
    for p, lambd in enumerate(lambds):
        single = L1LogisticRegression(lambd).fit(X, y, sample_weight=weights[:, p])
        np.testing.assert_allclose(batch.W[p], single.coef_, atol=1e-8)
        np.testing.assert_array_equal(batch.W[p] != 0, single.coef_ != 0)
        np.testing.assert_allclose(batch.b[p], single.intercept_, atol=1e-8)
        assert batch.n_iter[p] == single.n_iter_[0] and batch.dual_gap[p] < 1e-10


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_threads_change_no_bit_and_are_given_back(form):
    X, y = make_classification(3000, 400, n_informative=30, random_state=0)
    X = X * (np.random.default_rng(0).random(X.shape) < 0.2) if form is sp.csr_matrix else X
    before = [(library["filepath"], library["num_threads"]) for library in threadpool_info()]
    models = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads, user_api="blas"):
            models.append(L1LogisticRegression(5.0).fit(form(X), y))
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    assert models[0].loss_curve_ == models[1].loss_curve_
    assert 0 < np.count_nonzero(models[0].coef_) < 400
    assert before == [(library["filepath"], library["num_threads"]) for library in threadpool_info()]


# -- data of any kind -------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 3, 4]),
    st.sampled_from([1e-12, 1e-6, 1e-3, 1.0, 1e3, 1e12]),
    st.booleans(),
    st.sampled_from([0, 2, 20, 150]),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_finite_data_give_finite_weights(seed, n_classes, lambd, fit_intercept, magnitude, sparse):
    """Constant, doubled, huge and tiny columns, separable or not, more columns than rows or fewer."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = rng.integers(2 * n_classes, 30), rng.integers(1, 15)
    X = rng.integers(-2, 3, size=(n_samples, n_features)) * 10.0 ** rng.uniform(-magnitude, magnitude, n_features)
    X = np.hstack([X, X[:, :2], np.full((n_samples, 1), 3.0), np.zeros((n_samples, 1))])
    y = rng.permutation(np.arange(n_samples) % n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the hardest of these may end unconverged, but finite
        model = L1LogisticRegression(lambd, fit_intercept=fit_intercept).fit(sp.csr_matrix(X) if sparse else X, y)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.loss_curve_).all() and model.dual_gap_ >= 0
    assert np.all(np.diff(model.loss_curve_) <= 1e-12)
    assert model.coef_[:, -1].tolist() == [0.0] * len(model.coef_)
    assert not (fit_intercept and model.coef_[:, -2].any())


@pytest.mark.parametrize("seed", [72, 90])
def test_linearly_dependent_columns(seed):
    """With these data a step along a flat direction of the model drowns in rounding on the way."""
    rng = np.random.default_rng(seed)
    n, k, r = rng.integers(40, 200), rng.integers(5, 40), rng.integers(2, 60)
    A = rng.standard_normal((n, k))
    X = np.hstack([A, A @ rng.standard_normal((k, r)), rng.standard_normal((n, 20))])
    y = A @ rng.standard_normal(k) + 3 * rng.standard_normal(n) > 0
    y[:2] = False, True
    model = L1LogisticRegression(0.03, fit_intercept=False).fit(X, y)
    assert model.dual_gap_ <= 1e-10


def test_no_step_found_is_no_convergence(monkeypatch):
    def no_step(hessian, gradient, threshold, start, *, accuracy, ridge):
        return Minimum(start, ridge, settled=False)

    monkeypatch.setattr(proximal, "minimize_quadratic", no_step)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        L1LogisticRegression().fit(*load_breast_cancer(return_X_y=True))


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 2))
@settings(max_examples=30)
def test_quadratic_model_is_minimized_even_where_it_is_flat(seed, strength):
    """Against coordinate descent, which needs no independent columns."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((6, 10))
    A[:, 7:] = A[:, :3] @ rng.standard_normal((3, 3))
    H, gradient, start = A.T @ A, rng.standard_normal(10) @ (A.T @ A), np.zeros(10)
    threshold = strength * rng.uniform(0.5, 2, 10)
    minimum = minimize_quadratic(GramHessian(H), gradient, threshold, start, accuracy=1e-12, ridge=0.0)

    def q(x):
        return gradient @ x + x @ H @ x / 2 + threshold @ np.abs(x)

    x, before = start.copy(), None
    while before is None or np.abs(x - before).max() > 1e-7:
        before = x.copy()
        for j in range(10):
            z = H[j, j] * x[j] - gradient[j] - H[j] @ x
            x[j] = np.sign(z) * max(abs(z) - threshold[j], 0) / H[j, j]
    assert q(minimum.x) <= q(x) + 1e-9 * (1 + abs(q(x)))
    # What a coordinate could still gain by itself is as little as was asked for.
    excess = np.maximum(np.abs(gradient + H @ minimum.x) - threshold, 0)
    assert np.all(excess**2 / (2 * np.diag(H)) <= 1e-12 * -q(minimum.x))

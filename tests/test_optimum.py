"""L2LogisticRegression ends at the optimum, knows how far it is from it, and says so."""

from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from common import REAL, badly_scaled, certified_gap, cost, early, gradient, load, noisy, probabilities, standardized
from mpmath import mp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from sklearn_l2 import L2LogisticRegression

# -- against 100 digits ----------------------------------------------------------------------------------------------


class ExactProblem:
    """A small problem in 100-digit arithmetic: the scores of some classes are free, the others' are zero."""

    def __init__(self, X, y, lambd, s=None, *, penalized_bias=False, bias=True):
        self.X = [[mp.mpf(float(x)) for x in row] for row in X]
        self.y = y
        self.n_classes = int(y.max()) + 1
        self.free = [1] if self.n_classes == 2 else list(range(self.n_classes))
        self.lambd = mp.mpf(lambd)
        self.s = [mp.mpf(1)] * len(y) if s is None else [mp.mpf(float(w)) for w in s]
        self.m = sum(self.s)
        self.bias, self.penalized_bias = bias, penalized_bias

    def J(self, W, b):
        """At given weights."""
        W, b = np.array([[mp.mpf(float(w)) for w in row] for row in W]), [mp.mpf(float(c)) for c in b]
        return self._value([w for row, c in zip(W, b, strict=True) for w in [*row, c]])

    def _rows(self, theta):
        """Every row with a 1 for the bias, its label, its weight and its scores; theta is (w_1, b_1, w_2, b_2, ...)."""
        n = len(self.X[0]) + 1
        for x, label, s in zip(self.X, self.y, self.s, strict=True):
            x = [*x, mp.mpf(int(self.bias))]
            scores = [mp.mpf(0)] * self.n_classes
            for at, k in enumerate(self.free):
                scores[k] = mp.fdot(x, theta[at * n : (at + 1) * n])
            yield x, label, s, scores

    def _penalized(self, theta):
        n = len(self.X[0]) + 1
        return [i for i in range(len(theta)) if i % n < n - 1 or self.penalized_bias]

    def _value(self, theta):
        J = self.lambd / 2 * sum(theta[i] ** 2 for i in self._penalized(theta))
        for _x, label, s, scores in self._rows(theta):
            J += s * (mp.log(sum(mp.exp(z) for z in scores)) - scores[label])
        return J / self.m

    def _derivatives(self, theta):
        """The gradient (size,) and the Hessian (size, size), arrays of mpf."""
        g, H = 0, 0
        for x, label, s, scores in self._rows(theta):
            e = [mp.exp(z) for z in scores]
            p = np.array([e[k] for k in self.free]) / sum(e)
            g = g + np.kron(s * (p - (label == np.array(self.free)).astype(int)), x)
            H = H + np.kron(s * (np.diag(p) - np.outer(p, p)), np.outer(x, x))
        for i in self._penalized(theta):
            g[i] += self.lambd * theta[i]
            H[i, i] += self.lambd
        return g / self.m, H / self.m

    @cache  # noqa: B019
    def optimum(self):
        """J* by Newton's method to the last digit; a parameter that is not determined stays zero."""
        n = len(self.X[0]) + 1
        theta = [mp.mpf(0)] * (n * len(self.free))
        determined = self._penalized(theta)
        if self.bias and not self.penalized_bias:
            determined = [i for i in range(len(theta)) if i != n - 1 or len(self.free) == 1]
        for _ in range(60):
            g, H = self._derivatives(theta)
            step = mp.lu_solve(mp.matrix(H[np.ix_(determined, determined)]), mp.matrix(-g[determined]))
            for i, change in zip(determined, step, strict=True):
                theta[i] += change
            if mp.norm(step) < mp.mpf(10) ** -60:
                return self._value(theta)
        raise AssertionError("the reference did not converge")


@pytest.fixture(autouse=True)
def hundred_digits():
    with mpmath.workdps(100):
        yield


@cache
def exact(n_classes, lambd, weighted=False, **bias):
    X, y = noisy(16, 2, n_classes, seed=3)
    X[:, 1] = 100 * X[:, 1] + 50
    s = np.random.default_rng(0).uniform(0.1, 3, 16) if weighted else None
    return X, y, s, ExactProblem(X, y, lambd, s, **bias)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lambd", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_optimum_to_100_digits(n_classes, lambd, weighted):
    X, y, s, problem = exact(n_classes, lambd, weighted)
    model = L2LogisticRegression(lambd=lambd).fit(X, y, s)
    excess = problem.J(model.coef_, model.intercept_) - problem.optimum()
    assert -1e-50 < excess <= 1e-12
    assert excess <= model.dual_gap_ + 1e-16
    assert model.dual_gap_ < 1e-8
    assert model.loss_curve_[-1] == pytest.approx(float(problem.optimum()), rel=1e-14, abs=1e-12)


@pytest.mark.parametrize("options", [{"fit_intercept": False}, {"penalize_intercept": True}], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_optimum_with_another_bias(n_classes, options):
    fit_intercept = options.get("fit_intercept", True)
    X, y, _, problem = exact(n_classes, 0.5, bias=fit_intercept, penalized_bias=fit_intercept)
    model = L2LogisticRegression(lambd=0.5, **options).fit(X, y)
    excess = problem.J(model.coef_, model.intercept_) - problem.optimum()
    assert -1e-50 < excess <= 1e-12
    assert excess <= model.dual_gap_ + 1e-16
    assert model.dual_gap_ < 1e-8
    stopped = early(L2LogisticRegression(lambd=0.5, max_iter=1, **options), X, y)
    assert problem.J(stopped.coef_, stopped.intercept_) - problem.optimum() <= stopped.dual_gap_


@pytest.mark.parametrize(
    "options",
    [{"max_iter": n} for n in (1, 2, 3, 5)]
    + [{"solver": "gd", "max_iter": n, "learning_rate": 1e-4} for n in (1, 100)],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("lambd", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_dual_gap_bounds_the_true_one_wherever_a_fit_ends(n_classes, lambd, dtype, options):
    X, y, _, _ = exact(n_classes, lambd)
    X = X.astype(dtype)
    problem = _exact_float32(n_classes, lambd) if dtype is np.float32 else exact(n_classes, lambd)[-1]
    model = early(L2LogisticRegression(lambd=lambd, **options), X, y)
    excess = problem.J(model.coef_, model.intercept_) - problem.optimum()
    assert -1e-50 < excess <= model.dual_gap_ + 1e-16


@cache
def _exact_float32(n_classes, lambd):
    X, y, _, _ = exact(n_classes, lambd)
    return ExactProblem(X.astype(np.float32), y, lambd)


# -- against scikit-learn --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, "rows", "classes", "balanced"])
@pytest.mark.parametrize("lambd", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_the_optimum_of_scikit_learn(name, lambd, weights):
    X, y = standardized(name)
    s = np.random.default_rng(0).uniform(0, 2, len(y)) if weights == "rows" else None
    class_weight = {"classes": {0: 3.0, 1: 0.2}, "balanced": "balanced"}.get(weights)
    model = L2LogisticRegression(lambd=lambd, class_weight=class_weight).fit(X, y, s)
    other = LogisticRegression(C=1 / lambd, solver="newton-cholesky", tol=1e-10, class_weight=class_weight)
    other.fit(X, y, s)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, other.intercept_, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(X), atol=1e-6)


SHAPES = {"tall": (600, 20), "square": (60, 60), "wide": (30, 70)}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparse", [False, True])
def test_every_shape_ends_at_the_optimum(shape, n_classes, sparse):
    X, y = noisy(*SHAPES[shape], n_classes)
    X[np.abs(X) < 1] = 0
    model = L2LogisticRegression().fit(sp.csr_array(X) if sparse else X, y)
    assert certified_gap(model, X, y, 1.0) <= 1e-12
    other = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, other.coef_, atol=1e-5)


def test_no_penalty_is_the_fit_without_regularization():
    X, y = noisy(400, 5)
    model = L2LogisticRegression(lambd=0).fit(X, y)
    assert not hasattr(model, "dual_gap_")
    dW, db = gradient(model.coef_, model.intercept_, X, y, 0)
    assert max(np.abs(dW).max(), np.abs(db).max()) < 1e-9
    X3, y3 = noisy(400, 5, 3)
    softmax = L2LogisticRegression(lambd=0).fit(X3, y3)
    dW, db = gradient(softmax.coef_, softmax.intercept_, X3, y3, 0)
    assert max(np.abs(dW).max(), np.abs(db).max()) < 1e-9
    # Of all equal models the one whose classes sum to zero.
    assert np.abs(softmax.coef_.sum(axis=0)).max() < 1e-13


def test_a_penalized_intercept_is_a_column_of_ones():
    X, y = noisy(80, 3, 3)
    model = L2LogisticRegression(penalize_intercept=True).fit(X, y)
    with_ones = np.column_stack([X, np.ones(len(X))])
    other = L2LogisticRegression(fit_intercept=False).fit(with_ones, y)
    np.testing.assert_allclose(model.coef_, other.coef_[:, :-1], atol=1e-6)
    np.testing.assert_allclose(model.intercept_, other.coef_[:, -1], atol=1e-6)
    assert other.intercept_.tolist() == [0.0] * 3


# -- data as they come -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lambd", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", REAL)
def test_raw_data_end_at_the_optimum_without_a_warning(name, lambd):
    X, y = load(name)
    model = L2LogisticRegression(lambd=lambd).fit(X, y)
    assert certified_gap(model, X, y, lambd) <= 1e-12
    assert model.dual_gap_ <= 1e-8


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("lambd", [0.01, 100.0])
@pytest.mark.parametrize("sparse", [False, True])
def test_badly_scaled_columns(n_classes, lambd, sparse):
    X, y = noisy(500, 15, n_classes)
    X = badly_scaled(X)
    model = L2LogisticRegression(lambd=lambd).fit(sp.csr_array(X) if sparse else X, y)
    assert certified_gap(model, X, y, lambd) <= 1e-12
    assert model.n_iter_[0] <= 20


DEPENDENT = {
    "low rank": lambda Z, rng: Z[:, :2] @ rng.standard_normal((2, 30)),
    "repeated": lambda Z, rng: Z[:, rng.integers(0, 15, 30)],
    "nearly the same": lambda Z, rng: Z @ (np.ones((30, 30)) + 1e-6 * rng.standard_normal((30, 30))),
}


@pytest.mark.parametrize("lambd", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("bad", [False, True])
def test_many_columns(lambd, bad):
    """Where classes overlap, a Hessian takes over from its diagonal at last; where they hardly do, it does not."""
    X, y = noisy(1800, 1050)
    X = badly_scaled(X) if bad else X
    s = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = L2LogisticRegression(lambd=lambd).fit(X, y, s)
    assert newton_decrement(model, X, y, lambd, s) <= 1e-12
    np.testing.assert_array_equal(L2LogisticRegression(lambd=lambd).fit(X, y, s).coef_, model.coef_)


def newton_decrement(model, X, y, lambd, s):
    """(1/2) g^T H^-1 g of a model of two classes, by the formulas."""
    m, A = s.sum(), np.column_stack([X, np.ones(len(X))])
    theta = np.append(model.coef_, model.intercept_)
    p = probabilities(np.stack([0 * y, A @ theta], axis=1))[:, 1]
    ridge = np.append(np.full(X.shape[1], lambd / m), 0.0)
    g = A.T @ (s * (p - y)) / m + ridge * theta
    H = (A.T * (s * p * (1 - p) / m)) @ A + np.diag(ridge)
    scale = 1 / np.sqrt(np.diag(H))
    return (scale * g) @ np.linalg.solve(scale[:, None] * H * scale, scale * g) / 2


@pytest.mark.parametrize("lambd", [1e-6, 1e-3])
@pytest.mark.parametrize("kind", DEPENDENT)
@pytest.mark.parametrize("n_classes", [2, 6])
def test_dependent_columns(n_classes, kind, lambd):
    Z, y = noisy(300, 30, n_classes)
    X = DEPENDENT[kind](Z, np.random.default_rng(1))
    model = L2LogisticRegression(lambd=lambd).fit(X, y)
    other = early(LogisticRegression(C=1 / lambd, solver="newton-cholesky", tol=1e-13), X, y)
    excess = cost(model.coef_, model.intercept_, X, y, lambd) - cost(other.coef_, other.intercept_, X, y, lambd)
    assert excess <= 1e-8


def test_a_shift_of_the_columns_changes_the_bias_only():
    X, y = standardized("breast_cancer")
    model = L2LogisticRegression().fit(X, y)
    for shift in (100.0, 1e5):
        shifted = L2LogisticRegression().fit(X + shift, y)
        # Rounding X + shift moves X by shift * 1e-16.
        np.testing.assert_allclose(shifted.coef_, model.coef_, atol=1e-5)
        assert shifted.n_iter_[0] <= model.n_iter_[0] + 2


# -- the ends --------------------------------------------------------------------------------------------------------


def test_a_huge_penalty_still_takes_a_full_step():
    """w = 0 is within 1e-9 of the optimum there, and ranks nothing; the optimum points along X^T (y - mean of y)."""
    X, y = load("breast_cancer")
    model = L2LogisticRegression(lambd=1e12).fit(X, y)
    direction = X.T @ (y - y.mean())
    best = roc_auc_score(y, X @ direction)
    assert best > 0.9
    assert roc_auc_score(y, model.decision_function(X)) == pytest.approx(best, abs=1e-6)
    # The probabilities are those at w = 0 to about 1e-4.
    assert np.linalg.norm(model.coef_[0] * 1e12 - direction) < 1e-3 * np.linalg.norm(direction)


@pytest.mark.parametrize("name", ["breast_cancer", "iris"])
def test_a_tiny_penalty(name):
    X, y = load(name)
    model = L2LogisticRegression(lambd=1e-12).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.dual_gap_ <= 1e-8
    assert model.loss_curve_[-1] == pytest.approx(
        float(cost(model.coef_, model.intercept_, X, y, 1e-12)), rel=1e-9, abs=1e-15
    )
    assert model.score(X, y) > 0.98


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_separable_classes_without_a_penalty(name):
    X, y = load(name)
    with pytest.warns(ConvergenceWarning, match="separable.*Set lambd > 0") as record:
        model = L2LogisticRegression(lambd=0).fit(X, y)
    assert len(record) == 1
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.loss_curve_).all()
    assert model.score(X, y) == 1.0
    assert model.n_iter_[0] < 100  # it does not go on until max_iter


def test_partly_separable_classes_without_a_penalty():
    """One class stands apart, the others overlap: the loss has no minimum, though not every row is right."""
    X, y = load("iris")
    with pytest.warns(ConvergenceWarning):
        model = L2LogisticRegression(lambd=0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) > 0.97

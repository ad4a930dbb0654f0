"""lambda_path: the models of single fits."""

import numpy as np
import pytest
from common import load, noisy
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import DataConversionWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, lambda_path

ESTIMATORS = [
    L2LogisticRegression(tol=1e-15),
    L2LogisticRegression(tol=1e-15, class_weight="balanced", fit_intercept=False),
    make_pipeline(StandardScaler(), L2LogisticRegression(tol=1e-15)),
    make_pipeline(PCA(2), L2LogisticRegression(tol=1e-15)),
    L1LogisticRegression(),
    make_pipeline(StandardScaler(), L1LogisticRegression()),
]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_each_model_is_that_of_a_fit(estimator, n_classes):
    X, y = noisy(120, 4, n_classes)
    given = [10, 0, 0.1, 10]
    lambds, coefs, intercepts, dual_gaps = lambda_path(estimator, X, y, given)
    assert lambds.tolist() == given
    for lambd, coef, intercept, gap in zip(lambds, coefs, intercepts, dual_gaps, strict=True):
        alone = clone(estimator)
        last = alone[-1] if hasattr(alone, "steps") else alone
        last.set_params(lambd=lambd)
        alone.fit(X, y)
        assert_allclose(coef, last.coef_, rtol=0, atol=1e-5)
        assert_allclose(intercept, last.intercept_, rtol=0, atol=1e-5)
        assert gap == np.inf if lambd == 0 else gap < 1e-9


def test_the_estimator_is_left_alone():
    X, y = load("wine")
    estimator = L2LogisticRegression(lambd=7)
    _, coefs, intercepts, _ = lambda_path(estimator, X.astype(np.float32), y, [1e6])
    assert vars(estimator) == vars(L2LogisticRegression(lambd=7))
    assert coefs.shape == (1, 3, 13)
    assert coefs.dtype == np.float32
    assert intercepts.shape == (1, 3)


def test_what_is_refused():
    X, y = noisy(60, 3)
    for estimator in (L2MLPClassifier(), L2LogisticRegression(solver="gd")):
        with pytest.raises(TypeError, match="lambda_path needs an L2LogisticRegression"):
            lambda_path(estimator, X, y, [1])
    with pytest.raises(ValueError, match="numbers >= 0"):
        lambda_path(L2LogisticRegression(), X, y, [1, -1])
    for wrong in ([np.inf], [np.nan], []):
        with pytest.raises(ValueError, match="lambds must be one or more finite numbers >= 0"):
            lambda_path(L2LogisticRegression(), X, y, wrong)
    for wrong in (1.0, np.array(1.0), (i for i in [1]), {1}, "1", ["1"], [True], [[1]]):
        with pytest.raises(TypeError, match="lambds must be a sequence of numbers"):
            lambda_path(L2LogisticRegression(), X, y, wrong)
    X[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        lambda_path(L2LogisticRegression(), X, y, [1])
    with pytest.raises(ValueError, match="only 1 class"):
        lambda_path(L2LogisticRegression(), X[:3], np.zeros(3), [1])


def test_the_order_does_not_matter():
    X, y = noisy(60, 3)
    lambds = np.array([3.0, 0.5, 20.0])
    forth, back = (lambda_path(L2LogisticRegression(), X, y, each) for each in (lambds, lambds[::-1]))
    assert_array_equal(forth[1], back[1][::-1])


@pytest.mark.parametrize("steps", [[], [StandardScaler()], [PCA(2)]], ids=repr)
def test_what_a_fit_refuses_is_refused(steps):
    X, y = noisy(60, 3)

    def path(X, y, **params):
        model = L2LogisticRegression(**params)
        return lambda_path(make_pipeline(*steps, model) if steps else model, X, y, [1])

    with pytest.raises(InvalidParameterError, match="'max_iter' parameter of L2LogisticRegression"):
        path(X, y, max_iter=0)
    with pytest.raises(ValueError, match="requires y to be passed"):
        path(X, None)
    with pytest.raises(ValueError, match=r"0 sample|no rows"):
        path(X[:0], y[:0])
    with pytest.warns(DataConversionWarning):
        assert_array_equal(path(X, y[:, None])[1], path(X, y)[1])

"""A batch of folds and lambdas ends at the optimum of each of its problems, also where they have little in common."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import badly_scaled, load, noisy
from sklearn.model_selection import StratifiedKFold

from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.results import certified
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.solve import solve_newton

pytestmark = pytest.mark.slow

LAMBDS = np.logspace(-6, 4, 9)


def separable():
    X = np.random.default_rng(0).standard_normal((5000, 30))
    return X, X[:, 0] > 0


def separable_classes():
    X = np.random.default_rng(0).standard_normal((1500, 45))
    return X, X[:, :4].argmax(axis=1)


def sparse_words():
    rng = np.random.default_rng(0)
    columns = (800 * rng.random((1500, 30)) ** 3).astype(int)
    X = sp.csr_array((rng.random(columns.size), columns.ravel(), np.arange(0, columns.size + 1, 30)), shape=(1500, 800))
    X.sum_duplicates()
    return X, X @ rng.standard_normal(800) + rng.logistic(size=1500) > 0


CASES = {
    "iris": lambda: load("iris"),
    "wine, raw": lambda: load("wine"),
    "breast cancer, raw": lambda: load("breast_cancer"),
    "separable": separable,
    "overlapping": lambda: noisy(3000, 60),
    "badly scaled": lambda: (badly_scaled(noisy(3000, 60)[0]), noisy(3000, 60)[1]),
    "five classes": lambda: noisy(800, 50, 5),
    "four classes, separable": separable_classes,
    "four classes, badly scaled": lambda: (badly_scaled(noisy(900, 60, 4)[0]), noisy(900, 60, 4)[1]),
    "few rows": lambda: noisy(120, 300),
    "sparse": sparse_words,
}


def batch(name):
    X, y = CASES[name]()
    classes, codes = np.unique(y, return_inverse=True)
    weights = np.ones((len(y), 5))
    for fold, (_, test) in enumerate(StratifiedKFold(5).split(codes, codes)):
        weights[test, fold] = 0
    return X, LinearProblems(
        target=(1.0 - 2.0 * codes)[:, None, None] if len(classes) == 2 else codes[:, None],
        n_score_rows=1 if len(classes) == 2 else len(classes),
        weights=np.repeat(weights, len(LAMBDS), axis=1),
        lambd=np.tile(LAMBDS, 5),
    )


@pytest.mark.parametrize("name", CASES)
def test_every_problem_of_a_batch_ends_at_its_optimum(name):
    X, problems = batch(name)
    with RowBlocks(X, n_scores=len(problems.lambd) * problems.n_score_rows) as rows:
        fit = solve_newton(problems, rows, tol=1e-12, max_iter=1000, certify=False)
        J, _, bound = certified(problems, rows, fit.W, fit.b)
        tight = solve_newton(problems, rows, tol=1e-16, max_iter=1000, start=(fit.W, fit.b))
    assert fit.converged.all()
    excess = J - np.array([losses[-1][0] for losses in tight.losses])
    assert excess.max() <= 1e-10
    assert (tight.dual_gap[problems.lambd >= 1e-3] <= 1e-7).all()  # else the tight fit may be wrong in the same way
    assert (bound >= excess - 4e-15).all()  # J, up to 1.6 here, is rounded


@pytest.mark.parametrize("name", ["overlapping", "five classes", "few rows", "sparse"])
def test_the_bits_do_not_depend_on_the_number_of_threads(name):
    X, problems = batch(name)
    fits = []
    for n_threads in (1, 2, 3):
        with RowBlocks(X, n_scores=len(problems.lambd) * problems.n_score_rows, n_threads=n_threads) as rows:
            fits.append(solve_newton(problems, rows, tol=1e-12, max_iter=1000, certify=False))
    for fit in fits[1:]:
        np.testing.assert_array_equal(fit.W, fits[0].W)
        np.testing.assert_array_equal(fit.b, fits[0].b)

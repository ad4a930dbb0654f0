"""Chains of problems along lambda: where they start, in which order they are solved."""

import numpy as np
import pytest
import scipy.sparse as sp
from common import noisy, standardized
from numpy.testing import assert_allclose, assert_array_equal
from test_kronecker import classes_around_means

from sklearn_l2.descent.continuation import Path, continued, descend_along, extrapolation_weights
from sklearn_l2.descent.kronecker import Kronecker
from sklearn_l2.descent.linear import LinearObjective
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.results import certified
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.side_by_side import solve_side_by_side
from sklearn_l2.descent.solve import solve_newton


def test_extrapolation_is_exact_for_a_parabola_and_careful_where_places_are_close():
    places = np.array([2.0, 1.0, 0.0])
    assert_allclose(extrapolation_weights(places, -1.0) @ (3 * places**2 - places + 1), 5.0)
    assert_array_equal(extrapolation_weights(np.array([5.0, 1e-3, 0.0]), -3.0), [0, 0, 1])
    assert_array_equal(extrapolation_weights(np.array([1.0, 1.0]), 0.0), [0, 1])


def test_each_problem_is_continued_along_its_own_places():
    places = np.array([[3.0, 5.0], [2.0, 3.5], [1.0, 2.0]])
    values = (places**2 - [1.0, 4.0] * places)[:, :, None, None] * np.ones((2, 3))
    at = np.array([0.0, 0.5])
    assert_allclose(
        continued(places, values, at), (at**2 - [1.0, 4.0] * at)[:, None, None] * np.ones((2, 3)), atol=1e-12
    )
    assert_array_equal(continued(places[:1], values[:1], at), values[0])


def test_problems_are_solved_from_large_to_small_each_started_from_its_own_chain():
    chain = np.array([0, 1, 0, 1, 0])
    strength = np.exp([0.0, 3.0, 2.0, 1.0, 1.0])
    theta = np.zeros((5, 1, 1))
    starts = {}

    def solve(level, start):
        starts.update(zip(level.tolist(), start[:, 0, 0].tolist(), strict=True))
        return (10.0 * (chain[level] + 1) - np.log(strength[level]))[:, None, None]

    descend_along(chain, np.log(strength), theta, solve)
    assert list(starts) == [1, 2, 3, 4, 0]
    assert_allclose([starts[p] for p in range(5)], [10, 0, 0, 17, 8])
    assert_allclose(theta[:, 0, 0], [10, 17, 8, 19, 9])


def follow(X, y, lambds, tol):
    """The fits on a path, and how far above the optimum they end."""
    rows, path, fits, excess = RowBlocks(X, n_scores=y.max() + 1), Path(), [], []
    for lambd in lambds:
        problem = LinearProblems(y[:, None], y.max() + 1, np.ones((len(y), 1)), np.array([lambd]))
        fits.append(solve_newton(problem, rows, tol=tol, max_iter=200, path=path, certify=False))
        optimum = solve_newton(problem, rows, tol=1e-14, max_iter=200).losses[0][-1][0]
        excess.append(certified(problem, rows, fits[-1].W, fits[-1].b)[0][0] - optimum)
    return fits, np.array(excess)


@pytest.mark.parametrize("tol", [1e-6, 1e-12])
@pytest.mark.parametrize("name", ["digits", "around means", "far apart"])
def test_a_path_ends_within_tol_and_tells_its_cost(name, tol):
    X, y = {
        "digits": lambda: standardized("digits"),
        "around means": lambda: classes_around_means(2000, 40, 20, distance=0.8),
        "far apart": lambda: classes_around_means(2000, 40, 20, distance=3.0),
    }[name]()
    fits, excess = follow(X, y, np.logspace(2, -1, 10), tol)
    assert all(fit.converged.all() for fit in fits)
    assert (excess <= tol).all()
    told = np.array([fit.losses[0][-1][0] for fit in fits])
    best = told - excess  # of the optimum, if the cost told were that of the fit
    exact = [certified_cost(X, y, fit, lambd) for fit, lambd in zip(fits, np.logspace(2, -1, 10), strict=True)]
    assert_allclose(best, exact - excess, atol=max(tol, 1e-7))


def certified_cost(X, y, fit, lambd):
    scores = X @ fit.W[0].T + fit.b[0]
    logs = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(y)), y]
    return logs.mean() + lambd / (2 * len(y)) * np.sum(fit.W**2)


def test_what_serves_the_next_lambda_is_learned_on_a_path_only(monkeypatch):
    """A single fit would pay for the pairs at each preconditioning: digits, raw, took a quarter longer with them."""
    X, y = standardized("digits")
    lessons, learn = [], Kronecker.learn

    def counted(metric, *args):
        lessons.append(1)
        learn(metric, *args)

    monkeypatch.setattr(Kronecker, "learn", counted)
    problem = LinearProblems(y[:, None], 10, np.ones((len(y), 1)), np.ones(1))
    assert solve_newton(problem, RowBlocks(X, n_scores=10), tol=1e-12, max_iter=200).converged.all()
    assert not lessons
    follow(X, y, [2.0, 1.0], 1e-12)
    assert lessons


def test_a_path_learns_from_products_with_the_hessian(monkeypatch):
    """How many there are until J - J* <= 1e-6; where the metric is worse, as on embeddings, they save a quarter."""
    X, y = classes_around_means(6000, 40, 20, distance=0.8)
    products, product = [], LinearObjective.hessian_product

    def counted(objective, *args):
        products.append(1)
        return product(objective, *args)

    monkeypatch.setattr(LinearObjective, "hessian_product", counted)
    problem = LinearProblems(y[:, None], 20, np.ones((len(y), 1)), np.ones(1))
    counts = []
    for learns in (True, False):
        products.clear()
        if not learns:
            monkeypatch.setattr(Kronecker, "learn", lambda *_: None)
        rows, path = RowBlocks(X, n_scores=20), Path()
        for lambd in np.logspace(2, -1, 10):
            problem.lambd = np.array([lambd])
            assert solve_newton(problem, rows, tol=1e-6, max_iter=200, path=path, certify=False).converged.all()
        counts.append(len(products))
    assert counts[0] <= 66
    assert counts[1] >= 1.1 * counts[0]


def solved_side_by_side(n_folds, lambds):
    """Problems in mixed order, their fit, and what was solved together: lambdas, problems' row weights and starts."""
    X, y = noisy(300, 40)
    rng = np.random.default_rng(0)
    fold = rng.permutation(np.repeat(np.arange(n_folds), len(lambds)))
    lambd = np.empty(len(fold))
    for f in range(n_folds):
        lambd[fold == f] = rng.permutation(lambds)
    weights = (np.arange(300)[:, None] % n_folds != np.arange(n_folds)).astype(float)
    problems = LinearProblems((1.0 - 2.0 * y)[:, None, None], 1, weights, lambd, fold=fold)
    solved = []

    def solve(some, rows, *, start):
        solved.append((some.lambd, some.fold, start))
        return solve_newton(some, rows, tol=1e-12, max_iter=100, start=start)

    with RowBlocks(sp.csr_array(np.where(np.abs(X) < 1, 0, X)), n_scores=len(fold)) as rows:
        return problems, solve_side_by_side(problems, rows, solve, None), solved


def test_folds_of_sparse_x_go_from_large_to_small_lambdas_each_from_its_own_optima():
    lambds = np.logspace(-2, 2, 6)
    problems, fit, solved = solved_side_by_side(10, lambds)
    assert fit.converged.all()
    assert [set(lambd) for lambd, *_ in solved] == [{x} for x in np.repeat(lambds[::-1], 2)]  # in two parts
    assert [start is None for *_, start in solved] == 4 * [True] + 8 * [False]
    for lambd, fold, start in solved[4:]:
        optima = np.array([fit.W[(problems.lambd == lambd[0]) & (problems.fold == f), 0][0] for f in range(10)])
        distance = np.linalg.norm(start[0] - optima, axis=2)
        assert_array_equal(distance.argmin(axis=1), fold)


def test_few_folds_and_few_lambdas_of_sparse_x_are_solved_together():
    for n_folds, n_lambds in ((3, 6), (10, 3)):
        *_, solved = solved_side_by_side(n_folds, np.logspace(-2, 2, n_lambds))
        assert all(start is None for *_, start in solved)
        assert max(len(lambd) for lambd, *_ in solved) > n_folds / 2

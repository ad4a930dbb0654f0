"""Which lambdas are solved first, and how near the others come by interpolation."""

from itertools import pairwise

import numpy as np
import pytest
from common import noisy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.descent.interpolation import CLOSE, descend_at_nodes, merged, nodes_among
from sklearn_l2.descent.loop import Descent
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.quasi_newton import LOST, NEAR

LAMBDS = np.logspace(-3, 3, 20)


def problems_on_folds(lambd=LAMBDS, n_folds=2, column_weight=None):
    """Each lambda on folds of 90 and 100 rows in turn."""
    y = np.arange(110) % 2
    weights = np.ones((110, n_folds))
    for f in range(n_folds):
        weights[: 10 + 10 * (f % 2), f] = 0
    return LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None],
        n_score_rows=1,
        weights=weights,
        lambd=np.tile(lambd, n_folds),
        column_weight=column_weight,
        fold=np.repeat(np.arange(n_folds), len(lambd)),
    )


def shrunk(place, curvature):
    """What a weight along an eigenvector of the Hessian looks like over log(lambda/m): (P, 1, 1)."""
    return (1 / (1 + np.exp(place) / curvature))[:, None, None]


def test_a_chain_shares_its_data_and_its_column_weights():
    problems = problems_on_folds(np.ones(2), 3)
    assert_array_equal(problems.chains(), [0, 0, 1, 1, 0, 0])
    column_weight = np.array([1.0, 1, 1, 1, 2, 2])[:, None]
    assert_array_equal(problems_on_folds(np.ones(2), 3, column_weight).chains(), [0, 0, 1, 1, 2, 2])


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=40), st.floats(0.1, 5))
def test_nodes_lie_as_close_as_asked_for_and_no_closer(places, furthest):
    places = np.sort(places)
    nodes = places[nodes_among(places, furthest)]
    assert (nodes[0], nodes[-1]) == (places[0], places[-1])
    assert (np.diff(nodes) > 0).all()
    for a, b in pairwise(nodes):
        assert b - a <= furthest or not ((places > a) & (places < b)).any()
    for a, b in zip(nodes[:-2], nodes[2:], strict=True):
        assert b - a > furthest  # the one between is needed


def test_merged_problems_have_the_mean_data_and_tell_about_every_lambda():
    problems = problems_on_folds(np.logspace(-3, 3, 60))
    few, at_all, nearest = merged(problems, CLOSE)
    assert len(few.lambd) <= 21
    assert_allclose(few.weights[:, 0], 95 * (problems.weights / [100, 90]).mean(axis=1))
    assert_allclose(few.m, 95)
    near = few.places()[nearest]
    assert np.abs(near - problems.places()).max() <= 0.4 + 0.1
    for curvature in (1e-5, 1e-2, 0.25):
        values = at_all(shrunk(few.places(), curvature))
        assert_allclose(values, shrunk(problems.places(), curvature), atol=2e-3)


@pytest.mark.filterwarnings("ignore:The best lambd")
@pytest.mark.parametrize(
    "lambds", [[1e-320, 1e-312, 1e-310, 1.0, 10.0], [1e-3, 1.0, 30.0, 1e5, np.nextafter(1e5, np.inf)]]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_lambdas_whose_logarithms_are_equal(lambds, classes):
    X, y = noisy(200, 4, classes)
    search = LambdaSearchCV(L2LogisticRegression(), lambds, cv=2, scoring="neg_log_loss", refit=False).fit(X, y)
    peer = GridSearchCV(L2LogisticRegression(), {"lambd": lambds}, cv=2, scoring="neg_log_loss", refit=False).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], peer.cv_results_["mean_test_score"], rtol=1e-5)


def test_a_single_lambda_is_merged_into_one():
    few, at_all, nearest = merged(problems_on_folds(np.array([1.0]), 2), CLOSE)
    assert len(few.lambd) == 1
    assert_array_equal(at_all(np.array([[7.0]])), [[7.0], [7.0]])
    assert_array_equal(nearest, [0, 0])


def follow(problems, finish):
    """Descents to the optimum from 1 % off; which problems took part, and the end."""
    place, asked = problems.places(), []
    optimum = shrunk(place, np.where(problems.fold == 0, 1e-2, 2e-2))
    off = 0.01 * shrunk(place, 1e-2)

    def descend(which, start):
        assert_allclose(start, (optimum - off)[which])
        asked.append(np.flatnonzero(which))
        n = which.sum()
        return Descent(optimum[which], np.ones(n, dtype=int), [[(0.0, 0.0)]] * n, finish(which), np.zeros(n))

    return asked, descend_at_nodes(problems, optimum - off, descend), optimum


def test_the_lambdas_between_follow_the_nodes():
    problems = problems_on_folds()
    asked, descent, optimum = follow(problems, lambda which: np.full(which.sum(), NEAR))
    assert len(asked) == 1
    assert 14 <= len(asked[0]) <= 16
    assert (descent.finished == NEAR).all()
    assert_allclose(descent.params, optimum, atol=0.02 * 0.01)  # of the way; J - J* by its square


def test_where_a_node_does_not_come_near_its_chain_descends_by_itself():
    problems = problems_on_folds()
    asked, descent, optimum = follow(problems, lambda which: np.where(np.flatnonzero(which) == 0, LOST, NEAR))
    assert len(asked) == 2
    assert (problems.fold[asked[1]] == 0).all()
    assert len(asked[1]) + (problems.fold[asked[0]] == 0).sum() == 20
    assert_allclose(descent.params[problems.fold == 0], optimum[problems.fold == 0])
    assert descent.finished[0] == LOST


def test_few_lambdas_all_descend():
    asked, _, _ = follow(problems_on_folds(np.array([0.1, 0.2, 0.4])), lambda which: np.full(which.sum(), NEAR))
    assert sum(len(each) for each in asked) == 6


def test_lambdas_far_beyond_any_curvature_are_solved():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 30))
    y = (X[:, 0] + rng.standard_normal(3000) > 0).astype(int)
    search = LambdaSearchCV(L2LogisticRegression(), np.logspace(-2, 9, 40), cv=3, refit=False)
    search.fit(X, y)  # a warning would be an error
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()

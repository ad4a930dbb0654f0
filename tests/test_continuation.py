"""Chains of problems along lambda: where they start, in which order they are solved."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_l2.descent.continuation import continued, descend_along, extrapolation_weights


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

"""Update rules, learning rates and stopping against their textbook formulas, written here for one number at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_l2.descent.epochs import EpochStopping, Progress
from sklearn_l2.descent.penalties import L2, decay_factor
from sklearn_l2.descent.updates import (
    Adam,
    Adaptive,
    DecoupledL2,
    GradientDescent,
    InverseScaling,
    LearningRate,
    Momentum,
    WeightDecay,
    largest_learning_rate,
)

STEPS = 12
rng = np.random.RandomState(0)
START = rng.randn(2, 6)
GRADIENTS = rng.randn(STEPS, 2, 6) * 10.0 ** rng.randint(-4, 3, (STEPS, 2, 6))
ALPHA = np.array([0.1, 0.01])


def run(update, params=START):
    params = params.copy()
    for gradient in GRADIENTS:
        before = gradient.copy()
        update.step(params, gradient)
        assert_array_equal(gradient, before)  # the gradient is the caller's
    return params


def rates():
    rate = LearningRate(1.0, 2)
    rate.value[:] = ALPHA
    return rate


def test_gradient_descent():
    assert_allclose(run(GradientDescent(0.1)), START - 0.1 * GRADIENTS.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_heavy_ball_momentum(beta):
    expected, v = START.copy(), np.zeros_like(START)
    for g in GRADIENTS:
        v = beta * v - ALPHA[:, None] * g
        expected = expected + v
    assert_allclose(run(Momentum(rates(), START, momentum=beta)), expected, rtol=1e-11)


def test_nesterov_momentum_in_the_form_that_moves_the_look_ahead_point():
    # theta is the look-ahead point: the iterate x moves by v, and theta = x + beta v.
    beta, x, v = 0.9, START.copy(), np.zeros_like(START)
    for g in GRADIENTS:
        v = beta * v - ALPHA[:, None] * g
        x = x + v
    assert_allclose(run(Momentum(rates(), START, momentum=beta, nesterov=True)), x + beta * v, rtol=1e-11)


@pytest.mark.parametrize("beta_1, beta_2, epsilon", [(0.9, 0.999, 1e-8), (0.0, 0.9, 1e-3), (0.5, 0.0, 1e-8)])
def test_adam(beta_1, beta_2, epsilon):
    expected, m, v = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for t, g in enumerate(GRADIENTS, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        rate = ALPHA[:, None] * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        expected = expected - rate * m / (np.sqrt(v) + epsilon)
    assert_allclose(run(Adam(rates(), START, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)), expected, rtol=1e-11)


@pytest.mark.parametrize("rule", [Momentum, Adam])
def test_decoupled_decay_multiplies_the_weights_alone_by_the_decay_factor_and_then_steps(rule):
    arguments = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8} if rule is Adam else {"momentum": 0.9}
    lambd, m = np.array([3.0, 8.0]), np.array([10.0, 20.0])
    expected, plain = START.copy(), rule(rates(), START, **arguments)
    for g in GRADIENTS:
        expected[:, :4] *= (1 - ALPHA * lambd / m)[:, None]
        plain.step(expected, g)
    penalty = DecoupledL2(lambd, m, slice(0, 4))
    assert_allclose(run(WeightDecay(rule(rates(), START, **arguments), penalty)), expected, rtol=1e-13)


def test_decoupled_penalty_counts_in_the_cost_and_not_in_the_gradient():
    coupled, decoupled = (penalty(np.ones(2), np.ones(2), slice(0, 4)) for penalty in (L2, DecoupledL2))
    gradient = GRADIENTS[0].copy()
    decoupled.add_gradient(START, gradient)
    assert_array_equal(gradient, GRADIENTS[0])
    assert_array_equal(decoupled.value(START), coupled.value(START))
    assert_allclose(coupled.value(START), (START[:, :4] ** 2).sum(axis=1) / 2)


@pytest.mark.parametrize("alpha, lambd, m", [(0.01, 0.01, 10_000), (0.1, 1.0, 8.0), (0.3, 7.0, 11.0)])
def test_without_data_a_step_multiplies_by_exactly_the_decay_factor(alpha, lambd, m):
    penalty = DecoupledL2(np.array([lambd]), np.array([m]), slice(0, 4))
    params = np.ones((1, 6))
    WeightDecay(Momentum(LearningRate(alpha, 1), params), penalty).step(params, np.zeros((1, 6)))
    assert decay_factor(alpha, lambd, m) == 1 - alpha * lambd / m
    assert_array_equal(params, [[1 - alpha * lambd / m] * 4 + [1, 1]])


def test_plain_penalty_of_a_flat_vector_equals_the_general_one():
    lambd, m, part = np.array([3.0, 8.0]), np.array([10.0, 20.0]), slice(0, 4)
    fast, general = L2(lambd, m, part), L2(lambd, m, part, weight=np.ones(4))
    assert_allclose(fast.value(START), general.value(START), rtol=1e-14)
    one, other = GRADIENTS[0].copy(), GRADIENTS[0].copy()
    fast.add_gradient(START, one)
    general.add_gradient(START, other)
    assert_array_equal(one, other)


@pytest.mark.parametrize("make", [lambda p: Momentum(rates(), p, momentum=0.9),
                                  lambda p: Adam(rates(), p, beta_1=0.9, beta_2=0.999, epsilon=1e-8)])  # fmt: skip
def test_a_rule_goes_on_from_its_memory(make):
    params, first = START.copy(), make(START)
    for g in GRADIENTS[:5]:
        first.step(params, g)
    second = make(START)
    second.resume(first.memory())
    for g in GRADIENTS[5:]:
        second.step(params, g)
    assert_array_equal(params, run(make(START)))


def test_inverse_scaling_counts_rows():
    rate = InverseScaling(0.5, 2, power=0.7, n_rows=100)
    values = [rate.value[1]]
    for _ in range(3):
        rate.end_epoch()
        values.append(rate.value[1])
    assert_allclose(values, [0.5 / (t + 1) ** 0.7 for t in (0, 100, 200, 300)])
    assert InverseScaling(0.5, 1, power=0.7, n_rows=100, seen=300).value[0] == values[-1]


def test_adaptive_rate_falls_to_a_fifth_until_it_is_too_small():
    rate = Adaptive(4e-6, 3)
    stalled = np.array([True, False, True])
    assert_array_equal(rate.give_up(stalled), [False, False, False])
    assert_allclose(rate.value, [8e-7, 4e-6, 8e-7])
    rate.keep(np.array([False, True, True]))
    assert_array_equal(rate.give_up(np.array([True, True])), [False, True])
    later = Adaptive(4e-6, 2)
    later.resume(rate.memory())
    assert_allclose(later.value, rate.value)


def test_a_continued_rate_takes_the_reduction_along_and_the_new_start():
    rate = Adaptive(0.5, 1)
    rate.give_up(np.array([True]))
    later = Adaptive(0.3, 1)
    later.resume(rate.memory())
    assert_allclose(later.value, 0.06)


# -- when the penalty alone must diverge -----------------------------------------------------------------------------


def growth_per_step(beta, nesterov, alpha, strength):
    """Spectral radius of a step on J = strength/2 w^2, a linear map of (w, velocity)."""
    columns = []
    for w, v in np.eye(2):
        rule = Momentum(LearningRate(alpha, 1), np.ones((1, 1)), momentum=beta, nesterov=nesterov)
        params = np.array([[w]])
        rule.resume({"velocity": np.array([[v]])})
        rule.step(params, strength * params)
        columns.append([params[0, 0], rule.velocity[0, 0]])
    return np.abs(np.linalg.eigvals(np.transpose(columns))).max()


@given(st.floats(0, 0.99), st.booleans(), st.floats(1e-3, 1e3), st.floats(1, 1e4))
def test_largest_learning_rate_divides_convergence_from_divergence(beta, nesterov, lambd, m):
    bound = largest_learning_rate(lambd, m, momentum=beta, nesterov=nesterov)
    assert growth_per_step(beta, nesterov, 0.999 * bound, lambd / m) < 1
    assert growth_per_step(beta, nesterov, 1.001 * bound, lambd / m) > 1


def test_without_a_penalty_no_learning_rate_is_too_large():
    assert largest_learning_rate(0.0, 10.0) == np.inf


# -- stopping --------------------------------------------------------------------------------------------------------


def stops_after(costs, tol, patience):
    """Epochs until more than `patience` in a row were not better than the best by tol; None for never."""
    best, without = np.inf, 0
    for epoch, cost in enumerate(costs, start=1):
        without = without + 1 if cost > best - tol else 0
        best = min(best, cost)
        if without > patience:
            return epoch
    return None


@given(st.lists(st.integers(0, 12).map(lambda k: k / 8), min_size=1, max_size=30), st.integers(1, 4), st.booleans())
def test_stopping_rule(values, patience, on_dev_set):
    class FixedScores:
        epoch = -1

        def evaluate(self, params):
            self.epoch += 1
            return np.array([1.0]), np.array([values[self.epoch]])

    params = np.zeros((1, 3))
    stopping = EpochStopping(
        params, Progress.start(1), LearningRate(1.0, 1), tol=0.125, patience=patience,
        dev=FixedScores() if on_dev_set else None, early_stopping=on_dev_set,
    )  # fmt: skip
    costs = [-value for value in values] if on_dev_set else values
    expected, stopped = stops_after(costs, 0.125, patience), None
    for epoch, value in enumerate(values, start=1):
        params[:] = epoch
        if stopping.finished(params, np.array([value]), np.ones((1, 3)))[0]:
            stopped = epoch
            break
    assert stopped == expected
    seen = costs[:stopped]
    assert stopping.progress.best_cost[0] == min(seen)
    assert not stopping.diverged.any()
    if on_dev_set:
        assert_array_equal(stopping.best_params[0], 1 + seen.index(min(seen)))


@pytest.mark.parametrize("loss, gradient", [(np.nan, 1.0), (np.inf, 1.0), (1.0, np.nan), (1.0, 1e200), (1.0, -1e200)])
def test_what_is_not_finite_or_cannot_be_squared_has_diverged(loss, gradient):
    stopping = EpochStopping(np.zeros((1, 3)), Progress.start(1), LearningRate(1.0, 1), tol=0.0, patience=10)
    assert stopping.finished(np.zeros((1, 3)), np.array([loss]), np.array([[1.0, gradient, 1.0]]))[0]
    assert stopping.diverged[0]

"""A network's cost, gradient and steps against plain numpy written here, and P networks at once against single ones."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_l2.descent.batches import RowBatches
from sklearn_l2.descent.epochs import Progress
from sklearn_l2.descent.loop import Descent, descend
from sklearn_l2.descent.network import DevSet, Network, NetworkObjective
from sklearn_l2.descent.outputs import LogisticOutput, SoftmaxOutput
from sklearn_l2.descent.penalties import L2
from sklearn_l2.descent.training import Settings, train
from sklearn_l2.descent.updates import GradientDescent

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
TARGETS = ("binary", "labels", "classes")
N, D = 37, 5


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# -- the oracle: one network, one row per sample, no buffers ---------------------------------------------------------

ACTIVATE = {"identity": lambda z: z, "logistic": sigmoid, "tanh": np.tanh, "relu": lambda z: np.where(z > 0, z, 0.0)}
SLOPE = {
    "identity": lambda z: np.ones_like(z),
    "logistic": lambda z: sigmoid(z) * (1 - sigmoid(z)),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: (z > 0).astype(float),
}


def oracle_cost_and_gradients(W, b, X, y, s, lambd, activation, kind):
    """J and dJ/dW[l], dJ/db[l], with m the sum of s."""
    m, L = s.sum(), len(W)
    A, Z = [X], []
    for k in range(L):
        Z.append(A[k] @ W[k] + b[k])
        A.append(ACTIVATE[activation](Z[k]))
    if kind == "classes":
        P = np.exp(Z[-1]) / np.exp(Z[-1]).sum(axis=1, keepdims=True)
        Y = np.eye(P.shape[1])[y]
        losses = -np.log(P[np.arange(len(y)), y])
    else:
        P, Y = sigmoid(Z[-1]), y.reshape(len(y), -1)
        losses = -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).sum(axis=1)
    J = (1 / m) * np.sum(s * losses) + lambd / (2 * m) * sum(np.sum(np.square(w)) for w in W)
    dZ = s[:, None] * (P - Y)
    dW, db = [None] * L, [None] * L
    for k in reversed(range(L)):
        dW[k] = (1 / m) * A[k].T @ dZ + (lambd / m) * W[k]
        db[k] = (1 / m) * dZ.sum(axis=0)
        if k > 0:
            dZ = (dZ @ W[k].T) * SLOPE[activation](Z[k - 1])
    return J, dW, db


def flat(W, b):
    return np.concatenate([part.ravel() for part in (*W, *b)])


# -- a problem in the core's terms -----------------------------------------------------------------------------------


def make(kind, activation="tanh", hidden=(4, 3), P=2, seed=0, dtype=np.float64, **batches):
    """A network, its rows for P weighted problems, params (P, n_params), m (P,), and X, y, s for the oracle."""
    rng = np.random.RandomState(seed)
    X = rng.randn(N, D).astype(dtype)
    K, output = {"binary": (1, LogisticOutput), "labels": (3, LogisticOutput), "classes": (4, SoftmaxOutput)}[kind]
    y = rng.randint(0, 4, N) if kind == "classes" else rng.randint(0, 2, (N, K))
    s = rng.randint(0, 4, (P, N)).astype(float)
    network = Network((D, *hidden, K), activation, output)
    params = np.concatenate([network.initial(rng, dtype) for _ in range(P)])
    settings = {"batch_size": N, "random": None, "dtype": dtype, **batches}
    rows = RowBatches(X, output.target(y, dtype), s, s.sum(axis=1), **settings)
    return network, rows, params, s.sum(axis=1), (X, y, s)


def problem_of(network, params, p):
    weights, biases = network.views(params)
    return [W[p] for W in weights], [b[p, 0] for b in biases]


def cost_and_gradient(network, rows, params, lambd, m):
    objective, penalty = NetworkObjective(network, rows), L2(lambd, m, slice(0, network.n_weights))
    ((batch, share),) = objective.batches()
    assert share == 1
    loss, gradient = objective.gradient(params, batch)
    penalty.add_gradient(params, gradient)
    return loss + penalty.value(params), gradient


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3), (4, 3, 2)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", TARGETS)
def test_cost_and_gradient_are_the_oracles(kind, activation, hidden):
    network, rows, params, m, (X, y, s) = make(kind, activation, hidden)
    lambd = np.array([0.7, 30.0])
    J, gradient = cost_and_gradient(network, rows, params, lambd, m)
    for p in range(2):
        expected, dW, db = oracle_cost_and_gradients(
            *problem_of(network, params, p), X, y, s[p], lambd[p], activation, kind
        )
        assert_allclose(J[p], expected, rtol=1e-13)
        assert_allclose(gradient[p], flat(dW, db), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", TARGETS)
def test_gradient_is_the_slope_of_the_cost(kind, activation):
    network, rows, params, m, _ = make(kind, activation, P=1, seed=1)
    lambd, h = np.array([2.0]), 1e-5
    gradient = cost_and_gradient(network, rows, params, lambd, m)[1].copy()
    for k in range(network.n_params):
        step = np.zeros_like(params)
        step[0, k] = h
        up = cost_and_gradient(network, rows, params + step, lambd, m)[0]
        down = cost_and_gradient(network, rows, params - step, lambd, m)[0]
        # Central differences err by h^2 and by eps/h, about 1e-10 both.
        assert_allclose(gradient[0, k], (up[0] - down[0]) / (2 * h), rtol=1e-6, atol=1e-9)


class Never:
    """A stopping rule that never stops."""

    def finished(self, params, loss, gradient):
        return np.zeros(len(params), dtype=bool)

    def keep(self, mask):
        raise AssertionError


@pytest.mark.parametrize("kind", TARGETS)
def test_gradient_descent_is_the_oracles_in_gradient_form_and_in_decay_form(kind):
    network, rows, params, m, (X, y, s) = make(kind, P=1)
    alpha, lambd = 0.3, 5.0
    W, b = ([part.copy() for part in parts] for parts in problem_of(network, params, 0))
    V, c = [w.copy() for w in W], [x.copy() for x in b]
    costs = []
    for _ in range(20):
        J, dW, db = oracle_cost_and_gradients(W, b, X, y, s[0], lambd, "tanh", kind)
        costs.append(J)
        W = [w - alpha * dw for w, dw in zip(W, dW, strict=True)]
        b = [x - alpha * dx for x, dx in zip(b, db, strict=True)]
        _, dV, dc = oracle_cost_and_gradients(V, c, X, y, s[0], 0.0, "tanh", kind)
        V = [(1 - alpha * lambd / m[0]) * v - alpha * dv for v, dv in zip(V, dV, strict=True)]
        c = [x - alpha * dx for x, dx in zip(c, dc, strict=True)]
    descent = Descent.start(params)
    penalty = L2(np.array([lambd]), m, slice(0, network.n_weights))
    descend(descent, NetworkObjective(network, rows), penalty, GradientDescent(alpha), Never(), max_iter=20)
    assert_allclose(descent.params[0], flat(W, b), rtol=1e-11, atol=1e-14)
    assert_allclose(descent.params[0], flat(V, c), rtol=1e-11, atol=1e-14)
    assert_allclose([J for J, _ in descent.losses[0]], costs, rtol=1e-13)


def test_the_penalty_reaches_all_weights_and_no_bias():
    network, rows, params, m, _ = make("classes")
    _, without = cost_and_gradient(network, rows, params, np.zeros(2), m)
    _, with_penalty = cost_and_gradient(network, rows, params, np.array([3.0, 5.0]), m)
    change = with_penalty - without
    w = network.n_weights
    assert_array_equal(change[:, w:], 0)
    assert_allclose(change[:, :w], (np.array([3.0, 5.0]) / m)[:, None] * params[:, :w], rtol=1e-9, atol=1e-15)


def test_lambda_zero_is_bitwise_no_penalty():
    network, rows, params, m, _ = make("binary")
    objective = NetworkObjective(network, rows)
    ((batch, _),) = objective.batches()
    loss, gradient = objective.gradient(params, batch)
    loss, gradient = loss.copy(), gradient.copy()
    J, with_zero = cost_and_gradient(network, rows, params, np.zeros(2), m)
    assert_array_equal(J, loss)
    assert_array_equal(with_zero, gradient)


# -- mini-batches ----------------------------------------------------------------------------------------------------


@given(st.integers(1, N + 5), st.integers(0, 100), st.booleans())
def test_batches_estimate_the_gradient_without_bias(batch_size, seed, shuffled):
    random = np.random.RandomState(seed) if shuffled else None
    network, rows, params, _, _ = make("classes", seed=seed, batch_size=batch_size, random=random)
    _, full, _, _, _ = make("classes", seed=seed)
    loss, gradient = np.zeros(2), np.zeros_like(params)
    objective, shares = NetworkObjective(network, rows), []
    for batch, share in objective.batches():
        value, part = objective.gradient(params, batch)
        loss += share * value
        gradient += share * part
        shares.append(share)
    expected_loss, expected = NetworkObjective(network, full).gradient(params, slice(0, N))
    assert len(shares) == -(-N // batch_size)
    assert_allclose(sum(shares), 1)
    assert_allclose(loss, expected_loss, rtol=1e-12)
    assert_allclose(gradient, expected, rtol=1e-9, atol=1e-14)


def test_a_batch_of_zero_weights_has_zero_gradient():
    network, rows, params, _, _ = make("classes", batch_size=10)
    rows.relative_weight[:, 10:20] = 0
    loss, gradient = NetworkObjective(network, rows).gradient(params, slice(10, 20))
    assert_array_equal(loss, 0)
    assert_array_equal(gradient, 0)


def test_epochs_visit_every_row_once_in_a_new_order():
    _, rows, _, _, _ = make("binary", batch_size=10, random=np.random.RandomState(0))
    orders = [np.concatenate([batch for batch, _ in rows.epoch()]) for _ in range(2)]
    assert_array_equal(np.sort(orders), [np.arange(N)] * 2)
    assert (orders[0] != orders[1]).any()


def test_a_long_batch_is_summed_piece_by_piece():
    network, rows, params, _, _ = make("labels", "relu")
    expected = [part.copy() for part in NetworkObjective(network, rows).gradient(params, slice(0, N))]
    network.rows_per_piece = 10
    for batch in (slice(0, N), np.arange(N)):
        for result, whole in zip(NetworkObjective(network, rows).gradient(params, batch), expected, strict=True):
            assert_allclose(result, whole, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("kind", TARGETS)
def test_sparse_rows_give_the_dense_numbers(kind):
    network, rows, params, m, (X, _, s) = make(kind)
    sparse = RowBatches(sp.csr_array(X), rows.target, s, m, batch_size=N, random=None, dtype=np.float64)
    for batch in (slice(3, 30), np.array([5, 1, 20])):
        expected = [part.copy() for part in NetworkObjective(network, rows).gradient(params, batch)]
        for result, dense in zip(NetworkObjective(network, sparse).gradient(params, batch), expected, strict=True):
            assert_allclose(result, dense, rtol=1e-12, atol=1e-16)


def test_a_step_allocates_next_to_nothing():
    X, y = np.random.RandomState(0).randn(600, 50), np.arange(600) % 2
    network = Network((50, 1000, 1), "relu", LogisticOutput)
    rows = RowBatches(
        X, LogisticOutput.target(y, X.dtype), None, np.array([600.0]),
        batch_size=200, random=np.random.RandomState(0), dtype=X.dtype,
    )  # fmt: skip
    params = network.initial(np.random.RandomState(0), X.dtype)
    settings = make_settings(solver="adam")
    objective, penalty = NetworkObjective(network, rows), L2(np.ones(1), np.array([600.0]), slice(0, network.n_weights))
    update = settings.rule(params, settings.rates(1, 600, 0))

    def epoch():
        for batch, _ in objective.batches():
            _, gradient = objective.gradient(params, batch)
            penalty.value(params)
            penalty.add_gradient(params, gradient)
            update.step(params, gradient)

    epoch()
    tracemalloc.start()
    epoch()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # numpy's own cast buffer and arrays of a batch's length, but none of the parameters' or a layer's size
    assert peak < 100_000 < params.nbytes / 4


# -- P networks at once ----------------------------------------------------------------------------------------------


def make_settings(**changes):
    defaults = dict(
        solver="adam", learning_rate="constant", learning_rate_init=0.02, power_t=0.5, momentum=0.9,
        nesterovs_momentum=True, beta_1=0.9, beta_2=0.999, epsilon=1e-8, decoupled_weight_decay=False,
        early_stopping=False, n_iter_no_change=3, tol=2e-3, max_iter=60, max_fun=1000,
    )  # fmt: skip
    return Settings(**{**defaults, **changes})


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_losses_side_by_side_have_the_bits_of_single_ones(dtype):
    """BLAS sums the scores of a row in an order that depends on the rows around it."""
    rng = np.random.RandomState(0)
    scores, code = rng.randn(6, 150, 26).astype(dtype), rng.randint(0, 26, 150)
    together = (SoftmaxOutput.loss(scores, code), *SoftmaxOutput.loss_and_slope(scores, code))
    for p in range(6):
        alone = scores[p : p + 1]
        for all_p, one in zip(
            together, (SoftmaxOutput.loss(alone, code), *SoftmaxOutput.loss_and_slope(alone, code)), strict=True
        ):
            assert_array_equal(all_p[p], one[0])


def train_some(problems, settings, dtype, X_type):
    """Train the problems of these numbers, of 5, together."""
    network, rows, params, m, (X, _, s) = make("classes", "relu", (8, 6), P=5, dtype=dtype)
    p = list(problems)
    rows = RowBatches(X_type(X), rows.target, s[p], m[p], batch_size=10, random=np.random.RandomState(0), dtype=dtype)
    dev = DevSet(network, X_type(X[::3]), rows.target[::3], None)
    return train(
        network, rows, params[p], np.logspace(-2, 2, 5)[p], m[p], settings, progress=Progress.start(len(p)), dev=dev
    )


@pytest.mark.parametrize(
    ("changes", "dtype", "X_type"),
    [
        ({"solver": "adam"}, np.float64, np.asarray),
        ({"solver": "adam"}, np.float32, np.asarray),
        ({"solver": "adam"}, np.float64, sp.csr_array),
        ({"solver": "adam", "decoupled_weight_decay": True}, np.float64, np.asarray),
        ({"solver": "sgd"}, np.float32, np.asarray),
        ({"solver": "sgd", "learning_rate": "adaptive", "max_iter": 80}, np.float64, np.asarray),
        ({"solver": "gd", "learning_rate_init": 0.3}, np.float64, np.asarray),
        ({"solver": "adam", "early_stopping": True}, np.float64, np.asarray),
    ],
)
def test_networks_trained_together_have_the_bits_of_single_ones(changes, dtype, X_type):
    settings = make_settings(**changes)
    together = train_some(range(5), settings, dtype, X_type)
    assert len(set(together.descent.n_iter.tolist())) > 2  # they leave the batch at different times
    assert together.params.dtype == dtype
    for p in range(5):
        single = train_some([p], settings, dtype, X_type)
        assert_array_equal(together.params[p], single.params[0])
        assert together.descent.n_iter[p] == single.descent.n_iter[0]
        assert together.descent.losses[p] == single.descent.losses[0]
        assert together.stopping.dev_losses[p] == single.stopping.dev_losses[0]
        assert together.stopping.dev_scores[p] == single.stopping.dev_scores[0]
        assert together.stopping.progress.best_cost[p] == single.stopping.progress.best_cost[0]


def test_a_diverging_problem_leaves_the_others_alone():
    network, rows, params, m, _ = make("classes", P=3)
    params[1, 0] = np.nan
    settings = make_settings(max_iter=5)
    start = params.copy()
    trained = train(network, rows, params, np.ones(3), m, settings, progress=Progress.start(3))
    assert_array_equal(trained.stopping.diverged, [False, True, False])
    assert_array_equal(trained.descent.n_iter, [5, 1, 5])
    assert np.isfinite(trained.params[[0, 2]]).all() and (trained.params[[0, 2]] != start[[0, 2]]).any()

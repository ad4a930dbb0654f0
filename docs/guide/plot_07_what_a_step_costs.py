r"""
What regularization costs per step
==================================

In a step of gradient descent, the L2 penalty is one line more:

.. math:: dW^{[l]} = \frac{\partial J_{data}}{\partial W^{[l]}} + \frac{\lambda}{m}
   W^{[l]}.

How much longer does the step take? First it is counted, then measured.

Counting
--------

A layer of :math:`n` weights sees a batch of :math:`|B|` rows. The forward pass
multiplies and adds :math:`|B|\, n` times, the gradient of the weights as often, and
what is handed back to the layer below as often again, which the first layer is spared.
The penalty multiplies and adds once for each weight. So its share is

.. math:: \frac{n}{3 |B|\, n} = \frac{1}{3 |B|} \text{ of a layer inside a network},
   \qquad \frac{1}{2 |B|}
   \text{ of the first layer, or of a linear model.}

It does not depend on the size of the model, only on the size of the batch.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_l2 import L2LogisticRegression, L2MLPClassifier


def medians(*functions, n_repeats=30):
    """Median seconds of each, called in turn: what disturbs one disturbs all."""
    times = np.empty((n_repeats, len(functions)))
    for row in times:
        for k, function in enumerate(functions):
            start = perf_counter()
            function()
            row[k] = perf_counter() - start
    return np.median(times, axis=0)


# %%
# Measuring
# ---------
#
# The two gradients as numpy lines, for a logistic regression and for a network with 100
# hidden units, on the digits, on one thread.

digits, digit = load_digits(return_X_y=True)
digits = digits / 16
one_hot = np.eye(10)[digit]
is_odd = (digit % 2).astype(float)
rng = np.random.default_rng(0)
w = rng.normal(size=64) / 8
W = [rng.normal(size=(64, 100)) / 8, rng.normal(size=(100, 10)) / 10]
lambd, m = 1.0, len(digits)


def linear_gradient(X, y):
    """(dw,) of the mean log loss."""
    return [X.T @ (1 / (1 + np.exp(-(X @ w))) - y) / len(X)]


def network_gradient(X, Y):
    """dW of both layers of a relu network with softmax."""
    A = np.maximum(X @ W[0], 0)
    Z = A @ W[1]
    P = np.exp(Z - Z.max(axis=1, keepdims=True))
    dZ = (P / P.sum(axis=1, keepdims=True) - Y) / len(X)
    return [X.T @ ((dZ @ W[1].T) * (A > 0)), A.T @ dZ]


def add_penalty(gradient, weights):
    """The line that regularization adds."""
    for dW_l, W_l in zip(gradient, weights, strict=True):
        dW_l += (lambd / m) * W_l


batch_sizes = (1, 10, 50, 200, 1797)
measured = {"logistic regression": [], "network, 100 hidden units": []}
counted = {name: [] for name in measured}
print(
    "model                       rows in a batch   data part   penalty   "
    "measured    counted"
)
for name, gradient, y, weights in (
    ("logistic regression", linear_gradient, is_odd, [w]),
    ("network, 100 hidden units", network_gradient, one_hot, W),
):
    n = [part.size for part in weights]
    for size in batch_sizes:
        X_batch, y_batch = digits[:size], y[:size]
        ready = gradient(X_batch, y_batch)
        with threadpool_limits(1):
            data, penalty = medians(
                lambda g=gradient, X=X_batch, y=y_batch: g(X, y),
                lambda ready=ready, W=weights: add_penalty(ready, W),
            )
        multiply_adds = size * (2 * n[0] + 3 * sum(n[1:]))
        measured[name].append(penalty / data)
        counted[name].append(sum(n) / multiply_adds)
        print(
            f"{name:25}   {size:15}   {1e6 * data:6.0f} µs   "
            f"{1e6 * penalty:4.1f} µs   {measured[name][-1]:8.2%}   "
            f"{counted[name][-1]:8.3%}"
        )

BLUE, ORANGE = "#0072B2", "#D55E00"
figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (name, share), colour in zip(measured.items(), (BLUE, ORANGE), strict=True):
    ax.plot(
        batch_sizes,
        100 * np.array(share),
        "o-",
        color=colour,
        label=f"{name}, measured",
    )
    ax.plot(
        batch_sizes,
        100 * np.array(counted[name]),
        "--",
        color=colour,
        label=f"{name}, counted",
    )
ax.set(
    xscale="log",
    yscale="log",
    xlabel="rows in a batch",
    ylabel="penalty / data part of the gradient (%)",
)
ax.set(title="What the penalty adds to a step")
ax.set_xticks(batch_sizes, batch_sizes)
ax.set_xticks([], minor=True)
figure.legend(loc="outside lower center", ncols=2)
plt.show()

assert max(counted["network, 100 hidden units"][-2:]) < 0.003, (
    "from 200 rows on, less than 0.3 % of the arithmetic"
)
assert measured["network, 100 hidden units"][-1] < 0.1, (
    "of a full batch, less than a tenth of the time"
)
assert (
    measured["network, 100 hidden units"][0] > measured["network, 100 hidden units"][-1]
), "small batches cost more"

# %%
# "One more term, the cost is minimal" is true of large batches. The time is a larger
# share than the arithmetic, for two reasons: a numpy call has a price of its own, a
# microsecond or so, whatever it works on; and adding two arrays waits for memory, while
# products of matrices do not. With a single row in a batch, the penalty costs a good
# part of the step.
#
# In the estimators, an epoch takes as long with ``lambd=1`` as with ``lambd=0``,
# because they multiply by zero rather than have a second way through the code. What is
# left of a difference here is noise:

networks = [L2MLPClassifier((100,), lambd=lambd, random_state=0) for lambd in (0, 1)]
for network in networks:
    network.partial_fit(digits, digit, classes=range(10))
without, with_penalty = medians(
    *(lambda net=net: net.partial_fit(digits, digit) for net in networks), n_repeats=15
)
print(
    f"an epoch of L2MLPClassifier: {1000 * without:.2f} ms, with a penalty "
    f"{with_penalty / without - 1:+.1%}"
)

# %%
# What it saves
# -------------
#
# The number of steps matters more than the price of one. A penalty makes :math:`J`
# rounder: along every direction of :math:`w` it curves at least :math:`\lambda/m`, and
# gradient descent needs the fewer steps, the less the largest curvature exceeds the
# smallest [1]_. Counted until :math:`J - J^* \le 10^{-6}`, on the breast cancer data:

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
steps = {}
for lambd in (1, 10, 100, 1000):
    plain = L2LogisticRegression(
        lambd, solver="gd", learning_rate=0.2, tol=1e-6, max_iter=20_000
    ).fit(X, y)
    default = L2LogisticRegression(lambd, tol=1e-6).fit(X, y)
    steps[lambd] = int(plain.n_iter_[0])
    print(
        f"lambd={lambd:<5} gradient descent {steps[lambd]:6} steps, the default "
        f"solver {default.n_iter_[0]}"
    )
assert steps[1] > 3 * steps[10] > 9 * steps[100], (
    "ten times the penalty must save two thirds of the steps, twice"
)

# %%
# So regularization costs next to nothing in a step and saves many steps. What does cost
# is to find :math:`\lambda`: the next page is about that.
#
# .. rubric:: References
#
# .. [1] S. Boyd and L. Vandenberghe, Convex optimization, section 9.3, Cambridge
#    University Press, 2004, https://doi.org/10.1017/CBO9780511804441.

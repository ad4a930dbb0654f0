r"""
Two forms of one step: gradient and weight decay
================================================

Gradient descent with an L2 penalty is taught in two forms. The *gradient form* adds the
penalty's derivative to the data's and takes a step of length :math:`\alpha` against the
sum:

.. math:: dW = \frac{\partial J_{data}}{\partial W} + \frac{\lambda}{m} W, \qquad W := W
   - \alpha \, dW.

The *weight-decay form* collects what multiplies :math:`W`. Each step first shrinks the
weights and then follows the data:

.. math:: W := \left(1 - \frac{\alpha \lambda}{m}\right) W - \alpha \frac{\partial
   J_{data}}{\partial W}.

:math:`1 - \alpha\lambda/m` is the *decay factor*, and the penalty is therefore also
called weight decay [1]_. This page takes the steps by hand, in both forms, and compares
them with the estimators; then it looks at Adam, where the two forms are no longer the
same.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, L2MLPClassifier, LambdaSearchCV
from sklearn_l2.display import WeightDecayDisplay

# %%
# Logistic regression
# -------------------
#
# A hundred steps on the breast cancer data, from :math:`w = 0`.

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
m, alpha, lambd, n_steps = len(y), 0.5, 20, 100

w, b = np.zeros(30), 0.0  # gradient form
v, c = np.zeros(30), 0.0  # weight-decay form
for _ in range(n_steps):
    dz = 1 / (1 + np.exp(-(X @ w + b))) - y
    dw = X.T @ dz / m + lambd / m * w
    w, b = w - alpha * dw, b - alpha * dz.mean()

    dz = 1 / (1 + np.exp(-(X @ v + c))) - y
    v, c = (1 - alpha * lambd / m) * v - alpha * (X.T @ dz / m), c - alpha * dz.mean()

model = L2LogisticRegression(lambd, solver="gd", learning_rate=alpha, max_iter=n_steps)
with warnings.catch_warnings():
    # a hundred steps and no more, on purpose
    warnings.simplefilter("ignore", ConvergenceWarning)
    model.fit(X, y)
print(f"gradient form against weight-decay form: {abs(w - v).max():.1e}")
print(f"gradient form against the estimator:     {abs(w - model.coef_[0]).max():.1e}")
print(f"decay factor: {model.decay_factor_:.6f}")
assert abs(w - v).max() < 1e-13, "both forms must be the same weights, but for rounding"
assert abs(w - model.coef_[0]).max() < 1e-13 and abs(b - model.intercept_[0]) < 1e-13, (
    "and those of the estimator"
)
assert model.decay_factor_ == 1 - alpha * lambd / m

# %%
# The largest difference in any weight is of the size of a rounding error in its last
# digits.
#
# A network
# ---------
#
# The same for a network with one hidden layer, where
# :math:`\partial J_{data} / \partial W^{[l]}` comes from backpropagation. The starting
# weights are random, so the estimator draws them: after a first step it hands over what
# it has, and both go on from there. (``partial_fit`` is one more epoch, which for
# ``solver="gd"`` is one more step.)

network = L2MLPClassifier(
    (8,),
    activation="tanh",
    lambd=lambd,
    solver="gd",
    learning_rate_init=alpha,
    random_state=0,
)
network.partial_fit(X, y, classes=(0, 1))
W1, W2 = (W.copy() for W in network.coefs_)
b1, b2 = (bias.copy() for bias in network.intercepts_)
decay = 1 - alpha * lambd / m
for _ in range(n_steps):
    A1 = np.tanh(X @ W1 + b1)
    dZ2 = 1 / (1 + np.exp(-(A1 @ W2 + b2))) - y[:, None]
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    W2, b2 = decay * W2 - alpha * (A1.T @ dZ2 / m), b2 - alpha * dZ2.mean(axis=0)
    W1, b1 = decay * W1 - alpha * (X.T @ dZ1 / m), b1 - alpha * dZ1.mean(axis=0)
    network.partial_fit(X, y)
difference = max(abs(W1 - network.coefs_[0]).max(), abs(W2 - network.coefs_[1]).max())
print(f"weight-decay form against the network: {difference:.1e}")
assert difference < 1e-12, (
    "the network's steps must be the weight-decay form, but for rounding"
)

# %%
# What the decay does
# -------------------
#
# The same steps with ``lambd=20`` and with ``lambd=0``:

WeightDecayDisplay.from_estimator(model, X, y)
plt.show()

# %%
# Without decay the weights go on growing; with it, they settle where what the gradient
# adds in a step is what the decay takes away.
#
# How close to 1 a decay factor is, is easily misjudged. A common example has
# :math:`\alpha = \lambda = 0.01` and :math:`m = 10\,000`:

factor = 1 - 0.01 * 0.01 / 10_000
halved = np.log(0.5) / np.log1p(-0.01 * 0.01 / 10_000)
print(f"decay factor {factor!r}; alone, it would halve a weight in {halved:,.0f} steps")
assert abs(factor - (1 - 1e-8)) < 1e-15 and 69e6 < halved < 70e6, (
    "it is eight nines, not six"
)

# %%
# Some texts print 0.999999 for it, which is a hundred times the decay. That the factor
# is so near to 1 does not mean that such a :math:`\lambda` has no effect, nor that it
# has one: at the minimum the gradient of the data is small as well, and it is their
# balance that counts. How much a :math:`\lambda` does is seen on the dev set, not in
# the decay factor.
#
# Where the two forms part: Adam
# ------------------------------
#
# Adam [2]_ divides each weight's gradient by a running root mean square of it. In the
# gradient form the penalty is part of that gradient, and is divided too: where the data
# pull hard, the weight decays less. That is *coupled*, the default here, and it does
# minimize :math:`J`. *Decoupled* decay, AdamW [3]_, shrinks all weights by the same
# factor, outside of the division. That does not minimize :math:`J`.
#
# Digits, odd or even: 300 training rows, 150 epochs of six batches.

digits, digit = load_digits(return_X_y=True)
X_train, X_dev, y_train, y_dev = train_test_split(
    digits / 16, digit % 2, train_size=300, stratify=digit, random_state=0
)


def adam(lambd, decoupled, max_iter):
    """A network that trains for max_iter epochs, whatever its progress."""
    return L2MLPClassifier(
        (16,),
        lambd=lambd,
        decoupled_weight_decay=decoupled,
        learning_rate_init=0.003,
        batch_size=50,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
        random_state=0,
    )


ORANGE, BLUE, BLACK = "#D55E00", "#0072B2", "#000000"
figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
n_epochs, ends = 150, {}
for label, lambd, decoupled, style, colour in (
    ("lambd=0", 0, False, ":", BLACK),
    ("lambd=1, coupled", 1, False, "-", BLUE),
    ("lambd=1, decoupled", 1, True, "--", ORANGE),
):
    network = adam(lambd, decoupled, n_epochs)
    norms = []
    for _ in range(n_epochs):
        network.partial_fit(X_train, y_train, classes=(0, 1))
        norms.append(np.sqrt(sum((W**2).sum() for W in network.coefs_)))
    ax.plot(range(1, n_epochs + 1), norms, style, color=colour, label=label)
    ends[label] = norms[-1], network.loss_
    print(f"{label:18}   ||W|| = {norms[-1]:6.2f}   J = {network.loss_:.4f}")
ax.set(
    xlabel="epoch",
    ylabel="||W||",
    ylim=(0, None),
    title="Adam: the same lambd, coupled and decoupled",
)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

free, coupled, decoupled = ends.values()
assert coupled[0] < free[0] / 1.5, "coupled, the penalty must shorten the weights"
assert abs(decoupled[0] / free[0] - 1) < 0.05, (
    "decoupled, the same lambd must hardly do anything"
)
assert coupled[1] < decoupled[1], "the coupled form must reach the lower J"

# %%
# At ``lambd=1``, the coupled penalty makes the weights much shorter, while the
# decoupled one can hardly be seen: with :math:`\alpha = 0.003` and :math:`m = 300` its
# decay factor is :math:`1 - 10^{-5}`, and there are only 900 steps. The coupled form
# has the lower :math:`J`, as it should: it is what that form minimizes.
#
# So a :math:`\lambda` that was chosen for one form means nothing for the other. Each
# has to be tuned by itself:

figure, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
grids = {False: (0.01, 0.1, 1, 10), True: (1, 10, 100, 1000)}
best = {}
for decoupled, label, style, colour in (
    (False, "coupled", "o-", BLUE),
    (True, "decoupled", "s--", ORANGE),
):
    search = LambdaSearchCV(
        adam(1, decoupled, n_epochs), grids[decoupled], scoring="neg_log_loss"
    )
    with warnings.catch_warnings():
        # 150 epochs and no more, on purpose
        warnings.simplefilter("ignore", ConvergenceWarning)
        table = search.fit(X_train, y_train, X_val=X_dev, y_val=y_dev).lambda_table()
    ax.errorbar(
        table["lambd"],
        table["dev_loss"],
        table["dev_loss_se"],
        fmt=style,
        capsize=3,
        color=colour,
        label=label,
    )
    best[decoupled] = search.best_params_["lambd"], -search.best_score_
    print(
        f"{label}: best lambd {best[decoupled][0]}, dev loss {best[decoupled][1]:.3f}"
    )
ax.set(
    xscale="log",
    xlabel="lambd",
    ylabel="dev loss (mean log loss ± 1 se)",
    title="Adam: each form has its own lambd",
)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

assert best[True][0] >= 10 * best[False][0], (
    "decoupled, the best lambda must be at least ten times as large"
)
assert abs(best[True][1] - best[False][1]) < 0.04, (
    "tuned, both must come to about the same dev loss"
)

# %%
# Tuned, they come to about the same dev loss on these data. On pictures and much larger
# networks, [3]_ found the decoupled form to be the better one.
#
# .. rubric:: References
#
# .. [1] A. Krogh and J. A. Hertz, A simple weight decay can improve generalization,
#    NIPS 4, 1991.
# .. [2] D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015,
#    https://arxiv.org/abs/1412.6980.
# .. [3] I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019,
#    https://arxiv.org/abs/1711.05101.

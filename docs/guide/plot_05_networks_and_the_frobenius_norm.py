r"""
Networks: the Frobenius norm of every layer
===========================================

A network has a matrix of weights :math:`W^{[l]}` for each of its :math:`L` layers, and
its penalty is the sum over all of them:

.. math:: J = \frac{1}{m} \sum_{i=1}^m \mathcal{L}(\hat{y_i}, y_i) + \frac{\lambda}{2m}
   \sum_{l=1}^L \|W^{[l]}\|_F^2,
   \qquad \|W^{[l]}\|_F^2 = \sum_i \sum_j \left(W^{[l]}_{ij}\right)^2.

:math:`\|\cdot\|_F` is called the Frobenius norm. There is nothing more to it than the
formula says: it is the length of the matrix, taken as one long vector of numbers. (It
has a name of its own because "the 2-norm of a matrix" means something else, the most
that the matrix stretches a vector.) The biases :math:`b^{[l]}` are left out, as in
:ref:`The L2 cost <sphx_glr_auto_guide_plot_02_l2_cost_and_bias.py>`.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2MLPClassifier
from sklearn_l2.display import DecisionSurfaceDisplay

# %%
# The sum by hand
# ---------------
#
# Two features of the breast cancer data, 100 training rows, and a network with hidden
# layers of 16 and 8 units. Two features can be drawn, which we shall do below.

cancer = load_breast_cancer(as_frame=True)
features = ["worst texture", "worst concave points"]
benign = np.where(cancer.target == 1, "benign", "malignant")
X_train, X_dev, y_train, y_dev = train_test_split(
    cancer.data[features], benign, train_size=100, stratify=benign, random_state=0
)
scaler = StandardScaler().set_output(transform="pandas").fit(X_train)
X_train, X_dev = (
    scaler.transform(X_train),
    scaler.transform(X_dev),
)  # in standard deviations from the mean


def network(lambd, activation="relu"):
    """A network that is trained as far as the arithmetic allows."""
    return L2MLPClassifier(
        (16, 8),
        lambd=lambd,
        activation=activation,
        solver="lbfgs",
        max_iter=1000,
        tol=1e-6,
        random_state=0,
    )


model = network(lambd=3).fit(X_train, y_train)
m, lambd, coefs = len(y_train), model.lambd, model.coefs_

squares = [float(np.sum(W**2)) for W in coefs]
penalty = lambd / (2 * m) * sum(squares)
data = log_loss(y_train, model.predict_proba(X_train))
for layer, (W, square) in enumerate(zip(coefs, squares, strict=True), start=1):
    print(f"W[{layer}] of shape {W.shape!s:8}  squared Frobenius norm {square:.6f}")
print(f"data part {data:.12f} + penalty {penalty:.12f} = {data + penalty:.12f}")
print(f"the estimator's J at the end                   = {model.loss_:.12f}")
assert abs(data + penalty - model.loss_) < 1e-10, (
    "the sum by hand must be the estimator's J"
)
assert np.isclose(squares[0], np.linalg.norm(coefs[0], "fro") ** 2), (
    "numpy's 'fro' is the same norm"
)

# %%
# The layers balance
# ------------------
#
# Now look at those three squared norms again. The layers differ in shape, 32, 128 and 8
# weights, and nothing in :math:`J` tells them to have the same norm. Over
# :math:`\lambda`:

lambds = np.array([0, 0.1, 1, 3, 10, 20, 30])
norms = {}
for activation in ("relu", "tanh"):
    for lambd in lambds:
        model = network(lambd, activation)
        with warnings.catch_warnings():
            # kinks of relu can end the line search early
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X_train, y_train)
        norms[activation, lambd] = [float(np.linalg.norm(W)) for W in model.coefs_]

print("lambd    relu: W[1]   W[2]   W[3]    tanh: W[1]   W[2]   W[3]")
for lambd in lambds:
    relu, tanh = (
        "   ".join(f"{norm:6.3f}" for norm in norms[a, lambd]) for a in ("relu", "tanh")
    )
    print(f"{lambd:5g}      {relu}      {tanh}")

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
shown = lambds[:-1]  # at the last one, all are zero
for ax, activation, relative in zip(
    axes, ("relu", "relu", "tanh"), (False, True, True), strict=True
):
    values = np.array([norms[activation, lambd] for lambd in shown])
    values /= values.mean(axis=1, keepdims=True) if relative else 1
    for layer, (style, colour) in enumerate(
        (("o-", BLUE), ("s--", ORANGE), ("^:", GREEN))
    ):
        ax.plot(
            range(len(shown)),
            values[:, layer],
            style,
            color=colour,
            label=f"layer {layer + 1}",
        )
    ax.set_xticks(range(len(shown)), [f"{lambd:g}" for lambd in shown])
    ax.set(
        xlabel="lambd",
        ylabel="||W[l]|| / mean of the layers" if relative else "||W[l]||",
        title=activation,
    )
axes[0].set_yscale("log")
for ax in axes[1:]:
    ax.set_ylim(0.6, 1.4)
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

for lambd in (3, 10):
    assert np.ptp(norms["relu", lambd]) < 0.02, (
        "with relu and a penalty, all layers must have the same norm"
    )
    assert np.ptp(norms["tanh", lambd]) > 0.05, "with tanh they need not"
assert np.ptp(norms["relu", 0]) > 1, "without a penalty, they need not either"
assert max(norms["relu", 30]) < 1e-2, "at lambd=30 all weights must be zero"

# %%
# With ``relu`` and a penalty, all layers have *the same* norm, to the digits shown once
# :math:`\lambda` is large enough for the descent to get to the end. This is no
# accident. Multiply what goes into a hidden unit, its bias included, by :math:`c > 0`
# and what comes out of it by :math:`1/c`: a relu network computes the same as before.
# So at a minimum of :math:`J`, the penalty alone decides :math:`c`, and
#
# .. math:: \frac{d}{dc} \left( c^2 \|w_{in}\|^2 + c^{-2} \|w_{out}\|^2 \right) = 0
#    \text{ at } c = 1
#    \quad \Rightarrow \quad \|w_{in}\| = \|w_{out}\|.
#
# Sum this over the units of a hidden layer: :math:`\|W^{[l]}\|_F = \|W^{[l+1]}\|_F`.
# What the penalty measures in a relu network is therefore less the size of single
# weights than that of the products along its paths [1]_. ``tanh`` is no straight line,
# so the argument fails, and so does the equality.
#
# At :math:`\lambda = 30` all weights are zero: the network is a constant.
#
# What it decides where
# ---------------------
#
# The same network, from no penalty to far too much. Circles are the rows that it was
# trained on, triangles those of the dev set. The paler the colour, the less sure it is.

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    display = DecisionSurfaceDisplay.from_estimator(
        network(lambd=1),
        X_train,
        y_train,
        lambds=(0, 0.1, 10, 100),
        X_val=X_dev,
        y_val=y_dev,
    )
plt.show()

print("lambd   train error   dev error")
for lambd, train, dev in zip(
    display.lambds, display.train_errors_, display.dev_errors_, strict=True
):
    print(f"{lambd:5g}   {train:11.1%}   {dev:9.1%}")
assert display.dev_errors_[2] < display.dev_errors_[0] < display.dev_errors_[3], (
    "the dev error must fall, then rise"
)
assert display.train_errors_[0] < display.train_errors_[2] < display.train_errors_[3], (
    "the train error must rise"
)

# %%
# With no or little penalty the boundary bends around single rows, and the network is
# sure of itself everywhere. At :math:`\lambda = 10` the boundary is nearly straight,
# the dev error lowest, and the network is unsure where the classes overlap. The largest
# :math:`\lambda` leaves no boundary at all.
#
# .. rubric:: References
#
# .. [1] B. Neyshabur, R. Tomioka and N. Srebro, In search of the real inductive bias:
#    on the role of implicit regularization in deep learning, ICLR 2015 workshop,
#    https://arxiv.org/abs/1412.6614.

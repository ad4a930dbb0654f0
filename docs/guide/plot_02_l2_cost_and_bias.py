r"""
The L2 cost, and why b is left out
==================================

The L2 penalty adds the squared length of the weights to the mean loss:

.. math:: J(w, b) = \frac{1}{m} \sum_{i=1}^m \mathcal{L}(\hat{y_i}, y_i) +
   \frac{\lambda}{2m} \|w\|_2^2,
   \qquad \|w\|_2^2 = \sum_j w_j^2, \qquad \hat{y_i} = \frac{1}{1 + e^{-(w \cdot x_i +
   b)}}.

The bias :math:`b` is not in it. A reason often given is that :math:`b` is a single
number among many, so that adding :math:`\frac{\lambda}{2m} b^2` would hardly change
anything. ``penalize_intercept=True`` adds it. This page measures when that changes
nothing, when it does, and what the better reason is.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression

# %%
# The cost by hand
# ----------------
#
# First, the formula is what the estimator minimizes: its ``loss_curve_`` ends with the
# number that numpy gives.

X, y = load_breast_cancer(return_X_y=True)
y = 1 - y  # 1 is malignant
X_train, X_dev, y_train, y_dev = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_dev = scaler.transform(X_train), scaler.transform(X_dev)

lambd, m = 10, len(y_train)
model = L2LogisticRegression(lambd).fit(X_train, y_train)
w, b = model.coef_[0], model.intercept_[0]
probability = 1 / (1 + np.exp(-(X_train @ w + b)))
losses = -np.log(np.where(y_train == 1, probability, 1 - probability))
J = losses.sum() / m + lambd / (2 * m) * (w @ w)
print(f"by hand J = {J:.15f}, of the estimator {model.loss_curve_[-1]:.15f}")
assert abs(J - model.loss_curve_[-1]) < 1e-12, (
    "the estimator must minimize the formula above"
)

# %%
# What only b does
# ----------------
#
# At the minimum, the derivative of :math:`J` by a free :math:`b` is zero. That
# derivative is the mean of :math:`\hat{y_i} - y_i`, so
#
# .. math:: \frac{1}{m} \sum_i \hat{y_i} = \frac{1}{m} \sum_i y_i:
#
# *whatever* :math:`\lambda` *is, the probabilities of the training rows average to the
# share of the class.* The penalty shrinks the differences between rows and leaves their
# mean alone. A penalized :math:`b` gives that up:

share = y_train.mean()
print(f"share of malignant rows in the training set: {share:.6f}")
for penalize in (False, True):
    model = L2LogisticRegression(lambd, penalize_intercept=penalize).fit(
        X_train, y_train
    )
    mean = model.predict_proba(X_train)[:, 1].mean()
    print(
        f"penalize_intercept={penalize!s:5}   b = {model.intercept_[0]:7.4f}   "
        f"mean probability = {mean:.6f}"
    )
    assert (abs(mean - share) < 1e-6) != penalize, (
        "the mean probability is the share exactly where b is free"
    )

# %%
# Where it hardly matters, and where it does
# ------------------------------------------
#
# :math:`b` is near zero where both classes are about equally frequent and the columns
# are centred; there is then little to shrink. A *rare* class needs a :math:`b` far from
# zero: with a share of 5 %, a row about which nothing is known has the score
# :math:`\log(0.05 / 0.95) \approx -3`. So we make the malignant class rare, by leaving
# out all but 20 of its rows, and fit both data sets with and without a penalty on
# :math:`b`.


def both_ways(X_train, y_train, X_dev, y_dev, lambds):
    """Mean training probability, dev loss, dev error: b free, b penalized."""
    rows = []
    for lambd in lambds:
        for penalize in (False, True):
            model = L2LogisticRegression(lambd, penalize_intercept=penalize).fit(
                X_train, y_train
            )
            mean = model.predict_proba(X_train)[:, 1].mean()
            loss, error = (
                log_loss(y_dev, model.predict_proba(X_dev)),
                1 - model.score(X_dev, y_dev),
            )
            rows.append((lambd, penalize, mean, loss, error))
    return np.array(rows).reshape(len(lambds), 2, 5)


malignant = np.random.default_rng(0).permutation(np.flatnonzero(y == 1))[:20]
rows = np.concatenate([np.flatnonzero(y == 0), malignant])
rare_train, rare_dev, y_rare_train, y_rare_dev = train_test_split(
    X[rows], y[rows], train_size=0.5, stratify=y[rows], random_state=0
)
scaler = StandardScaler().fit(rare_train)
rare_train, rare_dev = scaler.transform(rare_train), scaler.transform(rare_dev)

lambds = (0.1, 1, 10, 100)
usual = both_ways(X_train, y_train, X_dev, y_dev, lambds)
rare = both_ways(rare_train, y_rare_train, rare_dev, y_rare_dev, lambds)
for name, table, labels in (
    ("all rows", usual, y_train),
    ("malignant rare", rare, y_rare_train),
):
    print(f"{name}: share of malignant rows {labels.mean():.3f}")
    print("   lambd   penalize b   mean probability   dev loss   dev error")
    for lambd, penalize, mean, loss, error in table.reshape(-1, 5):
        print(
            f"{lambd:8g}   {bool(penalize)!s:>10}   {mean:16.3f}   {loss:8.4f}   "
            f"{error:9.1%}"
        )

best_usual, best_rare = usual[:, :, 3].min(axis=0), rare[:, :, 3].min(axis=0)
assert abs(best_usual[1] / best_usual[0] - 1) < 0.02, (
    "with all rows, the best dev loss must hardly depend on b's penalty"
)
at_10 = lambds.index(10)
assert rare[at_10, 1, 3] > 3 * rare[at_10, 0, 3], (
    "with a rare class, penalizing b at lambd=10 must triple the dev loss"
)
assert rare[at_10, 1, 2] > 2 * y_rare_train.mean(), (
    "... and more than double the mean probability"
)

# %%
# With all rows and a sensible :math:`\lambda`, the textbook is right: the dev loss
# stays the same in the first two digits. With the rare class it is not: the penalty on
# :math:`b` pulls every probability towards one half, the mean along with them, and the
# dev loss is a multiple of what it was.

ORANGE, BLUE = "#D55E00", "#0072B2"
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for ax, (title, table, labels) in zip(
    axes,
    (("all rows", usual, y_train), ("malignant rare", rare, y_rare_train)),
    strict=True,
):
    ax.axhline(
        labels.mean(), color="black", linestyle=":", label="share of malignant rows"
    )
    ax.plot(lambds, table[:, 0, 2], "o-", color=BLUE, label="b free")
    ax.plot(lambds, table[:, 1, 2], "s--", color=ORANGE, label="b penalized")
    ax.set(xscale="log", xlabel="lambd", title=title, ylim=(0, 0.5))
axes[0].set(ylabel="mean predicted probability")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# The better reason: where zero is
# --------------------------------
#
# A column may be measured from any zero: degrees Celsius or Kelvin, years since birth
# or since the year 0. Adding a constant :math:`c` to every column changes
# :math:`w \cdot x_i + b` by a constant, and a free :math:`b` takes it up at no cost.
# The model therefore stays the same. A penalized :math:`b` has to pay for it, so the
# predictions depend on where somebody put the zero. Here is by how much, with
# :math:`\lambda = 10` and all rows:

shifts = (0, 1, 10, 100)
probabilities = np.empty((2, len(shifts), len(y_dev)))
for k, shift in enumerate(shifts):
    for penalize in (False, True):
        model = L2LogisticRegression(10, penalize_intercept=penalize).fit(
            X_train + shift, y_train
        )
        probabilities[int(penalize), k] = model.predict_proba(X_dev + shift)[:, 1]
change = abs(probabilities - probabilities[:, :1]).max(axis=2)
dev_error = ((probabilities > 0.5) != y_dev).mean(axis=2)
print("               largest change of a probability          dev error")
print("columns shifted by     b free   b penalized      b free   b penalized")
for k, shift in enumerate(shifts):
    print(
        f"{shift:18}   {change[0, k]:8.0e}   {change[1, k]:11.3f}   "
        f"{dev_error[0, k]:9.1%}   {dev_error[1, k]:11.1%}"
    )
assert change[0].max() < 1e-5, (
    "with b free, a shift of the columns must leave the predictions where they are"
)
assert change[1, 1:].min() > 0.1, (
    "with b penalized, a shift must change some prediction by more than 0.1"
)
assert dev_error[1, -1] > dev_error[1, 0], "and a large shift must raise the dev error"

# %%
# With :math:`b` penalized, the cheapest way to undo the shift is to let the weights add
# up to nearly nothing, so that :math:`c \sum_j w_j` stays small. But all these columns
# measure some size or roughness, and what they say together is the main thing to know
# about a tumour.
#
# So :math:`b` is left out because it says where the data lie and how frequent a class
# is, which is not complexity. That it is only one number is true, but it is not the
# reason. The elements of statistical learning [1]_, section 3.4.1, says the same of
# ridge regression and the zero of its target.
#
# .. rubric:: References
#
# .. [1] T. Hastie, R. Tibshirani and J. Friedman, The elements of statistical learning,
#    2nd edition, Springer, 2009, https://doi.org/10.1007/978-0-387-84858-7.

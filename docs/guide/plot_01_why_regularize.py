r"""
Why regularize
==============

A model that has more freedom than its training set can pin down fits the noise in it as
well. Its error on the training set is then low and its error on new rows is high: it
*overfits*. Draw another training set and another model comes out; one says that the
model has a high *variance*. A penalty on the size of the weights takes some of that
freedom away.

This page looks at it on real data: 8 x 8 pictures of handwritten digits, and the
question whether the digit is odd. The cost of a logistic regression with weights
:math:`w` and bias :math:`b` is

.. math:: J = \frac{1}{m} \sum_{i=1}^m \mathcal{L}(\hat{y_i}, y_i) + \frac{\lambda}{2m}
   \|w\|_2^2,

where :math:`\mathcal{L}` is the log loss of a row and :math:`m` the number of training
rows. :math:`\lambda = 0` is the model without a penalty. In code, :math:`\lambda` is
the parameter ``lambd``, since ``lambda`` is a word of Python's own.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression

# %%
# Many small training sets
# ------------------------
#
# One small training set may be a lucky one. So we draw six of each size and train on
# each without a penalty and with one. Every model is tested on the rows that it has not
# seen, the *dev set*. The same penalty serves all sizes; nothing is tuned here.

X, y = load_digits(return_X_y=True)
is_odd = y % 2

sizes, lambds, n_draws = (100, 200, 300, 500, 1000), (0, 10), 6
train_error = np.empty((len(lambds), len(sizes), n_draws))
dev_error = np.empty_like(train_error)
weights = {}

for j, size in enumerate(sizes):
    for draw in range(n_draws):
        X_train, X_dev, y_train, y_dev = train_test_split(
            X, is_odd, train_size=size, stratify=y, random_state=draw
        )
        for i, lambd in enumerate(lambds):
            model = make_pipeline(StandardScaler(), L2LogisticRegression(lambd))
            with warnings.catch_warnings():
                # lambd=0, see below
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X_train, y_train)
            train_error[i, j, draw] = 1 - model.score(X_train, y_train)
            dev_error[i, j, draw] = 1 - model.score(X_dev, y_dev)
            weights[lambd, size, draw] = model[-1].coef_[0]

print("training rows    lambd   train error   dev error")
for j, size in enumerate(sizes):
    for i, lambd in enumerate(lambds):
        print(
            f"{size:13}   {lambd:6g}   {train_error[i, j].mean():11.1%}   "
            f"{dev_error[i, j].mean():9.1%}"
        )

assert train_error[0, :3].max() == 0, (
    "without a penalty, up to 300 rows must be fitted without an error"
)
gap = (dev_error - train_error).mean(axis=2)
assert (gap[1] < gap[0]).all(), (
    "the penalty must bring train and dev error closer together, at every size"
)
saved = (dev_error[0] - dev_error[1]).mean(axis=1)
assert (saved[:4] > 0.005).all(), (
    "the penalty must save at least half a per cent of the dev rows up to 500 rows"
)
assert saved[4] < saved[1] / 2, (
    "with 1000 rows the penalty must matter less than with 200"
)

# %%
# Without a penalty, up to 300 rows are learned without a single mistake. That says
# nothing about new rows.

ORANGE, BLUE = "#D55E00", "#0072B2"
figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for i, (lambd, colour) in enumerate(zip(lambds, (ORANGE, BLUE), strict=True)):
    error = 100 * dev_error[i]
    bars = error.std(axis=1, ddof=1) / np.sqrt(n_draws)
    ax.errorbar(
        sizes,
        error.mean(axis=1),
        bars,
        fmt="s-",
        capsize=3,
        color=colour,
        label=f"dev, lambd={lambd:g}",
    )
    ax.plot(
        sizes,
        100 * train_error[i].mean(axis=1),
        "o--",
        color=colour,
        label=f"train, lambd={lambd:g}",
    )
ax.set_xscale("log")
ax.set_xticks(sizes, sizes)
ax.set_xticks([], minor=True)
ax.set(
    xlabel="training rows m",
    ylabel="error (% of rows)",
    title="Odd or even? Means of 6 training sets, ± 1 se",
)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# Two ways lead out of overfitting: more rows (to the right in the picture) or a penalty
# (down, to the blue line). The penalty is the cheaper one. It saves most where the rows
# are few for 64 weights; with 1000 rows there is little left to save.
#
# What is the model without a penalty, where a plane separates the classes of a small
# training set? There :math:`J` has no minimum. It falls forever as :math:`w` grows
# [1]_, and many planes separate the classes. Any :math:`\lambda > 0` has exactly one
# minimum; as :math:`\lambda` goes to 0, its direction becomes that of the plane with
# the widest margin [2]_. ``lambd=0`` gives about this one, and says in a
# ``ConvergenceWarning``, which is silenced above, that its length means nothing.
#
# Variance, seen in the weights
# -----------------------------
#
# High variance means that the model depends on which rows were drawn. Here are the
# weights of the six models of 200 rows each. To compare long and short weight vectors,
# each is divided by its length. What is left is its direction.

figure, axes = plt.subplots(
    2, 1, figsize=(7.5, 5), sharex=True, sharey=True, layout="constrained"
)
alike = {}
for ax, lambd, colour in zip(axes, lambds, (ORANGE, BLUE), strict=True):
    W = np.array([weights[lambd, 200, draw] for draw in range(n_draws)])
    directions = W / np.linalg.norm(W, axis=1, keepdims=True)
    ax.plot(range(64), directions.T, ".", color=colour, alpha=0.6)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(title=f"lambd={lambd:g}: a dot per training set", ylabel="weight / ||w||")
    alike[lambd] = (directions @ directions.T)[np.triu_indices(n_draws, 1)].mean()
    length = np.linalg.norm(W, axis=1).mean()
    print(
        f"lambd={lambd:<6g}  mean length ||w|| {length:5.1f}   "
        f"mean cosine between two models {alike[lambd]:.2f}"
    )
axes[1].set(xlabel="number of the pixel", xlim=(-1, 64))
plt.show()

assert alike[10] > alike[0] + 0.1, (
    "with the penalty, models of different training sets must be more alike"
)

# %%
# The cosine is 1 for two models that agree in all weights and 0 for two that have
# nothing in common. With the penalty, two training sets from the same source tell more
# nearly the same story.
#
# What this costs: the penalty pulls every weight towards zero, also those that should
# be large. That is a *bias*. A good :math:`\lambda` saves more variance than it costs
# in bias. :ref:`What lambda does <sphx_glr_auto_guide_plot_04_what_lambda_does.py>`
# shows both sides of it. For the trade in general see [3]_, section 2.9 and chapter 7;
# for logistic regression, [4]_.
#
# .. rubric:: References
#
# .. [1] A. Albert and J. A. Anderson, On the existence of maximum likelihood estimates
#    in logistic regression models, Biometrika 71, 1984,
#    https://doi.org/10.1093/biomet/71.1.1.
# .. [2] S. Rosset, J. Zhu and T. Hastie, Boosting as a regularized path to a maximum
#    margin classifier, Journal of Machine Learning Research 5, 2004,
#    https://www.jmlr.org/papers/v5/rosset04a.html.
# .. [3] T. Hastie, R. Tibshirani and J. Friedman, The elements of statistical learning,
#    2nd edition, Springer, 2009, https://doi.org/10.1007/978-0-387-84858-7.
# .. [4] S. le Cessie and J. C. van Houwelingen, Ridge estimators in logistic
#    regression, Applied Statistics 41, 1992, https://doi.org/10.2307/2347628.

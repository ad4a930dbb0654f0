r"""
L1 against L2
=============

The L1 penalty adds the absolute values of the weights to the mean loss, the L2 penalty
their squares:

.. math:: J_1 = \frac{1}{m} \sum_i \mathcal{L}(\hat{y_i}, y_i) + \frac{\lambda}{m}
   \sum_j |w_j|,
   \qquad J_2 = \frac{1}{m} \sum_i \mathcal{L}(\hat{y_i}, y_i) + \frac{\lambda}{2m}
   \sum_j w_j^2.

Textbooks say of them that

- L1 makes weights *zero* and L2 makes them *small*;
- L2 is the better one against overfitting;
- L1 is the harder one to compute, having no derivative at zero.

This page measures all three.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, LambdaSearchCV
from sklearn_l2.display import CoefficientPathDisplay

# %%
# Zero against small
# ------------------
#
# Why L1 makes zeros is seen from the derivative of the penalty for one weight. For L2
# it is :math:`\frac{\lambda}{m} w_j`: the pull weakens as the weight does, and never
# ends in exactly zero. For L1 it is :math:`\pm \frac{\lambda}{m}`, however small the
# weight; one whose loss pulls with less than that is held at zero [1]_.
#
# Here are the weights of the breast cancer data, each as a line over :math:`\lambda`:

cancer = load_breast_cancer()
paths = np.logspace(-1, 3, 25)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
displays = [
    CoefficientPathDisplay.from_estimator(
        make_pipeline(StandardScaler(), Model()),
        cancer.data,
        cancer.target,
        lambds=paths,
        feature_names=cancer.feature_names,
        n_labels=4,
        ax=ax,
        name=name,
    )
    for ax, Model, name in zip(
        axes,
        (L2LogisticRegression, L1LogisticRegression),
        ("L2: small", "L1: zero"),
        strict=True,
    )
]
plt.show()

# %%
# The same strength means different things on the two sides: L2's counts squares, L1's
# counts sizes. Compare the shapes, not one :math:`\lambda` with the other.
#
# A fair comparison
# -----------------
#
# Each side gets the best :math:`\lambda` of a grid, by the log loss on a dev set, on
# three splits of three data sets:
#
# - *cancer*: 30 columns, 100 training rows;
# - *digits*: 64 pixels, odd or even, 300 training rows;
# - *cancer + noise*: the 30 columns beside 300 that say nothing, which are the same
#   columns in shuffled order, ten times.

rng = np.random.default_rng(0)
X, y = cancer.data, cancer.target
noisy = np.hstack([X, *(rng.permutation(X) for _ in range(10))])
digits, digit = load_digits(return_X_y=True)
data = {
    "cancer": (X, y, 100),
    "digits": (digits, digit % 2, 300),
    "cancer + noise": (noisy, y, 100),
}

models = {"L2": L2LogisticRegression, "L1": L1LogisticRegression}
n_splits = 3
columns = ("zeros", "below 1 %", "||w||_1", "||w||_2", "dev loss", "dev error")
measured, chosen = {}, {}
for name, (X, y, n_train) in data.items():
    for penalty, Model in models.items():
        rows = []
        for split in range(n_splits):
            X_train, X_dev, y_train, y_dev = train_test_split(
                X, y, train_size=n_train, stratify=y, random_state=split
            )
            search = LambdaSearchCV(
                make_pipeline(StandardScaler(), Model()),
                (0.1, 0.3, 1, 3, 10, 30),
                scoring="neg_log_loss",
            ).fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
            best = search.best_estimator_
            w = abs(best[-1].coef_[0])
            if penalty == "L2":
                blank = X_train.std(axis=0) == 0
                assert ((w == 0) == blank).all(), "L2's zeros must be blank pixels"
            sparsity = (w == 0).mean(), (w < 0.01 * w.max()).mean()
            dev = -search.best_score_, 1 - best.score(X_dev, y_dev)
            rows.append((*sparsity, w.sum(), np.linalg.norm(w), *dev))
        measured[name, penalty] = dict(zip(columns, np.transpose(rows), strict=True))
        chosen[name, penalty] = clone(best), X_train, y_train

# %%
# How long do the chosen models of the last split take to fit? The fits of both sides
# take turns, so that what disturbs one disturbs the other, and the median counts.

times = {case: [] for case in chosen}
for _ in range(9):
    for case, (model, X_train, y_train) in chosen.items():
        start = perf_counter()
        model.fit(X_train, y_train)
        times[case].append(perf_counter() - start)

print(
    "means of 3 splits   ", *(f"{column:>10}" for column in columns), "  time of a fit"
)
for case, figures in measured.items():
    numbers = [values.mean() for values in figures.values()]
    formats = (".0%", ".0%", ".1f", ".2f", ".3f", ".1%")
    cells = [f"{n:>10{form}}" for n, form in zip(numbers, formats, strict=True)]
    milliseconds = f"{1000 * np.median(times[case]):12.1f} ms"
    print(f"{case[0]:15} {case[1]}  ", *cells, milliseconds)

# %%
# "Below 1 %" is the share of weights smaller than a hundredth of the largest one, the
# zeros included: with L2 these are few.


def mean(name, penalty, column):
    return measured[name, penalty][column].mean()


for name in data:
    assert mean(name, "L1", "zeros") > 0.4, f"{name}: L1 must make zeros"
    assert mean(name, "L2", "zeros") < 0.15, f"{name}: L2 must make hardly any"
    assert mean(name, "L1", "||w||_1") < mean(name, "L2", "||w||_1"), (
        f"{name}: L1 must have the smaller L1 norm"
    )
excess = {
    name: mean(name, "L1", "dev error") - mean(name, "L2", "dev error") for name in data
}
assert max(abs(excess["cancer"]), abs(excess["digits"])) < 0.02, "errors must be close"
assert excess["cancer + noise"] < -0.02, "with noise, L1 must err less"

ORANGE, BLUE = "#D55E00", "#0072B2"
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
places = np.arange(len(data))
titles = {"zeros": "weights that are exactly zero", "dev error": "dev error, ± 1 se"}
for ax, (column, title) in zip(axes, titles.items(), strict=True):
    for shift, penalty, colour in ((-0.2, "L2", BLUE), (0.2, "L1", ORANGE)):
        values = np.array([measured[name, penalty][column] for name in data]) * 100
        bars = {"label": penalty, "color": colour, "capsize": 3}
        bars["xerr"] = values.std(axis=1, ddof=1) / np.sqrt(n_splits)
        ax.barh(places + shift, values.mean(axis=1), 0.36, **bars)
    ax.set(title=title, xlabel="% of weights" if column == "zeros" else "% of rows")
axes[0].set_yticks(places, list(data))
axes[0].invert_yaxis()
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# What of the three claims holds?
#
# - *Zero against small* holds everywhere. (The few zeros of L2 belong to pixels that
#   are blank in all training rows.)
# - *L2 is better against overfitting* does not hold as a rule. It errs a little less on
#   *cancer* and a little more on *digits*; both differences are small. Where most
#   columns tell nothing, L1 is clearly better, because it leaves them out; L2 can only
#   make their weights small, and there are 300 of them. That is known in theory too:
#   the rows that L1 needs grow with the logarithm of the number of columns without
#   meaning, those that L2 needs in the worst case in proportion to it [2]_.
# - *L1 is harder to compute* is true and, at this size, does not matter: see the last
#   column of the table. Part of each time is the same on both sides, the checks of the
#   data and the scaler.
#
# One more thing to know before one reads the zeros as "not important": of two columns
# that say nearly the same, L1 keeps one and drops the other, which may well be the
# other way round on another training set [3]_.
#
# .. rubric:: References
#
# .. [1] R. Tibshirani, Regression shrinkage and selection via the lasso, Journal of the
#    Royal Statistical Society B 58, 1996,
#    https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.
# .. [2] A. Y. Ng, Feature selection, L1 vs. L2 regularization, and rotational
#    invariance, ICML 2004, https://doi.org/10.1145/1015330.1015435.
# .. [3] H. Zou and T. Hastie, Regularization and variable selection via the elastic
#    net, Journal of the Royal Statistical Society B 67, 2005,
#    https://doi.org/10.1111/j.1467-9868.2005.00503.x.

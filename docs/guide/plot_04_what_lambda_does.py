r"""
What lambda does
================

.. math:: J = \frac{1}{m} \sum_i \mathcal{L}(\hat{y_i}, y_i) + \frac{\lambda}{2m}
   \|W\|^2

The larger :math:`\lambda` is, the more the second term counts and the smaller the
weights become. Textbooks tell the rest in a table of four rows:

.. list-table::
   :header-rows: 1

   * - :math:`\lambda`
     - weights
     - training error
     - dev error
     - problem
   * - 0
     - not regularized
     - very low
     - high
     - overfitting
   * - too small
     - hardly smaller
     - low
     - high
     - still overfitting
   * - optimal
     - balanced
     - low
     - low
     - just right
   * - too large
     - too small
     - high
     - high
     - underfitting

This page reproduces each row on real data, and says where the numbers do not quite
agree.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, L2MLPClassifier, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay

# %%
# A network
# ---------
#
# Is a handwritten digit odd? A network of eight hidden units has 529 parameters; it
# gets 150 pictures to learn from. It is trained until its cost hardly falls any more,
# on three draws of 150, and tested on the other 1647 pictures.

X, y = load_digits(return_X_y=True)
X, is_odd = X / 16, y % 2
lambds = np.array([0, 0.001, 0.1, 1, 10, 100])
draws = list(StratifiedShuffleSplit(3, train_size=150, random_state=0).split(X, is_odd))
figures = np.empty((len(lambds), len(draws), 5))
for i, lambd in enumerate(lambds):
    for k, (train, dev) in enumerate(draws):
        network = L2MLPClassifier(
            (8,), lambd=lambd, solver="lbfgs", max_iter=200, tol=1e-5, random_state=0
        )
        with warnings.catch_warnings():
            # 200 iterations are enough to see it
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(X[train], is_odd[train])
        norm = np.sqrt(sum((W**2).sum() for W in network.coefs_))
        losses = (
            log_loss(is_odd[rows], network.predict_proba(X[rows]))
            for rows in (train, dev)
        )
        errors = (1 - network.score(X[rows], is_odd[rows]) for rows in (train, dev))
        figures[i, k] = norm, *losses, *errors

print("lambd   ||W||   train loss   dev loss   train error   dev error")
for lambd, row in zip(lambds, figures.mean(axis=1), strict=True):
    print(
        f"{lambd:5g}   {row[0]:5.1f}   {row[1]:10.3f}   {row[2]:8.3f}   "
        f"{row[3]:11.1%}   {row[4]:9.1%}"
    )

norm, train_loss, dev_loss, train_error, dev_error = figures.mean(axis=1).T
zero, too_small, optimal, too_large = 0, 1, 3, 4
assert (np.diff(norm) < 0).all(), "the larger lambda, the smaller the weights"
assert train_error[zero] == 0 and train_error[too_small] < 0.02, (
    "rows 1 and 2: low training error"
)
assert dev_error[[zero, too_small]].min() > dev_error[optimal] + 0.01, (
    "rows 1 and 2: high dev error"
)
assert dev_loss[[zero, too_small]].min() > 3 * dev_loss[optimal], (
    "rows 1 and 2: high dev loss"
)
assert train_error[optimal] < 0.02 and dev_loss.argmin() == optimal, (
    "row 3: low training error, lowest dev loss"
)
assert (
    train_error[too_large] > 0.05 and dev_error[too_large] > dev_error[optimal] + 0.01
), "row 4: both high"
assert norm[-1] < 1e-3 and dev_error[-1] > 0.45, (
    "at lambd=100 nothing is left of the network"
)

# %%
# All four rows are there: 0, 0.001, 1, and 10 or 100.

figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
standard_errors = figures.std(axis=1, ddof=1) / np.sqrt(len(draws))
for ax, metric, train, dev in ((axes[0], "loss", 1, 2), (axes[1], "error", 3, 4)):
    LambdaCurveDisplay(
        lambds,
        figures[..., train].mean(axis=1),
        figures[..., dev].mean(axis=1),
        train_se=standard_errors[:, train],
        dev_se=standard_errors[:, dev],
        metric=metric,
        name=f"network, {metric}",
    ).plot(ax)
plt.show()

# %%
# What the table does not say:
#
# - "Very low" and "low" are the same here: hardly a training row is wrong from
#   :math:`\lambda = 0` to the best :math:`\lambda`. The training error does not tell
#   these three rows apart; the dev set does.
# - The dev *loss* shows overfitting much more than the dev *error*. The weights of an
#   overfitted model are long, so it is sure of itself where it is wrong, too; the loss
#   counts that, the error does not. Choose :math:`\lambda` by the loss
#   (``scoring="neg_log_loss"``) unless you have a reason not to.
# - A network with a :math:`\lambda` that is too large does not just become worse: it
#   *stops*. At 100, :math:`W = 0` is a minimum, every row gets the same probability,
#   and half the rows are wrong. A logistic regression never does that, as the next data
#   show: the derivative of its loss at :math:`w = 0` is not zero, so its weights only
#   become smaller.
#
# A logistic regression
# ---------------------
#
# The breast cancer data, 40 training rows for 30 weights, 20 draws. A batched search
# over :math:`\lambda` is a search with 20 "folds"; its table has a verdict for each
# row.

X, y = load_breast_cancer(return_X_y=True)
pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
draws = StratifiedShuffleSplit(20, train_size=40, random_state=0)
search = LambdaSearchCV(
    pipeline, (0, 0.0001, 0.01, 0.1, 1, 10, 100, 1000), scoring="neg_log_loss", cv=draws
)
with warnings.catch_warnings():
    # lambd=0: 40 rows are separable
    warnings.simplefilter("ignore", ConvergenceWarning)
    search.fit(X, y)
table = search.lambda_table()
print(table)

figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
LambdaCurveDisplay.from_search(search, ax=axes[0], name="logistic regression, loss")
LambdaCurveDisplay.from_search(
    search, metric="error", ax=axes[1], name="logistic regression, error"
)
plt.show()

# %%
# The same four rows, with other accents.

lambds, dev_loss, dev_error, train_error = (
    table[c] for c in ("lambd", "dev_loss", "dev_error", "train_error")
)
assert search.best_params_ == {"l2logisticregression__lambd": 1}, (
    "row 3: the best lambda is 1"
)
assert (table["verdict"][:4] == "overfitting").all() and (
    table["verdict"][5:] == "underfitting"
).all(), "rows 1, 2, 4"
assert (train_error[:4] == 0).all(), "no training error up to lambd=0.1"
assert abs(dev_error[0] - dev_error[1]) < 0.01, (
    "no penalty must err about as often as next to none"
)
assert (dev_error[:2] < dev_error[4] + 0.02).all(), (
    "too small hardly shows in the error"
)
assert dev_loss[0] > 4 * dev_loss[4] and dev_loss[1] > 2 * dev_loss[4], (
    "too small shows in the loss"
)
assert dev_error[-1] > 0.3 and 0 < table["norm"][-1] < 0.1, (
    "too large: many errors, yet weights that are not zero"
)

# %%
# - With 40 rows, the classes are separable, and then the cost without a penalty has no
#   minimum: it falls forever as the weights grow. As :math:`\lambda` goes to 0, the
#   weights' direction becomes that of the plane with the widest margin [1]_, and
#   ``lambd=0`` gives about this one. (Plain gradient descent, stopped after some time,
#   ends near that plane as well [2]_; that, too, is regularization.) So no step leads
#   down from 0 to 0.0001. How long the weights are at 0 says nothing.
# - In rows 1 and 2, "dev error: high" would be too much to say: 0 and 0.0001 are wrong
#   on about one row in a hundred more than the best :math:`\lambda`. Their dev *loss*
#   is about four and three times as high.
#
# At :math:`\lambda = 1000` the weights are tiny and the model says "benign" to nearly
# all rows. Underfitting has not made it useless, though: its probabilities lie close
# together, but still in a good order. Ranking the dev rows by them is right for nearly
# all pairs of a malignant and a benign row, which is what the area under the ROC curve
# measures:

train, dev = next(draws.split(X, y))
model = pipeline.set_params(l2logisticregression__lambd=1000).fit(X[train], y[train])
probability = model.predict_proba(X[dev])[:, 1]
area = roc_auc_score(y[dev], probability)
print(f"probabilities from {probability.min():.2f} to {probability.max():.2f}")
print(
    f"dev error {1 - model.score(X[dev], y[dev]):.0%}, area under the ROC curve "
    f"{area:.3f}"
)
assert area > 0.95, "even at lambd=1000 the order of the probabilities must be good"

# %%
# So the rows are true of the *loss*, on both models. What is "too small" or "too large"
# depends on the data: :math:`\lambda` is weighed against the sum of :math:`m` losses.
# Only a dev set or cross-validation can tell, which is what
# :ref:`Choosing lambda <sphx_glr_auto_guide_plot_08_choosing_lambda.py>` is about.
#
# .. rubric:: References
#
# .. [1] S. Rosset, J. Zhu and T. Hastie, Boosting as a regularized path to a maximum
#    margin classifier, Journal of Machine Learning Research 5, 2004,
#    https://www.jmlr.org/papers/v5/rosset04a.html.
# .. [2] D. Soudry, E. Hoffer, M. S. Nacson, S. Gunasekar and N. Srebro, The implicit
#    bias of gradient descent on separable data, Journal of Machine Learning Research
#    19, 2018, https://www.jmlr.org/papers/v19/18-188.html.

r"""
Choosing lambda
===============

:math:`\lambda` cannot be chosen on the training set: the training loss is lowest at
:math:`\lambda = 0`, always. It is chosen where the model was not trained: on a *dev
set*, or on the parts that cross-validation holds out in turn. And the model that comes
out of the choice is judged on a third part, the *test set*, which took no part in
either.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV, one_standard_error
from sklearn_l2.display import LambdaCurveDisplay

# %%
# A dev set
# ---------
#
# The test set is put aside before anything else. Then the rest is divided into training
# and dev set. Steps of a factor of about 3 are fine enough for :math:`\lambda`, which
# acts on a logarithmic scale.

X, y = load_breast_cancer(return_X_y=True)
X_rest, X_test, y_rest, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)
X_train, X_dev, y_train, y_dev = train_test_split(
    X_rest, y_rest, test_size=0.25, stratify=y_rest, random_state=0
)

pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
lambds = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
search = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss").fit(
    X_train, y_train, X_val=X_dev, y_val=y_dev
)
print(search.lambda_table())

table = search.lambda_table()
assert table["train_loss"].argmin() == 0, (
    "the training loss must be lowest at the smallest lambda"
)
assert table["dev_loss"].argmin() not in (0, len(lambds) - 1), (
    "the dev loss must be lowest inside of the grid"
)

# %%
# ± is a standard error over the 100 dev rows. The verdict is "just right" where the dev
# set cannot tell a :math:`\lambda` from the best one. If the best is at an end of the
# grid, the search says so in a warning: widen the grid.
#
# How noisy a small dev set is
# ----------------------------
#
# That was one dev set. Would another have led to the same :math:`\lambda`? We draw dev
# sets of 25, 50 and 150 rows, 40 times each, always with 200 training rows, and beside
# them ten cross-validations of 10 folds, in each of which all 398 rows are held out
# once. Each search is one batch.

grid = np.array(lambds)
draws = {
    f"dev set of {size}": [
        StratifiedShuffleSplit(40, train_size=200, test_size=size, random_state=0)
    ]
    for size in (25, 50, 150)
}
draws["10 folds"] = [
    StratifiedKFold(10, shuffle=True, random_state=seed) for seed in range(10)
]
losses = {}
for name, splitters in draws.items():
    losses[name] = []
    for cv in splitters:
        results = LambdaSearchCV(
            pipeline, lambds, scoring="neg_log_loss", cv=cv, refit=False
        ).fit(X_rest, y_rest)
        splits = np.array(
            [
                results.cv_results_[f"split{k}_test_score"]
                for k in range(results.n_splits_)
            ]
        )
        losses[name].append(
            -splits if len(splitters) == 1 else -splits.mean(axis=0, keepdims=True)
        )
    losses[name] = np.concatenate(losses[name])  # a row per choice, a column per lambda

print("                chosen lambda      dev loss at lambda=1   lowest dev loss")
print("                 least   most       mean   std. dev.       mean")
for name, loss in losses.items():
    chosen = grid[loss.argmin(axis=1)]
    at_one = loss[:, lambds.index(1)]
    print(
        f"{name:15} {chosen.min():6g} {chosen.max():6g}   {at_one.mean():8.3f}   "
        f"{at_one.std(ddof=1):9.3f}   "
        f"{loss.min(axis=1).mean():8.3f}"
    )

figure, axes = plt.subplots(
    1, len(losses), figsize=(11, 3.4), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, loss) in zip(axes, losses.items(), strict=True):
    counts = np.bincount(loss.argmin(axis=1), minlength=len(grid))
    ax.barh(range(len(grid)), 100 * counts / len(loss), color="#0072B2")
    ax.set(title=name, xlabel="chosen (% of draws)")
axes[0].set_yticks(range(len(grid)), [f"{lambd:g}" for lambd in grid])
axes[0].set_ylabel("lambd")
plt.show()

std = {name: loss[:, lambds.index(1)].std(ddof=1) for name, loss in losses.items()}
spread = {
    name: np.log10(grid[loss.argmin(axis=1)]).std(ddof=1)
    for name, loss in losses.items()
}
assert std["dev set of 25"] > 1.5 * std["dev set of 150"], (
    "the loss on a small dev set must vary more"
)
assert spread["dev set of 25"] > spread["dev set of 150"] > spread["10 folds"], (
    "... and so must the choice"
)
for name, loss in losses.items():
    assert loss.min(axis=1).mean() <= loss.mean(axis=0).min(), (
        f"{name}: the lowest of several is too low"
    )

# %%
# A dev set of 25 rows chooses almost anything; one of 150 is within a factor of 3 or so
# of a middle value most of the time; cross-validation, in which every row is held out
# once, is the steadiest. It costs as many fits as there are folds, which one batch
# makes cheap. The lesson is not that small dev sets are useless: near the best
# :math:`\lambda` the curve is flat, so that a factor of 3 loses little. The lesson is
# not to read much into the exact choice.
#
# The last column is the mean of the *lowest* dev loss. It is lower than what any single
# :math:`\lambda` reaches on average: who takes the best of nine noisy numbers takes
# some luck along. That is why the dev loss of the winner is no fair estimate of its
# loss on new data, and why there is a test set.
#
# Cross-validation, and one standard error
# ----------------------------------------
#
# Let :math:`\bar s(\lambda)` be the mean score over :math:`n` folds, and
#
# .. math:: \mathrm{se} = \frac{\mathrm{std}}{\sqrt{n - 1}}, \qquad
#    \mathrm{std}^2 = \frac{1}{n} \sum_{k=1}^n \left(s_k - \bar s\right)^2.
#
# The rule of one standard error [1]_ takes the *largest* :math:`\lambda` with
# :math:`\bar s(\lambda) \ge \bar s(\mathrm{best}) - \mathrm{se}(\mathrm{best})`: the
# most regularized model that is as good as the best, give or take chance.

cv = StratifiedKFold(10, shuffle=True, random_state=0)
search = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss", cv=cv).fit(
    X_rest, y_rest
)
cautious = LambdaSearchCV(
    pipeline, lambds, scoring="neg_log_loss", cv=cv, refit=one_standard_error
)
cautious.fit(X_rest, y_rest)
least, one_se = (
    each.best_params_["l2logisticregression__lambd"] for each in (search, cautious)
)
print(f"lowest mean loss: lambd={least}, one standard error: lambd={one_se}")
assert one_se > least, "the rule of one standard error must take a larger lambda here"

LambdaCurveDisplay.from_search(search, name="10-fold cross-validation")
plt.show()

# %%
# The test set, once
# ------------------
#
# ``search`` has refitted its choice on all rows but the test set. Now that test set is
# used, for the first time.


def with_standard_error(values):
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


test_losses = {}
for name, chosen in (("lowest", search), ("one standard error", cautious)):
    probability = chosen.predict_proba(X_test)
    test_losses[name] = -np.log(probability[np.arange(len(y_test)), y_test])
    assert np.isclose(test_losses[name].mean(), log_loss(y_test, probability))
    wrong = chosen.predict(X_test) != y_test
    print(
        f"{name:18}   test loss {with_standard_error(test_losses[name])}   "
        f"test error {with_standard_error(wrong)}"
    )
difference = test_losses["one standard error"] - test_losses["lowest"]
print(f"difference of the losses, row by row: {with_standard_error(difference)}")

# %%
# Compare two models by the difference on each row, as in the last line: most of the
# noise is common to both, so that its standard error is much smaller than theirs. Here
# the larger :math:`\lambda` costs a little loss. The rule does not promise a better
# model, but a simpler one that is not much worse.

assert abs(difference.mean()) < test_losses["lowest"].std(ddof=1) / np.sqrt(
    len(y_test)
), "not much worse"
assert difference.std() < test_losses["lowest"].std() / 2, (
    "the difference must be less noisy than either loss"
)

# %%
# Nested cross-validation
# -----------------------
#
# Where there are too few rows to put a test set aside, the search itself can be
# cross-validated. It is an estimator like any other: for each of the outer folds, it
# chooses its :math:`\lambda` on inner folds, without the outer part [2]_. The outcome
# judges the whole procedure, the choice included, not one :math:`\lambda`.

search = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss", cv=5)
outer = StratifiedKFold(5, shuffle=True, random_state=0)
nested = cross_validate(
    search, X, y, cv=outer, scoring="neg_log_loss", return_estimator=True
)
loss = -nested["test_score"]
choices = [
    fitted.best_params_["l2logisticregression__lambd"] for fitted in nested["estimator"]
]
inner = -np.mean([fitted.best_score_ for fitted in nested["estimator"]])
se = loss.std(ddof=1) / np.sqrt(5)
print(f"loss on outer folds {loss.mean():.3f} ± {se:.3f}, on inner ones {inner:.3f}")
print(f"the five choices of lambd: {', '.join(map(str, choices))}")
assert abs(loss.mean() - inner) < se, "inner and outer loss must be close here"
assert max(choices) <= 10 * min(choices), (
    "the five choices must lie within a factor of 10"
)

# %%
# The loss on the outer folds and the best loss on the inner ones hardly differ here:
# nine strengths leave little room for luck where each is scored on hundreds of rows.
# With many parameters and few rows they do differ [2]_.
#
# Which to use?
#
# - *Much data*, or data that come with a dev set: a dev set, and a test set.
# - *Hundreds of rows*: cross-validation for :math:`\lambda`, a test set for the end.
# - *A hundred rows or less*: nested cross-validation, and modest claims.
#
# Whichever it is: fit scalers and other steps on training rows only, which a pipeline
# does by itself, and look at the test set once.
#
# .. rubric:: References
#
# .. [1] L. Breiman, J. Friedman, C. J. Stone and R. A. Olshen, Classification and
#    regression trees, section 3.4.3, 1984, https://doi.org/10.1201/9781315139470.
# .. [2] G. C. Cawley and N. L. C. Talbot, On over-fitting in model selection and
#    subsequent selection bias in performance evaluation, Journal of Machine Learning
#    Research 11, 2010, https://www.jmlr.org/papers/v11/cawley10a.html.

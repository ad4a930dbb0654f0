"""
Imbalanced classes: weights, thresholds, probabilities
======================================================

Is it an 8? Of the digits one in ten is. A model that always says no is right nine times in ten, so accuracy is the
wrong thing to look at. There are two ways to find more of the rare class: weigh its rows, or lower the threshold from
which on the answer is yes. Both are shown, and what each does to the probabilities.
"""

# %%
# Two searches
# ------------
# ``class_weight="balanced"`` gives both classes the same total weight. m is the sum of all weights, which is still
# the number of rows, so ``lambd`` keeps its meaning. Folds compute the weights from their own training rows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_digits
from sklearn.metrics import PrecisionRecallDisplay, log_loss, precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay

X, y = load_digits(return_X_y=True)
y = (y == 8).astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
print(f"{y_train.sum()} of {len(y_train)} training rows are an 8; always no: accuracy {1 - y_test.mean():.3f}")


def search(class_weight):
    """On five folds, by log loss."""
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(class_weight=class_weight))
    lambds = np.outer(10.0 ** np.arange(-2, 3), [1, 3]).ravel()  # 0.01, 0.03, 0.1, ... 300
    return LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss", cv=5).fit(X_train, y_train)


plain, balanced = search(None), search("balanced")
print(plain.lambda_table())
LambdaCurveDisplay.from_search(plain, name="Is it an 8?")
plt.show()

# %%
# Choose by a score that sees the rare class: log loss here; average precision or balanced accuracy are others. From
# ``lambd=300`` on the error is that of always saying no.

table = plain.lambda_table()
assert abs(table["dev_error"][-1] - y_train.mean()) < 1e-3
assert table["dev_loss"][0] > 2 * table["dev_loss"][plain.best_index_] < table["dev_loss"][-1]

# %%
# What balanced weights do
# ------------------------
# More 8s are found, at the price of false alarms. But the probabilities are no longer what they say: on average they
# are well above the share of 8s.

p = {"plain": plain.predict_proba(X_test)[:, 1], "balanced": balanced.predict_proba(X_test)[:, 1]}
print(f"share of 8s in the test set: {y_test.mean():.3f}")
print("          recall  precision  log loss  mean probability")
for name, probability in p.items():
    answer = probability > 0.5
    recall, precision = recall_score(y_test, answer), precision_score(y_test, answer)
    loss = log_loss(y_test, probability)
    print(f"{name:9} {recall:6.3f}  {precision:9.3f}  {loss:8.3f}  {probability.mean():16.3f}")
assert recall_score(y_test, p["balanced"] > 0.5) > recall_score(y_test, p["plain"] > 0.5) + 0.1
assert precision_score(y_test, p["balanced"] > 0.5) < precision_score(y_test, p["plain"] > 0.5) - 0.1
assert log_loss(y_test, p["balanced"]) > log_loss(y_test, p["plain"])
assert p["balanced"].mean() > 1.5 * y_test.mean()
assert abs(p["plain"].mean() - y_test.mean()) < 0.02

# %%
# Read the left picture from below: of the rows to which the balanced model gives 0.5, far fewer than half are an 8.
# In the right picture neither curve lies above the other everywhere by much: both models rank the rows about alike.

# sphinx_gallery_thumbnail_number = 2
_, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for (name, probability), marker in zip(p.items(), "os", strict=True):
    CalibrationDisplay.from_predictions(
        y_test, probability, n_bins=5, strategy="uniform", name=name, ax=axes[0], marker=marker
    )
    PrecisionRecallDisplay.from_predictions(y_test, probability, name=name, ax=axes[1])
axes[0].set(title="Are the probabilities true?", xlabel="predicted probability of an 8", ylabel="share of 8s")
axes[1].set(title="What each threshold gives", xlabel="recall", ylabel="precision")
axes[0].legend(loc="upper left")
axes[1].legend(loc="lower left")
plt.show()

assert y_test[np.abs(p["balanced"] - 0.5) < 0.1].mean() < 0.4

# %%
# A threshold does the same
# -------------------------
# If a missed 8 costs nine times as much as a false alarm, say yes from a probability of 1/(1 + 9) = 0.1 on. That
# needs true probabilities, so it goes with the plain model. It finds as many 8s as the balanced weights do.

threshold = 0.1
answer = p["plain"] > threshold
print(f"plain, threshold {threshold}: recall {recall_score(y_test, answer):.3f}", end=", ")
print(f"precision {precision_score(y_test, answer):.3f}")
assert abs(recall_score(y_test, answer) - recall_score(y_test, p["balanced"] > 0.5)) < 0.05


def cost(answer):
    """Nine for a missed 8, one for a false alarm, per 100 rows."""
    return 100 * np.mean(9 * (y_test > answer) + (y_test < answer))


for name, answer in {
    "always no": np.zeros_like(y_test),
    "plain, threshold 0.5": p["plain"] > 0.5,
    "plain, threshold 0.1": p["plain"] > 0.1,
    "balanced, threshold 0.5": p["balanced"] > 0.5,
}.items():
    print(f"{name:24} cost {cost(answer):5.1f} per 100 rows")
assert cost(p["plain"] > 0.1) < cost(p["plain"] > 0.5) < cost(np.zeros_like(y_test))
assert cost(p["plain"] > 0.1) < 1.3 * cost(p["balanced"] > 0.5)

# %%
# So: leave ``class_weight`` alone where probabilities are wanted, and set the threshold from what errors cost.
# scikit-learn's ``TunedThresholdClassifierCV`` finds one for a score of your own.

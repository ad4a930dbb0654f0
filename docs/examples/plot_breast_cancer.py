r"""
Breast cancer: ``lambd`` for a pipeline
=======================================

Is a tumour benign? 569 rows, 30 measurements of cell nuclei, of scales that differ ten-thousandfold: a pipeline
scales the columns, then comes the logistic regression. The strength :math:`\lambda` of its penalty,

.. math:: J = \frac{1}{m} \sum_i \mathcal{L}(\hat y_i, y_i) + \frac{\lambda}{2m} \|w\|^2

is chosen on a dev set, and a test set judges the choice.
"""

# %%
# Three sets
# ----------
# The training set fits the weights, the dev set chooses ``lambd``. The test set is looked at once, at the end: a
# score on the dev set is a little too good, because it was what the choice was made by.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV, lambda_path
from sklearn_l2.display import CoefficientPathDisplay, LambdaCurveDisplay

data = load_breast_cancer()
X_rest, X_test, y_rest, y_test = train_test_split(
    data.data, data.target, test_size=0.25, stratify=data.target, random_state=0
)
X_train, X_dev, y_train, y_dev = train_test_split(X_rest, y_rest, test_size=0.33, stratify=y_rest, random_state=0)
print(len(X_train), "rows to train on,", len(X_dev), "to choose lambd by,", len(X_test), "to judge by")

# %%
# One search
# ----------
# All strengths are solved at once. The scaler is fitted on the training set alone, as it must be: means and scales
# taken from the dev set would tell the model about rows that are to judge it.

pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
lambds = np.outer(10.0 ** np.arange(-3, 4), [1, 3]).ravel()  # 0.001, 0.003, 0.01, ... 3000
search = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss")
search.fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
print(search.lambda_table())

# %%
# Too small, too large
# --------------------
# On the left the training loss is next to nothing and the dev loss high: the weights are large and fit the accidents
# of the training set, which is overfitting. On the right both losses are high: the weights are held so small that the
# model misses what there is to learn.

LambdaCurveDisplay.from_search(search, name="Breast cancer")
plt.show()

table = search.lambda_table()
best = search.best_index_
assert table["verdict"][0] == "overfitting"
assert table["verdict"][-1] == "underfitting"
assert table["dev_loss"][0] > 2 * table["dev_loss"][best] < table["dev_loss"][-1]

# %%
# What the weights do
# -------------------
# Every weight shrinks as ``lambd`` grows, none becomes exactly zero. Some change their sign on the way. The mean and
# the worst texture rise and fall together; with little penalty they get large weights of opposite signs, which nearly
# cancel. With ``lambd=1`` they share what they both say.

CoefficientPathDisplay.from_estimator(
    pipeline, X_train, y_train, lambds=np.logspace(-3, 4, 30), feature_names=data.feature_names
)
plt.show()

names = data.feature_names.tolist()
textures = [names.index("mean texture"), names.index("worst texture")]
print(f"correlation of both textures: {np.corrcoef(X_train[:, textures].T)[0, 1]:.2f}")
_, coefs, _, _ = lambda_path(pipeline, X_train, y_train, [0.001, 1])
for lambd, (mean, worst) in zip((0.001, 1), coefs[:, 0, textures], strict=True):
    print(f"lambd={lambd}: weights {mean:.2f} and {worst:.2f}")
assert np.prod(coefs[0, 0, textures]) < 0 < np.prod(coefs[1, 0, textures])
assert (coefs != 0).all()

# %%
# The five largest weights of the chosen model, per standard deviation of the column:

weights = search.best_estimator_[-1].coef_[0]
for j in np.argsort(-np.abs(weights))[:5]:
    print(f"{weights[j]:6.2f}  {names[j]}")

# %%
# The verdict of the test set
# ---------------------------
# ``search.predict`` and ``search.predict_proba`` are those of the best model, scaler included.

lambd = search.best_params_["l2logisticregression__lambd"]
test_loss = log_loss(y_test, search.predict_proba(X_test))
smallest = pipeline.set_params(l2logisticregression__lambd=lambds[0]).fit(X_train, y_train)
smallest_loss = log_loss(y_test, smallest.predict_proba(X_test))
accuracy = (search.predict(X_test) == y_test).mean()
print(f"lambd={lambd:.2g}: test log loss {test_loss:.3f}, accuracy {accuracy:.3f}")
print(f"lambd={lambds[0]:.2g}: test log loss {smallest_loss:.3f}")
assert test_loss < smallest_loss

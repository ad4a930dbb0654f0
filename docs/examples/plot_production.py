"""
From a search to production
===========================

A model has been chosen. Now it has to be saved, loaded elsewhere, asked about one row, and to say why it answered as
it did.
"""

# %%
# Choose, then train on all rows
# ------------------------------
# With cross-validation, ``best_estimator_`` has been fitted again on all rows. With a dev set of your own it has not:
# it is the very model that was scored. To add the dev rows, clone it and fit it on both: the best ``lambd`` stays.

import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skops.io
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

wine = load_wine()
X_rest, X_test, y_rest, y_test = train_test_split(
    wine.data, wine.target_names[wine.target], test_size=0.25, stratify=wine.target, random_state=0
)
X_train, X_dev, y_train, y_dev = train_test_split(X_rest, y_rest, test_size=0.33, stratify=y_rest, random_state=0)
search = LambdaSearchCV(
    make_pipeline(StandardScaler(), L2LogisticRegression()),
    (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
    scoring="neg_log_loss",
)
search.fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
model = clone(search.best_estimator_).fit(X_rest, y_rest)
print(f"lambd={model[-1].lambd:.2g}, test accuracy {model.score(X_test, y_test):.3f}")
assert model.score(X_test, y_test) > 0.9

# %%
# Save and load
# -------------
# A pickle runs whatever code is in it. A `skops <https://skops.readthedocs.io>`_ file does not: it names the types it
# holds, and those that are not scikit-learn's have to be trusted by name.

folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "model.skops"
skops.io.dump(model, file)
types = skops.io.get_untrusted_types(file=file)
print("to be trusted:", types)
loaded = skops.io.load(file, trusted=["sklearn_l2.logistic.L2LogisticRegression"])
assert types == ["sklearn_l2.logistic.L2LogisticRegression"]
assert np.array_equal(loaded.predict_proba(X_test), model.predict_proba(X_test))

# %%
# Where this package is not installed
# -----------------------------------
# ``to_sklearn`` gives a fitted ``LogisticRegression`` with the same weights. The file then needs scikit-learn alone,
# and so do tools that know only its classes.

plain = make_pipeline(model[0], model[-1].to_sklearn())
skops.io.dump(plain, file)
print("to be trusted:", skops.io.get_untrusted_types(file=file))
assert skops.io.get_untrusted_types(file=file) == []
assert np.allclose(plain.predict_proba(X_test), model.predict_proba(X_test), rtol=1e-12, atol=0)
folder.cleanup()

# %%
# One row
# -------
# A row is a matrix with one row, ``X[[0]]`` or ``X[0:1]``. The answer goes out as JSON. A service that gets NaN, too
# few columns or infinite numbers gets a ``ValueError`` that says so, not an answer.

row = X_test[[0]]
probability = dict(zip(model.classes_.tolist(), model.predict_proba(row)[0].round(4).tolist(), strict=True))
print(json.dumps({"answer": model.predict(row)[0].item(), "probability": probability}))
for bad in (np.full_like(row, np.nan), row[:, :5]):
    try:
        model.predict(bad)
        raise AssertionError("a row that should be refused was not")
    except ValueError as error:
        print("refused:", str(error).splitlines()[0])

# %%
# Why this answer
# ---------------
# The score of a class is the sum of its bias and of one term per column, weight times scaled value. For one row these
# terms say what spoke for the class and what against it.

answer = model.predict(row)[0]
k = model.classes_.tolist().index(answer)
terms = model[-1].coef_[k] * model[0].transform(row)[0]
score = model[-1].intercept_[k] + terms.sum()
assert np.isclose(score, model.decision_function(row)[0, k])

order = np.argsort(np.abs(terms))
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.barh(np.array(wine.feature_names)[order], terms[order], color=np.where(terms[order] > 0, "#0072B2", "#D55E00"))
ax.axvline(0, color="black", linewidth=0.8)
ax.set(
    title=f"Why {answer}: the terms of its score, {score:.2f} in all with a bias of {model[-1].intercept_[k]:.2f}",
    xlabel="weight x scaled value (right: for this class, left: against it)",
)
plt.show()

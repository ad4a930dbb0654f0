"""
Start
=====

Five minutes from nothing to a tuned model that is saved, and can be loaded somewhere else.

Install
-------

Python 3.11 or newer. In a clone of the repository:

.. code-block:: bash

    python3 -m venv .venv
    .venv/bin/python -m pip install '.[cli]'

The extra ``cli`` brings matplotlib, pandas and skops, which the pictures, the data frames and the saved models of this
page need. The package itself needs numpy, scipy and scikit-learn only.

For a table in a file there is nothing to program. This tries strengths on a dev set that it splits off,
for the logistic regression and for a network:

.. code-block:: bash

    .venv/bin/python -m sklearn_l2 data.csv --target y

Tune lambd on a dev set
-----------------------

``lambd`` is the strength of the L2 penalty: the larger, the smaller the weights. Too small a strength overfits, too
large a one underfits, and nothing but data that the model was not trained on can tell which is right. Those data are
the dev set.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

X, y = load_breast_cancer(return_X_y=True)
X_train, X_dev, y_train, y_dev = train_test_split(X, y, stratify=y, random_state=0)

pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
search = LambdaSearchCV(pipeline, (0.01, 0.1, 1, 10, 100), scoring="neg_log_loss")
search.fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
search.best_params_

# %%
# All five models came out of one descent. Nothing was trained on the dev set, the scaler neither.
#
# Read the table
# --------------

print(search.lambda_table())

# %%
# A row for every strength:
#
# - ``||W||`` is the length of the weight vector. It falls from row to row: that is what the penalty does.
# - ``train loss`` rises from row to row, since the penalty holds the fit back.
# - ``dev loss`` falls, then rises. After ± stands its standard error, from the spread over the rows of the dev set.
# - ``C`` is the same strength in the terms of scikit-learn's ``LogisticRegression``.
# - ``verdict``: a strength is just right if the dev set cannot tell it from the best one. Smaller ones overfit, larger
#   ones underfit.
#
# ``search.lambda_table().to_frame()`` is the same as a pandas DataFrame.
#
# See it
# ------

from sklearn_l2.display import LambdaCurveDisplay

display = LambdaCurveDisplay.from_search(search)

# %%
# Use it
# ------
#
# ``best_estimator_`` is the model whose dev loss is in the table, scaler included; ``search.predict`` and
# ``search.predict_proba`` are its own.

search.predict_proba(X_dev[:3]).round(3)

# %%
# Save and load
# -------------
#
# skops_ writes a file that can be looked through before it is loaded, which a pickle cannot. What it does not know it
# asks you to trust: here, the classifier.
#
# .. _skops: https://skops.readthedocs.io

import tempfile
from pathlib import Path

import skops.io

path = Path(tempfile.mkdtemp()) / "model.skops"
skops.io.dump(search.best_estimator_, path)
print(skops.io.get_untrusted_types(file=path))

# %%

model = skops.io.load(path, trusted=["sklearn_l2.logistic.L2LogisticRegression"])
bool((model.predict_proba(X_dev) == search.predict_proba(X_dev)).all())

# %%
# Without a dev set
# -----------------
#
# Leave ``X_val`` and ``y_val`` out, and the search cross-validates, as ``GridSearchCV`` does. ``one_standard_error``
# then takes the largest strength that is as good as the best one, give or take chance.

from sklearn_l2 import one_standard_error

search = LambdaSearchCV(pipeline, (0.1, 0.3, 1, 3, 10, 30), scoring="neg_log_loss", cv=10, refit=one_standard_error)
search.fit(X, y).best_params_

# %%
# Where next
# ----------
#
# - :doc:`Five questions </faq>` that come up first: what ``lambd`` is in terms of ``C``, your own dev set, weights that
#   are not zero, warnings about convergence, a model in production.
# - :doc:`User guide </auto_guide/index>`: why regularize, and what the strength does, with numbers.
# - :doc:`Examples </auto_examples/index>`: whole tasks, with sparse text, wide data, networks and rare classes.
# - :doc:`Coming from scikit-learn </migration>`: what every parameter is called here.
# - :doc:`API reference </api/index>`: every parameter.

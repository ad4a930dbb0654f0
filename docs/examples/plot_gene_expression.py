"""
Gene expression: 170 columns to a row
=====================================

From which tissue does a tumour cell come? The NCI60 data hold the activity of 6 830 genes in cell lines of the US
National Cancer Institute; of five tissues there are seven or more. With so many more columns than rows, any labels
whatever can be fitted without an error. The penalty is what makes a model of it.

The table comes with the package `ISLP <https://pypi.org/project/ISLP/>`_, the companion of James, Witten, Hastie,
Tibshirani and Taylor, *An Introduction to Statistical Learning*, 2023. Where it is not installed, another wide table
is made: 60 rows of the breast cancer data, with all products of up to three columns.
"""

# %%
# The data
# --------
# The file is read where the package lies; importing ISLP would import much that is not needed.

import importlib.util
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay


def gene_expression(folder):
    """Of NCI60 the tissues with at least 7 cell lines."""
    X = np.load(folder / "NCI60data.npy")
    tissue = np.loadtxt(folder / "NCI60labs.csv", dtype=str, skiprows=1, quotechar='"')
    names, counts = np.unique(tissue, return_counts=True)
    frequent = np.isin(tissue, names[counts >= 7])
    return X[frequent], tissue[frequent]


def wide_breast_cancer():
    """60 rows and 5 455 columns."""
    X, y = load_breast_cancer(return_X_y=True)
    X = PolynomialFeatures(3, include_bias=False).fit_transform(StandardScaler().fit_transform(X))
    X, _, y, _ = train_test_split(X, y, train_size=60, stratify=y, random_state=0)
    return X, y


package = importlib.util.find_spec("ISLP")
if package:
    name = "NCI60 gene expression"
    X, y = gene_expression(Path(package.origin).parent / "data")
else:
    name = "breast cancer, products of columns"
    X, y = wide_breast_cancer()
    print("ISLP is not installed: this page was built with the breast cancer data instead of gene expression.")
print(f"{name}: {X.shape[0]} rows, {X.shape[1]} columns")
for label, count in zip(*np.unique(y, return_counts=True), strict=True):
    print(f"{count} x {label}")

# %%
# Fits without an error, models without value
# -------------------------------------------
# Labels dealt out at random are fitted as well as the true ones. So the training error says nothing here.

dealt = np.random.default_rng(0).permutation(y)
model = make_pipeline(StandardScaler(), L2LogisticRegression(lambd=0.01))
print("training error, true labels:", 1 - model.fit(X, y).score(X, y))
print("training error, labels at random:", 1 - model.fit(X, dealt).score(X, dealt))
assert model.score(X, dealt) == 1

# %%
# The search
# ----------
# There are too few rows for a dev set: five folds take turns. A fit with more columns than rows works in the space of
# the rows, where the optimum lies, so that the number of columns matters little.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
l2 = LambdaSearchCV(
    make_pipeline(StandardScaler(), L2LogisticRegression()), np.logspace(-1, 4, 6), scoring="neg_log_loss", cv=folds
).fit(X, y)
print(l2.lambda_table())

LambdaCurveDisplay.from_search(l2, name=name)
plt.show()

table = l2.lambda_table()
assert (table["train_error"][:2] == 0).all()
assert table["dev_loss"][0] > 1.1 * table["dev_loss"].min()
assert table["dev_loss"][-1] > 1.1 * table["dev_loss"].min()

# %%
# Many small weights, or a few
# ----------------------------
# L2 gives every gene a weight. Genes that act together share it, none is left out. L1 keeps a few genes and sets the
# others to exactly zero; which of several like ones it keeps, is an accident of the rows.

l1 = LambdaSearchCV(
    make_pipeline(StandardScaler(), L1LogisticRegression()),
    (0.1, 0.3, 1, 3, 10),
    scoring="neg_log_loss",
    cv=folds,
).fit(X, y)

# sphinx_gallery_thumbnail_number = 2
_, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for ax, title, search, color in ((axes[0], "L2", l2, "#0072B2"), (axes[1], "L1", l1, "#D55E00")):
    sizes = np.linalg.norm(search.best_estimator_[-1].coef_, axis=0)
    kept = np.count_nonzero(sizes)
    print(f"{title}: {kept} of {len(sizes)} columns have a weight, dev log loss {-search.best_score_:.3f}")
    ax.plot(np.arange(1, kept + 1), np.sort(sizes[sizes > 0])[::-1], "o-", markersize=3, color=color)
    ax.set(
        title=f"{title}: {kept} of {len(sizes)} columns",
        xlabel="rank of the column",
        ylabel="size of its weights, ||w_j||",
        xscale="log",
        xlim=(0.8, 1.3 * len(sizes)),
        yscale="log",
    )
plt.show()
assert np.count_nonzero(l2.best_estimator_[-1].coef_) == l2.best_estimator_[-1].coef_.size
assert np.count_nonzero(l1.best_estimator_[-1].coef_.any(axis=0)) < X.shape[0] + 50

r"""
The batch
=========

A search over strengths and folds asks for many fits of the same rows. They are solved as one batch of P problems, one
for each pair of a fold and a strength. Problem p has its own :math:`\lambda_p` and its own row weights; a row that its
fold holds out weighs nothing:

.. math:: J_p = \frac{1}{m_p} \sum_i s_{ip} \, \mathrm{loss}_i(W_p, b_p) + \frac{\lambda_p}{2 m_p} \|W_p\|^2

So X need not be cut: all problems read the same rows, and one product of two matrices gives all their scores. Below is
a search over 3 strengths on 4 folds of 24 rows, first its weights.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks
from sklearn_l2.descent.solve import solve_newton

X, y = load_breast_cancer(return_X_y=True)
some = np.r_[np.flatnonzero(y == 0)[:12], np.flatnonzero(y == 1)[:12]]
X, y = StandardScaler().fit_transform(X)[some, :6], y[some]
lambds = [0.1, 1.0, 10.0]
folds = list(StratifiedKFold(4).split(X, y))

weights = np.zeros((len(X), len(folds)))
for fold, (train, _) in enumerate(folds):
    weights[train, fold] = 1

problems = LinearProblems(
    target=(1.0 - 2.0 * y)[:, None, None],
    n_score_rows=1,
    weights=weights,
    lambd=np.tile(lambds, len(folds)),
    fold=np.repeat(np.arange(len(folds)), len(lambds)),
)
with RowBlocks(X, n_scores=len(problems.lambd)) as rows:
    fit = solve_newton(problems, rows, tol=1e-12, max_iter=100)
W, b = fit.W[:, 0], fit.b[:, 0]
print(f"{len(problems.lambd)} problems, W has the shape {W.shape}")
print(f"iterations of each: {fit.n_iter.tolist()}")

# %%
# One product then scores every row by every model. The rows that a model was not trained on, framed below, are its dev
# scores: they come with the rest, for nothing.

scores = X @ W.T + b
held_out = weights[:, problems.fold] == 0

# sphinx_gallery_start_ignore
from matplotlib.patches import Rectangle


def matrix(ax, values, title, xlabel, ylabel):
    largest = np.abs(values).max()
    ax.imshow(values, cmap="PuOr", vmin=-largest, vmax=largest)
    ax.set_title(title)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_xticks([])
    ax.set_yticks([])


figure, axes = plt.subplots(1, 5, figsize=(8, 4.8), layout="constrained", width_ratios=[6, 1, 12, 1, 12])
matrix(axes[0], X, "X", "6 columns", "24 rows")
matrix(axes[2], W.T, "W", "12 problems:\n3 strengths on each of 4 folds", "6 columns")
matrix(axes[4], scores, "scores", "12 problems", "24 rows")
for ax, sign in zip(axes[[1, 3]], "×=", strict=True):
    ax.axis("off")
    ax.text(0.5, 0.5, sign, fontsize=22, ha="center", va="center")
for ax in axes[[2, 4]]:
    for fold in range(1, len(folds)):
        ax.axvline(3 * fold - 0.5, color="black", linewidth=1.5)
for i, p in np.argwhere(held_out):
    axes[4].add_patch(Rectangle((p - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="#0072B2", linewidth=1.6))
axes[4].set_xlabel("12 problems\nblue frames: held-out rows")
plt.show()
# sphinx_gallery_end_ignore

# %%
# Why that is fast
# ----------------
#
# A processor multiplies numbers much faster than it fetches them from memory. A product of X with one vector uses every
# number that was fetched once; with a hundred vectors, a hundred times. Scores and gradients of 100 problems, measured
# on one thread of the machine that built this page:

from time import perf_counter

from threadpoolctl import threadpool_limits

X = np.random.default_rng(0).standard_normal((50_000, 100))
W = np.ones((100, 100))


def milliseconds(columns_at_a_time):
    start = perf_counter()
    for k in range(0, 100, columns_at_a_time):
        X.T @ (X @ W[:, k : k + columns_at_a_time])
    return 1000 * (perf_counter() - start)


with threadpool_limits(1):
    print(f"one by one: {milliseconds(1):.0f} ms, together: {milliseconds(100):.0f} ms")

# %%
# What else the batch saves
# -------------------------
#
# - A problem that has converged leaves it; the others go on with smaller matrices.
# - A scaler in front of the classifier is undone in the weights (see :doc:`/formulas`), so that folds with different
#   means and scales still share X.
# - Problems of like strength share a preconditioner, and begin at the optima of the folds' mean.
# - Of a close grid only some strengths are descended for; a spline along :math:`\log \lambda` gives the others a start.
#
# A single fit is the same code with P = 1.

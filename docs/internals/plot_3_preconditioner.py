r"""
The preconditioner
==================

Gradient descent goes where J falls most steeply. Where columns differ in scale, that is hardly ever towards the
optimum: J is a long narrow valley, and the steps run from one side of it to the other. Here are two columns, the second
with values eight times as large.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_l2 import DivergenceError, L2LogisticRegression

warnings.simplefilter("ignore", ConvergenceWarning)  # to watch descents, cut short

rng = np.random.default_rng(0)
X = rng.standard_normal((400, 2)) * [1, 8]
y = (X @ [1.0, 0.05] + rng.logistic(size=400) > 0).astype(int)
lambd, m = 1.0, len(X)


def path(n_steps, **parameters):
    """Where a descent stands after 0, 1, ..., n_steps steps."""
    parameters |= {"max_iter": 1, "warm_start": True, "fit_intercept": False}
    model = L2LogisticRegression(lambd=lambd, **parameters)
    steps = [model.fit(X, y).coef_[0].copy() for _ in range(n_steps)]
    return np.array([[0.0, 0.0], *steps])


learning_rate = 0.12  # with a little more, the steps would leave the valley
plain = path(60, solver="gd", learning_rate=learning_rate)
default = path(5)
for name, steps in {"plain": plain, "default": default[:4]}.items():
    distance = np.linalg.norm(steps[-1] - default[-1])
    print(f"{name}: {distance:.0e} from the optimum after {len(steps) - 1} steps")

# %%
# Steps in another metric
# -----------------------
#
# The default solver does not go along :math:`-g`, the direction of steepest descent, but along :math:`s = -M^{-1} g`,
# where M is near the Hessian H, the matrix of J's second derivatives. That is steepest descent, too, if lengths are
# measured by :math:`\sqrt{s^\top M s}`. In the coordinates :math:`v = L^\top w` with :math:`L L^\top = M` the valley is
# a bowl, and the steepest way leads to its bottom.

W = default[-1]
p = 1 / (1 + np.exp(-X @ W))
H = (X * (p * (1 - p))[:, None]).T @ X / m + lambd / m * np.eye(2)
L = np.linalg.cholesky(H)
print(f"Length over width of the valley: {np.sqrt(np.linalg.cond(H)):.1f}")

# sphinx_gallery_start_ignore


def cost(w):
    """J at points w (..., 2)."""
    z = w @ X.T
    return (np.logaddexp(0, z) - y * z).mean(axis=-1) + lambd / (2 * m) * (w**2).sum(axis=-1)


def contours(ax, transform, low, high):
    grid = np.stack(np.meshgrid(*(np.linspace(a, b, 90) for a, b in zip(low, high, strict=True))), axis=-1)
    J = cost(grid @ np.linalg.inv(transform).T)
    best = cost(W)
    ax.contour(*np.moveaxis(grid, -1, 0), J, levels=best + 0.3 * 2.0 ** np.arange(-9, 3), colors="0.75", linewidths=0.8)


figure, axes = plt.subplots(1, 2, figsize=(8.4, 4.2), layout="constrained")
for ax, transform, low, high in (
    (axes[0], np.eye(2), (-0.15, -0.05), (1.5, 0.2)),
    (axes[1], L.T, (-0.25, -0.25), (0.95, 0.75)),
):
    contours(ax, transform, low, high)
    at = plain @ transform.T
    ax.plot(*at.T, ".-", color="#D55E00", linewidth=1, label="60 plain steps")
    ax.plot(*(default @ transform.T).T, "o-", color="#0072B2", linewidth=2, label="steps of the default solver")
    ax.plot(*(transform @ W), "*", color="black", markersize=13, zorder=5, label="optimum")
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
axes[0].set_title("J over the weights: a valley")
axes[0].set_xlabel("weight of column 1")
axes[0].set_ylabel("weight of column 2")
axes[1].set_title("the same in the metric of M: a bowl")
axes[1].set_xlabel("$v_1$")
axes[1].set_ylabel("$v_2$")
axes[1].set_aspect("equal")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()
# sphinx_gallery_end_ignore

# %%
# Scale does not matter
# ---------------------
#
# Ten columns now, with scales that are equal, or differ by factors up to 10 or 100. For plain descent the learning rate
# is the largest that its error message calls safe. The default solver takes the same steps for all three.

X = rng.standard_normal((2000, 10))
y = (X.sum(axis=1) / 2 + rng.logistic(size=2000) > 0).astype(int)


def safe_learning_rate(X):
    try:
        L2LogisticRegression(solver="gd", learning_rate=1e6).fit(X, y)
    except DivergenceError as error:
        return float(str(error).split("up to ")[1].split()[0])


curves = {}
for factor in (1, 10, 100):
    scaled = X * np.geomspace(1, factor, 10)
    optimum = L2LogisticRegression().fit(scaled, y).loss_curve_[-1]
    rate = safe_learning_rate(scaled)
    gd = L2LogisticRegression(solver="gd", learning_rate=rate, max_iter=300)
    auto = L2LogisticRegression()
    curves[factor] = [np.array(model.fit(scaled, y).loss_curve_) - optimum for model in (gd, auto)]

# sphinx_gallery_start_ignore
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.8), layout="constrained", sharey=True)
for (factor, gaps), color, marker in zip(curves.items(), ("#009E73", "#E69F00", "#D55E00"), "os^", strict=True):
    gaps = [np.maximum(gap, 1e-16) for gap in gaps]  # rounding may leave 0 or less
    label = "equal column scales" if factor == 1 else f"column scales from 1 to {factor}"
    axes[0].semilogy(gaps[0], color=color, marker=marker, markevery=50, label=label)
    axes[1].semilogy(gaps[1], color=color, marker=marker, markersize=12 - 3 * np.log10(factor), fillstyle="none")
axes[0].set_title("plain gradient descent")
axes[1].set_title("default solver: the same for all three")
axes[1].set_xticks(range(len(gaps[1])))
for ax in axes:
    ax.set_xlabel("iteration")
    ax.grid(alpha=0.3)
axes[0].set_ylabel("$J - J^*$, what is left to gain")
axes[0].set_ylim(1e-16, 2)
figure.legend(loc="outside lower center", ncols=3)
plt.show()
# sphinx_gallery_end_ignore

# %%
# Which preconditioner
# --------------------
#
# M has to be near H and cheap to invert, and which one is depends on the shape of the problem alone:
#
# ================================================ ==================================================================
# problem                                          M
# ================================================ ==================================================================
# few rows and columns                             H itself, over all rows
# many rows, up to about 1000 columns              H over a sample of curved rows, and its Cholesky factor
# fewer rows than columns                          none is needed: the fit moves to the space of the rows
# softmax with many parameters, dense              the Kronecker product of a matrix of classes and one of columns
# large and sparse                                 the diagonal of H
# ================================================ ==================================================================
#
# A poor M costs steps, not correctness: the optimum is the same, and :doc:`the stopping rule <plot_4_stopping>` does
# not trust M.

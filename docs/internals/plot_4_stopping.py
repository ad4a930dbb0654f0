r"""
The stopping rule
=================

A fit ends when what is left to gain is below ``tol``, by default :math:`10^{-12}`. What is left to gain is
:math:`J - J^*`, and :math:`J^*`, the cost at the optimum, is what nobody knows yet. Near the optimum J is close to a
parabola, though, and a parabola tells how deep its lowest point lies: with the gradient g and the Newton step s, which
solves :math:`H s = -g`,

.. math:: -\frac{1}{2} g^\top s \approx J - J^*

This is half the squared Newton decrement. s is computed anyway: it is the next step if the fit goes on.

Estimated and true
------------------

Here is a descent by Newton steps on columns whose scales reach from 0.001 to 1000, with notes taken at every step.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_classification

from sklearn_l2.descent.columns import Columns
from sklearn_l2.descent.descents import NewtonEnd
from sklearn_l2.descent.loop import Descent, descend
from sklearn_l2.descent.newton import TruncatedNewton
from sklearn_l2.descent.preconditioners import Diagonal
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks

X, y = make_classification(5000, 20, n_informative=10, random_state=0)
X *= 10 ** np.random.default_rng(0).uniform(-3, 3, 20)


class Notes(NewtonEnd):
    """The package's own stopping rule, which writes down what it sees."""

    def __init__(self, newton, descent):
        super().__init__(newton, descent)
        self.J, self.decrement = [], []

    def finished(self, params, loss, gradient):
        self.J.append(loss[0])
        self.decrement.append(self.newton.decrement[0])
        return super().finished(params, loss, gradient)


problems = LinearProblems(
    target=(1.0 - 2.0 * y)[:, None, None],
    n_score_rows=1,
    weights=np.ones((len(y), 1)),
    lambd=np.array([1.0]),
)
with RowBlocks(X) as rows:
    columns = Columns.scaled(rows, intercept=True, centred=True)
    objective = problems.objective(rows, columns)
    penalty = problems.penalty(columns)
    newton = TruncatedNewton(objective, penalty, Diagonal(cost=1.0), tol=1e-20)
    descent = Descent.start(problems.start(columns))
    notes = Notes(newton, descent)
    descend(descent, objective, penalty, newton, notes, max_iter=30)

gap = np.array(notes.J) - min(notes.J)
for step in np.flatnonzero(gap > 1e-14):
    estimate = notes.decrement[step]
    print(f"step {step}: J - J* = {gap[step]:.1e}, estimated {estimate:.1e}")

# sphinx_gallery_start_ignore
steps = np.arange(len(gap))
shown = gap > 1e-15
figure, ax = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
ax.semilogy(steps[shown], gap[shown], "o-", color="#0072B2", markersize=11, fillstyle="none", label="$J - J^*$")
ax.semilogy(steps, notes.decrement, "x--", color="#D55E00", markersize=9, label="estimate, $-g^\\top s / 2$")
ax.axhline(1e-12, color="black", linewidth=1, linestyle=":", label="default tol")
ax.set_ylim(1e-18, 10)
ax.set_xticks(steps)
ax.set_xlabel("Newton step")
ax.set_ylabel("what is left to gain")
ax.set_title("The estimate is right where it decides")
ax.grid(alpha=0.3)
ax.legend(loc="lower left")
plt.show()
# sphinx_gallery_end_ignore

# %%
# The last steps have no true value: in double precision J itself does not resolve them any more, but the estimate,
# which is no difference of two large numbers, still does.
#
# Why not the gradient's length
# -----------------------------
#
# Most solvers stop when the gradient is short. How short is short depends on the units: given in metres instead of
# millimetres, a column has values a thousandth as large and a gradient a thousandth as long, and the model is as far
# from its optimum as before. The decrement does not change. Here is one model, ended early, with its columns in three
# units:

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression

warnings.simplefilter("ignore", ConvergenceWarning)
Z = StandardScaler().fit_transform(X)
model = L2LogisticRegression(lambd=0, max_iter=2, fit_intercept=False).fit(Z, y)
for unit in (0.001, 1, 1000):
    p = model.predict_proba(Z)[:, 1]
    g = unit * Z.T @ (p - y) / len(y)
    H = unit**2 * (Z * (p * (1 - p))[:, None]).T @ Z / len(y)
    decrement = g @ np.linalg.solve(H, g) / 2
    length = np.linalg.norm(g)
    print(f"columns times {unit:<6g} gradient {length:.0e}, decrement {decrement:.0e}")

# %%
# The certificate
# ---------------
#
# An estimate can be wrong, if only far from the optimum. For ``lambd`` > 0 a fitted model therefore also has
# ``dual_gap_``, a bound that holds at any point (:doc:`/formulas`). It is looser, as a bound has to be, and decides
# nothing; it is what you can show to somebody who does not trust the estimate.

best = L2LogisticRegression().fit(Z, y).loss_curve_[-1]
for max_iter in (1, 2, 3):
    model = L2LogisticRegression(max_iter=max_iter).fit(Z, y)
    left = model.loss_curve_[-1] - best
    print(f"{model.n_iter_[0]} iterations: J - J* = {left:.1e} <= {model.dual_gap_:.1e}")

"""Four problems and what tests of Newton steps on them look at."""

import numpy as np
import pytest
import scipy.sparse as sp

from sklearn_l2.descent.columns import Columns
from sklearn_l2.descent.descents import objective_in_single_precision
from sklearn_l2.descent.problems import LinearProblems
from sklearn_l2.descent.rows import RowBlocks

each_number_of_classes = pytest.mark.parametrize("n_classes", [2, 3])
LAMBDS = np.array([0.1, 1.0, 10.0, 1.0])


def start(X, y, *, in_single_precision=False, standardized=False):
    """(objective, penalty, theta 0) of three lambdas on all rows and one on some."""
    n_classes = y.max() + 1
    problems = LinearProblems(
        target=(1.0 - 2.0 * y)[:, None, None] if n_classes == 2 else y[:, None],
        n_score_rows=1 if n_classes == 2 else n_classes,
        weights=np.column_stack([np.ones(len(y)), np.arange(len(y)) % 3]),
        lambd=LAMBDS,
        fold=np.array([0, 0, 0, 1]),
    )
    rows = RowBlocks(X, n_scores=len(LAMBDS) * problems.n_score_rows, divided=not sp.issparse(X))
    columns = Columns.scaled(rows, intercept=True, centred=True)
    twin = objective_in_single_precision(problems, rows, columns) if in_single_precision else None
    objective = problems.standardized(rows, columns) if standardized else problems.objective(rows, columns, twin)
    return objective, problems.penalty(columns), problems.start(columns)


def slope_at(objective, penalty, theta):
    value, slope = objective.gradient(theta)
    penalty.add_gradient(theta, slope)
    return value + penalty.value(theta), slope


def decrement(hessian, slope):
    s = hessian.solve(slope, np.arange(len(slope)))
    return (slope * s).sum(axis=(1, 2)) / 2, -s

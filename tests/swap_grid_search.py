"""A pytest plugin for scikit-learn's own tests: LambdaSearchCV stands in GridSearchCV's place.

Where SWAP is "one by one", candidates that could go to GridSearchCV's own fit go the way of those that are searched
beside batched ones.
"""

import os
from copy import copy

import sklearn.model_selection

from sklearn_l2 import LambdaSearchCV, search

_full_grid = search.full_grid
_n_fits = 0


def _counted_grid(estimator, param_grid):
    global _n_fits
    _n_fits += 1
    grid = _full_grid(estimator, param_grid)
    return copy(grid) if os.environ["SWAP"] == "one by one" else grid


if "SWAP" in os.environ:  # else pytest has imported it to look for doctests
    sklearn.model_selection.GridSearchCV = LambdaSearchCV
    search.full_grid = _counted_grid


def pytest_terminal_summary(terminalreporter):
    """Say how often the class was used."""
    terminalreporter.write_line(f"{_n_fits} fits of LambdaSearchCV")

"""The choice of lambd from `cv_results_`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]

_SENSIBLE = 1e-15, 1e15  # lambdas to propose


def one_standard_error(cv_results: Mapping[str, Any], *, metric: str = "score") -> int:
    r"""Choose the largest `lambd` whose mean score lies within one standard error of the best.

    For `refit` of LambdaSearchCV and GridSearchCV: a simpler model that the data cannot tell from the best [1]_. Of the
    candidates that differ from the best in `lambd` only, those with

    .. math:: \bar s \ge \bar s_{best} - \mathrm{se}_{best}, \qquad \mathrm{se} = \mathrm{std} / \sqrt{n - 1}

    are as good; std is the standard deviation over n splits, divided by n as in `cv_results`.

    Parameters
    ----------
    cv_results : dict
        `cv_results_` of a search. With a single split it must hold `se_test_<metric>`, which LambdaSearchCV puts there
        where the metric is accuracy or neg_log_loss.
    metric : str, default="score"
        Which scores to compare, where there are several.

    Returns
    -------
    int
        The chosen candidate's number.

    Raises
    ------
    ValueError
        If there is no such metric, no candidate has a score, the candidates differ in no parameter `lambd` or in
        several, or the standard error of a single split is not known.

    References
    ----------
    .. [1] L. Breiman, J. Friedman, C. J. Stone and R. A. Olshen, Classification and Regression Trees (1984),
       section 3.4.3, https://doi.org/10.1201/9781315139470.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression, LambdaSearchCV, one_standard_error
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> search = LambdaSearchCV(pipeline, (0.1, 1, 3, 10, 30), scoring="neg_log_loss", refit=one_standard_error)
    >>> search.fit(X, y).best_params_
    {'l2logisticregression__lambd': 3}
    """
    if f"mean_test_{metric}" not in cv_results:
        known = [key.removeprefix("mean_test_") for key in cv_results if key.startswith("mean_test_")]
        raise ValueError(
            f"There is no metric {metric!r} to choose by, only {', '.join(map(repr, known))}. "
            f"Name one: functools.partial(one_standard_error, metric={known[0]!r})."
        )
    means = np.asarray(cv_results[f"mean_test_{metric}"], dtype=float)
    if np.isnan(means).all():
        raise ValueError("No candidate has a score to choose by: all of them failed.")
    best = int(np.nanargmax(means))
    axis, lambds = lambd_axis(cv_results["params"], best)
    if not len(axis):
        raise ValueError(
            "one_standard_error chooses among candidates that differ in one parameter called lambd; "
            f"the best has the parameters {cv_results['params'][best]}."
        )
    as_good = means[axis] >= means[best] - _standard_error(cv_results, metric, best)
    return int(axis[as_good][np.argmax(lambds[as_good])])


def _standard_error(cv_results: Mapping[str, Any], metric: str, candidate: int) -> float:
    n_splits = sum(key.startswith("split") and key.endswith(f"_test_{metric}") for key in cv_results)
    if n_splits > 1:
        return float(cv_results[f"std_test_{metric}"][candidate]) / np.sqrt(n_splits - 1)
    error = float(cv_results.get(f"se_test_{metric}", np.full(candidate + 1, np.nan))[candidate])
    if np.isnan(error):
        raise ValueError(
            f"With a single split the standard error of {metric!r} is not known. Use several splits, or "
            "LambdaSearchCV with scoring 'neg_log_loss' or 'accuracy', which are means over the rows."
        )
    return error


def lambd_axis(params: Sequence[Mapping[str, Any]], index: int) -> tuple[Indices, NDArray[np.float64]]:
    """The candidates that differ from candidate `index` in their one lambd only, and their lambdas; else nothing."""
    chosen = params[index]
    names = [name for name in chosen if name.split("__")[-1] == "lambd"]
    if len(names) != 1:
        return np.empty(0, dtype=np.intp), np.empty(0)
    (name,) = names
    axis = [
        i
        for i, candidate in enumerate(params)
        if candidate.keys() == chosen.keys()
        and all(is_equal(candidate[key], chosen[key]) for key in chosen if key != name)
    ]
    return np.array(axis, dtype=np.intp), np.array([_number(params[i][name]) for i in axis])


def _number(lambd: Any) -> float:
    return float(lambd) if isinstance(lambd, Real) else np.nan


def is_equal(a: Any, b: Any) -> bool:
    """Whether two values of a parameter are, as far as they can be compared."""
    if a is b:
        return True
    try:
        return bool(np.all(a == b))
    except Exception:  # values that cannot be compared
        return False


def beyond_the_edge(cv_results: Mapping[str, Any], index: int, metric: str, *, by_score: bool) -> str | None:
    """Where candidate `index` has the largest or smallest lambd: what to say about it, and the next value to try.

    Nothing where no candidate has a score, where the choice was made `by_score` and another lambd scores as well, or
    where the smallest is 0.
    """
    axis, lambds = lambd_axis(cv_results["params"], index)
    distinct = np.unique(lambds[~np.isnan(lambds)])
    if len(distinct) < 2:
        return None
    (lambd,) = lambds[axis == index]
    means = np.asarray(cv_results[f"mean_test_{metric}"])
    if np.isnan(means[index]):
        return None
    if by_score and (means[axis[lambds != lambd]] >= means[index]).any():
        return None
    if lambd == distinct[-1]:
        where, neighbour = "largest of the grid; a better one may lie beyond.", distinct[-2]
    elif lambd == distinct[0] > 0:
        where, neighbour = "smallest of the grid; a better one may lie below.", distinct[1]
    else:
        return None
    has_score = not np.isnan(means[axis[lambds == neighbour]]).all()
    return f"The best lambd={lambd:g} is the {where}" + (_advice(float(lambd), float(neighbour)) if has_score else "")


def _advice(lambd: float, neighbour: float) -> str:
    """One step of the grid further, where that is a sensible value."""
    further = lambd * (lambd / neighbour) if neighbour > 0 else 10 * lambd
    return f" Try {further:g}." if _SENSIBLE[0] <= further <= _SENSIBLE[1] else ""

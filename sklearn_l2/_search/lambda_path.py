"""lambda_path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import column_or_1d
from sklearn.utils.validation import indexable

from .._sklearn import _safe_indexing
from .candidates import Group, is_number, last_step
from .fits import Unfitted
from .folds import DevSet, dev_fold
from .run import batch_fit

Floats = NDArray[np.floating]


def lambda_path(estimator: Any, X: Any, y: Any, lambds: Sequence[float]) -> tuple[Floats, Floats, Floats, Floats]:
    r"""Fit a logistic regression for every lambda on the same data, all in one batch.

    For each of the lambdas, numbered p, and with the penalty ||W||_1 in place of the squared norm for L1, it minimizes

    .. math:: J_p = \frac{1}{m} \sum_i s_i \mathcal{L}(\hat y_i, y_i) + \frac{\lambda_p}{2 m} \|W\|_2^2

    by products with X that serve all p at once [1]_.

    Parameters
    ----------
    estimator : L2LogisticRegression, L1LogisticRegression or a Pipeline that ends in one
        Its `lambd` does not matter; L1 fits go from large to small lambda, each starting from the one before.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,)
        Class labels.
    lambds : array-like of shape (n_lambdas,)
        Regularization strengths >= 0, in any order.

    Returns
    -------
    lambds : ndarray of shape (n_lambdas,)
        As given.
    coefs : ndarray of shape (n_lambdas, 1 or n_classes, n_features)
        Weights for each lambda; behind a Pipeline's steps, for the columns that the last step sees.
    intercepts : ndarray of shape (n_lambdas, 1 or n_classes)
        Biases.
    dual_gaps : ndarray of shape (n_lambdas,)
        Certified bounds on J - J*; infinite for lambda 0.

    Raises
    ------
    TypeError
        For any other estimator, and for lambdas that are no sequence of numbers.
    ValueError
        For no lambda, a negative or an infinite one, and what the estimator's `fit` refuses.

    See Also
    --------
    LambdaSearchCV : Which lambda to take.
    sklearn_l2.display.CoefficientPathDisplay : The weights as a picture.

    References
    ----------
    .. [1] B. Conroy and P. Sajda, Fast, exact model selection and permutation testing for l2-regularized logistic
       regression, AISTATS (2012), https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3875235/.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression, lambda_path
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> lambds, coefs, intercepts, dual_gaps = lambda_path(pipeline, X, y, [1, 10, 100])
    >>> coefs.shape
    (3, 1, 30)
    >>> [round(float(abs(W).max()), 2) for W in coefs]
    [1.31, 0.6, 0.26]
    """
    fit = batch_fit(estimator)
    if fit is None:
        raise TypeError(
            f"lambda_path needs an L2LogisticRegression(solver='auto') or an L1LogisticRegression, bare or at the end "
            f"of a Pipeline; got {estimator!r}."
        )
    strengths = _strengths(lambds)
    model = clone(last_step(estimator)).set_params(lambd=1.0)
    model._validate_params()
    if y is None:
        raise ValueError(f"This {type(model).__name__} estimator requires y to be passed, but the target y is None.")
    X, y = indexable(X, column_or_1d(y, warn=True))
    if last_step(estimator) is estimator:
        model._check_X_y(X, y)
    elif not len(y):
        raise ValueError("X and y have no rows; a fit needs one of each class at least.")
    distinct, place = np.unique(strengths, return_inverse=True)
    group = Group(clone(estimator), np.arange(len(strengths)), distinct, place)
    nothing_to_score = DevSet(_safe_indexing(X, [0]), _safe_indexing(y, [0]), None, {})
    models: dict[int, Any] = {}
    fold = dev_fold(X, y, nothing_to_score, {}, {})
    for fits in fit(group, [fold], train_rows=False, n_jobs=None, pre_dispatch=None):
        for i, k in enumerate(fits.lambdas.tolist()):
            models[k] = last_step(group.with_lambd(k).fit(X, y) if isinstance(fits, Unfitted) else fits.model(i))
    path = [models[k] for k in place.tolist()]
    return (
        strengths,
        np.stack([model.coef_ for model in path]),
        np.stack([model.intercept_ for model in path]),
        np.array([getattr(model, "dual_gap_", np.inf) for model in path]),
    )


def _strengths(lambds: Any) -> NDArray[np.float64]:
    given = lambds.tolist() if isinstance(lambds, np.ndarray) else lambds
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise TypeError(f"lambds must be a sequence of numbers, such as [0.1, 1, 10]; got {lambds!r}.")
    wrong = [lambd for lambd in given if not is_number(lambd)]
    if wrong:
        raise TypeError(f"lambds must be a sequence of numbers; got {wrong[0]!r} in it.")
    strengths = np.array([float(lambd) for lambd in given])
    if not len(strengths) or not ((strengths >= 0) & (strengths < np.inf)).all():
        raise ValueError(f"lambds must be one or more finite numbers >= 0; got {strengths.tolist()}.")
    return strengths

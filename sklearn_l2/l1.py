"""L1LogisticRegression."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from ._linear import LinearClassifier
from ._sklearn import _fit_context
from .descent.solve import solve_newton
from .descent.solve_l1 import solve_proximal_newton


class L1LogisticRegression(LinearClassifier):
    r"""Logistic regression with an L1 penalty of strength `lambd`, which makes many weights exactly zero.

    Minimizes, over weights w and biases b [1]_,

    .. math:: J = \frac{1}{m} \sum_i s_i \mathcal{L}(\hat y_i, y_i) + \frac{\lambda}{m} \|w\|_1

    with log loss for two classes and softmax cross-entropy for three or more; s_i is the row's weight (sample weight
    times class weight, 1 by default) and m their sum. Biases are not penalized. The optimum is that of
    scikit-learn's ``LogisticRegression(l1_ratio=1, C=1 / lambd, solver="saga")``, found by a proximal Newton method
    [2]_ that works on the columns whose weights are not zero or should not be.

    Parameters
    ----------
    lambd : float, default=1.0
        Regularization strength lambda >= 0, tuned on a dev set. From the largest size of the data loss's gradient at
        w = 0 on (times m), all weights are zero. 0 is the fit without a penalty.
    fit_intercept : bool, default=True
        Whether to fit biases.
    class_weight : dict or "balanced", default=None
        Weights per class; "balanced" gives every class the same total weight.
    tol : float, default=1e-12
        Aimed-at distance J - J* from the optimum, estimated by the Newton decrement.
    max_iter : int, default=1000
        Most iterations.
    warm_start : bool, default=False
        Start from the previous fit's weights where their shape suits the data.
    random_state : int, RandomState instance or None, default=None
        Not used: the fit is deterministic.
    verbose : int, default=0
        Prints a line after the fit where it is not 0.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights w, with exact zeros; float32 for float32 X and else float64. With an even number of classes several w
        may have the same J: these are the sparsest.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Biases b; with three or more classes they sum to zero.
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    n_iter_ : ndarray of shape (1,)
        Iterations done.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Only where X has string column names.
    loss_curve_ : list of float
        J before the first iteration and after each one, `n_iter_ + 1` values.
    penalty_curve_ : list of float
        The penalty's part of these; the rest is the data term.
    dual_gap_ : float
        Certified upper bound on J - J* [3]_; only for lambd > 0.

    See Also
    --------
    L2LogisticRegression : The same model with an L2 penalty.

    References
    ----------
    .. [1] R. Tibshirani, Regression shrinkage and selection via the lasso, Journal of the Royal Statistical Society B
       58 (1996), https://doi.org/10.1111/j.2517-6161.1996.tb02080.x.
    .. [2] J. D. Lee, Y. Sun and M. A. Saunders, Proximal Newton-type methods for minimizing composite functions,
       SIAM Journal on Optimization 24 (2014), https://doi.org/10.1137/130921428.
    .. [3] K. Koh, S.-J. Kim and S. Boyd, An interior-point method for large-scale l1-regularized logistic regression,
       Journal of Machine Learning Research 8 (2007), https://jmlr.org/papers/v8/koh07a.html.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L1LogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> for lambd in (1, 10, 100):
    ...     model = L1LogisticRegression(lambd).fit(X, y)
    ...     print((model.coef_ != 0).sum(), "of 30 weights,", round(model.score(X, y), 2))
    16 of 30 weights, 0.99
    8 of 30 weights, 0.97
    2 of 30 weights, 0.91
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "lambd": [Interval(Real, 0, np.inf, closed="left")],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        lambd: float = 1.0,
        *,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-12,
        max_iter: int = 1000,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.lambd = lambd
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> L1LogisticRegression:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 and float64 are used as they are, CSR is the sparse format without a copy.
        y : array-like of shape (n_samples,)
            Class labels of any type, two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Row weights >= 0; an integer weight equals a repeated row.

        Returns
        -------
        self : L1LogisticRegression
            Fitted.

        Raises
        ------
        ValueError
            For NaN or infinity in X, y or the weights, negative or all-zero weights, one class, a continuous y.
        """
        self._fit(solve_proximal_newton if self.lambd > 0 else solve_newton, X, y, sample_weight)
        return self

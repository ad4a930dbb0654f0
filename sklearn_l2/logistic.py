"""L2LogisticRegression."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from ._linear import LinearClassifier
from ._sklearn import _fit_context
from .descent.penalties import decay_factor
from .descent.plain_descent import solve_gradient_descent
from .descent.solve import solve_newton


class L2LogisticRegression(LinearClassifier):
    r"""Logistic regression with an L2 penalty of strength `lambd`.

    Minimizes, over weights W and biases b [1]_,

    .. math:: J = \frac{1}{m} \sum_i s_i \mathcal{L}(\hat y_i, y_i) + \frac{\lambda}{2m} \|W\|_2^2

    with log loss for two classes and softmax cross-entropy for three or more; s_i is the row's weight (sample weight
    times class weight, 1 by default) and m their sum. Biases are not penalized. The optimum is that of
    scikit-learn's ``LogisticRegression(C=1 / lambd)``.

    Parameters
    ----------
    lambd : float, default=1.0
        Regularization strength lambda >= 0, tuned on a dev set. 0 is the fit without a penalty; where the
        classes are separable, J then has no minimum, and "auto" gives about the direction of the widest margin [4]_ on
        standardized columns, with a ConvergenceWarning.
    solver : {"auto", "gd"}, default="auto"
        "auto" is preconditioned (truncated Newton) descent [2]_: the optimum, whatever the columns' scale. "gd" is
        plain full-batch gradient descent with a constant `learning_rate`, starting from zero:
        W := (1 - alpha lambda/m) W - alpha dJ_data/dW.
    learning_rate : float, default=0.1
        Step size alpha > 0 of "gd".
    fit_intercept : bool, default=True
        Whether to fit biases.
    penalize_intercept : bool, default=False
        Whether the biases count in ||W||^2.
    class_weight : dict or "balanced", default=None
        Weights per class; "balanced" gives every class the same total weight.
    tol : float, default=1e-12
        Aimed-at distance J - J* from the optimum. "auto" estimates it by the Newton decrement, "gd" bounds it by
        strong convexity (which needs lambd > 0).
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
        Weights W, float32 for float32 X and else float64.
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
    decay_factor_ : float
        1 - alpha lambda/m, what each step of "gd" multiplies the weights by; only for "gd".
    dual_gap_ : float
        Certified upper bound on J - J* [3]_; only for lambd > 0.

    Raises
    ------
    DivergenceError
        A ValueError: `learning_rate` is so large that "gd" must diverge, or did. The message names one that is safe.

    See Also
    --------
    L2MLPClassifier : Neural network with the same penalty.

    References
    ----------
    .. [1] S. le Cessie and J. C. van Houwelingen, Ridge estimators in logistic regression, Applied Statistics 41
       (1992), https://doi.org/10.2307/2347628.
    .. [2] R. S. Dembo and T. Steihaug, Truncated-Newton algorithms for large-scale unconstrained optimization,
       Mathematical Programming 26 (1983), https://doi.org/10.1007/BF02592055.
    .. [3] H.-F. Yu, F.-L. Huang and C.-J. Lin, Dual coordinate descent methods for logistic regression and maximum
       entropy models, Machine Learning 85 (2011), https://doi.org/10.1007/s10994-010-5221-8.
    .. [4] S. Rosset, J. Zhu and T. Hastie, Margin maximizing loss functions, NIPS 16 (2003).

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn_l2 import L2LogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = L2LogisticRegression(lambd=1.0).fit(X, y)
    >>> round(model.score(X, y), 3)
    0.958
    >>> model.dual_gap_ < 1e-8
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "lambd": [Interval(Real, 0, np.inf, closed="left")],
        "solver": [StrOptions({"auto", "gd"})],
        "learning_rate": [Interval(Real, 0, np.inf, closed="neither")],
        "fit_intercept": ["boolean"],
        "penalize_intercept": ["boolean"],
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
        solver: str = "auto",
        learning_rate: float = 0.1,
        fit_intercept: bool = True,
        penalize_intercept: bool = False,
        class_weight: Any = None,
        tol: float = 1e-12,
        max_iter: int = 1000,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.lambd = lambd
        self.solver = solver
        self.learning_rate = learning_rate
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> L2LogisticRegression:
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
        self : L2LogisticRegression
            Fitted.

        Raises
        ------
        ValueError
            For NaN or infinity in X, y or the weights, negative or all-zero weights, one class, a continuous y.
        """
        solve = (
            partial(solve_gradient_descent, learning_rate=self.learning_rate) if self.solver == "gd" else solve_newton
        )
        problems = self._fit(solve, X, y, sample_weight, penalize_intercept=self.penalize_intercept)
        self.__dict__.pop("decay_factor_", None)
        if self.solver == "gd":
            self.decay_factor_ = float(decay_factor(self.learning_rate, self.lambd, problems.m[0]))
        return self

"""L2MLPClassifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if

from ._network_training import Training
from ._networks import NetworkClassifier
from ._sklearn import _fit_context
from ._targets import codes_for
from ._training import all_or_nothing


def _has_partial_fit(estimator: L2MLPClassifier) -> bool:
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit needs solver 'adam', 'sgd' or 'gd'; this one is 'lbfgs'.")
    return True


class L2MLPClassifier(NetworkClassifier):
    r"""Neural network with an L2 penalty of strength `lambd` on the weights of all layers.

    Minimizes, over weights W[l] and biases b[l] [1]_,

    .. math:: J = \frac{1}{m} \sum_i s_i \mathcal{L}(\hat y_i, y_i) + \frac{\lambda}{2m} \sum_l \|W^{[l]}\|_F^2

    with log loss for two classes and for labels, softmax cross-entropy for three or more classes; s_i is the row's
    weight (sample weight times class weight, 1 by default) and m their sum over the training set, whatever the batch
    size. Biases are not penalized. The parameters are those of scikit-learn's ``MLPClassifier`` with `lambd` in place
    of `alpha`: its ``alpha`` is ``lambd * batch_size / m`` for mini-batches and ``lambd`` for full batches.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; () is logistic regression.
    lambd : float, default=1.0
        Regularization strength lambda >= 0, tuned on a dev set. 0 is the fit without a penalty.
    activation : {"identity", "logistic", "tanh", "relu"}, default="relu"
        Activation of the hidden layers.
    solver : {"adam", "sgd", "gd", "lbfgs"}, default="adam"
        "adam" [2]_ and "sgd", the latter with momentum, use mini-batches. "gd" is plain gradient descent on the full
        training set, W := (1 - alpha lambda/m) W - alpha dJ_data/dW with alpha = `learning_rate_init`. "lbfgs" is the
        quasi-Newton method of scipy on the full training set.
    batch_size : int or "auto", default="auto"
        Rows per mini-batch; "auto" is ``min(200, n_samples)``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        How "sgd" changes its learning rate: not at all; to ``learning_rate_init / (t_ + 1) ** power_t`` after each
        epoch; or to a fifth whenever training stalls, as defined by `tol` and `n_iter_no_change`, until it is 1e-6.
    learning_rate_init : float, default=0.001
        Learning rate alpha > 0, at first. Not used by "lbfgs".
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Most epochs, or iterations of "lbfgs".
    shuffle : bool, default=True
        Whether the rows come in a new order each epoch. It makes no difference to full batches.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the early-stopping part and the order of the rows.
    tol : float, default=1e-4
        Training ends when J, or with `early_stopping` the dev accuracy, has not become better by `tol` for more than
        `n_iter_no_change` epochs. "lbfgs" ends when no entry of the gradient exceeds `tol`.
    verbose : bool, default=False
        Whether to print the loss of each epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the fit before.
    momentum : float, default=0.9
        Momentum beta of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether training ends when the accuracy on a dev set stalls, and keeps the weights of the best epoch. The dev
        set is `X_val`, or else `validation_fraction` of the rows, which are then not trained on.
    validation_fraction : float, default=0.1
        Share of the rows that is set aside for `early_stopping` where no `X_val` is given.
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay rates of Adam's running means, in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.
    n_iter_no_change : int or inf, default=10
        See `tol`.
    max_fun : int, default=15000
        Most evaluations of J by "lbfgs".
    class_weight : dict or "balanced", default=None
        Weights per class; "balanced" gives every class the same total weight. Not for label matrices.
    decoupled_weight_decay : bool, default=False
        Whether "adam" and "sgd" decay weights apart from the gradient [3]_: W := (1 - alpha lambda/m) W, then the step
        of the data's gradient alone (AdamW, SGDW). That no longer minimizes J, which is still what `loss_curve_` holds.
        Without momentum, and for "gd", both forms are the same step.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        For label matrices their column numbers.
    coefs_ : list of ndarray of shape (n_in, n_out)
        Weights of each layer, float32 for float32 X and else float64.
    intercepts_ : list of ndarray of shape (n_out,)
        Biases of each layer.
    loss_curve_ : list of float
        J of each epoch, the mean over its batches, each taken before its step.
    penalty_curve_ : list of float
        The penalty's part of these; the rest is the data term.
    loss_ : float
        The last of them.
    best_loss_ : float or None
        The lowest of them; None with `early_stopping`.
    validation_loss_curve_ : list of float or None
        Mean loss, without penalty and class weights, on the dev set after each epoch; None without a dev set.
    validation_scores_ : list of float or None
        Accuracy on the dev set after each epoch; None without `early_stopping`.
    best_validation_score_ : float or None
        The highest of them.
    n_iter_ : int
        Epochs of the last call.
    t_ : int
        Rows trained on so far, over all epochs.
    n_layers_, n_outputs_ : int
        Number of layers, input and output included, and of output units.
    out_activation_ : {"logistic", "softmax"}
        Activation of the output units: softmax for three classes or more.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Only where X has string column names.

    See Also
    --------
    L2LogisticRegression : The model without hidden layers, solved to its optimum.

    Notes
    -----
    Of n rows, a mini-batch B contributes ``n / (m * |B|)`` times the sum of s_i grad_i over B, without bias, and
    lambda/m W. An integer weight equals a repeated row for full batches, and on average for mini-batches.

    References
    ----------
    .. [1] A. Krogh and J. A. Hertz, A simple weight decay can improve generalization, NIPS 4 (1991),
       https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html.
    .. [2] D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015,
       https://arxiv.org/abs/1412.6980.
    .. [3] I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019,
       https://arxiv.org/abs/1711.05101.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_l2 import L2MLPClassifier
    >>> X, X_dev, y, y_dev = train_test_split(*load_digits(return_X_y=True), random_state=0)
    >>> model = L2MLPClassifier((32,), lambd=1.0, early_stopping=True, random_state=0)
    >>> model.fit(X, y, X_val=X_dev, y_val=y_dev).score(X_dev, y_dev) > 0.9
    True
    >>> len(model.validation_loss_curve_) == model.n_iter_
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "lambd": [Interval(Real, 0, None, closed="left")],
        "activation": [StrOptions({"identity", "logistic", "tanh", "relu"})],
        "solver": [StrOptions({"adam", "sgd", "gd", "lbfgs"})],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "decoupled_weight_decay": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        lambd: float = 1.0,
        activation: str = "relu",
        solver: str = "adam",
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.lambd = lambd
        self.activation = activation
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.class_weight = class_weight
        self.decoupled_weight_decay = decoupled_weight_decay

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> L2MLPClassifier:
        """Train the network.

        A fit that fails leaves the estimator as it was. Ctrl-C ends training with a warning and keeps the weights
        reached so far.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data; float32 and float64 are used as they are, CSR is the sparse format without a copy.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels of any type, two classes or more, or a matrix of labels that are 0 or 1.
        sample_weight : array-like of shape (n_samples,), default=None
            Row weights >= 0.
        X_val, y_val : as X and y, default=None
            A dev set, never trained on. It gives `validation_loss_curve_` and, with `early_stopping`, ends training.
        sample_weight_val : array-like, default=None
            Row weights of the dev set.

        Returns
        -------
        self : L2MLPClassifier
            Trained.

        Raises
        ------
        ValueError
            For NaN or infinity in X, y or the weights, negative or all-zero weights, one class, a continuous y, classes
            in `y_val` that `y` lacks, half a dev set.
        DivergenceError
            A ValueError: the learning rate is so large that training must diverge, or did.
        """
        with all_or_nothing(self):
            training = self._prepare(X, y, sample_weight, X_val, y_val, sample_weight_val)
            trained = self._train(training)
        self._warn(trained)
        return self

    @available_if(_has_partial_fit)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        n_samples_total: float | None = None,
    ) -> L2MLPClassifier:
        """Train for one epoch on the given rows, going on from the calls before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels; a call need not have them all.
        classes : array-like of shape (n_classes,), default=None
            All classes, needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Row weights >= 0.
        n_samples_total : int, default=None
            Number of rows of the whole training set, of which this call has a part. The penalty is lambda/m with m the
            whole set's weight, estimated as `n_samples_total` times the mean weight of this call; by default m is the
            weight of this call alone.

        Returns
        -------
        self : L2MLPClassifier
            Trained.

        Raises
        ------
        ValueError
            As `fit`, and for a first call without `classes`, classes that are not among them, `early_stopping`, or
            `class_weight="balanced"`.
        """
        with all_or_nothing(self):
            if self.early_stopping:
                raise ValueError("partial_fit does not support early_stopping=True: one epoch leaves none to choose.")
            continued = hasattr(self, "coefs_")
            X, y = self._check_X_y(X, y, self.coefs_[0] if continued else None)
            known, multilabel = self._all_classes(y, classes)
            codes = codes_for(known, multilabel, y)
            random = check_random_state(self.random_state)
            start = self._start(X, known, multilabel, random, continued)
            s = self._sample_weights(sample_weight, X)
            s = self._class_weighted(s, X, known, codes, is_part=True)
            training = Training(start, X, codes, s, None, random)
            self._train(training, n_samples_total=n_samples_total, one_epoch=True)
        return self

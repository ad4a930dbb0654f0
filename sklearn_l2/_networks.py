"""What a network classifier needs of scikit-learn's conventions: data in, model out."""

from __future__ import annotations

import dataclasses
import operator
import warnings
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ._network_training import Start, Training, Weights
from ._sklearn import complete_mlp_classifier
from ._targets import classes_and_codes, codes_for, is_multilabel
from ._training import encode_classes, training_weights
from .descent.epochs import Progress
from .descent.network import DevSet, Network
from .descent.outputs import LogisticOutput, SoftmaxOutput
from .descent.training import Settings, Trained


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Fitted attributes, predictions, and the steps of a fit; parameters and documentation are the subclass's."""

    classes_: NDArray[Any]
    coefs_: list[NDArray[np.floating]]
    intercepts_: list[NDArray[np.floating]]
    loss_: float
    loss_curve_: list[float]
    penalty_curve_: list[float]
    best_loss_: float | None
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    n_iter_: int
    t_: int
    n_layers_: int
    n_outputs_: int
    out_activation_: str
    n_features_in_: int

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        return tags

    # -- steps of a fit -------------------------------------------------------------------------------------------

    def _check_X_y(self, X: Any, y: Any, goes_with: Any = None) -> tuple[Any, Any]:
        """Validated X, with the columns seen before and of the dtype of the array `goes_with` if given, and y."""
        first = goes_with is None
        dtype = (np.float64, np.float32) if first else goes_with.dtype
        return validate_data(self, X, y, accept_sparse="csr", order="C", multi_output=True, dtype=dtype, reset=first)

    def _start(
        self, X: Any, classes: NDArray[Any], multilabel: bool, random: np.random.RandomState, continued: bool
    ) -> Start:
        n_outputs = 1 if len(classes) == 2 and not multilabel else len(classes)
        output = LogisticOutput if multilabel or n_outputs == 1 else SoftmaxOutput
        network = Network((X.shape[1], *self._hidden_sizes(), n_outputs), self.activation, output)
        if not continued:
            return Start(network, network.initial(random, X.dtype), classes, continued)
        trained = [coef.shape for coef in self.coefs_]
        if trained != network.shapes:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} needs weights of shapes {network.shapes}, but those "
                f"to go on from have {trained}. Use a new estimator for other sizes."
            )
        params = np.concatenate([part.ravel() for part in (*self.coefs_, *self.intercepts_)])
        return Start(network, params[None], classes, continued)

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        try:
            numbers = [operator.index(size) for size in (sizes if np.iterable(sizes) else [sizes])]
        except TypeError:
            numbers = [0]
        if any(number < 1 for number in numbers):
            raise ValueError(f"hidden_layer_sizes must be a positive integer or several of them, got {sizes!r}.")
        return numbers

    def _sample_weights(self, sample_weight: ArrayLike | None, X: Any) -> Weights | None:
        if sample_weight is None:
            return None
        as_one_class = np.zeros(X.shape[0], dtype=np.intp)
        return training_weights(sample_weight, None, X, as_one_class[:1], as_one_class)

    def _class_weighted(
        self, s: Weights | None, X: Any, classes: NDArray[Any], codes: NDArray[Any], *, is_part: bool = False
    ) -> Weights | None:
        """s_i = sample weight x class weight, (n,), or None where all are one; a part of the rows may lack classes."""
        if codes.ndim == 2 and self.class_weight is not None:
            raise ValueError("class_weight is not defined for a matrix of labels; use sample_weight.")
        if self.class_weight is None and (s is None or codes.ndim == 2 or is_part):
            return s
        if not is_part:
            return training_weights(s, self.class_weight, X, classes, codes)
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once, and partial_fit has a part of them. Give a dict, "
                "as sklearn.utils.class_weight.compute_class_weight can make it from all of y."
            )
        per_class = np.array([self.class_weight.get(label, 1.0) for label in classes.tolist()])
        return self._sample_weights(per_class[codes] if s is None else s * per_class[codes], X)

    def _all_classes(self, y: Any, classes: ArrayLike | None) -> tuple[NDArray[Any], bool]:
        """All classes that calls of `partial_fit` may bring, and whether they are labels."""
        if not hasattr(self, "coefs_"):
            if classes is None:
                raise ValueError("classes must be given in the first call to partial_fit: all classes there will be.")
            multilabel = is_multilabel(y)
            return np.arange(y.shape[1]) if multilabel else encode_classes(np.asarray(classes))[0], multilabel
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} are not those of the calls before, {self.classes_.tolist()}."
            )
        return self.classes_, self.out_activation_ == "logistic" and not self._is_binary

    def _given_dev_set(self, start: Start, X_val: Any, y_val: Any, sample_weight_val: Any) -> DevSet | None:
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            missing = " and ".join(name for name, given in (("X_val", X_val), ("y_val", y_val)) if given is None)
            raise ValueError(f"A dev set needs both X_val and y_val; {missing} is missing.")
        try:
            X_val, y_val = self._check_X_y(X_val, y_val, goes_with=start.params)
            s = self._sample_weights(sample_weight_val, X_val)
        except ValueError as error:
            raise ValueError(f"In the dev set (X_val, y_val, sample_weight_val): {error}") from error
        codes = codes_for(start.classes, start.multilabel, y_val, "y_val")
        return start.dev_set(X_val, codes, s)

    def _split(
        self, start: Start, X: Any, codes: NDArray[Any], s: Weights | None, random: np.random.RandomState
    ) -> tuple[Any, NDArray[Any], Weights | None, DevSet]:
        """Set aside the part for early stopping."""
        train_rows, dev_rows = train_test_split(
            np.arange(X.shape[0]),
            test_size=self.validation_fraction,
            stratify=codes if codes.ndim == 1 else None,
            random_state=random,
        )
        if len(dev_rows) < 2:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} of {X.shape[0]} rows leaves {len(dev_rows)} for early "
                "stopping, which needs 2. Increase it, or give X_val and y_val."
            )
        s_dev = None if s is None else s[dev_rows]
        if s_dev is not None and not s_dev.any():
            raise ValueError(
                "The rows set aside for early stopping all have sample weight zero. Give X_val and y_val, or leave out "
                "rows of weight zero."
            )
        dev = start.dev_set(X[dev_rows], codes[dev_rows], s_dev)
        return X[train_rows], codes[train_rows], None if s is None else s[train_rows], dev

    def _prepare(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, X_val: Any, y_val: Any, sample_weight_val: Any
    ) -> Training:
        """All that comes before the training."""
        continued = self.warm_start and hasattr(self, "coefs_")
        X, y = self._check_X_y(X, y, self.coefs_[0] if continued else None)
        classes, codes = classes_and_codes(y)
        if continued and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start goes on with the classes of the fit before, {self.classes_.tolist()}; "
                f"y has {classes.tolist()}. Use a new estimator for them."
            )
        random = check_random_state(self.random_state)
        start = self._start(X, classes, codes.ndim == 2, random, continued)
        s = self._sample_weights(sample_weight, X)
        dev = self._given_dev_set(start, X_val, y_val, sample_weight_val)
        if self.early_stopping and dev is None:
            X, codes, s, dev = self._split(start, X, codes, s, random)
        s = self._class_weighted(s, X, classes, codes)
        return Training(start, X, codes, s, dev, random)

    def _settings(self) -> Settings:
        return Settings(**{field.name: getattr(self, field.name) for field in dataclasses.fields(Settings)})

    def _train(self, training: Training, *, n_samples_total: float | None = None, one_epoch: bool = False) -> Trained:
        """Train and set the fitted attributes."""
        n, continued = training.n_rows, training.start.continued
        if n_samples_total is not None and not n <= n_samples_total < np.inf:
            raise ValueError(f"n_samples_total={n_samples_total!r} must be a number, this call's {n} rows or more.")
        settings = self._settings()
        if one_epoch:
            settings = dataclasses.replace(settings, max_iter=1)
        batch_size = self._rows_per_batch(n)
        trained = training.run(
            np.array([float(self.lambd)]),
            settings,
            batch_size=batch_size,
            shuffle=self.shuffle,
            n_samples_total=n_samples_total,
            progress=self._progress(continued),
            seen=self.t_ if continued else 0,
            memory=self._memory.get(self.solver) if one_epoch and continued else None,
            report=print if self.verbose else None,
        )
        trained.check_finite(settings)
        self._take(training, trained, batch_size=batch_size, n_samples_total=n_samples_total)
        return trained

    def _rows_per_batch(self, n: int) -> int:
        if self.solver in ("gd", "lbfgs"):
            return n
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the {n} rows; all of them are one batch.", stacklevel=5
            )
        return min(int(self.batch_size), n)

    def _progress(self, continued: bool) -> Progress:
        progress = Progress.start(1)
        if continued:
            best = self.best_loss_
            if self.early_stopping and self.best_validation_score_ is not None:
                best = -self.best_validation_score_
            progress.n_without[:] = self._n_without
            if best is not None:
                progress.best_cost[:] = best
        return progress

    def _take(
        self,
        training: Training,
        trained: Trained,
        p: int = 0,
        *,
        batch_size: int,
        n_samples_total: float | None = None,
    ) -> None:
        """Set the fitted attributes to those of network p; the curves go on where training did."""
        start, losses, stopping = training.start, trained.descent.losses[p], trained.stopping
        earlier = dict(vars(self)) if start.continued else {}
        best = float(stopping.progress.best_cost[p])
        weights, biases = start.network.views(trained.params[p : p + 1])

        self.classes_ = start.classes
        self.coefs_ = [W[0].copy() for W in weights]
        self.intercepts_ = [b[0, 0].copy() for b in biases]
        self.n_layers_ = len(start.network.sizes)
        self.n_outputs_ = start.network.sizes[-1]
        self.out_activation_ = start.network.output.name
        self.n_iter_ = int(trained.descent.n_iter[p])
        self.t_ = earlier.get("t_", 0) + self.n_iter_ * training.n_rows
        self.loss_curve_ = [*earlier.get("loss_curve_", []), *(J for J, _ in losses)]
        self.penalty_curve_ = [*earlier.get("penalty_curve_", []), *(penalized for _, penalized in losses)]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        self.best_loss_ = None if self.early_stopping else best
        self.validation_loss_curve_ = self.validation_scores_ = self.best_validation_score_ = None
        if training.dev is not None:
            self.validation_loss_curve_ = [*(earlier.get("validation_loss_curve_") or []), *stopping.dev_losses[p]]
            if self.early_stopping:
                self.validation_scores_ = [*(earlier.get("validation_scores_") or []), *stopping.dev_scores[p]]
                self.best_validation_score_ = -best
        self._n_without = int(stopping.progress.n_without[p])
        self._memory = {self.solver: trained.memories[p]}
        self._batch_size = batch_size
        self._equivalent_alpha = float(self.lambd) * batch_size / (n_samples_total or training.n_rows)

    def _warn(self, trained: Trained, p: int = 0) -> None:
        if trained.interrupted:
            warnings.warn(
                f"Training was interrupted after {self.n_iter_} iterations; the weights reached so far are kept.",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif not trained.descent.finished[p]:
            warnings.warn(
                f"Training with solver={self.solver!r} ended unconverged after {self.n_iter_} iterations "
                f"(lambd={self.lambd:g}, max_iter={self.max_iter}, tol={self.tol:g}). Raise max_iter or tol, or scale "
                "the columns of X.",
                ConvergenceWarning,
                stacklevel=4,
            )

    # -- a fitted model -------------------------------------------------------------------------------------------

    def _scores(self, X: Any) -> NDArray[np.floating]:
        """Values of the output units before their activation, (n, n_outputs)."""
        check_is_fitted(self, "coefs_")
        X = validate_data(self, X, accept_sparse="csr", order="C", dtype=(np.float64, np.float32), reset=False)
        output = SoftmaxOutput if self.out_activation_ == "softmax" else LogisticOutput
        network = Network((X.shape[1], *(len(b) for b in self.intercepts_)), self.activation, output)
        weights, biases = [W[None] for W in self.coefs_], [b[None, None] for b in self.intercepts_]
        scores = np.empty((X.shape[0], self.n_outputs_), dtype=weights[0].dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows, part in network.scores(X, weights, biases):
                scores[rows] = part[0]
        if not np.isfinite(scores).all():
            raise ValueError(f"X has rows for which the network's outputs leave the range of {scores.dtype}. Scale X.")
        return scores

    @property
    def _is_binary(self) -> bool:
        return self.n_outputs_ == 1

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, or each label whose probability exceeds one half.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        scores = self._scores(X)
        if self.out_activation_ == "softmax":
            return self.classes_[scores.argmax(axis=1)]
        labels = (expit(scores) > 0.5).astype(np.int64)
        return self.classes_[labels[:, 0]] if self._is_binary else labels

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`; rows sum to 1, but not those of labels.
        """
        scores = self._scores(X)
        if self.out_activation_ == "softmax":
            return softmax(scores, axis=1)
        return expit(np.hstack([-scores, scores])) if self._is_binary else expit(scores)

    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Logarithm of `predict_proba`, without underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        scores = self._scores(X)
        if self.out_activation_ == "softmax":
            return log_softmax(scores, axis=1)
        return log_expit(np.hstack([-scores, scores])) if self._is_binary else log_expit(scores)

    def to_sklearn(self) -> MLPClassifier:
        """The same fitted model as a scikit-learn `MLPClassifier`, for tools that know only that class.

        Its `alpha` is the one that makes the same penalty in its own convention. It knows neither `class_weight` nor
        `decoupled_weight_decay`; "gd" becomes "sgd" with one batch and no momentum.

        Returns
        -------
        sklearn.neural_network.MLPClassifier
            Fitted; its predictions equal this model's.
        """
        check_is_fitted(self, "coefs_")
        model = MLPClassifier(alpha=self._equivalent_alpha)
        shared = model.get_params().keys() & self.get_params().keys()
        model.set_params(**{name: getattr(self, name) for name in shared})
        if self.solver == "gd":
            model.set_params(solver="sgd", momentum=0.0, learning_rate="constant", batch_size=self._batch_size)
        for name, value in vars(self).items():
            if name.endswith("_") and name not in ("validation_loss_curve_", "penalty_curve_"):
                setattr(model, name, copy(value))
        return complete_mlp_classifier(model)

"""What the linear classifiers share: scikit-learn's conventions, data in, model out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
import scipy.linalg
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._sklearn import LinearClassifierMixin, SparseCoefMixin
from ._training import all_or_nothing, encode_classes, is_clean, training_weights
from .descent.problems import LinearProblems
from .descent.results import CERTIFIED, LinearFit
from .descent.rows import RowBlocks
from .descent.threads import available_threads, one_blas_thread


@contextmanager
def row_blocks(X: Any, n_scores: int) -> Iterator[RowBlocks]:
    """X as row blocks on the threads the environment allows, with BLAS held to one thread."""
    working_memory = int(sklearn.get_config()["working_memory"] * 2**20)
    n_threads = available_threads()
    with (
        one_blas_thread(),
        RowBlocks(X, n_scores=n_scores, working_memory=working_memory, n_threads=n_threads) as rows,
    ):
        yield rows


class LinearClassifier(LinearClassifierMixin, SparseCoefMixin, BaseEstimator):
    """What the logistic regressions share: data in, model out."""

    classes_: NDArray[Any]
    coef_: NDArray[np.floating]
    intercept_: NDArray[np.floating]
    n_iter_: NDArray[np.int32]
    loss_curve_: list[float]
    penalty_curve_: list[float]
    dual_gap_: float

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _fit(
        self,
        solve: Callable[..., LinearFit],
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        *,
        penalize_intercept: bool = False,
    ) -> LinearProblems:
        """Solve the one problem of these data and set the fitted attributes, or leave all as it was."""
        with all_or_nothing(self):
            X, codes = self._check_X_y(X, y)
            weights = training_weights(sample_weight, self.class_weight, X, self.classes_, codes)
            problems = self._problems(X, codes, weights[:, None], np.array([float(self.lambd)]), penalize_intercept)
            start = self._warm_start(problems, X.shape[1])
            with row_blocks(X, problems.n_score_rows) as rows:
                fit = solve(problems, rows, tol=self.tol, max_iter=self.max_iter, start=start)
            self._take(fit, X.dtype)
        if self.verbose:
            gap = f", certified within {self.dual_gap_:.2g} of the optimum" if self.lambd > 0 else ""
            print(f"[{type(self).__name__}] {self.n_iter_[0]} iterations, J = {self.loss_curve_[-1]:.10g}{gap}")
        self._warn(fit)
        return problems

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, NDArray[np.intp]]:
        """Validated X, and y as class codes; sets `classes_`."""
        clean = is_clean(X, y)
        X, y = validate_data(self, X, y, skip_check_array=clean, accept_sparse="csr", dtype=[np.float64, np.float32])
        if not clean:
            check_classification_targets(y)
        self.classes_, codes = encode_classes(y)
        if clean and 2 * len(self.classes_) > len(y):
            check_classification_targets(y)  # so many classes are worth a warning of some versions of scikit-learn
        return X, codes

    def _problems(
        self,
        X: Any,
        codes: NDArray[np.intp],
        weights: NDArray[np.float64],
        lambd: NDArray[np.float64],
        penalize_intercept: bool,
        column_weight: NDArray[np.float64] | None = None,
        fold: NDArray[np.intp] | None = None,
    ) -> LinearProblems:
        """P problems on the same rows: weights (n_rows, F), lambda (P,); `fold` (P,) tells which weights are whose."""
        is_binary = len(self.classes_) == 2
        return LinearProblems(
            target=(1.0 - 2.0 * codes)[:, None, None] if is_binary else codes[:, None],
            n_score_rows=1 if is_binary else len(self.classes_),
            weights=weights,
            lambd=lambd,
            fit_intercept=self.fit_intercept,
            penalize_intercept=penalize_intercept,
            dtype=X.dtype,
            column_weight=column_weight,
            fold=fold,
        )

    def _warm_start(self, problems: LinearProblems, n_features: int) -> Any:
        """Weights and biases of the fit before, where they suit the data."""
        coef = getattr(self, "coef_", None)
        if not self.warm_start or coef is None or coef.shape != (problems.n_score_rows, n_features):
            return None
        coef = coef.toarray() if hasattr(coef, "toarray") else coef
        bias = np.broadcast_to(self.intercept_, problems.n_score_rows)
        return coef.astype(np.float64)[None], bias.astype(np.float64)[None]

    def _take(self, fit: LinearFit, dtype: Any, p: int = 0) -> None:
        """Problem p's fit as fitted attributes."""
        with np.errstate(over="ignore"):
            coef, intercept = fit.W[p].astype(dtype), fit.b[p].astype(dtype)
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise ValueError(
                f"The fitted weights do not fit into {np.dtype(dtype)}: the largest is {np.abs(fit.W[p]).max():.3g}. "
                "Scale X (StandardScaler), or pass X as float64."
            )
        self.coef_, self.intercept_ = coef, intercept
        self.n_iter_ = fit.n_iter[p : p + 1].astype(np.int32)
        self.loss_curve_, self.penalty_curve_ = map(list, zip(*fit.losses[p], strict=True))
        self.__dict__.pop("dual_gap_", None)
        if self.lambd > 0:
            self.dual_gap_ = float(fit.dual_gap[p])

    def _warn(self, fit: LinearFit, p: int = 0) -> None:
        """A ConvergenceWarning where the fit of problem p is not the optimum."""
        if fit.separable[p]:
            warnings.warn(
                "lambd=0 and the classes are separable: the loss has no minimum, the weights grow without bound and "
                f"were stopped at ||W|| = {scipy.linalg.norm(fit.W[p].ravel()):.3g}. Set lambd > 0.",
                ConvergenceWarning,
                stacklevel=5,
            )
        elif not fit.converged[p] and not fit.dual_gap[p] <= CERTIFIED:
            bound = f"J may lie up to {fit.dual_gap[p]:.2g} above its optimum" if self.lambd > 0 else "lambd is 0"
            warnings.warn(
                f"{type(self).__name__} with lambd={self.lambd:g} did not converge to tol={self.tol:g} in "
                f"{fit.n_iter[p]} iterations (max_iter={self.max_iter}); {bound}. Raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to 1; columns in the order of `classes_`.
        """
        check_is_fitted(self)
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([expit(-scores), expit(scores)], axis=1)
        return softmax(scores, axis=1)

    def predict_log_proba(self, X: Any) -> NDArray[np.floating]:
        """Logarithm of the probability of each class, without underflow.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([log_expit(-scores), log_expit(scores)], axis=1)
        return log_softmax(scores, axis=1)

    def to_sklearn(self) -> LogisticRegression:
        """The same fitted model as a scikit-learn `LogisticRegression`, for tools that know only that class.

        Returns
        -------
        sklearn.linear_model.LogisticRegression
            Fitted; its predictions equal this model's.
        """
        check_is_fitted(self)
        model = LogisticRegression(
            C=1 / self.lambd if self.lambd > 0 else np.inf,
            fit_intercept=self.fit_intercept,
            class_weight=self.class_weight,
        )
        for name in ("classes_", "coef_", "intercept_", "n_iter_", "n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(model, name, copy(getattr(self, name)))
        return model

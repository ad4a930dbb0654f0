"""LambdaSearchCV."""

from __future__ import annotations

import time
import warnings
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils.metadata_routing import MetadataRouter
from sklearn.utils.validation import check_is_fitted, indexable

from ._search.candidates import full_grid, group_candidates
from ._search.choice import beyond_the_edge
from ._search.dev_set import check_dev_set
from ._search.folds import (
    DevSet,
    Fold,
    cross_validation_folds,
    dev_fold,
    only_weights_for_the_last_step,
    with_row_weights,
)
from ._search.run import Run, batch_fit
from ._search.scoring import Scoring
from ._search.table import LambdaTable, make_table
from ._sklearn import _check_method_params, _fit_context, _num_samples, finish_outcomes, has_callbacks, scorers_by_name


class LambdaSearchCV(GridSearchCV):
    r"""Search for the best `lambd` by cross-validation or on a dev set, all folds and lambdas as one batch.

    A :class:`~sklearn.model_selection.GridSearchCV` in all else: its parameters, attributes and results. Candidates
    that differ in `lambd` only and end in an :class:`L2LogisticRegression`, bare or as the last step of a Pipeline, are
    P problems that share X [1]_: each has a lambda and row weights of its own, which are how often the row stands in
    the fold's training set, times its sample weight and class weight. Problem p minimizes

    .. math:: J_p = \frac{1}{m_p} \sum_i s_{ip} \mathcal{L}(\hat y_i, y_i) + \frac{\lambda_p}{2 m_p} \|W\|_2^2

    so that every product with X serves all problems at once. A Pipeline's earlier steps are fitted once per fold. All
    other candidates are fitted one by one as GridSearchCV does it, L1LogisticRegression from large to small lambda,
    each fit starting from the one before.

    Parameters
    ----------
    estimator : estimator object
        Any estimator that GridSearchCV takes.
    param_grid : sequence of float, dict or list of dicts, default=(0, 0.01, 0.1, 1, 10, 100)
        The lambdas, whose parameter is found by itself (`lambd`, `l2logisticregression__lambd`, ...); or a grid as in
        GridSearchCV.
    scoring : str, callable, list, tuple or dict, default=None
        As in GridSearchCV. None, "accuracy" and "neg_log_loss" are computed for all problems at once.
    n_jobs : int, default=None
        Processes for what is not one batch: candidates that are fitted one by one, and folds with transformers of
        their own. A batch uses the threads that the environment allows.
    refit : bool, str or callable, default=True
        As in GridSearchCV; :func:`one_standard_error` is such a callable.
    cv : int, cross-validation generator or iterable, default=None
        As in GridSearchCV. It must be None where a dev set is given to `fit`.
    verbose : int, default=0
        1 prints how many candidates are batched; more also prints a line for every batch, on every fold, that is done.
    pre_dispatch : int or str, default="2*n_jobs"
        As in GridSearchCV.
    error_score : "raise" or float, default=nan
        As in GridSearchCV.
    return_train_score : bool, default=False
        As in GridSearchCV.

    Attributes
    ----------
    cv_results_ : dict of ndarrays
        As in GridSearchCV; the fit time of a batch is shared out among its fits.
    best_estimator_ : estimator
        Refitted on all of X; with a dev set it is the model that was scored.
    best_score_ : float
        Mean score of the best candidate over the folds, or its score on the dev set. Not where `refit` is a callable.
    best_params_ : dict
        The best candidate's parameters.
    best_index_ : int
        Its number in `cv_results_`.
    scorer_ : callable or dict
        What scored the candidates; a dict with several metrics.
    n_splits_ : int
        Number of folds; 1 with a dev set.
    refit_time_ : float
        Seconds of the refit; 0 with a dev set, where nothing is fitted again.
    multimetric_ : bool
        Whether there are several metrics.
    classes_ : ndarray of shape (n_classes,)
        Those of the best estimator.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Only where X has string column names.

    See Also
    --------
    L2LogisticRegression : The classifier whose lambd axis is one batch.

    References
    ----------
    .. [1] B. Conroy and P. Sajda, Fast, exact model selection and permutation testing for l2-regularized logistic
       regression, AISTATS (2012), https://www.ncbi.nlm.nih.gov/pmc/articles/PMC3875235/.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> search = LambdaSearchCV(pipeline, (0.01, 0.1, 1, 10, 100), scoring="neg_log_loss").fit(X, y)
    >>> search.best_params_
    {'l2logisticregression__lambd': 1}
    >>> round(float(search.best_score_), 3)
    -0.081

    A dev set of one's own, on which nothing is trained:

    >>> search.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:]).n_splits_
    1
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GridSearchCV._parameter_constraints,
        "param_grid": [dict, "array-like"],
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any = (0, 0.01, 0.1, 1, 10, 100),
        *,
        scoring: Any = None,
        n_jobs: Any = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = float("nan"),
        return_train_score: bool = False,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        **params: Any,
    ) -> LambdaSearchCV:
        """Fit and score all candidates, and refit the best.

        Ctrl-C leaves in `cv_results_` the candidates that had been scored on all folds by then. For its sake a batch
        that takes long comes in a few pieces, from large to small lambdas.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,), default=None
            Target.
        X_val, y_val : as X and y, default=None
            A dev set: candidates are trained on X and y, scored on it, and the best of these very models is kept. A
            Pipeline's steps are fitted on X only; a network follows its loss on the dev set.
        sample_weight_val : array-like, default=None
            Row weights of the dev set's scores.
        **params : dict
            As in GridSearchCV, for example `groups` or `sample_weight`.

        Returns
        -------
        self : LambdaSearchCV
            Fitted.

        Raises
        ------
        TypeError
            For a sequence of lambdas where the estimator has no parameter `lambd`.
        ValueError
            For one where it has several; for half a dev set, one beside `cv`, or one that no candidate could be scored
            on; and as GridSearchCV.
        """
        dev = self._check_dev_set(X_val, y_val, sample_weight_val)
        grid = full_grid(self.estimator, self.param_grid)
        candidates = list(ParameterGrid(grid))
        groups, others = group_candidates(self.estimator, candidates, lambda model: batch_fit(model) is not None)
        if not groups and dev is None and grid is self.param_grid:
            super().fit(X, y, **params)
            self._lambda_table = make_table(candidates, [[] for _ in candidates], [""] * len(candidates), None)
            return self

        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        if dev is not None:
            check_dev_set(self.estimator, X, y, dev, groups, others)
        params = with_row_weights(_check_method_params(X, params), _num_samples(X))
        routed = self._get_routed_params_for_fit(params)
        folds = self._folds(X, y, dev, routed)
        fit_params = routed.estimator.fit
        if not all(only_weights_for_the_last_step(group.estimator, fit_params) for group in groups):
            groups, others = [], list(range(len(candidates)))
        if has_callbacks(self):
            warnings.warn("Callbacks are not called where candidates are fitted in batches.", stacklevel=3)
        if self.verbose > 0:
            n_batched = len(candidates) - len(others)
            print(
                f"Fitting {len(folds)} folds for each of {len(candidates)} candidates: {n_batched} in batches, "
                f"{len(others)} one by one"
            )
        scoring = Scoring(scorers, self.error_score, self.return_train_score)
        run = Run(clone(self.estimator), candidates, folds, scoring, self.n_jobs, self.pre_dispatch, self.verbose)
        try:
            run.fit(groups, others)
        except KeyboardInterrupt:
            done = run.finished()
            if done:
                self.cv_results_ = self._results(run, done)
            raise
        self.cv_results_ = self._results(run, range(len(candidates)))
        self._choose(run, refit_metric, X, y, fit_params)
        self.scorer_ = scorers_by_name(scorers) or scorers
        return self

    def _check_dev_set(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> DevSet | None:
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            missing = "X_val" if X_val is None else "y_val"
            raise ValueError(f"A dev set is X_val and y_val together; {missing} is missing.")
        if self.cv is not None:
            raise ValueError(
                f"X_val is the dev set that candidates are scored on, so there is nothing to split for cv={self.cv!r}. "
                "Leave cv at None, or leave X_val and y_val out."
            )
        X_val, y_val, sample_weight_val = indexable(X_val, y_val, sample_weight_val)
        score_params: dict[str, Any] = {}
        if sample_weight_val is not None:
            score_params = self._get_routed_params_for_fit({"sample_weight": sample_weight_val}).scorer.score
        return DevSet(X_val, y_val, sample_weight_val, dict(score_params))

    def _folds(self, X: Any, y: Any, dev: DevSet | None, routed: Any) -> list[Fold]:
        fit_params, score_params = routed.estimator.fit, routed.scorer.score
        if dev is not None:
            self.n_splits_ = 1
            return [dev_fold(X, y, dev, fit_params, score_params)]
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **routed.splitter.split)
        folds = cross_validation_folds(X, y, cv.split(X, y, **routed.splitter.split), fit_params, score_params)
        if len(folds) != self.n_splits_ or not folds:
            raise ValueError(
                f"cv.split gave {len(folds)} splits where cv.get_n_splits says {self.n_splits_}; they must be equal "
                "and at least 1."
            )
        return folds

    def _results(self, run: Run, done: Any) -> dict[str, Any]:
        """`cv_results_` of some candidates, which have been scored on all folds."""
        self._lambda_table = run.table(done)
        outcomes = [run.outcomes[candidate, fold.number] for candidate in done for fold in run.folds]
        finish_outcomes(outcomes, self.scoring, self.error_score)
        self.multimetric_ = isinstance(outcomes[0]["test_scores"], dict)
        results = self._format_results([run.candidates[candidate] for candidate in done], len(run.folds), outcomes)
        if len(run.folds) == 1:
            errors = [each["standard_errors"] for each in outcomes]
            for name in dict.fromkeys(name for each in errors for name in each):
                results[f"se_test_{name}"] = np.array([each.get(name, np.nan) for each in errors])
        return results

    def _choose(self, run: Run, refit_metric: Any, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        """Set `best_*` from `cv_results_`, and the best estimator where `refit` asks for it."""
        results = self.cv_results_
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(run.outcomes[0, 0]["test_scores"])
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            self.best_params_ = results["params"][self.best_index_]
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
                if run.folds[0].dev is not None and np.isnan(self.best_score_):
                    raise ValueError(
                        "No candidate could be scored on X_val and y_val; warnings and cv_results_ say more."
                    )
            self._warn_at_the_edge(refit_metric)
        if not self.refit:
            return
        start = time.time()
        if run.folds[0].dev is not None:
            self.best_estimator_ = run.model(self.best_index_)
            self.refit_time_ = 0.0
        else:
            self.best_estimator_ = clone(run.estimator).set_params(**clone(self.best_params_, safe=False))
            self.best_estimator_.fit(X, *([] if y is None else [y]), **fit_params)
            self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

    def _warn_at_the_edge(self, metric: Any) -> None:
        if f"mean_test_{metric}" in self.cv_results_:
            message = beyond_the_edge(self.cv_results_, self.best_index_, metric, by_score=not callable(self.refit))
            if message:
                warnings.warn(message, stacklevel=5)

    def lambda_table(self) -> LambdaTable:
        """What every candidate came to, with a verdict on its lambda.

        Returns
        -------
        LambdaTable
            Prints well; ``table["dev_loss"]`` is a column, ``table.to_frame()`` a pandas DataFrame. Its columns are
            `lambd`, `C` (what scikit-learn's LogisticRegression calls it), `norm` (||W||), `train_loss`, `dev_loss`
            (mean log loss), `train_error`, `dev_error` and their standard errors `train_loss_se`, ... (over the folds,
            or over the rows of a single one), `decay_factor` and `verdict`: "overfitting", "just right" or
            "underfitting"; then the other parameters in which candidates differ. Losses and errors of candidates that
            were not batched are NaN. ``table.verdicts`` says for each candidate how far its dev loss lies above the
            least one (`above_best`, `above_best_se`), ``table.failures`` what its fit failed with, also where `fit`
            raised an error since all of them failed.

        Examples
        --------
        >>> from sklearn.datasets import load_breast_cancer
        >>> from sklearn.pipeline import make_pipeline
        >>> from sklearn.preprocessing import StandardScaler
        >>> from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
        >>> X, y = load_breast_cancer(return_X_y=True)
        >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
        >>> search = LambdaSearchCV(pipeline, (0.01, 1, 100), scoring="neg_log_loss").fit(X, y)
        >>> print(search.lambda_table())
            lambd   ||W||        train loss          dev loss        train error         dev error     C       verdict
             0.01   22.77  0.02237 ± 0.0039    0.2226 ± 0.069  0.008346 ± 0.0019   0.0351 ± 0.0088   100   overfitting
                1   3.667  0.05292 ± 0.0025  0.08115 ± 0.0081  0.01054 ± 0.00082  0.01931 ± 0.0033     1    just right
              100  0.8315   0.1738 ± 0.0016   0.1801 ± 0.0087   0.04438 ± 0.0016  0.05094 ± 0.0064  0.01  underfitting
        """
        check_is_fitted(self, "_lambda_table")
        return self._lambda_table

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """For notebooks: scikit-learn's diagram, and once fitted the table of lambdas below it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:  # unless scikit-learn is configured to display text
            bundle["text/html"] += self._html_table()
        return bundle

    @property
    def _repr_html_(self) -> Any:
        """The same for what knows no bundles; without scikit-learn's diagram there is no such attribute."""
        diagram = super()._repr_html_
        return lambda: diagram() + self._html_table()

    def _html_table(self) -> str:
        return self._lambda_table._repr_html_() if hasattr(self, "_lambda_table") else ""

    def get_metadata_routing(self) -> MetadataRouter:
        """Get the metadata routing of this search, whose `fit` itself may ask for a dev set.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        return super().get_metadata_routing().add_self_request(self)

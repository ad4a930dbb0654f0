"""Problems on the same rows, all lambdas on some folds: solved together, and told about in figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import scipy.sparse as sp
import sklearn
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from .._linear import row_blocks
from .._sklearn import _safe_indexing
from ..descent.continuation import Path
from ..descent.preconditioners import is_large
from ..descent.problems import LinearProblems
from ..descent.results import LinearFit, certified
from ..descent.rows import RowBlocks, multiply, pieces
from ..descent.solve import solve_newton
from ..logistic import L2LogisticRegression
from .candidates import Group, last_step
from .fits import Figures, Fits, Unfitted
from .folds import Fold, join
from .scoring import RowFigures, class_codes, wrong_classes

Floats = NDArray[np.floating]
Indices = NDArray[np.intp]

_MATRICES_PER_PROBLEM = 12  # of n_rows float64 each, for every row of scores, while a batch is solved
_ROWS_AT_A_TIME = 1000
_LONG = 5 * 10**8  # multiplications in a pass over X for all problems; a descent of that size takes about 2 s
_FEWEST = 64  # columns of scores in a piece of a long job; with fewer, reading X takes longer than arithmetic
_WEAK = 100  # lambda/m up to which, times tol, J is as good as flat near its minimum


@dataclass
class Part:
    """A fold in a batch. Its last step sees the columns X * scale + shift of the batch's X.

    `weights` (n,) are the rows' s_i there, `plain_weights` those without class weights; `rows` picks the rows that are
    trained on, as often as they are. The transformers need not be fitted where scale and shift are known without.
    """

    fold: Fold
    rows: Any
    weights: Floats
    plain_weights: Floats
    transformers: Pipeline | None
    scale: Floats | None = None
    shift: Floats | None = None
    is_fitted: bool = True  # whether the transformers are

    def fitted(self) -> Pipeline | None:
        """The transformers, fitted on the rows that are trained on."""
        if self.transformers is not None and not self.is_fitted:
            rows = self.fold.training()
            self.transformers.fit(rows.X, rows.y)
            self.is_fitted = True
        return self.transformers


@dataclass
class Batch:
    """Problems on the rows X (n, d) with class codes (n,): all lambdas of a group on some folds."""

    group: Group
    model: L2LogisticRegression
    X: Any
    codes: Indices
    parts: list[Part]
    is_transformed: bool  # whether X is what the transformers gave

    @property
    def n_scores(self) -> int:
        n_classes = len(self.model.classes_)
        return 1 if n_classes == 2 else n_classes

    @property
    def _is_long_softmax(self) -> bool:
        """Whether a start near the optimum saves more than other ways to solve a problem: without, rows are few."""
        return self.n_scores > 1 and self.X.shape[0] >= self.X.shape[1]

    def solve(self, train_rows: bool) -> Iterator[Fits | Unfitted]:
        """The folds together, but each by itself where the penalty is too weak to determine the weights.

        There a fold that shares a preconditioner with others learns from it what they know of its test rows.
        """
        weak = self.group.lambds <= _WEAK * self.model.tol * max(part.weights.sum() for part in self.parts)
        weak &= len(self.parts) > 1
        yield from self._in_pieces(np.flatnonzero(~weak), self.parts, train_rows)
        for part in self.parts:
            yield from self._in_pieces(np.flatnonzero(weak), [part], train_rows)

    def _in_pieces(self, lambdas: Indices, parts: list[Part], train_rows: bool) -> Iterator[Fits | Unfitted]:
        """From large to small lambdas: some on all folds at a time, or one on some folds."""
        most = self._most_problems()
        lambda_step, part_step = max(1, most // len(parts)), min(most, len(parts))
        paths: dict[int, Path] = {}
        for piece in reversed(np.array_split(lambdas, max(1, ceil(len(lambdas) / lambda_step)))):
            for f in range(0, len(parts) if len(piece) else 0, part_step):
                yield from self._solve(piece, parts[f : f + part_step], train_rows, paths.setdefault(f, Path()))

    def _most_problems(self) -> int:
        """At a time: what working memory holds, and of a long job a piece, for Ctrl-C keeps the pieces finished."""
        bytes_per_problem = 8 * _MATRICES_PER_PROBLEM * self.X.shape[0] * self.n_scores
        fitting = int(sklearn.get_config()["working_memory"] * 2**20 / bytes_per_problem)
        quick = max(_LONG // max(self.X.size, 1), _FEWEST) // self.n_scores
        if self._is_long_softmax and not sp.issparse(self.X) and is_large(self.X.shape[1], self.n_scores):
            quick = len(self.parts)  # what is learned at one lambda serves the next
        return max(1, min(fitting, quick))

    def _solve(self, lambdas: Indices, parts: list[Part], train_rows: bool, path: Path) -> Iterator[Fits | Unfitted]:
        L = len(lambdas)
        scale = None if parts[0].scale is None else np.repeat([part.scale for part in parts], L, axis=0)
        start = time.perf_counter()
        problems = self.model._problems(
            self.X,
            self.codes,
            np.stack([part.weights for part in parts], axis=1),
            np.tile(self.group.lambds[lambdas], len(parts)),
            self.model.penalize_intercept,
            column_weight=None if scale is None else scale**-2.0,
            fold=np.repeat(np.arange(len(parts)), L),
        )
        with row_blocks(self.X, problems.n_score_rows * len(problems.lambd)) as rows:
            goes_along = L == 1 and self._is_long_softmax
            fit = solve_newton(
                problems,
                rows,
                tol=self.model.tol,
                max_iter=self.model.max_iter,
                path=path if goes_along else None,
                certify=False,
            )
            # Where scalers are undone, X itself may be too large for scores in single precision.
            scores = _scores(rows, fit.W, fit.b, self.X.dtype if scale is None else np.float64)
            plain = np.stack([part.plain_weights / part.plain_weights.sum() for part in parts], axis=1)
            errors = _errors(rows, scores, self.codes, plain)[problems.fold, np.arange(len(problems.fold))]
        seconds = (time.perf_counter() - start) / len(problems.lambd)
        for i, part in enumerate(parts):
            yield self._fits(lambdas, part, problems, fit, i * L, scores, errors, seconds, train_rows)

    def _fits(
        self,
        lambdas: Indices,
        part: Part,
        problems: LinearProblems,
        fit: LinearFit,
        first: int,
        scores: Floats,
        errors: Floats,
        seconds: float,
        train_rows: bool,
    ) -> Fits | Unfitted:
        mine = slice(first, first + len(lambdas))
        own = LinearFit(**{name: value[mine] for name, value in vars(fit).items()})
        certify = partial(self._certified, problems.select(np.arange(first, mine.stop)), own)
        models = _Models(self, part, lambdas, _for_last_step(own, part), certify)
        if not models.fit_into(self.X.dtype):
            return Unfitted(part.fold.number, lambdas)
        models.warn()
        scores = scores[:, mine].astype(self.X.dtype, copy=False)
        train = RowFigures.of_scores(scores[part.rows], self.codes[part.rows]) if train_rows else None
        test = self._test_figures(part, own, scores)
        figures = None if test is None else self._figures(part, problems, mine, models.fit, scores, errors[mine], test)
        return Fits(part.fold.number, lambdas, seconds, models, test, train, figures)

    def _certified(self, problems: LinearProblems, fit: LinearFit) -> tuple[Floats, Floats, Floats]:
        with row_blocks(self.X, problems.n_score_rows * len(problems.lambd)) as rows:
            return certified(problems, rows, fit.W, fit.b)

    def _test_figures(self, part: Part, fit: LinearFit, scores: Floats) -> RowFigures | None:
        """Figures of the rows to score on; None where there is something about them that is for the scorer to say."""
        fold = part.fold
        if fold.test is not None and not self.is_transformed:
            return RowFigures.of_scores(scores[fold.test], self.codes[fold.test])
        try:
            test = fold.testing()
            codes = class_codes(self.model.classes_, test.y)
            X = part.transformers.transform(test.X) if self.is_transformed and part.transformers else test.X
            X = validate_data(self.model, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False)
        except Exception:
            return None
        dtype = np.result_type(X, self.X)
        computed = dtype if part.scale is None else np.float64
        # In single precision the order of additions shows in the scores: then each by itself, as its model computes it.
        step = 1 if computed == np.float32 else len(fit.W)
        with row_blocks(X, scores.shape[1] * scores.shape[2]) as rows:
            each = [
                _scores(rows, fit.W[i : i + step], fit.b[i : i + step], computed) for i in range(0, len(fit.W), step)
            ]
        return RowFigures.of_scores(np.concatenate(each, axis=1).astype(dtype, copy=False), codes)

    def _figures(
        self,
        part: Part,
        problems: LinearProblems,
        mine: slice,
        fit: LinearFit,
        scores: Floats,
        train_error: Floats,
        test: RowFigures,
    ) -> Figures:
        norm = np.linalg.norm(fit.W.reshape(len(fit.W), -1), axis=1)
        if self.model.class_weight is None:
            squares = norm**2 + (problems.penalize_intercept and np.sum(fit.b**2, axis=1))
            J = np.array([losses[-1][0] for losses in fit.losses])
            train_loss = J - problems.lambd[mine] / (2 * problems.m[mine]) * squares
        else:
            weights = part.plain_weights / part.plain_weights.sum()
            train_loss = weights @ RowFigures.of_scores(scores, self.codes).losses
        return Figures(
            norm=norm,
            train_loss=train_loss,
            train_error=train_error,
            dev_loss=_mean(test.losses, part.fold.test_weight()),
            dev_error=_mean(test.wrong, part.fold.test_weight()),
        )


@dataclass
class _Models:
    """Fitted estimators of some lambdas on a fold, each made when it is asked for."""

    batch: Batch
    part: Part
    lambdas: Indices
    fit: LinearFit
    # J, its penalty's part and the bound on J - J*, for the few that are asked for a model: it takes as long as two
    # steps of the descent.
    certify: Callable[[], tuple[Floats, Floats, Floats]]

    def __call__(self, i: int) -> Any:
        if np.isinf(self.fit.dual_gap).all():
            J, penalized, gap = self.certify()
            ends = zip(J.tolist(), penalized.tolist(), strict=True)
            losses = [[*losses[:-1], end] for losses, end in zip(self.fit.losses, ends, strict=True)]
            self.fit = replace(self.fit, losses=losses, dual_gap=gap)
        return self._build(i)[0]

    def _build(self, i: int) -> tuple[Any, L2LogisticRegression]:
        transformers = self.part.fitted()
        estimator = self.batch.group.with_lambd(int(self.lambdas[i]))
        model = last_step(estimator)
        if transformers is None or self.batch.is_transformed:
            vars(model).update({name: value for name, value in vars(self.batch.model).items() if name.endswith("_in_")})
        else:
            row = transformers.transform(_safe_indexing(self.part.fold.X, [0]))
            validate_data(model, row, skip_check_array=True)
        model.classes_ = self.batch.model.classes_
        model._take(self.fit, self.batch.X.dtype, i)
        return join(estimator, transformers, model), model

    def fit_into(self, dtype: Any) -> bool:
        """Whether all weights are finite in the precision of X."""
        with np.errstate(over="ignore"):
            return all(np.isfinite(a.astype(dtype)).all() for a in (self.fit.W, self.fit.b))

    def warn(self) -> None:
        """Give the warnings that these fits would give one by one."""
        for i in np.flatnonzero(self.fit.separable | ~self.fit.converged).tolist():
            self._build(i)[1]._warn(self.fit, i)


def _mean(values: NDArray[Any], weights: Any) -> Floats:
    """Over the rows; NaN where all weigh nothing."""
    if weights is not None and not np.sum(weights) > 0:
        return np.full(values.shape[1], np.nan)
    return np.average(values, axis=0, weights=weights)


def _scores(rows: RowBlocks, W: Floats, b: Floats, dtype: Any) -> Floats:
    """X W + b for W (P, K, d) and b (P, K): (n, P, K), in the precision in which a model computes them."""
    with np.errstate(over="ignore"):  # of weights that are refused afterwards
        factor = np.ascontiguousarray(W.reshape(-1, W.shape[-1]).T, dtype=dtype)
        bias = b.reshape(-1).astype(dtype)
    scores = np.empty((rows.n_rows, factor.shape[1]), dtype=dtype)

    def times(block: Any, at: slice) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            np.add(multiply(block, factor), bias, out=scores[at])

    rows.like(rows.X, factor.shape[1], dtype).sum_blocks(times)
    return scores.reshape(-1, *b.shape)


def _errors(rows: RowBlocks, scores: Floats, codes: Indices, weights: Floats) -> Floats:
    """The weight of the rows whose class is wrong at scores (n, P, K), by each column of the weights (n, F): (F, P)."""

    def add(part: slice, total: Floats) -> None:
        for some in pieces(part, _ROWS_AT_A_TIME):
            total += multiply(weights[some].T, wrong_classes(scores[some], codes[some]).astype(float))

    return rows.sum_rows(add, (weights.shape[1], scores.shape[1]))[0]


def _for_last_step(fit: LinearFit, part: Part) -> LinearFit:
    """The same models for the columns that the last step sees."""
    if part.scale is None or part.shift is None:
        return fit
    W = fit.W / part.scale
    return replace(fit, W=W, b=fit.b - W @ part.shift)

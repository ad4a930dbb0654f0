"""The table of a search: what every lambda came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .choice import is_equal, lambd_axis
from .verdicts import Verdict, standard_error, verdicts

Floats = NDArray[np.floating]

_WITH_ERRORS = ("train_loss", "dev_loss", "train_error", "dev_error")
_HEADERS = {
    "lambd": "lambd",
    "norm": "||W||",
    "train_loss": "train loss",
    "dev_loss": "dev loss",
    "train_error": "train error",
    "dev_error": "dev error",
    "decay_factor": "decay",
    "C": "C",
    "verdict": "verdict",
}


@dataclass(frozen=True)
class Result:
    """A batched candidate on one fold; `losses` and `wrong` (n,) are those of its dev rows where there is but one."""

    figures: dict[str, float]
    losses: Floats | None = None
    wrong: NDArray[np.bool_] | None = None


class LambdaTable:
    """What every candidate of a search came to, in their order.

    The columns are

    - `lambd`, the equivalent `C` = 1 / lambd of scikit-learn's LogisticRegression, `norm` = ||W||;
    - `train_loss`, `dev_loss` (mean log loss), `train_error`, `dev_error` (share of wrong classes): means over the
      folds, and their standard errors `train_loss_se`, ...; with one fold those of the dev set are over its rows;
    - `decay_factor` = 1 - alpha lambda/m, where training had a learning rate alpha;
    - `verdict`: "just right" where the dev loss exceeds the least one by no more than the standard error of the
      difference, fold by fold (or row by row), else "overfitting" below the best lambda and "underfitting" above it;
    - under the names of the grid, the other parameters in which candidates differ.

    NaN and "" stand where a candidate was not fitted in a batch. ``table["dev_loss"]`` is a column, `to_frame` gives a
    pandas DataFrame, and printing shows the means, in a notebook as HTML. `LambdaSearchCV.lambda_table` makes one.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_candidates,)
        The columns by name.
    verdicts : sequence of Verdict
        For each candidate the same verdict as `text`, and the difference it rests on: how far the dev loss lies above
        the least one, `above_best`, with its standard error `above_best_se`.
    failures : sequence of str
        The error of every candidate whose fit failed, "" for the others.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    >>> search = LambdaSearchCV(pipeline, (0.01, 1, 100), scoring="neg_log_loss").fit(X, y)
    >>> table = search.lambda_table()
    >>> table["C"].tolist()
    [100.0, 1.0, 0.01]
    >>> table.to_frame()["verdict"].tolist()
    ['overfitting', 'just right', 'underfitting']
    """

    def __init__(
        self, columns: Mapping[str, NDArray[Any]], verdicts: Sequence[Verdict], failures: Sequence[str]
    ) -> None:
        self.columns, self.verdicts, self.failures = dict(columns), list(verdicts), list(failures)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["lambd"])

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            A row for every candidate.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas

        return pandas.DataFrame(self.columns)

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(len(cell) for cell in column) for column in cells]
        lines = zip(*cells, strict=True)
        return "\n".join("  ".join(map(str.rjust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head, *lines = zip(*self._cells(), strict=True)
        rows = [_html_row("th", head), *(_html_row("td", line) for line in lines)]
        return f"<table>\n<thead>\n{rows[0]}\n</thead>\n<tbody>\n" + "\n".join(rows[1:]) + "\n</tbody>\n</table>"

    def _cells(self) -> list[list[str]]:
        """Columns of texts, each with its header first."""
        figures = [name for name in _HEADERS if name != "decay_factor" or not np.isnan(self[name]).all()]
        known = {*_HEADERS, *(f"{name}_se" for name in _WITH_ERRORS)}
        shown = [*(name for name in self.columns if name not in known), *figures]
        return [[_HEADERS.get(name, name), *(self._cell(name, i) for i in range(len(self)))] for name in shown]

    def _cell(self, name: str, i: int) -> str:
        value = self[name][i]
        if name == "verdict" or name not in _HEADERS:
            return " ".join(str(value).split())
        text = f"{value:.4g}"
        error = self.columns.get(f"{name}_se")
        return text if error is None or np.isnan(error[i]) else f"{text} ± {error[i]:.2g}"


def _html_row(tag: str, cells: Sequence[str]) -> str:
    inner = "".join(f'<{tag} style="text-align: right; padding: 0.2em 0.6em">{escape(cell)}</{tag}>' for cell in cells)
    return f"<tr>{inner}</tr>"


def make_table(
    params: Sequence[Mapping[str, Any]], results: Sequence[Sequence[Result]], failures: Sequence[str], dev_weight: Any
) -> LambdaTable:
    """From candidates' parameters, their results on all folds and their errors, if any.

    `dev_weight` are the row weights of a single fold.
    """
    varying = _varying(params)
    columns: dict[str, Any] = {"lambd": np.array([_lambd(candidate) for candidate in params])}
    with np.errstate(divide="ignore", over="ignore"):
        columns["C"] = 1 / columns["lambd"]
    columns["norm"] = _means(results, "norm")
    for name in _WITH_ERRORS:
        columns[name] = _means(results, name)
        columns[f"{name}_se"] = np.array([standard_error(_values(folds, name)) for folds in results])
    units: list[Floats | None] = [_values(folds, "dev_loss") if folds else None for folds in results]
    for k, folds in enumerate(results):
        if len(folds) == 1 and folds[0].losses is not None:
            units[k] = folds[0].losses
            columns["dev_loss_se"][k] = standard_error(folds[0].losses, dev_weight)
            columns["dev_error_se"][k] = standard_error(folds[0].wrong, dev_weight)
    columns["decay_factor"] = _means(results, "decay_factor")
    judged = _verdicts(params, columns["lambd"], units, dev_weight)
    columns["verdict"] = np.array([verdict.text for verdict in judged], dtype=object)
    taken = [name for name in varying if name in columns]
    columns |= {f"param_{name}" if name in taken else name: values for name, values in varying.items()}
    return LambdaTable(columns, judged, failures)


def _varying(params: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """The other parameters in which candidates differ, None where a candidate leaves one as it is."""
    names = dict.fromkeys(name for candidate in params for name in candidate if name.split("__")[-1] != "lambd")
    found = {}
    for name in names:
        values = [candidate.get(name) for candidate in params]
        if not all(is_equal(value, values[0]) for value in values):
            found[name] = np.fromiter(values, dtype=object, count=len(values))
    return found


def _values(folds: Sequence[Result], name: str) -> Floats:
    return np.array([fold.figures.get(name, np.nan) for fold in folds])


def _means(results: Sequence[Sequence[Result]], name: str) -> Floats:
    return np.array([_values(folds, name).mean() if folds else np.nan for folds in results])


def _lambd(candidate: Mapping[str, Any]) -> float:
    """Its only lambda; NaN where it has none, or something that is no number."""
    lambds = [value for name, value in candidate.items() if name.split("__")[-1] == "lambd"]
    return float(lambds[0]) if len(lambds) == 1 and isinstance(lambds[0], Real) else np.nan


def _verdicts(
    params: Sequence[Mapping[str, Any]], lambds: Floats, units: Sequence[Floats | None], weights: Any
) -> list[Verdict]:
    """Among candidates that differ in lambd only."""
    none = Verdict("")
    judged = [none] * len(params)
    for k in range(len(params)):
        if units[k] is None or judged[k] is not none:
            continue
        axis, _ = lambd_axis(params, k)
        for i, verdict in zip(axis, verdicts(lambds[axis].tolist(), [units[i] for i in axis], weights), strict=True):
            judged[i] = verdict or none
    return judged

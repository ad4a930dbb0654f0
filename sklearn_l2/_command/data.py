"""Data files as features and labels, with the preprocessing they need. No pickles are read."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_svmlight_file, load_svmlight_files
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

from .messages import LARGEST, CommandError, first_line, listed
from .tables import read_tables

# A numeric target with more distinct values than this, and few rows for each, is a quantity, not a class.
MANY_LABELS = 20
ROWS_PER_LABEL = 3
# A text column with more distinct texts than this, most of them in one row only, is hardly a category.
MANY_TEXTS = 20


@dataclass(frozen=True)
class Data:
    """Features and labels, the unfitted preprocessing, and the dev set if it has a file of its own.

    `names` are those of the columns of an array that has some.
    """

    title: str
    X: Any
    y: np.ndarray
    preprocessing: Any
    notes: tuple[str, ...] = ()
    X_dev: Any = None
    y_dev: np.ndarray | None = None
    names: Sequence[str] | None = None


def bundled() -> Data:
    """The breast cancer data that comes with scikit-learn."""
    bunch = load_breast_cancer()
    labels = bunch.target_names[bunch.target].astype(str)
    return Data(
        "breast cancer data, bundled with scikit-learn",
        bunch.data,
        labels,
        _for_numbers(),
        names=bunch.feature_names.tolist(),
    )


def read(path: Path, target: str | None = None, dev: Path | None = None) -> Data:
    """Data of a file, and of a second one that holds the dev set."""
    paths = [path] if dev is None else [path, dev]
    readers = {_reader(each) for each in paths}
    if len(readers) > 1:
        raise CommandError(f"{path} and {dev} are of different kinds: save the dev set the way the data is saved.")
    reader = readers.pop()
    if target is not None and reader is not _read_tables:
        raise CommandError(f"--target is for .csv and .parquet files: in {path} the labels have their own place.")
    data = reader(paths, target)
    if data.y_dev is not None:
        unseen = sorted(set(data.y_dev) - set(data.y))
        if unseen:
            raise CommandError(
                f"{dev} has labels that were never seen in {path}: {listed(unseen)}. "
                f"A model can only predict the labels it was trained on: {listed(np.unique(data.y))}."
            )
    return data


def take(X: Any, rows: np.ndarray) -> Any:
    """Rows of a DataFrame, an array or a sparse matrix."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _reader(path: Path) -> Callable[[Sequence[Path], str | None], Data]:
    reader = READERS.get(path.suffix.lower())
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a directory: give a data file.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise CommandError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be opened: {first_line(error)}") from None
    if reader is None:
        raise CommandError(f"{path} has an unknown extension {path.suffix!r}: allowed are {', '.join(READERS)}.")
    if empty:
        raise CommandError(f"{path} is an empty file.")
    return reader


def _for_numbers() -> Pipeline:
    return Pipeline(
        [("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("scale", StandardScaler())]
    )


def _read_tables(paths: Sequence[Path], target: str | None) -> Data:
    tables = read_tables(paths, target)
    labels = [
        _labels(cells, f"{path}: the target {target!r}") for path, cells in zip(paths, tables.targets, strict=True)
    ]
    _check_classes(labels[0], f"{paths[0]}: the target {target!r}")
    frame = tables.frames[0]
    notes = tables.notes + [
        f"column {name!r} holds {frame[name].nunique()} different values in {len(frame)} rows; "
        "those that occur once are taken together as one."
        for name in tables.categories
        if frame[name].nunique() > max(MANY_TEXTS, len(frame) / 2)
    ]
    # A missing category is a category of its own; one seen in a single row teaches nothing about other rows.
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2)
    preprocessing = ColumnTransformer(
        [("numbers", _for_numbers(), tables.numbers), ("categories", encoder, tables.categories)]
    )
    return Data(paths[0].name, frame, labels[0], preprocessing, tuple(notes), *tables.frames[1:], *labels[1:])


def _read_npz(paths: Sequence[Path], target: None) -> Data:
    parts = [_load_npz(path) for path in paths]
    _check_classes(parts[0][1], f"{paths[0]}: y")
    widths = [X.shape[1] for X, _ in parts]
    if widths[0] != widths[-1]:
        raise CommandError(f"{paths[1]} has other columns than {paths[0]}: {widths[1]} of them, not {widths[0]}.")
    return Data(paths[0].name, *parts[0], _for_numbers(), (), *sum(parts[1:], ()))


def _load_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with zipfile.ZipFile(path):  # anything else could be a pickle to numpy
            pass
        with np.load(path, allow_pickle=False) as archive:
            if not {"X", "y"} <= set(archive.files):
                raise CommandError(f"{path} must hold the arrays X and y: it holds {listed(archive.files)}.")
            X, y = archive["X"], archive["y"]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise CommandError(
                f"{path} holds an object array, which only a pickle can store, and pickles are not read: "
                "save X as numbers and y as numbers or text of fixed width, such as y.astype(str)."
            ) from None
        raise CommandError(f"{path} cannot be read as an .npz archive: {first_line(error)}") from None
    if X.ndim != 2 or X.dtype.kind not in "iufb":
        raise CommandError(f"{path}: X must be a two-dimensional array of numbers, not {X.ndim}-d of {X.dtype}.")
    if not X.size:
        raise CommandError(f"{path}: X is empty, its shape is {X.shape}.")
    if y.shape not in ((len(X),), (len(X), 1)):
        raise CommandError(f"{path}: y must hold one label per row of X: X is {X.shape}, y is {y.shape}.")
    X = X if X.dtype in (np.float32, np.float64) else X.astype(float)
    bad = np.argwhere(np.abs(X) > LARGEST)
    if len(bad):
        row, column = bad[0]
        raise CommandError(
            f"{path}: X holds {float(X[row, column])} in row {row + 1}, column {column + 1}, infinite or larger than "
            f"{LARGEST:g} ({len(bad)} such cells): correct it, or put NaN there to have it imputed."
        )
    return X, _labels(y.ravel(), f"{path}: y")


def _read_svmlight(paths: Sequence[Path], target: None) -> Data:
    # Both files at once: they must agree on the number of columns and on whether the first is 0 or 1.
    try:
        loaded = load_svmlight_files([str(path) for path in paths])
    except (ValueError, OverflowError) as error:
        raise CommandError(_bad_svmlight_line(paths) or f"{paths[0]}: {first_line(error)}") from None
    for path, X in zip(paths, loaded[::2], strict=True):
        if not X.nnz:
            raise CommandError(f"{path} is empty: its {X.shape[0]} rows hold no values.")
        bad = np.flatnonzero(~np.isfinite(X.data))
        if len(bad):
            row = np.searchsorted(X.indptr, bad[0], side="right")
            raise CommandError(f"{path}: row {row} holds {float(X.data[bad[0]])}, which is not finite.")
    labels = [_labels(y, f"{path}: the label") for path, y in zip(paths, loaded[1::2], strict=True)]
    _check_classes(labels[0], f"{paths[0]}: the label")
    scaling = Pipeline([("scale", MaxAbsScaler())])
    return Data(paths[0].name, loaded[0], labels[0], scaling, (), *loaded[2:3], *labels[1:])


def _bad_svmlight_line(paths: Sequence[Path]) -> str:
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    load_svmlight_file(io.BytesIO(line))
                except (ValueError, OverflowError) as error:
                    text = line.decode("utf-8", "backslashreplace").strip()
                    return (
                        f"{path}: line {number} is not 'label index:value index:value ...': {text[:60]!r} "
                        f"({first_line(error)})"
                    )
    return ""


READERS: dict[str, Callable[[Sequence[Path], Any], Data]] = {
    ".csv": _read_tables,
    ".parquet": _read_tables,
    ".npz": _read_npz,
    ".svmlight": _read_svmlight,
    ".libsvm": _read_svmlight,
}


def _labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels without gaps; whole numbers are integers."""
    if values.dtype.kind not in "iubfU":
        raise CommandError(f"{where} is of type {values.dtype}: allowed are integers, booleans and text.")
    if values.dtype.kind != "f":
        return values
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        state = "missing" if np.isnan(values[bad[0]]) else "infinite"
        raise CommandError(f"{where} is {state} in row {bad[0] + 1}.")
    return values.astype(np.int64) if np.all(values == np.floor(values)) else values


def _check_classes(labels: np.ndarray, where: str) -> None:
    classes = np.unique(labels)
    crowded = labels.dtype.kind in "iu" and len(classes) > max(MANY_LABELS, len(labels) / ROWS_PER_LABEL)
    if crowded or labels.dtype.kind == "f":
        raise CommandError(
            f"{where} looks continuous, not like classes: {len(classes)} different numbers in {len(labels)} "
            f"rows, such as {listed(classes[:3])}. Cut it into a few classes, or use a regression model."
        )
    if len(classes) < 2:
        raise CommandError(f"{where} has one class only, {listed(classes)}: at least two are needed.")

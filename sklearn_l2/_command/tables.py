"""Tables with named columns: .csv and .parquet files as DataFrames of clean cells."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .messages import LARGEST, CommandError, did_you_mean, first_line, listed, require

# A text column in which at least this share of the cells are numbers is a number column with bad cells in it.
MOSTLY = 0.8
DATE_FORMATS = ("ISO8601", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y")


@dataclass
class Tables:
    """The training table and, if it came in a file, the dev table; the target's cells are apart."""

    frames: list[Any]
    targets: list[np.ndarray]
    numbers: list[str]
    categories: list[str]
    notes: list[str] = field(default_factory=list)


def read_tables(paths: Sequence[Path], target: str | None) -> Tables:
    """Read a table, and a second one that must have its columns."""
    path = paths[0]
    frame = _load(path)
    if target is None:
        raise CommandError(f"say which column holds the classes: --target NAME. {path} has {listed(frame)}.")
    if target not in frame:
        raise CommandError(
            f"{path} has no column {target!r}.{did_you_mean(target, frame)} Its columns are {listed(frame)}."
        )
    labels = _target_cells(frame[target], path)
    features, notes = _without_row_numbers(frame.drop(columns=target))
    if not features.shape[1]:
        raise CommandError(f"{path} has no column beside the target {target!r}: there is nothing to learn from.")
    kinds = {name: _kind(features[name], path) for name in features}
    frames, targets = [_clean(features, kinds, path)], [labels]
    if len(paths) == 2:
        texts = [name for name, kind in kinds.items() if kind == "text"] + [target] * (labels.dtype.kind == "U")
        dev = _load(paths[1], texts)
        _check_same_columns(dev, paths[1], [*kinds, target], path)
        frames.append(_clean(dev[list(kinds)], kinds, paths[1]))
        targets.append(_target_cells(dev[target], paths[1]))
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    categories = [name for name, kind in kinds.items() if kind != "number"]
    return Tables(frames, targets, numbers, categories, notes)


def _load(path: Path, texts: Sequence[str] = ()) -> Any:
    """The file as a DataFrame; the named columns of a .csv file are read as text whatever they hold."""
    pandas = require("pandas", f"reading {path.suffix} files")
    if path.suffix.lower() == ".parquet":
        require("pyarrow", "reading .parquet files")
        try:
            frame = pandas.read_parquet(path, engine="pyarrow")
        except (ValueError, OSError) as error:
            raise CommandError(f"{path} cannot be read as a parquet file: {first_line(error)}") from None
        frame.columns = frame.columns.astype(str)
    else:
        frame = _load_csv(pandas, path, texts)
    if not len(frame):
        raise CommandError(f"{path} has column names but no rows.")
    return frame.reset_index(drop=True)


def _load_csv(pandas: Any, path: Path, texts: Sequence[str]) -> Any:
    header: list[str] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next((names for names in csv.reader(file, skipinitialspace=True) if names), [])
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(
                path,
                index_col=False,
                skipinitialspace=True,
                low_memory=False,
                dtype={name: str for name in texts if name in header},
            )
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text: save it as CSV in UTF-8.") from None
    except pandas.errors.EmptyDataError:
        raise CommandError(f"{path} is an empty file.") from None
    except pandas.errors.ParserWarning:
        raise CommandError(f"{path} has rows with more cells than the header has names ({len(header)}).") from None
    except (csv.Error, ValueError, OSError) as error:
        raise CommandError(f"{path} cannot be read as CSV: {first_line(error)}") from None
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise CommandError(f"{path} has several columns named {listed(repeated)}: give each a name of its own.")
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise CommandError(f"{path} is not separated by commas: its first line is {header[0]!r}.")
    return frame


def _target_cells(column: Any, path: Path) -> np.ndarray:
    """The target's cells as numbers, booleans or text."""
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise CommandError(
            f"{path}: the target {column.name!r} is missing in row {missing[0] + 1} ({len(missing)} of "
            f"{len(column)} rows; row 1 follows the header): fill it in or remove these rows."
        )
    cells = column.astype(object).to_numpy()
    kinds = {type(cell) for cell in cells}
    for allowed, dtype in (
        ((bool, np.bool_), bool),
        ((str,), str),
        ((int, np.integer), np.int64),
        ((float,), float),
    ):
        if all(issubclass(kind, allowed) for kind in kinds):
            try:
                return cells.astype(dtype)
            except OverflowError:  # numbers of 20 digits are names
                return cells.astype(str)
    raise CommandError(
        f"{path}: the target {column.name!r} holds {listed(cells[:1])}: allowed are text, integers and booleans."
    )


def _without_row_numbers(frame: Any) -> tuple[Any, list[str]]:
    """Drop a nameless first column that counts the rows, as spreadsheets and DataFrame.to_csv write it."""
    name = frame.columns[0] if frame.shape[1] else ""
    if name.startswith("Unnamed: ") and frame[name].dtype.kind == "i" and (frame[name].diff().iloc[1:] == 1).all():
        return frame.drop(columns=name), ["the nameless first column counts the rows and is left out."]
    return frame, []


def _check_same_columns(frame: Any, path: Path, names: Sequence[str], train_path: Path) -> None:
    missing = [name for name in names if name not in frame]
    extra = [name for name in _without_row_numbers(frame)[0] if name not in names]
    if missing or extra:
        faults = [f"lacks {listed(missing)}"] * bool(missing) + [f"has {listed(extra)} too"] * bool(extra)
        raise CommandError(f"{path} has other columns than {train_path}: it {' and '.join(faults)}.")


def _kind(column: Any, path: Path) -> str:
    """What a feature column holds: "number", "text" or another "category"."""
    pandas = require("pandas", "reading tables")
    holds = pandas.api.types.infer_dtype(column, skipna=True)
    if holds in ("boolean", "categorical"):
        return "category"
    if holds in ("integer", "floating", "mixed-integer-float", "decimal", "empty"):
        return "number"
    cells = column.dropna()
    if holds == "string":
        if pandas.to_numeric(cells, errors="coerce").notna().mean() >= MOSTLY:
            return "number"
        if not _are_dates(pandas, cells.drop_duplicates().head(1000)):
            return "text"
    elif not holds.startswith(("date", "time", "period")):
        raise CommandError(
            f"{path}: column {column.name!r} holds {holds} cells: allowed are numbers, text and booleans. "
            "Remove the column."
        )
    raise CommandError(
        f"{path}: column {column.name!r} holds dates or times, such as {str(cells.iloc[0])!r}: replace it by "
        "numbers that mean something (a year, a month, days since a start) or remove it."
    )


def _are_dates(pandas: Any, cells: Any) -> bool:
    return any(
        pandas.to_datetime(cells, format=form, errors="coerce").notna().mean() >= MOSTLY for form in DATE_FORMATS
    )


def _clean(frame: Any, kinds: dict[str, str], path: Path) -> Any:
    """Number columns as floats, the others as booleans or as objects with NaN where a cell is missing."""
    pandas = require("pandas", "reading tables")
    columns = {}
    for name, kind in kinds.items():
        column = frame[name]
        if kind == "number":
            numbers = pandas.to_numeric(column, errors="coerce").astype(float)
            _refuse_cells(column, numbers.isna() & column.notna(), path, "in a column of numbers")
            _refuse_cells(column, numbers.abs() > LARGEST, path, f"infinite or larger than {LARGEST:g}")
            columns[name] = numbers
        elif column.dtype == bool:
            columns[name] = column
        else:
            columns[name] = column.astype(object).where(column.notna(), np.nan)
    return pandas.DataFrame(columns)


def _refuse_cells(column: Any, bad: Any, path: Path, why: str) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        cell = column.iloc[rows[0]]
        raise CommandError(
            f"{path}: column {column.name!r} holds {listed([cell])} in row {rows[0] + 1}, {why} "
            f"({len(rows)} of {len(column)} cells; row 1 follows the header): correct it, or empty the cell to have it "
            "imputed."
        )

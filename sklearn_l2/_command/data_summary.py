"""The part of the HTML report that tells of the data."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from .data import Data
from .markup import Child, bullets, element, long_table, section
from .report import percent

_KINDS = {"f": "number", "b": "true or false", "O": "category"}


def data_section(data: Data, parts: Mapping[str, np.ndarray]) -> ET.Element:
    """Rows, classes and columns."""
    labels = {part: data.y[parts[part]] for part in ("train", "dev", "test") if part in parts}
    if data.y_dev is not None:
        labels = {"train": labels.pop("train"), "dev": data.y_dev} | labels
    notes = [bullets(data.notes)] if data.notes else []
    return section("Data", *notes, *_classes(labels), *_columns(data))


def _classes(labels: Mapping[str, np.ndarray]) -> list[ET.Element]:
    """Rows of each part and class."""
    everything = np.concatenate(list(labels.values()))
    rows = []
    for each in np.unique(everything):
        counts = [str(np.sum(y == each)) for y in labels.values()]
        rows.append([str(each), *counts, percent(float(np.mean(everything == each)))])
    rows.append(["all", *(str(len(y)) for y in labels.values()), percent(1.0)])
    return long_table("Rows by class and part", ["class", *labels, "share"], [rows[-1], *rows[:-1]])


def _columns(data: Data) -> list[ET.Element]:
    tables = [data.X] if data.X_dev is None else [data.X, data.X_dev]
    n_rows, n_columns = sum(table.shape[0] for table in tables), data.X.shape[1]
    if issparse(data.X):
        filled = sum(table.nnz for table in tables) / (n_rows * n_columns)
        return [element("p", f"{n_columns} columns of numbers, sparse: {percent(filled)} of the cells are stored.")]
    missing = np.sum([_missing(table) for table in tables], axis=0)
    rows: list[Sequence[Child]] = [
        [name, kind, str(gaps), percent(gaps / n_rows)]
        for name, kind, gaps in zip(*_names_and_kinds(data), missing, strict=True)
    ]
    return long_table(f"{n_columns} columns", ["column", "kind", "missing", "share missing"], rows)


def _missing(table: Any) -> np.ndarray:
    """How many cells of each column are empty, (n_columns,)."""
    return table.isna().sum().to_numpy() if hasattr(table, "isna") else np.isnan(table).sum(axis=0)


def _names_and_kinds(data: Data) -> tuple[Sequence[str], Sequence[str]]:
    if hasattr(data.X, "iloc"):
        return list(data.X), [_KINDS[dtype.kind] for dtype in data.X.dtypes]
    return data.names or [f"x{i}" for i in range(data.X.shape[1])], ["number"] * data.X.shape[1]

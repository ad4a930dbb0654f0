"""The Python code that finds the chosen lambd again, with public names of scikit-learn and sklearn-l2 only."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

import numpy as np

from .data import Data
from .tuning import Family

_DTYPES = {"U": "str", "b": "bool", "i": "int", "u": "int"}


@dataclass
class _Script:
    imports: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    def add(self, *lines: str, **imports: str) -> None:
        """Lines of code, and what they import from where; dots of a module's name are two underscores."""
        self.lines += lines
        for module, names in imports.items():
            self.imports.add(f"from {module.replace('__', '.')} import {names}")

    def assign(self, name: str, value: object) -> None:
        """A name for an estimator, or for a list or dict of plain values."""
        text = pformat(value, width=100 - len(name), compact=True) if isinstance(value, list | dict) else repr(value)
        self.add(f"{name} = " + text.replace("\n", "\n" + " " * (len(name) + 3)))


def recipe(arguments: argparse.Namespace, data: Data, parts: Mapping[str, np.ndarray], family: Family) -> str:
    """A script; it reads the files from where the command line found them."""
    script = _Script({"import numpy as np"})
    _load(script, arguments, data)
    _split(script, data, parts)
    _search(script, arguments, data, family)
    if "test" in parts:
        script.add(f'print("test error", np.mean(model.predict({_rows(data, "test")}) != y[test]))')
    imports = sorted(script.imports, key=lambda line: (line.startswith("from"), line))
    return "\n".join([*imports, "", *script.lines])


def _rows(data: Data, part: str) -> str:
    return f"X.iloc[{part}]" if hasattr(data.X, "iloc") else f"X[{part}]"


# Data


def _load(script: _Script, arguments: argparse.Namespace, data: Data) -> None:
    path = arguments.data
    if path is None:
        _load_bundled(script, data)
    elif path.suffix.lower() == ".npz":
        _load_npz(script, arguments, data)
    elif path.suffix.lower() in (".csv", ".parquet"):
        _load_table(script, arguments, data)
    else:
        _load_svmlight(script, arguments, data)


def _load_bundled(script: _Script, data: Data) -> None:
    script.add(
        "bunch = load_breast_cancer()",
        "X, y = bunch.data, bunch.target_names[bunch.target]",
        sklearn__datasets="load_breast_cancer",
    )
    _preprocess_numbers(script, data)


def _load_npz(script: _Script, arguments: argparse.Namespace, data: Data) -> None:
    files = [("", arguments.data, data.X), ("_dev", arguments.dev, data.X_dev)]
    for suffix, path, X in files[: 1 if data.X_dev is None else 2]:
        script.add(
            f"arrays = np.load({str(path)!r})",
            f"X{suffix} = arrays['X'].astype({X.dtype.name!r})",
            f"y{suffix} = arrays['y'].ravel().astype({_dtype(data)})",
        )
    _preprocess_numbers(script, data)


def _load_svmlight(script: _Script, arguments: argparse.Namespace, data: Data) -> None:
    names = ["X", "y"] + ["X_dev", "y_dev"] * (data.y_dev is not None)
    paths = [str(path) for path in (arguments.data, arguments.dev) if path]
    script.add(f"{', '.join(names)} = load_svmlight_files({paths!r})", sklearn__datasets="load_svmlight_files")
    script.add(*(f"{name} = {name}.astype({_dtype(data)})" for name in names[1::2]))
    script.add("", sklearn__preprocessing="MaxAbsScaler")
    script.assign("preprocessing", data.preprocessing)


def _load_table(script: _Script, arguments: argparse.Namespace, data: Data) -> None:
    (_, for_numbers, numbers), (_, for_categories, categories) = data.preprocessing.transformers
    files: dict[str, Path | None] = {"X, y": arguments.data, "X_dev, y_dev": arguments.dev}
    script.imports.add("import pandas as pd")
    script.assign("numbers", numbers)
    script.assign("categories", categories)
    script.add("", "def read(path):")
    if arguments.data.suffix.lower() == ".csv":
        texts = [name for name in categories if _holds_text(data.X[name])]
        script.assign("    texts", texts + [arguments.target] * (data.y.dtype.kind == "U"))
        script.add(
            "    table = pd.read_csv(",
            "        path, index_col=False, skipinitialspace=True, low_memory=False, dtype=dict.fromkeys(texts, str)",
            "    )",
        )
    else:
        script.add("    table = pd.read_parquet(path, engine='pyarrow').reset_index(drop=True)")
        script.add("    table.columns = table.columns.astype(str)")
    script.add(
        "    X = table[numbers + categories]",
        "    X = X.astype(dict.fromkeys(numbers, float) | dict.fromkeys(categories, object))",
        *["    X = X.where(X.notna(), np.nan)"] * (arguments.data.suffix.lower() == ".parquet"),
        f"    return X, table[{arguments.target!r}].to_numpy().astype({_dtype(data)})",
        "",
        *(f"{names} = read({str(path)!r})" for names, path in files.items() if path),
        "",
        sklearn__compose="ColumnTransformer",
        sklearn__preprocessing="OneHotEncoder, StandardScaler",
        sklearn__impute="SimpleImputer",
    )
    script.assign("for_numbers", for_numbers)
    script.assign("for_categories", for_categories)
    script.add(
        "preprocessing = ColumnTransformer(",
        "    [('numbers', for_numbers, numbers), ('categories', for_categories, categories)]",
        ")",
    )


def _holds_text(column: Any) -> bool:
    return column.dtype == object and all(isinstance(cell, str) for cell in column.dropna())


def _preprocess_numbers(script: _Script, data: Data) -> None:
    script.add("", sklearn__impute="SimpleImputer", sklearn__preprocessing="StandardScaler")
    script.assign("preprocessing", data.preprocessing)


def _dtype(data: Data) -> str:
    return _DTYPES[data.y.dtype.kind]


# Split and search


def _split(script: _Script, data: Data, parts: Mapping[str, np.ndarray]) -> None:
    script.add("", "train = np.arange(len(y))")
    for part in [part for part in ("dev", "test") if part in parts]:
        script.add(
            f"train, {part} = train_test_split(train, test_size={len(parts[part])}, stratify=y[train], random_state=0)",
            "train.sort()",
            f"{part}.sort()",
            sklearn__model_selection="train_test_split",
        )
    if "dev" in parts:
        script.add(f"X_dev, y_dev = {_rows(data, 'dev')}, y[dev]")


def _search(script: _Script, arguments: argparse.Namespace, data: Data, family: Family) -> None:
    model = family.build()
    folds, dev = "", ", X_val=X_dev, y_val=y_dev"
    if arguments.cv:
        script.add(sklearn__model_selection="StratifiedKFold")
        folds, dev = f", cv=StratifiedKFold({arguments.cv}, shuffle=True, random_state=0)", ""
    scoring, criterion, score = "", "the lowest dev loss", ""
    if arguments.scoring:
        scoring = f", scoring={arguments.scoring!r}"
        criterion = f"the best {arguments.scoring}, then the lowest dev loss"
        score = ", -results['mean_test_score']"
    script.add(
        "",
        f"def choose(results):  # {criterion}, then the largest lambd",
        "    table = search.lambda_table()",
        f"    return np.lexsort((-table['lambd'], table['dev_loss']{score}))[0]",
        "",
        sklearn__pipeline="Pipeline",
        sklearn_l2=f"LambdaSearchCV, {type(model).__name__}",
    )
    script.assign("model", model)
    script.add("model = Pipeline([('preprocessing', preprocessing), ('classifier', model)])")
    script.assign("lambds", arguments.lambds)
    script.add(
        f"search = LambdaSearchCV(model, lambds, refit=choose{scoring}{folds})",
        f"search.fit({_rows(data, 'train')}, y[train]{dev})",
        "print(search.lambda_table())",
        "print(search.best_params_)",
        "model = search.best_estimator_",
    )

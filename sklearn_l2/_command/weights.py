"""The part of the HTML report that tells of the chosen model's weights."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import MaxAbsScaler

from .markup import Child, bar, element, long_table, section, table
from .pictures import descent_picture


def section_of(model: Any, names: Sequence[str] | None) -> ET.Element:
    """Of a Pipeline of preprocessing and classifier; `names` are the columns' where the model does not know them."""
    preprocessing, classifier = model[0], model[-1]
    columns = preprocessing.get_feature_names_out(None if names is None else np.asarray(names, dtype=object))
    unnamed = names is None and not isinstance(preprocessing, ColumnTransformer)
    first = " The columns have no names: x0 is the first." if unnamed else ""
    scale = element("p", _scale(preprocessing) + first)
    if isinstance(preprocessing, ColumnTransformer):
        columns = np.array([name.partition("__")[2] for name in columns], dtype=object)
    parts = _layers(classifier, columns) if hasattr(classifier, "coefs_") else _coefficients(classifier, columns)
    return section("Weights", scale, *parts, element("div", descent_picture(classifier), class_="pictures"))


def _scale(preprocessing: Any) -> str:
    if isinstance(preprocessing, ColumnTransformer):
        return (
            "Columns of numbers are standardized first: their weights are per standard deviation. Every value of the "
            "other columns becomes a column of 0 and 1, named column_value. Values seen in one row only share a "
            "column, column_infrequent_sklearn; missing ones are column_nan."
        )
    if isinstance(preprocessing[-1], MaxAbsScaler):
        return "Columns are divided by their largest absolute value first: the weights are per that value."
    return "Columns are standardized first: the weights are per standard deviation."


def _coefficients(classifier: Any, columns: np.ndarray) -> list[ET.Element]:
    """Weights, the largest first, and biases."""
    order = np.argsort(-np.abs(classifier.coef_).max(axis=0), kind="stable")
    classes = [str(each) for each in classifier.classes_]
    if len(classes) == 2:
        (weights,) = classifier.coef_
        rows = _with_bars(columns[order], weights[order])
        return [
            element("p", f"A positive weight speaks for {classes[1]}, a negative one for {classes[0]}."),
            element("p", f"The bias b is {classifier.intercept_[0]:.4g}."),
            *long_table("Weights, the largest first", ["column", "weight", "size"], rows),
        ]
    biases: list[Child] = ["bias b", *(f"{b:.4g}" for b in classifier.intercept_)]
    weights = [[columns[j], *(f"{w:.4g}" for w in classifier.coef_[:, j])] for j in order]
    caption = "Weights for each class, columns with the largest first"
    return long_table(caption, ["column", *classes], [biases, *weights])


def _layers(classifier: Any, columns: np.ndarray) -> list[ET.Element]:
    """Norms of the layers' weights, and of those that leave each column."""
    rows = [
        [str(layer), f"{W.shape[0]} × {W.shape[1]}", f"{np.linalg.norm(W):.4g}", f"{np.abs(W).max():.4g}"]
        for layer, W in enumerate(classifier.coefs_, start=1)
    ]
    norms = np.linalg.norm(classifier.coefs_[0], axis=1)
    order = np.argsort(-norms, kind="stable")
    return [
        table("Layers", ["layer", "shape of W", "||W||", "largest weight"], rows),
        *long_table(
            "Norm of the weights that lead from a column into the first layer, the largest first",
            ["column", "norm", "size"],
            _with_bars(columns[order], norms[order]),
        ),
    ]


def _with_bars(names: np.ndarray, values: np.ndarray) -> list[list[Child]]:
    largest = np.abs(values).max() or 1.0
    return [[name, f"{value:.4g}", bar(value / largest)] for name, value in zip(names, values, strict=True)]

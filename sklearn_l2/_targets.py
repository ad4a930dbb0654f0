"""Targets of a network: classes that exclude one another, or a matrix of labels that may occur together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from ._training import encode_classes


def is_multilabel(y: Any) -> bool:
    """Whether y is a matrix of labels, 0 or 1 each; a ValueError where y is no target of a classifier."""
    check_classification_targets(y)
    kind = type_of_target(y)
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns of classes, which is not supported. A matrix y must hold labels, 0 or 1 each; "
            "fit one model per column otherwise (sklearn.multioutput.MultiOutputClassifier)."
        )
    return kind == "multilabel-indicator"


def classes_and_codes(y: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of y itself, classes (K,) and codes: class numbers (n,), or with K labels the matrix of zeros and ones (n, K)."""
    if is_multilabel(y):
        codes = label_matrix(y)
        return np.arange(codes.shape[1]), codes
    return encode_classes(column_or_1d(y, warn=True))


def codes_for(classes: NDArray[Any], multilabel: bool, y: Any, name: str = "y") -> NDArray[Any]:
    """Codes as above of a further y, whose classes must be among `classes`; `name` is what an error calls it."""
    if is_multilabel(y) != multilabel:
        given, expected = ("classes", "a matrix of labels") if multilabel else ("a matrix of labels", "classes")
        raise ValueError(f"{name} holds {given} where the training data has {expected}.")
    if multilabel:
        codes = label_matrix(y)
        if codes.shape[1] != len(classes):
            raise ValueError(f"{name} has {codes.shape[1]} labels where the training data has {len(classes)}.")
        return codes
    y = column_or_1d(y, warn=True)
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(
            f"{name} has classes that are not among those of the training data: {unseen.tolist()}; "
            f"known classes are {classes.tolist()}."
        )
    return np.searchsorted(classes, y)


def label_matrix(y: Any) -> NDArray[np.int8]:
    """Zeros and ones (n, K), dense."""
    return (y.toarray() if hasattr(y, "toarray") else np.asarray(y)).astype(np.int8)

"""What the estimators check and prepare alike before a fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight

from ._sklearn import _check_sample_weight


@contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """An exception leaves the estimator's attributes as they were."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def is_clean(X: Any, y: Any) -> bool:
    """Whether X is a matrix of finite floats and y an integer per row, of which a full check would find no more.

    The full check takes longer than a small fit.
    """
    if not (type(X) is np.ndarray and X.ndim == 2 and X.size and X.dtype in (np.float64, np.float32)):
        return False
    if not (type(y) is np.ndarray and y.dtype.kind in "iu" and y.shape == X.shape[:1]):
        return False
    with np.errstate(all="ignore"):
        return bool(np.isfinite(X.sum()))


def encode_classes(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Sorted classes and each row's class code; at least two classes, or a ValueError."""
    classes, codes = _sorted_classes(y)
    if len(classes) < 2:
        raise ValueError(
            f"y contains only 1 class, {classes.tolist()[0]!r}; a classifier needs rows of at least 2 classes. "
            "Check the target column, or the split that left only one class."
        )
    return classes, codes


def _sorted_classes(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """np.unique(y, return_inverse=True), by counting where y holds integers close together: many take long to sort."""
    if y.ndim == 1 and y.size and np.can_cast(y.dtype, np.int64):
        lowest, highest = int(y.min()), int(y.max())
        if highest - lowest < len(y):
            codes = y.astype(np.int64) - lowest
            present = np.bincount(codes) > 0
            if not present.all():
                codes = (np.cumsum(present) - 1)[codes]
            return (np.flatnonzero(present) + lowest).astype(y.dtype), codes
    return np.unique(y, return_inverse=True)


def training_weights(
    sample_weight: ArrayLike | None,
    class_weight: Any,
    X: Any,
    classes: NDArray[Any],
    codes: NDArray[np.intp],
) -> NDArray[np.float64]:
    """s_i = sample weight x class weight, (n_rows,) float64, positive in sum for every class."""
    if sample_weight is None:
        s = np.ones(X.shape[0])
        if class_weight is None:
            return s
    else:
        array = np.asarray(sample_weight)
        if array.ndim > 0 and array.size and array.dtype.kind in "biuf" and not np.any(array):
            raise ValueError("All values of sample_weight are zero; at least one row needs a positive weight.")
        s = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if class_weight is not None:
        per_class = compute_class_weight(
            class_weight,
            classes=classes,
            y=classes[codes],
            sample_weight=None if sample_weight is None else s,
        )
        if not (np.isfinite(per_class).all() and (per_class >= 0).all()):
            raise ValueError(f"class_weight must be finite and not negative, got {class_weight!r}.")
        s = s * per_class[codes]
    per_class = np.bincount(codes, weights=s, minlength=len(classes))
    if not np.isfinite(per_class.sum()):
        raise ValueError("The sum of the sample weights is not finite; divide them by their largest value.")
    if not (per_class > 0).all():
        empty = classes[per_class <= 0].tolist()
        raise ValueError(
            f"Every row of class {empty[0] if len(empty) == 1 else empty!r} has weight zero (sample_weight times "
            "class_weight). Each class needs a positive weight; leave out the rows of classes that should not count."
        )
    return s

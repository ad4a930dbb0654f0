"""Whether a dev set goes with the training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from .._sklearn import _num_samples
from .candidates import Group, last_step
from .folds import DevSet, unfitted_transformers
from .scalers import only_scalers


def check_dev_set(estimator: Any, X: Any, y: Any, dev: DevSet, groups: Sequence[Group], others: Sequence[int]) -> None:
    """A ValueError for a dev set on which no candidate can be scored, as far as that is certain before any fit."""
    if _num_samples(dev.X) == 0:
        raise ValueError("X_val and y_val have no rows; a dev set needs one at least.")
    if not others and all(_sees_columns(group.estimator) for group in groups):
        _check_columns(last_step(groups[0].estimator), X, dev.X)
    elif isinstance(X, np.ndarray) and isinstance(dev.X, np.ndarray) and dev.X.shape[1:] != X.shape[1:]:
        raise ValueError(f"X_val has the shape {dev.X.shape}, which does not go with {X.shape} of X.")
    if y is not None and not sp.issparse(dev.y):
        assert_all_finite(np.asarray(dev.y), input_name="y_val")
        if is_classifier(estimator):
            _check_classes(y, dev.y)


def _sees_columns(estimator: Any) -> bool:
    """Whether the classifier sees the columns of X, at most shifted and scaled."""
    transformers = unfitted_transformers(estimator)
    return transformers is None or only_scalers(transformers)


def _check_columns(model: Any, X: Any, X_val: Any) -> None:
    model = clone(model)
    try:
        validate_data(model, X, skip_check_array=True)
    except Exception:  # the fit will say what is wrong
        return
    try:
        check_array(X_val, accept_sparse=True, dtype=[np.float64, np.float32], input_name="X_val")
        validate_data(model, X_val, skip_check_array=True, reset=False)
    except ValueError as error:
        raise ValueError(f"X_val is not as X: {error}") from error


def _check_classes(y: Any, y_val: Any) -> None:
    classes, found = (set(np.ravel(each).tolist()) for each in (y, y_val))
    if classes.isdisjoint(found):
        shown = [", ".join(repr(each) for each in sorted(some, key=repr)[:5]) for some in (found, classes)]
        raise ValueError(f"y_val shares no class with y: it has {shown[0]}, and y has {shown[1]}.")

"""What several test files of the search compare."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from sklearn_l2 import LambdaSearchCV


def is_time(key):
    return key.endswith("_time")


def assert_same_results(ours, theirs, *, atol=1e-6):
    """`cv_results_` of both have the same keys in the same order, the same parameters, and scores within atol.

    Of a single split ours may also hold the scores' standard errors.
    """
    further = [key for key in ours if key.startswith("se_test_")]
    assert not further or "split1_test_score" not in ours
    assert list(ours) == [*theirs, *further]
    assert ours["params"] == theirs["params"]
    for key, expected in theirs.items():
        if key.startswith("param_"):
            assert_array_equal(np.ma.getmaskarray(ours[key]), np.ma.getmaskarray(expected))
            assert ours[key].tolist() == expected.tolist()
            assert ours[key].dtype == expected.dtype
        elif "test_" in key or "train_" in key:
            assert ours[key].dtype == expected.dtype
            if not key.startswith("rank_"):
                assert_allclose(ours[key], expected, rtol=0, atol=atol, err_msg=key)
        elif is_time(key):
            assert ours[key].shape == expected.shape
            assert (ours[key] >= 0).all()


def both(estimator, grid, X, y, *, params=None, atol=1e-6, **settings):
    """LambdaSearchCV and GridSearchCV fitted alike, once their results, choice and refitted model are compared."""
    ours = LambdaSearchCV(estimator, grid, **settings)
    theirs = GridSearchCV(estimator, grid, **settings)
    ours.fit(X, y, **(params or {}))
    theirs.fit(X, y, **(params or {}))
    assert_same_results(ours.cv_results_, theirs.cv_results_, atol=atol)
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ == theirs.multimetric_
    if hasattr(theirs, "best_index_"):
        metric = theirs.refit if theirs.multimetric_ and isinstance(theirs.refit, str) else "score"
        if f"mean_test_{metric}" in theirs.cv_results_:
            means = theirs.cv_results_[f"mean_test_{metric}"]
            assert_allclose(means[ours.best_index_], means[theirs.best_index_], rtol=0, atol=atol)
        else:
            assert ours.best_index_ == theirs.best_index_
    if hasattr(theirs, "best_estimator_") and ours.best_index_ == theirs.best_index_:
        assert repr(ours.best_estimator_) == repr(theirs.best_estimator_)
        assert_array_equal(ours.predict(X), theirs.predict(X))
    return ours, theirs

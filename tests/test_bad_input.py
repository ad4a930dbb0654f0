"""Bad and extreme input: each gives a clear error or a named warning, and fitted weights are always finite."""

import re
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from common import early, load, noisy, standardized
from sklearn.exceptions import ConvergenceWarning

from sklearn_l2 import DivergenceError, L2LogisticRegression

X, Y = noisy(40, 4)
X3, Y3 = noisy(40, 4, 3)
ONES = np.ones(40)


def changed(array, value):
    array = np.array(array, dtype=float)
    array.flat[5] = value
    return array


BAD_DATA = {
    "NaN in X": (changed(X, np.nan), Y, None, "Input X contains NaN"),
    "inf in X": (changed(X, np.inf), Y, None, "Input X contains infinity"),
    "NaN in sparse X": (sp.csr_array(changed(X, np.nan)), Y, None, "Input X contains NaN"),
    "too large for float32": (X.astype(np.float32) * np.float32(np.inf), Y, None, "infinity|NaN"),
    "NaN in y": (X, changed(Y, np.nan), None, "Input y contains NaN"),
    "inf in y": (X, changed(Y, -np.inf), None, "Input y contains infinity"),
    "missing label": (X, pd.Series([None, *Y[1:]], dtype="Int64"), None, "Input y contains NaN"),
    "None among the labels": (X, np.array([None, *Y[1:]], dtype=object), None, "Unknown label type"),
    "continuous y": (X, X[:, 0], None, "Unknown label type: continuous.*regression target"),
    "y with two columns": (
        X,
        np.column_stack([Y, Y]),
        None,
        r"y should be a 1d array, got an array of shape \(40, 2\)",
    ),
    "y too short": (X, Y[:-1], None, r"inconsistent numbers of samples: \[40, 39\]"),
    "no y": (X, None, None, "requires y to be passed, but the target y is None"),
    "one class": (X, np.full(40, 7), None, "y contains only 1 class, 7; a classifier needs .* at least 2 classes"),
    "one named class": (X, ["yes"] * 40, None, "y contains only 1 class, 'yes'"),
    "one row": (X[:1], Y[:1], None, "1 class"),
    "no rows": (X[:0], Y[:0], None, r"0 sample\(s\).*minimum of 1"),
    "no columns": (X[:, :0], Y, None, r"0 feature\(s\).*minimum of 1"),
    "X with one dimension": (X[:, 0], Y, None, "Expected 2D array, got 1D array"),
    "X with three dimensions": (X[:, :, None], Y, None, "dim 3"),
    "text in X": (np.full((40, 4), "a"), Y, None, "could not convert string to float"),
    "complex X": (X * 1j, Y, None, "Complex data not supported"),
    "NaN weight": (X, Y, changed(ONES, np.nan), "sample_weight contains NaN"),
    "infinite weight": (X, Y, changed(ONES, np.inf), "sample_weight contains infinity"),
    "negative weight": (X, Y, changed(ONES, -1), "Negative values.*sample_weight"),
    "all weights zero": (X, Y, 0 * ONES, "sample_weight are zero; at least one row needs a positive weight"),
    "a class of weight zero": (X, Y, Y * 1.0, "class 0 has weight zero .*Each class needs a positive weight"),
    "a named class of weight zero": (X, np.array(["a", "b"])[Y], Y * 1.0, "class 'a' has weight zero"),
    "classes of weight zero": (X3, Y3, (Y3 == 1) * 1.0, r"class \[0, 2\] has weight zero"),
    "weights too large to add": (X, Y, np.full(40, 1e308), "sum of the sample weights is not finite"),
    "too few weights": (X, Y, ONES[1:], r"sample_weight.shape == \(39,\), expected \(40,\)"),
    "weights with two columns": (X, Y, ONES[:, None], "Sample weights must be 1D"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_bad_data_are_named(name, solver):
    bad_X, bad_y, weights, message = BAD_DATA[name]
    with pytest.raises(ValueError, match=f"(?s){message}"), np.errstate(invalid="ignore"):
        L2LogisticRegression(solver=solver).fit(bad_X, bad_y, weights)


BAD_PARAMETERS = {
    "lambd": [-1, -1e-300, np.nan, np.inf, "1", None, [1.0]],
    "solver": ["lbfgs", None],
    "learning_rate": [0.0, -0.1, np.nan, np.inf, "constant"],
    "tol": [-1e-9, np.nan, "small"],
    "max_iter": [0, -1, 1.5, None],
    "fit_intercept": ["yes", None],
    "class_weight": ["balance", 2.0],
    "warm_start": [None],
    "random_state": ["seed"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in BAD_PARAMETERS for value in BAD_PARAMETERS[name]]
)
def test_bad_parameters_are_named_with_what_was_given_and_what_is_allowed(name, value):
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of L2LogisticRegression must be (an?|an instance of) .*Got "
    ):
        L2LogisticRegression(**{name: value}).fit(X, Y)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1, 1: -1}, "class_weight must be finite and not negative, got {0: 1, 1: -1}"),
        ({0: 1, 1: np.nan}, "class_weight must be finite"),
        ({0: 1, 1: np.inf}, "class_weight must be finite"),
        ({0: 1, 1: 0}, "class 1 has weight zero .*class_weight"),
        ({0: 1, 5: 1}, r"\[1\], are not in class_weight"),
    ],
    ids=str,
)
def test_bad_class_weights(class_weight, message):
    with pytest.raises(ValueError, match=message):
        L2LogisticRegression(class_weight=class_weight).fit(X, Y)


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = L2LogisticRegression().fit(X, Y)
    coef = model.coef_.copy()
    for arguments in ((X, np.zeros(40)), (X, Y, -ONES)):
        with pytest.raises(ValueError, match=r"1 class|weight"):
            model.fit(*arguments)
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.classes_.tolist() == [0, 1]
    model.predict(X)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_predicting_for_other_features(method):
    model = L2LogisticRegression().fit(X, Y)
    for bad_X, message in (
        (X[:, :3], "X has 3 features, but L2LogisticRegression is expecting 4 features"),
        (changed(X, np.nan), "Input X contains NaN"),
        (X[0], "Expected 2D array"),
    ):
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(bad_X)


# -- learning rates --------------------------------------------------------------------------------------------------


def usable_learning_rate(error):
    return float(re.search(r"up to (\S+) gradient descent cannot diverge", str(error.value))[1])


def test_a_learning_rate_that_must_diverge_is_refused_before_the_first_step(monkeypatch):
    monkeypatch.setattr("sklearn_l2.descent.plain_descent.descend", None)
    model = L2LogisticRegression(lambd=20.0, solver="gd", learning_rate=4.0)  # alpha lambda/m = 2
    with pytest.raises(DivergenceError, match=r"must diverge: .* = 2 and has to be below 2.*learning_rate=4 ") as error:
        model.fit(X, Y)
    assert 0 < usable_learning_rate(error) < 4


@pytest.mark.parametrize(
    ("data", "learning_rate"), [((X, Y), 1e3), ((X3, Y3), 1e3), ((X * 1e6, Y), 1.0), ((X, Y), 1e300)]
)
def test_divergence_names_a_learning_rate_that_works(data, learning_rate):
    model = L2LogisticRegression(lambd=1e-2, solver="gd", learning_rate=learning_rate, max_iter=50)
    with pytest.raises(DivergenceError, match=r"diverged?.*too large.*Lower it") as error:
        model.fit(*data)
    assert isinstance(error.value, ValueError)
    assert not hasattr(model, "coef_")
    early(model.set_params(learning_rate=usable_learning_rate(error)), *data)
    assert (np.diff(model.loss_curve_) <= 0).all()


# -- odd input that has a sound model --------------------------------------------------------------------------------


def same_fit(odd_X, odd_y=Y, weights=None, **options):
    """A fit of something odd, which must equal the fit of the plain arrays."""
    model = L2LogisticRegression(**options).fit(odd_X, odd_y, weights)
    plain = L2LogisticRegression(**options).fit(np.array(odd_X, dtype=float), odd_y, weights)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9)
    return model


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def test_memory_mapped(tmp_path):
    joblib.dump((X, X.astype(np.float32)), tmp_path / "x.joblib")
    double, single = joblib.load(tmp_path / "x.joblib", mmap_mode="r")
    assert isinstance(double, np.memmap)
    same_fit(double)
    assert L2LogisticRegression().fit(single, Y).coef_.dtype == np.float32


@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_read_only(solver):
    model = L2LogisticRegression(solver=solver, max_iter=20)
    early(model, read_only(X), read_only(Y), read_only(ONES))
    sparse = sp.csr_array(X)
    for array in (sparse.data, sparse.indices, sparse.indptr):
        array.flags.writeable = False
    early(model, sparse, read_only(Y))


@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_the_arguments_stay_as_they_are(solver):
    arguments = [X.copy(), Y.copy(), ONES.copy()]
    early(L2LogisticRegression(solver=solver, max_iter=20, class_weight="balanced"), *arguments)
    for argument, before in zip(arguments, (X, Y, ONES), strict=True):
        np.testing.assert_array_equal(argument, before)


ODD_X = {
    "integers": np.round(X * 3).astype(int),
    "unsigned integers": np.round(X**2).astype(np.uint8),
    "booleans": X > 0,
    "objects": X.astype(object),
    "half precision": X.astype(np.float16),
    "long double": X.astype(np.longdouble),
    "not contiguous": np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": X[::-1, ::-1][::-1, ::-1],
    "a list": X.tolist(),
    "a data frame": pd.DataFrame(X),
    "a mixed data frame": pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0, "c": np.arange(40)}),
}


@pytest.mark.parametrize("name", ODD_X)
def test_odd_arrays(name):
    model = same_fit(ODD_X[name])
    assert model.coef_.dtype == np.float64
    assert np.isfinite(model.predict_proba(ODD_X[name])).all()


def test_big_endian_x():
    same_fit(X.astype(">f8"))


# -- columns of any size ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lambd", [0.0, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_constant_and_repeated_columns(n_classes, lambd):
    good_X, y = noisy(60, 3, n_classes)
    model = L2LogisticRegression(lambd=lambd).fit(good_X, y)
    with_constants = L2LogisticRegression(lambd=lambd).fit(np.column_stack([good_X, 0 * y, 0 * y + 1e6]), y)
    np.testing.assert_allclose(with_constants.coef_[:, :3], model.coef_, atol=1e-5)
    np.testing.assert_array_equal(with_constants.coef_[:, 3:], 0)
    # Two equal columns share one weight, so the penalty on their part is half as strong.
    twice = L2LogisticRegression(lambd=lambd).fit(np.column_stack([good_X, good_X]), y)
    half = L2LogisticRegression(lambd=lambd / 2).fit(good_X, y)
    np.testing.assert_allclose(
        twice.predict_proba(np.column_stack([good_X, good_X])), half.predict_proba(good_X), atol=1e-5
    )
    if lambd > 0:
        np.testing.assert_allclose(twice.coef_[:, :3], twice.coef_[:, 3:], atol=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(9, 2), (4, 6)])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_nothing_but_constant_columns(value, n_rows, n_columns, fit_intercept, n_classes):
    y = np.arange(n_rows) % n_classes
    model = L2LogisticRegression(fit_intercept=fit_intercept).fit(np.full((n_rows, n_columns), value), y)
    shares = np.bincount(y) / n_rows
    if fit_intercept:
        np.testing.assert_array_equal(model.coef_, 0)
        np.testing.assert_allclose(model.predict_proba([[value] * n_columns])[0], shares, rtol=1e-9)
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("size", [1e-150, 1e150])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_one_column_of_another_size(name, size, sparse):
    """Tiny, it is as good as constant; huge, it is as good as unpenalized: both are finite models, and no warning."""
    good_X, y = standardized(name)
    odd_X = good_X.copy()
    odd_X[:, 3] *= size
    model = L2LogisticRegression().fit(sp.csr_array(odd_X) if sparse else odd_X, y)
    assert np.isfinite(model.coef_).all()
    if size < 1:
        reference = L2LogisticRegression().fit(np.delete(good_X, 3, axis=1), y)
        np.testing.assert_allclose(np.delete(model.coef_, 3, axis=1), reference.coef_, atol=1e-5)
    assert model.loss_curve_[-1] < 0.2


@pytest.mark.parametrize("size", [1e-150, 1e-50, 1e50, 1e150, 1e160])
def test_a_wide_x_of_another_size(size):
    wide_X, y = noisy(10, 30)
    model = L2LogisticRegression().fit(wide_X * size, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(wide_X * size, y) == (1.0 if size > 1 else max(y.mean(), 1 - y.mean()))


def test_weights_that_float32_cannot_hold():
    tiny = (X * 1e-38).astype(np.float32)
    model = L2LogisticRegression(lambd=0).fit(tiny.astype(float), Y)
    assert np.abs(model.coef_).max() > np.finfo(np.float32).max / 20
    with pytest.raises(ValueError, match=r"do not fit into float32.*Scale X.*or pass X as float64"):
        L2LogisticRegression(lambd=0).fit(tiny * np.float32(1e-3), Y)


def test_float32_near_its_ends():
    for size in (1e-20, 1e30):
        model = L2LogisticRegression().fit((X * size).astype(np.float32), Y)
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.predict_proba((X * size).astype(np.float32))).all()


# -- weights and lambd of any size -----------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-200, 1e-30, 1e30, 1e200])
def test_the_unit_of_the_weights_does_not_matter(factor):
    model = L2LogisticRegression(lambd=factor).fit(X, Y, ONES * factor)
    np.testing.assert_allclose(model.coef_, L2LogisticRegression().fit(X, Y).coef_, rtol=1e-6)


@pytest.mark.parametrize("weight", [1e-10, 1e-20, 1e-200])
def test_a_class_of_almost_no_weight(weight):
    """Either a finite model, or an error that names the weights."""
    for label in (0, 1):
        try:
            model = L2LogisticRegression().fit(X, Y, np.where(label == Y, weight, 1.0))
        except ValueError as error:
            assert "weight" in str(error).replace("fitted weights", "")
        else:
            assert np.isfinite(model.coef_).all()
            assert np.isfinite(model.intercept_).all()


@pytest.mark.parametrize("lambd", [5e-324, 1e-300, 1e100, 1e300])
@pytest.mark.parametrize("data", [(X, Y), (X3, Y3)], ids=["2 classes", "3 classes"])
def test_any_lambd(data, lambd):
    model = L2LogisticRegression(lambd=lambd).fit(*data)
    assert np.isfinite(model.coef_).all()
    assert model.coef_.any()
    assert model.dual_gap_ >= 0


def test_saturated_softmax():
    model = L2LogisticRegression(lambd=1e-12).fit(sp.csr_array(1e4 * np.eye(3)), [0, 1, 2])
    assert np.isfinite(model.coef_).all()
    assert model.score(sp.csr_array(1e4 * np.eye(3)), [0, 1, 2]) == 1


@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_more_iterations_are_asked_for_in_a_named_warning(solver):
    raw_X, y = load("wine")
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2.*Raise max_iter or tol"):
        L2LogisticRegression(solver=solver, max_iter=2, learning_rate=1e-7).fit(raw_X, y)
    with pytest.warns(ConvergenceWarning, match="lambd is 0"):
        L2LogisticRegression(lambd=0, solver=solver, max_iter=2, learning_rate=1e-2).fit(X, Y)


def test_columns_whose_numbers_round_each_other_away():
    """No digit of a score is right where 1e150 and 1e17 stand in one column: then W = 0 is better, and said to be."""
    big = 6.96923794e16
    X = np.full((7, 4), big)
    X[:, 0] = [4.36021965e16, 6.75993118e149, -7.83258744e149, big, big, big, 4.85042093e16]
    X[:, 2] = [big, 4.37832732e16, 1e150, 9.97123323e149, -5.35854411e149, big, big]
    X[1, 3] = 1e-5
    y = [0, 1, 2, 1, 1, 1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = L2LogisticRegression(1.0, fit_intercept=False).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.loss_curve_[-1] <= model.loss_curve_[0]

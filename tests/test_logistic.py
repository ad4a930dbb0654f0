"""L2LogisticRegression: its formulas step by step, its attributes, scikit-learn's conventions."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from common import early, load, noisy, one_hot, probabilities, standardized
from common import losses as row_losses
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_l2 import L2LogisticRegression
from sklearn_l2._training import encode_classes


@parametrize_with_checks([L2LogisticRegression()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# -- gradient descent as the formulas have it ------------------------------------------------------------------------


def descend(X, y, n_scores, *, alpha, lambd, n_steps, s=None, decay=False, penalize_intercept=False):
    """Textbook gradient descent, one column per training example; the weights, the biases and J before each step."""
    X, Y = X.astype(float).T, one_hot(y, n_scores).astype(float).T
    s = np.ones(len(y)) if s is None else s
    m = s.sum()
    W, b = np.zeros((n_scores, len(X))), np.zeros((n_scores, 1))
    J = []
    for step in range(n_steps + 1):
        Z = W @ X + b
        squares = np.sum(W**2) + penalize_intercept * np.sum(b**2)
        J.append(1 / m * np.sum(s * row_losses(Z.T, y)) + lambd / (2 * m) * squares)
        if step == n_steps:
            return W, b[:, 0], J
        dZ = s * (probabilities(Z.T).T - Y)
        dW, db = 1 / m * np.dot(dZ, X.T), 1 / m * np.sum(dZ, axis=1, keepdims=True)
        if decay:
            W = (1 - alpha * lambd / m) * W - alpha * dW
        else:
            dW = dW + lambd / m * W
            W = W - alpha * dW
        b = b - alpha * (db + penalize_intercept * lambd / m * b)


def gradient_descent(n_steps, **parameters):
    return L2LogisticRegression(solver="gd", max_iter=n_steps, **parameters)


FORMATS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "CSR": sp.csr_array, "float32": np.float32}


@pytest.mark.parametrize("n_steps", [1, 2, 7])
@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("lambd", [0, 5.0])
def test_gd_takes_the_steps_of_the_formulas(n_classes, lambd, layout, n_steps):
    X, y = noisy(60, 4, n_classes)
    X = FORMATS[layout](X)
    model = early(gradient_descent(n_steps, lambd=lambd, learning_rate=0.3), X, y)
    dense = X.toarray() if sp.issparse(X) else X
    W, b, J = descend(dense, y, len(model.coef_), alpha=0.3, lambd=lambd, n_steps=n_steps)
    tolerance = {"rtol": 1e-6, "atol": 1e-7} if layout == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(model.coef_, W, **tolerance)
    np.testing.assert_allclose(model.intercept_, b, **tolerance)
    np.testing.assert_allclose(model.loss_curve_, J, rtol=tolerance["rtol"])
    assert model.n_iter_.tolist() == [n_steps]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gd_takes_the_steps_of_the_formulas_with_row_weights(n_classes):
    X, y = noisy(60, 4, n_classes)
    s = np.random.default_rng(0).integers(0, 4, 60) * 0.7
    class_weight = {0: 2.0, 1: 0.5}
    total = s * np.array([class_weight.get(k, 1.0) for k in y])
    model = early(gradient_descent(7, lambd=5.0, class_weight=class_weight), X, y, s)
    W, b, J = descend(X, y, len(model.coef_), alpha=0.1, lambd=5.0, n_steps=7, s=total)
    np.testing.assert_allclose(model.coef_, W, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.loss_curve_, J, rtol=1e-12)
    assert model.decay_factor_ == pytest.approx(1 - 0.1 * 5.0 / total.sum(), rel=1e-15)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_gradient_form_is_the_decay_form(n_classes):
    X, y = noisy(60, 4, n_classes)
    model = early(gradient_descent(20, lambd=30.0), X, y)
    W, b, J = descend(X, y, len(model.coef_), alpha=0.1, lambd=30.0, n_steps=20, decay=True)
    np.testing.assert_allclose(model.coef_, W, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-12)
    np.testing.assert_allclose(model.loss_curve_, J, rtol=1e-12)


def test_the_decay_factor_of_the_usual_example():
    """alpha = lambda = 0.01 and m = 10 000: 1 - 1e-8, often printed as 0.999999."""
    X, y = noisy(10_000, 1)
    model = early(gradient_descent(1, lambd=0.01, learning_rate=0.01), X, y)
    assert model.decay_factor_ == 1 - 1e-8
    assert abs(model.decay_factor_ - 0.999999) < 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gd_with_a_penalized_intercept(n_classes):
    X, y = noisy(60, 4, n_classes)
    model = early(gradient_descent(7, lambd=20.0, penalize_intercept=True), X, y)
    W, b, J = descend(X, y, len(model.coef_), alpha=0.1, lambd=20.0, n_steps=7, penalize_intercept=True)
    np.testing.assert_allclose(model.coef_, W, rtol=1e-12)
    np.testing.assert_allclose(model.intercept_, b, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(model.loss_curve_, J, rtol=1e-12)


def test_gd_without_an_intercept():
    X, y = noisy(60, 4)
    X += 1
    model = early(gradient_descent(1, lambd=2.0, fit_intercept=False), X, y)
    np.testing.assert_allclose(model.coef_, 0.1 * (X.T @ (y - 0.5) / 60)[None], rtol=1e-12)
    assert model.intercept_.tolist() == [0.0]


def test_gd_arrives_at_the_optimum_and_stops_there():
    X, y = noisy(200, 3)
    descended = gradient_descent(100_000, lambd=5.0, learning_rate=1.0).fit(X, y)
    newton = L2LogisticRegression(lambd=5.0).fit(X, y)
    assert descended.n_iter_[0] < 1000
    assert descended.dual_gap_ <= 1e-12
    np.testing.assert_allclose(descended.coef_, newton.coef_, atol=1e-5)
    assert descended.loss_curve_[-1] - newton.loss_curve_[-1] <= 1e-12


@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_the_penalty_leaves_the_bias_alone(solver):
    """However strong it is, the bias goes to the log odds of the classes."""
    X, y = noisy(200, 3)
    alpha = 1e-7 if solver == "gd" else 0.1
    model = L2LogisticRegression(lambd=1e9, solver=solver, learning_rate=alpha).set_params(max_iter=1)
    if solver == "gd":
        step = early(model, X, y)
        assert step.intercept_[0] == pytest.approx(1e-7 * (y.mean() - 0.5), rel=1e-12)
    else:
        model.fit(X, y)
        assert model.intercept_[0] == pytest.approx(np.log(y.mean() / (1 - y.mean())), rel=1e-7)
    assert 0 < np.abs(model.coef_).max() < 1e-7


# -- attributes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "n_score_rows"), [("breast_cancer", 1), ("wine", 3)])
def test_fitted_attributes(name, n_score_rows, dtype):
    X, y = standardized(name)
    X = X.astype(dtype)
    model = L2LogisticRegression().fit(X, y)
    assert model.coef_.shape == (n_score_rows, X.shape[1])
    assert model.intercept_.shape == (n_score_rows,)
    assert model.coef_.dtype == model.intercept_.dtype == model.predict_proba(X).dtype == dtype
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    assert model.n_features_in_ == X.shape[1]
    assert model.n_iter_.shape == (1,)
    assert np.issubdtype(model.n_iter_.dtype, np.integer)
    assert len(model.loss_curve_) == model.n_iter_[0] + 1
    assert type(model.dual_gap_) is float
    assert not hasattr(model, "decay_factor_")
    if n_score_rows > 1:
        assert abs(model.intercept_.sum()) < 10 * np.finfo(dtype).eps


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_the_loss_curve_falls(name):
    X, y = load(name)
    for lambd in (0.01, 0.1, 1.0):
        curve = np.array(L2LogisticRegression(lambd=lambd).fit(X, y).loss_curve_)
        assert (np.diff(curve) <= 1e-15).all()
    assert curve[-1] < 0.5 * curve[0]


def test_attributes_of_an_earlier_fit_do_not_linger():
    X, y = noisy(60, 3)
    model = early(L2LogisticRegression(solver="gd", max_iter=2), pd.DataFrame(X, columns=["a", "b", "c"]), y)
    assert {"dual_gap_", "decay_factor_", "feature_names_in_"} <= set(vars(model))
    model.set_params(solver="auto", lambd=0.0, max_iter=100).fit(X, y)
    assert not {"dual_gap_", "decay_factor_", "feature_names_in_"} & set(vars(model))


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [-1, 1], [-2.0, 7.0], [2**40, 2**41], ["b", "a", "c"], [5, -3, 0]],
    ids=str,
)
def test_any_labels(labels):
    X, y = noisy(90, 3, len(labels))
    classes = np.array(labels)
    model = L2LogisticRegression().fit(X, classes[y])
    assert model.classes_.tolist() == sorted(labels)
    assert model.predict(X).dtype == classes.dtype
    plain = L2LogisticRegression().fit(X, np.argsort(np.argsort(classes))[y])
    np.testing.assert_array_equal(model.predict(X), np.sort(classes)[plain.predict(X)])
    np.testing.assert_array_equal(model.coef_, plain.coef_)


@pytest.mark.parametrize("labels", [[-128, 127], [-100, 3, 5], [7, 8]], ids=str)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, float])
def test_integers_are_counted_as_other_labels_are_sorted(labels, dtype):
    y = np.array(labels, dtype=dtype)[np.arange(300) ** 2 % 7 % len(labels)]
    classes, codes = encode_classes(y)
    assert classes.dtype == dtype and classes.tolist() == labels
    np.testing.assert_array_equal(classes[codes], y)


@pytest.mark.parametrize("dtype", ["string", "category", object])
def test_labels_of_a_data_frame(dtype):
    X, y = noisy(90, 3)
    names = pd.Series(np.where(y == 1, "yes", "no")).astype(dtype)
    model = L2LogisticRegression().fit(pd.DataFrame(X, columns=["a", "b", "c"]), names)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.warns(UserWarning, match="feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=["a", "c", "b"]))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_belong_together(n_classes):
    X, y = noisy(90, 3, n_classes)
    model = L2LogisticRegression().fit(X, y)
    scores, p = model.decision_function(X), model.predict_proba(X)
    assert scores.shape == ((90,) if n_classes == 2 else (90, 3))
    scores = scores.reshape(90, -1)
    np.testing.assert_allclose(scores, X @ model.coef_.T + model.intercept_, rtol=1e-12, atol=1e-14)
    own = probabilities(scores)
    np.testing.assert_allclose(p, np.hstack([1 - own, own]) if n_classes == 2 else own, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), p.argmax(axis=1))
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p), atol=1e-13)
    assert model.score(X, y) == np.mean(model.predict(X) == y)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_probabilities_do_not_underflow(n_classes):
    X, y = noisy(90, 3, n_classes)
    model = L2LogisticRegression().fit(X, y)
    log_p = model.predict_log_proba(X * 1e6)
    assert np.isfinite(log_p).all()
    assert log_p.min() < -1e5
    scores = model.decision_function(X * 1e6)
    difference = log_p[:, 1] - log_p[:, 0]
    np.testing.assert_allclose(difference, scores if n_classes == 2 else scores[:, 1] - scores[:, 0], rtol=1e-12)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba", "decision_function"])
def test_not_fitted(method):
    with pytest.raises(NotFittedError):
        getattr(L2LogisticRegression(), method)([[1.0]])
    with pytest.raises(NotFittedError):
        L2LogisticRegression().to_sklearn()


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
@pytest.mark.parametrize("lambd", [0.5, 1e3])
def test_to_sklearn_predicts_the_same(name, lambd):
    X, y = load(name)
    X = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    model = L2LogisticRegression(lambd=lambd, class_weight="balanced").fit(X, y)
    other = model.to_sklearn()
    assert type(other) is LogisticRegression
    assert other.get_params()["C"] == 1 / lambd
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    np.testing.assert_array_equal(other.decision_function(X), model.decision_function(X))
    np.testing.assert_allclose(other.predict_proba(X), model.predict_proba(X), atol=1e-15)
    np.testing.assert_array_equal(other.feature_names_in_, model.feature_names_in_)
    other.coef_[:] = 0  # a copy
    assert model.coef_.any()
    assert clone(other).fit(X.to_numpy() / X.to_numpy().max(axis=0), y).n_features_in_ == X.shape[1]


def test_to_sklearn_without_a_penalty():
    X, y = noisy(90, 3)
    model = L2LogisticRegression(lambd=0).fit(X, y)
    other = model.to_sklearn()
    assert other.get_params()["C"] == np.inf
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_sparsify_and_densify():
    X, y = noisy(90, 3)
    model = L2LogisticRegression().fit(X, y)
    coef, scores = model.coef_, model.decision_function(X)
    assert sp.issparse(model.sparsify().coef_)
    np.testing.assert_allclose(model.decision_function(X), scores, rtol=1e-14)
    model.set_params(warm_start=True).fit(X, y)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9)
    np.testing.assert_array_equal(model.sparsify().densify().coef_, model.coef_)


# -- warm start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_warm_started_gd_continues(n_classes):
    X, y = noisy(60, 4, n_classes)
    model = gradient_descent(3, warm_start=True)
    early(model, X, y)
    early(model.set_params(max_iter=4), X, y)
    straight = early(gradient_descent(7), X, y)
    np.testing.assert_allclose(model.coef_, straight.coef_, rtol=1e-13)
    np.testing.assert_allclose(model.intercept_, straight.intercept_, rtol=1e-13, atol=1e-16)
    assert model.n_iter_.tolist() == [4]


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_a_warm_start_at_the_optimum_is_done_at_once(name):
    X, y = standardized(name)
    model = L2LogisticRegression(warm_start=True).fit(X, y)
    coef = model.coef_
    assert model.fit(X, y).n_iter_[0] == 1
    # Both J are within 1e-12 of the minimum of a function with curvature lambda/m.
    np.testing.assert_allclose(model.coef_, coef, atol=2 * np.sqrt(2 * 1e-12 * len(y)))
    assert model.set_params(warm_start=False).fit(X, y).n_iter_[0] > 1


def test_a_warm_start_that_does_not_suit_the_data_is_a_fresh_start():
    model = L2LogisticRegression(warm_start=True).fit(*noisy(60, 4, 3))
    for X, y in (noisy(60, 4), noisy(60, 5), noisy(60, 5, 4)):
        np.testing.assert_array_equal(model.fit(X, y).coef_, L2LogisticRegression().fit(X, y).coef_)


# -- what is printed, and warned of ----------------------------------------------------------------------------------


def test_verbose_prints_one_line(capsys):
    X, y = noisy(60, 3)
    L2LogisticRegression().fit(X, y)
    assert capsys.readouterr().out == ""
    model = L2LogisticRegression(verbose=1).fit(X, y)
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{model.n_iter_[0]} iterations" in line
    assert f"J = {model.loss_curve_[-1]:.6g}"[:-1] in line


def test_stopped_by_max_iter():
    X, y = load("breast_cancer")
    with pytest.warns(ConvergenceWarning, match=r"1 iterations \(max_iter=1\).*Raise max_iter") as record:
        model = L2LogisticRegression(max_iter=1).fit(X, y)
    assert len(record) == 1
    assert record[0].filename == __file__
    assert f"{model.dual_gap_:.2g}" in str(record[0].message)


def test_a_warm_start_at_the_optimum_of_large_data_stays_there():
    """Large data are fitted in single precision first, in which J is known to seven digits only."""
    X, y = noisy(30_000, 80)
    model = L2LogisticRegression(warm_start=True).fit(X, y)
    before = model.coef_.copy()
    np.testing.assert_allclose(model.fit(X, y).coef_, before, rtol=0, atol=1e-6)


def test_plain_arrays_fit_as_data_that_has_to_be_converted():
    X, y = noisy(80, 4, 3)
    plain = L2LogisticRegression().fit(X, y)
    for other_X, other_y in ((X.tolist(), y), (X, y.tolist()), (X, y.astype(float)), (pd.DataFrame(X), y.astype(str))):
        model = L2LogisticRegression().fit(other_X, other_y)
        np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-10)
        assert model.n_features_in_ == plain.n_features_in_


@pytest.mark.parametrize(
    ("bad_X", "bad_y", "message"),
    [
        (np.array([[1.0, np.inf], [2.0, 3.0]]), np.array([0, 1]), "Input X contains infinity"),
        (np.ones((2, 2)), np.array([0, 1, 1]), "inconsistent numbers of samples"),
        (np.ones((2, 0)), np.array([0, 1]), "0 feature"),
        (np.ones(2), np.array([0, 1]), "Expected 2D array"),
    ],
)
def test_plain_arrays_are_checked(bad_X, bad_y, message):
    with pytest.raises(ValueError, match=message):
        L2LogisticRegression().fit(bad_X, bad_y)


def test_feature_names_are_forgotten_by_a_fit_on_an_array():
    X, y = noisy(80, 4, 3)
    model = L2LogisticRegression().fit(pd.DataFrame(X, columns=list("abcd")), y).fit(X, y)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([0, 1], "int64"),
        ([-128, 127], "int8"),
        ([0, 255], "uint8"),
        ([-1, 3, 4], "int16"),
        ([2**63 - 2, 2**63 - 1], "int64"),
        ([-(2**63), 2**63 - 1], "int64"),
        ([1, 2**64 - 1], "uint64"),
        ([0, 10**6], "int32"),
        ([0, 1], "bool"),
    ],
)
def test_classes_of_any_integers(labels, dtype):
    y = np.array(labels, dtype=dtype)[np.arange(300)[::-1] % len(labels)]
    classes, codes = encode_classes(y)
    expected, expected_codes = np.unique(y, return_inverse=True)
    assert classes.dtype == y.dtype
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(codes, expected_codes)

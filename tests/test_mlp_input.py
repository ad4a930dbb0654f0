"""L2MLPClassifier under bad input, diverging training and Ctrl-C: clear errors, finite weights, nothing half done."""

import os
import re
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sklearn_l2 import DivergenceError
from sklearn_l2.descent.network import NetworkObjective
from sklearn_l2.mlp import L2MLPClassifier

SOLVERS = ("adam", "sgd", "gd", "lbfgs")
ignore_unconverged = pytest.mark.filterwarnings("ignore:Training with solver")

rng = np.random.RandomState(0)
X = rng.randn(60, 4)
y = np.arange(60) % 3
LABELS = rng.randint(0, 2, (60, 2))
ONES = np.ones(60)
NAN_ROW = np.where(np.arange(60) == 7, np.nan, ONES)


def network(**changes):
    return L2MLPClassifier(**{"hidden_layer_sizes": (5,), "random_state": 0, "max_iter": 3, **changes})


def fitted(**changes):
    return network(**changes).partial_fit(X, y, classes=[0, 1, 2])


def call_fit(X=X, y=y, s=None, **changes):
    def call():
        return network(**changes).fit(X, y, s)

    return call


def call_dev(X_val=X, y_val=y, s=None, **changes):
    def call():
        return network(**changes).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)

    return call


BAD = {
    "NaN in X": (call_fit(X=np.where(X > 2, np.nan, X)), "NaN"),
    "infinity in X": (call_fit(X=np.where(X > 2, np.inf, X)), "infinity"),
    "NaN in y": (call_fit(y=NAN_ROW), "NaN"),
    "continuous y": (call_fit(y=X[:, 0]), "continuous"),
    "one class": (call_fit(y=np.zeros(60)), "1 class"),
    "one class with weight": (call_fit(s=(y == 1).astype(float)), "class .* weight zero"),
    "several columns of classes": (call_fit(y=np.stack([y, y], axis=1)), "several columns of classes"),
    "NaN in weights": (call_fit(s=NAN_ROW), "sample_weight contains NaN"),
    "negative weights": (call_fit(s=-ONES), "Negative values .* `sample_weight`"),
    "all-zero weights": (call_fit(s=0 * ONES), "sample_weight are zero"),
    "weights of another length": (call_fit(s=ONES[:5]), "sample_weight.shape"),
    "infinite sum of weights": (call_fit(s=ONES * 1e308), "not finite"),
    "negative lambd": (call_fit(lambd=-1.0), "'lambd' parameter .* -1.0"),
    "NaN lambd": (call_fit(lambd=np.nan), "'lambd' parameter .* nan"),
    "infinite lambd": (call_fit(lambd=np.inf), "'lambd' parameter .* inf"),
    "unknown solver": (call_fit(solver="newton"), "'solver' parameter .* 'newton'"),
    "empty hidden layer": (call_fit(hidden_layer_sizes=(5, 0)), r"hidden_layer_sizes .* \(5, 0\)"),
    "broken hidden layer": (call_fit(hidden_layer_sizes=(5.5,)), r"hidden_layer_sizes .* \(5.5,\)"),
    "weights for labels by class": (call_fit(y=LABELS, class_weight="balanced"), "class_weight .* labels"),
    "negative class weight": (call_fit(class_weight={0: -1.0, 1: 1.0, 2: 1.0}), "class_weight .* not negative"),
    "tiny early-stopping part": (
        call_fit(y=LABELS, early_stopping=True, validation_fraction=0.01),
        "validation_fraction=0.01 of 60 rows leaves 1",
    ),
    "zero weights set aside": (call_fit(early_stopping=True, s=(np.arange(60) < 6) + 0.0), "weight zero"),
    "no y_val": (call_dev(y_val=None), "y_val is missing"),
    "no X_val": (call_dev(X_val=None), "X_val is missing"),
    "weights without a dev set": (call_dev(X_val=None, y_val=None, s=ONES), "X_val and y_val is missing"),
    "dev set of other width": (call_dev(X_val=X[:, :3]), "dev set .* 3 features"),
    "dev set with NaN": (call_dev(X_val=X * np.nan), "dev set .* NaN"),
    "dev rows without label": (call_dev(y_val=y[:-1]), "dev set .* inconsistent"),
    "unseen dev class": (call_dev(y_val=y + 1), r"y_val has classes .* \[3\]"),
    "dev labels of another kind": (call_dev(y_val=LABELS), "y_val holds a matrix of labels"),
    "dev set of other labels": (
        lambda: network().fit(X, LABELS, X_val=X, y_val=np.c_[LABELS, LABELS]),
        "y_val has 4 labels .* has 2",
    ),
    "dev classes for labels": (lambda: network().fit(X, LABELS, X_val=X, y_val=y), "y_val holds classes"),
    "zero dev weights": (call_dev(s=0 * ONES), "dev set .* zero"),
    "no classes": (lambda: network().partial_fit(X, y), "classes must be given"),
    "one announced class": (lambda: network().partial_fit(X, 0 * y, classes=[0]), "1 class"),
    "unannounced class": (lambda: fitted().partial_fit(X, y + 1), r"not among .* \[3\]"),
    "other classes": (lambda: fitted().partial_fit(X, y, classes=[0, 1]), "not those of the calls before"),
    "labels after classes": (lambda: fitted().partial_fit(X, LABELS), "y holds a matrix of labels"),
    "early stopping in parts": (lambda: fitted(early_stopping=True), "early_stopping"),
    "balanced in parts": (lambda: fitted(class_weight="balanced"), "balanced"),
    "fewer samples in total": (lambda: fitted().partial_fit(X, y, n_samples_total=59), "n_samples_total=59 .* 60"),
    "NaN samples in total": (lambda: fitted().partial_fit(X, y, n_samples_total=np.nan), "n_samples_total=nan"),
    "sizes changed in parts": (
        lambda: fitted().set_params(hidden_layer_sizes=(6,)).partial_fit(X, y),
        r"hidden_layer_sizes=\(6,\)",
    ),
    "columns changed in parts": (lambda: fitted().partial_fit(X[:, :3], y), "3 features"),
    "warm start with other classes": (lambda: fitted(warm_start=True).fit(X, y + 1), "warm_start .* classes"),
    "fewer columns to predict": (lambda: fitted().predict(X[:, :3]), "3 features"),
    "NaN to predict": (lambda: fitted().predict_proba(X * np.nan), "NaN"),
    "not fitted": (lambda: network().predict(X), "not fitted"),
}  # fmt: skip


@ignore_unconverged
@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_clear_error(name):
    call, message = BAD[name]
    with pytest.raises(ValueError) as error:
        call()
    assert re.search(message, str(error.value).replace("\n", " "))


def test_lbfgs_has_no_partial_fit():
    assert not hasattr(network(solver="lbfgs"), "partial_fit")
    assert hasattr(network(solver="gd"), "partial_fit")


def test_too_large_a_batch_is_clipped_with_a_warning():
    with pytest.warns(UserWarning, match="batch_size=61 is larger than the 60 rows"):
        network(batch_size=61, max_iter=300, tol=1.0).fit(X, y)


@ignore_unconverged
def test_labels_are_trained_in_parts_and_a_part_may_lack_classes():
    model = network().partial_fit(X, LABELS, classes=[0, 1]).partial_fit(X, 0 * LABELS)
    assert model.predict(X).shape == LABELS.shape
    model = network(class_weight={0: 2.0}).partial_fit(X[:5], 0 * y[:5], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (60, 3)


# -- failures leave everything as it was -----------------------------------------------------------------------------


@ignore_unconverged
@pytest.mark.parametrize("changes", [{"warm_start": True}, {"warm_start": False}])
def test_a_failed_fit_leaves_the_earlier_one(changes):
    model = network(**changes, solver="sgd").fit(X, y)
    before, loss_curve, p = dict(vars(model)), list(model.loss_curve_), model.predict_proba(X)
    for bad in (np.full((60, 5 - changes["warm_start"]), np.nan), X * 1e200):
        with pytest.raises(ValueError):
            model.fit(bad, y)
        with pytest.raises(ValueError):
            model.partial_fit(bad, y)
    assert vars(model) == before
    assert model.loss_curve_ == loss_curve
    assert_array_equal(model.predict_proba(X), p)


def test_rows_too_large_for_the_network_are_an_error_and_not_nan():
    model = network(max_iter=300, tol=1.0).fit(X.astype(np.float32), y)
    with pytest.raises(ValueError, match=r"X has rows .* float32"):
        model.predict(X * 1e300)


def test_a_failed_first_fit_leaves_nothing():
    model = network(learning_rate_init=1e6, solver="sgd")
    for call in (lambda: model.fit(X * 1e9, y), lambda: model.partial_fit(X * 1e200, y, classes=[0, 1, 2])):
        with pytest.raises(DivergenceError):
            call()
        assert not [name for name in vars(model) if name.endswith("_")]
        with pytest.raises(NotFittedError):
            model.predict(X)


# -- divergence ------------------------------------------------------------------------------------------------------


@ignore_unconverged
@pytest.mark.parametrize(
    "changes, bound",
    [
        ({"solver": "gd"}, 2),
        ({"solver": "sgd", "momentum": 0.0}, 2),
        ({"solver": "sgd", "momentum": 0.9}, (2 + 2 * 0.9) / (1 + 2 * 0.9)),
        ({"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False}, 2 * (1 + 0.9)),
        ({"solver": "sgd", "momentum": 0.9, "decoupled_weight_decay": True}, 2),
        ({"solver": "adam", "decoupled_weight_decay": True}, 2),
        ({"solver": "adam"}, np.inf),
    ],
)
def test_a_rate_at_which_the_penalty_diverges_is_refused_before_the_first_step(changes, bound):
    s = np.full(60, 0.5)
    strength = 6.0  # lambda / m
    largest = bound / strength
    model = network(lambd=strength * 30, max_iter=2, **changes)
    model.set_params(learning_rate_init=min(largest * 0.999, 10.0)).fit(X, y, s)
    if bound < np.inf:
        for rate in (largest * 1.001, largest * 5):
            with pytest.raises(DivergenceError, match=f"below {largest:g}") as error:
                model.set_params(learning_rate_init=rate).fit(X, y, s)
            assert f"learning_rate_init={rate:g}" in str(error.value)


@pytest.mark.parametrize(
    "solver, dtype",
    [*((solver, np.float64) for solver in SOLVERS), *((solver, np.float32) for solver in SOLVERS if solver != "lbfgs")],
)  # "lbfgs" counts in float64
def test_numbers_beyond_the_range_are_a_named_error(solver, dtype):
    big = X.astype(dtype) * {np.float32: 1e30, np.float64: 1e250}[dtype]
    with pytest.raises(DivergenceError, match=f"solver='{solver}'.*{np.dtype(dtype)}.*Scale the columns of X"):
        network(solver=solver, activation="identity", hidden_layer_sizes=(5, 5, 5)).fit(big, y)


@ignore_unconverged
@settings(max_examples=40)
@given(
    st.floats(-150, 150),
    st.floats(0, 1e300),
    st.sampled_from(SOLVERS),
    st.sampled_from([np.float32, np.float64]),
)
def test_weights_are_finite_or_the_fit_fails(exponent, lambd, solver, dtype):
    model = network(solver=solver, lambd=lambd)
    with np.errstate(all="ignore"):  # scikit-learn's own check of X adds up large numbers
        scaled = np.clip(X * 10.0**exponent, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)
        try:
            model.fit(scaled, y)
        except DivergenceError:
            return
    assert all(np.isfinite(part).all() for part in model.coefs_ + model.intercepts_)
    assert np.isfinite(model.predict_proba(X)).all()


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver, evaluations", [("adam", 3), ("sgd", 3), ("gd", 1), ("lbfgs", 1)])
@pytest.mark.parametrize("epochs", [0, 2])
def test_an_interrupted_fit_keeps_the_weights_reached(solver, evaluations, epochs, monkeypatch):
    changes = {"solver": solver, "batch_size": 20, "max_iter": 50}
    gradient, calls = NetworkObjective.gradient, []

    def interrupted(self, params, batch):
        if calls.append(None) or len(calls) > epochs * evaluations + (solver == "lbfgs" and epochs > 0):
            raise KeyboardInterrupt
        return gradient(self, params, batch)

    with monkeypatch.context() as patch, pytest.warns(ConvergenceWarning, match=f"interrupted after {epochs} iter"):
        patch.setattr(NetworkObjective, "gradient", interrupted)
        model = network(**changes).fit(X, y, X_val=X, y_val=y)
    assert model.n_iter_ == epochs == len(model.loss_curve_) == len(model.validation_loss_curve_)
    assert np.isfinite(model.predict_proba(X)).all()
    if epochs:
        with pytest.warns(ConvergenceWarning):
            shorter = network(**{**changes, "max_iter": epochs}).fit(X, y)
        assert_allclose(model.coefs_[0], shorter.coefs_[0], rtol=1e-12)


def test_an_interrupt_before_the_training_is_an_interrupt(monkeypatch):
    model = network()
    monkeypatch.setattr(model, "_train", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
    before = set(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert set(vars(model)) == before


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_keeps_the_weights_reached():
    code = """
        import numpy as np, warnings
        from sklearn.metrics import log_loss
        from sklearn_l2.mlp import L2MLPClassifier
        warnings.simplefilter("always")
        X = np.random.RandomState(0).randn(500, 10)
        y = X[:, 0] > 0
        model = L2MLPClassifier(max_iter=10**9, n_iter_no_change=10**9, random_state=0, verbose=True).fit(X, y)
        has_learned = log_loss(y, model.predict_proba(X)) < model.loss_curve_[0]
        print("ended", model.n_iter_ > 2, has_learned, flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("Iteration 3,"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "ended True True"
    assert "interrupted" in err and "Traceback" not in err

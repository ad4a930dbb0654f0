"""L2MLPClassifier: scikit-learn's conventions, MLPClassifier's numbers where they must agree, and what is beyond it."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, PredefinedSplit, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_l2.mlp import L2MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([L2MLPClassifier()])
def test_estimator_checks(estimator, check):
    check(estimator)


def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X)[:500], y[:500]


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


def labels():
    X, y = make_multilabel_classification(400, 10, n_classes=3, random_state=0)
    return X / 10, y


DATA = {"binary": cancer, "classes": digits, "labels": labels}


def small(**changes):
    return L2MLPClassifier(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 10, **changes})


def pair(n, batch, lambd=3.0, **shared):
    """Ours and MLPClassifier with the same objective."""
    shared = {"hidden_layer_sizes": (8, 6), "random_state": 0, "max_iter": 15, **shared}
    return L2MLPClassifier(lambd=lambd, **shared), MLPClassifier(alpha=lambd * batch / n, **shared)


def assert_same_network(ours, theirs, rtol):
    for a, b in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        assert_allclose(a, b, rtol=0, atol=rtol * abs(b).max())


# -- MLPClassifier's numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"solver": "adam"},
        {"solver": "adam", "activation": "logistic", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"solver": "sgd", "learning_rate_init": 0.05},
        {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False, "activation": "tanh"},
        {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "invscaling", "power_t": 0.3},
        {"solver": "sgd", "learning_rate_init": 0.5, "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
        {"solver": "adam", "tol": 0.05, "n_iter_no_change": 2, "max_iter": 100, "activation": "identity"},
    ],
)
@pytest.mark.parametrize("name", DATA)
def test_trains_as_mlp_classifier_does(name, changes, shuffle):
    X, y = DATA[name]()
    ours, theirs = pair(len(X), 100, batch_size=100, shuffle=shuffle, **changes)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert_same_network(ours, theirs, 1e-9)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    for attribute in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert_allclose([ours.loss_, ours.best_loss_], [theirs.loss_, theirs.best_loss_], rtol=1e-9)
    assert_array_equal(ours.classes_, theirs.classes_)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-7, atol=1e-12)
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.parametrize("name", DATA)
def test_lbfgs_as_mlp_classifier_does(name):
    X, y = DATA[name]()
    ours, theirs = pair(len(X), len(X), solver="lbfgs", activation="tanh", max_iter=20)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert ours.n_iter_ == theirs.n_iter_ == len(ours.loss_curve_)
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-7)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("name", ["binary", "classes"])
def test_without_hidden_layers_lbfgs_finds_the_optimum_of_logistic_regression(name):
    X, y = DATA[name]()
    ours = L2MLPClassifier((), lambd=2.0, solver="lbfgs", tol=1e-11, max_iter=5000).fit(X, y)
    theirs = LogisticRegression(C=1 / 2.0, solver="newton-cholesky", tol=1e-9).fit(X, y)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)


def test_early_stopping_as_mlp_classifier_does_with_m_the_rows_trained_on():
    X, y = cancer()
    n_trained = 450
    ours, theirs = pair(n_trained, 50, batch_size=50, early_stopping=True, n_iter_no_change=4, max_iter=60)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert ours.n_iter_ < 60
    assert_same_network(ours, theirs, 1e-9)
    assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_)
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    assert ours.best_loss_ is None and theirs.best_loss_ is None
    assert len(ours.validation_loss_curve_) == ours.n_iter_


def test_warm_start_and_partial_fit_as_mlp_classifier_do():
    X, y = digits()
    ours, theirs = pair(len(X), 100, batch_size=100, warm_start=True, max_iter=3, activation="tanh")
    for _ in range(3):
        ours.fit(X, y)
        theirs.fit(X, y)
    assert_same_network(ours, theirs, 1e-9)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    X, y = cancer()
    ours, theirs = pair(450, 50, batch_size=50, warm_start=True, early_stopping=True, max_iter=4)
    for _ in range(4):
        ours.fit(X, y)
        theirs.fit(X, y)
    assert_same_network(ours, theirs, 1e-9)
    assert ours.validation_scores_ == pytest.approx(theirs.validation_scores_)
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    X, y = digits()
    for solver, changes in (("adam", {}), ("sgd", {"learning_rate": "invscaling", "learning_rate_init": 0.5})):
        ours, theirs = pair(len(X), 100, batch_size=100, solver=solver, activation="tanh", **changes)
        for _ in range(4):
            ours.partial_fit(X, y, classes=range(10))
            theirs.partial_fit(X, y, classes=range(10))
        assert_same_network(ours, theirs, 1e-9)
        assert_allclose(ours.loss_curve_, theirs.loss_curve_)
        assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd", "lbfgs"])
@pytest.mark.parametrize("name", DATA)
def test_to_sklearn_predicts_the_same_and_trains_on_the_same_objective(name, solver):
    X, y = DATA[name]()
    model = small(solver=solver, lambd=5.0, batch_size=100, warm_start=True, max_iter=3).fit(X, y)
    twin = model.to_sklearn()
    assert isinstance(twin, MLPClassifier)
    assert_array_equal(twin.predict(X), model.predict(X))
    assert_allclose(twin.predict_proba(X), model.predict_proba(X), rtol=1e-9, atol=1e-15)
    model.set_params(tol=10.0).fit(X, y)
    twin.set_params(tol=10.0).fit(X, y)
    assert_allclose(twin.loss_, model.loss_, rtol=1e-9)
    assert_same_network(model, twin, 1e-6)


# -- data types ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd", "lbfgs"])
@pytest.mark.parametrize("name", DATA)
def test_float32_is_kept_and_close_to_float64(name, solver):
    X, y = DATA[name]()
    X = X.astype(np.float32)
    single, double = small(solver=solver, activation="tanh").fit(X, y), small(solver=solver, activation="tanh")
    double.fit(X.astype(np.float64), y)
    assert {part.dtype for part in single.coefs_ + single.intercepts_} == {np.dtype(np.float32)}
    assert single.predict_proba(X).dtype == np.float32
    assert double.predict_proba(X).dtype == np.float64
    assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("solver", ["adam", "gd", "lbfgs"])
@pytest.mark.parametrize("convert", [sp.csr_array, sp.csc_matrix, np.asfortranarray, lambda X: X[::-1][::-1]])
def test_layout_of_X_does_not_matter(convert, solver):
    X, y = digits()
    model, other = small(solver=solver).fit(X, y), small(solver=solver).fit(convert(X), y)
    assert_allclose(other.predict_proba(convert(X)), model.predict_proba(X), rtol=1e-7, atol=1e-10)


def test_predictions_do_not_depend_on_how_many_rows_are_asked_for():
    X, y = digits()
    model = small().fit(X, y)
    many = np.tile(X, (100, 1))  # more than a piece
    assert_allclose(model.predict_proba(many), np.tile(model.predict_proba(X), (100, 1)), rtol=1e-12)


def test_log_probabilities_do_not_underflow():
    X, y = cancer()
    model = small().fit(X, y)
    assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)), rtol=1e-9)
    assert np.isfinite(model.predict_log_proba(X * 1e5)).all()
    assert (model.predict_proba(X * 1e5) == 0).any()


def test_labels_of_any_type():
    X, y = digits()
    words = np.array([f"digit {k}" for k in range(10)])
    model, named = small().fit(X, y), small().fit(X, words[y])
    assert_array_equal(named.predict(X), words[model.predict(X)])
    assert_array_equal(named.classes_, np.sort(words))


# -- weights ---------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=20, max_size=20), st.sampled_from(["gd", "lbfgs"]), st.integers(0, 99))
def test_integer_weights_equal_repeated_rows_for_full_batches(counts, solver, seed):
    rng = np.random.RandomState(seed)
    X, y, counts = rng.randn(20, 3), np.arange(20) % 3, np.array(counts) + (np.arange(20) < 3)
    model = L2MLPClassifier((4,), activation="tanh", solver=solver, learning_rate_init=0.1, max_iter=15, random_state=0)
    repeated = clone(model).fit(X.repeat(counts, axis=0), y.repeat(counts))
    model.fit(X, y, sample_weight=counts)
    assert_allclose(model.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)
    assert_allclose(model.loss_curve_, repeated.loss_curve_, rtol=1e-7)


@pytest.mark.parametrize("solver", ["adam", "gd", "lbfgs"])
def test_class_weight_is_a_sample_weight(solver):
    X, y = digits()
    dictionary = {k: 1.0 + k for k in range(10)}
    model = small(solver=solver, class_weight=dictionary).fit(X, y)
    assert_array_equal(model.coefs_[0], small(solver=solver).fit(X, y, sample_weight=1.0 + y).coefs_[0])
    balanced = small(solver=solver, class_weight="balanced").fit(X, y)
    s = len(y) / (10 * np.bincount(y)[y])
    assert_allclose(balanced.coefs_[0], small(solver=solver).fit(X, y, sample_weight=s).coefs_[0], rtol=1e-6, atol=1e-9)
    online = small(class_weight=dictionary).partial_fit(X, y, classes=range(10))
    assert_array_equal(online.coefs_[0], small().partial_fit(X, y, range(10), sample_weight=1.0 + y).coefs_[0])


def test_uniform_weights_scale_only_the_penalty():
    X, y = digits()
    model = small(lambd=2.0).fit(X, y)
    heavy = small(lambd=200.0).fit(X, y, sample_weight=np.full(len(y), 100.0))
    assert_allclose(heavy.coefs_[0], model.coefs_[0], rtol=1e-7, atol=1e-10)


def test_partial_fit_takes_m_from_the_number_of_samples_it_is_told():
    X, y = digits()
    told = small(lambd=10.0).partial_fit(X, y, range(10), n_samples_total=40 * len(y))
    alone = small(lambd=10.0 / 40).partial_fit(X, y, range(10))
    assert_allclose(told.coefs_[0], alone.coefs_[0], rtol=1e-10, atol=1e-14)
    assert told.to_sklearn().alpha == pytest.approx(10.0 * 200 / (40 * len(y)))
    weighted = small(lambd=20.0).partial_fit(
        X, y, range(10), sample_weight=np.full(len(y), 2.0), n_samples_total=40 * len(y)
    )
    assert_allclose(weighted.coefs_[0], alone.coefs_[0], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd"])
def test_decoupled_decay_is_another_step_only_where_it_must_be(solver):
    X, y = digits()
    changes = {"solver": solver, "lambd": 50.0, "momentum": 0.9, "learning_rate_init": 0.01}
    coupled, decoupled = small(**changes).fit(X, y), small(**changes, decoupled_weight_decay=True).fit(X, y)
    assert np.allclose(coupled.coefs_[0], decoupled.coefs_[0], rtol=1e-9) == (solver == "gd")
    changes["momentum"] = 0.0
    plain, decayed = small(**changes).fit(X, y), small(**changes, decoupled_weight_decay=True).fit(X, y)
    assert np.allclose(plain.coefs_[0], decayed.coefs_[0], rtol=1e-9) == (solver != "adam")


# -- the dev set -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "gd", "lbfgs"])
@pytest.mark.parametrize("name", DATA)
def test_a_dev_set_is_watched_and_not_trained_on(name, solver):
    X, X_val, y, y_val = train_test_split(*DATA[name](), random_state=0)
    s = np.random.RandomState(0).randint(0, 3, len(y_val))
    watched = small(solver=solver).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)
    alone = small(solver=solver).fit(X, y)
    assert_array_equal(watched.coefs_[0], alone.coefs_[0])
    assert alone.validation_loss_curve_ is None and watched.validation_scores_ is None
    assert len(watched.validation_loss_curve_) == watched.n_iter_
    p = watched.predict_proba(X_val)
    if name == "labels":
        expected = sum(log_loss(y_val[:, k], p[:, k], sample_weight=s) for k in range(3))
    else:
        expected = log_loss(y_val, p, sample_weight=s)
    assert watched.validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)


def test_the_best_loss_is_the_lowest_of_all_continued_fits():
    X, y = digits()
    model = small(solver="sgd", learning_rate_init=0.1, batch_size=50, warm_start=True, max_iter=2)
    for rate in (0.1, 0.1, 5.0, 5.0):
        model.set_params(learning_rate_init=rate).fit(X, y)
    assert model.best_loss_ == min(model.loss_curve_) < model.loss_ == model.loss_curve_[-1]


@pytest.mark.parametrize(
    "name, solver",
    [("classes", "adam"), ("classes", "sgd"), ("classes", "gd"), ("classes", "lbfgs"), ("labels", "adam")],
)
def test_early_stopping_keeps_the_best_weights_for_the_given_dev_set(name, solver):
    X, X_val, y, y_val = train_test_split(*DATA[name](), random_state=0)
    model = small(solver=solver, early_stopping=True, n_iter_no_change=3, max_iter=300, learning_rate_init=0.05)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert 4 < model.n_iter_ < 300
    scores = model.validation_scores_
    assert model.best_validation_score_ == max(scores) == pytest.approx(model.score(X_val, y_val))
    assert len(scores) == model.n_iter_
    assert model.t_ == model.n_iter_ * len(X)  # every row was trained on
    # the weights are those of the first best epoch, as a fit that ends there has them
    shorter = clone(model).set_params(early_stopping=False, max_iter=1 + scores.index(max(scores))).fit(X, y)
    assert_array_equal(model.coefs_[0], shorter.coefs_[0])


# -- scikit-learn's tools --------------------------------------------------------------------------------------------


def test_lambd_is_tuned_on_a_fixed_dev_set():
    X, y = digits()
    fold = np.where(np.arange(len(y)) < 300, -1, 0)
    search = GridSearchCV(small(), {"lambd": [0.1, 1e4]}, cv=PredefinedSplit(fold)).fit(X, y)
    assert search.best_params_ == {"lambd": 0.1}


def test_a_pipeline_passes_the_dev_set_through_its_transformers():
    X, X_val, y, y_val = train_test_split(*digits(), random_state=0)
    with config_context(enable_metadata_routing=True):
        network = small().set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("net", network)], transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=np.ones(len(y_val)))
    expected = log_loss(y_val, pipeline.predict_proba(X_val))
    assert pipeline["net"].validation_loss_curve_[-1] == pytest.approx(expected, rel=1e-9)


def test_pickle_clone_and_continued_training():
    X, y = digits()
    model = small().partial_fit(X, y, classes=range(10))
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(copy.partial_fit(X, y).coefs_[0], model.partial_fit(X, y).coefs_[0])
    assert not hasattr(clone(model), "coefs_")


def test_verbose_prints_each_epoch(capsys):
    X, y = cancer()
    small(verbose=True, max_iter=3).fit(X, y, X_val=X, y_val=y)
    lines = capsys.readouterr().out.splitlines()
    assert [line[: line.index(" =")] for line in lines] == [
        f"Iteration {k}, {what}" for k in (1, 2, 3) for what in ("loss", "dev loss", "dev accuracy")
    ]


def test_a_fit_that_ends_by_itself_does_not_warn():
    X, y = digits()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for solver in ("adam", "sgd", "gd", "lbfgs"):
            small(solver=solver, tol=0.1, max_iter=100).fit(X, y)

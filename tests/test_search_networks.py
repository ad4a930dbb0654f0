"""LambdaSearchCV of L2MLPClassifier: networks trained together are bitwise those trained one by one."""

import os
import signal
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from common import load, noisy, standardized
from numpy.testing import assert_array_equal
from search_checks import both, is_time
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from sklearn_l2 import DivergenceError, L2MLPClassifier, LambdaSearchCV
from sklearn_l2._search import networks
from sklearn_l2._search.candidates import group_candidates
from sklearn_l2._search.folds import cross_validation_folds
from sklearn_l2._search.run import batch_fit

LAMBDS = [0.0, 0.1, 3.0, 30.0, 300.0]

pytestmark = [
    pytest.mark.filterwarnings("ignore:The best lambd"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def network(**changes):
    settings = dict(hidden_layer_sizes=(12, 7), max_iter=15, n_iter_no_change=3, tol=1e-3, random_state=3)
    return L2MLPClassifier(**{**settings, **changes})


def last(estimator):
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def fitted(estimator, X, y, *, lambds=LAMBDS, n_splits=3, fit_params=None, n_jobs=None):
    """By fold and lambda, the models of a batch; and the folds."""
    splits = list(StratifiedKFold(n_splits).split(X, y if np.ndim(y) == 1 else y[:, 0]))
    folds = [fold.seen_by(estimator) for fold in cross_validation_folds(X, y, splits, fit_params or {}, {})]
    name = f"{estimator.steps[-1][0]}__lambd" if hasattr(estimator, "steps") else "lambd"
    (group,), others = group_candidates(
        estimator, [{name: lambd} for lambd in lambds], lambda model: batch_fit(model) is networks.fit_group
    )
    assert not others
    models = {}
    for fits in networks.fit_group(group, folds, train_rows=False, n_jobs=n_jobs, pre_dispatch="2*n_jobs"):
        for i, number in enumerate(fits.lambdas):
            models[fits.fold, group.lambds[number]] = fits.model(i)
    assert models.keys() == {(fold, lambd) for fold in range(n_splits) for lambd in lambds}
    return models, splits


RECORDS = (
    "loss_curve_", "validation_loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "n_iter_",
    "t_", "n_features_in_", "_n_without", "_equivalent_alpha",
)  # fmt: skip


def assert_same_network(one, other):
    assert one.get_params() == other.get_params()
    assert_array_equal(one.classes_, other.classes_)
    for name in ("coefs_", "intercepts_"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert a.dtype == b.dtype
            assert_array_equal(a, b)
    for name in RECORDS:
        assert getattr(one, name) == getattr(other, name), name


def check_bits(estimator, X, y, *, sample_weight=None, **settings):
    """Every model of the batch against a fit on its own."""
    step = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    fit_params = {} if sample_weight is None else {f"{step}sample_weight": sample_weight}
    models, splits = fitted(estimator, X, y, fit_params=fit_params, **settings)
    for (fold, lambd), model in models.items():
        rows = splits[fold][0]
        alone = clone(estimator).set_params(**{f"{step}lambd": lambd})
        alone.fit(X[rows], y[rows], **{name: value[rows] for name, value in fit_params.items()})
        assert_same_network(last(model), last(alone))
    return models, splits


SETTINGS = {
    "adam": {},
    "adamw": {"decoupled_weight_decay": True},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "max_iter": 40},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.2},
    "gd": {"solver": "gd", "learning_rate_init": 0.1},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "not shuffled": {"shuffle": False, "batch_size": 17},
    "class weights": {"class_weight": "balanced"},
    "tanh": {"activation": "tanh"},
    "no hidden layer": {"hidden_layer_sizes": ()},
}


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("settings", SETTINGS)
def test_networks_of_a_batch_have_the_bits_of_single_ones(settings, dtype, name):
    X, y = standardized(name)
    models, _ = check_bits(network(**SETTINGS[settings]), X.astype(dtype), y)
    weights = [last(model).coefs_[0] for model in models.values()]
    assert len({W.tobytes() for W in weights}) > len(weights) / 2  # the first epoch may look alike in float32


@pytest.mark.parametrize("settings", ["adam", "gd", "early stopping"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_with_row_weights(settings, dtype):
    X, y = standardized("wine")
    check_bits(network(**SETTINGS[settings]), X.astype(dtype), y, sample_weight=np.arange(len(y)) % 3.0)


def test_networks_leave_the_batch_when_they_stop():
    X, y = standardized("breast_cancer")
    models, _ = check_bits(network(early_stopping=True, max_iter=60), X, y)
    assert len({last(model).n_iter_ for model in models.values()}) > 4


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_products_on_one_blas_thread(dtype):
    """A single fit leaves these to all threads of BLAS, which may round otherwise; on one thread it is the same."""
    X, y = noisy(700, 400, 3)
    with threadpool_limits(1):
        check_bits(network(hidden_layer_sizes=(128,), batch_size=300, max_iter=2), X.astype(dtype), y, n_splits=2)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads(threads, monkeypatch):
    monkeypatch.setattr(networks, "available_threads", lambda: threads)
    X, y = standardized("iris")
    check_bits(network(), X, y, lambds=[0.1, 3.0])


def test_in_processes():
    X, y = standardized("iris")
    check_bits(make_pipeline(StandardScaler(), network()), X, y, n_jobs=2)


@pytest.mark.parametrize(("n_jobs", "n_calls"), [(2, 6), (3, 3), (4, 12), (100, 15)])
def test_processes_get_equally_many_networks(n_jobs, n_calls, monkeypatch):
    sizes = []

    def in_turn(function, calls, **_):
        sizes.extend(len(lambdas) for _, _, lambdas, _ in calls)
        return (function(*call) for call in calls)

    monkeypatch.setattr(networks, "in_parallel", in_turn)
    X, y = standardized("iris")
    fitted(network(max_iter=2), X, y, n_jobs=n_jobs)
    assert len(sizes) == n_calls
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("settings", ["adam", "early stopping"])
def test_behind_other_steps(settings):
    X, y = load("wine")
    check_bits(make_pipeline(StandardScaler(), PCA(5, random_state=0), network(**SETTINGS[settings])), X, y)


def test_sparse_rows_and_labels():
    X, y = standardized("iris")
    check_bits(network(), sp.csr_array(X * (X > 0)), y)
    check_bits(network(), X, np.stack([y > 0, y == 1], axis=1).astype(int))


def test_training_goes_on_as_after_a_single_fit():
    X, y = standardized("iris")
    for settings in ("adam", "sgd", "adaptive"):
        estimator = network(**{**SETTINGS[settings], "max_iter": 60, "tol": 0.01, "n_iter_no_change": 1})
        models, splits = check_bits(estimator, X, y)
        assert len({model.n_iter_ for model in models.values()}) > 1  # they leave the batch at different times
        for (fold, lambd), model in models.items():
            rows = splits[fold][0]
            alone = clone(estimator).set_params(lambd=lambd).fit(X[rows], y[rows])
            assert_same_network(model.partial_fit(X, y), alone.partial_fit(X, y))


# -- the search ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc_ovr", ["accuracy", "neg_log_loss"]])
def test_results_are_those_of_grid_search(scoring, name):
    X, y = load(name)
    pipeline = make_pipeline(StandardScaler(), network())
    grid = {"l2mlpclassifier__lambd": LAMBDS, "l2mlpclassifier__hidden_layer_sizes": [(), (9,)]}
    refit = "neg_log_loss" if isinstance(scoring, list) else True
    ours, theirs = both(pipeline, grid, X, y, scoring=scoring, refit=refit, return_train_score=True, cv=4, atol=1e-12)
    assert_same_network(ours.best_estimator_[-1], theirs.best_estimator_[-1])
    if scoring is None:
        for key, expected in theirs.cv_results_.items():
            if not is_time(key) and key != "params":
                assert_array_equal(ours.cv_results_[key], expected, err_msg=key)


def test_labels_are_scored_by_their_scorer():
    X, y = standardized("iris")
    y = np.stack([y > 0, y == 1], axis=1).astype(int)
    both(network(), {"lambd": LAMBDS}, X, y, cv=3, scoring="f1_macro", atol=0)


@pytest.mark.parametrize(
    "changes",
    [{"random_state": None}, {"random_state": np.random.RandomState(0)}, {"solver": "lbfgs"}, {"verbose": True}],
)
def test_what_is_fitted_one_by_one(changes, capsys):
    X, y = standardized("iris")
    LambdaSearchCV(network(max_iter=2, **changes), LAMBDS, cv=2, verbose=1).fit(X, y)
    assert "Fitting 2 folds for each of 5 candidates: 0 in batches, 5 one by one" in capsys.readouterr().out
    assert batch_fit(network(**changes)) is None
    assert batch_fit(network()) is not None


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["iris", "breast_cancer"])
def test_a_dev_set_is_followed_as_by_a_single_fit(name, early_stopping):
    X, y = standardized(name)
    dev = np.arange(len(y)) % 4 == 0
    s = np.linspace(0.5, 1, len(y))
    model = network(early_stopping=early_stopping)
    fit_params = dict(X_val=X[dev], y_val=y[dev], sample_weight_val=s[dev])
    for k, lambd in enumerate(LAMBDS):
        search = LambdaSearchCV(model, LAMBDS, refit=lambda results, k=k: k)
        search.fit(X[~dev], y[~dev], sample_weight=s[~dev], **fit_params)
        alone = clone(model).set_params(lambd=lambd).fit(X[~dev], y[~dev], sample_weight=s[~dev], **fit_params)
        assert_same_network(search.best_estimator_, alone)
        assert alone.validation_loss_curve_ is not None
        score = alone.score(X[dev], y[dev], s[dev])
        np.testing.assert_allclose(search.cv_results_["split0_test_score"][k], score, rtol=1e-14)


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_one_lambda_that_diverges_fails_alone():
    """A step too large for the penalty is refused before training, one too large for the data is noticed during it."""
    X, y = load("wine")
    grid = {"lambd": [0.1, 1.0, 1e4]}
    estimator = network(solver="sgd", learning_rate_init=0.1, max_iter=4)
    with pytest.warns(FitFailedWarning, match="must diverge"):
        ours = LambdaSearchCV(estimator, grid, cv=2).fit(standardized("wine")[0], y)
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [False, False, True]
    with pytest.raises(DivergenceError, match="Training diverged"):
        LambdaSearchCV(estimator, {"lambd": [0.1, 1.0]}, cv=2, error_score="raise").fit(X * 1e150, y)


def test_a_network_that_diverges_in_a_batch_leaves_the_others_in_it(monkeypatch):
    X, y = standardized("iris")
    expected = GridSearchCV(network(), {"lambd": LAMBDS}, cv=2).fit(X, y).cv_results_["mean_test_score"]
    run = networks.Training.run

    def first_diverges(self, lambds, *args, **options):
        trained = run(self, lambds, *args, **options)
        if len(lambds) > 1:
            trained.stopping.diverged[0] = True
            trained.params[0] = np.nan
        return trained

    monkeypatch.setattr(networks.Training, "run", first_diverges)
    monkeypatch.setattr(networks, "available_threads", lambda: 1)
    search = LambdaSearchCV(network(), LAMBDS, cv=2).fit(X, y)
    assert_array_equal(search.cv_results_["mean_test_score"], expected)
    assert np.isnan(search.lambda_table()["dev_loss"]).tolist() == [True, False, False, False, False]


def test_convergence_warnings_are_those_of_single_fits():
    X, y = standardized("breast_cancer")
    estimator = network(max_iter=40, tol=1e-2, n_iter_no_change=2)

    def warned(search):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(X, y)
        return sorted(str(w.message) for w in caught if w.category is ConvergenceWarning)

    ours = warned(LambdaSearchCV(estimator, {"lambd": LAMBDS}, cv=3, refit=False))
    theirs = warned(GridSearchCV(estimator, {"lambd": LAMBDS}, cv=3, refit=False))
    assert ours == theirs
    assert 0 < len(ours) < 15


class Counting(TransformerMixin, BaseEstimator):
    fits = []

    def fit(self, X, y=None):
        self.fits.append(threading.current_thread())
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("working_memory", [1024, 0.01])
@pytest.mark.parametrize("threads", [1, 2])
def test_other_steps_are_fitted_once_per_fold(threads, working_memory, monkeypatch):
    monkeypatch.setattr(networks, "available_threads", lambda: threads)
    X, y = standardized("iris")
    Counting.fits.clear()
    with sklearn.config_context(working_memory=working_memory):
        models, _ = fitted(make_pipeline(Counting(), network(max_iter=2)), X, y, lambds=np.arange(20.0))
    assert len(models) == 60
    assert Counting.fits == [threading.main_thread()] * 3


def test_memory_is_bounded():
    X, y = noisy(500, 200, 3)
    estimator = network(hidden_layer_sizes=(200,), max_iter=1)
    n_bytes = 200 * 203 * 8

    def peak(n_lambdas):
        tracemalloc.start()
        with sklearn.config_context(working_memory=8):
            LambdaSearchCV(estimator, np.arange(n_lambdas), cv=2, refit=False).fit(X, y)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(2)
    assert peak(40) < peak(2) + 10 * n_bytes + 8 * 2**20


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one's own process there")
def test_ctrl_c_keeps_the_candidates_that_are_finished(monkeypatch):
    monkeypatch.setattr(networks, "available_threads", lambda: 1)
    X, y = standardized("iris")
    model = networks._Batch.model
    made = []

    def model_and_interrupt(self, trained, p):
        made.append(p)
        if len(made) == 2 * 8 + 1:  # two folds of the first eight lambdas
            signal.raise_signal(signal.SIGINT)
        return model(self, trained, p)

    monkeypatch.setattr(networks._Batch, "model", model_and_interrupt)
    search = LambdaSearchCV(network(max_iter=5), np.arange(20), cv=2)
    n_threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert threading.active_count() == n_threads
    assert [params["lambd"] for params in search.cv_results_["params"]] == list(range(7))


def test_ctrl_c_stops_networks_in_the_middle_of_their_training():
    X, y = standardized("digits")
    estimator = network(hidden_layer_sizes=(100,), max_iter=10**6, n_iter_no_change=np.inf)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        LambdaSearchCV(estimator, LAMBDS, cv=2).fit(X, y)
    timer.join()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one's own process there")
@pytest.mark.parametrize("make", [L2MLPClassifier, MLPClassifier])
def test_ctrl_c_stops_networks_that_are_fitted_one_by_one(make):
    X, y = standardized("digits")
    estimator = make((100,), n_iter_no_change=10**7)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))

    def scorer(model, X, y):
        timer.start()  # once the first candidate is finished
        return 1.0

    search = LambdaSearchCV(estimator, {"max_iter": [2, 10**6]}, scoring=scorer)
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        search.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    timer.join()
    assert search.cv_results_["params"] == [{"max_iter": 2}]


def test_the_table_tells_of_the_networks():
    X, y = standardized("breast_cancer")
    dev = np.arange(len(y)) % 3 == 0
    estimator = network(solver="gd", learning_rate_init=0.1)
    search = LambdaSearchCV(estimator, LAMBDS).fit(X[~dev], y[~dev], X_val=X[dev], y_val=y[dev])
    table = search.lambda_table()
    for k, lambd in enumerate(LAMBDS):
        model = clone(estimator).set_params(lambd=lambd).fit(X[~dev], y[~dev], X_val=X[dev], y_val=y[dev])
        norm = np.sqrt(sum((W**2).sum() for W in model.coefs_))
        np.testing.assert_allclose(table["norm"][k], norm, rtol=1e-12)
        np.testing.assert_allclose(table["dev_loss"][k], model.validation_loss_curve_[-1], rtol=1e-12)
        np.testing.assert_allclose(table["train_error"][k], 1 - model.score(X[~dev], y[~dev]), atol=1e-12)
        np.testing.assert_allclose(table["decay_factor"][k], 1 - 0.1 * lambd / (~dev).sum(), rtol=1e-12)

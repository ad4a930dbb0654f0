"""L2LogisticRegression inside scikit-learn's tools: searches, pipelines, meta-estimators, routing, storage."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
import skops.io
from common import load, noisy, standardized
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    PredefinedSplit,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression
from sklearn_l2.descent.threads import available_threads

GRID = [0, 0.01, 0.1, 1, 10, 100]


def dev_split(n_rows):
    """Every fourth row is the dev set."""
    return np.where(np.arange(n_rows) % 4 == 0, 0, -1)


def test_lambd_is_tuned_on_a_dev_set():
    X, y = noisy(200, 10)
    split = dev_split(200)
    search = GridSearchCV(L2LogisticRegression(), {"lambd": GRID}, scoring="neg_log_loss", cv=PredefinedSplit(split))
    search.fit(X, y)
    train, dev = split == -1, split == 0
    dev_losses = [
        log_loss(y[dev], L2LogisticRegression(lambd=lambd).fit(X[train], y[train]).predict_proba(X[dev]))
        for lambd in GRID
    ]
    assert_allclose(-search.cv_results_["mean_test_score"], dev_losses, rtol=1e-12)
    assert search.best_params_ == {"lambd": GRID[np.argmin(dev_losses)]}
    assert 0 < search.best_params_["lambd"] < 100
    assert_array_equal(search.best_estimator_.coef_, clone(search.best_estimator_).fit(X, y).coef_)


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_a_grid_on_raw_data_is_that_of_the_peer(name):
    X, y = load(name)
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    ours = GridSearchCV(L2LogisticRegression(), {"lambd": GRID[1:]}, scoring="neg_log_loss", cv=cv).fit(X, y)
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-8, max_iter=1000)
    theirs = GridSearchCV(peer, {"C": [1 / lambd for lambd in GRID[1:]]}, scoring="neg_log_loss", cv=cv).fit(X, y)
    assert_allclose(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-4)
    assert ours.best_index_ == theirs.best_index_


def test_in_a_pipeline():
    X, y = load("wine")
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    search = GridSearchCV(pipeline, {"l2logisticregression__lambd": GRID[1:]}, cv=StratifiedKFold(3)).fit(X, y)
    assert search.best_score_ > 0.95
    best = search.best_estimator_[-1]
    assert best.lambd == search.best_params_["l2logisticregression__lambd"]
    assert_array_equal(best.coef_, clone(best).fit(*standardized("wine")).coef_)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_validation(n_jobs):
    X, y = noisy(200, 10, 3)
    cv = StratifiedKFold(3)
    scores = cross_val_score(L2LogisticRegression(), X, y, cv=cv, n_jobs=n_jobs)
    by_hand = [L2LogisticRegression().fit(X[a], y[a]).score(X[b], y[b]) for a, b in cv.split(X, y)]
    assert scores.tolist() == by_hand
    results = cross_validate(
        L2LogisticRegression(), X, y, cv=cv, scoring=["accuracy", "roc_auc_ovr"], return_estimator=True, n_jobs=n_jobs
    )
    assert results["test_accuracy"].tolist() == by_hand
    for model, (train, _) in zip(results["estimator"], cv.split(X, y), strict=True):
        assert_array_equal(model.coef_, L2LogisticRegression().fit(X[train], y[train]).coef_)


def test_a_worker_process_keeps_to_its_share_of_threads():
    share = max(joblib.cpu_count() // 2, 1)
    assert Parallel(n_jobs=2)(delayed(available_threads)() for _ in range(4)) == [share] * 4


def test_a_failed_fold_is_named_and_the_others_are_scored():
    """Sorted labels: the first fold of three leaves a single class to train on."""
    X, y = noisy(90, 3)[0], np.repeat([0, 1, 1], 30)
    cv = PredefinedSplit(np.repeat([0, 1, 2], 30))
    with pytest.warns(FitFailedWarning, match="y contains only 1 class, 1"):
        scores = cross_val_score(L2LogisticRegression(), X, y, cv=cv)
    assert np.isnan(scores).tolist() == [True, False, False]


def test_randomized_and_halving_searches():
    X, y = noisy(300, 10)
    distribution = {"lambd": loguniform(1e-2, 1e2)}
    random = RandomizedSearchCV(L2LogisticRegression(), distribution, n_iter=5, cv=3, random_state=0).fit(X, y)
    assert 0.01 <= random.best_params_["lambd"] <= 100
    halving = HalvingGridSearchCV(
        L2LogisticRegression(), {"lambd": GRID[1:]}, scoring="neg_log_loss", cv=3, random_state=0, min_resources=100
    ).fit(X, y)
    assert halving.best_params_["lambd"] in GRID[1:]
    assert halving.score(X, y) > -np.log(2)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_in_meta_estimators(n_classes):
    X, y = noisy(150, 4, n_classes)
    model = L2LogisticRegression()
    alone = clone(model).fit(X, y)
    voting = VotingClassifier([("a", model), ("b", L2LogisticRegression(lambd=10))], voting="soft").fit(X, y)
    other = L2LogisticRegression(lambd=10).fit(X, y)
    assert_allclose(voting.predict_proba(X), (alone.predict_proba(X) + other.predict_proba(X)) / 2, rtol=1e-12)
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, y)
    assert calibrated.score(X, y) > alone.score(X, y) - 0.1
    stacked = StackingClassifier([("a", model)], final_estimator=L2LogisticRegression(), cv=3).fit(X, y)
    assert stacked.score(X, y) > alone.score(X, y) - 0.1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_one_versus_rest(n_jobs):
    X, y = noisy(150, 4, 3)
    one_vs_rest = OneVsRestClassifier(L2LogisticRegression(), n_jobs=n_jobs).fit(X, y)
    for k, binary in enumerate(one_vs_rest.estimators_):
        assert_array_equal(binary.coef_, L2LogisticRegression().fit(X, y == k).coef_)


def test_sample_weights_are_routed():
    X, y = noisy(150, 4)
    s = np.random.default_rng(0).integers(0, 3, 150).astype(float)
    cv = StratifiedKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        model = L2LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"lambd": [1.0, 10.0]}, cv=cv).fit(X, y, sample_weight=s)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipeline.fit(X, y, sample_weight=s)
    expected = [
        [L2LogisticRegression(lambd=lambd).fit(X[a], y[a], s[a]).score(X[b], y[b], s[b]) for a, b in cv.split(X, y)]
        for lambd in (1.0, 10.0)
    ]
    assert_allclose(search.cv_results_["mean_test_score"], np.mean(expected, axis=1), rtol=1e-12)
    assert_array_equal(search.best_estimator_.coef_, clone(search.best_estimator_).fit(X, y, s).coef_)
    scaled = pipeline[0].transform(X)
    assert_array_equal(pipeline[-1].coef_, L2LogisticRegression().fit(scaled, y, s).coef_)


# -- storage ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["breast_cancer", "wine"])
def fitted(request):
    X, y = load(request.param)
    return L2LogisticRegression(class_weight="balanced").fit(X, y), X


def assert_same(copy, model, X):
    assert type(copy) is type(model)
    assert copy.get_params() == model.get_params()
    assert vars(copy).keys() == vars(model).keys()
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.loss_curve_ == model.loss_curve_


def test_pickle_and_joblib(fitted, tmp_path):
    model, X = fitted
    assert_same(pickle.loads(pickle.dumps(model)), model, X)
    joblib.dump(model, tmp_path / "model.joblib")
    assert_same(joblib.load(tmp_path / "model.joblib"), model, X)


def test_skops_needs_one_type_to_be_trusted(fitted, tmp_path):
    model, X = fitted
    skops.io.dump(model, tmp_path / "model.skops")
    trusted = ["sklearn_l2.logistic.L2LogisticRegression"]
    assert skops.io.get_untrusted_types(file=tmp_path / "model.skops") == trusted
    assert_same(skops.io.load(tmp_path / "model.skops", trusted=trusted), model, X)


def test_skops_needs_none_for_the_scikit_learn_model(fitted):
    model, X = fitted
    dumped = skops.io.dumps(model.to_sklearn())
    assert skops.io.get_untrusted_types(data=dumped) == []
    assert_array_equal(skops.io.loads(dumped).predict(X), model.predict(X))


def test_clone_keeps_the_parameters_alone(fitted):
    model, _ = fitted
    copy = clone(model.set_params(lambd=3))
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coef_")


def test_parameters_are_kept_as_they_were_given():
    weights = {0: 1.0, 1: 2.0}
    model = L2LogisticRegression(lambd=np.float32(2), class_weight=weights, max_iter=np.int64(500))
    X, y = noisy(60, 3)
    model.fit(X, y)
    assert model.class_weight is weights
    assert type(model.lambd) is np.float32
    assert "lambd=" in repr(model)
    with pytest.raises(TypeError):
        L2LogisticRegression(1.0, "gd")  # keywords only, but for lambd
    assert L2LogisticRegression(5).lambd == 5

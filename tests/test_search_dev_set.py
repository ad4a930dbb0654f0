"""LambdaSearchCV.fit(X, y, X_val=..., y_val=...): trained on X only, scored on the dev set only."""

import numpy as np
import pytest
import sklearn
from common import load, noisy
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, LambdaSearchCV

LAMBDS = [0.1, 1, 10, 100]

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")


def train_and_dev(name="breast_cancer"):
    X, y = load(name)
    dev = np.arange(len(y)) % 3 == 0
    return X[~dev], y[~dev], X[dev], y[dev]


def lambd_of(estimator):
    return f"{estimator.steps[-1][0]}__lambd" if hasattr(estimator, "steps") else "lambd"


def weights_of(model):
    last = model[-1] if hasattr(model, "steps") else model
    return last.coefs_[0] if hasattr(last, "coefs_") else last.coef_


ESTIMATORS = {
    "bare": L2LogisticRegression(tol=1e-15),
    "scaled": make_pipeline(StandardScaler(), L2LogisticRegression(tol=1e-15)),
    "projected": make_pipeline(StandardScaler(), PCA(3), L2LogisticRegression(tol=1e-15)),
    "L1": make_pipeline(StandardScaler(), L1LogisticRegression()),
    "one by one": make_pipeline(StandardScaler(), L2LogisticRegression(solver="gd", tol=1e-3)),
    "network": make_pipeline(StandardScaler(), L2MLPClassifier((3,), max_iter=20, random_state=0)),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc"])
def test_the_scores_are_those_of_fits_on_X_alone(name, scoring):
    X, y, X_val, y_val = train_and_dev()
    estimator = ESTIMATORS[name]
    search = LambdaSearchCV(estimator, LAMBDS, scoring=scoring, return_train_score=True)
    search.fit(X, y, X_val=X_val, y_val=y_val)
    split = np.r_[np.full(len(y), -1), np.zeros(len(y_val))]
    peer = GridSearchCV(
        estimator, {lambd_of(estimator): LAMBDS}, scoring=scoring, return_train_score=True, cv=PredefinedSplit(split)
    )
    peer.fit(np.r_[X, X_val], np.r_[y, y_val])
    assert search.n_splits_ == 1
    assert search.best_index_ == peer.best_index_
    for key in ("split0_test_score", "mean_test_score", "std_test_score", "split0_train_score"):
        assert_allclose(search.cv_results_[key], peer.cv_results_[key], rtol=0, atol=1e-6)
    alone = clone(estimator).set_params(**search.best_params_).fit(X, y)
    assert_allclose(weights_of(search.best_estimator_), weights_of(alone), rtol=1e-4, atol=1e-6)
    assert_allclose(search.predict_proba(X_val), alone.predict_proba(X_val), rtol=0, atol=1e-6)
    scorer = get_scorer(scoring or "accuracy")
    assert_allclose(search.score(X_val, y_val), search.best_score_, rtol=0, atol=1e-12)
    assert_allclose(scorer(search.best_estimator_, X_val, y_val), search.best_score_, rtol=0, atol=1e-12)
    assert search.refit_time_ == 0
    assert search.n_features_in_ == 30


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_nothing_of_the_dev_set_is_trained_on(name):
    """Values in the dev set that would spoil any fit leave the weights as they are, bit for bit."""
    X, y, X_val, y_val = train_and_dev()
    estimator = ESTIMATORS[name]
    search = LambdaSearchCV(estimator, [1.0], scoring="accuracy").fit(X, y, X_val=X_val, y_val=y_val)
    poison = np.where(np.arange(30) % 2, 1e30, -1e30) + 0 * X_val
    poisoned = clone(search).fit(X, y, X_val=poison, y_val=1 - y_val)
    assert_array_equal(weights_of(poisoned.best_estimator_), weights_of(search.best_estimator_))
    assert poisoned.best_score_ != search.best_score_


def test_a_network_follows_the_transformed_dev_set():
    X, y, X_val, y_val = train_and_dev()
    network = L2MLPClassifier((3,), max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0)
    search = LambdaSearchCV(make_pipeline(StandardScaler(), network), [1.0, 2.0])
    search.fit(X, y, X_val=X_val, y_val=y_val, l2mlpclassifier__sample_weight=None)
    scaler = StandardScaler().fit(X)
    alone = clone(network).set_params(lambd=search.best_estimator_[-1].lambd)
    alone.fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert_array_equal(search.best_estimator_[-1].coefs_[0], alone.coefs_[0])
    assert search.best_estimator_[-1].validation_loss_curve_ == alone.validation_loss_curve_


@pytest.mark.parametrize("scalers", [(StandardScaler(), MinMaxScaler()), (MinMaxScaler(), StandardScaler())], ids=repr)
def test_a_chain_of_scalers_is_that_of_the_model(scalers):
    X, y, X_val, y_val = train_and_dev()
    pipeline = make_pipeline(*scalers, L2LogisticRegression(tol=1e-15))
    search = LambdaSearchCV(pipeline, LAMBDS, scoring="neg_log_loss").fit(X, y, X_val=X_val, y_val=y_val)
    assert_allclose(search.score(X_val, y_val), search.best_score_, rtol=0, atol=1e-12)
    alone = clone(pipeline).set_params(**search.best_params_).fit(X, y)
    assert_allclose(-log_loss(y_val, alone.predict_proba(X_val)), search.best_score_, rtol=0, atol=1e-6)


def test_other_candidates_and_no_refit():
    X, y, X_val, y_val = train_and_dev("wine")
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    grid = [{"l2logisticregression__lambd": LAMBDS}, {"l2logisticregression": [SVC()]}]
    search = LambdaSearchCV(pipeline, grid, refit=lambda results: 4).fit(X, y, X_val=X_val, y_val=y_val)
    assert isinstance(search.best_estimator_[-1], SVC)
    assert search.cv_results_["mean_test_score"][4] == accuracy_score(y_val, search.predict(X_val))
    search = LambdaSearchCV(pipeline, grid, refit=False).fit(X, y, X_val=X_val, y_val=y_val)
    assert not hasattr(search, "best_estimator_")
    assert search.best_index_ is not None


def test_dev_sets_without_a_class_or_with_one_more():
    X, y = noisy(150, 4, 3)
    rows = y[100:] < 2
    X_val, y_val = X[100:][rows], y[100:][rows]
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS).fit(X[:100], y[:100], X_val=X_val, y_val=y_val)
    assert search.best_score_ == accuracy_score(y_val, search.predict(X_val))
    two = y[:100] < 2
    search.fit(X[:100][two], y[:100][two], X_val=X[100:], y_val=y[100:])
    assert search.best_score_ == accuracy_score(y[100:], search.predict(X[100:]))
    assert search.classes_.tolist() == [0, 1]


def test_sample_weights():
    X, y, X_val, y_val = train_and_dev()
    rng = np.random.default_rng(0)
    s, s_val = rng.random(len(y)), rng.random(len(y_val))
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring="neg_log_loss")
    search.fit(X, y, sample_weight=s, X_val=X_val, y_val=y_val, sample_weight_val=s_val)
    for lambd, score in zip(LAMBDS, search.cv_results_["split0_test_score"], strict=True):
        model = L2LogisticRegression(lambd).fit(X, y, sample_weight=s)
        expected = -log_loss(y_val, model.predict_proba(X_val), sample_weight=s_val)
        assert_allclose(score, expected, rtol=0, atol=1e-6)
    unweighted = clone(search).fit(X, y, sample_weight=s, X_val=X_val, y_val=y_val)
    assert_array_equal(unweighted.best_estimator_.coef_.shape, (1, 30))
    assert (unweighted.cv_results_["split0_test_score"] != search.cv_results_["split0_test_score"]).all()


def test_with_metadata_routing():
    X, y, X_val, y_val = train_and_dev()
    s_val = np.random.default_rng(0).random(len(y_val))
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        search = LambdaSearchCV(L2LogisticRegression().set_fit_request(sample_weight=False), LAMBDS, scoring=scorer)
        search.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s_val)
    expected = -log_loss(y_val, search.predict_proba(X_val), sample_weight=s_val)
    assert_allclose(search.best_score_, expected, rtol=0, atol=1e-9)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    X, y, X_val, y_val = train_and_dev()
    names = [f"column {j}" for j in range(30)]
    frames = pandas.DataFrame(X, columns=names), pandas.DataFrame(X_val, columns=names)
    for estimator in (ESTIMATORS["bare"], ESTIMATORS["scaled"]):
        search = LambdaSearchCV(estimator, LAMBDS).fit(frames[0], y, X_val=frames[1], y_val=pandas.Series(y_val))
        plain = LambdaSearchCV(estimator, LAMBDS).fit(X, y, X_val=X_val, y_val=y_val)
        assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
        assert search.feature_names_in_.tolist() == names


def test_what_is_half_a_dev_set_or_too_much():
    X, y, X_val, y_val = train_and_dev()
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS)
    with pytest.raises(ValueError, match="y_val is missing"):
        search.fit(X, y, X_val=X_val)
    with pytest.raises(ValueError, match="X_val is missing"):
        search.fit(X, y, y_val=y_val)
    with pytest.raises(ValueError, match="X_val is missing"):
        search.fit(X, y, sample_weight_val=y_val)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search.fit(X, y, X_val=X_val, y_val=y_val[1:])
    with pytest.raises(ValueError, match=r"nothing to split for cv=5\. Leave cv at None"):
        search.set_params(cv=5).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the")
def test_bad_rows_in_the_dev_set_fail_the_scores():
    X, y, X_val, y_val = train_and_dev()
    X_val = X_val.copy()
    X_val[0] = np.nan
    for estimator in (ESTIMATORS["projected"], SVC()):
        search = LambdaSearchCV(estimator, {"C": [1, 2]} if isinstance(estimator, SVC) else LAMBDS)
        with pytest.raises(ValueError, match="No candidate could be scored on X_val"):
            search.fit(X, y, X_val=X_val, y_val=y_val)
        assert np.isnan(search.cv_results_["mean_test_score"]).all()
        with pytest.raises(ValueError, match="NaN"):
            search.set_params(error_score="raise").fit(X, y, X_val=X_val, y_val=y_val)

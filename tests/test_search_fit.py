"""LambdaSearchCV as a GridSearchCV: what is not batched, refit, errors, routing, storage, scikit-learn's checks."""

import pickle

import numpy as np
import pytest
import sklearn
from common import load, noisy
from numpy.testing import assert_allclose, assert_array_equal
from search_checks import assert_same_results, both
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import estimator_html_repr
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, LambdaSearchCV
from sklearn_l2._search import direct

LAMBDS = [0.1, 1, 10, 100]

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")


@pytest.fixture
def one_by_one(monkeypatch):
    """The estimators that are fitted one by one."""
    fitted = []
    fit = direct._fit

    def remembered(estimator, fold):
        fitted.append(estimator)
        return fit(estimator, fold)

    monkeypatch.setattr(direct, "_fit", remembered)
    return fitted


@parametrize_with_checks([LambdaSearchCV(L2LogisticRegression(), cv=2)])
@pytest.mark.filterwarnings(  # which GridSearchCV gives there too
    "ignore:lambd=0 and the classes",
    "ignore:The least populated class",
    "ignore:Scoring failed",
    "ignore:invalid value encountered in cast",
    "ignore:One or more of the test scores",
    "ignore::sklearn.exceptions.FitFailedWarning",
)
def test_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)


# Candidates that are not batched


class Subclass(L2LogisticRegression):
    """A class of the user's, whose fit may do anything."""


UNBATCHED = {
    "plain descent": (L2LogisticRegression(solver="gd", max_iter=20), "lambd"),
    "a subclass": (Subclass(), "lambd"),
    "a meta-estimator": (OneVsRestClassifier(L2LogisticRegression()), "estimator__lambd"),
    "a network": (L2MLPClassifier((3,), solver="lbfgs", max_iter=5, random_state=0), "lambd"),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", UNBATCHED)
def test_a_sequence_of_lambdas_for_what_is_not_batched(name, capsys):
    X, y = noisy(90, 4)
    estimator, parameter = UNBATCHED[name]
    ours = LambdaSearchCV(estimator, LAMBDS, cv=3, verbose=1).fit(X, y)
    theirs = GridSearchCV(estimator, {parameter: LAMBDS}, cv=3).fit(X, y)
    assert_same_results(ours.cv_results_, theirs.cv_results_, atol=0)
    assert "3 folds for each of 4 candidates: 0 in batches, 4 one by one" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_mixture(one_by_one, capsys):
    X, y = load("wine")
    pipeline = Pipeline([("scale", StandardScaler()), ("model", L2LogisticRegression())])
    grid = [
        {"model__lambd": LAMBDS, "model__solver": ["gd", "auto"], "model__max_iter": [50]},
        {"model": [SVC(), L1LogisticRegression()], "scale": ["passthrough", PCA(2)]},
    ]
    both(pipeline, grid, X, y, cv=3, verbose=1, return_train_score=True)
    assert [type(each[-1]) for each in one_by_one] == [L2LogisticRegression] * 12 + [SVC] * 6
    assert "12 candidates: 6 in batches, 6 one by one" in capsys.readouterr().out


def test_square_matrices_of_similarities(one_by_one):
    """A model of them sees the columns of its training rows only, one by one and in a batch."""
    X, y = noisy(90, 4)
    pipeline = Pipeline([("kernel", KernelPCA(2, kernel="precomputed")), ("model", L2LogisticRegression(tol=1e-13))])
    grid = [
        {"model__lambd": LAMBDS},
        {"kernel": ["passthrough"], "model": [SVC(kernel="precomputed"), SVC()]},
    ]
    settings = {"cv": 3, "return_train_score": True, "error_score": "raise"}
    both(pipeline, grid[:1], X @ X.T, y, scoring="neg_log_loss", **settings)
    assert one_by_one == []
    both(Pipeline([("model", SVC())]), {"model": [SVC(kernel="precomputed"), L2LogisticRegression()]}, X @ X.T, y, cv=3)
    assert len(one_by_one) == 3
    with pytest.raises(ValueError, match="square"):
        LambdaSearchCV(pipeline, grid, **settings).fit(X, y)


class FitsInSilence(ClassifierMixin, BaseEstimator):
    """Its fit does not return it."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_a_fit_that_returns_nothing():
    X, y = noisy(90, 4)
    both(Pipeline([("model", L2LogisticRegression())]), {"model": [L2LogisticRegression(), FitsInSilence()]}, X, y)


def test_a_grid_without_lambd(one_by_one):
    X, y = noisy(90, 4)
    both(L2LogisticRegression(), {"class_weight": [None, "balanced"]}, X, y, cv=3)
    both(L2LogisticRegression(), {}, X, y, cv=3)
    both(LogisticRegression(), {"C": [0.1, 1]}, X, y, cv=3)
    assert one_by_one == []


class Stubborn(ClassifierMixin, BaseEstimator):
    """Fails for some lambdas."""

    def __init__(self, lambd=1.0):
        self.lambd = lambd

    def fit(self, X, y):
        if self.lambd > 1:
            raise RuntimeError("too large")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


FAILURES = {
    "a lambd": (L2LogisticRegression(), {"lambd": [1, -1, "much", np.nan, 2]}),
    "a step": (
        Pipeline([("pca", PCA()), ("model", L2LogisticRegression())]),
        {"pca__n_components": [2, 9], "model__lambd": [1, 2]},
    ),
    "another parameter": (L2LogisticRegression(), {"tol": [1e-9, -1], "lambd": [1, 2]}),
    "mixed": (
        Pipeline([("model", Stubborn())]),
        {"model": [L2LogisticRegression(), Stubborn()], "model__lambd": [1, 2]},
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more of the")
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", ["accuracy"], lambda model, X, y: {"a": model.score(X, y)}])
def test_candidates_that_fail(name, scoring):
    X, y = noisy(90, 4)
    estimator, grid = FAILURES[name]
    if name == "mixed" and scoring == "neg_log_loss":
        pytest.skip("has no probabilities")
    refit = scoring is None or isinstance(scoring, str)
    ours, _ = both(estimator, grid, X, y, cv=3, scoring=scoring, refit=refit, return_train_score=True)
    with pytest.raises(Exception, match=r"lambd|n_components|tol|too large"):
        ours.set_params(error_score="raise").fit(X, y)


def test_where_all_fits_fail():
    X, y = noisy(90, 4)
    X[::2, 0] = np.nan
    for model in (
        L2LogisticRegression(),
        L1LogisticRegression(),
        make_pipeline(StandardScaler(), L2LogisticRegression()),
    ):
        with pytest.raises(ValueError, match=r"All the 12 fits failed(.|\n)*NaN"):
            LambdaSearchCV(model, LAMBDS, cv=3).fit(X, y)


def test_bad_rows_that_no_fold_uses():
    X, y = noisy(90, 4)
    X[0] = np.nan
    folds = [(np.arange(1, 60), np.arange(60, 90)), (np.arange(30, 90), np.arange(1, 30))]
    both(L2LogisticRegression(), {"lambd": LAMBDS}, X, y, cv=folds, refit=False)


def test_fits_that_do_not_converge_warn_each():
    X, y = load("breast_cancer")
    search = LambdaSearchCV(L2LogisticRegression(max_iter=2), LAMBDS, cv=2, refit=False)
    with pytest.warns(ConvergenceWarning) as caught:
        search.fit(X, y)
    told = [str(each.message) for each in caught if each.category is ConvergenceWarning]
    assert len(told) == 8
    assert all("did not converge" in each for each in told)


def test_separable_folds_warn_at_lambda_zero():
    X, y = load("iris")
    with pytest.warns(ConvergenceWarning, match="separable"):
        LambdaSearchCV(L2LogisticRegression(), [0, 1], cv=2, refit=False).fit(X, y)


# The parameter's name


def test_the_lambd_is_found():
    X, y = noisy(90, 4)
    for estimator, name in [
        (L2LogisticRegression(), "lambd"),
        (make_pipeline(StandardScaler(), L2LogisticRegression()), "l2logisticregression__lambd"),
        (OneVsRestClassifier(make_pipeline(L2LogisticRegression())), "estimator__l2logisticregression__lambd"),
    ]:
        for lambds in ([1, 2], (1, 2), np.array([1.0, 2.0]), range(1, 3)):
            search = LambdaSearchCV(estimator, lambds, cv=2, refit=False).fit(X, y)
            assert search.cv_results_["params"] == [{name: 1}, {name: 2}]
    assert len(LambdaSearchCV(L2LogisticRegression(), cv=2).fit(X, y).cv_results_["params"]) == 6


def test_lambd_where_there_is_none_or_more_than_one():
    X, y = noisy(90, 4)
    with pytest.raises(TypeError, match="LogisticRegression has no parameter lambd"):
        LambdaSearchCV(LogisticRegression(), [1, 2]).fit(X, y)
    inner = make_column_transformer((FunctionTransformer(), [0]))
    pipeline = Pipeline([("a", inner), ("b", L2LogisticRegression()), ("c", L2LogisticRegression())])
    with pytest.raises(ValueError, match="2 parameters lambd: b__lambd, c__lambd"):
        LambdaSearchCV(pipeline, [1, 2]).fit(X, y)
    with pytest.raises(TypeError, match="numbers; got 'many'"):
        LambdaSearchCV(L2LogisticRegression(), [1, "many"]).fit(X, y)
    with pytest.raises(ValueError, match="non-empty"):
        LambdaSearchCV(L2LogisticRegression(), []).fit(X, y)


# refit


def test_refit():
    X, y = load("breast_cancer")
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    grid = {"l2logisticregression__lambd": LAMBDS}
    search = LambdaSearchCV(pipeline, grid, scoring="neg_log_loss").fit(X, y)
    again = clone(pipeline).set_params(**search.best_params_).fit(X, y)
    assert_array_equal(search.best_estimator_[-1].coef_, again[-1].coef_)
    assert search.refit_time_ > 0
    assert search.n_features_in_ == 30
    assert_array_equal(search.classes_, [0, 1])
    both(pipeline, grid, X, y, scoring="neg_log_loss", refit=False)
    both(pipeline, grid, X, y, scoring="neg_log_loss", refit=lambda results: 2)
    assert not hasattr(search.set_params(refit=lambda results: 2).fit(X, y), "wrong")
    assert search.best_index_ == 2


def test_refit_of_several_metrics_must_name_one():
    X, y = noisy(90, 4)
    scoring = ["accuracy", "neg_log_loss"]
    with pytest.raises(ValueError, match="For multi-metric scoring, the parameter refit"):
        LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring=scoring).fit(X, y)
    with pytest.raises(ValueError, match="For multi-metric scoring, the parameter refit"):
        LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring=lambda model, X, y: {"a": 1.0}).fit(X, y)


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    X, y = noisy(90, 3)
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    ours, theirs = both(
        make_pipeline(StandardScaler(), L2LogisticRegression()), {"l2logisticregression__lambd": LAMBDS}, frame, y
    )
    assert ours.feature_names_in_.tolist() == theirs.feature_names_in_.tolist() == ["a", "b", "c"]


# Interrupts


def test_ctrl_c_keeps_the_finished_candidates(monkeypatch):
    X, y = noisy(90, 4)
    n_scored = []

    def scorer(model, X, y):
        if len(n_scored) == 9:
            raise KeyboardInterrupt
        n_scored.append(model.lambd)
        return model.lambd

    grid = {"lambd": [1, 2], "class_weight": [None, "balanced"]}
    search = LambdaSearchCV(L2LogisticRegression(), grid, scoring=scorer, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 4  # of the first fit
    n_scored[:] = [0.0] * 3
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert search.cv_results_["params"] == [{"class_weight": None, "lambd": 1}, {"class_weight": None, "lambd": 2}]
    assert_array_equal(search.cv_results_["mean_test_score"], [1, 2])


# Inside scikit-learn


def test_clone_parameters_and_repr():
    search = LambdaSearchCV(L2LogisticRegression())
    assert repr(search) == "LambdaSearchCV(estimator=L2LogisticRegression())"
    assert clone(search).get_params()["param_grid"] == (0, 0.01, 0.1, 1, 10, 100)
    assert search.set_params(estimator__tol=1e-6).estimator.tol == 1e-6
    assert "L2LogisticRegression" in estimator_html_repr(search)


def test_pickle():
    X, y = noisy(90, 4)
    search = LambdaSearchCV(L2LogisticRegression(), scoring="neg_log_loss").fit(X, y)
    stored = pickle.dumps(search)
    assert len(stored) < 20_000  # no data in it
    again = pickle.loads(stored)
    assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    assert_same_results(again.cv_results_, search.cv_results_, atol=0)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_nested(n_jobs):
    X, y = noisy(90, 4)
    cv = KFold(3)
    settings = {"scoring": "neg_log_loss", "cv": 3}
    ours = cross_val_score(
        LambdaSearchCV(L2LogisticRegression(), {"lambd": LAMBDS}, **settings), X, y, cv=cv, n_jobs=n_jobs
    )
    theirs = cross_val_score(
        GridSearchCV(L2LogisticRegression(), {"lambd": LAMBDS}, **settings), X, y, cv=cv, n_jobs=n_jobs
    )
    assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_metadata_routing():
    X, y = noisy(90, 4)
    weights = np.random.default_rng(0).random(90)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = sklearn.metrics.get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        model = L2LogisticRegression().set_fit_request(sample_weight=True)
        bare = (model, {"lambd": LAMBDS})
        scaled = (
            make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model),
            {"l2logisticregression__lambd": LAMBDS},
        )
        weighted = (
            make_pipeline(StandardScaler().set_fit_request(sample_weight=True), model),
            {"l2logisticregression__lambd": LAMBDS},
        )
        for estimator, grid in (bare, scaled, weighted):
            for scoring in (scorer, {"a": scorer}):
                refit = "a" if isinstance(scoring, dict) else True
                both(estimator, grid, X, y, scoring=scoring, refit=refit, params={"sample_weight": weights}, cv=3)
        both(L2LogisticRegression().set_fit_request(sample_weight=False), {"lambd": LAMBDS}, X, y, cv=3, params={})
        request = LambdaSearchCV(model).set_fit_request(X_val=True).get_metadata_routing()
        assert "X_val" in str(request)


def test_fit_parameters_of_other_steps(one_by_one):
    X, y = noisy(90, 4)
    weights = np.random.default_rng(0).random(90)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    both(
        pipeline, {"l2logisticregression__lambd": LAMBDS}, X, y, params={"standardscaler__sample_weight": weights}, cv=3
    )
    assert len(one_by_one) == 12
    with pytest.raises(ValueError, match="All the 12 fits failed"):
        LambdaSearchCV(pipeline, LAMBDS, cv=3).fit(X, y, sample_weight=weights)


class Callback:
    """Does nothing at any time."""

    setup = teardown = on_fit_task_begin = on_fit_task_end = lambda self, *_, **__: None


def test_callbacks_are_not_forgotten_in_silence():
    X, y = noisy(90, 4)
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, cv=2)
    pytest.importorskip("sklearn.callback")  # from scikit-learn 1.9 on
    search.set_callbacks(Callback())
    with pytest.warns(UserWarning, match="Callbacks are not called"):
        search.fit(X, y)

"""The choice of lambd: one_standard_error, the edge of the grid, the table and its verdicts."""

import pickle
import warnings

import numpy as np
import pytest
from common import load, noisy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_l2 import L1LogisticRegression, L2LogisticRegression, L2MLPClassifier, LambdaSearchCV, one_standard_error
from sklearn_l2._search.choice import beyond_the_edge
from sklearn_l2._search.verdicts import standard_error, verdicts

LAMBDS = [0.01, 0.1, 1, 3, 10, 30, 100]

edges_aside = pytest.mark.filterwarnings("ignore:The best lambd")


def results(params, scores):
    """`cv_results_` of scores (n_candidates, n_splits)."""
    scores = np.asarray(scores, dtype=float)
    found = {"params": params, "mean_test_score": scores.mean(axis=1), "std_test_score": scores.std(axis=1)}
    return found | {f"split{i}_test_score": column for i, column in enumerate(scores.T)}


# one_standard_error


@given(st.lists(st.lists(st.floats(-10, 0), min_size=3, max_size=3), min_size=1, max_size=6), st.permutations(range(6)))
def test_one_standard_error_by_its_definition(scores, lambds):
    params = [{"lambd": lambd} for lambd in lambds[: len(scores)]]
    chosen = one_standard_error(results(params, scores))
    means = [np.mean(each) for each in scores]
    best = int(np.argmax(means))
    bound = means[best] - np.std(scores[best], ddof=1) / np.sqrt(3)
    slack = 1e-9 * (1 + abs(bound))
    assert means[chosen] >= bound - slack
    assert all(means[i] < bound + slack for i in range(len(scores)) if params[i]["lambd"] > params[chosen]["lambd"])


def test_only_candidates_that_differ_in_lambd_alone_are_compared():
    params = [{"a__lambd": lambd, "b": b} for b in ("x", "y") for lambd in (1, 10, 100)]
    scores = [[-1, -3], [-1, -3], [-5, -5], [-1, -2], [-1, -2.1], [-9, -9]]
    assert one_standard_error(results(params, scores)) == 4


def test_candidates_without_a_score_are_passed_over():
    params = [{"lambd": lambd} for lambd in (1, 10, 100)]
    assert one_standard_error(results(params, [[-1, -2], [-1, -2], [np.nan, -1]])) == 1
    with pytest.raises(ValueError, match="No candidate has a score"):
        one_standard_error(results(params, np.full((3, 2), np.nan)))


def test_where_there_is_no_lambd_to_choose():
    with pytest.raises(ValueError, match="one parameter called lambd"):
        one_standard_error(results([{"C": 1.0}], [[-1, -2]]))
    with pytest.raises(ValueError, match="one parameter called lambd"):
        one_standard_error(results([{"a__lambd": 1.0, "b__lambd": 2}], [[-1, -2]]))


@edges_aside
@pytest.mark.parametrize("search", [GridSearchCV, LambdaSearchCV])
def test_as_refit(search):
    X, y = load("breast_cancer")
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    found = search(pipeline, {"l2logisticregression__lambd": LAMBDS}, scoring="neg_log_loss", refit=one_standard_error)
    found.fit(X, y)
    best = np.argmax(found.cv_results_["mean_test_score"])
    assert LAMBDS[found.best_index_] > LAMBDS[best]
    assert pickle.loads(pickle.dumps(found)).best_index_ == found.best_index_


@edges_aside
def test_one_of_several_metrics():
    X, y = load("breast_cancer")
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring=["accuracy", "neg_log_loss"], refit=one_log_loss)
    search.fit(X, y)
    alone = LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring="neg_log_loss", refit=one_standard_error).fit(X, y)
    assert search.best_index_ == alone.best_index_


def test_the_metric_of_several_must_be_named():
    X, y = noisy(90, 4)
    search = LambdaSearchCV(L2LogisticRegression(), [1, 10], scoring=["accuracy", "f1"], refit=one_standard_error)
    with pytest.raises(ValueError, match=r"only 'accuracy', 'f1'\. .*partial\(one_standard_error, metric='accuracy'"):
        search.fit(X, y)


def one_log_loss(cv_results):
    return one_standard_error(cv_results, metric="neg_log_loss")


@edges_aside
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        L2LogisticRegression(),
        L1LogisticRegression(),
        L2LogisticRegression(solver="gd", learning_rate=1e-3, max_iter=5),
        L2MLPClassifier((3,), max_iter=5, random_state=0),
    ],
    ids=["batched", "path", "one by one", "network"],
)
def test_with_one_dev_set_it_is_the_error_over_its_rows(model):
    X, y = noisy(300, 4)
    dev = {"X_val": X[200:], "y_val": y[200:]}
    search = LambdaSearchCV(model, LAMBDS, scoring=["neg_log_loss", "accuracy"], refit=one_log_loss)
    search.fit(X[:200], y[:200], **dev)
    for k, lambd in enumerate(LAMBDS):
        alone = LambdaSearchCV(model, [lambd]).fit(X[:200], y[:200], **dev)
        probability = alone.predict_proba(X[200:])[np.arange(100), y[200:]]
        expected = np.std(np.log(probability), ddof=1) / 10
        assert_allclose(search.cv_results_["se_test_neg_log_loss"][k], expected, rtol=1e-3)
        right = alone.predict(X[200:]) == y[200:]
        assert_allclose(search.cv_results_["se_test_accuracy"][k], np.std(right, ddof=1) / 10, rtol=1e-9)
    means = search.cv_results_["mean_test_neg_log_loss"]
    best = np.argmax(means)
    bound = means[best] - search.cv_results_["se_test_neg_log_loss"][best]
    assert search.best_index_ == np.flatnonzero(means >= bound)[-1]


@edges_aside
def test_one_split_of_another_score_has_no_error():
    X, y = noisy(300, 4)
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, scoring="roc_auc", refit=one_standard_error)
    with pytest.raises(ValueError, match="With a single split the standard error of 'score' is not known"):
        search.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])


# The edge of the grid


@pytest.mark.parametrize(
    ("lambds", "message"),
    [
        ([0.001, 0.01], r"lambd=0.01 is the largest of the grid.*Try 0.1\."),
        ([100, 1000, 4000], r"lambd=100 is the smallest of the grid.*Try 10\."),
        ([0, 0.01], r"lambd=0.01 is the largest.*Try 0.1\."),
        ([0.1, 1, 10, 100], None),
        ([1], None),
    ],
)
def test_the_edge_of_the_grid(lambds, message):
    X, y = load("breast_cancer")
    X, y = StandardScaler().fit_transform(X), y
    search = LambdaSearchCV(L2LogisticRegression(), lambds, scoring="neg_log_loss", cv=StratifiedKFold(5))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", "lambd=0 and the classes are separable")
        search.fit(X, y)
    told = [str(each.message) for each in caught]
    if message is None:
        assert told == []
    else:
        assert len(told) == 1
        with pytest.warns(UserWarning, match=message):
            warnings.warn(told[0], stacklevel=1)


def test_no_word_where_zero_is_best_or_all_are_as_good():
    X, y = noisy(60, 2)
    LambdaSearchCV(L2LogisticRegression(), [0, 1e6], scoring="neg_log_loss").fit(X, y)
    LambdaSearchCV(L2LogisticRegression(), [1, 2, 3], scoring=lambda model, X, y: 1.0).fit(X, y)


@pytest.mark.parametrize(
    ("lambds", "scores", "advice"),
    [
        ([1, 10], [-2, -1], "largest of the grid; a better one may lie beyond. Try 100."),
        ([0, 3], [-2, -1], "largest of the grid; a better one may lie beyond. Try 30."),
        ([1, 10], [-1, -2], "smallest of the grid; a better one may lie below. Try 0.1."),
        ([1e308, 1e-308], [-1, -2], "largest of the grid; a better one may lie beyond."),
        ([1e308, 1e-308], [-2, -1], "smallest of the grid; a better one may lie below."),
        ([1e-150, 1], [-1, -2], "smallest of the grid; a better one may lie below."),
        ([1, 10], [np.nan, -1], "largest of the grid; a better one may lie beyond."),
    ],
)
def test_the_value_to_try_next(lambds, scores, advice):
    found = results([{"lambd": lambd} for lambd in lambds], np.reshape(scores, (2, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = beyond_the_edge(found, int(np.nanargmax(scores)), "score", by_score=True)
    assert said.endswith(advice)
    nothing = results(found["params"], np.full((2, 1), np.nan))
    assert beyond_the_edge(nothing, 0, "score", by_score=True) is None


# The table


def dev_figures(estimator, lambd, X, y, cv):
    """Fits one by one: norms, and train and dev losses and errors for every fold."""
    rows = []
    for train, dev in cv.split(X, y):
        model = estimator.set_params(**{f"{estimator.steps[-1][0]}__lambd": lambd}).fit(X[train], y[train])
        rows.append(
            {
                "norm": np.linalg.norm(model[-1].coef_),
                "train_loss": log_loss(y[train], model.predict_proba(X[train])),
                "train_error": 1 - model.score(X[train], y[train]),
                "dev_loss": log_loss(y[dev], model.predict_proba(X[dev])),
                "dev_error": 1 - model.score(X[dev], y[dev]),
            }
        )
    return rows


@edges_aside
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "f1_macro"])
@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_the_table_holds_what_fits_one_by_one_come_to(name, scoring, class_weight):
    X, y = load(name)
    lambds = [10, 0.1, 1000]
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression(tol=1e-15, class_weight=class_weight))
    cv = StratifiedKFold(3)
    table = LambdaSearchCV(pipeline, lambds, scoring=scoring, cv=cv).fit(X, y).lambda_table()
    assert len(table) == 3
    assert_array_equal(table["lambd"], lambds)
    assert_array_equal(table["C"], [0.1, 10, 0.001])
    for k, lambd in enumerate(lambds):
        rows = dev_figures(pipeline, lambd, X, y, cv)
        for figure in rows[0]:
            values = np.array([row[figure] for row in rows])
            assert_allclose(table[figure][k], values.mean(), rtol=1e-5, atol=1e-9, err_msg=figure)
            if figure != "norm":
                expected = values.std(ddof=1) / np.sqrt(3)
                assert_allclose(table[f"{figure}_se"][k], expected, rtol=1e-4, atol=1e-9, err_msg=figure)
    assert np.isnan(table["decay_factor"]).all()


@edges_aside
def test_the_table_of_a_dev_set():
    X, y = noisy(300, 4)
    weights = np.random.default_rng(0).integers(1, 4, 300).astype(float)
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS).fit(
        X[:200], y[:200], sample_weight=weights[:200], X_val=X[200:], y_val=y[200:], sample_weight_val=weights[200:]
    )
    table = search.lambda_table()
    losses = []
    for k, lambd in enumerate(LAMBDS):
        model = L2LogisticRegression(lambd).fit(X[:200], y[:200], sample_weight=weights[:200])
        losses.append(-np.log(model.predict_proba(X[200:])[np.arange(100), y[200:]]))
        assert_allclose(table["dev_loss"][k], np.average(losses[-1], weights=weights[200:]), rtol=1e-6)
        assert_allclose(table["dev_loss_se"][k], standard_error(losses[-1], weights[200:]), rtol=1e-4)
        wrong = model.predict(X[200:]) != y[200:]
        assert_allclose(table["dev_error_se"][k], standard_error(wrong, weights[200:]), rtol=1e-12)
        train = model.score(X[:200], y[:200], sample_weight=weights[:200])
        assert_allclose(table["train_error"][k], 1 - train, rtol=0, atol=1e-12)
    expected = [verdict.text for verdict in verdicts(LAMBDS, losses, weights[200:])]
    assert table["verdict"].tolist() == expected


@edges_aside
def test_verdicts_go_from_overfitting_to_underfitting():
    X, y = load("breast_cancer")
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    lambds = np.logspace(-3, 4, 8)
    table = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss").fit(X, y).lambda_table()
    order = {"overfitting": 0, "just right": 1, "underfitting": 2}
    found = [order[text] for text in table["verdict"]]
    assert found == sorted(found)
    assert set(found) == {0, 1, 2}
    assert table["verdict"][np.argmin(table["dev_loss"])] == "just right"


def test_verdicts_compare_in_pairs():
    """A difference that is the same in every fold counts, however far the folds lie apart."""
    folds = np.array([1.0, 5.0, 9.0])
    texts = [each.text for each in verdicts([1, 10, 100], [folds + 0.1, folds, folds + np.array([0.3, -0.3, 0.1])])]
    assert texts == ["overfitting", "just right", "just right"]
    assert verdicts([1, 2], [None, None]) == [None, None]
    (first, second) = verdicts([1, 2], [folds, None])
    assert (first.text, second) == ("just right", None)


def test_of_equal_losses_the_largest_lambda_is_the_best():
    """One fold has no standard error, so that a single lambda is just right."""
    texts = [each.text for each in verdicts([1, 100, 10], [np.ones(1)] * 3)]
    assert texts == ["overfitting", "just right", "overfitting"]


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8), st.integers(2, 5))
def test_the_standard_error_does_not_mind_the_scale_of_weights(values, weight):
    assert np.isnan(standard_error(values[:1]))
    expected = np.std(values, ddof=1) / np.sqrt(len(values))
    assert_allclose(standard_error(values), expected, rtol=1e-9, atol=1e-12)
    assert_allclose(standard_error(values, [weight] * len(values)), expected, rtol=1e-9, atol=1e-12)


@edges_aside
def test_rows_that_were_not_batched_are_empty():
    X, y = noisy(90, 4)
    grid = [{"lambd": [1, 10]}, {"lambd": [1], "solver": ["gd"], "max_iter": [3000]}, {"lambd": [-1]}]
    with pytest.warns(match="3 fits failed"):
        with pytest.warns(match="non-finite"):
            search = LambdaSearchCV(L2LogisticRegression(tol=1e-6), grid, cv=3).fit(X, y)
    table = search.lambda_table()
    assert_array_equal(np.isnan(table["dev_loss"]), [False, False, True, True])
    assert table["verdict"].tolist()[2:] == ["", ""]
    assert_array_equal(table["lambd"], [1, 10, 1, -1])
    for model, parameters in [
        (L1LogisticRegression(), [1, 2]),
        (L2LogisticRegression(solver="gd"), {"max_iter": [2000]}),
    ]:
        model = model.set_params(tol=1e-6)
        table = LambdaSearchCV(model, parameters, cv=KFold(3)).fit(X, y).lambda_table()
        assert np.isnan(table["norm"]).all()


@edges_aside
def test_verdicts_keep_to_the_other_parameters():
    """With another class_weight the same lambda is another story."""
    X, y = noisy(120, 4)
    lambds = [0.01, 1000]
    both = LambdaSearchCV(L2LogisticRegression(), {"lambd": lambds, "class_weight": [None, {0: 50.0}]}).fit(X, y)
    one = LambdaSearchCV(L2LogisticRegression(class_weight={0: 50.0}), lambds).fit(X, y)
    mine = [candidate["class_weight"] is not None for candidate in both.cv_results_["params"]]
    assert both.lambda_table()["verdict"][mine].tolist() == one.lambda_table()["verdict"].tolist()


@edges_aside
def test_the_table_prints_and_becomes_a_data_frame():
    pandas = pytest.importorskip("pandas")
    X, y = noisy(90, 4)
    table = LambdaSearchCV(L2LogisticRegression(), LAMBDS, cv=3).fit(X, y).lambda_table()
    lines = repr(table).splitlines()
    assert lines[0].split()[:2] == ["lambd", "||W||"]
    assert lines[0].endswith("verdict")
    assert len(lines) == 8
    assert len({len(line) for line in lines}) == 1
    frame = table.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (7, 13)
    assert frame["verdict"].tolist() == table["verdict"].tolist()


@edges_aside
def test_the_table_names_the_other_parameters_that_vary():
    pandas = pytest.importorskip("pandas")
    X, y = noisy(90, 4)
    grid = {"lambd": [1, 10], "class_weight": [None, {0: 2.0}], "max_iter": [500]}
    table = LambdaSearchCV(L2LogisticRegression(), grid, cv=3).fit(X, y).lambda_table()
    assert table["class_weight"].tolist() == [None, None, {0: 2.0}, {0: 2.0}]
    assert [line.strip().split("  ")[0] for line in repr(table).splitlines()] == [
        *("class_weight", "None", "None", "{0: 2.0}", "{0: 2.0}")
    ]
    assert isinstance(table.to_frame(), pandas.DataFrame)
    assert "max_iter" not in table.columns
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    grids = [{"l2logisticregression__lambd": [1, 10]}, {"l2logisticregression": [SVC()], "standardscaler": [None]}]
    table = LambdaSearchCV(pipeline, grids, cv=3).fit(X, y).lambda_table()
    assert [str(each) for each in table["l2logisticregression"]] == ["None", "None", "SVC()"]
    table = LambdaSearchCV(SVC(), {"C": [1, 2]}, cv=3).fit(X, y).lambda_table()
    assert table["param_C"].tolist() == [1, 2]
    assert np.isnan(table["C"]).all()


@edges_aside
@pytest.mark.parametrize("penalize_intercept", [False, True])
def test_the_loss_of_the_training_rows_is_without_the_penalty(penalize_intercept):
    X, y = noisy(90, 4)
    model = L2LogisticRegression(penalize_intercept=penalize_intercept, tol=1e-15)
    table = LambdaSearchCV(model, [1, 100]).fit(X + 1, y, X_val=X, y_val=y).lambda_table()
    for k, lambd in enumerate([1, 100]):
        fitted = model.set_params(lambd=lambd).fit(X + 1, y)
        assert_allclose(table["train_loss"][k], log_loss(y, fitted.predict_proba(X + 1)), rtol=1e-9)

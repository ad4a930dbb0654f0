"""Pictures: what they show. That nothing is clipped or on the data is in test_display_layout.py."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import (
    L1LogisticRegression,
    L2LogisticRegression,
    L2MLPClassifier,
    LambdaSearchCV,
    lambda_path,
    one_standard_error,
)

figure = pytest.importorskip("matplotlib.figure")

from sklearn_l2.display import (  # noqa: E402
    CoefficientPathDisplay,
    DecisionSurfaceDisplay,
    LambdaCurveDisplay,
    LossCurveDisplay,
    WeightDecayDisplay,
)

LAMBDS = (0.01, 0.1, 1, 10, 100)


def axes():
    return figure.Figure().subplots()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def search(cancer):
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    return LambdaSearchCV(pipeline, LAMBDS, scoring="neg_log_loss", return_train_score=True).fit(*cancer)


# Lambda curve


def test_lambda_curve_of_numbers():
    display = LambdaCurveDisplay([1, 0, 0.1], [0.3, 0.1, 0.2], [0.5, 0.9, 0.4], dev_se=[0.3, 0.1, 0.2], chosen=0.1)
    ax = axes()
    assert display.plot(ax) is display
    assert display.ax_ is ax and display.figure_ is ax.figure
    np.testing.assert_array_equal(display.train_[0].get_xydata(), [[0, 0.1], [0.1, 0.2], [1, 0.3]])
    line, _, bars = display.dev_
    np.testing.assert_array_equal(line.get_ydata(), [0.9, 0.4, 0.5])
    heights = [segment[:, 1] for segment in bars[0].get_segments()]
    np.testing.assert_allclose(heights, [[0.8, 1.0], [0.2, 0.6], [0.2, 0.8]])
    assert (display.best_, display.one_standard_error_) == (0.1, 1.0)
    assert {"lowest: λ = 0.1 (chosen)", "within 1 standard error: λ = 1"} < set(legend(ax))


def test_zero_has_a_place_of_its_own():
    ax = LambdaCurveDisplay([0, 0.01, 100], None, [1, 2, 3]).plot(axes()).ax_
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["0", "0.01"]
    at = ax.transData.transform([(x, 1) for x in (0, 0.01, 0.1, 1, 100)])[:, 0]
    low, high = ax.get_window_extent().intervalx
    assert low < at[0] and at[-1] < high
    assert at[1] - at[0] > 20  # pixels
    np.testing.assert_allclose(np.diff(at[1:]) / (at[2] - at[1]), [1, 1, 2], rtol=1e-9)  # a logarithmic axis beyond


def test_lambda_curve_of_a_search(search):
    display = LambdaCurveDisplay.from_search(search, ax=axes())
    table = search.lambda_table()
    np.testing.assert_array_equal(display.dev_[0].get_xdata(), LAMBDS)
    np.testing.assert_array_equal(display.dev_[0].get_ydata(), table["dev_loss"])
    np.testing.assert_array_equal(display.train_[0].get_ydata(), table["train_loss"])
    assert display.best_ == search.best_params_["l2logisticregression__lambd"]
    chosen = search.cv_results_["params"][one_standard_error(search.cv_results_)]
    assert display.one_standard_error_ == chosen["l2logisticregression__lambd"]
    texts = [text.get_text() for text in display.ax_.texts]
    assert texts == ["overfitting", "just right", "underfitting"]


def test_zones_meet_between_lambdas_of_different_verdicts(search):
    display = LambdaCurveDisplay.from_search(search, ax=axes())
    ends = sorted(
        tuple(np.sort(patch.get_extents().transformed(display.ax_.transData.inverted()).intervalx))
        for patch in display.ax_.patches
    )
    verdicts = search.lambda_table()["verdict"].tolist()
    changes = [k for k in range(4) if verdicts[k] != verdicts[k + 1]]
    np.testing.assert_allclose([end for _, end in ends[:-1]], [np.sqrt(LAMBDS[k] * LAMBDS[k + 1]) for k in changes])
    np.testing.assert_allclose([start for start, _ in ends[1:]], [end for _, end in ends[:-1]])


@pytest.mark.parametrize("metric", ["error", "score"])
def test_other_metrics(search, metric):
    display = LambdaCurveDisplay.from_search(search, metric=metric, ax=axes())
    table, results = search.lambda_table(), search.cv_results_
    dev = {"error": table["dev_error"], "score": results["mean_test_score"]}[metric]
    train = {"error": table["train_error"], "score": results["mean_train_score"]}[metric]
    np.testing.assert_array_equal(display.dev_[0].get_ydata(), dev)
    np.testing.assert_array_equal(display.train_[0].get_ydata(), train)
    assert display.best_ == LAMBDS[np.argmax(dev if metric == "score" else -dev)]
    if metric == "score":
        assert display.ax_.get_ylabel() == "mean neg_log_loss"
        folds = np.array([results[f"split{k}_test_score"] for k in range(5)])
        np.testing.assert_allclose(display.dev_se, folds.std(axis=0, ddof=1) / np.sqrt(5))


@pytest.mark.filterwarnings("ignore:The best lambd")
def test_a_grid_of_other_parameters_too(cancer):
    grid = {"lambd": [1, 10, 100], "class_weight": [None, "balanced"]}
    X, y = cancer
    search = LambdaSearchCV(L2LogisticRegression(), grid, scoring="neg_log_loss").fit(X.iloc[:, :3], y)
    display = LambdaCurveDisplay.from_search(search, ax=axes())
    best = search.best_params_["class_weight"]
    same = [candidate["class_weight"] == best for candidate in search.cv_results_["params"]]
    np.testing.assert_array_equal(display.dev_[0].get_ydata(), search.lambda_table()["dev_loss"][same])


def test_lambda_curve_of_an_estimator(cancer):
    X, y = cancer
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    dev = {"X_val": X[400:], "y_val": y[400:]}
    display = LambdaCurveDisplay.from_estimator(pipeline, X[:400], y[:400], lambds=LAMBDS, **dev, ax=axes())
    search = LambdaSearchCV(pipeline, LAMBDS, scoring="neg_log_loss").fit(X[:400], y[:400], **dev)
    np.testing.assert_array_equal(display.dev, search.lambda_table()["dev_loss"])
    np.testing.assert_array_equal(display.dev_se, search.lambda_table()["dev_loss_se"])


def test_a_failed_lambda_is_left_out_and_marked():
    display = LambdaCurveDisplay([0.1, 1, 10], [1, np.nan, 2], [3, np.nan, 2.5], dev_se=[0.1, np.nan, 0.1]).plot(axes())
    np.testing.assert_array_equal(display.dev_[0].get_xdata(), [0.1, 10])
    (crosses,) = [line for line in display.ax_.lines if line.get_label() == "fit failed"]
    np.testing.assert_array_equal(crosses.get_xdata(), [1])
    assert "fit failed" in legend(display.ax_)


@pytest.mark.parametrize(("worst", "scale"), [(2.0, "linear"), (2.1, "log")])
def test_losses_far_apart(worst, scale):
    ax = LambdaCurveDisplay([0, 1], [1e-9, 0.1], [worst, 0.2]).plot(axes()).ax_
    assert ax.get_yscale() == scale
    assert scale == "linear" or ax.get_ylim()[0] == pytest.approx(0.02)


def test_lambda_curve_refuses(search):
    with pytest.raises(NotFittedError):
        LambdaCurveDisplay.from_search(LambdaSearchCV(L2LogisticRegression()))
    with pytest.raises(TypeError, match="LambdaSearchCV; got L2LogisticRegression"):
        LambdaCurveDisplay.from_search(L2LogisticRegression())
    with pytest.raises(ValueError, match="'loss', 'error' or 'score'; got 'auc'"):
        LambdaCurveDisplay.from_search(search, metric="auc")
    with pytest.raises(ValueError, match=r"train has shape \(1,\), but there are 2 lambdas"):
        LambdaCurveDisplay([1, 2], [1], [1, 2]).plot(axes())
    with pytest.raises(ValueError, match=r"finite numbers >= 0; got \[-1.0\]"):
        LambdaCurveDisplay([-1], [1], [1]).plot(axes())
    with pytest.raises(ValueError, match="nothing to draw"):
        LambdaCurveDisplay([1], [1], [np.nan]).plot(axes())
    with pytest.raises(ValueError, match="1 verdicts, but 2 lambdas"):
        LambdaCurveDisplay([1, 2], None, [1, 2], verdicts=["just right"]).plot(axes())


def test_a_search_without_a_table(cancer):
    from sklearn.linear_model import LogisticRegression

    X, y = cancer
    X = X.iloc[:, :3]
    other = LambdaSearchCV(LogisticRegression(), {"C": [0.1, 1]}).fit(X, y)
    with pytest.raises(ValueError, match="one parameter called lambd"):
        LambdaCurveDisplay.from_search(other)
    one_by_one = LambdaSearchCV(L2MLPClassifier((2,), solver="lbfgs", tol=0.1, random_state=0), (1, 10), cv=2).fit(X, y)
    with pytest.raises(ValueError, match="metric='score' draws what it chose by"):
        LambdaCurveDisplay.from_search(one_by_one)
    display = LambdaCurveDisplay.from_search(one_by_one, metric="score", ax=axes())
    np.testing.assert_array_equal(display.dev, one_by_one.cv_results_["mean_test_score"])


@pytest.mark.filterwarnings("ignore:The best lambd")
def test_several_metrics(cancer):
    X, y = cancer
    options = {"scoring": ["accuracy", "neg_log_loss"]}
    search = LambdaSearchCV(L2LogisticRegression(), (1, 10, 100), refit="neg_log_loss", **options).fit(X.iloc[:, :3], y)
    display = LambdaCurveDisplay.from_search(search, metric="score", ax=axes())
    np.testing.assert_array_equal(display.dev, search.cv_results_["mean_test_neg_log_loss"])
    search.set_params(refit=False).fit(X.iloc[:, :3], y)
    with pytest.raises(ValueError, match="refit does not name the one to draw"):
        LambdaCurveDisplay.from_search(search, metric="score")


# Coefficient path


@pytest.mark.parametrize("classifier", [L2LogisticRegression(), L1LogisticRegression()])
def test_coefficient_path(cancer, classifier):
    X, y = cancer
    pipeline = make_pipeline(StandardScaler(), classifier)
    display = CoefficientPathDisplay.from_estimator(pipeline, X, y, lambds=(10, 1, 100), ax=axes(), n_labels=3)
    _, coefs, _, _ = lambda_path(pipeline, X, y, (1, 10, 100))
    np.testing.assert_allclose(np.array([line.get_ydata() for line in display.lines_]).T, coefs[:, 0])
    largest = np.argsort(-np.abs(coefs[0, 0]))[:3]
    names = [name if len(name) <= 22 else f"{name[:11]}…{name[-10:]}" for name in X.columns[largest]]
    assert [label.get_text() for label in display.labels_] == names
    assert f"{np.count_nonzero(coefs[-1])} of 30 weights are not 0" in display.ax_.get_title()


def test_paths_of_several_classes():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    _, coefs, _, _ = lambda_path(L2LogisticRegression(), X, names, (1, 10))
    for target, k in ((None, 0), ("virginica", 2)):
        display = CoefficientPathDisplay.from_estimator(
            L2LogisticRegression(), X, names, lambds=(1, 10), target=target, ax=axes()
        )
        np.testing.assert_array_equal(display.coefs, coefs[:, k])
        assert f"score of class {target or 'setosa'}" in display.ax_.get_title()
    assert {label.get_text() for label in display.labels_} == {"x0", "x1", "x2", "x3"}
    with pytest.raises(ValueError, match="target='rose' is none of the classes"):
        CoefficientPathDisplay.from_estimator(L2LogisticRegression(), X, names, lambds=(1, 10), target="rose")


def test_names_of_features(cancer):
    X, y = cancer

    def labels(estimator, X, **options):
        display = CoefficientPathDisplay.from_estimator(estimator, X, y, lambds=(1, 10), ax=axes(), **options)
        return {label.get_text() for label in display.labels_}

    X = X.iloc[:, :2]
    assert labels(L2LogisticRegression(), X) == {"mean radius", "mean texture"}
    assert labels(L2LogisticRegression(), X.to_numpy()) == {"x0", "x1"}
    assert labels(make_pipeline(StandardScaler(), L2LogisticRegression()), X) == {"mean radius", "mean texture"}
    assert labels(L2LogisticRegression(), X, feature_names=["a$b$", "b\nc"]) == {r"a\$b\$", "b c"}
    assert len(labels(L2LogisticRegression(), X, n_labels=1)) == 1
    assert labels(L2LogisticRegression(), X, n_labels=0) == set()
    with pytest.raises(ValueError, match="1 feature_names, but 2 weights"):
        labels(L2LogisticRegression(), X, feature_names=["a"])
    with pytest.raises(TypeError, match="lambda_path needs"):
        labels(L2MLPClassifier(), X)
    with pytest.raises(ValueError, match="target=0 is not it"):
        labels(L2LogisticRegression(), X, target=0)


def test_path_of_numbers_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"coefs must be \(2, n_features\)"):
        CoefficientPathDisplay([1, 2], [[1, 2]]).plot(axes())


# Loss curve


@pytest.mark.parametrize("classifier", [L2LogisticRegression(3.0), L1LogisticRegression(3.0)])
def test_loss_curve(cancer, classifier):
    pipeline = make_pipeline(StandardScaler(), classifier).fit(*cancer)
    display = LossCurveDisplay.from_estimator(pipeline, ax=axes())
    model = pipeline[-1]
    np.testing.assert_array_equal(display.loss_.get_ydata(), model.loss_curve_)
    np.testing.assert_array_equal(display.loss_.get_xdata(), np.arange(model.n_iter_[0] + 1))
    np.testing.assert_allclose(display.data_.get_ydata() + display.penalty_.get_ydata(), model.loss_curve_)
    assert display.dev_loss_ is None
    assert "λ = 3" in display.ax_.get_title()


def test_loss_curve_of_a_network():
    X, y = make_moons(300, noise=0.3, random_state=0)
    model = L2MLPClassifier((10,), lambd=0.1, learning_rate_init=0.05, early_stopping=True, random_state=0)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    display = LossCurveDisplay.from_estimator(model, ax=axes())
    assert display.ax_.get_xlabel() == "epoch"
    np.testing.assert_array_equal(display.dev_loss_.get_ydata(), model.validation_loss_curve_)
    np.testing.assert_array_equal(display.dev_loss_.get_xdata(), 1 + np.arange(model.n_iter_))
    best = 1 + model.validation_scores_.index(model.best_validation_score_)
    assert f"early stopping keeps epoch {best}" in legend(display.ax_)


def test_loss_curve_refuses(cancer):
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(L2LogisticRegression())
    with pytest.raises(TypeError, match="got LogisticRegression"):
        LossCurveDisplay.from_estimator(LogisticRegression())
    with pytest.raises(ValueError, match=r"same length, 1 or more; got \[2, 1\]"):
        LossCurveDisplay([1, 2], [1]).plot(axes())


# Weight decay


def test_weight_decay_of_plain_descent(cancer):
    X, y = StandardScaler().fit_transform(cancer[0]), cancer[1].to_numpy()
    model = L2LogisticRegression(20, solver="gd", learning_rate=0.2, max_iter=4)
    display = WeightDecayDisplay.from_estimator(model, X, y, ax=axes())
    for line, lambd in zip(display.lines_, (20, 0), strict=True):
        w, b, norms = np.zeros(30), 0.0, []
        for _ in range(4):
            r = 1 / (1 + np.exp(-(X @ w + b))) - y
            w, b = (1 - 0.2 * lambd / 569) * w - 0.2 * X.T @ r / 569, b - 0.2 * r.mean()
            norms.append(np.linalg.norm(w))
        np.testing.assert_allclose(line.get_ydata(), norms, rtol=1e-10)
    assert f"{1 - 0.2 * 20 / 569:.6g}" in display.ax_.get_title()
    assert not hasattr(model, "coef_")
    in_pipeline = WeightDecayDisplay.from_estimator(make_pipeline(StandardScaler(), model), *cancer, ax=axes())
    np.testing.assert_array_equal(in_pipeline.with_decay, display.with_decay)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["gd", "sgd", "adam"])
def test_weight_decay_takes_the_steps_of_a_fit(solver):
    X, y = load_iris(return_X_y=True)
    options = {
        "solver": solver,
        "learning_rate_init": 0.01,
        "batch_size": 32,
        "max_iter": 5,
        "tol": 0,
        "shuffle": False,
    }
    model = L2MLPClassifier((5,), lambd=10, **options)
    display = WeightDecayDisplay.from_estimator(model.set_params(random_state=3), X, y, ax=axes())
    seed = np.random.RandomState(3).randint(2**31 - 1)
    for norms, lambd in ((display.with_decay, 10), (display.without_decay, 0)):
        fit = L2MLPClassifier((5,), lambd=lambd, random_state=seed, **options).fit(X, y)
        assert norms[-1] == pytest.approx(np.sqrt(sum(np.sum(W**2) for W in fit.coefs_)), rel=1e-6)
    assert display.decay_factor == 1 - 0.01 * 10 / 150
    assert display.with_decay[-1] < display.without_decay[-1]


def test_weight_decay_refuses(cancer):
    def draw(model):
        return WeightDecayDisplay.from_estimator(model, *cancer)

    with pytest.raises(TypeError, match="got L1LogisticRegression"):
        draw(L1LogisticRegression())
    with pytest.raises(ValueError, match="use solver='gd'"):
        draw(L2LogisticRegression())
    with pytest.raises(ValueError, match="use solver='gd', 'sgd' or 'adam'"):
        draw(L2MLPClassifier(solver="lbfgs"))
    with pytest.raises(ValueError, match="lambd=0"):
        draw(L2LogisticRegression(0, solver="gd"))
    with pytest.raises(ValueError, match="early_stopping=False"):
        draw(L2MLPClassifier(early_stopping=True))


# Decision surface


def test_decision_surface():
    X, y = make_moons(100, noise=0.3, random_state=0)
    panels = figure.Figure(figsize=(9, 4)).subplots(1, 2)
    display = DecisionSurfaceDisplay.from_estimator(
        L2LogisticRegression(), X[:60], y[:60], lambds=(1, 100), X_val=X[60:], y_val=y[60:], axes=panels
    )
    assert list(display.axes_) == list(panels) and display.figure_ is panels[0].figure
    for k, lambd in enumerate((1, 100)):
        model = L2LogisticRegression(lambd).fit(X[:60], y[:60])
        train, dev = 1 - model.score(X[:60], y[:60]), 1 - model.score(X[60:], y[60:])
        assert display.train_errors_[k] == train and display.dev_errors_[k] == dev
        assert display.axes_[k].get_title() == f"λ = {lambd}\nerror: train {train:.1%}, dev {dev:.1%}"
        response = model.predict_proba(np.c_[display.surfaces_[k].xx0.ravel(), display.surfaces_[k].xx1.ravel()])[:, 1]
        np.testing.assert_allclose(display.surfaces_[k].response.ravel(), response)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_the_surface_reaches_beyond_all_rows_but_not_far(size):
    X, y = make_moons(100, noise=0.3, random_state=0)
    X = size * X[np.argsort(-X[:, 0])]  # the dev rows lie to the left of all training rows
    y = np.argsort(np.argsort(X[:, 1])) % 2
    display = DecisionSurfaceDisplay.from_estimator(
        L2LogisticRegression(), X[:60], y[:60], lambds=[1], X_val=X[60:], y_val=y[60:], axes=axes()
    )
    (surface,) = display.surfaces_
    for grid, values in ((surface.xx0, X[:, 0]), (surface.xx1, X[:, 1])):
        for beyond in (values.min() - grid.min(), grid.max() - values.max()):
            assert 0 < beyond < 0.2 * np.ptp(values)


def test_a_dev_set_is_set_aside():
    X, y = make_moons(100, noise=0.3, random_state=0)
    panels = figure.Figure().subplots(1, 2)
    display = DecisionSurfaceDisplay.from_estimator(L2LogisticRegression(), X, y, lambds=(1, 100), axes=panels)
    assert len(display.X_train) == 70 and len(display.X_val) == 30
    assert sorted(map(tuple, np.vstack([display.X_train, display.X_val]))) == sorted(map(tuple, X))


def test_names_of_axes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    for names, expected in ((None, ("sepal length (cm)", "sepal width (cm)")), (("a", "b"), ("a", "b"))):
        display = DecisionSurfaceDisplay.from_estimator(
            pipeline, X.iloc[:, :2], y, lambds=[1], axes=axes(), feature_names=names
        )
        assert (display.axes_[0].get_xlabel(), display.axes_[0].get_ylabel()) == expected


def test_decision_surface_refuses():
    X, y = load_iris(return_X_y=True)

    def draw(X, **options):
        return DecisionSurfaceDisplay.from_estimator(L2LogisticRegression(), X, y, **options)

    with pytest.raises(ValueError, match=r"two columns; got shape \(150, 4\)"):
        draw(X)
    with pytest.raises(ValueError, match=r"two columns; got shape \(150,\)"):
        draw(X[:, 0])
    with pytest.raises(ValueError, match="one of them is missing"):
        draw(X[:, :2], X_val=X[:, :2])
    with pytest.raises(ValueError, match="There are 2 lambdas and 1 axes"):
        draw(X[:, :2], lambds=(1, 10), axes=axes())


# All


def test_they_make_a_figure_of_their_own(cancer):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    X, y = make_moons(100, noise=0.3, random_state=0)
    gd = L2LogisticRegression(solver="gd", max_iter=3)
    try:
        for draw in (
            LambdaCurveDisplay([0], [0.1], [2.0]).plot,
            CoefficientPathDisplay([1], [[1.0]]).plot,
            LossCurveDisplay([1], [0.5]).plot,
            lambda: WeightDecayDisplay.from_estimator(gd, X, y),
            lambda: DecisionSurfaceDisplay.from_estimator(L2LogisticRegression(), X, y),
        ):
            assert draw().figure_ is pyplot.gcf()
    finally:
        pyplot.close("all")


def test_matplotlib_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for display in (LambdaCurveDisplay([0], [0.1], [2.0]), DecisionSurfaceDisplay([None], [1], None, None, None, None)):
        with pytest.raises(ImportError, match=r"plot needs matplotlib, .* pip install 'sklearn-l2\[plot\]'"):
            display.plot()

"""What fits and searches cost, counted in gradients, products with X and bytes: no clock is read.

Each figure is what was counted when it was written down; a count may be a quarter higher before a test fails. The
counts do not depend on the machine or on the number of threads.
"""

import platform
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from common import REAL, badly_scaled, early, load, noisy, standardized
from sklearn import config_context
from threadpoolctl import threadpool_limits

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.descent import row_space
from sklearn_l2.descent.linear import LinearObjective
from sklearn_l2.descent.standardized import StandardizedObjective

pytestmark = pytest.mark.slow

HEADROOM = 1.25
LAMBDS = np.logspace(-3, 3, 10)
N_FOLDS = 5


def text(n_rows=2000, n_columns=5000, per_row=30):
    rng = np.random.default_rng(0)
    columns = (n_columns * rng.random((n_rows, per_row)) ** 3).astype(int)
    X = sp.csr_array((np.ones(columns.size), columns.ravel(), np.arange(0, columns.size + 1, per_row)))
    X.sum_duplicates()
    X.resize(n_rows, n_columns)
    return X, (X @ rng.standard_normal(n_columns) + rng.logistic(size=n_rows) > 0).astype(int)


def on_bad_scales(*shape):
    X, y = noisy(*shape)
    return badly_scaled(X), y


def with_a_rare_class(n_rows, n_columns):
    """A row in 40 or so is of the second class."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    return X, (X @ np.linspace(1, 2, n_columns) + rng.logistic(size=n_rows) > 7).astype(int)


def with_a_very_rare_class(n_rows, n_columns):
    """A row in 1 000: few rows have a curvature."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, n_columns))
    scores = X @ np.linspace(0, 1, n_columns) + rng.logistic(size=n_rows)
    return X, (scores > np.quantile(scores, 0.999)).astype(int)


DATA = {
    **{f"{name}, raw": lambda name=name: load(name) for name in REAL},
    **{f"{name}, standardized": lambda name=name: standardized(name) for name in REAL},
    "1000 x 20": lambda: noisy(1000, 20),
    "2000 x 50": lambda: noisy(2000, 50),
    "10000 x 50": lambda: noisy(10_000, 50),
    "10000 x 50, badly scaled": lambda: on_bad_scales(10_000, 50),
    "50000 x 4, a rare class": lambda: with_a_rare_class(50_000, 4),
    "50000 x 20, a very rare class": lambda: with_a_very_rare_class(50_000, 20),
    "4000 x 1050": lambda: noisy(4000, 1050),
    "1000 x 20, 3 classes, badly scaled": lambda: on_bad_scales(1000, 20, 3),
    "2000 x 50, 20 classes": lambda: noisy(2000, 50, 20),
    "100 x 2000": lambda: noisy(100, 2000),
    "100 x 2000, 3 classes": lambda: noisy(100, 2000, 3),
    "sparse 2000 x 5000": text,
}


class Counts:
    """What a fit does with X: on a part of its rows or columns, a part of 1.

    `gradients` are those of a whole batch, `products` are of X or its transpose with one column. Threads may append to
    a list at the same time.
    """

    def __init__(self, X, monkeypatch):
        self._size = X.nnz + X.shape[0] if sp.issparse(X) else X.size  # as row blocks count
        self._gradients, self._products = [], []
        for count in (self._gradient, self._compute_scores, self._hessian_product):
            name = count.__name__[1:]
            for kind in (LinearObjective, StandardizedObjective):
                if name in vars(kind):
                    monkeypatch.setattr(kind, name, self._wrapped(count, vars(kind)[name]))

    @staticmethod
    def _wrapped(count, method):
        def counted(objective, *args):
            count(objective, *args)
            return method(objective, *args)

        return counted

    @property
    def gradients(self):
        return sum(self._gradients) / self._size

    @property
    def products(self):
        return sum(self._products) / self._size

    def _gradient(self, objective, params, batch=None):
        self._gradients.append(objective.rows.n_elements)
        asks_for_scores = isinstance(objective, StandardizedObjective)  # which are counted then
        self._multiply(objective, params, 1 if objective.scores_are_current or asks_for_scores else 2)

    def _compute_scores(self, objective, params):
        self._multiply(objective, params, 1)

    def _hessian_product(self, objective, direction, problems):
        if objective.twin is None:  # or its twin is asked next
            self._multiply(objective, direction, 2)

    def _multiply(self, objective, params, times):
        n_columns = params.shape[0] * params.shape[1]
        self._products.append(times * n_columns * objective.rows.n_elements)


# Gradients, and products for each column of scores.
#
# Small data are solved by exact Newton steps: a gradient for each, one product for the next scores. Large dense data
# start from a sample and end with a Newton step whose system takes a few products; where a class is rare, both the
# sample and the preconditioner hold the rows that matter. Rows fewer than columns: the
# gradients are in the space of the rows. Only sparse data and more parameters than a factorization is worth live on
# conjugate gradients, whose number depends on the columns' scale where the preconditioner is a diagonal.
FIT = {
    "iris, raw": (7, 17),
    "iris, standardized": (8, 20),
    "wine, raw": (7, 18),
    "wine, standardized": (7, 17),
    "breast_cancer, raw": (8, 18),
    "breast_cancer, standardized": (7, 17),
    "digits, raw": (23, 401),
    "digits, standardized": (28, 213),
    "1000 x 20": (4, 10),
    "2000 x 50": (4, 11),
    "10000 x 50": (7.6, 19.2),
    "10000 x 50, badly scaled": (6.6, 18.2),
    "50000 x 4, a rare class": (4.3, 8.9),
    "50000 x 20, a very rare class": (6.4, 18.9),
    "4000 x 1050": (23, 91),
    "1000 x 20, 3 classes, badly scaled": (4, 10),
    "2000 x 50, 20 classes": (11, 33),
    "100 x 2000": (1.45, 2.9),
    "100 x 2000, 3 classes": (1.45, 5.7),
    "sparse 2000 x 5000": (9, 91),
}


@pytest.mark.parametrize("name", FIT)
def test_a_fit(name, monkeypatch):
    X, y = DATA[name]()
    gradients, products = FIT[name]
    counts = Counts(X, monkeypatch)
    model = L2LogisticRegression().fit(X, y)
    assert 0 < counts.gradients <= HEADROOM * gradients
    assert 0 < counts.products / len(model.coef_) <= HEADROOM * products


# Gradients of the batch, and products for each column of scores of each of the 50 problems.
#
# The merged problems' optima are near, and most problems need two or three gradients from there; those with little
# penalty take longer. Raw columns, and softmax problems, take the path along lambda or exact Newton steps.
SEARCH = {
    "iris, raw": (21, 21.2),
    "breast_cancer, raw": (21, 25.5),
    "digits, standardized": (38, 41),
    "1000 x 20": (8, 13),
    "10000 x 50": (8.8, 15.1),
    "10000 x 50, badly scaled": (8.8, 14.4),
    "1000 x 20, 3 classes, badly scaled": (8, 13.4),
    "100 x 2000": (1.8, 0.8),
    "sparse 2000 x 5000": (60, 65),
}


@pytest.mark.filterwarnings("ignore:The best lambd")
@pytest.mark.parametrize("name", SEARCH)
def test_a_search(name, monkeypatch):
    X, y = DATA[name]()
    gradients, products = SEARCH[name]
    counts = Counts(X, monkeypatch)
    search = LambdaSearchCV(L2LogisticRegression(), LAMBDS, cv=N_FOLDS, scoring="neg_log_loss", refit=False)
    search.fit(X, y)
    n_classes = len(np.unique(y))
    n_columns = N_FOLDS * len(LAMBDS) * (n_classes if n_classes > 2 else 1)
    assert 0 < counts.gradients <= HEADROOM * gradients
    assert 0 < counts.products / n_columns <= HEADROOM * products


@pytest.mark.filterwarnings("ignore:The best lambd")
def test_exact_hessians_of_a_search(monkeypatch):
    """Those of merged problems: at 8 of 20 lambdas, for that is near enough for folds to start from."""
    X, y = DATA["breast_cancer, raw"]()
    make, made = StandardizedObjective.hessian, []

    def counted(objective, problem):
        made.append(problem)
        return make(objective, problem)

    monkeypatch.setattr(StandardizedObjective, "hessian", counted)
    lambds = np.logspace(-3, 3, 20)
    LambdaSearchCV(L2LogisticRegression(), lambds, cv=N_FOLDS, scoring="neg_log_loss", refit=False).fit(X, y)
    assert 0 < len(made) <= HEADROOM * 52


@pytest.mark.filterwarnings("ignore:The best lambd")
def test_systems_of_a_search_with_few_rows(monkeypatch):
    """Those of a fold have an equation for each row that it is trained on; merged problems, few, for all."""
    X, y = DATA["100 x 2000"]()
    solve, sizes = row_space._solve_spd, []

    def counted(system, right):
        sizes.append(len(system))
        return solve(system, right)

    monkeypatch.setattr(row_space, "_solve_spd", counted)
    lambds = np.logspace(-3, 3, 20)
    LambdaSearchCV(L2LogisticRegression(), lambds, cv=N_FOLDS, scoring="neg_log_loss", refit=False).fit(X, y)
    assert set(sizes) == {80, 100}
    assert sizes.count(100) <= HEADROOM * 39
    assert sizes.count(80) <= HEADROOM * 376


# -- bytes -----------------------------------------------------------------------------------------------------------


def bytes_of(X):
    return sum(part.nbytes for part in (X.data, X.indices, X.indptr)) if sp.issparse(X) else X.nbytes


def traced(function):
    """The most bytes that were allocated at a time, by one thread: with more, each has a block in hand."""
    with threadpool_limits(1, user_api="blas"):
        tracemalloc.start()
        try:
            function()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


# Beside X, and in units of it. Dense: half of it for the copy in single precision, and a dozen numbers for every row.
# Softmax: the same for every class. Rows fewer than columns: the blocks of columns of the product of rows. Sparse: a
# preconditioner and directions as long as the weights, and numbers for every row; X itself is small.
MEMORY = {
    "50000 x 100": (lambda: noisy(50_000, 100), 0.80),
    "50000 x 100, badly scaled": (lambda: on_bad_scales(50_000, 100), 0.80),
    "100000 x 20": (lambda: noisy(100_000, 20), 1.01),
    "30000 x 20, 10 classes": (lambda: noisy(30_000, 20, 10), 3.27),
    "100 x 5000": (lambda: noisy(100, 5000), 1.13),
    "sparse 5000 x 5000": (lambda: text(5000), 2.78),
}


@pytest.mark.parametrize("name", MEMORY)
def test_the_memory_of_a_fit(name):
    data, most = MEMORY[name]
    X, y = data()
    assert traced(lambda: L2LogisticRegression().fit(X, y)) <= HEADROOM * most * bytes_of(X)


def test_a_mapped_file_is_never_copied_where_working_memory_is_small(tmp_path):
    X, y = noisy(50_000, 100)
    np.save(tmp_path / "X.npy", X)
    mapped, model = np.load(tmp_path / "X.npy", mmap_mode="r"), L2LogisticRegression()
    with config_context(working_memory=8):
        assert traced(lambda: model.fit(mapped, y)) <= HEADROOM * 0.25 * X.nbytes
        np.testing.assert_array_equal(model.coef_, L2LogisticRegression().fit(X, y).coef_)


@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_iterations_keep_nothing(solver, monkeypatch):
    """But a number each, in the loss curve."""
    X, y = text()
    gradient, held = LinearObjective.gradient, {}

    def weighed(objective, *args):
        held.setdefault(id(objective), []).append(tracemalloc.get_traced_memory()[0])
        return gradient(objective, *args)

    monkeypatch.setattr(LinearObjective, "gradient", weighed)
    traced(lambda: early(L2LogisticRegression(solver=solver, max_iter=30), X, y))
    later = max(held.values(), key=len)[2:]  # the first gradient allocates scores, the first step what it works with
    assert len(later) > 4
    assert np.median(np.diff(later)) <= 8 * X.shape[1] / 4


REPEATED_SEARCHES = """
import resource
import numpy as np
from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 20))
y = (X[:, 0] + rng.logistic(size=1000) > 0).astype(int)
search = LambdaSearchCV(L2LogisticRegression(), np.logspace(-1, 5, 20), scoring="neg_log_loss")
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    search.fit(X, y)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc")
def test_pages_of_memory_are_taken_once():
    """Not at every pass, which took 2 900 a search, and a sixth of its time."""
    done = subprocess.run([sys.executable, "-c", REPEATED_SEARCHES], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) <= 500

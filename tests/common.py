"""Data, and the formulas of L2-regularized logistic regression once more in plain numpy, for several test files.

W is (1, n_features) for two classes and (n_classes, n_features) for more, b (1,) or (n_classes,), y holds class codes.
"""

import warnings
from functools import cache

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning

REAL = ["iris", "wine", "breast_cancer", "digits"]
LOGISTIC = ["--model", "logistic"]  # the faster half of `python -m sklearn_l2`


@cache
def load(name):
    """A real data set, its columns as they were measured."""
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def standardized(name):
    """The same with mean 0 and variance 1; constant columns are 0."""
    X, y = load(name)
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0), y


def noisy(n_rows, n_features, n_classes=2, *, seed=0):
    """Normal features, and class codes that depend on them too loosely to be separable; all classes are there."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features))
    scores = X @ rng.standard_normal((n_features, n_classes)) / np.sqrt(n_features) + rng.gumbel(
        size=(n_rows, n_classes)
    )
    y = scores.argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def badly_scaled(X):
    """The same columns on scales from 1e-3 to 1e3, shifted by up to ten times their scale."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.uniform(-3, 3, X.shape[1])
    return (X + rng.uniform(-10, 10, X.shape[1])) * scale


def early(model, X, y, sample_weight=None):
    """Fit a model that max_iter stops before it has converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, sample_weight=sample_weight)


def one_hot(y, n_score_rows):
    """Targets (n_rows, n_score_rows): y itself for two classes."""
    return (y[:, None] == (np.arange(n_score_rows) if n_score_rows > 1 else [1])).astype(np.longdouble)


def probabilities(scores):
    """Sigmoid of one score per row, softmax of several."""
    if scores.shape[1] == 1:
        return 1 / (1 + np.exp(-scores))
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def losses(scores, y):
    """-log of the probability of each row's class, from scores (n_rows, 1 or n_classes)."""
    if scores.shape[1] == 1:
        return np.logaddexp(0, np.where(y == 1, -1, 1) * scores[:, 0])
    top = scores.max(axis=1)
    return top + np.log(np.exp(scores - top[:, None]).sum(axis=1)) - scores[np.arange(len(y)), y]


def cost(W, b, X, y, lambd, s=None, *, penalize_intercept=False):
    """J = (1/m) sum s_i loss_i + lambda/(2m) ||W||^2, in long double."""
    X, W, b = (np.asarray(a, dtype=np.longdouble) for a in (X, W, b))
    s = np.ones(len(y)) if s is None else s
    squares = (W**2).sum() + penalize_intercept * (b**2).sum()
    return (s @ losses(X @ W.T + b, y) + lambd / 2 * squares) / s.sum()


def gradient(W, b, X, y, lambd, s=None):
    """dW and db of that J, in long double."""
    X, W, b = (np.asarray(a, dtype=np.longdouble) for a in (X, W, b))
    s = np.ones(len(y)) if s is None else s
    r = s[:, None] * (probabilities(X @ W.T + b) - one_hot(y, len(W))) / s.sum()
    return r.T @ X + lambd / s.sum() * W, r.sum(axis=0)


def certified_gap(model, X, y, lambd, s=None):
    """An upper bound on J - J* of a fitted model, by the test's own means.

    J minimized over b is strongly convex in W with modulus lambda/m, so it lies at most m/(2 lambda) ||dW||^2 above its
    minimum.
    """
    W, b = model.coef_.astype(np.longdouble), model.intercept_.astype(np.longdouble)
    y = np.searchsorted(model.classes_, y)
    X = X.astype(np.longdouble)
    s = np.ones(len(y)) if s is None else s
    at_model = cost(W, b, X, y, lambd, s)
    scores = X @ W.T
    for _ in range(10):
        p = probabilities(scores + b)
        share = (s / s.sum())[:, None]
        H = -(p * share).T @ p + np.diag((p * share).sum(axis=0))
        g = (share * (p - one_hot(y, len(W)))).sum(axis=0)
        b = b - np.linalg.lstsq(H.astype(float), g.astype(float), rcond=None)[0]
    dW, db = gradient(W, b, X, y, lambd, s)
    assert np.abs(db).max() < 1e-17
    return float(at_model - cost(W, b, X, y, lambd, s) + s.sum() / (2 * lambd) * (dW**2).sum())

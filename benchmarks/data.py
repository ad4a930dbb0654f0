"""Data sets of the benchmarks: bundled with scikit-learn or ISLP, or made from a fixed seed.

A process that is to fit a data set makes it itself, `make(name)`, from a name in `NAMES` or one of `ladder`. Labels
are 0, 1, ...
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_classification
from sklearn.preprocessing import StandardScaler

Data = tuple[Any, Any]

RAW: dict[str, Callable[..., Data]] = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "digits": load_digits,
}


def raw(name: str) -> Data:
    """A bundled data set as it is."""
    return RAW[name](return_X_y=True)


def standardized(name: str) -> Data:
    """A bundled data set with mean 0 and variance 1 per column."""
    X, y = raw(name)
    return StandardScaler().fit_transform(X), y


def credit_default() -> Data:
    """10 000 x 3, the Default table of the package ISLP, unscaled: student or not, balance and income in dollars."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ISLP import load_data
    table = load_data("Default")
    columns = [(table["student"] == "Yes").astype(float), table["balance"], table["income"]]
    return np.column_stack(columns), (table["default"] == "Yes").to_numpy().astype(int)


def dense(n_samples: int, n_features: int) -> Data:
    """Two overlapping classes, half of the columns informative, standardized."""
    X, y = make_classification(
        n_samples, n_features, n_informative=n_features // 2, n_redundant=n_features // 10, random_state=0
    )
    return StandardScaler().fit_transform(X), y


def badly_scaled(n_samples: int, n_features: int) -> Data:
    """The same with column scales from 1e-3 to 1e3 and shifts of five times as much."""
    X, y = dense(n_samples, n_features)
    rng = np.random.default_rng(0)
    scale = 10 ** rng.uniform(-3, 3, n_features)
    return (X + 5 * rng.standard_normal(n_features)) * scale, y


def gaussian(
    n_samples: int,
    n_features: int,
    *,
    n_classes: int = 2,
    condition: float = 1.0,
    correlation: float = 0.0,
    rare: float = 0.5,
) -> Data:
    """Normal columns and labels drawn from a logistic model.

    `condition` is that of the columns' covariance, whose axes are not those of the columns; `correlation` that of
    neighbouring columns; `rare` the share of class 1 among two.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    noise = rng.gumbel(size=(n_samples, n_classes))
    W = rng.standard_normal((n_features, n_classes)) * 2 / np.sqrt(n_features)
    scores = X @ W + noise
    if n_classes == 2:
        difference = scores[:, 1] - scores[:, 0]
        y = (difference > np.quantile(difference, 1 - rare)).astype(int)
    else:
        y = scores.argmax(axis=1)
    for j in range(1, n_features if correlation else 0):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    if condition > 1:
        axes, _ = np.linalg.qr(rng.standard_normal((n_features, n_features)))
        X = (X * np.logspace(0, -np.log10(condition) / 2, n_features)) @ axes
    return X, y


def wide(n_samples: int = 200, n_features: int = 10_000) -> Data:
    """Fewer rows than columns, as in gene expression."""
    X, y = make_classification(n_samples, n_features, n_informative=50, random_state=0)
    return StandardScaler().fit_transform(X), y


def sparse_text(n_samples: int = 10_000, n_features: int = 50_000, per_row: int = 90) -> Data:
    """CSR like TF-IDF of text: Zipf columns, rows of length 1, two classes."""
    rng = np.random.default_rng(0)
    columns = np.minimum(rng.zipf(1.25, size=(n_samples, 3 * per_row)) - 1, n_features * 2)
    rows = np.repeat(np.arange(n_samples), 3 * per_row)
    inside = columns.ravel() < n_features
    counts = sp.coo_matrix(
        (np.ones(inside.sum()), (rows[inside], columns.ravel()[inside])), shape=(n_samples, n_features)
    ).tocsr()
    X = _tf_idf(counts)
    scores = X @ rng.standard_normal(n_features)
    y = (scores + 0.3 * scores.std() * rng.standard_normal(n_samples) > 0).astype(int)
    return X, y


def sparse_topics(
    n_samples: int = 50_000, n_features: int = 18_000, n_classes: int = 20, per_row: int = 8, noise: float = 0.1
) -> Data:
    """CSR like TF-IDF of short texts: Zipf columns, rows of length 1, topics that share words, some wrong labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples)
    usual = 1 / (5 + np.arange(n_features))
    lengths = rng.poisson(per_row, n_samples) + 1
    texts = np.empty((n_samples, lengths.max()), dtype=np.int64)
    for topic in range(n_classes):
        frequency = usual * np.exp(1.5 * rng.standard_normal(n_features))
        texts[y == topic] = rng.choice(n_features, (np.sum(y == topic), lengths.max()), p=frequency / frequency.sum())
    inside = np.arange(lengths.max()) < lengths[:, None]
    counts = sp.coo_matrix(
        (np.ones(inside.sum()), (np.nonzero(inside)[0], texts[inside])), shape=(n_samples, n_features)
    ).tocsr()
    wrong = rng.random(n_samples) < noise
    y[wrong] = rng.integers(n_classes, size=wrong.sum())
    return _tf_idf(counts), y


def _tf_idf(counts: Any) -> Any:
    """CSR of word counts, weighted, with rows of length 1."""
    n_samples, n_features = counts.shape
    document_frequency = np.maximum(np.bincount(counts.indices, minlength=n_features), 1)
    counts.data = (1 + np.log(counts.data)) * np.log(n_samples / document_frequency)[counts.indices]
    lengths = np.sqrt(np.maximum(counts.multiply(counts).sum(axis=1).A1, 1e-12))
    return sp.csr_matrix(sp.diags(1 / lengths) @ counts)


def few_informative(n: int = 2000) -> Data:
    """n x n: 50 informative columns and 100 that repeat them."""
    return make_classification(n, n, n_informative=50, n_redundant=100, random_state=0)


def few_weights(n: int = 2000, correlation: float = 0.0) -> Data:
    """n x n: 100 columns with a weight; coordinate descent is at its best where neighbours are not correlated."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, n))
    for j in range(1, n if correlation else 0):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    w = np.zeros(n)
    w[rng.choice(n, 100, replace=False)] = rng.standard_normal(100)
    return X, (X @ w + 2 * rng.standard_normal(n) > 0).astype(int)


def images() -> Data:
    """10 000 x 784 standardized, of the shape of small images in 10 classes."""
    X, y = make_classification(
        10_000, 784, n_informative=50, n_redundant=0, n_classes=10, n_clusters_per_class=1, random_state=0
    )
    return StandardScaler().fit_transform(X), y


def embeddings(n_samples: int = 60_000, n_features: int = 512, n_classes: int = 100) -> Data:
    """float32 like what an image or text encoder gives: classes around means, a decaying spectrum, LayerNorm rows.

    Within a class the variance of the k-th direction falls as 1 / k, and the means of the classes lie mostly in the
    same strong directions. Directions are turned at random, so that every column carries a bit of each; all rows share
    an offset, large in a few columns, and are brought to mean 0 and variance 1. Rows are in random order.
    """
    rng = np.random.default_rng(0)
    spectrum = 1 / np.sqrt(np.arange(1, n_features + 1))
    means = 0.55 * spectrum**1.5 * rng.standard_normal((n_classes, n_features))
    y = rng.integers(n_classes, size=n_samples)
    X = rng.standard_normal((n_samples, n_features), dtype=np.float32) * spectrum.astype(np.float32)
    X += means.astype(np.float32)[y]
    rotation = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    X = X @ rotation.astype(np.float32)
    X += (0.1 * rng.standard_t(3, n_features)).astype(np.float32)
    X -= X.mean(axis=1, keepdims=True)
    X /= X.std(axis=1, keepdims=True)
    return X, y


NAMES: dict[str, Callable[[], Data]] = {
    **{f"{name}, raw": partial(raw, name) for name in RAW},
    **{f"{name}, scaled": partial(standardized, name) for name in RAW},
    "credit default, raw": credit_default,
    "1 000 x 5": partial(dense, 1_000, 5),
    "1 000 x 20": partial(dense, 1_000, 20),
    "10 000 x 50": partial(dense, 10_000, 50),
    "50 000 x 100": partial(dense, 50_000, 100),
    "20 000 x 500": partial(dense, 20_000, 500),
    "5 000 x 2 000": partial(gaussian, 5_000, 2_000),
    "1 000 000 x 20": partial(gaussian, 1_000_000, 20),
    "50 000 x 100, badly scaled": partial(badly_scaled, 50_000, 100),
    **{
        f"10 000 x 50, condition {condition:.0e}": partial(gaussian, 10_000, 50, condition=condition)
        for condition in (1e4, 1e8, 1e12)
    },
    "10 000 x 200, neighbours correlated": partial(gaussian, 10_000, 200, correlation=0.95),
    "100 000 x 20, one in 1 000": partial(gaussian, 100_000, 20, rare=0.001),
    "wide 200 x 10 000": wide,
    "sparse 10 000 x 50 000": sparse_text,
    "10 000 x 50, 5 classes": partial(gaussian, 10_000, 50, n_classes=5),
    "20 000 x 100, 20 classes": partial(gaussian, 20_000, 100, n_classes=20),
    "10 000 x 100, 100 classes": partial(gaussian, 10_000, 100, n_classes=100),
    "sparse 50 000 x 18 000, 20 classes": sparse_topics,
    "10 000 x 784, 10 classes": images,
    "2 000 x 2 000, few informative": few_informative,
    "2 000 x 2 000, independent": few_weights,
    "2 000 x 2 000, correlated": partial(few_weights, correlation=0.9),
}


def is_available(name: str) -> bool:
    """Whether the package is installed that the data come from."""
    return name != "credit default, raw" or importlib.util.find_spec("ISLP") is not None


def ladder(n_samples: int, n_features: int, n_classes: int = 2) -> str:
    """The name of a data set of any size."""
    return f"gaussian, {n_samples} x {n_features}, {n_classes} classes"


def make(name: str) -> Data:
    """X, dense (C order) or CSR, and y."""
    size = re.fullmatch(r"gaussian, (\d+) x (\d+), (\d+) classes", name)
    if size:
        n_samples, n_features, n_classes = map(int, size.groups())
        return gaussian(n_samples, n_features, n_classes=n_classes)
    return NAMES[name]()

"""Data sets of the benchmarks: bundled with scikit-learn, or made from a fixed seed."""

from __future__ import annotations

from collections.abc import Callable
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

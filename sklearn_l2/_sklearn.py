"""The one place that touches scikit-learn's private names."""

import numpy as np
from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "LinearClassifierMixin",
    "SparseCoefMixin",
    "_check_sample_weight",
    "_fit_context",
    "complete_mlp_classifier",
]


def complete_mlp_classifier(model: MLPClassifier) -> MLPClassifier:
    """Give a network whose public fitted attributes are set the private ones that predict and partial_fit look for."""
    multilabel = model.out_activation_ == "logistic" and model.n_outputs_ > 1
    labels = np.eye(model.n_outputs_, dtype=int) if multilabel else model.classes_
    model._label_binarizer = LabelBinarizer().fit(labels)
    model._no_improvement_count = 0
    model._best_coefs, model._best_intercepts = model.coefs_, model.intercepts_
    return model

"""scikit-learn-compatible classifiers with L2 regularization whose strength is tuned on a dev split."""

from .descent.loop import DivergenceError
from .logistic import L2LogisticRegression
from .mlp import L2MLPClassifier

__version__ = "0.1.0"

__all__ = ["DivergenceError", "L2LogisticRegression", "L2MLPClassifier"]

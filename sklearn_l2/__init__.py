"""scikit-learn-compatible classifiers with L2 regularization whose strength is tuned on a dev split."""

# First of all: deep in a chain of imports, CPython maps memory for its frames over and over.
import sklearn  # noqa: F401

from ._search.choice import one_standard_error
from ._search.lambda_path import lambda_path
from .descent.loop import DivergenceError
from .l1 import L1LogisticRegression
from .logistic import L2LogisticRegression
from .mlp import L2MLPClassifier
from .search import LambdaSearchCV

__version__ = "0.1.0"

__all__ = [
    "DivergenceError",
    "L1LogisticRegression",
    "L2LogisticRegression",
    "L2MLPClassifier",
    "LambdaSearchCV",
    "lambda_path",
    "one_standard_error",
]

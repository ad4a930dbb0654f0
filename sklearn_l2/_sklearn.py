"""The one place that touches scikit-learn's private names."""

from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin, SparseCoefMixin
from sklearn.utils.validation import _check_sample_weight

__all__ = ["LinearClassifierMixin", "SparseCoefMixin", "_check_sample_weight", "_fit_context"]

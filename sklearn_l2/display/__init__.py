"""Pictures, with scikit-learn's Display conventions. matplotlib is imported only when one is drawn."""

from .coefficient_path import CoefficientPathDisplay
from .decision_surface import DecisionSurfaceDisplay
from .lambda_curve import LambdaCurveDisplay
from .loss_curve import LossCurveDisplay
from .weight_decay import WeightDecayDisplay

__all__ = [
    "CoefficientPathDisplay",
    "DecisionSurfaceDisplay",
    "LambdaCurveDisplay",
    "LossCurveDisplay",
    "WeightDecayDisplay",
]

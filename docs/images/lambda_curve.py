"""Draw the picture at the top of the README: train and dev loss over lambd on the breast cancer data.

python docs/images/lambda_curve.py
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay

X, y = load_breast_cancer(return_X_y=True)
pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
lambds = np.outer(10.0 ** np.arange(-3, 4), [1, 3]).ravel()
search = LambdaSearchCV(pipeline, lambds, scoring="neg_log_loss", cv=10).fit(X, y)
figure = Figure(figsize=(8, 4.5), layout="constrained")
LambdaCurveDisplay.from_search(
    search, ax=figure.subplots(), name="Breast cancer, 569 rows: log loss in 10-fold cross-validation"
)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=100, facecolor="white")

"""The losses and their derivatives against high precision."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_l2.descent.losses import LogLoss, SoftmaxCrossEntropy

SCORES = [0.0, -0.0, 1e-300, -1e-17, 1e-9, -0.5, 0.5, 1.0, -3.0, 17.0, -36.7, 40.0, -300.0, 700.0]


def exact(v):
    """log(1 + e^v) and its first two derivatives, to 60 digits."""
    with mpmath.workdps(400):
        e = mpmath.exp(mpmath.mpf(v))
        return [float(x) for x in (mpmath.log(1 + e), e / (1 + e), e / (1 + e) ** 2)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_log_loss_and_its_derivatives_to_the_last_digits(sign):
    z = np.array(SCORES)[:, None, None]
    expected = np.array([exact(sign * score) for score in SCORES]).T[:, :, None, None]
    loss, slope, curvature = LogLoss.derivatives(z, np.full((1, 1, 1), sign))
    assert_allclose(loss, expected[0], rtol=1e-15)
    assert_allclose(slope, sign * expected[1], rtol=1e-15)
    assert_allclose(curvature, expected[2], rtol=1e-15)
    assert_allclose(LogLoss.value(z, np.full((1, 1, 1), sign)), expected[0][..., 0], rtol=1e-15)
    assert_allclose(LogLoss.slope(z, np.full((1, 1, 1), sign)), sign * expected[1], rtol=1e-15)


def test_softmax_cross_entropy_and_its_slope_to_the_last_digits():
    # The rounding of a difference of scores near 700 shows in its exponential times 700.
    z = np.array([[a, b, 0.3] for a in SCORES for b in (-2.0, 0.0, 50.0)])
    with mpmath.workdps(400):
        e = [[mpmath.exp(mpmath.mpf(float(x))) for x in row] for row in z]
    for code in range(3):
        codes = np.full(len(z), code)
        with mpmath.workdps(400):
            loss = [float(mpmath.log(sum(row) / row[code])) for row in e]
            slope = [[float(x / sum(row) - (k == code)) for k, x in enumerate(row)] for row in e]
        p = SoftmaxCrossEntropy.probabilities(z)
        assert_allclose(SoftmaxCrossEntropy.value(z, codes), loss, rtol=1e-13)
        assert_allclose(SoftmaxCrossEntropy.slope_from_probabilities(p, codes), slope, rtol=1e-13)

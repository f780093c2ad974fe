"""One measurement's contribution to the negative log-likelihood, with its derivatives and information."""

from __future__ import annotations

import math

from idfit.numerics.compilation import kernel

#: codes of the distributions of a measurement around its prediction, both on the transformed scale
DISTRIBUTIONS = ("normal", "laplace", "student-t")
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@kernel
def log_normal_cdf(z):
    """log Φ(z), without underflow in the left tail."""
    if z > -36.0:  # erfc underflows below -38; the series is exact to 1e-10 from here on
        return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))
    w = 1.0 / (z * z)
    return -0.5 * z * z - math.log(-z) - _HALF_LOG_2PI + math.log1p(-w * (1.0 - w * (3.0 - 15.0 * w)))


@kernel
def measurement_term(distribution, dof, censored, prediction, value, sigma):
    """Negative log-density (all constants kept) of a measurement, and what its derivatives need.

    prediction, value, sigma are on the transformed scale; sigma is the standard deviation of the normal,
    the scale of the Laplace and Student-t distribution. `censored`: 0 measured, -1 only known to be ≤
    value, 1 only known to be ≥.

    Returns (nllh, d/dm, d/dsigma, I_mm, I_ms, I_ss, residual): first derivatives, the Fisher information of
    (m, sigma) (for a censored value the observed, positive semidefinite curvature), and (m - value)/sigma,
    NaN where censored.
    """
    inverse = 1.0 / sigma
    r = (prediction - value) * inverse
    if censored != 0:
        z = r if censored > 0 else -r
        slope_m = inverse if censored > 0 else -inverse
        if distribution == 0:
            log_cdf = log_normal_cdf(z)
            ratio = math.exp(-0.5 * z * z - _HALF_LOG_2PI - log_cdf)
            curvature = max(ratio * (ratio + z), 0.0)
        else:
            log_cdf = z - math.log(2.0) if z < 0.0 else math.log1p(-0.5 * math.exp(-z))
            ratio = 1.0 if z < 0.0 else 0.5 * math.exp(-z - log_cdf)
            curvature = 0.0 if z < 0.0 else ratio * (ratio + 1.0)
        slope_s = -z * inverse
        return (
            -log_cdf,
            -ratio * slope_m,
            -ratio * slope_s,
            curvature * slope_m * slope_m,
            curvature * slope_m * slope_s,
            curvature * slope_s * slope_s,
            math.nan,
        )
    if distribution == 0:
        nllh = 0.5 * r * r + math.log(sigma) + _HALF_LOG_2PI
        return nllh, r * inverse, (1.0 - r * r) * inverse, inverse**2, 0.0, 2.0 * inverse**2, r
    if distribution == 1:
        nllh = abs(r) + math.log(2.0 * sigma)
        sign = 1.0 if r > 0.0 else (-1.0 if r < 0.0 else 0.0)
        return nllh, sign * inverse, (1.0 - abs(r)) * inverse, inverse**2, 0.0, inverse**2, r
    constant = math.lgamma(0.5 * dof) - math.lgamma(0.5 * (dof + 1.0)) + 0.5 * math.log(dof * math.pi)
    nllh = 0.5 * (dof + 1.0) * math.log1p(r * r / dof) + math.log(sigma) + constant
    pull = (dof + 1.0) * r / (dof + r * r)
    information = inverse**2 / (dof + 3.0)
    return (
        nllh,
        pull * inverse,
        (1.0 - pull * r) * inverse,
        (dof + 1.0) * information,
        0.0,
        2.0 * dof * information,
        r,
    )

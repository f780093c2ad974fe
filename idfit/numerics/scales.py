"""Estimation scales of parameters and transforms of observables: values and derivatives."""

from __future__ import annotations

import math

from idfit.numerics.compilation import kernel

#: codes of the estimation scales; theta = s(p)
SCALES = ("lin", "log", "log10", "logit")
#: codes of the transforms of observables; a power of ten and two beside the natural logarithm
TRANSFORMS = ("lin", "log", "log10", "log2")
_LOG10 = math.log(10.0)
_LOG2 = math.log(2.0)


@kernel
def natural(scale, theta):
    """p, dp/dtheta and d²p/dtheta² of a parameter on the estimation scale with the given code."""
    if scale == 1:
        p = math.exp(theta)
        return p, p, p
    if scale == 2:
        p = 10.0**theta
        return p, _LOG10 * p, _LOG10 * _LOG10 * p
    if scale == 3:
        p = 1.0 / (1.0 + math.exp(-theta))
        slope = p * (1.0 - p)
        return p, slope, slope * (1.0 - 2.0 * p)
    return theta, 1.0, 0.0


@kernel
def scaled(scale, p):
    """theta of a parameter value p on the natural scale (nan or ±inf outside its domain)."""
    if scale == 1:
        return math.log(p) if p > 0.0 else (-math.inf if p == 0.0 else math.nan)
    if scale == 2:
        return math.log10(p) if p > 0.0 else (-math.inf if p == 0.0 else math.nan)
    if scale == 3:
        if p <= 0.0 or p >= 1.0:
            return -math.inf if p == 0.0 else (math.inf if p == 1.0 else math.nan)
        return math.log(p / (1.0 - p))
    return p


@kernel
def transformed(transform, y):
    """T(y) and T'(y); the caller has seen to y > 0 where T is a logarithm."""
    if transform == 1:
        return math.log(y), 1.0 / y
    if transform == 2:
        return math.log10(y), 1.0 / (y * _LOG10)
    if transform == 3:
        return math.log(y) / _LOG2, 1.0 / (y * _LOG2)
    return y, 1.0

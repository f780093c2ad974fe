"""Negative log-densities of priors, with derivatives."""

from __future__ import annotations

import math

from idfit.numerics.compilation import kernel

#: codes of the prior densities, and their arguments
PRIORS = (
    "normal",  # mean, sd
    "log-normal",  # mean and sd of the logarithm
    "uniform",  # lower, upper
    "log-uniform",  # lower, upper
    "laplace",  # location, scale
    "log-laplace",  # location and scale of the logarithm
    "gamma",  # shape, scale
    "inverse-gamma",  # shape, scale
    "cauchy",  # location, scale
    "chi-square",  # degrees of freedom
    "exponential",  # scale
    "rayleigh",  # scale
)
_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


@kernel
def prior_term(kind, a, b, v):
    """-log density at v, and its first and second derivative; +inf outside the support."""
    on_half_line = kind == 1 or kind == 3 or (kind >= 5 and kind != 8)
    if on_half_line and (v < 0.0 or (v == 0.0 and kind != 10)):
        return math.inf, 0.0, 0.0
    if kind == 0:
        z = (v - a) / b
        return 0.5 * z * z + math.log(b) + _HALF_LOG_2PI, z / b, 1.0 / (b * b)
    if kind == 1:
        z = (math.log(v) - a) / b
        first = (z / b + 1.0) / v
        return 0.5 * z * z + math.log(b * v) + _HALF_LOG_2PI, first, (1.0 / (b * b) - z / b - 1.0) / (v * v)
    if kind == 2:
        return (math.log(b - a) if a <= v <= b else math.inf), 0.0, 0.0
    if kind == 3:
        inside = a <= v <= b
        return (math.log(v * math.log(b / a)) if inside else math.inf), 1.0 / v, -1.0 / (v * v)
    if kind == 4:
        sign = 1.0 if v > a else (-1.0 if v < a else 0.0)
        return abs(v - a) / b + math.log(2.0 * b), sign / b, 0.0
    if kind == 5:
        distance = math.log(v) - a
        sign = 1.0 if distance > 0.0 else (-1.0 if distance < 0.0 else 0.0)
        first = (sign / b + 1.0) / v
        return abs(distance) / b + math.log(2.0 * b * v), first, -first / v
    if kind == 7:
        value = (a + 1.0) * math.log(v) + b / v - a * math.log(b) + math.lgamma(a)
        return value, (a + 1.0) / v - b / (v * v), -(a + 1.0) / (v * v) + 2.0 * b / (v * v * v)
    if kind == 8:
        z = (v - a) / b
        q = 1.0 + z * z
        return math.log(math.pi * b * q), 2.0 * z / (b * q), 2.0 * (1.0 - z * z) / (b * b * q * q)
    if kind == 11:
        return (
            v * v / (2.0 * a * a) - math.log(v) + 2.0 * math.log(a),
            v / (a * a) - 1.0 / v,
            1.0 / (a * a) + 1.0 / (v * v),
        )
    if kind == 10:
        return v / a + math.log(a), 1.0 / a, 0.0
    # the chi-square density with nu degrees of freedom is the gamma density of shape nu/2 and scale 2
    shape = a if kind == 6 else 0.5 * a
    scale = b if kind == 6 else 2.0
    value = v / scale - (shape - 1.0) * math.log(v) + math.lgamma(shape) + shape * math.log(scale)
    return value, 1.0 / scale - (shape - 1.0) / v, (shape - 1.0) / (v * v)

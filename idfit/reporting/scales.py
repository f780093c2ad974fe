"""Estimation scales (lin, log, log10, logit): to label axes and turn intervals back."""

from __future__ import annotations

import math


def to_natural(theta: float, scale: str) -> float:
    """Value on the natural scale; logit is log(p / (1 - p)). Overflow becomes infinity."""
    try:
        if scale == "log10":
            return 10.0**theta
        if scale == "log":
            return math.exp(theta)
        if scale == "logit":
            return 1.0 / (1.0 + math.exp(-theta)) if theta > -700 else 0.0
    except OverflowError:
        return math.inf
    return theta


def to_scaled(value: float, scale: str) -> float:
    """Value on the estimation scale; -inf or inf where it lies on or beyond the domain's edge."""
    if math.isnan(value):
        return value
    if scale in ("log", "log10"):
        if value <= 0:
            return -math.inf
        return math.log10(value) if scale == "log10" else math.log(value)
    if scale == "logit":
        return -math.inf if value <= 0 else math.inf if value >= 1 else math.log(value / (1 - value))
    return value

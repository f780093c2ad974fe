"""Slices: the objective along one parameter with all others held. Never a confidence interval.

A slice shows how sharply the objective rises if nothing else may move. Its limits lie within the profile's,
and how far within says what the other parameters can make up for.
"""

from __future__ import annotations

import math

import numpy as np

from idfit.problem import Objective

_MOST_DOUBLINGS, _MOST_HALVINGS = 60, 60
_NEAR = 1e-6  # of the step


def slice_limit(
    objective: Objective,
    theta: np.ndarray,
    index: int,
    direction: int,
    limit: float,
    first: float,
    rise: float,
    at_domain: bool,
) -> float:
    """Where the slice through theta has risen by `rise`; infinite if it has not before `limit`.

    theta : (parameter,) estimation scale, as are `limit`, `first` (a length to begin with) and the result;
    at_domain : whether the limit is a natural one, which then is the end. A point that cannot be evaluated
    counts as beyond.
    """
    bottom = objective(theta, 0).objective

    def excess(value: float) -> float:
        moved = theta.copy()
        moved[index] = value
        risen = objective(moved, 0).objective - bottom
        return math.sqrt(max(risen, 0.0)) - math.sqrt(rise) if math.isfinite(risen) else math.inf

    inner, inner_excess, step = float(theta[index]), -math.sqrt(rise), first
    for _ in range(_MOST_DOUBLINGS):
        outer = inner + direction * step
        if outer * direction >= limit * direction:
            outer = limit
        outer_excess = excess(outer)
        if outer_excess >= 0.0:
            return _root(excess, inner, inner_excess, outer, outer_excess)
        if outer == limit:
            break
        inner, inner_excess, step = outer, outer_excess, 2.0 * step
    return limit if at_domain else direction * math.inf


def _root(excess, inner: float, inner_excess: float, outer: float, outer_excess: float) -> float:
    """Regula falsi in turn with halving; infinite values only halve."""
    whole = abs(outer - inner)
    for turn in range(_MOST_HALVINGS):
        if abs(outer - inner) <= _NEAR * whole:
            break
        middle = 0.5 * (inner + outer)
        if math.isfinite(outer_excess) and turn % 3 < 2:
            middle = inner - inner_excess * (outer - inner) / (outer_excess - inner_excess)
        value = excess(middle)
        if abs(value) < 1e-7:
            return middle
        if value > 0.0:
            outer, outer_excess = middle, value
        else:
            inner, inner_excess = middle, value
    return 0.5 * (inner + outer)

"""Where a profile crosses a threshold."""

from __future__ import annotations

import math

import numpy as np

from idfit.profiles.path import Side
from idfit.profiles.refit import PRECISE, Aim, Point, Target

# how near to the threshold a crossing ends, relative to it, and refits that may be spent on it
_NEAR, _MOST_REFITS = 1e-7, 25
_MET = 1e-3  # a crossing that misses the threshold by more, relative to it, has met a jump
_MOST_MISSES = 8  # refits that do not settle, one after the other
_CLOSE = 1e-3  # how far from a proposed value a function may end, as a share of the bracket


def crossings(side: Side, start: Point, threshold: float) -> list[int]:
    """Positions k such that the profile crosses the threshold between the points k and k + 1."""
    above = [point.objective - start.objective > threshold for point in side.points]
    return [k for k in range(len(above) - 1) if above[k] != above[k + 1]]


def cross(
    target: Target,
    start: Point,
    a: Point,
    b: Point,
    threshold: float,
    curvature: np.ndarray,
    stop: np.ndarray,
) -> tuple[Point, int]:
    """The point between `a` and `b`, on either side of the threshold, at which the profile crosses it.

    Newton's method on √(objective − best) − √threshold, nearly linear in the value, kept between the ends;
    where it leaves them, the secant, and at last halving. A refit that does not settle is tried elsewhere
    between the ends. Where a profile jumps across the threshold, the crossing is the point beyond the jump,
    so that the interval is rather too wide. Returns the point and the evaluations it took.
    """
    inner, outer = (a, b) if a.objective <= b.objective else (b, a)
    best, n_evaluations = min((inner, outer), key=lambda p: _gap(p, start, threshold)), 0
    missed: list[float] = []
    for attempt in range(_MOST_REFITS):
        if _gap(best, start, threshold) <= _NEAR * threshold or stop[0]:
            break
        if missed:
            value = _beside(missed, inner.value, outer.value)
        else:
            value = _proposed(best, inner, outer, start, threshold, halve=attempt > 4 and attempt % 2 == 1)
        if not min(inner.value, outer.value) < value < max(inner.value, outer.value):
            break
        share = (value - inner.value) / (outer.value - inner.value)
        theta = inner.theta + share * (outer.theta - inner.theta)
        slope = inner.slope + share * (outer.slope - inner.slope)
        aim = Aim(PRECISE, _CLOSE * abs(outer.value - inner.value), slope)
        point = target.refit(value, theta, curvature.copy(), stop, aim)
        n_evaluations += point.n_evaluations
        if not point.settled or not min(inner.value, outer.value) < point.value < max(
            inner.value, outer.value
        ):
            missed.append(value)
            if len(missed) > _MOST_MISSES:
                break
            continue
        missed.clear()
        if point.objective - start.objective > threshold:
            outer = point
        else:
            inner = point
        best = min((best, point), key=lambda p: _gap(p, start, threshold))
    if _gap(best, start, threshold) > _MET * threshold:
        best = outer
    return best, n_evaluations


def _beside(missed: list[float], inner: float, outer: float) -> float:
    """Where to try after refits that did not settle: ever nearer to the two ends, the outer one first."""
    end = outer if len(missed) % 2 else inner
    return end + (missed[0] - end) * 0.5 ** ((len(missed) + 1) // 2)


def _gap(point: Point, start: Point, threshold: float) -> float:
    return abs(point.objective - start.objective - threshold)


def _proposed(best: Point, inner: Point, outer: Point, start: Point, threshold: float, halve: bool) -> float:
    low, high = sorted((inner.value, outer.value))
    middle = 0.5 * (low + high)
    if halve:
        return middle
    root = math.sqrt(max(best.objective - start.objective, 0.0))
    wanted = math.sqrt(threshold)
    if best.slope != 0.0 and root > 0.0:
        # d√Δ/dvalue = slope/(2√Δ)
        newton = best.value + (wanted - root) * 2.0 * root / best.slope
        if low < newton < high:
            return newton
    left, right = (math.sqrt(max(p.objective - start.objective, 0.0)) for p in (inner, outer))
    if right > left:
        secant = inner.value + (wanted - left) / (right - left) * (outer.value - inner.value)
        if low < secant < high:
            return secant
    return middle

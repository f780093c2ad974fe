"""Other good fits along a side of a profile: branches that a path from the best fit never meets.

A path is local. A fit from another start that is nearly as good, yet has another value of what is profiled,
belongs to the confidence set too: a flip-flop of two rates, say. Such a fit is given its own path both ways,
and the side then has two pieces with a jump between; where the new branch is lower than the old one it takes
its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from idfit.profiles.path import Course, Elsewhere, End, Side, follow, spread
from idfit.profiles.refit import Aim, Point, Target

# a fit within the path is another branch if it lies lower by this: interpolation between points errs less
_CLEARLY_LOWER = 0.05


def visit(
    target: Target,
    side: Side,
    others: Sequence[tuple[np.ndarray, float]],
    course: Course,
    curvature: np.ndarray,
    elsewhere: Elsewhere,
    stop: np.ndarray,
) -> None:
    """Add to the side what other fits, (theta, objective) each, show on it. Changes the side in place."""
    start = side.points[0]
    for theta, objective in others:
        value = target.value_at(theta)
        if stop[0] or not math.isfinite(value) or (value - start.value) * course.direction <= 0.0:
            continue
        if objective > _known(side, value, course) - _CLEARLY_LOWER:
            continue
        point = target.refit(value, theta, curvature.copy(), stop, Aim(near=0.01 * course.first))
        side.n_evaluations += point.n_evaluations
        if not point.usable or point.objective > _known(side, point.value, course) - _CLEARLY_LOWER:
            continue
        if (point.value - side.points[-1].value) * course.direction > 0.0:
            _append(target, side, point, course, curvature, elsewhere, stop)
        else:
            _insert(target, side, point, course, curvature, elsewhere, stop)


def _known(side: Side, value: float, course: Course) -> float:
    """The objective of the side at a value; beyond its end its ceiling, or nothing new if it did not rise."""
    points = side.points
    if (value - points[-1].value) * course.direction > 0.0:
        return points[0].objective + course.ceiling if side.end is End.ROSE else -math.inf
    values = np.array([p.value for p in points]) * course.direction
    return float(np.interp(value * course.direction, values, [p.objective for p in points]))


def _append(
    target: Target,
    side: Side,
    point: Point,
    course: Course,
    curvature: np.ndarray,
    elsewhere: Elsewhere,
    stop: np.ndarray,
) -> None:
    """A piece beyond the end: inward until it meets the end or rises, then outward like any side."""
    lowest, end = side.points[0].objective, side.points[-1].value
    inward = Course(
        -course.direction, end, course.first, course.longest, course.aim, course.ceiling, course.max_points
    )
    inner = follow(target, point, inward, curvature.copy(), elsewhere, stop, lowest)
    outer = follow(target, point, course, curvature.copy(), elsewhere, stop, lowest)
    # the flag of a jump belongs to the outer one of two points
    inner_jumps = [*inner.jumps[1:], True]
    joined = len(side.points)
    side.points += [*inner.points[:0:-1], point, *outer.points[1:]]
    side.jumps += [*inner_jumps[::-1], *outer.jumps[1:]]
    side.end, side.reason = outer.end, outer.reason
    side.n_evaluations += inner.n_evaluations + outer.n_evaluations
    spread(target, side, joined, -1, curvature, stop)


def _insert(
    target: Target,
    side: Side,
    point: Point,
    course: Course,
    curvature: np.ndarray,
    elsewhere: Elsewhere,
    stop: np.ndarray,
) -> None:
    """A lower branch within the side: it takes the place of the old one both ways, as far as it is lower."""
    k = next(i for i, p in enumerate(side.points) if (p.value - point.value) * course.direction >= 0.0)
    side.points.insert(k, point)
    side.jumps.insert(k, True)
    side.jumps[k + 1] = True
    spread(target, side, k, -1, curvature, stop)
    last = spread(target, side, k, 1, curvature, stop)
    if last == len(side.points) - 1 and not stop[0]:
        lowest = side.points[0].objective
        rest = follow(target, side.points[-1], course, curvature.copy(), elsewhere, stop, lowest)
        side.points += rest.points[1:]
        side.jumps += rest.jumps[1:]
        side.end, side.reason = rest.end, rest.reason
        side.n_evaluations += rest.n_evaluations

"""Other good fits along a side of a profile: branches that a path from the best fit never meets.

A path is local. A fit from another start that is nearly as good, yet has another value of what is profiled,
belongs to the confidence set too: a flip-flop of two rates, say. Such a fit is given its own path both ways,
and the side then has two pieces with a jump between; where the new branch is lower than the old one it takes
its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    visitor = _Visitor(target, side, course, curvature, elsewhere, stop)
    for theta, objective in others:
        if not stop[0]:
            visitor.look_at(theta, objective)


@dataclass(frozen=True)
class _Visitor:
    """A side that is being completed, and what it takes to follow it."""

    target: Target
    side: Side
    course: Course
    curvature: np.ndarray
    elsewhere: Elsewhere
    stop: np.ndarray

    def look_at(self, theta: np.ndarray, objective: float) -> None:
        """Give the fit its own path if it lies on this side, clearly below what is known there."""
        value = self.target.value_at(theta)
        if not (math.isfinite(value) and self._beyond(value, self.side.points[0].value)):
            return
        if objective > self._known(value) - _CLEARLY_LOWER:
            return
        aim = Aim(near=0.01 * self.course.first)
        point = self.target.refit(value, theta, self.curvature.copy(), self.stop, aim)
        self.side.n_evaluations += point.n_evaluations
        if not point.settled or point.objective > self._known(point.value) - _CLEARLY_LOWER:
            return
        if self._beyond(point.value, self.side.points[-1].value):
            self._append(point)
        else:
            self._insert(point)

    def _beyond(self, value: float, other: float) -> bool:
        return (value - other) * self.course.direction > 0.0

    def _known(self, value: float) -> float:
        """The objective of the side at a value; beyond its end its ceiling, or nothing new if it did not
        rise."""
        points, direction = self.side.points, self.course.direction
        if self._beyond(value, points[-1].value):
            return points[0].objective + self.course.ceiling if self.side.end is End.ROSE else -math.inf
        values = np.array([p.value for p in points]) * direction
        return float(np.interp(value * direction, values, [p.objective for p in points]))

    def _follow(self, point: Point, course: Course) -> Side:
        lowest = self.side.points[0].objective
        found = follow(self.target, point, course, self.curvature.copy(), self.elsewhere, self.stop, lowest)
        self.side.n_evaluations += found.n_evaluations
        return found

    def _spread(self, k: int, way: int) -> int:
        return spread(self.target, self.side, k, way, self.curvature, self.stop)

    def _append(self, point: Point) -> None:
        """A piece beyond the end: inward until it meets the end or rises, then outward like any side."""
        side = self.side
        end = side.points[-1].value
        inner = self._follow(point, replace(self.course, direction=-self.course.direction, limit=end))
        outer = self._follow(point, self.course)
        joined = len(side.points)
        side.points += [*inner.points[:0:-1], point, *outer.points[1:]]
        # the flag of a jump belongs to the outer one of two points
        side.jumps += [True, *inner.jumps[:0:-1], *outer.jumps[1:]]
        side.end, side.reason = outer.end, outer.reason
        self._spread(joined, -1)

    def _insert(self, point: Point) -> None:
        """A lower branch within the side: it takes the place of the old one both ways, as far as it is
        lower."""
        side = self.side
        k = next(i for i, p in enumerate(side.points) if not self._beyond(point.value, p.value))
        side.points.insert(k, point)
        side.jumps.insert(k, True)
        side.jumps[k + 1] = True
        self._spread(k, -1)
        if self._spread(k, 1) == len(side.points) - 1 and not self.stop[0]:
            rest = self._follow(side.points[-1], self.course)
            side.points += rest.points[1:]
            side.jumps += rest.jumps[1:]
            side.end, side.reason = rest.end, rest.reason

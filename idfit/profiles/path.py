"""One side of a profile, followed outward from the best fit with steps of its own choice.

Each point is a refit that starts where the path so far points to. The next step is as long as the objective
may rise by the aimed amount, by its exact slope and the change of the slope. A step is shortened after which
the predictions have moved too far, a rising objective has fallen, or which failed; where that does not help,
the refit is tried from elsewhere, and the place is marked as a jump. From a jump to a lower branch the
profile is followed back, as that branch is lower on the near side too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from idfit.profiles.refit import Aim, Point, Target
from idfit.results import Status

_GROW, _SHRINK, _SHORTEN = 5.0, 1 / 3, 0.25
_SHORTEST = 1e-3  # of the first step
_HELD = 1e-3  # a function that moves by no more than this share of a step is held by bounds
_NEAR = 0.1  # how far from its end a step of a function may end, as a share of the step
#: predictions that move by more than this many standard deviations (all together) in one step have jumped
FAR = 2.0
# a rising profile falls by more than this share of the aim within a step only where a branch ends
_FALL = 0.1
# refits after which a branch counts as lower, in units of the log-likelihood
_LOWER = 1e-4
#: a bound presses on a parameter if the objective would gain more than this without it, in units of the
#: log-likelihood: far less than what data can tell, more than what a refit leaves
PRESSES = 1e-4


class End(IntEnum):
    """Why a side ended."""

    ROSE = 1  # above the ceiling
    LIMIT = 2  # at the end of what is searched
    BUDGET = 3
    FAILED = 4


@dataclass(frozen=True)
class Course:
    """How a side is followed.

    direction : +1 or -1; limit : the last value searched; first, longest : steps, on the scale of the
    profile; aim : rise of the objective per step; ceiling : rise at which the side ends.
    """

    direction: int
    limit: float
    first: float
    longest: float
    aim: float
    ceiling: float
    max_points: int


@dataclass
class Side:
    """A side as it was followed: its points from the best fit outward (the best fit is the first)."""

    points: list[Point]
    jumps: list[bool] = field(default_factory=lambda: [False])
    end: End = End.FAILED
    reason: Status = Status.OK
    n_evaluations: int = 0


#: other parameters from which a refit at a value may be tried
Elsewhere = Callable[[float, np.ndarray], Iterable[np.ndarray]]


def follow(
    target: Target,
    start: Point,
    course: Course,
    curvature: np.ndarray,
    elsewhere: Elsewhere,
    stop: np.ndarray,
    lowest: float | None = None,
) -> Side:
    """Follow one side of the profile from a point on; rises are counted from `lowest`, the point's own
    objective if None."""
    side, step = Side([start]), min(course.first, course.longest)
    lowest = start.objective if lowest is None else lowest
    while True:
        here = side.points[-1]
        if here.objective - lowest > course.ceiling:
            side.end = End.ROSE
            break
        if here.value * course.direction >= course.limit * course.direction:
            side.end = End.LIMIT
            break
        if len(side.points) > course.max_points:
            side.end = End.BUDGET
            break
        point, jumped, asked = _advance(target, side, step, course, curvature, elsewhere, stop)
        if not point.settled or stop[0]:
            side.reason = Status.INTERRUPTED if stop[0] else point.status
            break
        if abs(point.value - here.value) <= _HELD * abs(asked - here.value) and not jumped:
            side.end = End.LIMIT  # a function that the bounds of its parameters hold
            break
        side.points.append(point)
        side.jumps.append(jumped)
        step = _next_step(here, point, course)
    for jump in [k for k, jumped in enumerate(side.jumps) if jumped]:
        if not stop[0]:
            spread(target, side, jump, -1, curvature, stop)
    return side


def _advance(
    target: Target,
    side: Side,
    step: float,
    course: Course,
    curvature: np.ndarray,
    elsewhere: Elsewhere,
    stop: np.ndarray,
) -> tuple[Point, bool, float]:
    """The next point, whether the path jumps to it, and the value that was asked for."""
    here = side.points[-1]
    shortest = _SHORTEST * course.first
    while True:
        value = here.value + course.direction * step
        if value * course.direction >= course.limit * course.direction:
            value = course.limit
        known = curvature.copy()
        aim = Aim(near=_NEAR * abs(value - here.value), slope=_expected_slope(side.points, value))
        point = target.refit(value, predicted(target, side.points, value), known, stop, aim)
        side.n_evaluations += point.n_evaluations
        far = (
            not point.settled
            or np.linalg.norm(point.residual - here.residual) > FAR
            or _falls(here, point, course)
        )
        # a path that presses another parameter against its bound at once could not show what it does without
        touches = len(side.points) == 1 and step > shortest and newly_held(point, here)
        if not far and not touches:
            curvature[:] = known
            return point, False, value
        if step <= shortest or stop[0]:
            break
        step = max(_SHORTEN * abs(value - here.value), shortest)
    best, space = point, target.space
    for theta in elsewhere(value, here.theta):
        theta = np.clip(theta, space.lower_scaled, space.upper_scaled)
        other = target.refit(value, theta, curvature.copy(), stop, aim)
        side.n_evaluations += other.n_evaluations
        if other.settled and not (best.settled and best.objective <= other.objective):
            best = other
    return best, True, value


def _falls(here: Point, point: Point, course: Course) -> bool:
    """Whether the objective has fallen although the profile was rising: the refit has met another branch."""
    rising = here.slope * course.direction > 0.0
    return rising and point.objective < here.objective - _FALL * course.aim


def newly_held(point: Point, before: Point) -> bool:
    """Whether the objective would gain without a search bound that cost nothing before."""
    return bool(np.any((point.relief > PRESSES) & (before.relief <= PRESSES)))


def predicted(target: Target, points: list[Point], value: float) -> np.ndarray:
    """Where a refit at `value` is to start: the better one of the path's extrapolation and its tangent."""
    here = points[-1]
    guesses = [target.moved(here, value)]
    if len(points) > 2:
        guesses.append(_extrapolated(points[-3:], value))
    space = target.space
    guesses = [np.clip(g, space.lower_scaled, space.upper_scaled) for g in guesses]
    if len(guesses) == 1:
        return guesses[0]
    return min(guesses, key=lambda theta: target.merit(theta, value))


def _extrapolated(points: list[Point], value: float) -> np.ndarray:
    """The parabola through the last three points (Lagrange)."""
    a, b, c = (p.value for p in points)
    weights = (
        (value - b) * (value - c) / ((a - b) * (a - c)),
        (value - a) * (value - c) / ((b - a) * (b - c)),
        (value - a) * (value - b) / ((c - a) * (c - b)),
    )
    return sum(w * p.theta for w, p in zip(weights, points, strict=True))  # type: ignore[return-value]


def _expected_slope(points: list[Point], value: float) -> float:
    """The slope of the profile at `value`, from those of the last two points."""
    here = points[-1]
    if len(points) < 2:
        return here.slope
    before = points[-2]
    return here.slope + (here.slope - before.slope) / (here.value - before.value) * (value - here.value)


def _next_step(here: Point, point: Point, course: Course) -> float:
    """The step after which the objective will have risen by the aim: slope·d + ½ bend·d² = aim."""
    done = abs(point.value - here.value)
    slope = abs(point.slope)
    bend = course.direction * (point.slope - here.slope) / done
    under_root = max(slope * slope + 2.0 * bend * course.aim, 0.0)
    denominator = slope + math.sqrt(under_root)
    wanted = 2.0 * course.aim / denominator if denominator > 0.0 else math.inf
    return min(max(wanted, _SHRINK * done), _GROW * done, course.longest)


def spread(target: Target, side: Side, k: int, way: int, curvature: np.ndarray, stop: np.ndarray) -> int:
    """Replace the points next to point k, inward (way -1) or outward (+1), by those of its branch as long as
    these are lower; the jump moves along. Returns the last point of the branch."""
    while 0 < k + way < len(side.points):
        old, here = side.points[k + way], side.points[k]
        aim = Aim(near=_NEAR * abs(old.value - here.value), slope=old.slope)
        new = target.refit(old.value, here.theta, curvature.copy(), stop, aim)
        side.n_evaluations += new.n_evaluations
        if stop[0] or not (new.settled and new.objective < old.objective - _LOWER):
            break
        side.points[k + way] = new
        # the flag of a jump belongs to the outer one of two points
        side.jumps[max(k, k + way)] = False
        beyond = k + way if way < 0 else k + 2
        if beyond < len(side.points):
            side.jumps[beyond] = True
        k += way
    return k

"""One side of a profile as a task: followed, its crossings found, and returned as plain arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from idfit.profiles.branches import visit
from idfit.profiles.crossing import cross, crossings
from idfit.profiles.path import Course, Elsewhere, Side, follow
from idfit.profiles.refit import Point, Target
from idfit.results import Status

# rescue: random starts around the path, with this standard deviation in units of each parameter
_RANDOM_STARTS, _SPREAD = 4, 0.5


@dataclass(frozen=True)
class Profiled:
    """One quantity to profile and how its two sides are searched.

    start : the best fit; own : position of the parameter, -1 for a function; error : standard error, NaN
    where there is none; limits : (side,) ends of the search; at_domain : (side,) whether an end is a natural
    limit; first, longest : steps. All on the scale of the profile.
    """

    name: str
    kind: str
    unit: str
    scale: str
    target: Target
    start: Point
    own: int
    error: float
    limits: tuple[float, float]
    at_domain: tuple[bool, bool]
    first: float
    longest: float
    #: what is known of the Hessian at the best fit beyond the Fisher matrix
    curvature: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Ask:
    """What is asked of a side: thresholds, rise per step and at the end, how many points it may have, and
    other good fits (theta, objective) that may lie on it."""

    thresholds: np.ndarray
    aim: float
    ceiling: float
    max_points: int
    others: tuple[tuple[np.ndarray, float], ...] = ()


def elsewhere_of(optima: np.ndarray, unit: np.ndarray, rng: np.random.Generator) -> Elsewhere:
    """Other starts of a refit: the further optima of the fit, then points spread around the path.

    optima : (optimum, parameter); unit : (parameter,) what counts as one unit of each.
    """

    def points(value: float, here: np.ndarray) -> Iterable[np.ndarray]:
        yield from optima
        for _ in range(_RANDOM_STARTS):
            yield here + _SPREAD * unit * rng.standard_normal(len(here))

    return points


def followed(profiled: Profiled, direction: int, ask: Ask, elsewhere: Elsewhere, stop: np.ndarray) -> dict:
    """Follow one side by refits and find its crossings of each threshold. Points come from the best fit
    outward."""
    limit = profiled.limits[(direction + 1) // 2]
    course = Course(direction, limit, profiled.first, profiled.longest, ask.aim, ask.ceiling, ask.max_points)
    curvature = profiled.curvature.copy()
    side = follow(profiled.target, profiled.start, course, curvature, elsewhere, stop)
    visit(profiled.target, side, ask.others, course, curvature, elsewhere, stop)
    levels, found = [], []
    for level, threshold in enumerate(ask.thresholds):
        for k in crossings(side, profiled.start, threshold):
            ends = side.points[k], side.points[k + 1]
            point, n = cross(profiled.target, profiled.start, *ends, threshold, curvature, stop)
            side.n_evaluations += n
            levels.append(level)
            found.append(point)
    return as_result(side, found, levels, direction)


def as_result(side: Side, found: list[Point], levels: list[int], direction: int) -> dict:
    """A side as plain arrays; found, levels : its crossings, points of the profile like any other, and which
    threshold each belongs to."""
    _insert(side, found, direction)
    order = np.argsort([direction * p.value for p in found], kind="stable")
    found, levels = [found[i] for i in order], [levels[i] for i in order]
    return _arrays(side) | {
        "crossing_value": np.array([p.value for p in found], dtype=float),
        "crossing_level": np.array(levels, dtype=np.int64),
        "end": int(side.end),
        "reason": int(side.reason),
        "n_evaluations": side.n_evaluations,
        "status": int(Status.INTERRUPTED if side.reason is Status.INTERRUPTED else Status.OK),
    }


def _insert(side: Side, found: list[Point], direction: int) -> None:
    for point in found:
        k = next((k for k, p in enumerate(side.points) if direction * (p.value - point.value) >= 0), None)
        if k is not None and side.points[k].value != point.value:
            side.points.insert(k, point)
            side.jumps.insert(k, False)


def _arrays(side: Side) -> dict[str, np.ndarray]:
    points = side.points
    return {
        "value": np.array([p.value for p in points]),
        "theta": np.array([p.theta for p in points]),
        "objective": np.array([p.objective for p in points]),
        "nllh": np.array([p.nllh for p in points]),
        "nlprior": np.array([p.nlprior for p in points]),
        "point_status": np.array([int(p.status) for p in points], dtype=np.int8),
        "jump": np.array(side.jumps, dtype=bool),
        "relief": np.array([p.relief for p in points]),
    }

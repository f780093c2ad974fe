"""Limits of functions, predictions and new measurements without the path between.

A minimum with a pull towards a value lies on the profile exactly (`quantities`), and the profile's slope
there is known. A limit is therefore found by Newton's method on √(PL − best), nearly linear in the value, of
which each step is one pulled fit that begins at the end of the last one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.optimize.local import trust_region
from idfit.problem.quantities import Extended
from idfit.profiles.quantities import FunctionTarget
from idfit.profiles.refit import PRECISE, Aim, Point, solve_positive

#: how near a rise is to the threshold, as a share of it, where the last step is taken without a refit
NEAR = 1e-3
_MOST_REFITS, _MOST_PULLS = 12, 25
# a step goes at most so many times as far as the way so far
_LONGEST = 2.0


@dataclass(frozen=True)
class Limit:
    """A limit and the point of the profile next to it.

    value : the limit on the scale of the profile, by one step of Newton's method from the point; infinite
    where the threshold is out of reach, NaN where it could not be found. theta : (parameter,), objective,
    relief : (parameter,) what the objective would gain without a search bound, all of the point.
    """

    value: float
    theta: np.ndarray
    objective: float
    relief: np.ndarray
    n_evaluations: int


def function_limit(
    target: FunctionTarget,
    start: Point,
    direction: int,
    rise: float,
    error: float,
    curvature: np.ndarray,
    stop: np.ndarray,
    near: np.ndarray | None = None,
) -> Limit:
    """Where the profile of a function has risen by `rise` over the point `start`, its minimum.

    error : standard error of the function, by which the first step is chosen; near : (parameter,) a point
    near the limit, as that of a prediction at a neighbouring time, to begin at instead. The value is NaN
    where no limit was found in this way: the path then has to tell whether there is one.
    """
    point, n = start, 0
    value = start.value + direction * math.sqrt(2.0 * rise) * error
    if near is not None and direction * ((guess := target.value_at(near)) - start.value) > 0.0:
        value, theta = guess, near
    elif math.isfinite(error) and error > 0.0:
        theta = _within(target, target.moved(start, value))
    else:
        return _lost(start.theta, 0)
    for _ in range(_MOST_REFITS):
        slope = point.slope if point is not start else direction * 2.0 * rise / abs(value - start.value)
        # one pull ends on the profile, at a value of its own
        aim = Aim(PRECISE, math.inf, slope)
        point = target.refit(value, theta, curvature.copy(), stop, aim)
        n += point.n_evaluations
        way, risen = direction * (point.value - start.value), point.objective - start.objective
        if stop[0] or not point.settled or way <= 0.0 or risen <= 0.0 or point.slope * direction <= 0.0:
            return _lost(start.theta, n)
        step = (math.sqrt(rise) - math.sqrt(risen)) * 2.0 * math.sqrt(risen) / abs(point.slope)
        if abs(risen - rise) <= NEAR * rise:
            return Limit(point.value + direction * step, point.theta, point.objective, point.relief, n)
        value = point.value + direction * min(max(step, -0.5 * way), _LONGEST * way)
        theta = _within(target, target.moved(point, value))
    return _lost(point.theta, n)


def measurement_limits(
    extended: Extended, start: Point, rise: float, error: float, curvature: np.ndarray, stop: np.ndarray
) -> tuple[Limit, Limit]:
    """Limits of a new measurement z, whose noise is that of the row: the lower and the upper one, where

        VL(z) = min { objective(theta) − ln p(z | theta) }

    has risen by `rise` over its least value. A noise level that is estimated is refitted with the others.
    start : best fit; error : standard error of the prediction, NaN where it has none. Normal noise.
    """
    theta, z, lowest, n = start.theta, start.value, math.inf, 0
    for _ in range(_MOST_PULLS):
        found = trust_region(extended.aimed(z), theta, PRECISE, stop, curvature=curvature.copy())
        n += found.n_evaluations
        if not found.status.usable or lowest - found.objective < 1e-9:
            break
        theta, z, lowest = found.theta, extended.value(found.theta), found.objective
    if not math.isfinite(lowest) or stop[0]:
        return _lost(theta, n), _lost(theta, n)
    sd = float(extended.aimed(z)(theta, 0).sigma[extended.row])
    spread = math.hypot(error if math.isfinite(error) else 0.0, sd)
    sides = [
        _measurement_limit(extended, theta, z, d, lowest, rise, spread, curvature, stop) for d in (-1, 1)
    ]
    return sides[0], sides[1]


def _measurement_limit(
    extended: Extended,
    theta: np.ndarray,
    best: float,
    direction: int,
    lowest: float,
    rise: float,
    spread: float,
    curvature: np.ndarray,
    stop: np.ndarray,
) -> Limit:
    way, n = math.sqrt(2.0 * rise) * spread, 0
    for _ in range(_MOST_PULLS):
        objective = extended.aimed(best + direction * way)
        found = trust_region(objective, theta, PRECISE, stop, curvature=curvature.copy())
        n += found.n_evaluations
        if stop[0] or not found.status.usable or found.residual is None:
            break
        theta = found.theta
        sigma = float(objective(theta, 0).sigma[extended.row])
        slope = -direction * float(found.residual[extended.row]) / sigma
        risen = found.objective - lowest
        if risen <= 0.0 or slope <= 0.0:
            break
        step = (math.sqrt(rise) - math.sqrt(risen)) * 2.0 * math.sqrt(risen) / slope
        if abs(risen - rise) <= NEAR * rise:
            return Limit(best + direction * (way + step), theta, found.objective, np.zeros(len(theta)), n)
        way += min(max(step, -0.5 * way), _LONGEST * way)
    return _lost(theta, n)


def _lost(theta: np.ndarray, n_evaluations: int) -> Limit:
    return Limit(math.nan, theta, math.inf, np.zeros(len(theta)), n_evaluations)


def first_order_error(fim: np.ndarray, slope: np.ndarray) -> float:
    """√(∇gᵀ F⁻¹ ∇g) without the directions in which F is not positive: a length to begin with, no claim."""
    return math.sqrt(max(float(slope @ solve_positive(fim, slope)), 0.0))


def _within(target: FunctionTarget, theta: np.ndarray) -> np.ndarray:
    return np.clip(theta, target.space.lower_scaled, target.space.upper_scaled)

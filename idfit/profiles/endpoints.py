"""Confidence limits without the path between: both conditions of a limit solved together.

At the limit of parameter i the gradient of all others vanishes and the objective has risen by the threshold.
Venzon & Moolgavkar (1988, doi:10.2307/2347496) solve both by Newton's method. With the others n and the
Hessian B, the profile near any point theta is, to second order in d = change of theta_i,

    s_n(d) = −B_nn⁻¹ (g_n + B_ni d)
    PL(theta_i + d) ≈ f − ½ g_nᵀ B_nn⁻¹ g_n + (g_i − B_in B_nn⁻¹ g_n) d + ½ (B_ii − B_in B_nn⁻¹ B_ni) d²

so that one evaluation gives the profile's value and slope there, and the next d follows from √(PL − best),
which is nearly linear. Where the model misleads, the step is taken back half way. A limit counts once a refit
of all others has confirmed it; a side that cannot be confirmed is left to the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from idfit.problem import Evaluation
from idfit.profiles.path import Elsewhere, End, Side, newly_held
from idfit.profiles.refit import PRECISE, Aim, ParameterTarget, Point, solve_positive
from idfit.profiles.side_task import Ask, Profiled, as_result, followed
from idfit.results import Status

_MOST_EVALUATIONS, _MOST_REFITS = 80, 6
# near enough for a refit: the profile's distance from the threshold and what the others may gain, both
# relative to the threshold; and near enough for a limit
_ROUGH, _NEAR = 1e-3, 1e-7
# a point that has risen by more than so many thresholds is too far out to be trusted
_TOO_FAR = 4.0
# a step goes at most so many times as far as the way so far
_LONGEST = 2.0
# another good fit is one whose value differs by this share of the first step
_APART = 0.1


@dataclass(frozen=True)
class _Profile:
    """The profile near theta to second order: value, slope and bend in theta_i, and the others' step."""

    value: float
    slope: float
    bend: float
    offset: np.ndarray
    tangent: np.ndarray

    def step(self, d: float, i: int) -> np.ndarray:
        s = self.offset + d * self.tangent
        s[i] = d
        return s


def endpoints(profiled: Profiled, direction: int, ask: Ask, elsewhere: Elsewhere, stop: np.ndarray) -> dict:
    """The side as its best fit and one point for each threshold; the search bound where the largest is not
    reached. Where a limit could not be found or confirmed, another parameter has come to its bound on the
    way, or another good fit lies on the side, it is followed along its path."""
    if _others_on(profiled, direction, ask):
        return followed(profiled, direction, ask, elsewhere, stop)
    side, levels, lowest = Side([profiled.start], end=End.ROSE), [], profiled.start.objective
    for level, threshold in enumerate(ask.thresholds):
        point, n = _find(profiled, direction, float(threshold), stop)
        side.n_evaluations += n
        if stop[0]:
            side.reason = Status.INTERRUPTED
            break
        if point is None or newly_held(point, profiled.start):
            result = followed(profiled, direction, ask, elsewhere, stop)
            return result | {"n_evaluations": result["n_evaluations"] + side.n_evaluations}
        if side.points[-1].value != point.value:
            side.points.append(point)
            side.jumps.append(False)
        if point.objective - lowest < threshold * (1.0 - 1e-4):
            side.end = End.LIMIT
            break
        levels.append(level)
    return as_result(side, side.points[1 : len(levels) + 1], levels, direction)


def _others_on(profiled: Profiled, direction: int, ask: Ask) -> bool:
    """Whether another good fit lies on this side: only the path tells which branch is the lower one."""
    found = [profiled.target.value_at(theta) for theta, _ in ask.others]
    return any((v - profiled.start.value) * direction > _APART * profiled.first for v in found)


def _find(profiled: Profiled, direction: int, rise: float, stop: np.ndarray) -> tuple[Point | None, int]:
    """The limit, or the point at the search bound if the profile stays below; and the evaluations spent."""
    target = profiled.target
    assert isinstance(target, ParameterTarget)
    i, lowest, limit = target.index, profiled.start.objective, profiled.limits[(direction + 1) // 2]
    theta = good = profiled.start.theta
    for n in range(1, _MOST_EVALUATIONS + 1):
        ev = target.objective(theta, 1, stop)
        if stop[0]:
            return None, n
        if ev.gradient is None or ev.objective - lowest > _TOO_FAR * rise:
            if np.array_equal(theta, good):
                return None, n
            theta = 0.5 * (theta + good)
            continue
        good, here = theta, _around(ev, theta, profiled.curvature, i, target)
        risen = here.value - lowest
        at_limit = theta[i] * direction >= limit * direction
        settled = ev.objective - here.value <= _ROUGH * rise
        if settled and (abs(risen - rise) <= _ROUGH * rise or (at_limit and risen < rise)):
            point, more = _confirmed(target, theta, lowest, rise, profiled, limit if at_limit else None, stop)
            return point, n + more
        d = _wanted(here, risen, rise, direction)
        reach = max(abs(theta[i] - profiled.start.value), profiled.first)
        d = math.copysign(min(abs(d), _LONGEST * reach), d)
        if (theta[i] + d) * direction > limit * direction:
            d = limit - theta[i]
        theta = np.clip(theta + here.step(d, i), target.space.lower_scaled, target.space.upper_scaled)
    return None, _MOST_EVALUATIONS


def _around(
    ev: Evaluation, theta: np.ndarray, curvature: np.ndarray, i: int, target: ParameterTarget
) -> _Profile:
    """The profile to second order. Others that a bound blocks stay."""
    assert ev.gradient is not None
    assert ev.fim is not None
    assert ev.prior_fim is not None
    g, b, space = ev.gradient, ev.fim + ev.prior_fim + curvature, target.space
    blocked = ((theta <= space.lower_scaled) & (g >= 0)) | ((theta >= space.upper_scaled) & (g <= 0))
    blocked[i] = True
    n = np.flatnonzero(~blocked)
    inner = b[np.ix_(n, n)]
    offset, tangent = np.zeros(len(theta)), np.zeros(len(theta))
    offset[n], tangent[n] = -solve_positive(inner, g[n]), -solve_positive(inner, b[n, i])
    return _Profile(
        ev.objective + 0.5 * float(g[n] @ offset[n]),
        float(g[i] + b[i, n] @ offset[n]),
        float(b[i, i] + b[i, n] @ tangent[n]),
        offset,
        tangent,
    )


def _wanted(here: _Profile, risen: float, rise: float, direction: int) -> float:
    """The change of theta_i after which √(PL − best) is √rise, in a straight line from here; from the best
    fit itself by the bend."""
    if risen > 1e-2 * rise and here.slope * direction > 0.0:
        root = math.sqrt(risen)
        return (math.sqrt(rise) - root) * 2.0 * root / here.slope
    if here.bend > 0.0:
        return direction * math.sqrt(2.0 * rise / here.bend)
    return direction * math.inf


def _confirmed(
    target: ParameterTarget,
    theta: np.ndarray,
    lowest: float,
    rise: float,
    profiled: Profiled,
    bound: float | None,
    stop: np.ndarray,
) -> tuple[Point | None, int]:
    """Refits of all others with theta_i held, theta_i corrected by their slope until the rise is met."""
    value, n = float(theta[target.index]) if bound is None else bound, 0
    for _ in range(_MOST_REFITS):
        point = target.refit(value, theta, profiled.curvature.copy(), stop, Aim(PRECISE))
        n += point.n_evaluations
        if not point.settled or stop[0]:
            return None, n
        risen = point.objective - lowest
        if abs(risen - rise) <= _NEAR * rise or (bound is not None and risen < rise):
            return point, n
        root = math.sqrt(max(risen, 0.0))
        if point.slope == 0.0 or root == 0.0 or abs(root - math.sqrt(rise)) > 0.1 * math.sqrt(rise):
            return None, n  # the refit has found another branch: only the path tells which
        theta, value = point.theta, value + (math.sqrt(rise) - root) * 2.0 * root / point.slope
        bound = None
    return None, n

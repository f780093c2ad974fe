"""Profiles by integration: the path of the refitted parameters as the solution of a differential equation.

Along the profile of parameter i the gradient of the others stays zero. Differentiated,

    H_nn dθ_n/dθ_i = −H_ni − γ g_n ,

where the last term pulls back what the integration loses (Chen & Jennrich 2002, doi:10.1198/106186002493;
Boiger, Hasenauer, Hroß & Kaltenbacher 2016, doi:10.1088/0266-5611/32/12/125009). No refit is made: this is
an opinion of its own about what refits find. It costs a Hessian in each stage.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import RK23
from scipy.optimize import brentq

from idfit.profiles.path import Elsewhere, End, Side
from idfit.profiles.refit import ParameterTarget, Point, relief, solve_positive
from idfit.profiles.side_task import Ask, Profiled, as_result
from idfit.results import Status

# relative accuracy of the path, and its absolute accuracy in first steps
_RTOL, _ATOL = 1e-3, 1e-3
# the pull back to a zero gradient: within this many first steps
_PULL = 1.0
_MOST_STEPS = 300


def integrated(profiled: Profiled, direction: int, ask: Ask, elsewhere: Elsewhere, stop: np.ndarray) -> dict:
    """The side by integration, with its crossings. A parameter that meets its bound stays there as long as
    the gradient keeps it. No other start is tried where the path breaks: the side then has failed."""
    side, found, levels = _integrate(profiled, direction, ask.thresholds, ask.ceiling, stop)
    return as_result(side, found, levels, direction)


def _integrate(
    profiled: Profiled, direction: int, thresholds: np.ndarray, ceiling: float, stop: np.ndarray
) -> tuple[Side, list[Point], list[int]]:
    """The side, its crossings, and which threshold each belongs to."""
    target = profiled.target
    assert isinstance(target, ParameterTarget)
    space, i, lowest = target.space, target.index, profiled.start.objective
    limit = profiled.limits[(direction + 1) // 2]
    side, found, levels = Side([profiled.start]), [], []
    lower, upper = space.lower_scaled, space.upper_scaled

    def rate(value: float, theta: np.ndarray) -> np.ndarray:
        here = np.clip(theta, lower, upper)
        here[i] = value
        ev = target.objective(here, 2, stop)
        side.n_evaluations += 2 * len(theta) + 2
        if ev.hessian is None or ev.gradient is None:
            return np.full(len(theta), np.nan)
        blocked = ((here <= lower) & (ev.gradient >= 0)) | ((here >= upper) & (ev.gradient <= 0))
        blocked[i] = True
        n = np.flatnonzero(~blocked)
        slope = np.zeros(len(theta))
        pull = direction * ev.gradient[n] / (_PULL * profiled.first)
        slope[n] = -solve_positive(ev.hessian[np.ix_(n, n)], ev.hessian[n, i] + pull)
        slope[i] = 1.0
        return slope

    def point_at(value: float, theta: np.ndarray) -> Point:
        here = np.clip(theta, lower, upper)
        here[i] = value
        ev = target.objective(here, 1, stop)
        side.n_evaluations += 1
        if ev.gradient is None or ev.fim is None or ev.prior_fim is None:
            return Point(value, here, ev.objective, ev.nllh, ev.nlprior, np.nan, ev.status)
        model = ev.fim + ev.prior_fim + profiled.curvature
        return Point(
            value, here, ev.objective, ev.nllh, ev.nlprior, float(ev.gradient[i]), ev.status,
            relief=relief(space, here, ev.gradient, model, i),
        )  # fmt: skip

    if profiled.start.value * direction >= limit * direction:
        side.end = End.LIMIT
        return side, found, levels
    solver = RK23(
        rate, profiled.start.value, profiled.start.theta, limit, rtol=_RTOL, atol=_ATOL * profiled.first,
        first_step=min(profiled.first, abs(limit - profiled.start.value)), max_step=profiled.longest,
    )  # fmt: skip
    side.end = End.BUDGET
    for _ in range(_MOST_STEPS):
        solver.step()
        if solver.status == "failed" or stop[0] or not np.isfinite(solver.y).all():
            side.end, side.reason = End.FAILED, Status.INTERRUPTED if stop[0] else Status.STALLED
            break
        point, dense = point_at(float(solver.t), solver.y), solver.dense_output()
        if not point.usable:
            side.end, side.reason = End.FAILED, point.status
            break
        before = side.points[-1]
        for level, threshold in enumerate(thresholds):
            rises = (before.objective - lowest - threshold, point.objective - lowest - threshold)
            if rises[0] * rises[1] < 0:
                root = brentq(
                    lambda v, t=threshold, d=dense: point_at(v, d(v)).objective - lowest - t,
                    before.value, point.value, xtol=1e-10 * max(profiled.first, 1e-300),
                )  # fmt: skip
                found.append(point_at(float(root), dense(float(root))))  # type: ignore[arg-type]
                levels.append(level)
        side.points.append(point)
        side.jumps.append(False)
        if point.objective - lowest > ceiling or solver.status == "finished":
            side.end = End.ROSE if point.objective - lowest > ceiling else End.LIMIT
            break
    return side, found, levels

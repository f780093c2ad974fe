"""A quick test of all parameters at once: how little the objective rises on a sphere around the best fit.

The objective is minimised once more with a pull to the distance R from the best fit (Kreutz 2018,
doi:10.1093/bioinformatics/bty035),

    objective(theta) + ½ ((r − R)/σ)²,     r = ‖(theta − best)/unit‖ .

If its rise stays above the threshold all over the sphere, the confidence region around the best fit lies
within, and so does the interval of every parameter. Where it does not, the direction of least rise names the
parameters that can move far together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.numerics.trust_region import bounded_step
from idfit.problem import Objective, ParameterSpace, Problem
from idfit.profiles.collection import flat_below
from idfit.profiles.start import BestFit, best_fit, start_of
from idfit.profiles.thresholds import rises
from idfit.results import Status, Verdict, dataset
from idfit.tasks import Runner, Task

# strength of the pull: its σ as a share of the radius
_SIGMA = 0.1
#: weakest directions of the Hessian that are tried, each both ways
_DIRECTIONS = 3
_MOST_STEPS, _TOLERANCE, _SHORTEST = 100, 1e-6, 1e-10
# pulls that come short of this share of the radius are repeated, stronger
_MOST_PULLS, _STRONGER, _REACHED = 5, 0.3, 0.9
# a direction that has risen by so many thresholds before the radius is reached needs no more pulls
_ENOUGH = 3.0


def identifiability_test(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    radius: float = 1.0,
    ci_prob: float = 0.95,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Whether every parameter is determined to within the radius, by a few refits.

    fit : dataset of `fit`, or a point (parameter,) on the estimation scale; radius : in decades of a
    parameter on a logarithmic scale and sizes of one on the linear scale (a hundredth of the search range
    where the best value is 0); ci_prob : level of the threshold. The refits set out along the weakest
    directions of the Hessian, both ways.

    Returns a dataset of the group ``identifiability_test``: `least_rise`, its `direction`, and a verdict:
    identifiable where the least rise found exceeds the threshold; flat where there is none; else practically
    non-identifiable (open both). It is a search: a lower point elsewhere on the sphere can be missed. Errors:
    `InputError` for the radius; `RunError` if the best fit cannot be evaluated.
    """
    if not 0.0 < radius < 100.0:
        raise InputError(f"radius = {radius:g} was given; it lies between 0 and 100, usually 1")
    runner = runner or Runner()
    start = start_of(problem, fit, rtol, atol, 0)
    objective = problem.objective(start.rtol, start.atol)
    best = best_fit(problem, objective, start.theta, runner.stop)
    unit = _units(problem.parameters, best)
    threshold = float(rises(np.array([ci_prob]), "chi2")[0])

    def work(task: Task, stop: np.ndarray) -> dict:
        enough = _ENOUGH * threshold
        return _on_sphere(objective, best, unit, radius, task.inputs["direction"], enough, stop)

    directions = _weakest(best, unit)
    tasks = [Task(f"identifiability_test {i}", (), {"direction": d}) for i, d in enumerate(directions)]
    results = runner.run(tasks, work)
    theta = np.array([r.get("theta", np.full(len(unit), np.nan)) for r in results])
    value = np.array([r.get("objective", np.inf) for r in results], dtype=float)
    lowest = int(np.argmin(value))
    moved = (theta[lowest] - best.point.theta) / unit
    least = max(0.0, float(value[lowest]) - best.point.objective)
    flat = flat_below(best)
    verdict = (
        Verdict.UNDETERMINED if not math.isfinite(least)
        else Verdict.FLAT if least < flat
        else Verdict.OPEN_BOTH if least < threshold
        else Verdict.IDENTIFIABLE
    )  # fmt: skip
    space = problem.parameters
    return dataset(
        "identifiability_test",
        {
            "theta": theta,
            "objective": value,
            "rise": value - best.point.objective,
            "distance": np.linalg.norm((theta - best.point.theta) / unit, axis=1),
            "status": np.array([int(r["status"]) for r in results], dtype=np.int8),
            "direction": moved / max(float(np.linalg.norm(moved)), 1e-300),
            "radius": radius,
            "least_rise": least,
            "verdict": np.int8(verdict),
        },
        {"parameter": list(space.names), "unit": list(space.unit), "scale": list(space.scale)},
        {"ci_prob": ci_prob, "threshold": threshold, "rtol": start.rtol, "atol": start.atol},
    )


def _units(space: ParameterSpace, best: BestFit) -> np.ndarray:
    """A decade on logarithmic scales, the parameter's own size on the linear one, (parameter,)."""
    return np.where([s == "lin" for s in space.scale], best.unit, best.unit * math.log(10.0))


def _weakest(best: BestFit, unit: np.ndarray) -> list[np.ndarray]:
    """Unit vectors in the sphere's coordinates along which the objective rises least, each both ways."""
    model = best.point.model * np.outer(unit, unit)
    _, vectors = np.linalg.eigh(model)
    return [sign * vectors[:, j] for j in range(min(_DIRECTIONS, len(unit))) for sign in (1.0, -1.0)]


@dataclass(frozen=True)
class _Pulled:
    """The objective with a pull to distance z from the best fit, of strength sd, and its derivatives."""

    objective: Objective
    best: BestFit
    unit: np.ndarray
    z: float
    sd: float
    stop: np.ndarray

    def distance(self, theta: np.ndarray) -> float:
        return float(np.linalg.norm((theta - self.best.point.theta) / self.unit))

    def at(self, theta: np.ndarray) -> _Place:
        ev = self.objective(theta, 1, self.stop)
        if ev.gradient is None or ev.fim is None or ev.prior_fim is None:
            return _Place(theta, ev.objective, math.inf, np.zeros_like(theta), np.eye(len(theta)))
        r = max(self.distance(theta), 1e-12)
        outward = (theta - self.best.point.theta) / self.unit**2 / r
        residual = (r - self.z) / self.sd
        return _Place(
            theta,
            ev.objective,
            ev.objective + 0.5 * residual**2,
            ev.gradient + residual / self.sd * outward,
            ev.fim + ev.prior_fim + self.best.curvature + np.outer(outward, outward) / self.sd**2,
        )


@dataclass(frozen=True)
class _Place:
    theta: np.ndarray
    objective: float
    total: float
    gradient: np.ndarray
    matrix: np.ndarray


def _on_sphere(
    objective: Objective,
    best: BestFit,
    unit: np.ndarray,
    radius: float,
    direction: np.ndarray,
    enough: float,
    stop: np.ndarray,
) -> dict:
    """Pull harder until the distance is reached, or the objective has risen by `enough` on the way."""
    space = objective.parameters
    theta = np.clip(best.point.theta + radius * unit * direction, space.lower_scaled, space.upper_scaled)
    z, sd, pulls = radius, _SIGMA * radius, 0
    while True:
        pulled = _Pulled(objective, best, unit, z, sd, stop)
        place, status = _minimised(pulled, theta)
        if stop[0]:
            return {"status": int(Status.INTERRUPTED)}
        r, theta, pulls = pulled.distance(place.theta), place.theta, pulls + 1
        done = r >= _REACHED * radius or place.objective - best.point.objective > enough
        if done or not status.usable or pulls == _MOST_PULLS:
            return {"theta": theta, "objective": place.objective, "status": int(status)}
        force = (z - r) / sd**2
        sd *= _STRONGER
        z = radius + sd**2 * force


def _minimised(pulled: _Pulled, theta: np.ndarray) -> tuple[_Place, Status]:
    """A trust region on objective and pull together."""
    space, unit = pulled.objective.parameters, pulled.unit
    free, length = np.ones(len(unit), dtype=bool), 0.5
    place = pulled.at(theta)
    for _ in range(_MOST_STEPS):
        if not math.isfinite(place.total):
            return place, Status.NOT_FINITE
        step = np.empty(len(unit))
        gain = bounded_step(
            place.theta, place.gradient, place.matrix, unit, space.lower_scaled, space.upper_scaled, free,
            length, step,
        )  # fmt: skip
        if gain <= _TOLERANCE or pulled.stop[0]:
            return place, Status.CONVERGED
        if length < _SHORTEST:
            return place, Status.STALLED
        trial = pulled.at(np.clip(place.theta + step, space.lower_scaled, space.upper_scaled))
        ratio = (place.total - trial.total) / gain
        if ratio < 0.25:
            length = 0.25 * min(length, float(np.linalg.norm(step / unit)))
        elif ratio > 0.75:
            length *= 2.0
        if ratio > 1e-4:
            place = trial
    return place, Status.MAX_ITERATIONS

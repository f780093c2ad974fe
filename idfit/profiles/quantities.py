"""Profiles of functions of parameters, of predictions, and of new measurements.

The value of a function g is held by one more measurement of it, z with standard deviation σ: the minimum of

    objective(theta) + ½ (z − g(theta))²/σ²

is the least objective of all points with the same g, so it lies on the profile of g exactly, whatever σ; its
slope there is (z − g)/σ². A small σ only makes g come close to z. With the noise of a real measurement the
minimum itself, as a function of z, is the profile of a new measurement (Kreutz, Raue & Timmer 2012,
doi:10.1186/1752-0509-6-120).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.optimize.local import LocalResult, trust_region
from idfit.problem import ParameterSpace, Problem
from idfit.problem.quantities import Extended, Quantity, extended, noise_of
from idfit.profiles.refit import Aim, Point, point_of, solve_positive
from idfit.profiles.rounds import ProfileOptions, in_rounds
from idfit.profiles.side_task import Profiled
from idfit.profiles.start import BestFit, start_of
from idfit.profiles.thresholds import Kind
from idfit.tasks import Runner

# strength of the pull towards a value: σ in units of the first step, and of the way that is left
_SIGMA, _SIGMA_OF_WAY = 0.1, 0.2
_MOST_PULLS, _STRONGER = 6, 0.3
# the first step in standard errors, as for parameters; without one, a share of the value
_FIRST, _SHARE = 0.6, 0.1
_SIZES, _DECADES = 1e6, 12.0
# a function is determined if its gradient is a combination of what is, to within this share
_MISSED = 1e-3
_CONSTANT = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class FunctionTarget:
    """A function of parameters or a prediction, held by a pull of adjustable strength.

    step : a length of its scale, to choose the strength by.
    """

    extended: Extended
    step: float

    @property
    def space(self) -> ParameterSpace:
        return self.extended.problem.parameters

    def value_at(self, theta: np.ndarray) -> float:
        return self.extended.value(theta)

    def merit(self, theta: np.ndarray, value: float) -> float:
        return self.extended.aimed(value, _SIGMA * self.step)(theta, 0).objective

    def refit(
        self,
        value: float,
        theta: np.ndarray,
        curvature: np.ndarray,
        stop: np.ndarray,
        aim: Aim,
    ) -> Point:
        """The minimum near that value, by one pull or a few.

        The pull's centre z lies beyond the value by what the profile's slope takes back, σ²·slope: the
        multiplier of an augmented Lagrangian. A profile that is steeper than the pull makes σ smaller.
        """
        away = abs(value - self.extended.value(theta))
        sd = max(_SIGMA * self.step, _SIGMA_OF_WAY * away if math.isfinite(away) else 0.0)
        slope, n_evaluations = aim.slope, 0
        for attempt in range(_MOST_PULLS):
            z = value + sd * sd * slope
            found = trust_region(self.extended.aimed(z, sd), theta, aim.options, stop, curvature=curvature)
            point = _without_pull(self.extended, found, z, sd, curvature)
            n_evaluations += point.n_evaluations
            if attempt == _MOST_PULLS - 1 or not point.usable or abs(point.value - value) <= aim.near:
                return replace(point, n_evaluations=n_evaluations)
            theta, slope = point.theta, point.slope
            sd *= _STRONGER
        raise AssertionError("the last pull returns")

    def moved(self, point: Point, value: float) -> np.ndarray:
        """Along H⁻¹∇g, the direction in which g changes at the least cost."""
        direction, along = _cheapest(self.extended, point, _SIGMA * self.step)
        if along <= 0.0:
            return point.theta
        return point.theta + (value - point.value) / along * direction


@dataclass(frozen=True)
class MeasurementTarget:
    """A new measurement z of a prediction, with its own noise: the profile is over z."""

    extended: Extended
    sd: float

    @property
    def space(self) -> ParameterSpace:
        return self.extended.problem.parameters

    def value_at(self, theta: np.ndarray) -> float:
        return self.extended.value(theta)

    def merit(self, theta: np.ndarray, value: float) -> float:
        return self.extended.aimed(value, self.sd)(theta, 0).objective

    def refit(
        self,
        value: float,
        theta: np.ndarray,
        curvature: np.ndarray,
        stop: np.ndarray,
        aim: Aim,
    ) -> Point:
        found = trust_region(
            self.extended.aimed(value, self.sd), theta, aim.options, stop, curvature=curvature
        )
        point = _without_pull(self.extended, found, value, self.sd, curvature)
        if not point.usable:
            return replace(point, value=value)
        pull = 0.5 * ((value - point.value) / self.sd) ** 2
        return replace(point, value=value, objective=point.objective + pull, nllh=point.nllh + pull)

    def moved(self, point: Point, value: float) -> np.ndarray:
        direction, _ = _cheapest(self.extended, point, self.sd)
        return point.theta + (value - point.value) / self.sd**2 * direction


def _cheapest(extended: Extended, point: Point, sd: float) -> tuple[np.ndarray, float]:
    """d = (H + ∇g∇gᵀ/sd²)⁻¹ ∇g in the parameters off their bounds, (parameter,), and ∇gᵀd.

    The pull's own curvature changes the length of d, not its direction, and makes a flat valley determined.
    """
    slope, space = extended.slope(point.theta), extended.problem.parameters
    inside = (point.theta > space.lower_scaled) & (point.theta < space.upper_scaled) & np.isfinite(slope)
    free = np.flatnonzero(inside)
    matrix = point.model + np.outer(slope, slope) / sd**2
    direction = np.zeros(len(slope))
    direction[free] = solve_positive(matrix[np.ix_(free, free)], slope[free])
    return direction, float(slope[free] @ direction[free])


def _without_pull(
    extended: Extended, found: LocalResult, z: float, sd: float, curvature: np.ndarray
) -> Point:
    """The point of the profile of g that a pulled fit has ended in: value, objective and slope of g alone."""
    if found.residual is None or found.information is None:
        return point_of(found, z, math.nan, curvature, extended.problem.parameters)
    residual = found.residual[extended.row]  # (g − z)/σ
    value, slope = z + sd * residual, -residual / sd
    pull = 0.5 * residual**2 + math.log(sd) + _CONSTANT
    gradient = extended.slope(found.theta)
    # the gradient with the pull is that of the Lagrangian, which is what presses against a bound
    point = point_of(found, value, slope, curvature, extended.problem.parameters)
    return replace(
        point,
        objective=point.objective - pull,
        nllh=point.nllh - pull,
        residual=np.delete(point.residual, extended.row),
        model=point.model - np.outer(gradient, gradient) / sd**2,
    )


def profile_functions(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    quantities: Mapping[str, Quantity | str],
    ci_prob: float | Sequence[float] = 0.95,
    threshold: Kind = "chi2",
    *,
    options: ProfileOptions | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Profile functions of parameters, predictions, or new measurements of predictions.

        PL(v) = min { objective(theta) : g(theta) = v }                      a function or a prediction
        VL(z) = min { objective(theta) + ½ (z − g(theta))²/sd² }             a new measurement

    quantities : for each name a `Quantity`, or the formula of parameters as text. The limits of a prediction
    cover the value without noise; those of a new measurement cover what would be measured, with sd held at
    its value at the best fit. The rest as for `profile`.

    Returns a dataset of the group ``function_profiles``; a side that the bounds of the parameters end is
    open. Errors: `InputError` for names, formulas and conditions; `RunError` where a quantity has no value at
    the best fit; `Interrupted` if stopped.
    """
    runner, options = runner or Runner(), options or ProfileOptions()
    start = start_of(problem, fit, rtol, atol, seed)
    if options.method != "path":
        raise InputError(
            f"functions are profiled along their path; method {options.method!r} is for parameters"
        )
    asked = {n: Quantity(q) if isinstance(q, str) else q for n, q in quantities.items()}
    if not asked:
        raise InputError("no quantity was named; give a formula for each, as {'ratio': 'k1/k2'}")
    wider = {name: extended(problem, name, q, start.rtol, start.atol) for name, q in asked.items()}

    def profiled_at(best: BestFit) -> list[Profiled]:
        return [_quantity(problem, best, name, asked[name], wider[name]) for name in asked]

    return in_rounds("function_profiles", problem, start, profiled_at, ci_prob, threshold, options, runner)


def _quantity(problem: Problem, best: BestFit, name: str, quantity: Quantity, wider: Extended) -> Profiled:
    """A quantity as it is profiled."""
    theta = best.point.theta
    value, slope = wider.value(theta), wider.slope(theta)
    if not (math.isfinite(value) and np.isfinite(slope).all()):
        raise RunError(f"{name} = {quantity.formula} has no value at the best fit; look at its formula")
    error = standard_error(best, slope)
    size = 1.0 if quantity.scale != "lin" else abs(value) if value else 1.0
    first = _FIRST * error if math.isfinite(error) and error > 0 else _SHARE * size
    reach = _SIZES * max(size, first) if quantity.scale == "lin" else _DECADES * math.log(10.0)
    if quantity.new_measurement:
        sd = noise_of(problem, name, quantity, theta, best.objective.rtol)
        error = math.hypot(error, sd)
        first = _FIRST * error if math.isfinite(error) else max(first, sd)
        target = MeasurementTarget(wider, sd)
    else:
        target = FunctionTarget(wider, first)
    return Profiled(
        name=name,
        kind=quantity.kind,
        unit=quantity.unit,
        scale=quantity.scale,
        target=target,
        start=replace(best.point, value=value),
        own=-1,
        error=error,
        limits=(value - reach, value + reach),
        at_domain=(False, False),
        first=first,
        longest=math.inf,
        curvature=best.curvature,
    )


def standard_error(best: BestFit, slope: np.ndarray) -> float:
    """√(∇gᵀ H⁻¹ ∇g) in the free parameters; NaN where g changes along what the data do not determine, or
    with a parameter at its bound."""
    space, theta = best.objective.parameters, best.point.theta
    inside = (theta > space.lower_scaled) & (theta < space.upper_scaled)
    if (slope[~inside] != 0.0).any():
        return math.nan
    free = np.flatnonzero(inside)
    # the Fisher information is exact to the integration, differences blur the Hessian
    expected = best.fim[np.ix_(free, free)]
    solution = solve_positive(expected, slope[free], floor=max(10 * best.objective.rtol, 1e-12))
    missed = (expected @ solution - slope[free]) / np.sqrt(np.maximum(np.diag(expected), 1e-300))
    if len(free) == 0 or np.linalg.norm(missed) > _MISSED * math.sqrt(max(slope[free] @ solution, 1e-300)):
        return math.nan
    observed = solve_positive(best.point.model[np.ix_(free, free)], slope[free])
    return math.sqrt(max(float(slope[free] @ observed), 0.0))

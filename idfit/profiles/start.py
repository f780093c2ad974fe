"""Where profiles begin: the best fit, polished, and what is known about its neighbourhood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.numerics.covariance import covariance
from idfit.optimize.local import trust_region
from idfit.problem import Objective, ParameterSpace, Problem
from idfit.profiles.refit import PRECISE, Point, point_of
from idfit.results import Status

_MOST_OPTIMA = 5
# other good fits that are looked at, and how far apart two are that count as two, in units of a parameter
_MOST_FITS, _APART = 20, 0.01


@dataclass(frozen=True)
class Start:
    """What a profile needs of a fit: where it begins, other optima, all ends of its starts with their
    objectives, tolerances, seed and what to quote."""

    theta: np.ndarray
    optima: np.ndarray
    ends: np.ndarray
    objectives: np.ndarray
    rtol: float
    atol: float
    seed: int
    attrs: dict


def start_of(
    problem: Problem, fit: xr.Dataset | np.ndarray, rtol: float | None, atol: float | None, seed: int | None
) -> Start:
    """Errors: `InputError` for a fit of other parameters, or a vector of another length."""
    if not len(problem.spec.measurements):
        raise InputError("there are no measurements to profile; give a data file")
    if isinstance(fit, xr.Dataset):
        names = tuple(str(n) for n in fit["parameter"].values)
        if names != problem.parameters.names:
            raise InputError(
                f"the fit is one of {', '.join(names)}; the problem estimates "
                f"{', '.join(problem.parameters.names)}. Fit this problem first"
            )
        attrs, optima = fit.attrs, fit["optimum"].values
        quoted = {"hits": int(fit["hits"][0]), "n_starts": int(fit.sizes["start"])}
        usable = np.array([Status(int(s)).usable for s in fit["status"].values], dtype=bool)
        ends, objectives = fit["theta"].values[usable], fit["objective"].values[usable]
    else:
        optima, attrs, quoted = np.atleast_2d(np.asarray(fit, dtype=float)), {}, {}
        ends, objectives = optima[:0], np.empty(0)
        if optima.shape != (1, len(problem.parameters)):
            raise InputError(
                f"a point of shape {optima.shape[1:]} was given for {len(problem.parameters)} parameters"
            )
    return Start(
        optima[0],
        optima[1 : _MOST_OPTIMA + 1],
        ends,
        objectives,
        float(attrs.get("rtol", 1e-8)) if rtol is None else rtol,
        float(attrs.get("atol", 1e-12)) if atol is None else atol,
        int(attrs.get("seed", 0)) if seed is None else seed,
        quoted,
    )


@dataclass(frozen=True)
class BestFit:
    """Where profiles begin: the optimum polished, with what is known about its neighbourhood.

    theta : (parameter,); fim : (parameter, parameter) of the data with the priors' curvature; hessian : of
    the objective; error : (parameter,) standard errors, NaN where there is none.
    """

    objective: Objective
    point: Point
    fim: np.ndarray
    hessian: np.ndarray
    error: np.ndarray
    n_measured: int

    @property
    def curvature(self) -> np.ndarray:
        """What the Hessian has beyond the Fisher matrix; nothing where it is not known."""
        extra = self.hessian - self.fim
        return np.where(np.isfinite(extra), extra, 0.0)

    @property
    def unit(self) -> np.ndarray:
        return units(self.objective.parameters, self.point.theta)


def units(space: ParameterSpace, theta: np.ndarray) -> np.ndarray:
    """What counts as one unit of each parameter: a factor e on logarithmic scales, else its own size."""
    log10, linear = (np.array([s == name for s in space.scale]) for name in ("log10", "lin"))
    width = np.where(np.isfinite(space.upper - space.lower), 0.01 * (space.upper - space.lower), 1.0)
    own = np.where(theta != 0.0, np.abs(theta), width)
    return np.where(linear, own, np.where(log10, 1 / math.log(10.0), 1.0))


def best_fit(problem: Problem, objective: Objective, theta: np.ndarray, stop: np.ndarray) -> BestFit:
    """The optimum next to theta, polished, with its curvature. Errors: `RunError` if it has no value."""
    found = trust_region(objective, theta, PRECISE, stop)
    if not found.status.usable:
        raise RunError(f"profiles cannot begin at this point: {found.status.sentence}")
    theta = found.theta
    ev = objective(theta, 2, stop)
    assert ev.fim is not None
    assert ev.prior_fim is not None
    assert ev.hessian is not None
    space = problem.parameters
    information = ev.fim + ev.prior_fim
    curvature = np.where(np.isfinite(ev.hessian), ev.hessian - information, 0.0)
    point = point_of(found, math.nan, 0.0, curvature, space)
    inside = (theta > space.lower_scaled) & (theta < space.upper_scaled)
    tolerance = singular_below(problem, objective.rtol)
    with np.errstate(invalid="ignore"):
        error, expected = (
            np.sqrt(np.diag(covariance(matrix, inside, tolerance))) for matrix in (ev.hessian, information)
        )
    return BestFit(
        objective,
        point,
        information,
        ev.hessian,
        # differences blur the Hessian: what the Fisher information does not determine has no error at all
        np.where(np.isfinite(error) | np.isnan(expected), error + 0 * expected, expected),
        int(np.isfinite(ev.residual).sum()),
    )


def singular_below(problem: Problem, rtol: float) -> float:
    """Eigenvalues of the information, with its diagonal scaled to one, that count as zero: integration errs
    by as much."""
    return max(rtol, 1e-14) if problem.model.states else 1e-14


def good_fits(start: Start, best: BestFit, rise: float) -> tuple[tuple[np.ndarray, float], ...]:
    """Ends of other starts within `rise` of the best fit, (theta, objective) from the best on: one of those
    that lie closer together than a hundredth of a unit, and not the best fit itself."""
    unit, kept = best.unit, [best.point.theta]
    found = []
    for i in np.argsort(start.objectives, kind="stable"):
        if start.objectives[i] - best.point.objective > rise or len(found) == _MOST_FITS:
            break
        theta = start.ends[i]
        if min(float(np.max(np.abs(theta - k) / unit)) for k in kept) > _APART:
            kept.append(theta)
            found.append((theta, float(start.objectives[i])))
    return tuple(found)

"""Profile likelihoods of parameters: for each value of one, the least objective over all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.problem import Problem
from idfit.profiles.refit import ParameterTarget
from idfit.profiles.rounds import ProfileOptions, in_rounds
from idfit.profiles.side_task import Profiled
from idfit.profiles.start import BestFit, start_of
from idfit.profiles.thresholds import Kind
from idfit.tasks import Runner

# ends of the search for a parameter without bounds: decades of a logarithmic one, sizes of a linear one
_DECADES, _SIZES = 12.0, 1e6
# the first step in standard errors: it raises the objective by about a tenth of the 95 % threshold
_FIRST = 0.6


def profile(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    parameters: Sequence[str] | None = None,
    ci_prob: float | Sequence[float] = 0.95,
    threshold: Kind = "chi2",
    *,
    method: str | None = None,
    options: ProfileOptions | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Profile the objective over parameters.

        PL(v) = min { objective(theta) : theta_i = v },   interval = { v : PL(v) − min objective ≤ rise }

    with rise = χ²₁(ci_prob)/2, or that of the F distribution for few data (`rises`). fit : dataset of
    `fit`, or a point (parameter,) on the estimation scale; parameters : names, all if None; ci_prob : one
    or more confidence levels, of which the largest gives the verdicts; method : ``path`` (refits all
    along), ``endpoints`` (the limits alone) or ``integration`` (no refits: a second opinion); rtol, atol :
    the fit's if None; seed : of the starts of refits that are tried where a path breaks (the fit's if None).

    Both sides of each profile are tasks of their own. Where a point lies lower than the best fit, all
    profiles are done again from there, at most `max_rounds` times.

    Returns a dataset of the group ``profiles``. A side that did not cross has an infinite limit, and its
    `side_status` says why. Errors: `InputError` for names and levels; `RunError` if the best fit cannot be
    evaluated; `Interrupted` if stopped.

    Sources: Venzon & Moolgavkar 1988, doi:10.2307/2347496; Raue et al. 2009,
    doi:10.1093/bioinformatics/btp358.
    """
    runner, options = runner or Runner(), options or ProfileOptions()
    options = options if method is None else replace(options, method=method)
    start = start_of(problem, fit, rtol, atol, seed)
    names = list(problem.parameters.names if parameters is None else parameters)
    positions = problem.parameters.position(names)
    if len(set(names)) != len(names) or not names:
        raise InputError("parameters to profile are named once each, and at least one is")

    def profiled_at(best: BestFit) -> list[Profiled]:
        return [parameter_profiled(problem, best, int(i)) for i in positions]

    return in_rounds("profiles", problem, start, profiled_at, ci_prob, threshold, options, runner)


def parameter_profiled(problem: Problem, best: BestFit, i: int) -> Profiled:
    """A parameter as it is profiled: within its bounds, or as far as makes sense where it has none."""
    space = problem.parameters
    theta, unit = best.point.theta, best.unit
    reach = (_SIZES if space.scale[i] == "lin" else _DECADES * math.log(10.0)) * unit[i]
    lower, upper = float(space.lower_scaled[i]), float(space.upper_scaled[i])
    bounded = math.isfinite(upper - lower)
    limits = (max(lower, theta[i] - reach), min(upper, theta[i] + reach)) if not bounded else (lower, upper)
    error = best.error[i]
    first = _FIRST * error if math.isfinite(error) else 0.3 * unit[i]
    width = limits[1] - limits[0]
    return Profiled(
        name=space.names[i],
        kind="parameter",
        unit=space.unit[i],
        scale=space.scale[i],
        target=ParameterTarget(best.objective, i),
        start=replace(best.point, value=float(theta[i])),
        own=i,
        error=float(error),
        limits=limits,
        at_domain=(bool(space.at_domain[0, i]), bool(space.at_domain[1, i])),
        first=min(first, 0.1 * width),
        longest=width / 12 if bounded else math.inf,
        curvature=best.curvature,
    )

"""Practical reduction: limit after limit is taken from a model while its fit stays as good.

The manifold boundary method of Transtrum & Qiu, Phys Rev Lett 113 (2014) 098701: follow the geodesic along
the least determined direction to the boundary of the model, name the limit there, take it in the equations,
fit what is left, and begin again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from scipy import stats

from idfit.errors import InputError, Interrupted, RunError
from idfit.optimize import fit as fit_problem
from idfit.problem import Problem
from idfit.reparameterization.boundary import (
    Limit,
    find_limits,
    limits_where_it_stands,
)
from idfit.reparameterization.geodesic import GeodesicOptions
from idfit.reparameterization.limiting import Limiting, limiting
from idfit.reparameterization.surface import Surface
from idfit.results import dataset
from idfit.tasks import Runner

# of two limits with fits this close the one that was taken exactly is preferred
_EQUALLY_GOOD = 0.05


@dataclass(frozen=True)
class Reduction:
    """A step: the limit, the problem that it leaves, its fit, and whether that is as good as before.

    rise, rise_in_all : of nllh over the step before and over the given problem; thresholds : what of either
    is accepted. The given problem itself is the first, with no limit.
    """

    problem: Problem
    fit: xr.Dataset
    limit: Limit | None = None
    limiting: Limiting | None = None
    rise: float = 0.0
    rise_in_all: float = 0.0
    thresholds: tuple[float, float] = (math.nan, math.nan)

    @property
    def nllh(self) -> float:
        return float(self.fit["optimum_nllh"][0])

    @property
    def accepted(self) -> bool:
        return self.limit is None or (
            self.rise <= self.thresholds[0] and self.rise_in_all <= self.thresholds[1]
        )


@dataclass(frozen=True)
class ReductionOptions:
    """ci_prob : a step may raise nllh by half the χ²₁ quantile, all m steps together by half the χ²_m
    quantile; directions : how many of the least determined ones are tried before the reduction ends;
    n_starts, seed : of each refit, beside starts at the limit and at the fit before; geodesic : how far
    boundaries are looked for."""

    ci_prob: float = 0.95
    directions: int = 3
    n_starts: int = 0
    seed: int = 0
    geodesic: GeodesicOptions = field(default_factory=GeodesicOptions)

    def __post_init__(self) -> None:
        if not 0.0 < self.ci_prob < 1.0:
            raise InputError.of(f"ci_prob = {self.ci_prob:g}", "lies between 0 and 1", "0.95 is usual")
        if self.directions < 1 or self.n_starts < 0:
            raise InputError.of(
                f"directions = {self.directions}, n_starts = {self.n_starts}",
                "at least one direction, and no negative number of starts",
                "leave them out for 3 and 0",
            )


def reduce(
    problem: Problem,
    fit: xr.Dataset,
    *,
    steps: int | None = None,
    options: ReductionOptions | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Take limits from a problem while its fit stays as good.

    fit : of the problem, as `idfit.fit` gives it; steps : how many limits at most (None: as many as hold).

    Returns a dataset of the group ``reduction``, whose attribute `ended` says why it ends; the last step may
    be one that was not accepted. `reductions` gives the problems and fits themselves. Errors: `InputError`
    for a fit of another problem, `RunError` where the problem cannot be evaluated at its fit, `Interrupted`
    if stopped.
    """
    found = list(reductions(problem, fit, steps=steps, options=options, runner=runner))
    return _collected(found, options or ReductionOptions(), steps)


def reductions(
    problem: Problem,
    fit: xr.Dataset,
    *,
    steps: int | None = None,
    options: ReductionOptions | None = None,
    runner: Runner | None = None,
) -> Iterator[Reduction]:
    """The steps of `reduce` as they are made, the given problem first."""
    options, runner = options or ReductionOptions(), runner or Runner()
    names = tuple(str(n) for n in fit["parameter"].values)
    if names != problem.parameters.names:
        raise InputError.of(
            f"a fit of {', '.join(names)}",
            f"the problem estimates {', '.join(problem.parameters.names)}",
            "fit this problem first",
        )
    first = now = Reduction(problem, fit)
    yield first
    taken = 0
    while steps is None or taken < steps:
        taken += 1
        best = _best_step(first, now, taken, options, runner)
        if best is None:
            return
        yield best
        if not best.accepted or not len(best.problem.parameters):
            return
        now = best


def _best_step(
    first: Reduction, now: Reduction, taken: int, options: ReductionOptions, runner: Runner
) -> Reduction | None:
    """The first step that is accepted, the least determined direction first; else the best of all."""
    surface = Surface.of(now.problem, now.fit["optimum"].values[0], stop=runner.stop)
    refused: list[Reduction] = []
    seen: set[str] = set()
    for limits in _in_pairs(surface, options):
        if runner.stop[0]:
            raise Interrupted(f"interrupted: {taken - 1} limits are taken")
        steps = []
        for limit in limits:
            if limit.kind != "undetermined" and limit.sentence not in seen:
                seen.add(limit.sentence)
                steps += _steps(first, now, surface, limit, taken, options, runner)
        accepted = [step for step in steps if step.accepted]
        if accepted:
            return min(accepted, key=_preference)
        refused += steps
    return min(refused, key=lambda step: step.nllh, default=None)


def _preference(step: Reduction) -> tuple[float, bool]:
    assert step.limiting is not None
    return round(step.nllh / _EQUALLY_GOOD) * _EQUALLY_GOOD, not step.limiting.exact


def _in_pairs(surface: Surface, options: ReductionOptions) -> Iterator[list[Limit]]:
    """Limits to try together: those at which the fit stands, then both senses of each direction."""
    if standing := limits_where_it_stands(surface):
        yield standing
    for number in range(min(options.directions, len(surface.names))):
        yield find_limits(surface, number, options.geodesic)


def _steps(
    first: Reduction,
    now: Reduction,
    surface: Surface,
    limit: Limit,
    taken: int,
    options: ReductionOptions,
    runner: Runner,
) -> list[Reduction]:
    """The step of one limit; none where it cannot be written, or what it leaves cannot be fitted."""
    try:
        found = limiting(now.problem, surface, limit)
    except InputError:
        return []
    if not len(found.problem.parameters):
        return []
    space = found.problem.parameters
    before = surface.values(surface.start)
    starts = np.array(
        [[found.values[n] for n in space.names], [before.get(n, found.values[n]) for n in space.names]]
    )
    starts = space.to_scaled(np.clip(starts, space.lower, space.upper))
    try:
        refit = fit_problem(
            found.problem,
            n_starts=options.n_starts,
            seed=options.seed,
            starts=starts,
            rtol=float(now.fit.attrs["rtol"]),
            atol=float(now.fit.attrs["atol"]),
            runner=runner,
        )
    except RunError:
        return []
    nllh = float(refit["optimum_nllh"][0])
    thresholds = tuple(0.5 * float(stats.chi2.ppf(options.ci_prob, m)) for m in (1, taken))
    return [
        Reduction(
            found.problem,
            refit,
            limit,
            found,
            nllh - now.nllh,
            nllh - first.nllh,
            (thresholds[0], thresholds[1]),
        )
    ]


def _collected(found: list[Reduction], options: ReductionOptions, steps: int | None) -> xr.Dataset:
    names = list(dict.fromkeys(n for step in found for n in step.problem.parameters.names))
    theta = np.full((len(found), len(names)), np.nan)
    for row, step in enumerate(found):
        own = [names.index(n) for n in step.problem.parameters.names]
        theta[row, own] = step.fit["estimate"].values
    variables = {
        "limit": [step.limit.sentence if step.limit else "" for step in found],
        "kind": [step.limit.kind if step.limit else "" for step in found],
        "evidence": [step.limit.evidence if step.limit else "" for step in found],
        "how": [step.limiting.how if step.limiting else "" for step in found],
        "exact": [step.limiting is None or step.limiting.exact for step in found],
        "accepted": [step.accepted for step in found],
        "distance": [step.limit.distance if step.limit else 0.0 for step in found],
        "n_parameters": [len(step.problem.parameters) for step in found],
        "nllh": [step.nllh for step in found],
        "rise": [step.rise for step in found],
        "rise_in_all": [step.rise_in_all for step in found],
        "threshold": [step.thresholds[0] for step in found],
        "threshold_in_all": [step.thresholds[1] for step in found],
        "aic": [float(step.fit.attrs["aic"]) for step in found],
        "bic": [float(step.fit.attrs["bic"]) for step in found],
        "theta": theta,
        "model": [_text(step) for step in found],
    }
    attrs = {
        "ci_prob": options.ci_prob,
        "directions": options.directions,
        "seed": options.seed,
        "ended": _ending(found[-1], len(found) - 1 == steps, options),
    }
    return dataset("reduction", variables, {"parameter": names}, attrs)


def _ending(last: Reduction, is_enough: bool, options: ReductionOptions) -> str:
    """Why no further limit was taken."""
    if not last.accepted:
        return f"the best of the limits found next ({last.limit.sentence if last.limit else ''}) fits worse"
    if is_enough:
        return "as many limits as asked for"
    return f"no limit could be named in the {options.directions} least determined directions"


def _text(step: Reduction) -> str:
    """The model file with the estimates as values."""
    estimates = zip(step.problem.parameters.names, step.fit["estimate"].values.tolist(), strict=True)
    return step.problem.with_parameters(dict(estimates)).to_toml()

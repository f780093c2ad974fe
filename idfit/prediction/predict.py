"""What a fitted model predicts, with bands for the value without noise and for new measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.optimize.fit import noise_parameters
from idfit.prediction.cells import Cells, backward, cells_of, forward
from idfit.prediction.curves import curves_of
from idfit.prediction.ensemble import convergence, draws_of, ensemble_values, mixture_quantiles, quantiles
from idfit.prediction.profilewise import profilewise
from idfit.problem import Problem
from idfit.profiles.profile import profile
from idfit.profiles.quantities import standard_error
from idfit.profiles.start import BestFit, Start, best_fit, start_of
from idfit.profiles.thresholds import Kind, rises
from idfit.results import dataset
from idfit.results.prediction import KINDS, LimitStatus
from idfit.tasks import Runner

Method = Literal["profiles", "profile_points", "posterior", "linear"]
_FOUND, _NO_NOISE = int(LimitStatus.FOUND), int(LimitStatus.NO_NOISE)
_NOT_DETERMINED, _NO_VALUE = int(LimitStatus.NOT_DETERMINED), int(LimitStatus.NO_VALUE)


def predict(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    *,
    method: Method = "profiles",
    posterior: xr.DataTree | xr.Dataset | None = None,
    profiles: xr.Dataset | None = None,
    quantities: Sequence[str] | Mapping[str, str] | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    ci_prob: float = 0.95,
    threshold: Kind = "chi2",
    validation: bool = False,
    n_draws: int = 1000,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Predict observables or formulas with a band at each time of each condition.

        profiles         { g(theta) : objective(theta) − min objective ≤ rise }, its ends      (exact)
        profile_points   the same over the points of `profiles` alone                          (inner)
        posterior        quantiles of g over draws of `posterior`
        linear           g ± √(2 rise ∇gᵀ H⁻¹ ∇g), on the scale of the noise

    fit : dataset of `fit`, or a point (parameter,) on the estimation scale; quantities : names of
    observables, or formulas of parameters, states and observables by name; all observables if None;
    times : (time,) the same for all conditions; if None, up to the last measurement of each. rise :
    χ²₁(ci_prob)/2, or that of the F distribution (`threshold`). validation : also the limits of a new
    measurement z, those of min {objective(theta) − ln p(z | theta)}, of the mixture over draws, or with the
    variances added; where the noise is a column of the data, with that of the measurement nearest in time.
    n_draws : of the posterior, at most.

    Returns a dataset of the group ``prediction``, natural scale; attrs say what kind of band it is
    (``kind``, ``inner``). A side without a limit is infinite and `status` says why. Errors: `InputError` for
    names, times, levels and what a method needs; `RunError` if the best fit cannot be evaluated;
    `Interrupted`.

    Sources: Kreutz, Raue & Timmer 2012, doi:10.1186/1752-0509-6-120; Simpson & Maclaren 2023,
    doi:10.1371/journal.pcbi.1011515.
    """
    if method not in get_args(Method):
        raise InputError(f"method {method!r} is not known; there are {', '.join(get_args(Method))}")
    if method == "posterior" and posterior is None:
        raise InputError("method 'posterior' needs draws; give posterior=idfit.sample(problem, fit)")
    start, runner = start_of(problem, fit, rtol, atol, seed), runner or Runner()
    rise = _rises(problem, ci_prob, threshold)
    curves = curves_of(problem, quantities)
    cells = cells_of(problem, curves, times, start.theta, start.rtol, start.atol)
    ask = _Ask(problem, start, cells, rise, ci_prob, validation, runner)
    if method == "profiles":
        made = _profilewise(ask, profiles)
    elif method == "profile_points":
        made = _profile_points(ask, fit, profiles, threshold)
    elif method == "posterior":
        assert posterior is not None
        made = _posterior(ask, posterior, n_draws)
    else:
        made = _linear(ask)
    kind = KINDS[method]
    attrs = {
        "method": method,
        "kind": kind.label,
        "kind_sentence": kind.sentence,
        "inner": int(kind.inner),
        "ci_prob": ci_prob,
        "threshold_kind": threshold,
        "rtol": start.rtol,
        "atol": start.atol,
        "seed": start.seed,
        "n_cells": len(cells),
    }
    return _dataset(ask, made, attrs | made.attrs)


@dataclass(frozen=True)
class _Ask:
    """rise : at the limits of the prediction and of a new measurement."""

    problem: Problem
    start: Start
    cells: Cells
    rise: tuple[float, float]
    ci_prob: float
    validation: bool
    runner: Runner

    @property
    def tails(self) -> np.ndarray:
        return np.array([0.5 * (1.0 - self.ci_prob), 0.5 * (1.0 + self.ci_prob)])

    def best(self) -> BestFit:
        objective = self.problem.objective(self.start.rtol, self.start.atol)
        return best_fit(self.problem, objective, self.start.theta, self.runner.stop)


@dataclass(frozen=True)
class _Made:
    """A band on the natural scale: centre (cell,), limits and statuses (cell, side)."""

    centre: np.ndarray
    limits: np.ndarray
    status: np.ndarray
    sigma: np.ndarray
    validation: np.ndarray
    validation_status: np.ndarray
    attrs: dict
    rests_on: np.ndarray | None = None
    n_evaluations: np.ndarray | None = None


def _rises(problem: Problem, ci_prob: float, threshold: Kind) -> tuple[float, float]:
    """The rise for predictions and that for a new measurement, which is one more of them."""
    level, noise = np.array([ci_prob]), len(noise_parameters(problem))
    if threshold == "F" and noise != 1:
        raise InputError(
            f"threshold 'F' belongs to one noise level that is estimated; this problem has {noise} such. "
            "Use 'chi2'"
        )
    n = len(problem.spec.measurements)
    dof = n - (len(problem.parameters) - noise)
    return float(rises(level, threshold, n, dof)[0]), float(rises(level, threshold, n + 1, dof)[0])


def _profilewise(ask: _Ask, profiles: xr.Dataset | None) -> _Made:
    inside = np.empty((0, len(ask.problem.parameters)))
    if profiles is not None:
        inside, _ = points_inside(ask.problem, profiles, ask.rise[0])
    found = profilewise(ask.problem, ask.cells, ask.start, *ask.rise, ask.validation, inside, ask.runner)
    centre, sigma = ask.cells.values(found.best.point.theta)
    attrs = {
        "objective": found.best.point.objective,
        "n_rounds": found.n_rounds,
        "still_better": int(found.still_better),
        "n_evaluations": int(found.n_evaluations.sum()),
    }
    none = _nothing(ask)
    return _Made(
        centre, found.limits, found.status, sigma,
        none[0] if found.validation is None else found.validation,
        none[1] if found.validation_status is None else found.validation_status,
        attrs, found.rests_on, found.n_evaluations,
    )  # fmt: skip


def _nothing(ask: _Ask) -> tuple[np.ndarray, np.ndarray]:
    shape = (len(ask.cells), 2)
    return np.full(shape, np.nan), np.full(shape, int(LimitStatus.NOT_REACHED), dtype=np.int8)


def points_inside(problem: Problem, profiles: xr.Dataset, rise: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (point, parameter) of profiles at which the objective is within `rise` of the least one, the
    best one first, and how far it has risen there (point,).

    Errors: `InputError` for profiles of other parameters.
    """
    names = tuple(str(n) for n in profiles["parameter"].values)
    if names != problem.parameters.names:
        raise InputError(
            f"the profiles are of a problem with {', '.join(names)}; this one has "
            f"{', '.join(problem.parameters.names)}. Profile this problem"
        )
    risen = profiles["objective"].values - np.nanmin(profiles["objective"].values)
    near = risen <= rise * (1.0 + 1e-6)
    order = np.argsort(risen[near], kind="stable")
    return profiles["theta"].values[near][order], risen[near][order]


def _profile_points(
    ask: _Ask, fit: xr.Dataset | np.ndarray, profiles: xr.Dataset | None, threshold: Kind
) -> _Made:
    if profiles is None:
        profiles = profile(
            ask.problem, fit, ci_prob=ask.ci_prob, threshold=threshold, rtol=ask.start.rtol,
            atol=ask.start.atol, seed=ask.start.seed, runner=ask.runner,
        )  # fmt: skip
    theta, risen = points_inside(ask.problem, profiles, ask.rise[0])
    values, sigma = ensemble_values(ask.cells, theta, "profile points", ask.runner)
    limits = np.stack([np.nanmin(values, axis=0), np.nanmax(values, axis=0)], 1)
    noisy = np.full_like(limits, np.nan)
    if ask.validation:
        # of the measurements z that a point explains with what is left of the rise, ln σ counted
        total = risen[:, None] + np.log(sigma)
        left = np.maximum(ask.rise[1] - (total - np.nanmin(total, axis=0)), 0.0)
        noisy = _around(ask, values, np.sqrt(2.0 * left) * sigma)
    return _Made(
        values[0], limits, np.full(limits.shape, _FOUND), sigma[0], noisy, _noise_status(ask, noisy),
        {"n_points": len(theta)},
    )  # fmt: skip


def _around(ask: _Ask, values: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Ends (cell, side) of value ± half on the scale of the noise, over all points (point, cell)."""
    out = np.full((len(ask.cells), 2), np.nan)
    for cell in np.flatnonzero(np.isfinite(half).any(axis=0)):
        curve = ask.cells.curves[ask.cells.curve[cell]]
        centre = forward(curve.transform, values[:, cell])
        if curve.distribution == "normal" and np.isfinite(centre).any():
            ends = np.array([np.nanmin(centre - half[:, cell]), np.nanmax(centre + half[:, cell])])
            out[cell] = backward(curve.transform, ends)
    return out


def _noise_status(ask: _Ask, noisy: np.ndarray) -> np.ndarray:
    if not ask.validation:
        return _nothing(ask)[1]
    return np.where(np.isfinite(noisy), _FOUND, _NO_NOISE).astype(np.int8)


def _posterior(ask: _Ask, posterior: xr.DataTree | xr.Dataset, n_draws: int) -> _Made:
    theta = draws_of(ask.problem, posterior, n_draws)
    values, sigma = ensemble_values(ask.cells, theta, "posterior draws", ask.runner)
    failed = int(np.isnan(values).all(axis=1).sum()) if len(ask.cells) else 0
    if failed == len(theta):
        raise RunError("no draw of the posterior can be evaluated at these times; look at the formulas")
    probabilities = np.array([ask.tails[0], 0.5, ask.tails[1]])
    low, middle, high = quantiles(values, probabilities)
    noisy = np.full((len(ask.cells), 2), np.nan)
    if ask.validation:
        noisy = mixture_quantiles(ask.problem, ask.cells, values, sigma, ask.tails).T
    limits = np.stack([low, high], 1)
    status = np.where(np.isfinite(limits), _FOUND, _NO_VALUE)
    noisy_status = _noise_status(ask, noisy)
    converged, reason = convergence(posterior)
    if converged == 0:  # draws that have not converged make no claim
        middle = np.full_like(middle, np.nan)
        limits, noisy = np.full_like(limits, np.nan), np.full_like(noisy, np.nan)
        status = np.full_like(status, int(LimitStatus.UNCONVERGED))
        noisy_status = status if ask.validation else noisy_status
    return _Made(
        middle, limits, status, quantiles(sigma, np.array([0.5]))[0], noisy, noisy_status,
        {"n_draws": len(theta), "n_failed": failed, "converged": converged, "reason": reason},
    )  # fmt: skip


def _linear(ask: _Ask) -> _Made:
    best = ask.best()
    theta = best.point.theta
    centre, sigma = ask.cells.values(theta)
    slopes = ask.cells.slopes(theta)
    scales = [ask.cells.curves[c].transform for c in ask.cells.curve]
    # a logarithm has no first order where the value is zero
    scales = [t if centre[i] > 0.0 else "lin" for i, t in enumerate(scales)]
    error = np.array([
        standard_error(best, slope / _slope_back(t, v))
        for slope, t, v in zip(slopes, scales, centre, strict=True)
    ])  # fmt: skip

    def ends(half: np.ndarray) -> np.ndarray:
        pairs = [
            backward(t, forward(t, np.array(v)) + np.array([-h, h]))
            for t, v, h in zip(scales, centre, half, strict=True)
        ]
        return np.array(pairs).reshape(len(centre), 2)

    limits = ends(math.sqrt(2.0 * ask.rise[0]) * error)
    determined = np.isfinite(limits)
    status = np.where(determined, _FOUND, _NOT_DETERMINED)
    open_ends = np.broadcast_to([-np.inf, np.inf], limits.shape)
    noisy, noisy_status = _nothing(ask)
    if ask.validation:
        normal = np.array([ask.cells.curves[c].distribution == "normal" for c in ask.cells.curve])
        own_scale = np.array(
            [t == ask.cells.curves[c].transform for t, c in zip(scales, ask.cells.curve, strict=True)]
        )
        known = np.isfinite(sigma) & normal & own_scale
        noisy = ends(math.sqrt(2.0 * ask.rise[1]) * np.hypot(error, np.where(known, sigma, np.nan)))
        noisy = np.where(known[:, None] & ~determined, open_ends, noisy)
        noisy_status = np.where(known[:, None], status, _NO_NOISE)
    return _Made(
        centre, np.where(determined, limits, open_ends), status, sigma, noisy, noisy_status,
        {"objective": best.point.objective},
    )  # fmt: skip


def _slope_back(transform: str, value: float) -> float:
    """d natural value / d transformed value."""
    base = {"lin": 1.0, "log": 1.0, "log10": math.log(10.0), "log2": math.log(2.0)}[transform]
    return base if transform == "lin" else base * value


def _dataset(ask: _Ask, made: _Made, attrs: dict) -> xr.Dataset:
    cells, problem = ask.cells, ask.problem
    conditions = list(dict.fromkeys(c.condition for c in cells.curves))
    names = list(dict.fromkeys(c.observable for c in cells.curves))
    place = [(conditions.index(c.condition), names.index(c.observable)) for c in cells.curves]
    where = (
        np.array([i for i, _ in place])[cells.curve],
        np.array([j for _, j in place])[cells.curve],
        cells.time,
    )

    def spread(values: np.ndarray, blank: float | int | str = np.nan) -> np.ndarray:
        values = np.asarray(values)
        shape = (len(conditions), len(names), len(cells.times), *values.shape[1:])
        out = np.full(shape, blank, dtype=object if isinstance(blank, str) else values.dtype)
        out[where] = values
        return out

    blank = int(LimitStatus.NOT_REACHED)
    status = spread(made.status.astype(np.int8), blank)
    validation_status = spread(made.validation_status.astype(np.int8), blank)
    # what was asked for and could not be read at all
    read = np.zeros(cells.asked.shape, dtype=bool)
    read[cells.curve, cells.time] = True
    for c, t in np.argwhere(cells.asked & ~read):
        status[(*place[c], t)] = validation_status[(*place[c], t)] = _NO_VALUE
    variables = {
        "median": spread(made.centre),
        "lower": spread(made.limits[:, 0]),
        "upper": spread(made.limits[:, 1]),
        "status": status,
        "sigma": spread(made.sigma),
    }
    if ask.validation:
        variables |= {
            "validation_lower": spread(made.validation[:, 0]),
            "validation_upper": spread(made.validation[:, 1]),
            "validation_status": validation_status,
        }
    if made.rests_on is not None:
        variables["rests_on"] = spread(made.rests_on, "")
    if made.n_evaluations is not None:
        variables["n_evaluations"] = spread(made.n_evaluations, -1)
    first = {name: next(c for c in cells.curves if c.observable == name) for name in names}
    coords = {
        "condition": conditions,
        "observable": names,
        "observable_unit": [first[n].unit for n in names],
        "observable_transform": [first[n].transform for n in names],
        "formula": [_formula(problem, first[n].formula) for n in names],
        "time": cells.times,
    }
    return dataset("prediction", variables, coords, attrs)


def _formula(problem: Problem, formula: str) -> str:
    observable = problem.spec.observables.get(formula)
    return formula if observable is None else str(observable.formula)

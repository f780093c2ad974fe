"""Where chains begin: spread over what the fit and the profiles know of the posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.numerics.scales import SCALES, scaled
from idfit.problem import ParameterSpace
from idfit.results import Status
from idfit.sampling.density import Density

# optima and profile points that lie higher than the best by more than this are no beginnings
_RISE = 10.0
# spread about a beginning, in units of the local covariance
_SPREAD = 1.0
_TRIES = 200
# quantiles from which the variance of a prior is taken
_LEVELS = 400


def anchors(density: Density, fit: xr.Dataset | np.ndarray | None, profiles: xr.Dataset | None) -> np.ndarray:
    """Points (anchor, parameter) on the estimation scale around which chains begin, the best first.

    The optima and the ends of all starts of the fit within a rise of 10 of the best one, and as many points
    of the profiles' paths below their highest threshold, if there are any; without a fit, the nominal values.
    Starts count beside optima, as points that predict the same are one optimum although they may be modes far
    apart. Errors: `InputError` for a fit or profiles of other parameters.
    """
    space = density.objective.parameters
    if fit is None:
        return space.nominal_scaled[None]
    if not isinstance(fit, xr.Dataset):
        theta = np.atleast_2d(np.asarray(fit, dtype=float))
        if theta.shape[1:] != (len(space),):
            raise InputError(f"a point of shape {theta.shape[1:]} was given for {len(space)} parameters")
        return theta
    _of_these_parameters("fit", fit, space.names)
    near = fit["optimum_nllh"].values - fit["optimum_nllh"].values[0] < _RISE
    found = [fit["optimum"].values[near], ends_of_starts(fit)]
    if profiles is not None:
        _of_these_parameters("profiles", profiles, space.names)
        usable = np.isin(profiles["status"].values, [s for s in Status if s.usable])
        rise = profiles["objective"].values - float(profiles.attrs["objective"])
        low = usable & (rise <= float(np.max(profiles["threshold"].values)))
        paths = profiles["theta"].values[low]
        # neither outweighs the other
        found += [found[-1]] * (len(paths) // max(1, len(found[-1])) - 1)
        found.append(paths)
    return np.concatenate(found)


def ends_of_starts(fit: xr.Dataset) -> np.ndarray:
    """(start, parameter) of those that ended within a rise of 10 of the best one, the best first."""
    usable = np.isin(fit["status"].values, [s for s in Status if s.usable])
    objective = np.where(usable, fit["objective"].values, np.inf)
    order = np.argsort(objective, kind="stable")
    with np.errstate(invalid="ignore"):
        return fit["theta"].values[order[objective[order] - objective[order[0]] < _RISE]]


def _of_these_parameters(what: str, known: xr.Dataset, names: tuple[str, ...]) -> None:
    given = tuple(str(n) for n in known["parameter"].values)
    if given != names:
        raise InputError(
            f"the {what} are of {', '.join(given)}; the problem estimates {', '.join(names)}. "
            "Use those of this problem"
        )


def prior_variance(density: Density) -> np.ndarray:
    """(parameter,) variance of the prior within the bounds, estimation scale: width²/12 without a prior."""
    space = density.objective.parameters
    box = (space.upper_scaled - space.lower_scaled) ** 2 / 12
    spread = np.array([np.inf if p is None else _variance(space, k) for k, p in enumerate(space.prior)])
    return np.minimum(box, spread)


def prior_quantiles(density: Density, levels: np.ndarray) -> np.ndarray:
    """(parameter, level) quantiles of each prior within the bounds, estimation scale."""
    space = density.objective.parameters
    return np.array([quantile_function(space, k)(levels) for k in range(len(space))])


def quantile_function(space: ParameterSpace, k: int) -> Callable[[Any], Any]:
    """Quantiles of the prior of parameter k within its bounds, on the estimation scale, as a function of the
    probability below them: from 0 to 1 it goes from bound to bound."""
    low, high, prior = float(space.lower_scaled[k]), float(space.upper_scaled[k]), space.prior[k]
    if prior is None:
        return lambda u: low + u * (high - low)
    of_density = replace(prior, within_bounds=True).quantile_function(*space.bounds_on(k, prior))
    if prior.on == "estimation":
        return of_density
    to_scaled = np.vectorize(partial(scaled, SCALES.index(space.scale[k])), otypes=[float])
    return lambda u: np.clip(to_scaled(of_density(u)), low, high)


def _variance(space: ParameterSpace, k: int) -> float:
    return float(np.var(quantile_function(space, k)((np.arange(_LEVELS) + 0.5) / _LEVELS)))


def apart(around: np.ndarray, n: int) -> np.ndarray:
    """Positions of the first and of n - 1 further points of around (anchor, parameter), each as far as can be
    from those before, in units of the scatter of each parameter; from the first again if there are fewer."""
    scatter = around.std(axis=0)
    at = around / np.where(scatter > 0.0, scatter, 1.0)
    chosen, nearest = [0], np.full(len(around), np.inf)
    while len(chosen) < min(n, len(around)):
        nearest = np.minimum(nearest, ((at - at[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(nearest)))
    return np.resize(chosen, n)


def covariance_at(density: Density, theta: np.ndarray, observed: bool = False) -> np.ndarray:
    """(parameter, parameter) S (1 + S I S)⁻¹ S with S the standard deviations of the prior, so that no
    direction is wider than it, and I the expected information of the data, or their observed one with the
    prior's (the Hessian of the objective without its negative part) where this is wanted and known; the
    prior's covariance where theta has no derivatives."""
    width = np.sqrt(prior_variance(density))
    evaluation = density.objective(theta, 2 if observed else 1, density.stop)
    for information in (evaluation.hessian, evaluation.fim):
        if information is not None and np.isfinite(information).all():
            values, vectors = np.linalg.eigh(information * np.outer(width, width))
            inverse = (vectors / (1.0 + np.maximum(values, 0.0))) @ vectors.T
            return inverse * np.outer(width, width)
    return np.diag(width**2)


def spread_positions(
    density: Density, around: np.ndarray, n: int, rng: np.random.Generator, spread: float = _SPREAD
) -> np.ndarray:
    """`n` points (n, parameter) of finite density, scattered about randomly chosen anchors.

    Errors: `RunError` if none is found, with how often evaluations failed.
    """
    space = density.objective.parameters
    roots: dict[int, np.ndarray] = {}
    found = []
    for _ in range(n):
        for attempt in range(_TRIES):
            i = int(rng.integers(len(around)))
            if i not in roots:
                roots[i] = np.linalg.cholesky(covariance_at(density, around[i]))
            # closer in if points that far out have no density
            step = spread * 0.97**attempt * (roots[i] @ rng.standard_normal(len(space)))
            theta = _inside(around[i] + step, around[i], space.lower_scaled, space.upper_scaled)
            if np.isfinite(density(theta)):
                found.append(theta)
                break
        else:
            raise RunError(
                f"no beginning of a chain was found in {_TRIES} tries: "
                + "; ".join(f"{count} x {status.sentence}" for status, count in density.failures.items())
            )
    return np.array(found).reshape(n, len(space))


def _inside(theta: np.ndarray, centre: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """theta mirrored at the bounds it crosses; the centre's value where a mirror image crosses the other."""
    mirrored = np.where(theta < lower, 2 * lower - theta, np.where(theta > upper, 2 * upper - theta, theta))
    return np.where((mirrored < lower) | (mirrored > upper), np.clip(centre, lower, upper), mirrored)

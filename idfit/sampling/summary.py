"""What draws say of each parameter: moments, intervals, and whether data or something else ends them."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.problem import ParameterSpace
from idfit.results import Limit, SideStatus, Verdict
from idfit.sampling import diagnostics

# A bound cuts an interval off if the marginal density next to it is more than this share of its maximum: that
# of a normal density at the ends of its 95 % interval, exp(-1.96²/2).
_CUT = 0.147
_BINS = 24
# parameters with a smaller share in the least determined direction do not take part in it
_PART = 0.1
# below this share of the information the data do not carry the interval
_HALF = 0.5


def moments(natural: np.ndarray, levels: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics over parameters of draws (superchain, walker, draw, parameter), natural scale; levels :
    (ci_prob,)."""
    flat = natural.reshape(-1, natural.shape[-1])
    tails = np.stack([(1 - levels) / 2, (1 + levels) / 2], axis=1)
    columns = [natural[..., k] for k in range(natural.shape[-1])]
    return {
        "mean": flat.mean(axis=0),
        "sd": flat.std(axis=0, ddof=1),
        "median": np.median(flat, axis=0),
        # (ci_prob, ci_bound, parameter) as numpy gives it
        "interval": np.moveaxis(np.quantile(flat, tails, axis=0), -1, 0),
        "mcse_mean": np.array([diagnostics.mcse_mean(c) for c in columns]),
        "mcse_sd": np.array([diagnostics.mcse_sd(c) for c in columns]),
    }


def data_share(theta: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Share of the information about each parameter that the data carry, (parameter,), from 0 to 1.

        posterior variance / variance from the data alone,

    the latter from their expected information (parameter, parameter), averaged over the posterior. It is 1
    where neither priors nor bounds matter, 0 where the data leave the parameter undetermined, and in a linear
    problem with normal priors the share of the precision that comes from the data. theta : (draw, parameter)
    on the estimation scale.
    """
    sd = theta.std(axis=0)
    values, vectors = np.linalg.eigh(information * np.outer(sd, sd))
    # in units of the posterior the data's information is 1 where they carry it all; rounding is far below
    alone = (vectors**2 / np.maximum(values, 1e-9 * max(1.0, float(values[-1])))).sum(axis=1)
    return np.clip(1.0 / alone, 0.0, 1.0)


def limited_by(
    theta: np.ndarray, space: ParameterSpace, share: np.ndarray, information: np.ndarray
) -> np.ndarray:
    """`Limit` of each parameter and side (parameter, ci_bound); theta : (draw, parameter), estimation scale.

    A bound ends an interval if the marginal density is high next to it. Otherwise, where the data carry less
    than half of the information, priors do if one of the parameters that compensate each other has one, else
    the bounds of those others.
    """
    limits = np.full((len(space), 2), Limit.DATA, dtype=np.int8)
    for k in range(len(space)):
        cut = _cut(theta[:, k], float(space.lower_scaled[k]), float(space.upper_scaled[k]))
        for side in range(2):
            if cut[side]:
                limits[k, side] = Limit.DOMAIN if space.at_domain[side, k] else Limit.BOUND
            elif share[k] < _HALF:
                limits[k, side] = _others(k, theta, space, information)
    return limits


def seen_by_profiles(limits: np.ndarray, space: ParameterSpace, profiles: xr.Dataset) -> np.ndarray:
    """The same limits, where a profile knows better than the average information does.

    A side of a profile that crosses its threshold, no other parameter standing at a search bound there, is
    ended by the data, with the priors if there are any: not by bounds of others.
    """
    seen = limits.copy()
    for name in set(space.names) & set(profiles["profiled"].values.tolist()):
        k, row = space.names.index(name), profiles.sel(profiled=name).isel(ci_prob=-1)
        free = (row["side_status"].values == SideStatus.CROSSED) & (row["rests_on"].values == "")
        free &= int(row["verdict"]) != Verdict.STRUCTURAL  # by the equations what rises is due to bounds
        seen[k, free & (limits[k] == Limit.OTHER_BOUNDS)] = Limit.DATA
    return seen


def _cut(draws: np.ndarray, lower: float, upper: float) -> tuple[bool, bool]:
    """Whether the density of draws is high next to the lower, and next to the upper bound."""
    low, high = np.quantile(draws, [0.001, 0.999])
    width = (high - low) / _BINS
    if not width > 0.0:
        return False, False
    highest = np.histogram(draws, _BINS, (low, high))[0].max()
    near = [np.sum(draws < lower + width), np.sum(draws > upper - width)]
    return bool(near[0] > _CUT * highest), bool(near[1] > _CUT * highest)


def _others(k: int, theta: np.ndarray, space: ParameterSpace, information: np.ndarray) -> Limit:
    """Whether priors, or bounds of other parameters, hold what the data leave open about parameter k."""
    sd = theta.std(axis=0)
    values, vectors = np.linalg.eigh(information * np.outer(sd, sd))
    direction = vectors @ (vectors[k] / np.maximum(values, 1e-9 * max(1.0, float(values[-1]))))
    part = np.abs(direction) > _PART * np.max(np.abs(direction))
    part[k] = True
    return (
        Limit.PRIOR if any(space.prior[j] is not None for j in np.flatnonzero(part)) else Limit.OTHER_BOUNDS
    )


def contraction(theta: np.ndarray, prior_variance: np.ndarray) -> np.ndarray:
    """1 − posterior variance / prior variance on the estimation scale; 1: the prior does not matter, 0 or
    less: the data have not narrowed the parameter down."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(prior_variance), 1.0 - theta.var(axis=0) / prior_variance, math.nan)

"""Starting points on the estimation scale."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import qmc

from idfit.errors import InputError
from idfit.problem import ParameterSpace
from idfit.spec.priors import Prior

SAMPLINGS = ("sobol", "lhs", "random")
MAX_STARTS = 1_000_000


def draw_starts(space: ParameterSpace, n: int, sampling: str, rng: np.random.Generator) -> np.ndarray:
    """Points (start, parameter) that fill the box of the bounds: scrambled Sobol, Latin hypercube or random.

    A parameter with a density of starts is drawn from that, and values beyond its bounds are moved onto them.
    The first m points of a larger Sobol or random design are those of the smaller one, so that starts can
    be added.
    """
    if not 1 <= n <= MAX_STARTS:
        raise InputError(f"{n} starts were asked for; from 1 to {MAX_STARTS} are possible")
    if sampling not in SAMPLINGS:
        raise InputError(f"sampling {sampling!r} is not known; there are {', '.join(SAMPLINGS)}")
    lower, upper = space.lower_scaled, space.upper_scaled
    open_ended = [k for k, a, b in zip(space.names, lower, upper, strict=True) if not math.isfinite(b - a)]
    if open_ended:
        raise InputError(
            f"{', '.join(open_ended)}: finite bounds on the estimation scale are needed, "
            "as starts are drawn within them"
        )
    k = len(space)
    if k == 0:
        raise InputError("there is nothing to estimate: every parameter is fixed or tied")
    if sampling == "sobol":
        unit = qmc.Sobol(k, scramble=True, rng=rng).random_base2(math.ceil(math.log2(n)) if n > 1 else 0)[:n]
    elif sampling == "lhs":
        unit = qmc.LatinHypercube(k, rng=rng).random(n)
    else:
        unit = rng.random((n, k))
    points = lower + unit * (upper - lower)
    for k, density in enumerate(space.start):
        if density is not None:
            points[:, k] = _from_density(space, k, density, unit[:, k])
    return points


def _from_density(space: ParameterSpace, k: int, density: Prior, unit: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] as values of parameter k on the estimation scale, within its bounds."""
    low, high = space.bounds_on(k, density)
    values = np.clip(density.quantile(unit, low, high), low, high)
    if density.on == "natural":
        natural = np.ones((len(unit), len(space)))
        natural[:, k] = values
        values = space.to_scaled(natural)[:, k]
    return np.clip(values, space.lower_scaled[k], space.upper_scaled[k])


def given_starts(space: ParameterSpace, points: np.ndarray) -> np.ndarray:
    """The user's own starts (start, parameter) on the estimation scale. Errors: `InputError` names one out
    of bounds."""
    points = np.atleast_2d(np.asarray(points, dtype=float))
    if points.shape[1] != len(space):
        raise InputError(f"starts of shape {points.shape} were given for {len(space)} estimated parameters")
    lower, upper = space.lower_scaled, space.upper_scaled
    outside = np.argwhere(~((points >= lower) & (points <= upper)))
    if len(outside):
        i, k = outside[0]
        raise InputError(
            f"start {i}: {space.names[k]} = {points[i, k]:g} on the {space.scale[k]} scale lies outside its "
            f"bounds [{lower[k]:g}, {upper[k]:g}]; starts are given on the estimation scale"
        )
    return points

"""The posterior of each parameter beside its profile: limits, and why the two may lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.numerics.scales import SCALES, scaled
from idfit.results import Limit, SideStatus
from idfit.results.sampling import variable_of

#: a limit that no data have set, in words
_GIVEN = {
    Limit.BOUND: "its bound",
    Limit.PRIOR: "priors",
    Limit.OTHER_BOUNDS: "bounds of other parameters",
}
#: share of the lower of two maxima below which the density between them counts as a gap
_GAP = 0.6
#: lower maxima than this share of the highest are noise
_LEAST_MODE = 0.1
_BINS = 96
# where a profile that is continued beyond its ends has no density any more, in standard deviations
_FAR = 6.0
_GRID = 4001


@dataclass(frozen=True)
class Marginal:
    """Draws of one parameter on its estimation scale, and what ends its interval below and above."""

    draws: np.ndarray
    limits: tuple[Limit | None, Limit | None] = (None, None)

    def ends(self, level: float) -> np.ndarray:
        """Equal-tailed limits."""
        return np.quantile(self.draws, [(1.0 - level) / 2, (1.0 + level) / 2])

    def given(self, side: int) -> str:
        """What has set the limit if not the data; "" if they have."""
        limit = self.limits[side]
        return "" if limit is None else _GIVEN.get(limit, "")

    @property
    def n_modes(self) -> int:
        """Maxima of the density with gaps between them."""
        return n_modes(self.draws)


def marginals(
    posterior: xr.Dataset | None, sampling: xr.Dataset | None, fit: xr.Dataset
) -> dict[str, Marginal]:
    """By name; empty for chains that have not converged, as these claim nothing."""
    if posterior is None or no_claim(sampling):
        return {}
    found = {}
    for name, scale in zip(fit["parameter"].values.tolist(), fit["scale"].values.tolist(), strict=True):
        if (variable := variable_of(name)) in posterior:
            code = SCALES.index(scale)
            values = posterior[variable].values
            draws = np.vectorize(lambda p, code=code: scaled(code, p), otypes=[float])(values)
            found[name] = Marginal(draws.ravel(), _limits(sampling, name))
    return found


def no_claim(sampling: xr.Dataset | None) -> str:
    """Why chains claim nothing; "" if they do, or if nothing is known of them."""
    if sampling is None or sampling.attrs["converged"]:
        return ""
    return str(sampling.attrs["reason"]) or "the chains have not converged"


def _limits(sampling: xr.Dataset | None, name: str) -> tuple[Limit | None, Limit | None]:
    if sampling is None:
        return None, None
    lower, upper = sampling["limited_by"].sel(parameter=name).values.tolist()
    return Limit(lower), Limit(upper)


def n_modes(draws: np.ndarray) -> int:
    """Maxima of a kernel estimate of the density that are separated by a gap.

    >>> rng = np.random.default_rng(0)
    >>> n_modes(rng.normal(size=4000)), n_modes(rng.normal(0, 1, 4000) + 6 * (np.arange(4000) % 3 > 0))
    (1, 2)
    """
    low, high = np.quantile(draws, [0.002, 0.998])
    if not high > low:
        return 1
    counts, edges = np.histogram(draws, _BINS, (low, high))
    # normal reference rule, with the narrower of two measures of spread so that far modes are not blurred
    spread = min(float(draws.std()), float(np.subtract(*np.quantile(draws, [0.75, 0.25]))) / 1.34)
    width = max(0.9 * spread * len(draws) ** -0.2, edges[1] - edges[0])
    centre = (edges[1:] + edges[:-1]) / 2
    density = np.exp(-0.5 * ((centre[:, None] - centre) / width) ** 2) @ counts
    return _separate_maxima(density)


def _separate_maxima(density: np.ndarray) -> int:
    padded = np.concatenate([[-1.0], density, [-1.0]])
    peaks = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]))
    peaks = peaks[density[peaks] > _LEAST_MODE * density.max()]
    kept = [int(peaks[0])]
    for peak in peaks[1:].tolist():
        gap = density[kept[-1] : peak + 1].min()
        if gap < _GAP * min(density[kept[-1]], density[peak]):
            kept.append(peak)
        elif density[peak] > density[kept[-1]]:
            kept[-1] = peak
    return len(kept)


def ends_of_profile_as_density(profile: xr.Dataset, level: float) -> np.ndarray | None:
    """Equal-tailed limits of exp(−rise of the profile), as if it were the posterior; None without a path.

    Beyond its ends the profile goes on as it ends: √rise is continued linearly, unless it has met a bound.
    """
    rise = profile["objective"].values - np.nanmin(profile["objective"].values)
    good = np.isfinite(rise) & np.isfinite(profile["value"].values)
    x, best = profile["value"].values[good], int(np.nanargmin(rise[good])) if good.any() else 0
    if good.sum() < 5 or not np.all(np.diff(x) > 0):
        return None
    z = np.sqrt(2.0 * rise[good]) * np.where(np.arange(len(x)) < best, -1.0, 1.0)
    for side in (0, 1):
        if int(profile["side_status"].values[side]) in (SideStatus.SEARCH_BOUND, SideStatus.DOMAIN_BOUND):
            continue
        x, z = _continued(x, z, side)
    grid = np.linspace(x[0], x[-1], _GRID)
    density = np.exp(-0.5 * np.interp(grid, x, z) ** 2)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp([(1.0 - level) / 2, (1.0 + level) / 2], mass / mass[-1], grid)


def _continued(x: np.ndarray, z: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    outward = 1.0 if side else -1.0
    last, inner = (-1, -2) if side else (0, 1)
    slope = (z[last] - z[inner]) / (x[last] - x[inner])
    room = _FAR - outward * z[last]
    if not slope > 0.0 or room <= 0.0:
        return x, z
    end, height = x[last] + outward * room / slope, outward * _FAR
    return (np.append(x, end), np.append(z, height)) if side else (np.append(end, x), np.append(height, z))


def why_apart(ours: np.ndarray, as_density: np.ndarray, tolerance: float) -> str:
    """Why the limits of a posterior are not those of the profile, from those of the profile as a density.

    If the latter are the posterior's, the curve is the same and only read differently. Otherwise the other
    parameters have been integrated out instead of refitted: mass lies where many of their values fit.
    """
    half = float(np.ptp(as_density)) / 2
    apart = (ours - as_density) / half
    if np.abs(apart).max() <= tolerance:
        return (
            "the curve is skewed: the profile's limits are read off at one height, the posterior's cut off "
            "equal tails of the same curve"
        )
    shift, stretch = float(apart.mean()), float(np.ptp(ours)) / float(np.ptp(as_density))
    if abs(shift) >= abs(math.log(stretch)):
        where, way = ("larger", "up") if shift > 0 else ("smaller", "down")
        return (
            f"where it is {where}, more values of the other parameters fit: integrating them out shifts the "
            f"mass {way} by {abs(shift):.2g} half-widths; the profile only follows their best values"
        )
    how = "widens" if stretch > 1.0 else "narrows"
    factor = stretch if stretch > 1.0 else 1.0 / stretch
    return (
        f"integrating the other parameters out {how} the interval {factor:.2g} times; the profile only "
        "follows their best values"
    )

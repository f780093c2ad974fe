"""The modes of a posterior that its fit has met: what chains jump between, and what they must not miss.

Each is the end of a start, with a t density of the local covariance around it (`Modes`). Ladders propose from
these densities besides what they learn themselves (jumps between modes found by optimisation: Pompe, Holmes &
Łatuszyński 2020, doi:10.1214/19-AOS1916). And draws that are all elsewhere do not count (`missed`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import chi2

from idfit.sampling.density import Density
from idfit.sampling.positions import covariance_at, ends_of_starts
from idfit.sampling.student_mixture import StudentMixture

#: the most that are kept
MAX_MODES = 16
# part of a normal density that counts as its neighbourhood
_NEIGHBOURHOOD = 0.9
# draws from which the mass of a neighbourhood is estimated
_DRAWS = 200
# so many independent draws would have to be in a mode before their absence says something
_EXPECTED = 10.0


@dataclass(frozen=True)
class Modes:
    """mean (mode, parameter) on the estimation scale, the best first, and root (mode, parameter, parameter),
    the lower Cholesky factors of the local covariances."""

    mean: np.ndarray
    root: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def mixture(self) -> StudentMixture:
        """All with the same weight."""
        return StudentMixture(np.full(len(self), 1 / len(self)), self.mean, self.root)

    def shares(self, theta: np.ndarray) -> np.ndarray:
        """(mode,) of theta (draw, parameter) in the neighbourhood of each."""
        return np.array([self.near(k, theta).mean() for k in range(len(self))])

    def near(self, mode: int, theta: np.ndarray) -> np.ndarray:
        """(draw,) whether theta (draw, parameter) lies in the neighbourhood of a mode."""
        z = np.linalg.solve(self.root[mode], (theta - self.mean[mode]).T)
        return (z * z).sum(0) <= chi2.ppf(_NEIGHBOURHOOD, theta.shape[1])


def modes_of(density: Density, fit: xr.Dataset) -> Modes:
    """The ends of starts that are not in the neighbourhood of a better one, at most `MAX_MODES`."""
    ends = ends_of_starts(fit)
    found = Modes(np.empty((0, ends.shape[1])), np.empty((0, ends.shape[1], ends.shape[1])))
    while len(ends) and len(found) < MAX_MODES:
        root = np.linalg.cholesky(covariance_at(density, ends[0], observed=True))
        found = Modes(np.append(found.mean, ends[:1], 0), np.append(found.root, root[None], 0))
        ends = ends[~found.near(len(found) - 1, ends)]
    return found


def log_masses(density: Density, modes: Modes, rng: np.random.Generator) -> np.ndarray:
    """(mode,) ln of ∫ π over the neighbourhood of each, up to a constant that they share, by importance
    sampling; -∞ where no draw has a density."""
    result = np.empty(len(modes))
    for k in range(len(modes)):
        around = StudentMixture(np.ones(1), modes.mean[k : k + 1], modes.root[k : k + 1])
        draws = np.array([around.draw(rng) for _ in range(_DRAWS)])
        terms = [density(theta) - around.log_density(theta) for theta in draws[modes.near(k, draws)]]
        result[k] = logsumexp(terms) - np.log(_DRAWS) if terms else -np.inf
    return result


def missed(share: np.ndarray, log_mass: np.ndarray, ess: float) -> str:
    """The mode of the largest mass that no draw is in though, of `ess` independent ones, ten would be, in
    words; empty if there is none.

    share : (mode,) of the draws in the neighbourhood of each. Those of one mode say what part of the
    posterior its mass is, and so what part that of each other one is. Without a draw in any there is no such
    measure.
    """
    if not share.any() or not np.isfinite(log_mass[share > 0]).all():
        return ""
    best = int(np.argmax(share))
    mass = np.where(share > 0, 0.0, share[best] * np.exp(log_mass - log_mass[best]))
    worst = int(np.argmax(mass))
    if mass[worst] * ess < _EXPECTED:
        return ""
    part = mass[worst] / (1 + mass[worst])
    return f"no draw is near an optimum that the fit has met and that holds about {part:.0%} of the posterior"

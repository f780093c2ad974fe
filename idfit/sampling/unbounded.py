"""Densities within bounds as densities on the whole line, for samplers that know no bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from idfit.sampling.density import Density


@dataclass(frozen=True)
class Unbounding:
    """θ within its bounds as a smooth function of u on the whole line, parameter by parameter.

    θ = l + (h - l)/(1 + exp(-u)) between two finite bounds l and h, l + exp(u) above one, h - exp(u) below
    one, and u where there is none. lower, upper : (parameter,), infinite where there is no bound. Stan
    Reference Manual, "Constraint transforms".

    >>> line = Unbounding(np.array([0.0, 0.0, -np.inf]), np.array([10.0, np.inf, np.inf]))
    >>> line.bounded(np.array([0.0, 0.0, 7.0])).tolist()
    [5.0, 1.0, 7.0]
    """

    lower: np.ndarray
    upper: np.ndarray

    def bounded(self, u: np.ndarray) -> np.ndarray:
        """θ (parameter,) at u, on its bounds at the closest."""
        box, above, below = self._kinds
        theta = np.array(u, dtype=float)
        theta[box] = self.lower[box] + (self.upper - self.lower)[box] * _logistic(u[box])
        with np.errstate(over="ignore"):
            theta[above] = self.lower[above] + np.exp(u[above])
            theta[below] = self.upper[below] - np.exp(u[below])
        return np.clip(theta, self.lower, self.upper)

    def unbounded(self, theta: np.ndarray) -> np.ndarray:
        """u (parameter,) of a θ strictly within its bounds."""
        box, above, below = self._kinds
        u = np.array(theta, dtype=float)
        u[box] = np.log(theta - self.lower)[box] - np.log(self.upper - theta)[box]
        u[above] = np.log(theta[above] - self.lower[above])
        u[below] = np.log(self.upper[below] - theta[below])
        return u

    def slope(self, u: np.ndarray) -> np.ndarray:
        """dθ/du (parameter,)."""
        box, above, below = self._kinds
        slope = np.ones_like(u)
        slope[box] = (self.upper - self.lower)[box] * _logistic(u[box]) * _logistic(-u[box])
        with np.errstate(over="ignore"):
            slope[above], slope[below] = np.exp(u[above]), -np.exp(u[below])
        return slope

    def log_jacobian(self, u: np.ndarray) -> float:
        """Σ ln |dθ/du|, finite however far out u is."""
        box, above, below = self._kinds
        distance = np.abs(u[box])
        in_box = np.log((self.upper - self.lower)[box]) - distance - 2 * np.log1p(np.exp(-distance))
        return float(in_box.sum() + u[above | below].sum())

    def log_jacobian_gradient(self, u: np.ndarray) -> np.ndarray:
        """d Σ ln |dθ/du| / du (parameter,): -tanh(u/2) between two bounds, 1 beside one, 0 without."""
        box, above, below = self._kinds
        gradient = np.zeros_like(u)
        gradient[box], gradient[above | below] = -np.tanh(u[box] / 2), 1.0
        return gradient

    @property
    def _kinds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which parameters lie between two bounds, above one, below one; each (parameter,)."""
        low, high = np.isfinite(self.lower), np.isfinite(self.upper)
        return low & high, low & ~high, high & ~low


def _logistic(u: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -u))


@dataclass(frozen=True)
class UnboundedDensity:
    """ln of the density of u: ln π(θ(u)) + Σ ln |dθ/du|.

    The density of u has the same probabilities as that of θ: draws of u, mapped back by `line.bounded`, are
    draws of θ.
    """

    density: Density
    line: Unbounding

    @classmethod
    def of(cls, density: Density) -> UnboundedDensity:
        space = density.objective.parameters
        return cls(density, Unbounding(space.lower_scaled, space.upper_scaled))

    def with_gradient(self, u: np.ndarray) -> tuple[float, np.ndarray]:
        """(value, its gradient by u (parameter,)); -∞ and NaN where ln π = -∞ or θ is not finite."""
        theta = self.line.bounded(u)
        if not np.isfinite(theta).all():
            return -np.inf, np.full(len(u), np.nan)
        value, gradient = self.density.with_gradient(theta)
        return (
            value + self.line.log_jacobian(u),
            gradient * self.line.slope(u) + self.line.log_jacobian_gradient(u),
        )

"""The least objective with one value held: what is profiled, and one point of a profile."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from idfit.optimize.local import LocalOptions, LocalResult, trust_region
from idfit.problem import Objective, ParameterSpace
from idfit.results import Status

#: a refit starts next to its end, so that few iterations do, and needs no coarse integration at first
ON_THE_WAY = LocalOptions(max_iterations=100, tolerance=1e-6, radius=0.5, coarse_rtol=0.0)
#: where a number is read off
PRECISE = LocalOptions(max_iterations=100, tolerance=1e-10, radius=0.5, coarse_rtol=0.0)

# a Cholesky factor with a smaller diagonal may hide directions that are not determined
_WELL_CONDITIONED = 1e-2


@dataclass(frozen=True)
class Point:
    """One point of a profile.

    value : the profiled value, on the scale of the profile; theta : (parameter,) estimation scale; slope :
    d objective/d value along the profile, exact by the envelope theorem; residual : (measurement,)
    standardised, which says how far the predictions have moved; model : (parameter, parameter) the Hessian
    as far as it is known.
    """

    value: float
    theta: np.ndarray
    objective: float
    nllh: float
    nlprior: float
    slope: float
    status: Status
    n_evaluations: int = 0
    residual: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    model: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)

    @property
    def usable(self) -> bool:
        return self.status.usable and math.isfinite(self.objective)

    @property
    def settled(self) -> bool:
        """Whether the refit has arrived: one that has not is an upper bound of the profile, and no point of
        it."""
        return self.status is Status.CONVERGED and math.isfinite(self.objective)


@dataclass(frozen=True)
class Aim:
    """How exactly a refit is to be done.

    near : how far from the wanted value a function may end up (parameters are held exactly); slope : of the
    profile, as it is expected there.
    """

    options: LocalOptions = ON_THE_WAY
    near: float = 0.0
    slope: float = 0.0


class Target(Protocol):
    """What is profiled: a parameter, a function of parameters, or a prediction."""

    @property
    def space(self) -> ParameterSpace: ...

    def value_at(self, theta: np.ndarray) -> float:
        """The profiled value at theta; NaN where there is none."""
        ...

    def merit(self, theta: np.ndarray, value: float) -> float:
        """How good a start theta is for the refit at that value; less is better."""
        ...

    def refit(
        self,
        value: float,
        theta: np.ndarray,
        curvature: np.ndarray,
        stop: np.ndarray,
        aim: Aim,
    ) -> Point:
        """The minimum with the value held, searched from theta.

        curvature : (parameter, parameter) what is known of the Hessian beyond the Fisher matrix; replaced
        by what has been learnt.
        """
        ...

    def moved(self, point: Point, value: float) -> np.ndarray:
        """Parameters near those of the point at which the profiled value is about `value`, to first order."""
        ...


@dataclass(frozen=True)
class ParameterTarget:
    """The parameter of that position, held while all others are refitted."""

    objective: Objective
    index: int

    @property
    def space(self) -> ParameterSpace:
        return self.objective.parameters

    def value_at(self, theta: np.ndarray) -> float:
        return float(theta[self.index])

    def merit(self, theta: np.ndarray, value: float) -> float:
        return self.objective(theta, 0).objective

    def refit(
        self,
        value: float,
        theta: np.ndarray,
        curvature: np.ndarray,
        stop: np.ndarray,
        aim: Aim,
    ) -> Point:
        start = theta.copy()
        start[self.index] = value
        free = np.arange(len(theta)) != self.index
        found = trust_region(self.objective, start, aim.options, stop, free=free, curvature=curvature)
        slope = math.nan if found.gradient is None else float(found.gradient[self.index])
        return point_of(found, value, slope, curvature)

    def moved(self, point: Point, value: float) -> np.ndarray:
        theta = point.theta + (value - point.value) * self.tangent(point)
        theta[self.index] = value
        return theta

    def tangent(self, point: Point) -> np.ndarray:
        """dθ/dvalue along the profile: the gradient of the free parameters stays zero on it,

        H_ff dθ_f + H_fi dvalue = 0.
        """
        i, space = self.index, self.objective.parameters
        inside = (point.theta > space.lower_scaled) & (point.theta < space.upper_scaled)
        inside[i] = False
        others = np.flatnonzero(inside)
        tangent = np.zeros(len(point.theta))
        tangent[i] = 1.0
        tangent[others] = -solve_positive(point.model[np.ix_(others, others)], point.model[others, i])
        return tangent


def point_of(found: LocalResult, value: float, slope: float, curvature: np.ndarray) -> Point:
    """The point of a profile that a refit has ended in."""
    if found.information is None or found.residual is None:
        return Point(
            value, found.theta, math.inf, math.inf, math.nan, math.nan, found.status, found.n_evaluations
        )
    return Point(
        value, found.theta, found.objective, found.nllh, found.nlprior, slope, found.status,
        found.n_evaluations, found.residual, found.information + curvature,
    )  # fmt: skip


def solve_positive(matrix: np.ndarray, right: np.ndarray, floor: float = 1e-10) -> np.ndarray:
    """matrix⁻¹ right for a symmetric matrix, without the directions in which it is not clearly positive:
    eigenvalues below `floor`, with the diagonal scaled to one."""
    if not len(right):
        return right
    scale = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    scaled = matrix / np.outer(scale, scale)
    try:
        factor = np.linalg.cholesky(scaled)  # a tenth of the cost of eigenvalues
        if np.diag(factor).min() > _WELL_CONDITIONED:
            return np.linalg.solve(factor.T, np.linalg.solve(factor, right / scale)) / scale
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(scaled)
    kept = values > floor
    part = vectors[:, kept].T @ (right / scale)
    return vectors[:, kept] @ (part / values[kept]) / scale

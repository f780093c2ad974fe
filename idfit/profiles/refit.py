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
# how far beyond a bound the second order is believed, as a share of the searched range
_REACH = 0.1


@dataclass(frozen=True)
class Point:
    """One point of a profile.

    value : the profiled value, on the scale of the profile; theta : (parameter,) estimation scale; slope :
    d objective/d value along the profile, exact by the envelope theorem; residual : (measurement,)
    standardised, which says how far the predictions have moved; model : (parameter, parameter) the Hessian
    as far as it is known; relief : (parameter,) what the objective would gain without a search bound.
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
    relief: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)

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
        return point_of(found, value, slope, curvature, self.space, self.index)

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


def point_of(
    found: LocalResult,
    value: float,
    slope: float,
    curvature: np.ndarray,
    space: ParameterSpace,
    own: int = -1,
) -> Point:
    """The point of a profile that a refit has ended in; own : position of the parameter held, -1 if none."""
    if found.information is None or found.residual is None or found.gradient is None:
        return Point(
            value, found.theta, math.inf, math.inf, math.nan, math.nan, found.status, found.n_evaluations,
            relief=np.zeros(len(found.theta)),
        )  # fmt: skip
    model = found.information + curvature
    return Point(
        value, found.theta, found.objective, found.nllh, found.nlprior, slope, found.status,
        found.n_evaluations, found.residual, model, relief(space, found.theta, found.gradient, model, own),
    )  # fmt: skip


def relief(
    space: ParameterSpace, theta: np.ndarray, gradient: np.ndarray, model: np.ndarray, own: int = -1
) -> np.ndarray:
    """What the objective would gain if a parameter could pass the search bound at which it stands,
    (parameter,); 0 for all others and at natural limits.

        gain = max { −g·v d − ½ vᵀHv d² : 0 ≤ d ≤ reach },   v_j = ±1 outward,  H_ff v_f = −H_fj v_j

    with the free parameters f following along v. A parameter that has drifted to its bound along a direction
    that the data do not determine gains nothing; own : position of the parameter held, -1 if none.
    """
    gain = np.zeros(len(theta))
    below, above = theta <= space.lower_scaled, theta >= space.upper_scaled
    others = np.arange(len(theta)) != own
    free = np.flatnonzero(others & ~below & ~above)
    searched = (below & ~space.at_domain[0]) | (above & ~space.at_domain[1])
    for j in np.flatnonzero(others & searched):
        v = np.zeros(len(theta))
        v[j] = 1.0 if above[j] else -1.0
        v[free] = -solve_positive(model[np.ix_(free, free)], model[free, j]) * v[j]
        width = space.upper_scaled[j] - space.lower_scaled[j]
        reach = _REACH * (width if math.isfinite(width) else 1.0 + abs(theta[j]))
        fall, bend = -float(gradient @ v), float(v @ model @ v)
        d = min(fall / bend, reach) if bend > 0.0 else reach
        gain[j] = max(fall * d - 0.5 * bend * d * d, 0.0) if fall > 0.0 else 0.0
    return gain


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

"""One cell of a two-dimensional profile: both parameters held, all others refitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from idfit.optimize.local import trust_region
from idfit.problem import Objective
from idfit.profiles.refit import ON_THE_WAY, Point, point_of, solve_positive
from idfit.results import Status

#: a refit from elsewhere counts as lower by this, in units of the log-likelihood
LOWER = 1e-4


def arrived(cell: dict) -> bool:
    """Whether the refit of a cell has arrived (`Point.settled`): one that has not is an upper bound, and no
    point of the profile."""
    return int(cell["status"]) == Status.CONVERGED and math.isfinite(cell["objective"])


@dataclass(frozen=True)
class Plane:
    """What is profiled: the objective with the parameters of these positions held.

    curvature : (parameter, parameter) what is known of the Hessian beyond the Fisher matrix.
    """

    objective: Objective
    pair: tuple[int, int]
    curvature: np.ndarray = field(repr=False)

    def refit(self, values: np.ndarray, starts: Sequence[np.ndarray], stop: np.ndarray) -> dict:
        """The minimum with the pair held at `values` (2,), from the first of the starts that arrives.

        Returns theta, objective, nllh, status, n_evaluations and tangent : (parameter, 2), d theta/d values.
        """
        n_evaluations, point = 0, None
        for start in starts:
            point = self._one(values, start, stop)
            n_evaluations += point.n_evaluations
            if point.settled or stop[0]:
                break
        assert point is not None
        return {
            "theta": point.theta,
            "objective": point.objective,
            "nllh": point.nllh,
            "status": int(point.status),
            "n_evaluations": n_evaluations,
            "tangent": self._tangent(point),
        }

    def _one(self, values: np.ndarray, start: np.ndarray, stop: np.ndarray) -> Point:
        curvature = self.curvature.copy()
        free = np.ones(len(start), dtype=bool)
        free[list(self.pair)] = False
        found = trust_region(
            self.objective, self.held(values, start), ON_THE_WAY, stop, free=free, curvature=curvature
        )
        return point_of(found, math.nan, math.nan, curvature, self.objective.parameters)

    def held(self, values: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """The point within the bounds, with the pair at its values."""
        space = self.objective.parameters
        theta = np.clip(theta, space.lower_scaled, space.upper_scaled)
        theta[list(self.pair)] = values
        return theta

    def _tangent(self, point: Point) -> np.ndarray:
        """d theta/d values: the gradient of the others stays zero, H_oo dθ_o + H_op dvalues = 0."""
        tangent = np.zeros((len(point.theta), 2))
        tangent[list(self.pair)] = np.eye(2)
        if not point.settled:
            return tangent
        space = self.objective.parameters
        inside = (point.theta > space.lower_scaled) & (point.theta < space.upper_scaled)
        inside[list(self.pair)] = False
        others = np.flatnonzero(inside)
        block = point.model[np.ix_(others, others)]
        for k, i in enumerate(self.pair):
            tangent[others, k] = -solve_positive(block, point.model[others, i])
        return tangent

    def improve(
        self, values: np.ndarray, starts: Sequence[np.ndarray], known: float, stop: np.ndarray
    ) -> dict:
        """A refit from the start that lies lowest, if it is lower than the value `known`; else nothing but
        the number of evaluations."""
        heights = [self.objective(self.held(values, s), 0, stop).objective for s in starts]
        lowest = int(np.argmin(heights))
        nothing = {"n_evaluations": len(starts)}
        if not heights[lowest] < known - LOWER or stop[0]:
            return nothing
        found = self.refit(values, [starts[lowest]], stop)
        found["n_evaluations"] += len(starts)
        lower = arrived(found) and found["objective"] < known
        return found if lower else nothing | {"n_evaluations": found["n_evaluations"]}

"""The surface that the predictions of a problem sweep out, in units of their noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from idfit.errors import InputError, RunError
from idfit.problem import Evaluation, Objective, Problem
from idfit.problem.objective import NO_STOP
from idfit.results import Status

# factors e that a positive parameter may travel beyond its bounds, which are mere ends of a search
_REACH = 90.0
# a parameter this close to a bound (relative to the width) stands on it
_ON_BOUND = 1e-6


@dataclass(frozen=True)
class Surface:
    """Predictions of a problem in units of their noise at the start, as a function of free coordinates z.

    z is ln p of a parameter that cannot be negative, ln(p/(1 − p)) of one on the logit scale, and p/unit of
    any other. Parameters of the noise alone are held, and so are those in `standing`, which stand on a bound
    of their meaning: that of a parameter on the linear scale. Bounds on logarithmic scales are mere ends of a
    search and do not count. Priors count as measurements that are linear in z.

    problem, objective : the same with wide bounds and no priors, its theta being `full`, (parameter,);
    free : positions of the coordinates in it; lower, upper, start : (coordinate,).
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    standing: Mapping[str, float]
    problem: Problem = field(repr=False)
    objective: Objective = field(repr=False)
    full: np.ndarray = field(repr=False)
    free: np.ndarray = field(repr=False)
    unit: np.ndarray = field(repr=False)
    sigma: np.ndarray = field(repr=False)
    prior: np.ndarray = field(repr=False)
    stop: np.ndarray = field(repr=False, default_factory=lambda: NO_STOP)

    @classmethod
    def of(
        cls,
        problem: Problem,
        theta: np.ndarray,
        *,
        rtol: float = 1e-10,
        atol: float = 1e-14,
        stop: np.ndarray = NO_STOP,
    ) -> Surface:
        """The surface around theta : (parameter,), estimation scale.

        stop : a flag that is nonzero when evaluations are to end. Errors: `RunError` where the problem cannot
        be evaluated at theta.
        """
        space = problem.parameters
        value = space.to_natural(theta)
        kinds = [_kind(space.scale[k], space.lower[k], value[k]) for k in range(len(space))]
        wide = _wide(problem, value, kinds)
        objective = wide.objective(rtol, atol)
        full = objective.parameters.to_scaled(value)
        here = _evaluated(objective, full)
        own = problem.objective(rtol, atol)(theta, 1)
        standing = {
            k: float(value[k])
            for k in range(len(space))
            if space.scale[k] == "lin" and _stands(problem, theta, k)
        }
        assert here.prediction_jacobian is not None
        seen = np.any(here.prediction_jacobian != 0, axis=0)
        free = np.array([k for k in range(len(space)) if seen[k] and k not in standing], dtype=np.int64)
        unit = np.array([_unit(problem, k, kinds[k], float(value[k])) for k in free])
        # theta' of the problem by z, with which the information of its priors is one of z
        slope = objective.parameters.slope(full)[free] * unit / space.slope(theta)[free]
        prior = np.zeros(len(free)) if own.prior_fim is None else np.diag(own.prior_fim)[free] * slope**2
        ends = np.array([_ends(problem, k, kinds[k]) for k in free]).reshape(-1, 2) / unit[:, None]
        return cls(
            names=tuple(space.names[k] for k in free),
            kinds=tuple(kinds[k] for k in free),
            start=full[free] / unit,
            lower=ends[:, 0],
            upper=ends[:, 1],
            standing={space.names[k]: v for k, v in standing.items()},
            problem=wide,
            objective=objective,
            full=full,
            free=free,
            unit=unit,
            sigma=here.sigma,
            prior=np.diag(np.sqrt(np.maximum(prior, 0.0))),
            stop=stop,
        )

    def jacobian(self, z: np.ndarray) -> np.ndarray | None:
        """Derivatives of the predictions and of the priors, (row, coordinate); None where there are none."""
        ev = self.objective(self._theta(z), 1, self.stop)
        if ev.prediction_jacobian is None:
            return None
        rows = ev.prediction_jacobian[np.isfinite(ev.residual)][:, self.free] * self.unit
        return np.concatenate([rows / self.sigma[np.isfinite(ev.residual), None], self.prior])

    def evaluate(self, z: np.ndarray) -> Evaluation:
        """Predictions and their noise at z."""
        return self.objective(self._theta(z), 0, self.stop)

    def values(self, z: np.ndarray) -> dict[str, float]:
        """Natural values of all parameters of the problem at z."""
        space = self.objective.parameters
        natural = space.to_natural(self._theta(z)).tolist()
        return dict(zip(space.names, natural, strict=True))

    def moved(self, z: np.ndarray, other: np.ndarray) -> float:
        """The largest change of a prediction between two points, in units of its noise; inf where there is
        none."""
        here, there = self.evaluate(z), self.evaluate(other)
        if here.status is not Status.OK or there.status is not Status.OK:
            return math.inf
        change = here.residual * here.sigma - there.residual * there.sigma
        return float(np.nanmax(np.abs(change / self.sigma)))

    def _theta(self, z: np.ndarray) -> np.ndarray:
        theta = self.full.copy()
        theta[self.free] = z * self.unit
        return theta


def _evaluated(objective: Objective, theta: np.ndarray) -> Evaluation:
    ev = objective(theta, 1)
    if ev.status is not Status.OK:
        raise RunError(
            f"the model cannot be reduced from a point where it has no value: {ev.status.sentence}"
        )
    return ev


def _kind(scale: str, lower: float, value: float) -> str:
    if scale in ("log", "log10") or (scale == "lin" and lower >= 0.0 and value > 0.0):
        return "log"
    return scale


def _stands(problem: Problem, theta: np.ndarray, k: int) -> bool:
    space = problem.parameters
    lower, upper = space.lower_scaled[k], space.upper_scaled[k]
    near = _ON_BOUND * (upper - lower) if np.isfinite(upper - lower) else 0.0
    return bool(theta[k] <= lower + near or theta[k] >= upper - near)


def _ends(problem: Problem, k: int, kind: str) -> tuple[float, float]:
    """The bounds of a parameter that belong to its meaning, by ln p where it is positive."""
    space = problem.parameters
    if space.scale[k] != "lin":
        return -math.inf, math.inf
    lower, upper = float(space.lower[k]), float(space.upper[k])
    if kind == "lin":
        return lower, upper
    return (math.log(lower) if lower > 0 else -math.inf), math.log(upper)


def _unit(problem: Problem, k: int, kind: str, value: float) -> float:
    """What a coordinate counts in: a tenth of the width of finite bounds, else the size of the value."""
    if kind != "lin":
        return 1.0
    width = float(problem.parameters.upper[k] - problem.parameters.lower[k])
    return width / 10.0 if math.isfinite(width) else max(abs(value), 1.0)


def _wide(problem: Problem, value: np.ndarray, kinds: list[str]) -> Problem:
    """The problem without priors, positive parameters on the scale ln p and far beyond their bounds."""
    if not len(problem.spec.measurements):
        raise InputError.of("a problem without measurements", "has no limits to find", "give a data file")
    changes = {}
    for name, p, kind in zip(problem.parameters.names, value.tolist(), kinds, strict=True):
        changes[name] = {"value": p, "prior": None, "start": None}
        if kind == "log":
            changes[name] |= {
                "scale": "log",
                "min": max(p * math.exp(-_REACH), 1e-290),
                "max": min(p * math.exp(_REACH), 1e290),
            }
    return problem.with_parameters(changes)

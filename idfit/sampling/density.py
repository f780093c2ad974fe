"""The posterior density of a problem on the estimation scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from idfit.errors import Finding, InputError, Interrupted
from idfit.problem.objective import NO_STOP, Objective
from idfit.results import Status
from idfit.spec.priors import Prior

# the central part of a prior that counts as its width
_TAIL = 0.005


@dataclass(frozen=True, slots=True)
class Point:
    """The density at one θ, data and prior apart: ln π = log_likelihood + log_prior, both -∞ where π = 0.

    With derivatives, likelihood_gradient and prior_gradient are ∂/∂θ (parameter,) of the two; `fim` is the
    Fisher information of the data and `prior_fim` the curvature of the priors, (parameter, parameter).
    """

    theta: np.ndarray
    log_likelihood: float
    log_prior: float
    likelihood_gradient: np.ndarray | None = None
    prior_gradient: np.ndarray | None = None
    fim: np.ndarray | None = None
    prior_fim: np.ndarray | None = None

    def log_density(self, beta: float = 1.0) -> float:
        """beta·ln L + ln prior; -∞ where π = 0, at beta = 0 too."""
        if self.log_likelihood == -np.inf:
            return -np.inf
        return beta * self.log_likelihood + self.log_prior


@dataclass(frozen=True)
class Density:
    """ln π(θ | data) up to a constant, as a density over θ (the estimation scale).

    ln π(θ) = -nllh(θ) - nlprior(θ) + Σ_k ln |dp_k/dθ_k|, the sum over the parameters whose prior is a density
    of the natural value p_k (`on = "natural"`). A parameter without a prior is uniform in θ within its
    bounds. Outside the bounds, and where the integrator fails, ln π = -∞; `failures` counts the latter by
    `Status`, so that a posterior cut by failures can be told from one cut by its bounds. An instance belongs
    to one thread.

    Errors: `InputError` names every parameter that has neither a prior nor finite bounds, for then the
    density has no integral.
    """

    objective: Objective
    stop: np.ndarray = field(default_factory=lambda: NO_STOP, repr=False)
    failures: Counter[Status] = field(default_factory=Counter, init=False, repr=False)

    def __post_init__(self) -> None:
        space = self.objective.parameters
        bounded = np.isfinite(space.lower_scaled) & np.isfinite(space.upper_scaled)
        findings = [
            Finding(
                "",
                0,
                0,
                f"parameter {name} has no prior and the bounds [{space.lower[k]:g}, {space.upper[k]:g}]",
                f"a posterior needs a prior or finite bounds on the estimation scale ({space.scale[k]})",
                "give it a prior, or finite bounds (positive ones on a logarithmic scale)",
            )
            for k, name in enumerate(space.names)
            if space.prior[k] is None and not bounded[k]
        ]
        if findings:
            raise InputError(findings)

    def __call__(self, theta: np.ndarray) -> float:
        """ln π at theta (parameter,)."""
        return self.at(theta, 0).log_density()

    def with_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """(ln π, ∂ ln π/∂θ (parameter,)); the gradient is NaN where ln π = -∞."""
        point = self.at(theta, 1)
        if point.likelihood_gradient is None or point.prior_gradient is None:
            return -np.inf, np.full(len(theta), np.nan)
        return point.log_density(), point.likelihood_gradient + point.prior_gradient

    def at(self, theta: np.ndarray, order: int = 1) -> Point:
        """The density at theta (parameter,); with its derivatives if order is 1 and π > 0."""
        if not self.contains(theta):
            return Point(theta, -np.inf, -np.inf)
        found = self.objective(theta, order, self.stop)
        if not self._succeeded(found.status):
            return Point(theta, -np.inf, -np.inf)
        log_prior = self._log_jacobian(theta) - found.nlprior
        if found.gradient is None or found.prior_gradient is None:
            return Point(theta, -found.nllh, log_prior)
        return Point(
            theta,
            -found.nllh,
            log_prior,
            found.prior_gradient - found.gradient,
            self._log_jacobian_gradient(theta) - found.prior_gradient,
            found.fim,
            found.prior_fim,
        )

    def contains(self, theta: np.ndarray) -> bool:
        """Whether theta (parameter,) lies within the bounds, these included."""
        space = self.objective.parameters
        return bool(((theta >= space.lower_scaled) & (theta <= space.upper_scaled)).all())

    @property
    def lower(self) -> np.ndarray:
        """(parameter,) on the estimation scale; -∞ where only a prior ends the density."""
        return self.objective.parameters.lower_scaled

    @property
    def upper(self) -> np.ndarray:
        return self.objective.parameters.upper_scaled

    @cached_property
    def prior_width(self) -> np.ndarray:
        """(parameter,) on the estimation scale: that of the bounds, or of the central 99 % of the prior if
        this is less."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for k, prior in enumerate(self.objective.parameters.prior):
            if prior is not None:
                low, high = self._central(k, prior)
                lower[k], upper[k] = np.fmax(lower[k], low), np.fmin(upper[k], high)
        # bounds far out in the tail of a prior may leave nothing of its centre
        return np.where(upper > lower, upper - lower, self.upper - self.lower)

    def _central(self, k: int, prior: Prior) -> tuple[float, float]:
        ends = np.array([prior.tail(_TAIL), prior.tail(_TAIL, upper=True)])
        if prior.on == "estimation":
            return float(ends[0]), float(ends[1])
        space = self.objective.parameters
        values = np.broadcast_to(space.nominal_scaled, (2, len(space))).copy()
        values = space.to_natural(values)
        values[:, k] = np.fmin(np.fmax(ends, space.lower[k]), space.upper[k])
        scaled = space.to_scaled(values)[:, k]
        return float(scaled[0]), float(scaled[1])

    def _succeeded(self, status: Status) -> bool:
        if status == Status.INTERRUPTED:
            raise Interrupted("interrupted while sampling")
        # outside the support of a prior is a value of the density, not a failure
        if status not in (Status.OK, Status.OUT_OF_BOUNDS):
            self.failures[status] += 1
        return status == Status.OK

    @cached_property
    def _natural(self) -> dict[str, np.ndarray]:
        """Where each scale carries a prior that is a density of the natural value, (parameter,)."""
        space = self.objective.parameters
        natural = np.array([p is not None and p.on == "natural" for p in space.prior], dtype=bool)
        scale = np.array(space.scale)
        return {name: (scale == name) & natural for name in ("log", "log10", "logit")}

    def _log_jacobian(self, theta: np.ndarray) -> float:
        """ln |dp/dθ|: 0 (lin), θ (log), θ ln 10 + ln ln 10 (log10), -ln(1 + e^-θ) - ln(1 + e^θ) (logit)."""
        of = self._natural
        total = theta[of["log"]].sum()
        total += (np.log(10) * theta[of["log10"]] + np.log(np.log(10))).sum()
        if of["logit"].any():
            s = theta[of["logit"]]
            total -= (np.logaddexp(0, s) + np.logaddexp(0, -s)).sum()
        return float(total)

    def _log_jacobian_gradient(self, theta: np.ndarray) -> np.ndarray:
        """d ln |dp/dθ|/dθ: 0 (lin), 1 (log), ln 10 (log10), 1 - 2p = -tanh(θ/2) (logit)."""
        of = self._natural
        return of["log"] + np.log(10) * of["log10"] - of["logit"] * np.tanh(0.5 * theta)


def failure_arrays(density: Density) -> dict[str, np.ndarray]:
    """Its failures as a task can return them: `failure_status` and `failure_count`, one entry per status."""
    known = sorted(density.failures)
    return {
        "failure_status": np.array([int(s) for s in known], dtype=np.int64),
        "failure_count": np.array([density.failures[s] for s in known], dtype=np.int64),
    }


def failures_of(results: Iterable[Mapping[str, Any]]) -> Counter[Status]:
    """The failures that `failure_arrays` put into the results of tasks, summed."""
    found: Counter[Status] = Counter()
    for result in results:
        pairs = zip(result["failure_status"].tolist(), result["failure_count"].tolist(), strict=True)
        found.update({Status(status): count for status, count in pairs})
    return found

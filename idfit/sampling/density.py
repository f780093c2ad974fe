"""The posterior density of a problem on the estimation scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from idfit.errors import Finding, InputError, Interrupted
from idfit.problem.objective import NO_STOP, Objective
from idfit.results import Status


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
        if not self._inside(theta):
            return -np.inf
        evaluation = self.objective(theta, 0, self.stop)
        if not self._succeeded(evaluation.status):
            return -np.inf
        return -evaluation.objective + self._log_jacobian(theta)

    def with_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """(ln π, ∂ ln π/∂θ (parameter,)); the gradient is NaN where ln π = -∞."""
        nothing = np.full(len(theta), np.nan)
        if not self._inside(theta):
            return -np.inf, nothing
        evaluation = self.objective(theta, 1, self.stop)
        if not self._succeeded(evaluation.status) or evaluation.gradient is None:
            return -np.inf, nothing
        value = -evaluation.objective + self._log_jacobian(theta)
        return value, self._log_jacobian_gradient(theta) - evaluation.gradient

    def _inside(self, theta: np.ndarray) -> bool:
        space = self.objective.parameters
        return bool(np.all((theta >= space.lower_scaled) & (theta <= space.upper_scaled)))

    def _succeeded(self, status: Status) -> bool:
        if status == Status.INTERRUPTED:
            raise Interrupted("interrupted while sampling")
        # outside the support of a prior is a value of the density, not a failure
        if status not in (Status.OK, Status.OUT_OF_BOUNDS):
            self.failures[status] += 1
        return status == Status.OK

    @cached_property
    def _natural(self) -> np.ndarray:
        """(parameter,) whose prior is a density of the natural value."""
        return np.array([p is not None and p.on == "natural" for p in self.objective.parameters.prior])

    def _log_jacobian(self, theta: np.ndarray) -> float:
        slope = self.objective.parameters.slope(theta)[self._natural]
        with np.errstate(divide="ignore"):  # p underflows to zero far out on a logarithmic scale
            return float(np.log(np.abs(slope)).sum())

    def _log_jacobian_gradient(self, theta: np.ndarray) -> np.ndarray:
        """d ln |dp/dθ|/dθ: 0 (lin), 1 (log), ln 10 (log10), 1 - 2p (logit)."""
        space = self.objective.parameters
        p = space.to_natural(theta)
        of_scale = {"lin": np.zeros_like(p), "log": np.ones_like(p), "logit": 1 - 2 * p}
        of_scale["log10"] = np.full_like(p, np.log(10))
        gradient = np.array([of_scale[scale][k] for k, scale in enumerate(space.scale)])
        return np.where(self._natural, gradient, 0.0)

"""One local optimisation: what every optimiser takes and gives, and idfit's own trust region."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from idfit.errors import InputError
from idfit.numerics import trust_region as kernel
from idfit.problem import Objective
from idfit.results import Status

DEFAULT_OPTIMIZER = "trust-region"


@dataclass(frozen=True)
class LocalOptions:
    """When a local optimisation ends.

    max_iterations : of the optimiser. tolerance : expected decrease of the objective (in units of the
    log-likelihood) below which it has converged. radius : the first step in units of the variables (a
    factor e for logarithmic ones).
    coarse_rtol : of the integration while the optimum is still far (idfit's own optimiser); 0 for the exact
    one throughout.
    """

    max_iterations: int = 1000
    tolerance: float = 1e-9
    radius: float = 1.0
    coarse_rtol: float = 1e-6

    def __post_init__(self) -> None:
        if self.max_iterations < 1:
            raise InputError(f"max_iterations = {self.max_iterations} was given; at least 1 is needed")
        if not 0.0 < self.tolerance < 1.0:
            raise InputError(
                f"tolerance = {self.tolerance:g} was given; it lies between 0 and 1, usually 1e-9"
            )


@dataclass(frozen=True)
class LocalResult:
    """Where a start ended. `theta` on the estimation scale; `gradient_norm` is the largest projected
    component; `gradient`, `information` (Fisher information with the priors' curvature) and `residual`
    (standardised) belong to `theta`, where the optimiser gives them."""

    theta: np.ndarray
    status: Status
    objective: float = math.inf
    nllh: float = math.inf
    nlprior: float = math.nan
    chi2: float = math.nan
    gradient_norm: float = math.nan
    n_evaluations: int = 0
    n_iterations: int = 0
    gradient: np.ndarray | None = None
    information: np.ndarray | None = None
    residual: np.ndarray | None = None


#: (objective, theta0, options, stop flag, random generator) -> result
LocalOptimizer = Callable[[Objective, np.ndarray, LocalOptions, np.ndarray, np.random.Generator], LocalResult]


def trust_region(
    objective: Objective,
    theta0: np.ndarray,
    options: LocalOptions,
    stop: np.ndarray,
    rng: np.random.Generator | None = None,
    free: np.ndarray | None = None,
    curvature: np.ndarray | None = None,
) -> LocalResult:
    """idfit's own optimiser: bounded trust region with the Fisher matrix, a whole start in one call without
    the GIL.

    free : (parameter,) bool, False for parameters that stay where they are; curvature : (parameter,
    parameter) what is known of the Hessian beyond the Fisher matrix, used from the first step on and
    replaced by what has been learnt. It draws no random numbers.
    """
    theta = np.array(theta0, dtype=float)
    k, plan = len(theta), objective.plan
    settings = np.empty(kernel.OPTION_SIZE)
    settings[kernel.OPTION_RTOL], settings[kernel.OPTION_ATOL] = objective.rtol, objective.atol
    settings[kernel.OPTION_COARSE_RTOL] = options.coarse_rtol
    settings[kernel.OPTION_STEPS] = objective.max_steps
    settings[kernel.OPTION_ITERATIONS] = options.max_iterations
    settings[kernel.OPTION_DECREASE], settings[kernel.OPTION_RADIUS] = options.tolerance, options.radius
    settings[kernel.OPTION_KNOWN_CURVATURE] = float(curvature is not None)
    learnt = np.zeros((k, k)) if curvature is None else curvature
    outcome, trace = np.empty(kernel.OUTCOME_SIZE), np.empty(options.max_iterations + 1)
    gradient, information, residual = np.empty(k), np.empty((k, k)), np.empty(plan.n_rows)
    kernel.minimise(
        plan.ints, plan.floats, theta, np.ones(k, dtype=bool) if free is None else free, settings, stop,
        outcome, gradient, information, residual, trace, learnt,
    )  # fmt: skip
    status = Status(int(outcome[kernel.OUTCOME_STATUS]))
    n_evaluations = int(outcome[kernel.OUTCOME_EVALUATIONS])
    if not status.usable:
        return LocalResult(theta, status, n_evaluations=n_evaluations)
    return LocalResult(
        theta,
        status,
        float(outcome[kernel.OUTCOME_OBJECTIVE]),
        float(outcome[kernel.OUTCOME_NLLH]),
        float(outcome[kernel.OUTCOME_NLPRIOR]),
        float(outcome[kernel.OUTCOME_CHI2]),
        float(outcome[kernel.OUTCOME_GRADIENT]),
        n_evaluations,
        int(outcome[kernel.OUTCOME_ITERATIONS]),
        gradient,
        information,
        residual,
    )


def projected_gradient(
    theta: np.ndarray, gradient: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray:
    """The gradient without the components that point out of the box at a bound."""
    blocked = ((theta <= lower) & (gradient >= 0)) | ((theta >= upper) & (gradient <= 0))
    return np.where(blocked, 0.0, gradient)

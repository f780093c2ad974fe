"""The evidence from the draws of any sampler: a bridge between the posterior and a density fitted to it.

    Z = E_g[π(θ) h(θ)] / E_π[g(θ) h(θ)],     h = 1/(s₁ π + s₂ Z g)

for any normalised g that overlaps with the posterior π (Meng & Wong 1996; this h makes the error least, and Z
on the right is found by iteration). Here g is a mixture of t densities (`student_mixture`) fitted to one half
of the superchains and held against the other, once each way, so that what it was fitted to does not judge it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from idfit.problem import Objective, ParameterSpace
from idfit.sampling.density import Density, failure_arrays, failures_of
from idfit.sampling.rounds import STAGE, Drawn
from idfit.sampling.student_mixture import DOF, StudentMixture, fit_mixture
from idfit.tasks import Runner, Task, seed_sequence

# from g, and at most of the posterior, for each of the two estimates
_DRAWS = 1000
_ITERATIONS, _SETTLED = 1000, 1e-10


def bridge_evidence(
    objective: Objective, drawn: Drawn, seed: int, runner: Runner
) -> tuple[Drawn, dict[str, float]]:
    """The draws, with the failures met here counted in, and the attributes

        log_evidence = ln ∫ exp(−nllh(θ))·p(θ) dθ

    p the priors normalised within the bounds of their parameters, and uniform on the estimation scale without
    one; and `log_evidence_error`, one standard error, of the draws alone: a mode that they have not met is
    not in it. Takes 2,000 evaluations; no attributes if they fail.
    """

    def work(task: Task, stop: np.ndarray) -> dict:
        density, half = Density(objective, stop), int(task.inputs["half"])
        found = _bridge(density, drawn, half, seed_sequence(seed, *task.seed_key))
        return {"log_z": found[0], "error": found[1]} | failure_arrays(density)

    tasks = [Task(f"posterior evidence {half}", (STAGE + 3, half), {"half": half}) for half in (0, 1)]
    results = runner.run(tasks, work)
    if any("log_z" not in r for r in results):
        return drawn, {}
    drawn = replace(drawn, failures=drawn.failures + failures_of(results))
    log_z, errors = (np.array([float(r[name]) for r in results]) for name in ("log_z", "error"))
    error = max(math.hypot(*errors) / 2, abs(float(log_z[1] - log_z[0])) / 2)
    value = float(log_z.mean()) - _log_prior_mass(objective.parameters)
    found = {"log_evidence": value, "log_evidence_error": error}
    return drawn, found if math.isfinite(value) else {}


def _bridge(density: Density, drawn: Drawn, half: int, rng: np.random.Generator) -> tuple[float, float]:
    """ln ∫ π, π as `Density` has it, and its standard error: g from the superchains of one parity, the
    posterior from the others."""
    p = drawn.theta.shape[-1]
    fitted = np.moveaxis(drawn.theta[half::2], 2, 0).reshape(-1, p)
    theta, lp = drawn.theta[1 - half :: 2].reshape(-1, p), drawn.lp[1 - half :: 2].ravel()
    every = math.ceil(len(theta) / _DRAWS)
    theta, lp = theta[::every], lp[::every]
    n_worth = min(float(len(theta)), 0.5 * float(drawn.diagnosis.ess_bulk.min()))
    g = _fitted(fitted, rng)
    proposed = [g.draw(rng) for _ in range(_DRAWS)]
    above = lp - _log_densities(g, theta)
    below = np.array([density(t) for t in proposed]) - _log_densities(g, proposed)
    return _iterated(above, below, n_worth)


def _fitted(draws: np.ndarray, rng: np.random.Generator) -> StudentMixture:
    draws = draws[:: math.ceil(len(draws) / _DRAWS)]
    spread = np.cov(draws.T).reshape(draws.shape[1], -1)
    return fit_mixture(draws, np.linalg.cholesky(spread + 1e-6 * np.diag(np.diag(spread))), rng)


def _log_densities(g: StudentMixture, theta) -> np.ndarray:
    """ln g at theta (draw, parameter), normalised."""
    p = g.mean.shape[1]
    constant = math.lgamma((DOF + p) / 2) - math.lgamma(DOF / 2) - p / 2 * math.log(DOF * math.pi)
    return np.array([g.log_density(t) for t in theta]) + constant


def _iterated(above: np.ndarray, below: np.ndarray, n_worth: float) -> tuple[float, float]:
    """ln Z and its standard error from ln π/g at draws of the posterior (`above`, worth so many independent
    ones) and of g (`below`); Frühwirth-Schnatter 2004, doi:10.1111/j.1368-423X.2004.00125.x, eq. 10."""
    middle = float(np.median(above))
    s1 = n_worth / (n_worth + len(below))
    s2 = 1.0 - s1
    of_posterior, of_g = np.exp(above - middle), np.exp(below - middle)

    def means_of(z: float) -> tuple[np.ndarray, np.ndarray]:
        return of_g / (s1 * of_g + s2 * z), 1.0 / (s1 * of_posterior + s2 * z)

    z, before = 1.0, math.inf
    for _ in range(_ITERATIONS):
        if z == 0.0:
            return -math.inf, math.inf
        if abs(z - before) <= _SETTLED * z:
            break
        upper, lower = means_of(z)
        before, z = z, float(upper.mean() / lower.mean())
    upper, lower = means_of(z)
    variance = _relative_variance(upper) / len(below) + _relative_variance(lower) / n_worth
    return math.log(z) + middle, math.sqrt(variance)


def _relative_variance(values: np.ndarray) -> float:
    return float(values.var() / values.mean() ** 2)


def _log_prior_mass(space: ParameterSpace) -> float:
    """ln of ∫ prior over the bounds, prior as `Density` has it: 1 per unit of θ without one."""
    total = 0.0
    for k, prior in enumerate(space.prior):
        if prior is None:
            total += math.log(space.upper_scaled[k] - space.lower_scaled[k])
        elif not prior.within_bounds:
            total += prior.log_probability(*space.bounds_on(k, prior))
    return total

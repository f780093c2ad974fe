"""The evidence of a problem by the nested sampling of the package dynesty.

This file alone imports dynesty, an extra: ``pip install 'idfit[evidence]'``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from idfit.errors import InputError, Interrupted
from idfit.sampling.density import Density
from idfit.sampling.positions import quantile_function
from idfit.tasks import Result

#: points that are alive at a time; the error of ln Z goes with their number's root
LIVE_POINTS = 250
# parameters up to which new points are drawn evenly from ellipsoids around those alive
_FEW = 4
# what a likelihood is said to be once all has to stop: it is accepted at once, and ends the step
_ANY = 1e300


def run_nested(
    density: Density, seed: int, dlogz: float, max_evaluations: int, n_live: int = LIVE_POINTS
) -> Result:
    """Posterior draws and the evidence

        Z = ∫ exp(-nllh(θ)) p(θ) dθ,     ∫ p(θ) dθ = 1 within the bounds,

    p the priors, each normalised between the bounds of its parameter (as all of it must lie there, Z does not
    depend on whether the problem says ``within bounds``), and uniform in θ without one. Sampling ends when
    what is left of the prior could add no more than `dlogz` to ln Z, or after `max_evaluations`.

    Returns theta (draw, parameter) on the estimation scale and lp (draw,) = ln π(θ) as `Density` has it:
    equally weighted draws in random order, as many as their weights are worth; log_evidence and
    log_evidence_error (one standard error, of the sampling alone); dlogz, what was left at the end, larger
    than asked for if the evaluations were used up; n_evaluations.

    Errors: `InputError` without the package dynesty, and for a prior without probability between the bounds;
    `Interrupted` when the density's stop flag is set.

    Skilling 2006, doi:10.1214/06-BA127; Speagle 2020, doi:10.1093/mnras/staa278.
    """
    library = _library()
    likelihood, rng = _Likelihood(density), np.random.default_rng(seed)
    sampler = _begun(library, likelihood, prior_transform(density), rng, n_live)
    left = dlogz
    for step in sampler.sample(dlogz=dlogz):
        _go_on(density)
        if likelihood.n_evaluations >= max_evaluations:
            left = float(step.delta_logz)
            break
    _go_on(density)
    sampler.run_nested(dlogz=np.inf, print_progress=False)  # no further step, but the points still alive
    return _drawn(library, sampler.results, rng) | {"n_evaluations": likelihood.n_evaluations, "dlogz": left}


def prior_transform(density: Density) -> Callable[[np.ndarray], np.ndarray]:
    """θ (parameter,) on the estimation scale from the unit cube: uniform there is prior here.

    Errors: `InputError` for priors without probability between the bounds of their parameters.
    """
    space = density.objective.parameters
    for k, prior in enumerate(space.prior):
        if prior and not np.isfinite(prior.log_probability(*space.bounds_on(k, prior))):
            raise InputError.of(
                f"the prior {prior} of parameter {space.names[k]}",
                f"has no probability between its bounds [{space.lower[k]:g}, {space.upper[k]:g}]",
                "move the bounds or the prior",
            )
    quantiles = [quantile_function(space, k) for k in range(len(space))]
    return lambda cube: np.array([float(q(u)) for q, u in zip(quantiles, cube, strict=True)])


def _library() -> Any:
    try:
        import dynesty
    except ImportError:
        raise InputError.of(
            "nested sampling",
            "needs the package dynesty, which is not installed",
            "run: pip install 'idfit[evidence]'",
        ) from None
    return dynesty


class _Likelihood:
    """θ -> (ln likelihood, ln π). Once stopped it no longer raises, as the library would print the error; and
    the library copies ln π by a method that only numpy's numbers have."""

    def __init__(self, density: Density):
        self.density = density
        self.n_evaluations = 0

    def __call__(self, theta: np.ndarray) -> tuple[float, np.float64]:
        if self.density.stop[0]:
            return _ANY, np.float64(np.nan)
        self.n_evaluations += 1
        try:
            point = self.density.at(theta, 0)
        except Interrupted:
            return _ANY, np.float64(np.nan)
        return point.log_likelihood, np.float64(point.log_density())


def _go_on(density: Density) -> None:
    if density.stop[0]:
        raise Interrupted("interrupted while sampling")


def _begun(
    library: Any,
    likelihood: _Likelihood,
    transform: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    n_live: int,
) -> Any:
    """The sampler with its first points."""
    n_parameters = len(likelihood.density.objective.parameters)
    # ellipsoids around long, bent regions are mostly empty
    how = "unif" if n_parameters <= _FEW else "rwalk"
    return library.NestedSampler(
        likelihood, transform, n_parameters, nlive=n_live, rstate=rng, blob=True, sample=how
    )


def _drawn(library: Any, results: Any, rng: np.random.Generator) -> Result:
    """Equally weighted draws: of systematic resampling, as many as the weights are worth (Kish)."""
    weights = results.importance_weights()
    weights = weights / weights.sum()
    n_worth = max(1, round(1.0 / float(np.sum(weights**2))))
    chosen = library.utils.resample_equal(np.arange(len(weights)), weights, rng)[:n_worth]
    return {
        "theta": np.asarray(results.samples)[chosen],
        "lp": np.asarray(results.blob, dtype=float)[chosen],
        "log_evidence": float(results.logz[-1]),
        "log_evidence_error": float(results.logzerr[-1]),
    }

"""The No-U-Turn sampler of the package mici on the posterior density of a problem.

This file alone imports mici, an extra: ``pip install 'idfit[nuts]'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from idfit.errors import InputError, Interrupted, RunError
from idfit.sampling.density import Density
from idfit.sampling.positions import covariance_at
from idfit.sampling.unbounded import UnboundedDensity
from idfit.tasks import Result

#: mean acceptance along a trajectory that the step size is adapted to
TARGET_ACCEPTANCE = 0.8
#: trajectories have at most 2^10 steps, as in Stan
MAX_DEPTH = 10
#: below this the windows of the warm-up hold too little to adapt to
FEWEST_WARMUP = 20
# a chain begins no closer to a bound than this share of the box; on the bound itself u is infinite
_CLOSEST = 1e-6
# a bound alone has no box; this far from it then
_APART = 1e-6
# share of the warm-up that looks for where the probability is, by trajectories of at most 2^5 steps
_APPROACH, _SHORT = 5, 5
_PART = "integration_transition"


def run_chain(
    density: Density,
    start: np.ndarray,
    n_warmup: int,
    n_draws: int,
    seed: int,
    state: Mapping[str, Any] | None = None,
) -> Result:
    """One chain of the No-U-Turn sampler, from start (parameter,) on the estimation scale.

    The chain moves on the whole line (`Unbounding`), in coordinates z in which the Fisher information at one
    point is the unit matrix: u = centre + root z. In the first fifth of the warm-up this is the start, and
    short trajectories look for where the probability is; then the point where they have come to. The rest
    adapts the step size and the variances of z, in Stan's windows. `state` is what an earlier block returned
    (its ``state_…`` and ``step_size``): the chain goes on from there, with n_warmup = 0 by the same step and
    metric, and `start` is not looked at.

    Returns theta (draw, parameter) on the estimation scale; lp (draw,) = ln π(θ), without the Jacobian of the
    whole line; acceptance, its mean along the trajectories; n_evaluations of the gradient, with the
    warm-up's; n_divergent trajectories among the draws; step_size; and to continue with state_position
    (parameter,) and state_variance (parameter,) of z, state_centre (parameter,), state_root (parameter,
    parameter).

    Errors: `InputError` without the package mici, or for too short a warm-up; `RunError` where the density is
    not finite at the beginning or no step size is found; `Interrupted` when the density's stop flag is set.

    Hoffman & Gelman 2014, JMLR 15, 1593; multinomial weights: Betancourt 2017, arXiv:1701.02434.
    """
    library = _library()
    if n_warmup < FEWEST_WARMUP and not (state and n_warmup == 0):
        raise InputError(
            f"a warm-up of {n_warmup} steps was given; at least {FEWEST_WARMUP} are needed, or 0 where an "
            "earlier block is continued"
        )
    target = UnboundedDensity.of(density)
    chain = _Chain(library, target, state or _beginning(target, start), np.random.default_rng(seed))
    with np.errstate(all="ignore"):  # energies are infinite out of bounds, and their differences NaN
        try:
            n_approach = 0 if state else n_warmup // _APPROACH
            if n_approach:
                chain = chain.approached(n_approach)
            chain.warm_up(n_warmup - n_approach)
            return chain.draw(n_draws)
        except library.errors.AdaptationError as error:
            raise RunError(
                f"the No-U-Turn sampler found no step size where its chain begins ({error}) - begin "
                "elsewhere, or see whether the posterior has a density everywhere within the bounds"
            ) from None


def _library() -> Any:
    try:
        import mici
    except ImportError:
        raise InputError.of(
            "the No-U-Turn sampler",
            "needs the package mici, which is not installed",
            "run: pip install 'idfit[nuts]'",
        ) from None
    return mici


def _beginning(target: UnboundedDensity, start: np.ndarray) -> dict[str, Any]:
    """The state of a chain that stands at start and knows the information there."""
    lower, upper = target.line.lower, target.line.upper
    apart = np.where(np.isfinite(upper - lower), _CLOSEST * (upper - lower), _APART)
    theta = np.clip(start, lower + apart, upper - apart)
    u = target.line.unbounded(theta)
    slope = target.line.slope(u)
    covariance = covariance_at(target.density, theta) / np.outer(slope, slope)
    ones = np.ones_like(u)
    return {
        "state_position": 0.0 * ones,
        "state_variance": ones,
        "state_centre": u,
        "state_root": np.linalg.cholesky(covariance),
        "step_size": 1.0,
    }


class _Chain:
    """A chain of the library's parts, driven by hand: its own loop would log errors instead of raising."""

    def __init__(
        self, library: Any, target: UnboundedDensity, state: Mapping[str, Any], rng: np.random.Generator
    ):
        self.library, self.target = library, target
        self.centre, self.root = np.asarray(state["state_centre"]), np.asarray(state["state_root"])
        self.n_evaluations = 0
        self.system = library.systems.EuclideanMetricSystem(
            neg_log_dens=lambda z: self._potential(z)[1],
            grad_neg_log_dens=self._potential,
            metric=1.0 / np.asarray(state["state_variance"]),
        )
        self.integrator = library.integrators.LeapfrogIntegrator(self.system, float(state["step_size"]))
        self.momentum = library.transitions.IndependentMomentumTransition(self.system)
        self.trajectory = library.transitions.MultinomialDynamicIntegrationTransition(
            self.system, self.integrator, max_tree_depth=MAX_DEPTH
        )
        self.rng = rng
        self.at = library.states.ChainState(pos=np.array(state["state_position"]), mom=None, dir=1)
        self._move_momentum()

    def _potential(self, z: np.ndarray) -> tuple[np.ndarray, float]:
        """(gradient by z (parameter,), value) of minus ln of the density of u."""
        self.n_evaluations += 1
        value, gradient = self.target.with_gradient(self.centre + self.root @ z)
        return -(self.root.T @ gradient), -value

    def _move_momentum(self) -> None:
        self.at, _ = self.momentum.sample(self.at, self.rng)

    def _move(self) -> dict[str, Any]:
        if self.target.density.stop[0]:  # equations without states do not look at it
            raise Interrupted("interrupted while sampling")
        self._move_momentum()
        self.at, statistics = self.trajectory.sample(self.at, self.rng)
        return statistics

    def approached(self, n_steps: int) -> _Chain:
        """The chain that goes on from where this one comes to, in coordinates of the information there."""
        self.trajectory.max_tree_depth = _SHORT
        self._adapt(n_steps, [self._step_size_adapter()])
        theta = self.target.line.bounded(self.centre + self.root @ self.at.pos)
        chain = _Chain(self.library, self.target, _beginning(self.target, theta), self.rng)
        chain.n_evaluations = self.n_evaluations
        return chain

    def warm_up(self, n_steps: int) -> None:
        """Adapt the step size, and in windows that double the variances; towards 1 where draws are few."""
        adapters = [
            self._step_size_adapter(),
            self.library.adapters.OnlineVarianceMetricAdapter(reg_scale=1.0),
        ]
        stager = self.library.stagers.WindowedWarmUpStager()
        for stage in stager.stages(n_steps, 0, {_PART: adapters}, None).values():
            self._adapt(stage.n_iter, stage.adapters[_PART])

    def _step_size_adapter(self) -> Any:
        return self.library.adapters.DualAveragingStepSizeAdapter(TARGET_ACCEPTANCE)

    def _adapt(self, n_steps: int, adapters: Sequence[Any]) -> None:
        known = [(adapter, adapter.initialize(self.at, self.trajectory)) for adapter in adapters]
        for _ in range(n_steps):
            statistics = self._move()
            for adapter, state in known:
                adapter.update(state, self.at, statistics, self.trajectory)
        for adapter, state in known:
            adapter.finalize(state, self.at, self.trajectory, self.rng)

    def draw(self, n_draws: int) -> Result:
        theta, lp = np.empty((n_draws, len(self.centre))), np.empty(n_draws)
        acceptance, n_divergent = 0.0, 0
        for i in range(n_draws):
            statistics = self._move()
            u = self.centre + self.root @ self.at.pos
            theta[i] = self.target.line.bounded(u)
            lp[i] = -self.system.neg_log_dens(self.at) - self.target.line.log_jacobian(u)
            acceptance += statistics["av_metrop_accept_prob"] / n_draws
            n_divergent += int(statistics["diverging"])
        return {
            "theta": theta,
            "lp": lp,
            "acceptance": float(acceptance),
            "n_evaluations": self.n_evaluations,
            "n_divergent": n_divergent,
            "step_size": float(self.integrator.step_size),
            "state_position": np.array(self.at.pos),
            "state_variance": 1.0 / np.asarray(self.system.metric.diagonal),
            "state_centre": self.centre,
            "state_root": self.root,
        }

"""One step of a chain: adaptive Metropolis with proposals from the Fisher metric, the covariance and the
past.

The target of a chain at inverse temperature β is π_β(θ) ∝ L(θ)^β · prior(θ) within the bounds. Each step
takes one of four kernels, chosen with probabilities that do not depend on the state, so that each of them,
being reversible for π_β by the Metropolis-Hastings rule, keeps π_β:

* `metropolis`: θ' = θ + s C z, with C Cᵀ the covariance of the chain's past and s adapted (Haario, Saksman &
  Tamminen 2001, doi:10.2307/3318737); one proposal in four is ten times shorter, one in ten three times
  longer.
* `differential`: θ' = θ + γ (a - b) + noise, with a, b two past positions; γ = 2.38/√(2p), and 1 in every
  tenth proposal, which connects modes (ter Braak & Vrugt 2008, doi:10.1007/s11222-008-9104-9).
* `independence`: θ' from a mixture of t densities that was fitted to the past positions (`student_mixture`),
  or from one about a mode that was known before (`modes`).
* `langevin`: θ' ~ N(θ + ε²/2 G⁻¹ ∇ ln π_β, ε² G⁻¹) with the Fisher metric G(θ) = β·FIM(θ) + curvature of the
  priors + 12/width² (simplified manifold MALA: Girolami & Calderhead 2011,
  doi:10.1111/j.1467-9868.2010.00765.x). The last term, the precision of a uniform density over the prior's
  width, gives a flat direction steps of that size.

What is learnt (s, ε, covariance, past positions, mixture, probabilities) changes only while the chain adapts.
The probabilities follow the squared jump per cost of each kernel, in the metric of the covariance, an
evaluation with derivatives counting as three values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs  # pyright: ignore[reportAttributeAccessIssue]

from idfit.sampling.density import Density, Point
from idfit.sampling.student_mixture import StudentMixture, fit_mixture

KERNELS = ("metropolis", "differential", "independence", "langevin")
METROPOLIS, DIFFERENTIAL, INDEPENDENCE, LANGEVIN = range(4)
#: acceptance that the step sizes of `metropolis` and `langevin` are adapted to
TARGET_ACCEPTANCE = {METROPOLIS: 0.234, LANGEVIN: 0.574}
#: cost of an evaluation by order, in values
COST = (1.0, 3.0)
# least probability of each kernel once their jumps are measured
_FLOOR = np.array([0.1, 0.1, 0.1, 0.01])
# a proposal outside the bounds costs no evaluation, but some time
_COST_OUTSIDE = 0.1
# cost from which the jumps of a kernel tell how good it is
_TRIED = 20.0
_BEFORE_FIT, _BEFORE_FIT_GUIDED = np.array([0.5, 0.2, 0.0, 0.3]), np.array([0.4, 0.2, 0.1, 0.3])
# weight of known modes in the mixture
_GUIDED = 0.1
# positions that a mixture is fitted to, at most twice as many
_MOST_FITTED = 1000


@dataclass
class Chain:
    """One chain of the ladder within a block; `point` is where it is, all else is what it has learnt, but for
    `guides`: what was known before, modes to which it can always jump.

    allowed (kernel,) 0/1 and probability (kernel,); log_scale (kernel,): ln of s and ε; root
    (parameter, parameter): Cholesky factor of the covariance; archive (position, parameter); jump and cost
    (kernel,): sums of squared jumps and of costs since the past counted.
    """

    point: Point
    beta: float
    allowed: np.ndarray
    probability: np.ndarray
    log_scale: np.ndarray
    root: np.ndarray
    archive: np.ndarray
    mixture: StudentMixture
    jump: np.ndarray
    cost: np.ndarray
    guides: StudentMixture | None = None
    n_proposed: np.ndarray = field(default_factory=lambda: np.zeros(len(KERNELS), dtype=np.int64))
    n_accepted: np.ndarray = field(default_factory=lambda: np.zeros(len(KERNELS), dtype=np.int64))
    n_evaluations: int = 0
    cumulative: np.ndarray = field(init=False)
    inverse_root: np.ndarray = field(init=False)
    scale: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.ready()

    def ready(self) -> None:
        """Derive what every step needs from what was learnt."""
        self.cumulative = np.cumsum(self.probability)
        self.cumulative[-1] = 1.0 + 1e-12
        self.inverse_root = np.linalg.inv(self.root)
        self.scale = np.exp(self.log_scale)

    def step(self, density: Density, rng: np.random.Generator, gain: float) -> None:
        """One step; `gain` > 0 is the weight of what it teaches, and 0 leaves the kernels as they are."""
        kernel = int(np.searchsorted(self.cumulative, rng.random(), side="right"))
        before = self.point
        if kernel == LANGEVIN:
            new, log_ratio, cost = self._langevin(density, rng)
        else:
            theta, log_ratio = self._proposal(kernel, rng)
            inside = density.contains(theta)
            new = density.at(theta, 0) if inside else None
            cost = COST[0] if inside else _COST_OUTSIDE
            self.n_evaluations += inside
        chance = _chance(new, before, self.beta, log_ratio)
        accepted = new is not None and rng.random() < chance
        if accepted and new is not None:
            self.point = new
        self.n_proposed[kernel] += 1
        self.n_accepted[kernel] += accepted
        if gain > 0:
            self._learn(kernel, chance, cost, before, new, gain)

    def _proposal(self, kernel: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """θ' and ln q(θ|θ') - ln q(θ'|θ) of the kernels that need no derivatives."""
        theta, p = self.point.theta, len(self.point.theta)
        if kernel == INDEPENDENCE:
            proposal = self.mixture.draw(rng)
            return proposal, self.mixture.log_density(theta) - self.mixture.log_density(proposal)
        noise = self.root @ rng.standard_normal(p)
        if kernel == METROPOLIS or len(self.archive) < 2 * p:
            u = rng.random()
            reach = 0.1 if u < 0.25 else 3.0 if u > 0.9 else 1.0
            return theta + (reach * self.scale[METROPOLIS]) * noise, 0.0
        a, b = self.archive[rng.integers(len(self.archive), size=2)]
        gamma = 1.0 if rng.random() < 0.1 else 2.38 / np.sqrt(2 * p)
        return theta + gamma * (a - b) + 0.01 * noise, 0.0

    def _langevin(self, density: Density, rng: np.random.Generator) -> tuple[Point | None, float, float]:
        """The point proposed, ln q(θ|θ') - ln q(θ'|θ), and the cost."""
        cost = 0.0
        if self.point.fim is None:
            self.point = density.at(self.point.theta, 1)
            self.n_evaluations += 1
            cost += COST[1]
        here = self._drift(self.point, density)
        if here is None:
            return None, 0.0, cost
        z = rng.standard_normal(len(self.point.theta))
        mean, root = here
        theta = mean + self.scale[LANGEVIN] * dtrtrs(root, z, lower=1, trans=1)[0]
        if not density.contains(theta):
            return None, 0.0, cost + _COST_OUTSIDE
        new = density.at(theta, 1)
        self.n_evaluations += 1
        there = self._drift(new, density)
        if there is None:
            return None, 0.0, cost + COST[1]
        mean_back, root_back = there
        back = root_back.T @ (self.point.theta - mean_back) / self.scale[LANGEVIN]
        log_ratio = np.log(np.diagonal(root_back) / np.diagonal(root)).sum() + 0.5 * (z @ z - back @ back)
        return new, float(log_ratio), cost + COST[1]

    def _drift(self, point: Point, density: Density) -> tuple[np.ndarray, np.ndarray] | None:
        """The mean θ + ε²/2 G⁻¹ ∇ ln π_β and the lower Cholesky factor of G; None where there are none."""
        metric = fisher_metric(point, self.beta, density)
        if metric is None or point.likelihood_gradient is None or point.prior_gradient is None:
            return None
        root, failed = dpotrf(metric, lower=1, clean=1)
        if failed:
            return None
        gradient = self.beta * point.likelihood_gradient + point.prior_gradient
        newton = dpotrs(root, gradient, lower=1)[0]
        return point.theta + 0.5 * self.scale[LANGEVIN] ** 2 * newton, root

    def _learn(
        self, kernel: int, chance: float, cost: float, before: Point, new: Point | None, gain: float
    ) -> None:
        self.cost[kernel] += cost
        if chance > 0 and new is not None:
            jump = self.inverse_root @ (new.theta - before.theta)
            self.jump[kernel] += chance * (jump @ jump)
        if kernel in TARGET_ACCEPTANCE:
            self.log_scale[kernel] += gain * (chance - TARGET_ACCEPTANCE[kernel])
            self.scale[kernel] = np.exp(self.log_scale[kernel])

    def relearn(self, rng: np.random.Generator, peers: np.ndarray) -> None:
        """Covariance, mixture and probabilities from the past of this chain and of peers (position,
        parameter), the same rung of other ladders, of which the first third is forgotten."""
        draws = _late(self.archive, peers)
        p = draws.shape[1]
        spread = np.cov(draws.T, ddof=0).reshape(p, p)
        if len(draws) > 4 * p and (np.diag(spread) > 0).all():
            spread += 1e-6 * np.diag(np.diag(spread))
            self.root = np.linalg.cholesky(spread)
            learnt = fit_mixture(draws, self.root, rng)
            self.mixture = learnt if self.guides is None else learnt.beside(self.guides, _GUIDED)
            self.probability = self._shares()
            self.jump *= 0.5
            self.cost *= 0.5
        self.ready()

    def _shares(self) -> np.ndarray:
        """Probabilities in proportion to the squared efficiency, no kernel below its least share."""
        tried = self.cost > _TRIED
        efficiency = np.where(tried, self.jump / np.maximum(self.cost, _TRIED), 0.0)
        best = efficiency.max()
        # what has not been tried yet gets its trial
        relative = np.where(tried & (best > 0), efficiency / (best if best > 0 else 1.0), 1.0)
        share, floor = self.allowed * relative**2, self.allowed * _FLOOR
        return floor + (1 - floor.sum()) * share / share.sum()


def _late(own: np.ndarray, peers: np.ndarray) -> np.ndarray:
    """Own and peers' positions (position, parameter) from the last two thirds of their time, in its order."""
    time = np.concatenate([(np.arange(len(a)) + 0.5) / max(len(a), 1) for a in (own, peers)])
    draws = np.concatenate([own, peers])[np.argsort(time, kind="stable")]
    draws = draws[len(draws) // 3 :]
    return draws[:: max(1, len(draws) // _MOST_FITTED)]


def fisher_metric(point: Point, beta: float, density: Density) -> np.ndarray | None:
    """β·FIM + curvature of the priors + 12/width², (parameter, parameter); None where it is not known."""
    if point.fim is None or point.prior_fim is None:
        return None
    metric = beta * point.fim + point.prior_fim
    metric[np.diag_indices_from(metric)] += 12.0 / density.prior_width**2
    return metric if np.isfinite(metric).all() else None


def first_probability(allowed: np.ndarray, guided: bool) -> np.ndarray:
    """Probabilities of the kernels (kernel,) as long as there is no past to learn from."""
    share = (_BEFORE_FIT_GUIDED if guided else _BEFORE_FIT) * allowed
    return share / share.sum() if share.sum() > 0 else allowed / allowed.sum()


def _chance(new: Point | None, old: Point, beta: float, log_ratio: float) -> float:
    """min(1, π(θ') q(θ|θ') / π(θ) q(θ'|θ))."""
    if new is None:
        return 0.0
    there, here = new.log_density(beta), old.log_density(beta)
    if there == -np.inf:
        return 0.0
    exponent = there - here + log_ratio
    return 1.0 if exponent >= 0 else float(np.exp(exponent))

"""Effective samples per CPU second beside plain emcee: Boehm STAT5 (nine parameters, two of them open to a
bound) and lynx and hare with the priors of the Stan case study.

Both draw from the same density on one core. emcee moves 24 walkers in each of four ensembles with its default
stretch moves and starts from draws of the posterior, so that it needs no burn-in; adaptive Metropolis runs
four chains and pays for its warm-up. Effective samples are those of the bulk, the mean over the parameters,
from the means over the walkers of an ensemble, which are the independent chains that dependent walkers make
up. (The smallest over the parameters would favour the longer chains: in 1500 steps emcee's is mostly noise.)

    python benchmarks/sampling.py
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np
from measuring import Goal, Table, problem_of, show

import idfit
from idfit.sampling.density import Density
from idfit.sampling.diagnostics import ess_bulk
from idfit.sampling.positions import spread_positions
from idfit.sampling.tempering import advance, begin, pooled

MODELS = ("boehm", "lynx_hare_bayes")
GOAL = 5.0
#: effective samples that a whole run is reckoned to: as many as posteriordb's reference draws count for
WANTED = 4400
N_CHAINS, WARM_UP, KEPT = 4, (1000, 2000, 2000), 4000
N_WALKERS, N_STEPS = 24, 1500


@dataclass(frozen=True)
class Run:
    """theta (superchain, walker, step, parameter), the CPU seconds of these draws and of the warm-up before,
    and the evaluations of the density that the draws took."""

    theta: np.ndarray
    seconds: float
    warm_up: float
    n_evaluations: int

    @property
    def effective(self) -> float:
        return float(np.mean([ess_bulk(self.theta[..., k]) for k in range(self.theta.shape[-1])]))

    @property
    def rate(self) -> float:
        return self.effective / self.seconds

    @property
    def whole(self) -> float:
        """CPU seconds from the start to the effective samples wanted."""
        return self.warm_up + WANTED / self.rate


def by_metropolis(problem: idfit.Problem) -> Run:
    """Chains that learn from each other while they warm up, then a fixed kernel."""
    density, start = Density(problem.objective()), time.thread_time()
    rngs = [np.random.default_rng([1, i]) for i in range(N_CHAINS)]
    around = problem.parameters.nominal_scaled[None]
    states = [begin(density, spread_positions(density, around, 1, rng)) for rng in rngs]
    for n in WARM_UP:
        states = pooled([advance(density, s, n, r, True) for s, r in zip(states, rngs, strict=True)])
    warm_up, start = time.thread_time() - start, time.thread_time()
    found = [advance(density, s, KEPT, r, False) for s, r in zip(states, rngs, strict=True)]
    theta = np.array([f["theta"][None] for f in found])
    return Run(theta, time.thread_time() - start, warm_up, sum(f["n_evaluations"] for f in found))


def by_emcee(problem: idfit.Problem, draws: np.ndarray) -> Run:
    """emcee as it comes, one point at a time, from draws (draw, parameter) of the posterior."""
    import emcee

    density, start = Density(problem.objective()), time.thread_time()
    chains, rng = [], np.random.default_rng(2)
    for seed in range(N_CHAINS):
        sampler = emcee.EnsembleSampler(N_WALKERS, draws.shape[1], density)
        random = np.random.RandomState(seed).get_state()
        begin_at = emcee.State(rng.choice(draws, N_WALKERS, replace=False), random_state=random)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"emcee(\..*)?")
            sampler.run_mcmc(begin_at, N_STEPS)
        chains.append(np.swapaxes(np.asarray(sampler.get_chain()), 0, 1))
    return Run(np.array(chains), time.thread_time() - start, 0.0, N_CHAINS * N_WALKERS * (N_STEPS + 1))


def measure() -> tuple[list[Table], list[Goal]]:
    rows, goals = [], []
    for name in MODELS:
        problem = problem_of(name)
        ours = by_metropolis(problem)
        plain = by_emcee(problem, ours.theta.reshape(-1, ours.theta.shape[-1]))
        for sampler, run in (("adaptive Metropolis", ours), ("emcee, default moves", plain)):
            per_evaluation = run.effective / run.n_evaluations
            rows.append(
                (name, sampler, f"{run.effective:.0f}", f"{run.seconds:.1f}", f"{run.rate:.1f}",
                 f"{per_evaluation:.4f}", f"{run.warm_up:.1f}", f"{run.whole:.0f}")
            )  # fmt: skip
        for what, ratio in (
            ("effective samples per CPU second beside emcee's default moves", ours.rate / plain.rate),
            (f"the same for {WANTED} in all, warm-up included", plain.whole / ours.whole),
        ):
            goals.append(Goal(f"{name}: {what}", f"{ratio:.1f} times", f">= {GOAL:.0f}", ratio >= GOAL))
    table = Table(
        "Effective samples, mean over the parameters",
        ("model", "sampler", "effective", "CPU s", "per CPU s", "per evaluation", "warm-up, CPU s",
         f"CPU s for {WANTED}"),
        rows,
        "emcee starts from draws of the posterior and is not charged any burn-in.",
    )  # fmt: skip
    return [table], goals


if __name__ == "__main__":
    show(*measure())

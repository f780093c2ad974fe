"""Simulation-based calibration: θ from the prior, data from θ, the rank of θ among draws of its posterior.

If prior, likelihood and sampler fit together, the ranks of each parameter, and of ln π at the truth, are
uniform (Talts et al. 2018, arXiv:1804.06788; Modrák et al. 2023, doi:10.1214/23-BA1404). They are judged by
the simultaneous band of their distribution function (Säilynoja, Bürkner & Vehtari 2022,
doi:10.1007/s11222-022-10090-6), at 99 % over all quantities of a model together.

    python benchmarks/calibration.py            # 200 data sets of two models
    python benchmarks/calibration.py 50
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import stats

import idfit
from idfit.sampling.density import Density
from idfit.sampling.nested import prior_transform
from idfit.sampling.options import SampleOptions
from idfit.tasks import Runner, Task, seed_sequence

ROOT = Path(__file__).resolve().parent.parent
DATA_SETS = 200
#: draws of each posterior that the truth is ranked among, thinned until they are all but independent
N_DRAWS = 63
#: probability that a model whose ranks are uniform is taken for one whose are not
ERROR = 0.01
OPTIONS = SampleOptions(sampler="metropolis", ess=400, rhat=1.02)
# stages of the random streams of this file
_TRUTH, _BAND = 1, 2
_SIMULATIONS = 20_000


@dataclass(frozen=True)
class Calibration:
    """quantities: the parameters and lp; truth (data set, quantity), draws (data set, draw, quantity), on the
    natural scale; converged (data set,)."""

    quantities: tuple[str, ...]
    truth: np.ndarray
    draws: np.ndarray
    converged: np.ndarray

    @property
    def ranks(self) -> np.ndarray:
        """How many draws lie below the truth, (data set, quantity): 0 to the number of draws."""
        return np.sum(self.draws < self.truth[:, None], axis=1)


def decay() -> idfit.Problem:
    """y = A0 exp(-k t) in closed form, six measurements with estimated noise; k uniform in its logarithm."""
    model = idfit.Model.from_equations({}, {"y": "A0*exp(-k*t)"}, ["k", "A0"])
    parameters = {
        "k": {"value": 0.5, "min": 0.05, "max": 5, "scale": "log10"},
        "A0": {"value": 2.0, "min": 0, "max": 10, "prior": "normal(3, 1)"},
        "sd": {"value": 0.2, "min": 0.01, "max": 2, "scale": "log", "prior": "log-normal(-1.5, 0.5)"},
    }
    data = {"time": [0.0, 0.3, 1.0, 2.0, 4.0, 7.5], "value": [1.0] * 6}
    return idfit.Problem(model, data, parameters=parameters, noise={"y": "sd"})


def influenza() -> idfit.Problem:
    """The epidemic of models/boarding_school_flu.toml, with priors in place of its wide bounds."""
    problem = idfit.load(ROOT / "models/boarding_school_flu.toml", ROOT / "data/boarding_school_flu.csv")
    priors = {
        "beta": "log-normal(0.5, 0.3)",
        "gamma": "log-normal(-0.7, 0.3)",
        "S_0": "log-normal(6.6, 0.3)",
        "I_0": "log-normal(1, 0.5)",
        "sd": "log-normal(2.8, 0.5)",
    }
    parameters = {
        name: entry.model_copy(update={"prior": priors[name]})
        for name, entry in problem.spec.parameters.items()
    }
    return idfit.Problem(problem.spec.model_copy(update={"parameters": parameters}))


def calibrate(problem: idfit.Problem, n: int, seed: int, options: SampleOptions = OPTIONS) -> Calibration:
    """`n` data sets from the prior, each with draws of its posterior; the same for any number of workers."""
    transform = prior_transform(Density(problem.objective()))

    def work(task: Task, stop: np.ndarray) -> dict:
        rng = seed_sequence(seed, *task.seed_key)
        theta = transform(rng.random(len(problem.parameters)))
        return _one(problem, theta, int(rng.integers(2**31)), options)

    tasks = [Task(f"data set {i}", (_TRUTH, i)) for i in range(n)]
    found = Runner(workers=os.cpu_count() or 1).run(tasks, work)
    truth, draws, converged = (np.array([r[name] for r in found]) for name in ("truth", "draws", "converged"))
    return Calibration((*problem.parameters.names, "lp"), truth, draws, converged)


def _one(problem: idfit.Problem, theta: np.ndarray, seed: int, options: SampleOptions) -> dict:
    drawn = idfit.simulate_data(problem, theta, seed=seed)
    tree = idfit.sample(drawn, idfit.fit(drawn, 5, seed), seed=seed, options=options)
    names = problem.parameters.names
    values = [tree["posterior"][name].values.ravel() for name in names]
    values.append(tree["sample_stats"]["lp"].values.ravel())
    apart = np.linspace(0, len(values[0]) - 1, N_DRAWS).round().astype(int)
    truth = np.append(problem.parameters.to_natural(theta), Density(drawn.objective())(theta))
    return {
        "truth": truth,
        "draws": np.array(values).T[apart],
        "converged": bool(tree["sampling"].attrs["converged"]),
    }


def probability(ranks: np.ndarray, n_draws: int) -> float:
    """How probable it is that uniform ranks (data set,) of 0 … n_draws leave the band at least as far.

    The statistic is the least pointwise probability of the distribution function, γ = min over i of
    2 min(P(X ≤ c_i), P(X ≥ c_i)), c_i the number of ranks below i and X binomial with probability
    i/(n_draws + 1).
    """
    pointwise, simulated = _band(len(ranks), n_draws)
    own = _least(np.bincount(ranks, minlength=n_draws + 1), pointwise)
    return float((1 + np.sum(simulated <= own)) / (1 + len(simulated)))


@lru_cache
def _band(n: int, n_draws: int) -> tuple[np.ndarray, np.ndarray]:
    """The pointwise probability of each count (count, rank), and γ of simulated uniform ranks."""
    shares = np.arange(1, n_draws + 1) / (n_draws + 1)
    counts = np.arange(n + 1)[:, None]
    below, above = stats.binom.cdf(counts, n, shares), stats.binom.sf(counts - 1, n, shares)
    pointwise = 2 * np.minimum(below, above)
    even = np.full(n_draws + 1, 1 / (n_draws + 1))
    bins = seed_sequence(0, _BAND, n).multinomial(n, even, size=_SIMULATIONS)
    return pointwise, _least(bins, pointwise)


def _least(bins: np.ndarray, pointwise: np.ndarray) -> np.ndarray:
    """γ of the counts of each rank (…, rank)."""
    below = np.cumsum(bins, axis=-1)[..., :-1]
    return pointwise[below, np.arange(below.shape[-1])].min(axis=-1)


def measure(n: int = DATA_SETS):
    from measuring import Goal, Table

    rows, goals = [], []
    for name, problem in (("decay", decay()), ("influenza", influenza())):
        start = time.process_time()
        found = calibrate(problem, n, 1)
        took = (time.process_time() - start) / n
        ranks = found.ranks
        likely = [probability(ranks[:, k], N_DRAWS) for k in range(ranks.shape[1])]
        for k, quantity in enumerate(found.quantities):
            tenths = np.histogram(ranks[:, k], 8, (0, N_DRAWS + 1))[0]
            rows.append((name, quantity, " ".join(map(str, tenths)), f"{likely[k]:.3f}"))
        least = ERROR / len(likely)
        goals.append(
            Goal(
                f"{name}: ranks inside the simultaneous 99 % band, least probability of {len(likely)} "
                f"quantities ({took:.1f} CPU s per data set, {int((~found.converged).sum())} not converged)",
                f"{min(likely):.4f}",
                f">= {least:.4f}",
                min(likely) >= least,
            )
        )
    table = Table(
        f"Simulation-based calibration, {n:,} data sets of each model",
        ("model", "quantity", "ranks in eighths", "probability"),
        rows,
        f"Each eighth holds {n / 8:g} on average. lp: ln of the posterior density at the truth.",
    )
    return [table], goals


if __name__ == "__main__":
    from measuring import show

    show(*measure(int(sys.argv[1]) if len(sys.argv) > 1 else DATA_SETS))

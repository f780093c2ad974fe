"""Adaptive parallel tempering: chains of `langevin` at several temperatures that exchange their positions.

Rung i samples π_i(θ) ∝ L(θ)^β_i · prior(θ), 1 = β_0 > β_1 > …; the hottest of several is the prior, β = 0.
After each step neighbours, in turn (0, 1), (2, 3), … and (1, 2), (3, 4), …, exchange positions with
probability

    A_i = min(1, exp((β_i - β_(i+1)) (ln L(θ_(i+1)) - ln L(θ_i))))

(Geyer 1991; the alternation: Okabe et al. 2001). The temperatures T = 1/β adapt so that all A are equal
(Vousden, Farr & Mandel 2016, doi:10.1093/mnras/stv2422): with S_i = ln(T_i - T_(i-1)),
dS_i/dt = κ(t) (A_(i-1) - A_i), κ(t) = κ_0 t_0/(t + t_0). A ladder of one rung is plain adaptive Metropolis.

A ladder is independent of all others. `begin` makes its state, `advance` takes it a block further; states
are flat dicts of arrays whose names begin with ``state_``, so that a task can store them. While `adapting`,
kernels and temperatures learn; afterwards nothing but the positions (and the number of the step) changes, so
that the draws of these blocks come from one fixed kernel that keeps the target exactly. A state that comes
from `pooled` learns its kernels once more before the first step of its next block, of whichever sort.

The same state, generator and arguments give the same bytes. A block of 2n steps draws its random numbers from
one generator and two blocks of n from two: they are equal in distribution, not in numbers. What a state holds
passes unchanged through a store; the densities at its positions are evaluated anew at the start of a block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from idfit.sampling.density import Density
from idfit.sampling.langevin import KERNELS, Chain, first_probability, fisher_metric
from idfit.sampling.student_mixture import StudentMixture

# κ_0 and t_0 of the temperatures; steps before the kernels are first learnt from the past, and the factor
# from one time to the next
_RATE, _LAG = 0.05, 500.0
_FIRST_LEARNT, _GROWTH = 200, 1.5
# positions that a chain remembers, at least (after the first) and less than twice as many
_REMEMBERED = 500
_PER_CHAIN = ("allowed", "probability", "log_scale", "root", "jump", "cost")


def begin(
    density: Density,
    positions: np.ndarray,
    kernels: Sequence[str] = KERNELS,
    guides: StudentMixture | None = None,
) -> dict[str, Any]:
    """The state of a ladder that starts from positions (rung, parameter), the coldest first.

    kernels : which of `langevin.KERNELS` the chains use; guides : modes that are known. Errors: `ValueError`
    where the density is 0 at a start; `Interrupted` when the density was told to stop.
    """
    n, p = positions.shape
    starts = [density.at(np.array(theta, dtype=float), 1) for theta in positions]
    if any(point.log_density() == -np.inf for point in starts):
        raise ValueError("a chain can only start where the density is positive")
    allowed = np.array([name in kernels for name in KERNELS], dtype=float)
    beta = first_ladder(n, p)
    root = np.empty((n, p, p))
    for i, point in enumerate(starts):
        metric = fisher_metric(point, beta[i], density)
        spread = np.linalg.inv(metric) if metric is not None else np.diag(density.prior_width**2 / 12)
        root[i] = np.linalg.cholesky(spread)
    mixtures = [
        guides or StudentMixture(np.ones(1), theta[None], spread[None])
        for theta, spread in zip(positions, root, strict=True)
    ]
    known = guides or StudentMixture(np.empty(0), np.empty((0, p)), np.empty((0, p, p)))
    state = {
        "theta": np.array(positions, dtype=float),
        "beta": beta,
        "allowed": np.repeat(allowed[None], n, 0),
        "probability": np.repeat(first_probability(allowed, guides is not None)[None], n, 0),
        "log_scale": np.repeat(np.log([[2.38 / np.sqrt(p), 1.0, 1.0, p ** (-1 / 6)]]), n, 0),
        "root": root,
        "jump": np.zeros((n, len(KERNELS))),
        "cost": np.zeros((n, len(KERNELS))),
        "archive": np.empty((n, 0, p)),
        "peers": np.empty((n, 0, p)),
        "thinning": 1,
        "n_steps": 0,
        "n_adapted": 0,
        "next_learnt": _FIRST_LEARNT,
        **_joined(mixtures),
        "guide_weight": known.weight,
        "guide_mean": known.mean,
        "guide_root": known.root,
    }
    return {f"state_{name}": value for name, value in state.items()}


def pooled(states: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same states (of ladders of equal length), each knowing the past positions of all others.

    After a block that adapted: at the beginning of the next, whether that adapts or not, every ladder learns
    its kernels from the draws of all. Their positions stay independent of each other given the kernels, as
    R-hat wants them.
    """
    pasts = [np.asarray(state["state_archive"]) for state in states]
    result = []
    for i, state in enumerate(states):
        others = np.stack([past for j, past in enumerate(pasts) if j != i] or [pasts[i][:, :0]], axis=2)
        n_rungs, n, n_others, p = others.shape
        result.append({**state, "state_peers": others.reshape(n_rungs, n * n_others, p)})
    return result


def first_ladder(n_rungs: int, n_parameters: int) -> np.ndarray:
    """β (rung,): geometric, by the ratio at which normal densities exchange often enough, then 0.

    >>> first_ladder(3, 8).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    beta = (1 + np.sqrt(8 / n_parameters)) ** -np.arange(n_rungs, dtype=float)
    if n_rungs > 1:
        beta[-1] = 0.0
    return beta


def advance(
    density: Density, state: Mapping[str, Any], n_steps: int, rng: np.random.Generator, adapting: bool
) -> dict[str, Any]:
    """Take a ladder n_steps further.

    Returns the new state (``state_…``) and, of the coldest rung, theta (step, parameter), lp (step,) = ln of
    the posterior density and log_likelihood (step,); kernel_proposed and kernel_accepted (rung, kernel),
    n_accepted (of the coldest rung), n_evaluations (all rungs, values and gradients alike), swap_proposed and
    swap_accepted (pair of neighbours,), beta (rung,) at the end.

    Errors: `Interrupted` when the density was told to stop; the block is then to be done again.
    """
    ladder = _Ladder(density, state)
    ladder.meet_peers(rng)
    theta = np.empty((n_steps, ladder.n_parameters))
    lp, log_likelihood = np.empty((2, n_steps))
    for i in range(n_steps):
        ladder.step(rng, adapting)
        cold = ladder.chains[0].point
        theta[i], lp[i], log_likelihood[i] = cold.theta, cold.log_density(), cold.log_likelihood
    return {
        **ladder.state(),
        "theta": theta,
        "lp": lp,
        "log_likelihood": log_likelihood,
        "kernel_proposed": np.array([chain.n_proposed for chain in ladder.chains]),
        "kernel_accepted": np.array([chain.n_accepted for chain in ladder.chains]),
        "n_accepted": int(ladder.chains[0].n_accepted.sum()),
        "n_evaluations": len(ladder.chains) + sum(chain.n_evaluations for chain in ladder.chains),
        "swap_proposed": ladder.swap_proposed,
        "swap_accepted": ladder.swap_accepted,
        "beta": ladder.beta.copy(),
    }


class _Ladder:
    """The chains of one block, coldest first."""

    def __init__(self, density: Density, state: Mapping[str, Any]) -> None:
        def of(name: str) -> Any:
            return state[f"state_{name}"]

        self.density = density
        self.beta = np.array(of("beta"), dtype=float)
        self.n_rungs, self.n_parameters = of("theta").shape
        self.archive = np.array(of("archive"), dtype=float)
        self.peers = np.asarray(of("peers"), dtype=float)
        self.thinning, self.n_steps = int(of("thinning")), int(of("n_steps"))
        self.n_adapted, self.next_learnt = int(of("n_adapted")), int(of("next_learnt"))
        self.guides = StudentMixture(
            *(np.asarray(of(f"guide_{part}")) for part in ("weight", "mean", "root"))
        )
        self.swap_proposed, self.swap_accepted = np.zeros((2, self.n_rungs - 1), dtype=np.int64)
        self.chains = [
            Chain(
                point=density.at(np.array(of("theta")[i], dtype=float), 0),
                beta=float(self.beta[i]),
                archive=self.archive[i],
                mixture=_mixture(of("weight")[i], of("mean")[i], of("component")[i]),
                guides=self.guides if len(self.guides.weight) else None,
                **_floats({name: of(name)[i] for name in _PER_CHAIN}),
            )
            for i in range(self.n_rungs)
        ]

    def state(self) -> dict[str, Any]:
        chains = self.chains
        state = {
            "theta": np.array([chain.point.theta for chain in chains]),
            "beta": self.beta,
            "archive": self.archive,
            "peers": self.peers[:, :0],
            "thinning": self.thinning,
            "n_steps": self.n_steps,
            "n_adapted": self.n_adapted,
            "next_learnt": self.next_learnt,
            **{name: np.array([getattr(chain, name) for chain in chains]) for name in _PER_CHAIN},
            **_joined([chain.mixture for chain in chains]),
            "guide_weight": self.guides.weight,
            "guide_mean": self.guides.mean,
            "guide_root": self.guides.root,
        }
        return {f"state_{name}": value for name, value in state.items()}

    def step(self, rng: np.random.Generator, adapting: bool) -> None:
        gain = min(0.2, 3.0 / (1.0 + self.n_adapted) ** 0.6) if adapting else 0.0
        for chain in self.chains:
            chain.step(self.density, rng, gain)
        self.n_steps += 1
        if self.n_rungs > 1:
            chance = self._exchange(rng)
            if adapting:
                self._heat(chance)
        if adapting:
            self._remember(rng)

    def _exchange(self, rng: np.random.Generator) -> np.ndarray:
        """Neighbours in turn; returns the probability (pair,) of all exchanges before any was made."""
        level = np.array([chain.point.log_likelihood for chain in self.chains])
        with np.errstate(invalid="ignore"):
            exponent = np.diff(level) * -np.diff(self.beta)
        chance = np.exp(np.minimum(np.nan_to_num(exponent, nan=-np.inf, posinf=0.0, neginf=-np.inf), 0.0))
        for i in range(self.n_steps % 2, self.n_rungs - 1, 2):
            self.swap_proposed[i] += 1
            if rng.random() < chance[i]:
                self.swap_accepted[i] += 1
                a, b = self.chains[i], self.chains[i + 1]
                a.point, b.point = b.point, a.point
        return chance

    def _heat(self, chance: np.ndarray) -> None:
        """Move the temperatures between the coldest and the hottest (Vousden et al. 2016)."""
        if self.n_rungs < 3:
            return
        rate = _RATE * _LAG / (self.n_adapted + _LAG)
        gaps = np.diff(1 / self.beta[:-1]) * np.exp(rate * (chance[:-1] - chance[1:]))
        self.beta[1:-1] = 1 / (1 + np.cumsum(gaps))
        for chain, beta in zip(self.chains, self.beta, strict=True):
            chain.beta = float(beta)

    def _remember(self, rng: np.random.Generator) -> None:
        """Keep positions, evenly over all steps, and learn from them at growing intervals."""
        self.n_adapted += 1
        if self.n_adapted % self.thinning == 0:
            now = np.array([chain.point.theta for chain in self.chains])
            self.archive = np.concatenate([self.archive, now[:, None]], axis=1)
            if self.archive.shape[1] >= 2 * _REMEMBERED:
                self.archive, self.thinning = self.archive[:, 1::2].copy(), 2 * self.thinning
            for chain, past in zip(self.chains, self.archive, strict=True):
                chain.archive = past
        if self.n_adapted >= self.next_learnt:
            self.next_learnt = int(_GROWTH * self.next_learnt)
            self._relearn(rng)

    def meet_peers(self, rng: np.random.Generator) -> None:
        """Learn at once from what other ladders have found."""
        if self.peers.shape[1]:
            self._relearn(rng)

    def _relearn(self, rng: np.random.Generator) -> None:
        for chain, peers in zip(self.chains, self.peers, strict=True):
            chain.relearn(rng, peers)


def _floats(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(value, dtype=float) for name, value in values.items()}


def _mixture(weight: np.ndarray, mean: np.ndarray, root: np.ndarray) -> StudentMixture:
    n = int((weight > 0).sum())
    return StudentMixture(weight[:n].copy(), mean[:n].copy(), root[:n].copy())


def _joined(mixtures: Sequence[StudentMixture]) -> dict[str, np.ndarray]:
    """Of all rungs, each with as many components as the longest, those beyond its own of weight 0."""
    most = max(len(mixture.weight) for mixture in mixtures)
    missing = [most - len(mixture.weight) for mixture in mixtures]
    pairs = list(zip(mixtures, missing, strict=True))
    return {
        "weight": np.array([np.pad(m.weight, (0, n)) for m, n in pairs]),
        "mean": np.array([np.pad(m.mean, ((0, n), (0, 0)), mode="edge") for m, n in pairs]),
        "component": np.array([np.pad(m.root, ((0, n), (0, 0), (0, 0)), mode="edge") for m, n in pairs]),
    }

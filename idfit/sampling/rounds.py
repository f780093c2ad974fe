"""Superchains carried on in rounds until they agree and hold enough independent draws, or the budget ends."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from idfit.errors import RunError
from idfit.problem import Objective
from idfit.results import Status
from idfit.sampling import diagnostics
from idfit.sampling.density import Density, failure_arrays, failures_of
from idfit.sampling.kernels import Kernel, State, state_of
from idfit.sampling.options import SampleOptions
from idfit.sampling.positions import apart
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of samplers
STAGE = 40
# steps of the first block that is kept, and the fewest of a later one, by each walker
_FIRST = 400
# how much longer all blocks together may become from one round to the next
_GROWTH = 3.0
# autocorrelation times that are dropped at the beginning, but never more than half of the steps
_BURN_IN = 10
# draws kept per autocorrelation time
_PER_TIME = 3
# warm-up may use this share of the budget, and is long enough when its second half agrees so well
_WARM_UP_SHARE, _SETTLED = 0.25, 1.02
# walkers of one ensemble that agree no better have not met
_WALKERS_AGREE = 1.1
_TAIL_SHARE = 0.25
# share of trajectories that may diverge, as they do not reach where the density is narrow
_DIVERGENT = 1e-3


@dataclass(frozen=True)
class Diagnosis:
    """Per parameter, and what is missing for the draws to count, in words (empty if nothing is)."""

    rhat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray
    n_stuck: np.ndarray
    reason: str

    def also(self, reason: str) -> Diagnosis:
        return replace(self, reason="; ".join(filter(None, (self.reason, reason))))


@dataclass(frozen=True)
class Drawn:
    """Draws that are kept: theta (superchain, walker, draw, parameter), lp (superchain, walker, draw).

    step : (draw,) step of each after the burn-in; autocorrelation_time : (parameter,) before thinning;
    accepted : (superchain,) share of proposals after the warm-up; n_divergent : (superchain,) trajectories;
    last : by superchain, what its last block said of its ladder.
    """

    theta: np.ndarray
    lp: np.ndarray
    step: np.ndarray
    burn_in: int
    thin: int
    autocorrelation_time: np.ndarray
    diagnosis: Diagnosis
    accepted: np.ndarray
    n_divergent: np.ndarray
    n_evaluations: np.ndarray
    failures: Counter[Status]
    last: list[dict]


@dataclass
class _Spent:
    """What the blocks of a run have cost so far, warm-up included."""

    n_evaluations: np.ndarray
    failures: Counter[Status] = field(default_factory=Counter)

    def add(self, results: list[dict]) -> None:
        self.n_evaluations = self.n_evaluations + [r["n_evaluations"] for r in results]
        self.failures += failures_of(results)


def until_converged(
    objective: Objective,
    kernel: Kernel,
    around: np.ndarray,
    options: SampleOptions,
    seed: int,
    runner: Runner,
    told: Callable[[str], None],
    missed: Callable[[np.ndarray, float], str],
) -> Drawn:
    """Draw until every parameter has the R-hat and the effective sample size asked for.

    missed : what draws (draw, parameter) of that effective sample size should have met and did not, in words.

    Rounds, each one task per superchain: warm-up that adapts the kernel and is dropped, then blocks with the
    kernel as it is. After each round burn-in is dropped, the rest is thinned and judged.
    """
    spent = _Spent(np.zeros(options.ensembles, dtype=np.int64))
    blocks = _Blocks(objective, kernel, around, options, seed, runner, spent)
    _warm_up(blocks, kernel, options, told)
    rounds: list[list[dict]] = []
    n_steps = _FIRST
    while True:
        before = int(spent.n_evaluations.sum())
        rounds.append(blocks.run(n_steps, adapting=False))
        per_step = (int(spent.n_evaluations.sum()) - before) / n_steps
        drawn = _kept(rounds, options, spent, missed)
        told(_progress(drawn, options))
        affordable = int((options.max_evaluations - spent.n_evaluations.sum()) / per_step)
        if not drawn.diagnosis.reason or affordable < _FIRST // 4:
            return drawn
        n_steps = min(_next_length(rounds, drawn.diagnosis, options), affordable)


@dataclass
class _Blocks:
    """Runs rounds of blocks, each superchain from where it was left."""

    objective: Objective
    kernel: Kernel
    around: np.ndarray
    options: SampleOptions
    seed: int
    runner: Runner
    spent: _Spent
    number: int = 0
    states: list[State] | None = None

    def run(self, n_steps: int, adapting: bool) -> list[dict]:
        n, name = self.options.ensembles, self.options.sampler
        states: list[State] = self.states or [{} for _ in range(n)]
        first = apart(self.around, n)
        tasks = [
            Task(
                f"posterior {name} {self.number} {m}",
                (STAGE, self.number * n + m),
                {"n_steps": n_steps, "adapting": adapting, "state": states[m], "first": int(first[m])},
            )
            for m in range(n)
        ]
        results = self.runner.run(tasks, self._work)
        for m, result in enumerate(results):
            if "theta" not in result:
                raise RunError(f"chain {m} of the sampler {name} was lost: {result.get('reason', '')}")
        found = [dict(r) for r in results]
        self.states, self.number = [state_of(r) for r in found], self.number + 1
        self.spent.add(found)
        return found

    def _work(self, task: Task, stop: np.ndarray) -> dict:
        density = Density(self.objective, stop)
        rng = seed_sequence(self.seed, *task.seed_key)
        # superchains that begin far apart show whether they find each other's modes
        around = np.roll(self.around, -task.inputs["first"], axis=0)
        state = task.inputs["state"] or self.kernel.begin(density, around, rng)
        made = self.kernel.advance(density, state, task.inputs["n_steps"], rng, task.inputs["adapting"])
        return made | failure_arrays(density)


def _warm_up(blocks: _Blocks, kernel: Kernel, options: SampleOptions, told: Callable[[str], None]) -> None:
    n_steps = kernel.warm_up
    for number in range(kernel.rounds):
        theta, _ = _joined([blocks.run(n_steps, adapting=True)])
        late = theta[:, :, n_steps // 2 :]
        agreement = _largest([diagnostics.rhat(late[..., k]) for k in range(late.shape[-1])])
        told(f"warm-up: {n_steps} steps, R-hat {agreement:.3f}")
        spent = blocks.spent.n_evaluations.sum()
        blocks.states = kernel.pooled(blocks.states or [])
        if (number and agreement < _SETTLED) or spent > _WARM_UP_SHARE * options.max_evaluations:
            return
        n_steps *= 2


def _joined(rounds: list[list[dict]]) -> tuple[np.ndarray, np.ndarray]:
    """theta (superchain, walker, step, parameter) and lp (superchain, walker, step) of all blocks."""
    theta = np.array([np.concatenate([r[m]["theta"] for r in rounds]) for m in range(len(rounds[0]))])
    lp = np.array([np.concatenate([r[m]["lp"] for r in rounds]) for m in range(len(rounds[0]))])
    return np.moveaxis(theta, 1, 2), np.moveaxis(lp, 1, 2)


def _kept(
    rounds: list[list[dict]],
    options: SampleOptions,
    spent: _Spent,
    missed: Callable[[np.ndarray, float], str],
) -> Drawn:
    theta, lp = _joined(rounds)
    n_superchains, _, n_steps, n_parameters = theta.shape
    late = theta[:, :, n_steps // 2 :]
    # in steps: the means over the walkers are one chain per superchain
    slowest = _largest(
        [
            diagnostics.autocorrelation_time(late[..., k].mean(axis=1, keepdims=True))
            for k in range(n_parameters)
        ]
    )
    burn_in = (
        int(min(n_steps // 2, math.ceil(_BURN_IN * slowest))) if math.isfinite(slowest) else n_steps // 2
    )
    theta, lp = theta[:, :, burn_in:], lp[:, :, burn_in:]
    times = np.array([diagnostics.autocorrelation_time(theta[..., k]) for k in range(n_parameters)])
    shortest = float(np.nanmin(times)) if np.isfinite(times).any() else 1.0
    thin = max(1, int(shortest / _PER_TIME), math.ceil(lp.size / options.max_draws))
    accepted = np.array([[r[m]["n_accepted"] for m in range(n_superchains)] for r in rounds]).sum(axis=0)
    moved = accepted / n_steps  # (superchain, walker)
    diagnosis = diagnose(theta[:, :, ::thin], diagnostics.stuck_walkers(moved), options)
    n_divergent = np.sum([[r[m].get("n_divergent", 0) for m in range(n_superchains)] for r in rounds], axis=0)
    if n_divergent.sum() > _DIVERGENT * n_superchains * n_steps:
        diagnosis = diagnosis.also(f"{n_divergent.sum()} trajectories diverged")
    if not diagnosis.reason:
        draws = theta[:, :, ::thin].reshape(-1, n_parameters)
        diagnosis = diagnosis.also(missed(draws, _smallest(diagnosis.ess_bulk)))
    return Drawn(
        theta[:, :, ::thin],
        lp[:, :, ::thin],
        np.arange(theta.shape[2])[::thin],
        burn_in,
        thin,
        times,
        diagnosis,
        moved.mean(axis=1),
        n_divergent,
        spent.n_evaluations,
        spent.failures,
        rounds[-1],
    )


def diagnose(theta: np.ndarray, n_stuck: np.ndarray, options: SampleOptions) -> Diagnosis:
    """Judge draws theta (superchain, walker, draw, parameter)."""
    columns = [theta[..., k] for k in range(theta.shape[-1])]
    with np.errstate(invalid="ignore"):
        rhat, bulk, tail = (
            np.array([measure(c) for c in columns])
            for measure in (diagnostics.rhat, diagnostics.ess_bulk, diagnostics.ess_tail)
        )
    reasons = []
    if not (rhat <= options.rhat).all():
        reasons.append(f"the superchains disagree (R-hat {_largest(rhat):.3g}, asked for {options.rhat:g})")
    if not (bulk >= options.ess).all():
        reasons.append(f"too few independent draws ({_smallest(bulk):,.0f} of {options.ess:,.0f})")
    if not (tail >= _TAIL_SHARE * options.ess).all():
        asked = _TAIL_SHARE * options.ess
        reasons.append(f"too few independent draws of the tails ({_smallest(tail):,.0f} of {asked:,.0f})")
    if n_stuck.any():
        reasons.append(f"{int(n_stuck.sum())} walkers are stuck")
    elif theta.shape[1] > 1:
        apart = _largest([diagnostics.rhat(c.reshape(-1, 1, c.shape[-1])) for c in columns])
        if not apart <= _WALKERS_AGREE:
            reasons.append(f"walkers of one ensemble stay apart (R-hat between walkers {apart:.3g})")
    return Diagnosis(rhat, bulk, tail, n_stuck, "; ".join(reasons))


def _next_length(rounds: list[list[dict]], diagnosis: Diagnosis, options: SampleOptions) -> int:
    """Steps of the next round: what the effective sample size lacks, and at most twice what there is."""
    so_far = sum(len(r[0]["theta"]) for r in rounds)
    share = min(
        _smallest(diagnosis.ess_bulk) / options.ess, _smallest(diagnosis.ess_tail) / (0.25 * options.ess)
    )
    lacking = so_far * (1.1 / share - 1.0) if share > 0 else math.inf
    return int(min(max(lacking, _FIRST, 0.25 * so_far), (_GROWTH - 1.0) * so_far))


def _progress(drawn: Drawn, options: SampleOptions) -> str:
    diagnosis = drawn.diagnosis
    return (
        f"{int(drawn.n_evaluations.sum()):,} evaluations: R-hat {_largest(diagnosis.rhat):.4g}, "
        f"effective sample size {_smallest(diagnosis.ess_bulk):,.0f} of {options.ess:,.0f}"
    )


def _largest(values) -> float:
    """The largest, NaN if one is not known."""
    return float(np.max(values))


def _smallest(values) -> float:
    return float(np.min(values))

"""The check of a design by simulation: draw the proposed data, refit, profile the targets again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from idfit.errors import InputError, RunError
from idfit.optimize.local import LocalOptions, trust_region
from idfit.prediction.candidates import Wider
from idfit.prediction.targets import Target, profiles_of, targets_of
from idfit.prediction.valley import Truth
from idfit.problem import Evaluation, Objective, Problem
from idfit.problem.simulation import draw_values
from idfit.results import SideStatus, Status
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of simulated measurements
STAGE = 70


@dataclass(frozen=True)
class Setting:
    """The chosen measurements as rows of a problem, and how its simulations are fitted and profiled.

    best : (parameter,) best fit of the narrower problem, from which each refit sets out, and from the truth.
    """

    wider: Wider
    targets: list[Target]
    best: np.ndarray
    ci_prob: float
    rtol: float
    atol: float
    seed: int


def simulated(setting: Setting, truths: Sequence[Truth], n: int, runner: Runner) -> dict[str, np.ndarray]:
    """Draw the new measurements n times at each truth, beside the data as they are; refit and profile.

    Returns variables of the group ``design``: statuses (truth, simulation), and intervals, statuses of sides
    (truth, simulation, target, side), estimates, shares of closed sides and medians of the limits over the
    simulations whose refit succeeded. Errors: `RunError` if nothing can be predicted at a truth.
    """
    problem = setting.wider.problem
    objective = problem.objective(setting.rtol, setting.atol)
    at_truth = [_predicted(objective, setting.wider, truth) for truth in truths]

    def work(task: Task, stop: np.ndarray) -> dict:
        rng = seed_sequence(setting.seed, *task.seed_key)
        t = task.inputs["truth"]
        return _one(setting, objective, at_truth[t], setting.wider.theta(truths[t].theta), rng, stop)

    tasks = [
        Task(f"design {t} {i}", (STAGE, t * n + i), {"truth": t})
        for t in range(len(truths))
        for i in range(n)
    ]
    results = runner.run(tasks, work)
    return _collected(setting, truths, n, results)


def _predicted(objective: Objective, wider: Wider, truth: Truth) -> Evaluation:
    ev = objective(wider.theta(truth.theta), 0)
    if ev.status is not Status.OK:
        raise RunError(f"the proposed data cannot be simulated at {truth.label}: {ev.status.sentence}")
    return ev


def _one(
    setting: Setting,
    objective: Objective,
    at_truth: Evaluation,
    theta: np.ndarray,
    rng: np.random.Generator,
    stop: np.ndarray,
) -> dict[str, Any]:
    """One set of new data: the best refit from all starts, and the profiles of the targets from it."""
    wider = setting.wider
    table, first = wider.problem.spec.measurements, wider.rows[0].start
    drawn, _ = draw_values(wider.problem, at_truth.prediction, at_truth.sigma, rng)
    values = np.concatenate([np.array(table.value[:first], dtype=float), drawn[first:]])
    try:
        own = objective.with_values(values)
    except InputError:  # noise so large that a draw is beyond any number
        return {"status": int(Status.OBSERVABLE_NOT_FINITE)}
    best = wider.theta(setting.best)
    starts = [theta] if np.array_equal(theta, best) else [theta, best]
    fits = [trust_region(own, start, LocalOptions(), stop) for start in starts]
    found = min(fits, key=lambda f: f.objective)
    if not found.status.usable:
        return {"status": int(found.status)}
    data = table.model_copy(update={"value": tuple(values.tolist())})
    problem = Problem(wider.problem.spec.model_copy(update={"measurements": data}))
    profiles = profiles_of(
        problem, _renewed(problem, setting), found.theta, setting.ci_prob, setting.rtol, setting.atol,
        setting.seed, Runner(stop=stop), "endpoints",
    )  # fmt: skip
    names = [t.name for t in setting.targets]
    natural = profiles.sel(space="natural", profiled=names)
    return {
        "status": int(found.status),
        "interval": natural["interval"].values[:, -1],
        "side_status": profiles["side_status"].sel(profiled=names).values[:, -1].astype(np.int64),
        "estimate": natural["estimate"].values,
    }


def _renewed(problem: Problem, setting: Setting) -> list[Target]:
    """The targets as functions of the parameters of that problem."""
    given = {t.name: t.quantity or t.name for t in setting.targets}
    return targets_of(problem, given, None, setting.rtol, setting.atol)


def _collected(
    setting: Setting, truths: Sequence[Truth], n: int, results: list[dict]
) -> dict[str, np.ndarray]:
    shape = (len(truths), n)
    targets = len(setting.targets)
    ok = np.array([Status(int(r["status"])).usable and "interval" in r for r in results])
    none = {
        "interval": np.full((targets, 2), np.nan),
        "side_status": np.full((targets, 2), int(SideStatus.NOT_REACHED)),
        "estimate": np.full(targets, np.nan),
    }

    def stacked(name: str) -> np.ndarray:
        entries = [r[name] if good else none[name] for r, good in zip(results, ok, strict=True)]
        return np.array(entries).reshape(*shape, *none[name].shape)

    interval, sides, usable = stacked("interval"), stacked("side_status").astype(np.int8), ok.reshape(shape)
    closed = np.isin(sides, [int(s) for s in SideStatus if s.finite])
    share, median = np.full((len(truths), targets, 2), np.nan), np.full((len(truths), targets, 2), np.nan)
    for t in np.flatnonzero(usable.any(axis=1)):
        share[t] = closed[t, usable[t]].mean(axis=0)
        # of the order statistics, as a mean of a limit and none is no number
        median[t] = np.quantile(interval[t, usable[t]], 0.5, axis=0, method="lower")
    return {
        "simulated_status": np.array([int(r["status"]) for r in results], dtype=np.int8).reshape(shape),
        "simulated_interval": interval,
        "simulated_side_status": sides,
        "simulated_estimate": stacked("estimate"),
        "share_closed": share,
        "median_interval": median,
    }

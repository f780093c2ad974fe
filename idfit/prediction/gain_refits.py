"""Gains along a valley by refits, where the linear ones cannot tell whether a side closes.

The linear gain lets the other parameters make up for a measurement along straight lines; along a curved
valley they cannot go so far, and it is too small. The spread does not let them move and is too large. Where
one lies below what is needed and the other above, the question is settled by the definition: the measurement
at its value for the truth, and the objective minimised with the target held at the open end, and free,

    gain = min{ objective : target = end } − min{ objective } + rise(θ_t) − rise(θ_e).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from idfit.optimize.local import LocalOptions, trust_region
from idfit.prediction.candidates import Candidate, widened
from idfit.prediction.targets import Target
from idfit.prediction.valley import End, Telling, Truth
from idfit.problem import Problem
from idfit.results import Status
from idfit.spec.schema import ProblemSpec
from idfit.tasks import Runner, Task

# a linear gain of so many times what is needed is enough, and a spread of this share of it is not
_ENOUGH, _HOPELESS = 3.0, 0.3
#: refits of one side at most, for the candidates with the largest spread
_MOST = 60

Sides = dict[tuple[int, int], Telling]


def refitted(
    problem: Problem,
    spec: ProblemSpec,
    candidates: Sequence[Candidate],
    targets: Sequence[Target],
    ends: dict[tuple[int, int], End],
    tellings: Sides,
    aimed_at: Sequence[tuple[int, int]],
    truths: Sequence[Truth],
    replicates: int,
    rtol: float,
    atol: float,
    runner: Runner,
) -> Sides:
    """The tellings of the sides that are aimed at, with gains by refits where these are needed.

    Functions of parameters keep their linear gains. A refit that fails leaves the linear gain.
    """
    asked = [
        (key, c)
        for key in aimed_at
        if targets[key[0]].position >= 0
        for c in unsettled(tellings[key], replicates)
    ]

    def work(task: Task, stop: np.ndarray) -> dict:
        key, c = asked[task.inputs["number"]]
        wider = widened(problem, spec, [candidates[c]] * replicates)
        objective = wider.problem.objective(rtol, atol)
        end, first = ends[key], wider.rows[0].start
        value = np.array(wider.problem.spec.measurements.value, dtype=float)
        held = np.asarray(wider.known != targets[key[0]].position)
        gains = np.full(len(truths), np.nan)
        for k in np.flatnonzero(tellings[key].asked).tolist():
            at_truth = objective(wider.theta(truths[k].theta), 0, stop)
            if at_truth.status is not Status.OK:
                continue
            value[first:] = at_truth.prediction[first:]
            own, options = objective.with_values(value), LocalOptions()
            fixed = trust_region(own, wider.theta(end.theta), options, stop, free=held)
            free = trust_region(own, wider.theta(truths[k].theta), options, stop)
            if fixed.status.usable and free.status.usable:
                gains[k] = fixed.objective - free.objective + truths[k].rise - end.rise
        return {"gain": gains, "status": int(Status.INTERRUPTED if stop[0] else Status.OK)}

    tasks = [
        Task(f"design refit {key[0]} {key[1]} {c}", inputs={"number": n}) for n, (key, c) in enumerate(asked)
    ]
    made = dict(tellings)
    for (key, c), result in zip(asked, runner.run(tasks, work) if tasks else [], strict=True):
        if "gain" in result:
            single = made[key].single.copy()
            single[:, c] = result["gain"]
            made[key] = replace(made[key], single=single)
    return made


def unsettled(telling: Telling, replicates: int) -> list[int]:
    """Candidates of which the linear gain and the spread do not agree whether the side closes."""
    if telling.status is not Status.OK:
        return []
    needed = telling.needed[:, None]
    gain, spread = telling.gains([], replicates), replicates * telling.spread()
    with np.errstate(invalid="ignore"):
        doubtful = (gain < _ENOUGH * needed) & (spread > _HOPELESS * needed)
    open_question = np.any(doubtful, axis=0)
    worth = np.nan_to_num(np.where(open_question, spread, 0.0)).max(axis=0)
    order = np.argsort(-worth, kind="stable")[:_MOST]
    return sorted(int(c) for c in order if open_question[c])

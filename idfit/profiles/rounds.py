"""Profiles of several quantities at once, done again from a better optimum where one turns up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.optimize.fit import noise_parameters
from idfit.problem import Problem
from idfit.profiles.collection import collected
from idfit.profiles.endpoints import endpoints
from idfit.profiles.integration import integrated
from idfit.profiles.path import End
from idfit.profiles.side_task import Ask, Profiled, elsewhere_of, followed
from idfit.profiles.start import BestFit, Start, best_fit, good_fits
from idfit.profiles.thresholds import Kind, rises
from idfit.results import Status
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of profiles; a round of its own for each optimum that is profiled
STAGE = 10
#: a point that lies lower than the best fit by more than this is a better fit
BETTER = 1e-3


#: how a side is done: all refits along it, its ends alone, or its path integrated
METHODS = {"path": followed, "endpoints": endpoints, "integration": integrated}


@dataclass(frozen=True)
class ProfileOptions:
    """How profiles are followed.

    method : ``path``, ``endpoints`` (limits without the path) or ``integration`` (no refits); the two others
    are for parameters only. aim : rise of the objective per step, and ceiling : rise at which a side ends,
    both as shares of the largest threshold; max_points : of one side; max_rounds : how often a better
    optimum met on the way is profiled anew.
    """

    method: str = "path"
    aim: float = 0.1
    ceiling: float = 1.2
    max_points: int = 100
    max_rounds: int = 3

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r} is not known; there are {', '.join(METHODS)}")
        for name, low, high in (
            ("aim", 0.001, 1.0), ("ceiling", 1.0, 100.0), ("max_points", 3, 100_000), ("max_rounds", 1, 100),
        ):  # fmt: skip
            if not low <= (value := getattr(self, name)) <= high:
                raise InputError(f"{name} = {value} was given; it lies between {low} and {high}")


def in_rounds(
    group: str,
    problem: Problem,
    start: Start,
    profiled_at: Callable[[BestFit], Iterable[Profiled]],
    ci_prob: float | Sequence[float],
    threshold: Kind,
    options: ProfileOptions,
    runner: Runner,
) -> xr.Dataset:
    """Profile from the best fit; where something better turns up, polish it and profile once more."""
    levels = np.unique(np.atleast_1d(np.asarray(ci_prob, dtype=float)))
    objective = problem.objective(start.rtol, start.atol)
    theta, before, n_evaluations, turn = start.theta, math.nan, 0, 0
    while True:
        best = best_fit(problem, objective, theta, runner.stop)
        before = best.point.objective if turn == 0 else before
        thresholds = rises(levels, threshold, *_counts(problem, best, threshold))
        profiled = list(profiled_at(best))
        sides = _both_sides(group, turn, profiled, best, start, thresholds, options, runner)
        n_evaluations += sum(side["n_evaluations"] for side in sides)
        better = _lowest(sides, best)
        turn += 1
        if better is None or turn == options.max_rounds:
            break
        theta = better
    attrs = start.attrs | {
        "method": options.method,
        "threshold_kind": threshold,
        "ci_prob": float(levels[-1]),  # of the verdicts
        "objective": best.point.objective,
        "n_rounds": turn,
        "better_by": before - best.point.objective,
        "still_better": int(better is not None),
        "seed": start.seed,
        "rtol": start.rtol,
        "atol": start.atol,
        "aim": options.aim,
        "ceiling": options.ceiling,
        "max_points": options.max_points,
        "n_evaluations": n_evaluations,
    }
    return collected(group, problem, best, profiled, sides, levels, thresholds, attrs)


def _counts(problem: Problem, best: BestFit, threshold: Kind) -> tuple[int, int]:
    """Measurements and degrees of freedom for the threshold."""
    noise = len(noise_parameters(problem))
    if threshold == "F" and noise != 1:
        raise InputError(
            f"threshold 'F' belongs to one noise level that is estimated; this problem has {noise} such. "
            "Use 'chi2'"
        )
    return best.n_measured, best.n_measured - (len(problem.parameters) - noise)


def _both_sides(
    group: str,
    turn: int,
    profiled: list[Profiled],
    best: BestFit,
    start: Start,
    thresholds: np.ndarray,
    options: ProfileOptions,
    runner: Runner,
) -> list[dict]:
    """Results of the lower and the upper side of each, in turn."""
    largest = float(thresholds.max())
    others = good_fits(start, best, largest)
    ask = Ask(thresholds, options.aim * largest, options.ceiling * largest, options.max_points, others)

    def work(task: Task, stop: np.ndarray) -> dict:
        number, direction = task.inputs["number"], task.inputs["direction"]
        rng = seed_sequence(start.seed, *task.seed_key)
        elsewhere = elsewhere_of(start.optima, best.unit, rng)
        return METHODS[options.method](profiled[number], direction, ask, elsewhere, stop)

    tasks = [
        Task(
            f"{group} {options.method} {turn} {p.name} {side} side",
            (STAGE + turn, 2 * number + (direction + 1) // 2),
            {"number": number, "direction": direction},
        )
        for number, p in enumerate(profiled)
        for side, direction in (("lower", -1), ("upper", 1))
    ]
    results = runner.run(tasks, work)
    return [r if "value" in r else _lost(profiled[i // 2]) for i, r in enumerate(results)]


def _lost(profiled: Profiled) -> dict:
    """A side whose worker was lost: nothing but the best fit is known."""
    point = profiled.start
    return {
        "value": np.array([point.value]),
        "theta": point.theta[None],
        "objective": np.array([point.objective]),
        "nllh": np.array([point.nllh]),
        "nlprior": np.array([point.nlprior]),
        "point_status": np.array([int(Status.OK)]),
        "jump": np.array([False]),
        "relief": np.zeros((1, len(point.theta))),
        "crossing_value": np.empty(0),
        "crossing_level": np.empty(0, dtype=np.int64),
        "end": int(End.FAILED),
        "reason": int(Status.WORKER_LOST),
        "n_evaluations": 0,
    }


def _lowest(sides: list[dict], best: BestFit) -> np.ndarray | None:
    """The parameters of the lowest point, if it is better than the best fit."""
    values = [float(np.min(side["objective"])) for side in sides]
    i = int(np.argmin(values))
    if values[i] >= best.point.objective - BETTER:
        return None
    return sides[i]["theta"][int(np.argmin(sides[i]["objective"]))]

"""Exact profile-wise bands: the limits of the prediction profile at every time of every curve.

A limit is searched from that of the time before, as the parameters that move a prediction most change little
from one time to the next. Each point found is within the confidence region of the parameters, so that the
bands at all times have to contain its curve; where one does not, it is searched again from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from idfit.prediction.cells import Cells, backward, forward
from idfit.prediction.curves import Curve
from idfit.problem import Problem
from idfit.problem.quantities import Extended, extended
from idfit.profiles.collection import flat_below
from idfit.profiles.limits import Limit, first_order_error, function_limit, measurement_limits
from idfit.profiles.path import PRESSES
from idfit.profiles.quantities import FunctionTarget
from idfit.profiles.rounds import BETTER
from idfit.profiles.side_task import Ask, Profiled, elsewhere_of, followed
from idfit.profiles.start import BestFit, Start, best_fit, good_fits
from idfit.profiles.verdicts import SideOfProfile
from idfit.results import SideStatus, Status
from idfit.results.prediction import LimitStatus
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of predictions; a round of its own for each optimum
STAGE = 60
_MOST_ROUNDS, _MOST_REPEATS = 3, 2
# how a side is followed where no limit is found directly
_AIM, _CEILING, _MOST_POINTS = 0.1, 1.2, 60
_SIZES, _DECADES = 1e6, 12.0
_FIRST = 0.6
# a curve within the region that leaves a band by more than this share of its half width shows a wider one
_OUTSIDE = 0.01
# a search bound matters to a limit if the objective would gain this share of the threshold without it
_MATTERS = 0.01
# a value stands still if no parameter moves it by this share of its way from the best fit
_STILL = 1e-3
_NAME = "idfit_predicted"
_STATUS = {
    SideStatus.CROSSED: LimitStatus.FOUND,
    SideStatus.SEARCH_BOUND: LimitStatus.OPEN,
    SideStatus.PARTNER_BOUND: LimitStatus.OPEN,
}


@dataclass(frozen=True)
class Bands:
    """Limits of all cells on the natural scale, (cell, side), with their statuses and what they rest on."""

    best: BestFit
    limits: np.ndarray
    status: np.ndarray
    rests_on: np.ndarray
    validation: np.ndarray | None
    validation_status: np.ndarray | None
    n_evaluations: np.ndarray
    n_rounds: int
    still_better: bool


@dataclass(frozen=True)
class _Search:
    """What the tasks of one round share."""

    problem: Problem
    cells: Cells
    best: BestFit
    start: Start
    rise: float
    rise_validation: float
    unit: np.ndarray
    values: np.ndarray  # (cell,) at the best fit
    others: tuple = field(default=())

    def scale(self, cell: int) -> str:
        """Of the profile: that of the noise, unless a value at the best fit has no logarithm."""
        curve = self.cells.curves[self.cells.curve[cell]]
        return curve.scale if self.values[cell] > 0.0 else "lin"

    def extended(self, cell: int, noise: float | str = "1") -> Extended:
        curve, time = self._place(cell)
        quantity = curve.quantity(time, self.scale(cell))
        return extended(
            self.problem, _NAME, quantity, self.best.objective.rtol, self.best.objective.atol, noise
        )

    def _place(self, cell: int) -> tuple[Curve, float]:
        return self.cells.curves[self.cells.curve[cell]], float(self.cells.times[self.cells.time[cell]])

    def noise(self, cell: int) -> float | str | None:
        """Normal noise of a new measurement on the scale of the profile, None where there is none."""
        curve, time = self._place(cell)
        if curve.distribution != "normal" or (curve.transform != "lin" and self.scale(cell) == "lin"):
            return None
        noise = curve.sd_at(time) if curve.sd is not None else curve.noise
        if noise is None or not (self.cells.has_noise[cell] or curve.sd is not None):
            return None
        if curve.transform != "log2":
            return noise
        return noise * math.log(2.0) if isinstance(noise, float | int) else f"({noise})*{math.log(2.0)!r}"


def profilewise(
    problem: Problem,
    cells: Cells,
    start: Start,
    rise: float,
    rise_validation: float,
    validation: bool,
    inside: np.ndarray,
    runner: Runner,
) -> Bands:
    """The bands of all cells.

    rise : of the objective at the limits, and rise_validation for new measurements; inside : (point,
    parameter) further points that may lie within the confidence region, as those of profiles.
    Errors: `RunError` if the best fit cannot be evaluated; `Interrupted`.
    """
    objective = problem.objective(start.rtol, start.atol)
    theta, rounds = start.theta, 0
    while True:
        best = best_fit(problem, objective, theta, runner.stop)
        values, _ = cells.values(best.point.theta)
        others = good_fits(start, best, rise)
        search = _Search(problem, cells, best, start, rise, rise_validation, best.unit, values, others)
        found = _round(search, rounds, inside, validation, runner)
        rounds += 1
        if found.lowest is None or rounds == _MOST_ROUNDS:
            break
        theta = found.lowest
    return Bands(
        best, _natural(search, found.value), found.status, found.rests_on,
        None if found.validation is None else _natural(search, found.validation), found.validation_status,
        found.n_evaluations, rounds, found.lowest is not None,
    )  # fmt: skip


def _natural(search: _Search, value: np.ndarray) -> np.ndarray:
    out = np.empty_like(value)
    for cell in range(len(value)):
        out[cell] = backward(search.scale(cell), value[cell])
        # a limit that does not exist is infinite on any scale
        out[cell, np.isinf(value[cell])] = value[cell][np.isinf(value[cell])]
    return out


@dataclass
class _Found:
    """Results of a round, (cell, side), on the scales of the profiles."""

    value: np.ndarray
    status: np.ndarray
    rests_on: np.ndarray
    theta: np.ndarray
    n_evaluations: np.ndarray
    validation: np.ndarray | None = None
    validation_status: np.ndarray | None = None
    lowest: np.ndarray | None = None
    least: float = math.inf

    @classmethod
    def blank(cls, n: int, k: int) -> _Found:
        return cls(
            np.full((n, 2), np.nan), np.full((n, 2), int(LimitStatus.FAILED), dtype=np.int8),
            np.full((n, 2), "", dtype=object), np.full((n, 2, k), np.nan), np.zeros(n, dtype=np.int64),
        )  # fmt: skip


def _round(search: _Search, turn: int, inside: np.ndarray, validation: bool, runner: Runner) -> _Found:
    cells, names = search.cells, search.problem.parameters.names
    found = _Found.blank(len(cells), len(names))
    asked = [(cells_of_curve, side, None) for cells_of_curve in _by_curve(cells) for side in (0, 1)]
    for repeat in range(1 + _MOST_REPEATS):
        results = runner.run(_side_tasks(asked, turn, repeat), lambda task, stop: _side(search, task, stop))
        for (own, side, _), result in zip(asked, results, strict=True):
            if "value" in result:
                _take(found, search, own, side, result, first=repeat == 0)
        asked = _to_repeat(search, found, inside)
        if not asked:
            break
    if validation:
        _validate(search, found, turn, runner)
    if found.least >= search.best.point.objective - BETTER:
        found.lowest = None
    return found


def _by_curve(cells: Cells) -> list[np.ndarray]:
    return [np.flatnonzero(cells.curve == c) for c in np.unique(cells.curve)]


def _side_tasks(asked: Sequence[tuple], turn: int, repeat: int) -> list[Task]:
    return [
        Task(
            f"prediction {turn} {repeat} {'-'.join(map(str, own))} {'upper' if side else 'lower'}",
            (STAGE + turn, 2 * int(own[0]) + side),
            {"cells": own, "side": side} | ({} if near is None else {"near": near}),
        )
        for own, side, near in asked
    ]


def _side(search: _Search, task: Task, stop: np.ndarray) -> dict:
    """One side of all times of a curve, one after the other."""
    own, side = np.asarray(task.inputs["cells"]), int(task.inputs["side"])
    near, rng = task.inputs.get("near"), seed_sequence(search.start.seed, *task.seed_key)
    k = len(search.unit)
    out = {
        "value": np.full(len(own), np.nan), "limit_status": np.full(len(own), int(LimitStatus.FAILED)),
        "theta": np.full((len(own), k), np.nan), "objective": np.full(len(own), np.inf),
        "relief": np.zeros((len(own), k)), "n_evaluations": np.zeros(len(own), dtype=np.int64),
    }  # fmt: skip
    for i, cell in enumerate(own):
        status, limit = _cell_limit(search, int(cell), 2 * side - 1, near, rng, stop)
        if stop[0]:
            return out | {"status": int(Status.INTERRUPTED)}
        out["value"][i], out["limit_status"][i] = limit.value, int(status)
        out["theta"][i], out["objective"][i], out["relief"][i] = limit.theta, limit.objective, limit.relief
        out["n_evaluations"][i] = limit.n_evaluations
        near = limit.theta if status is LimitStatus.FOUND else None
    return out | {"status": int(Status.OK)}


def _cell_limit(
    search: _Search, cell: int, direction: int, near: np.ndarray | None, rng, stop: np.ndarray
) -> tuple[LimitStatus, Limit]:
    best = search.best
    wider = search.extended(cell)
    theta = best.point.theta
    value, slope = wider.value(theta), wider.slope(theta)
    here = Limit(value, theta, best.point.objective, np.zeros(len(theta)), 2)
    if not (math.isfinite(value) and np.isfinite(slope).all()):
        return LimitStatus.NO_VALUE, replace(here, value=math.nan)
    if not slope.any():
        return LimitStatus.FOUND, here  # as at the start, where a known initial value stands
    error = first_order_error(best.fim, slope)
    start, curvature = replace(best.point, value=value), best.curvature
    target = FunctionTarget(wider, _FIRST * error if error > 0.0 else 0.1 * (abs(value) or 1.0))
    limit = function_limit(target, start, direction, search.rise, error, curvature, stop, near)
    # what a partner's search bound ends, nothing may end: only the path tells
    stopped = (limit.relief > _MATTERS * search.rise) & (best.point.relief <= _MATTERS * search.rise)
    beyond = [direction * (target.value_at(t) - limit.value) > 0.0 for t, _ in search.others]
    if math.isfinite(limit.value) and not any(beyond) and not stopped.any():
        return LimitStatus.FOUND, limit
    return _by_path(search, cell, direction, target, value, error, limit.n_evaluations, rng, stop)


def _by_path(
    search: _Search,
    cell: int,
    direction: int,
    target: FunctionTarget,
    value: float,
    error: float,
    n_evaluations: int,
    rng: np.random.Generator,
    stop: np.ndarray,
) -> tuple[LimitStatus, Limit]:
    """The limit by following the profile: the last crossing, or an open side."""
    best, scale = search.best, search.scale(cell)
    size = max(abs(value), target.step) if scale == "lin" else 1.0
    reach = _SIZES * size if scale == "lin" else _DECADES * math.log(10.0)
    profiled = Profiled(
        _NAME, "prediction", "", scale, target, replace(best.point, value=value), -1, error,
        (value - reach, value + reach), (False, False), target.step, math.inf, best.curvature,
    )  # fmt: skip
    ask = Ask(
        np.array([search.rise]), _AIM * search.rise, _CEILING * search.rise, _MOST_POINTS, search.others
    )
    side = followed(profiled, direction, ask, elsewhere_of(search.start.optima, search.unit, rng), stop)
    n = n_evaluations + side["n_evaluations"]
    pressing = np.where(side["relief"][0] > PRESSES, 0.0, side["relief"])
    seen = SideOfProfile(side, direction, best.point.objective, False, pressing, flat_below(best))
    end = seen.limits(0, search.rise)
    lowest = int(np.argmin(side["objective"]))
    better = side["objective"][lowest] < best.point.objective - BETTER
    at = lowest if better else int(np.argmin(np.abs(side["value"] - end.limit)))
    here = Limit(end.limit, side["theta"][at], float(side["objective"][at]), side["relief"][at], n)
    if end.status is SideStatus.SEARCH_BOUND and _levels_off(search, target, side):
        return LimitStatus.LEVELS_OFF, replace(here, value=float(side["value"][-1]))
    return _STATUS.get(end.status, LimitStatus.FAILED), here


def _levels_off(search: _Search, target: FunctionTarget, side: dict) -> bool:
    """Whether the value stands still where its side ends, whatever parameter moves by a unit: then it is no
    bound of a parameter that ends it."""
    slope = target.extended.slope(side["theta"][-1])
    way = abs(float(side["value"][-1] - side["value"][0]))
    return bool((np.abs(slope) * search.unit <= _STILL * way).all())


def _take(found: _Found, search: _Search, own: np.ndarray, side: int, result: dict, first: bool) -> None:
    """Put the results of a task into their places; a repeated search counts if it has come further."""
    names, sign = np.array(search.problem.parameters.names), 2 * side - 1
    found.n_evaluations[own] += result["n_evaluations"]
    for i, cell in enumerate(own):
        if (objective := float(result["objective"][i])) < found.least:
            found.least, found.lowest = objective, result["theta"][i]
        further = sign * (result["value"][i] - found.value[cell, side]) > 0.0
        if not (first or further):
            continue
        found.value[cell, side], found.status[cell, side] = result["value"][i], result["limit_status"][i]
        found.theta[cell, side] = result["theta"][i]
        resting = names[result["relief"][i] > _MATTERS * search.rise]
        found.rests_on[cell, side] = ", ".join(resting)


def _to_repeat(search: _Search, found: _Found, inside: np.ndarray) -> list[tuple]:
    """Cells whose band does not contain a curve of the confidence region, with the parameters of the curve
    that lies farthest out."""
    reached = found.theta[found.status == int(LimitStatus.FOUND)]
    points = np.concatenate([reached.reshape(-1, len(search.unit)), inside])
    if not len(points):
        return []
    scales = [search.scale(cell) for cell in range(len(search.cells))]
    values = np.array([search.cells.values(theta)[0] for theta in points])
    curves = np.stack([forward(s, values[:, c]) for c, s in enumerate(scales)], 1)
    width = found.value[:, 1] - found.value[:, 0]
    asked = []
    for side, sign in ((0, -1), (1, 1)):
        excess = np.where(np.isfinite(curves), sign * (curves - found.value[:, side]), -np.inf)
        worst = np.argmax(excess, axis=0)
        most = excess[worst, np.arange(len(worst))]
        out = (found.status[:, side] == int(LimitStatus.FOUND)) & (most > 0.5 * _OUTSIDE * width)
        asked += [(np.array([cell]), side, points[worst[cell]]) for cell in np.flatnonzero(out)]
    return asked


def _validate(search: _Search, found: _Found, turn: int, runner: Runner) -> None:
    """Limits of new measurements: a task for each curve."""
    cells = search.cells
    groups = _by_curve(cells)
    tasks = [
        Task(f"validation {turn} {'-'.join(map(str, own))}", (STAGE + turn, 0), {"cells": own})
        for own in groups
    ]
    results = runner.run(tasks, lambda task, stop: _new_measurements(search, task, stop))
    found.validation = np.full((len(cells), 2), np.nan)
    found.validation_status = np.full((len(cells), 2), int(LimitStatus.FAILED), dtype=np.int8)
    for own, result in zip(groups, results, strict=True):
        if "value" not in result:
            continue
        found.n_evaluations[own] += result["n_evaluations"]
        # where nothing ends the prediction, nothing ends the measurement
        open_side = found.status[own] == int(LimitStatus.OPEN)
        found.validation[own] = np.where(open_side, found.value[own], result["value"])
        found.validation_status[own] = np.where(open_side, int(LimitStatus.OPEN), result["limit_status"])


def _new_measurements(search: _Search, task: Task, stop: np.ndarray) -> dict:
    own, best = np.asarray(task.inputs["cells"]), search.best
    value, status = np.full((len(own), 2), np.nan), np.full((len(own), 2), int(LimitStatus.FAILED))
    n_evaluations = np.zeros(len(own), dtype=np.int64)
    for i, cell in enumerate(own):
        noise = search.noise(int(cell))
        if noise is None:
            status[i] = int(LimitStatus.NO_NOISE)
            continue
        wider = search.extended(int(cell), noise)
        start = replace(best.point, value=wider.value(best.point.theta))
        error = first_order_error(best.fim, wider.slope(best.point.theta))
        pair = measurement_limits(wider, start, search.rise_validation, error, best.curvature, stop)
        if stop[0]:
            return {"status": int(Status.INTERRUPTED)}
        value[i] = [limit.value for limit in pair]
        status[i] = [int(LimitStatus.FOUND if np.isfinite(v) else LimitStatus.FAILED) for v in value[i]]
        n_evaluations[i] = sum(limit.n_evaluations for limit in pair)
    return {
        "value": value, "limit_status": status, "n_evaluations": n_evaluations, "status": int(Status.OK)
    }  # fmt: skip

"""Two-dimensional profile likelihoods: for each value of two parameters, the least objective over all
others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.problem import Problem
from idfit.profiles.path import End
from idfit.profiles.plane_cells import Plane
from idfit.profiles.plane_flood import Sheet, flood
from idfit.profiles.plane_grid import Reach, grid_of, reach_of
from idfit.profiles.plane_pairs import named_pairs, strongest_pairs
from idfit.profiles.profile import parameter_profiled
from idfit.profiles.rounds import BETTER
from idfit.profiles.side_task import Ask, Profiled, elsewhere_of, followed
from idfit.profiles.start import BestFit, Start, best_fit, start_of
from idfit.profiles.thresholds import rises
from idfit.results import Status, dataset
from idfit.tasks import Runner, Task, seed_sequence

#: stage of the random streams of the paths that say how far a grid goes
STAGE = 25
# of the paths that say how far a grid goes: rise per step as a share of the ceiling, and points of a side
_AIM, _MOST_POINTS = 0.15, 100


@dataclass(frozen=True)
class PlaneOptions:
    """How far and how often cells are refitted.

    ceiling : rise up to which cells are filled, as a share of the largest one on a contour with two degrees
    of freedom; max_cells : of one pair; max_rounds : how often cells are refitted from their neighbours, in
    which a lower branch spreads by one cell.
    """

    ceiling: float = 1.2
    max_cells: int = 3000
    max_rounds: int = 50

    def __post_init__(self) -> None:
        for name, low, high in (
            ("ceiling", 1.05, 100.0), ("max_cells", 9, 1_000_000), ("max_rounds", 0, 100),
        ):  # fmt: skip
            if not low <= (value := getattr(self, name)) <= high:
                raise InputError(f"{name} = {value} was given; it lies between {low} and {high}")


def profile_2d(
    problem: Problem,
    fit: xr.Dataset | np.ndarray,
    pairs: Sequence[tuple[str, str]] | None = None,
    ci_prob: float | Sequence[float] = (0.68, 0.95),
    *,
    cells: int = 24,
    options: PlaneOptions | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    runner: Runner | None = None,
) -> xr.Dataset:
    """Profile the objective over pairs of parameters.

        PL(u, v) = min { objective(theta) : theta_a = u, theta_b = v }

    with contours where PL has risen by χ²₂(ci_prob)/2 (the region of both) and χ²₁(ci_prob)/2 (whose
    shadows on the axes are the intervals of each). fit : dataset of `fit`, or a point (parameter,) on the
    estimation scale; pairs : names, or None for each parameter with the one it is most correlated with, at
    most six pairs; cells : about so many across the region each way, up to eight times as many where it is
    thin; rtol, atol : the fit's if None.

    The profiles of the single parameters say how far the grid goes, which is to the bounds where one is
    open. Cells on their paths come first, then waves of the neighbours of cells below the ceiling, each
    refitted from its best neighbour. `attrs`: better_by is how far the lowest cell lies below the best fit
    (0 for less than can be told; the analysis is not begun anew), budget_used whether `max_cells` was,
    unsettled whether refits from neighbours still lowered cells in the last round.

    Returns a dataset of the group ``profiles_2d``. Cells that failed have NaN and their `status`. Rows and
    columns beyond a smaller grid go on in its steps and are not reached. Errors: `InputError` for names,
    levels and options; `RunError` if the best fit cannot be evaluated; `Interrupted` if stopped.

    Source: Bates & Watts, Nonlinear Regression Analysis (Wiley 1988), chapter 6.
    """
    runner, options = runner or Runner(), options or PlaneOptions()
    if not 4 <= cells <= 500:
        raise InputError(f"cells = {cells} was given; it lies between 4 and 500, and 24 is usual")
    levels = np.unique(np.atleast_1d(np.asarray(ci_prob, dtype=float)))
    rise = {df: rises(levels, "chi2", df=df) for df in (1, 2)}
    start = start_of(problem, fit, rtol, atol, None)
    best = best_fit(problem, problem.objective(start.rtol, start.atol), start.theta, runner.stop)
    wanted = strongest_pairs(best) if pairs is None else named_pairs(problem, pairs)
    largest = float(rise[2].max())
    profiled = [
        parameter_profiled(problem, best, i) for i in dict.fromkeys(k for pair in wanted for k in pair)
    ]
    sides = _both_sides(profiled, best, start, options.ceiling * largest, runner)
    reaches = {p.own: reach_of(p, *sides[2 * k : 2 * k + 2]) for k, p in enumerate(profiled)}
    sheets = []
    for pair in wanted:
        grid = grid_of(best, reaches[pair[0]], reaches[pair[1]], cells, largest)
        name = " ".join(problem.parameters.names[i] for i in pair)
        sheets.append(Sheet(name, grid, Plane(best.objective, pair, best.curvature)))
    ceiling = best.point.objective + options.ceiling * largest
    settled = flood(sheets, ceiling, options.max_cells, options.max_rounds, runner)
    lowest = min(float(np.min(f)) for f in (*(s["objective"] for s in sides), *(s.objective for s in sheets)))
    better_by = best.point.objective - lowest
    attrs = start.attrs | {
        "objective": best.point.objective,
        "better_by": better_by if better_by > BETTER else 0.0,
        "budget_used": int(any(sheet.budget_used for sheet in sheets)),
        "unsettled": int(not settled),
        "n_evaluations": sum(s["n_evaluations"] for s in sides) + sum(s.n_evaluations for s in sheets),
        "cells": cells,
        **asdict(options),
        "seed": start.seed,
        "rtol": start.rtol,
        "atol": start.atol,
    }
    return _collected(problem, best, sheets, reaches, levels, rise, attrs)


def _both_sides(
    profiled: list[Profiled], best: BestFit, start: Start, ceiling: float, runner: Runner
) -> list[dict]:
    """The lower and the upper side of the profile of each parameter in turn, up to the ceiling."""

    ask = Ask(np.array([ceiling]), _AIM * ceiling, ceiling, _MOST_POINTS)

    def work(task: Task, stop: np.ndarray) -> dict:
        number, direction = task.inputs["number"], task.inputs["direction"]
        elsewhere = elsewhere_of(start.optima, best.unit, seed_sequence(start.seed, *task.seed_key))
        return followed(profiled[number], direction, ask, elsewhere, stop)

    tasks = [
        Task(
            f"profiles_2d {p.name} {side}",
            (STAGE, 2 * p.own + (direction + 1) // 2),
            {"number": number, "direction": direction},
        )
        for number, p in enumerate(profiled)
        for side, direction in (("lower", -1), ("upper", 1))
    ]
    nowhere = {
        "theta": best.point.theta[None],
        "objective": np.array([best.point.objective]),
        "crossing_value": np.empty(0),
        "end": int(End.FAILED),
        "n_evaluations": 0,
    }
    return [
        r if "value" in r else nowhere | {"value": np.array([profiled[k // 2].start.value])}
        for k, r in enumerate(runner.run(tasks, work))
    ]


def _collected(
    problem: Problem,
    best: BestFit,
    sheets: list[Sheet],
    reaches: dict[int, Reach],
    levels: np.ndarray,
    rise: dict[int, np.ndarray],
    attrs: dict,
) -> xr.Dataset:
    space = problem.parameters
    names = [(space.names[s.grid.pair[0]], space.names[s.grid.pair[1]]) for s in sheets]
    shape = max(len(s.grid.x) for s in sheets), max(len(s.grid.y) for s in sheets)
    contour_rise = np.concatenate([rise[1], rise[2]])
    variables = {
        "first": [a for a, _ in names],
        "second": [b for _, b in names],
        "x_value": np.array([_continued(s.grid.x, shape[0]) for s in sheets]),
        "y_value": np.array([_continued(s.grid.y, shape[1]) for s in sheets]),
        "objective": np.array([_filled(_finite(s.objective), shape, np.nan) for s in sheets]),
        "nllh": np.array([_filled(_finite(s.nllh), shape, np.nan) for s in sheets]),
        "theta": np.array([_filled(s.theta, shape, np.nan) for s in sheets]),
        "status": np.array([_filled(s.status, shape, int(Status.NOT_REACHED)) for s in sheets]),
        "estimate": np.array([best.point.theta[list(s.grid.pair)] for s in sheets]),
        "n_cells": [int(s.reached.sum()) for s in sheets],
        "n_evaluations": [s.n_evaluations for s in sheets],
        "contour_prob": np.concatenate([levels, levels]),
        "contour_df": np.repeat([1, 2], len(levels)),
        "contour_rise": contour_rise,
        "closed": np.array([_closed(s, reaches, best.point.objective, contour_rise) for s in sheets]),
    }
    coords = {
        "pair": [f"{a}, {b}" for a, b in names],
        "parameter": list(space.names),
        "scale": list(space.scale),
        "unit": list(space.unit),
    }
    return dataset("profiles_2d", variables, coords, attrs)


def _closed(sheet: Sheet, reaches: dict[int, Reach], lowest: float, rise: np.ndarray) -> np.ndarray:
    """Whether each contour ends within the grid: no cell on its edge lies below, nor a profile at its end."""
    f = sheet.objective
    edge = min(float(part.min()) for part in (f[0], f[-1], f[:, 0], f[:, -1])) - lowest
    ends = min(r for i in sheet.grid.pair for r in reaches[i].rise)
    return min(edge, ends) > rise


def _continued(axis: np.ndarray, n: int) -> np.ndarray:
    """The axis with n values: the last step is repeated."""
    return np.concatenate([axis, axis[-1] + (axis[-1] - axis[-2]) * np.arange(1, n - len(axis) + 1)])


def _filled(array: np.ndarray, shape: tuple[int, int], fill: float) -> np.ndarray:
    whole = np.full((*shape, *array.shape[2:]), fill, dtype=array.dtype)
    whole[: array.shape[0], : array.shape[1]] = array
    return whole


def _finite(array: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(array), array, np.nan)

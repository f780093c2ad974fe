"""The grid of a two-dimensional profile: as far as the profiles of its two parameters go, and as fine as the
region is thin."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from idfit.profiles.path import End
from idfit.profiles.refit import solve_positive
from idfit.profiles.side_task import Profiled
from idfit.profiles.start import BestFit

# cells that the region is to be across where it is thinnest, and the refinement that this may cost
_THIN, _FINEST = 4.0, 8.0
# points of a path at which the width is looked at
_LOOKOUTS = 12
# a side that could not be followed to its end is searched beyond by this share of its length
_BEYOND = 0.15

Cell = tuple[int, int]


@dataclass(frozen=True)
class Reach:
    """How far the profile of one parameter goes until it has risen to the ceiling.

    index : of the parameter; ends : (side,) where it does, or where the search ends; rise : (side,) there,
    infinite if the ceiling was crossed; value : (step,), theta : (step, parameter) its path in rising order.
    """

    index: int
    ends: tuple[float, float]
    rise: tuple[float, float]
    value: np.ndarray = field(repr=False)
    theta: np.ndarray = field(repr=False)


def reach_of(profiled: Profiled, lower: dict, upper: dict) -> Reach:
    """From the results of both sides (see `followed`), followed to the ceiling as their only threshold."""
    ends, rises = zip(*(_end(profiled, s, d) for s, d in ((lower, -1), (upper, 1))), strict=True)
    value = np.concatenate([lower["value"][::-1], upper["value"][1:]])
    theta = np.concatenate([lower["theta"][::-1], upper["theta"][1:]])
    return Reach(profiled.own, ends, rises, value, theta)


def _end(profiled: Profiled, side: dict, direction: int) -> tuple[float, float]:
    """Where a side ends, and how far it has risen there."""
    last, best = float(side["value"][-1]), profiled.start
    if End(int(side["end"])) is End.ROSE and len(side["crossing_value"]):
        return float(side["crossing_value"][-1]), math.inf
    rise = float(side["objective"][-1]) - best.objective
    if End(int(side["end"])) is End.FAILED:
        # so that the failed cells are seen
        further = max(_BEYOND * abs(last - best.value), 3.0 * profiled.first)
        limit = profiled.limits[(direction + 1) // 2]
        last = direction * min(direction * (last + direction * further), direction * limit)
    return last, rise


@dataclass(frozen=True)
class Grid:
    """The grid of one pair of parameters.

    pair : positions of both; x : (column,), y : (row,) their values, the best fit among them; seeds : the
    cells that the profiles of the two run through, with the parameters there. They lie on the floor of the
    region all along it, so that a valley thinner than a cell is not lost.
    """

    pair: tuple[int, int]
    x: np.ndarray
    y: np.ndarray
    seeds: dict[Cell, np.ndarray] = field(repr=False)

    def values(self, cell: Cell) -> np.ndarray:
        """Values of the two parameters at the cell."""
        return np.array([self.x[cell[0]], self.y[cell[1]]])

    def around(self, cell: Cell, diagonal: bool = True) -> list[Cell]:
        """The neighbours of a cell, 8 or 4, in the order of the grid."""
        steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
        cells = [(cell[0] + a, cell[1] + b) for a, b in steps if diagonal or a == 0 or b == 0]
        return [c for c in cells if 0 <= c[0] < len(self.x) and 0 <= c[1] < len(self.y)]


def grid_of(best: BestFit, first: Reach, second: Reach, cells: int, rise: float) -> Grid:
    """About `cells` cells each way across the region of that rise, more where it is thin."""
    pair = first.index, second.index
    paths = [r.theta[(r.value >= r.ends[0]) & (r.value <= r.ends[1])] for r in (first, second)]
    width = _widths(best, paths, pair, rise)
    x, y = (
        _axis(float(best.point.theta[r.index]), r, cells, w)
        for r, w in zip((first, second), width, strict=True)
    )
    seeds: dict[Cell, np.ndarray] = {}
    centre = _nearest(x, best.point.theta[pair[0]]), _nearest(y, best.point.theta[pair[1]])
    seeds[centre] = best.point.theta
    for reach, axis in ((first, x), (second, y)):
        for value in axis:
            theta = np.array([np.interp(value, reach.value, column) for column in reach.theta.T])
            theta[reach.index] = value
            seeds.setdefault((_nearest(x, theta[pair[0]]), _nearest(y, theta[pair[1]])), theta)
    return Grid(pair, x, y, dict(sorted(seeds.items())))


def _nearest(axis: np.ndarray, value: float) -> int:
    return int(np.argmin(np.abs(axis - value)))


def _axis(best: float, reach: Reach, cells: int, width: float) -> np.ndarray:
    """Values from one end to the other through the best fit, evenly spaced on each side of it."""
    low, high = min(reach.ends[0], best), max(reach.ends[1], best)
    n = min(max(cells, _THIN * (high - low) / width), _FINEST * cells)
    parts = [
        max(1, round(n * (part / (high - low)))) if part > 0 else 0 for part in (best - low, high - best)
    ]
    below, above = np.linspace(low, best, parts[0] + 1), np.linspace(best, high, parts[1] + 1)
    return np.concatenate([below, above[1:]])


def _widths(best: BestFit, paths: list[np.ndarray], pair: tuple[int, int], rise: float) -> np.ndarray:
    """The least width of the region along each of the two while the other is held, (2,).

    With the Schur complement S of the pair in the Fisher information at a point of the floor, S_xx d²/2 =
    rise at both ends of the section. paths : each (step, parameter), along the floor.
    """
    widths = [np.full(2, np.inf)]
    for path in paths:
        chosen = np.unique(np.linspace(0, len(path) - 1, _LOOKOUTS).astype(int))
        stiffness = np.array([_stiffness(best, theta, np.array(pair)) for theta in path[chosen]])
        with np.errstate(divide="ignore"):
            widths.append(2.0 * np.sqrt(2.0 * rise / stiffness).min(axis=0))
    return np.min(widths, axis=0)


def _stiffness(best: BestFit, theta: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Diagonal (2,) of the Schur complement of the pair in the information at theta; zeros where it is not
    known."""
    ev, space = best.objective(theta, 1), best.objective.parameters
    if ev.fim is None or ev.prior_fim is None:
        return np.zeros(2)
    information = ev.fim + ev.prior_fim
    free = (theta > space.lower_scaled) & (theta < space.upper_scaled)
    free[pair] = False
    others = np.flatnonzero(free)
    block, coupling = information[np.ix_(others, others)], information[np.ix_(others, pair)]
    explained = [column @ solve_positive(block, column) for column in coupling.T]
    return np.maximum(information[pair, pair] - explained, 0.0)

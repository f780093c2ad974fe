"""Flood fill of two-dimensional profiles: waves of cells next to those that lie below the ceiling.

A cell starts from its best neighbour of earlier waves, moved along the tangent of that neighbour. The cells
of a wave know nothing of each other, so that the result is the same for any number of workers. Afterwards
each cell is refitted from neighbours whose other parameters lie lower there: branches that two fronts have
come upon are so followed from both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from idfit.profiles.plane_cells import Plane, arrived
from idfit.profiles.plane_grid import Cell, Grid
from idfit.results import Status
from idfit.tasks import Runner, Task

# neighbours that a refit may begin at, should it fail from the best of them
_MOST_STARTS = 3


@dataclass
class Sheet:
    """The cells of one pair as far as they are filled: arrays (x, y), the objective infinite where it is
    not known."""

    name: str
    grid: Grid
    plane: Plane
    objective: np.ndarray = field(init=False)
    nllh: np.ndarray = field(init=False)
    theta: np.ndarray = field(init=False)
    tangent: np.ndarray = field(init=False)
    status: np.ndarray = field(init=False)
    n_evaluations: int = 0
    budget_used: bool = False

    def __post_init__(self) -> None:
        shape, k = (len(self.grid.x), len(self.grid.y)), len(self.plane.objective.parameters)
        self.objective, self.nllh = np.full(shape, np.inf), np.full(shape, np.inf)
        self.theta, self.tangent = np.full((*shape, k), np.nan), np.full((*shape, k, 2), np.nan)
        self.status = np.full(shape, int(Status.NOT_REACHED), dtype=np.int8)

    @property
    def reached(self) -> np.ndarray:
        return self.status != int(Status.NOT_REACHED)

    def keep(self, cell: Cell, result: dict) -> None:
        self.n_evaluations += result.get("n_evaluations", 0)
        self.status[cell] = result["status"]
        if arrived(result):
            self.objective[cell], self.nllh[cell] = result["objective"], result["nllh"]
            self.theta[cell], self.tangent[cell] = result["theta"], result["tangent"]

    def starts(self, cell: Cell, neighbours: Iterable[Cell]) -> list[np.ndarray]:
        """Where a refit of the cell may begin: from its neighbours, the lowest first, as they predict it."""
        filled = [c for c in neighbours if np.isfinite(self.objective[c])]
        filled.sort(key=lambda c: (float(self.objective[c]), c))
        here = self.grid.values(cell)
        return [self.theta[c] + self.tangent[c] @ (here - self.grid.values(c)) for c in filled]

    def next_to(self, cells: Iterable[Cell], ceiling: float) -> list[Cell]:
        """Cells not reached yet beside those of `cells` that lie at or below the ceiling, lowest first."""
        lowest: dict[Cell, float] = {}
        for cell in cells:
            if self.objective[cell] <= ceiling:
                for other in self.grid.around(cell):
                    if not self.reached[other]:
                        lowest[other] = min(lowest.get(other, np.inf), float(self.objective[cell]))
        return sorted(lowest, key=lambda c: (lowest[c], c))


def flood(sheets: Sequence[Sheet], ceiling: float, max_cells: int, max_rounds: int, runner: Runner) -> bool:
    """Fill the sheets up to the ceiling (a value of the objective), then relax them; whether that settled.

    max_cells : of one sheet; max_rounds : of relaxation. Only the first round looks at all cells, each
    further one at those beside what has changed: a lower branch spreads by one cell a round.
    """
    seeds = [{cell: [theta] for cell, theta in sheet.grid.seeds.items()} for sheet in sheets]
    _spread(sheets, seeds, ceiling, max_cells, runner)
    suspects = [[(i, j) for i, j in np.argwhere(sheet.reached).tolist()] for sheet in sheets]
    for turn in range(1, max_rounds + 1):
        improved = _relax(sheets, suspects, turn, runner)
        if not any(improved):
            return True
        fronts = [_front(sheet, cells, ceiling) for sheet, cells in zip(sheets, improved, strict=True)]
        new = _spread(sheets, fronts, ceiling, max_cells, runner)
        suspects = [
            _beside(sheet, changed + more) for sheet, changed, more in zip(sheets, improved, new, strict=True)
        ]
    return max_rounds == 0


def _beside(sheet: Sheet, cells: Iterable[Cell]) -> list[Cell]:
    """The reached cells beside those given, in the order of the grid."""
    return sorted({c for cell in cells for c in sheet.grid.around(cell, False) if sheet.reached[c]})


Wave = dict[Cell, list[np.ndarray]]


def _front(sheet: Sheet, cells: Iterable[Cell], ceiling: float) -> Wave:
    """The next cells, each with the starts of its refit."""
    return {c: sheet.starts(c, sheet.grid.around(c))[:_MOST_STARTS] for c in sheet.next_to(cells, ceiling)}


def _spread(
    sheets: Sequence[Sheet], waves: list[Wave], ceiling: float, max_cells: int, runner: Runner
) -> list[list[Cell]]:
    """Wave after wave until none is left below the ceiling, or the budget is used up; the cells filled."""

    def work(task: Task, stop: np.ndarray) -> dict:
        sheet = sheets[task.inputs["sheet"]]
        return sheet.plane.refit(sheet.grid.values(task.inputs["cell"]), task.inputs["starts"], stop)

    filled: list[list[Cell]] = [[] for _ in sheets]
    while True:
        tasks = []
        for number, (sheet, wave) in enumerate(zip(sheets, waves, strict=True)):
            left = max_cells - int(sheet.reached.sum())
            sheet.budget_used |= len(wave) > left
            for cell in sorted(list(wave)[:left]):
                inputs = {"sheet": number, "cell": cell, "starts": wave[cell]}
                tasks.append(Task(f"profiles_2d {sheet.name} {cell[0]} {cell[1]}", (), inputs))
        if not tasks:
            return filled
        _keep(sheets, tasks, runner.run(tasks, work))
        done = [[t.inputs["cell"] for t in tasks if t.inputs["sheet"] == n] for n in range(len(sheets))]
        filled = [before + cells for before, cells in zip(filled, done, strict=True)]
        waves = [_front(sheet, cells, ceiling) for sheet, cells in zip(sheets, done, strict=True)]


def _keep(sheets: Sequence[Sheet], tasks: list[Task], results: list[dict]) -> None:
    for task, result in zip(tasks, results, strict=True):
        sheets[task.inputs["sheet"]].keep(task.inputs["cell"], result)


def _relax(
    sheets: Sequence[Sheet], suspects: list[list[Cell]], turn: int, runner: Runner
) -> list[list[Cell]]:
    """Refit the cells that a neighbour's parameters put lower; which cells of each sheet were improved."""

    def work(task: Task, stop: np.ndarray) -> dict:
        sheet, cell = sheets[task.inputs["sheet"]], task.inputs["cell"]
        known = task.inputs["known"]
        return sheet.plane.improve(sheet.grid.values(cell), task.inputs["starts"], known, stop)

    tasks = []
    for number, (sheet, cells) in enumerate(zip(sheets, suspects, strict=True)):
        for cell in cells:
            starts = sheet.starts(cell, sheet.grid.around(cell, False))
            inputs = {"sheet": number, "cell": cell, "starts": starts, "known": float(sheet.objective[cell])}
            if starts:
                key = f"profiles_2d {sheet.name} {cell[0]} {cell[1]} again {turn}"
                tasks.append(Task(key, (), inputs))
    improved: list[list[Cell]] = [[] for _ in sheets]
    for task, result in zip(tasks, runner.run(tasks, work), strict=True):
        number, cell = task.inputs["sheet"], task.inputs["cell"]
        if "theta" in result:
            sheets[number].keep(cell, result)
            improved[number].append(cell)
        else:
            sheets[number].n_evaluations += result.get("n_evaluations", 0)
    return improved

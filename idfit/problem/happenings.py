"""The sections of the packed plan for what happens in time: doses, changes of parameters, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy

from idfit.model import CompiledModel, Event
from idfit.numerics import plan as layout
from idfit.problem.resolution import Resolution

# times closer than this (relative) are one
_SAME_TIME = 1e-12


def same_time(a: float, b: float) -> bool:
    return abs(a - b) <= _SAME_TIME * max(abs(a), abs(b))


def jumps_of(resolution: Resolution) -> tuple[tuple[sympy.Expr, ...], ...]:
    """The formulas of states in each change that has some, simulation by simulation."""
    groups = []
    for simulation in resolution.simulations:
        for change in simulation.changes:
            formulas = tuple(d.amount for d in change.doses if not isinstance(d.amount, int))
            if formulas and formulas not in groups:
                groups.append(formulas)
    return tuple(groups)


def changes_at(
    resolution: Resolution, boundaries: Sequence[Sequence[float]], n_events: int, internal: Mapping[str, int]
) -> dict[int, Sequence[int]]:
    """What happens at each boundary.

    boundaries : times of each simulation; internal : positions of states in the engine.
    """
    jumps = jumps_of(resolution)
    change_ptr, item_ptr = [0], [0]
    maps, actions, states, sets, outers = [], [], [], [], []
    for simulation, times in zip(resolution.simulations, boundaries, strict=True):
        for time in times:
            for change in (c for c in simulation.changes if same_time(c.time, time)):
                formulas = tuple(d.amount for d in change.doses if not isinstance(d.amount, int))
                maps.append(-1 if change.map is None else change.map)
                actions.append(n_events + jumps.index(formulas) if formulas else -1)
                computed = 0
                for dose in change.doses:
                    states.append(internal[dose.state])
                    sets.append(int(dose.sets))
                    if isinstance(dose.amount, int):
                        outers.append(dose.amount)
                    else:
                        outers.append(-1 - computed)
                        computed += 1
                item_ptr.append(len(states))
            change_ptr.append(len(maps))
    return {
        layout.CHANGE_PTR: change_ptr,
        layout.CHANGE_MAP: maps,
        layout.CHANGE_ACTION: actions,
        layout.ITEM_PTR: item_ptr,
        layout.ITEM_STATE: states,
        layout.ITEM_SETS: sets,
        layout.ITEM_OUTER: outers,
    }


def event_sections(
    events: Sequence[Event], compiled: CompiledModel, internal: Mapping[str, int]
) -> dict[int, Sequence[int] | np.ndarray]:
    """Events, and what they and doses compute from the states."""
    rows = [part for action in compiled.actions for row in action.rows for part in row]
    n_actions = len(compiled.actions)
    return {
        layout.ACTION_VALUE: [compiled.address(f"action_{i}") for i in range(n_actions)],
        layout.ACTION_DERIVATIVE: [compiled.address(f"action_derivative_{i}") for i in range(n_actions)],
        layout.ACTION_FIRST: np.concatenate([[0], np.cumsum([2 * len(a.rows) for a in compiled.actions])]),
        layout.ACTION_PTR: np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
        layout.ACTION_COL: [c for row in rows for c in row],
        layout.EVENT_PTR: np.concatenate([[0], np.cumsum([len(e.changes) for e in events])]),
        layout.EVENT_STATE: [internal[state] for e in events for state, _ in e.changes],
        layout.EVENT_PERSISTENT: [int(e.persistent) for e in events],
        layout.EVENT_INITIAL: [int(e.initial) for e in events],
        layout.EVENT_FROM_TRIGGER: [int(e.from_trigger) for e in events],
    }

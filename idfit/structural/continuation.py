"""Whether a direction that the beginning of an experiment leaves open stays open in what follows.

Along a direction v of the unknowns the states change by δx(t). Where that is a + c·x(t) with constants a and
c for each state (scalings and translations, as of doses and units), the change is known at any later time
without knowing x there. From a random state, with that change and the change that the dose itself has along
v, the outputs that follow must not change either. If they do not at a random state, they do not at the one
that the experiment has come to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from idfit.structural.program import compiled
from idfit.structural.question import Experiment, Question
from idfit.structural.series import Series

_SEED = 7
_TRIES = 20


def directions_last(
    question: Question,
    columns: Mapping[str, int],
    values: Mapping[str, int],
    series: Sequence[Series],
    null_space: np.ndarray,
    prime: int,
) -> bool:
    """Whether all directions (direction, column) provably change no output of the continued experiments.

    columns : of the null space and of the tangents in `series`, by name; values : the point.
    """
    n_orders = max(one.order for one in series) + 1
    names = (*question.unknowns, *question.known)
    tangents = {name: null_space[:, columns[name]].astype(np.uint32) for name in question.unknowns}
    changes: dict[int, list[np.ndarray] | None] = {}
    for i, experiment in enumerate(question.experiments):
        if experiment.follows is None:
            states = _states(series[i])
            along = (states[..., 1 : 1 + null_space.shape[1]].astype(object) @ null_space.T) % prime
            changes[i] = _affine(states[..., 0].astype(object), along, prime)
            continue
        before = changes[experiment.follows]
        if before is None:
            return False
        continued = _continued(experiment, names, values, tangents, before, n_orders, prime)
        if continued is None or _told(continued).any():
            return False
        states = _states(continued)
        changes[i] = _affine(states[..., 0].astype(object), states[..., 1:].astype(object), prime)
    return True


def _states(series: Series) -> np.ndarray:
    """(state, order, column)."""
    return series.w[list(series.program.states), : series.order + 1]


def _told(series: Series) -> np.ndarray:
    """Changes of all that is measured in it."""
    program = series.program
    nodes = [*program.outputs, *program.start_outputs, *program.noise]
    return series.w[nodes, : series.order + 1, 1:]


def _affine(x: np.ndarray, along: np.ndarray, prime: int) -> list[np.ndarray] | None:
    """For each state a and c (2, direction) such that its change is a + c·x(t); None if there are none.

    x : (state, order); along : (state, order, direction).
    """
    found = []
    for own, change in zip(x, along, strict=True):
        moving = next((k for k in range(1, len(own)) if own[k]), None)
        c = np.zeros(change.shape[1], dtype=object)
        if moving is not None:
            c = change[moving] * pow(int(own[moving]), -1, prime) % prime
        a = (change[0] - c * own[0]) % prime
        rest = (change - own[:, np.newaxis] * c) % prime
        rest[0] = 0
        if rest.any():
            return None
        found.append(np.array([a, c]))
    return found


def _continued(
    experiment: Experiment,
    names: Sequence[str],
    values: Mapping[str, int],
    tangents: Mapping[str, np.ndarray],
    before: Sequence[np.ndarray],
    n_orders: int,
    prime: int,
) -> Series | None:
    """The experiment from a random state that changes along the directions as it must."""
    program = compiled(replace(experiment, start=experiment.jump), (*names, *experiment.states))
    for attempt in range(_TRIES):
        rng = np.random.default_rng([_SEED, attempt, prime])
        state = dict(
            zip(experiment.states, rng.integers(1, prime, len(experiment.states)).tolist(), strict=True)
        )
        moved = {
            name: ((a + c * state[name]) % prime).astype(np.uint32)
            for name, (a, c) in zip(experiment.states, before, strict=True)
        }
        n_directions = len(before[0][0]) if len(before) else 0
        seed = int(rng.integers(1, 2**31))
        series = Series(program, {**values, **state}, {**tangents, **moved}, n_directions, rng, seed, prime)
        if all(series.extend() for _ in range(n_orders)):
            return series
    return None

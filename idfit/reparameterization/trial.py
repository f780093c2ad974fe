"""Two forms of one model, simulated side by side at random parameters, starts and inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from idfit.model import Model
from idfit.problem import Problem, simulate
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.naming import unused
from idfit.results import Status

RTOL, ATOL = 1e-10, 1e-14
_TIMES = np.linspace(0.0, 1.0, 21)
_TRIES = 12  # points drawn for each that is wanted, as equations need not be solvable everywhere
_WIDE = {"min": -1e12, "max": 1e12, "value": 1.0}


def compared_models(
    old: Model, new: Model, maps: Reparameterization, n_points: int, seed: int
) -> list[dict[str, Any]]:
    """Outcomes at random points: parameters and starts of about 1, inputs that vary with time."""
    pair = [_simulable(model) for model in (old, new)]
    points = []
    for i in range(n_points):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(i,)))
        found = outcome(np.nan, Status.NOT_REACHED)
        for _ in range(_TRIES):
            names = dict.fromkeys((*old.parameters, *old.states))
            values = {
                name: float(v) for name, v in zip(names, rng.uniform(0.2, 1.2, len(names)), strict=True)
            }
            mapped = values | maps.to_new(values) | {g.name: g.value for g in maps.gauge}
            found = _compared(pair, (values, mapped))
            if found["status"] == Status.OK:
                break
        points.append(found)
    return points


def _simulable(model: Model) -> tuple[Problem, dict[str, str]]:
    """The model as a problem without data, and which of its parameters is the start of which state."""
    taken = {*model.parameters, *model.states, *dict(model.assignments), *dict(model.observables)}
    starts = {state: unused(f"{state}_start", taken) for state in model.unstated}
    initial = [
        sympy.Symbol(starts[s]) if s in starts else e
        for s, e in zip(model.states, model.initial, strict=True)
    ]
    inputs = (*model.inputs, *model.unknown_inputs)  # equal for any input is equal for unknown ones
    whole = replace(
        model,
        initial=tuple(initial),
        parameters=(*model.parameters, *starts.values()),
        inputs=inputs,
        unknown_inputs=(),
        unstated=(),
    )
    problem = Problem(
        whole,
        parameters=dict.fromkeys(whole.parameters, _WIDE),
        noise={name: 1 for name, _ in whole.observables},
        inputs={name: f"0.7 + 0.2*sin({2 + k}*t + {k})" for k, name in enumerate(inputs)},
    )
    return problem, {parameter: state for state, parameter in starts.items()}


def _compared(
    pair: list[tuple[Problem, dict[str, str]]], values: tuple[dict[str, float], ...]
) -> dict[str, Any]:
    curves = []
    for (problem, starts), own in zip(pair, values, strict=True):
        theta = [own[starts.get(name, name)] for name in problem.parameters.names]
        if not np.isfinite(theta).all():
            return outcome(np.nan, Status.NOT_FINITE)
        simulation = simulate(problem, np.array(theta), rtol=RTOL, atol=ATOL, times=_TIMES)
        curves.append(simulation["trajectory"].values.reshape(-1, len(_TIMES)))
    if not all(np.isfinite(c).all() for c in curves):
        return outcome(np.nan, Status.NOT_FINITE)
    return outcome(difference(*curves), Status.OK)


def outcome(found: float, status: Status, old: float = np.nan, new: float = np.nan) -> dict[str, Any]:
    """What one point shows: the difference of predictions, its fate, and both likelihoods."""
    return {
        "prediction_difference": float(found),
        "nllh_old": old,
        "nllh_new": new,
        "nllh_difference": abs(old - new) / (1 + abs(old)),
        "status": int(status),
    }


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference of curves (curve, time), relative to the largest value of each."""
    scale = np.maximum(np.abs(a).max(axis=1), np.abs(b).max(axis=1))
    worst = np.abs(a - b).max(axis=1)
    return float(np.max(worst / np.where(scale > 0, scale, 1.0), initial=0.0))

"""Simulating a problem: predictions of the measurements, curves between them, and data drawn from the
model."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from idfit.errors import InputError, RunError
from idfit.numerics import integrator
from idfit.numerics.scales import TRANSFORMS
from idfit.problem.objective import NO_STOP, STEP_BUDGET, Objective
from idfit.problem.packing import distribution_of, transform_of
from idfit.problem.problem import Problem
from idfit.results import Status, dataset
from idfit.spec.schema import MeasurementTable

# points of a curve: between measurements in proportion to how densely these lie
_GRID, _LONGEST_GRID = 201, 2001


def simulate(
    problem: Problem,
    theta: np.ndarray | None = None,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    times: np.ndarray | None = None,
) -> xr.Dataset:
    """Predictions of all measurements, and curves of observables and states, at theta.

    theta : (parameter,) estimation scale; the nominal values if None. times : (grid,) where the curves are
    wanted; by default between the start and the last measurement of each condition, densest where the data
    are.

    Returns a dataset of the group ``simulation``. `status` says whether the measurements could be
    predicted; what could not is NaN. Errors: `InputError` if there are neither measurements nor times.
    """
    theta = problem.parameters.nominal_scaled if theta is None else np.asarray(theta, dtype=float)
    table = problem.spec.measurements
    if times is None and not len(table):
        raise InputError("without measurements there is nothing to say when to simulate; give the times")
    variables, coords = _curves(problem, theta, rtol, atol, times)
    if len(table):
        ev = problem.objective(rtol, atol)(theta, 0)
        coords |= {
            "condition": list(table.condition),
            "observable": list(table.observable),
            "time": list(table.time),
            "replicate": list(table.replicate or [""] * len(table)),
            "curve": [_label(problem, row) for row in range(len(table))],
        }
        variables |= {
            "prediction": ev.prediction,
            "sigma": ev.sigma,
            "residual": -ev.residual,
            "nllh": ev.nllh,
            "chi2": ev.chi2,
            "status": int(ev.status),
        }
    return dataset(
        "simulation",
        variables | {"theta": theta},
        coords | {"parameter": list(problem.parameters.names)},
        {"rtol": rtol, "atol": atol},
    )


def _label(problem: Problem, row: int) -> str:
    """The curve that a measurement belongs to: its condition, with the copies of parameters that it reads."""
    spec, table = problem.spec, problem.spec.measurements
    simulation = problem.resolution.simulations[problem.resolution.row_simulation[row]]
    tags = dict(simulation.copies)
    for column in spec.observables[table.observable[row]].per.values():
        tags[column] = table.replicate[row] if column == "replicate" else (
            table.condition[row] if column == "condition" else table.columns[column][row]
        )  # fmt: skip
    text = ", ".join(f"{k}={v}" for k, v in sorted(tags.items()) if k != "condition")
    return f"{simulation.condition} [{text}]" if text else simulation.condition


def _grid(times: np.ndarray, t0: float, size: int) -> np.ndarray:
    anchors = np.unique(np.concatenate([[t0], times]))
    return np.interp(np.linspace(0, len(anchors) - 1, size), np.arange(len(anchors)), anchors)


def _curves(
    problem: Problem, theta: np.ndarray, rtol: float, atol: float, times: np.ndarray | None
) -> tuple[dict, dict]:
    spec, table, resolution = problem.spec, problem.spec.measurements, problem.resolution
    # one representative row of the data for each curve, as it names gel, batch or subject
    representative: dict[tuple[str, str], int | None] = {}
    simulation_of: dict[str, int] = {}
    if len(table):
        for row in range(len(table)):
            label = _label(problem, row)
            representative.setdefault((label, table.observable[row]), row)
            simulation_of.setdefault(label, resolution.row_simulation[row])
    else:
        for i, simulation in enumerate(resolution.simulations):
            simulation_of[simulation.label] = i
            representative |= {(simulation.label, name): None for name in spec.observables}
    labels = list(simulation_of)
    observables = [
        name for name in spec.observables if any((label, name) in representative for label in labels)
    ]
    longest = max((len(t) for t in problem.plan.times), default=0)
    size = len(times) if times is not None else min(max(_GRID, longest), _LONGEST_GRID)
    grids = {
        label: np.asarray(times, dtype=float)
        if times is not None
        else _grid(problem.plan.times[s], resolution.simulations[s].t0, size)
        for label, s in simulation_of.items()
    }
    wanted = [(label, name, row) for (label, name), row in representative.items()]
    rows = _grid_table(
        table, [(row, label, name, grids[label]) for label, name, row in wanted], resolution, simulation_of
    )
    dense = Problem.unchecked(spec.model_copy(update={"measurements": rows}), problem.parameters)
    shape = (len(labels), len(observables), size)
    trajectory, noise = np.full(shape, np.nan), np.full(shape, np.nan)
    states = np.full((len(labels), len(problem.model.states), size), np.nan)
    ev = Objective(dense.plan_with_scale_of(problem), problem.parameters, (), rtol, atol)(theta, 0)
    if ev.status is Status.OK or np.isfinite(ev.prediction).any():
        for i, (label, name, row) in enumerate(wanted):
            at = labels.index(label), observables.index(name)
            trajectory[at] = ev.prediction[i * size : (i + 1) * size]
            if row is None or np.isnan(resolution.row_sd[row]):
                noise[at] = ev.sigma[i * size : (i + 1) * size]
    _fill_states(dense, problem, theta, rtol, atol, labels, grids, states)
    coords = {
        "trajectory_condition": labels,
        "trajectory_observable": observables,
        "observable_unit": [spec.observables[o].unit or "" for o in observables],
        "observable_transform": [transform_of(spec.observables[o]) for o in observables],
        "observable_distribution": [distribution_of(spec.observables[o]) for o in observables],
        "state": list(problem.model.states),
        "state_unit": [spec.states[s].unit or "" for s in problem.model.states],
    }
    variables = {
        "trajectory_time": np.array([grids[label] for label in labels]),
        "trajectory": trajectory,
        "trajectory_sigma": noise,
        "state_trajectory": states,
    }
    return variables, coords


def _grid_table(table: MeasurementTable, wanted, resolution, simulation_of) -> MeasurementTable:
    """A table with a row for each point of each curve; values play no part."""
    columns: dict[str, list] = {k: [] for k in ("condition", "time", "observable", "replicate")}
    further: dict[str, list[str]] = {k: [] for k in table.columns}
    for row, label, name, grid in wanted:
        n = len(grid)
        columns["condition"] += [resolution.simulations[simulation_of[label]].condition] * n
        columns["time"] += grid.tolist()
        columns["observable"] += [name] * n
        columns["replicate"] += [table.replicate[row] if row is not None and table.replicate else ""] * n
        for k in further:
            further[k] += [table.columns[k][row] if row is not None else ""] * n
    n = len(columns["time"])
    return MeasurementTable(
        condition=tuple(columns["condition"]),
        time=tuple(columns["time"]),
        observable=tuple(columns["observable"]),
        replicate=tuple(columns["replicate"]),
        value=(1.0,) * n,
        sd=(1.0,) * n,
        censored=("",) * n,
        columns={k: tuple(v) for k, v in further.items()},
        line=(0,) * n,
    )


def _fill_states(dense: Problem, problem: Problem, theta, rtol, atol, labels, grids, states) -> None:
    """Integrate each simulation of the dense problem once more and keep the states at the grid's times."""
    plan = dense.plan_with_scale_of(problem)
    if not states.shape[1] or not labels:
        return
    q = dense.outer_values(theta, plan)
    by_label = {}
    for row, label in enumerate(_row_labels(dense)):
        by_label.setdefault(label, dense.resolution.row_simulation[row])
    for i, label in enumerate(labels):
        s = by_label[label]
        at = np.full((len(plan.times[s]), states.shape[1]), np.nan)
        integrator.integrate(
            plan.ints, plan.floats, s, q, False, rtol, atol, STEP_BUDGET, NO_STOP, at,
            np.empty((len(at), 0)), np.empty(integrator.INFO_SIZE),
        )  # fmt: skip
        where = np.searchsorted(plan.times[s], grids[label])
        states[i][plan.compiled.order] = at[where].T


def _row_labels(problem: Problem) -> list[str]:
    return [_label(problem, row) for row in range(len(problem.spec.measurements))]


def simulate_data(
    problem: Problem, theta: np.ndarray | None = None, *, seed: int, rtol: float = 1e-8
) -> Problem:
    """The same problem with measurements drawn from its noise model at theta (estimation scale; nominal if
    None).

    A censored measurement is drawn too, and stays censored only if the draw is beyond its limit.

    Errors: `RunError` if the problem cannot be simulated at theta.
    """
    theta = problem.parameters.nominal_scaled if theta is None else np.asarray(theta, dtype=float)
    ev = problem.objective(rtol)(theta, 0)
    if ev.status is not Status.OK:
        raise RunError(f"cannot draw data there: {ev.status.sentence}")
    table = problem.spec.measurements
    rng = np.random.default_rng(seed)
    values, censored = [], list(table.censored or ("",) * len(table))
    for i, name in enumerate(table.observable):
        observable = problem.spec.observables[name]
        distribution = distribution_of(observable)
        draw = (
            rng.standard_normal() if distribution == "normal"
            else rng.laplace() if distribution == "laplace"
            else rng.standard_t(observable.dof or math.nan)
        )  # fmt: skip
        code = TRANSFORMS.index(transform_of(observable))
        forward = (lambda v: v, np.log, np.log10, np.log2)[code]
        backward = (lambda v: v, np.exp, lambda v: 10.0**v, np.exp2)[code]
        value = float(backward(forward(ev.prediction[i]) + ev.sigma[i] * draw))
        beyond = {"left": value <= table.value[i], "right": value >= table.value[i]}.get(censored[i], False)
        values.append(table.value[i] if beyond else value)
        censored[i] = censored[i] if beyond else ""
    drawn = table.model_copy(
        update={
            "value": tuple(values),
            "censored": tuple(censored),
            "file": f"drawn with seed {seed}",
            "sha256": "",
        }
    )
    return Problem(problem.spec.model_copy(update={"measurements": drawn}))

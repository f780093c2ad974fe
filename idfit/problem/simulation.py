"""Simulating a problem: predictions of the measurements, curves between them, and data drawn from the
model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from idfit.errors import InputError, RunError
from idfit.numerics import arguments
from idfit.numerics import plan as layout
from idfit.numerics.plan import integers, reals
from idfit.numerics.scales import TRANSFORMS
from idfit.problem.packing import Plan, build_plan, distribution_of, transform_of
from idfit.problem.problem import Problem
from idfit.problem.trajectories import largest_states, trajectory, values_at
from idfit.results import Status, dataset
from idfit.spec.schema import NoiseColumn

if TYPE_CHECKING:
    import xarray as xr

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
            "curve": [curve_label(problem, row) for row in range(len(table))],
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


def curve_label(problem: Problem, row: int) -> str:
    """The curve that a measurement belongs to: its condition, with the copies of parameters that it reads."""
    spec, table, resolution = problem.spec, problem.spec.measurements, problem.resolution
    simulation = resolution.simulations[resolution.row_simulation[row]]
    name = table.observable[row]
    own = {p.per for k, p in spec.parameters.items() if p.per and k in resolution.read[name]}
    tags = dict(simulation.copies)
    for column in {*spec.observables[name].per.values(), *own} - {"condition"}:
        tags[column] = table.replicate[row] if column == "replicate" else table.columns[column][row]
    text = ", ".join(f"{k}={v}" for k, v in sorted(tags.items()) if k != "condition")
    return f"{simulation.condition} [{text}]" if text else simulation.condition


def grid_between(times: np.ndarray, t0: float, size: int) -> np.ndarray:
    """`size` times from t0 to the last of `times`, densest where these are."""
    anchors = np.unique(np.concatenate([[t0], times]))
    return np.interp(np.linspace(0, len(anchors) - 1, size), np.arange(len(anchors)), anchors)


@dataclass(frozen=True)
class _Curve:
    """One observable of one curve: the simulation, the map of formal parameters, and the rows of the data
    on it."""

    label: str
    observable: str
    simulation: int
    map: int
    has_own_noise: bool


def _curves_of(problem: Problem) -> list[_Curve]:
    resolution, table = problem.resolution, problem.spec.measurements
    found: dict[tuple[str, str], _Curve] = {}
    for row, name in enumerate(table.observable):
        # one row of the data stands for all of its curve, as it names gel, batch or subject
        label, simulation = curve_label(problem, row), resolution.row_simulation[row]
        noise_is_a_formula = bool(np.isnan(resolution.row_sd[row]))
        curve = _Curve(label, name, simulation, resolution.row_map[row], noise_is_a_formula)
        found.setdefault((label, name), curve)
    for (simulation, name), number in resolution.observable_map.items():
        label = resolution.simulations[simulation].label
        has_own_noise = not isinstance(problem.spec.observables[name].noise, NoiseColumn)
        found[label, name] = _Curve(label, name, simulation, number, has_own_noise)
    return list(found.values())


def _curves(
    problem: Problem, theta: np.ndarray, rtol: float, atol: float, times: np.ndarray | None
) -> tuple[dict, dict]:
    spec, resolution = problem.spec, problem.resolution
    curves = _curves_of(problem)
    # a simulation has a label of its own for its states, even if no observable is read there without copies
    labels = list(dict.fromkeys(c.label for c in curves)) or [
        s.label for s in resolution.simulations if not s.steady
    ]
    names = [name for name in spec.observables if any(c.observable == name for c in curves)]
    simulation_of = {s.label: i for i, s in enumerate(resolution.simulations)} | {
        c.label: c.simulation for c in curves
    }
    grids = _grids(problem, [simulation_of[label] for label in labels], times)
    plan = _curve_plan(problem, [simulation_of[label] for label in labels], grids)
    q = values_at(plan, theta)
    values, noise = np.full((2, len(labels), len(names), grids.shape[1]), np.nan)
    states = np.full((len(labels), len(problem.model.states), grids.shape[1]), np.nan)
    run = {s: trajectory(plan, s, q, rtol, atol) for s in sorted({simulation_of[label] for label in labels})}
    for i, label in enumerate(labels):
        s = simulation_of[label]
        states[i] = run[s][np.searchsorted(plan.times[s], grids[i])].T
    for curve in curves:
        at = labels.index(curve.label), names.index(curve.observable)
        read = _read(problem, plan, curve, q, grids[at[0]], states[at[0]])
        values[at] = read[:, 0]
        if curve.has_own_noise:
            noise[at] = read[:, 1]
    coords = {
        "trajectory_condition": labels,
        "trajectory_observable": names,
        "observable_unit": [spec.observables[o].unit or "" for o in names],
        "observable_transform": [transform_of(spec.observables[o]) for o in names],
        "observable_distribution": [distribution_of(spec.observables[o]) for o in names],
        "state": list(problem.model.states),
        "state_unit": [spec.states[s].unit or "" for s in problem.model.states],
    }
    variables = {
        "trajectory_time": grids,
        "trajectory": values,
        "trajectory_sigma": noise,
        "state_trajectory": states,
    }
    return variables, coords


def _grids(problem: Problem, simulations: list[int], times: np.ndarray | None) -> np.ndarray:
    """Times of each curve (curve, grid). Errors: `InputError` for a time before the start."""
    starts = [problem.resolution.simulations[s].t0 for s in simulations]
    if times is None:
        measured = [t[np.isfinite(t)] for t in (problem.plan.times[s] for s in simulations)]
        size = min(max(_GRID, max(map(len, measured), default=0)), _LONGEST_GRID)
        return np.array([grid_between(t, t0, size) for t, t0 in zip(measured, starts, strict=True)]).reshape(
            len(simulations), size
        )
    times = np.asarray(times, dtype=float)
    if times.ndim != 1 or not np.isfinite(times).all():
        raise InputError("times must be a vector of finite numbers")
    if len(times) and len(starts) and times.min() < max(starts):
        raise InputError(f"time {times.min():g} was asked for; the simulation starts at {max(starts):g}")
    return np.tile(times, (len(simulations), 1))


def _curve_plan(problem: Problem, simulations: list[int], grids: np.ndarray) -> Plan:
    """A plan whose output times are those of the curves; errors are weighed as in the problem itself."""
    times = [
        np.array([math.inf])
        if simulation.steady
        else np.unique(
            np.concatenate([np.empty(0), *(g for k, g in zip(simulations, grids, strict=True) if k == s)])
        )
        for s, simulation in enumerate(problem.resolution.simulations)
    ]
    if len(problem.spec.measurements):
        scale = problem.state_scale
    else:
        ends = np.array(
            [t.max(initial=s.t0) for t, s in zip(times, problem.resolution.simulations, strict=True)]
        )
        scale = largest_states(problem.spec, problem.resolution, problem.parameters, ends)
    return build_plan(problem.spec, problem.resolution, problem.parameters, scale, times)


def _read(
    problem: Problem, plan: Plan, curve: _Curve, q: np.ndarray, times: np.ndarray, states: np.ndarray
) -> np.ndarray:
    """The observable and its noise (time, 2) on the states (state, time); not finite where a formula is
    not."""
    compiled = plan.compiled
    resolution = problem.resolution
    n, formal = len(compiled.states), np.array(resolution.maps[curve.map], dtype=np.int64)
    first_input = arguments.Z_STATES + n + len(formal)
    z = np.zeros((len(times), arguments.input_size(plan.ints)))
    z[:, arguments.Z_TIME] = z[:, arguments.Z_SEGMENT] = times
    z[:, arguments.Z_STATES : arguments.Z_STATES + n] = states[compiled.order].T
    z[:, arguments.Z_STATES + n : first_input] = q[formal]
    for change in resolution.simulations[curve.simulation].changes:
        if change.map is not None:
            changed = [j for j, name in enumerate(resolution.formal) if name in change.parameters]
            values = q[np.array(resolution.maps[change.map], dtype=np.int64)[changed]]
            for j, value in zip(changed, values, strict=True):
                z[times >= change.time, arguments.Z_STATES + n + j] = value
    pieces = np.zeros(len(compiled.inputs), dtype=np.int64)
    if len(pieces):
        knot_ptr = integers(plan.ints, layout.KNOT_PTR)
        knots = (reals(plan.ints, plan.floats, s) for s in (layout.KNOT_TIME, layout.KNOT_COEFFICIENT))
        knot_time, coefficient = knots
        for row, t in zip(z, times, strict=True):
            arguments.find_pieces(pieces, knot_ptr, curve.simulation, knot_time, t)
            arguments.set_inputs(row, first_input, pieces, knot_time, coefficient, t)
    return compiled.evaluate(f"value_{compiled.readouts.index(curve.observable)}", z, 2)


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
    values, censored = draw_values(problem, ev.prediction, ev.sigma, np.random.default_rng(seed))
    drawn = table.model_copy(
        update={
            "value": tuple(values.tolist()),
            "censored": censored,
            "file": f"drawn with seed {seed}",
            "sha256": "",
        }
    )
    return Problem(problem.spec.model_copy(update={"measurements": drawn}))


def draw_values(
    problem: Problem, prediction: np.ndarray, sigma: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values drawn from the noise model, and which of them are censored, each (row,) in the order of the
    data.

    prediction, sigma : (row,) as an evaluation gives them. A censored measurement is drawn too; it stays
    censored, with its limit as the value, only if the draw is beyond the limit.
    """
    table = problem.spec.measurements
    values, censored = np.empty(len(table)), list(table.censored or ("",) * len(table))
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
        value = float(backward(forward(prediction[i]) + sigma[i] * draw))
        beyond = {"left": value <= table.value[i], "right": value >= table.value[i]}.get(censored[i], False)
        values[i] = table.value[i] if beyond else value
        censored[i] = censored[i] if beyond else ""
    return values, tuple(censored)

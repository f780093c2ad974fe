"""The packed plan of a problem: names and texts become the two flat arrays that the kernels read."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field, replace

import numpy as np
import sympy

from idfit.errors import InputError
from idfit.model import CompiledModel, Model, compile_formulas, compile_model
from idfit.model.compiled import CompiledFormulas
from idfit.numerics import integrator
from idfit.numerics import plan as layout
from idfit.numerics.events import run_events
from idfit.numerics.likelihood import DISTRIBUTIONS
from idfit.numerics.objective import run_predict, run_score
from idfit.numerics.priors import PRIORS
from idfit.numerics.scales import SCALES, TRANSFORMS
from idfit.numerics.sparse import run_dense_factorise, run_dense_solve, run_sparse
from idfit.numerics.steady import run_steady
from idfit.problem.conservation import NO_LAWS, conservation
from idfit.problem.happenings import changes_at, event_sections, jumps_of, same_time
from idfit.problem.parameters import ParameterSpace
from idfit.problem.resolution import Resolution, Simulation
from idfit.spec.schema import ProblemSpec, Series

#: codes of what the data say of a value that is a limit only
CENSORING = {"": 0, "left": -1, "right": 1}
# what divides the natural logarithm in each of TRANSFORMS
_LOG_BASE = np.array([1.0, 1.0, math.log(10.0), math.log(2.0)])


@dataclass(frozen=True)
class Plan:
    """The packed arrays, with the owners of the code whose addresses they hold."""

    ints: np.ndarray
    floats: np.ndarray
    compiled: CompiledModel = field(repr=False)
    formulas: CompiledFormulas = field(repr=False)
    columns: tuple[np.ndarray, ...] = field(repr=False)
    times: tuple[np.ndarray, ...] = field(repr=False)
    n_rows: int


def build_plan(
    spec: ProblemSpec,
    resolution: Resolution,
    space: ParameterSpace,
    state_scale: np.ndarray | None = None,
    times: Sequence[np.ndarray] | None = None,
) -> Plan:
    """Compile the model and lay everything out.

    state_scale : (state,) in the model's order, what ``atol`` is relative to; 1 where it is not known yet.
    times : rising output times of each simulation in place of its measurements'; such a plan is good for
    curves only.

    Errors: `InputError` for an input that ends before the data, or censored data under a distribution
    without that.
    """
    varying = frozenset(
        name
        for m in resolution.maps
        for name, outer in zip(resolution.formal, m, strict=True)
        if not resolution.outer[outer].is_number
    )
    compiled = compile_model(
        _needed(resolution), resolution.readouts, resolution.formal, varying, jumps_of(resolution)
    )
    formulas = tuple(e for e in resolution.outer if not e.is_Symbol and not e.is_number)
    code = compile_formulas(formulas, space.names)
    kind = [
        space.names.index(str(e)) if e.is_Symbol else -1 if e.is_number else -2 - formulas.index(e)
        for e in resolution.outer
    ]
    rows = _rows(spec, resolution)
    if times is not None:
        rows.times, rows.pointer = (
            [np.asarray(t, dtype=float) for t in times],
            [0] * (1 + sum(map(len, times))),
        )
    boundaries = [
        _boundaries(spec, resolution, compiled, s, rows.times[i])
        for i, s in enumerate(resolution.simulations)
    ]
    columns = _columns(resolution, compiled, kind)
    n = len(compiled.states)
    internal = {s: i for i, s in enumerate(compiled.states[k] for k in compiled.order)}
    scale = np.ones(n) if state_scale is None else np.asarray(state_scale)[compiled.order]
    priors = [(k, p) for k, p in enumerate(space.prior) if p is not None]
    noise = _noise_parameters(spec, resolution, compiled, space, rows, kind)

    happenings = changes_at(resolution, boundaries, len(resolution.model.events), internal)
    knot_ptr, knot_time, knot_coefficient = _knots(spec, resolution, compiled, rows.times)
    lu_diagonal, j_to_lu = _factor_positions(compiled)
    readouts = [spec.observables[r.name] for r in resolution.readouts]
    settles = [
        s.steady or (len(t) > 0 and math.isinf(t[-1]))
        for s, t in zip(resolution.simulations, rows.times, strict=True)
    ]
    laws = [
        conservation(compiled, resolution, simulation) if ends else NO_LAWS
        for simulation, ends in zip(resolution.simulations, settles, strict=True)
    ]
    n_switches, n_events = len(compiled.switch_jacobian.pointer) - 1, len(resolution.model.events)
    acts = n_switches > 0 or len(compiled.actions) > 0

    scalars = np.zeros(layout.N_SCALARS, dtype=np.int64)
    for position, value in {
        layout.N_STATES: n,
        layout.N_FORMAL: len(resolution.formal),
        layout.N_INPUTS: len(compiled.inputs),
        layout.N_THETA: len(space),
        layout.N_OUTER: len(resolution.outer),
        layout.N_SIMULATIONS: len(resolution.simulations),
        layout.N_ROWS: len(rows.order),
        layout.N_READOUTS: len(readouts),
        layout.N_PRIORS: len(priors),
        layout.N_SWITCHES: n_switches,
        layout.N_EVENTS: n_events,
        layout.F_INTEGRATE: integrator.run(),
        layout.F_PREDICT: run_predict(),
        layout.F_SCORE: run_score(),
        layout.F_EVENTS: run_events() if acts else 0,
        layout.F_SPARSE: 0 if compiled.address("factorise") else run_sparse(),
        layout.F_DENSE_FACTORISE: run_dense_factorise(),
        layout.F_DENSE_SOLVE: run_dense_solve(),
        layout.F_STEADY: run_steady() if any(settles) else 0,
        layout.F_SWITCH: compiled.address("switch"),
        layout.F_SWITCH_DERIVATIVE: compiled.address("switch_derivative"),
        layout.F_TRIGGER: compiled.address("trigger"),
        layout.F_RHS: compiled.address("rhs"),
        layout.F_JACOBIAN: compiled.address("jacobian"),
        layout.F_STAGE: compiled.address("stage"),
        layout.F_TANGENT: compiled.address("tangent"),
        layout.F_INITIAL: compiled.address("initial"),
        layout.F_INITIAL_SENSITIVITY: compiled.address("initial_sensitivity"),
        layout.F_JACOBIAN_PRODUCT: compiled.address("jacobian_product"),
        layout.F_SECOND_PRODUCT: compiled.address("second_product"),
        layout.F_FACTORISE: compiled.address("factorise"),
        layout.F_SOLVE: compiled.address("solve"),
        layout.F_SOLVE_COLUMNS: compiled.address("solve_columns"),
        layout.F_DENSE_SUMS: compiled.address("dense_sums"),
        **{layout.F_STAGE_SUMS + i: compiled.address(f"stage_sums_{i}") for i in range(8)},
        layout.F_OUTER: code.address("value"),
        layout.F_OUTER_JACOBIAN: code.address("derivative"),
    }.items():
        scalars[position] = value
    pattern = [c for blocks in compiled.readout_patterns for block in blocks for c in block]
    block_sizes = [len(block) for blocks in compiled.readout_patterns for block in blocks]
    ints = {
        layout.SCALARS: scalars,
        layout.J_PTR: compiled.jacobian.pointer,
        layout.J_COL: compiled.jacobian.column,
        layout.P_PTR: compiled.parameter_jacobian.pointer,
        layout.P_COL: compiled.parameter_jacobian.column,
        layout.M_PTR: compiled.second_jacobian.pointer,
        layout.M_COL: compiled.second_jacobian.column,
        layout.N_PTR: compiled.second_parameter_jacobian.pointer,
        layout.N_COL: compiled.second_parameter_jacobian.column,
        layout.X0_PTR: compiled.initial_jacobian.pointer,
        layout.X0_COL: compiled.initial_jacobian.column,
        layout.LU_PTR: compiled.factors.pointer,
        layout.LU_COL: compiled.factors.column,
        layout.LU_DIAGONAL: lu_diagonal,
        layout.J_TO_LU: j_to_lu,
        layout.G_PTR: compiled.switch_jacobian.pointer,
        layout.G_COL: compiled.switch_jacobian.column,
        layout.GP_PTR: compiled.switch_parameter_jacobian.pointer,
        layout.GP_COL: compiled.switch_parameter_jacobian.column,
        **event_sections(resolution.model.events, compiled, internal),
        layout.OUTER_THETA: kind,
        layout.OUTER_PTR: code.jacobian.pointer,
        layout.OUTER_COL: code.jacobian.column,
        layout.THETA_SCALE: [SCALES.index(s) for s in space.scale],
        layout.MAPS: [o for m in resolution.maps for o in m],
        layout.SIM_MAP: [s.map for s in resolution.simulations],
        layout.SIM_STEADY: [int(s.steady) for s in resolution.simulations],
        layout.SIM_START: [-1 if s.start is None else s.start for s in resolution.simulations],
        layout.REINIT_PTR: _pointer([s.reinit for s in resolution.simulations]),
        layout.REINIT_STATE: [internal[state] for s in resolution.simulations for state in s.reinit],
        layout.LAW_PTR: _pointer([law.states for law in laws]),
        layout.LAW_STATE: [i for law in laws for i in law.states],
        layout.SIM_COLUMN_PTR: _pointer(columns),
        layout.SIM_COLUMN: np.concatenate([np.empty(0, int), *columns]),
        layout.BOUNDARY_PTR: _pointer(boundaries),
        **happenings,
        layout.KNOT_PTR: knot_ptr,
        layout.TIME_PTR: _pointer(rows.times),
        layout.ROW_PTR: rows.pointer,
        layout.ROW_READOUT: rows.readout,
        layout.ROW_MAP: rows.map,
        layout.ROW_INDEX: rows.order,
        layout.ROW_CENSORED: rows.censored,
        layout.READOUT_VALUE: [compiled.address(f"value_{i}") for i in range(len(readouts))],
        layout.READOUT_DERIVATIVE: [compiled.address(f"derivative_{i}") for i in range(len(readouts))],
        layout.READOUT_DISTRIBUTION: [DISTRIBUTIONS.index(distribution_of(o)) for o in readouts],
        layout.READOUT_TRANSFORM: [TRANSFORMS.index(transform_of(o)) for o in readouts],
        layout.READOUT_PTR: np.concatenate([[0], np.cumsum(block_sizes)]),
        layout.READOUT_COL: pattern,
        layout.PRIOR_THETA: [k for k, _ in priors],
        layout.PRIOR_KIND: [PRIORS.index(p.kind) for _, p in priors],
        layout.PRIOR_ON_ESTIMATION_SCALE: [int(p.on == "estimation") for _, p in priors],
        layout.NOISE_THETA: [k for k, _ in noise],
        layout.NOISE_ROW_PTR: _pointer([r for _, r in noise]),
        layout.NOISE_ROW: [i for _, r in noise for i in r],
    }
    floats = {
        layout.OUTER_CONSTANT: [float(e) if e.is_number else 0.0 for e in resolution.outer],
        layout.STATE_SCALE: scale,
        layout.LAW: np.concatenate([np.empty(0), *(law.sums.ravel() for law in laws)]),
        layout.BOUNDARY_TIME: [t for times in boundaries for t in times],
        layout.KNOT_TIME: knot_time,
        layout.KNOT_COEFFICIENT: knot_coefficient,
        layout.TIME: np.concatenate([np.empty(0), *rows.times]),
        layout.ROW_VALUE: rows.value,
        layout.ROW_SD: resolution.row_sd,
        layout.ROW_CONSTANT: rows.constant,
        layout.READOUT_DOF: [o.dof if o.dof is not None else math.nan for o in readouts],
        layout.PRIOR_A: [p.a for _, p in priors],
        layout.PRIOR_B: [p.b for _, p in priors],
        layout.PRIOR_CONSTANT: [space.prior_constant[k] for k, _ in priors],
        layout.LOWER: space.lower_scaled,
        layout.UPPER: space.upper_scaled,
    }
    packed = layout.pack(
        {k: np.asarray(v, dtype=np.int64) for k, v in ints.items()},
        {k: np.asarray(v, dtype=float) for k, v in floats.items()},
    )
    return Plan(*packed, compiled, code, tuple(columns), tuple(rows.times), len(rows.order))


def _needed(resolution: Resolution) -> Model:
    """The equations without what neither the dynamics nor the measurements use, whose names have no
    values."""
    used = resolution.dynamic.union(*resolution.read.values())
    return replace(
        resolution.model,
        assignments=tuple((k, e) for k, e in resolution.model.assignments if k in used),
        observables=tuple((k, e) for k, e in resolution.model.observables if k in used),
    )


def distribution_of(observable) -> str:
    """The distribution on the transformed scale: log-normal is normal on the log scale."""
    return observable.distribution.removeprefix("log-")


def transform_of(observable) -> str:
    return "log" if observable.distribution.startswith("log-") else observable.transform


def _pointer(parts: Sequence[Sized]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)


@dataclass
class _Rows:
    """Measurements in simulation order; `order` is the position in the data; `value`, `constant` in data
    order."""

    times: list[np.ndarray]
    pointer: list[int]
    readout: list[int]
    map: list[int]
    order: list[int]
    censored: list[int]
    value: np.ndarray
    constant: np.ndarray


def _rows(spec: ProblemSpec, resolution: Resolution) -> _Rows:
    table = spec.measurements
    index = {r.name: i for i, r in enumerate(resolution.readouts)}
    time = np.array(table.time, dtype=float)
    order = sorted(
        range(len(table)), key=lambda i: (resolution.row_simulation[i], time[i], resolution.row_map[i], i)
    )
    times: list[np.ndarray] = []
    pointer = [0]
    for s, simulation in enumerate(resolution.simulations):
        own = time[[i for i in order if resolution.row_simulation[i] == s]]
        unique, counts = np.unique(own, return_counts=True)
        if simulation.steady:
            unique, counts = np.array([math.inf]), np.array([0])
        times.append(unique)
        pointer += (pointer[-1] + np.cumsum(counts)).tolist()
    marks = table.censored or ("",) * len(table)
    for i, name in enumerate(table.observable):
        if marks[i] and distribution_of(spec.observables[name]) == "student-t":
            raise InputError.of(
                f"censored value of {name}",
                "censoring is not available for Student-t noise",
                "use normal or laplace",
                file=table.file,
                line=table.line[i] if table.line else 0,
            )
    transform = [TRANSFORMS.index(transform_of(spec.observables[name])) for name in table.observable]
    censored = censoring_codes(marks)
    value, constant = transformed_values(
        np.array(table.value, dtype=float), np.array(transform, dtype=np.int64), censored
    )
    return _Rows(
        times,
        pointer,
        [index[table.observable[i]] for i in order],
        [resolution.row_map[i] for i in order],
        order,
        censored[order].tolist(),
        value,
        constant,
    )


def censoring_codes(marks: Sequence[str]) -> np.ndarray:
    """Codes (row,) of the texts of the data: 0 measured, -1 left, 1 right."""
    return np.array([CENSORING[mark] for mark in marks], dtype=np.int64)


def transformed_values(
    value: np.ndarray, transform: np.ndarray, censored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Measured values on the transformed scale, and the constant that each adds to nllh; all are (row,).

        T(v)   and   −log T′(v) = log(v·base) for a logarithm, 0 for a censored value

    The density is that of the measured value: the transform's derivative belongs to it. NaN where a
    logarithm is taken of what is not positive. transform : codes of `TRANSFORMS`; censored : of `CENSORING`.
    """
    base = _LOG_BASE[transform]
    logarithmic = transform > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.where(value > 0, np.log(value), np.nan)
    constant = np.where(logarithmic & (censored == 0), log + np.log(base), 0.0)
    return np.where(logarithmic, log / base, value), constant


def _boundaries(
    spec: ProblemSpec,
    resolution: Resolution,
    compiled: CompiledModel,
    simulation: Simulation,
    times: np.ndarray,
) -> list[float]:
    """Times at which the integration of a simulation stops: start, doses, known switches, kinks of inputs."""
    end = float(times[-1]) if len(times) and not simulation.steady else simulation.t0
    wanted = [c.time for c in simulation.changes]
    for switch in compiled.switch_times:
        for number in simulation.maps:
            outer = {j: resolution.outer[resolution.maps[number][j]] for j in switch.parameters}
            if all(e.is_number for e in outer.values()):  # an estimated kink is left to the error control
                at = switch.at({j: float(e) for j, e in outer.items()}, len(compiled.states))
                wanted += [] if at is None else [at]
    for name in compiled.inputs:
        wanted += _series(spec, name, simulation.condition).times
    inside = sorted(t for t in wanted if simulation.t0 < t <= end)
    merged = [simulation.t0]
    for t in inside:
        if not same_time(t, merged[-1]):
            merged.append(t)
    return merged


def _series(spec: ProblemSpec, name: str, condition: str) -> Series:
    series = spec.inputs[name].series
    chosen = series.get(condition, series.get(""))
    if chosen is None:
        have = ", ".join(series)
        raise InputError.of(f"input {name}", f"has no samples for condition {condition!r} (it has {have})")
    return chosen


def _knots(spec: ProblemSpec, resolution: Resolution, compiled: CompiledModel, times: list[np.ndarray]):
    """Pieces of every sampled input in every simulation as cubic polynomials from each sample on."""
    counts, knot_times, coefficients = [], [], []
    for simulation, own in zip(resolution.simulations, times, strict=True):
        for name in compiled.inputs:
            series = _series(spec, name, simulation.condition)
            t, u = np.array(series.times), np.array(series.values)
            if (
                spec.inputs[name].interpolation != "step"
                and len(own)
                and (own[-1] > t[-1] or simulation.t0 < t[0])
            ):
                raise InputError.of(
                    f"input {name} in condition {simulation.condition}",
                    f"covers {t[0]:g} to {t[-1]:g} and is needed from {simulation.t0:g} to {own[-1]:g}",
                    "give samples for the whole time, or leave out the later measurements",
                )
            c = np.zeros((len(t), 4))
            c[:, 0] = u
            kind = spec.inputs[name].interpolation
            if kind == "linear" and len(t) > 1:
                c[:-1, 1] = np.diff(u) / np.diff(t)
            elif kind == "cubic" and len(t) > 2:
                from scipy.interpolate import CubicSpline  # slow to load, and splines are rare

                c[:-1] = CubicSpline(t, u, bc_type="natural").c[::-1].T
            counts.append(len(t))
            knot_times.append(t)
            coefficients.append(c)
    empty = np.empty(0)
    pointer = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return (
        pointer,
        np.concatenate([empty, *knot_times]),
        np.concatenate([empty, *[c.ravel() for c in coefficients]]),
    )


def _columns(resolution: Resolution, compiled: CompiledModel, kind: list[int]) -> list[np.ndarray]:
    """The outer values that each simulation needs sensitivities for: those that vary and act on its
    dynamics."""
    acting = sorted({*compiled.parameter_jacobian.column.tolist(), *compiled.initial_jacobian.column.tolist(),
                     *compiled.second_parameter_jacobian.column.tolist(),
                     *compiled.switch_parameter_jacobian.column.tolist(),
                     *(j for action in compiled.actions for row in action.rows for j in row[1])})  # fmt: skip
    columns = []
    for simulation in resolution.simulations:
        entries = [resolution.maps[m][j] for m in simulation.maps for j in acting] + simulation.amounts
        before = [] if simulation.start is None else columns[simulation.start].tolist()
        columns.append(np.array(sorted({o for o in entries if kind[o] != -1} | {*before}), dtype=np.int64))
    return columns


def _factor_positions(compiled: CompiledModel) -> tuple[np.ndarray, np.ndarray]:
    factors, jacobian = compiled.factors, compiled.jacobian
    n = len(compiled.states)
    position = {}
    for i in range(n):
        for e in range(factors.pointer[i], factors.pointer[i + 1]):
            position[i, int(factors.column[e])] = e
    diagonal = np.array([position[i, i] for i in range(n)], dtype=np.int64)
    entries = [
        position[i, int(jacobian.column[e])]
        for i in range(n)
        for e in range(jacobian.pointer[i], jacobian.pointer[i + 1])
    ]
    return diagonal, np.array(entries, dtype=np.int64)


def _noise_parameters(
    spec: ProblemSpec,
    resolution: Resolution,
    compiled: CompiledModel,
    space: ParameterSpace,
    rows: _Rows,
    kind: list[int],
) -> list[tuple[int, list[int]]]:
    """Estimated parameters that are themselves the noise of their rows and act nowhere else.

    Their best value for given predictions is known in closed form. A prior, censored rows, Student-t noise
    or a second place in the equations rules a parameter out.
    """
    own_rows: dict[int, list[int]] = {}
    used_elsewhere: set[int] = set()
    distributions: dict[int, set[str]] = {}

    @functools.cache
    def free(outer: int) -> set[int]:
        symbols = {s.name for s in resolution.outer[outer].free_symbols if isinstance(s, sympy.Symbol)}
        return {space.names.index(s) for s in symbols}

    @functools.cache
    def uses(readout: int, map_index: int) -> tuple[set[int], set[int]]:
        """Parameters that are the noise of such a row, and those that act elsewhere in it."""
        noise, elsewhere = set(), set()
        name_of_noise = str(resolution.readouts[readout].noise)
        entries = zip(resolution.formal, resolution.maps[map_index], strict=True)
        for j, (name, outer) in enumerate(entries):
            own = name == name_of_noise and kind[outer] >= 0
            if own:
                noise.add(kind[outer])
            if not own or j in compiled.readout_patterns[readout][1]:
                elsewhere |= free(outer)
        return noise, elsewhere

    for simulation in resolution.simulations:
        for outer in (*(o for m in simulation.maps for o in resolution.maps[m]), *simulation.amounts):
            used_elsewhere |= free(outer)
    for i, (readout, map_index) in enumerate(zip(rows.readout, rows.map, strict=True)):
        noise, elsewhere = uses(readout, map_index)
        used_elsewhere |= elsewhere | (noise if rows.censored[i] else set())
        for k in noise:
            own_rows.setdefault(k, []).append(i)
            distributions.setdefault(k, set()).add(
                distribution_of(spec.observables[resolution.readouts[readout].name])
            )
    return [
        (k, own)
        for k, own in sorted(own_rows.items())
        if k not in used_elsewhere
        and space.prior[k] is None
        and len(distributions[k]) == 1
        and distributions[k] <= {"normal", "laplace"}
    ]

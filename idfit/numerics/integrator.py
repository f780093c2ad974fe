"""Integration of one simulation with exact sensitivities, from one time at which something happens to the
next.

Steps (`idfit.numerics.rosenbrock`) end at known times (doses, changes of parameters, kinks of inputs,
switches of the equations), at the roots of switches and at the times of delayed events
(`idfit.numerics.events`). An output time of inf, and a simulation from whose steady state others start, end
in a steady state (`idfit.numerics.steady`).
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, types  # pyright: ignore

from idfit.numerics import plan as layout
from idfit.numerics.arguments import (
    Z_SEGMENT,
    Z_STATES,
    Z_TIME,
    find_pieces,
    input_size,
    set_inputs,
)
from idfit.numerics.blocks import copy, padded
from idfit.numerics.calls import call, invoke
from idfit.numerics.compilation import entry, kernel
from idfit.numerics.events import (
    ACTION,
    CORRECTION,
    CROSS,
    DIRECTION,
    FIRST_CROSSING,
    FRACTION,
    INSTANT,
    IS_NEW,
    LOOK_AROUND,
    N_NUMBERS,
    NEXT_DUE,
    NUMBER,
    SETTLE,
    SLOPE,
    STEP,
    TIME_RATE,
    TRUTH,
    VALUE,
    ask,
    make_machine,
    part,
    sides,
)
from idfit.numerics.plan import integers, reals, size_of
from idfit.numerics.rosenbrock import (
    BLOCK_NEW,
    BLOCK_S,
    FAILED,
    N_BLOCKS,
    SPARSE,
    dense_output,
    factorise_w,
    sensitivity_stages,
    state_stages,
    write_outputs,
)
from idfit.numerics.sparse import scatter
from idfit.numerics.steady import CONSERVED, MOVEMENT, POLISH, ask_steady
from idfit.results import Status

# positions in the record of an integration
INFO_STATUS, INFO_TIME, INFO_STEPS, INFO_REJECTED, INFO_FACTORISATIONS, INFO_DENSE, INFO_SIZE = range(7)

_OK = int(Status.OK)
_INTERRUPTED = int(Status.INTERRUPTED)
_STEP_BUDGET = int(Status.STEP_BUDGET)
_STEP_TOO_SMALL = int(Status.STEP_TOO_SMALL)
_NOT_FINITE = int(Status.NOT_FINITE)
_SINGULAR = int(Status.SINGULAR)
_INITIAL_NOT_FINITE = int(Status.INITIAL_NOT_FINITE)
_NO_STEADY_STATE = int(Status.NO_STEADY_STATE)
_EVENTS_WITHOUT_END = int(Status.EVENTS_WITHOUT_END)
_NEEDS_COLUMNS = -1.0

# step control: the next step is at most this much longer or shorter
_SAFETY, _GROWTH, _SHRINKAGE = 0.9, 6.0, 0.2
_SMALLEST_STEP = 4e-16  # relative to the time
_SMALLEST_TIME = 1e-16  # relative to the segment: what counts as time where that is 0
_SAME_TIME = 1e-13  # relative; an output at an event is taken after it
# corrections of a root by Newton's method, each with a new step to it
_MOST_LANDINGS = 6
_MOST_CROSSINGS = 100_000
_MOST_WITHOUT_PROGRESS = 100
# how the time looks to conditions in a steady state: before all experiments, and after everything
_LONG_AGO, _AT_LAST = -1e300, 1e300
# on the way to a steady state: tolerances while only its end matters, steps before Newton's method is tried
# (again), and steps in a row in which nothing moves any more that count as having settled
_WAY_RTOL, _WAY_ATOL = 1e-4, 1e-6
_STEPS_BETWEEN_TRIALS = 3
_STILL_STEPS = 8
_MOST_STEADY_STEPS = 5_000


@kernel(inner=True)
def _initial_step(y, f, weight, t_span):
    """First guess of the step: the state changes by 1e-4 of itself, as an estimate by its derivative says.

    It is meant to be too short: steps grow sixfold, and a refused first step costs more than a short one.
    """
    d0, d1 = 0.0, 0.0
    for i in range(y.shape[0]):
        d0 = max(d0, abs(y[i]) / weight[i])
        d1 = max(d1, abs(f[i]) / weight[i])
    h = 1e-6 * t_span
    if d1 > 0.0 and d0 > 0.0 and math.isfinite(d1):
        h = 1e-4 * d0 / d1
    return min(max(h, 1e-12 * t_span), t_span)


@kernel
def integrate(
    ints, floats, simulation, q, with_sensitivities, rtol, atol, max_steps, stop,
    start_y, start_s, memory, states, sensitivities, info,
):  # fmt: skip
    """Integrate one simulation and leave the states, and ∂states/∂q, at its output times.

    q : (outer,) natural values; states : (times, n); sensitivities : (times, n·width), the columns as
    listed in SIM_COLUMN, each row of a state padded to width = `padded(columns)`; stop : (1,) polled each
    step; info : (INFO_SIZE,). rtol and atol weigh errors as ``atol·state scale + rtol·|x|``. A time without
    a value after a failure holds NaN. Outputs at a boundary are taken after what happens there.

    start_y : (n,), start_s : (n·width,), memory : (switches + events,) the steady state to start from, with
    its sides and the conditions of events; memory is left as it is at the end.
    """
    scalars = integers(ints, layout.SCALARS)
    settles = integers(ints, layout.SIM_STEADY)[simulation] != 0
    time_ptr = integers(ints, layout.TIME_PTR)
    if time_ptr[simulation + 1] > time_ptr[simulation]:
        last_time = reals(ints, floats, layout.TIME)[time_ptr[simulation + 1] - 1]
        settles = settles or last_time == math.inf
    # the way to a steady state needs no sensitivities where only the end determines them
    carries = not settles or scalars[layout.N_SWITCHES] + scalars[layout.N_EVENTS] > 0
    memory_before = memory.copy()
    for attempt in range(2):
        invoke(
            scalars[layout.F_INTEGRATE],
            (
                ints, floats, np.int64(floats.shape[0]), np.int64(simulation), q,
                np.int64(with_sensitivities), np.int64(carries or attempt == 1), rtol, atol,
                np.int64(max_steps), stop, start_y, start_s, memory, states, sensitivities, info,
            ),
        )  # fmt: skip
        if info[INFO_STATUS] != _NEEDS_COLUMNS:
            break
        copy(memory, memory_before)


_INTEGERS, _REALS = types.CPointer(types.int64), types.CPointer(types.float64)


@entry(types.void(
    _INTEGERS, _REALS, types.int64, types.int64, _REALS, types.int64, types.int64, types.float64,
    types.float64, types.int64, _INTEGERS, _REALS, _REALS, _REALS, _REALS, _REALS, _REALS,
))  # fmt: skip
def run(
    ints_at, floats_at, n_floats, simulation, q_at, with_sensitivities, carries, rtol, atol, max_steps,
    stop_at, start_y_at, start_s_at, memory_at, states_at, sensitivities_at, info_at,
):  # fmt: skip
    """`integrate`, by its address; carries : whether sensitivities go along to a steady state. The status is
    `_NEEDS_COLUMNS` if they have to, and did not."""
    ints = carray(ints_at, (size_of(ints_at),))
    floats = carray(floats_at, (n_floats,))
    info, stop = carray(info_at, (INFO_SIZE,)), carray(stop_at, (1,))
    scalars = integers(ints, layout.SCALARS)
    n, n_formal, n_inputs = scalars[layout.N_STATES], scalars[layout.N_FORMAL], scalars[layout.N_INPUTS]
    n_switches, n_events = scalars[layout.N_SWITCHES], scalars[layout.N_EVENTS]
    first_input = Z_STATES + n + n_formal
    first_stage = first_input + 2 * n_inputs
    j_ptr, j_col = integers(ints, layout.J_PTR), integers(ints, layout.J_COL)
    p_ptr, p_col = integers(ints, layout.P_PTR), integers(ints, layout.P_COL)
    n_m = integers(ints, layout.M_COL).shape[0]
    n_ptr, n_col = integers(ints, layout.N_PTR), integers(ints, layout.N_COL)
    lu_diagonal, j_to_lu = integers(ints, layout.LU_DIAGONAL), integers(ints, layout.J_TO_LU)
    state_scale = reals(ints, floats, layout.STATE_SCALE)
    knot_ptr = integers(ints, layout.KNOT_PTR)
    knot_time = reals(ints, floats, layout.KNOT_TIME)
    knot_coefficient = reals(ints, floats, layout.KNOT_COEFFICIENT)
    boundary_ptr = integers(ints, layout.BOUNDARY_PTR)
    boundaries = reals(ints, floats, layout.BOUNDARY_TIME)
    change_ptr, change_map = integers(ints, layout.CHANGE_PTR), integers(ints, layout.CHANGE_MAP)
    time_ptr = integers(ints, layout.TIME_PTR)
    times = reals(ints, floats, layout.TIME)[time_ptr[simulation] : time_ptr[simulation + 1]]
    n_times = times.shape[0]
    column_ptr = integers(ints, layout.SIM_COLUMN_PTR)
    columns = integers(ints, layout.SIM_COLUMN)[column_ptr[simulation] : column_ptr[simulation + 1]]
    n_columns = columns.shape[0] if with_sensitivities else 0
    is_start = integers(ints, layout.SIM_STEADY)[simulation] != 0
    width = padded(n_columns)
    q = carray(q_at, (scalars[layout.N_OUTER],))
    start_y, start_s = carray(start_y_at, (n,)), carray(start_s_at, (n * width,))
    memory = carray(memory_at, (n_switches + n_events,))
    states, sensitivities = carray(states_at, (n_times, n)), carray(sensitivities_at, (n_times, n * width))
    info[:] = 0.0
    states[:] = np.nan
    if n == 0:
        # nothing to integrate: a regression model's outputs need times and parameters only
        return
    z = np.zeros(input_size(ints))
    column_of_outer = np.full(q.shape[0], -1)
    for c in range(n_columns):
        column_of_outer[columns[c]] = c
    column_of_formal = np.empty(n_formal, np.int64)
    _enter_map(ints, integers(ints, layout.SIM_MAP)[simulation], q, column_of_outer, z, n, column_of_formal)
    p_from, p_to = scatter(p_ptr, p_col, column_of_formal, width)
    n_from, n_to = scatter(n_ptr, n_col, column_of_formal, width)
    magnitude = np.empty(n_columns)
    for c in range(n_columns):
        magnitude[c] = abs(q[columns[c]]) if q[columns[c]] != 0.0 else 1.0

    rhs_out = np.empty(n)
    jacobian_out = np.empty(j_col.shape[0] + n)
    stage_out = np.empty(j_col.shape[0] + p_col.shape[0])
    tangent_out = np.empty(n_m + n_col.shape[0])
    lu = np.empty(integers(ints, layout.LU_COL).shape[0] + 1)
    dense, pivots = np.empty((n, n)), np.empty(n, np.int64)
    y, y_new, weight = np.empty(n), np.empty(n), np.empty(n)
    stage_state = np.empty((8, n))
    u = np.empty((8, n))
    k_dense = np.empty((3, n))
    size = n * width
    work_columns = np.zeros(N_BLOCKS * size)
    s = work_columns[BLOCK_S * size : (BLOCK_S + 1) * size]
    s_new = work_columns[BLOCK_NEW * size : (BLOCK_NEW + 1) * size]
    pieces = np.zeros(n_inputs, np.int64)
    switching = n_switches + n_events > 0
    m = make_machine(ints, floats, z, pieces, column_of_formal, n_columns)
    numbers, totals = np.zeros(N_NUMBERS), np.empty(n)

    # initial state
    t = boundaries[boundary_ptr[simulation]]
    z[Z_TIME] = t
    if not _start(ints, simulation, z, column_of_formal, start_y, start_s, y, s, width, n_columns):
        info[INFO_STATUS], info[INFO_TIME] = _INITIAL_NOT_FINITE, t
        return
    if integers(ints, layout.SIM_START)[simulation] >= 0:
        copy(sides(m), memory[:n_switches])
        copy(part(m, TRUTH), memory[n_switches:])
    else:
        copy(part(m, TRUTH), integers(ints, layout.EVENT_INITIAL))

    n_finite = n_times
    while n_finite and times[n_finite - 1] == math.inf:
        n_finite -= 1
    t_end = times[n_finite - 1] if n_finite else t
    ends_steady = is_start or n_finite < n_times
    it = 0
    h_next = -1.0
    error_old, h_old = 1.0, 0.0
    n_steps, n_crossings, n_without_progress, last_crossing = 0, 0, 0, -math.inf
    boundary, last_boundary = boundary_ptr[simulation], boundary_ptr[simulation + 1]
    has_begun = False
    while True:
        # what happens at this time
        at_boundary = boundary < last_boundary and t >= boundaries[boundary]
        if at_boundary:
            t = boundaries[boundary]
            changed = False
            for change in range(change_ptr[boundary], change_ptr[boundary + 1]):
                _change(
                    ints, m, numbers, change, t, q, column_of_outer, y, s, width, n_columns, y_new, k_dense
                )
                if change_map[change] >= 0:
                    _enter_map(ints, change_map[change], q, column_of_outer, z, n, column_of_formal)
                    p_from, p_to = scatter(p_ptr, p_col, column_of_formal, width)
                    n_from, n_to = scatter(n_ptr, n_col, column_of_formal, width)
                changed = True
            boundary += 1
            if changed:
                h_next = -1.0
        seen = _LONG_AGO if is_start else t
        # at the last time a switch may be exactly at its root, which no later step would tell
        if switching and (at_boundary or not has_begun or t >= t_end):
            if boundary < last_boundary:
                z[Z_SEGMENT] = 0.5 * (t + boundaries[boundary])
            else:
                z[Z_SEGMENT] = seen if is_start else t + max(1.0, abs(t))
            if n_inputs:
                find_pieces(pieces, knot_ptr, simulation, knot_time, z[Z_SEGMENT])
            numbers[INSTANT], numbers[IS_NEW] = seen, 0.0 if has_begun else 1.0
            happened = ask(m, LOOK_AROUND, numbers, y, s, width, y_new, k_dense)
            if happened < 0.0:
                info[INFO_STATUS], info[INFO_TIME] = _EVENTS_WITHOUT_END, t
                return
            if happened > 0.0:
                h_next = -1.0
        has_begun = True
        if n_events and ask(m, NEXT_DUE, numbers, y, s, width, y_new, k_dense) <= t:
            numbers[INSTANT] = seen
            if ask(m, SETTLE, numbers, y, s, width, y_new, k_dense) < 0.0:
                info[INFO_STATUS], info[INFO_TIME] = _EVENTS_WITHOUT_END, t
                return
            h_next = -1.0
        while it < n_finite and times[it] <= t + _SAME_TIME * abs(t):
            copy(states[it], y)
            if n_columns:
                copy(sensitivities[it], s)
            it += 1
        steady = it == n_finite and boundary == last_boundary and ends_steady
        if it == n_finite and not steady:
            break
        segment_end = math.inf if steady else t_end
        if boundary < last_boundary:
            segment_end = min(segment_end, boundaries[boundary])
        if n_events:
            segment_end = min(segment_end, ask(m, NEXT_DUE, numbers, y, s, width, y_new, k_dense))
        if is_start or steady:
            z[Z_SEGMENT] = _LONG_AGO if is_start else _AT_LAST
        else:
            middle_end = boundaries[boundary] if boundary < last_boundary else max(t_end, t)
            z[Z_SEGMENT] = 0.5 * (t + middle_end)
        time_rate = 0.0 if is_start else 1.0
        if n_inputs:
            find_pieces(pieces, knot_ptr, simulation, knot_time, z[Z_SEGMENT])
        # in a steady state sensitivities go along only if they have to
        with_columns = n_columns > 0 and (carries or not steady)
        way_rtol = rtol if with_columns or not steady else max(rtol, _WAY_RTOL)
        way_atol = atol if with_columns or not steady else max(atol, _WAY_ATOL)
        t_steady, n_still, trial, steps_before = t, 0, n_steps, n_steps
        if steady:
            ask_steady(
                CONSERVED, ints, floats, simulation, z, column_of_formal, magnitude, totals, rtol, atol, y, s
            )
        if h_next <= 0.0:
            z[Z_TIME] = t
            copy(z[Z_STATES:], y)
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
            call(scalars[layout.F_RHS], rhs_out, z)
            for i in range(n):
                weight[i] = way_atol * state_scale[i] + way_rtol * abs(y[i])
            span = max(1.0, abs(t)) if segment_end == math.inf else segment_end - t
            h_next = _initial_step(y, rhs_out, weight, span)
            h_old = 0.0
        not_finite = False
        rejected = False
        target, direction, landings, h_land = -1, 0.0, 0, 0.0
        while t < segment_end:
            if stop[0] != 0:
                info[INFO_STATUS], info[INFO_TIME] = _INTERRUPTED, t
                return
            if steady and target < 0:
                # has it settled?
                z[Z_TIME] = t
                copy(z[Z_STATES:], y)
                call(scalars[layout.F_RHS], rhs_out, z)
                still = 0.0
                for i in range(n):
                    weight[i] = atol * state_scale[i] + rtol * abs(y[i])
                    still = max(still, abs(rhs_out[i]) / weight[i])
                waits = n_events > 0 and ask(m, NEXT_DUE, numbers, y, s, width, y_new, k_dense) < math.inf
                n_still = n_still + 1 if still * (t - t_steady) <= 0.1 else 0
                if not waits and (n_steps >= trial or n_still >= _STILL_STEPS):
                    trial = n_steps + _STEPS_BETWEEN_TRIALS
                    polished = ask_steady(
                        POLISH,
                        ints,
                        floats,
                        simulation,
                        z,
                        column_of_formal,
                        magnitude,
                        totals,
                        rtol,
                        atol,
                        y,
                        s,
                    )
                    if polished:
                        break
                if not waits and (still == 0.0 or n_still >= _STILL_STEPS):
                    # nothing moves, and the equations alone do not say where it stands
                    if n_columns and not with_columns:
                        info[INFO_STATUS] = _NEEDS_COLUMNS
                        return
                    moving = ask_steady(
                        MOVEMENT, ints, floats, simulation, z, column_of_formal, magnitude, totals, rtol,
                        atol, y, s,
                    )  # fmt: skip
                    if moving == 0.0 or (n_still >= _STILL_STEPS and moving * (t - t_steady) <= 1.0):
                        break
                if n_steps - steps_before > _MOST_STEADY_STEPS:
                    info[INFO_STATUS], info[INFO_TIME] = _NO_STEADY_STATE, t
                    return
            n_steps += 1
            info[INFO_STEPS] = n_steps
            if n_steps > max_steps:
                info[INFO_STATUS], info[INFO_TIME] = _STEP_BUDGET, t
                return
            remaining = segment_end - t
            h = h_next
            if target >= 0:
                h = h_land
            elif h >= 0.999 * remaining:
                h = remaining
            elif h > 0.5 * remaining:
                # a last step that would leave a sliver is stretched or halved
                h = 0.5 * remaining
            smallest = _SMALLEST_STEP * max(abs(t), 0.0 if steady else _SMALLEST_TIME * remaining)
            if h < smallest:
                info[INFO_STATUS], info[INFO_TIME] = (_NOT_FINITE if not_finite else _STEP_TOO_SMALL), t
                return

            z[Z_TIME] = t
            copy(z[Z_STATES:], y)
            if n_inputs:
                set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
            call(scalars[layout.F_JACOBIAN], jacobian_out, z)
            info[INFO_FACTORISATIONS] += 1
            kind = factorise_w(
                ints, scalars, h, jacobian_out, j_ptr, j_col, lu, lu_diagonal, j_to_lu, dense, pivots
            )
            is_dense = kind != SPARSE
            info[INFO_DENSE] += is_dense
            if kind == FAILED:
                target = -1
                h_next = 0.5 * h
                info[INFO_REJECTED] += 1
                not_finite = not math.isfinite(np.sum(jacobian_out))
                if h_next < smallest:
                    info[INFO_STATUS], info[INFO_TIME] = (_NOT_FINITE if not_finite else _SINGULAR), t
                    return
                continue

            finite = state_stages(
                ints, scalars, z, t, h, first_input, pieces, knot_time, knot_coefficient, jacobian_out,
                j_col.shape[0], lu, is_dense, dense, pivots, y, u, stage_state, rhs_out,
            )  # fmt: skip
            error = math.inf
            if finite:
                error = 0.0
                for i in range(n):
                    y_new[i] = stage_state[7, i] + u[7, i]
                    weight[i] = way_atol * state_scale[i] + way_rtol * max(abs(y[i]), abs(y_new[i]))
                    error += (u[7, i] / weight[i]) ** 2
                error = math.sqrt(error / n)
            if not math.isfinite(error):
                target = -1
                h_next = 0.25 * h
                info[INFO_REJECTED] += 1
                not_finite = True
                rejected = True
                continue

            if error <= 1.0 and n_switches:
                # where does the first switch change sides? The step is taken again up to there
                seen = _LONG_AGO if is_start else t
                if target < 0:
                    dense_output(u, k_dense)
                    numbers[INSTANT], numbers[TIME_RATE], numbers[STEP] = seen, time_rate, h
                    target = int(ask(m, FIRST_CROSSING, numbers, y, s, width, y_new, k_dense))
                    if target >= 0:
                        direction = numbers[DIRECTION]
                        h_land, landings = numbers[FRACTION] * h, 0
                        if h_land < smallest:
                            break
                        if h_land < h:
                            continue
                elif landings < _MOST_LANDINGS:
                    landings += 1
                    numbers[NUMBER], numbers[INSTANT] = target, seen + time_rate * h
                    shift = ask(m, CORRECTION, numbers, y, s, width, y_new, k_dense)
                    within = smallest < h + shift <= min(2.0 * h, remaining)
                    if abs(shift) > 1e-14 * h and within:
                        h_land = h + shift
                        continue

            if error <= 1.0 and with_columns:
                error = max(
                    error,
                    sensitivity_stages(
                        ints, scalars, z, t, h, first_input, first_stage, pieces, knot_time, knot_coefficient,
                        j_col.shape[0], n_m, p_from, p_to, n_from, n_to, lu, is_dense, dense, pivots,
                        y, u, stage_state, work_columns, width, n_columns, stage_out, tangent_out,
                        y_new, magnitude, rtol, atol, state_scale,
                    ),
                )  # fmt: skip
                if not math.isfinite(error):
                    target = -1
                    h_next = 0.25 * h
                    info[INFO_REJECTED] += 1
                    not_finite = True
                    rejected = True
                    continue

            factor = min(_GROWTH, max(_SHRINKAGE, _SAFETY * max(error, 1e-12) ** -0.2))
            if error > 1.0:
                target = -1
                h_next = h * min(factor, _SAFETY)
                info[INFO_REJECTED] += 1
                not_finite = False
                rejected = True
                continue
            if h_old > 0.0:
                # the change of the error from step to step is carried on (Gustafsson 1994)
                predicted = _SAFETY * (h / h_old) * (error_old / max(error, 1e-12) ** 2) ** 0.2
                factor = min(factor, max(_SHRINKAGE, predicted))
            if rejected:
                factor = min(factor, 1.0)
            rejected = False
            not_finite = False
            error_old, h_old = max(error, 1e-2), h

            t_new = segment_end if h == remaining else t + h
            limit = t_new - _SAME_TIME * abs(t_new)
            if it < n_finite and times[it] < limit:
                dense_output(u, k_dense)
                it = write_outputs(
                    scalars, times, it, t, h, limit, y, y_new, k_dense, work_columns,
                    size if with_columns else 0, states, sensitivities,
                )  # fmt: skip
            copy(y, y_new)
            if with_columns:
                copy(s, s_new)
            h_next_free = h * factor
            # a step cut short by a boundary says little about the step that follows
            h_next = max(h_next, h_next_free) if h < h_next else h_next_free
            t = t_new
            if target >= 0:
                break
        if target >= 0:
            n_crossings += 1
            n_without_progress = n_without_progress + 1 if t == last_crossing else 0
            last_crossing = t
            if n_crossings > _MOST_CROSSINGS or n_without_progress > _MOST_WITHOUT_PROGRESS:
                info[INFO_STATUS], info[INFO_TIME] = _EVENTS_WITHOUT_END, t
                return
            seen = _LONG_AGO if is_start else t
            numbers[NUMBER], numbers[DIRECTION], numbers[INSTANT] = target, direction, seen
            happened = ask(m, CROSS, numbers, y, s, width, y_new, k_dense)
            if happened < 0.0:
                info[INFO_STATUS], info[INFO_TIME] = _EVENTS_WITHOUT_END, t
                return
            if happened > 0.0:
                h_next = -1.0
            h_old = 0.0
        elif steady and segment_end == math.inf:
            break
    if ends_steady:
        while it < n_times:
            copy(states[it], y)
            if n_columns:
                copy(sensitivities[it], s)
            it += 1
    copy(memory, sides(m))
    copy(memory[n_switches:], part(m, TRUTH))


@kernel(inner=True)
def _enter_map(ints, number, q, column_of_outer, z, n, column_of_formal):
    """Let formal parameters stand for what a map says."""
    formal = integers(ints, layout.MAPS)
    n_formal = column_of_formal.shape[0]
    for j in range(n_formal):
        outer = formal[number * n_formal + j]
        z[Z_STATES + n + j] = q[outer]
        column_of_formal[j] = column_of_outer[outer]


@kernel(inner=True)
def _start(ints, simulation, z, column_of_formal, start_y, start_s, y, s, width, n_columns):
    """The states and sensitivities at the start. Returns whether they are finite."""
    scalars = integers(ints, layout.SCALARS)
    x0_ptr, x0_col = integers(ints, layout.X0_PTR), integers(ints, layout.X0_COL)
    n = y.shape[0]
    call(scalars[layout.F_INITIAL], y, z)
    if n_columns:
        x0_out = np.empty(x0_col.shape[0])
        call(scalars[layout.F_INITIAL_SENSITIVITY], x0_out, z)
        for i in range(n):
            for e in range(x0_ptr[i], x0_ptr[i + 1]):
                c = column_of_formal[x0_col[e]]
                if c >= 0:
                    s[i * width + c] += x0_out[e]
    if integers(ints, layout.SIM_START)[simulation] >= 0:
        reinit_ptr = integers(ints, layout.REINIT_PTR)
        anew = integers(ints, layout.REINIT_STATE)[reinit_ptr[simulation] : reinit_ptr[simulation + 1]]
        begins_anew = np.zeros(n, np.bool_)
        for i in anew:
            begins_anew[i] = True
        for i in range(n):
            if not begins_anew[i]:
                y[i] = start_y[i]
                if n_columns:
                    copy(s[i * width :], start_s[i * width : (i + 1) * width])
    finite = True
    for i in range(n):
        finite = finite and math.isfinite(y[i])
    return finite


@kernel(inner=True)
def _change(ints, m, numbers, change, t, q, column_of_outer, y, s, width, n_columns, y_new, k_dense):
    """What a dose does to the states, all at once."""
    action = integers(ints, layout.CHANGE_ACTION)[change]
    item_ptr = integers(ints, layout.ITEM_PTR)
    item_state, item_outer = integers(ints, layout.ITEM_STATE), integers(ints, layout.ITEM_OUTER)
    item_sets = integers(ints, layout.ITEM_SETS)
    if action >= 0:
        numbers[NUMBER], numbers[INSTANT] = action, t
        ask(m, ACTION, numbers, y, s, width, y_new, k_dense)
    for item in range(item_ptr[change], item_ptr[change + 1]):
        i, outer = item_state[item], item_outer[item]
        if item_sets[item] == 1:
            y[i] = 0.0
            s[i * width : (i + 1) * width] = 0.0
        if outer >= 0:
            y[i] += q[outer]
            if n_columns and column_of_outer[outer] >= 0:
                s[i * width + column_of_outer[outer]] += 1.0
        else:
            y[i] += part(m, VALUE)[-1 - outer]
            for c in range(n_columns):
                s[i * width + c] += part(m, SLOPE)[(-1 - outer) * n_columns + c]

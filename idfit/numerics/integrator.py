"""Rodas5P with exact tangent-linear sensitivities.

One simulation is integrated from boundary to boundary (doses, kinks of inputs, switches at known times),
every stage equation in the transformed form with W = I/(h·gamma) - J(t, y)

    W U_i = f(t + c_i h, Y_i) + Σ_j (C_ij/h) U_j + h d_i f_t,              Y_i = y + Σ_j a_ij U_j
    W V_i = J(Y_i) (S + Σ_j a_ij V_j) + f_p(Y_i) + Σ_j (C_ij/h) V_j
            + ∂/∂x [J U_i + h d_i f_t] S + ∂/∂p [J U_i + h d_i f_t]

where S = ∂y/∂q and V_i = ∂U_i/∂q: the second line is the derivative of the first with the accepted steps
held fixed (Sandu, Daescu & Carmichael 2003). One factorisation serves the states and all sensitivities. The
sensitivities take part in the error control.

Method: Steinebach, BIT 63:27 (2023), doi:10.1007/s10543-023-00967-x: order 5, stiffly accurate, L-stable, 8
stages, dense output of order 4.
"""

from __future__ import annotations

import math

import numpy as np

from idfit.numerics import plan as layout
from idfit.numerics.blocks import padded
from idfit.numerics.calls import call, call_sparse
from idfit.numerics.compilation import kernel
from idfit.numerics.plan import integers, reals
from idfit.numerics.sparse import (
    add_product,
    dense_factorise,
    dense_solve_columns,
    factorise,
    solve,
    solve_columns,
)
from idfit.results import Status

_GAMMA = 0.21193756319429014
A = np.array([
    [0, 0, 0, 0, 0, 0],
    [3.0, 0, 0, 0, 0, 0],
    [2.849394379747939, 0.45842242204463923, 0, 0, 0, 0],
    [-6.954028509809101, 2.489845061869568, -10.358996098473584, 0, 0, 0],
    [2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641, 0, 0],
    [-7.502846399306121, 2.561846144803919, -11.627539656261098, -0.18268767659942256, 0.030198172008377946,
     0],
])  # fmt: skip
# stages 7 and 8 and the new value each add one more U: Y_7 = Y_6 + U_6, Y_8 = Y_7 + U_7, y_new = Y_8 + U_8
C = np.array([
    [0, 0, 0, 0, 0, 0, 0],
    [-14.155112264123755, 0, 0, 0, 0, 0, 0],
    [-17.97296035885952, -2.859693295451294, 0, 0, 0, 0, 0],
    [147.12150275711716, -1.41221402718213, 71.68940251302358, 0, 0, 0, 0],
    [165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306, 0, 0, 0],
    [24.854864614690072, -3.0009227002832186, 47.4931110020768, 5.5814197821558125, -0.6610691825249471,
     0, 0],
    [30.91273214028599, -3.1208243349937974, 77.79954646070892, 34.28646028294783, -19.097331116725623,
     -28.087943162872662, 0],
    [37.80277123390563, -3.2571969029072276, 112.26918849496327, 66.9347231244047, -40.06618937091002,
     -54.66780262877968, -9.48861652309627],
])  # fmt: skip
_NODE = np.array([0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1, 1, 1])
_D = np.array(
    [0.21193756319429014, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069,
     0, 0, 0]
)  # fmt: skip
DENSE = np.array([
    [25.948786856663858, -2.5579724845846235, 10.433815404888879, -2.3679251022685204, 0.524948541321073,
     1.1241088310450404, 0.4272876194431874, -0.17202221070155493],
    [-9.91568850695171, -0.9689944594115154, 3.0438037242978453, -24.495224566215796, 20.176138334709044,
     15.98066361424651, -6.789040303419874, -6.710236069923372],
    [11.419903575922262, 2.8879645146136994, 72.92137995996029, 80.12511834622643, -52.072871366152654,
     -59.78993625266729, -0.15582684282751913, 4.883087185713722],
])  # fmt: skip

# blocks of the work array of the sensitivities: S, S at the end of the step, V_1 … V_8, three of dense output
BLOCK_S, BLOCK_NEW, BLOCK_V, BLOCK_DENSE, N_BLOCKS = 0, 1, 2, 10, 13

# positions in the input of generated functions: time, the midpoint of the segment (which decides the branch
# of every condition on time, so that no stage looks across a switch), h·d_i, states, formal parameters,
# inputs and their slopes, and the stage U
Z_TIME, Z_SEGMENT, Z_HD, Z_STATES = range(4)

# positions in the record of an integration
INFO_STATUS, INFO_TIME, INFO_STEPS, INFO_REJECTED, INFO_FACTORISATIONS, INFO_DENSE, INFO_SIZE = range(7)

_OK = int(Status.OK)
_INTERRUPTED = int(Status.INTERRUPTED)
_STEP_BUDGET = int(Status.STEP_BUDGET)
_STEP_TOO_SMALL = int(Status.STEP_TOO_SMALL)
_NOT_FINITE = int(Status.NOT_FINITE)
_SINGULAR = int(Status.SINGULAR)
_INITIAL_NOT_FINITE = int(Status.INITIAL_NOT_FINITE)

# A sensitivity q·∂x_i/∂q is resolved relative to the larger of itself and this fraction of the state:
# columns that hardly matter do not dictate the steps.
_RELEVANT_SENSITIVITY = 1e-3
_SENSITIVITY_TOLERANCE = 10.0
# step control: the next step is at most this much longer or shorter
_SAFETY, _GROWTH, _SHRINKAGE = 0.9, 6.0, 0.2
# how W was factorised
_SPARSE, _DENSE_PIVOTED, _FAILED = range(3)
_SMALLEST_STEP = 4e-16  # relative to the time
_SMALLEST_TIME = 1e-16  # relative to the segment: what counts as time where that is 0


@kernel
def input_size(ints):
    scalars = integers(ints, layout.SCALARS)
    return Z_STATES + 2 * scalars[layout.N_STATES] + scalars[layout.N_FORMAL] + 2 * scalars[layout.N_INPUTS]


@kernel
def set_inputs(z, first_input, pieces, knot_time, coefficient, t):
    """Write values and slopes of the sampled inputs at time t; `pieces` are the current knots."""
    k = pieces.shape[0]
    for i in range(k):
        c = coefficient[4 * pieces[i] : 4 * pieces[i] + 4]
        d = t - knot_time[pieces[i]]
        z[first_input + i] = c[0] + d * (c[1] + d * (c[2] + d * c[3]))
        z[first_input + k + i] = c[1] + d * (2.0 * c[2] + d * 3.0 * c[3])


@kernel
def find_pieces(pieces, knot_ptr, simulation, knot_time, t):
    """For each sampled input the last knot at or before t (the first one if there is none)."""
    k = pieces.shape[0]
    for i in range(k):
        low, high = knot_ptr[simulation * k + i], knot_ptr[simulation * k + i + 1]
        while high - low > 1:
            middle = (low + high) // 2
            if knot_time[middle] <= t:
                low = middle
            else:
                high = middle
        pieces[i] = low


@kernel
def _scatter(row_ptr, column, column_of_formal, width):
    """Where the entries of a sparse d/dp go in rows of sensitivities: (entry, target) of those that vary
    here."""
    source, target = np.empty(column.shape[0], np.int64), np.empty(column.shape[0], np.int64)
    count = 0
    for i in range(row_ptr.shape[0] - 1):
        for e in range(row_ptr[i], row_ptr[i + 1]):
            c = column_of_formal[column[e]]
            if c >= 0:
                source[count], target[count] = e, i * width + c
                count += 1
    return source[:count], target[:count]


@kernel
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
    ints, floats, simulation, q, with_sensitivities, rtol, atol, max_steps, stop, states, sensitivities, info
):
    """Integrate one simulation and leave the states, and ∂states/∂q, at its output times.

    q : (outer,) natural values; states : (times, n); sensitivities : (times, n·width), the columns as
    listed in SIM_COLUMN, each row of a state padded to width = `padded(columns)`; stop : (1,) polled each
    step; info : (INFO_SIZE,). rtol and atol weigh errors as ``atol·state scale + rtol·|x|``. A time without
    a value after a failure holds NaN. Outputs at a boundary are taken after its doses.
    """
    scalars = integers(ints, layout.SCALARS)
    n, n_formal, n_inputs = scalars[layout.N_STATES], scalars[layout.N_FORMAL], scalars[layout.N_INPUTS]
    first_input = Z_STATES + n + n_formal
    first_stage = first_input + 2 * n_inputs
    j_ptr, j_col = integers(ints, layout.J_PTR), integers(ints, layout.J_COL)
    p_ptr, p_col = integers(ints, layout.P_PTR), integers(ints, layout.P_COL)
    m_ptr, m_col = integers(ints, layout.M_PTR), integers(ints, layout.M_COL)
    n_ptr, n_col = integers(ints, layout.N_PTR), integers(ints, layout.N_COL)
    x0_ptr, x0_col = integers(ints, layout.X0_PTR), integers(ints, layout.X0_COL)
    lu_ptr, lu_col = integers(ints, layout.LU_PTR), integers(ints, layout.LU_COL)
    lu_diagonal, j_to_lu = integers(ints, layout.LU_DIAGONAL), integers(ints, layout.J_TO_LU)
    state_scale = reals(ints, floats, layout.STATE_SCALE)
    knot_ptr = integers(ints, layout.KNOT_PTR)
    knot_time = reals(ints, floats, layout.KNOT_TIME)
    knot_coefficient = reals(ints, floats, layout.KNOT_COEFFICIENT)
    boundary_ptr = integers(ints, layout.BOUNDARY_PTR)
    boundaries = reals(ints, floats, layout.BOUNDARY_TIME)
    dose_ptr, dose_state = integers(ints, layout.DOSE_PTR), integers(ints, layout.DOSE_STATE)
    dose_outer, dose_mode = integers(ints, layout.DOSE_OUTER), integers(ints, layout.DOSE_MODE)
    time_ptr = integers(ints, layout.TIME_PTR)
    times = reals(ints, floats, layout.TIME)[time_ptr[simulation] : time_ptr[simulation + 1]]
    n_times = times.shape[0]
    formal = integers(ints, layout.MAPS)
    sim_map = integers(ints, layout.SIM_MAP)[simulation]
    column_ptr = integers(ints, layout.SIM_COLUMN_PTR)
    columns = integers(ints, layout.SIM_COLUMN)[column_ptr[simulation] : column_ptr[simulation + 1]]
    n_columns = columns.shape[0] if with_sensitivities else 0

    info[:] = 0.0
    states[:] = np.nan
    z = np.zeros(first_stage + n)
    for j in range(n_formal):
        z[Z_STATES + n + j] = q[formal[sim_map * n_formal + j]]
    column_of_outer = np.full(q.shape[0], -1)
    for c in range(n_columns):
        column_of_outer[columns[c]] = c
    column_of_formal = np.empty(n_formal, np.int64)
    for j in range(n_formal):
        column_of_formal[j] = column_of_outer[formal[sim_map * n_formal + j]]
    p_from, p_to = _scatter(p_ptr, p_col, column_of_formal, padded(n_columns))
    n_from, n_to = _scatter(n_ptr, n_col, column_of_formal, padded(n_columns))
    magnitude = np.empty(n_columns)
    for c in range(n_columns):
        magnitude[c] = abs(q[columns[c]]) if q[columns[c]] != 0.0 else 1.0

    rhs_out = np.empty(n)
    jacobian_out = np.empty(j_col.shape[0] + n)
    stage_out = np.empty(j_col.shape[0] + p_col.shape[0])
    tangent_out = np.empty(m_col.shape[0] + n_col.shape[0])
    lu, work = np.empty(lu_col.shape[0] + 1), np.empty(n)
    dense, pivots = np.empty((n, n)), np.empty(n, np.int64)
    y, y_new, weight = np.empty(n), np.empty(n), np.empty(n)
    stage_state = np.empty((8, n))
    u = np.empty((8, n))
    width = padded(n_columns)
    size = n * width
    work_columns = np.zeros(N_BLOCKS * size)
    s = work_columns[BLOCK_S * size : (BLOCK_S + 1) * size]
    s_new = work_columns[BLOCK_NEW * size : (BLOCK_NEW + 1) * size]
    pieces = np.zeros(n_inputs, np.int64)

    # initial state
    t = boundaries[boundary_ptr[simulation]]
    z[Z_TIME] = t
    call(scalars[layout.F_INITIAL], y, z)
    for i in range(n):
        if not math.isfinite(y[i]):
            info[INFO_STATUS], info[INFO_TIME] = _INITIAL_NOT_FINITE, t
            return
    if n_columns:
        x0_out = np.empty(x0_col.shape[0])
        call(scalars[layout.F_INITIAL_SENSITIVITY], x0_out, z)
        for i in range(n):
            for e in range(x0_ptr[i], x0_ptr[i + 1]):
                c = column_of_formal[x0_col[e]]
                if c >= 0:
                    s[i * width + c] += x0_out[e]

    t_end = times[n_times - 1] if n_times else t
    it = 0
    h_next = -1.0
    error_old, h_old = 1.0, 0.0
    n_steps = 0
    first_boundary, last_boundary = boundary_ptr[simulation], boundary_ptr[simulation + 1]
    for boundary in range(first_boundary, last_boundary):
        t = boundaries[boundary]
        for dose in range(dose_ptr[boundary], dose_ptr[boundary + 1]):
            i, amount = dose_state[dose], dose_outer[dose]
            if dose_mode[dose] == 1:
                y[i] = 0.0
                s[i * width : (i + 1) * width] = 0.0
            y[i] += q[amount]
            if n_columns and column_of_outer[amount] >= 0:
                s[i * width + column_of_outer[amount]] += 1.0
            h_next = -1.0
        while it < n_times and times[it] <= t:
            states[it] = y
            if n_columns:
                sensitivities[it] = s
            it += 1
        if it == n_times:
            break
        segment_end = t_end
        if boundary + 1 < last_boundary:
            segment_end = min(t_end, boundaries[boundary + 1])
        if n == 0:
            # nothing to integrate: a regression model's outputs need times and parameters only
            while it < n_times and times[it] < segment_end:
                it += 1
            if segment_end >= t_end:
                break
            continue
        z[Z_SEGMENT] = 0.5 * (t + segment_end)
        if n_inputs:
            find_pieces(pieces, knot_ptr, simulation, knot_time, z[Z_SEGMENT])
        last = boundary + 1 == last_boundary
        if h_next <= 0.0:
            z[Z_TIME] = t
            z[Z_STATES : Z_STATES + n] = y
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
            call(scalars[layout.F_RHS], rhs_out, z)
            for i in range(n):
                weight[i] = atol * state_scale[i] + rtol * abs(y[i])
            h_next = _initial_step(y, rhs_out, weight, segment_end - t)
            h_old = 0.0
        not_finite = False
        rejected = False
        while t < segment_end:
            if stop[0] != 0:
                info[INFO_STATUS], info[INFO_TIME] = _INTERRUPTED, t
                return
            n_steps += 1
            info[INFO_STEPS] = n_steps
            if n_steps > max_steps:
                info[INFO_STATUS], info[INFO_TIME] = _STEP_BUDGET, t
                return
            remaining = segment_end - t
            h = h_next
            # a last step that would leave a sliver is stretched or halved
            if h >= 0.999 * remaining:
                h = remaining
            elif h > 0.5 * remaining:
                h = 0.5 * remaining
            if h < _SMALLEST_STEP * max(abs(t), _SMALLEST_TIME * (segment_end - t)):
                info[INFO_STATUS], info[INFO_TIME] = (_NOT_FINITE if not_finite else _STEP_TOO_SMALL), t
                return

            z[Z_TIME] = t
            z[Z_STATES : Z_STATES + n] = y
            if n_inputs:
                set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
            call(scalars[layout.F_JACOBIAN], jacobian_out, z)
            info[INFO_FACTORISATIONS] += 1
            kind = _factorise_w(
                scalars, h, jacobian_out, j_ptr, j_col, lu, lu_ptr, lu_col, lu_diagonal, j_to_lu, work,
                dense, pivots,
            )  # fmt: skip
            is_dense = kind != _SPARSE
            info[INFO_DENSE] += is_dense
            if kind == _FAILED:
                h_next = 0.5 * h
                info[INFO_REJECTED] += 1
                not_finite = not math.isfinite(np.sum(jacobian_out))
                if h_next < _SMALLEST_STEP * max(abs(t), _SMALLEST_TIME * (segment_end - t)):
                    info[INFO_STATUS], info[INFO_TIME] = (_NOT_FINITE if not_finite else _SINGULAR), t
                    return
                continue

            finite = _state_stages(
                scalars, z, t, h, first_input, pieces, knot_time, knot_coefficient, jacobian_out,
                j_col.shape[0], lu, lu_ptr, lu_col, lu_diagonal, is_dense, dense, pivots,
                y, u, stage_state, rhs_out,
            )  # fmt: skip
            error = math.inf
            if finite:
                error = 0.0
                for i in range(n):
                    y_new[i] = stage_state[7, i] + u[7, i]
                    weight[i] = atol * state_scale[i] + rtol * max(abs(y[i]), abs(y_new[i]))
                    error += (u[7, i] / weight[i]) ** 2
                error = math.sqrt(error / n)
            if not math.isfinite(error):
                h_next = 0.25 * h
                info[INFO_REJECTED] += 1
                not_finite = True
                rejected = True
                continue

            if error <= 1.0 and n_columns:
                error = max(
                    error,
                    _sensitivity_stages(
                        scalars, z, t, h, first_input, first_stage, pieces, knot_time, knot_coefficient,
                        j_ptr, j_col, m_ptr, m_col, p_from, p_to, n_from, n_to,
                        lu, lu_ptr, lu_col, lu_diagonal, is_dense, dense, pivots,
                        y, u, stage_state, work_columns, width, n_columns, stage_out, tangent_out,
                        y_new, magnitude, rtol, atol, state_scale,
                    ),
                )  # fmt: skip
                if not math.isfinite(error):
                    h_next = 0.25 * h
                    info[INFO_REJECTED] += 1
                    not_finite = True
                    rejected = True
                    continue

            factor = min(_GROWTH, max(_SHRINKAGE, _SAFETY * max(error, 1e-12) ** -0.2))
            if error > 1.0:
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
            if it < n_times and times[it] <= t_new:
                it = _write_outputs(
                    scalars,
                    times,
                    it,
                    t,
                    t_new,
                    h,
                    last,
                    y,
                    y_new,
                    u,
                    work_columns,
                    size,
                    states,
                    sensitivities,
                )
            y[:] = y_new
            s[:] = s_new
            h_next_free = h * factor
            # a step cut short by a boundary says little about the step that follows
            h_next = max(h_next, h_next_free) if h < h_next else h_next_free
            t = t_new
    if n == 0:
        states[:] = 0.0


@kernel(inline=True)
def _factorise_w(
    scalars, h, jacobian_out, j_ptr, j_col, lu, lu_ptr, lu_col, lu_diagonal, j_to_lu, work, dense, pivots
):
    """Factorise W = I/(h·gamma) - J: on its sparse pattern, densely where a pivot is small. Returns how."""
    n = lu_diagonal.shape[0]
    diagonal = 1.0 / (h * _GAMMA)
    lu[:] = 0.0
    total = 0.0
    for e in range(j_col.shape[0]):
        lu[j_to_lu[e]] = -jacobian_out[e]
        total += jacobian_out[e]
    if not math.isfinite(total):
        return _FAILED
    for i in range(n):
        lu[lu_diagonal[i]] += diagonal
    if scalars[layout.F_FACTORISE]:
        call_sparse(scalars[layout.F_FACTORISE], lu, lu, lu, 0)
        if lu[lu_col.shape[0]] != 0.0:
            return _SPARSE
    elif factorise(lu, lu_ptr, lu_col, lu_diagonal, work):
        return _SPARSE
    dense[:] = 0.0
    for i in range(n):
        dense[i, i] = diagonal
        for e in range(j_ptr[i], j_ptr[i + 1]):
            dense[i, j_col[e]] -= jacobian_out[e]
    return _DENSE_PIVOTED if dense_factorise(dense, pivots) else _FAILED


@kernel(inline=True)
def _state_stages(
    scalars, z, t, h, first_input, pieces, knot_time, knot_coefficient, jacobian_out, n_j,
    lu, lu_ptr, lu_col, lu_diagonal, is_dense, dense, pivots, y, u, stage_state, rhs_out,
):  # fmt: skip
    """The stages U_i and their arguments Y_i of a step; returns False if a right-hand side is not finite."""
    n = y.shape[0]
    for stage in range(8):
        if stage < 6:
            for i in range(n):
                value = y[i]
                for k in range(stage):
                    value += A[stage, k] * u[k, i]
                stage_state[stage, i] = value
        else:
            for i in range(n):
                stage_state[stage, i] = stage_state[stage - 1, i] + u[stage - 1, i]
        z[Z_TIME] = t + _NODE[stage] * h
        z[Z_STATES : Z_STATES + n] = stage_state[stage]
        if pieces.shape[0]:
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, z[Z_TIME])
        call(scalars[layout.F_RHS], rhs_out, z)
        total = 0.0
        for i in range(n):
            value = rhs_out[i] + h * _D[stage] * jacobian_out[n_j + i]
            for k in range(stage):
                value += C[stage, k] / h * u[k, i]
            u[stage, i] = value
            total += value
        if not math.isfinite(total):
            return False
        if is_dense:
            dense_solve_columns(dense, pivots, u[stage].reshape(n, 1))
        elif scalars[layout.F_SOLVE]:
            call_sparse(scalars[layout.F_SOLVE], u[stage], lu, lu, 0)
        else:
            solve(lu, lu_ptr, lu_col, lu_diagonal, u[stage])
    return True


@kernel
def _write_outputs(scalars, times, it, t, t_new, h, last, y, y_new, u, work, size, states, sensitivities):
    """Interpolate to the output times of the step from t to t_new; returns the number of the next output."""
    n, n_times = y.shape[0], times.shape[0]
    s = work[BLOCK_S * size : (BLOCK_S + 1) * size]
    s_new = work[BLOCK_NEW * size : (BLOCK_NEW + 1) * size]
    bends = work[BLOCK_DENSE * size : N_BLOCKS * size]
    if size:
        call_sparse(scalars[layout.F_DENSE_SUMS], work, s, s, size)
    k_dense = np.zeros((3, n))
    for k in range(3):
        for stage in range(8):
            for i in range(n):
                k_dense[k, i] += DENSE[k, stage] * u[stage, i]
    while it < n_times and (times[it] < t_new or (last and times[it] <= t_new)):
        r = (times[it] - t) / h
        w = 1.0 - r
        for i in range(n):
            bend = k_dense[0, i] + r * (k_dense[1, i] + r * k_dense[2, i])
            states[it, i] = w * y[i] + r * (y_new[i] + w * bend)
        for e in range(size):
            bend = bends[e] + r * (bends[size + e] + r * bends[2 * size + e])
            sensitivities[it, e] = w * s[e] + r * (s_new[e] + w * bend)
        it += 1
    return it


@kernel
def _sensitivity_stages(
    scalars, z, t, h, first_input, first_stage, pieces, knot_time, knot_coefficient,
    j_ptr, j_col, m_ptr, m_col, p_from, p_to, n_from, n_to,
    lu, lu_ptr, lu_col, lu_diagonal, is_dense, dense, pivots,
    y, u, stage_state, work, width, n_columns, stage_out, tangent_out,
    y_new, magnitude, rtol, atol, state_scale,
):  # fmt: skip
    """The stages V_i of the step just taken, S at its end (s_new), and the largest error norm of a column.

    work : (N_BLOCKS·n·width,) the blocks S, S at the end, V_1 … V_8, dense output.
    """
    n = y.shape[0]
    size = n * width
    n_j, n_m = j_col.shape[0], m_col.shape[0]
    n_inputs = pieces.shape[0]
    s = work[BLOCK_S * size : (BLOCK_S + 1) * size]
    s_new = work[BLOCK_NEW * size : (BLOCK_NEW + 1) * size]
    generated = scalars[layout.F_FACTORISE] != 0
    inverse_step = np.array([1.0 / h])
    for stage in range(8):
        row_stage = work[(BLOCK_V + stage) * size : (BLOCK_V + stage + 1) * size]
        # s_new becomes the argument S + Σ a V of the stage, its block of V the sum Σ (c/h) V
        call_sparse(scalars[layout.F_STAGE_SUMS + stage], work, inverse_step, inverse_step, size)
        z[Z_TIME] = t + _NODE[stage] * h
        z[Z_STATES : Z_STATES + n] = stage_state[stage]
        if n_inputs:
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, z[Z_TIME])
        call(scalars[layout.F_STAGE], stage_out, z)
        z[Z_TIME] = t
        z[Z_HD] = h * _D[stage]
        z[Z_STATES : Z_STATES + n] = y
        z[first_stage : first_stage + n] = u[stage]
        if n_inputs:
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
        call(scalars[layout.F_TANGENT], tangent_out, z)
        for e in range(p_from.shape[0]):
            row_stage[p_to[e]] += stage_out[n_j + p_from[e]]
        for e in range(n_from.shape[0]):
            row_stage[n_to[e]] += tangent_out[n_m + n_from[e]]
        if generated:
            call_sparse(scalars[layout.F_JACOBIAN_PRODUCT], row_stage, stage_out, s_new, width)
            call_sparse(scalars[layout.F_SECOND_PRODUCT], row_stage, tangent_out, s, width)
        else:
            add_product(row_stage, stage_out, j_ptr, j_col, s_new, width)
            add_product(row_stage, tangent_out, m_ptr, m_col, s, width)
        if is_dense:
            dense_solve_columns(dense, pivots, row_stage.reshape(n, width))
        elif generated:
            call_sparse(scalars[layout.F_SOLVE_COLUMNS], row_stage, lu, lu, width)
        else:
            solve_columns(lu, lu_ptr, lu_col, lu_diagonal, row_stage, width)
    last = work[(BLOCK_V + 7) * size : (BLOCK_V + 8) * size]
    for e in range(size):
        s_new[e] += last[e]
    largest = 0.0
    for c in range(n_columns):
        total = 0.0
        for i in range(n):
            e = i * width + c
            magnitude_of_state = max(abs(y[i]), abs(y_new[i]))
            share = max(
                magnitude[c] * max(abs(s[e]), abs(s_new[e])), _RELEVANT_SENSITIVITY * magnitude_of_state
            )
            weight = _SENSITIVITY_TOLERANCE * (atol * state_scale[i] + rtol * share)
            total += (magnitude[c] * last[e] / weight) ** 2
        if not total <= largest:
            largest = total  # also when it is NaN
    return math.sqrt(largest / n)

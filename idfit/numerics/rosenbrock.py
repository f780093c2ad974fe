"""One step of Rodas5P with exact tangent-linear sensitivities.

Every stage equation in the transformed form with W = I/(h·gamma) - J(t, y)

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
from idfit.numerics.arguments import Z_HD, Z_STATES, Z_TIME, set_inputs
from idfit.numerics.calls import call, call_sparse, invoke
from idfit.numerics.compilation import kernel
from idfit.numerics.sparse import by_pattern

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

# A sensitivity q·∂x_i/∂q is resolved relative to the larger of itself and this fraction of the state:
# columns that hardly matter do not dictate the steps.
_RELEVANT_SENSITIVITY = 1e-3
_SENSITIVITY_TOLERANCE = 10.0
# how W was factorised
SPARSE, DENSE_PIVOTED, FAILED = range(3)


@kernel(inline=True)
def factorise_w(ints, scalars, h, jacobian_out, j_ptr, j_col, lu, lu_diagonal, j_to_lu, dense, pivots):
    """Factorise W = I/(h·gamma) - J: on its sparse pattern, densely where a pivot is small. Returns how."""
    n = lu_diagonal.shape[0]
    diagonal = 1.0 / (h * _GAMMA)
    lu[:] = 0.0
    total = 0.0
    for e in range(j_col.shape[0]):
        lu[j_to_lu[e]] = -jacobian_out[e]
        total += jacobian_out[e]
    if not math.isfinite(total):
        return FAILED
    for i in range(n):
        lu[lu_diagonal[i]] += diagonal
    zero = np.int64(0)
    if scalars[layout.F_FACTORISE]:
        call_sparse(scalars[layout.F_FACTORISE], lu, lu, lu, zero)
    else:
        by_pattern(ints, scalars, layout.F_FACTORISE, lu, lu, lu, zero)
    if lu[lu.shape[0] - 1] != 0.0:
        return SPARSE
    dense[:] = 0.0
    for i in range(n):
        dense[i, i] = diagonal
        for e in range(j_ptr[i], j_ptr[i + 1]):
            dense[i, j_col[e]] -= jacobian_out[e]
    good = np.zeros(1, np.int64)
    invoke(scalars[layout.F_DENSE_FACTORISE], (dense, pivots, np.int64(n), good))
    return DENSE_PIVOTED if good[0] else FAILED


@kernel(inline=True)
def state_stages(
    ints, scalars, z, t, h, first_input, pieces, knot_time, knot_coefficient, jacobian_out, n_j,
    lu, is_dense, dense, pivots, y, u, stage_state, rhs_out,
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
        for i in range(n):
            z[Z_STATES + i] = stage_state[stage, i]
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
            invoke(scalars[layout.F_DENSE_SOLVE], (dense, pivots, np.int64(n), u[stage], np.int64(1)))
        elif scalars[layout.F_SOLVE]:
            call_sparse(scalars[layout.F_SOLVE], u[stage], lu, lu, 0)
        else:
            by_pattern(ints, scalars, layout.F_SOLVE, u[stage], lu, lu, np.int64(0))
    return True


@kernel(inner=True)
def dense_output(u, k_dense):
    """The coefficients (3, n) of the interpolant of the states."""
    n = u.shape[1]
    for k in range(3):
        for i in range(n):
            k_dense[k, i] = 0.0
        for stage in range(8):
            for i in range(n):
                k_dense[k, i] += DENSE[k, stage] * u[stage, i]


@kernel(inner=True)
def interpolate(r, y, y_new, k_dense, out):
    """The states (n,) at the fraction r of the step."""
    w = 1.0 - r
    for i in range(y.shape[0]):
        bend = k_dense[0, i] + r * (k_dense[1, i] + r * k_dense[2, i])
        out[i] = w * y[i] + r * (y_new[i] + w * bend)


@kernel(inner=True)
def write_outputs(scalars, times, it, t, h, limit, y, y_new, k_dense, work, size, states, sensitivities):
    """Interpolate to the output times before `limit` of the step that begins at t; returns the number of the
    next output."""
    s = work[BLOCK_S * size : (BLOCK_S + 1) * size]
    s_new = work[BLOCK_NEW * size : (BLOCK_NEW + 1) * size]
    bends = work[BLOCK_DENSE * size : N_BLOCKS * size]
    if size:
        call_sparse(scalars[layout.F_DENSE_SUMS], work, s, s, size)
    while it < times.shape[0] and times[it] < limit:
        r = (times[it] - t) / h
        w = 1.0 - r
        interpolate(r, y, y_new, k_dense, states[it])
        for e in range(size):
            bend = bends[e] + r * (bends[size + e] + r * bends[2 * size + e])
            sensitivities[it, e] = w * s[e] + r * (s_new[e] + w * bend)
        it += 1
    return it


@kernel(inner=True)
def sensitivity_weight(scaled_sensitivity, state, rtol, atol):
    """What an error of q·∂x/∂q is divided by; all arguments are magnitudes."""
    share = max(scaled_sensitivity, _RELEVANT_SENSITIVITY * state)
    return _SENSITIVITY_TOLERANCE * (atol + rtol * share)


@kernel(inner=True)
def sensitivity_stages(
    ints, scalars, z, t, h, first_input, first_stage, pieces, knot_time, knot_coefficient,
    n_j, n_m, p_from, p_to, n_from, n_to, lu, is_dense, dense, pivots,
    y, u, stage_state, work, width, n_columns, stage_out, tangent_out,
    y_new, magnitude, rtol, atol, state_scale,
):  # fmt: skip
    """The stages V_i of the step just taken, S at its end (s_new), and the largest error norm of a column.

    work : (N_BLOCKS·n·width,) the blocks S, S at the end, V_1 … V_8, dense output.
    """
    n = y.shape[0]
    size = n * width
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
        for i in range(n):
            z[Z_STATES + i] = stage_state[stage, i]
        if n_inputs:
            set_inputs(z, first_input, pieces, knot_time, knot_coefficient, z[Z_TIME])
        call(scalars[layout.F_STAGE], stage_out, z)
        z[Z_TIME] = t
        z[Z_HD] = h * _D[stage]
        for i in range(n):
            z[Z_STATES + i] = y[i]
            z[first_stage + i] = u[stage, i]
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
            by_pattern(ints, scalars, layout.F_JACOBIAN_PRODUCT, row_stage, stage_out, s_new, width)
            by_pattern(ints, scalars, layout.F_SECOND_PRODUCT, row_stage, tangent_out, s, width)
        if is_dense:
            invoke(scalars[layout.F_DENSE_SOLVE], (dense, pivots, np.int64(n), row_stage, np.int64(width)))
        elif generated:
            call_sparse(scalars[layout.F_SOLVE_COLUMNS], row_stage, lu, lu, width)
        else:
            by_pattern(ints, scalars, layout.F_SOLVE_COLUMNS, row_stage, lu, lu, width)
    last = work[(BLOCK_V + 7) * size : (BLOCK_V + 8) * size]
    for e in range(size):
        s_new[e] += last[e]
    largest = 0.0
    for c in range(n_columns):
        total = 0.0
        for i in range(n):
            e = i * width + c
            weight = sensitivity_weight(
                magnitude[c] * max(abs(s[e]), abs(s_new[e])),
                max(abs(y[i]), abs(y_new[i])),
                rtol,
                atol * state_scale[i],
            )
            total += (magnitude[c] * last[e] / weight) ** 2
        if not total <= largest:
            largest = total  # also when it is NaN
    return math.sqrt(largest / n)

"""The objective of a packed problem: predictions, negative log-likelihood, gradient and Fisher information.

One call without the GIL solves every simulation, reads the observables with their noise, and sums up. A
failure makes the objective ``+inf`` and gives its reason; it never looks like a fit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, types  # pyright: ignore

from idfit.numerics import plan as layout
from idfit.numerics.arguments import Z_SEGMENT, Z_STATES, Z_TIME, find_pieces, input_size, set_inputs
from idfit.numerics.blocks import copy, padded
from idfit.numerics.calls import call, invoke
from idfit.numerics.compilation import entry, kernel
from idfit.numerics.integrator import INFO_SIZE, INFO_STATUS, INFO_STEPS, INFO_TIME, integrate
from idfit.numerics.likelihood import measurement_term
from idfit.numerics.plan import integers, reals, size_of
from idfit.numerics.priors import prior_term
from idfit.numerics.scales import natural, scaled, transformed
from idfit.results import Status

_OK = int(Status.OK)
_LOG_NONPOSITIVE = int(Status.LOG_NONPOSITIVE)
_NOISE_NONPOSITIVE = int(Status.NOISE_NONPOSITIVE)
_OBSERVABLE_NOT_FINITE = int(Status.OBSERVABLE_NOT_FINITE)
_BAD_GRADIENT = int(Status.BAD_GRADIENT)
_OUT_OF_BOUNDS = int(Status.OUT_OF_BOUNDS)

# positions in the report of an evaluation
REPORT_STATUS, REPORT_SIMULATION, REPORT_TIME, REPORT_STEPS, REPORT_SIZE = range(5)
# positions in the sums
SUM_OBJECTIVE, SUM_NLLH, SUM_NLPRIOR, SUM_CHI2, SUM_STATUS, SUM_SIZE = range(6)


@kernel
def outer_values(ints, floats, theta, q, slope, formula_jacobian):
    """Natural values q of everything that formal parameters stand for.

    theta : (theta,) estimation scale; q : (outer,); slope : (theta,) receives dp/dtheta; formula_jacobian :
    (entries of OUTER_COL,) receives d(formula)/dtheta.
    """
    scalars = integers(ints, layout.SCALARS)
    outer_theta, scale = integers(ints, layout.OUTER_THETA), integers(ints, layout.THETA_SCALE)
    constant = reals(ints, floats, layout.OUTER_CONSTANT)
    n_theta = theta.shape[0]
    p = np.empty(n_theta)
    for k in range(n_theta):
        p[k], slope[k], _ = natural(scale[k], theta[k])
    outer_ptr, outer_col = integers(ints, layout.OUTER_PTR), integers(ints, layout.OUTER_COL)
    n_formulas = outer_ptr.shape[0] - 1
    values = np.empty(n_formulas)
    if n_formulas:
        call(scalars[layout.F_OUTER], values, p)
        call(scalars[layout.F_OUTER_JACOBIAN], formula_jacobian, p)
        for e in range(outer_col.shape[0]):
            formula_jacobian[e] *= slope[outer_col[e]]
    for o in range(q.shape[0]):
        k = outer_theta[o]
        q[o] = p[k] if k >= 0 else (constant[o] if k == -1 else values[-2 - k])


@kernel(inner=True)
def _add_chain(row, o, amount, outer_theta, outer_ptr, outer_col, slope, formula_jacobian):
    """row += amount · dq_o/dtheta"""
    k = outer_theta[o]
    if k >= 0:
        row[k] += amount * slope[k]
    elif k < -1:
        for e in range(outer_ptr[-2 - k], outer_ptr[-1 - k]):
            row[outer_col[e]] += amount * formula_jacobian[e]


@kernel(inner=True)
def transfer_columns(own, s, columns, target, n):
    """Copy sensitivities (n·padded width,) by the columns `own` to rows with the columns `columns`, which
    contain them; the others stay."""
    own_width, width = padded(own.shape[0]), padded(columns.shape[0])
    for a in range(own.shape[0]):
        for b in range(columns.shape[0]):
            if columns[b] == own[a]:
                for i in range(n):
                    target[i * width + b] = s[i * own_width + a]


@kernel
def predict(ints, floats, theta, order, rtol, atol, max_steps, stop, y, m, sigma, dm, dsigma, report):
    """Predictions of all measurements, in the order of the data.

    theta : (theta,); y, m, sigma : (rows,) the observable, its transform, the noise; dm, dsigma : (rows,
    theta) their derivatives (filled for order 1); report : (REPORT_SIZE,). Returns the status.
    """
    invoke(
        integers(ints, layout.SCALARS)[layout.F_PREDICT],
        (
            ints, floats, np.int64(floats.shape[0]), theta, np.int64(order), rtol, atol, np.int64(max_steps),
            stop, y, m, sigma, dm, dsigma, report,
        ),
    )  # fmt: skip
    return int(report[REPORT_STATUS])


_INTEGERS, _REALS = types.CPointer(types.int64), types.CPointer(types.float64)


@entry(types.void(
    _INTEGERS, _REALS, types.int64, _REALS, types.int64, types.float64, types.float64, types.int64,
    _INTEGERS, _REALS, _REALS, _REALS, _REALS, _REALS, _REALS,
))  # fmt: skip
def run_predict(
    ints_at, floats_at, n_floats, theta_at, order, rtol, atol, max_steps,
    stop_at, y_at, m_at, sigma_at, dm_at, dsigma_at, report_at,
):  # fmt: skip
    """`predict`, by its address."""
    ints, floats = carray(ints_at, (size_of(ints_at),)), carray(floats_at, (n_floats,))
    scalars = integers(ints, layout.SCALARS)
    n_rows, n_theta = scalars[layout.N_ROWS], scalars[layout.N_THETA]
    theta, stop, report = (
        carray(theta_at, (n_theta,)),
        carray(stop_at, (1,)),
        carray(report_at, (REPORT_SIZE,)),
    )
    y, m, sigma = carray(y_at, (n_rows,)), carray(m_at, (n_rows,)), carray(sigma_at, (n_rows,))
    dm, dsigma = carray(dm_at, (n_rows, n_theta)), carray(dsigma_at, (n_rows, n_theta))
    n, n_formal, n_inputs = scalars[layout.N_STATES], scalars[layout.N_FORMAL], scalars[layout.N_INPUTS]
    first_input = Z_STATES + n + n_formal
    outer_theta = integers(ints, layout.OUTER_THETA)
    outer_ptr, outer_col = integers(ints, layout.OUTER_PTR), integers(ints, layout.OUTER_COL)
    formal = integers(ints, layout.MAPS)
    column_ptr, column = integers(ints, layout.SIM_COLUMN_PTR), integers(ints, layout.SIM_COLUMN)
    time_ptr, row_ptr = integers(ints, layout.TIME_PTR), integers(ints, layout.ROW_PTR)
    times = reals(ints, floats, layout.TIME)
    row_readout, row_map = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_MAP)
    row_index = integers(ints, layout.ROW_INDEX)
    row_sd = reals(ints, floats, layout.ROW_SD)
    value_of, derivative_of = integers(ints, layout.READOUT_VALUE), integers(ints, layout.READOUT_DERIVATIVE)
    transform = integers(ints, layout.READOUT_TRANSFORM)
    readout_ptr, readout_col = integers(ints, layout.READOUT_PTR), integers(ints, layout.READOUT_COL)
    knot_ptr, knot_time = integers(ints, layout.KNOT_PTR), reals(ints, floats, layout.KNOT_TIME)
    knot_coefficient = reals(ints, floats, layout.KNOT_COEFFICIENT)

    report[:] = 0.0
    q = np.empty(scalars[layout.N_OUTER])
    slope = np.empty(theta.shape[0])
    formula_jacobian = np.empty(outer_col.shape[0])
    outer_values(ints, floats, theta, q, slope, formula_jacobian)
    z = np.zeros(input_size(ints))
    pieces = np.zeros(n_inputs, np.int64)
    longest = 2
    for r in range(value_of.shape[0]):
        longest = max(longest, 2 + readout_ptr[4 * r + 4] - readout_ptr[4 * r])
    out = np.empty(longest)
    info = np.empty(INFO_SIZE)
    if order > 0:
        dm[:] = 0.0
        dsigma[:] = 0.0
    n_switches = scalars[layout.N_SWITCHES] + scalars[layout.N_EVENTS]
    is_start, begins_from = integers(ints, layout.SIM_STEADY), integers(ints, layout.SIM_START)
    n_simulations, has_starts = scalars[layout.N_SIMULATIONS], False
    for simulation in range(n_simulations):
        has_starts = has_starts or is_start[simulation] != 0
    kept_rows = n_simulations if has_starts else 0
    widest = 0
    for simulation in range(kept_rows):
        widest = max(widest, padded(column_ptr[simulation + 1] - column_ptr[simulation]) if order > 0 else 0)
    kept_y, kept_s = np.empty((kept_rows, n)), np.empty((kept_rows, n * widest))
    kept_memory = np.empty((kept_rows, n_switches))
    memory = np.empty(n_switches)
    for simulation in range(n_simulations):
        first_time, last_time = time_ptr[simulation], time_ptr[simulation + 1]
        columns = column[column_ptr[simulation] : column_ptr[simulation + 1]]
        n_columns = columns.shape[0] if order > 0 else 0
        states = np.empty((last_time - first_time, n))
        width = padded(n_columns)
        sensitivities = np.empty((last_time - first_time, n * width))
        start_y, start_s = np.zeros(n), np.zeros(n * width)
        if begins_from[simulation] >= 0:
            k = begins_from[simulation]
            copy(start_y, kept_y[k])
            copy(memory, kept_memory[k])
            if n_columns:
                own = column[column_ptr[k] : column_ptr[k + 1]]
                transfer_columns(own, kept_s[k], columns, start_s, n)
        integrate(
            ints, floats, simulation, q, order > 0, rtol, atol, max_steps, stop,
            start_y, start_s, memory, states, sensitivities, info,
        )  # fmt: skip
        report[REPORT_STEPS] += info[INFO_STEPS]
        if info[INFO_STATUS] != _OK:
            report[REPORT_STATUS], report[REPORT_SIMULATION] = info[INFO_STATUS], simulation
            report[REPORT_TIME] = info[INFO_TIME]
            return
        if is_start[simulation]:
            copy(kept_y[simulation], states[0])
            copy(kept_memory[simulation], memory)
            copy(kept_s[simulation], sensitivities[0])
            continue
        map_in_z = -1
        for time_index in range(first_time, last_time):
            t = times[time_index]
            z[Z_TIME] = t
            z[Z_SEGMENT] = t
            copy(z[Z_STATES:], states[time_index - first_time])
            s = sensitivities[time_index - first_time]
            if n_inputs:
                find_pieces(pieces, knot_ptr, simulation, knot_time, t)
                set_inputs(z, first_input, pieces, knot_time, knot_coefficient, t)
            for row in range(row_ptr[time_index], row_ptr[time_index + 1]):
                if row_map[row] != map_in_z:
                    map_in_z = row_map[row]
                    for j in range(n_formal):
                        z[Z_STATES + n + j] = q[formal[map_in_z * n_formal + j]]
                r, index = row_readout[row], row_index[row]
                call(derivative_of[r] if order > 0 else value_of[r], out, z)
                y[index] = out[0]
                given = not math.isnan(row_sd[index])
                sigma[index] = row_sd[index] if given else out[1]
                status = _OK
                if not math.isfinite(out[0]):
                    status = _OBSERVABLE_NOT_FINITE
                elif transform[r] != 0 and out[0] <= 0.0:
                    status = _LOG_NONPOSITIVE
                elif not (sigma[index] > 0.0 and math.isfinite(sigma[index])):
                    status = _NOISE_NONPOSITIVE
                if status != _OK:
                    report[REPORT_STATUS], report[REPORT_SIMULATION] = status, simulation
                    report[REPORT_TIME] = t
                    return
                m[index], dt = transformed(transform[r], out[0])
                if order == 0:
                    continue
                start = readout_ptr[4 * r]
                for block in range(0, 2 if given else 4, 2):
                    target = dm[index] if block == 0 else dsigma[index]
                    factor = dt if block == 0 else 1.0
                    for e in range(readout_ptr[4 * r + block], readout_ptr[4 * r + block + 1]):
                        partial = factor * out[2 + e - start]
                        i = readout_col[e]
                        for c in range(n_columns):
                            # a pole of the observable does not matter to what stands still
                            if s[i * width + c] != 0.0:
                                _add_chain(
                                    target, columns[c], partial * s[i * width + c],
                                    outer_theta, outer_ptr, outer_col, slope, formula_jacobian,
                                )  # fmt: skip
                    for e in range(readout_ptr[4 * r + block + 1], readout_ptr[4 * r + block + 2]):
                        _add_chain(
                            target, formal[map_in_z * n_formal + readout_col[e]], factor * out[2 + e - start],
                            outer_theta, outer_ptr, outer_col, slope, formula_jacobian,
                        )  # fmt: skip


@kernel
def set_best_noise(ints, floats, theta, m, sigma, dsigma):
    """Move each noise parameter that is itself a sigma to its best value for these predictions, within its
    bounds.

    The maximum likelihood value is known in closed form: the root mean square residual (normal) or the mean
    absolute residual (Laplace) of its rows. Changes theta, sigma and dsigma in place.
    """
    noise_theta, row_ptr = integers(ints, layout.NOISE_THETA), integers(ints, layout.NOISE_ROW_PTR)
    rows, scale = integers(ints, layout.NOISE_ROW), integers(ints, layout.THETA_SCALE)
    value = reals(ints, floats, layout.ROW_VALUE)
    lower, upper = reals(ints, floats, layout.LOWER), reals(ints, floats, layout.UPPER)
    distribution = integers(ints, layout.READOUT_DISTRIBUTION)
    row_readout, row_index = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_INDEX)
    for j in range(noise_theta.shape[0]):
        k = noise_theta[j]
        total, count = 0.0, row_ptr[j + 1] - row_ptr[j]
        laplace = False
        for e in range(row_ptr[j], row_ptr[j + 1]):
            index = row_index[rows[e]]
            laplace = distribution[row_readout[rows[e]]] == 1
            total += abs(m[index] - value[index]) if laplace else (m[index] - value[index]) ** 2
        best = total / count if laplace else math.sqrt(total / count)
        target = scaled(scale[k], best) if best > 0.0 else lower[k]
        theta[k] = min(max(target, lower[k]), upper[k])
        p, slope, _ = natural(scale[k], theta[k])
        for e in range(row_ptr[j], row_ptr[j + 1]):
            index = row_index[rows[e]]
            sigma[index] = p
            if dsigma.shape[0]:
                dsigma[index, k] = slope


@kernel
def score(
    ints, floats, theta, order, m, sigma, dm, dsigma, sums, residual, gradient, prior_gradient, fim, prior_fim
):
    """Sum the likelihood and the priors up from the predictions of `predict`.

    sums : (SUM_SIZE,); residual : (rows,); gradient, prior_gradient : (theta,) of nllh and nlprior; fim,
    prior_fim : (theta, theta): Σ (∇m∇mᵀ I_mm + …) and the diagonal of the priors' curvature. Returns the
    status.
    """
    invoke(
        integers(ints, layout.SCALARS)[layout.F_SCORE],
        (
            ints, floats, np.int64(floats.shape[0]), theta, np.int64(order), m, sigma, dm, dsigma, sums,
            residual, gradient, prior_gradient, fim, prior_fim,
        ),
    )  # fmt: skip
    return int(sums[SUM_STATUS])


@entry(types.void(
    _INTEGERS, _REALS, types.int64, _REALS, types.int64, _REALS, _REALS, _REALS, _REALS, _REALS,
    _REALS, _REALS, _REALS, _REALS, _REALS,
))  # fmt: skip
def run_score(
    ints_at, floats_at, n_floats, theta_at, order, m_at, sigma_at, dm_at, dsigma_at, sums_at,
    residual_at, gradient_at, prior_gradient_at, fim_at, prior_fim_at,
):  # fmt: skip
    """`score`, by its address."""
    ints, floats = carray(ints_at, (size_of(ints_at),)), carray(floats_at, (n_floats,))
    scalars = integers(ints, layout.SCALARS)
    n_rows, n_theta = scalars[layout.N_ROWS], scalars[layout.N_THETA]
    theta, sums = carray(theta_at, (n_theta,)), carray(sums_at, (SUM_SIZE,))
    m, sigma, residual = carray(m_at, (n_rows,)), carray(sigma_at, (n_rows,)), carray(residual_at, (n_rows,))
    dm, dsigma = carray(dm_at, (n_rows, n_theta)), carray(dsigma_at, (n_rows, n_theta))
    gradient, prior_gradient = carray(gradient_at, (n_theta,)), carray(prior_gradient_at, (n_theta,))
    fim, prior_fim = carray(fim_at, (n_theta, n_theta)), carray(prior_fim_at, (n_theta, n_theta))
    row_readout, row_index = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_INDEX)
    censored = integers(ints, layout.ROW_CENSORED)
    distribution = integers(ints, layout.READOUT_DISTRIBUTION)
    dof = reals(ints, floats, layout.READOUT_DOF)
    value, constant = reals(ints, floats, layout.ROW_VALUE), reals(ints, floats, layout.ROW_CONSTANT)
    sums[:] = 0.0
    nllh, chi2 = 0.0, 0.0
    if order > 0:
        gradient[:] = 0.0
        fim[:] = 0.0
        prior_gradient[:] = 0.0
        prior_fim[:] = 0.0
    for row in range(n_rows):
        index, r = row_index[row], row_readout[row]
        term, d_m, d_s, i_mm, i_ms, i_ss, res = measurement_term(
            distribution[r], dof[r], censored[row], m[index], value[index], sigma[index]
        )
        nllh += term + constant[index]
        residual[index] = res
        if censored[row] == 0:
            chi2 += res * res
        if order > 0:
            a, b = dm[index], dsigma[index]
            for k in range(n_theta):
                if a[k] == 0.0 and b[k] == 0.0:
                    continue
                gradient[k] += d_m * a[k] + d_s * b[k]
                left = i_mm * a[k] + i_ms * b[k]
                right = i_ms * a[k] + i_ss * b[k]
                for j in range(k + 1):
                    fim[k, j] += left * a[j] + right * b[j]
    sums[SUM_NLLH], sums[SUM_CHI2] = nllh, chi2
    if order > 0:
        for k in range(n_theta):
            for j in range(k):
                fim[j, k] = fim[k, j]
            if not math.isfinite(gradient[k]) or not math.isfinite(fim[k, k]):
                sums[SUM_STATUS] = _BAD_GRADIENT
                return
    scale = integers(ints, layout.THETA_SCALE)
    prior_theta, prior_kind = integers(ints, layout.PRIOR_THETA), integers(ints, layout.PRIOR_KIND)
    on_estimation = integers(ints, layout.PRIOR_ON_ESTIMATION_SCALE)
    prior_a, prior_b = reals(ints, floats, layout.PRIOR_A), reals(ints, floats, layout.PRIOR_B)
    prior_constant = reals(ints, floats, layout.PRIOR_CONSTANT)
    nlprior = 0.0
    for i in range(prior_theta.shape[0]):
        k = prior_theta[i]
        v, first, second = natural(scale[k], theta[k])
        if on_estimation[i]:
            v, first, second = theta[k], 1.0, 0.0
        term, slope, curvature = prior_term(prior_kind[i], prior_a[i], prior_b[i], v)
        nlprior += term + prior_constant[i]
        if order > 0:
            prior_gradient[k] += slope * first
            prior_fim[k, k] += max(curvature * first * first + slope * second, 0.0)
    sums[SUM_NLPRIOR] = nlprior
    sums[SUM_OBJECTIVE] = nllh + nlprior
    if math.isnan(sums[SUM_OBJECTIVE]):
        sums[SUM_STATUS] = _OBSERVABLE_NOT_FINITE
    elif not math.isfinite(nlprior):
        sums[SUM_STATUS] = _OUT_OF_BOUNDS

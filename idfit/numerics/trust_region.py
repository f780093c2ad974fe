"""A bounded trust region on the objective with the full Fisher matrix, as one kernel.

Minimises f(theta) = nllh + nlprior over a box. The quadratic model has the exact gradient g and B = Fisher
information of the data plus the priors' curvature. In the variables s/scale the step solves

    min  gᵀs + ½ sᵀBs   subject to  ‖s/scale‖ ≤ Δ,   lower ≤ theta + s ≤ upper

by eigendecomposition and the secular equation (Moré & Sorensen 1983) in the free variables; a step that
meets a bound stops there, fixes that variable and goes on with the others for what is left of the radius. A
variable on its bound is free again as soon as the gradient points inward. Since the objective is a
log-likelihood, gᵀB⁻¹g/2, the decrease that is still expected, has a natural size: convergence is judged by
it.

The Fisher matrix leaves out the curvature Σ (∂nllh/∂m) ∇²m of the residuals, without which steps zigzag
where residuals are large. A symmetric rank-one matrix learns the missing part from the change of the
Jacobian between accepted points (structured quasi-Newton, as in NL2SOL: Dennis, Gay & Welsch 1981,
doi:10.1145/355958.355965); it is used whenever it would have predicted the last step better.

Where nothing is integrated, so that a prediction costs next to nothing, steps follow the bend of a curved
valley by geodesic acceleration (Transtrum & Sethna 2012, arXiv:1201.5885), and a fit that has converged goes
on to the limit of rounding.

Noise parameters whose best value is known in closed form are moved there after each solve
(`set_best_noise`), which needs no further integration; steps are then those of the other variables.
"""

from __future__ import annotations

import math

import numpy as np

from idfit.numerics import plan as layout
from idfit.numerics.blocks import copy
from idfit.numerics.compilation import kernel
from idfit.numerics.likelihood import measurement_term
from idfit.numerics.objective import (
    REPORT_SIZE,
    REPORT_STEPS,
    SUM_CHI2,
    SUM_NLLH,
    SUM_NLPRIOR,
    SUM_OBJECTIVE,
    SUM_SIZE,
    predict,
    score,
    set_best_noise,
)
from idfit.numerics.plan import integers, reals
from idfit.results import Status

# positions in the options and in the outcome of a minimisation
(
    OPTION_RTOL,
    OPTION_COARSE_RTOL,  # until the expected decrease is small; OPTION_RTOL from then on
    OPTION_ATOL,
    OPTION_STEPS,
    OPTION_ITERATIONS,
    OPTION_DECREASE,
    OPTION_RADIUS,
    OPTION_KNOWN_CURVATURE,  # nonzero: the curvature that is passed in is good from the first step on
    OPTION_SIZE,
) = range(9)
(
    OUTCOME_STATUS,
    OUTCOME_OBJECTIVE,
    OUTCOME_NLLH,
    OUTCOME_NLPRIOR,
    OUTCOME_CHI2,
    OUTCOME_GRADIENT,
    OUTCOME_EVALUATIONS,
    OUTCOME_ITERATIONS,
    OUTCOME_STEPS,
    OUTCOME_SIZE,
) = range(10)

_OK = int(Status.OK)
_CONVERGED = int(Status.CONVERGED)
_STALLED = int(Status.STALLED)
_MAX_ITERATIONS = int(Status.MAX_ITERATIONS)
_INTERRUPTED = int(Status.INTERRUPTED)

_ACCEPT = 1e-4
_SMALLEST_RADIUS = 1e-13
# progress over this many iterations has to be worth more than this many times the tolerance
_WINDOW, _WORTH = 10, 1e3
# a start that cannot go on and expects a decrease of the log-likelihood that no data could tell has arrived
_ARRIVED = 1e-3
# a variable on a linear scale moves by at most so many times its own size in one step
_LINEAR_LIMIT = 2.0
# steps shorter than this, in units of the variables, say nothing about curvature
_SHORTEST_SECANT = 1e-6
# geodesic acceleration: the probe along the step, and the longest correction relative to the step
_PROBE, _LONGEST_BEND = 0.1, 0.375
# polishing goes on as long as the expected decrease falls at least by this factor
_POLISH = 0.9
_ROUNDING = 2.0**-51
# far from an optimum a coarse integration serves; below this expected decrease the exact one takes over
_COARSE_DECREASE = 1e-3
_SMALLEST_EIGENVALUE = 1e-15  # relative to the largest


@kernel
def step_in_ball(g, b, radius):
    """The s with ‖s‖ ≤ radius that minimises gᵀs + ½ sᵀbs, for any symmetric b (Moré & Sorensen 1983)."""
    n = g.shape[0]
    values, vectors = np.linalg.eigh(b)
    c = vectors.T @ g
    tiny = _SMALLEST_EIGENVALUE * max(abs(values[0]), abs(values[n - 1]), 1e-300)
    shift = max(0.0, tiny - values[0])
    length2, slope = _shifted_length(values, c, shift)
    length = math.sqrt(length2)
    if length > radius:
        # Newton on 1/‖s‖ - 1/radius is nearly linear in the shift; started at its left end it rises
        # monotonically
        for _ in range(80):
            if length - radius <= 1e-6 * radius or slope == 0.0:
                break
            shift += (length2 / slope) * (length - radius) / radius
            length2, slope = _shifted_length(values, c, shift)
            length = math.sqrt(length2)
    fill = 0.0
    if values[0] < -tiny and length < radius:
        # the gradient has no part along the most negative curvature: go there as far as the ball allows
        fill = math.sqrt(radius * radius - length2)
    for i in range(n):
        c[i] = -c[i] / (values[i] + shift)
    c[0] += fill if c[0] >= 0.0 else -fill
    return vectors @ c


@kernel(inner=True)
def _shifted_length(values, c, shift):
    """‖s‖² of s = -(B + shift)⁻¹g in the eigenbasis, and Σ s_i²/(λ_i + shift)."""
    length2, slope = 0.0, 0.0
    for i in range(c.shape[0]):
        w = c[i] / (values[i] + shift)
        length2 += w * w
        slope += w * w / (values[i] + shift)
    return length2, slope


@kernel
def update_curvature(a, s, change):
    """Symmetric rank-one update of the matrix a, so that a·s = change; sized first (Dennis, Gay & Welsch
    1981).

    a : (theta, theta) stands for the part of the Hessian that the Fisher matrix leaves out; change :
    (theta,) the change of the gradient along s that the Fisher matrix does not explain.
    """
    n = s.shape[0]
    product = a @ s
    along, wanted = 0.0, 0.0
    for k in range(n):
        along += s[k] * product[k]
        wanted += s[k] * change[k]
    if abs(along) > abs(wanted):
        # what was learnt far away must not outlive a curvature that has become smaller
        size = abs(wanted) / abs(along)
        for k in range(n):
            product[k] *= size
            for j in range(n):
                a[k, j] *= size
    denominator, left, right = 0.0, 0.0, 0.0
    for k in range(n):
        product[k] = change[k] - product[k]
        denominator += product[k] * s[k]
        left += product[k] * product[k]
        right += s[k] * s[k]
    if abs(denominator) > 1e-8 * math.sqrt(left * right):
        for k in range(n):
            for j in range(n):
                a[k, j] += product[k] * product[j] / denominator


@kernel(inner=True)
def read_pulls(ints, floats, m, sigma, pull_m, pull_sigma, weight):
    """d nllh/dm, d nllh/dsigma and the Fisher information of m, each (row,) in the order of the data."""
    row_readout, row_index = integers(ints, layout.ROW_READOUT), integers(ints, layout.ROW_INDEX)
    censored, distribution = integers(ints, layout.ROW_CENSORED), integers(ints, layout.READOUT_DISTRIBUTION)
    dof, value = reals(ints, floats, layout.READOUT_DOF), reals(ints, floats, layout.ROW_VALUE)
    for row in range(row_index.shape[0]):
        i, r = row_index[row], row_readout[row]
        _, pull_m[i], pull_sigma[i], weight[i], _, _, _ = measurement_term(
            distribution[r], dof[r], censored[row], m[i], value[i], sigma[i]
        )


@kernel(inner=True)
def unexplained_change(pull_m, pull_sigma, dm, old_dm, dsigma, old_dsigma, free, change):
    """Into change (theta,): Σ pull (∇m - ∇m_old), what the Fisher matrix does not explain of the gradient's
    change.

    The pulls are those of the new point. Unlike the change of the whole gradient this is not upset by a
    sigma that has moved with the residuals.
    """
    change[:] = 0.0
    for i in range(pull_m.shape[0]):
        for k in range(free.shape[0]):
            if free[k]:
                change[k] += pull_m[i] * (dm[i, k] - old_dm[i, k])
                change[k] += pull_sigma[i] * (dsigma[i, k] - old_dsigma[i, k])


@kernel(inner=True)
def pull_of_the_bend(m, probe_m, dm, weight, s):
    """½ Σ weight ∇m m'', (theta,); m'' is the second derivative of m along s, from m at theta + _PROBE s."""
    g = np.zeros(s.shape[0])
    for i in range(m.shape[0]):
        along = 0.0
        for k in range(s.shape[0]):
            along += dm[i, k] * s[k]
        half_second = ((probe_m[i] - m[i]) / _PROBE - along) / _PROBE
        for k in range(s.shape[0]):
            g[k] += weight[i] * dm[i, k] * half_second
    return g


@kernel
def bounded_step(theta, g, b, scale, lower, upper, free, radius, s):
    """The step of the trust region within the bounds; s : (theta,) receives it. Returns the expected
    decrease."""
    n = theta.shape[0]
    active = np.zeros(n, np.bool_)
    for k in range(n):
        outward = (theta[k] <= lower[k] and g[k] >= 0.0) or (theta[k] >= upper[k] and g[k] <= 0.0)
        active[k] = not free[k] or outward
    variables = np.empty(n, np.int64)
    s[:] = 0.0
    left = radius
    slope = g.copy()
    for _ in range(n):
        m = 0
        for k in range(n):
            if not active[k]:
                variables[m] = k
                m += 1
        if m == 0 or left <= 0.0:
            break
        g_free, b_free = np.empty(m), np.empty((m, m))
        for i in range(m):
            k = variables[i]
            g_free[i] = slope[k] * scale[k]
            for j in range(m):
                b_free[i, j] = b[k, variables[j]] * scale[k] * scale[variables[j]]
        d = step_in_ball(g_free, b_free, left)
        fraction, hit = 1.0, -1
        for i in range(m):
            k = variables[i]
            change = d[i] * scale[k]
            room = (upper[k] if change > 0.0 else lower[k]) - (theta[k] + s[k])
            if change != 0.0 and change / room >= 1.0 and room / change < fraction:
                fraction, hit = max(room / change, 0.0), k
            elif change != 0.0 and room == 0.0:
                fraction, hit = 0.0, k
        for i in range(m):
            s[variables[i]] += fraction * d[i] * scale[variables[i]]
        if hit < 0:
            break
        s[hit] = (upper[hit] if s[hit] > 0.0 or theta[hit] >= upper[hit] else lower[hit]) - theta[hit]
        active[hit] = True
        left *= 1.0 - fraction
        _go(slope, g, 1.0, b @ s)
    return expected_decrease(g, b, s)


@kernel
def expected_decrease(g, b, s):
    """-(gᵀs + ½ sᵀbs)"""
    decrease = 0.0
    product = b @ s
    for k in range(s.shape[0]):
        decrease -= s[k] * (g[k] + 0.5 * product[k])
    return decrease


@kernel(inner=True)
def surprise(change, b, s, scale, free):
    """‖scale·(change - bs)‖ of the free variables: how far b was out about the change of the gradient."""
    total = 0.0
    product = b @ s
    for k in range(s.shape[0]):
        if free[k]:
            total += (scale[k] * (change[k] - product[k])) ** 2
    return math.sqrt(total)


@kernel(inner=True)
def scaled_length(s, scale):
    """‖s/scale‖"""
    total = 0.0
    for k in range(s.shape[0]):
        total += (s[k] / scale[k]) ** 2
    return math.sqrt(total)


# Sums of arrays as loops: expressions of arrays take several times as long to compile


@kernel(inner=True)
def _go(target, start, factor, step):
    """target = start + factor·step, vectors"""
    for k in range(target.shape[0]):
        target[k] = start[k] + factor * step[k]


@kernel(inner=True)
def _add(target, a, b):
    """target = a + b, matrices"""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            target[i, j] = a[i, j] + b[i, j]


@kernel(inner=True)
def _copy_rows(target, source):
    """target = source, matrices"""
    for i in range(source.shape[0]):
        copy(target[i], source[i])


@kernel(inner=True)
def _clip(theta, lower, upper):
    for k in range(theta.shape[0]):
        theta[k] = min(max(theta[k], lower[k]), upper[k])


@kernel(inner=True)
def _variable_scale(scale_code, theta, start, b, radius, scale):
    """What counts as one unit of each variable: a factor e on logarithmic scales, else its own size or
    error."""
    for k in range(theta.shape[0]):
        if scale_code[k] == 0:
            size = max(abs(theta[k]), abs(start[k]))
            if size == 0.0:
                size = 1.0 / math.sqrt(b[k, k]) if b[k, k] > 0.0 else 1.0
            scale[k] = size * min(1.0, _LINEAR_LIMIT / radius)
        else:
            scale[k] = 1.0 if scale_code[k] != 2 else 1.0 / math.log(10.0)


@kernel
def minimise(ints, floats, theta, free, options, stop, outcome, gradient, fim, residual, trace, curvature):
    """Minimise the objective from theta, which is replaced by the best point found.

    theta : (theta,) estimation scale, within the bounds; free : (theta,) bool, False for what stays fixed;
    options : (OPTION_SIZE,); outcome : (OUTCOME_SIZE,); gradient, fim, residual : of the best point (priors
    included in the first two); trace : (iterations + 1,) the objective after each iteration, NaN beyond the
    last; curvature : (theta, theta) the part of the Hessian that the Fisher matrix leaves out, as far as it
    is known (zeros at first), replaced by what has been learnt.
    """
    lower, upper = reals(ints, floats, layout.LOWER), reals(ints, floats, layout.UPPER)
    scale_code, noise_theta = integers(ints, layout.THETA_SCALE), integers(ints, layout.NOISE_THETA)
    integrates = integers(ints, layout.SCALARS)[layout.N_STATES] > 0
    n_rows, n = residual.shape[0], theta.shape[0]
    rtol = max(options[OPTION_RTOL], options[OPTION_COARSE_RTOL]) if integrates else options[OPTION_RTOL]
    atol, max_steps = options[OPTION_ATOL], int(options[OPTION_STEPS])
    tolerance, iterations = options[OPTION_DECREASE], int(options[OPTION_ITERATIONS])
    y, m, sigma, new_residual = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    dm, dsigma = np.empty((n_rows, n)), np.empty((n_rows, n))
    report, sums = np.empty(REPORT_SIZE), np.empty(SUM_SIZE)
    new_gradient, prior_gradient, change = np.empty(n), np.empty(n), np.empty(n)
    new_fim, prior_fim, model = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    # of the best point
    best_m, best_dm, best_dsigma = np.empty(n_rows), np.empty((n_rows, n)), np.empty((n_rows, n))
    pull_m, pull_sigma, weight = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    start, trial, s, bend, scale = theta.copy(), theta.copy(), np.zeros(n), np.zeros(n), np.ones(n)
    use_curvature, polishing, anew = options[OPTION_KNOWN_CURVATURE] != 0.0, False, True
    # a curvature that was passed in may be that of another place: it judges convergence once a step has
    # shown that it is good
    tested = not use_curvature
    f, decrease, full, radius = math.inf, math.inf, math.inf, options[OPTION_RADIUS]
    n_small, since, noise = 0, 0, 0.0
    # noise parameters that are moved to their best values take no steps; if one has to stay, none is moved
    eliminate = True
    for j in range(noise_theta.shape[0]):
        eliminate = eliminate and free[noise_theta[j]]
    movable = free.copy()
    if eliminate:
        for j in range(noise_theta.shape[0]):
            movable[noise_theta[j]] = False
    outcome[:] = 0.0
    trace[:] = np.nan
    # not literals, for each of which the functions called would be compiled once more
    zero, one = np.int64(0), np.int64(1)
    for iteration in range(iterations + 1):
        status = predict(
            ints, floats, trial, one, rtol, atol, max_steps, stop, y, m, sigma, dm, dsigma, report
        )
        if status == _OK:
            if eliminate:
                set_best_noise(ints, floats, trial, m, sigma, dsigma)
            status = score(
                ints, floats, trial, one, m, sigma, dm, dsigma, sums, new_residual,
                new_gradient, prior_gradient, new_fim, prior_fim,
            )  # fmt: skip
        outcome[OUTCOME_EVALUATIONS] += 1
        outcome[OUTCOME_STEPS] += report[REPORT_STEPS]
        if status == _INTERRUPTED:
            outcome[OUTCOME_STATUS] = _INTERRUPTED
            return
        new_f = sums[SUM_OBJECTIVE] if status == _OK else math.inf
        _go(new_gradient, new_gradient, 1.0, prior_gradient)
        _add(new_fim, new_fim, prior_fim)
        for k in range(n):
            s[k] = trial[k] - theta[k] if movable[k] else 0.0
        length = scaled_length(s, scale)
        if anew:
            # the first evaluation, or the first with the exact integration: nothing to compare it with
            if status != _OK:
                outcome[OUTCOME_STATUS] = status
                if iteration == 0:
                    outcome[OUTCOME_OBJECTIVE] = math.inf
                return
            accepted, anew, since = True, False, iteration
        elif polishing:
            left = math.inf
            if status == _OK:
                left = bounded_step(trial, new_gradient, new_fim, scale, lower, upper, movable, 1.0, bend)
            if not left < _POLISH * full:
                outcome[OUTCOME_STATUS] = _CONVERGED
                return
            accepted = True
            # the objective no longer tells which model is better, but the gradients do
            _go(change, new_gradient, -1.0, gradient)
            _add(model, fim, curvature)
            plain = surprise(change, fim, s, scale, movable)
            use_curvature = surprise(change, model, s, scale, movable) < plain
        else:
            gain = f - new_f
            ratio = gain / decrease if decrease > 0.0 else -1.0
            # below this the objective's own error decides; the model is then trusted as long as it shrinks
            noise = ((rtol * 1e-2 if integrates else 0.0) + 1e-15) * max(abs(f), 1.0)
            for i in range(n_rows):
                noise += _ROUNDING * abs(pull_m[i] * best_m[i])
            lost_in_noise = math.isfinite(new_f) and decrease < noise and abs(gain) < noise
            accepted = ratio > _ACCEPT or lost_in_noise
            if math.isfinite(new_f) and length > _SHORTEST_SECANT:
                plain = abs(gain - expected_decrease(gradient, fim, s))
                _add(model, fim, curvature)
                use_curvature = abs(gain - expected_decrease(gradient, model, s)) < plain
                tested = True
            n_small = n_small + 1 if lost_in_noise else 0
            if not tested and (lost_in_noise or length <= _SHORTEST_SECANT):
                # it allows steps only that are too short to test it: better none
                curvature[:] = 0.0
                use_curvature, tested, n_small = False, True, 0
            if not math.isfinite(new_f):
                radius = 0.25 * length
            elif not lost_in_noise:
                if ratio < 0.25:
                    radius = 0.25 * length
                elif ratio > 0.75 and length >= 0.8 * radius:
                    radius = 2.5 * radius
        if accepted:
            f = new_f
            copy(theta, trial)
            copy(gradient, new_gradient)
            _copy_rows(fim, new_fim)
            copy(residual, new_residual)
            read_pulls(ints, floats, m, sigma, pull_m, pull_sigma, weight)
            if length > _SHORTEST_SECANT:
                unexplained_change(pull_m, pull_sigma, dm, best_dm, dsigma, best_dsigma, movable, change)
                update_curvature(curvature, s, change)
            copy(best_m, m)
            _copy_rows(best_dm, dm)
            _copy_rows(best_dsigma, dsigma)
            outcome[OUTCOME_OBJECTIVE], outcome[OUTCOME_NLLH] = f, sums[SUM_NLLH]
            outcome[OUTCOME_NLPRIOR], outcome[OUTCOME_CHI2] = sums[SUM_NLPRIOR], sums[SUM_CHI2]
        _variable_scale(scale_code, theta, start, fim, radius, scale)
        trace[iteration] = f
        outcome[OUTCOME_ITERATIONS] = iteration
        largest = 0.0
        for k in range(n):
            blocked = (theta[k] <= lower[k] and gradient[k] >= 0.0) or (
                theta[k] >= upper[k] and gradient[k] <= 0.0
            )
            if free[k] and not blocked:
                largest = max(largest, abs(gradient[k] * scale[k]))
        outcome[OUTCOME_GRADIENT] = largest
        # the radius must not make a far point look like an optimum
        far = 1.0 if polishing else max(radius, 1.0)
        full = bounded_step(theta, gradient, fim, scale, lower, upper, movable, far, s)
        _copy_rows(model, fim)
        if use_curvature:
            _add(model, fim, curvature)
            if tested and not polishing:
                full = min(full, bounded_step(theta, gradient, model, scale, lower, upper, movable, far, s))
        stuck = radius <= _SMALLEST_RADIUS or (
            iteration - since >= _WINDOW and trace[iteration - _WINDOW] - f < _WORTH * tolerance
        )
        if rtol > options[OPTION_RTOL] and (full <= _COARSE_DECREASE or n_small >= 3 or stuck):
            rtol = options[OPTION_RTOL]
            anew = True
            n_small = 0
            radius = max(radius, 1e-3)
            copy(trial, theta)
            continue
        if full <= 0.0 or n_small >= 3 or (full <= tolerance and integrates):
            outcome[OUTCOME_STATUS] = _CONVERGED
            return
        if stuck and not polishing:
            outcome[OUTCOME_STATUS] = _CONVERGED if full < max(_ARRIVED, noise) else _STALLED
            return
        if full <= tolerance and not polishing:
            polishing = True
            full = bounded_step(theta, gradient, fim, scale, lower, upper, movable, 1.0, s)
        decrease = bounded_step(
            theta, gradient, model, scale, lower, upper, movable, 1.0 if polishing else radius, s
        )
        _go(trial, theta, 1.0, s)
        if not integrates and not polishing:
            _go(trial, theta, _PROBE, s)
            _clip(trial, lower, upper)
            status = predict(
                ints, floats, trial, zero, rtol, atol, max_steps, stop, y, m, sigma, dm, dsigma, report
            )
            outcome[OUTCOME_EVALUATIONS] += 1
            _go(trial, theta, 1.0, s)
            if status == _OK:
                pull = pull_of_the_bend(best_m, m, best_dm, weight, s)
                bounded_step(theta, pull, fim, scale, lower, upper, movable, radius, bend)
                if scaled_length(bend, scale) <= _LONGEST_BEND * scaled_length(s, scale):
                    _go(trial, trial, 1.0, bend)
        _clip(trial, lower, upper)
    outcome[OUTCOME_STATUS] = _MAX_ITERATIONS

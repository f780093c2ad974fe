"""A bounded trust region on the objective with the full Fisher matrix, as one kernel.

Minimises f(theta) = nllh + nlprior over a box. The quadratic model has the exact gradient g and B = Fisher
information of the data plus the priors' curvature. In the variables s/scale the step solves

    min  gᵀs + ½ sᵀBs   subject to  ‖s/scale‖ ≤ Δ,   lower ≤ theta + s ≤ upper

by eigendecomposition and the secular equation (Moré & Sorensen 1983) in the free variables; a step that
meets a bound stops there, fixes that variable and goes on with the others for what is left of the radius. A
variable on its bound is free again as soon as the gradient points inward. Since the objective is a
log-likelihood, gᵀB⁻¹g/2, the decrease that is still expected, has a natural size: convergence is judged by
it.

The Fisher matrix leaves out the curvature of the residuals. A symmetric rank-one matrix learns the missing
part from the gradients (structured quasi-Newton, as in NL2SOL: Dennis, Gay & Welsch 1981); it is used
whenever it would have predicted the last step better.

Noise parameters whose best value is known in closed form are moved there after each solve
(`set_best_noise`), which needs no further integration.
"""

from __future__ import annotations

import math

import numpy as np

from idfit.numerics import plan as layout
from idfit.numerics.compilation import kernel
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
    OPTION_SIZE,
) = range(8)
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
# a start whose last expected decrease is below this, but which the solver's own error keeps from going on,
# has arrived
_NOISE_LIMIT = 1e-5
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


@kernel
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
        a *= abs(wanted) / abs(along)
        product *= abs(wanted) / abs(along)
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


@kernel
def bounded_step(theta, g, b, scale, lower, upper, free, radius, s):
    """The step of the trust region within the bounds; s : (theta,) receives it. Returns the expected
    decrease."""
    n = theta.shape[0]
    active = np.zeros(n, np.bool_)
    for k in range(n):
        outward = (theta[k] <= lower[k] and g[k] >= 0.0) or (theta[k] >= upper[k] and g[k] <= 0.0)
        active[k] = not free[k] or outward
    s[:] = 0.0
    left = radius
    slope = g.copy()
    for _ in range(n):
        variables = np.flatnonzero(~active)
        m = variables.shape[0]
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
        slope = g + b @ s
    return expected_decrease(g, b, s)


@kernel
def expected_decrease(g, b, s):
    """-(gᵀs + ½ sᵀbs)"""
    decrease = 0.0
    product = b @ s
    for k in range(s.shape[0]):
        decrease -= s[k] * (g[k] + 0.5 * product[k])
    return decrease


@kernel
def _variable_scale(scale_code, theta, start, b, scale):
    """What counts as one unit of each variable: a factor e on logarithmic scales, else its own size or
    error."""
    for k in range(theta.shape[0]):
        if scale_code[k] == 0:
            size = max(abs(theta[k]), abs(start[k]))
            if b[k, k] > 0.0:
                size = max(size, 1.0 / math.sqrt(b[k, k])) if size == 0.0 else size
            scale[k] = size if size > 0.0 else 1.0
        else:
            scale[k] = 1.0 if scale_code[k] != 2 else 1.0 / math.log(10.0)


@kernel
def minimise(ints, floats, theta, free, options, stop, outcome, gradient, fim, residual, trace):
    """Minimise the objective from theta, which is replaced by the best point found.

    theta : (theta,) estimation scale, within the bounds; free : (theta,) bool, False for what stays fixed;
    options : (OPTION_SIZE,); outcome : (OUTCOME_SIZE,); gradient, fim, residual : of the best point (priors
    included in the first two); trace : (iterations + 1,) the objective after each iteration, NaN beyond the
    last.
    """
    lower, upper = reals(ints, floats, layout.LOWER), reals(ints, floats, layout.UPPER)
    scale_code = integers(ints, layout.THETA_SCALE)
    n_rows, n = residual.shape[0], theta.shape[0]
    rtol = max(options[OPTION_RTOL], options[OPTION_COARSE_RTOL])
    atol, max_steps = options[OPTION_ATOL], int(options[OPTION_STEPS])
    y, m, sigma = np.empty(n_rows), np.empty(n_rows), np.empty(n_rows)
    dm, dsigma = np.empty((n_rows, n)), np.empty((n_rows, n))
    report, sums = np.empty(REPORT_SIZE), np.empty(SUM_SIZE)
    new_gradient, prior_gradient = np.empty(n), np.empty(n)
    new_fim, prior_fim = np.empty((n, n)), np.empty((n, n))
    new_residual = np.empty(n_rows)
    start, trial, s, scale = theta.copy(), theta.copy(), np.zeros(n), np.ones(n)
    outcome[:] = 0.0
    trace[:] = np.nan
    radius = options[OPTION_RADIUS]
    f = math.inf
    decrease = math.inf
    curvature = np.zeros((n, n))
    use_curvature = False
    noise_theta = integers(ints, layout.NOISE_THETA)
    iterations = int(options[OPTION_ITERATIONS])
    n_small = 0
    anew = True
    for iteration in range(iterations + 1):
        status = predict(ints, floats, trial, 1, rtol, atol, max_steps, stop, y, m, sigma, dm, dsigma, report)
        if status == _OK:
            set_best_noise(ints, floats, trial, m, sigma, dsigma)
            status = score(
                ints, floats, trial, 1, m, sigma, dm, dsigma, sums, new_residual,
                new_gradient, prior_gradient, new_fim, prior_fim,
            )  # fmt: skip
        outcome[OUTCOME_EVALUATIONS] += 1
        outcome[OUTCOME_STEPS] += report[REPORT_STEPS]
        if status == _INTERRUPTED:
            outcome[OUTCOME_STATUS] = _INTERRUPTED
            return
        new_f = sums[SUM_OBJECTIVE] if status == _OK else math.inf
        if anew:
            # the first evaluation, or the first with the exact integration: nothing to compare it with
            new_gradient += prior_gradient
            new_fim += prior_fim
            if status != _OK:
                outcome[OUTCOME_STATUS] = status
                if iteration == 0:
                    outcome[OUTCOME_OBJECTIVE] = math.inf
                return
            accepted = True
            anew = False
        else:
            length = 0.0
            for k in range(n):
                length += (s[k] / scale[k]) ** 2
            length = math.sqrt(length)
            gain = f - new_f
            ratio = gain / decrease if decrease > 0.0 else -1.0
            # below this the objective's own error decides; the model is then trusted as long as it shrinks
            noise = (rtol * 1e-2 + 1e-15) * max(abs(f), 1.0)
            lost_in_noise = math.isfinite(new_f) and decrease < noise and abs(gain) < noise
            accepted = ratio > _ACCEPT or lost_in_noise
            if math.isfinite(new_f):
                # the gradient is known at the new point even if the step is refused: learn from it either way
                for j in range(noise_theta.shape[0]):
                    s[noise_theta[j]] = 0.0
                plain = abs(gain - expected_decrease(gradient, fim, s))
                use_curvature = abs(gain - expected_decrease(gradient, fim + curvature, s)) < plain
                new_gradient += prior_gradient
                new_fim += prior_fim
                explained = (new_fim if accepted else fim) @ s
                update_curvature(curvature, s, new_gradient - gradient - explained)
            n_small = n_small + 1 if lost_in_noise else 0
            if not math.isfinite(new_f):
                radius = 0.25 * length
            elif not lost_in_noise:
                if ratio < 0.25:
                    radius = 0.25 * length
                elif ratio > 0.75 and length >= 0.8 * radius:
                    radius = 2.5 * radius
        if accepted:
            f = new_f
            theta[:] = trial
            gradient[:] = new_gradient
            fim[:] = new_fim
            residual[:] = new_residual
            outcome[OUTCOME_OBJECTIVE], outcome[OUTCOME_NLLH] = f, sums[SUM_NLLH]
            outcome[OUTCOME_NLPRIOR], outcome[OUTCOME_CHI2] = sums[SUM_NLPRIOR], sums[SUM_CHI2]
            _variable_scale(scale_code, theta, start, fim, scale)
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
        full = bounded_step(theta, gradient, fim, scale, lower, upper, free, max(radius, 1.0), s)
        model = fim + curvature if use_curvature else fim
        decrease = bounded_step(theta, gradient, model, scale, lower, upper, free, radius, s)
        if rtol > options[OPTION_RTOL] and (
            full <= _COARSE_DECREASE or n_small >= 3 or radius <= _SMALLEST_RADIUS
        ):
            rtol = options[OPTION_RTOL]
            anew = True
            n_small = 0
            radius = max(radius, 1e-3)
            trial[:] = theta
            continue
        if full <= options[OPTION_DECREASE] or n_small >= 3:
            outcome[OUTCOME_STATUS] = _CONVERGED
            return
        if radius <= _SMALLEST_RADIUS:
            outcome[OUTCOME_STATUS] = _CONVERGED if full < _NOISE_LIMIT else _STALLED
            return
        trial[:] = theta + s
        for k in range(n):
            trial[k] = min(max(trial[k], lower[k]), upper[k])
    outcome[OUTCOME_STATUS] = _MAX_ITERATIONS

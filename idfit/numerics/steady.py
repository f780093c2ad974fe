"""Steady states: f(x, p) = 0 near a solution that has almost settled, and its sensitivities.

Sums of states that the dynamics conserve, L x = L x0, make the Jacobian singular; each takes the place of one
equation. With A the Jacobian with these rows replaced,

    A δ = −f   (rows of L: L x0 − L x),        A S = −f_p   (rows of L: L S0)

the first for Newton's method, the second by the implicit function theorem.
"""

from __future__ import annotations

import math

import numpy as np

from idfit.numerics import plan as layout
from idfit.numerics.calls import call
from idfit.numerics.compilation import kernel
from idfit.numerics.sparse import dense_factorise, dense_solve_columns

_MOST_ITERATIONS = 12
# Newton's first correction may be this large (relative), so that it cannot lead to another steady state
_NEAR = 1e-3
_ROUNDED = 1e-9
_CONVERGED = 1e-3  # of the weights that the integrator gives to errors


@kernel(inner=True)
def _assemble(jacobian, j_ptr, j_col, laws, law_state, a, pivots):
    """Factors of A, each row scaled to a largest entry of 1; returns the scales, empty if A is singular."""
    n = j_ptr.shape[0] - 1
    scale = np.empty(n)
    a[:] = 0.0
    for i in range(n):
        for e in range(j_ptr[i], j_ptr[i + 1]):
            a[i, j_col[e]] = jacobian[e]
    for k in range(law_state.shape[0]):
        a[law_state[k]] = laws[k]
    for i in range(n):
        largest = 0.0
        for j in range(n):
            largest = max(largest, abs(a[i, j]))
        if not (largest > 0.0 and math.isfinite(largest)):
            return np.empty(0)
        scale[i] = 1.0 / largest
        for j in range(n):
            a[i, j] *= scale[i]
    if not dense_factorise(a, pivots):
        return np.empty(0)
    smallest = math.inf
    for i in range(n):
        smallest = min(smallest, abs(a[i, i]))
    return scale if smallest > 1e-13 else np.empty(0)


@kernel(inner=True)
def polish(
    scalars, z, first_state, j_ptr, j_col, laws, law_state, totals, state_scale, rtol, atol, y, a, pivots
):
    """Newton's method from y, in place. Returns whether it converged close by; if not, y is unchanged.

    laws : (law, n), totals : (law,) what they sum up to; a : (n, n) scratch.
    """
    n = y.shape[0]
    f, jacobian = np.empty(n), np.empty(j_col.shape[0] + n)
    x = y.copy()
    before = math.inf
    for _ in range(_MOST_ITERATIONS):
        z[first_state : first_state + n] = x
        call(scalars[layout.F_RHS], f, z)
        call(scalars[layout.F_JACOBIAN], jacobian, z)
        scale = _assemble(jacobian, j_ptr, j_col, laws, law_state, a, pivots)
        if scale.shape[0] == 0:
            return False
        delta = np.empty((n, 1))
        for i in range(n):
            delta[i, 0] = -f[i] * scale[i]
        for k in range(law_state.shape[0]):
            difference = totals[k]
            for i in range(n):
                difference -= laws[k, i] * x[i]
            delta[law_state[k], 0] = difference * scale[law_state[k]]
        dense_solve_columns(a, pivots, delta)
        largest, distance, moved = 0.0, 0.0, 0.0
        for i in range(n):
            x[i] += delta[i, 0]
            largest = max(largest, abs(delta[i, 0]) / (atol * state_scale[i] + rtol * abs(x[i])))
            moved = max(moved, abs(delta[i, 0]) / (abs(x[i]) + _NEAR * state_scale[i]))
            distance = max(distance, abs(x[i] - y[i]) / (abs(y[i]) + _NEAR * state_scale[i]))
        # corrections that no longer shrink, and are as small as the rounding of f makes them, are as good
        rounded = largest >= before and moved <= _ROUNDED
        if not (distance <= _NEAR and (largest < before or largest <= _CONVERGED or rounded)):
            return False
        if largest <= _CONVERGED or rounded:
            y[:] = x
            return True
        before = largest
    return False


@kernel(inner=True)
def steady_sensitivities(
    scalars, z, first_state, j_ptr, j_col, p_from, p_to, p_entries, laws, law_state, y, s, width, a, pivots
):
    """Replace s (n·width,), sensitivities somewhere on the way, by those of the steady state y. Returns False
    where A is singular."""
    n = y.shape[0]
    z[first_state : first_state + n] = y
    jacobian = np.empty(j_col.shape[0] + n)
    call(scalars[layout.F_JACOBIAN], jacobian, z)
    scale = _assemble(jacobian, j_ptr, j_col, laws, law_state, a, pivots)
    if scale.shape[0] == 0:
        return False
    right = np.zeros((n, width))
    stage_out = np.empty(j_col.shape[0] + p_entries)
    call(scalars[layout.F_STAGE], stage_out, z)
    flat = right.reshape(n * width)
    for e in range(p_from.shape[0]):
        flat[p_to[e]] -= stage_out[j_col.shape[0] + p_from[e]]
    for k in range(law_state.shape[0]):
        for c in range(width):
            total = 0.0
            for i in range(n):
                total += laws[k, i] * s[i * width + c]
            right[law_state[k], c] = total
    for i in range(n):
        for c in range(width):
            right[i, c] *= scale[i]
    dense_solve_columns(a, pivots, right)
    s[:] = flat
    return True

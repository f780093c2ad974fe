"""Steady states: f(x, p) = 0 near a solution that has almost settled, and its sensitivities.

Sums of states that the dynamics conserve, L x = L x0, make the Jacobian singular; each takes the place of one
equation. With A the Jacobian with these rows replaced,

    A δ = −f   (rows of L: L x0 − L x),        A S = −f_p   (rows of L: L S0)

the first for Newton's method, the second by the implicit function theorem.
"""

from __future__ import annotations

import math

import numpy as np
from numba import carray, types  # pyright: ignore

from idfit.numerics import plan as layout
from idfit.numerics.arguments import Z_STATES, input_size
from idfit.numerics.blocks import copy, padded
from idfit.numerics.calls import call, invoke
from idfit.numerics.compilation import entry, kernel
from idfit.numerics.plan import integers, reals, size_of
from idfit.numerics.rosenbrock import sensitivity_weight
from idfit.numerics.sparse import add_product, dense_factorise, dense_solve_columns, scatter

_MOST_ITERATIONS = 12
# Newton's first correction may be this large (relative), so that it cannot lead to another steady state
_NEAR = 1e-3
_ROUNDED = 1e-9
_CONVERGED = 1e-3  # of the weights that the integrator gives to errors

# what `ask_steady` may be asked; numbers of numpy, as for each literal it would be compiled once more
CONSERVED, POLISH, MOVEMENT = np.arange(3)


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
        copy(a[law_state[k]], laws[k])
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
def _polish(scalars, z, j_ptr, j_col, laws, law_state, totals, state_scale, rtol, atol, y, a, pivots):
    """Newton's method from y, in place. Returns whether it converged close by; if not, y is unchanged.

    laws : (law, n), totals : (law,) what they sum up to; a : (n, n) scratch.
    """
    n = y.shape[0]
    f, jacobian = np.empty(n), np.empty(j_col.shape[0] + n)
    x = y.copy()
    before = math.inf
    for _ in range(_MOST_ITERATIONS):
        copy(z[Z_STATES:], x)
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
            copy(y, x)
            return True
        before = largest
    return False


@kernel(inner=True)
def _sensitivities(
    scalars, z, j_ptr, j_col, p_from, p_to, p_entries, laws, law_state, y, s, width, a, pivots
):
    """Replace s (n·width,), sensitivities somewhere on the way, by those of the steady state y. Returns False
    where A is singular."""
    n = y.shape[0]
    copy(z[Z_STATES:], y)
    jacobian = np.empty(j_col.shape[0] + n)
    call(scalars[layout.F_JACOBIAN], jacobian, z)
    scale = _assemble(jacobian, j_ptr, j_col, laws, law_state, a, pivots)
    if scale.shape[0] == 0:
        return False
    flat = np.zeros(n * width)
    right = flat.reshape(n, width)
    stage_out = np.empty(j_col.shape[0] + p_entries)
    call(scalars[layout.F_STAGE], stage_out, z)
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
    copy(s, flat)
    return True


@kernel(inner=True)
def _movement(
    scalars, z, j_ptr, j_col, p_from, p_to, p_entries, y, s, width, magnitude, rtol, atol, state_scale
):
    """How fast the sensitivities change, J S + f_p, in units of what counts as an error of theirs."""
    n = y.shape[0]
    change, stage_out = np.zeros(n * width), np.empty(j_col.shape[0] + p_entries)
    copy(z[Z_STATES:], y)
    call(scalars[layout.F_STAGE], stage_out, z)
    for e in range(p_from.shape[0]):
        change[p_to[e]] += stage_out[j_col.shape[0] + p_from[e]]
    add_product(change, stage_out, j_ptr, j_col, s, width)
    largest = 0.0
    for i in range(n):
        for c in range(magnitude.shape[0]):
            weight = sensitivity_weight(
                magnitude[c] * abs(s[i * width + c]), abs(y[i]), rtol, atol * state_scale[i]
            )
            largest = max(largest, magnitude[c] * abs(change[i * width + c]) / weight)
    return largest


@kernel(inner=True)
def ask_steady(what, ints, floats, simulation, z, column_of_formal, magnitude, totals, rtol, atol, y, s):
    """CONSERVED: the totals at y, which go into `totals`.
    POLISH: whether Newton's method, from y, ends in a steady state close by, which y and s then are.
    MOVEMENT: how fast the sensitivities change.

    magnitude : (column,) of the sensitivities; totals : (n,) what conserved sums of states sum up to. It is
    compiled only for problems that need it.
    """
    answer = np.zeros(1)
    invoke(
        integers(ints, layout.SCALARS)[layout.F_STEADY],
        (
            what, ints, floats, np.int64(floats.shape[0]), simulation, z, column_of_formal, magnitude,
            np.int64(magnitude.shape[0]), totals, rtol, atol, y, s, answer,
        ),
    )  # fmt: skip
    return answer[0]


_INTEGERS, _REALS = types.CPointer(types.int64), types.CPointer(types.float64)


@entry(types.void(
    types.int64, _INTEGERS, _REALS, types.int64, types.int64, _REALS, _INTEGERS, _REALS,
    types.int64, _REALS, types.float64, types.float64, _REALS, _REALS, _REALS,
))  # fmt: skip
def run_steady(
    what, ints_at, floats_at, n_floats, simulation, z_at, column_of_formal_at, magnitude_at,
    n_columns, totals_at, rtol, atol, y_at, s_at, answer_at,
):  # fmt: skip
    """`ask_steady`, by its address."""
    ints, floats = carray(ints_at, (size_of(ints_at),)), carray(floats_at, (n_floats,))
    scalars = integers(ints, layout.SCALARS)
    n, width = scalars[layout.N_STATES], padded(n_columns)
    z, y, s = carray(z_at, (input_size(ints),)), carray(y_at, (n,)), carray(s_at, (n * width,))
    column_of_formal = carray(column_of_formal_at, (scalars[layout.N_FORMAL],))
    magnitude, answer = carray(magnitude_at, (n_columns,)), carray(answer_at, (1,))
    j_ptr, j_col = integers(ints, layout.J_PTR), integers(ints, layout.J_COL)
    p_ptr, p_col = integers(ints, layout.P_PTR), integers(ints, layout.P_COL)
    state_scale = reals(ints, floats, layout.STATE_SCALE)
    p_from, p_to = scatter(p_ptr, p_col, column_of_formal, width)
    if what == MOVEMENT:
        answer[0] = _movement(
            scalars, z, j_ptr, j_col, p_from, p_to, p_col.shape[0], y, s, width, magnitude, rtol, atol,
            state_scale,
        )  # fmt: skip
        return
    law_ptr = integers(ints, layout.LAW_PTR)
    first_law, last_law = law_ptr[simulation], law_ptr[simulation + 1]
    law_state = integers(ints, layout.LAW_STATE)[first_law:last_law]
    laws = reals(ints, floats, layout.LAW)[first_law * n : last_law * n].reshape(last_law - first_law, n)
    totals = carray(totals_at, (last_law - first_law,))
    if what == CONSERVED:
        for k in range(law_state.shape[0]):
            totals[k] = 0.0
            for i in range(n):
                totals[k] += laws[k, i] * y[i]
        return
    a, pivots = np.empty((n, n)), np.empty(n, np.int64)
    if _polish(
        scalars, z, j_ptr, j_col, laws, law_state, totals, state_scale, rtol, atol, y, a, pivots
    ) and (
        n_columns == 0
        or _sensitivities(
            scalars, z, j_ptr, j_col, p_from, p_to, p_col.shape[0], laws, law_state, y, s, width, a, pivots
        )
    ):  # fmt: skip
        answer[0] = 1.0

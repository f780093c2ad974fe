"""The input of generated functions: where each quantity stands, and how sampled inputs are filled in."""

from __future__ import annotations

from idfit.numerics import plan as layout
from idfit.numerics.compilation import kernel
from idfit.numerics.plan import integers

# time, the midpoint of the segment (which decides the branch of every condition on time, so that no stage
# looks across a switch), h·d_i, states, formal parameters, inputs and their slopes, the stage U, and the
# sides of switches
Z_TIME, Z_SEGMENT, Z_HD, Z_STATES = range(4)


@kernel
def input_size(ints):
    scalars = integers(ints, layout.SCALARS)
    n, n_formal, n_inputs = scalars[layout.N_STATES], scalars[layout.N_FORMAL], scalars[layout.N_INPUTS]
    return Z_STATES + 2 * n + n_formal + 2 * n_inputs + scalars[layout.N_SWITCHES]


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

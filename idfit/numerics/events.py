"""Switches and events: where they happen, what they do to the states, and exact sensitivities across them.

The *side* of a switch g is −1, 0 or 1; equations and conditions of events read sides, never g. At an instant
t* that depends on the outer values q, with t*' = dt*/dq = −(g_x S + g_p)/(g_t + g_x f) for a root of g,
everything is expressed by the total derivative Y' = S + f t*' of the states at that instant:

    S before  →  Y' = S + f⁻ t*'  →  rows of Y' of the states that are set anew  →  S = Y' − f⁺ t*'

with f⁻, f⁺ the right-hand sides before and after. At a known time t*' = 0. (Rozenvasser, Automation and
Remote Control 28, 1967; Galán, Feehery & Barton, Appl. Numer. Math. 31, 1999.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import carray, types  # pyright: ignore

from idfit.numerics import plan as layout
from idfit.numerics.arguments import Z_STATES, Z_TIME, input_size, set_inputs
from idfit.numerics.blocks import copy
from idfit.numerics.calls import call, invoke
from idfit.numerics.compilation import entry, kernel
from idfit.numerics.plan import integers, reals, size_of
from idfit.numerics.rosenbrock import interpolate

#: delayed events that may be waiting at a time
MOST_WAITING = 256
# a switch counts as at its root within this fraction of the terms that it consists of
_AT_ROOT = 1e-12
_MOST_AT_ONCE = 1000
# parts of a step at whose ends the sides are looked at, so that a switch that goes there and back is seen
_LOOKS = 4


class Machine(NamedTuple):
    """What the functions of this file share. Few arrays, as every one of them takes time to compile."""

    ints: np.ndarray
    floats: np.ndarray
    z: np.ndarray
    pieces: np.ndarray
    column_of_formal: np.ndarray
    book: np.ndarray  # the parts named below, one behind the other
    at: np.ndarray  # where they begin, and sizes


# Parts of the book, positions in `at`. Numbers of numpy: for each literal a function is compiled once more.
(
    TRUTH,  # (event,) whether its condition holds
    G,  # (switch,)
    G_BEFORE,
    G_OUT,  # what F_SWITCH_DERIVATIVE gives
    RATE,  # (switch,) dg/dt along the solution
    F,  # (n,)
    OUT,  # what ACTION_DERIVATIVE gives
    VALUE,  # (value,) of an action
    SLOPE,  # (value·column,)
    WAITING,  # (1,) how many events wait
    QUEUE,  # (waiting·length,): due, event, d due (column), values (state), d values (state·column)
    N_PARTS,
) = np.arange(12)
_N_COLUMNS, _MOST_SET, _LENGTH, _SIZE = N_PARTS + 1, N_PARTS + 2, N_PARTS + 3, N_PARTS + 4
_ROW_DUE, _ROW_EVENT, _ROW_REST = range(3)

# what `ask` may be asked, and the numbers that go to and fro with it
LOOK_AROUND, SETTLE, NEXT_DUE, FIRST_CROSSING, CORRECTION, CROSS, ACTION = np.arange(7)
ANSWER, INSTANT, NUMBER, DIRECTION, FRACTION, STEP, TIME_RATE, IS_NEW, N_NUMBERS = range(9)


@kernel(inner=True)
def make_machine(ints, floats, z, pieces, column_of_formal, n_columns):
    """The arrays for one integration; z and pieces are shared with the integrator."""
    scalars = integers(ints, layout.SCALARS)
    n_switches, n_events = scalars[layout.N_SWITCHES], scalars[layout.N_EVENTS]
    first, pointer = integers(ints, layout.ACTION_FIRST), integers(ints, layout.ACTION_PTR)
    event_ptr = integers(ints, layout.EVENT_PTR)
    most_values, largest, most_set = 0, 0, 0
    for a in range(first.shape[0] - 1):
        n_values = (first[a + 1] - first[a]) // 2
        most_values = max(most_values, n_values)
        largest = max(largest, 2 * n_values + pointer[first[a + 1]] - pointer[first[a]])
    for e in range(n_events):
        most_set = max(most_set, event_ptr[e + 1] - event_ptr[e])
    n_entries = integers(ints, layout.G_COL).shape[0] + integers(ints, layout.GP_COL).shape[0]
    at = np.zeros(_SIZE, np.int64)
    at[_N_COLUMNS], at[_MOST_SET] = n_columns, most_set
    at[_LENGTH] = _ROW_REST + (1 + most_set) * n_columns + most_set
    at[TRUTH + 1] = n_events
    at[G + 1] = at[G_BEFORE + 1] = at[RATE + 1] = n_switches
    at[G_OUT + 1] = 2 * n_switches + n_entries
    at[F + 1] = scalars[layout.N_STATES]
    at[OUT + 1], at[VALUE + 1], at[SLOPE + 1] = largest, most_values, most_values * n_columns
    at[WAITING + 1] = 1
    at[QUEUE + 1] = (MOST_WAITING if n_events else 0) * at[_LENGTH]
    for k in range(N_PARTS):
        at[k + 1] += at[k]
    return Machine(ints, floats, z, pieces, column_of_formal, np.zeros(at[N_PARTS]), at)


@kernel(inner=True)
def part(m, k):
    """A part of the book (a view)."""
    return m.book[m.at[k] : m.at[k + 1]]


@kernel(inner=True)
def sides(m):
    """The side of each switch (a view)."""
    return m.z[m.z.shape[0] - (m.at[G + 1] - m.at[G]) :]


@kernel(inner=True)
def _evaluate(m, function, t, y, out):
    """A generated function at t, y with the present sides."""
    n = y.shape[0]
    m.z[Z_TIME] = t
    copy(m.z[Z_STATES:], y)
    if m.pieces.shape[0]:
        first_input = Z_STATES + n + m.column_of_formal.shape[0]
        knot_time = reals(m.ints, m.floats, layout.KNOT_TIME)
        coefficient = reals(m.ints, m.floats, layout.KNOT_COEFFICIENT)
        set_inputs(m.z, first_input, m.pieces, knot_time, coefficient, t)
    call(function, out, m.z)


@kernel(inner=True)
def _function(m, which):
    return integers(m.ints, layout.SCALARS)[which]


@kernel(inner=True)
def _evaluate_switches(m, t, y):
    """The parts G, RATE, G_OUT and F at t, y with the present sides."""
    g, rate, g_out, f = part(m, G), part(m, RATE), part(m, G_OUT), part(m, F)
    g_ptr, g_col = integers(m.ints, layout.G_PTR), integers(m.ints, layout.G_COL)
    _evaluate(m, _function(m, layout.F_RHS), t, y, f)
    _evaluate(m, _function(m, layout.F_SWITCH_DERIVATIVE), t, y, g_out)
    n_switches = g.shape[0]
    for k in range(n_switches):
        g[k] = g_out[k]
        total = g_out[n_switches + k]
        for e in range(g_ptr[k], g_ptr[k + 1]):
            total += g_out[2 * n_switches + e] * f[g_col[e]]
        rate[k] = total


@kernel(inner=True)
def _is_at_root(m, k, t, y):
    """Whether switch k is 0 up to the rounding of its terms; after `_evaluate_switches`."""
    g, g_out = part(m, G), part(m, G_OUT)
    g_ptr, g_col = integers(m.ints, layout.G_PTR), integers(m.ints, layout.G_COL)
    n_switches = g.shape[0]
    total = abs(g_out[n_switches + k] * t)
    for e in range(g_ptr[k], g_ptr[k + 1]):
        total += abs(g_out[2 * n_switches + e] * y[g_col[e]])
    return abs(g[k]) <= _AT_ROOT * total


@kernel(inner=True)
def _sign(value):
    return 1.0 if value > 0.0 else (-1.0 if value < 0.0 else 0.0)


@kernel(inner=True)
def _shift(m, t, y, s, width, dt, direction):
    """S += direction · f dt: between derivatives at a fixed time and those at an instant that moves."""
    moves = False
    for c in range(dt.shape[0]):
        moves = moves or dt[c] != 0.0
    if not moves:
        return
    f = part(m, F)
    _evaluate(m, _function(m, layout.F_RHS), t, y, f)
    for i in range(y.shape[0]):
        for c in range(dt.shape[0]):
            s[i * width + c] += direction * f[i] * dt[c]


@kernel(inner=True)
def _evaluate_action(m, action, t, y, s, width, dt):
    """VALUE of an action, and SLOPE = d value/dq.

    s : total derivatives of the states at an instant whose own derivative is dt.
    """
    value, slope, out = part(m, VALUE), part(m, SLOPE), part(m, OUT)
    action_first = integers(m.ints, layout.ACTION_FIRST)
    pointer, column = integers(m.ints, layout.ACTION_PTR), integers(m.ints, layout.ACTION_COL)
    n_columns = m.at[_N_COLUMNS]
    first = action_first[action]
    n_values = (action_first[action + 1] - first) // 2
    which = layout.ACTION_DERIVATIVE if n_columns else layout.ACTION_VALUE
    _evaluate(m, integers(m.ints, which)[action], t, y, out)
    for v in range(n_values):
        value[v] = out[v]
        base = v * n_columns
        for c in range(n_columns):
            slope[base + c] = out[n_values + v] * dt[c]
        entry = 2 * n_values - pointer[first]
        if n_columns:
            for e in range(pointer[first + 2 * v], pointer[first + 2 * v + 1]):
                for c in range(n_columns):
                    slope[base + c] += out[entry + e] * s[column[e] * width + c]
            for e in range(pointer[first + 2 * v + 1], pointer[first + 2 * v + 2]):
                c = m.column_of_formal[column[e]]
                if c >= 0:
                    slope[base + c] += out[entry + e]


# events that wait -------------------------------------------------------------------------------------


@kernel(inner=True)
def _row(m, w):
    """Everything about the waiting event w (a view)."""
    return part(m, QUEUE)[w * m.at[_LENGTH] : (w + 1) * m.at[_LENGTH]]


@kernel(inner=True)
def _next_due(m):
    """When the first waiting event is carried out; inf if none waits."""
    first = math.inf
    for w in range(int(part(m, WAITING)[0])):
        first = min(first, _row(m, w)[_ROW_DUE])
    return first


@kernel(inner=True)
def _forget(m, event):
    """Remove all that wait of an event."""
    waiting, kept = part(m, WAITING), 0
    for w in range(int(waiting[0])):
        if _row(m, w)[_ROW_EVENT] != event:
            copy(_row(m, kept), _row(m, w))
            kept += 1
    waiting[0] = kept


@kernel(inner=True)
def _store_values(m, row, n_set):
    """Keep what an action has computed as the values that the event in this row sets."""
    n_columns, most_set = m.at[_N_COLUMNS], m.at[_MOST_SET]
    value, slope = part(m, VALUE), part(m, SLOPE)
    first = _ROW_REST + n_columns
    copy(row[first:], value[:n_set])
    copy(row[first + most_set :], slope[: n_set * n_columns])


@kernel(inner=True)
def _note_triggers(m, t, y, s, width, dt):
    """Events whose condition has turned true begin to wait (without delay: until now); those that need it to
    hold and for which it does not any more are forgotten. Returns False if too many wait.

    s : total derivatives of the states at the instant, whose own is dt.
    """
    truth, waiting, value, slope = part(m, TRUTH), part(m, WAITING), part(m, VALUE), part(m, SLOPE)
    n_events, n_columns = truth.shape[0], m.at[_N_COLUMNS]
    if n_events == 0:
        return True
    event_ptr = integers(m.ints, layout.EVENT_PTR)
    persistent = integers(m.ints, layout.EVENT_PERSISTENT)
    holds = np.empty(n_events)
    _evaluate(m, _function(m, layout.F_TRIGGER), t, y, holds)
    for e in range(n_events):
        before = truth[e]
        truth[e] = holds[e]
        if holds[e] == 0.0 and before != 0.0 and persistent[e] == 0:
            _forget(m, e)
        if holds[e] == 0.0 or before != 0.0:
            continue
        if waiting[0] == MOST_WAITING:
            return False
        _evaluate_action(m, e, t, y, s, width, dt)
        n_set = event_ptr[e + 1] - event_ptr[e]
        delay = max(value[n_set], 0.0)
        row = _row(m, int(waiting[0]))
        waiting[0] += 1
        row[_ROW_DUE], row[_ROW_EVENT] = t + delay, e
        for c in range(n_columns):
            row[_ROW_REST + c] = dt[c] + (slope[n_set * n_columns + c] if delay > 0.0 else 0.0)
        _store_values(m, row, n_set)
    return True


@kernel(inner=True)
def _choose(m, t, y):
    """Of the events that are due the one to carry out: the largest priority, then the order of their waiting;
    -1 if none is due."""
    out = part(m, OUT)
    event_ptr = integers(m.ints, layout.EVENT_PTR)
    best, best_priority = -1, 0.0
    for w in range(int(part(m, WAITING)[0])):
        if _row(m, w)[_ROW_DUE] > t:
            continue
        e = int(_row(m, w)[_ROW_EVENT])
        _evaluate(m, integers(m.ints, layout.ACTION_VALUE)[e], t, y, out)
        priority = out[event_ptr[e + 1] - event_ptr[e] + 1]
        if best < 0 or priority > best_priority:
            best, best_priority = w, priority
    return best


@kernel(inner=True)
def _carry_out(m, w, t, y, s, width):
    """Carry out the waiting event w, and note what it triggers. Returns False if too many events wait."""
    n_columns, most_set = m.at[_N_COLUMNS], m.at[_MOST_SET]
    row = _row(m, w)
    e = int(row[_ROW_EVENT])
    event_ptr, event_state = integers(m.ints, layout.EVENT_PTR), integers(m.ints, layout.EVENT_STATE)
    n_set = event_ptr[e + 1] - event_ptr[e]
    dt = row[_ROW_REST : _ROW_REST + n_columns].copy()
    if sides(m).shape[0]:
        _evaluate_switches(m, t, y)
    _shift(m, t, y, s, width, dt, 1.0)
    if integers(m.ints, layout.EVENT_FROM_TRIGGER)[e] == 0:
        _evaluate_action(m, e, t, y, s, width, dt)
        _store_values(m, row, n_set)
    first = _ROW_REST + n_columns
    for v in range(n_set):
        i = event_state[event_ptr[e] + v]
        y[i] = row[first + v]
        for c in range(n_columns):
            s[i * width + c] = row[first + most_set + v * n_columns + c]
    waiting = part(m, WAITING)
    for other in range(w + 1, int(waiting[0])):
        copy(_row(m, other - 1), _row(m, other))
    waiting[0] -= 1
    _renew_sides(m, t, y)
    fine = _note_triggers(m, t, y, s, width, dt)
    _leave_roots(m, t, y)
    fine = _note_triggers(m, t, y, s, width, dt) and fine
    _shift(m, t, y, s, width, dt, -1.0)
    return fine


@kernel(inner=True)
def _settle(m, t, y, s, width):
    """Carry out all events that are due at t and what follows from them at once. s : at the fixed time t.

    Returns how many there were, -1 if that has no end.
    """
    happened = 0
    while True:
        w = _choose(m, t, y)
        if w < 0:
            return happened
        happened += 1
        if not _carry_out(m, w, t, y, s, width) or happened > _MOST_AT_ONCE:
            return -1


# sides ------------------------------------------------------------------------------------------------


@kernel(inner=True)
def _renew_sides(m, t, y):
    """Sides after the states have jumped: unchanged for a switch whose value is, 0 at a root."""
    g, before, side = part(m, G), part(m, G_BEFORE), sides(m)
    if g.shape[0] == 0:
        return
    copy(before, g)
    _evaluate_switches(m, t, y)
    for k in range(g.shape[0]):
        if g[k] != before[k]:
            side[k] = 0.0 if _is_at_root(m, k, t, y) else _sign(g[k])


@kernel(inner=True)
def _leave_roots(m, t, y):
    """Give each switch that is at its root the side to which it goes."""
    side, rate = sides(m), part(m, RATE)
    if side.shape[0] == 0:
        return
    _evaluate_switches(m, t, y)
    for k in range(side.shape[0]):
        if side[k] == 0.0:
            side[k] = _sign(rate[k])


@kernel(inner=True)
def _look_around(m, t, y, s, width, is_new):
    """Sides and events at a known time, at which a phase begins (is_new) or something may have changed.

    Conditions are seen twice: at the instant itself, where a switch may be exactly at its root, and just
    after it. Returns as `_settle`.
    """
    g, rate, side = part(m, G), part(m, RATE), sides(m)
    still = np.zeros(m.at[_N_COLUMNS])
    if g.shape[0]:
        _evaluate_switches(m, t, y)
        for k in range(g.shape[0]):
            if not _is_at_root(m, k, t, y):
                side[k] = _sign(g[k])
            elif is_new or rate[k] * side[k] <= 0.0:
                side[k] = 0.0
    fine = _note_triggers(m, t, y, s, width, still)
    _leave_roots(m, t, y)
    fine = _note_triggers(m, t, y, s, width, still) and fine
    return _settle(m, t, y, s, width) if fine else -1


# roots ------------------------------------------------------------------------------------------------


@kernel(inner=True)
def _first_crossing(m, t, time_rate, h, y, y_new, k_dense):
    """The first switch that changes sides within a step, the fraction of the step, and the side to which it
    goes; (-1, 1, 0) if none does.

    time_rate : 1, or 0 where the time stands still for the equations.
    """
    state, values = np.empty(y.shape[0]), np.empty(sides(m).shape[0])
    side, function = sides(m), _function(m, layout.F_SWITCH)
    best, best_r, direction, before = -1, 1.0, 0.0, 0.0
    for look in range(1, _LOOKS + 1):
        r = look / _LOOKS
        interpolate(r, y, y_new, k_dense, state)
        _evaluate(m, function, t + time_rate * r * h, state, values)
        for k in range(side.shape[0]):
            if side[k] * values[k] < 0.0 or (side[k] == 0.0 and values[k] != 0.0):
                goes_to = _sign(values[k])
                found = 0.0
                if side[k] != 0.0:
                    found = _root(m, k, t, time_rate, h, y, y_new, k_dense, before, r, state, values)
                    interpolate(r, y, y_new, k_dense, state)
                    _evaluate(m, function, t + time_rate * r * h, state, values)
                if best < 0 or found < best_r:
                    best, best_r, direction = k, found, goes_to
        if best >= 0:
            break
        before = r
    return best, best_r, direction


@kernel(inner=True)
def _root(m, k, t, time_rate, h, y, y_new, k_dense, low, high, state, values):
    """The fraction of the step at which switch k is 0, between low (where it is on its side) and high."""
    side, function = sides(m)[k], _function(m, layout.F_SWITCH)
    at_high = values[k]
    interpolate(low, y, y_new, k_dense, state)
    _evaluate(m, function, t + time_rate * low * h, state, values)
    at_low = values[k]
    if at_low * side <= 0.0:
        return low
    a, b = low, high
    for iteration in range(100):
        # false position (Illinois), with a bisection every third time
        middle = 0.5 * (a + b) if iteration % 3 == 2 else a - at_low * (b - a) / (at_high - at_low)
        if b - a <= 1e-15 * b or not a < middle < b:
            break
        interpolate(middle, y, y_new, k_dense, state)
        _evaluate(m, function, t + time_rate * middle * h, state, values)
        if values[k] * side > 0.0:
            a, at_low = middle, values[k]
            at_high *= 0.5
        else:
            b, at_high = middle, values[k]
            at_low *= 0.5
            if values[k] == 0.0:
                break
    return b


@kernel(inner=True)
def _correction(m, k, t, y):
    """How much later the root of switch k is than t, by Newton's formula; 0 where that says nothing."""
    _evaluate_switches(m, t, y)
    delta = -part(m, G)[k] / part(m, RATE)[k]
    return delta if math.isfinite(delta) else 0.0


@kernel(inner=True)
def _root_slope(m, k, s, width, dt):
    """dt : (column,) receives the derivative of the root of switch k; after `_evaluate_switches`."""
    g_out, rate = part(m, G_OUT), part(m, RATE)[k]
    g_ptr, g_col = integers(m.ints, layout.G_PTR), integers(m.ints, layout.G_COL)
    gp_ptr, gp_col = integers(m.ints, layout.GP_PTR), integers(m.ints, layout.GP_COL)
    first_x = 2 * (m.at[G + 1] - m.at[G])
    first_p = first_x + g_col.shape[0]
    for e in range(g_ptr[k], g_ptr[k + 1]):
        for c in range(dt.shape[0]):
            dt[c] -= g_out[first_x + e] * s[g_col[e] * width + c] / rate
    for e in range(gp_ptr[k], gp_ptr[k + 1]):
        c = m.column_of_formal[gp_col[e]]
        if c >= 0:
            dt[c] -= g_out[first_p + e] / rate


@kernel(inner=True)
def _cross(m, target, direction, t, y, s, width):
    """Take the switch `target`, and all others that are at their roots too, to their other sides at t, and do
    what follows. s : at the fixed time t. Returns as `_settle`."""
    g, rate, side = part(m, G), part(m, RATE), sides(m)
    dt = np.zeros(m.at[_N_COLUMNS])
    _evaluate_switches(m, t, y)
    if rate[target] != 0.0:
        _root_slope(m, target, s, width, dt)
    next_side = side.copy()
    for k in range(g.shape[0]):
        is_at_root, leaves = _is_at_root(m, k, t, y), side[k] * rate[k] < 0.0
        if (is_at_root and leaves) or (not is_at_root and side[k] * g[k] < 0.0):
            next_side[k] = -side[k]
    next_side[target] = direction
    _shift(m, t, y, s, width, dt, 1.0)
    for k in range(g.shape[0]):
        if next_side[k] != side[k]:
            side[k] = 0.0
    fine = _note_triggers(m, t, y, s, width, dt)
    copy(side, next_side)
    fine = _note_triggers(m, t, y, s, width, dt) and fine
    _shift(m, t, y, s, width, dt, -1.0)
    return _settle(m, t, y, s, width) if fine else -1


# by address -------------------------------------------------------------------------------------------


@kernel(inner=True)
def ask(m, what, numbers, y, s, width, y_new, k_dense):
    """Let the functions of this file do something; they are compiled only for problems that need them.

    numbers : (N_NUMBERS,) what each of them takes and gives; y_new : (n,) and k_dense : (3, n) of the step,
    where one is asked about. Returns the answer.
    """
    invoke(
        _function(m, layout.F_EVENTS),
        (
            what, m.ints, m.floats, np.int64(m.floats.shape[0]), m.z, m.pieces, m.column_of_formal,
            m.book, m.at, numbers, y, s, np.int64(width), y_new, k_dense,
        ),
    )  # fmt: skip
    return numbers[ANSWER]


_INTEGERS, _REALS = types.CPointer(types.int64), types.CPointer(types.float64)


@entry(types.void(
    types.int64, _INTEGERS, _REALS, types.int64, _REALS, _INTEGERS, _INTEGERS,
    _REALS, _INTEGERS, _REALS, _REALS, _REALS, types.int64, _REALS, _REALS,
))  # fmt: skip
def run_events(
    what, ints_at, floats_at, n_floats, z_at, pieces_at, column_of_formal_at,
    book_at, at_at, numbers_at, y_at, s_at, width, y_new_at, k_dense_at,
):  # fmt: skip
    """`ask`, by its address."""
    ints, at = carray(ints_at, (size_of(ints_at),)), carray(at_at, (_SIZE,))  # pyright: ignore
    scalars = integers(ints, layout.SCALARS)
    n = scalars[layout.N_STATES]
    m = Machine(
        ints,
        carray(floats_at, (n_floats,)),
        carray(z_at, (input_size(ints),)),
        carray(pieces_at, (scalars[layout.N_INPUTS],)),
        carray(column_of_formal_at, (scalars[layout.N_FORMAL],)),
        carray(book_at, (at[N_PARTS],)),
        at,
    )
    y, s, y_new = carray(y_at, (n,)), carray(s_at, (n * width,)), carray(y_new_at, (n,))
    numbers, k_dense = carray(numbers_at, (N_NUMBERS,)), carray(k_dense_at, (3, n))
    t, number = numbers[INSTANT], int(numbers[NUMBER])
    if what == LOOK_AROUND:
        numbers[ANSWER] = _look_around(m, t, y, s, width, numbers[IS_NEW] != 0.0)
    elif what == SETTLE:
        numbers[ANSWER] = _settle(m, t, y, s, width)
    elif what == NEXT_DUE:
        numbers[ANSWER] = _next_due(m)
    elif what == FIRST_CROSSING:
        number, numbers[FRACTION], numbers[DIRECTION] = _first_crossing(
            m, t, numbers[TIME_RATE], numbers[STEP], y, y_new, k_dense
        )
        numbers[ANSWER] = number
    elif what == CORRECTION:
        numbers[ANSWER] = _correction(m, number, t, y_new)
    elif what == CROSS:
        numbers[ANSWER] = _cross(m, number, numbers[DIRECTION], t, y, s, width)
    else:
        _evaluate_action(m, number, t, y, s, width, np.zeros(at[_N_COLUMNS]))

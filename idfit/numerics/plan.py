"""The packed plan: everything that the kernels need to know of a problem, in two flat arrays.

``ints`` begins with the offsets of its own sections, followed by the offsets of the sections of ``floats``.
A kernel takes ``ints``, ``floats`` and vectors only, so that it is compiled once for all models and called
at no cost. Sections are named by the constants of this module; their contents are described beside them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numba import carray  # pyright: ignore

from idfit.numerics.compilation import kernel

# The scalars of a problem, positions in the section SCALARS
(
    N_STATES,
    N_FORMAL,  # formal parameters: names in equations, initial values, observables or noise
    N_INPUTS,  # inputs given as samples
    N_THETA,  # estimated parameters
    N_OUTER,  # outer values q: estimated, constant or formulas; what formal parameters stand for
    N_SIMULATIONS,
    N_ROWS,  # measurements
    N_READOUTS,  # observables with their noise formulas
    N_PRIORS,
    N_SWITCHES,
    N_EVENTS,
    F_INTEGRATE,  # addresses of compiled kernels
    F_PREDICT,
    F_SCORE,
    F_EVENTS,  # 0 where nothing computes from the states at an instant
    F_STEADY,  # 0 where no simulation ends in a steady state
    F_SPARSE,  # 0 where there is straight-line sparse algebra
    F_DENSE_FACTORISE,
    F_DENSE_SOLVE,
    F_SWITCH,  # addresses of generated functions; those of switches and events are 0 where there are none
    F_SWITCH_DERIVATIVE,  # [g, dg/dt, dg/dx, dg/dp]
    F_TRIGGER,  # whether the conditions of events hold
    F_RHS,
    F_JACOBIAN,
    F_STAGE,
    F_TANGENT,
    F_INITIAL,
    F_INITIAL_SENSITIVITY,
    F_OUTER,
    F_OUTER_JACOBIAN,
    F_JACOBIAN_PRODUCT,  # straight-line sparse algebra, 0 for large models
    F_SECOND_PRODUCT,
    F_FACTORISE,
    F_SOLVE,
    F_SOLVE_COLUMNS,
    F_DENSE_SUMS,  # sums of the stages of the sensitivities
    F_STAGE_SUMS,  # the first of eight
    N_SCALARS,
) = (*range(37), 44)

# Sections of integers. "CSR" is a pair (row pointers, columns) of the nonzero entries of a matrix.
(
    SCALARS,
    J_PTR,  # CSR of df/dx
    J_COL,
    P_PTR,  # CSR of df/dp over formal parameters
    P_COL,
    M_PTR,  # CSR of d(J U + h d f_t)/dx
    M_COL,
    N_PTR,  # CSR of d(J U + h d f_t)/dp
    N_COL,
    X0_PTR,  # CSR of dx0/dp
    X0_COL,
    LU_PTR,  # CSR of the factors L + U with fill
    LU_COL,
    LU_DIAGONAL,  # position of the diagonal entry of each row
    J_TO_LU,  # position in the factors of each entry of J
    OUTER_THETA,  # (outer): index of the estimated parameter it is; -1 constant; -2-i the i-th formula
    OUTER_PTR,  # CSR of d(formulas)/d(natural parameters)
    OUTER_COL,
    THETA_SCALE,  # (theta)
    G_PTR,  # CSR of d(switch)/dx
    G_COL,
    GP_PTR,  # CSR of d(switch)/dp
    GP_COL,
    MAPS,  # (map, formal) -> outer index
    SIM_MAP,  # (simulation) -> map at its start
    SIM_STEADY,  # (simulation): 1 if it is one from whose steady state others start
    SIM_START,  # (simulation): the one whose steady state it starts from, -1 none
    REINIT_PTR,  # (simulation): states that start anew after that
    REINIT_STATE,
    LAW_PTR,  # (simulation): conserved sums of states, see LAW
    LAW_STATE,  # (law): the state whose equation the conserved sum stands for
    SIM_COLUMN_PTR,  # sensitivity columns of each simulation: outer indices
    SIM_COLUMN,
    BOUNDARY_PTR,  # (simulation): times at which integration stops; the first is the initial time
    CHANGE_PTR,  # (boundary): what happens there, one after the other
    CHANGE_MAP,  # (change): the map from then on, -1 as before
    CHANGE_ACTION,  # (change): the action that computes from the states, -1 none
    ITEM_PTR,  # (change): what happens to states, all at once
    ITEM_STATE,
    ITEM_SETS,  # 0 add, 1 set
    ITEM_OUTER,  # outer value, or -1-k for the k-th value of the action
    ACTION_VALUE,  # (action) address: the values
    ACTION_DERIVATIVE,  # (action) address: [values, d/dt, and for each value d/dx, d/dp]
    ACTION_FIRST,  # (action): its first row in ACTION_PTR, which has two rows for each value
    ACTION_PTR,
    ACTION_COL,
    EVENT_PTR,  # (event): the states that it sets; event e has action e
    EVENT_STATE,
    EVENT_PERSISTENT,
    EVENT_INITIAL,
    EVENT_FROM_TRIGGER,
    KNOT_PTR,  # (simulation, input): pieces of the sampled inputs
    TIME_PTR,  # (simulation): output times
    ROW_PTR,  # (output time): measurements in simulation order
    ROW_READOUT,
    ROW_MAP,
    ROW_INDEX,  # position in the order of the data
    ROW_CENSORED,  # 0 no, -1 left, 1 right
    READOUT_VALUE,  # address: [y, sigma]
    READOUT_DERIVATIVE,  # address: [y, sigma, dy/dx, dy/dp, dsigma/dx, dsigma/dp]
    READOUT_DISTRIBUTION,
    READOUT_TRANSFORM,
    READOUT_PTR,  # (4 readout + block): the four sparse rows of READOUT_DERIVATIVE
    READOUT_COL,
    PRIOR_THETA,
    PRIOR_KIND,
    PRIOR_ON_ESTIMATION_SCALE,
    NOISE_THETA,  # estimated noise parameters that enter as sigma itself and nowhere else
    NOISE_ROW_PTR,
    NOISE_ROW,  # the rows (data order) each of them belongs to
    N_INT_SECTIONS,
) = range(71)

# Sections of floats
(
    OUTER_CONSTANT,  # (outer)
    STATE_SCALE,  # (state): what atol is relative to
    LAW,  # (law, state): sums of states that the dynamics conserve
    BOUNDARY_TIME,
    KNOT_TIME,
    KNOT_COEFFICIENT,  # (knot, 4): u = c0 + c1 d + c2 d^2 + c3 d^3, d = t - knot time
    TIME,
    ROW_VALUE,  # measured value, transformed (data order)
    ROW_SD,  # standard deviation given with the data, or NaN (data order)
    ROW_CONSTANT,  # -log of the transform's derivative at the measured value (data order)
    READOUT_DOF,
    PRIOR_A,
    PRIOR_B,
    PRIOR_CONSTANT,  # what normalising a density within bounds adds
    LOWER,  # (theta), estimation scale
    UPPER,
    N_FLOAT_SECTIONS,
) = range(17)

_FLOAT_OFFSETS = N_INT_SECTIONS + 1


def pack(
    integers: Mapping[int, np.ndarray], floats: Mapping[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the named sections out behind one another; all sections have to be given."""
    int_parts = [np.asarray(integers[k], dtype=np.int64).ravel() for k in range(N_INT_SECTIONS)]
    float_parts = [np.asarray(floats[k], dtype=np.float64).ravel() for k in range(N_FLOAT_SECTIONS)]
    head = N_INT_SECTIONS + 1 + N_FLOAT_SECTIONS + 1
    int_offsets = head + np.concatenate([[0], np.cumsum([len(p) for p in int_parts])])
    float_offsets = np.concatenate([[0], np.cumsum([len(p) for p in float_parts])])
    packed = np.concatenate([int_offsets, float_offsets, *int_parts]).astype(np.int64)
    return packed, np.concatenate([np.empty(0), *float_parts])


@kernel
def integers(ints, section):
    """The values of a section of integers (a view)."""
    return ints[ints[section] : ints[section + 1]]


@kernel
def reals(ints, floats, section):
    """The values of a section of floats (a view)."""
    return floats[ints[_FLOAT_OFFSETS + section] : ints[_FLOAT_OFFSETS + section + 1]]


@kernel(inner=True)
def size_of(ints_at):
    """Length of the integers of a plan at an address: the last of its own offsets."""
    return carray(ints_at, (N_INT_SECTIONS + 1,))[N_INT_SECTIONS]

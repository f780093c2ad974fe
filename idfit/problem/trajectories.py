"""States along one simulation, without sensitivities: what curves are drawn from and scales are taken
from."""

from __future__ import annotations

import math

import numpy as np

from idfit.numerics import integrator
from idfit.numerics import plan as layout
from idfit.numerics.objective import outer_values
from idfit.numerics.plan import integers, reals
from idfit.problem.objective import NO_STOP, STEP_BUDGET
from idfit.problem.packing import Plan, build_plan
from idfit.problem.parameters import ParameterSpace
from idfit.problem.resolution import Resolution, Simulation
from idfit.spec.schema import ProblemSpec

# tolerance of the runs that find out how large the states are, and where they look
_SCOUTING_RTOL = 1e-4
_LOOKOUTS = np.unique(np.concatenate([np.linspace(0, 1, 41), np.geomspace(1e-6, 1, 41)]))


def values_at(plan: Plan, theta: np.ndarray) -> np.ndarray:
    """Natural values (outer,) of all that formal parameters stand for, at theta (estimation scale)."""
    q = np.empty(integers(plan.ints, layout.SCALARS)[layout.N_OUTER])
    entries = np.empty(len(plan.formulas.jacobian.column))
    outer_values(plan.ints, plan.floats, np.asarray(theta, dtype=float), q, np.empty(len(theta)), entries)
    return q


def trajectory(plan: Plan, simulation: int, q: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """States (time, state) in the model's order at the output times; NaN from where the integration
    failed."""
    n = len(plan.compiled.states)
    scalars = integers(plan.ints, layout.SCALARS)
    memory = np.empty(scalars[layout.N_SWITCHES] + scalars[layout.N_EVENTS])
    first = integers(plan.ints, layout.SIM_START)[simulation]
    start = np.empty(n)
    if first >= 0:
        start = _run(plan, first, q, rtol, atol, start, memory)[-1]
    internal = _run(plan, simulation, q, rtol, atol, start, memory)
    states = np.empty_like(internal)
    states[:, plan.compiled.order] = internal
    return states


def _run(
    plan: Plan,
    simulation: int,
    q: np.ndarray,
    rtol: float,
    atol: float,
    start: np.ndarray,
    memory: np.ndarray,
) -> np.ndarray:
    """States (time, state) in the engine's order; start, memory : see `integrate`."""
    states = np.full((len(plan.times[simulation]), len(start)), np.nan)
    if states.size:
        integrator.integrate(
            plan.ints, plan.floats, simulation, q, False, rtol, atol, STEP_BUDGET, NO_STOP,
            start, np.empty(0), memory, states, np.empty((len(states), 0)), np.empty(integrator.INFO_SIZE),
        )  # fmt: skip
    return states


def _lookouts(simulation: Simulation, end: float) -> np.ndarray:
    """Times from the start to a finite end; for a steady state the start, and the end of all times."""
    if simulation.steady:
        return np.array([math.inf])
    t0 = simulation.t0
    if math.isinf(end):
        return np.array([t0, math.inf])
    return t0 + (end - t0) * _LOOKOUTS if end > t0 else np.array([t0])


def largest_states(
    spec: ProblemSpec, resolution: Resolution, space: ParameterSpace, ends: np.ndarray
) -> np.ndarray:
    """Largest magnitude of each state (state,) at the nominal parameters over all simulations; 1 where it
    stays 0.

    ends : (simulation,) the last time of each.
    """
    times = [_lookouts(s, end) for s, end in zip(resolution.simulations, ends, strict=True)]
    plan = build_plan(spec, resolution, space, times=times)
    q = values_at(plan, space.nominal_scaled)
    scale = np.ones(len(plan.compiled.states))
    for _ in range(2):
        # a second round, as the first one weighs errors by guesses of the scales
        largest = np.zeros(len(scale))
        for simulation in range(len(times)):
            states = np.abs(trajectory(plan, simulation, q, _SCOUTING_RTOL, 1e-12))
            largest = np.fmax(largest, np.fmax.reduce(states, axis=0, initial=0.0))
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        reals(plan.ints, plan.floats, layout.STATE_SCALE)[:] = scale[plan.compiled.order]
    return scale

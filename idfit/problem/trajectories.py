"""States along one simulation, without sensitivities: what curves are drawn from and scales are taken
from."""

from __future__ import annotations

import numpy as np

from idfit.numerics import integrator
from idfit.numerics import plan as layout
from idfit.numerics.objective import outer_values
from idfit.numerics.plan import integers, reals
from idfit.problem.objective import NO_STOP, STEP_BUDGET
from idfit.problem.packing import Plan, build_plan
from idfit.problem.parameters import ParameterSpace
from idfit.problem.resolution import Resolution
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


def no_sensitivities(n_times: int) -> np.ndarray:
    """What `integrate` takes where none are wanted."""
    return np.empty((n_times, 0))


def trajectory(plan: Plan, simulation: int, q: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """States (time, state) in the model's order at the output times; NaN from where the integration
    failed."""
    times, n = plan.times[simulation], len(plan.compiled.states)
    internal = np.full((len(times), n), np.nan)
    if n and len(times):
        integrator.integrate(
            plan.ints, plan.floats, simulation, q, False, rtol, atol, STEP_BUDGET, NO_STOP,
            internal, no_sensitivities(len(times)), np.empty(integrator.INFO_SIZE),
        )  # fmt: skip
    states = np.empty_like(internal)
    states[:, plan.compiled.order] = internal
    return states


def largest_states(
    spec: ProblemSpec, resolution: Resolution, space: ParameterSpace, ends: np.ndarray
) -> np.ndarray:
    """Largest magnitude of each state (state,) at the nominal parameters over all simulations; 1 where it
    stays 0.

    ends : (simulation,) the last time of each.
    """
    starts = np.array([s.t0 for s in resolution.simulations])
    times = [
        t0 + (end - t0) * _LOOKOUTS if end > t0 else np.array([t0])
        for t0, end in zip(starts, ends, strict=True)
    ]
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

"""States and sensitivities by independent integrators in the same run: CVODE, LSODA, Radau.

They solve the states together with the forward sensitivity equations S' = J S + f_p, on the same compiled J
and f_p that idfit's own integrator calls, so that integrators are compared and not languages. Newton's matrix
of the joint system is given as its block diagonal (J for the states and for each column), as is usual for
this. The error is that of the sensitivities at the times of the data, relative to idfit at rtol 1e-12; CVODE
at a tight tolerance says whether that reference can be trusted. Python between the steps of scipy's
integrators is part of their time. Dense linear algebra would say nothing about CVODE and Radau where the
joint system is large, so they are left out there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from mass_action import network
from measuring import Goal, Table, least_seconds, nearby_point, problem_of, show
from scipy.integrate import solve_ivp

import idfit
from idfit.numerics import integrator
from idfit.numerics import plan as layout
from idfit.numerics.arguments import Z_STATES, Z_TIME, input_size
from idfit.numerics.blocks import padded
from idfit.numerics.calls import call
from idfit.problem.objective import NO_STOP, STEP_BUDGET

try:
    from sksundae.cvode import CVODE
except ImportError:
    CVODE = None

PROBLEMS = ("alpha_pinene", "boehm", "lynx_hare", "boarding_school_flu", "mass_action_30")
TOLERANCES = (1e-4, 1e-6, 1e-8)
TIGHT = 1e-11
LARGEST = {"CVODE": 100, "Radau": 40}  # unknowns of the joint system


@numba.njit
def _arguments(t, y, z, n):
    z[Z_TIME] = t
    z[Z_STATES : Z_STATES + n] = y[:n]


@numba.njit
def _right_hand_side(t, y, out, z, n, k, rhs, stage, rhs_out, stage_out, j_ptr, j_col, p_ptr, p_col, column):
    _arguments(t, y, z, n)
    call(rhs, rhs_out, z)
    call(stage, stage_out, z)
    out[:n] = rhs_out
    for i in range(n):
        row = out[n + i * k : n + (i + 1) * k]
        row[:] = 0.0
        for e in range(j_ptr[i], j_ptr[i + 1]):
            row += stage_out[e] * y[n + j_col[e] * k : n + (j_col[e] + 1) * k]
        for e in range(p_ptr[i], p_ptr[i + 1]):
            if column[p_col[e]] >= 0:
                row[column[p_col[e]]] += stage_out[j_col.shape[0] + e]


@numba.njit
def _block_diagonal(t, y, out, z, n, k, stage, stage_out, j_ptr, j_col):
    _arguments(t, y, z, n)
    call(stage, stage_out, z)
    for i in range(n):
        for e in range(j_ptr[i], j_ptr[i + 1]):
            out[i, j_col[e]] = stage_out[e]
            for c in range(k):
                out[n + i * k + c, n + j_col[e] * k + c] = stage_out[e]


@dataclass(frozen=True)
class Joint:
    """States and sensitivities of a problem with one simulation as one system; y = (states, rows of S)."""

    problem: idfit.Problem
    start: np.ndarray
    times: np.ndarray
    weight: np.ndarray
    f: Callable
    jacobian: Callable
    own: Callable


def joint_system(problem: idfit.Problem) -> Joint:
    plan = problem.plan
    ints = plan.ints

    def section(number: int) -> np.ndarray:
        return layout.integers(ints, number)

    scalars = section(layout.SCALARS)
    n, n_formal = int(scalars[layout.N_STATES]), int(scalars[layout.N_FORMAL])
    q = problem.outer_values(nearby_point(problem))
    formal = section(layout.MAPS)[section(layout.SIM_MAP)[0] * n_formal :][:n_formal]
    columns = section(layout.SIM_COLUMN)[: section(layout.SIM_COLUMN_PTR)[1]]
    k = len(columns)
    column = np.array([list(columns).index(o) if o in columns else -1 for o in formal])
    z = np.zeros(input_size(ints))
    z[Z_STATES + n : Z_STATES + n + n_formal] = q[formal]
    first = plan.times[0][0]
    t0 = layout.reals(ints, plan.floats, layout.BOUNDARY_TIME)[0]
    z[Z_TIME] = t0
    start = np.zeros(n + n * k)
    call_out = np.empty(n)
    _call(scalars[layout.F_INITIAL], call_out, z)
    start[:n] = call_out
    x0_ptr, x0_col = section(layout.X0_PTR), section(layout.X0_COL)
    x0_out = np.empty(len(x0_col))
    if len(x0_col):
        _call(scalars[layout.F_INITIAL_SENSITIVITY], x0_out, z)
    for i in range(n):
        for e in range(x0_ptr[i], x0_ptr[i + 1]):
            if column[x0_col[e]] >= 0:
                start[n + i * k + column[x0_col[e]]] += x0_out[e]
    j_ptr, j_col = section(layout.J_PTR), section(layout.J_COL)
    p_ptr, p_col = section(layout.P_PTR), section(layout.P_COL)
    rhs, stage = int(scalars[layout.F_RHS]), int(scalars[layout.F_STAGE])
    rhs_out, stage_out = np.empty(n), np.empty(len(j_col) + len(p_col))
    scale = layout.reals(ints, plan.floats, layout.STATE_SCALE)
    magnitude = np.where(q[columns] != 0, np.abs(q[columns]), 1.0)
    weight = np.concatenate([scale, (scale[:, None] / magnitude).ravel()])
    times = np.concatenate([[t0], plan.times[0]]) if first > t0 else plan.times[0]
    width = padded(k)

    def f(t, y, out):
        _right_hand_side(
            t, y, out, z, n, k, rhs, stage, rhs_out, stage_out, j_ptr, j_col, p_ptr, p_col, column
        )

    def jacobian(t, y, out):
        _block_diagonal(t, y, out, z, n, k, stage, stage_out, j_ptr, j_col)

    def own(rtol: float) -> np.ndarray:
        states, info = np.empty((len(plan.times[0]), n)), np.empty(integrator.INFO_SIZE)
        s, nothing = np.empty((len(states), n * width)), np.empty(0)
        integrator.integrate(
            ints, plan.floats, 0, q, True, rtol, rtol * 1e-4, STEP_BUDGET, NO_STOP,
            nothing, nothing, nothing, states, s, info,
        )  # fmt: skip
        return s.reshape(len(s), n, width)[:, :, :k].reshape(len(s), n * k)

    return Joint(problem, start, times, weight, f, jacobian, own)


@numba.njit
def _call(address, out, arguments):
    call(address, out, arguments)


def by_cvode(system: Joint, rtol: float) -> np.ndarray:
    assert CVODE is not None
    solver = CVODE(
        lambda t, y, out: system.f(t, y, out),
        jacfn=lambda t, y, _, out: system.jacobian(t, y, out),
        rtol=rtol, atol=1e-4 * rtol * system.weight, max_num_steps=1_000_000,
    )  # fmt: skip
    return np.asarray(solver.solve(system.times, system.start).y)


def by_scipy(method: str) -> Callable[[Joint, float], np.ndarray]:
    def solve(system: Joint, rtol: float) -> np.ndarray:
        size = len(system.start)

        def f(t, y):
            out = np.empty(size)
            system.f(t, y, out)
            return out

        def jacobian(t, y):
            out = np.zeros((size, size))
            system.jacobian(t, y, out)
            return out

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solution = solve_ivp(
                f, (system.times[0], system.times[-1]), system.start, method, t_eval=system.times,
                jac=jacobian, rtol=rtol, atol=1e-4 * rtol * system.weight,
            )  # fmt: skip
        return solution.y.T

    return solve


def compare(name: str) -> tuple[list[tuple[str, ...]], float, float]:
    """Rows of the table; the difference between CVODE and idfit, both tight; CVODE's time over ours."""
    problem = network() if name == "mass_action_30" else problem_of(name)
    system = joint_system(problem)
    n = len(problem.model.states)
    engines: dict[str, Callable[[float], np.ndarray]] = {"idfit": system.own}
    others = {"LSODA": by_scipy("LSODA")}
    if CVODE and len(system.start) <= LARGEST["CVODE"]:
        others["CVODE"] = by_cvode
    if len(system.start) <= LARGEST["Radau"]:
        others["Radau"] = by_scipy("Radau")
    skip = len(system.times) - len(problem.plan.times[0])
    for other, solve in others.items():
        engines[other] = lambda rtol, solve=solve: solve(system, rtol)[skip:, n:]
    exact = system.own(1e-12)
    unit = np.abs(exact).max(axis=0)
    unit[unit == 0] = 1.0

    def error(s: np.ndarray) -> float:
        return float(np.max(np.abs(s - exact) / unit)) if s.shape == exact.shape else float("nan")

    apart = error(engines["CVODE"](TIGHT)) if "CVODE" in engines else float("nan")
    rows, at_goal = [], {}
    for engine, solve in engines.items():
        cells = []
        for rtol in TOLERANCES:
            seconds = least_seconds({"": lambda solve=solve, rtol=rtol: solve(rtol)}, 0.1, 2)[""]
            wrong = error(solve(rtol))
            cells.append(f"{wrong:.0e} ({1e3 * seconds:.2f})")
            at_goal[engine, rtol] = seconds
        rows.append((name, engine, *cells))
    ratio = at_goal.get(("CVODE", 1e-8), float("nan")) / at_goal["idfit", 1e-8]
    return rows, apart, ratio


def measure() -> tuple[list[Table], list[Goal]]:
    rows, apart, ratios = [], {}, {}
    for name in PROBLEMS:
        more, apart[name], ratios[name] = compare(name)
        rows += more
    table = Table(
        "Sensitivities by independent integrators: largest error (CPU ms)",
        ("model", "integrator", *(f"rtol {rtol:.0e}" for rtol in TOLERANCES)),
        rows,
        "Errors are relative to the largest magnitude of each sensitivity over the times of the data.",
    )
    goals = []
    ratios = {name: ratio for name, ratio in ratios.items() if np.isfinite(ratio)}
    if ratios:
        worst = max(ratios, key=lambda name: apart[name])
        goals = [
            Goal(
                f"sensitivities at rtol 1e-12 against CVODE at {TIGHT:.0e}, largest difference",
                f"{apart[worst]:.0e} ({worst})",
            ),
            Goal(
                "states and sensitivities at rtol 1e-8, CVODE's time over ours, same run",
                ", ".join(f"{name} {ratio:.0f}" for name, ratio in ratios.items()),
            ),
        ]
    return [table], goals


if __name__ == "__main__":
    show(*measure())

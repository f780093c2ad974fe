"""Sensitivities where the error of the states has nothing to see: x' = k(a - x) from x(0) = x0 = a.

The state stands still, so an integrator that looks at states alone takes a few huge steps; yet
dx/dx0 = exp(-k t) decays and has to be right.
"""

from __future__ import annotations

import numpy as np
from measuring import Goal, Table, show

import idfit

K, A = 1.3, 2.0
TIMES = np.linspace(0.25, 8.0, 32)
TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)


def standing_still() -> idfit.Problem:
    model = idfit.Model.from_equations(
        odes={"x": "k*(a - x)"}, observables={"y": "x"}, parameters=["k", "a", "x0"], initial={"x": "x0"}
    )
    n = len(TIMES)
    data = {"condition": ["run"] * n, "time": TIMES, "observable": ["y"] * n, "value": [A] * n}
    values = {"k": K, "a": A, "x0": A}
    return idfit.Problem(
        model,
        data,
        conditions={"run": {}},
        parameters={name: {"value": v, "min": 0, "max": 10} for name, v in values.items()},
        noise={"y": 1.0},
    )


def measure() -> tuple[list[Table], list[Goal]]:
    problem = standing_still()
    theta = problem.parameters.nominal_scaled
    decay = np.exp(-K * TIMES)
    exact = {"k": np.zeros_like(TIMES), "a": 1 - decay, "x0": decay}
    rows, at_goal, steps_at_goal = [], float("nan"), 0
    for rtol in TOLERANCES:
        ev = problem.objective(rtol)(theta, 1)
        assert ev.jacobian is not None
        steps = problem.objective(rtol)(theta, 0).n_steps
        errors = {
            name: float(np.abs(ev.jacobian[:, i] - exact[name]).max())
            for i, name in enumerate(problem.parameters.names)
        }
        if rtol == 1e-8:
            at_goal, steps_at_goal = errors["x0"], ev.n_steps
        rows.append((f"{rtol:.0e}", *(f"{errors[n]:.1e}" for n in exact), str(ev.n_steps), str(steps)))
    table = Table(
        "x' = k(a - x), x(0) = a: largest error of the sensitivities",
        ("rtol", "dx/dk", "dx/da", "dx/dx0", "steps", "steps without sensitivities"),
        rows,
    )
    goal = Goal(
        "error of dx/dx0 at rtol 1e-8 where the states stand still",
        f"{at_goal:.1e} in {steps_at_goal} steps",
        "1e-7",
        at_goal <= 1e-7,
    )
    return [table], [goal]


if __name__ == "__main__":
    show(*measure())

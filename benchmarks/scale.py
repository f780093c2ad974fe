"""How cost grows with size: seeded mass-action networks of 10 to 500 states, 1.5 reactions per state.

In the local family the species of a reaction are near each other, so that the factors of the Jacobian fill in
little; in the random family they are anywhere. About 0.31 rate constants per state are estimated.

    python benchmarks/scale.py [SIZE ...]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from mass_action import network
from measuring import Goal, Table, show

import idfit

SIZES = (10, 30, 100, 300, 500)
RTOL = 1e-6
_REACH = 4


def one(size: int, reach: int | None) -> tuple[float, float, float, int, float, int]:
    """CPU seconds until ready (from the spec), of a simulation and of a gradient; parameters, fill, steps."""
    n_estimated = round(0.31 * size)
    spec = network(size, round(1.5 * size), seed=size, reach=reach, n_estimated=n_estimated).spec
    start = time.process_time()
    problem = idfit.Problem(spec)
    objective, theta = problem.objective(RTOL), problem.parameters.nominal_scaled
    objective(theta, 0)
    ready = time.process_time() - start
    start = time.process_time()
    objective(theta, 0)
    simulated = time.process_time() - start
    start = time.process_time()
    steps = objective(theta, 1).n_steps
    gradient = time.process_time() - start
    fill = len(problem.plan.compiled.factors.column) / size**2
    return ready, simulated, gradient, n_estimated, fill, steps


def measure(sizes: tuple[int, ...] = SIZES) -> tuple[list[Table], list[Goal]]:
    idfit.Problem(network(10, 15).spec).objective()(network(10, 15).parameters.nominal_scaled)  # kernels
    rows, goals = [], []
    for family, reach in (("local", _REACH), ("random", None)):
        costs = []
        for size in sizes:
            ready, simulated, gradient, n_estimated, fill, steps = one(size, reach)
            costs.append((size * n_estimated, gradient))
            rows.append((family, str(size), str(n_estimated), f"{fill:.0%}", str(steps), f"{ready:.2f}",
                         f"{simulated:.3f}", f"{gradient:.3f}"))  # fmt: skip
            if size == 500:
                goals += [
                    Goal(f"500 states, {family}: ready (CPU s)", f"{ready:.1f}", "< 30", ready < 30),
                    Goal(
                        f"500 states, {family}: simulated (CPU s)", f"{simulated:.2f}", "< 3", simulated < 3
                    ),
                    Goal(f"500 states, {family}: gradient (CPU s)", f"{gradient:.2f}", "< 30", gradient < 30),
                ]
        if reach is not None and len(costs) > 2:
            slope = float(np.polyfit(*np.log(np.array(costs)).T, 1)[0])
            goals.append(
                Goal("slope of the gradient's cost, local family", f"{slope:.2f}", "<= 1.3", slope <= 1.3)
            )
    columns = ("family", "states", "parameters", "fill", "steps", "ready (CPU s)", "simulated (CPU s)",
               "gradient (CPU s)")  # fmt: skip
    return [Table(f"Mass-action networks, rtol {RTOL:g}", columns, rows)], goals


if __name__ == "__main__":
    show(*measure(tuple(map(int, sys.argv[1:])) or SIZES))

"""How cost grows with size: seeded mass-action networks of 10 to 500 states, 1.5 reactions per state.

In the local family the species of a reaction are near each other, so that the factors of the Jacobian fill in
little; in the random family they are anywhere. About 0.31 rate constants per state are estimated. Every
network is built in two fresh processes: in the first no code of its equations is on disk yet ("cold"), in the
second there is ("warm").

    python benchmarks/scale.py [SIZE ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from measuring import Goal, Table, fresh_process, show

from idfit.numerics.compilation import cache_directory

SIZES = (10, 30, 100, 300, 500)
RTOLS = (1e-6, 1e-8)
FAMILIES = {"local": 4, "random": None}

_ONE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from mass_action import network
from measuring import least_seconds
import time
import idfit
size, reach, n_estimated, *rtols = json.loads(sys.argv[2])
small = network(10, 15)
small.objective()(small.parameters.nominal_scaled, 1)  # loads the kernels
spec = network(
    size, round(1.5 * size), seed=size, reach=reach, n_estimated=n_estimated, simulated=False
).spec
start = time.process_time()
problem = idfit.Problem(spec)
theta = problem.parameters.nominal_scaled
problem.objective(rtols[0])(theta, 0)
answer = {"ready": time.process_time() - start}
answer["fill"] = len(problem.plan.compiled.factors.column) / size**2
for rtol in rtols:
    f = problem.objective(rtol)
    times = least_seconds({"simulated": lambda: f(theta, 0), "gradient": lambda: f(theta, 1)}, 1.0, 3)
    answer[str(rtol)] = times | {"steps": [f(theta, 0).n_steps, f(theta, 1).n_steps]}
print(json.dumps(answer))
"""


def one(size: int, reach: int | None, n_estimated: int, cache: Path) -> tuple[dict, float]:
    """What the cold process measured, and the CPU seconds until a warm one is ready."""
    arguments = json.dumps([size, reach, n_estimated, *RTOLS])
    cold, warm = (
        fresh_process(_ONE, str(Path(__file__).parent), arguments, cache=cache).answer for _ in range(2)
    )
    return cold, warm["ready"]


def measure(sizes: tuple[int, ...] = SIZES) -> tuple[list[Table], list[Goal]]:
    rows, goals = [], []
    with tempfile.TemporaryDirectory(prefix="idfit-benchmark-") as folder:
        (Path(folder) / "kernels").symlink_to(cache_directory() / "kernels")
        for family, reach in FAMILIES.items():
            costs = []
            for size in sizes:
                n_estimated = round(0.31 * size)
                cold, warm = one(size, reach, n_estimated, Path(folder))
                costs.append((size * n_estimated, *(cold[str(rtol)]["gradient"] for rtol in RTOLS)))
                rows += _rows(family, size, n_estimated, cold, warm)
                goals += _goals(family, cold, warm) if size == max(SIZES) else []
            if reach is not None and len(costs) > 2:
                goals += _slopes(np.log(np.array(costs)))
    columns = ("family", "states", "parameters", "fill", "ready cold", "ready warm", "rtol", "steps",
               "simulated", "gradient")  # fmt: skip
    note = "CPU seconds. Steps without and with sensitivities."
    return [Table("Mass-action networks", columns, rows, note)], goals


def _rows(family: str, size: int, n_estimated: int, cold: dict, warm: float) -> list[tuple[str, ...]]:
    built = (
        family,
        str(size),
        str(n_estimated),
        f"{cold['fill']:.1%}",
        f"{cold['ready']:.2f}",
        f"{warm:.2f}",
    )
    rows = []
    for rtol in RTOLS:
        at = cold[str(rtol)]
        steps = ", ".join(map(str, at["steps"]))
        rows.append((*built, f"{rtol:g}", steps, f"{at['simulated']:.4f}", f"{at['gradient']:.4f}"))
    return rows


def _goals(family: str, cold: dict, warm: float) -> list[Goal]:
    strictest = cold[str(RTOLS[-1])]
    bars = {
        "ready, cold": (cold["ready"], 30),
        "ready, warm": (warm, 30),
        f"simulated, rtol {RTOLS[-1]:g}": (strictest["simulated"], 3),
        f"gradient, rtol {RTOLS[-1]:g}": (strictest["gradient"], 30),
    }
    return [
        Goal(f"500 states, 155 parameters, {family}: {what} (CPU s)", f"{s:.2f}", f"< {bar}", s < bar)
        for what, (s, bar) in bars.items()
    ]


def _slopes(logs: np.ndarray) -> list[Goal]:
    goals = []
    for column, rtol in enumerate(RTOLS, 1):
        slope = float(np.polyfit(logs[:, 0], logs[:, column], 1)[0])
        what = f"slope of the gradient's cost in states x parameters, local family, rtol {rtol:g}"
        goals.append(Goal(what, f"{slope:.2f}", "<= 1.3", slope <= 1.3))
    return goals


if __name__ == "__main__":
    show(*measure(tuple(map(int, sys.argv[1:])) or SIZES))

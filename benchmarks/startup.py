"""From nothing to a first gradient in fresh processes: import, kernels, equations, evaluation.

Everything compiled goes to a temporary folder (IDFIT_CACHE_DIR), so the first process compiles the kernels,
the first process of each model compiles its equations, and later ones load what is there. CPU seconds of the
process; the elapsed time is longer where the machine is busy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from measuring import MODELS, Goal, Table, fresh_process, paths_of, show

_IMPORT = """
import time
start = time.process_time()
import idfit
print(time.process_time() - start)
"""

_NOTHING = "print(0)"

_FIRST_GRADIENT = """
import json, sys, time
def now():
    return time.process_time(), time.perf_counter()
clock = [now()]
import idfit
idfit.load, idfit.Problem
clock.append(now())
problem = idfit.load(sys.argv[1], sys.argv[2])
clock.append(now())
objective = problem.objective()
clock.append(now())
objective(problem.parameters.nominal_scaled, 1)
clock.append(now())
parts = [b[0] - a[0] for a, b in zip(clock, clock[1:])]
print(json.dumps({"parts": parts, "cpu": sum(parts), "elapsed": clock[-1][1] - clock[0][1]}))
"""
REPEATS = 2


def measure(models: list[str] = MODELS) -> tuple[list[Table], list[Goal]]:
    with tempfile.TemporaryDirectory(prefix="idfit-benchmark-") as folder:
        cache = Path(folder)
        bare = min(fresh_process(_NOTHING).cpu for _ in range(5))
        importing = min(fresh_process(_IMPORT).cpu for _ in range(5))
        first = fresh_process(_FIRST_GRADIENT, *map(str, paths_of("bod_marske")), cache=cache)
        rows, slowest = [], ("", 0.0, 0.0)
        warm_kernels = None
        for name in models:
            paths = [str(path) for path in paths_of(name)]
            new = fresh_process(_FIRST_GRADIENT, *paths, cache=cache)
            later = min(
                (fresh_process(_FIRST_GRADIENT, *paths, cache=cache) for _ in range(REPEATS)),
                key=lambda child: child.answer["cpu"],
            )
            warm_kernels = later.answer["cpu"] if name == "bod_marske" else warm_kernels
            parts = later.answer["parts"]
            rows.append((
                name,
                *(f"{x:.2f}" for x in (new.answer["cpu"], later.answer["cpu"], later.answer["elapsed"])),
                *(f"{p:.2f}" for p in parts),
            ))  # fmt: skip
            slowest = max(slowest, (name, later.answer["cpu"], new.answer["cpu"]), key=lambda s: s[1])
    table = Table(
        "Model file to first gradient in a fresh process, kernels compiled before (seconds)",
        ("model", "new model, CPU", "known model, CPU", "elapsed", "imports", "read", "build", "evaluate"),
        rows,
        "'Known': the machine code of its equations is on disk. The parts are CPU seconds of a known model.",
    )
    goals = [
        Goal("import idfit (CPU s, beyond a bare interpreter)", f"{importing - bare:.3f}", "< 0.5",
             importing - bare < 0.5),
        Goal("first gradient ever, kernels compiled (s)",
             f"{first.answer['cpu']:.1f} CPU, {first.answer['elapsed']:.1f} elapsed"),
    ]  # fmt: skip
    if warm_kernels is not None:
        goals.append(Goal("the same with the kernels on disk (CPU s)", f"{warm_kernels:.2f}"))
    goals.append(
        Goal(
            "model file to first gradient, warm caches, slowest model (CPU s)",
            f"{slowest[1]:.2f} ({slowest[0]}; equations not yet compiled: {slowest[2]:.2f})",
            "< 1",
            slowest[1] < 1.0,
        )
    )
    return [table], goals


if __name__ == "__main__":
    show(*measure())

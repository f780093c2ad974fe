"""What the benchmarks share: the models, times that a busy machine spoils little, and the tables they print.

Times are CPU times of the thread, minima over repeats. Where two things are compared, their repeats
alternate, so that what slows the machine down slows both.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small matrices: threads of BLAS would only add CPU time

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

import idfit
from idfit.numerics import plan as layout
from idfit.numerics.objective import REPORT_SIZE, REPORT_STEPS, SUM_SIZE, predict, score
from idfit.problem.objective import NO_STOP, STEP_BUDGET

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = tomllib.loads((ROOT / "models/expected.toml").read_text(encoding="utf-8"))
MODELS = sorted(EXPECTED)


@dataclass(frozen=True)
class Goal:
    """One figure beside what it should be. `met` is None where there is no goal or it cannot be judged."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __str__(self) -> str:
        widths = [
            max(len(str(row[i])) for row in (self.columns, *self.rows)) for i in range(len(self.columns))
        ]
        lines = [
            "| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
            for row in (self.columns, *self.rows)
        ]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.note] if self.note else [])]) + "\n"


def goal_table(goals: Sequence[Goal]) -> Table:
    words = {True: "yes", False: "no", None: ""}
    return Table(
        "Figures beside their goals",
        ("what", "measured", "goal", "met"),
        [(g.what, g.measured, g.goal, words[g.met]) for g in goals],
        machine(),
    )


def show(tables: Sequence[Table], goals: Sequence[Goal]) -> None:
    for table in (*tables, goal_table(goals)):
        print(table, flush=True)


def machine() -> str:
    """The processor and how busy the machine is; other programs' work makes every time longer."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = next(
            line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")
        )
    except (OSError, StopIteration):
        model = "unknown processor"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"{os.cpu_count()} x {model}, load average {load:.1f}, idfit {idfit.__version__}."


def paths_of(name: str) -> tuple[Path, Path]:
    return ROOT / f"models/{name}.toml", ROOT / f"data/{EXPECTED[name].get('data', name)}.csv"


@cache
def problem_of(name: str) -> idfit.Problem:
    return idfit.load(*paths_of(name))


def least_seconds(
    functions: Mapping[str, Callable[[], object]], seconds: float = 0.4, repeats: int = 5
) -> dict[str, float]:
    """CPU seconds of one call of each: the least over alternating batches of about `seconds` in all."""
    size = {}
    for name, function in functions.items():
        function()
        start = time.thread_time()
        function()
        once = max(time.thread_time() - start, 1e-7)
        size[name] = max(1, int(seconds / repeats / once))
    least = dict.fromkeys(functions, float("inf"))
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.thread_time()
            for _ in range(size[name]):
                function()
            least[name] = min(least[name], (time.thread_time() - start) / size[name])
    return least


def kernel_call(objective, theta: np.ndarray, order: int) -> Callable[[], int]:
    """The compiled part of ``objective(theta, order)`` alone, on arrays made before; returns the steps."""
    plan, k = objective.plan, len(theta)
    shape = (plan.n_rows, k) if order else (0, k)
    y, m, sigma, residual = np.empty((4, plan.n_rows))
    dm, dsigma = np.empty(shape), np.empty(shape)
    report, sums = np.empty(REPORT_SIZE), np.empty(SUM_SIZE)
    gradient, prior_gradient = np.empty((2, k))
    fim, prior_fim = np.empty((2, k, k))

    def call() -> int:
        status = predict(
            plan.ints, plan.floats, theta, order, objective.rtol, objective.atol, STEP_BUDGET, NO_STOP,
            y, m, sigma, dm, dsigma, report,
        ) or score(
            plan.ints, plan.floats, theta, order, m, sigma, dm, dsigma, sums, residual,
            gradient, prior_gradient, fim, prior_fim,
        )  # fmt: skip
        if status:
            raise RuntimeError(f"the benchmark's evaluation failed: {idfit.Status(status).sentence}")
        return int(report[REPORT_STEPS])

    return call


def mean_columns(problem: idfit.Problem) -> float:
    """Sensitivity columns of a simulation, on average over the simulations of the problem."""
    pointer = layout.integers(problem.plan.ints, layout.SIM_COLUMN_PTR)
    return float(pointer[-1]) / (len(pointer) - 1)


def nearby_point(problem: idfit.Problem, seed: int = 1, reach: float = 0.02) -> np.ndarray:
    """A point near the nominal values where the gradient is not about zero, theta on the estimation scale."""
    space, rng = problem.parameters, np.random.default_rng(seed)
    lower, upper = space.lower_scaled, space.upper_scaled
    step = reach * (upper - lower) * rng.uniform(-1, 1, len(space))
    return np.clip(space.nominal_scaled + step, lower, upper)


@dataclass(frozen=True)
class Child:
    """A fresh Python process: its CPU and elapsed seconds, and the last line that it printed, as JSON."""

    cpu: float
    elapsed: float
    answer: dict


def fresh_process(code: str, *arguments: str, cache: Path | None = None) -> Child:
    environment = os.environ | ({"IDFIT_CACHE_DIR": str(cache)} if cache else {})
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    start, before = time.perf_counter(), os.times()
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    lines = run.stdout.strip().splitlines()
    return Child(cpu, time.perf_counter() - start, json.loads(lines[-1]) if lines else {})

"""Boehm STAT5: all nine profiles at 95 %, by each method, and what their limits are worth.

Peer, measured once on another machine: pyPESTO + AMICI, 31 s for the same nine profiles. In the same run, on
the same engine: a grid of as many equally spaced points per side as the path takes, every point refitted by
scipy's L-BFGS-B from the one before.

    python benchmarks/profiles.py
"""

from __future__ import annotations

import time

import numpy as np
from measuring import EXPECTED, Goal, Table, problem_of, show
from scipy.optimize import Bounds, minimize

import idfit
from idfit.profiles import profile

GOAL, PEER = 1.5, 31.0
LIMITS = EXPECTED["boehm"]["limits_95"]
RISE = 1.92072941
METHODS = ("path", "endpoints", "integration")
REPEATS = 3


def error_of(limits: np.ndarray) -> float:
    """The largest distance from the known limits; infinite where an open side got a number."""
    known = np.array(list(LIMITS.values()))
    finite = np.isfinite(known)
    if (np.isfinite(limits) != finite).any():
        return np.inf
    return float(np.abs(limits[finite] - known[finite]).max())


def by_grid(problem: idfit.Problem, best: np.ndarray, paths) -> tuple[np.ndarray, int, float]:
    """Limits (parameter, side), evaluations, and CPU seconds of a grid with scipy's L-BFGS-B."""
    objective, space = problem.objective(), problem.parameters
    evaluations = 0

    def value_and_gradient(others: np.ndarray, i: int, value: float):
        nonlocal evaluations
        evaluations += 1
        ev = objective(np.insert(others, i, value), 1)
        return (ev.objective, np.delete(ev.gradient, i)) if ev.gradient is not None else (1e10, 0 * others)

    lowest, limits = objective(best, 0).objective, np.empty((len(best), 2))
    start = time.process_time()
    for i in range(len(best)):
        bounds = Bounds(np.delete(space.lower_scaled, i), np.delete(space.upper_scaled, i))
        at = paths.isel(profiled=i)
        values = at["value"].values[np.isfinite(at["value"].values)]
        first = int(at["start_step"])
        for side, (end, n) in enumerate(((values[0], first), (values[-1], len(values) - 1 - first))):
            others, before, limits[i, side] = np.delete(best, i), (best[i], 0.0), (-np.inf, np.inf)[side]
            for value in np.linspace(best[i], end, n + 1)[1:]:
                found = minimize(value_and_gradient, others, (i, value), "L-BFGS-B", True, bounds=bounds)
                others, root = found.x, np.sqrt(max(found.fun - lowest, 0.0))
                if root > np.sqrt(RISE):
                    share = (np.sqrt(RISE) - before[1]) / (root - before[1])
                    limits[i, side] = before[0] + share * (value - before[0])
                    break
                before = (value, root)
    return limits, evaluations, time.process_time() - start


def measure() -> tuple[list[Table], list[Goal]]:
    problem = problem_of("boehm")
    fit = idfit.fit(problem, 30, 1)
    profile(problem, fit, ["k_phos"])  # nothing is compiled while the clock runs
    rows, seconds, paths = [], {}, None
    for method in METHODS:
        times = []
        for _ in range(REPEATS if method != "integration" else 1):
            start = time.process_time()
            found = profile(problem, fit, method=method)
            times.append(time.process_time() - start)
        paths = found if method == "path" else paths
        limits = found["interval"].sel(space="estimation").values[:, 0]
        seconds[method] = float(np.median(times))
        rows.append((f"idfit, {method}", found.attrs["n_evaluations"], seconds[method], error_of(limits)))
    assert paths is not None
    limits, evaluations, grid = by_grid(problem, fit["optimum"].values[0], paths)
    rows.append(("equal grid, scipy L-BFGS-B", evaluations, grid, error_of(limits)))
    table = Table(
        "Boehm, nine profiles at 95 %, both sides",
        ("method", "evaluations with gradient", "CPU s", "largest error of a limit (log10)"),
        [(name, n, f"{s:.2f}", f"{e:.1e}") for name, n, s, e in rows],
        f"The grid takes {grid / seconds['path']:.1f} times the CPU of the path, in the same run.",
    )
    goals = [
        Goal(
            f"Boehm, CPU seconds for all nine profiles (pyPESTO + AMICI: {PEER:.0f}, stored)",
            f"{seconds['path']:.2f}",
            f"<= {GOAL}",
            seconds["path"] <= GOAL,
        ),
        Goal(
            "Boehm, largest error of a 95 % limit, log10", f"{rows[0][3]:.1e}", "<= 1e-3", rows[0][3] <= 1e-3
        ),
    ]
    return [table], goals


if __name__ == "__main__":
    show(*measure())

"""Simulation, gradient, the cost of one sensitivity, and work against precision, for every model in models/.

The cost of one sensitivity is (time of the gradient / time of the simulation - 1) / columns, both at rtol
1e-8 and of the compiled part alone; columns are the parameters that enter a simulation. The error of a
gradient is relative to the gradient at rtol 1e-12, at a point near the nominal values.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from mass_action import network
from measuring import (
    MODELS,
    Goal,
    Table,
    kernel_call,
    least_seconds,
    mean_columns,
    nearby_point,
    problem_of,
    show,
)

import idfit

TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
RTOL = 1e-8


def speed_of(name: str, problem: idfit.Problem, seconds: float = 0.4) -> dict:
    theta = nearby_point(problem)
    objective = problem.objective(RTOL)
    simulate, differentiate = (kernel_call(objective, theta, order) for order in (0, 1))
    steps = simulate(), differentiate()
    times = least_seconds({"simulation": simulate, "gradient": differentiate}, seconds)
    columns = mean_columns(problem)
    ratio = times["gradient"] / times["simulation"]
    per_step = ratio * steps[0] / max(steps[1], 1)
    return {
        "model": name,
        "states": len(problem.model.states),
        "simulations": len(problem.resolution.simulations),
        "columns": columns,
        "steps": steps,
        **times,
        "cost": (ratio - 1) / columns if columns else float("nan"),
        "cost_per_step": (per_step - 1) / columns if columns else float("nan"),
    }


def work_precision(problem: idfit.Problem) -> list[tuple[float, float]]:
    """(error of the gradient, CPU seconds) for each tolerance."""
    theta = nearby_point(problem)
    exact = problem.objective(1e-12, 1e-16)(theta, 1).gradient
    curve = []
    for rtol in TOLERANCES:
        objective = problem.objective(rtol)
        error = np.linalg.norm(objective(theta, 1).gradient - exact) / np.linalg.norm(exact)
        call = kernel_call(objective, theta, 1)
        curve.append((float(error), least_seconds({"": call}, 0.1, 3)[""]))
    return curve


def stored_times_of_amici() -> dict | None:
    """What AMICI 1.0.1 needed for Boehm on another machine; None without the reference data."""
    folder = os.environ.get("IDFIT_REFERENCES")
    path = Path(folder) / "petab_benchmark/reference.json" if folder else None
    if path is None or not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8"))["models"]["Boehm_JProteomeRes2014"]


def measure() -> tuple[list[Table], list[Goal]]:
    problems = {name: problem_of(name) for name in MODELS} | {"mass_action_30": network()}
    with_states = {name: p for name, p in problems.items() if p.model.states}
    speeds = {name: speed_of(name, p) for name, p in problems.items()}
    tables = [
        Table(
            "Simulation and gradient at rtol 1e-8",
            ("model", "states", "simulations", "columns", "steps", "steps with sensitivities",
             "simulation ms", "gradient ms", "one sensitivity", "the same per step"),
            [
                (s["model"], s["states"], s["simulations"], f"{s['columns']:.3g}", *s["steps"],
                 f"{1e3 * s['simulation']:.3f}", f"{1e3 * s['gradient']:.3f}",
                 f"{s['cost']:.2f}", f"{s['cost_per_step']:.2f}")
                for s in speeds.values()
            ],
            "One sensitivity in units of one simulation; the last column without the additional steps that "
            "accurate sensitivities take.",
        )
    ]  # fmt: skip
    curves = {name: work_precision(p) for name, p in with_states.items()}
    tables.append(
        Table(
            "Work and precision: relative error of the gradient (CPU ms)",
            ("model", *(f"rtol {rtol:.0e}" for rtol in TOLERANCES)),
            [(name, *(f"{e:.0e} ({1e3 * s:.2f})" for e, s in curve)) for name, curve in curves.items()],
        )
    )
    goals = []
    for limit, few in ((0.4, True), (0.25, False)):
        costs = {n: s["cost"] for n, s in speeds.items() if s["states"] and (s["states"] <= 15) == few}
        worst = max(costs, key=lambda n: costs[n])
        within = sum(c <= limit for c in costs.values())
        goals.append(Goal(
            f"one sensitivity, {'up to 15 states' if few else 'above 15 states'} (simulations)",
            f"median {np.median(list(costs.values())):.2f}, worst {costs[worst]:.2f} ({worst}), "
            f"{within} of {len(costs)} within",
            f"<= {limit}", within == len(costs),
        ))  # fmt: skip
    goals.append(
        Goal(
            "one sensitivity, Boehm (simulations)",
            f"{speeds['boehm']['cost']:.2f}",
            "<= 0.4",
            speeds["boehm"]["cost"] <= 0.4,
        )
    )
    stored = stored_times_of_amici()
    if stored:
        ours = 1e3 * speeds["boehm"]["gradient"]
        goals.append(Goal(
            "Boehm, nllh and gradient at rtol 1e-8 (ms)",
            f"{ours:.2f}; AMICI 1.0.1 {stored['peer_gradient_ms_rtol1e-8']:.1f} "
            "(a stored figure, measured on another machine)",
            ">= 10 times faster", stored["peer_gradient_ms_rtol1e-8"] >= 10 * ours,
        ))  # fmt: skip
    return tables, goals


if __name__ == "__main__":
    show(*measure())

"""Local structural identifiability: seconds for each shipped problem, and for large networks.

The question (exact formulas), its programs, and a point modulo each of two primes, as `assess_structure`
does before it asks anything global. Beside it the time of reading the problem's files.

    python benchmarks/structure_local.py
"""

from __future__ import annotations

import statistics

import mass_action
from measuring import MODELS, Goal, Table, least_seconds, problem_of, show

import idfit
from idfit.structural.from_problem import question_of_problem
from idfit.structural.local import LocalResult, assess_locally

TYPICAL, LARGE = 0.05, 1.0
NETWORKS = ((34, 117), (60, 200))


def _assessed(problem: idfit.Problem) -> LocalResult:
    return assess_locally(question_of_problem(problem))


def measured(name: str, problem: idfit.Problem) -> tuple[list[str], float]:
    result = _assessed(problem)  # also resolves the problem, which is not to be measured
    seconds = least_seconds({name: lambda: _assessed(problem)})[name]
    sizes = [str(len(problem.model.states)), str(len(problem.parameters)), str(len(result.ranks))]
    return [name, *sizes, str(result.nullity), f"{seconds * 1e3:.0f} ms"], seconds


def measure() -> tuple[list[Table], list[Goal]]:
    rows, seconds = [], []
    for name in MODELS:
        row, own = measured(name, problem_of(name))
        rows.append(row)
        seconds.append(own)
    goals = [
        Goal(
            f"local identifiability, median of {len(MODELS)} problems",
            f"{statistics.median(seconds) * 1e3:.0f} ms",
            f"< {TYPICAL * 1e3:.0f} ms",
            statistics.median(seconds) < TYPICAL,
        )
    ]
    for n_states, n_reactions in NETWORKS:
        row, own = measured(
            f"network {n_states}", mass_action.network(n_states, n_reactions, simulated=False)
        )
        rows.append(row)
        goal = f"< {LARGE:g} s" if n_states == NETWORKS[0][0] else ""
        goals.append(
            Goal(
                f"local identifiability, {row[1]} states and {row[2]} parameters",
                f"{own:.2f} s",
                goal,
                own < LARGE if goal else None,
            )
        )
    columns = ("problem", "states", "parameters", "orders", "open directions", "CPU time")
    return [Table("Local structural identifiability", columns, rows)], goals


if __name__ == "__main__":
    show(*measure())

"""The share of Python in one call of the objective: everything outside the compiled kernels.

Measured twice: as the whole call of a problem whose kernels take next to no time, and as the difference
between the call and its kernels alone, for every model.
"""

from __future__ import annotations

from measuring import MODELS, Goal, Table, kernel_call, least_seconds, nearby_point, problem_of, show

import idfit


def tiny() -> idfit.Problem:
    """A straight line through one measurement: nothing to integrate."""
    model = idfit.Model.from_equations(odes={}, observables={"y": "k*t"}, parameters=["k"], initial={})
    data = {"condition": ["run"], "time": [1.0], "observable": ["y"], "value": [1.0]}
    return idfit.Problem(
        model,
        data,
        conditions={"run": {}},
        parameters={"k": {"value": 1, "min": 0, "max": 2}},
        noise={"y": 1.0},
    )


def share_of(problem: idfit.Problem) -> dict[str, float]:
    objective, theta = problem.objective(), nearby_point(problem)
    return least_seconds({
        "value": lambda: objective(theta, 0),
        "value, kernels": kernel_call(objective, theta, 0),
        "gradient": lambda: objective(theta, 1),
        "gradient, kernels": kernel_call(objective, theta, 1),
    }, 0.2, 7)  # fmt: skip


def measure() -> tuple[list[Table], list[Goal]]:
    whole = share_of(tiny())
    rows = []
    largest = 0.0
    for name in MODELS:
        times = share_of(problem_of(name))
        difference = times["gradient"] - times["gradient, kernels"]
        # the difference of two long times says nothing about microseconds
        told = times["gradient"] < 2e-3
        largest = max(largest, difference) if told else largest
        rows.append(
            (
                name,
                f"{1e6 * (times['value'] - times['value, kernels']):.0f}",
                f"{1e6 * difference:.0f}" if told else "-",
                f"{1e6 * times['gradient']:.0f}",
            )
        )
    tables = [
        Table(
            "Microseconds outside the kernels",
            ("model", "value", "value and gradient", "whole call with gradient"),
            rows,
            "A dash where the kernels take over 2 ms and the difference would be noise.",
        )
    ]
    goals = [
        Goal(
            "Python share of a call with gradient, problem without kernel time (us)",
            f"{1e6 * whole['gradient']:.1f} (value only {1e6 * whole['value']:.1f})",
            "< 50",
            whole["gradient"] < 50e-6,
        ),
        Goal(
            "the same over the models, the largest (us)",
            f"{1e6 * largest:.0f}",
            "< 50",
            largest < 50e-6,
        ),
    ]
    return tables, goals


if __name__ == "__main__":
    show(*measure())

"""Steady states in structural questions, against closed forms and the rank of the Fisher information."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from idfit.model import Model
from idfit.problem import Problem
from idfit.structural.assess import assess_structure
from idfit.structural.from_problem import question_of_problem
from idfit.structural.local import assess_locally
from idfit.structural.steady import conserved

TIMES = (0.0, 0.3, 1.0, 2.5, 6.0)
VALUES = {"d": 0.7, "c": 1.3, "b": 0.4, "k": 2.1, "q": 0.9, "T": 1.6}


def made(odes, formula, parameters, conditions, times=TIMES, initial=None) -> Problem:
    model = Model.from_equations(odes, {"y": formula}, parameters, initial, inputs=["u"])
    measured = [c for c, s in conditions.items() if s.get("measured", True)]
    conditions = {c: {k: v for k, v in s.items() if k != "measured"} for c, s in conditions.items()}
    rows = [(c, t) for c in measured for t in times]
    table = {
        "condition": [c for c, _ in rows],
        "time": [t for _, t in rows],
        "observable": ["y"] * len(rows),
        "value": [1.0] * len(rows),
    }
    declared = {n: {"value": VALUES[n], "min": 1e-3, "max": 1e3} for n in parameters}
    return Problem(model, table, conditions, declared, noise={"y": 0.1}, inputs={"u": 1.0})


TURNOVER = {"A": "b + u*k - d*A"}
STEP = {"rest": {"set": {"u": 0.0}, "measured": False}, "step": {"preequilibrate": "rest", "set": {"u": 1.0}}}
EXCHANGE = {"A": "-q*u*A + k*B", "B": "q*u*A - k*B"}
SWITCHED = {
    "rest": {"set": {"u": 0.5}, "measured": False},
    "on": {"preequilibrate": "rest", "set": {"u": 2.0}},
}
PROBLEMS = {
    # A(0) = b/d, A(∞) = (b + k)/d
    "turnover": (made(TURNOVER, "c*A", "bkdc", STEP), {"d", "c*b", "c*k"}, {"b", "k", "c"}),
    # only c·(b + k)/d is measured
    "at rest only": (
        made(TURNOVER, "c*A", "bkdc", {"on": {}}, (np.inf,)),
        {"c*(b + k)/d"},
        {"b", "k", "c", "d"},
    ),
    # A + B = T from the start; A/B = k/(q·u) at rest
    "exchange": (
        made(EXCHANGE, "c*A", "qkcT", SWITCHED, initial={"A": "T", "B": 0}),
        {"q", "k", "c*T"},
        {"c", "T"},
    ),
    "exchange at rest": (
        made(EXCHANGE, "A", "qkT", {"on": {}}, (np.inf,), {"A": "T", "B": 0}),
        {"T*k/(k + q)"},
        {"q", "k", "T"},
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_closed_forms(name):
    problem, determined, left_open = PROBLEMS[name]
    found = assess_structure(problem, functions={f: f for f in determined | left_open}, global_=False)
    functions = found.sel(quantity=found["kind"] == "function")
    identifiable = functions["verdict_label"] == "at_least_local"
    assert set(functions["quantity"].values[identifiable.values].tolist()) == determined
    open_ones = functions["quantity"].values[(functions["verdict_label"] == "nonidentifiable").values]
    assert set(open_ones.tolist()) == left_open


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_fisher_information_has_as_many_empty_directions(name):
    problem = PROBLEMS[name][0]
    theta = problem.parameters.to_scaled(problem.parameters.nominal)
    eigenvalues = np.linalg.eigvalsh(problem.objective()(theta, order=1).fim)
    empty = int((eigenvalues < 1e-9 * eigenvalues[-1]).sum())
    assert assess_locally(question_of_problem(problem)).nullity == empty


def test_conserved_sums():
    a, b, k = sympy.symbols("A B k")
    assert conserved(["A", "B"], [-2 * k * a * a, k * a * a]) in ([[1, 2]], [[-1, -2]])
    assert conserved(["A", "B"], [-k * a, k * a - b]) == []


def test_a_steady_state_that_is_not_covered_is_said():
    """A(0) solves A³ + A = 1 with nothing that stands linearly."""
    model = Model.from_equations({"A": "1 - A^3 - A + u"}, {"y": "c*A"}, ["c"], inputs=["u"])
    table = {"condition": ["on"], "time": [1.0], "observable": ["y"], "value": [1.0]}
    conditions = {"off": {"set": {"u": 0}}, "on": {"preequilibrate": "off", "set": {"u": 1}}}
    problem = Problem(
        model,
        table,
        conditions,
        {"c": {"value": 1.0, "min": 0.1, "max": 9}},
        noise={"y": 0.1},
        inputs={"u": 0.0},
    )
    found = assess_structure(problem, global_=False)
    assert found["verdict_label"].sel(quantity="c") == "undetermined"

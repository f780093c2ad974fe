"""Counterexamples by search, where the other values are known in closed form."""

from __future__ import annotations

import pytest

from idfit.model import Model
from idfit.problem import Problem
from idfit.structural.assess import assess_structure
from idfit.structural.search import other_values


def bateman(observed: str = "plasma") -> Problem:
    """An oral dose: ka and ke can change places if V becomes V·ke/ka."""
    model = Model.from_equations(
        {"gut": "-ka*gut", "plasma": "ka*gut/V - ke*plasma"}, {"y": observed}, ["ka", "ke", "V"], {"gut": 10}
    )
    table = {"time": [0.5, 1, 2, 4, 8, 12], "observable": ["y"] * 6, "value": [1.0] * 6}
    parameters = {
        n: {"value": v, "min": 1e-2, "max": 1e2, "scale": "log10"}
        for n, v in {"ka": 2, "ke": 0.3, "V": 5}.items()
    }
    return Problem(model, table, {}, parameters, noise={"y": 0.1})


def test_the_other_form_of_a_flip_flop():
    found = other_values(bateman(), ["ka", "ke", "V"], seed=1)
    assert set(found) == {"ka", "ke", "V"}
    assert found["ka"].there == pytest.approx(found["ke"].here, rel=1e-4)
    assert found["ke"].there == pytest.approx(found["ka"].here, rel=1e-4)
    assert found["V"].there == pytest.approx(found["V"].here * found["ke"].here / found["ka"].here, rel=1e-4)


def test_nothing_is_found_where_there_is_nothing():
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"], {"A": 1})
    table = {"time": [1.0, 2.0], "observable": ["y", "y"], "value": [1.0, 1.0]}
    problem = Problem(model, table, {}, {"k": {"value": 0.5, "min": 0.01, "max": 10.0}}, noise={"y": 0.1})
    assert other_values(problem, ["k"]) == {}


def test_it_decides_where_algebra_does_not():
    found = assess_structure(bateman("exp(plasma/10)"))
    assert found["verdict_label"].sel(quantity="ka") == "local"
    assert "found by search" in str(found["decided_by"].sel(quantity="ka").values)

"""Small SBML models simulated; what is expected follows by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("libsbml", reason="python-libsbml is not installed")

from idfit.formats.sbml import read_sbml_text
from idfit.problem import build, simulate
from idfit.spec.schema import ObservableSpec
from tests.formats.sbml_texts import (
    assignment,
    compartment,
    event,
    initial,
    parameter,
    rate,
    reaction,
    sbml,
    species,
)

TIMES = np.array([0.0, 0.5, 1.5, 2.5, 3.5])


def values(*elements: str, of: str) -> np.ndarray:
    """A formula of a model over the times."""
    spec = read_sbml_text(sbml(*elements)).spec
    observable = {"observed": ObservableSpec(formula=of, noise=1.0)}
    problem = build(spec.model_copy(update={"observables": observable}))
    return simulate(problem, times=TIMES)["trajectory"].values[0, 0]


def test_a_volume_that_grows_dilutes():
    elements = (
        compartment("V", 2, constant=False),
        species("A", "V", concentration=3),
        parameter("k", 0.5),
        rate("V", "k*V"),
        reaction("J", {"A": 1}, {}, "k*A*V"),
    )
    assert values(*elements, of="A") == pytest.approx(3 * np.exp(-TIMES), rel=1e-6)
    assert values(*elements, of="A*V") == pytest.approx(6 * np.exp(-0.5 * TIMES), rel=1e-6)


def test_a_volume_by_rule_and_a_stoichiometry_that_changes():
    elements = (
        compartment("V", constant=False),
        species("A", "V", concentration=0),
        assignment("V", "1 + time"),
        reaction("J", {}, {"A": "n"}, "2"),
        assignment("n", "time"),
    )
    assert values(*elements, of="A") == pytest.approx(TIMES**2 / (1 + TIMES), rel=1e-6, abs=1e-9)


def test_what_follows_from_initial_states_keeps_its_value():
    elements = (
        compartment("C", 2),
        species("A", concentration=3),
        parameter("a0"),
        initial("a0", "A/2 + exp(0)"),
        reaction("J", {"A": 1}, {}, "C*A"),
    )
    assert values(*elements, of="a0") == pytest.approx(2.5)
    assert values(*elements, of="A") == pytest.approx(3 * np.exp(-TIMES), rel=1e-6)


@pytest.mark.parametrize(("from_trigger", "expected"), [(True, 1.0), (False, 2.0)])
def test_delayed_events(from_trigger, expected):
    """x = t; at 1 it is noted that y becomes x, at 2 it does."""
    x, y = parameter("x", 0, constant=False), parameter("y", 0, constant=False)
    late = event("E", "x >= 1", {"y": "x"}, delay="1", from_trigger=from_trigger)
    assert values(x, y, rate("x", "1"), late, of="y") == pytest.approx(
        [0, 0, 0, expected, expected], rel=1e-6
    )


def test_the_larger_priority_goes_first():
    x = parameter("x", 1, constant=False)
    add = event("E", "time >= 1", {"x": "x + 3"}, priority="1", from_trigger=False)
    double = event("F", "time >= 1", {"x": "2*x"}, priority="2", from_trigger=False)
    assert values(x, add, double, of="x") == pytest.approx([1, 1, 5, 5, 5])


def test_an_event_at_the_start_and_one_that_is_dropped():
    x = parameter("x", 1, constant=False)
    now = event("E", "time >= 0", {"x": "x + 3"}, initial=False)
    never = event("F", "time >= 1 && time < 2", {"x": "100"}, delay="2", persistent=False)
    assert values(x, now, never, of="x") == pytest.approx(4.0)


def test_an_event_that_changes_a_volume_keeps_amounts():
    elements = (
        compartment("V", 2, constant=False),
        species("A", "V", concentration=3),
        event("E", "time >= 1", {"V": "3*V"}),
        event("F", "time >= 2", {"A": "7"}, delay="0.7"),
        event("G", "time >= 3", {"A": "A + 1", "V": "1"}),
    )
    # G makes the concentration 8 in the volume 6, which it makes 1 as well
    assert values(*elements, of="A") == pytest.approx([3, 3, 1, 1, 48])
    assert values(*elements, of="V") == pytest.approx([2, 2, 6, 6, 1])


def test_steps_of_the_time_and_of_states():
    x, y = parameter("x", 0, constant=False), parameter("y", constant=False)
    assert values(x, rate("x", "floor(time)"), of="x") == pytest.approx(
        [0, 0, 0.5, 2, 4.5], rel=1e-6, abs=1e-9
    )
    saw = (x, y, rate("x", "-2"), assignment("y", "rem(x, 3) + ceil(x)"))
    assert values(*saw, of="y") == pytest.approx(
        [math.fmod(-2 * t, 3) + math.ceil(-2 * t) for t in TIMES], abs=1e-6
    )

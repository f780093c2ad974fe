"""Quotients of input-output coefficients, against closed forms and published verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.model import Model
from idfit.results import StructuralVerdict
from idfit.structural import coefficient_values, global_verdicts
from idfit.structural.coefficient_values import CoefficientValues, proportional
from idfit.structural.from_model import question_of_model
from idfit.structural.input_output import Dynamics
from idfit.structural.local import assess_locally
from idfit.structural.observed_point import ObservedPoint
from idfit.structural.question import Question
from idfit.structural.quotient_verdicts import unique_by_quotients
from idfit.structural.rational import reciprocal
from idfit.structural.simple_quotients import Pairs, Quotient, Round
from tests.structural.ground_truth import by_name, model_of, needs_references, options_of

COMPARTMENTS = Model.from_equations(
    {"x": "-(k1 + k2)*x + k3*z", "z": "k1*x - k3*z"}, {"y": "x"}, ["k1", "k2", "k3"]
)
"""y'' + (k1 + k2 + k3) y' + k2 k3 y = 0"""


def values_of(question: Question, n_experiments: int = 1) -> CoefficientValues:
    dynamics = Dynamics.of(question.experiments[0], question.unknowns)
    return CoefficientValues(ObservedPoint.of(question, 0), range(n_experiments), dynamics)


def determined(question: Question) -> dict:
    local = assess_locally(question).determined
    return {
        q.name: q.formula
        for q, d in zip(question.quantities, local, strict=True)
        if d and q.kind in ("parameter", "function")
    }


def unique(model: Model, seed: int = 0, **options) -> set[str]:
    question = question_of_model(model, **options)
    return set(unique_by_quotients(question, determined(question), seed=seed)[0])


def test_coefficients_are_those_of_the_equation_by_hand():
    values = values_of(question_of_model(COMPARTMENTS))
    found = values.at({**values.point.values, "k1": 2, "k2": 3, "k3": 5})
    assert found is not None
    prime = values.point.prime
    monic = {int(c) * pow(int(d), -1, prime) % prime for c in found for d in found}
    assert {10, 15, 1} <= monic
    assert pow(10, -1, prime) * 15 % prime in monic
    assert len(set(values.labels)) == 1
    assert -1 not in values.labels


def test_quotients_are_restored_as_polynomials():
    question = question_of_model(COMPARTMENTS)
    values = values_of(question)
    this = Round(Pairs(values.point, [values], question.unknowns[:3]), question.unknowns[:3])
    prime = values.point.prime
    found = [q for _, n, height in this.levels() for q in this.found(n, height)]
    names = [set(q.names) for q in found]
    assert {"k1", "k2", "k3"} in names
    assert {"k2", "k3"} in names
    # either way up
    total = {(1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert any(is_constant(q.above) and set(q.below) == total for q in found) or any(
        is_constant(q.below) and set(q.above) == total for q in found
    )
    assert all(slopes(q) == 1 for q in found if set(q.above) == total or set(q.below) == total)
    (product,) = [q for q in found if set(q.names) == {"k2", "k3"}]
    assert {(1, 1)} in (set(product.above), set(product.below))
    assert prime == this.prime


def is_constant(polynomial: dict) -> bool:
    return not any(map(any, polynomial))


def slopes(quotient: Quotient) -> int:
    """How many different coefficients its sum of three unknowns has."""
    return len(set(max(quotient.above, quotient.below, key=len).values()))


@needs_references
def test_faces_of_a_long_equation_have_its_coefficients(monkeypatch):
    record = by_name("SIbench_SIWR_original")
    question = question_of_model(model_of(record))
    everything = values_of(question)
    monkeypatch.setattr(coefficient_values, "_MOST_EVALUATED", 500)
    faces = values_of(question)
    assert 100 < len(faces.base) < len(everything.base)  # of more than one face
    changed = {n: v + 1 for n, v in faces.point.values.items()}
    whole, part = everything.at(changed), faces.at(changed)
    assert whole is not None
    assert part is not None
    prime = faces.point.prime
    # coefficients at two points, up to factors, tell which of all are those of the faces
    assert growth(faces.base, part, prime) <= growth(everything.base, whole, prime)
    assert unique(model_of(record)) == set(record["parameters"])


def growth(first: np.ndarray, second: np.ndarray, prime: int) -> set[tuple[int, int]]:
    """(c_i/c_j at the first point, at the second) of all pairs."""
    quotients = [c[:, np.newaxis] * reciprocal(c, prime) % prime for c in (first, second)]
    return set(zip(*(q.ravel().tolist() for q in quotients), strict=True))


def test_labels_join_columns_that_are_multiples():
    vectors = np.array([[1, 2, 0, 0, 5], [3, 6, 0, 4, 5]])
    first, second, third, fourth, fifth = proportional(vectors, 101)
    assert first == second
    assert third == -1
    assert len({first, fourth, fifth}) == 3


def test_one_experiment_does_not_tell_what_its_conserved_total_hides():
    """x + z is constant, so that one experiment sees x' + (a + b) x = const alone, two see a, b and d."""
    model = Model.from_equations(
        {"x": "-a*x + b*z + d", "z": "a*x - b*z - d"}, {"y1": "x", "y2": "z"}, ["a", "b", "d"]
    )
    one = values_of(question_of_model(model))
    two = values_of(question_of_model(model, experiments=2), 2)
    # of x' = - a x + b z + d and of that for z'
    assert np.unique(one.labels, return_counts=True)[1].tolist() == [1] * 8
    assert np.unique(two.labels, return_counts=True)[1].tolist() == [4, 4]
    assert unique(model, functions={"sum": "a + b"}) == set()
    assert unique(model, experiments=2) == {"a", "b", "d"}


def test_several_values_are_never_called_one():
    flip_flop = Model.from_equations(
        {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"}, {"y": "blood"}, ["ka", "ke"]
    )
    functions = {"sum": "ka + ke", "product": "ka*ke", "ratio": "ka/ke", "difference": "ka - ke"}
    assert unique(flip_flop, functions=functions) == {"sum", "product"}
    assert unique(Model.from_equations({"x": "-c^2*x"}, {"y": "x"}, ["c"]), functions={"square": "c^2"}) == {
        "square"
    }


def test_a_number_that_is_found_makes_other_quotients_simple():
    """y''' has k4 beside y and, beside y', a product of sums that is too much at once."""
    model = Model.from_equations(
        {"x": "u - k1*x + k2*z", "z": "k1*x - (k2 + k3)*z + u", "w": "z - k4*w"},
        {"y1": "w", "y2": "x"},
        ["k1", "k2", "k3", "k4"],
        inputs=["u"],
    )
    assert unique(model) == {"k1", "k2", "k3", "k4"}


def test_specific_starts_and_free_parameters():
    model = Model.from_equations({"x": "-a*b*x"}, {"y": "x"}, ["a", "b"])
    assert unique(model, functions={"product": "a*b"}) == {"product"}
    assert unique(model, initial={"x": 0}) == set()
    one = Model.from_equations({"x": "-a*x"}, {"y": "x"}, ["a"])
    assert unique(one) == {"a"}
    assert unique(one, initial={"x": 1}) == set()


def test_quotients_decide_what_a_late_answer_leaves_open(monkeypatch):
    """Without a first attempt: `how` says who decided, and the second attempt counts what is not unique."""
    monkeypatch.setattr(global_verdicts, "_SHORT", 1e-9)
    question = question_of_model(
        Model.from_equations({"gut": "-ka*gut", "blood": "ka*gut - ke*blood"}, {"y": "blood"}, ["ka", "ke"]),
        functions={"sum": "ka + ke"},
    )
    found = global_verdicts.decide_globally(question, dict.fromkeys(("ka", "ke", "sum"), True), 120.0)
    assert found["sum"].verdict is StructuralVerdict.GLOBAL
    assert "quotients" in found["sum"].how
    assert found["ka"].verdict is StructuralVerdict.LOCAL


@needs_references
@pytest.mark.parametrize("name", ["SIbench_SIWR_original", "SIbench_CD8_T_cell_differentiation", "St_params"])
def test_published_verdicts(name):
    record = by_name(name)
    found = unique(model_of(record), seed=2, **options_of(record))
    assert found
    assert all(record["answer"][n] == "global" for n in found)
    if name != "St_params":  # of which not all quotients that are needed are simple
        assert found == {n for n in record["parameters"] if record["answer"][n] == "global"}


@needs_references
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["SIbench_MAPK_model_5_outputs", "SIbench_Pivastatin", "SIbench_SEAIJRC_Covid_model"]
)
def test_published_verdicts_of_large_models(name):
    record = by_name(name)
    found = unique(model_of(record), **options_of(record))
    assert found == {n for n in record["parameters"] if record["answer"][n] == "global"}

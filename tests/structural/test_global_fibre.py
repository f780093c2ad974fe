"""Global verdicts from the fibre, against closed forms and published verdicts."""

from __future__ import annotations

import flint
import pytest
import sympy

from idfit.expressions import parse
from idfit.numerics.modular import PRIMES
from idfit.results import StructuralVerdict
from idfit.structural.fibre_equations import FibrePoint, equations_of
from idfit.structural.from_model import question_of_model
from idfit.structural.global_fibre import decide_by_fibre
from idfit.structural.question import Experiment, Quantity, Question
from tests.structural.ground_truth import by_name, model_of, needs_references

GLOBAL, LOCAL, OPEN, NONIDENTIFIABLE = (
    StructuralVerdict.GLOBAL,
    StructuralVerdict.LOCAL,
    StructuralVerdict.AT_LEAST_LOCAL,
    StructuralVerdict.NONIDENTIFIABLE,
)


def question(odes, outputs, parameters, start=None, known=(), inputs=(), functions=None) -> Question:
    start = start or {}
    given = {s: parse(start[s]) if s in start else sympy.Symbol(s) for s in odes}
    experiment = Experiment(
        name="",
        states=tuple(odes),
        odes=tuple(parse(f) for f in odes.values()),
        start=tuple(given.values()),
        outputs=tuple((name, parse(f)) for name, f in outputs.items()),
        inputs=inputs,
    )
    unknowns = (*parameters, *(s for s in odes if s not in start and s not in known))
    quantities = [Quantity(u, "parameter", sympy.Symbol(u)) for u in unknowns]
    quantities += [Quantity(n, "function", parse(f)) for n, f in (functions or {}).items()]
    return Question(unknowns, tuple(known), (experiment,), tuple(quantities))


def verdicts(asked: Question) -> dict[str, StructuralVerdict]:
    found = decide_by_fibre(asked, [q.name for q in asked.quantities])
    return {name: verdict for name, (verdict, _) in found.items()}


LOTKA_VOLTERRA = {"x": "a*x - b*x*z", "z": "-c*z + d*x*z"}
CASCADE = {"x": "k1*z - k2*x", "z": "-k3*z"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # y = ±x0/(1 - alpha x0 t) squared: the sign of both
        (question({"x": "alpha*x^2"}, {"y": "x^2"}, ["alpha"]), {"alpha": LOCAL, "x": LOCAL}),
        (
            question(LOTKA_VOLTERRA, {"y": "x"}, list("abcd"),
                     functions={"bz": "b*z", "quotient": "a/(b*z)"}),
            {"a": GLOBAL, "b": NONIDENTIFIABLE, "c": GLOBAL, "d": GLOBAL, "x": GLOBAL, "z": NONIDENTIFIABLE,
             "bz": GLOBAL, "quotient": GLOBAL},
        ),
        (question(LOTKA_VOLTERRA, {"y": "x"}, list("abcd"), known=["z"]),
         dict.fromkeys([*"abcd", "x"], GLOBAL)),
        # two exponentials: which rate is which cannot be told, sum and product can
        (
            question(CASCADE, {"y": "x"}, ["k1", "k2", "k3"], start={"x": "0"},
                     functions={"sum": "k2 + k3", "product": "k2*k3", "start": "k1*z"}),
            {"k1": NONIDENTIFIABLE, "k2": LOCAL, "k3": LOCAL, "z": NONIDENTIFIABLE, "sum": GLOBAL,
             "product": GLOBAL, "start": GLOBAL},
        ),
        # only the third derivative at S = 0 depends on a
        (question({"S": "1 + a*S^2"}, {"y": "S"}, ["a"], start={"S": "0"}), {"a": GLOBAL}),
        # a Michaelis-Menten elimination, seen without units
        (question({"x": "-V*x/(K + x)"}, {"y": "x"}, ["V", "K"]), {"V": GLOBAL, "K": GLOBAL, "x": GLOBAL}),
        (question({"x": "-c^2*x"}, {"y": "x"}, ["c"]), {"c": LOCAL, "x": GLOBAL}),
        (question({"x": "-a*x"}, {"y": "x", "z": "1/(a + x)"}, ["a"], start={"x": "1/a"}), {"a": GLOBAL}),
    ],
)  # fmt: skip
def test_verdicts_are_those_of_the_closed_form(asked, expected):
    assert verdicts(asked) == expected


def test_the_number_of_values_is_said():
    asked = question({"x": "-(c^3 - c)*x"}, {"y": "x"}, ["c"])
    (verdict, how) = decide_by_fibre(asked, ["c"])["c"]
    assert verdict == LOCAL
    assert how == "3 values give the same outputs, at each of two random points"


def test_experiments_share_their_unknowns():
    one = question({"x": "-a*b*x"}, {"y": "x"}, ["a", "b"])
    (first,) = one.experiments
    second = Experiment("2", ("x",), (parse("-(a + b)*x"),), (parse("a"),), (("y", parse("x")),))
    both = Question(one.unknowns, (), (first, second), one.quantities)
    assert verdicts(one) == {"a": NONIDENTIFIABLE, "b": NONIDENTIFIABLE, "x": GLOBAL}
    assert verdicts(both) == {"a": GLOBAL, "b": GLOBAL, "x": GLOBAL}


def test_what_is_not_rational_or_not_finished_stays_open_with_a_reason():
    asked = question({"x": "-exp(a)*x"}, {"y": "x"}, ["a"])
    verdict, how = decide_by_fibre(asked, ["a"])["a"]
    assert verdict == OPEN
    assert "not rational" in how
    seir = question({"S": "-b*S*I", "E": "b*S*I - v*E", "I": "v*E - g*I"}, {"y": "k*I"}, ["b", "v", "g", "k"])
    verdict, how = decide_by_fibre(seir, ["v"], limit=100)["v"]
    assert verdict == OPEN
    assert "limit" in how


def test_all_equations_vanish_at_the_point():
    asked = question(
        {"x": "-V*x/(K + x) + u*z", "z": "x*z - z/(1 + x*z)"}, {"y": "x*z/(K + z)"}, ["V", "K"], inputs=("u",)
    )
    system = equations_of(FibrePoint(asked, 3, PRIMES[0]))
    assert system.equations
    values = [system.point[name] for name in system.names]
    assert all(equation(*values) == flint.nmod(0, PRIMES[0]) for equation in system.equations)
    assert all(poly(*values) != flint.nmod(0, PRIMES[0]) for poly in system.nonzero)


@needs_references
def test_denominators_that_reduce_to_products_of_variables():
    """biohydrogenation: k8, k9, k10 have two values each, and denominators whose zeros must be left out."""
    record = by_name("biohydrogenation_params")
    names = ("k7", "k8", "k9", "k10")
    found = decide_by_fibre(question_of_model(model_of(record)), names)
    for name in names:
        assert found[name][0].label == record["answer"][name]

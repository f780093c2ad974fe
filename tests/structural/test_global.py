"""Global verdicts of models whose solutions can be counted by hand, and of published ones."""

from __future__ import annotations

import pytest

from idfit.model import Model
from idfit.results import StructuralVerdict
from idfit.structural import global_verdicts
from idfit.structural.from_model import question_of_model
from idfit.structural.global_verdicts import decide_globally
from idfit.structural.local import assess_locally
from tests.structural.ground_truth import by_name, model_of, needs_references, options_of

GLOBAL, LOCAL, OPEN = (
    StructuralVerdict.GLOBAL,
    StructuralVerdict.LOCAL,
    StructuralVerdict.AT_LEAST_LOCAL,
)


def verdicts(model: Model, seconds: float = 60.0, **options) -> dict[str, StructuralVerdict]:
    question = question_of_model(model, **options)
    local = assess_locally(question).determined
    determined = {q.name: bool(d) for q, d in zip(question.quantities, local, strict=True)}
    return {name: d.verdict for name, d in decide_globally(question, determined, seconds).items()}


def test_flip_flop_of_absorption_and_elimination_is_local():
    """y = D ka/(V (ka - ke)) (exp(-ke t) - exp(-ka t)): ka and ke can change places if V changes as well."""
    model = Model.from_equations(
        {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        {"y": "blood/V"},
        ["ka", "ke", "V"],
        initial={"gut": 1, "blood": 0},
    )
    generic = Model.from_equations(
        {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"}, {"y": "blood"}, ["ka", "ke"]
    )
    assert {verdicts(model)[name] for name in ("ka", "ke", "V")} == {LOCAL}
    found = verdicts(generic, functions={"sum": "ka + ke", "product": "ka*ke", "ratio": "ka/ke"})
    assert (found["ka"], found["ke"], found["ratio"]) == (LOCAL, LOCAL, LOCAL)
    assert (found["sum"], found["product"]) == (GLOBAL, GLOBAL)


def test_a_product_is_unique_where_its_factors_are_free():
    model = Model.from_equations({"x": "-a*b*x"}, {"y": "x"}, ["a", "b"])
    found = verdicts(model, functions={"product": "a*b", "quotient": "1/(a*b)"})
    assert "a" not in found
    assert (found["product"], found["quotient"]) == (GLOBAL, GLOBAL)


def test_the_sign_that_an_even_output_hides():
    """x' = a x², y = x²: y'² = 4 a² y³."""
    model = Model.from_equations({"x": "a*x^2"}, {"y": "x^2"}, ["a"])
    found = verdicts(model, functions={"square": "a^2"})
    assert (found["a"], found["square"]) == (LOCAL, GLOBAL)


def test_a_known_start_is_never_ignored():
    """y'' = a² y: the sign of a is hidden, unless the start of x1 = y'/a is known."""
    equations = {"y": "a*x1", "x1": "a*y"}
    model = Model.from_equations(equations, {"out": "y"}, ["a"])
    assert verdicts(model)["a"] is LOCAL
    assert verdicts(model, known=["x1"])["a"] is not LOCAL


def test_one_experiment_tells_less_than_the_input_output_equation():
    """x0 stands still, y' = x0 y + p x0 + q: one experiment tells p x0 + q alone, two tell both."""
    model = Model.from_equations({"x0": "0", "x1": "x0*x1 + p*x0 + q"}, {"y": "x1"}, ["p", "q"])
    assert not {"p", "q"} & verdicts(model).keys()
    found = verdicts(model, experiments=2)
    assert (found["p"], found["q"]) == (GLOBAL, GLOBAL)


def test_what_is_not_rational_is_left_open_with_the_reason():
    model = Model.from_equations({"x": "-a*exp(x)"}, {"y": "x"}, ["a"])
    question = question_of_model(model)
    (decision,) = decide_globally(question, {"a": True}, 30.0).values()
    assert decision.verdict is OPEN
    assert "not rational" in decision.how


def test_the_clock_ends_the_child(monkeypatch):
    model = Model.from_equations({"x": "-a*x"}, {"y": "x"}, ["a"])
    question = question_of_model(model)
    monkeypatch.setattr(global_verdicts, "_CHILD", "tests.formats.child_that_dies")
    (decision,) = decide_globally(question, {"a": True}, 1.0).values()
    assert decision.verdict is OPEN
    assert "not decided within 1 s" in decision.how


@needs_references
@pytest.mark.parametrize(
    "name",
    ["goodwin_hill", "biohydrogenation_params", "SIbench_Modified_LV_for_testing", "SI_rational_c_squared"],
)
def test_published_verdicts(name):
    record = by_name(name)
    found = verdicts(model_of(record), **options_of(record))
    for parameter in record["parameters"]:
        answer = record["answer"][parameter]
        if answer in ("global", "local"):
            assert found[parameter] is {"global": GLOBAL, "local": LOCAL}[answer], parameter

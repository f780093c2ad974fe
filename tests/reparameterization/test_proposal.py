"""New parameters from combinations: models whose equivalent forms are known from the literature."""

from __future__ import annotations

import pytest

from idfit.errors import InputError
from idfit.expressions import parse, to_text
from idfit.model import Model
from idfit.reparameterization import prove, reparameterization_of, reparameterize
from tests.reparameterization.combinations import combinations


def texts(formulas) -> dict[str, str]:
    return {name: to_text(formula) for name, formula in formulas.items()}


def assert_proved(old: Model, new: Model, maps) -> None:
    proof = prove(old, new, maps)
    assert int(proof["rank"]) == int(proof["n_unknowns"]), "the new parameters are determined"
    assert float(proof["prediction_difference"].max()) < 1e-8
    assert proof["same_predictions"]


def two_compartments() -> Model:
    """Bellman & Åström (1970): input and output in the first of two leaky compartments."""
    return Model.from_equations(
        {"x1": "-(k1 + k2)*x1 + k3*x2 + u", "x2": "k2*x1 - (k3 + k4)*x2"},
        {"y": "x1"},
        ["k1", "k2", "k3", "k4"],
        initial={"x1": 0, "x2": 0},
        inputs=["u"],
    )


def test_bellman_and_astrom():
    rates = ["k1", "k2", "k3", "k4"]
    model, combos = two_compartments(), combinations(rates, ["k1 + k2", "k3 + k4", "k2*k3"], rates)
    maps = reparameterization_of(model, combos)
    new = maps.apply(model)
    # without the second leak every system of this kind can still be made
    assert [(g.name, g.value) for g in maps.gauge] == [("k4", 0)]
    assert dict(zip(new.states, map(to_text, new.odes), strict=True)) == {
        "x1": to_text(parse("u - k1_plus_k2*x1 + k3_plus_k4*x2")),
        "x2": to_text(parse("k2_times_k3*x1/k3_plus_k4 - k3_plus_k4*x2")),
    }
    assert set(new.parameters) == {"k1_plus_k2", "k3_plus_k4", "k2_times_k3"}
    assert_proved(model, new, maps)


@pytest.mark.parametrize("held", ["k1", "k3", "k4"])
def test_the_user_says_what_is_held(held):
    rates = ["k1", "k2", "k3", "k4"]
    model, combos = two_compartments(), combinations(rates, ["k1 + k2", "k3 + k4", "k2*k3"], rates)
    maps = reparameterization_of(model, combos, normalise={held: 0.75})
    assert [(g.name, g.value) for g in maps.gauge] == [(held, 0.75)]
    assert_proved(model, maps.apply(model), maps)


def test_kept_parameters_are_never_held():
    rates = ["k1", "k2", "k3", "k4"]
    combos = combinations(rates, ["k1 + k2", "k3 + k4", "k2*k3"], rates)
    maps = reparameterization_of(two_compartments(), combos, keep=["k4", "k1"])
    assert not {g.name for g in maps.gauge} & {"k1", "k4"}
    with pytest.raises(InputError, match="no choice of a parameter to hold"):
        reparameterization_of(two_compartments(), combos, keep=rates)


def test_stat5_with_a_constant_input():
    """Swameye et al. (2003), their input a constant that nobody knows: three scalings."""
    model = Model.from_equations(
        {
            "x1": "-k1*x1*EpoR_A",
            "x2": "k1*x1*EpoR_A - k2*x2^2",
            "x3": "-k3*x3 + 0.5*k2*x2^2",
            "x4": "k3*x3",
            "EpoR_A": "0",
        },
        {"y1": "k5*(x2 + 2*x3)", "y2": "k6*(x1 + x2 + 2*x3)", "y3": "k7*EpoR_A"},
        ["k1", "k2", "k3", "k5", "k6", "k7"],
    )
    unknowns = [*model.parameters, *model.states]
    determined = ["k2/k6", "k3", "EpoR_A*k7", "EpoR_A*k1", "k5/k6", "k6*x1", "k6*x2", "k6*x3"]
    combos = combinations(unknowns, determined, [u for u in unknowns if u != "k3"], nullity=3)
    maps = reparameterization_of(model, combos)
    new = maps.apply(model)
    assert {g.name: g.value for g in maps.gauge} == {"k6": 1, "k7": 1, "x4": 1}
    assert "k3" in new.parameters, "what is determined keeps its name"
    assert to_text(maps.forward["k2_over_k6"]) == "k2/k6"
    assert dict(new.observables)["y2"] == parse("x1 + x2 + 2*x3")
    assert_proved(model, new, maps)


def test_a_translation():
    """x' = (a - c) x - b x²: growth and death cannot be told apart (Sedoglavic 2002)."""
    model = Model.from_equations({"x": "a*x - b*x^2 - c*x"}, {"y": "x"}, ["a", "b", "c"])
    combos = combinations(["a", "b", "c", "x"], ["a - c", "b", "x"], ["a", "c"])
    maps = reparameterization_of(model, combos)
    new = maps.apply(model)
    assert texts(maps.forward) == {"a_minus_c": "a - c", "x_0": "x"}
    assert new.parameters == ("b", "a_minus_c", "x_0")
    assert new.odes == (parse("a_minus_c*x - b*x^2"),)
    assert_proved(model, new, maps)


def test_directions_that_are_scalings_need_no_quadratic_equation():
    """Lecourtier, Lamnabhi-Lagarrigue & Walter (1987): invariants such as p2 x2 + p4 x1 hide monomials."""
    model = Model.from_equations(
        {"x1": "p1*x1 + p2*u", "x2": "p3*x2 + p4*u", "x3": "p1*x3 + p3*x3"},
        {"y": "x1*x2 + x3"},
        ["p1", "p2", "p3", "p4"],
        initial={"x1": "x10", "x2": "x20"},
        inputs=["u"],
    )
    determined = ["x10*x20", "p2*p4", "p2*x20 + p4*x10", "p1", "p3", "x3"]
    combos = combinations([*model.parameters, "x3"], determined, ["p2", "p4", "x10", "x20"])
    maps = reparameterization_of(model, combos)
    assert not any("sqrt" in text for text in texts(maps.back).values())
    assert_proved(model, maps.apply(model), maps)


def test_roots_are_said():
    model = Model.from_equations({"x1": "x2", "x2": "-x1"}, {"y": "x1^2 + x2^2"}, [])
    maps = reparameterization_of(model, combinations(["x1", "x2"], ["x1^2 + x2^2"], ["x1", "x2"]))
    assert any("Roots are the positive ones" in reason for reason in maps.reasons)
    assert_proved(model, maps.apply(model), maps)


def test_what_nothing_depends_on_is_held():
    model = Model.from_equations({"x": "-k*x", "z": "x - m*z"}, {"y": "x"}, ["k", "m"])
    combos = combinations(["k", "m", "x", "z"], ["k", "x"], ["m", "z"], nullity=2)
    maps = reparameterization_of(model, combos)
    new = maps.apply(model)
    assert new.parameters == ("k", "x_0")
    assert_proved(model, new, maps)


def test_nothing_to_do_gives_the_same_model():
    model = Model.from_equations({"x": "-k*x"}, {"y": "x"}, ["k"])
    combos = combinations(["k", "x"], ["k", "x"], [], nullity=0)
    assert not reparameterization_of(model, combos)
    assert reparameterize(model, combos) is model


def test_names_do_not_clash():
    model = Model.from_equations(
        {"x": "-k*x"}, {"y": "a*b*x"}, ["k", "a", "b"], {"x": 1}, assignments={"a_times_b": "k"}
    )
    maps = reparameterization_of(model, combinations(["k", "a", "b"], ["k", "a*b"], ["a", "b"]))
    assert list(maps.forward) == ["a_times_b_2"]
    assert_proved(model, maps.apply(model), maps)


def test_refusals():
    model = Model.from_equations({"x": "-k*x"}, {"y": "a*b*x"}, ["k", "a", "b"], {"x": 1})
    combos = combinations(["k", "a", "b"], ["k", "a*b"], ["a", "b"])
    with pytest.raises(InputError, match="'z' - is not among the unknowns"):
        reparameterize(model, combos, keep=["z"])
    with pytest.raises(InputError, match="k - is determined by the data"):
        reparameterize(model, combos, normalise=["k"])
    with pytest.raises(InputError, match="1 undetermined direction"):
        reparameterize(model, combos, normalise=["a", "b"])
    with pytest.raises(InputError, match="cannot be kept and held at once"):
        reparameterize(model, combos, keep=["a"], normalise=["a"])
    with pytest.raises(InputError, match="0 independent ones are known, and 1 are needed"):
        reparameterize(model, combinations(["k", "a", "b"], ["k"], ["a", "b"], complete=False))
    with pytest.raises(InputError, match="'w' - is not a parameter or state"):
        reparameterize(model, combinations(["k", "w"], ["k"], ["w"]))
    with pytest.raises(InputError, match="neither combos nor manual"):
        reparameterize(model)

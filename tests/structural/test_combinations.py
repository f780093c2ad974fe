"""Identifiable combinations: closed forms, and the published functions of the reference models."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import idfit.structural.combinations as module
from idfit.expressions import names_in, parse, to_text
from idfit.model import Model
from idfit.numerics.modular import PRIMES
from idfit.structural.combinations import find_combinations
from idfit.structural.fibre import residues
from idfit.structural.from_model import question_of_model
from idfit.structural.observation import observe
from idfit.structural.rational import product, rank
from tests.structural.ground_truth import by_name, model_of, needs_references, options_of, records


def found_in(odes, outputs, parameters, **options):
    model = Model.from_equations(odes, outputs, parameters, inputs=options.pop("inputs", ()))
    return find_combinations(model, **options)


def formulas(found) -> set[str]:
    return set(found["formula"].values.tolist())


def combined(found) -> set[str]:
    """Formulas that are more than one unknown."""
    return {
        f
        for f, kind in zip(found["formula"].values, found["kind"].values, strict=True)
        if kind != "parameter"
    }


def test_product_of_two_rates():
    found = found_in({"x": "-a*b*x"}, {"y": "s*x"}, ["a", "b", "s"])
    assert formulas(found) == {"a*b", "s*x"}
    assert found["complete"]
    assert int(found["nullity"]) == 2
    assert found["exponent"].sel(combination=0).values.tolist() == [1, 1, 0, 0]
    assert set(found["symmetry_formula"].values) == {
        "a can be multiplied by any factor while b is divided by it",
        "s can be multiplied by any factor while x is divided by it",
    }


def test_stat5_with_a_constant_input():
    odes = {
        "x1": "-k1*x1*EpoR_A",
        "x2": "k1*x1*EpoR_A - k2*x2^2",
        "x3": "-k3*x3 + 0.5*k2*x2^2",
        "x4": "k3*x3",
        "EpoR_A": "0",
    }
    outputs = {"y1": "k5*(x2 + 2*x3)", "y2": "k6*(x1 + x2 + 2*x3)", "y3": "k7*EpoR_A"}
    found = found_in(odes, outputs, ["k1", "k2", "k3", "k5", "k6", "k7"])
    assert {"k3", "k2/k5", "k2/k6", "k2*x1", "EpoR_A*k1", "k1/k7"} <= formulas(found)
    assert found["complete"]
    assert "x4 can take any value" in found["symmetry_formula"].values


def test_two_compartments_of_bellman_and_astrom():
    odes = {"x1": "-(k1 + k2)*x1 + k3*x2 + u", "x2": "k2*x1 - (k3 + k4)*x2"}
    found = found_in(odes, {"y": "x1"}, ["k1", "k2", "k3", "k4"], inputs=("u",))
    assert formulas(found) == {"x1", "k1 + k2", "k3 + k4", "k2*k3", "k3*x2"}
    assert found["symmetry_kind"].values.tolist() == ["affine"]
    assert found["generator"].sel(symmetry=0, unknown="k1").item() == "k2"
    assert found["generator"].sel(symmetry=0, unknown="k2").item() == "-k2"


def test_the_radius_of_a_rotation():
    found = found_in({"x1": "w*x2", "x2": "-w*x1"}, {"y": "x1^2 + x2^2"}, ["w"])
    assert formulas(found) == {"x1^2 + x2^2"}
    assert int(found["nullity"]) == 2
    assert found["complete"]


def test_growth_less_death():
    found = found_in({"x": "a*x*(1 - b*x) - c*x"}, {"y": "x"}, ["a", "b", "c"])
    assert formulas(found) == {"x", "a - c", "a*b"}
    found = found_in({"x": "a*x - c*x - b*x^2"}, {"y": "x"}, ["a", "b", "c"])
    assert formulas(found) == {"x", "b", "a - c"}
    assert found["symmetry_formula"].item() == "a and c can be increased by the same amount"


def test_known_values_may_stand_in_combinations():
    found = found_in({"x": "-(a + b*dose)*x"}, {"y": "x"}, ["a", "b", "dose"], known=("dose",))
    assert formulas(found) == {"x", "a + b*dose"}
    assert "dose" not in found["unknown"].values


def test_a_start_that_is_zero_is_not_among_the_unknowns():
    found = found_in({"x": "a*b - c*x"}, {"y": "s*x"}, ["a", "b", "c", "s"], initial={"x": "0"})
    assert combined(found) == {"a*b*s"}
    assert found["complete"]


def test_experiments_with_starts_of_their_own():
    found = found_in({"x": "-k*x"}, {"y": "s*x"}, ["k", "s"], experiments=2)
    assert formulas(found) == {"k", "s*x_1", "s*x_2"}


@pytest.mark.parametrize("experiments", [1, 2])
def test_every_formula_is_read_back_as_it_was_meant(experiments):
    """Also with starts of each experiment, an unknown input, and a parameter that is called x_1."""
    model = Model.from_equations(
        {"x": "-k*x + x_1*w"}, {"y": "s*x"}, ["k", "s", "x_1"], unknown_inputs=("w",)
    )
    found = find_combinations(model, experiments=experiments)
    unknowns = set(found["unknown"].values.tolist())
    for formula, uses in zip(found["formula"].values, found["uses"].values, strict=True):
        parsed = parse(str(formula))
        assert to_text(parsed) == formula
        assert names_in(parsed) == set(found["unknown"].values[uses].tolist()) <= unknowns
    for name in unknowns:
        assert names_in(parse(name)) == {name}
    assert len(unknowns) == 3 + experiments * (1 + 1 + 6)  # x, w and its derivatives


def test_an_unknown_exponent_is_no_obstacle():
    found = found_in({"x": "-a*b*x/(K^h + x^h)"}, {"y": "x"}, ["a", "b", "K", "h"])
    assert formulas(found) == {"x", "h", "K", "a*b"}


def test_what_no_formula_was_found_for_is_not_called_complete():
    # exp(a) + b is determined, which is neither polynomial nor rational in a
    found = found_in({"x": "-(exp(a) + b)*x"}, {"y": "x"}, ["a", "b"])
    assert not found["complete"]
    assert formulas(found) == {"x"}
    assert found.attrs["unexplained"] == "a, b"
    assert "short sums" in found.attrs["incomplete"]


def test_everything_identifiable():
    found = found_in({"x": "-k*x"}, {"y": "x"}, ["k"])
    assert formulas(found) == {"k", "x"}
    assert found["complete"]
    assert found.sizes["symmetry"] == 0


def test_same_seed_same_result():
    odes = {"x1": "-(k1 + k2)*x1 + k3*x2", "x2": "k2*x1 - (k3 + k4)*x2"}
    first, second = (found_in(odes, {"y": "x1"}, ["k1", "k2", "k3", "k4"], seed=5) for _ in range(2))
    assert first.identical(second)


def test_combinations_of_three_compartments_need_products_of_sums():
    odes = {
        "x1": "-k12*x1 + k21*x2",
        "x2": "k12*x1 - (k21 + k23)*x2 + k32*x3",
        "x3": "k23*x2 - (k32 + k30)*x3",
    }
    found = found_in(odes, {"y": "x1"}, ["k12", "k21", "k23", "k32", "k30"])
    assert found["complete"]
    k12, k21, k23, k32, k30 = sympy.symbols("k12 k21 k23 k32 k30")
    matrix = sympy.Matrix([[-k12, k21, 0], [k12, -k21 - k23, k32], [0, k23, -k32 - k30]])
    published = [-matrix.trace(), -matrix.det(), (matrix.trace() ** 2 - (matrix**2).trace()) / 2]
    model = Model.from_equations(odes, {"y": "x1"}, ["k12", "k21", "k23", "k32", "k30"])
    assert_spanned(model, {}, [parse(f) for f in found["formula"].values], published, equal=False)


def test_the_search_ends_at_its_limit_of_work_and_says_so(monkeypatch):
    """Three compartments need sums; the product of what flows through them (the determinant) needs none."""
    odes = {
        "x1": "-k12*x1 + k21*x2",
        "x2": "k12*x1 - (k21 + k23)*x2 + k32*x3",
        "x3": "k23*x2 - (k32 + k30)*x3",
    }
    arguments = (odes, {"y": "x1"}, ["k12", "k21", "k23", "k32", "k30"])
    whole = found_in(*arguments)
    assert whole.attrs["incomplete"] == ""
    monkeypatch.setattr(module, "MOST_WORK", 1e3)
    found = found_in(*arguments)
    assert not found["complete"]
    assert found.attrs["incomplete"] == "the search was ended at its limit of work"
    assert formulas(found) == {"x1", "k12*k23*k30"}


@pytest.mark.slow
@needs_references
@pytest.mark.parametrize("name", ["ME_cyclic_5_quadratic_rates", "ME_catenary_5_quadratic_rates"])
def test_large_models_end_within_the_limit_of_work(name):
    record = by_name(name)
    model, options = model_of(record), options_of(record)
    found = find_combinations(model, **options)
    assert found.attrs["incomplete"] == "the search was ended at its limit of work"
    assert_constant(model, options, [parse(f) for f in found["formula"].values])
    assert found.identical(find_combinations(model, **options))


def assert_constant(model, options, functions) -> None:
    """grad f · N = 0 for all, at points other than those of the search."""
    question = question_of_model(model, **options)
    look = observe(question, 2, 23, PRIMES[2])
    for point in range(2):
        values = [*look.values[point], *look.known_values[point]]
        names = {
            sympy.Symbol(n): np.array([v])
            for n, v in zip((*question.unknowns, *question.known), values, strict=True)
        }
        gradients = [
            [residues(sympy.diff(f, sympy.Symbol(n)), names, look.prime)[0] for n in question.unknowns]
            for f in functions
        ]
        assert not product(np.array(gradients), look.null_space[point].T, look.prime).any()


def assert_spanned(model, options, ours, published, equal: bool) -> None:
    """At three points modulo two primes: grad f · N = 0 for all, as many of ours as N leaves, and (`equal`)
    the same span of gradients."""
    question = question_of_model(model, **options)
    for prime in PRIMES[:2]:
        look = observe(question, 3, 11, prime)
        for point in range(3):
            values = [*look.values[point], *look.known_values[point]]
            names = {
                sympy.Symbol(n): np.array([v])
                for n, v in zip((*question.unknowns, *question.known), values, strict=True)
            }

            def gradient(f, names=names, prime=look.prime):
                return [residues(sympy.diff(f, sympy.Symbol(n)), names, prime)[0] for n in question.unknowns]

            of_ours = np.array([gradient(f) for f in ours])
            of_published = np.array([gradient(f) for f in published]).reshape(-1, len(question.unknowns))
            null = look.null_space[point]
            assert not product(of_ours, null.T, look.prime).any()
            assert not product(of_published, null.T, look.prime).any()
            n = rank(of_ours, look.prime)
            assert n == len(ours) == len(question.unknowns) - len(null)
            assert rank(np.concatenate([of_ours, of_published]), look.prime) == n
            assert not equal or rank(of_published, look.prime) == n


@needs_references
@pytest.mark.parametrize("name", [r["name"] for r in records() if r["identifiable_functions"]])
def test_published_functions_are_functions_of_ours(name):
    record = by_name(name)
    model, options = model_of(record), options_of(record)
    found = find_combinations(model, **options)
    assert found["complete"]
    ours = [parse(f) for f in found["formula"].values]
    published = [parse(f.replace("(0)", "").replace("**", "^")) for f in record["identifiable_functions"]]
    with_states = "all identifiable" in record["answer_basis"] or "generating set" in record["answer_basis"]
    assert_spanned(model, options, ours, published, equal=with_states)


@needs_references
@pytest.mark.parametrize("name", [r["name"] for r in records() if r.get("symmetries")])
def test_published_symmetries(name):
    found = find_combinations(model_of(by_name(name)))
    assert found.sizes["symmetry"] == int(found["nullity"]) == len(by_name(name)["symmetries"])
    assert found.attrs["unexplained"] == ""

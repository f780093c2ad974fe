"""Local verdicts against closed forms, exact Jacobians and the published verdicts."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from idfit.errors import InputError
from idfit.model import Model
from idfit.numerics.modular import PRIMES
from idfit.structural.assess import assess_structure
from idfit.structural.from_model import question_of_model
from idfit.structural.observation import Observer
from idfit.structural.rational import row_echelon
from tests.structural.ground_truth import model_of, needs_references, options_of, records


def identifiable(model, **options) -> set[str]:
    found = assess_structure(model, global_=False, **options)
    chosen = found["quantity"][found["verdict_label"].isin(["global", "local", "at_least_local"])]
    return set(chosen.values.tolist())


@needs_references
@pytest.mark.parametrize("record", records(), ids=lambda r: r["name"])
def test_published_verdicts(record):
    found = assess_structure(model_of(record), global_=False, **options_of(record))
    verdicts = dict(
        zip(found["quantity"].values.tolist(), found["verdict_label"].values.tolist(), strict=True)
    )
    for name, published in record["answer"].items():
        assert (verdicts[name] == "nonidentifiable") == (published == "nonidentifiable"), name


@needs_references
@pytest.mark.parametrize("record", [r for r in records() if "multi_experiment" in r], ids=lambda r: r["name"])
def test_experiments_until_nothing_more_is_learnt(record):
    """Each experiment has a constant input x0 of its own, which is measured.

    What is learnt: how many independent functions of the parameters alone are determined.
    """
    enough = record["multi_experiment"]["experiments_until_local_identifiability_saturates"]
    n_parameters = len(record["parameters"])

    def learnt(n: int) -> int:
        seen = Observer(question_of_model(model_of(record), experiments=n)).observe(1)
        open_directions = seen.null_space[0][:, :n_parameters]
        return n_parameters - len(row_echelon(open_directions, seen.prime)[1])

    assert learnt(enough - 1) < learnt(enough) == learnt(enough + 1)


def test_the_jacobian_of_taylor_coefficients_is_exact():
    """Against sympy: y_k of a model with a quotient, at the same residues."""
    model = Model.from_equations({"x": "-V*x/(K + x)"}, {"y": "s*x"}, ["V", "K", "s"])
    question = question_of_model(model)
    observer = Observer(question)
    taylor = observer.taylor(0, 5, seed=3)
    prime = int(taylor["prime"])
    values = dict(zip(map(sympy.Symbol, question.unknowns), taylor[""].tolist(), strict=True))
    x, rate = sympy.Symbol("x"), model.odes[0]
    derivative = sympy.Symbol("s") * x
    for k in range(5):
        exact = sympy.Rational(derivative.subs(values)) / sympy.factorial(k)
        residue = int(exact.p) * pow(int(exact.q), -1, prime) % prime
        assert taylor["y"][k] == residue
        derivative = sympy.together(sympy.diff(derivative, x) * rate)


def test_null_space_changes_nothing_to_first_order():
    model = Model.from_equations({"A": "-a*b*A"}, {"y": "s*A"}, ["a", "b", "s"])
    seen = Observer(question_of_model(model)).observe(3)
    a, b, s, start = (seen.values[:, i].astype(object) for i in range(4))
    for direction in range(seen.null_space.shape[1]):
        da, db, ds, dstart = (seen.null_space[:, direction, i].astype(object) for i in range(4))
        assert not ((da * b + a * db) % seen.prime).any()
        assert not ((ds * start + s * dstart) % seen.prime).any()
    assert seen.null_space.shape[1] == 2


@pytest.mark.parametrize(
    ("odes", "outputs", "parameters", "expected"),
    [
        ({"x": "-k*x"}, {"y": "exp(a*x)"}, "ka", {"k"}),
        ({"x": "-k*x"}, {"y": "exp(x) + a*exp(2*x)"}, "ka", {"k", "a", "x"}),
        ({"x": "-k*x^n"}, {"y": "x"}, "kn", {"k", "n", "x"}),
        ({"x": "-k*x^n"}, {"y": "s*x"}, "kns", {"n"}),
        ({"x": "V*x^n/(K^n + x^n)"}, {"y": "x"}, "VKn", {"V", "K", "n", "x"}),
        ({"x": "-k*sqrt(x)"}, {"y": "x"}, "k", {"k", "x"}),
        ({"x": "-k*sqrt(x)"}, {"y": "s*x"}, "ks", set()),
        ({"x": "-k*sqrt(2*x)"}, {"y": "s*sqrt(x)"}, "ks", set()),
        ({"x": "v", "v": "-g*sin(x)/L"}, {"y": "x"}, "gL", {"x", "v"}),
        ({"x": "v", "v": "-g*sin(x)/L"}, {"y": "cos(x)"}, "gL", {"x", "v"}),
        ({"x": "k*tanh(a*x)"}, {"y": "a*x"}, "ka", set()),
        ({"x": "k*atan(x/a)"}, {"y": "x"}, "ka", {"k", "a", "x"}),
        ({"x": "k*log(x/a)"}, {"y": "x"}, "ka", {"k", "a", "x"}),
        ({"x": "k*x*log(a*b)"}, {"y": "x"}, "kab", {"x"}),
        ({"x": "k*(T0 + b*t)*x"}, {"y": "x"}, ["k", "T0", "b"], {"x"}),
        ({"x": "-k*x + a*erf(x)"}, {"y": "x"}, "ka", {"k", "a", "x"}),
    ],
)  # fmt: skip
def test_functions_beyond_arithmetic(odes, outputs, parameters, expected):
    model = Model.from_equations(odes, outputs, list(parameters))
    assert identifiable(model) == expected


def test_what_is_declared_known():
    model = Model.from_equations({"A": "-k*A"}, {"y": "s*A"}, ["k", "s"])
    assert identifiable(model) == {"k"}
    assert identifiable(model, known=["s"]) == {"k", "s", "A"}
    assert identifiable(model, known=["A"]) == {"k", "s", "A"}
    assert identifiable(model, initial={"A": 2}) == {"k", "s", "A"}
    assert identifiable(model, initial={"A": "s"}) == {"k", "s", "A"}
    assert identifiable(model, initial={"A": 0}) == {"A"}


def test_starts_that_the_model_gives_are_used():
    model = Model.from_equations({"A": "-k*A"}, {"y": "s*A"}, ["k", "s"], {"A": "A0"})
    assert identifiable(model) == {"k"}
    stated = Model.from_equations({"A": "-k*A"}, {"y": "s*A"}, ["k", "s"], {"A": 1})
    assert identifiable(stated) == {"k", "s", "A"}


def test_a_chain_that_awakes_slowly():
    """x1' = -k·x1, x1(0) = 1, … x12: the output is zero up to order 11, and b first shows one order later."""
    odes = {"x1": "-k*x1"} | {f"x{i}": f"k*x{i - 1} - k*x{i}" for i in range(2, 12)}
    odes["x12"] = "k*x11 - b*x12"
    starts = {name: int(name == "x1") for name in odes}
    model = Model.from_equations(odes, {"y": "s*x12"}, ["k", "b", "s", "idle"], starts)
    assert {"k", "b", "s"} <= identifiable(model)
    assert "idle" not in identifiable(model)


def test_an_unknown_input_is_a_function_of_time():
    """x' = -k·x + w: with any w the output says nothing of k; a second output that w does not enter does."""
    model = Model.from_equations({"x": "-k*x + w"}, {"y": "x"}, ["k"], unknown_inputs=["w"])
    assert identifiable(model) == {"x"}
    twin = Model.from_equations(
        {"x": "-k*x + w", "z": "-k*z"}, {"y": "x", "v": "z"}, ["k"], unknown_inputs=["w"]
    )
    assert identifiable(twin) == {"k", "x", "z"}


def test_functions_and_the_rank_history():
    model = Model.from_equations({"A": "-a*b*A"}, {"y": "A"}, ["a", "b"])
    found = assess_structure(model, functions={"ab": "a*b", "ratio": "a/b"}, global_=False)
    verdict = dict(
        zip(found["quantity"].values.tolist(), found["verdict_label"].values.tolist(), strict=True)
    )
    assert verdict["ab"] == "at_least_local"
    assert verdict["ratio"] == "nonidentifiable"
    assert found["rank"].values.tolist() == [1, 2, 2]
    assert int(found["nullity"]) == 1
    assert "b" in str(found["decided_by"].sel(quantity="a").values)


def test_undecided_where_the_equations_are_not_covered():
    model = Model.from_equations({"x": "-k*floor(x)"}, {"y": "x"}, ["k"])
    found = assess_structure(model)
    assert found["verdict_label"].values.tolist() == ["undetermined"]
    assert "floor" in str(found["decided_by"].values[0])
    singular = Model.from_equations({"x": "-k/x"}, {"y": "x"}, ["k"], {"x": 0})
    assert assess_structure(singular)["verdict_label"].values.tolist() == ["undetermined"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"known": ["kk"]}, "is 'k' meant"),
        ({"initial": {"B": 0}}, "'B' in initial"),
        ({"experiments": 0}, "must be 1 or more"),
    ],
)
def test_refusals(options, words):
    model = Model.from_equations({"A": "-k*A"}, {"y": "A"}, ["k"])
    with pytest.raises(InputError, match=words):
        assess_structure(model, **options)


def test_primes_are_safe():
    for p in PRIMES:
        assert sympy.isprime(p)
        assert sympy.isprime((p - 1) // 2)
        assert p < 2**31


def test_same_seed_same_answer():
    model = Model.from_equations({"x": "-V*x/(K + x)"}, {"y": "s*x"}, ["V", "K", "s"])
    first, second = (Observer(question_of_model(model)).observe(2, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.null_space, second.null_space)

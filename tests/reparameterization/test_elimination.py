"""Solving for old parameters: systems with known solutions, and those that must be refused."""

from __future__ import annotations

import numpy as np
import pytest

from idfit.expressions import evaluate, parse, to_text
from idfit.reparameterization.elimination import exponents, shortest, solved


def formulas(texts: dict[str, str]):
    return {name: parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("equations", "unknowns"),
    [
        ({"u": "a*b", "v": "b*c", "w": "c/a^3"}, ["a", "b", "c"]),  # needs a root
        ({"u": "k1 + k2", "v": "k2*k3", "w": "k3"}, ["k1", "k2", "k3"]),
        ({"u": "b1*b2", "v": "a1 + a2 + b1 + b2", "w": "a1*a2 + a1*b2"}, ["b1", "b2", "a2"]),
        ({"u": "A*r/(r - 1)", "v": "A*q", "w": "E*r"}, ["r", "A", "E"]),
        ({"u": "log(k)", "v": "exp(-a)/3"}, ["k", "a"]),
        ({"u": "k^2 + 1", "v": "1/(a + k)"}, ["k", "a"]),
        ({"u": "2^n"}, ["n"]),
    ],
)
def test_solutions_take_the_values_back(equations, unknowns):
    found = solved(formulas(equations), unknowns, positive=unknowns)
    assert found is not None
    assert list(found) == unknowns
    rng = np.random.default_rng(1)
    for _ in range(5):
        names = {str(s) for f in formulas(equations).values() for s in f.free_symbols}
        old = dict(zip(sorted(names), rng.uniform(1.1, 3.0, len(names)), strict=True))
        new = {name: evaluate(f, old) for name, f in formulas(equations).items()}
        others = {n: v for n, v in old.items() if n not in unknowns}
        back = {name: evaluate(f, new | others) for name, f in found.items()}
        assert back == pytest.approx({n: old[n] for n in unknowns}, rel=1e-9)


@pytest.mark.parametrize(
    ("equations", "unknowns", "positive"),
    [
        ({"u": "a + b", "v": "a*b"}, ["a", "b"], ["a", "b"]),  # two solutions, which swap
        ({"u": "k^2"}, ["k"], []),  # two solutions, as k may be negative
        ({"u": "a*b", "v": "2*a*b"}, ["a", "b"], []),  # one equation twice
        ({"u": "sin(k)"}, ["k"], ["k"]),
        ({"u": "k + exp(k)"}, ["k"], ["k"]),
    ],
)
def test_no_single_solution_is_refused(equations, unknowns, positive):
    assert solved(formulas(equations), unknowns, positive) is None


def test_the_shortest_way_to_write_a_formula():
    assert to_text(shortest(parse("-(u - v/w)*x - v/w*x"))) == "-u*x"
    assert to_text(shortest(parse("exp(a)*b"))) == "b*exp(a)"


def test_exponents_of_monomials_only():
    assert exponents(parse("2*a^2/b")) == {"a": 2, "b": -1}
    assert exponents(parse("a + b")) is None
    assert exponents(parse("a^n")) is None

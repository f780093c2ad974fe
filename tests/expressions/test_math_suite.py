"""The expressions of the PEtab math suite, and what idfit adds to them."""

import json
import math
from pathlib import Path

import pytest
import sympy

from idfit.expressions import evaluate, names_in, parse, to_text

CASES = json.loads(Path(__file__).with_name("petab_math.json").read_text("utf-8"))["cases"]


def test_the_suite_is_complete():
    assert len(CASES) == 98


@pytest.mark.parametrize(("formula", "expected"), CASES)
def test_petab_math(formula, expected):
    expr = parse(formula)
    if expected == "a * b":
        assert expr == sympy.Symbol("a") * sympy.Symbol("b")
    else:
        assert evaluate(expr) == pytest.approx(float(expected), rel=1e-14)
    assert parse(to_text(expr)) == expr


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("asin(0.3)", math.asin(0.3)),
        ("acos(0.3)", math.acos(0.3)),
        ("atan(0.3)", math.atan(0.3)),
        ("asinh(0.3)", math.asinh(0.3)),
        ("acosh(1.3)", math.acosh(1.3)),
        ("atanh(0.3)", math.atanh(0.3)),
        ("acot(0)", math.pi / 2),
        ("asec(2)", math.acos(0.5)),
        ("acsc(2)", math.asin(0.5)),
        ("acoth(2)", math.atanh(0.5)),
        ("asech(0.5)", math.acosh(2)),
        ("acsch(2)", math.asinh(0.5)),
        ("Abs(-2)", 2),
        ("Min(3, 1, 2)", 1),
        ("Max(3, 1, 2)", 3),
        ("max(4)", 4),
        ("ceil(1.2)", 2),
        ("ceiling(-1.2)", -1),
        ("floor(-1.2)", -2),
        ("erf(0.5)", math.erf(0.5)),
        ("mod(-5, 3)", 1),
        ("mod(5, -3)", -1),
        ("-5 % 3", -2),
        ("5 % -3", 2),
        ("2*7 % 4", 2),
        ("2**3**2", 512),
        ("2^-2", 0.25),
        ("-2^2", -4),
        ("(-2)^2", 4),
        ("2^-1^2", 0.5),
        ("8/2/2", 2),
        ("8-2-2", 4),
        ("8/2*4", 16),
        ("!0 == 1", 1),
        ("(3 > 2) > 0", 1),
        ("1 < 2", 1),
        ("true && 0.5", 1),
        ("log10(1000)", 3),
        ("log2(0.125)", -3),
        ("log(8, 2)", 3),
        ("log(2, 8)", 1 / 3),
        ("exp(-1000)", 0),
        ("1/inf", 0),
        ("max(1, inf)", math.inf),
        ("sin(pi)", 0),
        ("0^0", 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5),
        ("1E3", 1000),
    ],
)
def test_synonyms_and_precedence(formula, expected):
    value = evaluate(parse(formula))
    assert value == pytest.approx(expected, rel=1e-15, abs=0)
    assert parse(to_text(parse(formula))) == parse(formula)


def test_numbers_are_exact():
    assert parse("1/3") == sympy.Rational(1, 3)
    assert parse("0.1 + 0.2") == sympy.Rational(3, 10)
    assert parse("x^0.5") == sympy.sqrt(sympy.Symbol("x"))


@pytest.mark.parametrize(
    "text",
    ["0.1", "1e308", "1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "123456789.123456789123"],
)
def test_the_double_of_a_literal(text):
    assert evaluate(parse(text)) == float(text)
    assert float(parse(text)) == float(text)


def test_numbers_as_numbers():
    assert parse(0.1) == parse("0.1")
    assert parse(3) == sympy.Integer(3)
    assert parse(-1e-300) == parse("-1e-300")
    assert parse(math.inf) == sympy.oo


@pytest.mark.parametrize(
    "name", ["lambda", "S", "I", "N", "E", "O", "Q", "beta", "gamma", "zeta", "x0", "exp", "sin", "e"]
)
def test_any_identifier_is_a_name(name):
    expr = parse(f"{name}*exp(-{name})")
    assert names_in(expr) == {name}
    assert evaluate(expr, {name: 0.7}) == pytest.approx(0.7 * math.exp(-0.7), rel=1e-15)
    assert all(type(symbol) is sympy.Symbol for symbol in expr.free_symbols)


def test_simplification_keeps_values_real():
    assert parse("abs(exp(x))") == sympy.exp(sympy.Symbol("x"))
    assert parse("sign(exp(x))") == 1
    assert not parse("abs(2^x*y) + sign(x^y) + floor(sqrt(x))").has(sympy.re, sympy.im, sympy.I)


def test_conditions():
    choice = parse("piecewise(a, t > 1 && !(t > 2 || s == 0), b)")
    for t, s, expected in [(0.5, 1, 2), (1.5, 1, 1), (2.5, 1, 2), (1.5, 0, 2)]:
        assert evaluate(choice, {"t": t, "s": s, "a": 1, "b": 2}) == expected


def test_a_piecewise_within_a_condition():
    choice = parse("piecewise(1, 2*piecewise(x, x > 0, -x) + 1 > y, 0)")
    for x, y in [(1, 2.9), (1, 3.1), (-1, 2.9), (-1, 3.1), (0, 0.5)]:
        assert evaluate(choice, {"x": x, "y": y}) == (2 * abs(x) + 1 > y)
    assert parse(to_text(choice)) == choice


def test_whitespace():
    assert parse(" \t x\r\n + 1\n") == parse("x+1")

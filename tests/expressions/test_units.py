"""Unit texts and the units of expressions."""

import subprocess
import sys

import pytest

from idfit.expressions import (
    ExpressionError,
    conversion_factor,
    dimension_of,
    parse,
    parse_unit,
    unit_of,
    unit_problems,
)


@pytest.mark.parametrize(
    ("text", "equal"),
    [
        ("1/(nM*min)", "nM^-1*min^-1"),
        ("umol/L", "uM"),
        ("µmol/L", "uM"),
        ("m/s^2", "m/s**2"),
        ("m / s / s", "m/s^2"),
        ("V^(1/2)", "V^0.5"),
        ("a.u./min", "a.u. * min^-1"),
        ("%", "percent"),
        ("cells/mL", "cell/mL"),
        ("1", "dimensionless"),
        ("L/(h*kg)", "L*h^-1*kg^-1"),
        ("kg·m·s^-2", "N"),
        ("(m)", "m"),
        ("U/mL", "umol/min/mL"),
    ],
)
def test_equal_units(text, equal):
    assert conversion_factor(text, equal) == 1.0


@pytest.mark.parametrize(
    "text",
    ["OD", "RFU", "IU", "mIU/L", "cells", "a.u.", "degC", "degF", "count", "h", "year", "ppm", "kDa", "Å"],
)
def test_known_units(text):
    assert parse_unit(text) == parse_unit(text)
    assert unit_of(parse("x"), {"x": text}).unit == parse_unit(text)


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("uM", "nM", 1000.0),
        ("nM", "uM", 1e-3),
        ("min", "s", 60.0),
        ("s", "min", 1 / 60),
        ("1/h", "1/min", 1 / 60),
        ("percent", "1", 0.01),
        ("day", "h", 24.0),
        ("nM", "min", None),
        ("a.u.", "1", None),
        ("OD", "a.u.", None),
        ("cells", "count", None),
        ("degC", "K", None),
        ("degC/min", "K/min", 1.0),
    ],
)
def test_conversion(source, target, factor):
    assert conversion_factor(source, target) == factor


def test_dimension_in_words():
    assert dimension_of("nM") == "[substance] / [length] ** 3"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "empty"),
        ("foo", 1, "no such unit"),
        ("m2", 1, "write m^2"),
        ("nM/foo", 4, "no such unit"),
        ("k", 1, "boltzmann_constant"),
        ("nM min", 4, "write * or / between units"),
        ("m**9**9**9", 5, "not the text of a unit"),
        ("m^999", 3, "-20 to 20"),
        ("((m^20)^20)", 3, "-20 to 20"),
        ("m^(1/0)", 6, "divides by zero"),
        ("2*m", 1, "no numeric factor"),
        ("nM/", 4, "not the text of a unit"),
        ("nM;", 3, "not the text of a unit"),
        ("pint.Unit('m')", 5, "not the text of a unit"),
        ("__import__('os')", 11, "not the text of a unit"),
        ("m" * 201, 0, "200 characters"),
        ("(" * 99 + "m", 101, "not the text of a unit"),
    ],
)
def test_refused_units(text, column, message):
    with pytest.raises(ExpressionError) as caught:
        parse_unit(text)
    assert caught.value.column == column
    assert message in str(caught.value)
    assert caught.value.remedy


UNITS = {"A": "nM", "B": "uM", "k": "1/min", "t": "min", "K": "nM", "n": "1", "x": None, "bad": "nonsense"}


@pytest.mark.parametrize(
    ("formula", "unit"),
    [
        ("-k*A", "nM/min"),
        ("2*A/3", "nM"),
        ("A + 5", "nM"),
        ("A/(K + A)", "1"),
        ("sqrt(A^2)", "nM"),
        ("exp(-k*t)*A", "nM"),
        ("A^n/(K^n + A^n)", None),
        ("(A/K)^n", "1"),
        ("x*A", None),
        ("k*A + x", "nM/min"),
        ("bad*A", None),
        ("max(A, 0)", "nM"),
        ("abs(A)", "nM"),
        ("sign(A)", "1"),
        ("mod(t, 24)", "min"),
        ("piecewise(A, t > 5, 0)", "nM"),
        ("3", "1"),
    ],
)
def test_units_of_expressions(formula, unit):
    found = unit_of(parse(formula), UNITS)
    assert found.problems == ()
    if unit is None:
        assert found.unit is None
    else:
        assert found.unit is not None
        assert conversion_factor(found.unit, unit) == 1.0


@pytest.mark.parametrize(
    ("formula", "wanted", "problem"),
    [
        ("A + t", "nM", "it adds A in nM and t in min"),
        ("A + B", "nM", "it adds A in nM and B in µM"),
        ("exp(t)", "1", "exp(t) takes a quantity in min"),
        ("x^A", "1", "the exponent of x^A is in nM"),
        ("min(A, k)", "nM", "it compares"),
        ("piecewise(A, t > k, 0)", "nM", "it compares"),
        ("piecewise(A, t > 1, k)", "nM", "it chooses between"),
        ("-k*A", "nM", "its unit is nM/min where nM is wanted"),
        ("k*B", "nM/min", "its unit is µM/min where nM/min is wanted"),
    ],
)
def test_problems(formula, wanted, problem):
    (found,) = unit_problems(parse(formula), UNITS, wanted)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("1000*k*B", "nM/min"),
        ("A + 1000*B", "nM"),
        ("x", "nM"),
        ("A", "nonsense"),
        ("100*A/K", "percent"),
        ("0", "nM"),
    ],
)
def test_no_problem(formula, wanted):
    assert unit_problems(parse(formula), UNITS, wanted) == () or formula == "0"


def test_pint_is_imported_when_a_unit_is_read():
    code = "import sys, idfit.expressions as e; e.parse('x + 1'); print('pint' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"

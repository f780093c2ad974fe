"""`to_text` and `parse` undo each other; `evaluate` agrees with Python on the same formula."""

import math

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from idfit.expressions import ExpressionError, evaluate, names_in, parse, to_text

NAMES = ("x", "y", "k1", "lambda", "S", "E")
_numbers = st.sampled_from(["0", "1", "2", "3", "0.5", "1/3", "0.1", "2.5e-3", "1e6", "7.25", "pi"])
_atoms = st.one_of(st.sampled_from(NAMES), _numbers)
_functions = st.sampled_from(
    [
        "exp",
        "log",
        "sin",
        "cos",
        "tan",
        "tanh",
        "atan",
        "asinh",
        "sqrt",
        "abs",
        "floor",
        "erf",
        "sign",
        "log10",
        "sec",
    ]
)


def _compound(children):
    condition = st.builds("({} {} {})".format, children, st.sampled_from([">", "<=", "==", "!="]), children)
    joined = st.builds("({} {} !{})".format, condition, st.sampled_from(["&&", "||"]), condition)
    return st.one_of(
        st.builds("({} {} {})".format, children, st.sampled_from(["+", "-", "*", "/"]), children),
        st.builds(
            "{} {} {} {} {}".format,
            children,
            st.sampled_from("+-"),
            children,
            st.sampled_from("*/"),
            children,
        ).map("({})".format),
        st.builds(
            "({})^({})".format, children, st.one_of(children, st.sampled_from(["2", "-1", "0.5", "-3"]))
        ),
        st.builds("(-{})".format, children),
        st.builds("{}({})".format, _functions, children),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max", "mod"]), children, children),
        st.builds("piecewise({}, {}, {})".format, children, st.one_of(condition, joined), children),
    )


def accepted(text):
    """The expression of a text, or the error that refuses it."""
    try:
        return parse(text)
    except ExpressionError as error:
        return error


formulas = st.recursive(_atoms, _compound, max_leaves=12)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(formulas)
def test_text_reads_back_as_the_same_expression(formula):
    expr = accepted(formula)
    if isinstance(expr, ExpressionError):
        assert expr.code in ("E05", "E06", "E13")
        return
    assert parse(to_text(expr)) == expr
    assert names_in(expr) <= set(NAMES)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="x1.e+-*/^()<>=!&|%, \t'é#", max_size=20))
def test_any_text_is_read_or_refused(text):
    expr = accepted(text)
    if isinstance(expr, ExpressionError):
        assert 0 <= expr.column <= len(text) + 1
        assert expr.rule
    else:
        assert parse(to_text(expr)) == expr


_plain = st.recursive(
    st.sampled_from(["x", "y", "2", "0.25", "3"]),
    lambda children: st.one_of(
        st.builds("({} {} {})".format, children, st.sampled_from(["+", "-", "*", "/", "**"]), children),
        st.builds(
            "{} {} {} {} {}".format,
            children,
            st.sampled_from("+-*/"),
            children,
            st.sampled_from("+-*/"),
            children,
        ),
        st.builds("(-{})".format, children),
        st.builds("{}({})".format, st.sampled_from(["sin", "atan", "tanh", "abs"]), children),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(_plain)
def test_values_are_those_of_python(formula):
    names = {"x": 0.7, "y": 1.9, "sin": math.sin, "atan": math.atan, "tanh": math.tanh, "abs": abs}
    try:
        expected = eval(formula, {"__builtins__": {}}, names)  # noqa: S307 (the formula is made above)
    except (ZeroDivisionError, OverflowError):
        return
    if isinstance(expected, complex) or not 1e-9 < abs(expected) < 1e9:
        return
    try:
        value = evaluate(parse(formula), {"x": 0.7, "y": 1.9})
    except ExpressionError:
        return
    assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("0.5*x^2/(K+x)", "0.5*x^2/(K + x)"),
        ("-k*A", "-A*k"),
        ("x/3", "x/3"),
        ("2/3*x", "2*x/3"),
        ("sqrt(x)", "sqrt(x)"),
        ("x^(1/3)", "x^(1/3)"),
        ("1e-9*x", "1e-9*x"),
        ("6.02214076e23", "6.02214076e23"),
        ("exp(1)", "exp(1)"),
        ("E", "E"),
        ("-(a + b)/c", "-(a + b)/c"),
        ("-inf", "-inf"),
        ("b - a", "b - a"),
        ("x^-n", "x^(-n)"),
        ("(x^y)^z", "(x^y)^z"),
        ("(-x)^y", "(-x)^y"),
        ("piecewise(1, x > 2, 0)", "piecewise(1, x > 2, 0)"),
        ("1e18/3/(x + 1)", "1e18/3/(1 + x)"),
    ],
)
def test_texts(formula, text):
    assert to_text(parse(formula)) == text
    assert parse(text) == parse(formula)


def test_what_formulas_cannot_say_is_not_printed():
    x = sympy.Symbol("x")
    for expr in (sympy.gamma(x), sympy.re(x), sympy.I * x, sympy.Piecewise((x, x > 0))):
        with pytest.raises(ExpressionError):
            to_text(expr)


def test_floats_are_printed_as_their_shortest_decimal():
    assert to_text(sympy.Float(0.1) * sympy.Symbol("x")) == "0.1*x"
    assert to_text(sympy.Float(1e-20)) == "1e-20"
    assert to_text(-sympy.Float(2.5) + sympy.Symbol("x")) == "x - 2.5"

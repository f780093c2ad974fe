"""Values in doubles: IEEE rules at the edges, and depth without recursion."""

import math

import pytest
import sympy

from idfit.expressions import ExpressionError, evaluate, parse


@pytest.mark.parametrize(
    ("formula", "x", "expected"),
    [
        ("1/x", 0, math.inf),
        ("x^-3", -0.0, -math.inf),
        ("x/x^2", 0, math.inf),
        ("log(x)", 0, -math.inf),
        ("log(x)", -1, math.nan),
        ("sqrt(x)", -1, math.nan),
        ("x^0.3", -1, math.nan),
        ("x^3", -2, -8),
        ("exp(x)", 1e4, math.inf),
        ("sinh(x)", -1e4, -math.inf),
        ("x^100", 1e200, math.inf),
        ("sin(x)", math.inf, math.nan),
        ("tanh(x)", math.inf, 1),
        ("atanh(x)", 1, math.inf),
        ("mod(x, 3)", -5, 1),
        ("mod(x, 0)", 1, math.nan),
        ("x % 3", -5, -2),
        ("floor(x)", -0.5, -1),
        ("ceil(x)", math.inf, math.inf),
        ("max(x, 1)", math.nan, math.nan),
        ("min(x, 1)", -math.inf, -math.inf),
        ("sign(x)", -3, -1),
        ("piecewise(log(x), x > 0, -1)", -1, -1),
        ("-1e308*x", 2, -math.inf),
        ("arccot(x)", 0, math.pi / 2),
        ("x == 1", 1, 1),
    ],
)
def test_edges(formula, x, expected):
    assert evaluate(parse(formula), {"x": x}) == pytest.approx(expected, rel=1e-14, nan_ok=True)


def test_a_name_without_a_value():
    with pytest.raises(ExpressionError, match="kk1"):
        evaluate(parse("kk1*x"), {"x": 1.0})


def test_a_function_that_formulas_do_not_have():
    with pytest.raises(ExpressionError, match="gamma"):
        evaluate(sympy.gamma(sympy.Symbol("x")), {"x": 1.5})


def test_depth_and_sharing():
    expr = sympy.Symbol("x")
    for _ in range(3000):
        expr = sympy.sin(expr, evaluate=False)
    assert abs(evaluate(expr, {"x": 1.0})) < 0.1
    shared = sympy.Symbol("x")
    for _ in range(60):
        shared = sympy.Add(shared, sympy.sin(shared, evaluate=False), evaluate=False)
    assert math.isfinite(evaluate(shared, {"x": 1.0}))

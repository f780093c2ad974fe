"""What is left of a formula when a small number ε in it goes to zero."""

from __future__ import annotations

import math
from typing import Any

import sympy

#: beyond this many operations a formula is not expanded
_LARGEST = 3000
# other functions than rational ones are replaced by their Taylor polynomials of this degree in ε
_DEGREE = 2


def laurent(formula: sympy.Expr, eps: sympy.Symbol) -> dict[int, sympy.Expr] | None:
    """Coefficients of ε^n, n ≤ 0, of a formula for ε → 0+, without those that are zero; None where unknown.

    Rational functions of ε are expanded exactly. In other functions, and under roots, ε may stand where the
    argument has a finite limit; they are expanded to ε², so that a formula in which they meet lower orders
    than ε^−2 is refused.

    >>> from idfit.expressions import parse
    >>> laurent(parse("a*x/(e + b*e^2)"), sympy.Symbol("e"))
    {-1: a*x, 0: -a*b*x}
    >>> laurent(parse("(1 - exp(-k*e))/e"), sympy.Symbol("e"))
    {0: k}
    """
    orders = _series(formula, eps, 0)
    if orders is None or (min(orders, default=0) < -_DEGREE and not formula.is_rational_function(eps)):
        return None
    return orders


def limit(formula: sympy.Expr, eps: sympy.Symbol) -> sympy.Expr | None:
    """The finite limit for ε → 0+, or None where there is none or it is not known."""
    orders = laurent(formula, eps)
    if orders is None or any(n < 0 for n in orders):
        return None
    return orders.get(0, sympy.S.Zero)


def _series(formula: Any, eps: sympy.Symbol, last: int) -> dict[int, Any] | None:
    """Coefficients up to ε^last."""
    if eps not in formula.free_symbols:
        return {0: formula} if formula != 0 else {}
    if formula.count_ops() > _LARGEST:
        return None
    rational = _made_rational(formula, eps)
    return None if rational is None else _of_rational(rational, eps, last)


def _made_rational(formula: Any, eps: sympy.Symbol) -> Any:
    """The formula with every other function of ε as its Taylor polynomial; None where one has none."""
    if eps not in formula.free_symbols or formula == eps:
        return formula
    if isinstance(formula, sympy.Add | sympy.Mul) or (
        isinstance(formula, sympy.Pow) and isinstance(formula.exp, sympy.Integer)
    ):
        parts = [_made_rational(part, eps) for part in formula.args]
        return None if any(part is None for part in parts) else formula.func(*parts)
    inside = [part for part in formula.args if eps in part.free_symbols]
    if isinstance(formula, sympy.Piecewise) or len(inside) != 1 or not isinstance(inside[0], sympy.Expr):
        return None
    orders = _series(inside[0], eps, _DEGREE)
    if orders is None or any(n < 0 for n in orders):
        return None
    return _taylor(formula, inside[0], orders, eps)


def _taylor(formula: Any, argument: Any, orders: dict[int, Any], eps: sympy.Symbol) -> Any:
    """f(a₀ + h) = Σ f⁽ⁿ⁾(a₀) hⁿ/n! with h = a₁ε + a₂ε²; None where f is not smooth at a₀."""
    variable, at = sympy.Dummy(), sympy.factor(orders.get(0, sympy.S.Zero))  # squares leave their roots
    h = sympy.Add(*(value * eps**n for n, value in orders.items() if n > 0))
    slope: Any = formula.func(*(variable if part == argument else part for part in formula.args))
    terms = []
    for n in range(_DEGREE + 1):
        value = slope.xreplace({variable: at})
        if value.is_finite is False or value.has(sympy.nan, sympy.zoo, sympy.Derivative, sympy.DiracDelta):
            return None
        terms.append(value * h**n / math.factorial(n))
        slope = slope.diff(variable)
    return sympy.Add(*terms)


def _of_rational(formula: Any, eps: sympy.Symbol, last: int) -> dict[int, Any]:
    """Long division of the power series of numerator and denominator, up to ε^last."""
    above, below = (sympy.Poly(part, eps) for part in sympy.fraction(sympy.together(formula)))
    a = {powers[0]: value for powers, value in above.terms() if value != 0}
    b = {powers[0]: value for powers, value in below.terms() if value != 0}
    if not a:
        return {}
    first, lowest = min(b), min(a)
    zero, quotient = sympy.S.Zero, {}
    for n in range(lowest - first, last + 1):
        earlier = [
            b.get(first + m, zero) * quotient.get(n - m, zero) for m in range(1, n - lowest + first + 1)
        ]
        quotient[n] = sympy.cancel((a.get(n + first, zero) - sympy.Add(*earlier)) / b[first])
    return {n: value for n, value in quotient.items() if value != 0}

"""What is left of a formula when a small number ε in it goes to zero."""

from __future__ import annotations

from typing import Any

import sympy

#: beyond this many operations a formula is not expanded
_LARGEST = 3000


def laurent(formula: sympy.Expr, eps: sympy.Symbol) -> dict[int, sympy.Expr] | None:
    """Coefficients of ε^n, n ≤ 0, of a formula for ε → 0+, without those that are zero; None where unknown.

    Rational functions of ε are expanded exactly. In other functions, and under roots, ε may stand where the
    argument has a finite limit, which then replaces it; what these contribute to higher orders is lost, so
    that a formula in which they meet negative orders is refused.

    >>> from idfit.expressions import parse
    >>> laurent(parse("a*x/(e + b*e^2) + exp(-e*x)"), sympy.Symbol("e"))
    >>> laurent(parse("a*x/(e + b*e^2)"), sympy.Symbol("e"))
    {-1: a*x, 0: -a*b*x}
    """
    if eps not in formula.free_symbols:
        return {0: formula} if formula != 0 else {}
    if formula.count_ops() > _LARGEST:
        return None
    replaced = _functions_at_their_limits(formula, eps)
    if replaced is None:
        return None
    orders = _of_rational(replaced, eps)
    # the argument of a function was taken at ε = 0: the error of that must not meet ε^-1
    return None if replaced != formula and any(n < 0 for n in orders) else orders


def limit(formula: sympy.Expr, eps: sympy.Symbol) -> sympy.Expr | None:
    """The finite limit for ε → 0+, or None where there is none or it is not known."""
    orders = laurent(formula, eps)
    if orders is None or any(n < 0 for n in orders):
        return None
    return orders.get(0, sympy.S.Zero)


def _functions_at_their_limits(formula: Any, eps: sympy.Symbol) -> Any:
    """The formula with every other function of ε at its limit; None where one has none."""
    if eps not in formula.free_symbols or formula == eps:
        return formula
    if isinstance(formula, sympy.Add | sympy.Mul) or (
        isinstance(formula, sympy.Pow) and isinstance(formula.exp, sympy.Integer)
    ):
        parts = [_functions_at_their_limits(part, eps) for part in formula.args]
        return None if any(part is None for part in parts) else formula.func(*parts)
    if isinstance(formula, sympy.Piecewise) or not all(isinstance(a, sympy.Expr) for a in formula.args):
        return None
    limits: list[Any] = [limit(part, eps) for part in formula.args]
    if any(part is None for part in limits):
        return None
    found = formula.func(*limits)
    return found if found.is_finite is not False and not found.has(sympy.nan, sympy.zoo) else None


def _of_rational(formula: Any, eps: sympy.Symbol) -> dict[int, Any]:
    """Long division of the power series of numerator and denominator, up to ε^0."""
    above, below = (sympy.Poly(part, eps) for part in sympy.fraction(sympy.together(formula)))
    a = {powers[0]: value for powers, value in above.terms() if value != 0}
    b = {powers[0]: value for powers, value in below.terms() if value != 0}
    if not a:
        return {}
    first, lowest = min(b), min(a)
    zero, quotient = sympy.S.Zero, {}
    for n in range(lowest - first, 1):
        earlier = [
            b.get(first + m, zero) * quotient.get(n - m, zero) for m in range(1, n - lowest + first + 1)
        ]
        quotient[n] = sympy.cancel((a.get(n + first, zero) - sympy.Add(*earlier)) / b[first])
    return {n: value for n, value in quotient.items() if value != 0}

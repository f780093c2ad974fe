"""Values: expressions whose constants are watched, and the operations of formulas on them.

A `Value` carries the double of an expression without names. Every operation computes that double first and
refuses what is not a finite real number, so sympy never gets to see `1/0`, `log(-1)` or `9**9**9**9`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import sympy

from idfit.expressions import exact
from idfit.expressions.errors import Refusal
from idfit.expressions.evaluation import FUNCTIONS, power, rational_to_float
from idfit.expressions.tokens import MAX_NODES

MAX_EXPONENT = 1024
NOT_REAL = "is not a real number"
ZERO_DIVISION = "divides by zero"


class Value(NamedTuple):
    """`expr` (a sympy Boolean if `logical`), its double if it has no names, and the number of its parts."""

    expr: Any
    constant: float | None
    size: int = 1
    logical: bool = False


def constant(number: sympy.Rational) -> Value:
    return Value(number, rational_to_float(number))


ZERO, ONE, TWO = constant(sympy.S.Zero), constant(sympy.S.One), constant(sympy.Integer(2))
MINUS_ONE, HALF = constant(sympy.S.NegativeOne), constant(sympy.S.Half)
TRUE, FALSE = Value(sympy.true, 1.0, logical=True), Value(sympy.false, 0.0, logical=True)
INFINITY, PI = Value(sympy.oo, math.inf), Value(sympy.pi, math.pi)


def as_number(value: Value) -> Value:
    """A truth value as 1 or 0."""
    if not value.logical:
        return value
    if value.constant is not None:
        return ONE if value.constant else ZERO
    branches = ((sympy.S.One, value.expr), (sympy.S.Zero, sympy.true))
    return Value(sympy.Piecewise(*branches, evaluate=False), None, size_of([value], 4))


def as_condition(value: Value) -> Value:
    """A number as a truth value: all but 0 are true."""
    if value.logical:
        return value
    if value.constant is not None:
        return TRUE if value.constant != 0 else FALSE
    return Value(sympy.Ne(value.expr, 0, evaluate=False), None, size_of([value], 2), True)


def add(terms: list[Value]) -> Value:
    size = size_of(terms)
    constants = [t.constant for t in terms if t.constant is not None]
    if math.isnan(sum(constants)):
        raise Refusal(NOT_REAL, "inf - inf has no value")
    if any(map(math.isinf, constants)):  # sympy's rules for infinities are those of doubles
        total = _defined(sympy.Add(*(t.expr for t in terms)))
    else:
        total = _defined(exact.add([t.expr for t in terms]))
    return _finished(total, sum(constants), size, terms)


def negate(value: Value) -> Value:
    return multiply([MINUS_ONE, value])


def multiply(factors: list[Value]) -> Value:
    size = size_of(factors)
    constants = [f.constant for f in factors if f.constant is not None]
    product = math.prod(constants)
    if any(math.isinf(c) for c in constants):
        if math.isnan(product):
            raise Refusal(NOT_REAL, "0*inf has no value")
        if len(constants) == len(factors):
            return Value(exact.from_float(product), product, size)
    return _finished(_defined(exact.multiply([f.expr for f in factors])), product, size, factors)


def divide(numerator: Value, denominator: Value) -> Value:
    return multiply([numerator, raise_to(denominator, MINUS_ONE)])


def raise_to(base: Value, exponent: Value) -> Value:
    """base ** exponent."""
    if base.constant is not None and exponent.constant is not None:
        return _constant_power(base, exponent)
    size = size_of([base, exponent])
    if exponent.constant is None:
        return Value(_defined(sympy.Pow(base.expr, exponent.expr)), None, size)
    degree = exponent.constant
    if math.isinf(degree):
        return Value(sympy.Pow(base.expr, exponent.expr, evaluate=False), None, size)
    if abs(degree) > MAX_EXPONENT:
        raise Refusal(f"raises to the power {degree:g}", f"exponents may reach {MAX_EXPONENT}", "E05")
    coefficient, rest = base.expr.as_coeff_Mul()
    if (
        not coefficient.is_Rational
        or coefficient in (1, -1)
        or bits(coefficient) * abs(degree) <= exact.MAX_BITS
    ):
        return _named(sympy.Pow(base.expr, exponent.expr), size)
    factor = _finite(power(abs(rational_to_float(coefficient)), degree))
    rest = sympy.Mul(sympy.sign(coefficient), rest)
    return _named(exact.multiply([exact.from_float(factor), sympy.Pow(rest, exponent.expr)]), size)


def _named(expr: Any, size: int) -> Value:
    return _finished(_defined(expr), math.nan, size, [Value(expr, None)])


def _constant_power(base: Value, exponent: Value) -> Value:
    a, b = base.constant, exponent.constant
    assert a is not None
    assert b is not None
    value = power(a, b)
    if math.isfinite(a) and math.isinf(value):
        raise Refusal(
            ZERO_DIVISION if a == 0 else exact.OVERFLOW, "change the numbers", "E13" if a == 0 else "E05"
        )
    if math.isnan(value):
        raise Refusal(NOT_REAL, "a negative number has no real power with a fractional exponent")
    if math.isinf(a) or math.isinf(b):
        return Value(exact.from_float(value), value)
    if value == 0 and a != 0:
        raise Refusal("is too small for a double", "doubles reach down to 5e-324; write 0", "E05")
    size = size_of([base, exponent])
    coefficient = base.expr.as_coeff_Mul()[0]
    cheap = bits(coefficient) * max(1.0, abs(b)) <= exact.MAX_BITS if coefficient.is_Rational else False
    inverse = base.expr.is_Rational and b == -1
    if (cheap and abs(b) <= MAX_EXPONENT) or inverse:
        return _finished(
            _defined(exact.bounded_coefficients(sympy.Pow(base.expr, exponent.expr))), value, size, [base]
        )
    return Value(exact.from_float(value), value)


def call(head: type, *arguments: Value) -> Value:
    """A function of sympy applied, sympy's own simplifications used only where they are exact and quick."""
    expressions = [a.expr for a in arguments]
    size = size_of(list(arguments))
    if any(a.constant is None for a in arguments):
        return Value(_symbolic(head, expressions), None, size)
    constants: list[Any] = [a.constant for a in arguments]
    value = FUNCTIONS[head](*constants)
    if math.isnan(value):
        raise Refusal(NOT_REAL, "the function has no real value there")
    limit = head in (
        sympy.log,
        sympy.atanh,
    )  # log(0) and atanh(1) are infinite by definition, not by overflow
    if math.isinf(value) and not limit and all(map(math.isfinite, constants)):
        raise Refusal(exact.OVERFLOW, "change the numbers", "E06")
    if (
        math.isinf(value)
        or head in (sympy.sign, sympy.floor, sympy.ceiling)
        or (head is sympy.exp and value == 0)
    ):
        return Value(exact.from_float(value), value)
    if head is sympy.exp:
        return Value(exact.bounded_coefficients(_exponential(expressions[0])), value, size)
    if head is sympy.Mod and all(e.is_Rational for e in expressions):
        return constant(exact.bounded(expressions[0] % expressions[1]))
    if all(_is_exact(e) for e in expressions):
        return Value(_defined(head(*expressions)), value, size)
    return Value(head(*expressions, evaluate=False), value, size)


def _symbolic(head: type, arguments: list[Any]) -> Any:
    (first, *_) = arguments
    if head is sympy.exp:
        return exact.bounded_coefficients(_defined(_exponential(first)))
    positive = isinstance(first, sympy.exp) or (
        isinstance(first, sympy.Pow) and first.base.is_Rational and first.base > 0
    )
    if positive and head in (sympy.Abs, sympy.sign):
        # sympy makes Abs(exp(x)) an exp(re(x)), for it takes names for complex numbers
        return first if head is sympy.Abs else sympy.S.One
    return head(*arguments, evaluate=False)


def _exponential(argument: Any) -> Any:
    """exp with its logarithms resolved, as sympy does when it multiplies; bounded like written powers."""
    for term in sympy.Add.make_args(argument):
        factor, rest = term.as_coeff_Mul()
        if rest.has(sympy.log) and abs(factor) > MAX_EXPONENT:
            raise Refusal(
                f"raises to the power {float(factor):g}", f"exponents may reach {MAX_EXPONENT}", "E05"
            )
    return sympy.exp(argument)


def _is_exact(expr: Any) -> bool:
    """Whether sympy finds exact values of functions there without effort: rationals, multiples of pi, exp."""
    if expr.is_Rational:
        return bits(expr) <= 64
    if isinstance(expr, sympy.exp):
        return expr.args[0].is_Rational
    coefficient, rest = expr.as_coeff_Mul()
    return (rest is sympy.pi or rest is sympy.E) and bits(coefficient) <= 64


def negation(value: Value) -> Value:
    """not value, pushed inwards so that conditions are comparisons joined by and/or."""
    value = as_condition(value)
    if value.constant is not None:
        return FALSE if value.constant else TRUE
    return Value(_opposite(value.expr), None, value.size, True)


_OPPOSITES = {
    sympy.Gt: sympy.Le,
    sympy.Le: sympy.Gt,
    sympy.Lt: sympy.Ge,
    sympy.Ge: sympy.Lt,
    sympy.Eq: sympy.Ne,
    sympy.Ne: sympy.Eq,
}


def _opposite(condition: Any) -> Any:
    if condition.func in _OPPOSITES:
        return _OPPOSITES[condition.func](*condition.args, evaluate=False)
    return {sympy.And: sympy.Or, sympy.Or: sympy.And}[condition.func](*map(_opposite, condition.args))


def join(conjunction: bool, conditions: list[Value]) -> Value:
    """All of (`conjunction`) or any of the conditions."""
    decisive = FALSE if conjunction else TRUE
    if any(c.constant == decisive.constant for c in conditions):
        return decisive
    open_ones = [c for c in conditions if c.constant is None]
    if not open_ones:
        return TRUE if conjunction else FALSE
    joined = (sympy.And if conjunction else sympy.Or)(*(c.expr for c in open_ones))
    if joined in (sympy.true, sympy.false):
        return TRUE if joined == sympy.true else FALSE
    return Value(joined, None, size_of(open_ones), True)


def size_of(parts: list[Value], own: int = 1) -> int:
    size = own + sum(p.size for p in parts)
    if size > MAX_NODES:
        raise Refusal(f"has more than {MAX_NODES} parts", "split the formula with [assignments]", "E10")
    return size


def bits(number: sympy.Rational) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())


def _finite(value: float) -> float:
    if math.isinf(value) or value == 0:
        raise Refusal(
            f"{exact.OVERFLOW} or comes down to zero in its constant factor", "change the numbers", "E06"
        )
    return value


def _finished(expr: Any, value: float, size: int, parts: list[Value]) -> Value:
    """The value of an operation: a constant if its parts are, or if the names in it cancelled."""
    if expr.is_Rational:
        return Value(expr, rational_to_float(expr))
    if any(p.constant is None for p in parts):
        return Value(expr, None, size)
    if math.isnan(value):
        raise Refusal(NOT_REAL, "the operation has no value")
    if math.isinf(value) and all(math.isfinite(p.constant) for p in parts if p.constant is not None):
        raise Refusal(exact.OVERFLOW, "doubles reach 1.8e308", "E06")
    return Value(expr, value, size)


def _defined(expr: Any) -> Any:
    if expr is sympy.zoo or expr is sympy.nan:
        raise Refusal(ZERO_DIVISION, "what stands below the fraction is zero for all values")
    if expr.is_Atom:
        return expr
    if any(a is sympy.I or a is sympy.zoo or a is sympy.nan for a in expr.args):
        raise Refusal(NOT_REAL, "the root of a negative number, or a division by zero, stands in it")
    return expr

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
from idfit.expressions.evaluation import FUNCTIONS, evaluate, power, rational_to_float
from idfit.expressions.tokens import MAX_NODES
from idfit.expressions.walk import bottom_up

MAX_EXPONENT = 100
NOT_REAL = "is not a real number"
ZERO_DIVISION = "divides by zero"
EXPONENTS = f"exponents may reach {MAX_EXPONENT}"


INFINITE = (sympy.log, sympy.atanh)  # log(0) and atanh(1) are infinite by definition, not by overflow


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
    elif 0 in constants:
        return ZERO
    return _finished(_defined(exact.multiply([f.expr for f in factors])), product, size, factors)


def divide(numerator: Value, denominator: Value) -> Value:
    return multiply([numerator, raise_to(denominator, MINUS_ONE)])


def raise_to(base: Value, exponent: Value) -> Value:
    """base ** exponent."""
    if base.constant is not None and exponent.constant is not None:
        return _constant_power(base, exponent)
    if base.expr is sympy.S.One:  # sympy asks for the absolute value of the exponent, which may take for ever
        return ONE
    size = size_of([base, exponent])
    if isinstance(base.expr, sympy.Piecewise):  # as sympy does, but watching the numbers
        cases: Any = base.expr.args
        branches = [(raise_to(_of(value), exponent).expr, condition) for value, condition in cases]
        return Value(sympy.Piecewise(*branches, evaluate=False), None, size)
    if exponent.constant is None:
        check_power(base.expr, exponent.expr)
        if base.constant is None and _is_entangled(base.expr, exponent.expr):
            return call(sympy.exp, multiply([exponent, call(sympy.log, base)]))
        return _named(sympy.Pow(base.expr, exponent.expr), size)
    degree = exponent.constant
    if math.isinf(degree):
        return Value(sympy.Pow(base.expr, exponent.expr, evaluate=False), None, size)
    check_power(base.expr, exponent.expr)
    if _is_cheap(base.expr.as_coeff_Mul()[0], exponent):
        return _named(sympy.Pow(base.expr, exponent.expr), size)
    number, rest = base.expr.as_independent(*base.expr.free_symbols, as_Add=False)
    if number in (1, -1):
        return _named(sympy.Pow(base.expr, exponent.expr), size)
    known = evaluate(number)
    factor = exact.from_float(_finite(power(abs(known), degree)))
    rest = sympy.Mul(sympy.S.NegativeOne if known < 0 else sympy.S.One, rest)
    return _named(exact.multiply([factor, sympy.Pow(rest, exponent.expr)]), size)


def _named(expr: Any, size: int) -> Value:
    return _finished(_defined(expr), math.nan, size, [Value(expr, None)])


def _of(expr: Any) -> Value:
    return Value(expr, None if expr.free_symbols else evaluate(expr))


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
    if (_is_cheap(coefficient, exponent) and abs(b) <= MAX_EXPONENT) or (base.expr.is_Rational and b == -1):
        return _finished(
            _defined(exact.bounded_coefficients(sympy.Pow(base.expr, exponent.expr))), value, size, [base]
        )
    return Value(exact.from_float(value), value)


def _is_cheap(coefficient: sympy.Rational, exponent: Value) -> bool:
    """Whether sympy can raise the number to the power exactly without effort."""
    if not coefficient.is_Rational:  # an infinity
        return True
    if exponent.expr.is_Rational and 12 % exponent.expr.q:  # roots that stay such roots in products
        return False
    return bits(coefficient) * max(1.0, abs(exponent.constant or 0.0)) <= exact.MAX_BITS


def _is_entangled(base: Any, exponent: Any) -> bool:
    """Whether sympy would take the base apart into real and imaginary parts, which may take for ever.

    It does so where the exponent is a quotient with a sum below, in search of a logarithm.
    """
    if not any(isinstance(part, sympy.Pow) and part.base.is_Add for part in bottom_up(exponent)):
        return False
    parts = bottom_up(base)
    powers = [part for part in parts if isinstance(part, sympy.Pow) and part.exp.is_Rational]
    return len(parts) > 12 or any(part.base.is_Add and abs(part.exp) > 8 for part in powers)  # type: ignore


def call(head: type, *arguments: Value) -> Value:
    """A function of sympy applied, sympy's own simplifications used only where they are exact and quick."""
    expressions = [a.expr for a in arguments]
    size = size_of(list(arguments))
    if any(a.constant is None for a in arguments):
        return _named(_symbolic(head, expressions), size)
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
        return _finished(_defined(head(*expressions)), value, size, list(arguments))
    return Value(head(*expressions, evaluate=False), value, size)


def extreme(head: type, arguments: list[Value]) -> Value:
    """Min or Max of any number of arguments."""
    choose = FUNCTIONS[head]
    constants = [a for a in arguments if a.constant is not None]
    others = list(dict.fromkeys(a.expr for a in arguments if a.constant is None))
    best = []
    if constants:
        value = choose(*(a.constant for a in constants))
        best = [next(a for a in constants if a.constant == value)]
    if not others:
        return best[0]
    if not best and len(others) == 1:
        return arguments[0]
    return Value(head(*(b.expr for b in best), *others, evaluate=False), None, size_of(arguments))


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
            raise Refusal(f"raises to the power {float(factor):g}", EXPONENTS, "E05")
    return sympy.exp(argument)


def _is_exact(expr: Any) -> bool:
    """Whether sympy finds exact values of functions there without effort: rationals, multiples of pi, exp."""
    if expr.is_Rational:
        return bits(expr) <= 64
    if isinstance(expr, sympy.exp):
        return expr.args[0].is_Rational
    coefficient, rest = expr.as_coeff_Mul()
    return (rest is sympy.pi or rest is sympy.E) and bits(coefficient) <= 64


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
    if expr is sympy.oo or expr is -sympy.oo:
        return Value(expr, math.copysign(math.inf, 1 if expr is sympy.oo else -1))
    if any(p.constant is None for p in parts):
        return Value(expr, evaluate(expr) if expr.is_number else None, size)
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


def check_power(base: Any, exponent: Any) -> None:
    if base.is_Rational and base < 0 and exponent.is_number and not exponent.is_Integer:
        raise Refusal(NOT_REAL, "a negative number has no real power with a fractional exponent")
    if exponent.is_Rational and abs(exponent) > MAX_EXPONENT:
        raise Refusal(f"raises to the power {float(exponent):g}", EXPONENTS, "E05")
    shift = exponent.as_coeff_Add()[0]  # sympy takes 2**(x + 1000000) apart at times
    if base.is_Rational and shift.is_Rational and bits(base) * abs(shift) > 20 * MAX_EXPONENT:
        raise Refusal(f"raises a number to the power {float(shift):g} + ...", "write smaller numbers", "E05")

"""Exact numbers of bounded size: what numbers in formulas become, and their sums, products and powers.

A number stays exact while its numerator and denominator have at most 200 bits, or while it is a decimal that
a formula could hold; beyond that it becomes the shortest decimal of its double. So no arithmetic on what
somebody wrote can grow without bound (`9**9**9**9`), and `float` of a literal is the double that was meant.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import sympy

from idfit.expressions.errors import Refusal
from idfit.expressions.evaluation import rational_to_float
from idfit.expressions.tokens import MAX_LITERAL

MAX_BITS = 200
OVERFLOW = "overflows a double"


def from_literal(text: str) -> sympy.Rational:
    """The exact value of a number as written, or a refusal where no double is near it."""
    value = float(text)
    mantissa = text.lower().split("e")[0]
    is_zero = not mantissa.strip("0.")
    if math.isinf(value):
        raise Refusal(f"the number {OVERFLOW}", "doubles reach 1.8e308", "E05")
    if value == 0 and not is_zero:
        raise Refusal("the number is too small for a double", "doubles reach down to 5e-324; write 0", "E05")
    return sympy.S.Zero if is_zero else bounded(_rational(Fraction(text)))


def from_float(value: float) -> sympy.Expr:
    """The shortest decimal that reads back as this double, as an exact number."""
    if math.isnan(value):
        raise Refusal("this is not a number (NaN)", "give a number", "E13")
    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    return _rational(Fraction(repr(value)))


def bounded(number: sympy.Rational) -> sympy.Rational:
    """The number itself while it is short, else the shortest decimal of its double."""
    if is_short(number):
        return number
    value = rational_to_float(number)
    if math.isinf(value):
        raise Refusal(f"the numbers combine to one that {OVERFLOW}", "doubles reach 1.8e308", "E06")
    if value == 0:
        raise Refusal(
            "the numbers combine to one too small for a double", "doubles reach down to 5e-324", "E06"
        )
    return _rational(Fraction(repr(value)))


def is_short(number: sympy.Rational) -> bool:
    """Whether a formula can hold the number exactly, within the range of doubles."""
    p, q = abs(int(number.p)), int(number.q)
    if p.bit_length() <= MAX_BITS and q.bit_length() <= MAX_BITS:
        return True
    if p.bit_length() > 1300 or q.bit_length() > 1300:
        return False
    return decimal_text(number) is not None and 0 < abs(rational_to_float(number)) < math.inf


def decimal_text(number: sympy.Rational) -> str | None:
    """The number as a decimal literal if it is one of at most 64 characters, else None."""
    p, q = abs(int(number.p)), int(number.q)
    twos = (q & -q).bit_length() - 1
    rest, fives = q >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return None
    places = max(twos, fives)
    digits = str(p * 2 ** (places - twos) * 5 ** (places - fives))
    stripped = digits.rstrip("0") or "0"
    exponent = len(digits) - len(stripped) - places
    text = _layout(stripped, exponent)
    return ("-" if number.p < 0 else "") + text if len(text) <= MAX_LITERAL else None


def _layout(digits: str, exponent: int) -> str:
    point = len(digits) + exponent
    if exponent >= 0 and point <= 15:
        return digits + "0" * exponent
    if 0 < point <= 15:
        return f"{digits[:point]}.{digits[point:]}"
    if -3 <= point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{mantissa}e{point - 1}"


def _rational(fraction: Fraction) -> Any:
    return sympy.Rational(fraction.numerator, fraction.denominator)


def add(terms: list[sympy.Expr]) -> sympy.Expr:
    """The sum, like terms collected with bounded coefficients before sympy sees them."""
    coefficients: dict[sympy.Expr, list[sympy.Expr]] = {}
    first: dict[sympy.Expr, sympy.Expr] = {}
    for part in (part for term in terms for part in sympy.Add.make_args(term)):
        coefficient, rest = part.as_coeff_Mul()
        coefficients.setdefault(rest, []).append(coefficient)
        first.setdefault(rest, part)
    parts = []
    for rest, given in coefficients.items():
        parts.append(first[rest] if len(given) == 1 else sympy.Mul(_total(given), rest))
    return bounded_coefficients(sympy.Add(*parts))


def _total(numbers: list[Any]) -> Any:
    if not all(n.is_Rational for n in numbers):
        return sympy.Add(*numbers)
    total: Any = sympy.S.Zero
    for number in numbers:
        total = total + number
        if not is_short(total):
            total = bounded(total)
    return total


def multiply(factors: list[sympy.Expr]) -> sympy.Expr:
    """The product, numbers multiplied with bounded size before sympy sees them."""
    coefficient, rests = sympy.S.One, []
    for factor in factors:
        if isinstance(factor, sympy.Symbol | sympy.Pow):
            rests.append(factor)
            continue
        number, rest = factor.as_coeff_Mul()
        if number is not sympy.S.One:
            coefficient = coefficient * number
            if coefficient.is_Rational:
                coefficient = bounded(coefficient)
        if rest is not sympy.S.One:
            rests.append(rest)
    if coefficient is not sympy.S.One:
        rests.insert(0, coefficient)
    return bounded_coefficients(sympy.Mul(*rests))


def bounded_coefficients(expr: sympy.Expr) -> sympy.Expr:
    """The expression with the numbers before its terms kept short."""
    if isinstance(expr, sympy.Add):
        parts = [_bounded_term(term) for term in expr.args]
        return expr if all(a is b for a, b in zip(parts, expr.args, strict=True)) else sympy.Add(*parts)
    return _bounded_term(expr)


def _bounded_term(term: Any) -> Any:
    coefficient, rest = term.as_coeff_Mul()
    if not coefficient.is_Rational or is_short(coefficient):
        return term
    return sympy.Mul(bounded(coefficient), rest)

"""The value of an expression in doubles, as IEEE arithmetic gives it: infinities and NaN, no exceptions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

import sympy
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from idfit.expressions.errors import ExpressionError
from idfit.expressions.walk import bottom_up


def power(base: float, exponent: float) -> float:
    """base ** exponent in doubles: NaN where it is not real, infinities with the sign of the limit."""
    try:
        return math.pow(base, exponent)
    except ValueError:
        if base != 0:
            return math.nan
    except OverflowError:
        pass
    odd = exponent % 2 == 1
    return math.copysign(math.inf, base) if odd else math.inf


def _logarithm(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _inverse_tanh(x: float) -> float:
    return math.copysign(math.inf, x) if abs(x) == 1 else math.atanh(x)


def _modulo(x: float, y: float) -> float:
    """The remainder with the sign of y."""
    if y == 0 or math.isinf(x):
        return math.nan
    if math.isinf(y):
        return x if x == 0 or (x > 0) == (y > 0) else y
    return x % y


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda x: x if math.isinf(x) else float(function(x))


def _real(function: Callable[..., float], odd: bool = False) -> Callable[..., float]:
    """`function` with NaN outside its domain and an infinity on overflow."""

    def extended(*arguments: float) -> float:
        if any(math.isnan(a) for a in arguments):
            return math.nan
        try:
            return function(*arguments)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.copysign(math.inf, arguments[0]) if odd else math.inf

    return extended


FUNCTIONS: dict[type, Callable[..., float]] = {
    sympy.exp: _real(math.exp),
    sympy.log: _real(_logarithm),
    sympy.sin: _real(math.sin),
    sympy.cos: _real(math.cos),
    sympy.tan: _real(math.tan),
    sympy.asin: _real(math.asin),
    sympy.acos: _real(math.acos),
    sympy.atan: _real(math.atan),
    sympy.sinh: _real(math.sinh, odd=True),
    sympy.cosh: _real(math.cosh),
    sympy.tanh: _real(math.tanh),
    sympy.asinh: _real(math.asinh),
    sympy.acosh: _real(math.acosh),
    sympy.atanh: _real(_inverse_tanh),
    sympy.erf: _real(math.erf),
    sympy.Abs: _real(math.fabs),
    sympy.sign: _real(lambda x: float((x > 0) - (x < 0))),
    sympy.floor: _real(_whole(math.floor)),
    sympy.ceiling: _real(_whole(math.ceil)),
    sympy.Mod: _real(_modulo),
    sympy.Min: _real(lambda *numbers: min(numbers)),
    sympy.Max: _real(lambda *numbers: max(numbers)),
}
COMPARISONS: dict[type, Callable[[float, float], bool]] = {
    sympy.Gt: operator.gt,
    sympy.Ge: operator.ge,
    sympy.Lt: operator.lt,
    sympy.Le: operator.le,
    sympy.Eq: operator.eq,
    sympy.Ne: operator.ne,
}


def rational_to_float(number: sympy.Rational) -> float:
    """The double nearest to an exact number (an infinity beyond the range of doubles)."""
    try:
        return int(number.p) / int(number.q)
    except OverflowError:
        return math.inf if number.p > 0 else -math.inf


def evaluate(expr: sympy.Basic, values: Mapping[str, float] | None = None) -> float:
    """The value of an expression where the names have the given `values`.

    Division by zero gives an infinity and an undefined operation NaN. Raises `ExpressionError` for a name
    without a value and for a function that formulas do not have.
    """
    known: dict[sympy.Basic, float] = {}
    for part in bottom_up(expr):
        known[part] = part_value(part, known, values or {})
    return known[expr]


def part_value(part: sympy.Basic, known: dict[sympy.Basic, float], values: Mapping[str, float]) -> float:
    """The value of one part, those of its arguments being `known`."""
    if isinstance(part, sympy.Symbol):
        if part.name not in values:
            raise ExpressionError(0, part.name, "this name has no value here", "give it one", "E12")
        return float(values[part.name])
    if isinstance(part, sympy.Rational):
        return rational_to_float(part)
    if isinstance(part, sympy.Number | sympy.NumberSymbol):
        return math.inf if part is sympy.zoo else float(part)
    if isinstance(part, BooleanTrue | BooleanFalse):
        return float(bool(part))
    arguments = [known[a] for a in part.args]
    if isinstance(part, sympy.Add):
        return _sum(arguments)
    if isinstance(part, sympy.Mul):
        return math.prod(arguments)
    if isinstance(part, sympy.Pow):
        return _power_of(part, arguments)
    if part.func in FUNCTIONS:
        return FUNCTIONS[part.func](*arguments)
    if part.func in COMPARISONS:
        return float(COMPARISONS[part.func](*arguments))
    if isinstance(part, sympy.And | sympy.Or):
        return float(all(arguments) if isinstance(part, sympy.And) else any(arguments))
    if isinstance(part, sympy.Not):
        return float(not arguments[0])
    if isinstance(part, sympy.Piecewise):
        return next((known[value] for value, condition in part.args if known[condition]), math.nan)  # type: ignore[misc]
    if part.func.__name__ == "ExprCondPair":
        return math.nan  # a branch has no value of its own; the Piecewise looks at its two halves
    raise ExpressionError(
        0, part.func.__name__, "formulas do not have this function", "write it with those they have", "E11"
    )


def _sum(numbers: list[float]) -> float:
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # beyond the doubles on the way, or inf - inf
        return sum(numbers)


def _power_of(part: sympy.Pow, arguments: list[float]) -> float:
    base, exponent = arguments
    if part.exp == sympy.S.Half and base >= 0:
        return math.sqrt(base)
    return power(base, exponent)

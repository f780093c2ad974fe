"""The functions that formulas may use, and the arithmetic of values: expressions whose constants are watched.

A `Value` carries the double of an expression without names. Every operation computes that double first and refuses
what is not a finite real number, so sympy never gets to see `1/0`, `log(-1)` or `9**9**9**9`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import NamedTuple

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

    expr: sympy.Basic
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
    return Value(sympy.Piecewise(*branches, evaluate=False), None, _size([value], 4))


def as_condition(value: Value) -> Value:
    """A number as a truth value: all but 0 are true."""
    if value.logical:
        return value
    if value.constant is not None:
        return TRUE if value.constant != 0 else FALSE
    return Value(sympy.Ne(value.expr, 0, evaluate=False), None, _size([value], 2), True)


def add(terms: list[Value]) -> Value:
    size = _size(terms)
    total = math.nan if any(t.constant is None for t in terms) else sum(t.constant for t in terms)  # type: ignore[misc]
    if any(t.constant is not None and math.isinf(t.constant) for t in terms):
        if all(t.constant is not None for t in terms):
            return _finished(sympy.Add(*(t.expr for t in terms)), total, size, terms)
        return Value(_defined(sympy.Add(*(t.expr for t in terms))), None, size)
    return _finished(_defined(exact.add([t.expr for t in terms])), total, size, terms)  # type: ignore[list-item]


def negate(value: Value) -> Value:
    return multiply([MINUS_ONE, value])


def multiply(factors: list[Value]) -> Value:
    size = _size(factors)
    constants = [f.constant for f in factors if f.constant is not None]
    product = math.prod(constants)
    if any(math.isinf(c) for c in constants):
        if math.isnan(product):
            raise Refusal(NOT_REAL, "0*inf has no value")
        if len(constants) == len(factors):
            return Value(exact.from_float(product), product, size)
    return _finished(_defined(exact.multiply([f.expr for f in factors])), product, size, factors)  # type: ignore[list-item]


def divide(numerator: Value, denominator: Value) -> Value:
    return multiply([numerator, raise_to(denominator, MINUS_ONE)])


def raise_to(base: Value, exponent: Value) -> Value:
    """base ** exponent."""
    if base.constant is not None and exponent.constant is not None:
        return _constant_power(base, exponent)
    size = _size([base, exponent])
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
        or _bits(coefficient) * abs(degree) <= exact.MAX_BITS
    ):
        return _named(sympy.Pow(base.expr, exponent.expr), size)
    factor = _finite(power(abs(rational_to_float(coefficient)), degree))
    rest = sympy.Mul(sympy.sign(coefficient), rest)
    return _named(exact.multiply([exact.from_float(factor), sympy.Pow(rest, exponent.expr)]), size)


def _named(expr: sympy.Basic, size: int) -> Value:
    return _finished(_defined(expr), math.nan, size, [Value(expr, None)])


def _constant_power(base: Value, exponent: Value) -> Value:
    a, b = base.constant, exponent.constant
    assert a is not None and b is not None
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
    size = _size([base, exponent])
    coefficient = base.expr.as_coeff_Mul()[0]
    cheap = _bits(coefficient) * max(1.0, abs(b)) <= exact.MAX_BITS if coefficient.is_Rational else False
    inverse = base.expr.is_Rational and b == -1
    if (cheap and abs(b) <= MAX_EXPONENT) or inverse:
        return _finished(
            _defined(exact.bounded_coefficients(sympy.Pow(base.expr, exponent.expr))), value, size, [base]
        )
    return Value(exact.from_float(value), value)


def call(head: type, *arguments: Value) -> Value:
    """A function of sympy applied, sympy's own simplifications used only where they are exact and quick."""
    expressions = [a.expr for a in arguments]
    size = _size(list(arguments))
    if any(a.constant is None for a in arguments):
        return Value(_symbolic(head, expressions), None, size)
    constants = [a.constant for a in arguments]
    value = FUNCTIONS[head](*constants)
    if math.isnan(value):
        raise Refusal(NOT_REAL, "the function has no real value there")
    limit = head in (
        sympy.log,
        sympy.atanh,
    )  # log(0) and atanh(1) are infinite by definition, not by overflow
    if math.isinf(value) and not limit and all(map(math.isfinite, constants)):  # type: ignore[arg-type]
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


def _symbolic(head: type, arguments: list[sympy.Basic]) -> sympy.Basic:
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


def _exponential(argument: sympy.Basic) -> sympy.Basic:
    """exp, its logarithms resolved as sympy does whenever it multiplies exponentials; powers bounded as written ones."""
    for term in sympy.Add.make_args(argument):
        factor, rest = term.as_coeff_Mul()
        if rest.has(sympy.log) and abs(factor) > MAX_EXPONENT:
            raise Refusal(
                f"raises to the power {float(factor):g}", f"exponents may reach {MAX_EXPONENT}", "E05"
            )
    return sympy.exp(argument)


def _is_exact(expr: sympy.Basic) -> bool:
    """Whether sympy finds exact values of functions there without effort: rationals, multiples of pi, exp of these."""
    if expr.is_Rational:
        return _bits(expr) <= 64
    if isinstance(expr, sympy.exp):
        return expr.args[0].is_Rational
    coefficient, rest = expr.as_coeff_Mul()
    return (rest is sympy.pi or rest is sympy.E) and _bits(coefficient) <= 64


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
    return Value(head(*(b.expr for b in best), *others, evaluate=False), None, _size(arguments))


def logarithm(value: Value, base: Value) -> Value:
    """log to any base; a whole number where it is one."""
    if (
        value.expr.is_Rational
        and base.expr.is_Rational
        and value.constant
        and value.constant > 0
        and base.constant
    ):
        if base.constant > 0 and base.constant != 1:
            whole = round(math.log(value.constant) / math.log(base.constant))
            if (
                abs(whole) <= MAX_EXPONENT
                and _bits(base.expr) * abs(whole) < 2000
                and base.expr**whole == value.expr
            ):
                return constant(sympy.Integer(whole))
    return divide(call(sympy.log, value), call(sympy.log, base))


def remainder(value: Value, divisor: Value) -> Value:
    """value % divisor with the sign of the value, as in C and SBML; `mod` has the sign of the divisor."""
    if value.constant is not None and divisor.constant == 0:
        raise Refusal(ZERO_DIVISION, "change the divisor")
    rest = call(sympy.Mod, call(sympy.Abs, value), call(sympy.Abs, divisor))
    return multiply([call(sympy.sign, value), rest])


def piecewise(arguments: list[Value]) -> Value:
    """piecewise(value, condition, ..., otherwise): the value of the first condition that holds."""
    size = _size(arguments)
    branches = []
    for i in range(0, len(arguments) - 1, 2):
        value, condition = as_number(arguments[i]), as_condition(arguments[i + 1])
        if condition.constant == 0:
            continue
        if condition.constant is not None:
            return _choice(branches, value, size)
        branches.append((value.expr, condition.expr))
    return _choice(branches, as_number(arguments[-1]), size)


def _choice(branches: list[tuple], otherwise: Value, size: int) -> Value:
    if not branches:
        return otherwise
    return Value(
        sympy.Piecewise(*branches, (otherwise.expr, sympy.true), evaluate=False), None, size + len(branches)
    )


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


def _opposite(condition: sympy.Basic) -> sympy.Basic:
    if condition.func in _OPPOSITES:
        return _OPPOSITES[condition.func](*condition.args, evaluate=False)
    return {sympy.And: sympy.Or, sympy.Or: sympy.And}[condition.func](*map(_opposite, condition.args))


def _apply(head: type) -> Callable[[Value], Value]:
    return lambda x: call(head, x)


def _reciprocal_of(head: type) -> Callable[[Value], Value]:
    return lambda x: raise_to(call(head, x), MINUS_ONE)


def _of_reciprocal(head: type) -> Callable[[Value], Value]:
    return lambda x: call(head, raise_to(x, MINUS_ONE))


def _inverse_cot(x: Value) -> Value:
    return multiply([PI, HALF]) if x.constant == 0 else call(sympy.atan, raise_to(x, MINUS_ONE))


class Function(NamedTuple):
    """What a function name stands for: the number of arguments it takes (None: any) and what builds it."""

    least: int
    most: int | None
    build: Callable[..., Value]


def _table() -> dict[str, Function]:
    one: dict[str, Callable[[Value], Value]] = {
        "exp": _apply(sympy.exp),
        "ln": _apply(sympy.log),
        "log2": lambda x: logarithm(x, TWO),
        "log10": lambda x: logarithm(x, constant(sympy.Integer(10))),
        "sqrt": lambda x: raise_to(x, HALF),
        "abs": _apply(sympy.Abs),
        "Abs": _apply(sympy.Abs),
        "sign": _apply(sympy.sign),
        "floor": _apply(sympy.floor),
        "ceil": _apply(sympy.ceiling),
        "ceiling": _apply(sympy.ceiling),
        "erf": _apply(sympy.erf),
    }
    for name, head in (("sin", sympy.sin), ("cos", sympy.cos), ("tan", sympy.tan)):
        one[name], one[name + "h"] = _apply(head), _apply(getattr(sympy, name + "h"))
        for prefix in ("a", "arc"):
            one[prefix + name] = _apply(getattr(sympy, "a" + name))
            one[f"{prefix}{name}h"] = _apply(getattr(sympy, f"a{name}h"))
    for name, twin in (("sec", "cos"), ("csc", "sin"), ("cot", "tan")):
        one[name], one[name + "h"] = (
            _reciprocal_of(getattr(sympy, twin)),
            _reciprocal_of(getattr(sympy, twin + "h")),
        )
        for prefix in ("a", "arc"):
            one[prefix + name] = _inverse_cot if name == "cot" else _of_reciprocal(getattr(sympy, "a" + twin))
            one[f"{prefix}{name}h"] = _of_reciprocal(getattr(sympy, f"a{twin}h"))
    table = {name: Function(1, 1, build) for name, build in one.items()}
    table["log"] = Function(
        1, 2, lambda x, base=None: call(sympy.log, x) if base is None else logarithm(x, base)
    )
    table["pow"] = Function(2, 2, raise_to)
    table["mod"] = Function(2, 2, lambda x, y: call(sympy.Mod, x, y))
    for name in ("min", "max", "Min", "Max"):
        head = sympy.Min if name.lower() == "min" else sympy.Max
        table[name] = Function(1, None, lambda *arguments, head=head: extreme(head, list(arguments)))
    return table


TABLE = _table()
NAMES = tuple(sorted([*TABLE, "piecewise"]))


def nearest(name: str, allowed: tuple[str, ...] = NAMES) -> str:
    """The allowed name that resembles `name` most ("" if there is none)."""
    by_lower = {a.lower(): a for a in reversed(allowed)}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.0)
    return by_lower[close[0]] if close else ""


def _size(parts: list[Value], own: int = 1) -> int:
    size = own + sum(p.size for p in parts)
    if size > MAX_NODES:
        raise Refusal(f"has more than {MAX_NODES} parts", "split the formula with [assignments]", "E10")
    return size


def _bits(number: sympy.Rational) -> int:
    return max(int(number.p).bit_length(), int(number.q).bit_length())


def _finite(value: float) -> float:
    if math.isinf(value) or value == 0:
        raise Refusal(
            f"{exact.OVERFLOW} or comes down to zero in its constant factor", "change the numbers", "E06"
        )
    return value


def _finished(expr: sympy.Basic, value: float, size: int, parts: list[Value]) -> Value:
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


def _defined(expr: sympy.Basic) -> sympy.Basic:
    if expr is sympy.zoo or expr is sympy.nan:
        raise Refusal(ZERO_DIVISION, "what stands below the fraction is zero for all values")
    if expr.is_Atom:
        return expr
    if any(a is sympy.I or a is sympy.zoo or a is sympy.nan for a in expr.args):
        raise Refusal(NOT_REAL, "the root of a negative number, or a division by zero, stands in it")
    return expr


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
    return Value(joined, None, _size(open_ones), True)

"""The functions that formulas may use, by name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import NamedTuple

import sympy

from idfit.expressions.errors import Refusal
from idfit.expressions.values import (
    HALF,
    MINUS_ONE,
    PI,
    TWO,
    ZERO_DIVISION,
    Value,
    bits,
    call,
    constant,
    divide,
    extreme,
    multiply,
    raise_to,
)


def logarithm(value: Value, base: Value) -> Value:
    """log to any base; a whole number where it is one."""
    x, b = value.constant, base.constant
    if x and b and b != 1 and x > 0 and b > 0 and value.expr.is_Rational and base.expr.is_Rational:
        whole = round(math.log(x) / math.log(b))
        small = bits(base.expr) * abs(whole) <= bits(value.expr) + bits(base.expr)
        if small and base.expr**whole == value.expr:
            return constant(sympy.Integer(whole))
    return divide(call(sympy.log, value), call(sympy.log, base))


def remainder(value: Value, divisor: Value) -> Value:
    """value % divisor with the sign of the value, as in C and SBML; `mod` has the sign of the divisor."""
    if value.constant is not None and divisor.constant == 0:
        raise Refusal(ZERO_DIVISION, "change the divisor")
    rest = call(sympy.Mod, call(sympy.Abs, value), call(sympy.Abs, divisor))
    return multiply([call(sympy.sign, value), rest])


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

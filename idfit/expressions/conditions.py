"""Conditions: comparisons joined by and/or, the choices between values, and the check of what came out."""

from __future__ import annotations

import math
from typing import Any

import sympy
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from idfit.expressions import exact, values
from idfit.expressions.errors import Refusal
from idfit.expressions.evaluation import COMPARISONS, FUNCTIONS, evaluate, part_value
from idfit.expressions.values import FALSE, NOT_REAL, ONE, TRUE, ZERO, Value, check_power, size_of
from idfit.expressions.walk import bottom_up

MAX_CASES = 256


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


def compare(head: type, left: Value, right: Value) -> Value:
    """A comparison of numbers.

    Where a side contains a piecewise, its cases become cases of the comparison, for sympy turns a piecewise
    inside a condition into things that no formula can say.
    """
    size = size_of([left, right])
    if left.constant is not None and right.constant is not None:
        if left.expr.is_Rational and right.expr.is_Rational:
            return TRUE if head(left.expr, right.expr) else FALSE
        return TRUE if COMPARISONS[head](left.constant, right.constant) else FALSE
    parts = {part for value in (left, right) for part in bottom_up(value.expr)}
    choices = [part for part in parts if isinstance(part, sympy.Piecewise)]
    if not choices:
        return Value(head(left.expr, right.expr, evaluate=False), None, size, True)
    if math.prod(len(choice.args) for choice in choices) > MAX_CASES:
        raise Refusal(f"compares more than {MAX_CASES} cases", "name the parts with [assignments]", "E10")
    return _compare_cases(head, left, right)


def _compare_cases(head: type, left: Value, right: Value) -> Value:
    parts = [part for value in (left, right) for part in bottom_up(value.expr)]
    choice: Any = next(part for part in parts if isinstance(part, sympy.Piecewise))
    cases, earlier = [], TRUE
    for expr, condition in choice.args:
        chosen = _known_condition(condition)
        branch = {choice: _rebuilt(expr, {})}
        sides = [_rebuilt(side.expr, branch) for side in (left, right)]
        cases.append(join(True, [earlier, chosen, compare(head, *sides)]))
        earlier = join(True, [earlier, negation(chosen)])
    return join(False, cases)


def _known_condition(condition: Any) -> Value:
    if condition in (sympy.true, sympy.false):
        return TRUE if condition == sympy.true else FALSE
    return Value(condition, None, len(bottom_up(condition)), True)


def _rebuilt(expr: Any, replaced: dict[Any, Value]) -> Value:
    """An expression built anew, under the same watch, with some of its parts replaced."""
    known = dict(replaced)
    for part in bottom_up(expr):
        if part not in known and not isinstance(part, ExprCondPair):
            known[part] = _built(part, known)
    return known[expr]


def _built(part: Any, known: dict[Any, Value]) -> Value:
    if isinstance(part, sympy.Symbol):
        return Value(part, None)
    if part.is_Atom and not isinstance(part, BooleanTrue | BooleanFalse):
        return Value(part, evaluate(part))
    if isinstance(part, sympy.Piecewise):
        pairs = [known[item] for pair in part.args for item in pair.args]
        return piecewise([*pairs[:-2], pairs[-2]])
    arguments = [known[argument] for argument in part.args]
    match part:
        case sympy.Add():
            return values.add(arguments)
        case sympy.Mul():
            return values.multiply(arguments)
        case sympy.Pow():
            return values.raise_to(*arguments)
        case sympy.Min() | sympy.Max():
            return values.extreme(part.func, arguments)
        case sympy.And() | sympy.Or():
            return join(isinstance(part, sympy.And), arguments)
    if part.func in COMPARISONS:
        return compare(part.func, *arguments)
    if part.func in FUNCTIONS:
        return values.call(part.func, *arguments)
    return _known_condition(part)


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


def piecewise(arguments: list[Value]) -> Value:
    """piecewise(value, condition, ..., otherwise): the value of the first condition that holds."""
    size = size_of(arguments)
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


_OPERATORS = (sympy.Add, sympy.Mul, sympy.Pow, sympy.Piecewise, ExprCondPair, sympy.And, sympy.Or)
_HEADS = frozenset((*FUNCTIONS, *COMPARISONS, *_OPERATORS))
_ATOMS = (sympy.Symbol, sympy.Rational, sympy.NumberSymbol, BooleanTrue, BooleanFalse)


def check_parts(expr: Any) -> None:
    """Refuse what sympy's simplifications have made of a formula where formulas cannot say it."""
    numbers: dict[Any, float] = {}
    for part in bottom_up(expr):
        if isinstance(part, sympy.Rational) and not exact.is_short(part):
            rule = "its numbers combine to one that is too long or beyond the doubles"
            raise Refusal(rule, "change the numbers", "E06")
        if isinstance(part, sympy.Pow):
            check_power(part.base, part.exp)
        if part.func not in _HEADS and not isinstance(part, _ATOMS) and part not in (sympy.oo, -sympy.oo):
            raise Refusal(NOT_REAL, f"{part.func.__name__} appears when it is simplified; write it otherwise")
        if not isinstance(part, sympy.Symbol) and all(argument in numbers for argument in part.args):
            numbers[part] = _checked_number(part, numbers)


def _checked_number(part: Any, numbers: dict[Any, float]) -> float:
    value = part_value(part, numbers, {})
    finite = all(math.isfinite(numbers[argument]) for argument in part.args)
    if math.isnan(value) and not isinstance(part, ExprCondPair):
        raise Refusal(NOT_REAL, f"it contains {part}")
    if math.isinf(value) and finite and not part.is_Atom and part.func not in values.INFINITE:
        raise Refusal(exact.OVERFLOW, f"it contains {part}", "E06")
    return value

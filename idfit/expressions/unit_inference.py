"""The unit of an expression from the units of its names, and what does not fit in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy
from sympy.core.relational import Relational

from idfit.expressions.errors import ExpressionError, excerpt
from idfit.expressions.printing import to_text
from idfit.expressions.units import factor_between, parse_unit, registry, same_dimension
from idfit.expressions.walk import bottom_up

if TYPE_CHECKING:
    import pint


@dataclass(frozen=True)
class InferredUnit:
    """The unit of an expression as far as it can be told.

    `unit` is None where names without a unit leave it open. `exact` is False where a number multiplies that
    may be a conversion (1000, 60): then the dimension is known, the prefix is not. `problems` are sentences.
    """

    unit: pint.Unit | None = None
    exact: bool = True
    problems: tuple[str, ...] = ()


def unit_of(expr: sympy.Basic, units: Mapping[str, str | None]) -> InferredUnit:
    """The unit of an expression from the unit texts of its names; never raises.

    Numbers are dimensionless in products and fit everything in sums and comparisons.
    """
    known: dict[sympy.Basic, _Part] = {}
    problems: list[str] = []
    for part in bottom_up(expr):
        known[part] = _unit_of_part(part, known, units, problems)
    result = known[expr]
    return InferredUnit(result.unit, result.exact, tuple(dict.fromkeys(problems)))


def unit_problems(
    expr: sympy.Basic, units: Mapping[str, str | None], wanted: str | pint.Unit
) -> tuple[str, ...]:
    """What is wrong with the units of an expression that should be in `wanted`; sentences, never raises."""
    found = unit_of(expr, units)
    try:
        target = parse_unit(wanted) if isinstance(wanted, str) else wanted
    except ExpressionError:
        return found.problems
    if found.unit is None or _agree(_Part(found.unit, found.exact), _Part(target)):
        return found.problems
    return (*found.problems, f"its unit is {_shown(found.unit)} where {_shown(target)} is wanted")


@dataclass(frozen=True)
class _Part:
    unit: pint.Unit | None = None
    exact: bool = True
    is_number: bool = False


_UNKNOWN = _Part()
_KEEP = (sympy.Abs, sympy.floor, sympy.ceiling)
_ALIKE = (sympy.Add, sympy.Min, sympy.Max, sympy.Mod, Relational)
_VERBS = {
    "Add": "adds",
    "Min": "compares",
    "Max": "compares",
    "Mod": "divides",
    "Piecewise": "chooses between",
}


def _unit_of_part(
    part: sympy.Basic,
    known: dict[sympy.Basic, _Part],
    units: Mapping[str, str | None],
    problems: list[str],
) -> _Part:
    if isinstance(part, sympy.Symbol):
        return _unit_of_name(units.get(part.name))
    if isinstance(part, sympy.Number | sympy.NumberSymbol):
        return _Part(registry().dimensionless, _is_count(part), True)
    if isinstance(part, sympy.Mul):
        return _product([known[a] for a in part.args])
    if isinstance(part, sympy.Pow):
        return _power(part, known, problems)
    if isinstance(part, _KEEP):
        return known[part.args[0]]
    if isinstance(part, _ALIKE):
        return _alike(part, list(part.args), known, problems)
    if isinstance(part, sympy.Piecewise):
        return _alike(part, [branch.args[0] for branch in part.args], known, problems)
    if isinstance(part, sympy.sign):
        return _Part(registry().dimensionless)
    if isinstance(part, sympy.Function):
        argument = known[part.args[0]].unit
        if not _is_pure(argument):
            problems.append(
                f"{_clipped(part)} takes a quantity in {_shown(argument)} and needs a pure number"
            )
        return _Part(registry().dimensionless)
    return _UNKNOWN


def _unit_of_name(text: str | None) -> _Part:
    if text is None:
        return _UNKNOWN
    try:
        return _Part(parse_unit(text))
    except ExpressionError:
        return _UNKNOWN


def _is_count(number: sympy.Basic) -> bool:
    """Numbers like 2 or 1/2 count things; others may be conversions of units."""
    return isinstance(number, sympy.Rational) and abs(number.p) <= 5 and number.q <= 5


def _product(factors: list[_Part]) -> _Part:
    if any(f.unit is None for f in factors):
        return _UNKNOWN
    unit: Any = registry().dimensionless
    for factor in factors:
        unit = unit * factor.unit
    return _Part(unit, all(f.exact for f in factors), all(f.is_number for f in factors))


def _power(part: sympy.Pow, known: dict[sympy.Basic, _Part], problems: list[str]) -> _Part:
    base, exponent = known[part.args[0]], known[part.args[1]]
    if not _is_pure(exponent.unit):
        unit = _shown(exponent.unit)
        problems.append(f"the exponent of {_clipped(part)} is in {unit} and should be a pure number")
    if base.unit is None:
        return _UNKNOWN
    if isinstance(part.exp, sympy.Rational):
        degree = Fraction(int(part.exp.p), int(part.exp.q))
        unit: Any = base.unit ** (int(degree) if degree.denominator == 1 else float(degree))
        return _Part(unit, base.exact, base.is_number)
    return base if base.unit == registry().dimensionless else _UNKNOWN


def _alike(
    part: sympy.Basic, operands: list[sympy.Basic], known: dict[sympy.Basic, _Part], problems: list[str]
) -> _Part:
    """Operands that must have one unit; the first known one gives it, plain numbers fit all."""
    first: tuple[sympy.Basic, _Part] | None = None
    for operand in operands:
        candidate = known[operand]
        if candidate.unit is None or candidate.is_number:
            continue
        if first is None:
            first = (operand, candidate)
        elif not _agree(first[1], candidate):
            verb = _VERBS.get(part.func.__name__, "compares")
            pair = " and ".join(
                f"{_clipped(e)} in {_shown(p.unit)}" for e, p in (first, (operand, candidate))
            )
            problems.append(f"it {verb} {pair}")
    if first is not None:
        return first[1]
    return known[operands[0]] if all(known[o].is_number for o in operands) else _UNKNOWN


def _agree(a: _Part, b: _Part) -> bool:
    assert a.unit is not None
    assert b.unit is not None
    factor = factor_between(a.unit, b.unit)
    if factor is None:
        return same_dimension(a.unit, b.unit)
    return not (a.exact and b.exact) or math.isclose(factor, 1, rel_tol=1e-9)


def _is_pure(unit: pint.Unit | None) -> bool:
    return unit is None or unit.dimensionless


def _shown(unit: pint.Unit | None) -> str:
    text = f"{unit:~C}" if unit is not None else ""
    return text.replace("**", "^") or "dimensionless"


def _clipped(expr: sympy.Basic) -> str:
    try:
        return excerpt(to_text(expr))
    except ExpressionError:
        return excerpt(str(expr))

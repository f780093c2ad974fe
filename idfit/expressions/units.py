"""Unit texts: a bounded grammar of their own, mapped to pint.

pint itself reads `m**9**9**9` for ever; here exponents are bounded and pint gets to see single names only.
Beside pint's units there are `a.u.`, `OD`, `RFU`, `IU` and `cells`, each of a dimension of its own, so that
nothing turns into another thing without a factor. pint is imported when the first unit is read.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, UnexpectedInput

from idfit.expressions.errors import ExpressionError, excerpt

if TYPE_CHECKING:
    import pint

MAX_UNIT_CHARACTERS = 200
MAX_UNIT_EXPONENT = 20
_DEFINITIONS = (
    "arbitrary_unit = [arbitrary]",
    "optical_density = [optical_density] = OD",
    "relative_fluorescence_unit = [fluorescence] = RFU",
    "international_unit = [biological_activity] = IU",
    "cell = [cell_count] = _ = cells",
    "item = count = _ = copy = copies = individual",
)
_RENAMED = {"a.u.": "arbitrary_unit", "%": "percent", "°C": "degC", "°F": "degF"}
_CONSTANTS = {
    "speed_of_light",
    "elementary_charge",
    "standard_gravity",
    "pi",
    "eulers_number",
    "electron_mass",
}
_REMEDY = "write for example nM, 1/(nM*min), umol/L, m/s^2, cells, a.u., percent or dimensionless"


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> pint.Unit:
    """The unit of a text such as ``1/(nM*min)``; raises `ExpressionError` where there is none."""
    if len(text) > MAX_UNIT_CHARACTERS:
        rule = f"a unit may have {MAX_UNIT_CHARACTERS} characters, this has {len(text)}"
        raise ExpressionError(0, excerpt(text), rule, _REMEDY, "M21")
    if not text.strip():
        raise ExpressionError(
            1, repr(text[:20]), "the unit is empty", "write dimensionless, or leave it out", "M21"
        )
    try:
        powers = _parser().parse(text)
    except UnexpectedInput as error:
        column = len(text.rstrip()) + 1 if _at_end(error) else (error.pos_in_stream or 0) + 1
        given = excerpt(text) if _at_end(error) else excerpt(text, column - 1)
        side_by_side = isinstance(getattr(error, "token", None), Token) and error.token.type == "NAME"  # type: ignore
        remedy = "write * or / between units" if side_by_side else _REMEDY
        raise ExpressionError(column, given, "this is not the text of a unit", remedy, "M21") from None
    unit = registry().dimensionless
    for (name, column), exponent in powers.items():  # type: ignore[attr-defined]
        power = int(exponent) if exponent.denominator == 1 else float(exponent)
        unit = unit * _named_unit(name, column) ** power
    return unit


def conversion_factor(from_unit: str | pint.Unit, to_unit: str | pint.Unit) -> float | None:
    """What a number in `from_unit` is multiplied by to be in `to_unit`; None if no factor does it.

    Temperatures with an offset (degC, degF) convert by no factor. Raises `ExpressionError` for bad texts.

    >>> conversion_factor("uM", "nM")
    1000.0
    """
    source = parse_unit(from_unit) if isinstance(from_unit, str) else from_unit
    target = parse_unit(to_unit) if isinstance(to_unit, str) else to_unit
    return factor_between(source, target)


def dimension_of(unit: str | pint.Unit) -> str:
    """The dimension in words, as ``[substance] / [length] ** 3``; raises `ExpressionError` for bad texts."""
    known = parse_unit(unit) if isinstance(unit, str) else unit
    return str(known.dimensionality)


@lru_cache(maxsize=4096)
def factor_between(source: pint.Unit, target: pint.Unit) -> float | None:
    """`conversion_factor` of units that are read already."""
    if source == target:
        return 1.0
    if not same_dimension(source, target) or _has_offset(source) or _has_offset(target):
        return None
    return _snapped(_in_base_units(source) / _in_base_units(target))


def _in_base_units(unit: pint.Unit) -> float:
    factor: Any = registry().get_base_units(unit)[0]
    return float(factor)


def same_dimension(a: pint.Unit, b: pint.Unit) -> bool:
    """Whether two units measure the same kind of thing (exponents like 1/3 are doubles: a tolerance)."""
    return all(abs(exponent) < 1e-9 for exponent in (a / b).dimensionality.values())


def _has_offset(unit: pint.Unit) -> bool:
    """Temperatures such as degC have one where they stand alone; in degC/min only differences matter."""
    import pint

    try:
        return bool(registry().Quantity(0.0, unit).to_base_units().magnitude)
    except pint.errors.PintError:  # an offset unit among others
        return False


def _snapped(factor: float) -> float:
    """Whole numbers and their inverses exactly: 1000, not 1000.0000000000001."""
    for value, result in ((factor, round(factor)), (1 / factor, 1 / (round(1 / factor) or math.inf))):
        if round(value) and math.isclose(value, round(value), rel_tol=1e-13):
            return float(result)
    return factor


@cache
def registry() -> pint.UnitRegistry:
    import pint

    units = pint.UnitRegistry()
    for definition in _DEFINITIONS:
        units.define(definition)
    return units


@lru_cache(maxsize=1024)
def _named_unit(name: str, column: int) -> pint.Unit:
    import pint

    try:
        unit = registry().parse_units(_RENAMED.get(name, name))
    except (pint.errors.PintError, ValueError, AttributeError, TypeError):
        raise ExpressionError(
            column, excerpt(name), "there is no such unit", _unit_remedy(name), "M21"
        ) from None
    known = str(unit)
    if known.endswith("_constant") or known in _CONSTANTS:
        rule = f"this is no unit but a constant ({known})"
        raise ExpressionError(column, excerpt(name), rule, _REMEDY, "M21")
    return unit


def _unit_remedy(name: str) -> str:
    letters = name.rstrip("0123456789")
    return f"write {letters}^{name[len(letters) :]}" if letters != name else _REMEDY


def _at_end(error: UnexpectedInput) -> bool:
    token = getattr(error, "token", None)
    return isinstance(token, Token) and token.type == "$END"


Powers = dict[tuple[str, int], Fraction]


class _Powers:
    """Called by the parser at each reduction: names (with their columns) and their exponents."""

    def name(self, children: list) -> Powers:
        (token,) = children
        return {(str(token), token.start_pos + 1): Fraction(1)}

    def one(self, children: list) -> Powers:
        (token,) = children
        if float(token) != 1:
            rule = "a unit has no numeric factor but 1"
            remedy = "write the unit with a prefix, such as mM for 1e-3 M"
            raise ExpressionError(token.start_pos + 1, excerpt(token), rule, remedy, "M21")
        return {}

    def exponent(self, children: list) -> Fraction:
        sign = -1 if children[0] == "-" else 1
        numbers = [c for c in children if c.type == "NUMBER"]
        numerator, denominator = (Fraction(str(n)) for n in [*numbers, "1"][:2])
        if denominator == 0:
            raise ExpressionError(numbers[1].start_pos + 1, "0", "this divides by zero", _REMEDY, "M21")
        exponent = sign * numerator / denominator
        if abs(exponent) > MAX_UNIT_EXPONENT or exponent.denominator > MAX_UNIT_EXPONENT:
            raise _exponent_error(numbers[0].start_pos + 1, exponent)
        return exponent

    def raised(self, children: list) -> Powers:
        powers, exponent = children[0], children[-1]
        raised = {key: power * exponent for key, power in powers.items()}
        for (_, column), power in raised.items():
            if abs(power) > MAX_UNIT_EXPONENT:
                raise _exponent_error(column, power)
        return raised

    def group(self, children: list) -> Powers:
        powers = dict(children[0])
        for operator, factor in zip(children[1::2], children[2::2], strict=True):
            for key, power in factor.items():
                powers[key] = powers.get(key, Fraction(0)) + (-power if operator == "/" else power)
        return powers

    start = group


def _exponent_error(column: int, exponent: Fraction) -> ExpressionError:
    rule = f"exponents of units reach from -{MAX_UNIT_EXPONENT} to {MAX_UNIT_EXPONENT}"
    return ExpressionError(column, excerpt(str(exponent)), rule, _REMEDY, "M21")


@cache
def _parser() -> Lark:
    grammar = files("idfit.expressions").joinpath("units.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_Powers(), maybe_placeholders=False)

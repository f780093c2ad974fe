"""Units of new parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import sympy

from idfit.expressions import ExpressionError, parse_unit, unit_of

_SHORT = {"arbitrary_unit": "a.u.", "optical_density": "OD", "relative_fluorescence_unit": "RFU"}
# a name of a unit within a text: no digit, no operator
_NAME = re.compile(r"[^\W\d_]+")


def unit_text(formula: sympy.Expr, units: Mapping[str, str | None]) -> str | None:
    """The unit of a formula as a text that reads back as that unit, in the spelling of the units it is made
    of; None where it cannot be told.

    >>> from idfit.expressions import parse
    >>> unit_text(parse("k2/k6"), {"k2": "1/min", "k6": "1/(nM*min)"})
    'nM'
    >>> unit_text(parse("V/F"), {"V": "L", "F": "dimensionless"})
    'L'
    """
    found = unit_of(formula, units)
    if found.unit is None or found.problems:
        return None
    text = f"{found.unit:~C}".replace("**", "^") or "dimensionless"
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    spelled = _spellings(unit for unit in units.values() if unit)
    text = _NAME.sub(lambda name: spelled.get(name[0], name[0]), text)
    try:
        return text if parse_unit(text) == found.unit else None
    except ExpressionError:
        return None


def _spellings(texts: Iterable[str]) -> dict[str, str]:
    """How the units in the texts are written there, by what they would be written as otherwise: l -> L."""
    found: dict[str, str] = {}
    for name in (name for text in texts for name in _NAME.findall(text)):
        try:
            found.setdefault(f"{parse_unit(name):~C}", name)
        except ExpressionError:
            continue  # a part of a longer name, as of a.u.
    return found

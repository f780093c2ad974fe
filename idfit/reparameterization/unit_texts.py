"""Units of new parameters."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from idfit.expressions import ExpressionError, parse_unit, unit_of

_SHORT = {"arbitrary_unit": "a.u.", "optical_density": "OD", "relative_fluorescence_unit": "RFU"}


def unit_text(formula: sympy.Expr, units: Mapping[str, str | None]) -> str | None:
    """The unit of a formula as a text that reads back as that unit; None where it cannot be told.

    >>> from idfit.expressions import parse
    >>> unit_text(parse("k2/k6"), {"k2": "1/min", "k6": "1/(nM*min)"})
    'nM'
    """
    found = unit_of(formula, units)
    if found.unit is None or found.problems:
        return None
    text = f"{found.unit:~C}".replace("**", "^") or "dimensionless"
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    try:
        return text if parse_unit(text) == found.unit else None
    except ExpressionError:
        return None

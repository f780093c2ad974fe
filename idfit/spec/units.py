"""Unit texts at the edges of a specification: conversions where both texts are understood."""

from __future__ import annotations

from idfit.expressions import ExpressionError, conversion_factor


def conversion(given: str, wanted: str) -> float | None:
    """What a number in `given` is multiplied by to be in `wanted`; None if there is no such factor."""
    try:
        return conversion_factor(given, wanted)
    except ExpressionError:
        return None

"""Bounds of new parameters: the range of a formula over the box of the old ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from idfit.expressions import bottom_up, evaluate, names_in
from idfit.reparameterization.unknowns import Unknown

Interval = tuple[float, float]
_POINTS = 2000
_MOST_CORNERS = 10  # names, so at most 1024 corners


def range_of(formula: sympy.Expr, unknown: Mapping[str, Unknown]) -> tuple[float, float, bool]:
    """Least and greatest value of a formula over the box of its names, and whether they are exact.

    Interval arithmetic is exact where each name stands in the formula once; where the formula rises or falls
    in each name throughout, the corners of the box are. Other formulas are evaluated at random points, which
    gives a range that is too narrow rather than too wide.
    """
    box = {name: (unknown[name].lower, unknown[name].upper) for name in names_in(formula)}
    found = _interval(formula, box)
    if found is not None and _each_once(formula):
        return (*found, True)
    corners = _values(formula, _corners(box))
    if corners.size and all(has_one_sign(sympy.factor(formula.diff(sympy.Symbol(n))), box) for n in box):
        return float(corners.min()), float(corners.max()), True
    rng = np.random.default_rng(0)
    drawn = {name: unknown[name].draw(rng, _POINTS) for name in sorted(box)}
    values = _values(formula, [{n: float(v[i]) for n, v in drawn.items()} for i in range(_POINTS)])
    every = np.concatenate([corners, values])
    return float(every.min()), float(every.max()), False


def _corners(box: Mapping[str, Interval]) -> list[dict[str, float]]:
    names = sorted(box)[:_MOST_CORNERS]
    middle = {n: 0.5 * (low + high) for n, (low, high) in box.items()}
    corners = itertools.product(*(box[n] for n in names))
    return [middle | dict(zip(names, corner, strict=True)) for corner in corners]


def _values(formula: sympy.Expr, points: list[dict[str, float]]) -> np.ndarray:
    values = np.array([evaluate(formula, point) for point in points])
    return values[np.isfinite(values)]


def _each_once(formula: sympy.Expr) -> bool:
    names = [part for part in sympy.preorder_traversal(formula) if isinstance(part, sympy.Symbol)]
    return len(names) == len(set(names))


def has_one_sign(slope: Any, box: Mapping[str, Interval]) -> bool:
    """Whether a formula is nowhere positive, or nowhere negative, in a box; False if that cannot be told."""
    found = _interval(slope, box)
    return found is not None and (found[0] >= 0 or found[1] <= 0)


def _interval(formula: sympy.Expr, box: Mapping[str, Interval]) -> Interval | None:
    """An interval that holds all values; None if it is unbounded, or a function is not among those known."""
    known: dict[sympy.Basic, Interval] = {}
    for part in bottom_up(formula):
        found = _of_part(part, known, box)
        if found is None or not all(map(math.isfinite, found)):
            return None
        known[part] = found
    return known[formula]


def _of_part(
    part: sympy.Basic, known: Mapping[sympy.Basic, Interval], box: Mapping[str, Interval]
) -> Interval | None:
    if isinstance(part, sympy.Symbol):
        return box[part.name]
    if isinstance(part, sympy.Rational):
        return float(part), float(part)
    parts = [known[a] for a in part.args]
    if isinstance(part, sympy.Add):
        return sum(low for low, _ in parts), sum(high for _, high in parts)
    if isinstance(part, sympy.Mul):
        result = (1.0, 1.0)
        for factor in parts:
            products = [a * b for a in result for b in factor]
            result = min(products), max(products)
        return result
    if isinstance(part, sympy.Pow) and isinstance(part.exp, sympy.Rational):
        return _power(parts[0], part.exp)
    if isinstance(part, sympy.exp | sympy.log):
        ends = [evaluate(part.func(sympy.Float(end, 17))) for end in parts[0]]
        return (ends[0], ends[1]) if all(map(math.isfinite, ends)) else None
    return None


def _power(base: Interval, exponent: sympy.Rational) -> Interval | None:
    low, high = base
    if low <= 0 <= high and exponent < 0:
        return None
    if low < 0 and not exponent.is_Integer:
        return None
    ends = [low ** float(exponent), high ** float(exponent)]
    if low < 0 < high and exponent.is_Integer and int(exponent) % 2 == 0:
        ends.append(0.0)
    return min(ends), max(ends)

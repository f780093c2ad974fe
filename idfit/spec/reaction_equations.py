"""Reaction equations: ``2 A + B <-> C``, `` -> A``, ``A -> ``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from idfit.expressions import ExpressionError
from idfit.spec.findings import clipped

_ARROW = re.compile(r"<->|->")
_TERM = re.compile(r"\s*(\d+\s*/\s*\d+|\d+\.?\d*|\.\d+)?\s*\*?\s*([A-Za-z_]\w*)\s*", re.ASCII)
_LONGEST = 20_000


@dataclass(frozen=True)
class ReactionEquation:
    """Exact coefficients of what is used up (`left`) and what is made (`right`)."""

    left: dict[str, Fraction]
    right: dict[str, Fraction]
    reversible: bool

    @property
    def net(self) -> dict[str, Fraction]:
        """Change of each state per unit of the rate; states that only catalyse have 0."""
        names = dict.fromkeys([*self.left, *self.right])
        return {name: self.right.get(name, Fraction(0)) - self.left.get(name, Fraction(0)) for name in names}


def parse_equation(text: str) -> ReactionEquation:
    """Read an equation; raises `ExpressionError` with the column of what is wrong."""
    arrows = list(_ARROW.finditer(text)) if len(text) <= _LONGEST else []
    if len(arrows) != 1:
        rule = "a reaction equation has one arrow, -> or <->"
        raise ExpressionError(1, clipped(text), rule, "write it as 'A + B -> C', ' -> A' or 'A -> '")
    arrow = arrows[0]
    left = _side(text[: arrow.start()], 1)
    right = _side(text[arrow.end() :], arrow.end() + 1)
    if not left and not right:
        raise ExpressionError(
            1, clipped(text), "a reaction equation names at least one state", "write it as ' -> A'"
        )
    return ReactionEquation(left, right, arrow.group() == "<->")


def _side(text: str, column: int) -> dict[str, Fraction]:
    coefficients: dict[str, Fraction] = {}
    if not text.strip():
        return coefficients
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if not match:
            rule = "is not a term of a reaction equation"
            remedy = "a term is a state with a coefficient before it: 'A', '2 A', '0.5 A', '1/2 A'"
            raise ExpressionError(column, clipped(term.strip()) or "nothing", rule, remedy)
        number, name = match.groups()
        if number and re.search(r"/\s*0+$", number):
            raise ExpressionError(column, number, "divides by zero", "give a coefficient other than that")
        value = Fraction(number.replace(" ", "").rstrip(".")) if number else Fraction(1)
        if value == 0:
            raise ExpressionError(column, number, "a coefficient must be positive", "leave the state out")
        coefficients[name] = coefficients.get(name, Fraction(0)) + value
        column += len(term) + 1
    return coefficients

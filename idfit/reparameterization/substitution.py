"""Formulas with old parameters replaced, written the way people would."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from idfit.expressions import names_in, parse, replaced, to_text
from idfit.reparameterization.elimination import shortest


class Substitution:
    """``put(formula)`` puts formulas in the place of names; what does not use them stays as it was."""

    def __init__(self, formulas: Mapping[str, sympy.Expr]):
        self.formulas = {n: f for n, f in formulas.items() if f != sympy.Symbol(n)}

    def __call__(self, formula: sympy.Expr) -> sympy.Expr:
        if not names_in(formula) & self.formulas.keys():
            return formula
        return shortest(replaced(formula, self.formulas))

    def text(self, formula: float | str) -> float | str:
        """The same for what a file holds; numbers stay numbers."""
        if not isinstance(formula, str):
            return formula
        before = parse(formula)
        after = self(before)
        if after is before:
            return formula
        return float(after) if after.is_number else to_text(after)

"""Formulas and units: text to sympy expressions and back, values, and what units say about an equation."""

from idfit.expressions.errors import ExpressionError
from idfit.expressions.evaluation import evaluate
from idfit.expressions.parse import parse
from idfit.expressions.printing import to_text
from idfit.expressions.walk import bottom_up, names_in

__all__ = ["ExpressionError", "bottom_up", "evaluate", "names_in", "parse", "to_text"]

"""Formulas and units: text to sympy expressions and back, values, and what units say about an equation."""

from idfit.expressions.errors import ExpressionError
from idfit.expressions.evaluation import evaluate
from idfit.expressions.parse import parse
from idfit.expressions.printing import to_text
from idfit.expressions.unit_inference import InferredUnit, unit_of, unit_problems
from idfit.expressions.units import conversion_factor, dimension_of, parse_unit
from idfit.expressions.walk import bottom_up, names_in, replaced

__all__ = [
    "ExpressionError",
    "InferredUnit",
    "bottom_up",
    "conversion_factor",
    "dimension_of",
    "evaluate",
    "names_in",
    "parse",
    "parse_unit",
    "replaced",
    "to_text",
    "unit_of",
    "unit_problems",
]

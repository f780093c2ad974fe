"""Which of several forms of the same function a reader would choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sympy

from idfit.expressions import to_text

# sums of more terms times symbols are left as they are: factors may take minutes, and would not be short
_LARGEST = 200


def readable(function: sympy.Expr, order: Mapping[sympy.Symbol, int]) -> sympy.Expr:
    """The shortest of the function's own forms: as it is, multiplied out, factored, its inverse; without a
    common number and with a positive term first, in the order of the names."""
    forms = [form for f in _forms(function) for form in _upright(f)]
    return min(forms, key=lambda form: _cost(form, order))


def kind_of(function: sympy.Expr) -> str:
    """parameter, monomial, polynomial or rational."""
    if function.is_Symbol:
        return "parameter"
    factors = [factor.as_base_exp() for factor in sympy.Mul.make_args(function)]
    if all(base.is_Symbol and exponent.is_Integer for base, exponent in factors):
        return "monomial"
    return "polynomial" if sympy.denom(sympy.together(function)).is_number else "rational"


def _forms(function: sympy.Expr) -> Iterator[Any]:
    expanded: Any = sympy.expand(function)
    yield from (expanded, function)
    if len(sympy.Add.make_args(expanded)) * len(function.free_symbols) > _LARGEST:
        return
    factored = sympy.factor(function)
    yield factored
    numerator: Any = sympy.numer(factored)
    denominator: Any = sympy.denom(factored)
    if not denominator.is_number:
        yield sympy.expand(numerator) / denominator
        yield from (sympy.factor(denominator / numerator), sympy.expand(denominator / numerator))


def _upright(function: Any) -> Iterator[sympy.Expr]:
    """Without a common number, and its negative."""
    rest = function.as_coeff_Mul()[1]
    rest = rest.primitive()[1] if rest.is_Add else rest
    yield rest
    yield sympy.Add(*(-term for term in rest.args)) if rest.is_Add else _negative_factor(rest)


def _negative_factor(product: Any) -> sympy.Expr:
    """The negative of a product, by that of its first sum."""
    factors: Any = sympy.Mul.make_args(product)
    for factor in factors:
        if factor.is_Add:
            return (product / factor) * sympy.Add(*(-term for term in factor.args))
    return product


def _cost(function: Any, order: Mapping[sympy.Symbol, int]) -> tuple:
    denominator = sympy.denom(sympy.together(function))
    text = to_text(function)
    terms: Any = sympy.Add.make_args(sympy.expand(function))
    first = min(terms, key=lambda term: min((order[s] for s in term.free_symbols), default=len(order)))
    return (
        len(sympy.Add.make_args(sympy.expand(denominator))),
        len(text) + 4 * (not denominator.is_number),
        text.count("-"),
        first.could_extract_minus_sign(),
        text,
    )

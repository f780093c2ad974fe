"""Readable names of new parameters: k2_over_k6, k1_plus_k2, a_times_b."""

from __future__ import annotations

from collections.abc import Container, Mapping

import sympy

from idfit.expressions import names_in, to_text

#: names longer than this are harder to read than a number
LONGEST = 40
_POWERS: dict[sympy.Expr, str] = {sympy.Integer(2): "squared", sympy.Integer(3): "cubed"}


def name_of(
    formula: sympy.Expr,
    taken: Container[str],
    labels: Mapping[str, str] | None = None,
    last: Container[str] = (),
) -> str:
    """A name that says the formula, or ``combination_1`` where it would be long; never one that is `taken`.

    labels : what stands for a name of the formula, where that is not the name itself; last : names that come
    behind others in a product.

    >>> from idfit.expressions import parse
    >>> name_of(parse("k2/k6"), ()), name_of(parse("a*b - c"), ())
    ('k2_over_k6', 'a_times_b_minus_c')
    """
    words = _sum(formula, labels or {}, last)
    if words is None or len(words) > LONGEST:
        return unused("combination_1", taken, numbered=True)
    return unused(words, taken)


def unused(name: str, taken: Container[str], *, numbered: bool = False) -> str:
    """`name`, or with the first number behind it that is free."""
    if name not in taken:
        return name
    stem = name.rpartition("_")[0] if numbered else name
    number = 2
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def _sum(formula: sympy.Expr, labels: Mapping[str, str], last: Container[str]) -> str | None:
    terms = sympy.Add.make_args(formula)
    words = ""
    for term in sorted(terms, key=_place):
        coefficient, rest = term.as_coeff_Mul()
        product = _product(rest, labels, last)
        if product is None or not coefficient.is_Integer:
            return None
        size = "" if abs(coefficient) == 1 else f"{abs(int(coefficient))}_"
        if words:
            words += "_minus_" if coefficient < 0 else "_plus_"
        elif coefficient < 0:
            words = "minus_"
        if not words and size:
            size = f"n{size}"  # a name does not begin with a digit
        words += size + product
    return words


def _place(term: sympy.Expr) -> tuple:
    """Sums begin with terms that have neither a minus nor a number before them."""
    return term.could_extract_minus_sign(), abs(term.as_coeff_Mul()[0]) != 1, sorted(names_in(term))


def _product(term: sympy.Expr, labels: Mapping[str, str], last: Container[str]) -> str | None:
    above: list[str] = []
    below: list[str] = []
    factors = sympy.Mul.make_args(term)
    for factor in sorted(factors, key=lambda f: (any(n in last for n in names_in(f)), to_text(f))):
        base, exponent = factor.as_base_exp()
        if not isinstance(base, sympy.Symbol) or not exponent.is_Rational:
            return None
        label = labels.get(base.name, base.name)
        if abs(exponent) == sympy.S.Half:
            label = f"sqrt_{label}"
        elif abs(exponent) != 1:
            if abs(exponent) not in _POWERS:
                return None
            label += f"_{_POWERS[abs(exponent)]}"
        (above if exponent > 0 else below).append(label)
    over = "".join(f"_over_{label}" for label in below)
    return ("_times_".join(above) or "one") + over

"""Old parameters from the values of functions of them, by exact algebra that always ends.

Equations are used up one after the other: one that is linear in an unknown gives it, and is put into all
others. Where an unknown stands once only, powers, exponentials and logarithms around it are undone as well.
So sums, products, quotients and their mixtures are solved; a system that is left is refused, not searched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.polys.fields import FracField

from idfit.expressions import names_in, replaced, to_text

#: attempts at an order of elimination before a system is refused
MOST_TRIALS = 20
_LARGEST = 400  # operations in an equation beyond which it is not worth going on
_MOST_TERMS = 1000  # that may have to be multiplied out for one equation
_LONG = 150  # operations in a formula beyond which it is left as it is
_WITH_INVERSE = 10  # what undoing a function costs, in unknowns that a linear step would divide by


def solved(
    equations: Mapping[str, sympy.Expr],
    unknowns: Collection[str],
    positive: Collection[str] = (),
    *,
    roots: bool = True,
) -> dict[str, sympy.Expr] | None:
    """The unknowns as formulas of the names of the equations; None where no order of elimination works.

    equations : name of the value -> formula of unknowns (and of further names, which stay as they are).
    positive : unknowns of which an even root is the positive one. roots : whether powers and functions are
    undone where linear steps do not suffice.

    >>> from idfit.expressions import parse
    >>> solved({"u": parse("a*b"), "v": parse("a + c")}, ["a", "c"])
    {'a': u/b, 'c': (b*v - u)/b}
    """
    residuals = [sympy.Symbol(name) - formula for name, formula in equations.items()]
    chain = None
    if all(map(is_rational, residuals)):
        chain = _by_linear_steps(residuals, tuple(unknowns))
        residuals = [_numerator(r) for r in residuals]
    if chain is None and roots:
        chain = _eliminate(residuals, tuple(unknowns), frozenset(positive), [MOST_TRIALS])
    if chain is None:
        return None
    result: dict[str, sympy.Expr] = {}
    for name, formula in reversed(chain):  # what was solved last speaks of no unknown
        result[name] = replaced(formula, result)
        if result[name].has(sympy.zoo, sympy.nan, sympy.oo):  # a factor divided by turns out to be 0
            return None
    return {name: result[name] for name in unknowns}


Chain = list[tuple[str, sympy.Expr]]


def _by_linear_steps(residuals: list[sympy.Expr], unknowns: tuple[str, ...]) -> Chain | None:
    """Elimination in the field of rational functions, where arithmetic is quick."""
    names = sorted({n for r in residuals for n in names_in(r)} | set(unknowns))
    rational = FracField([sympy.Symbol(n) for n in names], sympy.QQ)
    columns = {n: names.index(n) for n in unknowns}
    numerators = [rational.from_expr(r).numer for r in residuals]
    chain = _linear(numerators, columns, rational, [MOST_TRIALS])
    return None if chain is None else [(name, value.as_expr()) for name, value in chain]


def _linear(
    numerators: list[Any], columns: Mapping[str, int], rational: Any, budget: list[int]
) -> list[tuple[str, Any]] | None:
    """Unknowns with their values, each in terms of those behind it, from polynomials that are zero."""
    if not columns:
        return []
    steps = []
    for at, polynomial in enumerate(numerators):
        for name, column in columns.items():
            parts = _by_power(polynomial, column)
            if max(parts) == 1:
                inside = {i for powers in parts[1] for i, e in enumerate(powers) if e}
                steps.append((len(inside & set(columns.values())), len(polynomial), at, name))
    for _, _, at, name in sorted(steps):
        if budget[0] <= 0:
            return None
        budget[0] -= 1
        parts = _by_power(numerators[at], columns[name])
        value = -rational(parts.get(0, rational.ring.zero)) / rational(parts[1])
        rest = [_with(p, columns[name], value, rational) for i, p in enumerate(numerators) if i != at]
        if any(not p or len(p) > _LARGEST for p in rest):
            continue  # `not p` also where it was too large to be made
        further = _linear(rest, {n: c for n, c in columns.items() if n != name}, rational, budget)
        if further is not None:
            return [(name, value), *further]
    return None


def _by_power(polynomial: Any, column: int) -> dict[int, Any]:
    """The polynomial as coefficients of the powers of one name."""
    parts: dict[int, Any] = {}
    for powers, coefficient in polynomial.terms():
        rest = (*powers[:column], 0, *powers[column + 1 :])
        part = parts.setdefault(powers[column], polynomial.ring.zero.copy())
        part[rest] = coefficient
    return parts or {0: polynomial}


def _with(polynomial: Any, column: int, value: Any, rational: Any) -> Any:
    """Numerator of the polynomial with a value put in; 0 where that would have too many terms."""
    size = max(len(value.numer), len(value.denom))
    if sum(len(part) * size**power for power, part in _by_power(polynomial, column).items()) > _MOST_TERMS:
        return rational.ring.zero
    total = rational.zero
    for power, coefficient in _by_power(polynomial, column).items():
        total += rational(coefficient) * value**power
    return total.numer


def _eliminate(
    residuals: list[sympy.Expr], unknowns: tuple[str, ...], positive: frozenset[str], budget: list[int]
) -> Chain | None:
    """The same for any formulas, undoing powers and functions too."""
    if not unknowns:
        return []
    for _, at, name in sorted(_steps(residuals, unknowns)):
        if budget[0] <= 0:
            return None
        budget[0] -= 1
        symbol = sympy.Symbol(name)
        formula = _solution(residuals[at], symbol, name in positive)
        if formula is None:
            continue
        rest = [_numerator(replaced(r, {name: formula})) for i, r in enumerate(residuals) if i != at]
        if any(r == 0 or r.count_ops() > _LARGEST for r in rest):
            continue
        further = _eliminate(rest, tuple(n for n in unknowns if n != name), positive, budget)
        if further is not None:
            return [(name, formula), *further]
    return None


def _steps(
    residuals: list[sympy.Expr], unknowns: tuple[str, ...]
) -> Iterator[tuple[tuple[int, int], int, str]]:
    """Everything that may be solved for at once: (cost, number of the equation, unknown)."""
    for at, residual in enumerate(residuals):
        inside = names_in(residual)
        for name in (n for n in unknowns if n in inside):
            slope = _slope(residual, sympy.Symbol(name))
            others = _WITH_INVERSE if slope is None else len(names_in(slope) & set(unknowns))
            yield (others, int(residual.count_ops())), at, name


def _slope(residual: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr | None:
    """The factor of a name in an expanded polynomial that is linear in it; None for others."""
    if not is_rational(residual):
        return None
    slope = residual.coeff(symbol)
    rest = replaced(residual, {str(symbol): sympy.S.Zero})
    return slope if sympy.expand(residual - slope * symbol - rest) == 0 else None


def _solution(residual: sympy.Expr, symbol: sympy.Symbol, positive: bool) -> sympy.Expr | None:
    slope = _slope(residual, symbol)
    if slope is None:
        return inverse(residual, symbol, sympy.S.Zero, positive)
    return sympy.cancel(-replaced(residual, {str(symbol): sympy.S.Zero}) / slope)


def inverse(formula: Any, symbol: sympy.Symbol, value: sympy.Expr, positive: bool) -> sympy.Expr | None:
    """Where `formula` takes the value, for a symbol that stands in it once; None where that is not unique.

    positive : whether the symbol is, so that of two roots the positive one is meant.
    """
    if sum(part == symbol for part in sympy.preorder_traversal(formula)) != 1:
        return None
    while formula != symbol:
        if isinstance(formula, sympy.Add | sympy.Mul):
            rest, part = formula.as_independent(symbol, as_Add=isinstance(formula, sympy.Add))
            value = value - rest if isinstance(formula, sympy.Add) else value / rest
        elif isinstance(formula, sympy.exp):
            part, value = formula.args[0], sympy.log(value)
        elif isinstance(formula, sympy.log):
            part, value = formula.args[0], sympy.exp(value)
        elif isinstance(formula, sympy.Pow) and symbol in formula.exp.free_symbols:
            part, value = formula.exp, sympy.log(value) / sympy.log(formula.base)
        elif isinstance(formula, sympy.Pow) and isinstance(formula.exp, sympy.Rational) and (
            int(formula.exp.p) % 2 or (positive and formula.base == symbol)
        ):  # fmt: skip
            part, value = formula.base, value ** (1 / formula.exp)
        else:
            return None
        formula = part
    return value


def _numerator(expression: sympy.Expr) -> sympy.Expr:
    if not is_rational(expression):
        return expression
    return sympy.expand(sympy.fraction(sympy.together(expression))[0])


def shortest(formula: sympy.Expr) -> sympy.Expr:
    """The shortest of the ways to write a rational formula; others, and long ones, stay as they are.

    >>> from idfit.expressions import parse
    >>> shortest(parse("a*(u/a - v) + v*a"))
    u
    """
    if not is_rational(formula) or formula.count_ops() > _LONG:
        return formula
    cancelled = sympy.cancel(formula)
    ways = [formula, cancelled, sympy.factor_terms(cancelled), sympy.expand(cancelled), sympy.factor(formula)]
    return min(ways, key=lambda way: (len(to_text(way)), ways.index(way)))


def is_rational(formula: sympy.Basic) -> bool:
    """Whether it consists of names and rational numbers by sums, products and whole powers."""
    if isinstance(formula, sympy.Symbol | sympy.Rational):
        return True
    if isinstance(formula, sympy.Pow):
        return isinstance(formula.exp, sympy.Integer) and is_rational(formula.base)
    return isinstance(formula, sympy.Add | sympy.Mul) and all(is_rational(a) for a in formula.args)


def exponents(formula: sympy.Expr) -> dict[str, Fraction] | None:
    """Exponents of the names in a monomial (a number before it does not count); None for other formulas."""
    result: dict[str, Fraction] = {}
    for factor in sympy.Mul.make_args(formula):
        if factor.is_Number:
            continue
        base, exponent = factor.as_base_exp()
        if not isinstance(base, sympy.Symbol) or not isinstance(exponent, sympy.Rational):
            return None
        result[base.name] = Fraction(int(exponent.p), int(exponent.q))
    return result

"""Global verdicts from the fibre: all values, initial ones included, that give the outputs of a random point.

The fibre is a system of polynomial equations modulo a prime (`fibre_equations`). Equations that are linear in
a variable are used up first, a Gröbner basis does the rest. A quantity q with value q* at the point is unique
if q - q* lies in the ideal: a proof for this point, and for almost all as far as one random point modulo a
prime can tell. Otherwise the degree of its minimal polynomial modulo the ideal is the number of its values
over the complex numbers.

A polynomial that is not zero at the random point vanishes at no point of its finite fibre, if its
coefficients depend on the point through the outputs only (its zeros are a smaller set, which almost all
outputs miss). So whatever common factor of an equation is a variable or a denominator may be divided out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from idfit.numerics.modular import PRIMES
from idfit.results import StructuralVerdict
from idfit.structural.fibre_equations import (
    EXTRA_ORDERS,
    FibrePoint,
    SpecialPoint,
    System,
    equations_of,
    quotient,
)
from idfit.structural.groebner import Basis, Poly, WorkLimit
from idfit.structural.question import NotRationalError, Question
from idfit.structural.rational import rank

LIMIT = 10**9
_MOST_VALUES = 30
_SHORT = 4  # terms of a linear equation that is used up to eliminate a variable
_TRIES = 8


def decide_by_fibre(
    question: Question, names: Sequence[str], seed: int = 0, limit: int = LIMIT
) -> dict[str, tuple[StructuralVerdict, str]]:
    """(verdict, how it was found) of quantities or unknowns, by name.

    GLOBAL where the fibre of a random point has one value, LOCAL where two random points (of two primes, and
    with different numbers of orders) have the same number of values above one, NONIDENTIFIABLE where not even
    locally determined, else AT_LEAST_LOCAL with the reason. limit : counted work for each point.
    """
    formulas = {q.name: q.formula for q in question.quantities if q.kind != "state"}
    asked = {name: formulas.get(name, sympy.Symbol(name)) for name in names}
    if question.constraints:
        return dict.fromkeys(names, (StructuralVerdict.AT_LEAST_LOCAL, "a steady state is not covered"))
    try:
        first = _counted(question, asked, seed, 0, limit)
        again = {n: f for n, f in asked.items() if first[n].n_values != 0}
        second = _counted(question, again, seed, 1, limit) if again else {}
    except NotRationalError as error:
        how = f"the equations are not rational ({error})"
        return dict.fromkeys(names, (StructuralVerdict.AT_LEAST_LOCAL, how))
    except SpecialPoint:
        how = "no point was found at which the equations are regular"
        return dict.fromkeys(names, (StructuralVerdict.AT_LEAST_LOCAL, how))
    return {name: _joined(first[name], second.get(name)) for name in names}


@dataclass(frozen=True)
class _Count:
    """Values of a quantity on the fibre: 0 for infinitely many, None for undecided with a reason."""

    n_values: int | None
    reason: str = ""


def _joined(first: _Count, second: _Count | None) -> tuple[StructuralVerdict, str]:
    if first.n_values == 0:
        return StructuralVerdict.NONIDENTIFIABLE, "it can change while the outputs stay the same"
    if first.n_values is None or second is None or second.n_values is None:
        counts = [c for c in (first, second) if c is not None and c.n_values is not None]
        if any(c.n_values == 1 for c in counts):
            return StructuralVerdict.GLOBAL, "only one value gives the outputs of a random point"
        reason = next(c.reason for c in (first, second) if c is not None and c.n_values is None)
        return StructuralVerdict.AT_LEAST_LOCAL, reason
    if first.n_values != second.n_values:
        return (
            StructuralVerdict.AT_LEAST_LOCAL,
            "how many values give the same outputs differs between two random points "
            f"({first.n_values} and {second.n_values})",
        )
    if first.n_values == 1:
        return StructuralVerdict.GLOBAL, "only one value gives the outputs, at each of two random points"
    number = f"{first.n_values}" if first.n_values <= _MOST_VALUES else f"more than {_MOST_VALUES}"
    return StructuralVerdict.LOCAL, f"{number} values give the same outputs, at each of two random points"


def _counted(
    question: Question, asked: Mapping[str, sympy.Expr], seed: int, trial: int, limit: int
) -> dict[str, _Count]:
    """The number of values of each quantity at one point."""
    point = _regular_point(question, seed, PRIMES[trial])
    determined = {name: formula for name, formula in asked.items() if point.determines(formula)}
    counts = {name: _Count(0) for name in asked if name not in determined}
    if not determined:
        return counts
    system = equations_of(point, EXTRA_ORDERS + trial)
    peeled = Peeled(system)
    targets = {name: peeled.reduced(_target(system, point, f)) for name, f in determined.items()}
    counts |= {name: _Count(1) for name, target in targets.items() if target.is_zero()}
    targets = {name: target for name, target in targets.items() if not target.is_zero()}
    if targets:
        ideal = _Ideal(system, peeled, limit)
        ideal.complete(list(targets.values()))
        counts |= {name: ideal.count(target) for name, target in targets.items()}
    return counts


def _regular_point(question: Question, seed: int, prime: int) -> FibrePoint:
    for attempt in range(_TRIES):
        try:
            return FibrePoint(question, seed + 1_000_003 * attempt, prime)
        except SpecialPoint:
            continue
    raise SpecialPoint


def _target(system: System, point: FibrePoint, formula: sympy.Expr) -> Any:
    """N - q* Q for a quantity q = N/Q, which has the value q* at the point."""
    above, below = quotient(formula)
    value = int(point.value(formula).value[0])
    return system.one * 0 + system.lifted(above) - system.lifted(below) * value


class Peeled:
    """A system after substitution of all variables for which a short equation can be solved."""

    def __init__(self, system: System):
        self.system, self.prime = system, system.prime
        self.generators = list(system.context.gens())
        self.solved: list[tuple[int, Any]] = []
        self.equations = [self._without_units(e) for e in system.equations]
        while (found := self._soluble()) is not None:
            self._substitute(*found)

    def _without_units(self, poly: Any) -> Any:
        """Without the common factors in variables, none of which vanishes at the point."""
        if poly.is_zero():
            return poly
        content = poly.term_content()
        return poly if content.is_constant() else self._divided(poly, content)

    def _divided(self, poly: Any, content: Any) -> Any:
        values = [self.system.point[name] for name in self.system.names]
        return poly // content if int(content(*values)) else poly

    def _soluble(self) -> tuple[int, int, int] | None:
        """(equation, variable, coefficient) of the shortest equation c·v + linear = 0."""
        best = None
        for i, equation in enumerate(self.equations):
            if len(equation) > _SHORT or equation.total_degree() > 1:
                continue
            terms = equation.to_dict()
            for exponents, c in terms.items():
                if any(exponents):
                    v = exponents.index(1)
                    key = (len(terms), -v)
                    if best is None or key < best[0]:
                        best = key, (i, v, int(c))
        return None if best is None else best[1]

    def _substitute(self, i: int, v: int, coefficient: int) -> None:
        equation = self.equations.pop(i)
        value = self.generators[v] - equation * pow(coefficient, -1, self.prime)
        self.solved.append((v, value))
        changed = (self._with(e, v, value) for e in self.equations)
        self.equations = [self._without_units(e) for e in changed if not e.is_zero()]

    def _with(self, poly: Any, v: int, value: Any) -> Any:
        if not poly.degrees()[v]:
            return poly
        return poly.compose(*(value if k == v else g for k, g in enumerate(self.generators)))

    def reduced(self, poly: Any) -> Any:
        """A polynomial in the variables that are left."""
        for v, value in self.solved:
            poly = self._with(poly, v, value)
        return poly


class _Ideal:
    """The ideal of a peeled system, in the variables that are left, one more for each denominator."""

    def __init__(self, system: System, peeled: Peeled, limit: int):
        self.peeled, self.prime = peeled, system.prime
        left = {v for e in peeled.equations for v, d in enumerate(e.degrees()) if d}
        denominators = []
        for nonzero in system.nonzero:
            # as it is: that common factors in variables are divided out does not take all their zeros away
            poly = peeled.reduced(nonzero)
            if not poly.is_constant() and poly not in denominators:
                denominators.append(poly)
                left |= {v for v, d in enumerate(poly.degrees()) if d}
        self.columns = sorted(left, key=system.place.__getitem__)
        self.n = len(self.columns) + len(denominators)
        polys = [self._poly(e) for e in peeled.equations]
        for k, poly in enumerate(denominators):
            inverse = {
                e[: len(self.columns)] + _unit(len(denominators), k): c for e, c in self._poly(poly).items()
            }
            polys.append({**inverse, (0,) * self.n: -1})
        weights = [system.weight[v] for v in self.columns] + [1] * len(denominators)
        never_zero = [i for i, v in enumerate(self.columns) if system.point[system.names[v]]]
        units = [*never_zero, *range(len(self.columns), self.n)]
        self.basis = Basis(self.n, self.prime, limit, weights, units)
        self.given, self.finished = polys, False

    def _poly(self, poly: Any) -> Poly:
        padding = (0,) * (self.n - len(self.columns))
        return {tuple(e[v] for v in self.columns) + padding: int(c) for e, c in poly.to_dict().items()}

    def complete(self, targets: Sequence[Any]) -> None:
        """Work on the basis until it is complete, says that all targets are zero, or is at the limit."""
        wanted = [self._poly(t) for t in targets]
        try:
            self.basis.enter(self.given)
            while self.basis.step():
                if self._holds_all(wanted):
                    return
            self.finished = True
        except WorkLimit as limit:
            self.reason = str(limit)

    def _holds_all(self, targets: Sequence[Poly]) -> bool:
        """Whether each target v - v* is an element of the basis as it stands."""
        leads = {self.basis.lead[k].tobytes() for k in self.basis.active if self._is_value(k)}
        return all(
            len(t) <= 2 and np.array(max(t, key=sum), dtype=np.uint8).tobytes() in leads for t in targets
        )

    def _is_value(self, element: int) -> bool:
        terms = self.basis.terms(element)
        return int(terms.exponents[0].sum()) == 1 and not terms.exponents[1:].any()

    def count(self, target: Any) -> _Count:
        """The number of values of a polynomial that vanishes at the point."""
        self.basis.left = LIMIT
        poly = self._poly(target)
        rest = self.basis.reduce(poly)
        if not rest:
            return _Count(1)
        if not self.finished:
            return _Count(None, f"the Gröbner basis was not finished: {self.reason}")
        if not self._is_finite():
            return _Count(None, "the fibre, as far as it was computed, is not finite")
        return _Count(self._degree(rest))

    def _is_finite(self) -> bool:
        """Whether a power of every variable is a leading monomial."""
        leads = self.basis.lead[self.basis.active]
        pure = leads[(leads > 0).sum(axis=1) == 1]
        return bool((pure > 0).any(axis=0).all())

    def _degree(self, poly: Poly) -> int:
        """The degree of the minimal polynomial, at most `_MOST_VALUES` + 1."""
        powers: list[Poly] = [{(0,) * self.n: 1}]
        while len(powers) <= _MOST_VALUES + 1:
            powers.append(self.basis.reduce(_product(powers[-1], poly, self.prime)))
            monomials = sorted({e for power in powers for e in power})
            rows = np.array([[power.get(e, 0) for e in monomials] for power in powers], dtype=np.int64)
            if rank(rows, self.prime) < len(powers):
                break
        return len(powers) - 1


def _unit(n: int, k: int) -> tuple[int, ...]:
    return tuple(int(i == k) for i in range(n))


def _product(left: Poly, right: Poly, prime: int) -> Poly:
    result: dict[tuple[int, ...], int] = {}
    for e, a in left.items():
        for f, b in right.items():
            key = tuple(i + j for i, j in zip(e, f, strict=True))
            result[key] = (result.get(key, 0) + a * b) % prime
    return result

"""How many values of a quantity are compatible with polynomial equations of which one solution is known.

Modulo a prime. Equations are first peeled: factors that cannot vanish are dropped, unknowns that an equation
determines are replaced by it in all others. A Gröbner basis decides about what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import flint

from idfit.structural.groebner import Basis, WorkLimit, groebner
from idfit.structural.input_output import Ring

_FACTORED = 400  # terms up to which an equation is factorised
_REPLACED = 30  # terms up to which a polynomial may replace an unknown
_FIRST = 3  # equations per unknown for a first basis
MOST_VALUES = 24


class Solutions:
    """The solutions in which no `nonzero` vanishes.

    ring : of the unknowns; point : the known solution.
    """

    def __init__(
        self, ring: Ring, point: Sequence[int], equations: Iterable[Any], nonzero: Iterable[Any] = ()
    ):
        self.ring, self.point = ring, list(point)
        self.meaning: dict[str, Any] = {}
        self._excluded = self._factors(nonzero)
        self.equations = [f for f in map(self._essential, equations) if not f.is_zero()]
        self._basis: Basis | None = None
        self._peel()

    # ---- peeling -----------------------------------------------------------------------------------------

    def _factors(self, polys: Iterable[Any]) -> list[Any]:
        """The distinct irreducible ones of all."""
        found: list[Any] = []
        for poly in polys:
            if not poly.is_constant():
                found += [factor for factor, _ in poly.factor()[1] if factor not in found]
        return found

    def _essential(self, poly: Any) -> Any:
        """Each factor once, without those that may not vanish; large polynomials are left as they are."""
        if poly.is_constant() or len(poly) > _FACTORED:
            return poly
        result = self.ring.constant(1)
        for factor, _ in poly.factor()[1]:
            if factor not in self._excluded:
                result *= factor
        return result

    def _peel(self) -> None:
        while (found := self._replacement()) is not None:
            name, poly = found
            for known, meaning in self.meaning.items():
                self.meaning[known] = self._with(meaning, name, poly)
            self.meaning[name] = poly
            changed = []
            for equation in self.equations:
                if self.ring.degree(equation, name):
                    equation = self._essential(self._with(equation, name, poly))
                if not equation.is_zero() and equation not in changed:
                    changed.append(equation)
            self.equations = changed
            self._excluded = self._factors(self._with(f, name, poly) for f in self._excluded)

    def _with(self, poly: Any, name: str, meaning: Any) -> Any:
        if not self.ring.degree(poly, name):
            return poly
        images = [meaning if n == name else g for n, g in self.ring.generator.items()]
        return poly.compose(*images, ctx=self.ring.context)

    def _replacement(self) -> tuple[str, Any] | None:
        """An unknown that an equation gives as a polynomial in others, the shortest there is."""
        best: tuple[str, Any] | None = None
        for equation in self.equations:
            if best is not None and len(equation) > len(best[1]):
                continue
            if len(equation) > _REPLACED:
                continue
            for name, degree in zip(self.ring.names, equation.degrees(), strict=True):
                if degree != 1:
                    continue
                slope = self.ring.coefficient(equation, name, 1)
                if slope.is_constant():
                    scale = pow(int(slope.leading_coefficient()), -1, self.ring.prime)
                    rest = (self.ring.generator[name] * slope - equation) * scale
                    if best is None or len(rest) < len(best[1]):
                        best = name, rest
        return best

    # ---- what is left ------------------------------------------------------------------------------------

    def n_values(self, above: Any, below: Any, limit: int) -> int | None:
        """Of a quotient of polynomials in the unknowns: how many, 0 for infinitely or very many, None if more
        than `limit` multiplications would be needed."""
        for name, meaning in self.meaning.items():
            above, below = self._with(above, name, meaning), self._with(below, name, meaning)
        if above.is_constant() and below.is_constant():
            return 1
        if not self.equations:
            return 0
        try:
            return self._dimension(above, below, limit)
        except WorkLimit:
            return None

    def _dimension(self, above: Any, below: Any, limit: int) -> int:
        """The first m for which a^m, a^(m-1)·b, …, b^m are dependent modulo the equations: they are not as
        long as there are more values a/b than m."""
        if self._basis is None:
            self._basis = self._complete_basis(limit)
        basis, prime = self._basis, self.ring.prime
        try:
            a, b = (basis.reduce(self._sparse(f, self._names)) for f in (above, below))
        except KeyError:  # a name that no equation speaks of
            return 0
        powers_a, powers_b = [{(0,) * self._width: 1}], [{(0,) * self._width: 1}]
        for m in range(1, MOST_VALUES + 1):
            powers_a.append(basis.reduce(_product(powers_a[-1], a, prime)))
            powers_b.append(basis.reduce(_product(powers_b[-1], b, prime)))
            rows = [basis.reduce(_product(powers_a[m - k], powers_b[k], prime)) for k in range(m + 1)]
            if _rank(rows, prime) <= m:
                return m
        return 0

    def _complete_basis(self, limit: int) -> Basis:
        """Of the ideal of all equations, where 1/f is one unknown more for each f that may not vanish."""
        excluded, prime = self._excluded, self.ring.prime
        used = [max(d) for d in zip(*(f.degrees() for f in (*self.equations, *excluded)), strict=True)]
        self._names = [n for n, degree in zip(self.ring.names, used, strict=True) if degree]
        self._width = len(self._names) + len(excluded)
        polys = [self._sparse(e, self._names) for e in sorted(self.equations, key=len)]
        for k, f in enumerate(excluded):
            place = len(self._names) + k
            inverse = {(*e[:place], 1, *e[place + 1 :]): c for e, c in self._sparse(f, self._names).items()}
            polys.insert(0, {**inverse, (0,) * self._width: prime - 1})
        first = len(excluded) + _FIRST * len(self._names) + 5
        chosen, others = polys[:first], polys[first:]
        while True:
            basis = groebner(chosen, self._width, prime, limit)
            rest = sorted((r for r in (basis.reduce(p) for p in others) if r), key=len)
            if not rest:
                return basis
            chosen, others = [*basis.polys(), *rest[:first]], rest[first:]

    def _sparse(self, poly: Any, names: Sequence[str]) -> dict[tuple[int, ...], int]:
        """Errors: `KeyError` for a polynomial in other names."""
        places = {self.ring.index[n]: k for k, n in enumerate(names)}
        result = {}
        for exponents, c in poly.to_dict().items():
            key = [0] * self._width
            for i, e in enumerate(exponents):
                if e:
                    key[places[i]] = e
            result[tuple(key)] = int(c)
        return result


def _product(left: dict, right: dict, prime: int) -> dict:
    result: dict = {}
    for a, x in left.items():
        for b, y in right.items():
            key = tuple(i + j for i, j in zip(a, b, strict=True))
            result[key] = (result.get(key, 0) + x * y) % prime
    return result


def _rank(rows: Sequence[dict], prime: int) -> int:
    columns = {e: j for j, e in enumerate({e for row in rows for e in row})}
    matrix = flint.nmod_mat(len(rows), max(len(columns), 1), prime)
    for i, row in enumerate(rows):
        for e, c in row.items():
            matrix[i, columns[e]] = c
    return matrix.rank()

"""Simple quotients of input-output coefficients, found from values of the coefficients.

The coefficients of input-output equations have hundreds of terms in the parameters, yet many quotients
c_i/c_j of two of them are as simple as k1 + k2. Of each pair it is found at numbers

- which unknowns the quotient depends on: those that change it when they alone are changed;
- its height, the least d for which it is a quotient of polynomials of degree d on a random line;
- by linear algebra, the two polynomials themselves, from values at as many random points as they have terms,
  and a few more as a check.

That a quotient is restored from its values on lines and at random points is the way of A. Cuyt, W.-s. Lee,
Sparse interpolation of multivariate rational functions, Theor. Comput. Sci. 412 (2011) 1445; here what has
few terms is all that is wanted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from idfit.structural.coefficient_values import CoefficientValues
from idfit.structural.observed_point import ObservedPoint
from idfit.structural.rational import null_space, reciprocal

_CHECKS = 3  # values beyond those that determine a quotient
_MOST_TERMS = 60  # of numerator and denominator together
_HIGHEST = 3
_TRIED, _KEPT = 12, 3  # pairs that depend on the same unknowns
_MOST_PAIRS = 400_000
_AT_ONCE = 20_000  # pairs
_TRIES = 5

Polynomial = dict[tuple[int, ...], int]


class SpecialPointError(Exception):
    """The coefficients could not be evaluated at any of several random points."""


@dataclass(frozen=True)
class Quotient:
    """above/below, polynomials in these unknowns as {exponents: residue}."""

    names: tuple[str, ...]
    above: Polynomial
    below: Polynomial


class Pairs:
    """Pairs of coefficients of which the quotient is told and depends on unknowns.

    members (pair, 2) : numbers of coefficients. depends (pair, symbol) : whether the quotient changes with a
    symbol alone; symbols : the unknowns that are no numbers.
    """

    def __init__(self, point: ObservedPoint, sources: Sequence[CoefficientValues], symbols: Sequence[str]):
        self.point, self.prime, self.sources = point, point.prime, sources
        self.symbols = tuple(symbols)
        self.rng = np.random.default_rng([point.seed, 1])
        members = [np.zeros((0, 2), dtype=np.int64)]
        before = 0
        for source in sources:
            for label in np.unique(source.labels[source.labels >= 0]):
                alike = before + np.flatnonzero(source.labels == label)
                members.append(np.stack([alike[k] for k in np.triu_indices(len(alike), 1)], axis=1))
            before += len(source.labels)
        self.members = np.concatenate(members)[:_MOST_PAIRS]
        base = np.concatenate([source.base for source in sources])
        at_point = self.quotients(base, self.members)
        self.depends = np.zeros((len(self.members), len(symbols)), dtype=bool)
        for k, symbol in enumerate(symbols):
            _, values = self.random([symbol])
            self.depends[:, k] = self.quotients(values, self.members) != at_point
        some = self.depends.any(axis=1)
        self.members, self.depends = self.members[some], self.depends[some]

    def quotients(self, values: np.ndarray, members: np.ndarray) -> np.ndarray:
        """(…, pair) : c_i/c_j from (…, coefficient)."""
        below = reciprocal(values, self.prime)
        return values[..., members[:, 0]] * below[..., members[:, 1]] % self.prime

    def at(self, changed: Mapping[str, int]) -> np.ndarray | None:
        """(coefficient,) where some symbols have other values than at the point; None if that is special."""
        found = [source.at({**self.point.values, **changed}) for source in self.sources]
        known = [values for values in found if values is not None]
        return np.concatenate(known) if len(known) == len(found) else None

    def random(self, names: Sequence[str]) -> tuple[dict[str, int], np.ndarray]:
        """Random values of these symbols, and the coefficients there."""
        for _ in range(_TRIES):
            changed = dict(zip(names, self.rng.integers(1, self.prime, len(names)).tolist(), strict=True))
            values = self.at(changed)
            if values is not None:
                return changed, values
        raise SpecialPointError


class Round:
    """The search among pairs while only some of the symbols are no numbers."""

    def __init__(self, pairs: Pairs, symbols: Sequence[str]):
        self.pairs, self.prime, self.symbols = pairs, pairs.prime, tuple(symbols)
        self.depends = pairs.depends[:, [pairs.symbols.index(n) for n in symbols]]
        self.n_symbols = self.depends.sum(axis=1)
        self.height = np.zeros(len(self.depends), dtype=np.int64)  # 0 : more than was asked for
        self.direction = pairs.rng.integers(1, self.prime, len(symbols)).tolist()
        self.places: list[int] = []  # on the line
        self.on_line: list[np.ndarray] = []
        self.points: list[dict[str, int]] = []
        self.at_points: list[np.ndarray] = []

    def levels(self) -> list[tuple[int, int, int]]:
        """(terms, number of symbols, height) of quotients, few terms first."""
        numbers = set(self.n_symbols.tolist()) - {0}
        levels = [(2 * math.comb(k + d, d), k, d) for k in numbers for d in range(1, _HIGHEST + 1)]
        return sorted(level for level in levels if level[0] <= _MOST_TERMS)

    def has_values_for(self, n_terms: int) -> bool:
        return len(self.points) >= n_terms + _CHECKS

    def found(self, n_symbols: int, height: int) -> Iterator[Quotient]:
        """At one level, a few for each set of symbols. Levels of less height must have been asked for."""
        pairs = self._of_height(np.flatnonzero(self.n_symbols == n_symbols), height)
        sets: dict[bytes, list[int]] = {}
        for pair in pairs.tolist():
            sets.setdefault(self.depends[pair].tobytes(), []).append(pair)
        for alike in sets.values():
            names = tuple(itertools.compress(self.symbols, self.depends[alike[0]]))
            distinct: list[Quotient] = []
            for pair in alike[:_TRIED]:
                quotient = self._fitted(pair, names, height)
                if quotient is not None and quotient not in distinct:
                    distinct.append(quotient)
                if len(distinct) == _KEPT:
                    break
            yield from distinct

    def _of_height(self, pairs: np.ndarray, height: int) -> np.ndarray:
        """Those that have this height and none below."""
        pairs = pairs[self.height[pairs] == 0]
        n_rows = 2 * (height + 1) + _CHECKS
        while len(self.places) < n_rows:
            self._look_on_line()
        places, values = np.array(self.places[:n_rows]), np.stack(self.on_line[:n_rows])
        powers = _monomials(places[:, np.newaxis], 1, height, self.prime)
        for begin in range(0, len(pairs), _AT_ONCE):
            some = pairs[begin : begin + _AT_ONCE]
            quotients = self.pairs.quotients(values, self.pairs.members[some]).T
            above = np.broadcast_to(powers, (len(some), *powers.shape))
            below = quotients[:, :, np.newaxis] * powers % self.prime
            fits = _dependent(np.concatenate([above, below], axis=2), self.prime)
            self.height[some[fits]] = height
        return pairs[self.height[pairs] == height]

    def _look_on_line(self) -> None:
        start = [self.pairs.point.values[n] for n in self.symbols]
        for _ in range(_TRIES):
            place = int(self.pairs.rng.integers(1, self.prime))
            moved = [(x + place * a) % self.prime for x, a in zip(start, self.direction, strict=True)]
            values = self.pairs.at(dict(zip(self.symbols, moved, strict=True)))
            if values is not None:
                self.places.append(place)
                self.on_line.append(values)
                return
        raise SpecialPointError

    def _fitted(self, pair: int, names: tuple[str, ...], height: int) -> Quotient | None:
        """The one quotient of polynomials of this degree that has the values of the pair, if there is one."""
        exponents = _exponents(len(names), height)
        n_rows = 2 * len(exponents) + _CHECKS
        while len(self.points) < n_rows:
            changed, values = self.pairs.random(self.symbols)
            self.points.append(changed)
            self.at_points.append(values)
        columns = np.array([[p[n] for n in names] for p in self.points[:n_rows]], dtype=np.int64)
        above = _monomials(columns, len(names), height, self.prime)
        quotients = self.pairs.quotients(np.stack(self.at_points[:n_rows]), self.pairs.members[[pair]])
        below = (self.prime - quotients) * above % self.prime
        vectors = null_space(np.concatenate([above, below], axis=1), self.prime)
        if len(vectors) != 1:
            return None
        halves = vectors[0].reshape(2, -1).tolist()
        polynomials = [{e: c for e, c in zip(exponents, half, strict=True) if c} for half in halves]
        return Quotient(names, *polynomials)


def _exponents(n_names: int, degree: int) -> list[tuple[int, ...]]:
    """Of all monomials up to a degree."""
    found: list[tuple[int, ...]] = [()]
    for _ in range(n_names):
        found = [(*e, k) for e in found for k in range(degree - sum(e) + 1)]
    return found


def _monomials(columns: np.ndarray, n_names: int, degree: int, prime: int) -> np.ndarray:
    """(point, monomial) from (point, name), in the order of `_exponents`."""
    powers = [np.ones_like(columns)]
    for _ in range(degree):
        powers.append(powers[-1] * columns % prime)
    result = np.ones((len(columns), len(exponents := _exponents(n_names, degree))), dtype=np.int64)
    for k, e in enumerate(exponents):
        for name, exponent in enumerate(e):
            if exponent:
                result[:, k] = result[:, k] * powers[exponent][:, name] % prime
    return result


def _dependent(matrices: np.ndarray, prime: int) -> np.ndarray:
    """(matrix,) whether the columns of (matrix, row, column) are dependent; the matrices are used up."""
    every, dependent = np.arange(len(matrices)), np.zeros(len(matrices), dtype=bool)
    for c in range(matrices.shape[2]):
        pivot = c + np.argmax(matrices[:, c:, c] != 0, axis=1)
        row = matrices[every, pivot].copy()
        matrices[every, pivot] = matrices[:, c]
        dependent |= row[:, c] == 0
        row = row * reciprocal(row[:, c], prime)[:, np.newaxis] % prime
        rest = matrices[:, c + 1 :, c, np.newaxis] * row[:, np.newaxis] % prime
        matrices[:, c + 1 :] = (matrices[:, c + 1 :] - rest) % prime
    return dependent

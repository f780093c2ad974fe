"""Gröbner bases modulo a 31-bit prime, in the graded reverse lexicographic order, by Faugère's F4.

Pairs of lowest degree are reduced together: all multiples that can be needed become the rows of one sparse
matrix (Macaulay's), whose echelon form holds the new elements. Pairs that cannot give anything are dropped by
the criteria of Gebauer and Möller. Variables may have weights, which count instead of 1 in the degree.

J.-C. Faugère, A new efficient algorithm for computing Gröbner bases (F4), J. Pure Appl. Algebra 139 (1999);
R. Gebauer, H. M. Möller, On an installation of Buchberger's algorithm, J. Symb. Comput. 6 (1988).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from idfit.structural.macaulay import echelon, first_divisor, mask, minimal, old_pairs

Poly = Mapping[tuple[int, ...], int]

MAX_EXPONENT = 120  # exponents are bytes, and so are their sums
PAIRS_AT_ONCE = 2000


class WorkLimit(Exception):
    """The counted work (multiplications) has reached its limit before the basis was complete."""


@dataclass(frozen=True)
class Terms:
    """A monic polynomial: exponents (term, variable), hash (term,), value (term,), terms descending. `scale`
    is what it was divided by."""

    exponents: np.ndarray
    hash: np.ndarray
    value: np.ndarray
    scale: int = 1

    def as_dict(self) -> dict[tuple[int, ...], int]:
        exponents, values = self.exponents.tolist(), self.value.tolist()
        return {tuple(e): c for e, c in zip(exponents, values, strict=True)}


class Basis:
    """A growing set of monic polynomials modulo `prime`, terms descending, all in one pool of terms.

    A monomial is recognised by a random linear form of its exponents modulo 2^64, so that a product's is the
    sum; that two of a million share theirs has a chance below 1e-7.
    """

    def __init__(
        self,
        n_vars: int,
        prime: int,
        limit: int,
        weights: Sequence[int] | None = None,
        units: Sequence[int] = (),
    ):
        self.n_vars, self.prime, self.left = n_vars, prime, int(limit)
        self.weights = np.array([1] * n_vars if weights is None else weights, dtype=np.int64)
        self.units = np.isin(np.arange(n_vars), list(units))
        form = np.random.default_rng(n_vars).integers(0, 2**63, n_vars, dtype=np.uint64)
        self._form = 2 * form + np.uint64(1)
        # arrays with room at their ends; `_start` has one entry more than there are elements
        self._exponents = np.zeros((1024, n_vars), dtype=np.uint8)
        self._hash = np.zeros(1024, dtype=np.uint64)
        self._value = np.zeros(1024, dtype=np.int64)
        self._start = np.zeros(128, dtype=np.int64)
        self.lead = np.zeros((128, n_vars), dtype=np.uint8)
        self._size = 0
        self.active: list[int] = []  # no other's leading monomial divides theirs
        self._pairs = np.zeros((0, 2), dtype=np.int64)
        self._lcm = np.zeros((0, n_vars), dtype=np.uint8)

    # ---- monomials ---------------------------------------------------------------------------------------

    def _hash_of(self, exponents: np.ndarray) -> np.ndarray:
        return (exponents.astype(np.uint64) * self._form).sum(axis=1, dtype=np.uint64)

    def degree(self, exponents: np.ndarray) -> np.ndarray:
        """(monomial,) weighted degrees."""
        return exponents.astype(np.int64) @ self.weights

    def _descending(self, exponents: np.ndarray) -> np.ndarray:
        """Order of the monomials, the largest first."""
        degree = 65535 - np.minimum(self.degree(exponents), 65535)
        key = np.concatenate(
            [np.stack([degree >> 8, degree & 255], axis=1).astype(np.uint8), exponents[:, ::-1]], axis=1
        )
        text = np.ascontiguousarray(key).view(f"S{key.shape[1]}").ravel()
        return np.argsort(text, kind="stable")

    # ---- the pool ----------------------------------------------------------------------------------------

    def terms(self, index: int) -> Terms:
        """One element."""
        span = slice(self._start[index], self._start[index + 1])
        return Terms(self._exponents[span], self._hash[span], self._value[span])

    def _append(self, terms: Terms) -> int:
        self._check(terms.exponents)
        new, begin = self._size, int(self._start[self._size])
        end = begin + len(terms.value)
        self._exponents = _roomy(self._exponents, end)
        self._hash = _roomy(self._hash, end)
        self._value = _roomy(self._value, end)
        self._start = _roomy(self._start, new + 2)
        self.lead = _roomy(self.lead, new + 1)
        self._exponents[begin:end] = terms.exponents
        self._hash[begin:end] = terms.hash
        self._value[begin:end] = terms.value
        self._start[new + 1] = end
        self.lead[new] = terms.exponents[0]
        self._size += 1
        return new

    def _entered(self, poly: Poly) -> Terms:
        """A polynomial that is not zero, made monic."""
        given = {e: c % self.prime for e, c in poly.items() if c % self.prime}
        exponents = np.array(list(given), dtype=np.int64).reshape(len(given), self.n_vars)
        self._check(exponents)
        exponents = exponents.astype(np.uint8)
        order = self._descending(exponents)
        values = np.array(list(given.values()), dtype=np.int64)[order]
        inverse = pow(int(values[0]), -1, self.prime)
        exponents = exponents[order]
        return Terms(exponents, self._hash_of(exponents), values * inverse % self.prime, int(values[0]))

    def _check(self, exponents: np.ndarray) -> None:
        if exponents.max(initial=0) > MAX_EXPONENT:
            raise WorkLimit(f"an exponent passes {MAX_EXPONENT}")

    # ---- one matrix --------------------------------------------------------------------------------------

    def _with_reducers(
        self, elements: np.ndarray, multiples: np.ndarray, open_leads: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Add a multiple of an element for every monomial that one can cancel (symbolic preprocessing), the
        leading ones of the given rows only if `open_leads`.

        Returns (elements, multiples) of the rows and the exponents of all their monomials.
        """
        leads = self.lead[self.active]
        masks = mask(leads)
        numbers = np.array(self.active, dtype=np.int64)
        rows, factors, columns = [elements], [multiples], []
        known = np.zeros(0, dtype=np.uint64)
        done = known if open_leads else np.unique(self._hash_of(self.lead[elements] + multiples))
        while len(elements):
            place, length = _spans(self._start, elements)
            row = np.repeat(np.arange(len(elements)), length)
            hashes, first = np.unique(self._hash[place] + self._hash_of(multiples)[row], return_index=True)
            fresh = ~_within(hashes, known)
            hashes, first = hashes[fresh], first[fresh]
            exponents = self._exponents[place[first]] + multiples[row[first]]
            self._check(exponents)
            self._spend(len(place))
            columns.append(exponents)
            known = np.union1d(known, hashes)
            exponents = exponents[~_within(hashes, done)]
            chosen = np.empty(len(exponents), dtype=np.int64)
            first_divisor(exponents, leads, masks, chosen)
            elements = numbers[chosen[chosen >= 0]]
            multiples = exponents[chosen >= 0] - self.lead[elements]
            rows.append(elements)
            factors.append(multiples)
        return np.concatenate(rows), np.concatenate(factors), np.concatenate(columns)

    def _reduced(
        self, elements: np.ndarray, multiples: np.ndarray, *, mutual: bool = False, tagged: bool = False
    ) -> Iterator[Terms]:
        """Echelon form of these multiples modulo the basis: rows with new leading monomials, smallest first.

        mutual : no given row serves to reduce the others before it is reduced itself. tagged : a single row
        keeps track of its factor, in a last term that belongs to no monomial.
        """
        n_given = len(elements)
        elements, multiples, exponents = self._with_reducers(elements, multiples, open_leads=tagged)
        exponents = exponents[self._descending(exponents)]
        hashes = self._hash_of(exponents)
        by_hash = np.argsort(hashes)
        place, length = _spans(self._start, elements)
        entry = self._hash[place] + np.repeat(self._hash_of(multiples), length)
        column = by_hash[np.searchsorted(hashes, entry, sorter=by_hash)]
        value = self._value[place]
        start = np.concatenate([[0], np.cumsum(length)])

        given = np.arange(len(elements)) < n_given
        held_back = given & (mutual or tagged)
        lead = column[start[:-1]]
        # among rows with the same leading monomial the shortest is the pivot
        order = np.lexsort((length, lead, held_back))
        first = np.concatenate([[True], np.diff(lead[order]) != 0]) & ~held_back[order]
        order = np.concatenate([order[first], order[~first]])
        place, length = _spans(start, order)
        start, column, value = np.concatenate([[0], np.cumsum(length)]), column[place], value[place]
        if tagged:
            start[-1] += 1
            column, value = np.append(column, len(exponents)), np.append(value, 1)
        out, columns, values, work = echelon(
            start, column, value, int(first.sum()), len(exponents) + tagged, self.prime, self.left
        )
        self._spend(int(work))
        for a, b in pairwise(out.tolist()):
            c = columns[a : b - tagged]
            yield Terms(exponents[c], hashes[c], values[a:b])

    def _spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise WorkLimit("the limit of counted work is reached")

    # ---- Buchberger's pairs ------------------------------------------------------------------------------

    def add(self, terms: Terms) -> None:
        """A new element with its pairs, without those that the criteria of Gebauer and Möller drop."""
        new = self._append(terms)
        lead = self.lead[new]
        active = np.array(self.active, dtype=np.int64)
        lcm = np.maximum(self.lead[active], lead)
        coprime = ~((self.lead[active] > 0) & (lead > 0)).any(axis=1)

        keep = np.empty(len(self._pairs), dtype=np.bool_)
        old_pairs(self._pairs, self._lcm, self.lead, lead, keep)
        least = np.empty(len(active), dtype=np.bool_)
        minimal(lcm, np.lexsort((~coprime, self.degree(lcm))), least)
        least &= ~coprime
        pairs = np.stack([active[least], np.full(int(least.sum()), new)], axis=1)
        self._pairs = np.concatenate([self._pairs[keep], pairs])
        self._lcm = np.concatenate([self._lcm[keep], lcm[least]])
        if not (self.lead[active] <= lead).all(axis=1).any():
            self.active = [*active[(self.lead[active] < lead).any(axis=1)].tolist(), new]

    def _without_units(self, terms: Terms) -> Terms:
        """The polynomial divided by the common factors that vanish nowhere."""
        factor = np.where(self.units, terms.exponents.min(axis=0), 0).astype(np.uint8)
        if not factor.any():
            return terms
        exponents = terms.exponents - factor
        return replace(terms, exponents=exponents, hash=self._hash_of(exponents))

    def enter(self, polys: Iterable[Poly]) -> None:
        """Given polynomials, those of low degree first."""
        entered = [self._entered(poly) for poly in polys if any(c % self.prime for c in poly.values())]
        for terms in sorted(entered, key=lambda t: (int(self.degree(t.exponents[:1])[0]), len(t.value))):
            self.add(self._without_units(terms))

    def step(self) -> bool:
        """Reduce the pairs of lowest degree; False when none is left."""
        if not len(self._pairs):
            return False
        degree = self.degree(self._lcm)
        chosen = np.flatnonzero(degree == degree.min())[:PAIRS_AT_ONCE]
        elements = self._pairs[chosen].ravel()
        multiples = np.repeat(self._lcm[chosen], 2, axis=0) - self.lead[elements]
        keep = np.ones(len(self._pairs), dtype=bool)
        keep[chosen] = False
        self._pairs, self._lcm = self._pairs[keep], self._lcm[keep]
        rows = np.unique(np.column_stack([elements, multiples]), axis=0)
        for terms in list(self._reduced(rows[:, 0], rows[:, 1:].astype(np.uint8))):
            self.add(self._without_units(terms))
        return True

    # ---- what is asked of it -----------------------------------------------------------------------------

    def polys(self) -> list[dict[tuple[int, ...], int]]:
        """The reduced basis (of what is known), leading monomials ascending."""
        active = np.array(self.active, dtype=np.int64)
        rows = self._reduced(active, np.zeros((len(active), self.n_vars), dtype=np.uint8), mutual=True)
        return [terms.as_dict() for terms in rows]

    def reduce(self, poly: Poly) -> dict[tuple[int, ...], int]:
        """The normal form: what is left of the polynomial modulo the basis."""
        poly = {e: c % self.prime for e, c in poly.items() if c % self.prime}
        if not poly:
            return {}
        terms = self._entered(poly)
        index = self._append(terms)  # a row like an element, for as long as the matrix lives
        try:
            (rest,) = self._reduced(
                np.array([index]), np.zeros((1, self.n_vars), dtype=np.uint8), tagged=True
            )
        finally:
            self._size -= 1
        scale = terms.scale * pow(int(rest.value[-1]), -1, self.prime)
        exponents, values = rest.exponents.tolist(), rest.value.tolist()
        return {tuple(e): c * scale % self.prime for e, c in zip(exponents, values, strict=False)}


def groebner(
    polys: Iterable[Poly],
    n_vars: int,
    prime: int,
    limit: int = 10**10,
    *,
    weights: Sequence[int] | None = None,
    units: Sequence[int] = (),
    stop: Callable[[Basis], bool] | None = None,
) -> Basis:
    """A Gröbner basis of the ideal of these polynomials.

    polys : {exponents (variable,): coefficient}. Of two monomials of equal (weighted) degree the one with the
    smaller exponent in the last variable where they differ is larger. limit : counted work, after which
    `WorkLimit` is raised. units : variables that vanish nowhere on the solutions that are wanted; common
    factors in them are divided out wherever they appear, which may enlarge the ideal by as much. stop : asked
    after each matrix whether the basis already tells enough; then it is not complete.

    >>> basis = groebner([{(2, 0): 1, (0, 1): -1}, {(1, 1): 1, (0, 0): -1}], 2, 101)
    >>> basis.reduce({(3, 0): 1})
    {(0, 0): 1}
    """
    basis = Basis(n_vars, prime, limit, weights, units)
    basis.enter(polys)
    while basis.step():
        if stop is not None and stop(basis):
            break
    return basis


def _roomy(array: np.ndarray, size: int) -> np.ndarray:
    """The array itself, or a longer copy, with room for `size` entries."""
    if size <= len(array):
        return array
    longer = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    longer[: len(array)] = array
    return longer


def _spans(start: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places of all entries of these rows, one row after the other; number of entries of each row)."""
    length = start[rows + 1] - start[rows]
    before = np.cumsum(length) - length
    return np.arange(length.sum()) + np.repeat(start[rows] - before, length), length


def _within(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """(value,) whether each value is among the ascending ones."""
    if not len(ascending):
        return np.zeros(len(values), dtype=bool)
    place = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return ascending[place] == values

"""Functions that do not change along a fibre: monomials first, then polynomials, then quotients by both.

A function f is constant where grad f · N = 0 for all directions N. For a product of powers Π z^a this is
linear in the exponents, Σ_j a_j N_j/z_j = 0, and for a sum Σ_i c_i m_i of such monomials in the coefficients,
Σ_i c_i m_i Σ_j a_ij N_j/z_j = 0, at every point. What neither finds at once is found in steps: the functions
that the sparsest directions leave alone become new coordinates, in which fewer directions are left.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import sympy

from idfit.structural.fibre import SPARE, Fibre, Sample
from idfit.structural.rational import (
    generates_all,
    integer_lattice,
    null_space,
    product,
    rank,
    reciprocal,
    whole_numbers,
)

_LARGEST_SYSTEM = 500
_MOST_MONOMIALS = 6000
_MOST_TERMS = 12
# an entry of a matrix costs so many products of residues before and after its elimination
_CONVERSION = 100


@dataclass(frozen=True)
class Level:
    """Sums of monomials of a degree in the coordinates, with coefficients of a degree in the constants, and
    with as many as `below` coordinates in the denominator."""

    degree: int
    constants: int = 0
    below: int = 0


#: what is tried in turn, each effort only where the ones before did not suffice
_EFFORTS = (
    (Level(1),),
    (Level(1, constants=1),),
    (Level(2), Level(2, below=1)),
    (Level(2, constants=1), Level(3)),
    (Level(2, constants=1, below=1), Level(3, constants=1), Level(3, below=1), Level(4)),
    (Level(3, constants=2), Level(5)),
)


def invariants(fibre: Fibre) -> list[sympy.Expr]:
    """Independent functions that are constant on the fibre: as many as coordinates less directions, unless
    some were not found."""
    found: list[sympy.Expr] = []
    for columns in components(fibre):
        part = fibre.part(columns)
        found += _of_component(part, _of_parameters(part))
    return found


def _of_parameters(fibre: Fibre) -> list[sympy.Expr]:
    """Invariants of parameters alone, which come first: starts differ between data."""
    columns = [i for i, x in enumerate(fibre.coordinates) if x not in fibre.starts]
    return invariants(fibre.part(columns)) if 0 < len(columns) < len(fibre) else []


def _of_component(fibre: Fibre, given: Sequence[sympy.Expr]) -> list[sympy.Expr]:
    wanted = len(fibre) - fibre.draw(1).tangents.shape[1]
    best: list[sympy.Expr] = []
    for n in range(1, len(_EFFORTS) + 1):
        found = _sought(fibre, [level for effort in _EFFORTS[:n] for level in effort], given)
        best = max(best, found, key=len)
        if len(best) == wanted:
            break
    return best


def _with_levels(fibre: Fibre, levels: Sequence[Level]) -> list[sympy.Expr]:
    moving = frozenset().union(*fibre.draw(4).supports)
    found: list[sympy.Expr] = [x for i, x in enumerate(fibre.coordinates) if i not in moving]
    for columns in components(fibre):
        part = fibre.remembered(tuple(columns), lambda c=columns: fibre.part(c))
        found += _sought(part, levels)
    return found


def components(fibre: Fibre) -> list[list[int]]:
    """Coordinates that directions couple, together; none of those that do not move."""
    groups: list[frozenset[int]] = []
    for support in fibre.draw(4).supports:
        apart = [group for group in groups if not group & support]
        groups = [*apart, support.union(*(group for group in groups if group & support))]
    return sorted(sorted(group) for group in groups if group)


class _Found:
    """Independent functions so far, by their gradients at one point."""

    def __init__(self, fibre: Fibre):
        self.fibre, self.sample = fibre, fibre.draw(1)
        self.functions: list[sympy.Expr] = []
        self.gradients = np.zeros((0, len(fibre)), dtype=np.int64)
        self.missing = len(fibre) - self.sample.tangents.shape[1]

    def offer(self, functions: Iterable[sympy.Expr]) -> None:
        """Keep those functions that are independent of the ones kept."""
        for function in functions if self.missing else ():
            gradient = self.fibre.remembered(
                ("gradient", function), lambda f=function: self.fibre.gradient(f, self.sample)[0]
            )
            self.offer_with(function, gradient)

    def offer_with(self, function: sympy.Expr, gradient: np.ndarray) -> None:
        longer = np.concatenate([self.gradients, gradient[np.newaxis]])
        if self.missing and rank(longer, self.fibre.prime) == len(longer):
            self.functions.append(function)
            self.gradients, self.missing = longer, self.missing - 1


def _sought(fibre: Fibre, levels: Sequence[Level], given: Iterable[sympy.Expr] = ()) -> list[sympy.Expr]:
    """Invariants of coupled coordinates, some of which are given."""
    found = _Found(fibre)
    found.offer(given)
    found.offer(fibre.remembered("monomials", lambda: _monomials(fibre)))
    for level in levels[:2]:
        _offer_sums(found, level)
    if found.missing:
        found.offer(_in_steps(fibre, levels))
    for level in levels[2:]:
        _offer_sums(found, level)
    return found.functions


# --- monomials ----------------------------------------------------------------------------------------------


def _monomials(fibre: Fibre) -> list[sympy.Expr]:
    n_directions = fibre.draw(1).tangents.shape[1]
    sample = fibre.draw(len(fibre) // n_directions + SPARE)
    logs = sample.tangents * reciprocal(sample.values, fibre.prime)[:, np.newaxis] % fibre.prime
    vectors = [whole_numbers(v, fibre.prime) for v in null_space(logs.reshape(-1, len(fibre)), fibre.prime)]
    lattice = integer_lattice([v for v in vectors if v is not None])
    starts = np.array([x in fibre.starts for x in fibre.coordinates])
    return [monomial(fibre.coordinates, exponents) for exponents in readable_basis(lattice, starts)]


def monomial(symbols: Sequence[sympy.Symbol], exponents: Iterable[int]) -> sympy.Expr:
    return sympy.Mul(*(x**a for x, a in zip(symbols, exponents, strict=True)))


def readable_basis(lattice: Sequence[Sequence[int]], costly: np.ndarray) -> list[tuple[int, ...]]:
    """A basis of short vectors with few negative entries, those without `costly` ones first."""
    reduced = [np.array(vector) for vector in lattice]
    candidates = {tuple(v) for v in _small_sums(reduced)}

    def cost(vector: tuple[int, ...]) -> tuple:
        v = np.array(vector)
        return (bool(v[costly].any()), int(abs(v).sum()), int((v < 0).sum()), [-abs(int(a)) for a in v])

    chosen: list[tuple[int, ...]] = []
    for vector in sorted((_upright(v) for v in candidates), key=cost):
        trial = np.array([*chosen, vector])
        if np.linalg.matrix_rank(trial) == len(trial):
            chosen.append(vector)
    if chosen and not generates_all(chosen):
        return [_upright(tuple(int(a) for a in v)) for v in reduced]
    return chosen


def _small_sums(vectors: Sequence[np.ndarray]) -> Iterator[tuple[int, ...]]:
    for size in (1, 2, 3) if len(vectors) <= 12 else (1, 2):
        for some in combinations(vectors, size):
            for signs in itertools.product((1, -1), repeat=size - 1):
                total = some[0] + sum((s * v for s, v in zip(signs, some[1:], strict=True)), 0 * some[0])
                yield tuple(int(a) for a in total)


def _upright(vector: tuple[int, ...]) -> tuple[int, ...]:
    """The vector or its negative: more positive entries, else the first entry positive."""
    total = sum(1 if a > 0 else -1 for a in vector if a)
    first = next((a for a in vector if a), 0)
    return vector if (total, first) >= (0, 0) and (total > 0 or first > 0) else tuple(-a for a in vector)


# --- sums ---------------------------------------------------------------------------------------------------


def _offer_sums(found: _Found, level: Level) -> None:
    if found.missing:
        fibre = found.fibre
        for function, gradient in fibre.remembered(level, lambda: _sums(fibre, level)):
            found.offer_with(function, gradient)


def _sums(fibre: Fibre, level: Level) -> list[tuple[sympy.Expr, np.ndarray]]:
    """Invariant sums of monomials of a level with their gradients at the first point, simple ones first."""
    exponents = _exponents(len(fibre), len(fibre.constants), level)
    # what scalings multiply by a factor is no part of an invariant
    exponents = exponents[
        ~(exponents[:, : len(fibre)] @ fibre.remembered("scalings", fibre.scalings).T).any(axis=1)
    ]
    classes = [c for c in _equal_weights(fibre, exponents) if 1 < len(c) <= _LARGEST_SYSTEM]
    if not classes or len(exponents) > _MOST_MONOMIALS:
        return []
    n_directions = fibre.draw(1).tangents.shape[1]
    n_points = max(len(c) for c in classes) // n_directions + SPARE
    if not fibre.work.allows(sum(_elimination(n_points * n_directions, len(c)) for c in classes)):
        return []
    sample = fibre.draw(n_points)
    symbols = (*fibre.coordinates, *fibre.constants)
    candidates = []
    for chosen in (exponents[c] for c in classes):
        values = _values(sample, chosen, fibre.prime)
        for vector in _sparse_solutions(_changes(sample, values, chosen, fibre.prime), fibre.prime):
            terms = np.flatnonzero(vector)
            if len(terms) <= _MOST_TERMS:
                cost = (
                    int(abs(chosen[terms]).max()),
                    len(terms),
                    int(abs(vector).sum()),
                    int(abs(chosen[terms]).sum()),
                    tuple(chosen[terms[0]]),
                )
                gradient = _gradient(
                    sample.first(1), values[:1, terms], chosen[terms], vector[terms], fibre.prime
                )
                candidates.append((cost, _sum_of(symbols, chosen[terms], vector[terms]), gradient))
    return [(function, gradient) for _, function, gradient in sorted(candidates, key=lambda c: c[0])]


def _elimination(n_rows: int, n_columns: int) -> float:
    """Elementary operations for both orders of the columns, the way into exact integers and back included."""
    return 2.0 * n_rows * n_columns * (min(n_rows, n_columns) + _CONVERSION)


def _sum_of(symbols: Sequence[sympy.Symbol], exponents: np.ndarray, coefficients: np.ndarray) -> sympy.Expr:
    parts = [int(c) * monomial(symbols, row.tolist()) for row, c in zip(exponents, coefficients, strict=True)]
    return sympy.Add(*parts)


def _exponents(n: int, n_constants: int, level: Level) -> np.ndarray:
    """Rows of exponents, of the coordinates and then of the constants; those of constants alone left out."""
    above = [
        _row(n, some) for k in range(level.degree + 1) for some in combinations_with_replacement(range(n), k)
    ]
    below = [_row(n, some) for k in range(level.below + 1) for some in combinations(range(n), k)]
    of_constants = [
        _row(n_constants, some)
        for k in range(level.constants + 1)
        for some in combinations_with_replacement(range(n_constants), k)
    ]
    if len(above) * len(below) * len(of_constants) > 4 * _MOST_MONOMIALS:
        return np.zeros((0, n + n_constants), dtype=np.int64)
    moving = {tuple(a - b) for a in above for b in below if not (a & b).any()}
    rows = [(*m, *c) for m in sorted(moving) if any(m) for c in of_constants]
    return np.array(rows, dtype=np.int64).reshape(-1, n + n_constants)


def _row(n: int, entries: Iterable[int]) -> np.ndarray:
    return np.bincount(np.array(list(entries), dtype=np.int64), minlength=n)


def _equal_weights(fibre: Fibre, exponents: np.ndarray) -> list[np.ndarray]:
    """Which rows weigh the same: a sum of an invariant and another one of other weights is of no use."""
    symbols = (*fibre.coordinates, *fibre.constants)
    weights = exponents @ np.array([fibre.weight[x] for x in symbols])
    _, group = np.unique(weights, axis=0, return_inverse=True)
    group = group.ravel()
    return [np.flatnonzero(group == g) for g in range(group.max() + 1)] if len(group) else []


def _values(sample: Sample, exponents: np.ndarray, prime: int) -> np.ndarray:
    """The monomials (point, monomial)."""
    columns = np.concatenate([sample.values, sample.constants], axis=1)
    inverse = reciprocal(columns, prime)
    result = np.ones((len(columns), len(exponents)), dtype=np.int64)
    for j in np.flatnonzero(exponents.any(axis=0)):
        for sign, base in ((1, columns[:, j]), (-1, inverse[:, j])):
            for power in range(1, int(max((sign * exponents[:, j]).max(), 0)) + 1):
                at = sign * exponents[:, j] >= power
                result[:, at] = result[:, at] * base[:, np.newaxis] % prime
    return result


def _changes(sample: Sample, values: np.ndarray, exponents: np.ndarray, prime: int) -> np.ndarray:
    """Change of every monomial along every direction (point and direction, monomial)."""
    logs = sample.tangents * reciprocal(sample.values, prime)[:, np.newaxis] % prime
    slopes = product(logs, exponents[:, : logs.shape[2]].T % prime, prime)
    return (slopes * values[:, np.newaxis] % prime).reshape(-1, len(exponents))


def _gradient(
    sample: Sample, values: np.ndarray, exponents: np.ndarray, coefficients: np.ndarray, prime: int
) -> np.ndarray:
    """Derivatives (coordinate,) of a sum of monomials at the first point."""
    weighted = values[0] * (coefficients % prime) % prime
    n = sample.values.shape[1]
    return (
        product(weighted[np.newaxis], exponents[:, :n] % prime, prime)[0]
        * reciprocal(sample.values[0], prime)
        % prime
    )


def _sparse_solutions(rows: np.ndarray, prime: int) -> list[np.ndarray]:
    """Integer solutions of rows @ v = 0, from two orders of the columns."""
    backward = null_space(rows[:, ::-1], prime)[:, ::-1]
    solutions = {}
    for vector in (*backward, *(null_space(rows, prime) if len(backward) else ())):
        numbers = whole_numbers(vector, prime)
        if numbers is not None:
            negative = sum(1 if a > 0 else -1 for a in numbers if a) < 0
            solutions[tuple(-a if negative else a for a in numbers)] = None
    return [np.array(solution) for solution in solutions]


# --- in steps -----------------------------------------------------------------------------------------------


def _in_steps(fibre: Fibre, levels: Sequence[Level]) -> list[sympy.Expr]:
    """Invariants of the sparsest directions as coordinates, and what is invariant among these."""
    supports = fibre.draw(4).supports
    for columns in sorted({tuple(sorted(s)) for s in supports}, key=lambda c: (len(c), c)):
        rows = [k for k, support in enumerate(supports) if support <= set(columns)]
        if len(columns) == len(fibre) or len(rows) == len(supports):
            continue
        part = fibre.remembered((columns, *rows), lambda c=columns, r=rows: fibre.part(c, r))
        functions = _sought(part, levels)
        if len(functions) == len(columns) - len(rows):
            return _mapped_invariants(fibre, columns, functions, levels)
    return []


def _mapped_invariants(
    fibre: Fibre, columns: Sequence[int], functions: Sequence[sympy.Expr], levels: Sequence[Level]
) -> list[sympy.Expr]:
    kept = [x for i, x in enumerate(fibre.coordinates) if i not in columns]
    # what stayed itself keeps its name
    meaning: dict[Any, Any] = {
        f if f.is_Symbol else fibre.remembered(f, lambda: sympy.Dummy("w")): f for f in (*kept, *functions)
    }
    finer = fibre.remembered(tuple(meaning), lambda: fibre.mapped(meaning))
    return [f.xreplace(meaning) for f in _with_levels(finer, levels)]  # type: ignore[misc]

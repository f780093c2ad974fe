"""Unknowns that the outputs leave free to move, with samples of the directions in which they can move.

A fibre is the set of all values that give the same outputs. Its directions are known at random points only,
modulo a prime; coordinates may be the unknowns themselves or functions of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy

from idfit.expressions import bottom_up
from idfit.structural.observation import Observer
from idfit.structural.rational import integer_lattice, null_space, reciprocal, whole_numbers

_BATCH = 8
SPARE = 6  # points beyond those that a linear system needs


@dataclass(frozen=True)
class Sample:
    """values (point, coordinate), constants (point, constant) and tangents (point, direction, coordinate)."""

    values: np.ndarray
    constants: np.ndarray
    tangents: np.ndarray

    @property
    def supports(self) -> list[frozenset[int]]:
        """The coordinates that each direction moves."""
        return [frozenset(np.flatnonzero(row).tolist()) for row in np.any(self.tangents != 0, axis=0)]

    def first(self, n_points: int) -> Sample:
        return Sample(self.values[:n_points], self.constants[:n_points], self.tangents[:n_points])

    def restricted(self, rows: Sequence[int], columns: Sequence[int], constants: Sequence[int]) -> Sample:
        """Some directions of some coordinates; the coordinates `constants` join the constants."""
        still = np.concatenate([self.constants, self.values[:, list(constants)]], axis=1)
        return Sample(self.values[:, list(columns)], still, self.tangents[:, list(rows)][:, :, list(columns)])


@dataclass
class Work:
    """Elementary operations (products of residues) that a search may still take. They are counted and not
    timed, so that it finds the same on every machine. Once more is asked than is left, nothing is given."""

    left: float
    used_up: bool = False

    def allows(self, operations: float) -> bool:
        """Whether that many are left; if so they are taken."""
        self.used_up |= operations > self.left
        if not self.used_up:
            self.left -= operations
        return not self.used_up


@dataclass(frozen=True, eq=False)
class Fibre:
    """coordinates : symbols of what moves; constants : of what does not, yet may stand in formulas; weight :
    symbol -> its weights (see `gradings`); starts : coordinates that depend on starts, not on parameters
    alone; draw : samples at as many points as are wanted, the first of them always the same; work : what may
    still be spent on it, shared with all that is made of this fibre."""

    coordinates: tuple[sympy.Symbol, ...]
    constants: tuple[sympy.Symbol, ...]
    weight: Mapping[sympy.Symbol, np.ndarray]
    starts: frozenset[sympy.Symbol]
    prime: int
    draw: Callable[[int], Sample]
    work: Work
    _memory: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def remembered(self, key: Any, make: Callable[[], Any]) -> Any:
        """What was made for this fibre under the key before, else made now."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def __len__(self) -> int:
        return len(self.coordinates)

    def part(self, columns: Sequence[int], rows: Sequence[int] | None = None) -> Fibre:
        """The projection on some coordinates, or what the directions `rows` alone do to them; all others
        then become constants."""
        everything = range(len(self))
        still = [] if rows is None else [c for c in everything if c not in columns]

        @_remembered
        def draw(n_points: int) -> Sample:
            sample = self.draw(n_points)
            kept = range(sample.tangents.shape[1]) if rows is None else rows
            return _reduced(sample.restricted(kept, columns, still), self.prime)

        return replace(
            self,
            coordinates=tuple(self.coordinates[c] for c in columns),
            constants=(*self.constants, *(self.coordinates[c] for c in still)),
            draw=draw,
        )

    def mapped(self, formulas: Mapping[sympy.Symbol, sympy.Expr]) -> Fibre:
        """The same fibre in other coordinates, each a formula of those here."""
        slopes = {
            (i, j): sympy.diff(formula, x)
            for j, formula in enumerate(formulas.values())
            for i, x in enumerate(self.coordinates)
            if x in formula.free_symbols
        }

        @_remembered
        def draw(n_points: int) -> Sample:
            sample = self.draw(n_points)
            names = self.environment(sample)
            values = np.stack([residues(f, names, self.prime) for f in formulas.values()], axis=1)
            tangents = np.zeros((*sample.tangents.shape[:2], len(formulas)), dtype=np.int64)
            for (i, j), slope in slopes.items():
                along = residues(slope, names, self.prime)[:, np.newaxis]
                tangents[:, :, j] = (tangents[:, :, j] + sample.tangents[:, :, i] * along) % self.prime
            return _reduced(Sample(values, sample.constants, tangents), self.prime)

        moved = {x for x, f in formulas.items() if f.free_symbols & self.starts}
        weights = {x: weight_of(f, self.weight) for x, f in formulas.items()}
        return replace(
            self,
            coordinates=tuple(formulas),
            weight={**self.weight, **weights},
            starts=self.starts | moved,
            draw=draw,
        )

    def scalings(self) -> np.ndarray:
        """Exponents (scaling, coordinate): multiplying every coordinate by a power of one factor stays on the
        fibre."""
        n_directions = self.draw(1).tangents.shape[1]
        sample = self.draw(len(self) // max(len(self) - n_directions, 1) + SPARE)
        rows = across(sample, sample.values[:, np.newaxis] * np.eye(len(self), dtype=np.int64), self.prime)
        vectors = [whole_numbers(vector, self.prime) for vector in null_space(rows, self.prime)]
        return np.array(integer_lattice([v for v in vectors if v is not None]), dtype=np.int64).reshape(
            -1, len(self)
        )

    def environment(self, sample: Sample) -> dict[sympy.Symbol, np.ndarray]:
        columns = np.concatenate([sample.values, sample.constants], axis=1).T
        return dict(zip((*self.coordinates, *self.constants), columns, strict=True))

    def gradient(self, formula: sympy.Expr, sample: Sample) -> np.ndarray:
        """Derivatives (point, coordinate) of a formula."""
        names = self.environment(sample)
        result = np.zeros_like(sample.values)
        for i, x in enumerate(self.coordinates):
            if x in formula.free_symbols:
                result[:, i] = residues(sympy.diff(formula, x), names, self.prime)
        return result


def _remembered(draw: Callable[[int], Sample]) -> Callable[[int], Sample]:
    """The same, drawing again only for more points than before."""
    asked, kept = 0, Sample(*(np.zeros(0, dtype=np.int64),) * 3)

    def again(n_points: int) -> Sample:
        nonlocal asked, kept
        if n_points > asked:
            asked, kept = n_points, draw(n_points)
        return kept.first(n_points)

    return again


class Points:
    """The fibre of a question at a growing number of random points, whose work is counted."""

    def __init__(self, observer: Observer, seed: int, prime: int, work: Work):
        self.observer, self.seed, self.prime, self.work = observer, seed, prime, work
        first = observer.observe(_BATCH // 2, seed, prime)
        self.prime, self.free = first.prime, first.free  # the equations may have asked for another prime
        self._whole, self._looks = Sample(first.values, first.known_values, first.null_space), 0
        n_nodes = sum(len(program.op) for program in observer.programs)
        # every node of the programs, all its orders with all others, and their derivatives
        self._work_of_one = n_nodes * len(first.ranks) ** 2 * len(observer.columns)

    def draw(self, n_points: int) -> Sample:
        while (missing := n_points - len(self._whole.values)) > 0:
            self._looks += 1
            n_more = max(missing, _BATCH)
            self.work.left -= n_more * self._work_of_one  # what is begun is finished
            more = self.observer.observe(n_more, self.seed + 1_000_003 * self._looks, self.prime)
            if more.free == self.free and more.prime == self.prime:
                pairs = zip(
                    (self._whole.values, self._whole.constants, self._whole.tangents),
                    (more.values, more.known_values, more.null_space),
                    strict=True,
                )
                self._whole = Sample(*(np.concatenate(pair) for pair in pairs))
        return self._whole.first(n_points)


def _reduced(sample: Sample, prime: int) -> Sample:
    """Independent directions only, each with 1 in a column that the others do not have, the last that can be.
    Points where these columns are special are left out."""
    tangents = sample.tangents.copy()
    n_points, n_rows, n_columns = tangents.shape
    points, regular, done = np.arange(n_points), np.ones(n_points, dtype=bool), 0
    for column in reversed(range(n_columns)):
        if done == n_rows:
            break
        candidates = tangents[:, done:, column] != 0
        if not candidates.any():
            continue
        regular &= candidates.any(axis=1)
        pick = done + np.argmax(candidates, axis=1)
        row = tangents[points, pick].copy()
        tangents[points, pick] = tangents[:, done]
        row = row * reciprocal(row[:, column], prime)[:, np.newaxis] % prime
        tangents[:, done] = 0
        tangents = (tangents - tangents[:, :, column, np.newaxis] * row[:, np.newaxis] % prime) % prime
        tangents[:, done] = row
        done += 1
    return Sample(sample.values[regular], sample.constants[regular], tangents[regular, :done])


def across(sample: Sample, fields: np.ndarray, prime: int) -> np.ndarray:
    """What is left of vector fields (point, field, coordinate) beside the directions, as equations
    (point and coordinate, field) for the coefficients of a combination that stays on the fibre."""
    pivots = [max(support) for support in sample.supports]
    rest = fields % prime
    for k, pivot in enumerate(pivots):
        along = fields[:, :, pivot, np.newaxis] % prime * sample.tangents[:, np.newaxis, k] % prime
        rest = (rest - along) % prime
    others = [c for c in range(fields.shape[2]) if c not in pivots]
    return rest[:, :, others].transpose(0, 2, 1).reshape(-1, fields.shape[1])


def residues(formula: sympy.Expr, names: Mapping[sympy.Symbol, np.ndarray], prime: int) -> np.ndarray:
    """The values (point,) of a rational formula."""
    n_points = len(next(iter(names.values())))
    values: dict[sympy.Basic, np.ndarray] = {}
    for part in bottom_up(formula):
        values[part] = _residue(part, values, names, n_points, prime)
    return values[formula]


def _residue(part, values, names, n_points: int, prime: int) -> np.ndarray:
    if part.is_Symbol:
        return names[part]
    if part.is_Rational:
        return np.full(n_points, int(part.p) * pow(int(part.q), -1, prime) % prime, dtype=np.int64)
    if part.is_Add:
        return sum((values[a] for a in part.args), np.zeros(n_points, dtype=np.int64)) % prime
    result = np.ones(n_points, dtype=np.int64)
    if part.is_Mul:
        for factor in part.args:
            result = result * values[factor] % prime
        return result
    base, exponent = values[part.base], int(part.exp)  # a power: formulas here are rational
    base = reciprocal(base, prime) if exponent < 0 else base
    for _ in range(abs(exponent)):
        result = result * base % prime
    return result


def weight_of(formula: sympy.Expr, weight: Mapping[sympy.Symbol, np.ndarray]) -> np.ndarray:
    """The weights of a formula all of whose terms weigh the same."""
    nothing = np.zeros_like(next(iter(weight.values())))
    weights: dict[sympy.Basic, np.ndarray] = {}
    for part in bottom_up(formula):
        if isinstance(part, sympy.Symbol):
            weights[part] = weight[part]
        elif isinstance(part, sympy.Mul):
            weights[part] = sum((weights[a] for a in part.args), nothing)
        elif isinstance(part, sympy.Pow):
            weights[part] = weights[part.base] * int(part.exp)
        else:
            weights[part] = weights[part.args[0]] if part.args else nothing
    return weights[formula]

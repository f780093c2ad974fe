"""Coefficients of input-output equations at numbers, and which of their quotients ideal data tell.

With numbers for all parameters it takes a fraction of a second to eliminate states, where coefficients that
are polynomials in the parameters can have too many terms to write down. An equation Σ_i c_i f_i = 0, with c_i
the coefficient of one monomial f_i in the derivatives of outputs and inputs, is known up to a factor: its
coefficients are functions of the parameters that can be evaluated wherever one likes.

One experiment tells the space of all c with Σ_i c_i f_i(t) = 0. Two coefficients are told relative to each
other if their quotient is the same throughout that space, whether or not it holds c alone (the Wronskian of
the f_i has then not the rank n - 1).

Of a long equation only a face is evaluated, the terms without certain derivatives: these are zero in the last
resultant, which costs a hundredth then. The factor that is the face has known monomials.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import flint
import numpy as np

from idfit.structural.coefficients import wronskian
from idfit.structural.input_output import Dynamics, Elimination, Relation, Ring
from idfit.structural.observed_point import ObservedPoint, Trajectory
from idfit.structural.program import CannotDecideError
from idfit.structural.rational import null_space, reciprocal

MOST_TERMS = 1200
"""Of an equation that is evaluated as a whole."""
_MOST_OF_FACE = 300
_MOST_FACES = 8  # that are tried
_EXTRA_ORDERS = 3

Exponents = tuple[int, ...]


class CoefficientValues:
    """The coefficients of the input-output equations of experiments that have the same dynamics.

    base (coefficient,) : at the point. labels (coefficient,) : the quotient of two with the same label is
    told; -1 where nothing is told.
    """

    def __init__(self, point: ObservedPoint, experiments: Sequence[int], dynamics: Dynamics):
        self.point, self.experiment, self.dynamics = point, experiments[0], dynamics
        if not dynamics.inputs:
            # the orders that occur are known before the last resultant; fewer variables make it faster
            first = self._eliminated(point.values, last_step=lambda poly, by, name: poly)
            first.relations()
            self.dynamics = replace(dynamics, highest=max(first.order.values()))
        elimination = self._eliminated(point.values)
        relations = elimination.relations()
        self._leaders = [r.leader for r in relations]
        told = [self._told(r, experiments, elimination.ring) for r in relations]
        self._face: _Face | None = None
        self._monomials = [sorted(r.poly.to_dict()) for r in relations]
        if max(map(len, self._monomials)) > MOST_TERMS:
            self._face = self._chosen_face(relations, elimination.ring)
        self.base = self._in_order(relations)
        before, labels = 0, [np.zeros(0, dtype=np.int64)]
        for of_all, relation, kept in zip(told, relations, self._monomials, strict=True):
            label = dict(zip(sorted(relation.poly.to_dict()), of_all.tolist(), strict=True))
            labels.append(
                np.array([label[m] + before if label[m] >= 0 else -1 for m in kept], dtype=np.int64)
            )
            before += len(label)
        self.labels = np.concatenate(labels)

    def at(self, values: Mapping[str, int]) -> np.ndarray | None:
        """(coefficient,) residues, each equation with a factor of its own; None if the point is special."""
        try:
            relations = self._eliminated(values, self._face).relations()
        except CannotDecideError:
            return None
        if [r.leader for r in relations] != self._leaders:
            return None
        return self._in_order(relations)

    def _eliminated(self, values: Mapping[str, int], last_step: Any = None) -> Elimination:
        dynamics = self.dynamics
        trajectory = Trajectory(self.point, self.experiment, dynamics.n_derivatives + 2, values)
        return Elimination(dynamics, (), values, trajectory.values(dynamics), self.point.prime, last_step)

    def _in_order(self, relations: Sequence[Relation]) -> np.ndarray:
        entries: list[int] = []
        for relation, monomials in zip(relations, self._monomials, strict=True):
            terms = relation.poly.to_dict()
            entries += [int(terms.get(m, 0)) for m in monomials]
        return np.array(entries, dtype=np.int64)

    def _told(self, relation: Relation, experiments: Sequence[int], ring: Ring) -> np.ndarray:
        """Labels of its coefficients."""
        terms, prime = relation.poly.to_dict(), self.point.prime
        monomials = sorted(terms)
        size = len(monomials)
        n, rows = size + _EXTRA_ORDERS, []
        for i in experiments:
            trajectory = Trajectory(self.point, i, n + self.dynamics.n_derivatives + 1)
            series = trajectory.series(self.dynamics, ring, n)
            rows.append(wronskian([{m: 1} for m in monomials], series, n, prime))
        holds = flint.nmod_mat(size, 1, [int(terms[m]) for m in monomials], prime)
        if any((matrix * holds).rank() for matrix in rows):  # a special point, at which it is no relation
            return np.full(size, -1)
        if any(matrix.rank() == size - 1 for matrix in rows):
            return np.zeros(size, dtype=np.int64)
        if size > MOST_TERMS:
            return np.full(size, -1)
        entries = [[int(c) for c in matrix.entries()] for matrix in rows]
        table = np.array(entries, dtype=np.int64).reshape(-1, size)
        return proportional(null_space(table, prime), prime)

    def _chosen_face(self, relations: Sequence[Relation], ring: Ring) -> _Face | None:
        """One with many terms that is found again; its monomials are those of this from then on."""
        everything = self._monomials
        longest = relations[int(np.argmax([len(m) for m in everything]))]
        for zero in _faces(longest.poly, ring):
            places = [ring.index[name] for name in zero]
            self._monomials = [[m for m in all_ if not any(m[k] for k in places)] for all_ in everything]
            face = _Face.of(ring, zero, longest.poly)
            if face is None:
                continue
            self._face = face
            expected, found = self._in_order(relations), self.at(self.point.values)
            if found is not None and self._is_multiple(found, expected):
                return face
        self._monomials = [m if len(m) <= MOST_TERMS else [] for m in everything]
        return None

    def _is_multiple(self, found: np.ndarray, expected: np.ndarray) -> bool:
        """Of each equation."""
        ends = np.cumsum([len(m) for m in self._monomials])[:-1]
        pairs = zip(np.split(found, ends), np.split(expected, ends), strict=True)
        labels = [proportional(np.stack(pair, axis=1).T, self.point.prime) for pair in pairs if pair[0].size]
        return all(len(set(one.tolist())) == 1 for one in labels)


@dataclass(frozen=True)
class _Face:
    """What is left of an equation where some names are zero: a monomial times an irreducible polynomial.

    support : monomials of the latter.
    """

    ring: Ring
    zero: frozenset[str]
    factor: Any
    support: frozenset[Exponents]

    @classmethod
    def of(cls, ring: Ring, zero: Sequence[str], poly: Any) -> _Face | None:
        """None if it is not irreducible."""
        left = _where_zero(ring, frozenset(zero), poly)
        content = left.term_content()
        left = left // content
        factors = left.factor()[1]
        if len(factors) != 1 or factors[0][1] != 1:
            return None
        return cls(ring, frozenset(zero), content, frozenset(left.to_dict()))

    def __call__(self, poly: Any, by: Any, name: str) -> Any:
        """The face of what follows from both equations without the name.

        Errors: `CannotDecideError` if not one factor has the monomials of the face.
        """
        poly, by = (_where_zero(self.ring, self.zero, f) for f in (poly, by))
        result = poly.resultant(by, self.ring.index[name])
        if result.is_zero():
            raise CannotDecideError("a resultant is zero")
        found = [f for f, _ in result.factor()[1] if frozenset(f.to_dict()) == self.support]
        if len(found) != 1:
            raise CannotDecideError("a face is not found again")
        return found[0] * self.factor


def _where_zero(ring: Ring, zero: frozenset[str], poly: Any) -> Any:
    places = [ring.index[name] for name in zero]
    terms = {m: c for m, c in poly.to_dict().items() if not any(m[k] for k in places)}
    return ring.context.from_dict(terms)


def _faces(poly: Any, ring: Ring) -> Iterator[tuple[str, ...]]:
    """Names to be zero, those first that leave many terms among those that leave few enough."""
    exponents = np.array(list(poly.to_dict()), dtype=np.int64)
    names = [name for name in ring.names if exponents[:, ring.index[name]].any()]
    sizes = {
        zero: int((~exponents[:, [ring.index[n] for n in zero]].any(axis=1)).sum())
        for k in (1, 2, 3)
        for zero in itertools.combinations(names, k)
    }
    few = [zero for zero, size in sizes.items() if 1 < size <= _MOST_OF_FACE]
    yield from sorted(few, key=lambda zero: -sizes[zero])[:_MOST_FACES]


def proportional(vectors: np.ndarray, prime: int) -> np.ndarray:
    """Labels (column,) of (vector, column): two columns have the same one if they are multiples of each
    other; -1 stands for zeros."""
    if not len(vectors):
        return np.full(vectors.shape[1], -1)
    first = np.argmax(vectors != 0, axis=0)
    scale = reciprocal(vectors[first, np.arange(vectors.shape[1])], prime)
    directions = vectors % prime * scale % prime
    _, example, label = np.unique(directions, axis=1, return_index=True, return_inverse=True)
    return np.where((directions != 0).any(axis=0), example[label.ravel()], -1)

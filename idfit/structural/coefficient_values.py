"""Coefficients of input-output equations at numbers, and which of their quotients ideal data tell.

With numbers for all parameters it takes a fraction of a second to eliminate states, where coefficients that
are polynomials in the parameters can have too many terms to write down. An equation Σ_i c_i f_i = 0, with c_i
the coefficient of one monomial f_i in the derivatives of outputs and inputs, is known up to a factor: its
coefficients are functions of the parameters that can be evaluated wherever one likes.

One experiment tells the space of all c with Σ_i c_i f_i(t) = 0. Two coefficients are told relative to each
other if their quotient is the same throughout that space, whether or not it holds c alone (the Wronskian of
the f_i has then not the rank n - 1).

Of a long equation only faces are evaluated: a face is what is left where certain derivatives are zero, and if
these are zero in the last resultant already, it takes a hundredth of the time. The face is known by its
monomials among the factors. Faces that share monomials have their factors from these.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import flint
import numpy as np

from idfit.structural.coefficients import wronskian
from idfit.structural.input_output import Dynamics, Elimination, Relation, Ring
from idfit.structural.observed_point import ObservedPoint, Trajectory
from idfit.structural.program import CannotDecideError
from idfit.structural.rational import null_space, reciprocal

# terms of an equation
_MOST_COMPARED = 2000  # whose Wronskian is computed
_MOST_REDUCED = 1000  # whose Wronskian is reduced where its rank does not say that all is told
_MOST_EVALUATED = 800  # which is evaluated as a whole
_MOST_OF_FACE = 100
_N_FACES, _TRIED = 4, 30
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
        self._monomials = [sorted(r.poly.to_dict()) for r in relations]
        self._faces: _Faces | None = None
        longest = int(np.argmax([len(m) for m in self._monomials]))
        if len(self._monomials[longest]) > _MOST_EVALUATED and told[longest].max() >= 0:
            self._faces = _Faces.of(elimination.ring, relations[longest].poly)
            self._monomials[longest] = sorted(self._faces.monomials)
        self._monomials = [m if len(m) <= _MOST_EVALUATED else [] for m in self._monomials]
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
            relations = self._eliminated(values, self._faces).relations()
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
        if size > _MOST_COMPARED:
            return np.full(size, -1)
        n, rows = size + _EXTRA_ORDERS, []
        for i in experiments:
            trajectory = Trajectory(self.point, i, n + self.dynamics.n_derivatives + 1, self.point.values)
            series = trajectory.series(self.dynamics, ring, n)
            rows.append(wronskian([{m: 1} for m in monomials], series, n, prime))
        holds = flint.nmod_mat(size, 1, [int(terms[m]) for m in monomials], prime)
        if any((matrix * holds).rank() for matrix in rows):  # a special point, at which it is no relation
            return np.full(size, -1)
        if any(matrix.rank() == size - 1 for matrix in rows):
            return np.zeros(size, dtype=np.int64)
        if size > _MOST_REDUCED:
            return np.full(size, -1)
        entries = [[int(c) for c in matrix.entries()] for matrix in rows]
        table = np.array(entries, dtype=np.int64).reshape(-1, size)
        return proportional(null_space(table, prime), prime)


@dataclass(frozen=True)
class _Face:
    """What is left of an equation where these names are zero: `content`, a monomial, times an irreducible
    polynomial with the monomials `support`."""

    zero: tuple[str, ...]
    content: Any
    support: frozenset[Exponents]

    def found(self, ring: Ring, poly: Any, by: Any, name: str) -> dict[Exponents, int] | None:
        """The face of what follows from both equations without the name, up to a factor; None if not one
        factor has its monomials."""
        poly, by = (_where_zero(ring, self.zero, f) for f in (poly, by))
        result = poly.resultant(by, ring.index[name])
        if result.is_zero():
            return None
        alike = [f for f, _ in result.factor()[1] if self.support == set(f.to_dict())]
        if len(alike) != 1:
            return None
        return {m: int(c) for m, c in (alike[0] * self.content).to_dict().items()}


class _Faces:
    """Some faces of an equation that have monomials in common; a `last_step` of `Elimination`."""

    def __init__(self, ring: Ring):
        self.ring = ring
        self.faces: list[_Face] = []
        self.monomials: set[Exponents] = set()

    @classmethod
    def of(cls, ring: Ring, poly: Any) -> _Faces:
        """Each with as many monomials that no other has as can be."""
        result = cls(ring)
        exponents = np.array(list(poly.to_dict()), dtype=np.int64)
        names = [name for name in ring.names if exponents[:, ring.index[name]].any()]
        size = {
            zero: int((~exponents[:, [ring.index[n] for n in zero]].any(axis=1)).sum())
            for k in (1, 2, 3)
            for zero in itertools.combinations(names, k)
        }
        few = sorted((z for z in size if 1 < size[z] <= _MOST_OF_FACE), key=lambda z: -size[z])[:_TRIED]
        parts = {zero: _where_zero(ring, zero, poly) for zero in few}
        while parts and len(result.faces) < _N_FACES:
            best = max(parts, key=lambda z: len(parts[z].to_dict().keys() - result.monomials))
            result._add(best, parts.pop(best))
        return result

    def _add(self, zero: tuple[str, ...], part: Any) -> None:
        """If it is irreducible and not apart from the others."""
        content, monomials = part.term_content(), set(part.to_dict())
        factors = (part // content).factor()[1]
        joined = not self.faces or self.monomials & monomials
        if joined and not monomials <= self.monomials and len(factors) == 1 and factors[0][1] == 1:
            self.faces.append(_Face(zero, content, frozenset((part // content).to_dict())))
            self.monomials |= monomials

    def __call__(self, poly: Any, by: Any, name: str) -> Any:
        prime = self.ring.prime
        terms: dict[Exponents, int] = {}
        for face in self.faces:
            found = face.found(self.ring, poly, by, name)
            if found is None:
                return None
            shared = sorted(found.keys() & terms.keys())
            scale = terms[shared[0]] * pow(found[shared[0]], -1, prime) % prime if shared else 1
            found = {m: c * scale % prime for m, c in found.items()}
            if any(found[m] != terms[m] for m in shared):
                return None
            terms |= found
        return self.ring.context.from_dict(terms) if terms else None


def _where_zero(ring: Ring, zero: Sequence[str], poly: Any) -> Any:
    places = [ring.index[name] for name in zero]
    terms = {m: c for m, c in poly.to_dict().items() if not any(m[k] for k in places)}
    return ring.context.from_dict(terms)


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

"""Coefficients of input-output equations at numbers, and which of their quotients ideal data tell.

With numbers for all parameters it takes a fraction of a second to eliminate states, where coefficients that
are polynomials in the parameters can have too many terms to write down. An equation Σ_i c_i f_i = 0, with c_i
the coefficient of one monomial f_i in the derivatives of outputs and inputs, is known up to a factor: its
coefficients are functions of the parameters that can be evaluated wherever one likes.

One experiment tells the space of all c with Σ_i c_i f_i(t) = 0. Two coefficients are told relative to each
other if their quotient is the same throughout that space, whether or not it holds c alone (the Wronskian of
the f_i has then not the rank n - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from idfit.structural.coefficients import wronskian
from idfit.structural.input_output import Dynamics, Elimination, Ring
from idfit.structural.observed_point import ObservedPoint, Trajectory
from idfit.structural.program import CannotDecideError
from idfit.structural.rational import null_space, product, reciprocal

MOST_TERMS = 1200
"""Of an equation that is looked at."""
_EXTRA_ORDERS = 3

Exponents = tuple[int, ...]


class CoefficientValues:
    """All coefficients of the input-output equations of experiments that have the same dynamics.

    base (coefficient,) : at the point. labels (coefficient,) : the quotient of two with the same label is
    told; -1 where nothing is told.
    """

    def __init__(self, point: ObservedPoint, experiments: Sequence[int], dynamics: Dynamics):
        self.point, self.experiment = point, experiments[0]
        elimination, relations = _relations(point, self.experiment, dynamics, point.values)
        if not dynamics.inputs:
            # fewer variables make the same work faster
            dynamics = replace(dynamics, highest=max(elimination.order.values()))
            elimination, relations = _relations(point, self.experiment, dynamics, point.values)
        self.dynamics = dynamics
        self._monomials = [
            (leader, sorted(terms) if 1 < len(terms) <= MOST_TERMS else []) for leader, terms in relations
        ]
        self.base = self._in_order(relations)
        labels = [np.zeros(0, dtype=np.int64)]
        for _, monomials in self._monomials:
            before = sum(map(len, labels))
            base = self.base[before : before + len(monomials)]
            told = self._told(monomials, base, experiments, elimination.ring)
            labels.append(np.where(told < 0, -1, told + before))
        self.labels = np.concatenate(labels)

    def at(self, values: Mapping[str, int]) -> np.ndarray | None:
        """(coefficient,) residues, each equation with a factor of its own; None if the point is special."""
        try:
            _, relations = _relations(self.point, self.experiment, self.dynamics, values)
        except CannotDecideError:
            return None
        if [leader for leader, _ in relations] != [leader for leader, _ in self._monomials]:
            return None
        for (_, terms), (_, monomials) in zip(relations, self._monomials, strict=True):
            if monomials and not terms.keys() <= set(monomials):
                return None
        return self._in_order(relations)

    def _in_order(self, relations: Sequence[tuple[str, Mapping[Exponents, int]]]) -> np.ndarray:
        pairs = zip(relations, self._monomials, strict=True)
        entries = [terms.get(m, 0) for (_, terms), (_, monomials) in pairs for m in monomials]
        return np.array(entries, dtype=np.int64)

    def _told(
        self, monomials: Sequence[Exponents], base: np.ndarray, experiments: Sequence[int], ring: Ring
    ) -> np.ndarray:
        if not monomials:
            return base
        n, prime = len(monomials) + _EXTRA_ORDERS, self.point.prime
        matrices = []
        for i in experiments:
            trajectory = Trajectory(self.point, i, n + self.dynamics.n_derivatives + 1)
            series = trajectory.series(self.dynamics, ring, n)
            matrix = wronskian([{m: 1} for m in monomials], series, n, prime)
            matrices.append(np.array([int(c) for c in matrix.entries()], dtype=np.int64).reshape(n, -1))
        rows = np.concatenate(matrices)
        if product(rows, base[:, np.newaxis], prime).any():  # a special point, at which it is no relation
            return np.full(len(base), -1)
        return proportional(null_space(rows, prime), prime)


def _relations(
    point: ObservedPoint, experiment: int, dynamics: Dynamics, values: Mapping[str, int]
) -> tuple[Elimination, list[tuple[str, dict[Exponents, int]]]]:
    """(leader, {monomial: coefficient}) of each input-output equation at these numbers."""
    trajectory = Trajectory(point, experiment, dynamics.n_derivatives + 2, values)
    elimination = Elimination(dynamics, (), values, trajectory.values(dynamics), point.prime)
    relations = [
        (r.leader, {m: int(c) for m, c in r.poly.to_dict().items()}) for r in elimination.relations()
    ]
    return elimination, relations


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

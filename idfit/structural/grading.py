"""Weights of names under all changes of units that the equations allow.

Multiplying time, states, outputs and parameters by powers of free factors so that every sum still adds like
to like is a symmetry of the family of all such models. It maps functions that outputs determine to such
functions; they can be sought weight by weight, which splits one large linear system into many small ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import sympy

from idfit.expressions import bottom_up
from idfit.structural.question import Question

Weight = dict[int, Fraction]


def gradings(question: Question) -> dict[str, np.ndarray]:
    """Weights (grading,) of every unknown and known name; whole numbers, independent gradings."""
    balance = _Balance()
    shared = {name: balance.variable() for name in (*question.unknowns, *question.known)}
    for experiment in question.experiments:
        time = balance.variable()
        names = shared | {name: balance.variable() for name in (*experiment.states, *experiment.inputs)}
        for state, ode, start in zip(experiment.states, experiment.odes, experiment.start, strict=True):
            if start != 0:
                balance.equal(names[state], balance.weight(start, shared))
            if ode != 0:
                balance.equal(names[state], _sum(balance.weight(ode, names), time))
        for _, formula in (*experiment.outputs, *experiment.start_outputs, *experiment.noise):
            balance.weight(formula, names)
    for formula in question.constraints:
        balance.weight(formula, shared)
    solutions = balance.solutions()
    columns = {name: next(iter(weight)) for name, weight in shared.items()}
    table = solutions[:, list(columns.values())] if columns else solutions[:, :0]
    independent = [i for i in range(len(table)) if table[i].any()]
    return {name: table[independent, i] for i, name in enumerate(columns)}


def _sum(left: Weight, right: Weight, factor: Fraction | int = 1) -> Weight:
    total = dict(left)
    for variable, amount in right.items():
        total[variable] = total.get(variable, Fraction(0)) + factor * amount
    return total


@dataclass
class _Balance:
    """Unknown weights, and the linear equations between them."""

    n: int = 0
    equations: list[Weight] = field(default_factory=list)

    def variable(self) -> Weight:
        self.n += 1
        return {self.n - 1: Fraction(1)}

    def equal(self, left: Weight, right: Weight) -> None:
        difference = {v: a for v, a in _sum(left, right, -1).items() if a != 0}
        if difference and difference not in self.equations:
            self.equations.append(difference)

    def weight(self, formula: sympy.Expr, names: Mapping[str, Weight]) -> Weight:
        weights: dict[sympy.Basic, Weight] = {}
        for part in bottom_up(formula):
            weights[part] = self._combined(part, weights, names)
        return weights[formula]

    def _combined(
        self, part: Any, weights: Mapping[sympy.Basic, Weight], names: Mapping[str, Weight]
    ) -> Weight:
        if isinstance(part, sympy.Symbol):
            return names[part.name]
        if isinstance(part, sympy.Add):
            first, *others = (weights[a] for a in part.args)
            for other in others:
                self.equal(first, other)
            return first
        if isinstance(part, sympy.Mul):
            total: Weight = {}
            for factor in part.args:
                total = _sum(total, weights[factor])
            return total
        if isinstance(part, sympy.Pow) and isinstance(part.exp, sympy.Rational):
            return _sum({}, weights[part.base], Fraction(part.exp.p, part.exp.q))
        for argument in part.args:
            self.equal(weights[argument], {})
        return {}

    def solutions(self) -> np.ndarray:
        """Independent integer solutions (solution, variable)."""
        rows = flint.fmpq_mat(max(len(self.equations), 1), max(self.n, 1))
        for i, equation in enumerate(self.equations):
            for variable, amount in equation.items():
                rows[i, variable] = flint.fmpq(amount.numerator, amount.denominator)
        reduced, rank = rows.rref()
        pivots = [next(j for j in range(self.n) if reduced[i, j] != 0) for i in range(rank)]
        free = [j for j in range(self.n) if j not in set(pivots)]
        result = np.zeros((len(free), self.n), dtype=np.int64)
        for k, j in enumerate(free):
            column = [reduced[i, j] for i in range(rank)]
            scale = 1
            for entry in column:
                scale = scale * int(entry.q) // int(flint.fmpz(scale).gcd(entry.q))
            result[k, j] = scale
            for i, entry in zip(pivots, column, strict=True):
                result[k, i] = -int(entry * scale)
        return result

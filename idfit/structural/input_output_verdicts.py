"""Which quantities are the only ones compatible with the input-output equations.

A maximal set of parameters that outputs leave free is fixed at the values of the random point: what outputs
determine is algebraically closed in what they determine together with these, so that no quantity that is
determined locally becomes unique by that. Likewise names that are known, or found to be unique, are numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy

from idfit.expressions import names_in
from idfit.structural.coefficients import (
    Coefficients,
    all_the_same,
    coefficients_of,
    n_orders_of,
    told_by,
    wronskian,
)
from idfit.structural.input_output import Dynamics, Elimination, Ring, with_the_same
from idfit.structural.observed_point import ObservedPoint, Trajectory
from idfit.structural.solutions import Solutions

LIMIT = 2 * 10**9  # multiplications of one Gröbner basis


@dataclass(frozen=True)
class Finding:
    """A quantity can have so many values, or more unless `at_most`."""

    n_values: int
    at_most: bool


class Part:
    """Outputs of some experiments, and what they tell of the parameters.

    outputs : (experiment, their numbers); settled : unknowns known to be unique.
    """

    def __init__(self, point: ObservedPoint, outputs: Mapping[int, Sequence[int]], settled: Collection[str]):
        self.point, self.question = point, point.observer.question
        self.dynamics = {
            i: Dynamics.of(self.question.experiments[i], self.question.unknowns).part(
                [f"output {j}" for j in numbers]
            )
            for i, numbers in outputs.items()
        }
        used = {n for d in self.dynamics.values() for n in d.names} - set(settled)
        unknown = sorted(used & set(self.question.unknowns), key=self._presence, reverse=True)
        self.free = set(point.free(unknown))
        self.symbols = tuple(n for n in self.question.unknowns if n in used and n not in self.free)
        self.spoken_of = used | set(settled)
        self.parameters = Ring(self.symbols or ("1",), point.prime)
        self.at = [point.values[n] for n in self.symbols] or [0]
        self.told: list = []
        self.all: list = []
        self.nonzero: list = []
        self.complete = self.prime_ideal = True
        for experiments in with_the_same(self.dynamics):
            self._learn(experiments)

    def _presence(self, name: str) -> int:
        """How much the equations grow with a symbol; large for those that are better fixed."""
        symbol = sympy.Symbol(name)
        return sum(
            f.count(symbol) for d in self.dynamics.values() for f in (*d.odes.values(), *d.outputs.values())
        )

    def _learn(self, experiments: Sequence[int]) -> None:
        dynamics, prime = self.dynamics[experiments[0]], self.point.prime
        numbers = {n: v for n, v in self.point.values.items() if n not in self.symbols}
        trajectory = Trajectory(self.point, experiments[0], dynamics.n_derivatives + 2)
        values = {**trajectory.values(dynamics), **dict(zip(self.symbols, self.at, strict=False))}
        elimination = Elimination(dynamics, self.symbols, numbers, values, prime)
        relations = elimination.relations()
        self.prime_ideal &= sum(r.degree > 1 for r in relations) <= 1
        if not self.symbols:
            return
        for relation in relations:
            coefficients = coefficients_of(relation.poly, elimination.ring, self.parameters)
            if len(coefficients) > 1:
                self._compare(coefficients, experiments, dynamics, elimination.ring)

    def _compare(
        self, coefficients: Coefficients, experiments: Sequence[int], dynamics: Dynamics, ring: Ring
    ) -> None:
        n, prime = n_orders_of(len(coefficients)), self.point.prime
        matrices = []
        for i in experiments:
            trajectory = Trajectory(self.point, i, n + dynamics.n_derivatives + 1)
            series = trajectory.series(dynamics, ring, n)
            matrices.append(wronskian(coefficients.of_jets, series, n, prime))
        told, complete = told_by(matrices, coefficients, prime)
        same, base = all_the_same(coefficients, self.at)
        self.told += same if complete else told
        self.all += same
        self.nonzero.append(base)
        self.complete &= complete

    # ---- what follows ------------------------------------------------------------------------------------

    @cached_property
    def _solutions(self) -> Solutions:
        return Solutions(self.parameters, self.at, self.told, self.nonzero)

    @cached_property
    def _solutions_of_all(self) -> Solutions:
        return (
            self._solutions if self.complete else Solutions(self.parameters, self.at, self.all, self.nonzero)
        )

    def finding(self, formula: sympy.Expr, counts: bool) -> Finding | None:
        """About a formula of unknowns and known names; counts : other values are to be counted as well."""
        names = names_in(formula) & set(self.question.unknowns)
        if not names <= self.spoken_of or names <= self.free:
            return None
        meanings = {**self.point.values, **{n: self.parameters.generator[n] for n in self.symbols}}
        above, below = self.parameters.fraction(formula, meanings)
        if self._solutions.n_values(above, below, LIMIT) == 1:
            return Finding(1, at_most=True)
        if not counts or not self.prime_ideal:
            return None
        n_values = self._solutions_of_all.n_values(above, below, LIMIT)
        if n_values is None or n_values < 2:
            return None
        return Finding(n_values, at_most=self.complete)

    def unique_names(self) -> list[str]:
        """Those of the unknowns that are determined, and by one solution."""
        unknowns = self.question.unknowns
        determined = [n for n in self.symbols if not self.point.null_space[:, unknowns.index(n)].any()]
        one = self.parameters.constant(1)
        generator = self.parameters.generator
        return [n for n in determined if self._solutions.n_values(generator[n], one, LIMIT) == 1]

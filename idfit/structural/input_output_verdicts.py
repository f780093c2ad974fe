"""Which quantities are the only ones compatible with the input-output equations.

A maximal set of parameters that outputs leave free is fixed at the values of the random point: what outputs
determine is algebraically closed in what they determine together with these, so that no quantity that is
determined locally becomes unique by that. Likewise names that are known, or found to be unique, are numbers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import flint
import numpy as np
import sympy

from idfit.expressions import names_in
from idfit.structural.coefficients import (
    Coefficients,
    all_the_same,
    coefficients_of,
    jet_series,
    n_orders_of,
    told_by,
    wronskian,
)
from idfit.structural.input_output import Dynamics, Elimination, Ring, jet
from idfit.structural.observation import Observer
from idfit.structural.question import Question
from idfit.structural.rational import row_echelon
from idfit.structural.solutions import Solutions

LIMIT = 2 * 10**9  # multiplications of one Gröbner basis


@dataclass(frozen=True)
class Finding:
    """A quantity can have so many values, or more unless `at_most`."""

    n_values: int
    at_most: bool


@dataclass(frozen=True)
class ObservedPoint:
    """A random point of a question, with the values of unknowns and known names, and what is free there."""

    observer: Observer
    seed: int
    prime: int
    values: Mapping[str, int]
    null_space: np.ndarray

    @classmethod
    def of(cls, question: Question, seed: int) -> ObservedPoint:
        observer = Observer(question)
        seen = observer.observe(1, seed)
        names = (*question.unknowns, *question.known)
        values = np.concatenate([seen.values[0], seen.known_values[0]]).tolist()
        return cls(observer, seed, seen.prime, dict(zip(names, values, strict=True)), seen.null_space[0])

    def free(self, names: Sequence[str]) -> list[str]:
        """A maximal set among these unknowns that outputs do not constrain, the first ones that can be."""
        columns = [self.observer.question.unknowns.index(name) for name in names]
        directions = self.null_space[:, columns]
        if not directions.size:
            return []
        return [names[pivot] for pivot in row_echelon(directions, self.prime)[1]]


class Trajectory:
    """Taylor coefficients of one experiment at the point, by the names of `Dynamics`."""

    def __init__(self, point: ObservedPoint, experiment: int, n_orders: int):
        question, prime = point.observer.question, point.prime
        taylor = point.observer.taylor(experiment, n_orders, point.seed, prime)
        names = [name for name, _ in question.experiments[experiment].outputs]
        self.prime, self.n_orders = prime, n_orders
        self.taylor = dict(taylor)
        self.taylor |= {f"output {j}": taylor[name] for j, name in enumerate(names)}

    def values(self, dynamics: Dynamics) -> dict[str, int]:
        """Of states, clocks and all derivatives."""
        names = (*dynamics.outputs, *dynamics.inputs)
        values = {jet(n, k): self._derivative(n, k) for n in names for k in range(dynamics.n_derivatives + 1)}
        for state in dynamics.odes:
            values |= {state: self._derivative(state, 0), jet(state, 1): self._derivative(state, 1)}
        return values | {c: self._derivative(c, 0) for c in dynamics.clocks}

    def _derivative(self, name: str, order: int) -> int:
        return int(self.taylor[name][order]) * math.factorial(order) % self.prime

    def series(self, dynamics: Dynamics, ring: Ring, n_orders: int) -> dict[int, flint.nmod_poly]:
        """Of clocks and all derivatives, by their place in the ring."""
        names = (*dynamics.outputs, *dynamics.inputs)
        series = {
            ring.index[jet(n, k)]: jet_series(self.taylor[n], k, n_orders, self.prime)
            for n in names
            for k in range(dynamics.n_derivatives + 1)
        }
        clocks = {ring.index[c]: jet_series(self.taylor[c], 0, n_orders, self.prime) for c in dynamics.clocks}
        return series | clocks


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
        for experiments in self._distinct():
            self._learn(experiments)

    def _presence(self, name: str) -> int:
        """How much the equations grow with a symbol; large for those that are better fixed."""
        symbol = sympy.Symbol(name)
        return sum(
            f.count(symbol) for d in self.dynamics.values() for f in (*d.odes.values(), *d.outputs.values())
        )

    def _distinct(self) -> list[list[int]]:
        """Experiments with the same equations together."""
        groups: list[list[int]] = []
        for i, dynamics in self.dynamics.items():
            same = next((g for g in groups if self.dynamics[g[0]] == dynamics), None)
            if same is None:
                groups.append([i])
            else:
                same.append(i)
        return groups

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
            matrices.append(wronskian(coefficients, trajectory.series(dynamics, ring, n), n, prime))
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

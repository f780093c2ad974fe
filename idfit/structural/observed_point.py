"""A random point of a question: values of all names, what is free there, and trajectories through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import flint
import numpy as np

from idfit.structural.coefficients import jet_series
from idfit.structural.input_output import Dynamics, Ring, jet
from idfit.structural.observation import Observer
from idfit.structural.question import Question
from idfit.structural.rational import row_echelon


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
    """Taylor coefficients of one experiment, by the names of `Dynamics`.

    values : of unknowns and known names, where they are not those of the point.
    """

    def __init__(
        self, point: ObservedPoint, experiment: int, n_orders: int, values: Mapping[str, int] | None = None
    ):
        observer, prime = point.observer, point.prime
        if values is None:
            taylor = observer.taylor(experiment, n_orders, point.seed, prime)
        else:
            taylor = observer.taylor_at(experiment, n_orders, values, point.seed, prime)
        question = observer.question
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

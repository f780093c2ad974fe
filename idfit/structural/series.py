"""The power series of one experiment at one point modulo a prime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from idfit.numerics import modular
from idfit.structural.program import Program

_FIRST_ORDERS = 16


class Series:
    """The growing power series of one experiment at one point: values, and tangents in some columns."""

    def __init__(
        self,
        program: Program,
        values: Mapping[str, int],
        tangents: Mapping[str, np.ndarray],
        n_columns: int,
        rng: np.random.Generator,
        seed: int,
        prime: int,
    ):
        self.program, self.prime, self.seed = program, prime, seed
        self.rng = rng
        self.w = np.zeros((len(program.op), _FIRST_ORDERS, 1 + n_columns), dtype=np.uint32)
        for node, number in program.numbers.items():
            self.w[node, 0, 0] = number.numerator * pow(number.denominator, -1, prime) % prime
        for name, node in program.symbols.items():
            self.w[node, 0, 0] = values[name]
            if name in tangents:
                self.w[node, 0, 1:] = tangents[name]
        for node in program.inputs:
            self.w[node, 0, 0] = rng.integers(1, prime)
        self.order = -1

    def extend(self) -> bool:
        """One order more; False if the point is none at which the equations are regular."""
        self.order += 1
        p, prime = self.program, np.uint64(self.prime)
        if self.order == self.w.shape[1]:
            self.w = np.concatenate([self.w, np.zeros_like(self.w)], axis=1)
        if self.order == 0:
            nodes = (p.op, p.aux, p.pointer, p.argument)
            return modular.start(*nodes, p.begin, np.uint64(self.seed), prime, self.w)
        for node in p.inputs:
            self.w[node, self.order, 0] = self.rng.integers(1, self.prime)
        nodes = (p.op, p.aux, p.pointer, p.argument, p.constant)
        modular.extend(self.order, *nodes, p.derivative, prime, self.w)
        return True

    def rows(self, nodes: Sequence[int]) -> np.ndarray:
        """Derivatives of the newest coefficients in the unknowns (node, unknown)."""
        return self.w[list(nodes), self.order, 1:]

    def awake(self) -> int:
        """How many states are not zero up to the newest order."""
        return int(self.w[list(self.program.states), : self.order + 1, 0].any(axis=1).sum())

"""Steady states as constraints: f(x*, p) = 0 together with what the dynamics conserve.

A steady state x* is no formula of the parameters, but at a point (x*, p) that satisfies the constraints its
derivatives follow from theirs. Such points are found modulo a prime where some of the names stand linearly in
all constraints, as rate constants do: the others are drawn, these are solved for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy

from idfit.expressions import names_in, replaced
from idfit.numerics.modular import PRIMES
from idfit.structural.program import CannotDecideError, compiled
from idfit.structural.question import Experiment
from idfit.structural.rational import null_space, row_echelon, whole_numbers
from idfit.structural.series import Series

_NOTHING = Experiment("", (), (), (), ())


def steady_constraints(
    states: Sequence[str],
    rates: Sequence[sympy.Expr],
    before: Mapping[str, sympy.Expr],
    names: Mapping[str, str],
) -> list[sympy.Expr]:
    """What holds in the steady state that is reached from the start `before`.

    states, rates : of the dynamics; names : what each state is called in the steady state. Errors:
    `CannotDecideError` for rates that depend on inputs or the time.
    """
    at_rest = {state: sympy.Symbol(names[state]) for state in states}
    constraints = [replaced(rate, at_rest) for rate in rates if rate != 0]
    for law in conserved(states, rates):
        constraints.append(
            sympy.Add(*(c * (at_rest[x] - before[x]) for c, x in zip(law, states, strict=True) if c))
        )
    return constraints


def conserved(states: Sequence[str], rates: Sequence[sympy.Expr]) -> list[list[int]]:
    """Integer vectors c with c·f = 0 whatever the states and parameters."""
    names = sorted({name for rate in rates for name in names_in(rate)} | set(states))
    program = compiled(_NOTHING, names, rates)
    prime, rows = PRIMES[0], []
    for i in range(len(states) + 2):
        rng = np.random.default_rng([i, prime])
        values = dict(zip(names, rng.integers(1, prime, len(names)).tolist(), strict=True))
        series = Series(program, values, {}, 0, rng, 1, prime)
        if series.extend():
            rows.append(series.w[list(program.functions), 0, 0].astype(np.int64))
    laws = [whole_numbers(law, prime) for law in null_space(np.array(rows), prime)]
    if any(law is None for law in laws):
        raise CannotDecideError("a conserved sum with coefficients that are no simple numbers")
    return [law for law in laws if law is not None]


class ConstrainedPoints:
    """Points modulo a prime at which all constraints hold.

    Errors: `CannotDecideError` if too few names stand linearly in them.
    """

    def __init__(self, constraints: Sequence[sympy.Expr], names: Sequence[str], preferred: Sequence[str]):
        self.names = tuple(names)
        numerators = [sympy.expand(sympy.fraction(sympy.together(c))[0]) for c in constraints]
        self.linear = _jointly_linear(numerators, preferred)
        self.position = {name: i for i, name in enumerate(self.linear)}
        self.program = compiled(_NOTHING, self.names, numerators)

    def solve(self, values: dict[str, int], rng: np.random.Generator, prime: int) -> dict[str, int] | None:
        """The values with those of the linear names replaced, so that the constraints hold; None if that
        fails at this point."""
        n = len(self.linear)
        unit = {name: np.eye(n, dtype=np.uint32)[i] for name, i in self.position.items()}
        zero = values | dict.fromkeys(self.linear, 0)
        series = Series(self.program, zero, unit, n, rng, 1, prime)
        if not series.extend():
            return None
        system = series.w[list(self.program.functions), 0].astype(np.int64)
        reduced, pivots = row_echelon(np.roll(system, -1, axis=1), prime)
        if n in pivots:
            return None
        found = {name: values[name] for name in self.linear}
        for row, pivot in zip(reduced, pivots, strict=True):
            rest = int(row[n]) + sum(
                int(row[j]) * found[name] for j, name in enumerate(self.linear) if j not in pivots
            )
            found[self.linear[pivot]] = -rest % prime
        return None if 0 in found.values() else values | found


def _jointly_linear(formulas: Sequence[sympy.Expr], preferred: Sequence[str]) -> list[str]:
    """Names, in the order of preference, of which no product stands in any formula."""
    chosen: list[str] = []
    for name in preferred:
        symbol = sympy.Symbol(name)
        slopes = [sympy.diff(formula, symbol) for formula in formulas]
        taken = {name, *chosen}
        if any(slope != 0 for slope in slopes) and not any(names_in(s) & taken for s in slopes):
            chosen.append(name)
    return chosen

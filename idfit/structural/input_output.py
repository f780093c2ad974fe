"""Input-output equations: what outputs and inputs of one experiment satisfy, whatever its starts are.

States are eliminated one by one. The equation of one output is differentiated, derivatives of states in it
are replaced by their equations, and the one state that was expressed by the output disappears from all others
by resultants, of which the factor is kept that vanishes on the trajectories (R. Dong, C. Goodbrake,
H. Harrington, G. Pogudin, Differential elimination for dynamical models via projections with applications to
structural identifiability, SIAM J. Appl. Algebra Geom. 7 (2023) 194). What is left of the equation of an
output is the minimal polynomial of its highest derivative over lower derivatives of all outputs.

All of it is computed modulo a prime; names whose values are known, or may be fixed, are numbers there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flint
import sympy

from idfit.expressions import bottom_up, names_in, replaced
from idfit.structural.question import Experiment, NotRationalError

_CONTEXTS: Any = flint.nmod_mpoly_ctx
_SMALL = 100  # terms up to which a common factor is cheaper than a factorisation


class Ring:
    """Polynomials in `names` modulo a prime."""

    def __init__(self, names: Sequence[str], prime: int):
        self.names, self.prime = tuple(names), prime
        self.context = _CONTEXTS.get(self.names, prime, flint.Ordering.lex)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.generator = dict(zip(self.names, self.context.gens(), strict=True))

    def constant(self, number: int) -> Any:
        return self.context.constant(number % self.prime)

    def degree(self, poly: Any, name: str) -> int:
        return poly.degrees()[self.index[name]]

    def coefficient(self, poly: Any, name: str, exponent: int) -> Any:
        """That of name^exponent."""
        i = self.index[name]
        terms = {(*m[:i], 0, *m[i + 1 :]): c for m, c in poly.to_dict().items() if m[i] == exponent}
        return self.context.from_dict(terms)

    def fraction(self, formula: sympy.Expr, meanings: Mapping[str, Any]) -> tuple[Any, Any]:
        """Numerator and denominator without common factor; `meanings` : polynomials or residues of names.

        Errors: `NotRationalError`.
        """
        done: dict[Any, tuple[Any, Any]] = {}
        for part in bottom_up(formula):
            if isinstance(part, sympy.Symbol):
                meaning = meanings[part.name]
                poly = self.constant(meaning) if isinstance(meaning, int) else meaning
                done[part] = poly, self.constant(1)
            else:
                done[part] = self._combined(part, [done[a] for a in part.args])
        return done[formula]

    def _combined(self, part: Any, given: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        above, below = self.constant(1), self.constant(1)
        if part.is_Rational:
            return self.constant(int(part.p)), self.constant(int(part.q))
        if part.is_Add:
            above = self.constant(0)
            for n, d in given:
                common = below.gcd(d)
                above, below = above * (d // common) + n * (below // common), below * (d // common)
        elif part.is_Mul:
            for n, d in given:
                above, below = above * n, below * d
        elif part.is_Pow and part.exp.is_Integer:
            n, d = given[0] if part.exp > 0 else given[0][::-1]
            above, below = n ** abs(int(part.exp)), d ** abs(int(part.exp))
        else:
            raise NotRationalError(str(part))
        common = above.gcd(below)
        return above // common, below // common


@dataclass(frozen=True)
class Dynamics:
    """x' = odes(x, p, u), y = outputs(x, p, u), with no state that stands still or that no output feels.

    clocks : known functions of time with a constant rate. highest : order of derivatives, where less than can
    appear is known to be enough.
    """

    odes: dict[str, sympy.Expr]
    outputs: dict[str, sympy.Expr]
    inputs: tuple[str, ...]
    clocks: dict[str, sympy.Rational]
    highest: int | None = None

    @classmethod
    def of(cls, experiment: Experiment, unknowns: Iterable[str]) -> Dynamics:
        """Outputs are called "output 0", "output 1", … in their order."""
        unknowns = frozenset(unknowns)
        odes = dict(zip(experiment.states, experiment.odes, strict=True))
        starts = dict(zip(experiment.states, experiment.start, strict=True))
        outputs = {f"output {j}": formula for j, (_, formula) in enumerate(experiment.outputs)}
        # a state that stands still is its own start, and so far as one experiment is concerned a parameter
        still = {s: starts[s] for s, f in odes.items() if f == 0}
        odes = {s: replaced(f, still) for s, f in odes.items() if s not in still}
        outputs = {y: replaced(f, still) for y, f in outputs.items()}
        clocks = {
            s: f
            for s, f in odes.items()
            if isinstance(f, sympy.Rational) and not names_in(starts[s]) & unknowns
        }
        odes = {s: f for s, f in odes.items() if s not in clocks}
        return cls(odes, outputs, experiment.inputs, clocks).part(outputs)

    def part(self, outputs: Iterable[str]) -> Dynamics:
        """These outputs alone, with the states that they feel."""
        chosen = {y: self.outputs[y] for y in outputs}
        felt = {n for f in chosen.values() for n in names_in(f)}
        while more := {n for s in felt & self.odes.keys() for n in names_in(self.odes[s])} - felt:
            felt |= more
        odes = {s: f for s, f in self.odes.items() if s in felt}
        clocks = {s: f for s, f in self.clocks.items() if s in felt}
        return Dynamics(odes, chosen, tuple(u for u in self.inputs if u in felt), clocks)

    @cached_property
    def names(self) -> frozenset[str]:
        """Unknown and known names that the equations speak of."""
        used = {n for f in (*self.odes.values(), *self.outputs.values()) for n in names_in(f)}
        return frozenset(used - self.odes.keys() - self.clocks.keys() - set(self.inputs))

    @property
    def n_derivatives(self) -> int:
        """The highest order in which an output or an input can appear."""
        return len(self.odes) + 1 if self.highest is None else self.highest


def with_the_same(dynamics: Mapping[int, Dynamics]) -> list[list[int]]:
    """Experiments with the same dynamics together."""
    groups: list[list[int]] = []
    for i, one in dynamics.items():
        same = next((g for g in groups if dynamics[g[0]] == one), None)
        if same is None:
            groups.append([i])
        else:
            same.append(i)
    return groups


def jet(name: str, order: int) -> str:
    """The name of a derivative of an output, an input or a state."""
    return f"{name}<{order}>"


@dataclass(frozen=True)
class Relation:
    """`poly` vanishes on all trajectories and is irreducible; `leader` is its derivative of highest order."""

    poly: Any
    leader: str
    degree: int


class Elimination:
    """The way from the equations of states and outputs to those of outputs alone.

    symbols : unknowns that stay symbols; numbers : residues of all other unknown and known names; values :
    of all jets and symbols on one trajectory. last_step : makes the equation without the last state, from two
    equations and the state, in place of their resultant, or None.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        symbols: Sequence[str],
        numbers: Mapping[str, int],
        values: Mapping[str, int],
        prime: int,
        last_step: Callable[[Any, Any, str], Any] | None = None,
    ):
        self.last_step = last_step
        self.dynamics, self.n_outputs = dynamics, len(dynamics.outputs)
        moving = (*dynamics.outputs, *dynamics.inputs)
        orders = range(dynamics.n_derivatives + 1)
        states = dynamics.odes
        jets = [jet(name, k) for k in orders for name in moving]
        names = [*states, *(jet(s, 1) for s in states), *jets, *dynamics.clocks, *symbols]
        self.ring = Ring(names, prime)
        one = self.ring.generator
        self.point = [values[name] for name in names]
        self.rate = {s: one[jet(s, 1)] for s in states}
        self.rate |= {jet(name, k): one[jet(name, k + 1)] for name in moving for k in orders[:-1]}
        for clock, formula in dynamics.clocks.items():
            self.rate[clock] = self.ring.constant(int(formula.p) * pow(int(formula.q), -1, prime))
        meanings = {
            **numbers,
            **{n: one[n] for n in (*states, *dynamics.clocks, *symbols)},
            **{u: one[jet(u, 0)] for u in dynamics.inputs},
        }
        self.of_state = {s: self._equation(jet(s, 1), f, meanings) for s, f in states.items()}
        self.of_output = {y: self._equation(jet(y, 0), f, meanings) for y, f in dynamics.outputs.items()}
        self.order = dict.fromkeys(dynamics.outputs, 0)

    def _equation(self, name: str, formula: sympy.Expr, meanings) -> Any:
        above, below = self.ring.fraction(formula, meanings)
        return below * self.ring.generator[name] - above

    def relations(self) -> list[Relation]:
        """One equation for each output."""
        while (output := self._cheapest_output()) is not None:
            self._prolong(output)
        leaders = {y: jet(y, self.order[y]) for y in self.of_output}
        degree = self.ring.degree
        return [Relation(f, leaders[y], degree(f, leaders[y])) for y, f in self.of_output.items()]

    def _states_in(self, poly: Any) -> list[str]:
        degrees = poly.degrees()
        return [s for s in self.of_state if degrees[self.ring.index[s]]]

    def _cheapest_output(self) -> str | None:
        costs = {}
        for y, poly in self.of_output.items():
            if states := self._states_in(poly):
                degree = min(self.ring.degree(poly, s) for s in states)
                costs[y] = degree * len(poly), degree
        return min(costs, key=lambda y: costs[y]) if costs else None

    def _prolong(self, output: str) -> None:
        """One derivative of this output more, one state less."""
        old = self.of_output[output]
        new = self._derivative(old)
        for state, equation in self.of_state.items():
            new = self._eliminated(new, equation, jet(state, 1))
        self.order[output] += 1
        for other, equation in self.of_output.items():
            leader = jet(other, self.order[other])
            if other != output and self.ring.degree(equation, leader):
                new = self._eliminated(new, equation, leader)
        degree = self.ring.degree
        state = min(self._states_in(old), key=lambda s: (degree(old, s), degree(new, s)))
        del self.of_state[state]
        for name, equation in self.of_state.items():
            self.of_state[name] = self._eliminated(equation, old, state)
        for name, equation in self.of_output.items():
            if name != output:
                self.of_output[name] = self._eliminated(equation, old, state)
        self.of_output[output] = self._eliminated(new, old, state)

    def _derivative(self, poly: Any) -> Any:
        degrees, result = poly.degrees(), self.ring.constant(0)
        for name, rate in self.rate.items():
            if degrees[self.ring.index[name]]:
                result += poly.derivative(self.ring.index[name]) * rate
        return result

    def _eliminated(self, poly: Any, by: Any, name: str) -> Any:
        """What follows from both equations without the name."""
        if not self.ring.degree(poly, name):
            return poly
        if self.last_step is not None and not self.of_state:
            made = self.last_step(poly, by, name)
            if made is not None:
                return made
        return self._relevant(poly.resultant(by, self.ring.index[name]))

    def _vanishes(self, poly: Any) -> bool:
        return int(poly(*self.point)) == 0

    def _relevant(self, poly: Any) -> Any:
        """The irreducible factor that vanishes on the trajectory."""
        names = zip(self.ring.names, poly.degrees(), strict=True)
        for name in (n for n, degree in names if degree == 1):
            slope, rest = (self.ring.coefficient(poly, name, k) for k in (1, 0))
            if min(len(slope), len(rest)) in range(1, _SMALL + 1):
                # linear in one name and without a common factor of the two coefficients: irreducible
                primitive = poly // slope.gcd(rest)
                if self._vanishes(primitive):
                    return primitive
                break
        factors = [f for f, _ in poly.factor()[1]]
        return next(f for f in factors if self._vanishes(f)) if len(factors) > 1 else factors[0]

"""What happens in each experiment of a problem, as changes at times, in the ids that PEtab will use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sympy

from idfit.expressions import names_in, parse
from idfit.formats.petab_naming import Ready
from idfit.problem.resolution import Change, Simulation, start_name

Changes = dict[str, sympy.Expr]
"""New values of things, by their names or ids."""


@dataclass(frozen=True)
class Course:
    """One experiment: values at the beginning `t0`, and changes after that, by the ids of what changes.

    number : that of the simulation; steady : of the one whose steady state it begins from. dosed : the states
    in `start` that doses at the beginning have changed.
    """

    number: int
    label: str
    t0: float
    start: Changes
    later: tuple[tuple[float, Changes], ...]
    steady: int | None
    dosed: frozenset[str]


def courses(ready: Ready, *, explicit: bool) -> list[Course]:
    """All experiments, then the steady states that they begin from.

    explicit : whether initial values whose formulas depend on what experiments change are set by these too.
    """
    simulations = ready.resolution.simulations
    order = sorted(range(len(simulations)), key=lambda n: simulations[n].steady)
    return [_Reading(ready, simulations[n], explicit).course(n) for n in order]


class _Reading:
    """Reads one course off the resolution; formulas there are in names, and values in ids already."""

    def __init__(self, ready: Ready, simulation: Simulation, explicit: bool):
        self.ready, self.simulation, self.explicit = ready, simulation, explicit
        self.values = ready.values(simulation.map)

    def course(self, number: int) -> Course:
        simulation = self.simulation
        tags = ",".join(value for column, value in simulation.copies if column != "condition")
        label = f"{simulation.condition}[{tags}]" if tags else simulation.condition
        start, dosed = self._start()
        return Course(number, label, simulation.t0, start, tuple(self._later(start)), simulation.start, dosed)

    # the beginning ----------------------------------------------------------------------------------------

    def _start(self) -> tuple[Changes, frozenset[str]]:
        """Values of all that varies, and of the states that begin otherwise than the model says."""
        ready, simulation = self.ready, self.simulation
        own = ready.condition(simulation.condition).set
        anew = [s for s in ready.tied.states if simulation.start is None or s in simulation.reinit]
        given = {s for s in anew if s in own or s in simulation.reinit or self._is_explicit(s)}
        now = {n: self.values[n] for n in ready.varying} | {s: self.start_of(s) for s in anew}
        before = dict(now)
        for change in simulation.changes:
            if change.time <= simulation.t0:
                now |= self._changed(change, now)
        dosed = {s for s in ready.tied.states if s in now and now[s] != before.get(s)}
        kept = {n: v for n, v in now.items() if n in ready.varying or n in given | dosed}
        return self._in_ids(kept), frozenset(ready.entity[s] for s in dosed)

    def start_of(self, state: str) -> sympy.Expr:
        """The initial value, in estimated parameters alone."""
        if start_name(state) in self.values:
            return self.values[start_name(state)]
        return _evaluated(parse(self.ready.tied.states[state].init), self._at_start)

    def _at_start(self, name: str) -> sympy.Expr:
        if name in self.ready.tied.states:
            return self.start_of(name)
        if name in self.ready.assignments:
            return _evaluated(self.ready.assignments[name], self._at_start)
        return self.values.get(name, sympy.Symbol(name))

    def _is_explicit(self, state: str) -> bool:
        """Whether the formula of an initial value depends on what experiments change."""
        changed = {*self.ready.varying, *(n for n in self.values if n.endswith("(0)"))}
        pending, seen = [state], set()
        while self.explicit and pending:
            name = pending.pop()
            if name in changed or start_name(name) in changed:
                return True
            if name not in seen and name in self.ready.tied.states:
                pending += names_in(parse(self.ready.tied.states[name].init))
            elif name not in seen and name in self.ready.assignments:
                pending += names_in(self.ready.assignments[name])
            seen.add(name)
        return False

    # what follows -----------------------------------------------------------------------------------------

    def _later(self, start: Changes) -> Iterator[tuple[float, Changes]]:
        """Changes by time; of parameters those that are changes indeed."""
        parameters = {self.ready.entity[name] for name in self.ready.varying}
        held = dict(start)
        later = [change for change in self.simulation.changes if change.time > self.simulation.t0]
        for time, changes in groupby(later, key=lambda change: change.time):
            now: Changes = {}
            for change in changes:
                now |= self._changed(change, now)
            new = self._in_ids(now)
            kept = {k: v for k, v in new.items() if k not in parameters or held.get(k) != v}
            held |= new
            if kept:
                yield time, kept

    def _changed(self, change: Change, now: Mapping[str, sympy.Expr]) -> Changes:
        """What a change makes of things, of which `now` are those whose values have changed already."""

        def current(name: str) -> sympy.Expr:
            if name in now:
                return now[name]
            if name in self.ready.assignments and self.ready.depends_on(name, frozenset(now)):
                return _evaluated(self.ready.assignments[name], current)
            return sympy.Symbol(self.ready.entity.get(name, name))

        new: Changes = {}
        for dose in change.doses:
            amount = dose.amount
            value = self.ready.outer(amount) if isinstance(amount, int) else _evaluated(amount, current)
            before = new.get(dose.state, current(dose.state))
            new[dose.state] = value if dose.sets else before + value
        if change.map is not None:
            values = self.ready.values(change.map)
            new |= {n: values[n] for n in self.ready.varying}
        return new

    def _in_ids(self, changes: Changes) -> Changes:
        return {self.ready.entity[name]: value for name, value in changes.items()}


def _evaluated(expression: Any, value: Callable[[str], sympy.Expr]) -> sympy.Expr:
    """The expression with values for all names, all at once."""
    return expression.xreplace({sympy.Symbol(n): value(n) for n in names_in(expression)})

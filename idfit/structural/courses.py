"""One simulation of a problem as experiments between known times, in exact formulas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import sympy
from sympy.core.relational import Relational

from idfit.expressions import bottom_up, evaluate, names_in, parse, replaced
from idfit.model import Readout
from idfit.model.model import TIME_NAMES
from idfit.problem import Problem
from idfit.problem.happenings import same_time
from idfit.problem.resolution import Change, Resolution, Simulation
from idfit.structural.from_model import substituted, with_clock, without_assignments
from idfit.structural.program import CannotDecideError
from idfit.structural.question import Experiment
from idfit.structural.steady import steady_constraints

_BRANCHES = (sympy.Piecewise, sympy.Abs, sympy.Min, sympy.Max, sympy.sign)
_ALWAYS = 1e300  # an observable of a problem without data
Readings = dict[tuple[Readout, int], list[float]]


class Courses:
    """The simulations of a problem as experiments, as they are added.

    implicit, constraints : steady states, see `Question`; left_out : what is not seen, in words.
    """

    def __init__(self, problem: Problem, nominal: Mapping[str, float]):
        self.problem, self.resolution, self.model = problem, problem.resolution, problem.model
        self.nominal = nominal
        self.experiments: list[Experiment] = []
        self.implicit: list[str] = []
        self.constraints: list[Any] = []
        self.left_out: list[str] = ["the model's events"] if self.model.events else []
        self._rests: dict[int, dict[str, Any]] = {}

    def add(self, number: int) -> None:
        """A simulation, unless nothing is measured in it; where it is not covered, it is left out."""
        readings = _times_of_readings(self.problem, number)
        kept = len(self.experiments), len(self.implicit), len(self.constraints)
        try:
            if readings:
                self._add(self.resolution.simulations[number], readings)
        except CannotDecideError as error:
            for made, n in zip((self.experiments, self.implicit, self.constraints), kept, strict=True):
                del made[n:]
            label = self.resolution.simulations[number].label
            self.left_out.append(f"condition {label} ({error})")

    def _add(self, simulation: Simulation, readings: Readings) -> None:
        start = self._start(simulation)
        measured = [t for times in readings.values() for t in times]
        pieces = [simulation.t0, *self._known_times(simulation, max(measured))]
        number, first = simulation.map, len(self.experiments)
        for k, (time, end) in enumerate(zip(pieces, [*pieces[1:], math.inf], strict=True)):
            jump: dict[str, Any] = {state: sympy.Symbol(state) for state in self.model.states}
            for change in (c for c in simulation.changes if same_time(c.time, time)):
                number = number if change.map is None else change.map
                start = self._changed(start, change, self._meaning(number))
                jump = self._changed(jump, change, self._meaning(number))
            piece = self._piece(simulation.label, time, start, number, _within(readings, time, end))
            if k:
                clock = [_exact(time)] * (len(piece.states) - len(self.model.states))
                name = f"{simulation.label} from {time:g}"
                piece = replace(piece, name=name, follows=first + k - 1, jump=(*jump.values(), *clock))
            self.experiments.append(piece)
        if at_rest := _within(readings, math.inf, math.nan):
            rest = self._rest(simulation.label, number, start)
            piece = self._piece(f"{simulation.label} at rest", math.inf, rest, number, at_rest)
            still = tuple(sympy.S.Zero for _ in piece.states)
            self.experiments.append(replace(piece, odes=still, follows=None))

    def _start(self, simulation: Simulation) -> dict[str, Any]:
        starts = without_assignments(
            self.model, dict(zip(self.model.states, self.model.initial, strict=True))
        )
        meaning = self._meaning(simulation.map)
        own: dict[str, Any] = {state: replaced(formula, meaning) for state, formula in starts.items()}
        if simulation.start is None:
            return own
        if simulation.start not in self._rests:
            before = self.resolution.simulations[simulation.start]
            self._rests[simulation.start] = self._rest(before.label, before.map, self._start(before))
        return self._rests[simulation.start] | {state: own[state] for state in simulation.reinit}

    def _rest(self, label: str, number: int, before: Mapping[str, Any]) -> dict[str, Any]:
        """The steady state that is reached from a start, as names that the constraints give values."""
        formulas = _Formulas(self.resolution, 0.0, before, self.nominal)
        rates = [formulas.beginning(f, self._meaning(number)) for f in self.model.odes]
        if any(names_in(rate) & {*TIME_NAMES, *self.model.inputs} for rate in rates):
            raise CannotDecideError("a steady state of rates that depend on the time")
        names = {state: f"{state} at rest in {label}" for state in self.model.states}
        self.constraints += steady_constraints(self.model.states, rates, before, names)
        self.implicit += names.values()
        return {state: sympy.Symbol(name) for state, name in names.items()}

    def _known_times(self, simulation: Simulation, until: float) -> list[float]:
        """When doses and changes of parameters happen, and branches of formulas of time begin, on the way."""
        times = [c.time for c in simulation.changes]
        meaning = self._meaning(simulation.map)
        for formula in (*self.model.odes, *(f for _, f in self.model.observables)):
            times += branch_times(replaced(substituted(formula, self.model), meaning))
        t0 = simulation.t0
        inner = sorted(t for t in times if t0 < t < until and not same_time(t, t0))
        return [t for i, t in enumerate(inner) if i == 0 or not same_time(t, inner[i - 1])]

    def _meaning(self, number: int) -> dict[str, Any]:
        """What the formal parameters stand for in a map."""
        entries = zip(self.resolution.formal, self.resolution.maps[number], strict=True)
        return {name: self.resolution.outer[outer] for name, outer in entries}

    def _changed(
        self, before: Mapping[str, Any], change: Change, meaning: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The states after a change, as formulas of what the states before are formulas of."""
        value = dict(before)
        for dose in change.doses:
            if isinstance(dose.amount, int):
                amount = self.resolution.outer[dose.amount]
            else:
                amount = replaced(replaced(substituted(dose.amount, self.model), meaning), before)
            value[dose.state] = amount if dose.sets else value[dose.state] + amount
        return value

    def _piece(
        self, name: str, time: float, start: Mapping[str, Any], number: int, readings: Readings
    ) -> Experiment:
        soon = min(time, _ALWAYS)
        formulas = _Formulas(self.resolution, soon, start, self.nominal)
        odes = [formulas.beginning(f, self._meaning(number)) for f in self.model.odes]
        outputs, at_start, noise = [], [], []
        for (readout, own_number), times in readings.items():
            own, label = self._meaning(own_number), readout.name
            formula = formulas.beginning(readout.formula, own)
            (at_start if all(t <= time for t in times) else outputs).append((label, formula))
            if readout.noise is not None:
                noise.append((label, formulas.beginning(replaced(readout.noise, {label: formula}), own)))
        observed = (*outputs, *at_start, *noise)
        states, odes, starts, observed = with_clock(
            list(self.model.states), odes, list(start.values()), observed, _exact(soon)
        )
        ends = len(outputs), len(outputs) + len(at_start)
        return Experiment(
            name=name,
            states=tuple(states),
            odes=tuple(odes),
            start=tuple(starts),
            outputs=observed[: ends[0]],
            start_outputs=observed[ends[0] : ends[1]],
            noise=observed[ends[1] :],
            inputs=self.model.inputs,
            later=tuple(dict.fromkeys(formulas.left_out)),
        )


def _within(readings: Readings, time: float, end: float) -> Readings:
    """Readings from a time on and before the end; those of a steady state for an infinite time."""
    return {
        key: own
        for key, times in readings.items()
        if (own := [t for t in times if (t == time if math.isinf(time) else time <= t < end)])
    }


def branch_times(formula: Any) -> list[float]:
    """Times at which comparisons of the time alone change, in the comparisons of a formula."""
    found = []
    for part in bottom_up(formula):
        if isinstance(part, Relational) and names_in(part) and names_in(part) <= set(TIME_NAMES):
            sides: Any = part.args
            difference = sympy.expand(sides[0] - sides[1])
            (name,) = names_in(part)
            slope = sympy.diff(difference, sympy.Symbol(name))
            if slope.is_Rational and slope != 0:
                found.append(float(-difference.subs(sympy.Symbol(name), 0) / slope))
    return found


def _times_of_readings(problem: Problem, number: int) -> Readings:
    """When each observable is measured in a simulation, with the map that holds for it; at all times if there
    are no data."""
    resolution, table = problem.resolution, problem.spec.measurements
    readouts = {r.name: r for r in resolution.readouts}
    times: Readings = {}
    for row, simulation in enumerate(resolution.row_simulation):
        if simulation == number:
            key = readouts[table.observable[row]], resolution.row_map[row]
            times.setdefault(key, []).append(table.time[row])
    for (simulation, name), map_number in resolution.observable_map.items():
        if simulation == number:
            times[readouts[name], map_number] = [_ALWAYS]
    return times


def _exact(number: float) -> sympy.Expr:
    return parse(repr(float(number)))


class _Formulas:
    """Formulas as they are at the beginning: of several branches, the one in which it lies.

    start : of the states, formulas of estimated parameters; left_out collects what the beginning does not
    show.
    """

    def __init__(
        self, resolution: Resolution, time: float, start: Mapping[str, Any], nominal: Mapping[str, float]
    ):
        self.model = resolution.model
        self.left_out: list[str] = []
        soon = time + 1e-9 * max(1.0, abs(time))
        self.values = {**nominal, **dict.fromkeys(TIME_NAMES, soon)}
        self.values |= {
            state: evaluate(formula, nominal)
            for state, formula in start.items()
            if names_in(formula) <= nominal.keys()
        }

    def beginning(self, formula: sympy.Expr, meaning: Mapping[str, Any]) -> Any:
        expression = replaced(substituted(formula, self.model), meaning)
        while branching := [part for part in bottom_up(expression) if isinstance(part, _BRANCHES)]:
            expression = expression.xreplace({branching[0]: self._branch(branching[0])})
        return expression

    def _branch(self, part: Any) -> Any:
        if names_in(part) & set(self.model.inputs):
            raise CannotDecideError("a branch that depends on a measured input is not covered")
        if names_in(part) - self.values.keys():
            raise CannotDecideError("a branch that depends on a steady state is not covered")
        if isinstance(part, sympy.Piecewise):
            pieces: Any = part.args
            chosen = next((e for e, c in pieces if evaluate(c, self.values)), None)
            self._note(c for _, c in pieces)
            if chosen is None:
                raise CannotDecideError("a piecewise formula has no branch at the start")
            return chosen
        values = [evaluate(argument, self.values) for argument in part.args]
        self._note([part])
        if isinstance(part, sympy.Min | sympy.Max):
            best = min(values) if isinstance(part, sympy.Min) else max(values)
            if values.count(best) > 1:
                raise CannotDecideError(f"{part} stands at its kink at the start")
            return part.args[values.index(best)]
        if values[0] == 0.0:
            raise CannotDecideError(f"{part} stands at its kink at the start")
        side = 1 if values[0] > 0 else -1
        return side * part.args[0] if isinstance(part, sympy.Abs) else sympy.Integer(side)

    def _note(self, conditions: Iterable[Any]) -> None:
        if any(names_in(c) - set(TIME_NAMES) for c in conditions):
            self.left_out.append("branches of the equations other than that of the beginning")

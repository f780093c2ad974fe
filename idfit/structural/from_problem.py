"""The question about a problem: what do its own experiments determine, with the starts and doses they have?

Fixed parameters are the numbers that they are, each simulation is an experiment, and an observable counts in
those experiments only in which it was measured. Ideal data are assumed: measured without error at all times.
An analysis by power series sees an experiment up to its first dose or switch. What follows at a known time
is a further experiment, which begins where the former has come to: nothing special is true of that time. Of
events, branches that depend on states, and starts from a steady state it sees nothing; what the rest does not
determine is undecided then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sympy
from sympy.core.relational import Relational

from idfit.errors import InputError
from idfit.expressions import bottom_up, evaluate, names_in, parse, replaced
from idfit.model import Readout
from idfit.model.model import TIME_NAMES, Formula
from idfit.problem import Problem
from idfit.problem.happenings import same_time
from idfit.problem.resolution import Change, Resolution, Simulation
from idfit.structural.from_model import substituted, with_clock, without_assignments
from idfit.structural.program import CannotDecideError
from idfit.structural.question import Experiment, Quantity, Question

_BRANCHES = (sympy.Piecewise, sympy.Abs, sympy.Min, sympy.Max, sympy.sign)


def question_of_problem(problem: Problem, functions: Mapping[str, Formula] | None = None) -> Question:
    """What the experiments of a problem could determine of its estimated parameters.

    functions : formulas of estimated parameters to decide about as well. Errors: `InputError` for formulas of
    other names.
    """
    names = problem.parameters.names
    nominal = dict(_nominal(problem))
    made: list[Experiment] = []
    for i, simulation in enumerate(problem.resolution.simulations):
        if not simulation.steady:
            made += _Course(problem, i, simulation, nominal).experiments(len(made))
    quantities = [Quantity(n, "parameter", sympy.Symbol(n)) for n in names]
    quantities += _starts_and_courses(made, problem.model.states)
    quantities += [Quantity(n, "function", _checked(f, names)) for n, f in (functions or {}).items()]
    return Question(
        unknowns=names,
        known=(),
        experiments=tuple(made),
        quantities=tuple(quantities),
        assumptions=_assumptions(problem, made),
    )


def _nominal(problem: Problem) -> Iterable[tuple[str, float]]:
    space = problem.parameters
    middle = space.to_natural(0.5 * (space.lower_scaled + space.upper_scaled))
    for name, value, between in zip(space.names, space.nominal, middle, strict=True):
        yield name, float(value if math.isfinite(value) else between)


def _checked(formula: Formula, names: tuple[str, ...]) -> Any:
    parsed = formula if isinstance(formula, sympy.Expr) else parse(formula)
    for name in sorted(names_in(parsed) - set(names)):
        raise InputError.of(
            f"{name!r} in {formula}", "is not an estimated parameter", f"there are: {', '.join(names)}"
        )
    return parsed


@dataclass(frozen=True)
class _Course:
    """One simulation, in pieces between known times."""

    problem: Problem
    number: int
    simulation: Simulation
    nominal: Mapping[str, float]

    def experiments(self, first: int) -> list[Experiment]:
        """The beginning and what follows it, the beginning having the index `first`; none if nothing is
        measured."""
        readings = _times_of_readings(self.problem, self.number)
        if not readings:
            return []
        model, t0 = self.problem.model, self.simulation.t0
        until = max(t for times in readings.values() for t in times)
        pieces = [t0, *self._known_times(until)]
        value = without_assignments(model, dict(zip(model.states, model.initial, strict=True)))
        number = self.simulation.map
        start: dict[str, Any] = {s: replaced(f, self._meaning(number)) for s, f in value.items()}
        made: list[Experiment] = []
        for k, (time, end) in enumerate(zip(pieces, [*pieces[1:], math.inf], strict=True)):
            jump: dict[str, Any] = {state: sympy.Symbol(state) for state in model.states}
            for change in (c for c in self.simulation.changes if same_time(c.time, time)):
                after = number if change.map is None else change.map
                start = self._changed(start, change, self._meaning(after))
                jump = self._changed(jump, change, self._meaning(after))
                number = after
            inside = {
                key: own for key, times in readings.items() if (own := [t for t in times if time <= t < end])
            }
            piece = self._piece(time, start, number, inside)
            if k:
                clock = [_exact(time)] * (len(piece.states) - len(model.states))
                piece = replace(
                    piece,
                    name=f"{piece.name} from {time:g}",
                    follows=first + k - 1,
                    jump=(*jump.values(), *clock),
                )
            made.append(piece)
        return made

    def _known_times(self, until: float) -> list[float]:
        """When doses and changes of parameters happen, and branches of formulas of time begin, on the way."""
        model, t0 = self.problem.model, self.simulation.t0
        times = [c.time for c in self.simulation.changes]
        meaning = self._meaning(self.simulation.map)
        for formula in (*model.odes, *(f for _, f in model.observables)):
            times += branch_times(replaced(substituted(formula, model), meaning))
        inner = sorted(t for t in times if t0 < t < until and not same_time(t, t0))
        return [t for i, t in enumerate(inner) if i == 0 or not same_time(t, inner[i - 1])]

    def _meaning(self, number: int) -> dict[str, Any]:
        """What the formal parameters stand for in a map."""
        resolution = self.problem.resolution
        entries = zip(resolution.formal, resolution.maps[number], strict=True)
        return {name: resolution.outer[outer] for name, outer in entries}

    def _changed(
        self, before: Mapping[str, Any], change: Change, meaning: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The states after a change, as formulas of what the states before are formulas of."""
        resolution, value = self.problem.resolution, dict(before)
        for dose in change.doses:
            if isinstance(dose.amount, int):
                amount = resolution.outer[dose.amount]
            else:
                amount = replaced(replaced(substituted(dose.amount, resolution.model), meaning), before)
            value[dose.state] = amount if dose.sets else value[dose.state] + amount
        return value

    def _piece(
        self,
        time: float,
        start: Mapping[str, Any],
        number: int,
        readings: Mapping[tuple[Readout, int], list[float]],
    ) -> Experiment:
        model = self.problem.model
        formulas = _Formulas(self.problem.resolution, time, start, self.nominal)
        odes = [formulas.beginning(f, self._meaning(number)) for f in model.odes]
        outputs, at_start, noise = [], [], []
        for (readout, own_number), times in readings.items():
            own, label = self._meaning(own_number), readout.name
            formula = formulas.beginning(readout.formula, own)
            (at_start if all(t <= time for t in times) else outputs).append((label, formula))
            if readout.noise is not None:
                noise.append((label, formulas.beginning(replaced(readout.noise, {label: formula}), own)))
        later = ["the model's events"] if model.events else []
        later += ["a start from a steady state"] if self.simulation.start is not None else []
        observed = (*outputs, *at_start, *noise)
        states, odes, starts, observed = with_clock(
            list(model.states), odes, list(start.values()), observed, _exact(time)
        )
        ends = len(outputs), len(outputs) + len(at_start)
        return Experiment(
            name=self.simulation.label,
            states=tuple(states),
            odes=tuple(odes),
            start=tuple(starts),
            outputs=observed[: ends[0]],
            start_outputs=observed[ends[0] : ends[1]],
            noise=observed[ends[1] :],
            inputs=model.inputs,
            later=tuple(dict.fromkeys([*later, *formulas.left_out])),
        )


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


def _times_of_readings(problem: Problem, number: int) -> dict[tuple[Readout, int], list[float]]:
    """When each observable is measured in a simulation, with the map that holds for it; at all times if there
    are no data."""
    resolution, table = problem.resolution, problem.spec.measurements
    readouts = {r.name: r for r in resolution.readouts}
    times: dict[tuple[Readout, int], list[float]] = {}
    for row, simulation in enumerate(resolution.row_simulation):
        if simulation == number:
            key = readouts[table.observable[row]], resolution.row_map[row]
            times.setdefault(key, []).append(table.time[row])
    for (simulation, name), map_number in resolution.observable_map.items():
        if simulation == number:
            times[readouts[name], map_number] = [math.inf]
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
        self.values |= {state: evaluate(formula, nominal) for state, formula in start.items()}

    def beginning(self, formula: sympy.Expr, meaning: Mapping[str, Any]) -> Any:
        expression = replaced(substituted(formula, self.model), meaning)
        while branching := [part for part in bottom_up(expression) if isinstance(part, _BRANCHES)]:
            expression = expression.xreplace({branching[0]: self._branch(branching[0])})
        return expression

    def _branch(self, part: Any) -> Any:
        if names_in(part) & set(self.model.inputs):
            raise CannotDecideError("a branch that depends on a measured input is not covered")
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


def _starts_and_courses(made: list[Experiment], states: Iterable[str]) -> list[Quantity]:
    """Starts and courses of the states in each experiment; a start that all have in common is named once."""
    quantities = []
    begun = [(i, e) for i, e in enumerate(made) if e.follows is None]
    for state in states:
        starts = [e.start[e.states.index(state)] for _, e in begun]
        common = len(set(starts)) == 1
        for (i, experiment), start in zip(begun, starts, strict=True):
            label = "" if common else f"[{experiment.name}]"
            if label or i == begun[0][0]:
                quantities.append(Quantity(f"{state}(0){label}", "initial", start, i))
        for i, experiment in begun:
            label = f"[{experiment.name}]" if len(begun) > 1 else ""
            quantities.append(Quantity(f"{state}(t){label}", "state", sympy.Symbol(state), i))
    return quantities


def _assumptions(problem: Problem, made: list[Experiment]) -> tuple[str, ...]:
    n = sum(e.follows is None for e in made)
    what = "experiment" if n == 1 else f"{n} experiments"
    sentences = [
        f"The data are those of the problem's own {what}, measured without error and at all times.",
        "Fixed parameters, doses and starts are the numbers or formulas that the problem gives.",
    ]
    if problem.model.inputs:
        sentences.append(f"The input {', '.join(problem.model.inputs)} is known and as rich as need be.")
    if later := list(dict.fromkeys(reason for e in made for reason in e.later)):
        sentences.append(f"Not seen by the analysis: {'; '.join(later)}.")
    return tuple(sentences)

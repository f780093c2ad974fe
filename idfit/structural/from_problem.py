"""The question about a problem: what do its own experiments determine, with the starts and doses they have?

Fixed parameters are the numbers that they are, each simulation is an experiment, and an observable counts in
those experiments only in which it was measured. Ideal data are assumed: measured without error at all times.
An analysis by power series sees an experiment up to its first dose, event or switch; what it determines is
determined, and what it does not is undecided where more follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import sympy

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
    simulations = problem.resolution.simulations
    tried = [_experiment(problem, i, s, nominal) for i, s in enumerate(simulations) if not s.steady]
    made = [experiment for experiment in tried if experiment is not None]
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


def _experiment(
    problem: Problem, number: int, simulation: Simulation, nominal: Mapping[str, float]
) -> Experiment | None:
    """The beginning of a simulation; None if nothing is measured in it."""
    resolution, model = problem.resolution, problem.resolution.model
    times = _times_of_readings(problem, number)
    if not times:
        return None
    until = max(t for measured in times.values() for t in measured)
    at_once = [c for c in simulation.changes if same_time(c.time, simulation.t0)]
    later = [f"a dose or change at {c.time:g}" for c in simulation.changes if simulation.t0 < c.time < until]
    later += ["the model's events"] if model.events else []
    if simulation.start is not None:
        later.append("a start from a steady state")
    maps = [simulation.map, *(c.map for c in at_once if c.map is not None)]
    meaning = _meaning(resolution, maps[-1])
    start = _start(resolution, at_once, _meaning(resolution, simulation.map), meaning)
    formulas = _Formulas(resolution, simulation.t0, dict(zip(model.states, start, strict=True)), nominal)
    odes = [formulas.beginning(f, meaning) for f in model.odes]
    outputs, at_start, noise = [], [], []
    for (readout, map_number), measured in times.items():
        own, label = _meaning(resolution, map_number), readout.name
        formula = formulas.beginning(readout.formula, own)
        (at_start if all(t <= simulation.t0 for t in measured) else outputs).append((label, formula))
        if readout.noise is not None:
            noise.append((label, formulas.beginning(replaced(readout.noise, {label: formula}), own)))
    later += formulas.left_out
    observed = (*outputs, *at_start, *noise)
    states, odes, starts, observed = with_clock(
        list(model.states), odes, start, observed, _exact(simulation.t0)
    )
    ends = len(outputs), len(outputs) + len(at_start)
    return Experiment(
        name=simulation.label,
        states=tuple(states),
        odes=tuple(odes),
        start=tuple(starts),
        outputs=observed[: ends[0]],
        start_outputs=observed[ends[0] : ends[1]],
        noise=observed[ends[1] :],
        inputs=model.inputs,
        later=tuple(dict.fromkeys(later)),
    )


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


def _meaning(resolution: Resolution, number: int) -> dict[str, Any]:
    """What the formal parameters stand for in a map."""
    entries = zip(resolution.formal, resolution.maps[number], strict=True)
    return {name: resolution.outer[outer] for name, outer in entries}


def _start(
    resolution: Resolution, at_once: list[Change], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[Any]:
    """Starts as formulas of estimated parameters, after what happens at the start itself."""
    model = resolution.model
    starts = without_assignments(model, dict(zip(model.states, model.initial, strict=True)))
    value = {state: replaced(formula, before) for state, formula in starts.items()}
    for change in at_once:
        held = dict(value)
        for dose in change.doses:
            if isinstance(dose.amount, int):
                amount = resolution.outer[dose.amount]
            else:
                amount = replaced(replaced(substituted(dose.amount, model), held), after)
            value[dose.state] = amount if dose.sets else value[dose.state] + amount
    return list(value.values())


def _exact(number: float) -> sympy.Expr:
    return parse(repr(float(number)))


class _Formulas:
    """Formulas as they are at the beginning: of several branches, the one in which it lies.

    start : of the states, formulas of estimated parameters; left_out collects what the beginning does not
    show.
    """

    def __init__(
        self, resolution: Resolution, t0: float, start: Mapping[str, Any], nominal: Mapping[str, float]
    ):
        self.model = resolution.model
        self.left_out: list[str] = []
        soon = t0 + 1e-9 * max(1.0, abs(t0))
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
        if any(names_in(c) for c in conditions):
            self.left_out.append("branches of the equations other than that of the beginning")


def _starts_and_courses(made: list[Experiment], states: Iterable[str]) -> list[Quantity]:
    """Starts and courses of the states in each experiment; a start that all have in common is named once."""
    quantities = []
    for state in states:
        starts = [e.start[e.states.index(state)] for e in made]
        common = len(set(starts)) == 1
        for i, (experiment, start) in enumerate(zip(made, starts, strict=True)):
            label = "" if common or len(made) == 1 else f"[{experiment.name}]"
            if i == 0 or label:
                quantities.append(Quantity(f"{state}(0){label}", "initial", start, i))
        for i, experiment in enumerate(made):
            label = f"[{experiment.name}]" if len(made) > 1 else ""
            quantities.append(Quantity(f"{state}(t){label}", "state", sympy.Symbol(state), i))
    return quantities


def _assumptions(problem: Problem, made: list[Experiment]) -> tuple[str, ...]:
    what = "experiment" if len(made) == 1 else f"{len(made)} experiments"
    sentences = [
        f"The data are those of the problem's own {what}, measured without error and at all times.",
        "Fixed parameters, doses and starts are the numbers or formulas that the problem gives.",
    ]
    if problem.model.inputs:
        sentences.append(f"The input {', '.join(problem.model.inputs)} is known and as rich as need be.")
    if later := list(dict.fromkeys(reason for e in made for reason in e.later)):
        sentences.append(f"Seen is the beginning of the experiments only; left out: {'; '.join(later)}.")
    return tuple(sentences)

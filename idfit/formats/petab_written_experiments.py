"""Experiments as tables of PEtab: conditions and experiments of version 2, conditions of version 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, to_text
from idfit.formats.ids import Ids
from idfit.formats.mathml import number_text
from idfit.formats.petab_courses import Changes, Course, courses
from idfit.formats.petab_naming import Ready, number_of
from idfit.formats.sbml_writing import time_name
from idfit.spec.check_names import declared
from idfit.spec.findings import Findings, clipped, listed
from idfit.spec.schema import EventSpec, ProblemSpec

Rows = list[dict[str, str]]

_USE_2 = "write PEtab 2 (--to petab)"


@dataclass
class Experiments:
    """The tables, the cells that name the experiment of each simulation, and the equations with what the
    tables of the version cannot say."""

    equations: ProblemSpec
    conditions: Rows = field(default_factory=list)
    experiments: Rows = field(default_factory=list)
    named: dict[int, dict[str, str]] = field(default_factory=dict)


def experiments_2(ready: Ready, findings: Findings) -> Experiments:
    """Experiments are sequences of periods; what changes at the beginning of one is a condition."""
    found = Experiments(ready.equations())
    every = courses(ready, explicit=True)
    steady: dict[int, str] = {}
    for course in every:
        if course.number in {c.steady for c in every}:
            steady[course.number] = _condition(course.start, f"{course.label}_steady", ready, found, findings)
    for course in every:
        if ready.resolution.simulations[course.number].steady:
            continue
        if not (ready.spec.conditions or course.start or course.later):
            found.named[course.number] = {"experimentId": ""}  # the model as it is
            continue
        name = ready.ids.new(course.label)
        found.named[course.number] = {"experimentId": name}
        periods = [(-math.inf, steady[course.steady])] if course.steady is not None else []
        periods.append((course.t0, _condition(course.start, f"{name}_start", ready, found, findings)))
        for n, (time, changes) in enumerate(course.later, start=1):
            periods.append((time, _condition(changes, f"{name}_dose{n}", ready, found, findings)))
        found.experiments += [
            {"experimentId": name, "time": _time(time), "conditionId": condition}
            for time, condition in periods
        ]
    return found


def _condition(changes: Changes, wanted: str, ready: Ready, found: Experiments, findings: Findings) -> str:
    """The id of a condition with these changes; empty if there are none."""
    if not changes:
        return ""
    name = ready.ids.new(wanted)
    for target, value in changes.items():
        try:
            text = ready.text(value)
        except InputError as error:
            for f in error.findings:
                findings.in_row("", 0, f"{clipped(wanted)}, {target}: {f.given}", f.rule, f.remedy, "E11")
            continue
        found.conditions.append({"conditionId": name, "targetId": target, "targetValue": text})
    return name


def experiments_1(ready: Ready, findings: Findings) -> Experiments:
    """A condition is a row, with a column for everything that any condition sets.

    Doses are not in the tables: those that all experiments have in common become part of the model.
    """
    every = courses(ready, explicit=False)
    _refuse_other_starts(every, findings)
    found = Experiments(_with_later_doses(ready.equations(), ready, every, findings))
    common = _common_first_doses(every)
    found.equations = _with_starts(found.equations, common, ready)
    targets = list(dict.fromkeys(t for course in every for t in course.start if t not in common))
    rows: dict[object, str] = {}
    for course in every:
        simulation = ready.resolution.simulations[course.number]
        key = simulation.condition, simulation.copies
        if key not in rows:  # or its steady state is that of an experiment
            rows[key] = ready.ids.new(course.label)
            cells = {target: _cell(course, target, ready, findings) for target in targets}
            found.conditions.append({"conditionId": rows[key], **cells})
        found.named[course.number] = {"simulationConditionId": rows[key]}
    for course in every:
        if course.steady is not None:
            before = found.named[course.steady]["simulationConditionId"]
            found.named[course.number]["preequilibrationConditionId"] = before
    return found


def _refuse_other_starts(every: list[Course], findings: Findings) -> None:
    for course in every:
        if course.t0 != 0:
            rule = f"begins at {course.t0:g}, and experiments of PEtab 1 begin at 0"
            findings.in_row("", 0, f"condition {clipped(course.label)}", rule, _USE_2, "N14")
        if course.dosed and course.steady is not None:
            rule = f"changes {listed(course.dosed)} after a steady state, which PEtab 1 cannot say"
            findings.in_row("", 0, f"condition {clipped(course.label)}", rule, _USE_2, "N14")


def _common_first_doses(every: list[Course]) -> Changes:
    """What doses at the beginning make of states, where that is a formula and in all experiments the same."""
    first, *others = every
    return {
        state: first.start[state]
        for state in first.dosed
        if not _fits_a_cell(first.start[state])
        and all(state in c.dosed and c.start[state] == first.start[state] for c in others)
    }


def _with_starts(equations: ProblemSpec, starts: Changes, ready: Ready) -> ProblemSpec:
    states = {
        name: state.model_copy(update={"init": to_text(starts[name])}) if name in starts else state
        for name, state in equations.states.items()
    }
    return with_parameters_of(equations.model_copy(update={"states": states}), starts.values(), ready)


def _with_later_doses(
    equations: ProblemSpec, ready: Ready, every: list[Course], findings: Findings
) -> ProblemSpec:
    """Changes that all experiments have in common, as events."""
    later = every[0].later
    differing = [c for c in every if c.later != later or (c.later and c.steady is not None)]
    if differing:
        given = f"doses of condition {clipped(differing[0].label)}"
        rule = "are not those of all conditions, and PEtab 1 has no doses but events of the model"
        findings.in_row("", 0, given, rule, _USE_2, "N14")
        return equations
    if later and equations.events:
        rule = "could happen together with events of the model, and PEtab 1 does not say which comes first"
        findings.in_row("", 0, f"doses of condition {clipped(every[0].label)}", rule, _USE_2, "N14")
        return equations
    time, labels = time_name(ready.tied), Ids(equations.events)
    events = {
        labels.new(f"dose_{n}"): EventSpec(
            when=f"{time} >= {at!r}", set={target: to_text(value) for target, value in changes.items()}
        )
        for n, (at, changes) in enumerate(later, start=1)
    }
    equations = equations.model_copy(update={"events": equations.events | events})
    values = [value for _, changes in later for value in changes.values()]
    return with_parameters_of(equations, values, ready)


def with_parameters_of(equations: ProblemSpec, values: Iterable[sympy.Expr], ready: Ready) -> ProblemSpec:
    """The equations with all parameters in the values among theirs."""
    used = {name for value in values for name in names_in(value)} - declared(equations).keys()
    own = {ready.parameter[name]: p for name, p in ready.resolution.estimated.items()}
    new = {name: own[name] for name in own if name in used}
    return equations.model_copy(update={"parameters": equations.parameters | new})


def _cell(course: Course, target: str, ready: Ready, findings: Findings) -> str:
    """A number, the id of a parameter, or NaN for the value of the model."""
    value = course.start.get(target)
    if value is None:
        return "NaN"
    if not _fits_a_cell(value):
        given = f"condition {clipped(course.label)}: {target} = {clipped(to_text(value))}"
        rule = "is a formula, and PEtab 1 has numbers and parameters only in its condition table"
        findings.in_row("", 0, given, rule, _USE_2, "D21")
    return ready.text(value)


def _fits_a_cell(value: sympy.Expr) -> bool:
    return isinstance(value, sympy.Symbol) or number_of(value) is not None


def _time(time: float) -> str:
    return "-inf" if time == -math.inf else number_text(time)

"""Conditions (settings, doses) and inputs."""

from __future__ import annotations

import sympy

from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import TIME_NAMES, declared
from idfit.spec.findings import Findings, clipped, did_you_mean, dotted
from idfit.spec.schema import ConditionSpec, InputSpec, ProblemSpec
from idfit.spec.toml_positions import Path

MOST_DOSES = 100_000
CLOSE = 1e-9


def check_conditions(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    kinds = declared(spec)
    for name, condition in spec.conditions.items():
        path: Path = ("conditions", name)
        for key in condition.set:
            _check_setting((*path, "set", key), key, kinds, spec, formulas, findings)
        _check_doses(path, condition, kinds, spec, formulas, findings)
        _check_steady_start(path, condition, spec, formulas, findings)


def changes_by_itself(spec: ProblemSpec, formulas: Formulas, *, events: bool = False) -> str:
    """What in the equations moves with the time itself, so that there is no steady state; "" if nothing does.

    Comparisons with the time are harmless: before all experiments, and in the end, they do not change any
    more. That is not so for those of events, if these matter.
    """
    time = {sympy.Symbol(name) for name in TIME_NAMES - declared(spec).keys()}
    for name, given in spec.inputs.items():
        if given.series:
            return f"input {name}"
    for path, expression in formulas.expressions.items():
        if path[0] not in ("odes", "reactions", "assignments", "inputs", "events"):
            continue
        if time & expression.free_symbols and (
            (events and path[0] == "events") or time & _without_comparisons(expression).free_symbols
        ):
            return dotted(path)
    return ""


def _without_comparisons(expression: sympy.Expr) -> sympy.Basic:
    stand_in = sympy.Symbol("a comparison") > 0
    return expression.xreplace(dict.fromkeys(expression.atoms(sympy.core.relational.Relational), stand_in))


def _check_steady_start(
    path: Path, condition: ConditionSpec, spec: ProblemSpec, formulas: Formulas, findings: Findings
) -> None:
    """Starting from the steady state of another condition."""
    before = spec.conditions.get(condition.preequilibrate or "")
    place = (*path, "preequilibrate")
    if condition.preequilibrate is None:
        if condition.reinit:
            rule = "every state starts from its initial value where there is no pre-equilibration"
            findings.error((*path, "reinit"), dotted((*path, "reinit")), rule, "delete it", "N14")
        return
    given = f"{dotted(place)} = '{clipped(condition.preequilibrate)}'"
    if before is None or condition.preequilibrate == path[1]:
        others = [name for name in spec.conditions if name != path[1]]
        rule = "is not another condition"
        findings.error(
            place, given, rule, did_you_mean(condition.preequilibrate, others, "declare it"), "N14"
        )
        return
    if before.dose or before.preequilibrate is not None:
        rule = "has doses" if before.dose else "is pre-equilibrated itself"
        rule += ", and a steady state is that of one experiment left alone"
        findings.error(place, given, rule, "make a condition without", "N14")
    if timed := changes_by_itself(spec, formulas):
        rule = f"there is no steady state, as {timed} depends on the time"
        findings.error(place, given, rule, "describe the start by initial values", "N14")
    for state in condition.reinit:
        if state not in spec.states:
            remedy = did_you_mean(state, spec.states, "")
            rule = f"'{clipped(state)}' is not a state"
            findings.error((*path, "reinit"), dotted((*path, "reinit")), rule, remedy, "N14")
    _check_no_effect(path, condition, before, spec, formulas, findings)


def _check_no_effect(
    path: Path,
    condition: ConditionSpec,
    before: ConditionSpec,
    spec: ProblemSpec,
    formulas: Formulas,
    findings: Findings,
) -> None:
    """A setting that acts through initial values only is lost where the steady state replaces these."""
    starts = {name: formulas.names.get(("states", name, "init"), frozenset()) for name in spec.states}
    elsewhere = {
        name
        for place, names in formulas.names.items()
        if place[0] not in ("states", "conditions")
        for name in names
    }
    for name, value in condition.set.items():
        place = (*path, "set", name)
        reached = {state for state, names in starts.items() if name in names} | ({name} & spec.states.keys())
        lost = reached - set(condition.reinit)
        acts = name in elsewhere and name not in spec.states
        if reached and reached == lost and not acts and before.set.get(name) != value:
            rule = (
                f"acts through the start of {', '.join(sorted(lost))} only, which the steady state replaces"
            )
            remedy = f"add reinit = [{', '.join(repr(s) for s in sorted(lost))}]"
            findings.error(place, dotted(place), rule, remedy, "N14")


def _check_setting(
    path: Path, key: str, kinds: dict[str, str], spec: ProblemSpec, formulas: Formulas, findings: Findings
) -> None:
    kind = kinds.get(key)
    if kind in ("parameters", "constants", "states"):
        return
    if kind == "inputs":
        given = spec.inputs[key]
        if not given.series and not _depends_on_time(key, formulas, kinds):
            return
        rule = f"'{key}' is an input that changes in time; only a constant one can be set"
        findings.error(path, dotted(path), rule, "give its samples per condition instead", "D21")
    elif kind is not None:
        rule = f"'{key}' is one of the {kind}, which have formulas of their own"
        remedy = "set a parameter, constant, constant input or initial value of a state"
        findings.error(path, dotted(path), rule, remedy, "D21")
    else:
        can_be_set = [n for n, k in kinds.items() if k in ("parameters", "constants", "states", "inputs")]
        rule = f"'{clipped(key)}' is not a parameter, constant, input or state"
        findings.error(path, dotted(path), rule, did_you_mean(key, can_be_set, "declare it"), "D21")


def _depends_on_time(name: str, formulas: Formulas, kinds: dict[str, str]) -> bool:
    used = formulas.names.get(("inputs", name, "formula"), frozenset())
    return any(n in TIME_NAMES and n not in kinds for n in used)


def _check_doses(
    path: Path,
    condition: ConditionSpec,
    kinds: dict[str, str],
    spec: ProblemSpec,
    formulas: Formulas,
    findings: Findings,
) -> None:
    number = 0
    for n, dose in enumerate(condition.dose):
        dose_path = (*path, "dose", n)
        times = dose.time if isinstance(dose.time, tuple) else (dose.time,)
        number += len(times)
        early = [time for time in times if time < condition.t0]
        if early:
            rule = f"time = {early[0]:g} is before the condition starts (t0 = {condition.t0:g})"
            findings.error((*dose_path, "time"), dotted(dose_path), rule, "correct it, or set t0", "D27")
        if not dose.add and not dose.set:
            rule = "neither adds nor sets anything"
            findings.error(dose_path, dotted(dose_path), rule, "write add = { A = 1 }", "M29")
        for state in dose.add:
            if state not in spec.states:
                remedy = did_you_mean(state, spec.states, "something is added to states")
                where = (*dose_path, "add", state)
                findings.error(where, dotted(where), f"'{clipped(state)}' is not a state", remedy, "D21")
        for key in dose.set:
            where = (*dose_path, "set", key)
            _check_setting(where, key, kinds, spec, formulas, findings)
            moving = formulas.names.get(where, frozenset()) & (spec.states.keys() | formulas.dynamic)
            if moving and key not in spec.states:
                names = ", ".join(sorted(moving))
                rule = f"'{clipped(key)}' is not a state, and its new value depends on {names}"
                remedy = f'make it a state without derivative: {key} = {{ init = "{key}0" }}'
                findings.error(where, dotted(where), rule, remedy, "D21")
    if number > MOST_DOSES:
        findings.error(
            path, f"{number:,} doses", f"at most {MOST_DOSES:,} are possible", "use an input", "M23"
        )


def check_inputs(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    for name, given in spec.inputs.items():
        path: Path = ("inputs", name)
        if (given.formula is None) == (not given.series):
            rule = (
                "has neither a formula nor samples" if given.formula is None else "has a formula and samples"
            )
            remedy = 'write u = "sin(t)", or u = { file = "u.csv", column = "u" }, or times and values'
            findings.error(path, dotted(path), rule, remedy, "M29")
        for condition, series in given.series.items():
            place = dotted(path) + (f" in condition '{clipped(condition)}'" if condition else "")
            rule = _series_problem(given, series.times, series.values)
            if rule:
                findings.error(path, place, rule, "correct the samples", "D26")
            if condition and condition not in spec.conditions:
                remedy = did_you_mean(condition, spec.conditions, "declare it under [conditions]")
                rule = f"'{clipped(condition)}' is not a condition of the model"
                findings.error(path, place, rule, remedy, "D21")
        _check_coverage(path, given, spec, findings)
        lacking = [c for c in spec.conditions if c not in given.series]
        if given.series and "" not in given.series and (lacking or not spec.conditions):
            rule = (
                f"has no samples for condition '{lacking[0]}'"
                if lacking
                else "has samples for conditions only"
            )
            findings.error(path, dotted(path), rule, "add them", "D22")


def _check_coverage(path: Path, given: InputSpec, spec: ProblemSpec, findings: Findings) -> None:
    """Interpolated samples must reach from the start of a condition to its last measurement; steps go on."""
    table = spec.measurements
    ends = dict.fromkeys(table.condition, 0.0)
    for condition, time in zip(table.condition, table.time, strict=True):
        ends[condition] = max(ends[condition], time)
    for condition, end in ends.items():
        series = given.series.get(condition, given.series.get(""))
        start = spec.conditions[condition].t0 if condition in spec.conditions else 0.0
        slack = CLOSE * max(abs(start), abs(end))
        if series is None or not series.times or given.interpolation == "step":
            continue
        if series.times[0] > start + slack or series.times[-1] < end - slack:
            rule = f"has samples from {series.times[0]:g} to {series.times[-1]:g}"
            rule += f", and condition '{clipped(condition)}' needs them from {start:g} to {end:g}"
            findings.error(path, dotted(path), rule, "add samples, or leave out later measurements", "D27")
            return


def _series_problem(given: InputSpec, times: tuple[float, ...], values: tuple[float, ...]) -> str:
    if len(times) != len(values):
        return f"{len(times)} times and {len(values)} values do not go together"
    least = {"linear": 2, "step": 1, "cubic": 4}[given.interpolation]
    if len(times) < least:
        return (
            f"{given.interpolation} interpolation needs at least {least} samples, and there are {len(times)}"
        )
    back = next((n for n in range(1, len(times)) if times[n] <= times[n - 1]), None)
    if back is not None:
        return f"times must increase, and {times[back]:g} follows {times[back - 1]:g}"
    return ""

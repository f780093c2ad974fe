"""Conditions (settings, doses) and inputs."""

from __future__ import annotations

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
        _check_doses(path, condition, spec, findings)
        for key in ("preequilibrate", "reinit"):
            if getattr(condition, key):
                given = dotted((*path, key))
                rule = f"{key} is not available yet"
                remedy = "give the steady state as initial values for now"
                findings.error((*path, key), given, rule, remedy, "N14")


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


def _check_doses(path: Path, condition: ConditionSpec, spec: ProblemSpec, findings: Findings) -> None:
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
        for part in ("add", "set"):
            for state in getattr(dose, part):
                if state not in spec.states:
                    remedy = did_you_mean(state, spec.states, "doses change states")
                    where = (*dose_path, part, state)
                    findings.error(where, dotted(where), f"'{clipped(state)}' is not a state", remedy, "D21")
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

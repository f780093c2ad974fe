"""Units: where they are given, both sides of every equation should agree. Only warnings come of it."""

from __future__ import annotations

from collections.abc import Iterator

from idfit.expressions import ExpressionError, parse_unit, unit_problems
from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import TIME_NAMES, declared
from idfit.spec.findings import Findings, clipped, dotted
from idfit.spec.reaction_equations import parse_equation
from idfit.spec.schema import ProblemSpec
from idfit.spec.toml_positions import Path

_WITH_UNITS = ("states", "parameters", "inputs", "observables")


def check_units(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    units = _units_of_names(spec)
    if not any(units.values()):
        return
    _check_texts(spec, findings)
    for path, wanted in _wanted(spec, units):
        expression = formulas.expressions.get(path)
        if expression is None or not formulas.names[path]:  # a bare number is taken to be in the right unit
            continue
        for problem in unit_problems(expression, units, wanted or ""):
            findings.warning(path, dotted(path), f"units: {problem}", "correct the formula or a unit", "M21")


def _units_of_names(spec: ProblemSpec) -> dict[str, str | None]:
    units = {name: entry.unit for section in _WITH_UNITS for name, entry in getattr(spec, section).items()}
    names = declared(spec)
    return units | {name: spec.time for name in TIME_NAMES if name not in names}


def _check_texts(spec: ProblemSpec, findings: Findings) -> None:
    texts: dict[Path, str | None] = {("time",): spec.time}
    for section in _WITH_UNITS:
        texts |= {(section, name, "unit"): entry.unit for name, entry in getattr(spec, section).items()}
    for path, text in texts.items():
        try:
            if text is not None:
                parse_unit(text)
        except ExpressionError as error:
            given = f"{dotted(path)} = '{clipped(text or '')}'"
            findings.warning(path, given, f"not checked, as {error.rule}", error.remedy, "M21")


def _wanted(spec: ProblemSpec, units: dict[str, str | None]) -> Iterator[tuple[Path, str | None]]:
    """Every formula with the unit it should have, None where only its inside can be checked."""
    per_time = f"/({spec.time})" if spec.time else None
    for name in spec.states:
        yield ("states", name, "init"), units[name]
    for name in spec.odes:
        unit = units.get(name)
        yield ("odes", name), f"({unit}){per_time}" if unit and per_time else None
    for name, reaction in spec.reactions.items():
        unit = _unit_of_rate(reaction.eq, spec)
        yield ("reactions", name, "rate"), f"({unit}){per_time}" if unit and per_time else None
    for name in spec.parameters:
        yield ("parameters", name, "tie"), units[name]
    for name in spec.assignments:
        yield ("assignments", name), None
    for name in spec.inputs:
        yield ("inputs", name, "formula"), units[name]
    for name, observable in spec.observables.items():
        yield ("observables", name, "formula"), units[name]
        logarithmic = observable.transform != "lin" or observable.distribution.startswith("log-")
        yield ("observables", name, "noise"), "dimensionless" if logarithmic else units[name]
    for name, condition in spec.conditions.items():
        for key in condition.set:
            yield ("conditions", name, "set", key), units.get(key)
        for n, dose in enumerate(condition.dose):
            for part in ("add", "set"):
                for key in getattr(dose, part):
                    yield ("conditions", name, "dose", n, part, key), units.get(key)


def _unit_of_rate(equation: str, spec: ProblemSpec) -> str | None:
    """The common unit of the states of a reaction; None if they have several, or volumes."""
    try:
        states = [spec.states[name] for name in parse_equation(equation).net]
    except (ExpressionError, KeyError):
        return None
    units = {state.unit for state in states}
    return units.pop() if len(units) == 1 and all(state.volume is None for state in states) else None

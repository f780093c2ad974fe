"""Formulas: they parse, use names that are declared and available where they stand, and have no circles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import sympy

from idfit.expressions import ExpressionError, names_in, parse
from idfit.spec.check_names import NAME_SECTIONS, TIME_NAMES, declared
from idfit.spec.findings import Findings, clipped, did_you_mean, dotted
from idfit.spec.schema import Formula, NoiseColumn, ProblemSpec
from idfit.spec.toml_positions import Path

MOST_CIRCLES = 20


@dataclass(frozen=True)
class Formulas:
    """The formulas that parse, by path; assignments in `dynamic` depend on states, inputs or time."""

    texts: dict[Path, Formula]
    expressions: dict[Path, sympy.Expr]
    names: dict[Path, frozenset[str]]
    dynamic: frozenset[str]

    def used(self) -> set[str]:
        return set().union(*self.names.values())


@dataclass(frozen=True)
class Role:
    """What stands at a path, and the kinds of names it may use."""

    what: str
    sections: tuple[str, ...]
    time: bool = True
    dynamic: bool = True


_EVERYTHING = ("states", "parameters", "constants", "assignments", "inputs")
_STATIC = ("parameters", "constants", "assignments")
_ROLES = {
    "states": Role("an initial value", ("states", *_STATIC)),
    "odes": Role("a derivative", _EVERYTHING),
    "reactions": Role("a rate", _EVERYTHING),
    "assignments": Role("an assignment", _EVERYTHING),
    "inputs": Role("an input", _STATIC, dynamic=False),
    "parameters": Role("a tie", ("parameters", "constants"), time=False, dynamic=False),
    "observables": Role("an observable or its noise", (*NAME_SECTIONS, "columns")),
    "events": Role("an event", _EVERYTHING),
    "conditions": Role("a setting", _STATIC, time=False, dynamic=False),
}
_VOLUME = Role("a volume", _STATIC, time=False, dynamic=False)
_DOSE = Role("a dose", ("states", *_STATIC))
_NOT_FINITE = (sympy.oo, -sympy.oo, sympy.zoo, sympy.nan)


def formula_texts(spec: ProblemSpec) -> Iterator[tuple[Path, Formula]]:
    """Every formula of a problem with its path."""
    for name, state in spec.states.items():
        yield ("states", name, "init"), state.init
        if state.volume is not None:
            yield ("states", name, "volume"), state.volume
    for name, formula in spec.odes.items():
        yield ("odes", name), formula
    for name, reaction in spec.reactions.items():
        yield ("reactions", name, "rate"), reaction.rate
    for name, parameter in spec.parameters.items():
        if parameter.tie is not None:
            yield ("parameters", name, "tie"), parameter.tie
    for name, formula in spec.assignments.items():
        yield ("assignments", name), formula
    for name, given in spec.inputs.items():
        if given.formula is not None:
            yield ("inputs", name, "formula"), given.formula
    for name, observable in spec.observables.items():
        yield ("observables", name, "formula"), observable.formula
        if not isinstance(observable.noise, NoiseColumn):
            yield ("observables", name, "noise"), observable.noise
    for name, event in spec.events.items():
        yield ("events", name, "when"), event.when
        yield ("events", name, "delay"), event.delay
        if event.priority is not None:
            yield ("events", name, "priority"), event.priority
        for key, formula in event.set.items():
            yield ("events", name, "set", key), formula
    for name, condition in spec.conditions.items():
        for key, formula in condition.set.items():
            yield ("conditions", name, "set", key), formula
        for n, dose in enumerate(condition.dose):
            for part in ("add", "set"):
                for key, formula in getattr(dose, part).items():
                    yield ("conditions", name, "dose", n, part, key), formula


def parsed(spec: ProblemSpec, findings: Findings) -> Formulas:
    """Parse every formula once; those that do not parse are reported and left out."""
    texts = dict(formula_texts(spec))
    expressions: dict[Path, sympy.Expr] = {}
    for path, formula in texts.items():
        try:
            expressions[path] = parse(formula)
        except ExpressionError as error:
            text = formula if isinstance(formula, str) else ""
            given = f"{dotted(path)}: {error.given}"
            findings.at_text(path, text, max(error.column, 1), given, error.rule, error.remedy, error.code)
            continue
        if expressions[path] in _NOT_FINITE:
            remedy = "write a finite formula"
            findings.error(path, f"{dotted(path)} = {clipped(str(formula))}", "is not finite", remedy, "M28")
    names = {path: names_in(expression) for path, expression in expressions.items()}
    return Formulas(texts, expressions, names, _dynamic_assignments(spec, names))


def _dynamic_assignments(spec: ProblemSpec, names: dict[Path, frozenset[str]]) -> frozenset[str]:
    """Assignments that reach a state, an input or time, through other assignments or at once."""
    kinds = declared(spec)
    users: dict[str, list[str]] = {}
    dynamic: list[str] = []
    for assignment in spec.assignments:
        for name in names.get(("assignments", assignment), ()):
            kind = kinds.get(name)
            if kind == "assignments":
                users.setdefault(name, []).append(assignment)
            elif kind in ("states", "inputs") or (kind is None and name in TIME_NAMES):
                dynamic.append(assignment)
    found: set[str] = set()
    while dynamic:
        if (name := dynamic.pop()) not in found:
            found.add(name)
            dynamic.extend(users.get(name, ()))
    return frozenset(found)


def check_references(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    kinds = declared(spec)
    for path, names in formulas.names.items():
        for name in sorted(names):
            if (name not in kinds and name not in TIME_NAMES) and findings.count_if_full("E12"):
                continue
            if problem := _problem(path, name, kinds, formulas.dynamic):
                text = formulas.texts[path]
                findings.at_text(path, str(text), _column(name, text), dotted(path), *problem)


def _problem(
    path: Path, name: str, kinds: dict[str, str], dynamic: frozenset[str]
) -> tuple[str, str, str] | None:
    """Why the formula at `path` may not use `name`: rule, remedy, code."""
    role = _role(path)
    kind = kinds.get(name)
    if kind is None:
        if name not in TIME_NAMES:
            available = [n for n, k in kinds.items() if k in role.sections]
            remedy = did_you_mean(
                name, available, "declare it, for example under [parameters] or [constants]"
            )
            return f"'{clipped(name)}' is not declared", remedy, "E12"
        if not role.time:
            return f"{role.what} may not depend on the time", "use parameters and constants only", "E12"
        return None
    if kind not in role.sections:
        allowed = ", ".join(role.sections)
        return (
            f"{role.what} may use {allowed}, and '{name}' is one of the {kind}",
            "move it to [assignments]",
            "E12",
        )
    if kind == "assignments" and not role.dynamic and name in dynamic:
        return f"{role.what} may not use '{name}', which depends on states, inputs or time", "", "E12"
    if path[0] == "observables" and path[2] == "noise" and kind == "observables" and name != path[1]:
        return f"noise may use its own observable, and '{name}' is another", f"write '{path[1]}'", "E12"
    return None


def _role(path: Path) -> Role:
    if path[0] == "states" and path[2] == "volume":
        return _VOLUME
    return _DOSE if path[0] == "conditions" and path[2] == "dose" else _ROLES[str(path[0])]


def _column(name: str, text: Formula) -> int:
    match = re.search(rf"\b{re.escape(name)}\b", text) if isinstance(text, str) else None
    return match.start() + 1 if match else 1


def check_cycles(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    """Assignments, ties, observables and initial values may use their likes, but not in a circle."""
    groups = {
        "states": {name: ("states", name, "init") for name in spec.states},
        "assignments": {name: ("assignments", name) for name in spec.assignments},
        "parameters": {name: ("parameters", name, "tie") for name in spec.parameters},
        "observables": {name: ("observables", name, "formula") for name in spec.observables},
    }
    kinds = declared(spec)
    for section, paths in groups.items():
        own = frozenset(name for name in paths if kinds.get(name) == section)
        graph = {name: formulas.names.get(path, frozenset()) & own for name, path in paths.items()}
        for _ in range(MOST_CIRCLES):
            if not (cycle := _cycle(graph)):
                break
            shown = cycle if len(cycle) <= 12 else [*cycle[:6], f"({len(cycle) - 8} more)", *cycle[-2:]]
            names = " -> ".join(clipped(name) for name in shown)
            rule = "refers to itself" if len(cycle) == 2 else "refer to each other in a circle"
            code = "E20" if section == "observables" else "M17"
            findings.error(paths[cycle[0]], f"{section}: {names}", rule, "break the circle", code)
            graph[cycle[0]] = frozenset()


def _cycle(graph: dict[str, frozenset[str]]) -> list[str]:
    """One circle, each name using the next; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []

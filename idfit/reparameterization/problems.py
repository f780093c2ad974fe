"""A problem in new parameters: every formula of its file rewritten, its data as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy

from idfit.errors import InputError
from idfit.expressions import ExpressionError, names_in, parse, replaced, to_text
from idfit.problem import Problem
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.new_parameters import new_entries
from idfit.reparameterization.priors import priors_lost
from idfit.reparameterization.substitution import Substitution
from idfit.reparameterization.unknowns import base_name
from idfit.spec.schema import ConditionSpec, NoiseColumn, ObservableSpec, ParameterSpec, ProblemSpec

_LONGEST_DESCRIPTION = 9_000


def rewritten_problem(problem: Problem, maps: Reparameterization, *, priors: str = "carry") -> Problem:
    """The problem with the old parameters written as formulas of the new ones; see `reparameterize`.

    An old parameter that conditions, doses or the data go on naming stays, tied to its formula. Errors:
    `InputError` for priors that do not carry over, and for settings that would not mean the same any more.
    """
    if priors not in ("carry", "drop"):
        raise InputError.of(f"priors={priors!r}", "is 'carry' or 'drop'")
    spec = problem.spec
    if priors == "carry":
        _refuse_lost_priors(problem, maps)
    named = _set_somewhere(spec) | _named_in_data(spec)
    _refuse_settings(maps, _set_somewhere(spec))
    # a name that means other things elsewhere cannot stand for the held value
    numbers = {g.name: parse(g.value) for g in maps.gauge if g.name in named}
    back = {name: replaced(formula, numbers) for name, formula in maps.back.items()}
    staying = {name for name in back if name in named}
    put = Substitution({n: f for n, f in back.items() if n not in staying})
    entries, remarks = new_entries(problem, maps, priors == "carry")
    parameters, constants = _parameters(spec, maps, back, staying, put, entries)
    changed = spec.model_copy(update={
        **_equations(spec, put),
        "parameters": parameters,
        "constants": dict(spec.constants) | constants,
        "observables": {k: _observable(o, maps, put, back, staying) for k, o in spec.observables.items()},
        "conditions": {k: _condition(c, put) for k, c in spec.conditions.items()},
        "description": _description(spec, maps, remarks),
    })  # fmt: skip
    return Problem(_with_copies(changed, spec, maps))


def _set_somewhere(spec: ProblemSpec) -> set[str]:
    """Names that conditions and doses set."""
    conditions = spec.conditions.values()
    return {name for c in conditions for s in (c.set, *(d.set for d in c.dose)) for name in s}


def _named_in_data(spec: ProblemSpec) -> set[str]:
    """Names in cells of the data that stand for numbers of an observable."""
    columns = {column for o in spec.observables.values() for column in o.columns.values()}
    names: set[str] = set()
    for cell in {cell for column in columns for cell in spec.measurements.columns.get(column, ())}:
        try:
            names |= names_in(parse(cell))
        except ExpressionError:  # an empty cell, or one that the check of the data has reported
            continue
    return names


def _refuse_lost_priors(problem: Problem, maps: Reparameterization) -> None:
    declared = problem.spec.parameters
    for u in maps.unknowns:
        if u.name in maps.back and any(
            copy in declared and declared[copy].prior for copy in u.copies if u.tags
        ):
            raise InputError.of(
                f"priors of copies of {u.name}",
                "do not carry over to new parameters",
                "drop them: priors='drop'",
            )
    if lost := priors_lost(maps, declared):
        raise InputError.of(
            "; ".join(lost), "a prior carries over where it stays an independent one of a known form only",
            "drop these priors: priors='drop' (--drop-priors), or keep the parameters: keep=[...]",
        )  # fmt: skip


def _refuse_settings(maps: Reparameterization, settings: set[str]) -> None:
    """A formula of a parameter that conditions set would follow these settings, where the old did not."""
    held = {g.name for g in maps.gauge}
    for name, formula in maps.back.items():
        for used in sorted(names_in(formula) & settings - held):
            raise InputError.of(
                f"{name} = {to_text(formula)}", f"speaks of {used}, which some conditions set",
                "give new parameters of your own that do not (manual=...), or keep it (keep=...)",
            )  # fmt: skip


def _parameters(
    spec: ProblemSpec,
    maps: Reparameterization,
    back: Mapping[str, sympy.Expr],
    staying: set[str],
    put: Substitution,
    entries: Mapping[str, ParameterSpec],
) -> tuple[dict[str, ParameterSpec], dict[str, float]]:
    """Entries in the old order, a new one where the first that it replaces was; and new constants."""
    held = {g.name: g for g in maps.gauge}
    result: dict[str, ParameterSpec] = {}
    constants: dict[str, float] = {}
    for name, entry in spec.parameters.items():
        base = base_name(name)
        if base not in back:
            result[name] = entry if entry.tie is None else entry.model_copy(update={"tie": _tie(entry, put)})
            continue
        if name != base:  # of a copy
            continue
        if base in held:
            gauge = held[base]
            if base in staying or (gauge.in_formulas and entry.unit):
                result[base] = _fixed(gauge.value, entry)
            elif gauge.in_formulas:
                constants[base] = gauge.value
            continue
        if base in staying:
            tied = {"tie": str(_text(back[base])), "unit": entry.unit}
            result[base] = ParameterSpec.model_validate({k: v for k, v in tied.items() if v is not None})
        for new, formula in maps.forward.items():
            if base in names_in(formula) and new not in result:
                result |= {k: e for k, e in entries.items() if base_name(k) == new}
    return result | {k: e for k, e in entries.items() if k not in result}, constants


def _fixed(value: float, old: ParameterSpec) -> ParameterSpec:
    fields = {"value": value, "fixed": True, "unit": old.unit}
    return ParameterSpec.model_validate({k: v for k, v in fields.items() if v is not None})


def _tie(entry: ParameterSpec, put: Substitution) -> str:
    return str(put.text(entry.tie or ""))


def _text(formula: sympy.Expr) -> str | float:
    return float(formula) if formula.is_number else to_text(formula)


def _equations(spec: ProblemSpec, put: Substitution) -> dict[str, Any]:
    """States, odes, reactions, assignments, inputs and events with new formulas."""
    text = put.text
    return {
        "states": {
            k: s.model_copy(update={
                "init": text(s.init),
                "volume": None if s.volume is None else text(s.volume),
            })
            for k, s in spec.states.items()
        },
        "odes": {k: text(f) for k, f in spec.odes.items()},
        "reactions": {k: r.model_copy(update={"rate": text(r.rate)}) for k, r in spec.reactions.items()},
        "assignments": {k: text(f) for k, f in spec.assignments.items()},
        "inputs": {
            k: i.model_copy(update={"formula": None if i.formula is None else text(i.formula)})
            for k, i in spec.inputs.items()
        },
        "events": {
            k: e.model_copy(update={
                "when": text(e.when),
                "set": {s: text(f) for s, f in e.set.items()},
                "delay": text(e.delay),
                "priority": None if e.priority is None else text(e.priority),
            })
            for k, e in spec.events.items()
        },
    }  # fmt: skip


def _condition(condition: ConditionSpec, put: Substitution) -> ConditionSpec:
    doses = [
        dose.model_copy(update={
            "add": {s: put.text(f) for s, f in dose.add.items()},
            "set": {s: put.text(f) for s, f in dose.set.items()},
        })
        for dose in condition.dose
    ]  # fmt: skip
    settings = {k: put.text(f) for k, f in condition.set.items()}
    return condition.model_copy(update={"set": settings, "dose": tuple(doses)})


def _observable(
    observable: ObservableSpec,
    maps: Reparameterization,
    put: Substitution,
    back: Mapping[str, sympy.Expr],
    staying: set[str],
) -> ObservableSpec:
    per = {k: column for k, column in observable.per.items() if k not in back}
    for old, column in observable.per.items():
        if old in back:
            per |= {n: column for n in sorted(names_in(back[old])) if n in maps.copies}
    noise = observable.noise if isinstance(observable.noise, NoiseColumn) else put.text(observable.noise)
    return observable.model_copy(update={"formula": put.text(observable.formula), "noise": noise, "per": per})


def _with_copies(changed: ProblemSpec, old: ProblemSpec, maps: Reparameterization) -> ProblemSpec:
    """The spec with `per` of new parameters whose old ones had it themselves."""
    parameters = dict(changed.parameters)
    for name in maps.copies:
        columns = [
            old.parameters[n].per for n in sorted(names_in(maps.forward[name])) if old.parameters[n].per
        ]
        if columns:
            parameters[name] = parameters[name].model_copy(update={"per": columns[0]})
    return changed.model_copy(update={"parameters": parameters})


def _description(spec: ProblemSpec, maps: Reparameterization, remarks: list[str]) -> str:
    words = " ".join(("Reparameterized.", *maps.sentences(), *remarks))
    return f"{spec.description} {words}".strip()[:_LONGEST_DESCRIPTION]

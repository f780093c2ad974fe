"""A problem made ready to be written as PEtab: what experiments change, and what everything is called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from idfit.expressions import parse, to_text
from idfit.formats.equation_names import renamed
from idfit.formats.ids import Ids
from idfit.formats.petab_formulas import petab_formula
from idfit.formats.petab_tables import RESERVED
from idfit.formats.sbml_writing import definition_of, used_names, with_plain_inputs
from idfit.problem.resolution import Resolution, resolve
from idfit.spec.check_names import TIME_NAMES, declared
from idfit.spec.findings import Findings
from idfit.spec.schema import ConditionSpec, ProblemSpec, StateSpec


@dataclass(frozen=True)
class Ready:
    """A problem whose inputs are formulas, with ids for all of it.

    spec : with ties as assignments, which follow what experiments change; `tied` still has the ties.
    varying : parameters and constants of the equations that experiments change.
    entity : the id in the model of each name. parameter : the id in the parameter table of each estimated or
    fixed parameter; it differs where experiments change what others estimate.
    """

    spec: ProblemSpec
    tied: ProblemSpec
    resolution: Resolution
    varying: tuple[str, ...]
    entity: dict[str, str]
    parameter: dict[str, str]
    ids: Ids

    @staticmethod
    def of(spec: ProblemSpec, findings: Findings) -> Ready:
        tied = with_plain_inputs(spec, findings)
        findings.raise_errors()
        plain = _watching(_untied(tied))
        resolution = resolve(plain)
        changed = changed_names(plain) | {name for name, p in plain.parameters.items() if p.per is not None}
        varying = tuple(n for n in resolution.formal if n in resolution.dynamic and n in changed)
        ids = Ids(reserved=RESERVED)
        names = {name: ids.new(name) for name in declared(tied)}
        parameter = {
            name: names[name] if name in names else ids.new(name)
            for name in dict.fromkeys([*resolution.estimated, *tied.parameters])
        }
        both = [name for name in varying if name in resolution.estimated]
        entity = names | {name: ids.new(f"{name}_value") for name in both}
        return Ready(plain, tied, resolution, varying, entity, parameter, ids)

    def condition(self, name: str) -> ConditionSpec:
        return self.spec.conditions.get(name, ConditionSpec())

    @cached_property
    def touched(self) -> frozenset[str]:
        """Names that stand for different things in different experiments or rows."""
        names = changed_names(self.spec) | {n for n, p in self.spec.parameters.items() if p.per is not None}
        for observable in self.spec.observables.values():
            names |= {*observable.per, *observable.columns}
        return frozenset(names)

    @cached_property
    def assignments(self) -> dict[str, sympy.Expr]:
        return {name: parse(formula) for name, formula in self.spec.assignments.items()}

    def depends_on(self, name: str, names: frozenset[str]) -> bool:
        """Whether an assignment depends on one of the names."""
        return bool(used_names([definition_of(name, self.spec)], self.spec) & names)

    def values(self, number: int) -> Mapping[str, sympy.Expr]:
        """What the formal parameters stand for in a map of the resolution, in ids."""
        return self._values[number]

    @cached_property
    def _values(self) -> list[dict[str, sympy.Expr]]:
        formal = self.resolution.formal
        return [dict(zip(formal, map(self.outer, m), strict=True)) for m in self.resolution.maps]

    def outer(self, number: int) -> sympy.Expr:
        return self._outer[number]

    @cached_property
    def _outer(self) -> list[sympy.Expr]:
        symbols = {sympy.Symbol(name): sympy.Symbol(own) for name, own in self.parameter.items()}
        expressions: list[Any] = self.resolution.outer
        return [expression.xreplace(symbols) for expression in expressions]

    @cached_property
    def time(self) -> frozenset[str]:
        return TIME_NAMES - declared(self.tied).keys()

    def text(self, expression: sympy.Expr) -> str:
        """An expression in ids as a formula of PEtab. Errors: `InputError`."""
        number = number_of(expression)
        return petab_formula(to_text(expression) if number is None else number, self.time)

    def equations(self) -> ProblemSpec:
        """The equations alone, in ids."""
        return renamed(self.tied, self.entity)


def number_of(value: Any) -> float | None:
    """The number that an expression is; None if it depends on anything."""
    return float(value) if value.is_number and math.isfinite(float(value)) else None


def changed_names(spec: ProblemSpec) -> set[str]:
    """What conditions set, and their doses."""
    conditions = spec.conditions.values()
    return {n for c in conditions for part in (c, *c.dose) for n in part.set if n not in spec.states}


def _watching(spec: ProblemSpec) -> ProblemSpec:
    """The spec with a state that all changed parameters act on: then the resolution has values of those too
    that act on observables alone. It is not written."""
    changed = sorted(n for n in changed_names(spec) if n in spec.parameters or n in spec.constants)
    if not changed:
        return spec
    watched = Ids(declared(spec)).new("watched")
    states, odes = spec.states | {watched: StateSpec()}, spec.odes | {watched: " + ".join(changed)}
    return spec.model_copy(update={"states": states, "odes": odes})


def _untied(spec: ProblemSpec) -> ProblemSpec:
    """Ties that no condition replaces, as assignments."""
    changed = changed_names(spec)
    ties = {k: p.tie for k, p in spec.parameters.items() if p.tie is not None and k not in changed}
    parameters = {k: p for k, p in spec.parameters.items() if k not in ties}
    return spec.model_copy(update={"parameters": parameters, "assignments": spec.assignments | ties})

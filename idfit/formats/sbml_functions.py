"""The functions that an SBML model defines, written out where its formulas call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from idfit.formats.sbml_elements import Elements, Event, Formula, Math, Reaction, Reference
from idfit.formats.sbml_math import Refusals, Unsupported
from idfit.spec.findings import clipped

MAX_DEPTH = 200
MAX_PARTS = 200_000
"""Of all formulas of a model together."""


class Functions:
    """Definitions by name; together, their calls may not make formulas without bound."""

    def __init__(self, definitions: Mapping[str, Formula]):
        self.definitions = definitions
        self._parts = 0

    def expanded(self, formula: Math, given: Mapping[str, Math] | None = None, depth: int = 0) -> Math:
        """The formula without calls; names in `given`, which are arguments of a call, stand for formulas."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            rule = (
                f"its formulas have more than {MAX_PARTS:,} parts with all function definitions written out"
            )
            raise Unsupported(rule, "define fewer functions of functions", "E10")
        if depth > MAX_DEPTH:
            rule = f"is nested deeper than {MAX_DEPTH}, with function definitions written out"
            raise Unsupported(rule, "split it with assignment rules, and define no function by itself", "E08")
        head = formula[0]
        if head == "name" and given is not None:
            return given.get(formula[1], formula)
        if head in ("name", "number", "unknown"):
            return formula
        if head == "call":
            return self._called(formula[1], [self.expanded(p, given, depth + 1) for p in formula[2:]], depth)
        return [head, *[self.expanded(part, given, depth + 1) for part in formula[1:]]]

    def _called(self, name: str, arguments: list[Math], depth: int) -> Math:
        definition = self.definitions.get(name)
        if definition is None or definition.math[0] != "lambda":
            raise Unsupported(f"calls '{name}', which the file does not define", "define the function", "E11")
        _, names, body = definition.math
        if len(names) != len(arguments):
            rule = f"function '{name}' takes {len(names)} arguments, here are {len(arguments)}"
            raise Unsupported(rule, "correct the call", "E11")
        return self.expanded(body, dict(zip(names, arguments, strict=True)), depth + 1)


def written_out(elements: Elements, refusals: Refusals) -> Elements:
    """The model with its function definitions written out where they are called."""
    functions = Functions(elements.functions)

    def out(formula: Math, line: int, where: str) -> Math:
        try:
            return functions.expanded(formula)
        except Unsupported as error:
            refusals.unsupported(line, where, error)
            return ["number", "0"]

    def given(formula: Math | None, line: int, where: str) -> Math | None:
        return None if formula is None else out(formula, line, where)

    def each(formulas: Mapping[str, Formula], what: str) -> dict[str, Formula]:
        return {
            k: replace(f, math=out(f.math, f.line, f"{what} '{clipped(k)}'")) for k, f in formulas.items()
        }

    def references(side: tuple[Reference, ...], where: str) -> tuple[Reference, ...]:
        return tuple(replace(r, math=given(r.math, r.line, where)) for r in side)

    def reaction(old: Reaction) -> Reaction:
        where = f"reaction '{clipped(old.id)}'"
        return replace(
            old,
            law=given(old.law, old.line, where),
            reactants=references(old.reactants, where),
            products=references(old.products, where),
        )

    def event(old: Event) -> Event:
        where = f"event '{clipped(old.id)}'"
        return replace(
            old,
            trigger=given(old.trigger, old.line, where),
            delay=given(old.delay, old.line, where),
            priority=given(old.priority, old.line, where),
            assignments=tuple(replace(a, math=out(a.math, a.line, where)) for a in old.assignments),
        )

    return replace(
        elements,
        initial=each(elements.initial, "initial assignment to"),
        assignments=each(elements.assignments, "assignment rule for"),
        rates=each(elements.rates, "rate rule for"),
        reactions={k: reaction(r) for k, r in elements.reactions.items()},
        events=tuple(event(e) for e in elements.events),
    )

"""The elements of an SBML model as the child sends them (`idfit.formats.sbml_child`), each with its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Math = list[Any]
"""A formula as nested lists; see `idfit.formats.sbml_child`."""


@dataclass(frozen=True)
class Compartment:
    id: str
    line: int
    size: float | None
    dimensions: float
    constant: bool


@dataclass(frozen=True)
class Species:
    """`substance` says that formulas mean its amount by its name."""

    id: str
    line: int
    compartment: str
    amount: float | None
    concentration: float | None
    substance: bool
    boundary: bool
    constant: bool
    conversion: str | None


@dataclass(frozen=True)
class Parameter:
    id: str
    line: int
    value: float | None
    constant: bool


@dataclass(frozen=True)
class Formula:
    """The formula that belongs to an id: of a function, a rule, or an initial assignment."""

    id: str
    line: int
    math: Math


@dataclass(frozen=True)
class Reference:
    """A species that a reaction uses or makes, and how much of it."""

    id: str
    line: int
    species: str
    stoichiometry: float | None
    math: Math | None


@dataclass(frozen=True)
class Reaction:
    id: str
    line: int
    fast: bool
    reactants: tuple[Reference, ...]
    products: tuple[Reference, ...]
    law: Math | None
    locals: tuple[Parameter, ...]


@dataclass(frozen=True)
class Event:
    id: str
    line: int
    trigger: Math | None
    initial: bool
    persistent: bool
    from_trigger: bool
    delay: Math | None
    priority: Math | None
    assignments: tuple[Formula, ...]


@dataclass(frozen=True)
class Elements:
    """A model; `references` are the species references that have an id, `empty` the ids whose rule or initial
    assignment has no formula, and so no effect."""

    id: str
    conversion: str | None
    functions: dict[str, Formula]
    compartments: dict[str, Compartment]
    species: dict[str, Species]
    parameters: dict[str, Parameter]
    initial: dict[str, Formula]
    assignments: dict[str, Formula]
    rates: dict[str, Formula]
    algebraic: tuple[Formula, ...]
    reactions: dict[str, Reaction]
    events: tuple[Event, ...]
    constraints: int
    empty: tuple[str, ...]

    @property
    def references(self) -> dict[str, Reference]:
        sides = (side for r in self.reactions.values() for side in (r.reactants, r.products))
        return {reference.id: reference for side in sides for reference in side if reference.id}


def elements_of(answer: dict[str, Any]) -> Elements:
    """The model in an answer of the child."""

    def rules(kind: str) -> list[Formula]:
        chosen = [r for r in answer["rules"] if r["kind"] == kind and r["math"] is not None]
        return [Formula(r["id"], r["line"], r["math"]) for r in chosen]

    return Elements(
        id=answer["id"],
        conversion=answer["conversion"],
        functions=_by_id(Formula(**f) for f in answer["functions"] if f["math"] is not None),
        compartments=_by_id(Compartment(**c) for c in answer["compartments"]),
        species=_by_id(Species(**s) for s in answer["species"]),
        parameters=_by_id(Parameter(**p) for p in answer["parameters"]),
        initial=_by_id(Formula(**a) for a in answer["initial"] if a["math"] is not None),
        assignments=_by_id(rules("assignment")),
        rates=_by_id(rules("rate")),
        algebraic=tuple(rules("algebraic")),
        reactions=_by_id(_reaction(r) for r in answer["reactions"]),
        events=tuple(_event(e) for e in answer["events"]),
        constraints=answer["constraints"],
        empty=tuple(f["id"] for f in (*answer["initial"], *answer["rules"]) if f["math"] is None),
    )


def _by_id(elements: Any) -> dict[str, Any]:
    return {element.id: element for element in elements}


def _reaction(given: dict[str, Any]) -> Reaction:
    sides = {side: tuple(Reference(**r) for r in given[side]) for side in ("reactants", "products")}
    return Reaction(**{**given, **sides, "locals": tuple(Parameter(**p) for p in given["locals"])})


def _event(given: dict[str, Any]) -> Event:
    return Event(
        **{**given, "assignments": tuple(Formula(**a) for a in given["assignments"] if a["math"] is not None)}
    )


def dangling(elements: Elements) -> Iterator[tuple[int, str, str]]:
    """Line, element and id of what names something that the model does not have."""
    places = {*elements.compartments, *elements.parameters, *elements.species, *elements.references}
    for species in elements.species.values():
        if species.compartment not in elements.compartments:
            yield species.line, f"species '{species.id}'", species.compartment
        if species.conversion not in (None, *elements.parameters):
            yield species.line, f"species '{species.id}'", str(species.conversion)
    if elements.conversion not in (None, *elements.parameters):
        yield 0, "model", str(elements.conversion)
    for reaction in elements.reactions.values():
        for reference in (*reaction.reactants, *reaction.products):
            if reference.species not in elements.species:
                yield reference.line, f"reaction '{reaction.id}'", reference.species
    formulas = [*elements.initial.values(), *elements.assignments.values(), *elements.rates.values()]
    for formula in (*formulas, *(a for event in elements.events for a in event.assignments)):
        if formula.id not in places:
            yield formula.line, "a rule, initial assignment or event", formula.id

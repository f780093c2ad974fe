"""What the ids of an SBML model are called in formulas of idfit, and which of them change in time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from idfit.expressions.parse import CONSTANTS
from idfit.formats.sbml_elements import Elements, Math
from idfit.formats.sbml_math import names_of, parts_of

RESERVED = frozenset({*CONSTANTS, "time"})
"""Ids that would mean something else in formulas."""


class Names:
    """Unique names; what is taken or reserved gets underscores."""

    def __init__(self, taken: Collection[str]):
        self.taken = set(taken)

    def new(self, wanted: str) -> str:
        name = wanted
        while name in self.taken or name in RESERVED:
            name += "_"
        self.taken.add(name)
        return name


class Symbols:
    """Names and kinds of the quantities of a model: its compartments, species, parameters, and the species
    references that formulas or the caller name.

    A quantity is *assigned* by a rule, *moved* by a rate rule or an event, or has a value from the start on.
    It is *static* if it follows from parameters alone, and not from initial states or the time.
    """

    def __init__(self, elements: Elements, keep: Collection[str]):
        self.elements = elements
        self.keep = frozenset(keep)
        self.moved = {*elements.rates, *(a.id for e in elements.events for a in e.assignments)}
        mentioned = {*_mentioned(elements), *self.keep}
        self.references = {k: r for k, r in elements.references.items() if k in mentioned}
        ids = (
            elements.compartments,
            elements.species,
            elements.parameters,
            self.references,
            elements.reactions,
        )
        every = [name for group in ids for name in group]
        self.unique = Names([name for name in every if name not in RESERVED])
        self.names = {name: self.unique.new(name) if name in RESERVED else name for name in every}

    def is_assigned(self, name: str) -> bool:
        return name in self.elements.assignments

    def is_static(self, name: str) -> bool:
        return name not in self._dynamic

    def is_constant(self, formula: Math) -> bool:
        """Whether a formula depends on nothing but static quantities."""
        return not _speaks_of_time(formula) and self._dynamic.isdisjoint(names_of(formula))

    @cached_property
    def _dynamic(self) -> set[str]:
        """What does not follow from parameters alone."""
        elements = self.elements
        users: dict[str, list[str]] = {}
        pending = [*self.moved, *elements.species, *elements.reactions]
        for name, formula in {**elements.initial, **elements.assignments}.items():
            if _speaks_of_time(formula.math):
                pending.append(name)
            for used in names_of(formula.math):
                users.setdefault(used, []).append(name)
        found: set[str] = set()
        while pending:
            if (name := pending.pop()) not in found:
                found.add(name)
                pending += users.get(name, ())
        return found

    def varies(self, compartment: str) -> bool:
        """Whether a compartment changes its size."""
        if self.is_assigned(compartment):
            return not self.is_static(compartment)
        return compartment in self.moved

    def is_amount(self, species: str) -> bool:
        """Whether the name of a species means its amount in formulas."""
        given = self.elements.species[species]
        return given.substance or self.elements.compartments[given.compartment].dimensions == 0

    @cached_property
    def amounts(self) -> dict[str, str]:
        """Names of the amounts that are states in place of concentrations, as the volume varies."""
        return {
            name: self.unique.new(f"{self.names[name]}_amount")
            for name, species in self.elements.species.items()
            if not self.is_amount(name)
            and not self.is_assigned(name)
            and self.varies(species.compartment)
            and not (name in self.elements.rates and self.is_assigned(species.compartment))
        }


def _speaks_of_time(formula: Math) -> bool:
    return any(part[0] in ("time", "rateOf") for part in parts_of(formula))


def _mentioned(elements: Elements) -> Iterator[str]:
    """Every id that a formula uses or determines."""
    formulas = [*elements.initial.values(), *elements.assignments.values(), *elements.rates.values()]
    for event in elements.events:
        formulas += event.assignments
        for part in (event.trigger, event.delay, event.priority):
            yield from names_of(part) if part else ()
    for formula in formulas:
        yield formula.id
        yield from names_of(formula.math)
    for reaction in elements.reactions.values():
        for part in (
            reaction.law,
            *(r.math for side in (reaction.reactants, reaction.products) for r in side),
        ):
            yield from names_of(part) if part else ()

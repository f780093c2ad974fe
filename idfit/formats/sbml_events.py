"""Events of an SBML model as `EventSpec`s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from idfit.formats.sbml_elements import Event, Math
from idfit.formats.sbml_math import AtOnce
from idfit.spec.findings import clipped
from idfit.spec.schema import EventSpec

if TYPE_CHECKING:
    from idfit.formats.sbml_equations import Equations


def event_of(event: Event, trigger: Math, equations: Equations) -> EventSpec:
    """The event in terms of states: concentrations whose volume varies become amounts."""
    where = f"event '{clipped(event.id)}'"

    def text(formula: Math) -> str:
        return equations.text(formula, event.line, where, AtOnce(equations))

    new = {a.id: text(a.math) for a in event.assignments}
    constant = all(equations.symbols.is_constant(a.math) for a in event.assignments)
    from_trigger = event.from_trigger and not constant  # constants are the same whenever they are evaluated
    if from_trigger and (species := _resized(event, equations)):
        rule = f"fixes the concentration of '{clipped(species)}' before it is carried out"
        rule += ", and the volume may change until then"
        remedy = "set the compartment in the same event, or write useValuesFromTriggerTime='false'"
        equations.refusals.add(event.line, where, rule, remedy, "M13")
    return EventSpec(
        when=equations.text(trigger, event.line, where),
        set=dict(_change(given, formula, new, equations) for given, formula in new.items()),
        delay=0.0 if event.delay is None else text(event.delay),
        priority=None if event.priority is None else text(event.priority),
        persistent=event.persistent,
        initial=event.initial,
        values="trigger" if from_trigger else "execution",
    )


def _change(given: str, formula: str, new: Mapping[str, str], equations: Equations) -> tuple[str, str]:
    """The state that an assignment changes, and what it becomes."""
    amount = equations.symbols.amounts.get(given)
    if amount is None:
        return equations.symbols.names[given], formula
    compartment = equations.elements.species[given].compartment
    return amount, f"({formula})*({new.get(compartment, equations.name(compartment))})"


def _resized(event: Event, equations: Equations) -> str | None:
    """A species whose new amount is not known when the event is triggered, as its volume may change until it
    is carried out: in the meantime, or by another event at the same time."""
    symbols, changed = equations.symbols, {a.id for a in event.assignments}
    others = {a.id for e in equations.elements.events if e is not event for a in e.assignments}
    for species in sorted(changed & symbols.amounts.keys()):
        compartment = equations.elements.species[species].compartment
        by_others = others if symbols.is_assigned(compartment) else others & {compartment}
        if compartment not in changed and (event.delay is not None or by_others):
            return species
    return None


def steps_of(argument: str, name: str) -> list[EventSpec]:
    """What moves a state that is the argument rounded down.

    At the step itself the argument may be a little off the whole number, so the state moves by one at least.
    """
    up, down = f"max({name} + 1, floor({argument}))", f"min({name} - 1, floor({argument}))"
    return [
        EventSpec(when=f"({argument}) >= {name} + 1", set={name: up}, initial=False),
        EventSpec(when=f"({argument}) < {name}", set={name: down}, initial=False),
    ]

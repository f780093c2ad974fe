"""Events of an SBML model as `EventSpec`s."""

from __future__ import annotations

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

    from_trigger = event.from_trigger
    if from_trigger and (species := _resized(event, equations)):
        if all(equations.symbols.is_constant(a.math) for a in event.assignments):
            from_trigger = False  # the concentrations are the same then, and the volume is the right one
        else:
            rule = f"fixes the concentration of '{clipped(species)}' before it is carried out"
            rule += ", and the volume may change until then"
            remedy = "write useValuesFromTriggerTime='false'"
            equations.refusals.add(event.line, where, rule, remedy, "M13")
    return EventSpec(
        when=equations.text(trigger, event.line, where),
        set=dict(_change(a.id, text(a.math), equations) for a in event.assignments),
        delay=0.0 if event.delay is None else text(event.delay),
        priority=None if event.priority is None else text(event.priority),
        persistent=event.persistent,
        initial=event.initial,
        values="trigger" if from_trigger else "execution",
    )


def _change(given: str, formula: str, equations: Equations) -> tuple[str, str]:
    """The state that an assignment changes, and what it becomes: a concentration is one in the volume before
    the event, even if the event changes that too."""
    amount = equations.symbols.amounts.get(given)
    if amount is None:
        return equations.symbols.names[given], formula
    return amount, f"({formula})*{equations.name(equations.elements.species[given].compartment)}"


def _resized(event: Event, equations: Equations) -> str | None:
    """A species whose new amount is not known when the event is triggered, as its volume may change until it
    is carried out: in the meantime, or by an event at the same time that a priority may put before it.

    Without priorities the order is free, and the amount is that where this event is the first.
    """
    symbols, events = equations.symbols, equations.elements.events
    earlier = [e for e in events if e is not event and e.priority is not None and event.priority is not None]
    others = {a.id for e in earlier for a in e.assignments}
    for species in sorted(symbols.amounts.keys() & {a.id for a in event.assignments}):
        compartment = equations.elements.species[species].compartment
        by_others = others if symbols.is_assigned(compartment) else others & {compartment}
        if event.delay is not None or by_others:
            return species
    return None


def step_of(argument: str, name: str) -> EventSpec:
    """What moves a state that is the argument rounded down.

    At the step itself the argument may be a little off the whole number, so the state moves by one at least.
    It is one event for both ways, as just after a step down the condition of a step up holds for an instant.
    """
    up, down = f"max({name} + 1, floor({argument}))", f"min({name} - 1, floor({argument}))"
    return EventSpec(
        when=f"({argument}) >= {name} + 1 || ({argument}) < {name}",
        set={name: f"piecewise({up}, ({argument}) > {name} + 0.5, {down})"},
        initial=False,
    )

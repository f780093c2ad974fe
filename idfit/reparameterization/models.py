"""A model in new parameters."""

from __future__ import annotations

from dataclasses import replace

from idfit.expressions import names_in
from idfit.model import Event, Model
from idfit.reparameterization.maps import Reparameterization
from idfit.reparameterization.substitution import Substitution


def rewritten_model(model: Model, maps: Reparameterization) -> Model:
    """The model with the old parameters written as formulas of the new ones.

    An unknown start becomes an initial value: the formula that the maps give. What the gauge holds and
    formulas still name stays a parameter.
    """
    put = Substitution({n: f for n, f in maps.back.items() if not maps.unknown[n].start})
    starts = {n: f for n, f in maps.back.items() if maps.unknown[n].start}
    changed = replace(
        model,
        odes=tuple(map(put, model.odes)),
        initial=tuple(starts.get(s, put(e)) for s, e in zip(model.states, model.initial, strict=True)),
        assignments=tuple((name, put(e)) for name, e in model.assignments),
        observables=tuple((name, put(e)) for name, e in model.observables),
        events=tuple(_event(event, put) for event in model.events),
        unstated=tuple(state for state in model.unstated if state not in starts),
    )
    return replace(changed, parameters=_parameters(model, maps, changed))


def _event(event: Event, put: Substitution) -> Event:
    return replace(
        event,
        when=put(event.when),
        changes=tuple((state, put(e)) for state, e in event.changes),
        delay=put(event.delay),
        priority=None if event.priority is None else put(event.priority),
    )


def _parameters(model: Model, maps: Reparameterization, changed: Model) -> tuple[str, ...]:
    """Old parameters that stay, and the new ones."""
    formulas = (
        *changed.odes, *changed.initial, *changed.event_formulas(),
        *(e for _, e in (*changed.assignments, *changed.observables)),
    )  # fmt: skip
    used = {name for e in formulas for name in names_in(e)}
    stay = [name for name in model.parameters if name not in maps.back or name in used]
    return (*stay, *maps.forward)

"""What a PEtab problem can speak of: the quantities of its model and the parameters of its tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from idfit.expressions import names_in, parse
from idfit.formats.formula_text import substituted
from idfit.formats.sbml import SbmlImport
from idfit.spec.check_names import TIME_NAMES
from idfit.spec.schema import EventSpec, Formula, ParameterSpec, ProblemSpec, StateSpec

DEEPEST_START = 50
TIME = "time"
"""What PEtab calls the time. An entity of the model with this id cannot be spoken of."""


@dataclass
class Entities:
    """The equations under construction. `names` gives for each id of the problem the name in the spec,
    `amounts` is that of `SbmlImport`; `tabled` are the names in the parameter table."""

    states: dict[str, StateSpec]
    odes: dict[str, Formula]
    parameters: dict[str, ParameterSpec]
    assignments: dict[str, Formula]
    events: dict[str, EventSpec]
    names: dict[str, str]
    amounts: Mapping[str, tuple[str, str]]
    tabled: frozenset[str]

    @staticmethod
    def of(model: SbmlImport, aliases: Mapping[str, str], table: Mapping[str, ParameterSpec]) -> Entities:
        """The model with the parameters of the table, which come first and in its order."""
        spec = model.spec
        names = {**model.names, **aliases}
        names |= {name: name for name in (*spec.parameters, *table) if name not in names}
        names.pop(TIME, None)
        tabled = {names[given]: parameter for given, parameter in table.items()}
        own = {name: p for name, p in spec.parameters.items() if name not in tabled}
        return Entities(
            dict(spec.states),
            dict(spec.odes),
            tabled | own,
            dict(spec.assignments),
            dict(spec.events),
            names,
            model.amount_states,
            frozenset(tabled),
        )

    # what a name is ---------------------------------------------------------------------------------------

    def is_state(self, name: str) -> bool:
        return name in self.states

    def can_change(self, name: str) -> bool:
        """Whether conditions can give it a value: it has no equation of its own."""
        return name in self.states or name in self.amounts or name in self.parameters

    def __contains__(self, name: str) -> bool:
        return name in self.states or name in self.parameters or name in self.assignments

    def moving(self) -> frozenset[str]:
        """States, the time, and what follows from them."""
        moving = {*self.states, *(TIME_NAMES - self.parameters.keys())}
        used = {name: names_in(parse(formula)) for name, formula in self.assignments.items()}
        before = -1
        while len(moving) > before:
            before = len(moving)
            moving |= {name for name, names in used.items() if names & moving}
        return frozenset(moving)

    # changes to equations ---------------------------------------------------------------------------------

    def declare(self, given: str) -> None:
        """A parameter that the equations do not have, and conditions give its values."""
        self.parameters[self.names.setdefault(given, given)] = ParameterSpec(fixed=True)

    def make_states(self, names: Iterable[str]) -> None:
        """Parameters whose values follow from states, or are kept when what they follow from changes."""
        for name in names:
            parameter = self.parameters.pop(name)
            start = parameter.tie if parameter.tie is not None else parameter.value
            self.states[name] = StateSpec(init=0.0 if start is None else start)

    def tied_to(self, changed: Collection[str]) -> set[str]:
        """Parameters that the model determines, at the start, from some that change later."""
        found: set[str] = set()
        ties = {k: names_in(parse(p.tie)) for k, p in self.parameters.items() if p.tie is not None}
        before = -1
        while len(found) > before:
            before = len(found)
            found |= {name for name, names in ties.items() if names & (found | set(changed))}
        return found

    # values of states -------------------------------------------------------------------------------------

    def at_start(self, values: Mapping[str, str]) -> dict[str, str]:
        """Starting values of states and parameters: concentrations in volumes that change become amounts."""
        found = {}
        for name, value in values.items():
            if name in self.amounts:
                state, volume = self.amounts[name]
                found[state] = f"({value})*({self._start_of(substituted(volume, values))})"
            else:
                found[name] = value
        return found

    def _start_of(self, formula: str) -> str:
        """The formula with the starting values of the states in it."""
        starts = {name: str(state.init) for name, state in self.states.items()}
        for _ in range(DEEPEST_START):
            if not names_in(parse(formula)) & starts.keys():
                break
            formula = substituted(formula, starts)
        return formula

    def later(self, values: Mapping[str, str]) -> dict[str, str]:
        """The same at a later time, where a new volume leaves concentrations as they are."""
        found = {name: value for name, value in values.items() if name not in self.amounts}
        for name, (state, volume) in self.amounts.items():
            if name in values or names_in(parse(volume)) & values.keys():
                found[state] = f"({values.get(name, name)})*({substituted(volume, values)})"
        return found

    def spec(self, **rest: object) -> ProblemSpec:
        return ProblemSpec(
            states=self.states,
            odes=self.odes,
            parameters=self.parameters,
            assignments=self.assignments,
            events=self.events,
            **rest,  # type: ignore[arg-type]
        )

"""The equations of an SBML model as a `ProblemSpec`."""

from __future__ import annotations

import math

from idfit.formats.sbml_elements import Elements, Formula, Math, Reaction, Reference, Species
from idfit.formats.sbml_events import event_of, step_of
from idfit.formats.sbml_math import AtOnce, Local, Naming, Refusals, Unsupported, text_of
from idfit.formats.sbml_symbols import Names, Symbols
from idfit.spec.findings import clipped, did_you_mean
from idfit.spec.schema import EventSpec, ParameterSpec, ProblemSpec, StateSpec


class Equations:
    """Builds the parts of a spec, each under its own name."""

    def __init__(self, elements: Elements, symbols: Symbols, refusals: Refusals):
        self.elements, self.symbols, self.refusals = elements, symbols, refusals
        self.used: set[str] = set()
        self.steps: dict[str, str] = {}
        self.labels = Names([])
        self.resolved: dict[str, Math] = {}
        self.rates_of: dict[str, str] = {}
        self.states: dict[str, StateSpec] = {}
        self.odes: dict[str, float | str] = {}
        self.parameters: dict[str, ParameterSpec] = {}
        self.assignments: dict[str, float | str] = {}
        self.events: dict[str, EventSpec] = {}

    # formulas ---------------------------------------------------------------------------------------------

    def text(self, formula: Math, line: int, where: str, naming: Naming | None = None) -> str:
        """The formula as a text."""
        try:
            return text_of(formula, naming or self)
        except Unsupported as error:
            self.refusals.unsupported(line, where, error)
            return "0"

    def name(self, given: str) -> str:
        name = self.symbols.names.get(given)
        if name is None:
            remedy = did_you_mean(given, self.symbols.names, "declare it")
            raise Unsupported(f"uses '{clipped(given)}', which is not declared", remedy, "M16")
        self.used.add(given)
        if given in self.elements.reactions and self.elements.reactions[given].law is None:
            raise Unsupported(f"uses reaction '{given}', which has no kinetic law", "give it one", "M16")
        return name

    def rate_of(self, given: str) -> str:
        """The name of the assignment that holds the derivative of a quantity."""
        self.name(given)
        if self.symbols.is_assigned(given):
            rule = f"contains rateOf('{clipped(given)}'), which an assignment rule determines"
            raise Unsupported(rule, "write the derivative out")
        if given not in self.rates_of:
            self.rates_of[given] = self.symbols.unique.new(f"rate_of_{given}")
        return self.rates_of[given]

    def floor_of(self, argument: Math, text: str) -> str:
        """Where the argument moves, a state of its own, which an event moves by steps."""
        if self.symbols.is_constant(argument):
            return f"floor({text})"
        if text not in self.steps:
            self.steps[text] = self.symbols.unique.new(f"floor_{len(self.steps) + 1}")
        return self.steps[text]

    # quantities -------------------------------------------------------------------------------------------

    def build(self) -> None:
        elements = self.elements
        terms = self._reactions()
        for compartment in elements.compartments.values():
            if compartment.dimensions or compartment.size is not None or compartment.id in self.used:
                self._quantity(compartment.id, compartment.size, compartment.line, "compartment")
        for species in elements.species.values():
            self._species(species, terms.get(species.id, []))
        for parameter in elements.parameters.values():
            self._quantity(parameter.id, parameter.value, parameter.line, "parameter")
        for reference in self.symbols.references.values():
            what = f"species reference to '{clipped(reference.species)}'"
            self._quantity(reference.id, reference.stoichiometry, reference.line, what)
        for event in elements.events:
            if event.trigger is not None and event.assignments:  # else it never happens, or nothing does then
                self.events[self.labels.new(event.id)] = event_of(event, event.trigger, self)
        for given, name in self.rates_of.items():
            self.assignments[name] = self._derivative(given)
        for text, name in self.steps.items():
            self.states[name] = StateSpec(init=f"floor({text})")
            self.events[self.labels.new(name)] = step_of(text, name)
        self._refuse_missing_values()

    def _quantity(self, given: str, value: float | None, line: int, what: str) -> None:
        """A compartment, parameter or species reference."""
        symbols, name = self.symbols, self.symbols.names[given]
        if symbols.is_assigned(given):
            self._assign(given)
        elif given in symbols.moved:
            self.states[name] = StateSpec(init=self._start(given, value, line, what))
            self._rate_rule(given, name)
        elif given not in self.elements.initial:
            self.parameters[name] = ParameterSpec(value=self._finite(value, line, what, given), fixed=True)
        elif symbols.is_static(given):
            self.parameters[name] = ParameterSpec(tie=self._tie(self.elements.initial[given]))
        elif given in symbols.keep:
            self.parameters[name] = ParameterSpec(fixed=True)
        else:  # what follows from initial states is a state that keeps its value
            self.states[name] = StateSpec(init=self._start(given, value, line, what))

    def _species(self, species: Species, terms: list[str]) -> None:
        symbols, name = self.symbols, self.symbols.names[species.id]
        if symbols.is_assigned(species.id):
            self._assign(species.id)
            return
        amount = symbols.amounts.get(species.id)
        state = amount or name
        self.states[state] = StateSpec(init=self._species_start(species))
        volume = None if symbols.is_amount(species.id) else self.name(species.compartment)
        if species.id in self.elements.rates:
            self._rate_rule(species.id, state)
            if amount is not None:
                change = self._derivative(species.compartment)
                self.odes[state] = f"({self.odes[state]})*{volume} + {name}*({change})"
        elif terms and not species.boundary and not species.constant:
            total = _sum(terms)
            factor = species.conversion or self.elements.conversion
            divided = volume is not None and amount is None
            if factor is not None:
                total = f"{self.name(factor)}*({total})"
            elif divided and len(terms) > 1:
                total = f"({total})"
            self.odes[state] = f"{total}/{volume}" if divided else total
        if amount is not None:
            self.assignments[name] = f"{amount}/{volume}"

    def _assign(self, given: str) -> None:
        rule = self.elements.assignments[given]
        self.assignments[self.symbols.names[given]] = self._formula(rule, "assignment rule for")

    def _rate_rule(self, given: str, state: str) -> None:
        if rule := self.elements.rates.get(given):
            self.odes[state] = self._formula(rule, "rate rule for")

    def _formula(self, formula: Formula, what: str, naming: Naming | None = None) -> str:
        where = f"{what} '{clipped(formula.id)}'"
        return self.text(formula.math, formula.line, where, naming)

    def _tie(self, formula: Formula) -> str:
        """A formula of parameters: static assignments in it are written out."""
        where = f"initial assignment to '{clipped(formula.id)}'"
        try:
            text = self.text(self._resolved(formula.math), formula.line, where)
        except RecursionError:
            rule = "depends on a long chain of assignment rules"
            self.refusals.add(formula.line, where, rule, "write initial assignments for them", "E08")
            return "0"
        if text in ("inf", "-inf"):
            self.refusals.add(formula.line, where, "is infinite", "give a finite value", "M28")
        return text

    def _resolved(self, formula: Math) -> Math:
        if formula[0] == "name" and (rule := self.elements.assignments.get(formula[1])):
            if rule.id not in self.resolved:
                self.resolved[rule.id] = self._resolved(rule.math)
            return self.resolved[rule.id]
        return [formula[0], *[self._resolved(p) if isinstance(p, list) else p for p in formula[1:]]]

    # starting values --------------------------------------------------------------------------------------

    def _start(self, given: str, value: float | None, line: int, what: str) -> float | str:
        if initial := self.elements.initial.get(given):
            return self._formula(initial, "initial assignment to", AtOnce(self))
        number = self._finite(value, line, what, given)
        if number is None and given not in self.symbols.keep:
            self._no_value(line, what, given)
        return number or 0.0

    def _species_start(self, species: Species) -> float | str:
        means_amount = self.symbols.is_amount(species.id)
        is_amount = means_amount or species.id in self.symbols.amounts
        if initial := self.elements.initial.get(species.id):
            formula = self._formula(initial, "initial assignment to", AtOnce(self))
            if is_amount and not means_amount:
                return f"({formula})*{self.name(species.compartment)}"
            return formula
        gives_amount = species.amount is not None
        given = species.amount if gives_amount else species.concentration
        number = self._finite(given, species.line, "species", species.id)
        if number is None:
            if species.id not in self.symbols.keep:
                self._no_value(species.line, "species", species.id)
            return 0.0
        if gives_amount == is_amount or number == 0:
            return number
        return f"{_shown(number)}{'*' if is_amount else '/'}{self.name(species.compartment)}"

    def _finite(self, value: float | None, line: int, what: str, given: str) -> float | None:
        """The value; NaN, which says that there is none, as None."""
        if value is None or math.isnan(value):
            return None
        if math.isinf(value):
            self.refusals.add(line, f"{what} '{clipped(given)}'", "is infinite", "give a finite value", "M28")
            return 0.0
        return value

    def _no_value(self, line: int, what: str, given: str) -> None:
        self.refusals.add(line, f"{what} '{clipped(given)}'", "has no value", "give it one", "M19")

    def _refuse_missing_values(self) -> None:
        """Parameters without value that nothing uses are left out; the others are refused, or kept."""
        lines = {**self.elements.compartments, **self.elements.parameters, **self.symbols.references}
        for given, element in lines.items():
            name = self.symbols.names[given]
            parameter = self.parameters.get(name)
            if parameter is None or parameter.value is not None or parameter.tie is not None:
                continue
            if given in self.symbols.keep:
                continue
            del self.parameters[name]
            if given in self.used:
                self._no_value(element.line, _kind(element), given)

    # reactions --------------------------------------------------------------------------------------------

    def _reactions(self) -> dict[str, list[str]]:
        """The rates as assignments; for each species its terms, such as ``-2*J1``."""
        numbers: dict[str, dict[str, float]] = {}
        formulas: dict[str, list[str]] = {}
        for reaction in self.elements.reactions.values():
            where = f"reaction '{clipped(reaction.id)}'"
            if reaction.fast:
                rule, remedy = (
                    "is fast, and algebraic equations are not solved",
                    "give it a large rate constant",
                )
                self.refusals.add(reaction.line, where, rule, remedy, "M13")
            if reaction.law is None:
                continue
            rate = self.symbols.names[reaction.id]
            naming = Local(self, self._locals(reaction))
            self.assignments[rate] = self.text(reaction.law, reaction.line, where, naming)
            for sign, side in ((-1, reaction.reactants), (1, reaction.products)):
                for reference in side:
                    coefficient = self._coefficient(reference, where)
                    if isinstance(coefficient, str):
                        term = f"{'-' if sign < 0 else ''}{coefficient}*{rate}"
                        formulas.setdefault(reference.species, []).append(term)
                    else:
                        net = numbers.setdefault(reference.species, {})
                        net[rate] = net.get(rate, 0.0) + sign * coefficient
        terms = {
            species: [_term(n, rate) for rate, n in net.items() if n] for species, net in numbers.items()
        }
        return {s: terms.get(s, []) + formulas.get(s, []) for s in {**terms, **formulas}}

    def _locals(self, reaction: Reaction) -> dict[str, str]:
        """Local parameters become global ones, named after their reaction."""
        scope: dict[str, str] = {}
        for local in reaction.locals:
            name = scope[local.id] = self.symbols.unique.new(f"{reaction.id}_{local.id}")
            value = self._finite(local.value, local.line, "local parameter", local.id)
            if value is None:
                self._no_value(local.line, f"reaction '{clipped(reaction.id)}': local parameter", local.id)
            self.parameters[name] = ParameterSpec(value=value, fixed=True)
        return scope

    def _coefficient(self, reference: Reference, where: str) -> float | str:
        if reference.math is not None:
            return f"({self.text(reference.math, reference.line, where)})"
        if reference.id in self.symbols.references:
            return self.name(reference.id)
        number = self._finite(
            reference.stoichiometry, reference.line, "species reference to", reference.species
        )
        if number is None:
            rule = f"does not say how much of '{clipped(reference.species)}' it takes or makes"
            self.refusals.add(reference.line, where, rule, "give the stoichiometry", "M19")
            return 0.0
        return number

    def _derivative(self, given: str) -> str | float:
        """The rate of change of a quantity (of a species: of what its name means)."""
        name = self.symbols.names[given]
        amount = self.symbols.amounts.get(given)
        if amount is None:
            return self.odes.get(name, 0.0)
        compartment = self.elements.species[given].compartment
        if self.symbols.is_assigned(compartment):
            rule = "its rate of change is asked for, and the size of its compartment follows from a rule"
            line = self.elements.species[given].line
            self.refusals.add(line, f"species '{clipped(given)}'", rule, "make the rule a rate rule", "M13")
        volume = self.name(compartment)
        return f"({self.odes.get(amount, 0.0)} - {name}*({self._derivative(compartment)}))/{volume}"

    def spec(self) -> ProblemSpec:
        return ProblemSpec(
            name=self.elements.id,
            states=self.states,
            odes=self.odes,
            parameters=self.parameters,
            assignments=self.assignments,
            events=self.events,
        )


def _sum(terms: list[str]) -> str:
    first, *rest = terms
    return first + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in rest)


def _kind(element: object) -> str:
    return "species reference" if isinstance(element, Reference) else type(element).__name__.lower()


def _term(number: float, rate: str) -> str:
    size = abs(number)
    return ("-" if number < 0 else "") + (rate if size == 1 else f"{_shown(size)}*{rate}")


def _shown(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)

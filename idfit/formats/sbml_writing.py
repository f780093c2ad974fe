"""Equations as SBML, Level 3 Version 2.

States are species, reactions are reactions, other derivatives are rate rules. The species are in a
compartment of size 1 and mean amounts, unless a constant is their volume: that is then their compartment, and
they mean concentrations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.formats.ids import Ids
from idfit.formats.mathml import Formula, mathml, number_text
from idfit.formats.sampled_inputs import as_formulas, by_number
from idfit.spec.check_names import TIME_NAMES, copy_of, declared
from idfit.spec.findings import Findings, clipped, is_plain_number
from idfit.spec.reaction_equations import ReactionEquation, parse_equation
from idfit.spec.schema import EventSpec, InputSpec, ParameterSpec, ProblemSpec, ReactionSpec

_CORE = "http://www.sbml.org/sbml/level3/version2/core"


def to_sbml(spec: ProblemSpec, *, varying: Collection[str] = (), keep: Collection[str] = ()) -> str:
    """The equations of a spec as the text of an SBML file. Parameters and constants that no equation uses are
    left out unless they are in `keep`.

    varying : those that experiments change, so that what is tied to them must follow. Errors: `InputError`
    with everything that SBML cannot say.
    """
    findings = Findings()
    text = _Writing(with_plain_inputs(spec, findings), frozenset(varying), frozenset(keep), findings).text()
    findings.raise_errors()
    return text


def with_plain_inputs(spec: ProblemSpec, findings: Findings) -> ProblemSpec:
    """The spec with parameters in place of inputs that are numbers, and assignments in place of all others.

    Where samples differ between conditions, these set a constant that says which of them hold.
    """
    ids = Ids(declared(spec))
    assignments, parameters = dict(spec.assignments), dict(spec.parameters)
    for name, given in spec.inputs.items():
        if given.series:
            spec, parts = _sampled(name, given, spec, ids, findings)
            assignments |= parts
        elif is_number(given.formula or 0.0):
            parameters[name] = ParameterSpec(value=float(given.formula or 0.0), fixed=True)
        else:
            assignments[name] = given.formula or 0.0
    return spec.model_copy(update={"inputs": {}, "assignments": assignments, "parameters": parameters})


def _sampled(
    name: str, given: InputSpec, spec: ProblemSpec, ids: Ids, findings: Findings
) -> tuple[ProblemSpec, dict[str, str]]:
    """The formulas of an input with samples, and the spec whose conditions choose among them."""
    held = {c: s for c in spec.conditions or [""] if (s := given.series.get(c) or given.series.get(""))}
    series = list(dict.fromkeys(held.values()))
    formulas: dict[str, str] = {}
    choices: list[str] = []
    for n, samples in enumerate(series, start=1):
        choices.append(name if len(series) == 1 else ids.new(f"{name}_{n}"))
        try:
            formulas |= as_formulas(choices[-1], given, samples, time_name(spec), ids)
        except InputError as error:
            findings.extend(error.findings)
            return spec, {name: "0"}
    if len(series) == 1:
        return spec, formulas
    chosen = ids.new(f"{name}_choice")
    conditions = {
        c: condition.model_copy(update={"set": condition.set | {chosen: float(1 + series.index(held[c]))}})
        for c, condition in spec.conditions.items()
    }
    constants = spec.constants | {chosen: 1.0}
    spec = spec.model_copy(update={"conditions": conditions, "constants": constants})
    return spec, formulas | {name: by_number(choices, chosen)}


def time_name(spec: ProblemSpec) -> str:
    """What formulas of this spec call the time. Errors: `InputError` if both names mean something else."""
    free = sorted(TIME_NAMES - declared(spec).keys(), reverse=True)
    if not free:
        raise InputError.of("t, time", "are both declared, so no formula can speak of the time", "rename one")
    return free[0]


def is_number(formula: Formula) -> bool:
    return not isinstance(formula, str) or is_plain_number(formula)


def value_of(parameter: ParameterSpec) -> float | None:
    """The value that a parameter has as long as nothing estimates it."""
    if parameter.value is None and parameter.min == parameter.max:
        return parameter.min
    return parameter.value


def used_names(formulas: Iterable[Formula], spec: ProblemSpec) -> set[str]:
    """The names in formulas, and through ties and assignments."""
    pending = [name for formula in formulas for name in names_in(parse(formula))]
    found: set[str] = set()
    while pending:
        if (name := pending.pop()) not in found:
            found.add(name)
            pending += names_in(parse(definition_of(name, spec)))
    return found


def definition_of(name: str, spec: ProblemSpec) -> Formula:
    """The formula that a name stands for; 0 if there is none."""
    if name in spec.assignments:
        return spec.assignments[name]
    parameter = spec.parameters.get(name)
    return 0.0 if parameter is None or parameter.tie is None else parameter.tie


def equation_formulas(spec: ProblemSpec) -> Iterator[Formula]:
    """All formulas that an SBML model of the spec holds, but for those of inputs."""
    for state in spec.states.values():
        yield state.init
        yield state.volume or 0.0
    yield from spec.odes.values()
    yield from (reaction.rate for reaction in spec.reactions.values())
    yield from spec.assignments.values()
    for event in spec.events.values():
        yield from (event.when, event.delay, event.priority or 0.0, *event.set.values())


class _Writing:
    """Builds the lists of a model, each in a method of its own."""

    def __init__(self, spec: ProblemSpec, varying: frozenset[str], keep: frozenset[str], findings: Findings):
        self.spec, self.varying, self.findings = spec, varying, findings
        names = declared(spec)
        self.time = TIME_NAMES - names.keys()
        self.ids = Ids(names)
        self.wanted = used_names(equation_formulas(spec), spec) | keep | varying
        self.equations = {name: parse_equation(r.eq) for name, r in spec.reactions.items()}
        self.reaction_ids = {name: self.ids.new(name) for name in spec.reactions}
        self.compartments: dict[str, float] = {}
        self.place = self._places()

    def text(self) -> str:
        root = Element("sbml", xmlns=_CORE, level="3", version="2")
        model = SubElement(root, "model", id=Ids(self.ids.taken).new(self.spec.name or "model"))
        if name := "".join(c for c in self.spec.name if c.isprintable()):
            model.set("name", name)
        lists = {
            "Compartments": self._compartments(),
            "Species": self._species(),
            "Parameters": self._parameters(),
            "InitialAssignments": self._initial_assignments(),
            "Rules": self._rules(),
            "Reactions": (self._reaction(name, r) for name, r in self.spec.reactions.items()),
            "Events": (self._event(name, e) for name, e in self.spec.events.items()),
        }
        for kind, elements in lists.items():
            if found := list(elements):
                SubElement(model, f"listOf{kind}").extend(found)
        indent(root)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'

    # compartments and species -----------------------------------------------------------------------------

    def _places(self) -> dict[str, str]:
        """The compartment of each state that means a concentration."""
        places: dict[str, str] = {}
        numbered: dict[float, str] = {}
        for name, state in self.spec.states.items():
            volume = state.volume
            if volume is None:
                continue
            if is_number(volume):
                size = float(volume)
                if size not in numbered:
                    numbered[size] = self.ids.new(f"compartment_{len(numbered) + 1}")
                places[name] = numbered[size]
            elif volume in self.spec.constants and volume not in self.varying:
                size = self.spec.constants[str(volume)]
                places[name] = str(volume)
            else:
                continue
            self.compartments[places[name]] = size
        return places

    def _compartments(self) -> Iterator[Element]:
        if len(self.place) < len(self.spec.states):
            self.without_volume = self.ids.new("compartment")
            self.compartments = {self.without_volume: 1.0} | self.compartments
        for name, size in self.compartments.items():
            yield Element(
                "compartment", id=name, spatialDimensions="3", size=number_text(size), constant="true"
            )

    def _species(self) -> Iterator[Element]:
        for name, state in self.spec.states.items():
            in_reaction = any(name in equation.net for equation in self.equations.values())
            element = Element("species", id=name, compartment=self.place.get(name) or self.without_volume)
            if is_number(state.init):
                kind = "Concentration" if name in self.place else "Amount"
                element.set(f"initial{kind}", number_text(float(state.init)))
            element.set("hasOnlySubstanceUnits", _truth(name not in self.place))
            element.set("boundaryCondition", _truth(in_reaction and self._has_rate_rule(name)))
            element.set("constant", "false")
            yield element

    def _has_rate_rule(self, state: str) -> bool:
        """Whether reactions alone do not say how it changes."""
        volume = self.spec.states[state].volume
        return state in self.spec.odes or (volume is not None and state not in self.place)

    # parameters -------------------------------------------------------------------------------------------

    def _parameters(self) -> Iterator[Element]:
        values = {name: value_of(p) for name, p in self._own_parameters().items()}
        values |= {k: v for k, v in self.spec.constants.items() if k in self.wanted}
        for name, value in values.items():
            if name not in self.compartments:
                moves = name in self.varying or self._follows(name)
                yield self._parameter(name, value, moves=moves)
        for name in self.spec.assignments:
            yield self._parameter(name, None, moves=True)

    def _own_parameters(self) -> dict[str, ParameterSpec]:
        return {k: p for k, p in self.spec.parameters.items() if k in self.wanted and not copy_of(k)}

    def _parameter(self, name: str, value: float | None, *, moves: bool) -> Element:
        element = Element("parameter", id=name)
        if value is not None:
            element.set("value", number_text(value))
        element.set("constant", _truth(not moves))
        return element

    def _follows(self, name: str) -> bool:
        """Whether it is tied to something that experiments change, and so needs a rule."""
        parameter = self.spec.parameters.get(name)
        if parameter is None or parameter.tie is None or name in self.varying:
            return False
        return bool(used_names([parameter.tie], self.spec) & self.varying)

    def _initial_assignments(self) -> Iterator[Element]:
        formulas = {name: s.init for name, s in self.spec.states.items() if not is_number(s.init)}
        ties = {k: p.tie for k, p in self._own_parameters().items() if p.tie and not self._follows(k)}
        for name, formula in (formulas | ties).items():
            element = Element("initialAssignment", symbol=name)
            element.append(self.math(formula, f"the start of {name}"))
            yield element

    # rules ------------------------------------------------------------------------------------------------

    def _rules(self) -> Iterator[Element]:
        ties = {k: p.tie for k, p in self._own_parameters().items() if p.tie and self._follows(k)}
        for name, formula in (ties | self.spec.assignments).items():
            yield self._rule("assignmentRule", name, formula)
        for name in self.spec.states:
            if self._has_rate_rule(name):
                yield self._rule("rateRule", name, self._derivative(name))

    def _rule(self, kind: str, name: str, formula: Formula) -> Element:
        element = Element(kind, variable=name)
        element.append(self.math(formula, f"the formula of {name}"))
        return element

    def _derivative(self, state: str) -> str:
        """With the rates of reactions, which their ids stand for."""
        volume = self.spec.states[state].volume
        terms = [f"({self.spec.odes[state]})"] if state in self.spec.odes else []
        for name, equation in self.equations.items():
            if amount := equation.net.get(state):
                rate = f"{self.reaction_ids[name]}*({amount.numerator}/{amount.denominator})"
                terms.append(rate if volume is None else f"{rate}/({volume})")
        return " + ".join(terms) or "0"

    # reactions and events ---------------------------------------------------------------------------------

    def _reaction(self, name: str, reaction: ReactionSpec) -> Element:
        equation = self.equations[name]
        own = self.reaction_ids[name]
        element = self._named("reaction", name, own, reversible=_truth(equation.reversible))
        sides = {"Reactants": equation.left, "Products": equation.right}
        for kind, side in sides.items():
            references = [
                Element("speciesReference", species=s, stoichiometry=number_text(float(n)), constant="true")
                for s, n in side.items()
            ]
            if references:
                SubElement(element, f"listOf{kind}").extend(references)
        others = [Element("modifierSpeciesReference", species=s) for s in self._modifiers(reaction, equation)]
        if others:
            SubElement(element, "listOfModifiers").extend(others)
        SubElement(element, "kineticLaw").append(self.math(reaction.rate, f"the rate of reaction {name}"))
        return element

    def _modifiers(self, reaction: ReactionSpec, equation: ReactionEquation) -> list[str]:
        names = names_in(parse(reaction.rate))
        return [s for s in self.spec.states if s in names and s not in equation.net]

    def _event(self, name: str, event: EventSpec) -> Element:
        values = _truth(event.values == "trigger")
        element = self._named("event", name, self.ids.new(name), useValuesFromTriggerTime=values)
        where = f"event {name}"
        flags = {"initialValue": _truth(event.initial), "persistent": _truth(event.persistent)}
        SubElement(element, "trigger", flags).append(self.math(event.when, where, condition=True))
        if event.priority is not None:
            SubElement(element, "priority").append(self.math(event.priority, where))
        if not is_number(event.delay) or float(event.delay):
            SubElement(element, "delay").append(self.math(event.delay, where))
        assignments = SubElement(element, "listOfEventAssignments")
        for state, formula in event.set.items():
            assignment = SubElement(assignments, "eventAssignment", variable=state)
            assignment.append(self.math(formula, where))
        return element

    def _named(self, kind: str, label: str, own: str, **attributes: str) -> Element:
        """An element that keeps its label as a name where this is no id."""
        return Element(kind, {"id": own} | ({} if own == label else {"name": label}) | attributes)

    def math(self, formula: Formula, where: str, *, condition: bool = False) -> Element:
        """The ``<math>`` of a formula; what SBML cannot say is reported."""
        try:
            return mathml(formula, self.time, condition=condition)
        except InputError as error:
            for f in error.findings:
                self.findings.in_row("", 0, f"{clipped(where)}: {f.given}", f.rule, f.remedy, "E11")
            return Element("math")


def _truth(value: bool) -> str:
    return "true" if value else "false"

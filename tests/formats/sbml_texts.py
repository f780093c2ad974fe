"""Small SBML texts, written from elements whose formulas are given in infix notation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libsbml

CORE = "http://www.sbml.org/sbml/level3/version2/core"
Side = Mapping[str, float | str | None]
"""Stoichiometries by species: a number, None where there is none, or the id of the species reference with or
without a number: ``"n = 2"``."""


def sbml(*elements: str, attributes: str = "", packages: str = "") -> str:
    """A Level 3 model of the elements, each put into the list where it belongs."""
    places = {
        "functionDefinition": "listOfFunctionDefinitions",
        "compartment": "listOfCompartments",
        "species": "listOfSpecies",
        "parameter": "listOfParameters",
        "initialAssignment": "listOfInitialAssignments",
        "assignmentRule": "listOfRules",
        "rateRule": "listOfRules",
        "algebraicRule": "listOfRules",
        "constraint": "listOfConstraints",
        "reaction": "listOfReactions",
        "event": "listOfEvents",
    }
    lists: dict[str, list[str]] = {place: [] for place in places.values()}
    for element in elements:
        lists[places[element[1:].split(" ")[0].split(">")[0]]].append(element)
    body = "\n".join(f"<{name}>\n" + "\n".join(e) + f"\n</{name}>" for name, e in lists.items() if e)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="{CORE}" level="3" version="2" {packages}>\n'
        f'<model id="small" {attributes}>\n{body}\n</model>\n</sbml>\n'
    )


def maths(infix: str) -> str:
    """MathML of a formula as libsbml reads it: ``time``, ``avogadro``, ``rateOf(x)``, ``piecewise(...)``."""
    tree = libsbml.parseL3Formula(infix)
    assert tree is not None, libsbml.getLastParseL3Error()
    return libsbml.writeMathMLToString(tree).partition("?>")[2].strip()


def compartment(name: str, size: float | None = 1, *, constant: bool = True, dimensions: int = 3) -> str:
    given = "" if size is None else f'size="{size}"'
    return f'<compartment id="{name}" spatialDimensions="{dimensions}" {given} constant="{_flag(constant)}"/>'


def species(
    name: str,
    where: str = "C",
    *,
    amount: float | None = None,
    concentration: float | None = None,
    substance: bool = False,
    boundary: bool = False,
    constant: bool = False,
    conversion: str = "",
) -> str:
    values = {
        "initialAmount": amount,
        "initialConcentration": concentration,
        "conversionFactor": conversion or None,
    }
    given = " ".join(f'{k}="{v}"' for k, v in values.items() if v is not None)
    return (
        f'<species id="{name}" compartment="{where}" {given} hasOnlySubstanceUnits="{_flag(substance)}" '
        f'boundaryCondition="{_flag(boundary)}" constant="{_flag(constant)}"/>'
    )


def parameter(name: str, value: float | None = None, *, constant: bool = True) -> str:
    given = "" if value is None else f'value="{value}"'
    return f'<parameter id="{name}" {given} constant="{_flag(constant)}"/>'


def function(name: str, arguments: Sequence[str], body: str) -> str:
    formula = f"lambda({', '.join([*arguments, body])})"
    return f'<functionDefinition id="{name}">{maths(formula)}</functionDefinition>'


def initial(name: str, formula: str) -> str:
    return f'<initialAssignment symbol="{name}">{maths(formula)}</initialAssignment>'


def assignment(name: str, formula: str) -> str:
    return f'<assignmentRule variable="{name}">{maths(formula)}</assignmentRule>'


def rate(name: str, formula: str) -> str:
    return f'<rateRule variable="{name}">{maths(formula)}</rateRule>'


def reaction(
    name: str, reactants: Side, products: Side, law: str | None, local: Mapping[str, float] | None = None
) -> str:
    sides = _side("listOfReactants", reactants) + _side("listOfProducts", products)
    locals_ = "".join(f'<localParameter id="{k}" value="{v}"/>' for k, v in (local or {}).items())
    locals_ = f"<listOfLocalParameters>{locals_}</listOfLocalParameters>" if locals_ else ""
    kinetics = "" if law is None else f"<kineticLaw>{maths(law)}{locals_}</kineticLaw>"
    return f'<reaction id="{name}" reversible="true">{sides}{kinetics}</reaction>'


def _side(name: str, given: Side) -> str:
    references = []
    for species_name, number in given.items():
        identity, _, value = number.partition("=") if isinstance(number, str) else ("", "", number)
        shown = f'id="{identity.strip()}" ' if identity else ""
        shown += "" if value in (None, "") else f'stoichiometry="{str(value).strip()}" '
        references.append(
            f'<speciesReference species="{species_name}" {shown} constant="{_flag(not identity)}"/>'
        )
    return f"<{name}>{''.join(references)}</{name}>" if references else ""


def event(
    name: str,
    when: str,
    changes: Mapping[str, str],
    *,
    delay: str | None = None,
    priority: str | None = None,
    initial: bool = True,
    persistent: bool = True,
    from_trigger: bool = True,
) -> str:
    trigger = (
        f'<trigger initialValue="{_flag(initial)}" persistent="{_flag(persistent)}">{maths(when)}</trigger>'
    )
    parts = "".join(
        f"<{tag}>{maths(formula)}</{tag}>"
        for tag, formula in (("priority", priority), ("delay", delay))
        if formula is not None
    )
    assignments = "".join(
        f'<eventAssignment variable="{k}">{maths(f)}</eventAssignment>' for k, f in changes.items()
    )
    return (
        f'<event id="{name}" useValuesFromTriggerTime="{_flag(from_trigger)}">{trigger}{parts}'
        f"<listOfEventAssignments>{assignments}</listOfEventAssignments></event>"
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"

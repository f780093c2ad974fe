"""SBML text to plain JSON by libsbml: the child process ``python -m idfit.formats.sbml_child``.

Mathematics are nested lists: ``["+", a, b]``. The first entry is the name of an operator or function of
MathML, or one of ``number`` (with its text), ``name``, ``time``, ``avogadro``, ``call`` (name, arguments),
``lambda`` (names, body) and ``unknown`` (its name).
"""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from typing import Any

from idfit.formats.child import LIBRARY_IS_MISSING, serve

try:
    import libsbml
except ImportError:
    sys.exit(LIBRARY_IS_MISSING)

_UNCHECKED = (
    libsbml.LIBSBML_CAT_UNITS_CONSISTENCY,
    libsbml.LIBSBML_CAT_MODELING_PRACTICE,
    libsbml.LIBSBML_CAT_SBO_CONSISTENCY,
)
_PASSED = (
    libsbml.ApplyCiMustBeUserFunction,  # functions and names that are not declared:
    libsbml.ApplyCiMustBeModelComponent,  # whoever writes the formulas knows what is
    libsbml.UndeclaredSpeciesRef,  # species of a rate law that are not listed as modifiers do no harm
)
_MOST_ERRORS = 20
_LARGEST_EXPONENT = 1000  # beyond the doubles


def answer(text: str) -> dict[str, Any]:
    """``{"model": ...}``, or ``{"errors": [[line, what, details], ...]}``."""
    document = libsbml.readSBMLFromString(text)
    if (
        document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) + document.getNumErrors(libsbml.LIBSBML_SEV_FATAL)
        == 0
    ):
        for category in _UNCHECKED:
            document.setConsistencyChecks(category, False)
        document.checkConsistency()
    errors = [document.getError(i) for i in range(document.getNumErrors())]
    errors = [
        e for e in errors if e.getSeverity() >= libsbml.LIBSBML_SEV_ERROR and e.getErrorId() not in _PASSED
    ]
    if errors:
        return {"errors": [[e.getLine(), e.getShortMessage(), _detail(e)] for e in errors[:_MOST_ERRORS]]}
    model = document.getModel()
    return {"model": None if model is None else _model(model)}


def _detail(error: Any) -> str:
    """What libsbml says of this error, after the rule of the specification that it quotes."""
    message = " ".join(error.getMessage().split())
    return re.split(r"Reference: L\dV\d Sections? [\d.]+(?: and [\d.]+)?", message)[-1].strip(" .") or message


def _model(model: Any) -> dict[str, Any]:
    return {
        "id": model.getId() or model.getName(),
        "level": model.getLevel(),
        "conversion": _given(model, "ConversionFactor"),
        "functions": [_function(f) for f in model.getListOfFunctionDefinitions()],
        "compartments": [_compartment(c) for c in model.getListOfCompartments()],
        "species": [_species(s) for s in model.getListOfSpecies()],
        "parameters": [_parameter(p) for p in model.getListOfParameters()],
        "initial": [
            _element(a, id=a.getSymbol(), math=_math_of(a)) for a in model.getListOfInitialAssignments()
        ],
        "rules": [_rule(r) for r in model.getListOfRules()],
        "reactions": [_reaction(r) for r in model.getListOfReactions()],
        "events": [_event(e, n) for n, e in enumerate(model.getListOfEvents(), 1)],
        "constraints": model.getNumConstraints(),
    }


def _element(element: Any, **fields: Any) -> dict[str, Any]:
    return {"line": element.getLine(), "id": element.getId(), **fields}


def _given(element: Any, attribute: str) -> Any:
    """The value of an attribute, None where the file does not give it."""
    return getattr(element, f"get{attribute}")() if getattr(element, f"isSet{attribute}")() else None


def _compartment(compartment: Any) -> dict[str, Any]:
    dimensions = compartment.getSpatialDimensionsAsDouble() if compartment.isSetSpatialDimensions() else 3
    size = _given(compartment, "Size")
    if size is None and compartment.getLevel() == 1:
        size = 1.0  # the default of Level 1
    return _element(compartment, size=size, dimensions=dimensions, constant=compartment.getConstant())


def _species(species: Any) -> dict[str, Any]:
    return _element(
        species,
        compartment=species.getCompartment(),
        amount=_given(species, "InitialAmount"),
        concentration=_given(species, "InitialConcentration"),
        substance=species.getHasOnlySubstanceUnits(),
        boundary=species.getBoundaryCondition(),
        constant=species.getConstant(),
        conversion=_given(species, "ConversionFactor"),
    )


def _parameter(parameter: Any) -> dict[str, Any]:
    return _element(parameter, value=_given(parameter, "Value"), constant=parameter.getConstant())


def _function(function: Any) -> dict[str, Any]:
    return _element(function, math=_math_of(function))


def _rule(rule: Any) -> dict[str, Any]:
    kind = "assignment" if rule.isAssignment() else "rate" if rule.isRate() else "algebraic"
    return {"line": rule.getLine(), "id": rule.getVariable(), "kind": kind, "math": _math_of(rule)}


def _reaction(reaction: Any) -> dict[str, Any]:
    law = reaction.getKineticLaw()
    given = () if law is None else law.getListOfLocalParameters() or law.getListOfParameters()
    return _element(
        reaction,
        fast=bool(reaction.isSetFast() and reaction.getFast()),
        reactants=[_reference(r) for r in reaction.getListOfReactants()],
        products=[_reference(r) for r in reaction.getListOfProducts()],
        law=None if law is None else _math_of(law),
        locals=[_parameter(p) for p in given],
    )


def _reference(reference: Any) -> dict[str, Any]:
    stoichiometry = _given(reference, "Stoichiometry")
    if reference.getLevel() < 3:  # where the number is 1 if nothing else is said
        stoichiometry = reference.getStoichiometry() / reference.getDenominator()
    formula = reference.getStoichiometryMath()
    return _element(
        reference,
        species=reference.getSpecies(),
        stoichiometry=stoichiometry,
        math=None if formula is None else _math_of(formula),
    )


def _event(event: Any, number: int) -> dict[str, Any]:
    trigger = event.getTrigger()
    parts = {"delay": event.getDelay(), "priority": event.getPriority()}
    return {
        "line": event.getLine(),
        "id": event.getId() or f"event_{number}",
        "trigger": None if trigger is None else _math_of(trigger),
        "initial": trigger is None or not trigger.isSetInitialValue() or trigger.getInitialValue(),
        "persistent": trigger is None or not trigger.isSetPersistent() or trigger.getPersistent(),
        "from_trigger": event.getUseValuesFromTriggerTime(),
        "assignments": [
            {"line": a.getLine(), "id": a.getVariable(), "math": _math_of(a)}
            for a in event.getListOfEventAssignments()
        ],
        **{name: None if part is None else _math_of(part) for name, part in parts.items()},
    }


def _math_of(element: Any) -> list[Any] | None:
    """The formula of an element, None where it has none."""
    node = element.getMath()
    if node is None or (node.getType() == libsbml.AST_UNKNOWN and not node.getNumChildren()):
        return None
    return _math(node)


_OPERATORS = {
    libsbml.AST_PLUS: "+",
    libsbml.AST_MINUS: "-",
    libsbml.AST_TIMES: "*",
    libsbml.AST_DIVIDE: "/",
    libsbml.AST_POWER: "^",
    libsbml.AST_FUNCTION_POWER: "^",
    libsbml.AST_NAME_TIME: "time",
    libsbml.AST_NAME_AVOGADRO: "avogadro",
    libsbml.AST_CONSTANT_E: "exponentiale",
    libsbml.AST_CONSTANT_PI: "pi",
    libsbml.AST_CONSTANT_TRUE: "true",
    libsbml.AST_CONSTANT_FALSE: "false",
    libsbml.AST_FUNCTION_RATE_OF: "rateOf",
    libsbml.AST_FUNCTION_DELAY: "delay",
} | {
    value: name.split("_", 2)[2].lower()  # AST_FUNCTION_ARCSIN and AST_RELATIONAL_EQ as MathML calls them
    for name, value in vars(libsbml).items()
    if name.startswith(("AST_FUNCTION_", "AST_LOGICAL_", "AST_RELATIONAL_"))
    and name not in ("AST_FUNCTION_POWER", "AST_FUNCTION_RATE_OF", "AST_FUNCTION_DELAY")
}


def _math(node: Any) -> list[Any]:
    kind = node.getType()
    children = [_math(node.getChild(i)) for i in range(node.getNumChildren())]
    if node.isNumber():
        return ["number", _number(node, kind)]
    if kind == libsbml.AST_NAME:
        return ["name", node.getName()]
    if kind == libsbml.AST_FUNCTION:
        return ["call", node.getName(), *children]
    if kind == libsbml.AST_LAMBDA:
        return ["lambda", [c[1] for c in children[:-1]], children[-1]] if children else ["unknown", "lambda"]
    if kind in _OPERATORS:
        return [_OPERATORS[kind], *_joined(_OPERATORS[kind], children)]
    return ["unknown", node.getName() or f"MathML element {kind}"]


def _joined(operator: str, children: list[list[Any]]) -> list[list[Any]]:
    """The operands, with those of an operand that has the same associative operator: long is not deep."""
    if operator not in ("+", "*", "and", "or"):
        return children
    return [part for child in children for part in (child[1:] if child[0] == operator else [child])]


def _number(node: Any, kind: int) -> str:
    """The number as its file writes it: an exponent is not multiplied out, for that would round."""
    if kind == libsbml.AST_INTEGER:
        return str(node.getInteger())
    if kind == libsbml.AST_RATIONAL:
        return f"{node.getNumerator()}/{node.getDenominator()}"
    mantissa = node.getMantissa()
    if kind == libsbml.AST_REAL_E and math.isfinite(mantissa):
        exponent = max(-_LARGEST_EXPONENT, min(_LARGEST_EXPONENT, node.getExponent()))
        return str(Decimal(repr(mantissa)).scaleb(exponent))
    return repr(mantissa)


if __name__ == "__main__":
    serve(answer)

"""SBML files as problems: equations, parameters at their values, no observables."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idfit.errors import Finding, InputError
from idfit.formats import child
from idfit.formats.sbml_elements import Elements, dangling, elements_of
from idfit.formats.sbml_equations import Equations
from idfit.formats.sbml_functions import written_out
from idfit.formats.sbml_math import Refusals
from idfit.formats.sbml_symbols import Symbols
from idfit.formats.xml_guard import MAX_BYTES, Root, check_xml
from idfit.spec.check_names import declared
from idfit.spec.files import read_text
from idfit.spec.findings import Findings, clipped, listed
from idfit.spec.schema import ProblemSpec

_CHILD = "idfit.formats.sbml_child"
_NAMESPACES = ("http://www.sbml.org/sbml/level", "http://projects.eml.org/bcb/sbml/level")
_KNOWN_PACKAGES = ("l3v2extendedmath",)


@dataclass(frozen=True)
class SbmlImport:
    """A model, and where its ids are in the spec.

    names : the name in formulas of every compartment, species, parameter and reaction.
    amount_states : species whose state is the amount, for the volume changes: name -> (state, formula of the
    volume). An initial concentration times the volume is the initial value of that state.
    volumes : the compartment of every species, None if the name of the species means its amount.
    notices : what was renamed or left aside.
    """

    spec: ProblemSpec
    names: dict[str, str]
    amount_states: dict[str, tuple[str, str]]
    volumes: dict[str, str | None]
    notices: tuple[Finding, ...] = ()


def read_sbml(path: str | os.PathLike[str]) -> ProblemSpec:
    """The equations in an SBML file (Levels 1 to 3), all parameters fixed at their values.

    Errors: `InputError` with everything that is wrong with the file or beyond what idfit computes.
    """
    return read_sbml_model(Path(path)).spec


def read_sbml_model(path: Path, *, keep: Collection[str] = ()) -> SbmlImport:
    """A model together with what its ids have become.

    keep : ids that the caller gives values, or reads. Constant ones are entries of ``spec.parameters`` even
    if nothing uses them; they may lack a value, and a value that follows from initial states is left out.
    Species that lack an initial value start at 0.
    """
    (result,) = read_sbml_models([path], keep=keep)
    if isinstance(result, InputError):
        raise result
    return result


def read_sbml_models(paths: Sequence[Path], *, keep: Collection[str] = ()) -> list[SbmlImport | InputError]:
    """Several files at once, faster than one by one; a file that is refused gives its error."""
    texts = [_outcome(_checked_text, path) for path in paths]
    sound = [i for i, text in enumerate(texts) if isinstance(text, str)]
    answers = child.ask(_CHILD, [texts[i] for i in sound], [str(paths[i]) for i in sound], "libsbml")
    results: list[Any] = list(texts)
    for i, answer in zip(sound, answers, strict=True):
        results[i] = (
            answer if isinstance(answer, InputError) else _outcome(_imported, answer, str(paths[i]), keep)
        )
    return results


def read_sbml_text(text: str, file: str = "model", *, keep: Collection[str] = ()) -> SbmlImport:
    """The same for a text; `file` names it in messages."""
    (answer,) = child.ask(_CHILD, [_checked(text, file)], [file], "libsbml")
    if isinstance(answer, InputError):
        raise answer
    return _imported(answer, file, keep)


def _outcome(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except InputError as error:
        return error


def _checked_text(path: Path) -> str:
    return _checked(read_text(path, limit=MAX_BYTES, what="SBML file").text, str(path))


def _checked(text: str, file: str) -> str:
    """The text if libsbml may see it, with the XML declaration that libsbml asks for or would add in a line
    of its own."""
    root = check_xml(text, file)
    if root.name != "sbml" or not root.namespace.startswith(_NAMESPACES):
        shown = f"<{clipped(root.name)}>" + (f" of {clipped(root.namespace)}" if root.namespace else "")
        raise InputError.of(
            shown, "is not the root of an SBML model", "give an SBML file", code="M03", file=file
        )
    _refuse_packages(root, file)
    return '<?xml version="1.0" encoding="UTF-8"?>' + re.sub(r"\A<\?xml[^>]*\?>", "", text)


def _refuse_packages(root: Root, file: str) -> None:
    findings = Findings()
    for key, value in root.attributes.items():
        namespace, _, name = key.rpartition(" ")
        package = _package(namespace)
        if name != "required" or value not in ("true", "1") or package in _KNOWN_PACKAGES:
            continue
        if package == "comp" and namespace not in root.used:
            continue  # exported so by some tools: the model has no submodels
        rule = "is needed to understand the model, and idfit does not know it"
        remedy = "flatten the model first" if package == "comp" else "write the model without it"
        findings.in_row(file, 1, f"SBML package '{clipped(package)}'", rule, remedy, "M11")
    findings.raise_errors()


def _package(namespace: str) -> str:
    """``comp`` of ``http://www.sbml.org/sbml/level3/version1/comp/version1``."""
    parts = namespace.rstrip("/").split("/")
    return parts[-2] if len(parts) > 1 else namespace


def _imported(answer: dict[str, Any], file: str, keep: Collection[str]) -> SbmlImport:
    refusals = Refusals(Findings(), file)
    for line, what, detail in answer.get("errors", ()):
        refusals.add(line, f"libsbml: {clipped(what, 200)}", clipped(detail, 400), "correct the model")
    refusals.findings.raise_errors()
    if answer["model"] is None:
        raise InputError.of("", "holds no model", "give a file with a model", code="M02", file=file)
    given = elements_of(answer["model"])
    for line, element, name in dangling(given):
        refusals.add(
            line, element, f"names '{clipped(name)}', which the model does not have", "correct it", "M16"
        )
    refusals.findings.raise_errors()
    elements = written_out(given, refusals)
    for rule in elements.algebraic:
        remedy = "solve it for one name and make it an assignment rule"
        refusals.add(rule.line, "algebraic rule", "idfit solves no algebraic equations", remedy, "M12")
    symbols = Symbols(elements, keep)
    equations = Equations(elements, symbols, refusals)
    equations.build()
    notices = tuple(_notices(elements, symbols, file))
    refusals.findings.raise_errors()
    amounts = {
        symbols.names[s]: (amount, symbols.names[elements.species[s].compartment])
        for s, amount in symbols.amounts.items()
    }
    volumes = {
        symbols.names[s]: None if symbols.is_amount(s) else symbols.names[species.compartment]
        for s, species in elements.species.items()
    }
    spec = equations.spec()
    declared_names = declared(spec)
    names = {given: name for given, name in symbols.names.items() if name in declared_names}
    return SbmlImport(spec, names, amounts, volumes, notices)


def _notices(elements: Elements, symbols: Symbols, file: str) -> list[Finding]:
    renamed = [f"{old} is {new}" for old, new in symbols.names.items() if old != new]
    found = []
    if elements.empty:
        rule = "their rules or initial assignments have no formula and no effect"
        found.append(Finding(file, 0, 0, listed(elements.empty), rule, severity="notice"))
    if renamed:
        rule = "ids that mean something else in formulas were renamed"
        found.append(Finding(file, 0, 0, listed(renamed), rule, severity="notice"))
    if elements.constraints:
        rule = "are not watched during simulations"
        found.append(Finding(file, 0, 0, f"{elements.constraints} constraints", rule, severity="notice"))
    return found

"""Names: what may be one, none given twice, and those that look alike."""

from __future__ import annotations

from idfit.expressions.parse import CONSTANTS
from idfit.spec.findings import Findings, clipped, dotted, is_identifier, shown
from idfit.spec.schema import ProblemSpec
from idfit.spec.toml_positions import Path

LONGEST_NAME = 200
LABEL_SECTIONS = ("conditions", "reactions", "events")
NAME_SECTIONS = ("states", "parameters", "constants", "assignments", "inputs", "observables")
"""Their names share one space, because formulas use them."""

TIME_NAMES = frozenset({"t", "time"})
"""In formulas these mean the time, unless the problem declares them."""


def declared(spec: ProblemSpec) -> dict[str, str]:
    """Every name that a formula can use, with the section that declares it."""
    names = {name: "columns" for observable in spec.observables.values() for name in observable.columns}
    names |= {name: section for section in reversed(NAME_SECTIONS) for name in getattr(spec, section)}
    return {name: section for name, section in names.items() if copy_of(name) is None}


def copy_of(name: str) -> tuple[str, str] | None:
    """Parameter and column value of a copy: ``k[gel1]`` is (``k``, ``gel1``)."""
    parameter, bracket, value = name.partition("[")
    return (parameter, value[:-1]) if bracket and value.endswith("]") and is_identifier(parameter) else None


def check_names(spec: ProblemSpec, findings: Findings) -> None:
    first: dict[str, str] = {}
    for section in NAME_SECTIONS:
        for name in getattr(spec, section):
            path: Path = (section, name)
            if section == "parameters" and copy_of(name):
                continue  # an entry for a copy; see check_parameters
            if not is_identifier(name) or len(name) > LONGEST_NAME:
                _refuse_name(path, name, findings)
            elif name in first:
                remedy = "rename one of the two"
                if section == "observables":
                    remedy = f"rename the observable, for example to {name}_observed"
                rule = (
                    f"the name is in [{first[name]}] and in [{section}]; formulas could not tell them apart"
                )
                findings.error(path, dotted(path), rule, remedy, "M18")
            elif name in CONSTANTS:
                rule = f"'{name}' is a number in formulas, which would not mean this entry"
                findings.error(path, dotted(path), rule, "rename it", "M18")
            elif name in TIME_NAMES:
                rule = f"hides the time: formulas now mean this entry by '{name}'"
                other = next(iter(TIME_NAMES - {name}))
                findings.notice(path, dotted(path), rule, f"write '{other}' for the time", "M18")
            first.setdefault(name, section)
    for section in LABEL_SECTIONS:
        for name in getattr(spec, section):
            if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
                rule = (
                    f"is not a label: one line of 1 to {LONGEST_NAME} characters without spaces at its ends"
                )
                findings.error((section, name), shown(name), rule, "rename it", "S10")
    _tell_lookalikes(first, findings)
    for field in ("name", "description"):
        text = getattr(spec, field)
        if len(text) > 10_000 or "\0" in text:
            findings.error(
                (field,), field, "is longer than 10,000 characters or has a NUL", "shorten it", "S10"
            )


def _refuse_name(path: Path, name: str, findings: Findings) -> None:
    odd = next((c for c in name if not c.isascii()), "")
    if len(name) > LONGEST_NAME:
        rule, remedy = f"names have at most {LONGEST_NAME} characters", "choose a short name"
    elif odd and odd.isprintable():
        rule = f"names are plain ASCII, and this one has {odd!r} (U+{ord(odd):04X})"
        remedy = "spell it with the letters a to z, digits and _"
    else:
        rule = "is not a name: letters a to z, digits and _, not beginning with a digit"
        remedy = "rename it"
    findings.error(path, f"{path[0]}: {shown(name)}", rule, remedy, "E16" if odd else "S10")


def _tell_lookalikes(names: dict[str, str], findings: Findings) -> None:
    by_lower: dict[str, str] = {}
    for name, section in names.items():
        other = by_lower.setdefault(name.lower(), name)
        if other != name:
            given = f"'{clipped(other)}' and '{clipped(name)}'"
            findings.notice((section, name), given, "differ only in case; they are two things", "", "P11")

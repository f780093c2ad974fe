"""Plain values -> ProblemSpec. What pydantic objects to is said in our words, with the nearest valid key."""

from __future__ import annotations

import copy
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from idfit.spec.findings import LIKE_THIS, Findings, did_you_mean, dotted, listed, nearest, shown
from idfit.spec.schema import (
    ConditionSpec,
    Distribution,
    DoseSpec,
    EventSpec,
    InputSpec,
    Interpolation,
    NoiseColumn,
    ObservableSpec,
    ParameterSpec,
    ProblemSpec,
    ReactionSpec,
    Scale,
    Series,
    StateSpec,
    Transform,
)
from idfit.spec.toml_positions import Path

_TABLE = "a table in braces or under a [header]"
_FORMULA = "a number or a formula in quotes"
_CHOICES = {
    "scale": get_args(Scale),
    "transform": get_args(Transform),
    "distribution": get_args(Distribution),
    "interpolation": get_args(Interpolation),
    "kind": get_args(NoiseColumn.model_fields["kind"].annotation)[0].__args__,
}

# Kind of entry in each section: its class, its name in messages, an example.
ENTRIES: dict[str, tuple[type[BaseModel], str, str]] = {
    "states": (StateSpec, "a state", 'A = { init = 1, unit = "nM" }'),
    "reactions": (ReactionSpec, "a reaction", 'r = { eq = "A -> B", rate = "k*A" }'),
    "parameters": (ParameterSpec, "a parameter", "k = { value = 0.1, min = 1e-4, max = 1e2 }"),
    "inputs": (InputSpec, "an input", 'u = { file = "u.csv", column = "u" }'),
    "events": (EventSpec, "an event", 'e = { when = "A < 1", set = { A = 2 } }'),
    "observables": (ObservableSpec, "an observable", 'y = { formula = "A", noise = "sd" }'),
    "conditions": (ConditionSpec, "a condition", "[conditions.control] with set = { k = 1 }"),
}
_PLAIN = {"odes": _FORMULA, "assignments": _FORMULA, "constants": "a number"}

# What a key holds, in words.
_EXPECTED = {
    **dict.fromkeys(("init", "volume", "rate", "formula"), _FORMULA),
    **dict.fromkeys(("value", "min", "max", "dof", "t0"), "a number"),
    **dict.fromkeys(
        ("eq", "unit", "tie", "per", "name", "description", "when", "column"), "a text in quotes"
    ),
    "preequilibrate": "the name of a condition in quotes",
    "delay": _FORMULA,
    "priority": _FORMULA,
    **dict.fromkeys(("persistent", "initial"), "true or false"),
    "time": "a text in quotes",
    "fixed": "true or false",
    **dict.fromkeys(
        ("prior", "start"),
        'a text such as "normal(0, 1)", or { density = "normal(0, 1)", on = "estimation" }',
    ),
    "noise": 'a number, a formula in quotes, or { column = "sd" }',
    "set": "a table of names with numbers or formulas, { k = 1 }",
    "add": "a table of states with numbers or formulas, { A = 1 }",
    "dose": "an array of tables, [{ time = 1, add = { A = 1 } }]",
    "reinit": 'an array of names, ["A"]',
    "times": "an array of numbers",
    "values": "an array of numbers",
}

# What people write for a key, and the key.
_SYNONYMS = {
    **dict.fromkeys(("lower", "lower_bound", "lb", "lowerBound", "minimum"), "min"),
    **dict.fromkeys(("upper", "upper_bound", "ub", "upperBound", "maximum"), "max"),
    **dict.fromkeys(("nominal", "nominalValue", "initial_guess", "guess"), "value"),
    **dict.fromkeys(("initial", "initial_value", "x0", "y0"), "init"),
    **dict.fromkeys(("sigma", "sd", "std", "error", "noise_formula"), "noise"),
    **dict.fromkeys(("transformation", "log"), "transform"),
    **dict.fromkeys(("equation", "reaction"), "eq"),
    **dict.fromkeys(("units",), "unit"),
    **dict.fromkeys(("expression", "expr"), "formula"),
    **dict.fromkeys(("parameterScale", "estimation_scale"), "scale"),
    **dict.fromkeys(("fix", "vary", "estimate"), "fixed"),
}
_SECTION_SYNONYMS = {
    **dict.fromkeys(("ode", "equations", "derivatives", "rates"), "odes"),
    **dict.fromkeys(("species", "variables"), "states"),
    **dict.fromkeys(("params", "parameter"), "parameters"),
    **dict.fromkeys(("observable", "measured", "outputs"), "observables"),
    **dict.fromkeys(("experiments",), "conditions"),
}


def validated(raw: dict[str, Any], findings: Findings) -> ProblemSpec | None:
    """Build the spec. Entries with problems are replaced by harmless ones and muted, so that the checks that
    follow speak of the rest; None if a whole section is unusable."""
    kept = copy.deepcopy(raw)
    usable = _check_version(kept, findings) & _check_sections(kept, findings)
    for _ in range(3):
        try:
            spec = ProblemSpec.model_validate(kept)
            return spec if usable else None
        except ValidationError as error:
            objections = list(_objections(error, kept))
            for path, missing in objections[:LIKE_THIS]:
                _report(path, missing, kept, findings)
            findings.count_if_full("M29", len(objections[LIKE_THIS:]))
            _mend(error, kept, findings)
    return None


def _check_version(raw: dict[str, Any], findings: Findings) -> bool:
    version = raw.pop("idfit", 1)
    if type(version) is int and version == 1:
        return True
    rule, remedy = "is a format that this idfit does not know", "write idfit = 1, or install a newer idfit"
    findings.error(("idfit",), f"idfit = {shown(version)}", rule, remedy, "M30")
    return False


def _check_sections(raw: dict[str, Any], findings: Findings) -> bool:
    usable = True
    for section in [*ENTRIES, *_PLAIN]:
        if section in raw and not isinstance(raw[section], dict):
            value = raw.pop(section)
            rule = f"must be a table of entries, not {shown(value)}"
            findings.error((section,), section, rule, f"write it under [{section}]", "M29")
            usable = False
    for name in [n for n in raw if n not in ProblemSpec.model_fields]:
        fields = [f for f in ProblemSpec.model_fields if f != "measurements"]
        guess = _SECTION_SYNONYMS.get(name) or nearest(name, fields)
        remedy = f"did you mean {guess!r}?" if guess else "delete it, or move it to the table it belongs to"
        findings.error(
            (name,),
            dotted((name,)),
            f"is not a section or key of a model ({listed(fields, 20)})",
            remedy,
            "M29",
        )
        usable &= not isinstance(raw.pop(name), dict)  # what it declared is unknown to everything else
    return usable


def _objections(error: ValidationError, raw: dict[str, Any]) -> dict[tuple[Path, str], None]:
    """Each path at most once: alternatives of a union object one by one."""
    found: dict[tuple[Path, str], None] = {}
    for item in error.errors(include_url=False, include_context=False):
        path, value = _existing(item["loc"], raw)
        if item["type"] == "missing" and isinstance(value, dict):
            found[path, str(item["loc"][-1])] = None
        else:
            found[path, ""] = None
    # A union complains of the container and of its parts: the innermost says most.
    outer = {path[:n] for path, _ in found for n in range(len(path))} | {
        path for path, missing in found if missing
    }
    return {(path, missing): None for path, missing in found if missing or path not in outer}


def _existing(loc: tuple[str | int, ...], raw: Any) -> tuple[Path, Any]:
    """The part of a location that is a path in the file (pydantic adds the names of alternatives)."""
    path: Path = ()
    for part in loc:
        inside = range(len(raw)) if isinstance(raw, list) else raw if isinstance(raw, dict) else ()
        if part in inside:
            children: Any = raw
            raw = children[part]
            path += (part,)
    return path, raw


def _at(raw: Any, path: Path) -> Any:
    for part in path:
        raw = raw[part]
    return raw


def _owner(path: Path) -> tuple[type[BaseModel], str, str] | None:
    """The class of the table that holds the last key of `path`."""
    inner = {"noise": (NoiseColumn, "noise from the data", '{ column = "sd", kind = "sd" }')}
    if len(path) == 3 and path[0] in ENTRIES:
        return ENTRIES[str(path[0])]
    if len(path) == 4 and path[2] in inner:
        return inner[str(path[2])]
    if len(path) == 5 and path[2] == "dose":
        return DoseSpec, "a dose", "{ time = 1, add = { A = 1 } }"
    if len(path) == 5 and path[2] == "series":
        return Series, "a series", "{ times = [0, 1], values = [0, 1] }"
    return None


def _report(path: Path, missing: str, raw: dict[str, Any], findings: Findings) -> None:
    if missing:
        owner = _owner((*path, missing))
        rule = f"has no {missing!r}" + (f", which {owner[1]} needs" if owner else "")
        findings.error(path, dotted(path), rule, f"write it like {owner[2]}" if owner else "add it", "M29")
        return
    value, owner, key = _at(raw, path), _owner(path), str(path[-1]) if path else ""
    if owner and key not in owner[0].model_fields:
        keys = list(owner[0].model_fields)
        guess = _SYNONYMS.get(key) if _SYNONYMS.get(key) in keys else _guess(key, keys)
        remedy = f"did you mean {guess!r}?" if guess else "delete it"
        if path[0] == "conditions" and key == "table":
            remedy = 'a table of conditions is named once, under [conditions]: table = "conditions.csv"'
        findings.error(
            path, dotted(path), f"{key!r} is not a key of {owner[1]} ({listed(keys, 20)})", remedy, "M29"
        )
    elif len(path) == 2 and path[0] in ENTRIES:
        example = ENTRIES[str(path[0])][2]
        findings.error(
            path, f"{dotted(path)} = {shown(value)}", f"must be {_TABLE}", f"write it like {example}", "M29"
        )
    else:
        expected, remedy = _wording(path, value)
        findings.error(path, f"{dotted(path)} = {shown(value)}", f"must be {expected}", remedy, "M29")


def _guess(key: str, keys: list[str]) -> str | None:
    """The nearest key, where a misspelt synonym counts for the key it stands for."""
    guess = nearest(key, [*keys, *(s for s, k in _SYNONYMS.items() if k in keys)])
    return _SYNONYMS.get(guess, guess) if guess else None


def _wording(path: Path, value: Any) -> tuple[str, str]:
    named = [str(part) for part in path if not isinstance(part, int)]
    key = named[-1] if named else ""
    section = str(path[0]) if path else ""
    if len(path) == 2 and section in _PLAIN:
        return _PLAIN[section], ""
    choices = _CHOICES.get(key, ())
    if choices and len(path) > 2:
        return f"one of {', '.join(choices)}", did_you_mean(str(value), choices)
    if len(named) > 3 and named[-2] in ("set", "add"):
        return _FORMULA, ""
    if len(named) > 3 and named[-2] in ("per", "columns"):
        return "the name of a data column in quotes", ""
    if key == "per" and section == "observables":
        return 'a table of parameters with data columns, { scale = "gel" }', ""
    if key == "columns":
        return 'a table of names with data columns, { dilution = "dilution" }', ""
    if key == "values" and section == "events":
        return "trigger or execution", did_you_mean(str(value), ("trigger", "execution"))
    if key == "time" and "dose" in named:
        return "a number or an array of numbers", ""
    remedy = (
        "write the number without quotes"
        if isinstance(value, str) and _EXPECTED.get(key) == "a number"
        else ""
    )
    return _EXPECTED.get(key, "of another kind"), remedy


def _mend(error: ValidationError, raw: dict[str, Any], findings: Findings) -> None:
    """Take out what was objected to; an entry is replaced by a harmless one, so that its name stays known."""
    harmless: dict[str, Any] = {
        "states": {},
        "reactions": {"eq": "", "rate": 0},
        "parameters": {"value": 1, "fixed": True},
        "inputs": {"formula": 0},
        "events": {"when": "0 > 1"},
        "observables": {"formula": 0, "noise": 1},
        "conditions": {},
        **dict.fromkeys(_PLAIN, 1),
    }
    for item in error.errors(include_url=False, include_context=False):
        path, _ = _existing(item["loc"], raw)
        if len(path) >= 2 and path[0] in harmless:
            section, name = str(path[0]), path[1]
            raw[section][name] = harmless[section]
            findings.muted.add((section, name))
        elif path:
            raw.pop(str(path[0]), None)
            findings.muted.add(path[:1])

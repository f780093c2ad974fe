"""Equations of a spec under other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from idfit.formats.formula_text import substituted
from idfit.spec.check_formulas import formula_texts
from idfit.spec.check_names import copy_of
from idfit.spec.schema import ProblemSpec

_NAMED = ("states", "odes", "parameters", "constants", "assignments", "inputs")
_SECTIONS = (*_NAMED, "reactions", "events")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def renamed(spec: ProblemSpec, names: Mapping[str, str]) -> ProblemSpec:
    """The equations, without copies of parameters, observables, conditions and data."""
    content: dict[str, Any] = spec.model_dump(include={"name", *_SECTIONS})
    for path, formula in formula_texts(spec):
        if path[0] in _SECTIONS and isinstance(formula, str):
            *above, last = path
            place: Any = content
            for key in above:
                place = place[key]
            place[last] = substituted(formula, names)
    for reaction in content["reactions"].values():
        reaction["eq"] = _NAME.sub(lambda match: names.get(match[0], match[0]), reaction["eq"])
    for event in content["events"].values():
        event["set"] = _keys(event["set"], names)
    content |= {section: _keys(content[section], names) for section in _NAMED}
    return ProblemSpec.model_validate(content)


def _keys(entries: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in entries.items() if copy_of(key) is None}

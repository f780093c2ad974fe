"""TOML text -> plain values and their positions; every way in which tomllib can fail is worded."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from typing import Any

from idfit.errors import Finding, InputError
from idfit.spec.findings import Findings, Positions, clipped, dotted, shown
from idfit.spec.toml_positions import Path, repeated_keys

MAX_DEPTH = 50
_MANY_PARTS = re.compile(r"""(?<![\w"'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){20}""")
_PLACE = re.compile(r"\s*\((?:at line (\d+), column (\d+)|at end of document)\)$")
_LONG_LITERAL = re.compile(r"[0-9_]{4000,}")
_LARGEST_INTEGER = 2**63

# Beginnings of tomllib's sentences, and ours.
_WORDING = {
    "Cannot overwrite": ("gives a key a second time", "keep one of the two"),
    "Cannot declare": ("opens a table a second time", "put all of its keys under one header"),
    "Duplicate inline table key": ("gives a key a second time", "keep one of the two"),
    "Cannot mutate immutable": (
        "adds to a table that is already complete",
        "write all keys inside its braces",
    ),
    "Cannot redefine": ("opens a table a second time", "put all of its keys under one header"),
    "Expected '='": ("is not `key = value`", "write an equals sign after the key"),
    "Invalid value": ("has no valid value", "texts need quotes, numbers a digit before the point"),
    "Invalid initial character for a key": ("is not a key", "quote keys with unusual characters"),
    "Invalid statement": (
        "is neither `key = value` nor a [table]",
        "begin the line with # if it is a comment",
    ),
    "Expected newline": ("goes on after the value", "one `key = value` on each line; texts need quotes"),
    "Unclosed array": ("an array is not closed", "add ]"),
    "Unclosed inline table": ("a table is not closed", "add }; a table in braces stands on one line"),
    "Unterminated string": ("a text is not closed", "add the closing quote"),
    "Expected ']": ("a table header is not closed", "add ]"),
    "Unescaped": ("has a backslash that means nothing", "write \\\\, or use single quotes"),
    "Illegal character '\\n'": ("a text is not closed on its line", "add the closing quote"),
    "Illegal character": ("has a character that TOML does not allow", "delete it"),
    "Found invalid character": (
        "has a character that TOML does not allow",
        "a text in one pair of quotes ends on its line",
    ),
    "Invalid date": ("has an impossible date", "texts need quotes"),
    "Invalid hex": ("has a wrong escape", "use single quotes"),
}


def load_toml(text: str, file: str, findings: Findings) -> tuple[dict[str, Any], Positions]:
    """Parse; raise InputError on broken syntax. Values that no model can hold are reported and left out."""
    if not text.strip():
        raise InputError(
            [Finding(file, 0, 0, "", "the model is empty", "see `idfit new` for a first model", "M02")]
        )
    if too_many := _MANY_PARTS.search(text):
        line = text.count("\n", 0, too_many.start()) + 1
        rule = "a key has more than 20 parts"
        raise InputError(
            [Finding(file, line, 0, clipped(too_many.group(), 30), rule, "use a short key", "M25")]
        )
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError([_worded(text, file, str(error))]) from None
    except RecursionError:
        rule = f"arrays or tables are nested more than {MAX_DEPTH} deep"
        raise InputError([Finding(file, _deepest_line(text), 0, "", rule, "flatten them", "M25")]) from None
    except ValueError:
        long = _LONG_LITERAL.search(text)
        line = text.count("\n", 0, long.start()) + 1 if long else 0
        rule = "a number has more than 4,000 digits"
        raise InputError([Finding(file, line, 0, "", rule, "write it as 1.5e10", "M26")]) from None
    positions = Positions.of(text, file)
    findings.positions = positions
    cleaned = _without_odd_values(raw, (), findings)
    return cleaned, positions


def _worded(text: str, file: str, message: str) -> Finding:
    place = _PLACE.search(message)
    sentence = message[: place.start()] if place else message
    lines = text.split("\n")
    last = max((n for n, line in enumerate(lines, start=1) if line.strip()), default=1)
    line, column = (int(place[1]), int(place[2])) if place and place[1] else (last, 0)
    rule, remedy = next(
        (words for start, words in _WORDING.items() if sentence.startswith(start)),
        ("is not TOML", "see toml.io"),
    )
    code = "TOML"
    if "second time" in rule:
        code = "M24"
        if repeated := repeated_keys(text):
            path, line, column, first = repeated[0]
            return Finding(file, line, column, dotted(path), f"{rule} (first on line {first})", remedy, code)
    given = lines[line - 1].strip() if line <= len(lines) else ""
    return Finding(file, line, column, clipped(given), rule, remedy, code)


def _deepest_line(text: str) -> int:
    depth = deepest = line_of_deepest = 0
    for number, line in enumerate(text.split("\n"), start=1):
        depth += line.count("[") + line.count("{") - line.count("]") - line.count("}")
        peak = line.count("[") + line.count("{")
        if max(depth, peak) > deepest:
            deepest, line_of_deepest = max(depth, peak), number
    return line_of_deepest


def _without_odd_values(value: Any, path: Path, findings: Findings) -> Any:
    """A copy without numbers that are not finite or too long, dates, and what is nested too deeply."""
    if isinstance(value, dict | list) and len(path) > MAX_DEPTH:
        _leave_out(path, "", f"is nested more than {MAX_DEPTH} deep", "flatten it", "M25", findings)
        return None
    if isinstance(value, dict):
        items = {key: _without_odd_values(item, (*path, key), findings) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None}
    if isinstance(value, list):
        items = [_without_odd_values(item, (*path, n), findings) for n, item in enumerate(value)]
        return [item for item in items if item is not None]
    if isinstance(value, float) and not math.isfinite(value):
        rule = "is not a finite number (numbers end at 1.8e308)"
        _leave_out(path, shown(value), rule, "give a finite number", "M28", findings)
        return None
    if isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
        _leave_out(
            path, shown(value), "integers end at 2^63", "write a large number as 1.5e20", "M26", findings
        )
        return None
    if isinstance(value, datetime.date | datetime.time):
        _leave_out(path, str(value), "is a date or time of day", "write text in quotes", "M29", findings)
        return None
    return value


def _leave_out(path: Path, given: str, rule: str, remedy: str, code: str, findings: Findings) -> None:
    place = findings.positions.value(path)
    findings.add(Finding(*place, f"{dotted(path)} = {given}" if given else dotted(path), rule, remedy, code))
    in_entry = len(path) > 1 and isinstance(path[1], str)
    findings.muted.add(path[:2] if in_entry else path[:1])

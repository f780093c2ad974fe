"""Writing problems: a spec as TOML, new values into an existing file, measurements as CSV, hashes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from idfit.errors import InputError
from idfit.files import write_whole
from idfit.spec.check_names import copy_of
from idfit.spec.files import MAX_MODEL_BYTES, read_text
from idfit.spec.findings import Findings, Positions, dotted, is_plain_number
from idfit.spec.references import input_to_raw
from idfit.spec.schema import MeasurementTable, ProblemSpec
from idfit.spec.toml_positions import Path, toml_positions

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEADED = ("conditions",)
"""Sections whose entries get a header of their own; all others are written one entry to a line."""


def to_toml(spec: ProblemSpec) -> str:
    """The model as TOML that reads back to an equal spec; measurements are not part of it."""
    content = _content(spec)
    lines = ["idfit = 1"]
    lines += [f"{key} = {_value(content[key])}" for key in ("name", "description", "time") if key in content]
    for section in (f for f in ProblemSpec.model_fields if isinstance(content.get(f), dict)):
        if section in _HEADED:
            lines += _headed(section, content[section])
        else:
            entries = content[section].items()
            width = max(len(_key(name)) for name in content[section])
            lines += ["", f"[{section}]"]
            lines += [f"{_key(name):<{min(width, 30)}} = {_value(value)}" for name, value in entries]
    return "\n".join(lines) + "\n"


def _content(spec: ProblemSpec) -> dict[str, Any]:
    """What differs from the defaults, in the order of the schema, with inputs in their short form."""
    content = spec.model_dump(exclude_defaults=True, exclude={"measurements", "idfit"})
    content = {key: content[key] for key in ProblemSpec.model_fields if key in content}
    for name, state in spec.states.items():
        content["states"][name] = {"init": state.init, **content["states"][name]}
    for name, parameter in spec.parameters.items():
        if copy_of(
            name
        ):  # what is set counts, even where it is the default, because the rest is the parameter's
            own = parameter.model_dump(exclude_unset=True)
            content["parameters"][name] = {key: value for key, value in own.items() if value is not None}
    if spec.inputs:
        content["inputs"] = {name: input_to_raw(given) for name, given in spec.inputs.items()}
    return content


def _headed(section: str, entries: dict[str, dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    if all(not entry for entry in entries.values()):
        return ["", f"[{section}]", *(f"{_key(name)} = {{}}" for name in entries)]
    for name, entry in entries.items():
        lines += ["", f"[{section}.{_key(name)}]"]
        lines += [f"{_key(key)} = {_value(value)}" for key, value in entry.items()]
    return lines


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int | float):
        return _number(float(value))
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
        )
    return "[" + ", ".join(_value(item) for item in value) + "]"


def _number(value: float) -> str:
    """The shortest text that reads back to the same number; whole numbers without a point."""
    return (
        str(int(value))
        if value.is_integer() and abs(value) < 1e15 and value
        else repr(value).removesuffix(".0")
    )


def _text(text: str) -> str:
    """A basic string on one line; only what TOML demands is escaped."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    safe = (
        escapes.get(c)
        or (c if c.isprintable() else f"\\u{ord(c):04X}" if ord(c) < 0x10000 else f"\\U{ord(c):08X}")
        for c in text
    )
    return '"' + "".join(safe) + '"'


def updated_toml(model: str | os.PathLike[str], values: Mapping[str, float]) -> str:
    """The text of a model with new parameter values; comments, order and everything else stay as they are.

    `model` is a path or (with line breaks in it) the text itself. Nothing is written.
    """
    given = os.fspath(model)
    file = "model" if "\n" in given else given
    text = given if "\n" in given else read_text(given, limit=MAX_MODEL_BYTES, what="model file").text
    text = text.removeprefix("\ufeff")
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError):
        raise InputError(f"{file} is not TOML; see `idfit check`") from None
    findings = Findings(Positions.of(text, file))
    parameters = document.get("parameters", {})
    copies: dict[str, float] = {}
    for name, value in values.items():
        path = ("parameters", name)
        copy = copy_of(name)
        if copy and name not in parameters and copy[0] in parameters and math.isfinite(value):
            copies[name] = value
        elif not isinstance(parameters.get(name), dict):
            findings.error(path, dotted(path), "is not in the file", "update only what it declares", "P10")
        elif not math.isfinite(value):
            findings.error(path, f"{dotted(path)} = {value}", "is not a finite number", "", "P04")
        elif "tie" in parameters[name]:
            findings.error(path, dotted(path), "is tied, so its formula gives the value", "", "P03")
        else:
            _put(parameters[name], float(value))
    findings.raise_errors()
    return _with_copies(tomlkit.dumps(document), copies)


def _with_copies(text: str, copies: Mapping[str, float]) -> str:
    """New entries ``"k[gel1]" = { value = 1 }`` below the line of `k`, or at the end if `k` has a header."""
    places = toml_positions(text)
    lines = text.split("\n")
    new: dict[int, list[str]] = {}
    for name, value in copies.items():
        path: Path = ("parameters", name.partition("[")[0])
        place = places[path]
        has_header = lines[place.line - 1].lstrip().startswith("[")
        if has_header:
            entry = ["", f"[parameters.{_key(name)}]", f"value = {_number(value)}"]
        else:
            entry = [f"{_key(name)} = {{ value = {_number(value)} }}"]
        last = max(p.value_line for key, p in places.items() if key[:2] == path)
        new.setdefault(len(lines) if has_header else last, []).extend(entry)
    for line in sorted(new, reverse=True):
        lines[line:line] = new[line]
    return "\n".join(lines)


def _put(parameter: Any, value: float) -> None:
    """Set `value`; in a table that has none, as its first key would be nicer, but tomlkit appends."""
    item = tomlkit.parse(f"value = {_number(value)}")["value"]
    parameter["value"] = item


def write_measurements(table: MeasurementTable, path: str | os.PathLike[str]) -> None:
    """Write measurements as CSV (`measurements_csv`). The file appears complete or not at all."""
    write_whole(FilePath(path), measurements_csv(table))


def measurements_csv(table: MeasurementTable) -> str:
    """Measurements as CSV that `read_measurements` reads back to the same rows.

    Texts that a spreadsheet would take for a formula (beginning with ``= + - @``) get an apostrophe in front,
    which reading takes off again.
    """
    columns: dict[str, Iterable[str]] = {
        "condition": map(_guarded, table.condition),
        "time": map(repr, table.time),
        "observable": map(_guarded, table.observable),
        "value": map(repr, table.value),
    }
    if not all(math.isnan(sd) for sd in table.sd) and not _repeats_a_column(table):
        columns["sd"] = ("" if math.isnan(sd) else repr(sd) for sd in table.sd)
    if any(table.replicate):
        columns["replicate"] = map(_guarded, table.replicate)
    if any(table.censored):
        columns["censored"] = table.censored
    columns |= {_guarded(name): map(_guarded, column) for name, column in table.columns.items()}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) and not is_plain_number(text) else text


def _repeats_a_column(table: MeasurementTable) -> bool:
    """Whether the noise was read from a column of another name, which is written anyway."""
    return any(
        all(is_plain_number(cell) and float(cell) == sd for cell, sd in zip(column, table.sd, strict=True))
        for column in table.columns.values()
    )


def hashes(spec: ProblemSpec) -> dict[str, str]:
    """SHA-256 of the model part and of the data part, each in a canonical form.

    Order counts, because the order of parameters is that of the estimated vector; where the data came from
    (file name, line numbers, comments) does not.
    """
    model = _canonical(
        spec.model_dump(exclude_defaults=True, exclude={"measurements", "name", "description"})
    )
    data = _canonical(spec.measurements.model_dump(exclude={"file", "line", "sha256"}))
    return {"model": _sha256(model), "data": _sha256(data)}


def _canonical(content: Any) -> str:
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()

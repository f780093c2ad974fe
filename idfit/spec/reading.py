"""Reading problems: a model (TOML) and data (CSV) -> ProblemSpec, with all findings in one pass."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from idfit.errors import Finding, InputError
from idfit.spec.check import check_into
from idfit.spec.files import MAX_MODEL_BYTES, read_text
from idfit.spec.findings import Findings, shown
from idfit.spec.measurements import Missing, measurements_of, text_table
from idfit.spec.references import Beside, resolve_condition_table, resolve_inputs
from idfit.spec.schema import ProblemSpec
from idfit.spec.tables import TextTable, read_table
from idfit.spec.toml_text import load_toml
from idfit.spec.validation import validated

AnyPath = str | os.PathLike[str]


def read_problem(
    model_path: AnyPath, data_path: AnyPath | None = None, *, missing: Missing = "refuse"
) -> tuple[ProblemSpec, list[Finding]]:
    """Read a model file and, if given, the measurements.

    Returns the spec with warnings and notices. Everything that is wrong with either file is raised as one
    `InputError`. `missing="drop"` leaves out rows without a value and says how many.
    """
    name = os.fspath(model_path)
    try:
        text = read_text(name, limit=MAX_MODEL_BYTES, what="model file").text
    except InputError as error:
        raise _with_data_problems(error, data_path) from None
    folder = FilePath(name).parent
    return _read(text, name, folder, data_path, missing)


def read_model_text(
    text: str,
    *,
    file: str = "model",
    folder: AnyPath | None = None,
    data_path: AnyPath | None = None,
    missing: Missing = "refuse",
) -> tuple[ProblemSpec, list[Finding]]:
    """The same for a text; it may name other files only if `folder` says what their paths are relative to."""
    return _read(text.removeprefix("\ufeff"), file, FilePath(folder) if folder else None, data_path, missing)


def _read(
    text: str, file: str, folder: FilePath | None, data_path: AnyPath | None, missing: Missing
) -> tuple[ProblemSpec, list[Finding]]:
    findings = Findings()
    try:
        raw, positions = load_toml(text, file, findings)
    except InputError as error:
        raise _with_data_problems(error, data_path) from None
    table = _measured(raw, file, data_path, findings)
    time_unit = raw.get("time") if isinstance(raw.get("time"), str) else None
    beside = Beside(folder, time_unit, findings, {})
    places = resolve_condition_table(raw, beside)
    findings.positions = replace(positions, elsewhere=places)
    resolve_inputs(raw, beside)
    spec = validated(raw, findings)
    if spec is None or findings.is_muted(()):
        findings.raise_errors()
        raise InputError("the model cannot be read")  # not reached: a spec is lacking only for an error
    if table is not None:
        spec = spec.model_copy(update={"measurements": measurements_of(table, spec, findings, missing)})
    check_into(spec, findings)
    return spec, findings.raise_errors()


def _with_data_problems(error: InputError, data_path: AnyPath | None) -> InputError:
    """A model that cannot be read at all does not hide that the data cannot be read either."""
    if data_path is None:
        return error
    findings = Findings()
    read_table(data_path, findings)
    return InputError([*error.findings, *(f for f in findings.items if f.severity == "error")])


def _measured(
    raw: dict[str, Any], file: str, data_path: AnyPath | None, findings: Findings
) -> TextTable | None:
    """The data file, or [measurements] in the model file with an array for each column."""
    inline = raw.pop("measurements", None)
    if inline is None:
        return read_table(data_path, findings) if data_path is not None else None
    if data_path is not None:
        rule = "the model file holds measurements, and a data file is given too"
        findings.error(("measurements",), "measurements", rule, "delete one of the two", "M29")
    elif not isinstance(inline, dict) or not all(isinstance(column, list) for column in inline.values()):
        rule = "must be a table with an array for each column"
        remedy = "[measurements] time = [0, 1], value = [2, 3]"
        findings.error(("measurements",), f"measurements = {shown(inline)}", rule, remedy, "M29")
    else:
        return text_table(inline, f"{file} [measurements]", findings)
    return None

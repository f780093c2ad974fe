"""What a model file names but does not hold: samples of inputs and tables of conditions, in CSV files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from idfit.spec.files import path_beside
from idfit.spec.findings import Findings, clipped, did_you_mean, dotted, is_identifier, listed, shown
from idfit.spec.measurements import time_conversion
from idfit.spec.schema import InputSpec
from idfit.spec.tables import TextTable, number_problem, read_table
from idfit.spec.toml_positions import Path

_FILE_KEYS = ("file", "column", "time", "interpolation", "unit")
_SERIES_KEYS = ("times", "values", "interpolation", "unit")
_ID_COLUMNS = ("condition", "id")


@dataclass(frozen=True)
class Beside:
    """Reads the tables that a model file in `folder` names; each file once."""

    folder: FilePath | None
    time_unit: str | None
    findings: Findings
    tables: dict[str, TextTable | None]

    def table(self, path: Path, given: Any, what: str) -> TextTable | None:
        if not isinstance(given, str):
            self.findings.error(
                path, f"{dotted(path)} = {shown(given)}", "must be a path in quotes", "", "M29"
            )
            return None
        if self.folder is None:
            rule = "a model that is not in a file cannot name files"
            self.findings.error(path, shown(given), rule, "give the values themselves", "S03")
            return None
        found, rule = path_beside(self.folder, given)
        if found is None:
            remedy = 'give the path from the folder of the model file, such as "../data/u.csv"'
            self.findings.error(path, f"{dotted(path)} = {shown(given)}", rule, remedy, "S12")
            return None
        key = str(found)
        if key not in self.tables:
            before = len(self.findings.items)
            self.tables[key] = read_table(found, self.findings, what)
            if any(f.severity == "error" for f in self.findings.items[before:]):
                self.tables[key] = None
        return self.tables[key]


def resolve_inputs(raw: dict[str, Any], beside: Beside) -> None:
    """Bring every way to write an input to the form of `InputSpec`, in place."""
    inputs = raw.get("inputs")
    if not isinstance(inputs, dict):
        return
    for name, value in inputs.items():
        path: Path = ("inputs", name)
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            inputs[name] = {"formula": value}
        elif isinstance(value, dict) and "file" in value:
            inputs[name] = _from_file(path, value, beside)
        elif isinstance(value, dict) and ("times" in value or "values" in value):
            inputs[name] = _inline(path, value, beside.findings)
        if inputs[name] is None:
            inputs[name] = {"formula": 0}
            beside.findings.muted.add(path)


def _unknown_keys(path: Path, value: dict[str, Any], known: tuple[str, ...], findings: Findings) -> bool:
    unknown = [key for key in value if key not in known]
    for key in unknown:
        rule = f"{key!r} is not a key of an input with samples ({', '.join(known)})"
        findings.error((*path, key), dotted((*path, key)), rule, did_you_mean(key, known, "delete it"), "M29")
    return bool(unknown)


def _inline(path: Path, value: dict[str, Any], findings: Findings) -> dict[str, Any] | None:
    if _unknown_keys(path, value, _SERIES_KEYS, findings):
        return None
    lacking = [key for key in ("times", "values") if key not in value]
    if lacking:
        findings.error(path, dotted(path), f"has no {lacking[0]!r}", "give both times and values", "M29")
        return None
    rest = {key: value[key] for key in value if key not in ("times", "values")}
    return {**rest, "series": {"": {"times": value["times"], "values": value["values"]}}}


def _from_file(path: Path, value: dict[str, Any], beside: Beside) -> dict[str, Any] | None:
    findings = beside.findings
    if _unknown_keys(path, value, _FILE_KEYS, findings):
        return None
    table = beside.table((*path, "file"), value["file"], "input file")
    if table is None:
        return None
    time, column = value.get("time", "time"), value.get("column", path[1])
    for key, name in (("time", time), ("column", column)):
        if name not in table.columns:
            rule = f"is not a column of {table.file} (it has {listed(table.columns)})"
            remedy = did_you_mean(str(name), table.columns, f"name one of them as {key}")
            findings.error((*path, key), f"{dotted((*path, key))} = {shown(name)}", rule, remedy, "D13")
    if time not in table.columns or column not in table.columns:
        return None
    factor = time_conversion(table, time, beside.time_unit, findings)
    conditions = table.columns.get("condition", ("",) * len(table))
    series: dict[str, dict[str, list[float]]] = {}
    good = True
    for n, condition in enumerate(conditions):
        numbers = []
        for name in (time, column):
            cell = table.columns[name][n]
            rule, remedy, code = number_problem(cell)
            if rule:
                findings.in_row(table.file, table.line[n], f"{name} = '{clipped(cell)}'", rule, remedy, code)
                good = False
            else:
                numbers.append(float(cell))
        if len(numbers) == 2:
            samples = series.setdefault(condition, {"times": [], "values": []})
            samples["times"].append(numbers[0] * factor)
            samples["values"].append(numbers[1])
    unit = value.get("unit", table.units.get(column))
    rest = {key: value[key] for key in ("interpolation",) if key in value} | ({"unit": unit} if unit else {})
    return {**rest, "series": series} if good else None


def resolve_condition_table(raw: dict[str, Any], beside: Beside) -> dict[Path, tuple[str, int]]:
    """Take `table` out of [conditions] and add its rows; returns where the entries from it stand."""
    conditions = raw.get("conditions")
    if not isinstance(conditions, dict) or isinstance(conditions.get("table", {}), dict):
        return {}
    findings = beside.findings
    table = beside.table(("conditions", "table"), conditions.pop("table"), "table of conditions")
    places: dict[Path, tuple[str, int]] = {}
    if table is None:
        findings.muted.add(())  # nothing that needs the conditions can be judged
        return places
    id_column = next((name for name in _ID_COLUMNS if name in table.columns), None)
    if id_column is None:
        rule = f"the table has no column 'condition' (it has {listed(table.columns)})"
        findings.in_row(table.file, 1, "", rule, "name the column of the conditions so", "D13")
        return places
    for n, name in enumerate(table.columns[id_column]):
        _add_row(conditions, table, n, name, id_column, places, findings)
    return places


def _add_row(
    conditions: dict[str, Any],
    table: TextTable,
    n: int,
    name: str,
    id_column: str,
    places: dict[Path, tuple[str, int]],
    findings: Findings,
) -> None:
    line = table.line[n]
    if not name or ("conditions", name) in places:
        rule = "stands twice in the table" if name else "the row has no condition"
        findings.in_row(table.file, line, clipped(name), rule, "give every row a name of its own", "D11")
        return
    places["conditions", name] = (table.file, line)
    entry = conditions.setdefault(name, {})
    settings = entry.setdefault("set", {}) if isinstance(entry, dict) else None
    if not isinstance(settings, dict):
        return
    for column, cells in table.columns.items():
        cell = cells[n]
        if column == id_column or not cell:  # an empty cell leaves the model's value
            continue
        rule, remedy, code = number_problem(cell)
        if rule and not is_identifier(cell):
            remedy = "a cell holds a number, the name of a parameter, or nothing"
            findings.in_row(table.file, line, f"{column} = '{clipped(cell)}'", rule, remedy, code)
        elif column in settings:
            given = f"{column} = '{clipped(cell)}'"
            rule = f"[conditions.{clipped(name)}] of the model file sets it too"
            findings.in_row(table.file, line, given, rule, "keep one of the two", "M24")
        else:
            settings[column] = cell if rule else float(cell)
            places["conditions", name, "set", column] = (table.file, line)


def input_to_raw(given: InputSpec) -> Any:
    """The shortest way to write an input in a file; the inverse of `resolve_inputs`."""
    rest: dict[str, Any] = {"unit": given.unit} if given.unit is not None else {}
    if given.series:
        rest["interpolation"] = given.interpolation
        series = {
            name: {"times": list(s.times), "values": list(s.values)} for name, s in given.series.items()
        }
        return {**series[""], **rest} if set(series) == {""} else {"series": series, **rest}
    if given.interpolation != "linear":
        rest["interpolation"] = given.interpolation
    return {"formula": given.formula, **rest} if rest else given.formula

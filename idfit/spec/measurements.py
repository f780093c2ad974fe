"""Measurements: tidy rows ``condition,time,observable,value[,sd,...]`` -> MeasurementTable."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from idfit.errors import Finding
from idfit.spec.findings import Findings, clipped, did_you_mean, listed
from idfit.spec.schema import MeasurementTable, NoiseColumn, ProblemSpec
from idfit.spec.tables import MISSING, TextTable, number_problem, parse_header, read_table
from idfit.spec.units import conversion

Missing = Literal["refuse", "drop"]
DEFAULT_CONDITION = "default"
COLUMNS = ("condition", "time", "observable", "value", "sd", "replicate", "censored")
CENSORED = ("", "left", "right")


def read_measurements(
    path: str | os.PathLike[str], spec: ProblemSpec, *, missing: Missing = "refuse"
) -> tuple[MeasurementTable, list[Finding]]:
    """Read a data file for the model in `spec`; raises InputError with everything that is wrong in it."""
    findings = Findings()
    table = measurements_of(read_table(path, findings), spec, findings, missing)
    return table, findings.raise_errors()


def measurement_table(
    columns: Mapping[str, Sequence[Any]],
    spec: ProblemSpec,
    *,
    missing: Missing = "refuse",
    file: str = "data",
) -> tuple[MeasurementTable, list[Finding]]:
    """The same from columns in memory (a dict of lists, or a data frame); rows are counted from 1."""
    findings = Findings()
    table = measurements_of(text_table(columns, file, findings), spec, findings, missing)
    return table, findings.raise_errors()


def text_table(columns: Mapping[str, Sequence[Any]], file: str, findings: Findings) -> TextTable | None:
    """Columns in memory as a table of texts; None and NaN become empty cells."""
    cells = {str(name): tuple(_cell(value) for value in values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in cells.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        findings.in_row(file, 0, given, "the columns have different lengths", "give one value per row", "D06")
        return None
    names, units = parse_header(list(cells))
    length = next(iter(lengths.values()), 0)
    if length == 0:
        findings.in_row(file, 0, "", "there are no measurements", "add rows", "D01")
    return TextTable(file, dict(zip(names, cells.values(), strict=True)), tuple(range(1, length + 1)), units)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(float(value))
    return str(value)


def measurements_of(
    table: TextTable | None, spec: ProblemSpec, findings: Findings, missing: Missing = "refuse"
) -> MeasurementTable:
    """Measurements from a table of texts. Rows with problems are reported and left out."""
    if table is None or not _has_columns(table, spec, findings):
        return MeasurementTable()
    rows = _Rows(table, spec, findings, missing)
    extra = {name: column for name, column in table.columns.items() if name not in COLUMNS}
    kept = [n for n in range(len(table)) if rows.read(n)]
    rows.tell_dropped()
    _tell_unused(table, extra, spec, findings)
    _compare_value_unit(table, spec, findings)
    return MeasurementTable(
        **{name: tuple(values) for name, values in rows.values.items()},
        columns={name: tuple(_unguarded(column[n]) for n in kept) for name, column in extra.items()},
        line=tuple(table.line[n] for n in kept),
        file=table.file,
        sha256=table.sha256,
    )


@dataclass
class _Rows:
    """Reads rows one by one into lists of equal length."""

    table: TextTable
    spec: ProblemSpec
    findings: Findings
    missing: Missing

    def __post_init__(self) -> None:
        self.values: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.dropped: list[int] = []
        self.only_condition = next(iter(self.spec.conditions), DEFAULT_CONDITION)
        self.only_observable = next(iter(self.spec.observables), "")
        self.noise_columns = {
            name: observable.noise.column
            for name, observable in self.spec.observables.items()
            if isinstance(observable.noise, NoiseColumn)
        }
        self.time_factor = _time_factor(self.table, self.spec, self.findings)

    def read(self, n: int) -> bool:
        """Take row `n`, or report what is wrong with it (all of it) and return False."""
        condition = self.text("condition", n, self.only_condition)
        observable = self.text("observable", n, self.only_observable)
        if self.missing == "drop" and self.table.columns["value"][n].lower() in MISSING:
            self.dropped.append(self.table.line[n])
            return False
        time = self.number("time", n)
        value = self.number("value", n)
        sd = self.optional_number(self.noise_columns.get(observable or "", "sd"), n)
        censored = self.censored(n)
        if condition is None or observable is None or censored is None or None in (time, value, sd):
            return False
        row = (
            condition,
            (time or 0.0) * self.time_factor,
            observable,
            value,
            sd,
            self.replicate(n),
            censored,
        )
        for name, item in zip(COLUMNS, row, strict=True):
            self.values[name].append(item)
        return True

    def text(self, column: str, n: int, default: str) -> str | None:
        cells = self.table.columns.get(column)
        if cells is None:
            return default
        if not cells[n]:
            self.problem(n, f"{column} is empty", "every row names one", "fill it in", "D21")
            return None
        return _unguarded(cells[n])

    def replicate(self, n: int) -> str:
        cells = self.table.columns.get("replicate")
        return _unguarded(cells[n]) if cells else ""

    def number(self, column: str, n: int) -> float | None:
        cell = self.table.columns[column][n]
        rule, remedy, code = number_problem(cell)
        if not rule:
            return float(cell)
        if column == "time":
            code = "D29" if code in ("D14", "D16") else code
            if cell.lower().lstrip("+") in ("inf", "infinity"):
                return math.inf  # the steady state
        elif code == "D14":
            remedy = "fill it in, delete the row, or drop such rows with --missing drop"
        self.problem(n, f"{column} = '{clipped(cell)}'", rule, remedy, code)
        return None

    def optional_number(self, column: str, n: int) -> float | None:
        """NaN where the table says nothing; whether that is allowed is checked with the observable."""
        cells = self.table.columns.get(column)
        if cells is None or cells[n].lower() in MISSING:
            return math.nan
        return self.number(column, n)

    def censored(self, n: int) -> str | None:
        cells = self.table.columns.get("censored")
        cell = cells[n] if cells else ""
        if cell in CENSORED:
            return cell
        if cell.lower() in MISSING:
            return ""
        remedy = did_you_mean(cell, CENSORED[1:], "left: the true value is below; right: above")
        self.problem(n, f"censored = '{clipped(cell)}'", "must be left, right or empty", remedy, "D16")
        return None

    def problem(self, n: int, given: str, rule: str, remedy: str, code: str) -> None:
        self.findings.in_row(self.table.file, self.table.line[n], given, rule, remedy, code)

    def tell_dropped(self) -> None:
        if self.dropped:
            lines = listed(map(str, self.dropped), 10)
            given = f"{len(self.dropped)} of {len(self.table)} rows (lines {lines})"
            self.findings.in_row(
                self.table.file, 0, given, "have no value and were dropped", "", "D14", "notice"
            )


def _unguarded(cell: str) -> str:
    """Undo the apostrophe that keeps spreadsheets from reading a text as a formula (`write_measurements`)."""
    return cell[1:] if cell.startswith(("'=", "'+", "'-", "'@")) else cell


def _has_columns(table: TextTable, spec: ProblemSpec, findings: Findings) -> bool:
    needed = ["time", "value"]
    if len(spec.observables) != 1:
        needed.append("observable")
    if len(spec.conditions) > 1:
        needed.append("condition")
    lacking = [name for name in needed if name not in table.columns]
    for name in lacking:
        others = [c for c in table.columns if c not in COLUMNS]
        named = [c for c in others if c.lower().startswith(name)]
        remedy = (
            f"rename the column '{named[0]}' to '{name}'" if named else did_you_mean(name, others, "add it")
        )
        rule = f"there is no column '{name}'"
        if name == "observable" and spec.observables:
            rule += f", and the model has {len(spec.observables)} observables"
        if name == "condition":
            rule += f", and the model has {len(spec.conditions)} conditions"
        findings.in_row(table.file, 0, f"columns {listed(table.columns)}", rule, remedy, "D13")
    return not lacking


def _time_factor(table: TextTable, spec: ProblemSpec, findings: Findings) -> float:
    """Factor from the unit in the header of `time` to the unit of the model."""
    return time_conversion(table, "time", spec.time, findings)


def time_conversion(table: TextTable, column: str, model_unit: str | None, findings: Findings) -> float:
    """Factor from the unit in the header to the model's; a conversion is told, an impossible one refused."""
    unit = table.units.get(column)
    if not unit or unit == model_unit:
        return 1.0
    given = f"{column} [{clipped(unit)}]"
    if not model_unit:
        rule = "the model states no time unit; times are taken as they are"
        findings.in_row(table.file, 0, given, rule, f'write time = "{unit}" in the model', "M21", "notice")
        return 1.0
    factor = conversion(unit, model_unit)
    if factor is None:
        remedy = f"give times in {model_unit}"
        findings.in_row(
            table.file, 0, given, f"is not a time in units like the model's {model_unit}", remedy, "M21"
        )
        return 1.0
    if factor != 1.0:
        rule = f"times were converted to the model's {model_unit} (multiplied by {factor:g})"
        findings.in_row(table.file, 0, given, rule, "", "M21", "notice")
    return factor


def _compare_value_unit(table: TextTable, spec: ProblemSpec, findings: Findings) -> None:
    unit = table.units.get("value")
    for name, observable in spec.observables.items():
        if unit and observable.unit and unit != observable.unit and conversion(unit, observable.unit) != 1.0:
            given = f"value [{clipped(unit)}]"
            rule = f"the unit of observable '{name}' is {observable.unit}; values are not converted"
            findings.in_row(table.file, 0, given, rule, "give both the same unit", "M21", "warning")


def _tell_unused(table: TextTable, extra: Iterable[str], spec: ProblemSpec, findings: Findings) -> None:
    used = {column for observable in spec.observables.values() for column in observable.per.values()}
    used |= {p.per for p in spec.parameters.values() if p.per}
    used |= {column for observable in spec.observables.values() for column in observable.columns.values()}
    used |= {o.noise.column for o in spec.observables.values() if isinstance(o.noise, NoiseColumn)}
    unused = [name for name in extra if name not in used]
    if unused:
        rule = "no observable or parameter uses these columns; they are kept as labels"
        findings.in_row(table.file, 0, listed(unused), rule, "", "D13", "notice")
    if "sd" in table.columns and "sd" not in used and spec.observables:
        rule = "no observable takes its noise from this column"
        remedy = 'write noise = { column = "sd" } in the observable if it should'
        findings.in_row(table.file, 0, "sd", rule, remedy, "D13", "notice")

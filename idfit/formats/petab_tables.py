"""The tables of a PEtab problem: cells as text with file and line, and what their columns must hold."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TypeVar

from idfit.errors import InputError, Severity
from idfit.expressions.functions import NAMES as FUNCTIONS
from idfit.spec.files import MAX_DATA_BYTES, read_text
from idfit.spec.findings import Findings, clipped, did_you_mean, is_identifier, listed
from idfit.spec.tables import TextTable, number_problem, parse_table

Word = TypeVar("Word", bound=str)

RESERVED = frozenset({"true", "false", "inf", "time", "nan", *(name.lower() for name in FUNCTIONS)})
"""What no id of PEtab 2 may be, in any case."""

EMPTY = frozenset({"", "nan"})
"""Cells (in lower case) that say nothing. Other words for that, such as NA, are taken as names."""


@dataclass(frozen=True)
class Columns:
    """Columns that a kind of table must have, and those it may have. Others are told and left aside."""

    needed: tuple[str, ...]
    possible: tuple[str, ...] = ()
    others: bool = False


COLUMNS = {
    1: {
        "condition": Columns(("conditionId",), ("conditionName",), others=True),
        "measurement": Columns(
            ("observableId", "simulationConditionId", "measurement", "time"),
            (
                "preequilibrationConditionId",
                "observableParameters",
                "noiseParameters",
                "datasetId",
                "replicateId",
            ),
        ),
        "observable": Columns(
            ("observableId", "observableFormula", "noiseFormula"),
            ("observableName", "observableTransformation", "noiseDistribution"),
        ),
        "parameter": Columns(
            ("parameterId", "parameterScale", "estimate"),
            (
                "parameterName",
                "lowerBound",
                "upperBound",
                "nominalValue",
                "initializationPriorType",
                "initializationPriorParameters",
                "objectivePriorType",
                "objectivePriorParameters",
            ),
        ),
    },
    2: {
        "condition": Columns(("conditionId", "targetId", "targetValue")),
        "experiment": Columns(("experimentId", "time", "conditionId")),
        "measurement": Columns(
            ("observableId", "experimentId", "measurement", "time"),
            ("modelId", "observableParameters", "noiseParameters", "datasetId", "replicateId"),
        ),
        "observable": Columns(
            ("observableId", "observableFormula", "noiseFormula"),
            ("observableName", "noiseDistribution", "observablePlaceholders", "noisePlaceholders"),
        ),
        "parameter": Columns(
            ("parameterId", "estimate"),
            (
                "parameterName",
                "lowerBound",
                "upperBound",
                "nominalValue",
                "priorDistribution",
                "priorParameters",
            ),
        ),
        "mapping": Columns(("petabEntityId", "modelEntityId"), ("name",)),
    },
}

_OF_ANOTHER_VERSION = {
    2: {
        "observableTransformation": ("lin", "write noiseDistribution log-normal or log-laplace"),
        "objectivePriorType": ("", "name the columns priorDistribution and priorParameters"),
    },
    1: {
        "observablePlaceholders": ("", "name placeholders observableParameter1_<observableId>"),
        "noisePlaceholders": ("", "name placeholders noiseParameter1_<observableId>"),
        "priorDistribution": ("", "name the columns objectivePriorType and objectivePriorParameters"),
    },
}
"""Columns that would change the meaning of a problem if they were left aside: the harmless cell, a remedy."""


@dataclass(frozen=True)
class Table:
    """All files of one kind as one table; a column that a file lacks is empty there.

    `broken` tells that a file could not be read, so that what is not in the table may exist.
    """

    kind: str
    columns: dict[str, tuple[str, ...]]
    files: tuple[str, ...]
    lines: tuple[int, ...]
    findings: Findings = field(repr=False)
    name: str = ""
    sha256: str = ""
    broken: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, column: str, n: int) -> str:
        """The cell as it stands; ``""`` where there is no such column."""
        cells = self.columns.get(column)
        return cells[n] if cells else ""

    def word(self, column: str, n: int) -> str:
        """The cell, ``""`` where it says nothing."""
        cell = self.text(column, n)
        return "" if cell.lower() in EMPTY else cell

    def place(self, n: int) -> tuple[str, int]:
        return self.files[n], self.lines[n]

    def say(
        self, n: int, given: str, rule: str, remedy: str = "", code: str = "", severity: Severity = "error"
    ) -> None:
        self.findings.in_row(*self.place(n), given, rule, remedy, code, severity)

    def number(self, column: str, n: int, *, infinite: bool = False, code: str = "") -> float | None:
        """The number in a cell; None, and a finding, where there is none."""
        cell = self.text(column, n)
        rule, remedy, found = number_problem(cell)
        if not rule:
            return float(cell)
        if infinite and found == "D15" and cell.lower().strip("+-") in ("inf", "infinity"):
            return -math.inf if cell.startswith("-") else math.inf
        if cell.startswith(("<", ">")):
            remedy = "PEtab has no censored values: leave the row out"
        self.say(n, f"{column} = '{clipped(cell)}'", rule, remedy, code or found)
        return None

    def choice(self, column: str, n: int, choices: Sequence[Word]) -> Word:
        """One of several words; the first where the cell says nothing, or (and a finding) none of them."""
        word = self.word(column, n)
        for choice in choices:
            if word == choice:
                return choice
        if word:
            remedy = did_you_mean(word, choices, f"write one of them: {', '.join(choices)}")
            self.say(n, f"{column} = '{clipped(word)}'", f"is not a {column}", remedy, "M29")
        return choices[0]

    def numbers(self, column: str, n: int) -> list[float] | None:
        """Numbers parted by semicolons; None, and a finding, where one of them is none."""
        values = []
        for part in self.parts(column, n):
            rule, remedy, code = number_problem(part)
            if rule:
                self.say(
                    n,
                    f"{column} = '{clipped(self.text(column, n))}'",
                    f"'{clipped(part)}' {rule}",
                    remedy,
                    code,
                )
                return None
            values.append(float(part))
        return values

    def parts(self, column: str, n: int) -> list[str]:
        """What semicolons part in a cell; empty where it says nothing."""
        word = self.word(column, n)
        return [part.strip() for part in word.split(";")] if word else []

    def identifiers(self, column: str, version: int, *, once: bool = True) -> dict[str, int]:
        """Ids and the rows where they first stand; what is no id, or stands twice, is reported."""
        first: dict[str, int] = {}
        for n in range(len(self)):
            name = self.text(column, n)
            given = f"{column} = '{clipped(name)}'"
            if not is_identifier(name):
                rule = "is not an id: letters a to z, digits and _, not beginning with a digit"
                self.say(n, given, rule if name else "is empty", "give it one", "S10")
            elif name not in first:
                first[name] = n
                if version == 2 and name.lower() in RESERVED:
                    self.say(n, given, "is a word that formulas keep for themselves", "rename it", "M18")
            elif once:
                rule = f"stands twice, first in line {self.lines[first[name]]}"
                self.say(n, given, rule, "delete or rename one of them", "D11")
        return first


def read_tables(
    files: Iterable[FilePath], kind: str, version: int, findings: Findings, *, may_be_empty: bool = False
) -> Table:
    """Read all files of one kind of table; rows of files that cannot be read are left out, with findings."""
    columns, files = COLUMNS[version][kind], tuple(files)
    tables = [t for f in files if (t := _read(f, kind, findings, may_be_empty)) is not None]
    tables = [table for table in tables if _has_columns(table, kind, columns, findings)]
    names = dict.fromkeys(name for table in tables for name in table.columns)
    joined = {
        name: tuple(cell for table in tables for cell in table.columns.get(name, ("",) * len(table)))
        for name in names
    }
    lines = tuple(line for table in tables for line in table.line)
    places = tuple(table.file for table in tables for _ in table.line)
    sha256 = tables[0].sha256 if len(tables) == 1 else ""
    if len(tables) > 1:
        sha256 = hashlib.sha256("".join(table.sha256 for table in tables).encode()).hexdigest()
    name = " + ".join(table.file for table in tables)
    result = Table(kind, joined, places, lines, findings, name, sha256, broken=len(tables) < len(files))
    _tell_others(result, columns, version)
    return result


def _read(path: FilePath, kind: str, findings: Findings, may_be_empty: bool) -> TextTable | None:
    try:
        source = read_text(path, limit=MAX_DATA_BYTES, what=f"{kind} table")
    except InputError as error:
        findings.extend(error.findings)
        return None
    own = Findings()
    table = parse_table(source.text, str(path), own, sha256=source.sha256)
    findings.extend(f for f in own.items if not (may_be_empty and f.code == "D01"))
    if any(f.severity == "error" and f.code in ("D06", "D08", "D09", "D11") for f in own.items):
        return None  # the cells may not be where they seem to be
    return table


def _has_columns(table: TextTable, kind: str, columns: Columns, findings: Findings) -> bool:
    lacking = [name for name in columns.needed if name not in table.columns]
    known = (*columns.needed, *columns.possible)
    for name in lacking:
        others = [c for c in table.columns if c not in known]
        guess = did_you_mean(name, others)
        remedy = f"rename the column: {guess}" if guess else "add it"
        given = f"columns {listed(table.columns)}"
        findings.in_row(
            table.file, 1, given, f"there is no column '{name}' in the {kind} table", remedy, "D13"
        )
    return not lacking


def _tell_others(table: Table, columns: Columns, version: int) -> None:
    if columns.others or not len(table):
        return
    others = [name for name in table.columns if name not in (*columns.needed, *columns.possible)]
    for name in list(others):
        if name not in _OF_ANOTHER_VERSION[version]:
            continue
        harmless, remedy = _OF_ANOTHER_VERSION[version][name]
        n = next((n for n in range(len(table)) if table.word(name, n) not in ("", harmless)), None)
        if n is not None:
            rule = f"is a column of PEtab {3 - version}, and would be lost here"
            table.say(n, f"{name} = '{clipped(table.text(name, n))}'", rule, remedy, "D13")
            others.remove(name)
    if others:
        rule = f"no part of the {table.kind} table of PEtab {version}; left aside"
        table.findings.in_row(table.files[0], 1, listed(others), rule, "", "D13", "notice")

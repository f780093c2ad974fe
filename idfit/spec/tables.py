"""CSV and TSV texts as rows of cells, with the line of each, and nothing silently repaired."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from idfit.errors import InputError
from idfit.spec.files import MAX_DATA_BYTES, read_text
from idfit.spec.findings import Findings, clipped, is_plain_number, listed

MAX_ROWS = 2_000_000
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a", "<na>"})
"""Cells that stand for "no value", in any case."""

_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_UNIT = re.compile(r"(.*?)\s*\[([^\[\]]*)\]")


@dataclass(frozen=True)
class TextTable:
    """Cells as text. `units` holds the units that stood in brackets behind column names."""

    file: str
    columns: dict[str, tuple[str, ...]]
    line: tuple[int, ...]
    units: dict[str, str] = field(default_factory=dict)
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.line)


def read_table(path: str | os.PathLike[str], findings: Findings, what: str = "data file") -> TextTable | None:
    """Read a table; what is wrong goes to `findings`, and None comes back where nothing can be read."""
    name = os.fspath(path)
    try:
        source = read_text(name, limit=MAX_DATA_BYTES, what=what)
    except InputError as error:
        findings.extend(error.findings)
        return None
    return parse_table(source.text, name, findings, sha256=source.sha256)


def parse_table(text: str, file: str, findings: Findings, sha256: str = "") -> TextTable | None:
    """Read a table from its text; `#` begins a comment line, blank lines are skipped."""
    numbered = [
        (number, line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if len(numbered) > MAX_ROWS:
        rule = f"the table has {len(numbered):,} rows, more than the limit of {MAX_ROWS:,}"
        findings.in_row(file, 0, "", rule, "thin the data out or split them", "D31")
        return None
    if not numbered:
        findings.in_row(
            file, 0, "", "the table has no header and no rows", "write a header and the rows", "D01"
        )
        return None
    separator = _separator(file, numbered, findings)
    if separator is None:
        return None
    names, units = _header(file, *numbered[0], separator, findings)
    if names is None:
        return None
    rows, lines = _rows(file, numbered, separator, len(names), findings)
    if not numbered[1:]:
        findings.in_row(file, numbered[0][0], "", "the table has a header but no rows", "add the rows", "D01")
    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    if columns.get("") is not None:
        unnamed = columns.pop("")
        filled = next((i for i, cell in enumerate(unnamed) if cell), None)
        if filled is not None:
            rule = "the last column has cells but no name"
            findings.in_row(
                file, lines[filled], clipped(unnamed[filled]), rule, "name it in the header", "D08"
            )
            return None
    return TextTable(file, columns, tuple(lines), units, sha256)


def _separator(file: str, numbered: list[tuple[int, str]], findings: Findings) -> str | None:
    line, header = numbered[0]
    if "\t" in header and "," not in header:
        if file.lower().endswith(".csv"):
            findings.in_row(
                file, line, "", "is separated by tabs though named .csv; read as such", "", "D10", "notice"
            )
        return "\t"
    if ";" in header and "," not in header:
        decimal = any(re.search(r"\d,\d", row) for _, row in numbered[1:50])
        looks = "semicolons and decimal commas" if decimal else "semicolons"
        remedy = "save it separated by commas" + (" and with decimal points" if decimal else "")
        findings.in_row(file, line, clipped(header), f"the table is written with {looks}", remedy, "D05")
        return None
    return ","


def _header(
    file: str, line: int, text: str, separator: str, findings: Findings
) -> tuple[list[str] | None, dict[str, str]]:
    cells = _cells(file, line, text, separator, findings)
    if cells is None:
        return None, {}
    spaced = [cell for cell in text.split(separator) if cell != cell.strip() and cell.strip()]
    if spaced and '"' not in text:
        rule = "spaces around column names were dropped"
        findings.in_row(file, line, listed(f"'{cell}'" for cell in spaced), rule, "", "D12", "notice")
    names, units = parse_header(cells)
    if "" in names[:-1]:
        rule = f"column {names.index('') + 1} has no name"
        findings.in_row(file, line, clipped(text), rule, "name it or delete it", "D08")
        return None, {}
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 10_000 else []
    if twice or len(names) >= 10_000:
        rule = "stands twice in the header" if twice else f"{len(names)} columns are too many"
        findings.in_row(file, line, listed(twice), rule, "rename or delete one of the columns", "D11")
        return None, {}
    return names, units


def parse_header(cells: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Column names, and the units that stand behind some of them: ``time [min]``."""
    names: list[str] = []
    units: dict[str, str] = {}
    for cell in cells:
        match = _UNIT.fullmatch(cell)
        names.append(match[1] if match else cell)
        if match:
            units[match[1]] = match[2].strip()
    return names, units


def _rows(
    file: str, numbered: list[tuple[int, str]], separator: str, width: int, findings: Findings
) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    empty = 0
    for line, text in numbered[1:]:
        cells = _cells(file, line, text, separator, findings)
        if cells is None:
            continue
        if len(cells) != width:
            rule = f"the row has {len(cells)} cells, the header {width}"
            remedy = "give every row the same number of cells; text with a separator in it needs quotes"
            findings.in_row(file, line, clipped(text), rule, remedy, "D06")
        elif any(cells):
            rows.append(cells)
            lines.append(line)
        else:
            empty += 1
    if empty:
        findings.in_row(
            file, 0, f"{empty} rows", "have empty cells only and were skipped", "", "D14", "notice"
        )
    return rows, lines


def _cells(file: str, line: int, text: str, separator: str, findings: Findings) -> list[str] | None:
    """The cells of one line, trimmed; a quoted cell may hold the separator but no line break."""
    if '"' not in text:
        return [cell.strip() for cell in text.split(separator)]
    try:
        (cells,) = csv.reader([text], delimiter=separator, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        remedy = "close it on the same line; a quote inside quotes is written twice"
        findings.in_row(file, line, clipped(text), "a quoted cell is not closed properly", remedy, "D09")
        return None
    return [cell.strip() for cell in cells]


def number_problem(cell: str) -> tuple[str, str, str]:
    """Why a cell is not a usable number: (rule, remedy, code); empty texts if it is one."""
    if is_plain_number(cell):
        return (
            ("", "", "") if math.isfinite(float(cell)) else ("is too large for a number", "correct it", "D15")
        )
    if cell.lower() in MISSING:
        return "is missing", "fill it in or delete the row", "D14"
    if _INFINITE.fullmatch(cell):
        return "is not finite", "correct it or delete the row", "D15"
    return "is not a number", _how_to_write(cell), "D16"


def _how_to_write(cell: str) -> str:
    odd = next((c for c in cell if not c.isascii()), "")
    if odd == "\N{MINUS SIGN}":
        return "it has the typographic minus U+2212; write a hyphen"
    if odd:
        return f"it has the character U+{ord(odd):04X}; write plain digits"
    if re.match(r"[<>]=?\s*[\d.]", cell):
        side = "left" if cell[0] == "<" else "right"
        return f"for a censored value write the limit as value and {side} in a column 'censored'"
    if re.fullmatch(r"[+-]?[\d.]+[dD][+-]?\d+", cell):
        return "write the exponent with e, as in 1.0e+03"
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", cell) or "_" in cell:
        return "write it without separators between the digits"
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "write a decimal point"
    if re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?", cell):
        return "dates are not times: give the time since the start as a number"
    if cell.lower() in ("n.d.", "n.d", "nd", "n.a.", "missing", "-", "--", ".", "?"):
        return "leave the row out, or leave the cell empty and read with missing='drop'"
    return "write a number such as 1.5e-3"

"""Collecting everything there is to say about an input in one pass, each with its place in the file."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from idfit.errors import Finding, InputError, Severity
from idfit.spec.toml_positions import Path, Place, toml_positions

LIKE_THIS = 100
"""So many findings of one rule are kept; the rest are counted."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Positions:
    """Places of the keys of a model file; entries that came from another file stand in `elsewhere`."""

    file: str = ""
    places: Mapping[Path, Place] = field(default_factory=dict)
    elsewhere: Mapping[Path, tuple[str, int]] = field(default_factory=dict)

    @staticmethod
    def of(text: str, file: str) -> Positions:
        return Positions(file, toml_positions(text))

    def key(self, path: Path) -> tuple[str, int, int]:
        """File, line and column of the key at `path`, or of the nearest enclosing one."""
        for n in range(len(path), 0, -1):
            if path[:n] in self.elsewhere:
                return (*self.elsewhere[path[:n]], 0)
            if place := self.places.get(path[:n]):
                return self.file, place.line, place.column
        return self.file, 0, 0

    def value(self, path: Path, text: str = "", column: int = 1) -> tuple[str, int, int]:
        """Place of character `column` (from 1) of the text that stands at `path`."""
        place = self.places.get(path)
        if place is None or path in self.elsewhere:
            return self.key(path)
        before = text[: column - 1]
        breaks = before.count("\n")
        if breaks:
            return self.file, place.value_line + breaks, len(before) - before.rindex("\n")
        return self.file, place.value_line, place.value_column + len(before)


@dataclass
class Findings:
    """An append-only list. Nothing is said of paths in or below `muted`, which are known to be broken."""

    positions: Positions = field(default_factory=Positions)
    muted: set[Path] = field(default_factory=set)
    items: list[Finding] = field(default_factory=list)
    _counts: Counter[tuple[str, Severity]] = field(default_factory=Counter)
    _seen: set[Finding] = field(default_factory=set)

    def error(self, path: Path, given: str, rule: str, remedy: str = "", code: str = "") -> None:
        self.at_key("error", path, given, rule, remedy, code)

    def warning(self, path: Path, given: str, rule: str, remedy: str = "", code: str = "") -> None:
        self.at_key("warning", path, given, rule, remedy, code)

    def notice(self, path: Path, given: str, rule: str, remedy: str = "", code: str = "") -> None:
        self.at_key("notice", path, given, rule, remedy, code)

    def at_key(self, severity: Severity, path: Path, given: str, rule: str, remedy: str, code: str) -> None:
        if not self.is_muted(path):
            self.add(Finding(*self.positions.key(path), given, rule, remedy, code, severity))

    def at_text(
        self, path: Path, text: str, column: int, given: str, rule: str, remedy: str = "", code: str = ""
    ) -> None:
        """An error at character `column` of the formula or other text at `path`."""
        if not self.is_muted(path):
            self.add(Finding(*self.positions.value(path, text, column), given, rule, remedy, code))

    def in_row(
        self,
        file: str,
        line: int,
        given: str,
        rule: str,
        remedy: str = "",
        code: str = "",
        severity: Severity = "error",
    ) -> None:
        self.add(Finding(file, line, 0, given, rule, remedy, code, severity))

    def add(self, finding: Finding) -> None:
        if finding in self._seen:
            return
        kind: tuple[str, Severity] = (finding.code, finding.severity)
        self._counts[kind] += 1
        if self._counts[kind] <= LIKE_THIS:
            self._seen.add(finding)
            self.items.append(finding)

    def count_if_full(self, code: str, number: int = 1) -> bool:
        """Whether so many errors of a kind are kept that more need no words; then these are counted here."""
        full = self._counts[code, "error"] >= LIKE_THIS
        self._counts[code, "error"] += number * full
        return full

    def extend(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.add(finding)

    def is_muted(self, path: Path) -> bool:
        return any(path[:n] in self.muted for n in range(len(path) + 1))

    def finish(self) -> list[Finding]:
        """All findings by severity and place, with a count of those of each kind that were not kept."""
        more = [
            Finding(
                self.positions.file,
                0,
                0,
                f"{n - LIKE_THIS} more",
                "findings of this kind",
                "",
                code,
                severity,
            )
            for (code, severity), n in self._counts.items()
            if n > LIKE_THIS
        ]
        rank = {"error": 0, "warning": 1, "notice": 2}
        return sorted(self.items, key=lambda f: (rank[f.severity], f.file, f.line, f.column)) + more

    def raise_errors(self) -> list[Finding]:
        """Raise InputError if anything is an error, with the errors first; else return the rest."""
        findings = self.finish()
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            refusal = InputError(errors)
            refusal.findings = (*errors, *(f for f in findings if f.severity != "error"))
            raise refusal
        return findings


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be."""
    pool = [c for c in candidates if abs(len(c) - len(name)) <= 6][:2000]
    same = [c for c in pool if c.lower() == name.lower()]
    if same or len(name) > 200:
        return same[0] if same else None
    return next(iter(difflib.get_close_matches(name, pool, n=1, cutoff=0.6)), None)


def did_you_mean(name: str, candidates: Iterable[str], otherwise: str = "") -> str:
    guess = nearest(name, candidates)
    return f"did you mean {guess!r}?" if guess else otherwise


def listed(names: Iterable[str], most: int = 8) -> str:
    """``a, b, c and 5 more``."""
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(clipped(n) for n in names[:most]) + rest


def clipped(text: str, most: int = 60) -> str:
    """`text` on one line, control characters escaped, cut in the middle when long."""
    if len(text) > 4 * most:
        text = text[:most] + text[-most:]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return shown if len(shown) <= most else f"{shown[: most - 15]}...{shown[-12:]}"


def shown(value: object) -> str:
    """A value as it would stand in a TOML file, clipped."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{clipped(value)}'"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very long integer"
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    return clipped(str(value))


def dotted(path: Path) -> str:
    """``states.A.init`` or ``conditions.a.dose[1].time`` (items counted from 1)."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part + 1}]")
        else:
            quoted = clipped(part) if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{clipped(part)}"'
            parts.append(f".{quoted}" if parts else quoted)
    return "".join(parts)


def is_plain_number(text: str) -> bool:
    """``-1.5e3`` and the like: ASCII digits, no separators, at most 64 characters."""
    return len(text) <= 64 and _NUMBER.fullmatch(text) is not None


def is_identifier(name: str) -> bool:
    return _IDENTIFIER.fullmatch(name) is not None

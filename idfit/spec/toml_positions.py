"""Where each key and value of a TOML text stands.

`tomllib` reports no positions, so a small scanner walks the text a second time. It assumes a text that
tomllib has accepted; on any other it stops where it is lost and returns what it has found so far.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK_OR_COMMA = re.compile(r"(?:[ \t\r\n,]|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]++|\\.)*+"')
_LITERAL = re.compile(r"'[^'\n]*'")
_BARE_VALUE = re.compile(r"[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?")  # a date and its time may be parted by a space
_LONG_ROW = re.compile(
    r"\[[0-9.,eE+\-_ \t\r\n]{10000,}+\]"
)  # samples: their items get no places of their own
_ESCAPE_OR_CLOSE = re.compile(r'\\.|"""', re.DOTALL)


@dataclass(frozen=True)
class Place:
    """Line and column (both from 1) of a key, and of the first character of its value's content."""

    line: int
    column: int
    value_line: int
    value_column: int


class _Lost(Exception):
    """The text is not TOML from here on."""


@dataclass
class _Scanner:
    text: str
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, int] = field(default_factory=dict)
    repeated: list[tuple[Path, int]] = field(default_factory=list)
    array_lengths: dict[Path, int] = field(default_factory=dict)

    def document(self) -> None:
        prefix: Path = ()
        at = _end(_BLANK, self.text, 0)
        while at < len(self.text):
            if self.text[at] == "[":
                prefix, at = self.header(at)
            else:
                at = self.entry(prefix, at)
            at = _end(_BLANK, self.text, at)

    def header(self, at: int) -> tuple[Path, int]:
        is_array = self.text.startswith("[[", at)
        parts, starts, at = self.key(at + 1 + is_array)
        path: Path = ()
        for n, (part, start) in enumerate(zip(parts, starts, strict=True), start=1):
            path += (part,)
            self.keys.setdefault(path, start)
            if path in self.array_lengths and n < len(parts):  # a table inside the last item of an array
                path += (self.array_lengths[path] - 1,)
        if is_array:
            self.array_lengths[path] = self.array_lengths.get(path, 0) + 1
            path += (self.array_lengths[path] - 1,)
            self.keys[path] = starts[-1]
        elif path in self.values:
            self.repeated.append((path, starts[-1]))
        self.values.setdefault(path, starts[-1])
        return path, at + 1 + is_array

    def entry(self, prefix: Path, at: int) -> int:
        """A key, the equals sign and the value; returns where the value ends."""
        path, at = self.assign(prefix, at)
        containers: list[
            tuple[Path, list[int] | None]
        ] = []  # [next index] of an array, None of an inline table
        while True:
            opening = self.text[at]
            if opening == "[" and (row := _LONG_ROW.match(self.text, at)):
                self.values.setdefault(path, at)
                at = row.end()
            elif opening in "[{":
                self.values.setdefault(path, at)
                containers.append((path, [0] if opening == "[" else None))
                at += 1
            else:
                at = self.scalar(path, at)
            while containers:
                at = _end(_BLANK_OR_COMMA, self.text, at)
                if self.text[at] not in "]}":
                    break
                containers.pop()
                at += 1
            if not containers:
                return at
            path, counter = containers[-1]
            if counter is None:
                path, at = self.assign(path, at)
            else:
                path += (counter[0],)
                counter[0] += 1
                self.keys[path] = at

    def assign(self, prefix: Path, at: int) -> tuple[Path, int]:
        parts, starts, at = self.key(at)
        if not self.text.startswith("=", at):
            raise _Lost
        path = prefix
        for part, start in zip(parts, starts, strict=True):
            path += (part,)
            self.keys.setdefault(path, start)
        if path in self.values:
            self.repeated.append((path, starts[0]))
        return path, _end(_SPACES, self.text, at + 1)

    def key(self, at: int) -> tuple[list[str], list[int], int]:
        """The parts of a dotted key, where each starts, and where the key ends (spaces included)."""
        parts: list[str] = []
        starts: list[int] = []
        while True:
            at = _end(_SPACES, self.text, at)
            starts.append(at)
            quote = self.text[at]
            end = _end({'"': _BASIC, "'": _LITERAL}.get(quote, _BARE_KEY), self.text, at)
            if end == at:
                raise _Lost
            parts.append(_unquoted(self.text[at:end]))
            at = _end(_SPACES, self.text, end)
            if not self.text.startswith(".", at):
                return parts, starts, at
            at += 1

    def scalar(self, path: Path, at: int) -> int:
        content = at
        if self.text.startswith(('"""', "'''"), at):
            content = at + 3
            if self.text.startswith("\r\n", content):
                content += 2
            elif self.text.startswith("\n", content):
                content += 1
            end = self.end_of_multiline(at)
        elif self.text[at] in "\"'":
            content = at + 1
            end = _end(_BASIC if self.text[at] == '"' else _LITERAL, self.text, at)
        else:
            end = _end(_BARE_VALUE, self.text, at)
        if end == at:
            raise _Lost
        self.values.setdefault(path, content)
        return end

    def end_of_multiline(self, at: int) -> int:
        quotes = self.text[at : at + 3]
        if quotes == "'''":
            end = self.text.find(quotes, at + 3)
        else:
            match = _ESCAPE_OR_CLOSE.search(self.text, at + 3)
            while match and match.group() != quotes:
                match = _ESCAPE_OR_CLOSE.search(self.text, match.end())
            end = match.start() if match else -1
        if end < 0:
            raise _Lost
        end += 3
        while self.text.startswith(quotes[0], end):  # up to two more quotes belong to the content
            end += 1
        return end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    return tomllib.loads(f"key = {part}")["key"] if part[0] == '"' else part


def _scan(text: str) -> tuple[_Scanner, list[int]]:
    scanner = _Scanner(text)
    with suppress(_Lost, IndexError, tomllib.TOMLDecodeError):
        scanner.document()
    return scanner, [0, *(match.end() for match in re.finditer("\n", text))]


def toml_positions(text: str) -> dict[Path, Place]:
    """Map the path of every key and array item, such as ``("states", "A", "init")``, to its `Place`."""
    scanner, lines = _scan(text)

    def line_and_column(offset: int) -> tuple[int, int]:
        line = bisect_right(lines, offset)
        return line, offset - lines[line - 1] + 1

    return {
        path: Place(*line_and_column(offset), *line_and_column(scanner.values.get(path, offset)))
        for path, offset in scanner.keys.items()
    }


def repeated_keys(text: str) -> list[tuple[Path, int, int, int]]:
    """Keys given a second time: path, line and column of the repetition, and the line of the first."""
    scanner, lines = _scan(text)
    found = []
    for path, offset in scanner.repeated:
        line = bisect_right(lines, offset)
        found.append((path, line, offset - lines[line - 1] + 1, bisect_right(lines, scanner.keys[path])))
    return found

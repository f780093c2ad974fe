"""YAML texts that strangers wrote, as plain dicts, lists and texts.

Nothing is guessed: every scalar stays the text that stands in the file (``no`` is not False, ``1e3`` not a
text that was meant as a number), and whoever reads it says what it is. Anchors, aliases and tags, which make
YAML dangerous or ambiguous, are refused, as are duplicate keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from idfit.errors import InputError
from idfit.spec.findings import Findings, Positions, clipped
from idfit.spec.toml_positions import Path, Place

MAX_DEPTH = 50
MAX_ITEMS = 100_000
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Yaml = dict[str, "Yaml"] | list["Yaml"] | str | None


def load_yaml(text: str, file: str, findings: Findings) -> tuple[Yaml, Positions]:
    """The value of a YAML text with the places of its keys and items; a key that stands twice is reported.

    Errors: `InputError` for a text that is not YAML, or that has anchors, tags or too much nesting.
    """
    yaml = _library()
    reader = _Reader(file, findings)
    try:
        events = yaml.parse(text, Loader=yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)
        value = reader.document(events)
    except yaml.YAMLError as error:
        raise _syntax_error(error, file) from None
    return value, Positions(file, reader.places)


def _library() -> Any:
    try:
        import yaml
    except ImportError:
        raise InputError.of(
            "a YAML file",
            "needs the package PyYAML, which is not installed",
            "run: pip install 'idfit[petab]'",
        ) from None
    return yaml


def _syntax_error(error: Any, file: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    rule = f"is not YAML: {clipped(problem)}"
    remedy = "correct it there; texts with special characters need quotes"
    return InputError.of("", rule, remedy, code="M29", file=file, line=mark.line + 1 if mark else 0)


@dataclass
class _Reader:
    """Builds values from the events of the YAML parser, one level of the stack for each open container."""

    file: str
    findings: Findings
    places: dict[Path, Place] = field(default_factory=dict)
    items: int = 0

    def document(self, events: Iterator[Any]) -> Yaml:
        value: Yaml = None
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "'---'", "a second document begins", "keep one in a file")
            elif kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                value = self.node(event, events, ())
        return value

    def node(self, event: Any, events: Iterator[Any], path: Path) -> Yaml:
        self._check(event, path)
        mark = event.start_mark
        self.places.setdefault(path, Place(mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 1))
        match type(event).__name__:
            case "ScalarEvent":
                return None if not event.style and event.value in _NULLS else event.value
            case "SequenceStartEvent":
                return self.sequence(events, path)
            case _:
                return self.mapping(events, path)

    def sequence(self, events: Iterator[Any], path: Path) -> list[Yaml]:
        values: list[Yaml] = []
        while type(event := next(events)).__name__ != "SequenceEndEvent":
            values.append(self.node(event, events, (*path, len(values))))
        return values

    def mapping(self, events: Iterator[Any], path: Path) -> dict[str, Yaml]:
        values: dict[str, Yaml] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            self._check(event, path)
            if type(event).__name__ != "ScalarEvent":
                raise self._refusal(event, "a key", "is a list or mapping", "keys are texts")
            key, mark = event.value, event.start_mark
            place = Place(mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 1)
            if key in values:
                rule = f"the key stands twice, first in line {self.places[(*path, key)].line}"
                self.findings.in_row(self.file, place.line, clipped(key), rule, "delete one of them", "S07")
            self.places.setdefault((*path, key), place)
            value = self.node(next(events), events, (*path, key))
            values.setdefault(key, value)
        return values

    def _check(self, event: Any, path: Path) -> None:
        self.items += 1
        if type(event).__name__ == "AliasEvent" or event.anchor is not None:
            mark = "*" if type(event).__name__ == "AliasEvent" else "&"
            rule = "anchors and aliases are refused: they can stand for an endless text"
            raise self._refusal(event, f"{mark}{event.anchor}", rule, "write the value itself", "S05")
        if event.tag is not None:
            rule = "tags are refused: some of them run programs"
            raise self._refusal(event, f"!{clipped(event.tag.lstrip('!'))}", rule, "delete the tag", "S04")
        if len(path) > MAX_DEPTH or self.items > MAX_ITEMS:
            rule = f"there are more than {MAX_DEPTH} levels or {MAX_ITEMS:,} items"
            raise self._refusal(event, "the file", rule, "reduce it", "S05")

    def _refusal(self, event: Any, given: str, rule: str, remedy: str, code: str = "M29") -> InputError:
        return InputError.of(given, rule, remedy, code=code, file=self.file, line=event.start_mark.line + 1)

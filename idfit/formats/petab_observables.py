"""Observables and measurements of a PEtab problem, and the values that rows give to placeholders.

A placeholder that has the same value in all rows of its observable is replaced by it, which leaves formulas
that can be worked with in closed form. The others become columns of the measurements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from idfit.expressions import ExpressionError, names_in, parse
from idfit.formats.formula_text import substituted
from idfit.formats.petab_tables import Table
from idfit.spec.findings import clipped, did_you_mean, is_identifier, is_plain_number, listed
from idfit.spec.schema import Distribution, MeasurementTable, NoiseColumn, ObservableSpec, Transform

TRANSFORMS: tuple[Transform, ...] = ("lin", "log", "log10")
DISTRIBUTIONS: dict[int, tuple[Distribution, ...]] = {
    1: ("normal", "laplace"),
    2: ("normal", "log-normal", "laplace", "log-laplace"),
}
KINDS = ("observable", "noise")

Label = Callable[[int], str | None]


@dataclass(frozen=True)
class Observed:
    """A row of the observable table. `placeholders` are those of the formula, then those of the noise; one
    that is not `sound` has neither known placeholders nor formulas."""

    n: int
    formula: str
    noise: str
    transform: Transform
    distribution: Distribution
    placeholders: dict[str, tuple[str, ...]]
    sound: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.placeholders["observable"], *self.placeholders["noise"])


def read_observables(table: Table, version: int) -> dict[str, Observed]:
    """The observables by id; what is wrong with them is reported."""
    read = {}
    for name, n in table.identifiers("observableId", version).items():
        texts = [_formula(table, column, n) for column in ("observableFormula", "noiseFormula")]
        formula, noise = (text or "1" for text in texts)
        distribution = table.choice("noiseDistribution", n, DISTRIBUTIONS[version])
        transform = TRANSFORMS[0]
        if version == 1:
            transform = table.choice("observableTransformation", n, TRANSFORMS)
            used = names_in(parse(formula)) | names_in(parse(noise))
            placeholders = {kind: _numbered(table, n, kind, name, used) for kind in KINDS}
        else:
            placeholders = {kind: _declared(table, n, f"{kind}Placeholders") for kind in KINDS}
        sound = None not in texts and None not in placeholders.values()
        if not sound:
            formula = noise = "1"
        names = {kind: (found or ()) if sound else () for kind, found in placeholders.items()}
        read[name] = Observed(n, formula, noise, transform, distribution, names, sound)
    return read


def _formula(table: Table, column: str, n: int) -> str | None:
    text = table.text(column, n)
    try:
        parse(text)
    except ExpressionError as error:
        table.say(n, f"{column}: {error.given}", error.rule, error.remedy, error.code)
        return None
    return text


def _numbered(table: Table, n: int, kind: str, name: str, used: frozenset[str]) -> tuple[str, ...] | None:
    """The placeholders of version 1, which are known by their names."""
    pattern = re.compile(rf"{kind}Parameter([0-9]+)_{re.escape(name)}")
    numbers = sorted(int(match[1]) for one in used if (match := pattern.fullmatch(one)) and len(match[1]) < 5)
    if numbers and numbers != list(range(1, len(numbers) + 1)):
        given = ", ".join(f"{kind}Parameter{number}_{name}" for number in numbers[:8])
        table.say(n, clipped(given), "placeholders are numbered from 1 without gaps", "number them so", "D20")
        return None
    return tuple(f"{kind}Parameter{number}_{name}" for number in numbers)


def _declared(table: Table, n: int, column: str) -> tuple[str, ...] | None:
    names = table.parts(column, n)
    for name in names:
        if not is_identifier(name) or names.count(name) > 1:
            rule = "is not a list of different names"
            table.say(n, f"{column} = '{clipped(table.text(column, n))}'", rule, "write a;b", "D20")
            return None
    return tuple(names)


@dataclass
class Measurements:
    """Reads the measurement table row by row; rows with problems are reported and left out.

    label : the condition of a row, None where it has none (which has been said); starts : when conditions
    begin, if not at 0. parameters : the ids that cells may give to placeholders, with their names in the
    spec.
    """

    table: Table
    observed: Mapping[str, Observed]
    label: Label
    starts: Mapping[str, float]
    parameters: Mapping[str, str]
    observables_known: bool
    parameters_known: bool
    rows: list[int] = field(default_factory=list)
    condition: list[str] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    given: list[dict[str, str]] = field(default_factory=list)

    def read(self) -> None:
        for n in range(len(self.table)):
            observable = self._observable(n)
            label = self.label(n)
            time = self.table.number("time", n, infinite=True, code="D29")
            if label is not None and time is not None and time < (start := self.starts.get(label, 0.0)):
                rule = f"is before the experiment begins, at {start:g}"
                self.table.say(n, f"time = {time:g}", rule, "correct it, or begin earlier", "D27")
                time = None
            value = self.table.number("measurement", n)
            given = self._given(n, observable) if observable else None
            if label is not None and time is not None and value is not None and given is not None:
                self.rows.append(n)
                self.condition.append(label)
                self.time.append(time)
                self.value.append(value)
                self.given.append(given)

    def _observable(self, n: int) -> Observed | None:
        name = self.table.text("observableId", n)
        found = self.observed.get(name)
        if found is None and self.observables_known and not self.table.findings.count_if_full("D21"):
            rule = f"is not in the observable table (it has {listed(self.observed) or 'no observables'})"
            remedy = did_you_mean(name, self.observed, "add it there, or correct the id")
            self.table.say(n, f"observableId = '{clipped(name)}'", rule, remedy, "D21")
        return found

    def _given(self, n: int, observable: Observed) -> dict[str, str] | None:
        """What the row says of each placeholder of its observable."""
        values: dict[str, str] = {}
        if not observable.sound:
            return values
        for kind in KINDS:
            names, column = observable.placeholders[kind], f"{kind}Parameters"
            parts = self.table.parts(column, n)
            if len(parts) != len(names):
                rule = f"holds {len(parts)} values, and the formula has {len(names)} placeholders"
                remedy = f"give {';'.join(names)}" if names else "leave the cell empty"
                given = f"{column} = '{clipped(self.table.text(column, n))}'"
                self.table.say(n, given, rule, remedy, "D20")
                return None
            for name, part in zip(names, parts, strict=True):
                if not is_plain_number(part) and part not in self.parameters:
                    self._unknown(n, column, part)
                    return None
                values[name] = self.parameters.get(part, part)
        return values

    def _unknown(self, n: int, column: str, part: str) -> None:
        if self.parameters_known and not self.table.findings.count_if_full("D21"):
            rule = "is neither a number nor a parameter of the model or the parameter table"
            remedy = did_you_mean(part, self.parameters, "add it to the parameter table")
            self.table.say(n, f"{column}: '{clipped(part)}'", rule, remedy, "D21")

    # what becomes of it -----------------------------------------------------------------------------------

    def observables(self, names: Mapping[str, str]) -> dict[str, ObservableSpec]:
        """The observables of the spec under the ids of the problem; `names` are those that the spec calls
        otherwise. Those with placeholders and without measurements have no formula, and are left out."""
        specs = {}
        for name, observable in self.observed.items():
            constant, columns = self._split(name, observable)
            if any(
                placeholder not in constant and placeholder not in columns for placeholder in observable.names
            ):
                continue
            formula, noise = (
                _number_or_text(substituted(substituted(text, names), constant))
                for text in (observable.formula, observable.noise)
            )
            if self._in_data(name, observable):
                noise = NoiseColumn(column="sd")
                columns = {k: v for k, v in columns.items() if k != observable.noise}
            specs[name] = ObservableSpec(
                formula=formula,
                noise=noise,
                transform=observable.transform,
                distribution=observable.distribution,
                columns=columns,
            )
        return specs

    def _split(self, name: str, observable: Observed) -> tuple[dict[str, str], dict[str, str]]:
        """Placeholders with one value in all rows of an observable, and those that vary, with columns."""
        constant: dict[str, str] = {}
        columns: dict[str, str] = {}
        for placeholder in observable.names:
            rows = self._by_observable.get(name, [])
            values = {_canonical(row[placeholder]): row[placeholder] for row in reversed(rows)}
            if len(values) == 1:
                constant[placeholder] = next(iter(values.values()))
            elif values:
                columns[placeholder] = placeholder
        return constant, columns

    @cached_property
    def _by_observable(self) -> dict[str, list[dict[str, str]]]:
        """What the rows of each observable say of its placeholders."""
        grouped: dict[str, list[dict[str, str]]] = {}
        for n, given in zip(self.rows, self.given, strict=True):
            grouped.setdefault(self.table.text("observableId", n), []).append(given)
        return grouped

    def _in_data(self, name: str, observable: Observed) -> bool:
        """Whether the rows give the noise itself, as numbers that differ."""
        values = [row.get(observable.noise, "") for row in self._by_observable.get(name, [])]
        return len(set(values)) > 1 and all(map(is_plain_number, values))

    def measurements(
        self, observables: Mapping[str, ObservableSpec], names: Mapping[str, str]
    ) -> MeasurementTable:
        """The table of the spec; `names` are those of observables that the spec calls otherwise."""
        table = self.table
        ids = [table.columns["observableId"][n] for n in self.rows] if len(table) else []
        used = dict.fromkeys(
            c for name in ids for c in (observables[name].columns if name in observables else ())
        )
        columns: dict[str, Any] = {c: tuple(row.get(c, "") for row in self.given) for c in used}
        if any(table.word("datasetId", n) for n in self.rows):
            columns["datasetId"] = tuple(table.word("datasetId", n) for n in self.rows)
        sd = [float("nan")] * len(ids)
        for i, name in enumerate(ids):
            if name in observables and isinstance(observables[name].noise, NoiseColumn):
                sd[i] = float(self.given[i][self.observed[name].noise])
        return MeasurementTable(
            condition=tuple(self.condition),
            time=tuple(self.time),
            observable=tuple(names.get(name, name) for name in ids),
            value=tuple(self.value),
            sd=tuple(sd),
            replicate=tuple(table.word("replicateId", n) for n in self.rows),
            censored=("",) * len(ids),
            columns=columns,
            line=tuple(table.lines[n] for n in self.rows),
            file=table.name,
            sha256=table.sha256,
        )


def _canonical(value: str) -> float | str:
    return float(value) if is_plain_number(value) else value


def _number_or_text(formula: str) -> float | str:
    return float(formula) if is_plain_number(formula) else formula

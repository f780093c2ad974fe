"""Conditions and experiments of PEtab 2: lists of changes, applied at times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from idfit.formats.formula_text import substituted
from idfit.formats.petab_conditions import Change, Experiment, Period, checked
from idfit.formats.petab_entities import Entities
from idfit.formats.petab_tables import Table
from idfit.spec.findings import clipped, did_you_mean, listed
from idfit.spec.measurements import DEFAULT_CONDITION


@dataclass
class ExperimentRows:
    """The condition and experiment tables, and the measurements that name experiments.

    `unnamed` is the label of the measurements without experiment, which meet the model as it is.
    """

    conditions: Table
    table: Table
    measurements: Table
    rows: Mapping[str, list[int]]
    unnamed: str

    @staticmethod
    def of(conditions: Table, experiments: Table, measurements: Table) -> ExperimentRows:
        rows = _grouped(experiments, "experimentId")
        unnamed = DEFAULT_CONDITION
        while unnamed in rows:
            unnamed += "_"
        return ExperimentRows(conditions, experiments, measurements, rows, unnamed)

    def label(self, n: int) -> str | None:
        """The condition of row `n` of the measurements; None, and a finding, where there is none."""
        name = self.measurements.word("experimentId", n)
        if not name:
            return self.unnamed
        if name in self.rows:
            return name
        if not self.table.broken and not self.measurements.findings.count_if_full("D21"):
            rule = f"is not in the experiment table (it has {listed(self.rows) or 'no experiments'})"
            remedy = did_you_mean(name, self.rows, "add it there, or correct the id")
            self.measurements.say(n, f"experimentId = '{clipped(name)}'", rule, remedy, "D21")
        return None

    @cached_property
    def condition_rows(self) -> dict[str, list[int]]:
        return _grouped(self.conditions, "conditionId")

    @cached_property
    def periods(self) -> dict[str, list[tuple[float, list[int]]]]:
        """The rows of each experiment by their time, in its order."""
        found = {}
        for name, rows in self.rows.items():
            periods: dict[float, list[int]] = {}
            for n in rows:
                time = self.table.number("time", n, infinite=True, code="D29")
                if time == math.inf:
                    rule, remedy = "no condition begins in the end", "give the time, or -inf"
                    self.table.say(n, "time = inf", rule, remedy, "D29")
                elif time is not None:
                    periods.setdefault(time, []).append(n)
            found[name] = sorted(periods.items())
        return found

    def always_set(self) -> set[str]:
        """Targets that have a value at the start of all simulations, so that the model needs none."""
        if self._unnamed_row() is not None:
            return set()
        first = [periods[0][1] for periods in self.periods.values() if periods]
        sets = [
            {
                self.conditions.text("targetId", row)
                for n in rows
                for row in self.condition_rows.get(self.table.word("conditionId", n), ())
            }
            for rows in first
        ]
        return set.intersection(*sets) if sets else set()

    def _unnamed_row(self) -> int | None:
        data = self.measurements
        return next((n for n in range(len(data)) if not data.word("experimentId", n)), None)

    def experiments(self, entities: Entities) -> list[Experiment]:
        """All experiments, with that of the measurements without one if there are such."""
        found = [
            Experiment(
                name,
                self.table.place(self.rows[name][0]),
                tuple(self._period(time, rows, entities) for time, rows in periods),
                keeps=True,
            )
            for name, periods in self.periods.items()
        ]
        unnamed = self._unnamed_row()
        if unnamed is not None and found:
            found.append(Experiment(self.unnamed, self.measurements.place(unnamed), (), keeps=True))
        return found

    def _period(self, time: float, rows: list[int], entities: Entities) -> Period:
        """All conditions that an experiment applies at a time, as one."""
        names = [name for n in rows if (name := self.table.word("conditionId", n))]
        changes: dict[str, Change] = {}
        known = self.condition_rows
        for n in rows:
            condition = self.table.word("conditionId", n)
            if condition and condition not in known and not self.conditions.broken:
                rule = f"is not in the condition table (it has {listed(known) or 'no conditions'})"
                remedy = did_you_mean(condition, known, "add it there, or correct the id")
                self.table.say(n, f"conditionId = '{clipped(condition)}'", rule, remedy, "D21")
            for target, change in self._changes(known.get(condition, []), time, entities).items():
                if target in changes:
                    rule = f"'{clipped(target)}' is changed twice at time {time:g}"
                    line = changes[target].place[1]
                    remedy = f"change it in one place; the other is in line {line} of the conditions"
                    self.table.say(n, f"conditionId = '{clipped(condition)}'", rule, remedy, "D21")
                changes[target] = change
        return Period(time, " + ".join(dict.fromkeys(names)), changes)

    def _changes(self, rows: list[int], time: float, entities: Entities) -> dict[str, Change]:
        table = self.conditions
        start = {"time": f"{time:.17g}" if math.isfinite(time) else "0"}
        changes: dict[str, Change] = {}
        for n in rows:
            target, value = table.text("targetId", n), table.text("targetValue", n)
            name = entities.names.get(target, target)
            given = f"targetId = '{clipped(target)}'"
            if name in entities.tabled:
                rule = "is in the parameter table, and conditions change other things"
                table.say(n, given, rule, "delete it there, and let conditions give all its values", "D21")
                continue
            change = checked(target, substituted(value, start), table.place(n), entities, table.findings)
            if change is None:
                continue
            if name in changes:
                table.say(n, given, "is changed twice by the same condition", "delete one of the two", "D11")
            changes[name] = change
        return changes


def _grouped(table: Table, column: str) -> dict[str, list[int]]:
    """The rows that belong to each id."""
    rows: dict[str, list[int]] = {name: [] for name in table.identifiers(column, 2, once=False)}
    for n in range(len(table)):
        if (name := table.text(column, n)) in rows:
            rows[name].append(n)
    return rows


def read_mapping(table: Table, names: Mapping[str, str]) -> dict[str, str]:
    """Ids of the problem for things of the model whose own ids are none; `names` are those of the spec."""
    aliases = {}
    for alias, n in table.identifiers("petabEntityId", 2).items():
        given = table.word("modelEntityId", n)
        if not given:
            continue  # a remark on something of the problem
        name = names.get(given) or names.get(given.replace(".", "_"))
        if name is None:
            remedy = did_you_mean(given, names, "correct the id, or leave it empty for a remark")
            table.say(n, f"modelEntityId = '{clipped(given)}'", "is nothing in the model", remedy, "D21")
        elif names.get(alias, name) != name:
            table.say(n, f"petabEntityId = '{alias}'", "is something else in the model", "rename it", "M18")
        else:
            aliases[alias] = name
    return aliases

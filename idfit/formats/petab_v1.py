"""Conditions of PEtab 1: one row for each, one column for each target, pairs of them in the measurements."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from idfit.formats.petab_conditions import Change, Experiment, Period, Place, checked
from idfit.formats.petab_entities import Entities
from idfit.formats.petab_tables import Table
from idfit.spec.findings import clipped, did_you_mean, is_identifier, listed
from idfit.spec.tables import number_problem

_NO_TARGETS = ("conditionId", "conditionName")

Pair = tuple[str, str]
"""The condition of the pre-equilibration (``""``: there is none) and that of the simulation."""


def targets_of(table: Table) -> list[str]:
    """The ids that conditions give values to."""
    return [column for column in table.columns if column not in _NO_TARGETS]


@dataclass
class ConditionRows:
    """The condition table with the pairs of its rows that are measured."""

    table: Table
    measurements: Table
    rows: Mapping[str, int]
    labels: Mapping[Pair, str]

    @staticmethod
    def of(table: Table, measurements: Table) -> ConditionRows:
        rows = table.identifiers("conditionId", 1)
        columns = ("preequilibrationConditionId", "simulationConditionId")
        pairs = dict.fromkeys(
            (measurements.word(columns[0], n), measurements.text(columns[1], n))
            for n in range(len(measurements))
        )
        return ConditionRows(table, measurements, rows, _labels(pairs))

    def label(self, n: int) -> str | None:
        """The condition of row `n` of the measurements; None, and a finding, where there is none."""
        before = self.measurements.word("preequilibrationConditionId", n)
        simulated = self.measurements.text("simulationConditionId", n)
        for column, name in (("preequilibrationConditionId", before), ("simulationConditionId", simulated)):
            if name in self.rows or (not name and column == "preequilibrationConditionId"):
                continue
            if not self.table.broken and not self.measurements.findings.count_if_full("D21"):
                rule = f"is not in the condition table (it has {listed(self.rows) or 'no conditions'})"
                remedy = did_you_mean(name, self.rows, "add it there, or correct the id")
                self.measurements.say(n, f"{column} = '{clipped(name)}'", rule, remedy, "D21")
            return None
        return self.labels[before, simulated]

    def always_set(self) -> set[str]:
        """Targets that have a value at the start of all simulations, so that the model needs none."""
        first = {before or simulated for before, simulated in self.labels}
        first |= self.rows.keys() - {name for pair in self.labels for name in pair}
        rows = [self.rows[name] for name in first if name in self.rows]
        return {target for target in targets_of(self.table) if all(self.table.word(target, n) for n in rows)}

    def experiments(self, entities: Entities) -> list[Experiment]:
        """One for each measured pair, then the conditions that nothing was measured in."""
        self._tell_tabled(entities)
        changes = {name: self._changes(n, entities) for name, n in self.rows.items()}
        found = []
        for (before, simulated), label in self.labels.items():
            if simulated not in self.rows or (before and before not in self.rows):
                continue  # which the measurements have been told
            periods = [Period(-math.inf, before, changes[before])] if before else []
            periods.append(Period(0.0, simulated, changes[simulated]))
            found.append(Experiment(label, self._place(simulated), tuple(periods), keeps=False))
        used = {name for pair in self.labels for name in pair}
        for name in self.rows:
            if name not in used:
                period = Period(0.0, name, changes[name])
                found.append(Experiment(name, self._place(name), (period,), keeps=False))
        return found

    def _place(self, name: str) -> Place:
        return self.table.place(self.rows[name])

    def _changes(self, n: int, entities: Entities) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for target in targets_of(self.table):
            value = self.table.word(target, n)
            if not value:
                continue
            rule, remedy, code = number_problem(value)
            if rule and not is_identifier(value):
                remedy = "a cell holds a number, the id of a parameter, or nothing"
                self.table.say(n, f"{clipped(target)} = '{clipped(value)}'", rule, remedy, code)
                continue
            change = checked(target, value, self.table.place(n), entities, self.table.findings)
            if change is not None:
                changes[entities.names[target]] = change
        return changes

    def _tell_tabled(self, entities: Entities) -> None:
        """Estimated parameters that a condition replaces are no longer estimated there."""
        names = [t for t in targets_of(self.table) if entities.names.get(t) in entities.tabled]
        if names and len(self.table):
            rule = "are in the parameter table too; the cells of the condition table come first"
            self.table.say(0, listed(names), rule, "keep them in one of the two", "D21", "warning")


def _labels(pairs: Collection[Pair]) -> dict[Pair, str]:
    """Names of the conditions of a spec: the id of the simulated one where it says enough."""
    simulated = [pair[1] for pair in pairs]
    steady = {before for before, _ in pairs if before}
    labels: dict[Pair, str] = {}
    for before, name in pairs:
        plain = simulated.count(name) == 1 and not (before and name in steady)
        labels[before, name] = name if plain or not before else f"{before}|{name}"
    return labels

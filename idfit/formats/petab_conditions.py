"""Experiments as PEtab tells them, periods with changes at their beginnings, as conditions of a spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from idfit.expressions import ExpressionError, names_in, parse
from idfit.formats.formula_text import substituted
from idfit.formats.petab_entities import TIME, Entities
from idfit.spec.check_formulas import formula_texts
from idfit.spec.findings import Findings, clipped, did_you_mean, is_plain_number, listed
from idfit.spec.schema import ConditionSpec, DoseSpec, Formula, ProblemSpec
from idfit.spec.toml_positions import Path

Place = tuple[str, int]
AS_IT_IS = "as it is"
"""Label of the steady state of a model that nothing was done to."""


@dataclass(frozen=True)
class Change:
    """What a target becomes, a formula, and where the file says so."""

    formula: str
    place: Place


@dataclass(frozen=True)
class Period:
    """It begins at `time` (-inf: it lasts until the steady state) with changes, all at once. `name` is that
    of its condition, for labels. Targets and formulas use the names of the spec."""

    time: float
    name: str
    changes: Mapping[str, Change]

    def values(self) -> dict[str, str]:
        return {target: change.formula for target, change in self.changes.items()}


@dataclass(frozen=True)
class Experiment:
    """Periods in the order of time. `keeps` tells whether parameters keep what an earlier period gave them;
    otherwise each period begins with the parameters of the model."""

    name: str
    place: Place
    periods: tuple[Period, ...]
    keeps: bool

    @property
    def start(self) -> float:
        """The first time at which something can be measured."""
        return next((p.time for p in self.periods if p.time > -math.inf), 0.0)

    @property
    def later(self) -> tuple[Period, ...]:
        return self.periods[1:]


def checked(target: str, formula: str, place: Place, entities: Entities, findings: Findings) -> Change | None:
    """What a target becomes, in the names of the spec; None, and a finding, where that is impossible."""
    given = f"{clipped(target)} = '{clipped(formula)}'"
    name = entities.names.get(target, target)
    if not entities.can_change(name):
        if name in entities:
            rule, remedy = (
                "has an equation in the model, which conditions cannot change",
                "change what is in it",
            )
        else:
            rule = "is nothing in the model"
            remedy = did_you_mean(target, entities.names, "correct the id, or add it to the model")
        findings.in_row(*place, given, rule, remedy, "D21")
        return None
    text = substituted(formula, entities.names)
    try:
        unknown = [n for n in sorted(names_in(parse(text))) if n not in entities and n != TIME]
    except ExpressionError as error:
        rule = f"is neither a number nor a formula: {error.rule}"
        findings.in_row(*place, given, rule, error.remedy, "D16")
        return None
    if unknown:
        rule = f"'{clipped(unknown[0])}' is neither in the model nor in the parameter table"
        remedy = did_you_mean(unknown[0], entities.names, "add it to the parameter table")
        findings.in_row(*place, given, rule, remedy, "D21")
        return None
    return Change(text, place)


def prepare(experiments: list[Experiment], entities: Entities) -> None:
    """Make states of the parameters that a later period sets to values of states, and of those that the model
    determines at the start from what a later period changes."""
    later = [period.changes for e in experiments if e.keeps for period in e.later]
    while True:
        moving = entities.moving()
        follow = {
            target
            for changes in later
            for target, change in changes.items()
            if target in entities.parameters and names_in(parse(change.formula)) & moving
        }
        follow |= entities.tied_to({target for changes in later for target in changes})
        if not follow:
            return
        entities.make_states(follow)


@dataclass
class Conditions:
    """Builds the conditions of a spec, with the places where the files speak of them."""

    entities: Entities
    findings: Findings
    experiments: Sequence[Experiment]
    specs: dict[str, ConditionSpec] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.moving = self.entities.moving()
        self.steady: dict[tuple[tuple[str, str], ...], str] = {}
        self.taken = {experiment.name for experiment in self.experiments}
        self.plain = {e.name for e in self.experiments if not e.keeps and len(e.periods) == 1}
        for experiment in self.experiments:
            self.add(experiment)

    def add(self, experiment: Experiment) -> None:
        name, periods = experiment.name, list(experiment.periods)
        self.places["conditions", name] = experiment.place
        before = None
        kept: dict[str, Formula] = {}
        if periods and periods[0].time == -math.inf:
            before = self._steady_state(periods.pop(0), experiment.place)
            if experiment.keeps:
                kept = {k: v for k, v in self.specs[before].set.items() if k in self.entities.parameters}
        first = periods.pop(0) if periods else Period(0.0, "", {})
        if before is not None and self._follows(first, kept):
            periods.insert(0, first)  # what it does depends on the steady state
            first = Period(first.time, "", {})
        settings = self._settings(first, ("conditions", name))
        self.specs[name] = ConditionSpec(
            set=kept | settings,
            dose=tuple(self._doses(periods, ("conditions", name, "dose"))),
            preequilibrate=before,
            reinit=tuple(k for k in settings if self.entities.is_state(k)) if before is not None else (),
            t0=first.time,
        )

    def _steady_state(self, period: Period, place: Place) -> str:
        """The condition whose steady state others start from: one for each set of changes."""
        key = tuple(sorted(period.values().items()))
        if key not in self.steady:
            name = period.name or AS_IT_IS
            if name in self.plain:
                return name  # it is measured in without anything before it, too
            while name in self.taken or name in self.specs:
                name += "'"
            self.steady[key] = name
            self.places["conditions", name] = place
            self.specs[name] = ConditionSpec(set=self._settings(period, ("conditions", name)))
        return self.steady[key]

    def _follows(self, period: Period, kept: Mapping[str, Formula]) -> bool:
        """Whether new values depend on those of states, or of parameters that were set, just before."""
        used = {name for change in period.changes.values() for name in names_in(parse(change.formula))}
        return bool(used & (self.moving | kept.keys())) or self._volumes_move(period)

    def _volumes_move(self, period: Period) -> bool:
        """Whether amounts that are states change with concentrations or volumes that are set."""
        amounts = self.entities.amounts
        return any(
            target in amounts or any(target in names_in(parse(volume)) for _, volume in amounts.values())
            for target in period.changes
        )

    def _settings(self, period: Period, path: Path) -> dict[str, Formula]:
        """Values at the start of a condition, which follow from parameters alone."""
        static: dict[str, str] = {}
        for target, change in period.changes.items():
            moving = sorted(names_in(parse(change.formula)) & self.moving)
            if not moving:
                static[target] = change.formula
            else:
                given = f"{clipped(target)} = '{clipped(change.formula)}'"
                rule = f"an experiment begins with values of parameters, and here is {listed(moving)}"
                remedy = "write the value itself, or apply the condition in a later period"
                self.findings.in_row(*change.place, given, rule, remedy, "E12")
        values = self.entities.at_start(static)
        self._note_places(period, (*path, "set"), values)
        return {name: _formula(value) for name, value in values.items()}

    def _doses(self, periods: Sequence[Period], path: Path) -> Iterator[DoseSpec]:
        for n, period in enumerate(period for period in periods if period.changes):
            values = self.entities.later(period.values())
            self._note_places(period, (*path, n, "set"), values)
            yield DoseSpec(time=period.time, set={k: _formula(value) for k, value in values.items()})

    def _note_places(self, period: Period, path: Path, values: Mapping[str, str]) -> None:
        place = next((change.place for change in period.changes.values()), None)
        states = {state: species for species, (state, _) in self.entities.amounts.items()}
        for name in values:
            change = period.changes.get(name) or period.changes.get(states.get(name, ""))
            found = change.place if change else place
            if found is not None:
                self.places[(*path, name)] = found


def _formula(text: str) -> Formula:
    return float(text) if is_plain_number(text) else text


def without_lost_settings(spec: ProblemSpec) -> tuple[ProblemSpec, list[tuple[str, str]]]:
    """The spec without settings that act through starting values alone where a steady state replaces these;
    PEtab allows them. And what was left out: condition and name."""
    formulas = [f for path, f in formula_texts(spec) if path[0] not in ("states", "conditions")]
    formulas += [
        f for c in spec.conditions.values() for d in c.dose for f in (*d.add.values(), *d.set.values())
    ]
    columns = {column for o in spec.observables.values() for column in o.columns.values()}
    formulas += [cell for c in columns for cell in dict.fromkeys(spec.measurements.columns[c]) if cell]
    acting = {name for formula in formulas for name in names_in(parse(formula))}
    lost = [
        (label, name)
        for label, condition in spec.conditions.items()
        if condition.preequilibrate is not None
        for name in condition.set
        if name in spec.parameters and name not in acting and not _starts_anew(name, condition, spec)
    ]
    conditions = {
        label: condition.model_copy(
            update={"set": {k: v for k, v in condition.set.items() if (label, k) not in lost}}
        )
        for label, condition in spec.conditions.items()
    }
    return spec.model_copy(update={"conditions": conditions}), lost


def _starts_anew(name: str, condition: ConditionSpec, spec: ProblemSpec) -> bool:
    return any(name in names_in(parse(spec.states[state].init)) for state in condition.reinit)

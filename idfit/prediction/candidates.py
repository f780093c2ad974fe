"""Measurements that could be made next: what is offered, and the problem with a row for each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.problem import Problem, build
from idfit.problem.resolution import DEFAULT_CONDITION
from idfit.spec.schema import ConditionSpec, MeasurementTable, NoiseColumn, ObservableSpec, ProblemSpec

#: times that are offered in one condition, within what was measured and beyond, up to `BEYOND` times as late
_WITHIN, _LATER, BEYOND = 25, 12, 2.0
# readings of a whole course, offered where nothing has been measured yet
_COURSE = 50
_PER_ROW = ("condition", "time", "observable", "value", "sd", "replicate", "censored", "line")


@dataclass(frozen=True)
class Candidate:
    """A measurement that could be made: an observable at one time, or along a course of times.

    observable : a name of the model or of the offered observables. time : one, or several that are measured
    together. condition : its name (the only one if there is one). set, dose : what is done differently there,
    in the form of the model file; the condition so changed is a new one, called `name`. tags : which copy of
    parameters is meant, as ``{"subject": "s1"}``. sd : noise where the data give it (their median if None).

    >>> Candidate("product", 30.0, "wild_type", set={"S0": 0.7}, name="twice").label
    'product in twice at 30'
    """

    observable: str
    time: float | tuple[float, ...]
    condition: str = ""
    set: Mapping[str, float | str] = field(default_factory=dict)
    dose: Sequence[Mapping[str, Any]] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    sd: float | None = None
    name: str = ""

    @property
    def times(self) -> tuple[float, ...]:
        return tuple(float(t) for t in np.atleast_1d(np.asarray(self.time, dtype=float)))

    @property
    def changes_condition(self) -> bool:
        return bool(self.set or self.dose)

    @property
    def where(self) -> str:
        """The condition in which it is made."""
        if not self.changes_condition:
            return self.condition
        changes = [f"{k} = {v}" for k, v in self.set.items()] + ["dose"] * bool(self.dose)
        return self.name or f"{self.condition or DEFAULT_CONDITION} with {', '.join(changes)}"

    @property
    def label(self) -> str:
        times = self.times
        when = (
            f"at {times[0]:.4g}" if len(times) == 1
            else f"at {len(times)} times from {times[0]:.4g} to {times[-1]:.4g}"
        )  # fmt: skip
        tags = "".join(f", {k} {v}" for k, v in self.tags.items())
        return f"{self.observable} in {self.where}{tags} {when}"


@dataclass(frozen=True)
class Wider:
    """A problem with one more row for each reading of the candidates.

    rows : for each candidate its rows, after those of the data; known : (parameter,) positions of the wider
    problem's parameters in the narrower one, -1 for those that only candidates have (what a new condition
    adds: where it starts from, its own noise).
    """

    problem: Problem
    candidates: tuple[Candidate, ...]
    rows: tuple[slice, ...]
    known: np.ndarray

    def theta(self, narrower: np.ndarray) -> np.ndarray:
        """Parameters of the wider problem; nominal values for those that the data do not know."""
        return np.where(self.known >= 0, narrower[self.known], self.problem.parameters.nominal_scaled)


def offered(
    problem: Problem,
    observables: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    times: Sequence[float] | None = None,
    reach: float = BEYOND,
) -> tuple[ProblemSpec, tuple[Candidate, ...]]:
    """The spec with what is offered beside the data, and the candidates: observables x conditions x times.

    observables, conditions : new ones by name, in the form of the model file. times : where to look in each
    condition; if None as densely as the data are, and up to `reach` times as late. A condition of which
    nothing has been measured yet, and which has parameters of its own, is offered as a whole course of each
    observable: one reading could not even determine where it starts from.

    Errors: `InputError` for names in use and entries that a model file could not have.
    """
    spec = spec_with(problem.spec, observables or {}, conditions or {})
    found = []
    for condition in _conditions(spec):
        wanted = _times(spec, condition, reach) if times is None else sorted(float(t) for t in times)
        for observable in spec.observables:
            for tags in _tags(spec, observable, condition):
                if _is_new_with_own_parameters(spec, observable, condition):
                    course = np.linspace(wanted[0], wanted[-1], _COURSE) if times is None else wanted
                    found.append(Candidate(observable, tuple(course), condition, tags=tags))
                else:
                    found += [Candidate(observable, t, condition, tags=tags) for t in wanted]
    return spec, tuple(found)


def spec_with(
    spec: ProblemSpec, observables: Mapping[str, Any], conditions: Mapping[str, Any]
) -> ProblemSpec:
    """The spec with further observables and conditions. Errors: `InputError` for a name in use."""
    for what, new, known in (
        ("observable", observables, spec.observables), ("condition", conditions, spec.conditions),
    ):  # fmt: skip
        for name in new:
            if name in known:
                raise InputError(
                    f"{what} {name!r} is one of the model already; call the offered one something else"
                )
    return spec.model_copy(
        update={
            "observables": {**spec.observables, **_entries(ObservableSpec, "observable", observables)},
            "conditions": _more_conditions(spec, _entries(ConditionSpec, "condition", conditions)),
        }
    )


def _more_conditions(spec: ProblemSpec, new: Mapping[str, ConditionSpec]) -> dict[str, ConditionSpec]:
    """A problem without conditions has one that is not written down; beside others it is."""
    known = spec.conditions or ({DEFAULT_CONDITION: ConditionSpec()} if new else {})
    return {**known, **new}


def widened(problem: Problem, spec: ProblemSpec, candidates: Sequence[Candidate]) -> Wider:
    """The problem of `spec` with rows for the candidates.

    Errors: `InputError` for unknown names, times before the start, noise that only data could give, and a
    copy of parameters that is not named.
    """
    if not candidates:
        raise InputError("no measurement is offered; give candidates, or times")
    candidates = tuple(_with_condition(spec, c) for c in candidates)
    changed = {c.where: _changed_condition(spec, c) for c in candidates if c.changes_condition}
    spec = spec.model_copy(update={"conditions": _more_conditions(spec, changed)})
    n, rows = len(spec.measurements), []
    for candidate in candidates:
        rows.append(slice(n, n + len(candidate.times)))
        n += len(candidate.times)
    wider = build(spec.model_copy(update={"measurements": _table_with(spec, candidates)}))
    own = {name: i for i, name in enumerate(problem.parameters.names)}
    known = np.array([own.get(name, -1) for name in wider.parameters.names], dtype=np.int64)
    return Wider(wider, candidates, tuple(rows), known)


def _entries(kind: type, what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    from pydantic import ValidationError

    found = {}
    for name, entry in given.items():
        try:
            found[name] = kind.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"{what} {name}: {place or 'it'}: {first['msg']}; write it as in a model file"
            ) from error
    return found


def _conditions(spec: ProblemSpec) -> list[str]:
    """All conditions but those that others start from and nothing was measured in."""
    measured = set(spec.measurements.condition)
    before = {c.preequilibrate for c in spec.conditions.values()} - measured
    known = dict.fromkeys([*spec.conditions, *spec.measurements.condition])
    return [name for name in known if name not in before] or [DEFAULT_CONDITION]


def _with_condition(spec: ProblemSpec, candidate: Candidate) -> Candidate:
    known = list(dict.fromkeys([*spec.conditions, *spec.measurements.condition])) or [DEFAULT_CONDITION]
    condition = candidate.condition or (known[0] if len(known) == 1 else "")
    if condition not in known:
        raise InputError(
            f"{candidate.observable}: condition {candidate.condition!r} is none of {', '.join(known)}"
        )
    if candidate.observable not in spec.observables:
        raise InputError(
            f"{candidate.observable!r} is no observable; there are {', '.join(spec.observables)}. Offer it "
            "with its formula and noise in observables={...}"
        )
    if not candidate.times:
        raise InputError(f"{candidate.observable}: a candidate needs a time")
    return Candidate(**{**candidate.__dict__, "condition": condition})


def _changed_condition(spec: ProblemSpec, candidate: Candidate) -> ConditionSpec:
    if candidate.name in spec.conditions:
        raise InputError(f"{candidate.name!r} is a condition of the model; call the changed one differently")
    before = spec.conditions.get(candidate.condition, ConditionSpec()).model_dump(exclude_unset=True)
    entry = {
        **before,
        "set": {**before.get("set", {}), **candidate.set},
        "dose": [*before.get("dose", ()), *candidate.dose],
    }
    return _entries(ConditionSpec, "condition", {candidate.where: entry})[candidate.where]


def _is_new_with_own_parameters(spec: ProblemSpec, observable: str, condition: str) -> bool:
    if condition in spec.measurements.condition:
        return False
    per = [p.per for p in spec.parameters.values()] + list(spec.observables[observable].per.values())
    return "condition" in per


def _times(spec: ProblemSpec, condition: str, reach: float) -> list[float]:
    """Where to look: within the measured times as densely as these lie, and later, as far as inputs are
    known."""
    table = spec.measurements
    start = spec.conditions[condition].t0 if condition in spec.conditions else 0.0
    measured = [t for t, c in zip(table.time, table.condition, strict=True) if c == condition]
    finite = np.array(
        [t for t in measured if math.isfinite(t)] or [t for t in table.time if math.isfinite(t)]
    )
    end = _input_end(spec, condition)
    if not measured and math.isfinite(end):
        return np.linspace(start, end, _WITHIN + _LATER).tolist()
    if not len(finite) or finite.max() <= start:
        raise InputError(f"condition {condition!r}: nothing says which times are possible; give times")
    anchors = np.unique(np.concatenate([[start], finite]))
    within = np.interp(np.linspace(0, len(anchors) - 1, _WITHIN), np.arange(len(anchors)), anchors)
    last = start + reach * (anchors[-1] - start)
    later = np.linspace(anchors[-1], last, _LATER + 1)[1:]
    return [float(t) for t in np.unique(np.concatenate([within, later])) if t <= end]


def _input_end(spec: ProblemSpec, condition: str) -> float:
    """The last time for which all sampled inputs are known."""
    ends = [math.inf]
    for given in spec.inputs.values():
        series = given.series.get(condition, given.series.get(""))
        if series is not None and given.interpolation != "step":
            ends.append(series.times[-1])
    return min(ends)


def _tags(spec: ProblemSpec, observable: str, condition: str) -> list[dict[str, str]]:
    """Each set of copies of parameters that was measured there; one without names where there are none."""
    table = spec.measurements
    per = {p.per for p in spec.parameters.values() if p.per} | {*spec.observables[observable].per.values()}
    columns = [c for c in (*table.columns, "replicate") if c in per and c != "condition"]
    if not columns:
        return [{}]
    rows = [i for i, c in enumerate(table.condition) if c == condition] or range(len(table))
    values = [table.replicate if c == "replicate" else table.columns[c] for c in columns]
    found = dict.fromkeys(tuple(v[i] for v in values) for i in rows)
    return [dict(zip(columns, tags, strict=True)) for tags in found]


def _table_with(spec: ProblemSpec, candidates: Sequence[Candidate]) -> MeasurementTable:
    """The data with a row for each reading; the value is a stand-in."""
    table = spec.measurements
    rows = [(c, t) for c in candidates for t in c.times]
    tags = {id(c): _row_tags(spec, c) for c in candidates}
    sd = {id(c): _row_sd(spec, c) for c in candidates}
    own: dict[str, list[Any]] = {
        "condition": [c.where or c.condition for c, _ in rows],
        "time": [t for _, t in rows],
        "observable": [c.observable for c, _ in rows],
        "value": [1.0] * len(rows),
        "sd": [sd[id(c)] for c, _ in rows],
        "replicate": [tags[id(c)].get("replicate", "") for c, _ in rows],
        "censored": [""] * len(rows),
        "line": [0] * len(rows),
    }
    needs_sd = not table.sd and any(math.isfinite(v) for v in own["sd"])
    fields = [f for f in _PER_ROW if getattr(table, f) or not len(table) or (f == "sd" and needs_sd)]
    before = {f: getattr(table, f) or ((math.nan,) * len(table) if f == "sd" else ()) for f in fields}
    update: dict[str, Any] = {f: (*before[f], *own[f]) for f in fields}
    update["columns"] = {
        column: (*values, *(_column_entry(spec, column, c, tags[id(c)], sd[id(c)]) for c, _ in rows))
        for column, values in table.columns.items()
    }
    return table.model_copy(update=update)


def _column_entry(
    spec: ProblemSpec, column: str, candidate: Candidate, tags: Mapping[str, str], sd: float
) -> str:
    noise = spec.observables[candidate.observable].noise
    if isinstance(noise, NoiseColumn) and noise.column == column:
        return repr(sd)
    return tags.get(column, "")


def _row_tags(spec: ProblemSpec, candidate: Candidate) -> dict[str, str]:
    """Entries of the further columns: the given ones, else the only ones of the condition.

    Errors: `InputError` where copies of parameters depend on a column and it is not clear.
    """
    table, found = spec.measurements, dict(candidate.tags)
    observable = spec.observables[candidate.observable]
    used = {p.per for p in spec.parameters.values()} | {
        *observable.per.values(),
        *observable.columns.values(),
    }
    for column in (*table.columns, *(("replicate",) if table.replicate else ())):
        if column in found or column not in used:
            continue
        values = table.replicate if column == "replicate" else table.columns[column]
        pairs = zip(values, table.condition, strict=True)
        own = list(dict.fromkeys(v for v, c in pairs if c == candidate.condition))
        if len(own) != 1:
            raise InputError(
                f"{candidate.label}: parameters have a copy for each {column}; say which one with tags, "
                f"one of: {', '.join(own[:8]) or ', '.join(dict.fromkeys(values[:8]))}"
            )
        found[column] = own[0]
    return found


def _row_sd(spec: ProblemSpec, candidate: Candidate) -> float:
    """The noise of a reading where the data give it: the given one, else the median of the observable's."""
    observable, table = spec.observables[candidate.observable], spec.measurements
    if not isinstance(observable.noise, NoiseColumn):
        if candidate.sd is not None and names_in(parse(observable.noise)) != set():
            raise InputError(
                f"{candidate.label}: its noise is {observable.noise} by the model; sd is for "
                "noise that the data give"
            )
        return math.nan
    if candidate.sd is not None:
        return float(candidate.sd)
    column = table.columns.get(observable.noise.column, table.sd)
    own = [float(v) for v, o in zip(column, table.observable, strict=False) if o == candidate.observable]
    if not own:
        raise InputError(f"{candidate.label}: the data have no noise for it; give sd")
    return float(np.median(own))

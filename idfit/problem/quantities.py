"""Quantities that a problem predicts beside its measurements: functions of parameters, and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.numerics import plan as layout
from idfit.numerics.plan import integers, reals
from idfit.problem.objective import Objective
from idfit.problem.problem import Problem, build
from idfit.spec.schema import MeasurementTable, ObservableSpec, ProblemSpec

_PER_ROW = ("condition", "time", "observable", "value", "sd", "replicate", "censored", "line")


@dataclass(frozen=True)
class Quantity:
    """What is asked about: a formula, and where it is read.

    formula : of parameters alone, or (with `time`) of parameters, states and observables too; time,
    condition : of a prediction (the only condition if there is one); scale : on which it is profiled, lin,
    log or log10; tags : which copy of parameters is meant where there are copies, as ``{"subject": "s1"}``;
    new_measurement : whether a new measurement of it is asked about, with its noise `sd` (that of the
    observable at the best fit if None, on the observable's scale).

    >>> Quantity("kd/kp").time is None
    True
    """

    formula: str
    time: float | None = None
    condition: str | None = None
    scale: Literal["lin", "log", "log10"] = "lin"
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    new_measurement: bool = False
    sd: float | None = None

    @property
    def kind(self) -> str:
        return "validation" if self.new_measurement else "function" if self.time is None else "prediction"


@dataclass(frozen=True)
class Extended:
    """An objective with one more row, which stands for a quantity g: objective + ½ (z − g)²/σ².

    problem : with the row as its last; objective : of it.
    """

    problem: Problem
    objective: Objective

    @property
    def row(self) -> int:
        return self.objective.plan.n_rows - 1

    def aimed(self, z: float, sd: float = math.nan) -> Objective:
        """The objective that pulls the quantity to z with that strength (both on the quantity's scale); with
        the noise of the row itself if sd is NaN."""
        floats, ints = self.objective.plan.floats.copy(), self.objective.plan.ints
        for section, value in ((layout.ROW_VALUE, z), (layout.ROW_SD, sd), (layout.ROW_CONSTANT, 0.0)):
            reals(ints, floats, section)[self.row] = value
        return replace(self.objective, plan=replace(self.objective.plan, floats=floats))

    def value(self, theta: np.ndarray) -> float:
        """The quantity at theta, on its scale; NaN where it cannot be evaluated."""
        natural = float(self.objective(theta, 0).prediction[self.row])
        code = integers(self.objective.plan.ints, layout.READOUT_TRANSFORM)
        readout = self.problem.resolution.readouts[-1]
        assert readout.name == self.problem.spec.measurements.observable[-1]
        return natural if code[-1] == 0 else math.log(natural) / (1.0 if code[-1] == 1 else math.log(10.0))

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """d quantity / d theta, (parameter,); NaN where it cannot be evaluated."""
        jacobian = self.objective(theta, 1).prediction_jacobian
        return np.full(len(theta), np.nan) if jacobian is None else jacobian[self.row]


def extended(
    problem: Problem, name: str, quantity: Quantity, rtol: float, atol: float, noise: float | str = "1"
) -> Extended:
    """The problem with a row for the quantity, as a measurement with that noise (number or formula).

    Errors: `InputError` for a name in use, a formula with unknown names, a function of parameters with a
    state in it, a condition or copy that is not named, and a parameter that the data do not use.
    """
    wider = _checked(problem, build(_spec_with(problem, name, quantity, noise)), quantity.formula)
    return Extended(wider, wider.objective(rtol, atol))


def _checked(problem: Problem, wider: Problem, formula: str) -> Problem:
    """The wider problem, unless it has parameters of its own."""
    new = [n for n in wider.parameters.names if n not in problem.parameters.names]
    if new:
        raise InputError(f"{formula} uses {', '.join(new)}, which nothing that was measured depends on")
    return wider


def with_rows(
    problem: Problem, asked: Sequence[tuple[str, Quantity]], noise: Mapping[str, float | str]
) -> Problem:
    """The problem with one more row for each (name, quantity), in their order behind the data.

    Each name becomes an observable with the formula, the scale and the unit of its first quantity, and with
    its entry in `noise`. Errors: as for `extended`.
    """
    wider = problem.spec
    for name, quantity in asked:
        if name not in wider.observables:
            entry = _entry(wider, name, quantity, noise[name])
            wider = wider.model_copy(update={"observables": {**wider.observables, name: entry}})
        condition = _condition(problem, name, quantity, frozenset())
        assert quantity.time is not None
        table = _table_with(wider, name, condition, quantity.time, quantity)
        wider = wider.model_copy(update={"measurements": table})
    return _checked(problem, build(wider), ", ".join(dict.fromkeys(q.formula for _, q in asked)))


def noise_of(problem: Problem, name: str, quantity: Quantity, theta: np.ndarray, rtol: float) -> float:
    """The standard deviation of a new measurement: the given one, else that of the observable at theta."""
    if quantity.sd is not None:
        if not (math.isfinite(quantity.sd) and quantity.sd > 0):
            raise InputError(f"{name}: sd = {quantity.sd} was given; it is a positive number")
        return quantity.sd
    observable = problem.spec.observables.get(quantity.formula)
    noise = None if observable is None else observable.noise
    if not isinstance(noise, str | float):
        raise InputError(
            f"{name}: a new measurement of {quantity.formula!r} needs its noise; give sd, or the name of an "
            "observable whose noise is a number or a formula"
        )
    wider = build(_spec_with(problem, name, quantity, noise))
    return float(wider.objective(rtol)(theta, 0).sigma[-1])


def _spec_with(problem: Problem, name: str, quantity: Quantity, noise: float | str) -> ProblemSpec:
    spec = problem.spec
    names = names_in(parse(quantity.formula))
    entry = _entry(spec, name, quantity, noise)
    if quantity.time is None:
        _check_parameters_only(spec, name, quantity, names)
    condition = _condition(problem, name, quantity, names)
    start = spec.conditions[condition].t0 if condition in spec.conditions else 0.0
    table = _table_with(spec, name, condition, start if quantity.time is None else quantity.time, quantity)
    return spec.model_copy(update={"observables": {**spec.observables, name: entry}, "measurements": table})


def _entry(spec: ProblemSpec, name: str, quantity: Quantity, noise: float | str) -> ObservableSpec:
    _check_name(spec, name)
    like = spec.observables.get(quantity.formula)
    return ObservableSpec(
        formula=quantity.formula,
        noise=noise,
        transform=quantity.scale,
        unit=quantity.unit or None,
        per={} if like is None else like.per,
    )


def _check_name(spec: ProblemSpec, name: str) -> None:
    tables = (spec.states, spec.parameters, spec.constants, spec.assignments, spec.inputs, spec.observables)
    if any(name in table for table in tables):
        raise InputError(f"{name!r} is a name of the model; call the quantity something else")
    try:
        is_name = parse(name).is_Symbol
    except InputError:
        is_name = False
    if not is_name:
        raise InputError(f"{name!r} is no name for a quantity; use letters, digits and _")


def _check_parameters_only(spec: ProblemSpec, name: str, quantity: Quantity, names: frozenset[str]) -> None:
    moving = sorted(n for n in names if n in spec.states or n in spec.observables or n in ("t", "time"))
    if moving:
        raise InputError(
            f"{name} = {quantity.formula} depends on {', '.join(moving)}, which change in time; give the "
            "time at which it is asked for"
        )


def _condition(problem: Problem, name: str, quantity: Quantity, names: frozenset[str]) -> str:
    """Where the quantity is read; a function of parameters needs a condition that sets none of them."""
    spec = problem.spec
    measured = list(dict.fromkeys(spec.measurements.condition))
    known = [*spec.conditions, *(c for c in measured if c not in spec.conditions)]
    if quantity.condition is not None:
        if quantity.condition not in known:
            raise InputError(f"{name}: no condition {quantity.condition!r}; there are: {', '.join(known)}")
        return quantity.condition
    if quantity.time is not None:
        if len(measured) > 1:
            raise InputError(f"{name}: name the condition; there are: {', '.join(known)}")
        return measured[0]
    for condition in measured:
        if not (condition in spec.conditions and names & spec.conditions[condition].set.keys()):
            return condition
    raise InputError(f"{name} = {quantity.formula}: every condition sets a parameter in it; name one")


def _table_with(
    spec: ProblemSpec, name: str, condition: str, time: float, quantity: Quantity
) -> MeasurementTable:
    """The data with a row for the quantity; its value is a stand-in."""
    table = spec.measurements
    own: dict[str, Any] = {
        "condition": condition, "time": float(time), "observable": name, "value": 1.0, "sd": math.nan,
        "replicate": "", "censored": "", "line": 0,
    }  # fmt: skip
    columns = {column: _tag(spec, name, column, condition, quantity) for column in table.columns}
    if table.replicate:
        own["replicate"] = _tag(spec, name, "replicate", condition, quantity)
    update: dict[str, Any] = {
        field: (*getattr(table, field), own[field]) for field in _PER_ROW if getattr(table, field)
    }
    update["columns"] = {column: (*table.columns[column], tag) for column, tag in columns.items()}
    return table.model_copy(update=update)


def _tag(spec: ProblemSpec, name: str, column: str, condition: str, quantity: Quantity) -> str:
    """The entry of a further column: the given one, or the only one that the condition's rows have.

    Errors: `InputError` where copies of parameters depend on it and it is not clear.
    """
    table = spec.measurements
    values = table.replicate if column == "replicate" else table.columns[column]
    if column in quantity.tags:
        if quantity.tags[column] not in values:
            raise InputError(f"{name}: the data have no {column} {quantity.tags[column]!r}")
        return quantity.tags[column]
    found = list(dict.fromkeys(v for v, c in zip(values, table.condition, strict=True) if c == condition))
    like = spec.observables.get(quantity.formula)
    used = {p.per for p in spec.parameters.values()} | set({} if like is None else like.per.values())
    if len(found) > 1 and column in used:
        raise InputError(
            f"{name}: parameters have a copy for each {column}; say which one with tags, one of: "
            f"{', '.join(found[:8])}"
        )
    return found[0] if found else ""

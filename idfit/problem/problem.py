"""A problem: everything needed to evaluate the objective. Immutable; changing it makes a new one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from idfit.errors import Finding, InputError
from idfit.expressions import to_text
from idfit.model import Model
from idfit.problem.objective import STEP_BUDGET, Objective
from idfit.problem.packing import Plan, build_plan
from idfit.problem.parameters import ParameterSpace
from idfit.problem.resolution import Resolution, resolve
from idfit.problem.trajectories import largest_states, values_at
from idfit.spec.check import check
from idfit.spec.findings import Findings
from idfit.spec.measurements import measurement_table, read_measurements
from idfit.spec.priors import parse_prior
from idfit.spec.references import Beside, resolve_inputs
from idfit.spec.schema import InputSpec, MeasurementTable, ParameterSpec, ProblemSpec
from idfit.spec.validation import validated
from idfit.spec.writing import to_toml


class Problem:
    """Model, data, experiments, noise, bounds and priors, built from a `ProblemSpec` or from Python values.

    ``Problem(model, data, conditions={}, parameters={}, noise={}, priors={}, inputs={})`` says all that
    the files
    can say:

    model : a `Model`, or a `ProblemSpec` that already holds everything.
    data : path of a CSV file, mapping of columns, data frame, or `MeasurementTable`.
    conditions, parameters, noise : the tables of the TOML format, as mappings; `noise` gives for each
    observable a
    number, a formula, ``{"column": "sd"}``, or a mapping with ``noise``, ``transform``, ``distribution``,
    ``per``.
    priors : text for each parameter, ``"normal(0, 1)"``.
    inputs : for each input of the model a number, a formula of time, or samples
    ``{"times": [...], "values": [...], "interpolation": "linear"}`` (or ``"step"``, ``"cubic"``); samples
    that differ
    between conditions as ``{"series": {condition: {"times": [...], "values": [...]}}}``.

    Errors: `InputError` with every finding.
    """

    def __init__(
        self,
        model: Model | ProblemSpec,
        data: Any = None,
        conditions: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        noise: Mapping[str, Any] | None = None,
        priors: Mapping[str, str] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ):
        tables = {
            "conditions": conditions,
            "parameters": parameters,
            "noise": noise,
            "priors": priors,
            "inputs": inputs,
        }
        if isinstance(model, Model):
            model = _spec_of(model, **{name: table or {} for name, table in tables.items()})
        elif given := [name for name, table in tables.items() if table]:
            raise InputError(
                f"{', '.join(given)} cannot be given beside a ProblemSpec, which holds them already"
            )
        if data is not None:
            model = model.model_copy(update={"measurements": _table(data, model)})
        findings = check(model)
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            raise InputError(errors)
        self.spec = model
        self.findings = tuple(findings)

    def __repr__(self) -> str:
        return (
            f"Problem({self.spec.name or 'unnamed'}: {len(self.model.states)} states, {len(self.parameters)} "
            f"estimated parameters, {len(self.spec.measurements)} measurements)"
        )

    def __reduce__(self):
        # the spec is the one form in which a problem travels; everything else is derived from it
        return build, (self.spec,)

    # derived parts ----------------------------------------------------------------------------------------

    @cached_property
    def resolution(self) -> Resolution:
        return resolve(self.spec)

    @property
    def model(self) -> Model:
        return self.resolution.model

    @cached_property
    def parameters(self) -> ParameterSpace:
        """The estimated parameters, in the order in which the file declares them."""
        estimated = self.resolution.estimated
        entries = list(estimated.values())
        return ParameterSpace(
            names=tuple(estimated),
            lower=np.array([-math.inf if p.min is None else p.min for p in entries], dtype=float),
            upper=np.array([math.inf if p.max is None else p.max for p in entries], dtype=float),
            scale=tuple(p.scale for p in entries),
            nominal=np.array([math.nan if p.value is None else p.value for p in entries], dtype=float),
            unit=tuple(p.unit or "" for p in entries),
            prior=tuple(None if p.prior is None else parse_prior(p.prior) for p in entries),
            start=tuple(None if p.start is None else parse_prior(p.start) for p in entries),
        )

    @cached_property
    def plan(self) -> Plan:
        """The compiled problem. The first one in a fresh environment also compiles the kernels."""
        return build_plan(self.spec, self.resolution, self.parameters, self.state_scale)

    @cached_property
    def state_scale(self) -> np.ndarray:
        """What `atol` is relative to, (state,): the largest magnitude of each state at the nominal
        parameters."""
        return largest_states(self.spec, self.resolution, self.parameters, self.last_times)

    @property
    def last_times(self) -> np.ndarray:
        """The last measurement of each simulation, (simulation,); its start where there is none."""
        last = np.array([s.t0 for s in self.resolution.simulations], dtype=float)
        np.maximum.at(last, self.resolution.row_simulation, self.spec.measurements.time)
        return last

    def outer_values(self, theta: np.ndarray) -> np.ndarray:
        """Natural values of all that formal parameters stand for, at theta."""
        return values_at(self.plan, theta)

    def objective(self, rtol: float = 1e-8, atol: float = 1e-12, max_steps: int = STEP_BUDGET) -> Objective:
        """The objective as a function of theta; see `Objective`."""
        labels = tuple(s.label for s in self.resolution.simulations)
        return Objective(self.plan, self.parameters, labels, rtol, atol, max_steps)

    # new problems from this one ---------------------------------------------------------------------------

    def fix(self, **values: float) -> Problem:
        """The problem with the named parameters fixed at natural values: ``problem.fix(k=0.3)``."""
        self.parameters.position(values)
        return self.with_parameters({k: {"value": float(v), "fixed": True} for k, v in values.items()})

    def with_parameters(self, changes: Mapping[str, float | Mapping[str, Any]]) -> Problem:
        """The problem with other nominal values (numbers) or other settings (mappings of the fields of the
        file)."""
        parameters = dict(self.spec.parameters)
        for name, change in changes.items():
            fields = dict(change) if isinstance(change, Mapping) else {"value": float(change)}
            if name not in parameters and name not in self.parameters.names:
                raise InputError(f"{name!r} is not a parameter; these are: {', '.join(parameters)}")
            before = parameters.get(name, ParameterSpec())
            parameters[name] = ParameterSpec.model_validate(before.model_dump(exclude_unset=True) | fields)
        return build(self.spec.model_copy(update={"parameters": parameters}))

    def select(self, conditions: Iterable[str]) -> Problem:
        """The problem with the named conditions only, and their measurements."""
        wanted = list(conditions)
        known = {*self.spec.conditions, *self.spec.measurements.condition}
        unknown = [c for c in wanted if c not in known]
        if unknown:
            raise InputError(
                f"no condition {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(known))}"
            )
        table = self.spec.measurements
        rows = [i for i, c in enumerate(table.condition) if c in wanted]
        return build(self.spec.model_copy(update={
            "conditions": {k: c for k, c in self.spec.conditions.items() if k in wanted},
            "inputs": {k: _input_for(i, wanted) for k, i in self.spec.inputs.items()},
            "measurements": selected_rows(table, rows),
        }))  # fmt: skip

    def without_priors(self) -> Problem:
        parameters = {k: p.model_copy(update={"prior": None}) for k, p in self.spec.parameters.items()}
        return build(self.spec.model_copy(update={"parameters": parameters}))

    def to_toml(self) -> str:
        """The model part as the text of a file that loads again."""
        return to_toml(self.spec)


def build(spec: ProblemSpec) -> Problem:
    """The problem that a spec describes. Errors: `InputError` with every finding."""
    return Problem(spec)


def selected_rows(table: MeasurementTable, rows: list[int]) -> MeasurementTable:
    """The table with the given rows only."""
    per_row = ("condition", "time", "observable", "value", "sd", "replicate", "censored", "line")
    update: dict[str, Any] = {
        name: tuple(getattr(table, name)[i] for i in rows) for name in per_row if getattr(table, name)
    }
    update["columns"] = {k: tuple(v[i] for i in rows) for k, v in table.columns.items()}
    return table.model_copy(update=update)


def _input_for(given: InputSpec, conditions: Iterable[str]) -> InputSpec:
    """The input without the samples of other conditions."""
    return given.model_copy(
        update={"series": {c: s for c, s in given.series.items() if not c or c in conditions}}
    )


def _table(data: Any, spec: ProblemSpec) -> MeasurementTable:
    if isinstance(data, MeasurementTable):
        return data
    if isinstance(data, str | os.PathLike):
        return read_measurements(data, spec)[0]
    return measurement_table(data, spec)[0]


def _spec_of(
    model: Model,
    conditions: Mapping[str, Any],
    parameters: Mapping[str, Any],
    noise: Mapping[str, Any],
    priors: Mapping[str, str],
    inputs: Mapping[str, Any],
) -> ProblemSpec:
    """The spec of a model from Python. Names in `parameters` that the model lacks are noise parameters or
    copies."""
    findings = Findings()

    def refuse(given: str, rule: str, remedy: str) -> None:
        findings.add(Finding("", 0, 0, given, rule, remedy))

    observables = dict(model.observables)
    for name in observables.keys() - noise.keys():
        refuse(f"observable {name}", "has no noise", "give a number, a parameter or a formula in noise={...}")
    for name in noise.keys() - observables.keys():
        refuse(f"noise of {name!r}", "is not an observable of the model", f"it has {', '.join(observables)}")
    for name in set(model.inputs) - inputs.keys():
        refuse(
            f"input {name}", "has no values", "give a number, a formula of time or samples in inputs={...}"
        )
    for name in inputs.keys() - set(model.inputs):
        refuse(
            f"input {name!r}",
            "is not an input of the model",
            "declare it in Model.from_equations(inputs=...)",
        )
    for name in model.unknown_inputs:
        refuse(
            f"unknown input {name}",
            "cannot be simulated",
            "make it a known input, or a formula with parameters",
        )
    entries = {k: dict(v) if isinstance(v, Mapping) else {"value": v} for k, v in parameters.items()}
    for name, text in priors.items():
        entries.setdefault(name, {})["prior"] = text
    raw = {
        "states": {s: {"init": _text(e)} for s, e in zip(model.states, model.initial, strict=True)},
        "odes": {s: _text(e) for s, e in zip(model.states, model.odes, strict=True)},
        "assignments": {k: _text(e) for k, e in model.assignments},
        "parameters": {n: entries.pop(n, {}) for n in model.parameters} | entries,
        "inputs": {n: _plain(inputs[n]) for n in model.inputs if n in inputs},
        "events": {
            f"event_{i + 1}": {
                "when": to_text(event.when),
                "set": {s: _text(e) for s, e in event.changes},
                "delay": _text(event.delay),
                "priority": None if event.priority is None else _text(event.priority),
                "persistent": event.persistent,
                "initial": event.initial,
                "values": "trigger" if event.from_trigger else "execution",
            }
            for i, event in enumerate(model.events)
        },
        "observables": {
            n: {"formula": _text(e)} | _noise_fields(noise[n]) for n, e in model.observables if n in noise
        },
        "conditions": _plain(conditions),
    }
    resolve_inputs(raw, Beside(None, None, findings, {}))
    spec = validated(raw, findings)
    findings.raise_errors()
    assert spec is not None  # what is unusable has been reported
    return spec


def _noise_fields(noise: Any) -> dict[str, Any]:
    if isinstance(noise, Mapping) and "column" not in noise:
        return _plain(noise)
    return {"noise": _plain(noise)}


def _plain(value: Any) -> Any:
    """Mappings as dicts and arrays as lists, all the way down."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(v) for v in value]
    return value


def _text(expression) -> float | str:
    return float(expression) if expression.is_number else to_text(expression)

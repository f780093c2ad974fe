"""A problem: everything needed to evaluate the objective. Immutable; changing it makes a new one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from idfit.errors import Finding, InputError
from idfit.expressions import to_text
from idfit.model import Model
from idfit.numerics import integrator
from idfit.numerics.objective import outer_values
from idfit.problem.objective import NO_STOP, STEP_BUDGET, Objective
from idfit.problem.packing import Plan, build_plan
from idfit.problem.parameters import ParameterSpace
from idfit.problem.resolution import Resolution, resolve
from idfit.spec.check import check
from idfit.spec.measurements import Missing, measurement_table
from idfit.spec.priors import parse_prior
from idfit.spec.reading import read_problem
from idfit.spec.schema import MeasurementTable, ParameterSpec, ProblemSpec
from idfit.spec.writing import to_toml

# tolerance of the runs that find out how large the states are
_SCOUTING_RTOL = 1e-4


class Problem:
    """Model, data, experiments, noise, bounds and priors, built from a `ProblemSpec` or from Python values.

    ``Problem(model, data, conditions={}, parameters={}, noise={}, priors={})`` says all that the files can
    say:

    model : a `Model`, or a `ProblemSpec` that already holds everything.
    data : path of a CSV file, mapping of columns, data frame, or `MeasurementTable`.
    conditions, parameters, noise : the tables of the TOML format, as mappings; `noise` gives for each
    observable a number, a formula, or a mapping with ``noise``, ``transform``, ``distribution``, ``per``.
    priors : text for each parameter, ``"normal(0, 1)"``.

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
    ):
        if isinstance(model, Model):
            model = _spec_of(model, conditions or {}, parameters or {}, noise or {}, priors or {})
        if data is not None:
            model = model.model_copy(update={"measurements": _table(data, model)})
        findings = check(model)
        errors = [f for f in findings if f.severity == "error"]
        if errors:
            raise InputError(errors)
        self.spec = model
        self.findings = tuple(findings)

    @classmethod
    def unchecked(cls, spec: ProblemSpec, parameters: ParameterSpace) -> Problem:
        """A problem from a spec that the program itself has made, with the given estimated parameters."""
        problem = cls.__new__(cls)
        problem.spec, problem.findings = spec, ()
        problem.__dict__["parameters"] = parameters
        return problem

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
        )

    @cached_property
    def plan(self) -> Plan:
        """The compiled problem. The first one in a fresh environment also compiles the kernels."""
        return build_plan(self.spec, self.resolution, self.parameters, self.state_scale)

    @cached_property
    def state_scale(self) -> np.ndarray:
        """What `atol` is relative to, (state,): the largest magnitude of each state at the nominal
        parameters."""
        scale = None
        for _ in range(2):
            # a second round, as the first one weighs errors by guesses of the scales
            scale = self._largest_states(build_plan(self.spec, self.resolution, self.parameters, scale))
        assert scale is not None
        return scale

    def plan_with_scale_of(self, other: Problem) -> Plan:
        """The plan, with errors weighed as in another problem with the same states."""
        return build_plan(self.spec, self.resolution, self.parameters, other.state_scale)

    def _largest_states(self, plan: Plan) -> np.ndarray:
        """Largest magnitude of each state at the nominal parameters over all simulations; 1 where it stays
        0."""
        n = len(plan.compiled.states)
        largest = np.zeros(n)
        q = self.outer_values(self.parameters.nominal_scaled, plan)
        for simulation, times in enumerate(plan.times):
            states = np.full((len(times), n), np.nan)
            nothing, info = np.empty((len(times), 0)), np.empty(integrator.INFO_SIZE)
            integrator.integrate(
                plan.ints, plan.floats, simulation, q, False, _SCOUTING_RTOL, 1e-12, STEP_BUDGET, NO_STOP,
                states, nothing, info,
            )  # fmt: skip
            if len(times):
                largest = np.fmax(largest, np.nanmax(np.abs(np.nan_to_num(states)), axis=0, initial=0.0))
        in_model_order = np.empty(n)
        in_model_order[plan.compiled.order] = largest
        return np.where((in_model_order > 0) & np.isfinite(in_model_order), in_model_order, 1.0)

    def outer_values(self, theta: np.ndarray, plan: Plan | None = None) -> np.ndarray:
        """Natural values of all that formal parameters stand for, at theta."""
        plan = plan or self.plan
        q = np.empty(len(self.resolution.outer))
        entries = np.empty(len(plan.formulas.jacobian.column))
        outer_values(plan.ints, plan.floats, np.asarray(theta, dtype=float), q, np.empty(len(theta)), entries)
        return q

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


def load(
    model: str | os.PathLike[str], data: str | os.PathLike[str] | None = None, *, missing: Missing = "refuse"
) -> Problem:
    """Read a problem from files: ``load("models/enzyme.toml", "data/enzyme.csv")``; without data, no
    measurements.

    missing : ``"refuse"`` or ``"drop"`` rows without a value. Errors: `InputError` with every finding of
    both files.
    """
    spec, _ = read_problem(Path(model), None if data is None else Path(data), missing=missing)
    return build(spec)


def selected_rows(table: MeasurementTable, rows: list[int]) -> MeasurementTable:
    """The table with the given rows only."""
    per_row = ("condition", "time", "observable", "value", "sd", "replicate", "censored", "line")
    update: dict[str, Any] = {
        name: tuple(getattr(table, name)[i] for i in rows) for name in per_row if getattr(table, name)
    }
    update["columns"] = {k: tuple(v[i] for i in rows) for k, v in table.columns.items()}
    return table.model_copy(update=update)


def _table(data: Any, spec: ProblemSpec) -> MeasurementTable:
    if isinstance(data, MeasurementTable):
        return data
    table, findings = measurement_table(data, spec)
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        raise InputError(errors)
    return table


def _spec_of(
    model: Model,
    conditions: Mapping[str, Any],
    parameters: Mapping[str, Any],
    noise: Mapping[str, Any],
    priors: Mapping[str, str],
) -> ProblemSpec:
    """The spec of a model from Python; parameters that are not mentioned and not needed by noise stay
    undeclared."""
    missing = [n for n, _ in model.observables if n not in noise]
    if missing:
        remedy = "give a number, a parameter or a formula in noise={...}"
        raise InputError([Finding("", 0, 0, f"observable {n}", "has no noise", remedy) for n in missing])
    entries = {k: dict(v) if isinstance(v, Mapping) else {"value": v} for k, v in parameters.items()}
    for name, text in priors.items():
        entries.setdefault(name, {})["prior"] = text
    raw = {
        "states": {s: {"init": _text(e)} for s, e in zip(model.states, model.initial, strict=True)},
        "odes": {s: _text(e) for s, e in zip(model.states, model.odes, strict=True)},
        "assignments": {k: _text(e) for k, e in model.assignments},
        "parameters": {n: entries.pop(n, {}) for n in model.parameters} | entries,
        "observables": {
            n: {"formula": _text(e)}
            | (dict(noise[n]) if isinstance(noise[n], Mapping) else {"noise": noise[n]})
            for n, e in model.observables
        },
        "conditions": conditions,
    }
    return ProblemSpec.model_validate(raw)


def _text(expression) -> float | str:
    return float(expression) if expression.is_number else to_text(expression)

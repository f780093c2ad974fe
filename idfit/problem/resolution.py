"""What every name stands for, in every experiment.

The equations speak of *formal* parameters. In each simulation a formal parameter stands for an *outer
value*: an estimated parameter (or the copy of it that belongs to this gel or subject), a number, or a
formula of estimated parameters. This file resolves the texts of a `ProblemSpec` to that picture, without
numbers from the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.model import Model, Readout
from idfit.model.model import TIME_NAMES, in_order_of_use
from idfit.spec.reaction_equations import parse_equation
from idfit.spec.schema import ConditionSpec, NoiseColumn, ParameterSpec, ProblemSpec

#: the experiment of a problem that declares none
DEFAULT_CONDITION = "default"


def copy_name(parameter: str, value: str) -> str:
    """Name of the copy of a parameter that belongs to one gel, batch or subject."""
    return f"{parameter}[{value}]"


def start_name(state: str) -> str:
    """Formal parameter that stands for the initial value of a state where conditions set it."""
    return f"{state}(0)"


def model_of(spec: ProblemSpec) -> Model:
    """The equations of a spec: reactions summed into odes, formula inputs among the assignments."""
    rates: dict[str, sympy.Expr] = {s: parse(spec.odes.get(s, 0)) for s in spec.states}
    for reaction in spec.reactions.values():
        rate = parse(reaction.rate)
        for state, coefficient in parse_equation(reaction.eq).net.items():
            if coefficient:
                volume = spec.states[state].volume
                amount = sympy.Rational(coefficient.numerator, coefficient.denominator) * rate
                rates[state] += amount if volume is None else amount / parse(volume)
    set_states = {name for c in spec.conditions.values() for name in c.set if name in spec.states}
    constant = {k for k, i in spec.inputs.items() if not i.series and not _moves(spec, i.formula)}
    functions = {
        k: parse(i.formula or 0.0) for k, i in spec.inputs.items() if not i.series and k not in constant
    }
    assignments = {k: parse(f) for k, f in spec.assignments.items()} | functions
    return Model(
        states=tuple(spec.states),
        odes=tuple(rates.values()),
        initial=tuple(
            sympy.Symbol(start_name(s)) if s in set_states else parse(v.init) for s, v in spec.states.items()
        ),
        parameters=(
            *(k for k in spec.parameters if "[" not in k),
            *spec.constants,
            *(k for k in spec.inputs if k in constant),
            *(start_name(s) for s in spec.states if s in set_states),
        ),
        inputs=tuple(k for k, i in spec.inputs.items() if i.series),
        assignments=in_order_of_use(assignments),
        observables=tuple((k, parse(o.formula)) for k, o in spec.observables.items()),
        events=tuple(
            (parse(e.when), tuple((s, parse(f)) for s, f in e.set.items())) for e in spec.events.values()
        ),
    )


def _moves(spec: ProblemSpec, formula: float | str | None) -> bool:
    """Whether the formula of an input speaks of the time; otherwise it is a constant that conditions may
    set."""
    declared = {*spec.parameters, *spec.constants, *spec.assignments}
    return formula is not None and bool(names_in(parse(formula)) & set(TIME_NAMES) - declared)


@dataclass(frozen=True)
class Dose:
    time: float
    state: str
    amount: int  # outer value
    sets: bool


@dataclass(frozen=True)
class Simulation:
    """One integration: a condition, with the copies of parameters that act on its dynamics."""

    condition: str
    copies: tuple[tuple[str, str], ...]
    map: int
    doses: tuple[Dose, ...]
    t0: float

    @property
    def label(self) -> str:
        tags = ", ".join(f"{column}={value}" for column, value in self.copies if column != "condition")
        return f"{self.condition} [{tags}]" if tags else self.condition


@dataclass
class Resolution:
    """All names resolved. `outer` are expressions of estimated names; `maps[m][j]` is what formal parameter
    j is."""

    model: Model
    formal: tuple[str, ...]
    dynamic: frozenset[str]
    readouts: tuple[Readout, ...]
    estimated: dict[str, ParameterSpec]
    outer: list[sympy.Expr] = field(default_factory=list)
    maps: list[tuple[int, ...]] = field(default_factory=list)
    simulations: list[Simulation] = field(default_factory=list)
    row_simulation: list[int] = field(default_factory=list)
    row_map: list[int] = field(default_factory=list)
    row_sd: list[float] = field(default_factory=list)
    #: what each observable reads, through assignments, ties and other observables
    read: dict[str, frozenset[str]] = field(default_factory=dict)
    #: without measurements: the map of each observable in each simulation
    observable_map: dict[tuple[int, str], int] = field(default_factory=dict)


class _Environment:
    """Values of names in one condition and for one set of copies."""

    def __init__(self, spec: ProblemSpec, condition: ConditionSpec, copies: Mapping[str, str]):
        self.spec, self.condition, self.copies = spec, condition, copies
        self.estimated: dict[str, ParameterSpec] = {}
        self._open: list[str] = []

    def value(self, name: str) -> sympy.Expr:
        """What a name stands for here; what the condition sets comes first."""
        given = self.condition.set.get(name)
        if given is not None:
            return self._of(given, self.base)
        if name.endswith("(0)") and name[:-3] in self.spec.states:
            state = name[:-3]
            given = self.condition.set.get(state)
            return (
                self._of(self.spec.states[state].init, self.value)
                if given is None
                else self._of(given, self.base)
            )
        return self.base(name)

    def base(self, name: str) -> sympy.Expr:
        """What a name stands for apart from the condition's settings (a tie follows them, though)."""
        spec = self.spec
        if name in spec.constants:
            return sympy.Float(spec.constants[name], 17)
        if name in spec.inputs:
            return self._of(spec.inputs[name].formula or 0.0, self.value)
        if name in spec.assignments:  # one without states and time, as in an initial value or a dose
            return self._of(spec.assignments[name], self.value)
        parameter = spec.parameters.get(name)
        if parameter is None:
            raise InputError.of(
                repr(name), "is not declared", "declare it under [parameters]", file=spec.name
            )
        if parameter.tie is not None:
            if name in self._open:
                raise InputError.of(name, "is tied to itself in a circle", file=spec.name)
            self._open.append(name)
            tied = self._of(parameter.tie, self.value)
            self._open.pop()
            return tied
        if name in self.copies:
            copy = copy_name(name, self.copies[name])
            own = spec.parameters.get(copy)
            if own is not None:
                parameter = parameter.model_copy(update=own.model_dump(exclude_unset=True))
            name = copy
        if parameter.fixed or (parameter.min is not None and parameter.min == parameter.max):
            if parameter.value is None and parameter.min is None:
                raise InputError.of(name, "is fixed and has no value", "give it one", file=spec.name)
            return sympy.Float(parameter.min if parameter.value is None else parameter.value, 17)
        self.estimated[name] = parameter
        return sympy.Symbol(name)

    def _of(self, formula: float | str, lookup: Callable[[str], sympy.Expr]) -> Any:
        expression = parse(formula)
        if isinstance(expression, sympy.Symbol):
            return lookup(expression.name)
        names = names_in(expression)
        return expression.xreplace({sympy.Symbol(n): lookup(n) for n in names}) if names else expression


def resolve(spec: ProblemSpec) -> Resolution:
    """Resolve all names of a spec whose texts have been checked.

    Errors: `InputError` for a name without a value, a column that the data lack, or a time before the start.
    """
    model = model_of(spec)
    table = spec.measurements
    used = list(dict.fromkeys(table.observable)) if len(table) else list(spec.observables)
    readouts = tuple(_readout(spec, name) for name in used)
    assignments = dict(model.assignments)
    dynamic = _through(assignments, [*model.odes, *model.initial])
    settings = [
        parse(f)
        for c in spec.conditions.values()
        for f in (*c.set.values(), *(f for d in c.dose for f in (*d.add.values(), *d.set.values())))
    ]
    observed = dict(model.observables)
    read = _through(
        assignments | observed, [e for r in readouts for e in (r.formula, r.noise) if e is not None]
    )
    formal = tuple(n for n in model.parameters if n in dynamic | read)
    result = Resolution(model, formal, frozenset(dynamic), readouts, {})
    # a tied parameter, or an initial value that conditions set, acts through the names in its formula
    ties = {k: parse(p.tie) for k, p in spec.parameters.items() if p.tie is not None}
    starts = {start_name(k): parse(v.init) for k, v in spec.states.items()}
    definitions = assignments | observed | ties | starts
    acting = _through(definitions, [*model.odes, *model.initial, *settings])
    builder = _Builder(spec, result, acting, definitions)
    conditions = spec.conditions or {DEFAULT_CONDITION: ConditionSpec()}
    if len(table):
        for row in range(len(table)):
            builder.add_row(row)
    else:
        for condition in conditions:
            builder.add_condition(condition)
    result.estimated = {n: builder.estimated[n] for n in _declared_order(spec, builder.estimated)}
    return result


def _through(definitions: Mapping[str, sympy.Expr], expressions) -> set[str]:
    """All names that the expressions depend on, through definitions."""
    seen: set[str] = set()
    stack = [n for e in expressions for n in names_in(e)]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack.extend(names_in(definitions[name]) if name in definitions else ())
    return seen


def _readout(spec: ProblemSpec, name: str) -> Readout:
    observable = spec.observables[name]
    noise = None if isinstance(observable.noise, NoiseColumn) else parse(observable.noise)
    return Readout(name, parse(observable.formula), noise)


def _declared_order(spec: ProblemSpec, estimated: Mapping[str, ParameterSpec]) -> list[str]:
    rank = {name: i for i, name in enumerate(spec.parameters)}
    return sorted(estimated, key=lambda n: rank[n.split("[", 1)[0]])


class _Builder:
    def __init__(
        self, spec: ProblemSpec, result: Resolution, acting: set[str], definitions: Mapping[str, sympy.Expr]
    ):
        self.spec, self.result = spec, result
        result.read = {
            r.name: frozenset(_through(definitions, [e for e in (r.formula, r.noise) if e is not None]))
            for r in result.readouts
        }
        self.estimated: dict[str, ParameterSpec] = {}
        self.outer_index: dict[sympy.Expr, int] = {}
        self.map_index: dict[tuple[int, ...], int] = {}
        self.simulation_index: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self.map_cache: dict[tuple, int] = {}
        # parameters with copies: those that act on the dynamics split the simulations
        self.own = {k: p.per for k, p in spec.parameters.items() if p.per is not None and "[" not in k}
        self.splitting = {k: column for k, column in self.own.items() if k in acting}

    def outer(self, expression: sympy.Expr) -> int:
        if expression not in self.outer_index:
            self.outer_index[expression] = len(self.result.outer)
            self.result.outer.append(expression)
        return self.outer_index[expression]

    def _environment(self, condition: str, copies: Mapping[str, str]) -> _Environment:
        return _Environment(self.spec, self.spec.conditions.get(condition, ConditionSpec()), copies)

    def map(self, condition: str, copies: Mapping[str, str], names: frozenset[str]) -> int:
        """Index of the map of formal parameters; those not in `names` stand for 0, as nothing reads them."""
        key = (condition, tuple(sorted(copies.items())), names)
        if key not in self.map_cache:
            environment = self._environment(condition, copies)
            entries = tuple(
                self.outer(environment.value(n) if n in names else sympy.Integer(0))
                for n in self.result.formal
            )
            self.estimated |= environment.estimated
            self.map_cache[key] = self.map_index.setdefault(entries, len(self.result.maps))
            if self.map_cache[key] == len(self.result.maps):
                self.result.maps.append(entries)
        return self.map_cache[key]

    def simulation(self, condition: str, copies: Mapping[str, str]) -> int:
        tags = tuple(sorted({(self.splitting[k], v) for k, v in copies.items() if k in self.splitting}))
        key = (condition, tags)
        if key not in self.simulation_index:
            environment = self._environment(condition, copies)
            spec = self.spec.conditions.get(condition, ConditionSpec())
            doses = []
            for dose in spec.dose:
                times = dose.time if isinstance(dose.time, tuple) else (dose.time,)
                for changes, sets in ((dose.add, False), (dose.set, True)):
                    for state, formula in changes.items():
                        amount = self.outer(environment._of(formula, environment.value))
                        doses += [Dose(float(t), state, amount, sets) for t in times]
            self.estimated |= environment.estimated
            early = [d.time for d in doses if d.time < spec.t0]
            if early:
                raise InputError.of(
                    f"condition {condition}: dose at {min(early)}", f"is before the start at {spec.t0}"
                )
            number = self.map(condition, copies, self.result.dynamic)
            self.simulation_index[key] = len(self.result.simulations)
            self.result.simulations.append(
                Simulation(condition, tags, number, tuple(sorted(doses, key=lambda d: d.time)), spec.t0)
            )
        return self.simulation_index[key]

    def add_condition(self, condition: str) -> None:
        """A condition without measurements, and what each observable reads in it."""
        copies = {k: condition for k, column in self.own.items() if column == "condition"}
        simulation = self.simulation(condition, copies)
        for name, read in self.result.read.items():
            per = {
                k: condition for k, column in self.spec.observables[name].per.items() if column == "condition"
            }
            self.result.observable_map[simulation, name] = self.map(condition, copies | per, read)

    def add_row(self, row: int) -> None:
        table, result = self.spec.measurements, self.result
        condition, name = table.condition[row], table.observable[row]
        observable = self.spec.observables[name]
        columns = self.own | observable.per
        copies = {p: self._tag(column, row) for p, column in columns.items()}
        simulation = self.simulation(condition, {k: v for k, v in copies.items() if k in self.own})
        if table.time[row] < result.simulations[simulation].t0:
            start = result.simulations[simulation].t0
            raise InputError.of(
                f"time {table.time[row]:g}",
                f"is before the start of condition {condition!r} at {start:g}",
                "set t0 of the condition",
                file=table.file,
                line=table.line[row] if table.line else 0,
            )
        result.row_simulation.append(simulation)
        result.row_map.append(self.map(condition, copies, result.read[name]))
        sd = math.nan
        if isinstance(observable.noise, NoiseColumn):
            sd = self._sd(observable.noise.column, row)
        result.row_sd.append(sd)

    def _tag(self, column: str, row: int) -> str:
        table = self.spec.measurements
        if column == "condition":
            return table.condition[row]
        if column == "replicate" and table.replicate:
            return table.replicate[row]
        if column not in table.columns:
            have = ", ".join(table.columns) or "none"
            raise InputError.of(
                f"column {column!r}", f"is needed by `per`; further columns are: {have}", file=table.file
            )
        return table.columns[column][row]

    def _sd(self, column: str, row: int) -> float:
        table = self.spec.measurements
        if column not in table.columns:
            return table.sd[row]
        return float(table.columns[column][row])

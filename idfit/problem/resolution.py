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
from idfit.model import Event, Model, Readout
from idfit.model.model import TIME_NAMES, in_order_of_use
from idfit.spec.reaction_equations import parse_equation
from idfit.spec.schema import ConditionSpec, DoseSpec, NoiseColumn, ParameterSpec, ProblemSpec

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
            *dict.fromkeys(name for o in spec.observables.values() for name in o.columns),
        ),
        inputs=tuple(k for k, i in spec.inputs.items() if i.series),
        assignments=in_order_of_use(assignments),
        observables=tuple((k, parse(o.formula)) for k, o in spec.observables.items()),
        events=tuple(
            Event(
                parse(e.when),
                tuple((s, parse(f)) for s, f in e.set.items()),
                parse(e.delay),
                None if e.priority is None else parse(e.priority),
                e.persistent,
                e.initial,
                e.values == "trigger",
            )
            for e in spec.events.values()
        ),
    )


def _moves(spec: ProblemSpec, formula: float | str | None) -> bool:
    """Whether the formula of an input speaks of the time; otherwise it is a constant that conditions may
    set."""
    declared = {*spec.parameters, *spec.constants, *spec.assignments}
    return formula is not None and bool(names_in(parse(formula)) & set(TIME_NAMES) - declared)


@dataclass(frozen=True)
class Dose:
    """What happens to a state: `amount` is an outer value, or (as `Resolution.jumps`) a formula of states."""

    state: str
    sets: bool
    amount: int | sympy.Expr


@dataclass(frozen=True)
class Change:
    """What happens at a time, all at once; `map` holds from then on, None where no parameter changes.

    parameters : those that change, with the ones that are tied to them.
    """

    time: float
    doses: tuple[Dose, ...]
    map: int | None = None
    parameters: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Simulation:
    """One integration: a condition, with the copies of parameters that act on its dynamics.

    steady : it runs to its steady state, from which others start; start : the number of such a simulation,
    after which the states in `reinit` start anew.
    """

    condition: str
    copies: tuple[tuple[str, str], ...]
    map: int
    changes: tuple[Change, ...]
    t0: float
    steady: bool = False
    start: int | None = None
    reinit: tuple[str, ...] = ()

    @property
    def amounts(self) -> list[int]:
        """The outer values that doses give or set."""
        return [d.amount for c in self.changes for d in c.doses if isinstance(d.amount, int)]

    @property
    def maps(self) -> list[int]:
        """The maps that hold during it, in order."""
        return [self.map, *(c.map for c in self.changes if c.map is not None)]

    @property
    def label(self) -> str:
        tags = ", ".join(f"{column}={value}" for column, value in self.copies if column != "condition")
        label = f"{self.condition} [{tags}]" if tags else self.condition
        return f"{label} (pre-equilibration)" if self.steady else label


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
    #: states, the time, and the assignments that depend on them
    moving: frozenset[str] = frozenset()
    #: without measurements: the map of each observable in each simulation
    observable_map: dict[tuple[int, str], int] = field(default_factory=dict)


class _Environment:
    """Values of names in one condition and for one set of copies, up to a time.

    given : what the data say of names in a row.
    """

    def __init__(
        self,
        spec: ProblemSpec,
        condition: ConditionSpec,
        copies: Mapping[str, str],
        given: Mapping[str, str] | None = None,
        time: float = -math.inf,
    ):
        self.spec, self.condition, self.copies = spec, condition, copies
        self.given = given or {}
        self.estimated: dict[str, ParameterSpec] = {}
        self._open: list[str] = []
        self.changed: dict[str, sympy.Expr] = {}
        for _, dose in timed_doses(condition, time):
            new = {k: self._of(f, self.value) for k, f in dose.set.items() if k not in spec.states}
            self.changed |= new

    def value(self, name: str) -> sympy.Expr:
        """What a name stands for here; what the condition has changed or set comes first."""
        if name in self.changed:
            return self.changed[name]
        if name in self.given:
            return self._of(self.given[name], self.value)
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
    doses = [d for c in spec.conditions.values() for d in c.dose]
    given = [parse(f) for d in doses for f in (*d.add.values(), *d.set.values())]
    moving = frozenset({*model.states, *TIME_NAMES, *_through_to_states(assignments, model.states)})
    jumps = [e for e in given if names_in(e) & moving]
    dynamic = _through(
        assignments,
        [*model.odes, *model.initial, *jumps, *model.event_formulas()],
    )
    settings = [*given, *(parse(f) for c in spec.conditions.values() for f in c.set.values())]
    observed = dict(model.observables)
    read = _through(
        assignments | observed, [e for r in readouts for e in (r.formula, r.noise) if e is not None]
    )
    formal = tuple(n for n in model.parameters if n in dynamic | read)
    result = Resolution(model, formal, frozenset(dynamic), readouts, {}, moving=moving)
    # a tied parameter, or an initial value that conditions set, acts through the names in its formula
    ties = {k: parse(p.tie) for k, p in spec.parameters.items() if p.tie is not None}
    starts = {start_name(k): parse(v.init) for k, v in spec.states.items()}
    definitions = assignments | observed | ties | starts
    acting = _through(
        definitions,
        [*model.odes, *model.initial, *settings, *model.event_formulas()],
    )
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


def _through_to_states(definitions: Mapping[str, sympy.Expr], states: tuple[str, ...]) -> set[str]:
    """The definitions that depend on a state or the time."""
    ends = {*states, *TIME_NAMES}
    return {name for name, e in definitions.items() if _through(definitions, [e]) & ends}


def timed_doses(condition: ConditionSpec, until: float) -> list[tuple[float, DoseSpec]]:
    """The doses of a condition up to a time, in order."""
    every = [
        (float(t), dose)
        for dose in condition.dose
        for t in (dose.time if isinstance(dose.time, tuple) else (dose.time,))
        if t <= until
    ]
    return sorted(every, key=lambda item: item[0])


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
        self.ties = {k: parse(p.tie) for k, p in spec.parameters.items() if p.tie is not None}
        result.read = {
            r.name: frozenset(_through(definitions, [e for e in (r.formula, r.noise) if e is not None]))
            for r in result.readouts
        }
        self.estimated: dict[str, ParameterSpec] = {}
        self.outer_index: dict[sympy.Expr, int] = {}
        self.map_index: dict[tuple[int, ...], int] = {}
        self.simulation_index: dict[tuple, int] = {}
        self.map_cache: dict[tuple, int] = {}
        # parameters with copies: those that act on the dynamics split the simulations
        self.own = {k: p.per for k, p in spec.parameters.items() if p.per is not None and "[" not in k}
        self.splitting = {k: column for k, column in self.own.items() if k in acting}

    def outer(self, expression: sympy.Expr) -> int:
        if expression not in self.outer_index:
            self.outer_index[expression] = len(self.result.outer)
            self.result.outer.append(expression)
        return self.outer_index[expression]

    def map(
        self,
        condition: str,
        copies: Mapping[str, str],
        names: frozenset[str],
        time: float = -math.inf,
        given: Mapping[str, str] | None = None,
    ) -> int:
        """Index of the map of formal parameters at a time; those not in `names` stand for 0, as nothing reads
        them."""
        own = self.spec.conditions.get(condition, ConditionSpec())
        changes = max((t for t, dose in timed_doses(own, time) if self._sets_parameters(dose)), default=None)
        key = (condition, tuple(sorted(copies.items())), names, changes, tuple((given or {}).items()))
        if key not in self.map_cache:
            environment = _Environment(self.spec, own, copies, given, time)
            entries = tuple(
                self.outer(environment.value(n) if n in names else sympy.Integer(0))
                for n in self.result.formal
            )
            self.estimated |= environment.estimated
            self.map_cache[key] = self.map_index.setdefault(entries, len(self.result.maps))
            if self.map_cache[key] == len(self.result.maps):
                self.result.maps.append(entries)
        return self.map_cache[key]

    def _sets_parameters(self, dose: DoseSpec) -> bool:
        return not dose.set.keys() <= self.spec.states.keys()

    def simulation(self, condition: str, copies: Mapping[str, str], steady: bool = False) -> int:
        tags = tuple(sorted({(self.splitting[k], v) for k, v in copies.items() if k in self.splitting}))
        key = (condition, tags, steady)
        if key not in self.simulation_index:
            spec = self.spec.conditions.get(condition, ConditionSpec())
            start = None
            if spec.preequilibrate is not None:
                start = self.simulation(spec.preequilibrate, copies, steady=True)
            changes = [
                self._change(condition, copies, time, dose) for time, dose in timed_doses(spec, math.inf)
            ]
            number = self.map(condition, copies, self.result.dynamic)
            self.simulation_index[key] = len(self.result.simulations)
            self.result.simulations.append(
                Simulation(condition, tags, number, tuple(changes), spec.t0, steady, start, spec.reinit)
            )
        return self.simulation_index[key]

    def _change(self, condition: str, copies: Mapping[str, str], time: float, dose: DoseSpec) -> Change:
        spec = self.spec.conditions[condition]
        if time < spec.t0:
            raise InputError.of(f"condition {condition}: dose at {time}", f"is before the start at {spec.t0}")
        # formulas mean the values just before
        environment = _Environment(self.spec, spec, copies, time=math.nextafter(time, -math.inf))
        doses = []
        for given, sets in ((dose.add, False), (dose.set, True)):
            for state, formula in given.items():
                if state not in self.spec.states:
                    continue
                expression = parse(formula)
                if names_in(expression) & self.result.moving:
                    doses.append(Dose(state, sets, expression))
                else:
                    doses.append(Dose(state, sets, self.outer(environment._of(formula, environment.value))))
        self.estimated |= environment.estimated
        if not self._sets_parameters(dose):
            return Change(time, tuple(doses))
        tied = {k for k, e in self.ties.items() if names_in(e) & dose.set.keys()}
        parameters = frozenset(dose.set.keys() - self.spec.states.keys() | tied)
        new = self.map(condition, copies, self.result.dynamic | parameters, time)
        return Change(time, tuple(doses), new, parameters)

    def add_condition(self, condition: str) -> None:
        """A condition without measurements, and what each observable reads in it."""
        copies = {k: condition for k, column in self.own.items() if column == "condition"}
        simulation = self.simulation(condition, copies)
        for name, read in self.result.read.items():
            if self.spec.observables[name].columns:
                continue  # needs values that only data give
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
        given = {k: table.columns[column][row] for k, column in observable.columns.items()}
        result.row_map.append(self.map(condition, copies, result.read[name], table.time[row], given))
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

"""A model is equations only: it knows no data, no bounds and no noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sympy

from idfit.errors import Finding, InputError
from idfit.expressions import names_in, parse

#: the priority of an event that has none
LAST = -1e300
TIME_NAMES = ("t", "time")

Formula = str | float | int | sympy.Expr


@dataclass(frozen=True)
class Event:
    """When `when` turns true (from 0 to another value), states take the values `changes`, `delay` later.

    initial : what `when` was before the start; from_trigger : the new values are those of the moment at which
    it turned true; persistent : False forgets a delayed event if `when` turns false again; priority : of
    events at the same time the largest goes first.
    """

    when: sympy.Expr
    changes: tuple[tuple[str, sympy.Expr], ...] = ()
    delay: sympy.Expr = sympy.S.Zero
    priority: sympy.Expr | None = None
    persistent: bool = True
    initial: bool = True
    from_trigger: bool = True

    @property
    def timing(self) -> tuple[sympy.Expr, sympy.Expr]:
        """Delay and priority; an event without a priority goes last."""
        return self.delay, sympy.Float(LAST) if self.priority is None else self.priority

    def formulas(self) -> list[sympy.Expr]:
        """All that it consists of."""
        return [self.when, *self.timing, *(e for _, e in self.changes)]


@dataclass(frozen=True)
class Model:
    """x' = f(t, x, p, u), x(t0) = x0(p), with observables y = g(t, x, p, u).

    `odes` and `initial` belong to `states` in order; `parameters` are all names with a value that somebody
    else gives (estimated, fixed or set by an experiment); `inputs` are known functions of time given as
    samples; `assignments` are intermediate quantities, each after those that it uses. In an initial value
    other states and assignments mean their values at t0. `unknown_inputs` are declared here for the analyses
    that need them. `unstated` are states whose start nobody gave: 0 in simulations, unknown to structural
    analyses.
    """

    states: tuple[str, ...] = ()
    odes: tuple[sympy.Expr, ...] = ()
    initial: tuple[sympy.Expr, ...] = ()
    parameters: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    assignments: tuple[tuple[str, sympy.Expr], ...] = ()
    observables: tuple[tuple[str, sympy.Expr], ...] = ()
    unknown_inputs: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    unstated: tuple[str, ...] = ()

    @classmethod
    def from_equations(
        cls,
        odes: Mapping[str, Formula],
        observables: Mapping[str, Formula],
        parameters: Iterable[str],
        initial: Mapping[str, Formula] | None = None,
        inputs: Iterable[str] = (),
        unknown_inputs: Iterable[str] = (),
        events: Iterable[Event | tuple[Formula, Mapping[str, Formula]]] = (),
        assignments: Mapping[str, Formula] | None = None,
    ) -> Model:
        """A model from formulas as text (or numbers, or sympy expressions).

        Names in `initial` that are not declared become parameters: ``initial={"A": "A0"}`` makes ``A0``
        one. A state without an initial value starts at 0. An event may be a pair of when it happens and what
        states become: ``("A < 0.1", {"A": "A + 1"})``.

        Errors: `InputError` with every name that is used and not declared, and every cycle among assignments.

        >>> decay = Model.from_equations({"A": "-k*A"}, {"y": "s*A"}, ["k", "s"], {"A": "A0"})
        >>> decay.parameters
        ('k', 's', 'A0')
        """
        initial = dict(initial or {})
        unstated = tuple(state for state in odes if state not in initial)
        parameters = list(parameters)
        start = {state: _parsed(initial.pop(state, 0)) for state in odes}
        declared = {*odes, *parameters, *inputs, *unknown_inputs, *(assignments or {})}
        findings = [
            Finding(
                "", 0, 0, f"initial value of {name!r}", "is not a state", f"the states are {', '.join(odes)}"
            )
            for name in initial
        ]
        for expression in start.values():
            parameters += sorted(names_in(expression) - declared - set(parameters))
        model = cls(
            states=tuple(odes),
            odes=tuple(_parsed(f) for f in odes.values()),
            initial=tuple(start.values()),
            parameters=tuple(parameters),
            inputs=tuple(inputs),
            assignments=in_order_of_use({k: _parsed(f) for k, f in (assignments or {}).items()}),
            observables=tuple((name, _parsed(f)) for name, f in observables.items()),
            unknown_inputs=tuple(unknown_inputs),
            events=tuple(
                event
                if isinstance(event, Event)
                else Event(_parsed(event[0]), tuple((s, _parsed(f)) for s, f in event[1].items()))
                for event in events
            ),
            unstated=unstated,
        )
        findings += [*model._unusable_names(), *model._undeclared()]
        if findings:
            raise InputError(findings)
        return model

    def event_formulas(self) -> list[sympy.Expr]:
        """All that events consist of."""
        return [e for event in self.events for e in event.formulas()]

    def _unusable_names(self) -> list[Finding]:
        """Names that formulas cannot speak of, or that would mean two things."""
        names = [*self.states, *self.parameters, *self.inputs, *self.unknown_inputs]
        names += [name for name, _ in (*self.assignments, *self.observables)]
        findings = []
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                findings.append(Finding("", 0, 0, repr(name), "is declared twice", "rename one of the two"))
            try:
                is_name = parse(name).is_Symbol
            except InputError:
                is_name = False
            if not is_name:
                rule = "is not a name in formulas (a number, a function or another text)"
                findings.append(Finding("", 0, 0, repr(name), rule, "use letters, digits and _"))
        return findings

    def _undeclared(self) -> list[Finding]:
        known = {*self.states, *self.parameters, *self.inputs, *self.unknown_inputs, *TIME_NAMES}
        known |= {name for name, _ in self.assignments}
        observed = {name for name, _ in self.observables}  # these may use each other
        readings = {f"observable {name}" for name in observed}
        formulas = [
            *((f"ode of {s}", e) for s, e in zip(self.states, self.odes, strict=True)),
            *((f"initial value of {s}", e) for s, e in zip(self.states, self.initial, strict=True)),
            *((f"assignment {n}", e) for n, e in self.assignments),
            *((f"observable {n}", e) for n, e in self.observables),
            *((f"event {i + 1}", e) for i, event in enumerate(self.events) for e in event.formulas()),
        ]
        return [
            Finding(
                "", 0, 0, f"{name!r} in {where}", "is not declared",
                "declare it as a parameter, input or assignment",
            )
            for where, expression in formulas
            for name in sorted(names_in(expression) - known - (observed if where in readings else set()))
        ]  # fmt: skip


def _parsed(formula: Formula) -> sympy.Expr:
    return formula if isinstance(formula, sympy.Expr) else parse(formula)


def in_order_of_use(assignments: Mapping[str, sympy.Expr]) -> tuple[tuple[str, sympy.Expr], ...]:
    """The assignments with each after all that it uses. Errors: `InputError` prints a cycle."""
    order: dict[str, sympy.Expr] = {}
    for root in assignments:
        # depth first with an explicit stack: chains may be longer than Python's recursion limit
        stack, trail = [(root, iter(sorted(names_in(assignments[root]) & assignments.keys())))], [root]
        while stack:
            name, uses = stack[-1]
            following = next((n for n in uses if n not in order), None)
            if following is None:
                order.setdefault(name, assignments[name])
                stack.pop()
                trail.pop()
            elif following in trail:
                cycle = " -> ".join([*trail[trail.index(following) :], following])
                raise InputError.of(cycle, "assignments must not use each other in a circle")
            else:
                trail.append(following)
                stack.append((following, iter(sorted(names_in(assignments[following]) & assignments.keys()))))
    return tuple(order.items())

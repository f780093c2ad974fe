"""The question about a model: what could its outputs determine, for whatever is declared known?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse, replaced, to_text
from idfit.model import Model
from idfit.model.model import TIME_NAMES, Formula
from idfit.structural.question import Experiment, Quantity, Question

_CLOCK = "t"


def question_of_model(
    model: Model,
    known: Iterable[str] = (),
    initial: Mapping[str, Formula] | None = None,
    functions: Mapping[str, Formula] | None = None,
    experiments: int = 1,
) -> Question:
    """What the outputs of a model could determine of its parameters and starts.

    A start is what `initial` says, else what the model says, else an unknown of its own. known : parameters
    with known values, and states with known starts, nothing special about either; functions : formulas of
    parameters and states (meaning their starts) to decide about as well; experiments : how many with starts
    of their own and common parameters.

    Errors: `InputError` for names that the model does not have, and for events.
    """
    given, known = dict(initial or {}), tuple(known)
    _refuse_unknown("known", known, {*model.parameters, *model.states})
    _refuse_unknown("initial", given, set(model.states))
    if model.events:
        raise InputError.of("the model's events", "are not covered by an analysis of equations alone",
                            "ask about a Problem, whose beginning is analysed")  # fmt: skip
    if experiments < 1:
        raise InputError.of(f"experiments={experiments}", "must be 1 or more")
    starts = _starts(model, known, given)
    parameters = [p for p in model.parameters if p not in known]
    labels = [str(i + 1) if experiments > 1 else "" for i in range(experiments)]
    made = [_experiment(model, starts, label) for label in labels]
    unknown_starts = dict.fromkeys(
        str(s) for e in made for s in e.start if s.is_Symbol and str(s) not in {*model.parameters, *known}
    )
    quantities = [Quantity(p, "parameter", sympy.Symbol(p)) for p in model.parameters]
    for i, experiment in enumerate(made):
        for state, start in zip(experiment.states, experiment.start, strict=True):
            if state in model.states:
                quantities.append(Quantity(_start_name(model, state, labels[i]), "initial", start, i))
    quantities += [
        Quantity(name, "function", _about_starts(formula, made[0]))
        for name, formula in (functions or {}).items()
    ]
    own_known = {_start_name(model, k, label) if k in model.states else k for k in known for label in labels}
    chain = len(model.parameters) + len(model.states) + 2 if model.unknown_inputs else None
    return Question(
        unknowns=(*parameters, *(s for s in unknown_starts if s not in own_known)),
        known=tuple(sorted(own_known)),
        experiments=tuple(made),
        quantities=tuple(quantities),
        orders=chain,
        assumptions=_assumptions(model, known, made, experiments),
    )


def _refuse_unknown(what: str, names: Iterable[str], allowed: set[str]) -> None:
    for name in names:
        if name not in allowed:
            near = difflib.get_close_matches(name, sorted(allowed), 1)
            remedy = f"is {near[0]!r} meant?" if near else f"there are: {', '.join(sorted(allowed))}"
            raise InputError.of(f"{name!r} in {what}", "is not a name of the model", remedy)


def _starts(model: Model, known: Iterable[str], given: Mapping[str, Formula]) -> dict[str, sympy.Expr]:
    starts = {}
    for state, own in zip(model.states, model.initial, strict=True):
        if state in known or (state in model.unstated and state not in given):
            starts[state] = sympy.Symbol(state)
        elif state in given:
            formula = given[state]
            starts[state] = formula if isinstance(formula, sympy.Expr) else parse(formula)
        else:
            starts[state] = own
    return without_assignments(model, starts)


def without_assignments(model: Model, starts: Mapping[str, sympy.Expr]) -> dict[str, sympy.Expr]:
    """Starts that name other states or assignments as formulas of parameters and unknown starts."""
    done: dict[str, sympy.Expr] = {}

    def value(name: str) -> sympy.Expr:
        if name not in done:
            own = starts[name]
            done[name] = own if own == sympy.Symbol(name) else settled(own)
        return done[name]

    def settled(formula: sympy.Expr) -> sympy.Expr:
        formula = substituted(formula, model)
        return replaced(formula, {n: value(n) for n in names_in(formula) & starts.keys()})

    return {name: value(name) for name in starts}


def substituted(formula: sympy.Expr, model: Model) -> sympy.Expr:
    """A formula of states, parameters, inputs and time alone: assignments and observables written out."""
    own = {*model.states, *model.parameters, *model.inputs}
    definitions = {k: e for k, e in (*model.assignments, *model.observables) if k not in own}
    while used := names_in(formula) & definitions.keys():
        formula = replaced(formula, {name: definitions[name] for name in used})
    return formula


def _experiment(model: Model, starts: Mapping[str, sympy.Expr], label: str) -> Experiment:
    """The model once, with its unknown inputs and the time as further states."""
    states, odes = list(model.states), [substituted(f, model) for f in model.odes]
    start = [_labelled(starts[s], model, label) for s in states]
    for name in model.unknown_inputs:
        length = len(model.parameters) + len(model.states) + 2
        chain = [name, *(_unused(model, f"{name}_d{k}") for k in range(1, length + 1))]
        states += chain
        odes += [*(sympy.Symbol(n) for n in chain[1:]), sympy.S.Zero]
        start += [sympy.Symbol(_start_name(model, n, label)) for n in chain]
    outputs = tuple((name, substituted(f, model)) for name, f in model.observables)
    states, odes, start, outputs = with_clock(states, odes, start, outputs, sympy.S.Zero)
    return Experiment(
        name=label,
        states=tuple(states),
        odes=tuple(odes),
        start=tuple(start),
        outputs=outputs,
        inputs=model.inputs,
    )


def with_clock(states, odes, start, outputs, t0: sympy.Expr):
    """Time as a state of its own where the equations speak of it."""
    times = {str(n) for n in TIME_NAMES} - set(states)
    if not any(names_in(f) & times for f in (*odes, *(f for _, f in outputs))):
        return states, odes, start, outputs
    clock: dict[str, sympy.Expr] = dict.fromkeys(times, sympy.Symbol(_CLOCK))
    return (
        [*states, _CLOCK],
        [*(replaced(f, clock) for f in odes), sympy.S.One],
        [*start, t0],
        tuple((name, replaced(f, clock)) for name, f in outputs),
    )


def _labelled(start: sympy.Expr, model: Model, label: str) -> sympy.Expr:
    """Starts that are unknown (or known, but nothing special) differ between experiments."""
    return replaced(start, {s: sympy.Symbol(_start_name(model, s, label)) for s in model.states})


def _start_name(model: Model, state: str, label: str) -> str:
    """The start of a state in an experiment, as formulas can say it: x_1 in the first of several."""
    return _unused(model, f"{state}_{label}") if label else state


def _unused(model: Model, name: str) -> str:
    """The name, with underscores behind it if the model has it already."""
    taken = {*model.states, *model.parameters, *model.inputs, *model.unknown_inputs}
    taken |= {n for n, _ in (*model.assignments, *model.observables)}
    while name in taken:
        name += "_"
    return name


def _about_starts(formula: Formula, experiment: Experiment) -> sympy.Expr:
    parsed = formula if isinstance(formula, sympy.Expr) else parse(formula)
    return replaced(parsed, dict(zip(experiment.states, experiment.start, strict=True)))


def _assumptions(
    model: Model, known: Iterable[str], made: list[Experiment], experiments: int
) -> tuple[str, ...]:
    observed = ", ".join(name for name, _ in model.observables)
    sentences = [
        f"{observed} {'is' if len(model.observables) == 1 else 'are'} known without noise at all times in "
        + ("one experiment." if experiments == 1 else f"{experiments} experiments with starts of their own.")
    ]
    if model.inputs:
        sentences.append(f"The input {', '.join(model.inputs)} is known and as rich as need be.")
    if model.unknown_inputs:
        sentences.append(f"The input {', '.join(model.unknown_inputs)} is an unknown function of time.")
    if known:
        sentences.append(f"Known are the values of {', '.join(known)}.")
    first = made[0]
    free = [s for s, e in zip(first.states, first.start, strict=True) if e.is_Symbol and s in model.states]
    special = [
        f"{s}(0) = {to_text(e)}"
        for s, e in zip(first.states, first.start, strict=True)
        if s in model.states and s not in free
    ]
    if free:
        sentences.append(f"Nothing special is true of the starts of {', '.join(free)}.")
    if special:
        sentences.append(f"Specific starts: {', '.join(special)}.")
    return tuple(sentences)

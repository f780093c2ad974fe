"""States, their derivatives and reactions, and the events that change them."""

from __future__ import annotations

from idfit.expressions import ExpressionError
from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import TIME_NAMES, declared
from idfit.spec.findings import Findings, clipped, did_you_mean, dotted, listed
from idfit.spec.reaction_equations import parse_equation
from idfit.spec.schema import ProblemSpec
from idfit.spec.toml_positions import Path

MOST_STATES = 100_000


def check_states(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    if len(spec.states) > MOST_STATES or len(spec.reactions) > MOST_STATES:
        given = f"{len(spec.states):,} states, {len(spec.reactions):,} reactions"
        findings.error(("states",), given, f"at most {MOST_STATES:,} are possible", "reduce the model", "M23")
    for name in spec.odes:
        if name not in spec.states:
            remedy = did_you_mean(name, spec.states, "declare it under [states]")
            findings.error(
                ("odes", name), dotted(("odes", name)), "is the derivative of no state", remedy, "E12"
            )
    moved = _check_reactions(spec, findings) | spec.odes.keys()
    moved |= {state for event in spec.events.values() for state in event.set}
    still = [name for name in spec.states if name not in moved]
    if still:
        rule = "no derivative, reaction or event changes them; they keep their initial values"
        findings.notice(("states", still[0]), f"states {listed(still)}", rule, "", "M22")
    for name, state in spec.states.items():
        if isinstance(state.volume, float) and state.volume <= 0:
            path: Path = ("states", name, "volume")
            findings.error(path, f"{dotted(path)} = {state.volume:g}", "a volume must be positive", "", "M20")
    if not spec.states and not spec.observables:
        rule = "a model needs states or observables"
        findings.error((), "", rule, "write them under [states] and [observables]", "M22")
    _check_events(spec, formulas, findings)


def _check_events(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    moving = {*spec.states, *spec.inputs, *formulas.dynamic, *(TIME_NAMES - declared(spec).keys())}
    for name, event in spec.events.items():
        path: Path = ("events", name)
        for state in event.set:
            if state not in spec.states:
                rule = f"'{clipped(state)}' is not a state; events change states"
                remedy = did_you_mean(
                    state, spec.states, 'make it one: x = { init = "x0" } has no derivative'
                )
                findings.error((*path, "set", state), dotted((*path, "set", state)), rule, remedy, "M13")
        when = formulas.names.get((*path, "when"))
        if when is not None and not when & moving:
            rule = "depends on no state and not on the time, so it never turns true"
            findings.warning((*path, "when"), dotted((*path, "when")), rule, "correct it", "M13")
        if isinstance(event.delay, float) and event.delay < 0:
            rule = "a delay is not negative"
            findings.error((*path, "delay"), f"{dotted(path)}: delay = {event.delay:g}", rule, "", "M13")


def _check_reactions(spec: ProblemSpec, findings: Findings) -> set[str]:
    moved: set[str] = set()
    for name, reaction in spec.reactions.items():
        path: Path = ("reactions", name, "eq")
        try:
            equation = parse_equation(reaction.eq)
        except ExpressionError as error:
            given = f"{dotted(path)}: {error.given}"
            findings.at_text(path, reaction.eq, error.column, given, error.rule, error.remedy, error.code)
            continue
        moved |= equation.net.keys()
        for state in equation.net:
            if state not in spec.states and not findings.count_if_full("E12"):
                column = reaction.eq.find(state) + 1
                remedy = did_you_mean(state, spec.states, "declare it under [states]")
                rule = f"'{state}' is not a state"
                findings.at_text(path, reaction.eq, column, dotted(path), rule, remedy, "E12")
    return moved

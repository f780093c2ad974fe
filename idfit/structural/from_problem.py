"""The question about a problem: what do its own experiments determine, with the starts and doses they have?

Fixed parameters are the numbers that they are, each simulation is an experiment, and an observable counts in
those experiments only in which it was measured. Ideal data are assumed: measured without error at all times.
An analysis by power series sees an experiment up to its first dose or switch. What follows at a known time
is a further experiment, which begins where the former has come to: nothing special is true of that time.
Steady states enter as constraints. Of events and branches that depend on states it sees nothing; what the
rest does not determine is undecided then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse
from idfit.model.model import Formula
from idfit.problem import Problem
from idfit.structural.courses import Courses
from idfit.structural.program import CannotDecideError
from idfit.structural.question import Experiment, Quantity, Question


def question_of_problem(problem: Problem, functions: Mapping[str, Formula] | None = None) -> Question:
    """What the experiments of a problem could determine of its estimated parameters.

    functions : formulas of estimated parameters to decide about as well. Errors: `InputError` for formulas of
    other names.
    """
    names = problem.parameters.names
    courses = Courses(problem, dict(_nominal(problem)))
    for i, simulation in enumerate(problem.resolution.simulations):
        if not simulation.steady:
            courses.add(i)
    if not courses.experiments:
        raise CannotDecideError("; ".join(courses.left_out) or "nothing is measured")
    quantities = [Quantity(n, "parameter", sympy.Symbol(n)) for n in names]
    quantities += _starts_and_courses(courses.experiments, problem.model.states)
    quantities += [Quantity(n, "function", _checked(f, names)) for n, f in (functions or {}).items()]
    left_out = [*courses.left_out, *(reason for e in courses.experiments for reason in e.later)]
    return Question(
        unknowns=names,
        known=(),
        experiments=tuple(courses.experiments),
        quantities=tuple(quantities),
        implicit=tuple(courses.implicit),
        constraints=tuple(courses.constraints),
        left_out=tuple(dict.fromkeys(left_out)),
        assumptions=_assumptions(problem, courses.experiments, left_out),
    )


def _nominal(problem: Problem) -> Iterable[tuple[str, float]]:
    space = problem.parameters
    middle = space.to_natural(0.5 * (space.lower_scaled + space.upper_scaled))
    for name, value, between in zip(space.names, space.nominal, middle, strict=True):
        yield name, float(value if math.isfinite(value) else between)


def _checked(formula: Formula, names: tuple[str, ...]) -> Any:
    parsed = formula if isinstance(formula, sympy.Expr) else parse(formula)
    for name in sorted(names_in(parsed) - set(names)):
        raise InputError.of(
            f"{name!r} in {formula}", "is not an estimated parameter", f"there are: {', '.join(names)}"
        )
    return parsed


def _starts_and_courses(made: list[Experiment], states: Iterable[str]) -> list[Quantity]:
    """Starts and courses of the states in each experiment; a start that all have in common is named once."""
    quantities = []
    begun = [(i, e) for i, e in enumerate(made) if e.follows is None]
    for state in states:
        starts = [e.start[e.states.index(state)] for _, e in begun]
        common = len(set(starts)) == 1
        for (i, experiment), start in zip(begun, starts, strict=True):
            label = "" if common else f"[{experiment.name}]"
            if label or i == begun[0][0]:
                quantities.append(Quantity(f"{state}(0){label}", "initial", start, i))
        for i, experiment in begun:
            label = f"[{experiment.name}]" if len(begun) > 1 else ""
            quantities.append(Quantity(f"{state}(t){label}", "state", sympy.Symbol(state), i))
    return quantities


def _assumptions(problem: Problem, made: list[Experiment], left_out: list[str]) -> tuple[str, ...]:
    n = sum(e.follows is None for e in made)
    what = "experiment" if n == 1 else f"{n} experiments"
    sentences = [
        f"The data are those of the problem's own {what}, measured without error and at all times.",
        "Fixed parameters, doses and starts are the numbers or formulas that the problem gives.",
    ]
    if problem.model.inputs:
        sentences.append(f"The input {', '.join(problem.model.inputs)} is known and as rich as need be.")
    if left_out:
        sentences.append(f"Not seen by the analysis: {'; '.join(dict.fromkeys(left_out))}.")
    return tuple(sentences)

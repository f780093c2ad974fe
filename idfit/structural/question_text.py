"""A question as plain data for JSON and back, with names that any formula can hold."""

from __future__ import annotations

from typing import Any

import sympy

from idfit.expressions import names_in, parse, replaced, to_text
from idfit.structural.question import Experiment, Quantity, Question


def to_plain(question: Question) -> dict[str, Any]:
    """Formulas as texts; the k-th name of `names` is "n<k>" in them."""
    names = sorted({n for formula in _formulas(question) for n in names_in(formula)} | _declared(question))
    short = {name: sympy.Symbol(f"n{k}") for k, name in enumerate(names)}

    def text(formula: sympy.Expr) -> str:
        return to_text(replaced(formula, short))

    def texts(formulas) -> list[str]:
        return [text(f) for f in formulas]

    def renamed(given) -> list[str]:
        return [short[name].name for name in given]

    return {
        "names": names,
        "unknowns": renamed(question.unknowns),
        "known": renamed(question.known),
        "constraints": texts(question.constraints),
        "orders": question.orders,
        "quantities": [[q.kind, text(q.formula), q.experiment] for q in question.quantities],
        "experiments": [
            {
                "states": renamed(e.states),
                "inputs": renamed(e.inputs),
                "odes": texts(e.odes),
                "start": texts(e.start),
                "outputs": texts(f for _, f in e.outputs),
                "start_outputs": texts(f for _, f in e.start_outputs),
                "noise": texts(f for _, f in e.noise),
            }
            for e in question.experiments
        ],
    }


def from_plain(plain: dict[str, Any]) -> Question:
    """The question with the short names, and numbers for the names of quantities and outputs."""

    def formulas(texts) -> tuple[sympy.Expr, ...]:
        return tuple(parse(text) for text in texts)

    def named(texts) -> tuple[tuple[str, sympy.Expr], ...]:
        return tuple((f"output {k}", formula) for k, formula in enumerate(formulas(texts)))

    experiments = [
        Experiment(
            name=str(i),
            states=tuple(e["states"]),
            odes=formulas(e["odes"]),
            start=formulas(e["start"]),
            outputs=named(e["outputs"]),
            inputs=tuple(e["inputs"]),
            start_outputs=named(e["start_outputs"]),
            noise=named(e["noise"]),
        )
        for i, e in enumerate(plain["experiments"])
    ]
    return Question(
        unknowns=tuple(plain["unknowns"]),
        known=tuple(plain["known"]),
        experiments=tuple(experiments),
        quantities=tuple(
            Quantity(str(i), kind, parse(text), experiment)
            for i, (kind, text, experiment) in enumerate(plain["quantities"])
        ),
        constraints=formulas(plain["constraints"]),
        orders=plain["orders"],
    )


def _declared(question: Question) -> set[str]:
    names = {*question.unknowns, *question.known}
    return names.union(*((*e.states, *e.inputs) for e in question.experiments))


def _formulas(question: Question):
    yield from question.constraints
    yield from (q.formula for q in question.quantities)
    for e in question.experiments:
        yield from (*e.odes, *e.start)
        yield from (f for _, f in (*e.outputs, *e.start_outputs, *e.noise))

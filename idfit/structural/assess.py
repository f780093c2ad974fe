"""Structural identifiability as a verb: what could data of this kind determine, by the equations alone?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from idfit.errors import InputError
from idfit.expressions import names_in, to_text
from idfit.model import Model
from idfit.model.model import Formula
from idfit.problem import Problem
from idfit.results import StructuralVerdict, dataset
from idfit.structural.from_model import question_of_model
from idfit.structural.from_problem import question_of_problem
from idfit.structural.global_verdicts import Decision, decide_globally
from idfit.structural.local import LocalResult, assess_locally
from idfit.structural.program import CannotDecideError
from idfit.structural.question import Experiment, Quantity, Question
from idfit.structural.search import other_values

_SEARCH = 0.3  # of the time, at most, for the search of other values


def assess_structure(
    subject: Problem | Model,
    *,
    known: Iterable[str] = (),
    initial: Mapping[str, Formula] | None = None,
    functions: Mapping[str, Formula] | None = None,
    experiments: int = 1,
    time_limit: float = 30.0,
    seed: int = 0,
    global_: bool = True,
) -> xr.Dataset:
    """Structural verdicts for every parameter, start and state, and for `functions` of them.

    Of a `Problem` it asks what its own experiments determine: fixed parameters are numbers, starts and doses
    are what they are. Of a `Model` it asks about its outputs with `known` parameters and starts, specific
    starts `initial`, and several `experiments` with starts of their own.

    Locally: rank of ∂(Taylor coefficients of the outputs)/∂(unknowns) at random points modulo two primes
    (Sedoglavic 2002). Globally (unless `global_` is False): input-output equations, the fibre of a random
    point, and for a problem a search for other values with the same predictions, within `time_limit` seconds;
    what is not decided by then stays "at_least_local".

    Returns the group ``structure``: verdict(quantity) with `verdict_label` in {global, local,
    at_least_local, nonidentifiable, undetermined}, decided_by(quantity), rank(order), involved(direction,
    quantity); its attrs hold the assumptions. Errors: `InputError` for names that the subject does not have.

    >>> model = Model.from_equations({"A": "-a*b*A"}, {"y": "A"}, ["a", "b"])
    >>> found = assess_structure(model, functions={"product": "a*b"}, global_=False)
    >>> dict(zip(found["quantity"].values.tolist(), found["verdict_label"].values.tolist()))
    {'a': 'nonidentifiable', 'b': 'nonidentifiable', 'A': 'at_least_local', 'product': 'at_least_local'}
    """
    try:
        question = question_of(subject, known, initial, functions, experiments)
        local = assess_locally(question, seed)
    except CannotDecideError as error:
        return _undecided(subject, str(error))
    decisions = [_local_decision(question, local, i) for i in range(len(question.quantities))]
    attrs = {"seed": seed, "primes": list(local.primes), "assumptions": "\n".join(question.assumptions)}
    if global_:
        begin = time.monotonic()
        decisions = _globally(question, decisions, time_limit, seed)
        if isinstance(subject, Problem):
            left = min(time_limit - (time.monotonic() - begin), time_limit * _SEARCH)
            decisions = _by_search(subject, question, decisions, left, seed)
        decisions = _courses(question, decisions)
        attrs |= {"time_limit": time_limit}
    return _dataset(question, local, decisions, attrs)


def question_of(
    subject: Problem | Model,
    known: Iterable[str] = (),
    initial: Mapping[str, Formula] | None = None,
    functions: Mapping[str, Formula] | None = None,
    experiments: int = 1,
) -> Question:
    """The question about a model or a problem. Errors: `InputError` for options that only a model has."""
    if isinstance(subject, Model):
        return question_of_model(subject, known, initial, functions, experiments)
    if tuple(known) or initial or experiments != 1:
        raise InputError.of(
            "known, initial or experiments",
            "belong to a question about a Model; a Problem has its own experiments",
            "fix parameters with problem.fix(...), or ask about problem.model",
        )
    return question_of_problem(subject, functions)


def _globally(
    question: Question, decisions: Sequence[Decision], time_limit: float, seed: int
) -> list[Decision]:
    """The decisions with those that can be made globally, by the beginnings of experiments from given starts.

    That a quantity is unique holds with more data, too; that it is not, only if there are no more.
    """
    experiments = _beginnings(question)
    if not experiments:
        return list(decisions)
    complete = len(experiments) == len(question.experiments) and not question.left_out
    beginnings = question
    if len(experiments) < len(question.experiments):
        quantities = tuple(q for q in question.quantities if q.kind != "state")
        beginnings = replace(
            question, experiments=experiments, quantities=quantities, implicit=(), constraints=()
        )
    local = assess_locally(beginnings, seed)
    determined = dict(zip((q.name for q in beginnings.quantities), local.determined, strict=True))
    wanted = {
        q.name: d.verdict is StructuralVerdict.AT_LEAST_LOCAL
        and q.kind != "state"
        and bool(determined[q.name])
        for q, d in zip(question.quantities, decisions, strict=True)
    }
    found = decide_globally(beginnings, wanted, time_limit, seed) if any(wanted.values()) else {}
    made = [found.get(q.name, d) for q, d in zip(question.quantities, decisions, strict=True)]
    return [d if complete else _with_more_to_come(d) for d in made]


def _by_search(
    problem: Problem, question: Question, decisions: Sequence[Decision], seconds: float, seed: int
) -> list[Decision]:
    """Decisions with parameters for which another value with the same predictions is found."""
    names = [
        q.name for q, d in zip(question.quantities, decisions, strict=True)
        if q.kind == "parameter" and d.verdict is StructuralVerdict.AT_LEAST_LOCAL
    ]  # fmt: skip
    found = other_values(problem, names, seed=seed, seconds=seconds) if names and seconds > 0 else {}
    made = []
    for q, d in zip(question.quantities, decisions, strict=True):
        if q.kind == "parameter" and (other := found.get(q.name)) is not None:
            how = f"{other.there:.6g} gives the same predictions as {other.here:.6g}: found by search"
            d = Decision(StructuralVerdict.LOCAL, how)
        made.append(d)
    return made


def _beginnings(question: Question) -> tuple[Experiment, ...]:
    """The experiments without what follows them, and without those that begin from a steady state."""
    implicit = set(question.implicit)
    return tuple(
        e for e in question.experiments
        if e.follows is None and not any(names_in(start) & implicit for start in e.start)
    )  # fmt: skip


def _with_more_to_come(decision: Decision) -> Decision:
    if decision.verdict is not StructuralVerdict.LOCAL:
        return decision
    how = f"what was analysed globally leaves several values ({decision.how}); the rest may tell them apart"
    return Decision(StructuralVerdict.AT_LEAST_LOCAL, how)


def _local_decision(question: Question, local: LocalResult, i: int) -> Decision:
    quantity = question.quantities[i]
    if not local.determined[i]:
        unseen = [*question.left_out, *(() if local.lasting else ("what follows doses and changes",))]
        if unseen:
            how = "what was analysed does not determine it; the rest may: "
            return Decision(StructuralVerdict.UNDETERMINED, how + "; ".join(unseen))
        others = _moving_with(question, local, i)
        return Decision(
            StructuralVerdict.NONIDENTIFIABLE,
            f"it can change {f'with {others} ' if others else ''}so that no output changes",
        )
    if quantity.kind != "state" and not names_in(quantity.formula) & set(question.unknowns):
        return Decision(StructuralVerdict.GLOBAL, "its value is known")
    if local.by_noise[i]:
        levels = {formula for e in question.experiments for _, formula in e.noise}
        verdict = StructuralVerdict.GLOBAL if quantity.formula in levels else StructuralVerdict.AT_LEAST_LOCAL
        return Decision(verdict, "the scatter of the measurements determines it")
    return Decision(
        StructuralVerdict.AT_LEAST_LOCAL,
        "no other value near it gives the same outputs (rank of their derivatives in time)",
    )


def _moving_with(question: Question, local: LocalResult, i: int) -> str:
    """Parameters that change with a quantity, in the directions in which it changes."""
    rows = local.involved[local.involved[:, i]]
    others = [
        q.name
        for j, q in enumerate(question.quantities)
        if j != i and q.kind in ("parameter", "initial") and rows[:, j].any() and q.formula.is_Symbol
    ]
    return ", ".join(others)


def _courses(question: Question, decisions: Sequence[Decision]) -> list[Decision]:
    """The course of a state is unique where everything that acts in its experiment is, or where it is
    measured as it is."""
    verdicts = {
        q.name: d.verdict
        for q, d in zip(question.quantities, decisions, strict=True)
        if q.kind == "parameter"
    }
    starts = {
        str(q.formula): d.verdict
        for q, d in zip(question.quantities, decisions, strict=True)
        if q.kind == "initial" and q.formula.is_Symbol
    }
    return [
        _course(question, q, d, {**verdicts, **starts})
        for q, d in zip(question.quantities, decisions, strict=True)
    ]


def _course(
    question: Question, quantity: Quantity, decision: Decision, verdicts: Mapping[str, StructuralVerdict]
) -> Decision:
    if quantity.kind != "state" or decision.verdict is not StructuralVerdict.AT_LEAST_LOCAL:
        return decision
    experiment = question.experiments[quantity.experiment]
    if any(formula == quantity.formula for _, formula in experiment.outputs):
        return Decision(StructuralVerdict.GLOBAL, "it is measured")
    acting = {n for f in (*experiment.odes, *experiment.start) for n in names_in(f)} & set(question.unknowns)
    if all(verdicts.get(name) is StructuralVerdict.GLOBAL for name in acting):
        return Decision(StructuralVerdict.GLOBAL, "everything that acts on it is determined uniquely")
    return decision


def _dataset(
    question: Question, local: LocalResult, decisions: Sequence[Decision], attrs: Mapping[str, object]
) -> xr.Dataset:
    quantities = question.quantities
    return dataset(
        "structure",
        {
            "formula": [to_text(q.formula) for q in quantities],
            "verdict": np.array([int(d.verdict) for d in decisions], dtype=np.int8),
            "decided_by": [d.how for d in decisions],
            "involved": local.involved,
            "rank": np.array(local.ranks, dtype=np.int64),
            "n_unknowns": len(question.unknowns),
            "nullity": local.nullity,
        },
        {"quantity": [q.name for q in quantities], "kind": [q.kind for q in quantities]},
        attrs,
    )


def _undecided(subject: Problem | Model, reason: str) -> xr.Dataset:
    names = subject.parameters.names if isinstance(subject, Problem) else subject.parameters
    return dataset(
        "structure",
        {
            "formula": list(names),
            "verdict": np.full(len(names), int(StructuralVerdict.UNDETERMINED), dtype=np.int8),
            "decided_by": [reason] * len(names),
            "involved": np.zeros((0, len(names)), dtype=bool),
            "rank": np.zeros(0, dtype=np.int64),
            "n_unknowns": len(names),
            "nullity": -1,
        },
        {"quantity": list(names), "kind": ["parameter"] * len(names)},
        {"assumptions": ""},
    )

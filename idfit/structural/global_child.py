"""Global verdicts as texts in and JSON out: the child process ``python -m idfit.structural.global_child``.

Its parent ends it when the time is over.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from idfit.formats.child import serve
from idfit.structural.global_fibre import decide_by_fibre
from idfit.structural.input_output_verdicts import Part
from idfit.structural.observed_point import ObservedPoint
from idfit.structural.program import CannotDecideError
from idfit.structural.question import NotRationalError, Question
from idfit.structural.question_text import from_plain
from idfit.structural.quotient_verdicts import unique_by_quotients


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the method that is asked for finds about quantities, by their numbers as texts.

    The request holds the method, the question, the numbers of the quantities, the unknowns that are unique,
    and the seed.
    """
    question = from_plain(request["question"])
    try:
        return _METHODS[request["method"]](question, request)
    except NotRationalError:
        return {"reason": "the equations are not rational"}
    except CannotDecideError as error:
        return {"reason": str(error)}


def _by_input_output(question: Question, request: dict[str, Any]) -> dict[str, Any]:
    """``{"found": {quantity: [values, whether these are all]}, "unique": [names]}``.

    The request also holds the outputs to use, by experiment, and whether other values may be counted.
    """
    outputs = {int(i): numbers for i, numbers in request["outputs"].items()}
    part = Part(ObservedPoint.of(question, request["seed"]), outputs, request["unique"])
    found = {}
    for i in request["quantities"]:
        finding = part.finding(question.quantities[i].formula, request["counts"])
        if finding is not None:
            found[str(i)] = [finding.n_values, finding.at_most]
    return {"found": found, "unique": part.unique_names()}


def _by_fibre(question: Question, request: dict[str, Any]) -> dict[str, Any]:
    """``{"found": {quantity: [verdict, how]}}``."""
    unique = set(request["unique"])
    unknowns = tuple(n for n in question.unknowns if n not in unique)
    known = (*question.known, *(n for n in question.unknowns if n in unique))
    question = replace(question, unknowns=unknowns, known=known)
    found = decide_by_fibre(question, [str(i) for i in request["quantities"]], request["seed"])
    return {"found": {i: [int(verdict), how] for i, (verdict, how) in found.items()}}


def _by_quotients(question: Question, request: dict[str, Any]) -> dict[str, Any]:
    """``{"found": [quantities that are unique], "unique": [names]}``.

    The request also holds the seconds after which to say what was found by then.
    """
    formulas = {str(i): question.quantities[i].formula for i in request["quantities"]}
    found, unique = unique_by_quotients(
        question, formulas, request["unique"], request["seed"], request["seconds"]
    )
    return {"found": found, "unique": unique}


_METHODS = {"input-output": _by_input_output, "quotients": _by_quotients, "fibre": _by_fibre}

if __name__ == "__main__":
    serve(answer, opens_files=True)

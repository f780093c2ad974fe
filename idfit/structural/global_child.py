"""Global verdicts as texts in and JSON out: the child process ``python -m idfit.structural.global_child``.

Its parent ends it when the time is over.
"""

from __future__ import annotations

from typing import Any

from idfit.formats.child import serve
from idfit.structural.input_output import NotRationalError
from idfit.structural.input_output_verdicts import Part, Point
from idfit.structural.program import CannotDecideError
from idfit.structural.question_text import from_plain


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """``{"found": {quantity: [values, whether these are all]}, "unique": [names]}``, or ``{"reason": ...}``.

    The request holds the question, the quantities to decide about, the outputs to use by experiment, the
    names that are unique, whether other values may be counted, and the seed.
    """
    question = from_plain(request["question"])
    outputs = {int(i): numbers for i, numbers in request["outputs"].items()}
    try:
        point = Point.of(question, request["seed"])
        part = Part(point, outputs, request["unique"])
    except NotRationalError as error:
        return {"reason": f"the equations are not rational ({error})"}
    except CannotDecideError as error:
        return {"reason": str(error)}
    found = {}
    for i in request["quantities"]:
        finding = part.finding(question.quantities[i].formula, request["counts"])
        if finding is not None:
            found[str(i)] = [finding.n_values, finding.at_most]
    return {"found": found, "unique": part.unique_names()}


if __name__ == "__main__":
    serve(answer, opens_files=True)

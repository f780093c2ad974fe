"""Antimony texts as problems, by way of SBML."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from idfit.errors import InputError
from idfit.formats import child
from idfit.formats.sbml import read_sbml_text
from idfit.spec.files import MAX_MODEL_BYTES, read_text
from idfit.spec.findings import clipped
from idfit.spec.schema import ProblemSpec

_INCLUSION = re.compile(r'\bimport\b(?:\s|\\|/\*.*?\*/|(?://|\#)[^\n]*\n)*"', re.DOTALL)
_TEXT = re.compile(r"[\n;=]|->")
_LINE = re.compile(r"line (\d+):\s*")


def read_antimony(source: str | os.PathLike[str]) -> ProblemSpec:
    """The equations of the last model in an Antimony text, all parameters fixed at their values.

    source : a path, or a text (what has several lines, or a ``;``, ``=`` or ``->``). Models in the text may
    contain each other; other files are not read. Errors: `InputError`.
    """
    if isinstance(source, str) and _TEXT.search(source):
        return _read(source, "Antimony text")
    name = os.fspath(source)
    return _read(read_text(name, limit=MAX_MODEL_BYTES, what="Antimony file").text, name)


def _read(text: str, file: str) -> ProblemSpec:
    if found := _INCLUSION.search(text):
        line = text.count("\n", 0, found.start()) + 1
        remedy = "copy the models of that file into this one"
        raise InputError.of("import", "names another file, and none is read", remedy, file=file, line=line)
    if not text.strip():
        raise InputError.of("", "has no model", "write one", code="M02", file=file)
    (answer,) = child.ask("idfit.formats.antimony_child", [text], [file], "antimony")
    if isinstance(answer, InputError):
        raise answer
    if "error" in answer:
        raise _refusal(answer["error"], file)
    try:
        return read_sbml_text(answer["sbml"], file).spec
    except InputError as error:  # its lines are those of an SBML text that nobody has seen
        raise InputError([replace(finding, line=0) for finding in error.findings]) from None


def _refusal(message: str, file: str) -> InputError:
    place = _LINE.search(message)
    line, rule = (int(place[1]), message[place.end() :]) if place else (0, message)
    return InputError.of("antimony", clipped(" ".join(rule.split()), 400), "correct it", file=file, line=line)

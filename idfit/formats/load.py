"""Reading problems of any format: which one a file is in, and the files beside it that belong to it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from idfit.errors import Finding, InputError
from idfit.problem import Problem, build
from idfit.spec.check import check_into
from idfit.spec.files import MAX_MODEL_BYTES, read_text
from idfit.spec.findings import Findings, Positions
from idfit.spec.measurements import Missing
from idfit.spec.reading import read_problem
from idfit.spec.schema import ProblemSpec

Format = Literal["toml", "petab", "sbml", "antimony"]

FORMATS: dict[str, Format] = {
    ".toml": "toml",
    ".yaml": "petab",
    ".yml": "petab",
    ".xml": "sbml",
    ".sbml": "sbml",
    ".ant": "antimony",
    ".antimony": "antimony",
}


def load(
    model: str | os.PathLike[str], data: str | os.PathLike[str] | None = None, *, missing: Missing = "refuse"
) -> Problem:
    """Read a problem from files: ``load("models/enzyme.toml", "data/enzyme.csv")``, without data no
    measurements; ``load("problem.yaml")`` of PEtab; ``load("model.xml")`` of SBML, ``load("model.ant")``.

    missing : ``"refuse"`` or ``"drop"`` rows without a value. Errors: `InputError` with every finding of
    all files.
    """
    return build(read(model, data, missing=missing)[0])


def read(
    model: str | os.PathLike[str], data: str | os.PathLike[str] | None = None, *, missing: Missing = "refuse"
) -> tuple[ProblemSpec, list[Finding]]:
    """The problem in files of any format, with warnings and notices. Errors: `InputError`."""
    name = os.fspath(model)
    kind = format_of(name)
    if kind == "toml":
        return read_problem(name, data, missing=missing)
    if kind == "petab":
        from idfit.formats.petab import read_petab  # libraries load only for files that need them

        _refuse_data(name, data, "names its measurements itself, and a data file is given too")
        return read_petab(name)
    rule = "has no observables, so measurements cannot belong to it"
    _refuse_data(name, data, rule, equations_alone(name, "the data"))
    return _equations(name, kind)


def _equations(name: str, kind: Format) -> tuple[ProblemSpec, list[Finding]]:
    """A model of equations alone; what is wrong with its equations is told with its name."""
    notices: list[Finding] = []
    if kind == "sbml":
        from idfit.formats.sbml import read_sbml_model

        found = read_sbml_model(Path(name))
        spec, notices = found.spec, list(found.notices)
    else:
        from idfit.formats.antimony import read_antimony

        spec = read_antimony(Path(name))
    findings = Findings(Positions(name))
    check_into(spec, findings)
    return spec, notices + findings.raise_errors()


def equations_alone(model: str, data: str) -> str:
    """What to do with a model of equations alone to fit it to data."""
    convert = f"`idfit convert {model} --to toml --out FOLDER`"
    return (
        f"write it as TOML with {convert}, add observables and bounds there, and give that model with {data}"
    )


def _refuse_data(model: str, data: object, rule: str, remedy: str = "leave the data out") -> None:
    if data is not None:
        raise InputError.of(f"data {data}", rule, remedy, code="M29", file=model)


def format_of(model: str | os.PathLike[str]) -> Format:
    """The format of a file, by its name; where that says nothing, by how its text begins."""
    name = os.fspath(model)
    suffix = Path(name).suffix.lower()
    if suffix in FORMATS:
        return FORMATS[suffix]
    try:
        text = read_text(name, limit=MAX_MODEL_BYTES, what="model file").text
    except InputError:
        return "toml"  # whose reading says what is wrong
    if text.lstrip().startswith("<"):
        return "sbml"
    return "petab" if re.search(r"^format_version\s*:", text, re.MULTILINE) else "toml"

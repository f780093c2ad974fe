"""Problems as the files of another format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from idfit.errors import Finding
from idfit.formats.petab_writing import PROBLEM_FILE, to_petab
from idfit.formats.sbml_writing import to_sbml, value_of
from idfit.spec.findings import Findings, listed
from idfit.spec.schema import ProblemSpec
from idfit.spec.writing import measurements_csv, to_toml

Target = Literal["petab", "petab1", "sbml", "toml"]

#: the file that names a problem, for each format, if a folder is asked for
MAIN_FILES: dict[Target, str] = {
    "petab": PROBLEM_FILE,
    "petab1": PROBLEM_FILE,
    "sbml": "model.xml",
    "toml": "model.toml",
}
_ENDINGS = {
    "petab": (".yaml", ".yml"),
    "petab1": (".yaml", ".yml"),
    "sbml": (".xml", ".sbml"),
    "toml": (".toml",),
}


def converted(spec: ProblemSpec, target: Target, out: Path) -> tuple[dict[Path, str], list[Finding]]:
    """The files of a problem in another format, the one that names it first, with notices of what is lost.

    out : a folder, or a path whose ending is that of a file of the format, which names the problem.
    Errors: `InputError` with everything that the format cannot say.
    """
    named = out.suffix.lower() in _ENDINGS[target]
    folder, main = (out.parent, out.name) if named else (out, MAIN_FILES[target])
    findings = Findings()
    if target == "toml":
        files = {main: to_toml(spec)}
        if len(spec.measurements):
            files[Path(main).stem + ".csv" if named else "data.csv"] = measurements_csv(spec.measurements)
    elif target == "sbml":
        files = {main: to_sbml(spec)}
        _tell_equations_alone(spec, findings)
    else:
        files, notices = to_petab(spec, 1 if target == "petab1" else 2)
        files = {main if name == PROBLEM_FILE else name: text for name, text in files.items()}
        findings.extend(notices)
    return {folder / name: text for name, text in files.items()}, findings.raise_errors()


def _tell_equations_alone(spec: ProblemSpec, findings: Findings) -> None:
    """What a model in SBML has no place for."""
    parts = {
        "observables": len(spec.observables),
        "conditions": len(spec.conditions),
        "measurements": len(spec.measurements),
    }
    lost = [f"{n} {what}" for what, n in parts.items() if n]
    estimated = [name for name, p in spec.parameters.items() if not p.fixed and p.tie is None]
    if estimated:
        lost.append(f"bounds and priors of {listed(estimated)}")
    if lost:
        rule = "are not in the file: SBML holds equations and values"
        findings.in_row("", 0, listed(lost), rule, "--to petab holds them too", "M29", "notice")
    unknown = [n for n in estimated if value_of(spec.parameters[n]) is None]
    if unknown:
        findings.in_row("", 0, listed(unknown), "have no value in the file either", "", "M19", "notice")

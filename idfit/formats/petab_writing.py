"""Problems as PEtab, version 2 or 1: the texts of a YAML file, tables and an SBML model."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import sympy

from idfit.errors import Finding, InputError
from idfit.formats.petab_naming import Ready, number_of
from idfit.formats.petab_written_experiments import Experiments, Rows, experiments_1, experiments_2
from idfit.formats.petab_written_observables import measurement_rows, observables_of
from idfit.formats.petab_written_parameters import parameter_rows
from idfit.formats.sbml_writing import equation_formulas, to_sbml, used_names
from idfit.spec.findings import Findings, listed
from idfit.spec.schema import NoiseColumn, ProblemSpec

VERSIONS = (1, 2)
PROBLEM_FILE = "problem.yaml"
MODEL_FILE = "model.xml"

# columns that a table has even where all their cells are empty
_NEEDED = {
    1: {
        "measurements": ("observableId", "simulationConditionId", "measurement", "time"),
        "conditions": ("conditionId",),
        "parameters": (
            "parameterId",
            "parameterScale",
            "lowerBound",
            "upperBound",
            "nominalValue",
            "estimate",
        ),
        "observables": ("observableId", "observableFormula", "noiseFormula"),
    },
    2: {
        "measurements": ("observableId", "experimentId", "measurement", "time"),
        "conditions": ("conditionId", "targetId", "targetValue"),
        "experiments": ("experimentId", "time", "conditionId"),
        "parameters": ("parameterId", "lowerBound", "upperBound", "nominalValue", "estimate"),
        "observables": ("observableId", "observableFormula", "noiseFormula"),
    },
}


def to_petab(spec: ProblemSpec, version: int = 2) -> tuple[dict[str, str], list[Finding]]:
    """The files of a PEtab problem by name, with notices of what is not in them.

    Errors: `InputError` with everything that the version cannot say.
    """
    findings = Findings()
    _check_data(spec, findings)
    ready = Ready.of(spec, findings)
    experiments = (experiments_1 if version == 1 else experiments_2)(ready, findings)
    observables = observables_of(ready, version, findings)
    measurements = measurement_rows(ready, experiments.named, observables)
    used = used_names(equation_formulas(ready.tied), ready.tied) | observables.used
    parameters = parameter_rows(ready, used, version, findings)
    model = _model(ready, experiments, observables.used, findings)
    _tell_lost(ready, findings)
    notices = findings.raise_errors()
    tables = {
        "parameters": parameters,
        "conditions": experiments.conditions,
        "experiments": experiments.experiments,
        "observables": observables.table,
        "measurements": measurements,
    }
    tables = {kind: rows for kind, rows in tables.items() if rows}
    files = {f"{kind}.tsv": _tsv(rows, _NEEDED[version][kind]) for kind, rows in tables.items()}
    yaml = _yaml_1() if version == 1 else _yaml_2(tables)
    return {PROBLEM_FILE: yaml, MODEL_FILE: model, **files}, notices


def _check_data(spec: ProblemSpec, findings: Findings) -> None:
    table = spec.measurements
    if not len(table):
        rule, remedy = "has no measurements, and a PEtab problem needs some", "give data, or use --to sbml"
        raise InputError.of("", rule, remedy, code="D01")
    marked = [n for n, mark in enumerate(table.censored) if mark]
    if marked:
        lines = listed(str(table.line[n]) for n in marked) if table.line else str(len(marked))
        rule = "is censored, and PEtab has no censored measurements"
        remedy = "leave these rows out, if that is what you want"
        findings.in_row(table.file, 0, f"{len(marked)} rows (lines {lines})", rule, remedy, "D16")


def _model(ready: Ready, experiments: Experiments, used: set[str], findings: Findings) -> str:
    """The SBML model: what the equations use, and what formulas use beside the parameter table."""
    equations = experiments.equations
    ties = {name for name, p in ready.tied.parameters.items() if p.tie is not None}
    keep = {ready.entity[name] for name in used if name in ties or name in ready.tied.constants}
    varying = {ready.entity[name] for name in ready.varying}
    values = _defaults(ready)
    parameters = {
        name: p.model_copy(update={"value": values[name]}) if p.value is None and name in values else p
        for name, p in equations.parameters.items()
    }
    try:
        return to_sbml(equations.model_copy(update={"parameters": parameters}), varying=varying, keep=keep)
    except InputError as error:
        findings.extend(error.findings)
        return ""


def _defaults(ready: Ready) -> dict[str, float]:
    """Values, at the nominal parameters, that what experiments change has in the first of them."""
    nominal = {
        sympy.Symbol(ready.parameter[name]): sympy.Float(p.value, 17)
        for name, p in ready.resolution.estimated.items()
        if p.value is not None
    }
    first = ready.values(ready.resolution.simulations[0].map)
    found = {ready.entity[name]: number_of(first[name].xreplace(nominal)) for name in ready.varying}
    return {name: value for name, value in found.items() if value is not None}


def _tell_lost(ready: Ready, findings: Findings) -> None:
    """What is not in the files though nothing depends on it."""
    spec, measured = ready.tied, {s.condition for s in ready.resolution.simulations}

    def notice(names: Iterable[str], rule: str) -> None:
        if shown := listed(names):
            findings.in_row("", 0, shown, rule, "", "D22", "notice")

    entries = [*spec.states.values(), *spec.parameters.values(), *spec.observables.values()]
    if any(entry.unit for entry in entries) or spec.time:
        notice(["units"], "are not in the files")
    notice((c for c in spec.conditions if c not in measured), "are conditions without measurements, left out")
    notice(
        (f"{name} is {own}" for name, own in (ready.entity | ready.parameter).items() if own != name),
        "are names that PEtab cannot have, or gives to something else",
    )
    used = {c for o in spec.observables.values() for c in (*o.per.values(), *o.columns.values())}
    used |= {o.noise.column for o in spec.observables.values() if isinstance(o.noise, NoiseColumn)}
    used |= {p.per for p in spec.parameters.values() if p.per} | {"datasetId"}
    notice((c for c in spec.measurements.columns if c not in used), "are columns of the data, left out")


def _tsv(rows: Rows, needed: tuple[str, ...]) -> str:
    """A table with the columns that are needed or hold anything, in the order in which rows name them."""
    named = list(dict.fromkeys([*needed, *(column for row in rows for column in row)]))
    columns = [c for c in named if c in needed or any(row.get(c) for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def _yaml_1() -> str:
    return f"""format_version: 1
parameter_file: parameters.tsv
problems:
  - sbml_files:
      - {MODEL_FILE}
    condition_files:
      - conditions.tsv
    observable_files:
      - observables.tsv
    measurement_files:
      - measurements.tsv
"""


def _yaml_2(tables: Mapping[str, Rows]) -> str:
    head = f"""format_version: 2.0.0
model_files:
  model:
    location: {MODEL_FILE}
    language: sbml
"""
    return head + "".join(f"{kind[:-1]}_files:\n  - {kind}.tsv\n" for kind in tables)

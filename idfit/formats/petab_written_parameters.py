"""Parameters as the table of PEtab: values, bounds, scales and priors."""

from __future__ import annotations

from collections.abc import Collection

from idfit.formats.mathml import number_text
from idfit.formats.petab_naming import Ready
from idfit.formats.petab_parameters import PRIORS_1, PRIORS_2, SCALES
from idfit.formats.petab_written_experiments import Rows
from idfit.formats.sbml_writing import value_of
from idfit.spec.check_names import copy_of
from idfit.spec.check_parameters import is_estimated
from idfit.spec.findings import Findings, listed
from idfit.spec.priors import PRIOR_ARGUMENTS, Prior, parse_prior
from idfit.spec.schema import ParameterSpec

_NAMES_2 = {kind: name for name, kind in PRIORS_2.items()}
_NATURAL_1 = {kind: name for name, kind in PRIORS_1.items() if not name.startswith("parameterScale")}
_SCALED_1 = {kind: name for name, kind in PRIORS_1.items() if name.startswith("parameterScale")}


def parameter_rows(ready: Ready, used: Collection[str], version: int, findings: Findings) -> Rows:
    """Estimated parameters, and those of the others in `used` that no experiment changes."""
    table = {
        name: p for name, p in ready.tied.parameters.items() if name in used and _is_tabled(name, p, ready)
    }
    estimated = dict(ready.resolution.estimated)
    order = list(ready.tied.parameters)
    every = table | estimated
    names = sorted(every, key=lambda name: order.index(name.partition("[")[0]))
    row = _row_1 if version == 1 else _row_2
    rows = []
    for name in names:
        label = {} if ready.parameter[name] == name else {"parameterName": name}
        rows.append({"parameterId": ready.parameter[name], **label, **row(name, every[name], findings)})
    if version == 2:
        _tell_lost(every, findings)
    return rows


def _is_tabled(name: str, parameter: ParameterSpec, ready: Ready) -> bool:
    return parameter.tie is None and name not in ready.touched and copy_of(name) is None


def _row_1(name: str, parameter: ParameterSpec, findings: Findings) -> dict[str, str]:
    scale = parameter.scale
    if scale not in SCALES:
        rule = f"has the scale {scale}, which PEtab 1 does not have; it is on the scale lin"
        findings.in_row("", 0, f"parameter {name}", rule, "", "P05", "notice")
        scale = "lin"
    own = {"parameterScale": scale, **_values(parameter), "estimate": str(int(is_estimated(parameter)))}
    for column, text in (("objective", parameter.prior), ("initialization", parameter.start)):
        if text is not None and is_estimated(parameter):
            own |= _prior_1(name, column, parse_prior(text), parameter, findings)
    return own


def _prior_1(
    name: str, column: str, prior: Prior, parameter: ParameterSpec, findings: Findings
) -> dict[str, str]:
    scaled = prior.on == "estimation" and parameter.scale != "lin"
    word = (_SCALED_1 if scaled else _NATURAL_1).get(prior.kind)
    if word is None or (scaled and parameter.scale not in SCALES):
        what = f"{prior.kind} of the scaled parameter" if scaled else prior.kind
        rule = f"is not a prior of PEtab 1, which has {listed(PRIORS_1, 20)}"
        remedy = "leave it out" if scaled else "write PEtab 2 (--to petab), or leave it out"
        findings.in_row("", 0, f"parameter {name}: {what}", rule, remedy, "P14")
        return {}
    if prior.within_bounds:
        rule = "is not normalised within the bounds in PEtab 1, which moves the objective by a constant"
        findings.in_row("", 0, f"parameter {name}: {prior}", rule, "", "P14", "notice")
    return {f"{column}PriorType": word, f"{column}PriorParameters": _arguments(prior)}


def _row_2(name: str, parameter: ParameterSpec, findings: Findings) -> dict[str, str]:
    own = {**_values(parameter), "estimate": str(is_estimated(parameter)).lower()}
    if parameter.prior is None or not is_estimated(parameter):
        return own
    prior = parse_prior(parameter.prior)
    scaled = prior.on == "estimation" and parameter.scale != "lin"
    word = None if scaled else _NAMES_2.get(prior.kind)
    if word is None:
        what = f"{prior.kind} of the scaled parameter" if scaled else prior.kind
        rule = f"is not a prior of PEtab 2, which has {listed(PRIORS_2, 20)} of the parameter itself"
        remedy = "write PEtab 1 (--to petab1), or leave it out" if scaled else "leave it out"
        findings.in_row("", 0, f"parameter {name}: {what}", rule, remedy, "P14")
        return own
    return own | {"priorDistribution": word, "priorParameters": _arguments(prior)}


def _values(parameter: ParameterSpec) -> dict[str, str]:
    bounds = (parameter.min, parameter.max) if is_estimated(parameter) else (None, None)
    cells = {"lowerBound": bounds[0], "upperBound": bounds[1], "nominalValue": value_of(parameter)}
    return {k: "" if v is None else number_text(v) for k, v in cells.items()}


def _arguments(prior: Prior) -> str:
    values = [prior.a, prior.b][: len(PRIOR_ARGUMENTS[prior.kind])]
    return ";".join(number_text(value) for value in values)


def _tell_lost(parameters: dict[str, ParameterSpec], findings: Findings) -> None:
    """What version 2 has no columns for, and what it makes of priors."""
    estimated = {name: p for name, p in parameters.items() if is_estimated(p)}

    def notice(names: Collection[str], rule: str) -> None:
        if names:
            findings.in_row("", 0, listed(names), rule, "", "P05", "notice")

    notice(
        [n for n, p in estimated.items() if p.scale != "lin"],
        "their scales are not in PEtab 2, which has none",
    )
    notice([n for n, p in estimated.items() if p.start], "their densities of starts are not in PEtab 2")
    if any(p.prior for p in estimated.values()):
        rule = "priors of PEtab 2 are normalised within bounds, and uniform for all others: the objective "
        findings.in_row("", 0, "", rule + "moves by a constant", "", "P14", "notice")

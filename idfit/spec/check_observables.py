"""Observables: noise that cannot be zero, distributions and transforms that go together, copies."""

from __future__ import annotations

import sympy

from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import declared
from idfit.spec.check_parameters import is_estimated
from idfit.spec.findings import Findings, did_you_mean, dotted, is_identifier
from idfit.spec.schema import NoiseColumn, ObservableSpec, ProblemSpec
from idfit.spec.toml_positions import Path

SD_COLUMNS = {"sd": "sd", "sem": "sem"}
"""Names of noise columns that say by themselves what they hold."""


def check_observables(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    if spec.states and not spec.observables:
        rule = "the model observes nothing; it can be simulated but not compared with data"
        findings.notice(("observables",), "", rule, "add [observables]", "D22")
    for name, observable in spec.observables.items():
        path: Path = ("observables", name)
        _check_distribution(path, observable, findings)
        if isinstance(observable.noise, NoiseColumn):
            _check_noise_column(path, observable.noise, findings)
        else:
            _check_noise(path, spec, formulas, findings)
        _check_copies(path, observable, spec, formulas, findings)
        _check_columns(path, observable, spec, formulas, findings)


def _check_distribution(path: Path, observable: ObservableSpec, findings: Findings) -> None:
    if observable.distribution.startswith("log-") and observable.transform != "lin":
        given = f"{dotted(path)}: transform = '{observable.transform}' with {observable.distribution} noise"
        rule = f"{observable.distribution} takes the logarithm already"
        plain = observable.distribution.removeprefix("log-")
        remedy = f"write distribution = '{plain}', or delete the transform"
        findings.error((*path, "transform"), given, rule, remedy, "N08")
    if observable.distribution == "student-t":
        if observable.dof is None or observable.dof <= 0:
            rule = "the distribution student-t needs positive degrees of freedom"
            findings.error(path, dotted(path), rule, "write dof = 4", "D19")
    elif observable.dof is not None:
        rule = f"the distribution {observable.distribution} has no degrees of freedom"
        findings.error((*path, "dof"), dotted((*path, "dof")), rule, "delete dof, or write student-t", "M29")


def _check_noise_column(path: Path, noise: NoiseColumn, findings: Findings) -> None:
    given = f"{dotted((*path, 'noise'))} = {{ column = '{noise.column}' }}"
    implied = SD_COLUMNS.get(noise.column)
    if noise.kind is None and implied is None:
        rule = "does not say whether the column holds standard deviations or standard errors of means"
        remedy = f'write {{ column = "{noise.column}", kind = "sd" }} or kind = "sem"'
        findings.error((*path, "noise"), given, rule, remedy, "D20")
    elif noise.kind and implied and noise.kind != implied:
        rule = f"a column named {noise.column} that holds {noise.kind} misleads"
        findings.warning((*path, "noise"), given, rule, "rename the column", "D20")


def _check_noise(path: Path, spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    """Noise may not vanish at the lower bounds: the likelihood would be unbounded there."""
    noise_path = (*path, "noise")
    noise = formulas.expressions.get(noise_path)
    if noise is None:
        return
    if noise.is_number:
        if not noise.is_positive:
            given = f"{dotted(noise_path)} = {noise}"
            findings.error(noise_path, given, "noise must be positive", "give a positive number", "D19")
        return
    can_vanish = [
        name
        for name in sorted(formulas.names[noise_path])
        if (p := spec.parameters.get(name)) and is_estimated(p) and p.min is not None and p.min <= 0
    ]
    fixed_zero = [
        name
        for name in sorted(formulas.names[noise_path])
        if (p := spec.parameters.get(name)) and not is_estimated(p) and p.value is not None and p.value <= 0
    ]
    vanishing = noise.xreplace({sympy.Symbol(name): sympy.Integer(0) for name in can_vanish + fixed_zero})
    if not (can_vanish or fixed_zero) or vanishing != 0:
        return
    names = ", ".join(can_vanish + fixed_zero)
    rule = f"the noise of '{path[1]}' becomes zero there, and the likelihood unbounded"
    remedy = "give it a positive min, for example a thousandth of the largest measurement"
    if can_vanish:
        findings.error(("parameters", can_vanish[0], "min"), f"min of {names}", rule, remedy, "P17")
    else:
        findings.error(noise_path, f"value of {names}", rule, "give a positive value", "D19")


def _check_columns(
    path: Path, observable: ObservableSpec, spec: ProblemSpec, formulas: Formulas, findings: Findings
) -> None:
    """Names that the data give a value in each row."""
    kinds = declared(spec)
    used = _names_in(path, formulas)
    for name in observable.columns:
        place = (*path, "columns", name)
        if not is_identifier(name) or kinds[name] != "columns":
            rule = "is not a name" if not is_identifier(name) else f"is one of the {kinds[name]} as well"
            findings.error(place, dotted(place), rule, "give it a name of its own", "M18")
        elif name not in used:
            rule = f"neither formula nor noise of '{path[1]}' uses it"
            findings.error(place, dotted(place), rule, "use it there, or delete it here", "P10")
    for name in sorted(used - observable.columns.keys()):
        if kinds.get(name) == "columns":
            rule = f"'{name}' is given by a column of the data for other observables, and not for this one"
            findings.error(path, dotted(path), rule, f'add columns = {{ {name} = "..." }}', "E12")


def _names_in(path: Path, formulas: Formulas) -> frozenset[str]:
    nothing: frozenset[str] = frozenset()
    return formulas.names.get((*path, "formula"), nothing) | formulas.names.get((*path, "noise"), nothing)


def _check_copies(
    path: Path, observable: ObservableSpec, spec: ProblemSpec, formulas: Formulas, findings: Findings
) -> None:
    own = _names_in(path, formulas)
    for name in observable.per:
        per_path = (*path, "per", name)
        parameter = spec.parameters.get(name)
        if parameter is None:
            remedy = did_you_mean(name, spec.parameters, "declare it under [parameters]")
            findings.error(per_path, dotted(per_path), "is not a parameter", remedy, "E12")
        elif name not in own:
            rule = f"neither formula nor noise of '{path[1]}' uses it"
            findings.error(per_path, dotted(per_path), rule, "use it there, or delete it here", "P10")
        elif parameter.tie is not None:
            rule = "a tied parameter has no copies"
            findings.error(
                per_path, dotted(per_path), rule, "give copies to the parameters it is tied to", "D21"
            )
        elif parameter.per is not None:
            rule = f"the parameter has copies already (per = '{parameter.per}')"
            findings.error(per_path, dotted(per_path), rule, "say it in one place", "D21")

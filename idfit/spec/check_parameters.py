"""Parameters: values, bounds, scales, priors, ties, copies."""

from __future__ import annotations

import math
from contextlib import suppress

from idfit.expressions import ExpressionError, names_in, parse
from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import copy_of, declared
from idfit.spec.findings import Findings, clipped, did_you_mean, dotted
from idfit.spec.priors import Prior, parse_prior
from idfit.spec.schema import ParameterSpec, ProblemSpec, Scale
from idfit.spec.toml_positions import Path

MOST_PARAMETERS = 10_000


def is_estimated(parameter: ParameterSpec) -> bool:
    """A parameter is estimated unless it is fixed, tied, or has equal bounds."""
    return not (parameter.fixed or parameter.tie is not None or parameter.min == parameter.max is not None)


def check_parameters(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    if len(spec.parameters) > MOST_PARAMETERS:
        rule = f"at most {MOST_PARAMETERS:,} are possible"
        findings.error(
            ("parameters",), f"{len(spec.parameters):,} parameters", rule, "reduce the model", "M23"
        )
    used = formulas.used() | _given_in_rows(spec)
    for name, parameter in spec.parameters.items():
        path: Path = ("parameters", name)
        if copy := copy_of(name):
            _check_copy(path, parameter, *copy, spec, findings)
            continue
        if parameter.tie is not None:
            _check_tie(path, parameter, findings)
        elif parameter.fixed:
            _check_fixed(path, parameter, spec, findings)
        else:
            _check_bounds(path, parameter, findings)
        if parameter.prior is not None:
            _check_prior(path, parameter, findings)
        if parameter.start is not None:
            _density((*path, "start"), parameter.start, findings)
        if name not in used:
            rule = "no formula uses it" + (
                "; the data cannot determine it" if is_estimated(parameter) else ""
            )
            findings.notice(path, dotted(path), rule, "delete it, or use it", "P10")


def _given_in_rows(spec: ProblemSpec) -> set[str]:
    """Names in the cells of the data that give names of observables a value."""
    columns = {column for observable in spec.observables.values() for column in observable.columns.values()}
    cells = {cell for column in columns for cell in spec.measurements.columns.get(column, ()) if cell}
    names: set[str] = set()
    for cell in cells:
        with suppress(ExpressionError):  # which the check of the data reports
            names |= names_in(parse(cell))
    return names


def with_copy(parameter: ParameterSpec, own: ParameterSpec) -> ParameterSpec:
    """Settings of a copy: what its own entry says, and the parameter's for the rest."""
    return parameter.model_copy(update=own.model_dump(exclude_unset=True))


def _check_copy(
    path: Path, own: ParameterSpec, name: str, value: str, spec: ProblemSpec, findings: Findings
) -> None:
    """An entry such as ``k[gel1]`` for one of the copies of a parameter."""
    parameter = spec.parameters.get(name)
    columns = {o.per[name] for o in spec.observables.values() if name in o.per}
    if parameter is None or not (columns or parameter.per):
        rule = f"is for a copy of '{clipped(name)}', which " + (
            "has no copies" if parameter else "is not declared"
        )
        remedy = "write per = ..." if parameter else did_you_mean(name, declared(spec), "declare it")
        findings.error(path, dotted(path), rule, remedy, "E12")
        return
    for key in ("tie", "per"):
        if getattr(own, key) is not None:
            rule = f"a copy has no {key!r} of its own"
            findings.error((*path, key), dotted((*path, key)), rule, f"write it with {name}", "P03")
            return
    merged = with_copy(parameter, own)
    if merged.fixed:
        _check_fixed(path, merged, spec, findings)
    else:
        _check_bounds(path, merged, findings)
    if own.prior is not None:
        _check_prior(path, merged, findings)
    if own.start is not None:
        _density((*path, "start"), own.start, findings)
    table = spec.measurements
    known = {"condition": (*table.condition, *spec.conditions), "replicate": table.replicate, **table.columns}
    if len(table) and not any(value in known.get(column, ()) for column in columns | {parameter.per or ""}):
        rule = f"the data have no '{clipped(value)}', so there is no such copy"
        findings.notice(path, dotted(path), rule, "delete the entry, or correct it", "D22")


def _check_tie(path: Path, parameter: ParameterSpec, findings: Findings) -> None:
    for key in ("value", "min", "max", "prior", "start", "per"):
        if getattr(parameter, key) is not None:
            rule = f"a tied parameter has no {key!r} of its own; its formula gives it"
            findings.error((*path, key), dotted((*path, key)), rule, "delete it, or delete the tie", "P03")
    if parameter.fixed:
        rule = "a parameter is either tied or fixed"
        findings.error((*path, "fixed"), dotted((*path, "fixed")), rule, "delete one of the two", "P03")


def _check_fixed(path: Path, parameter: ParameterSpec, spec: ProblemSpec, findings: Findings) -> None:
    if parameter.value is None:
        unset = [name for name, condition in spec.conditions.items() if path[1] not in condition.set]
        if unset or not spec.conditions:
            rule = "is fixed and has no value"
            if spec.conditions and len(unset) < len(spec.conditions):
                rule += f", and condition '{unset[0]}' does not set it"
            findings.error(
                path, dotted(path), rule, "write value = ..., or give it min and max instead", "M19"
            )
    for key, what in (("prior", "prior"), ("start", "density of starts")):
        if getattr(parameter, key) is not None:
            rule = f"the {what} of a fixed parameter has no effect"
            findings.warning((*path, key), dotted((*path, key)), rule, "delete it", "P14")


def _check_bounds(path: Path, parameter: ParameterSpec, findings: Findings) -> None:
    lower, upper, value = parameter.min, parameter.max, parameter.value
    lacking = [key for key, bound in (("min", lower), ("max", upper)) if bound is None]
    if lacking:
        given = dotted(path) if value is None else f"{dotted(path)} (value = {value:g})"
        rule = f"is estimated and has no {' and no '.join(lacking)}"
        remedy = "give it finite bounds, or write fixed = true"
        findings.error(path, given, rule, remedy, "M19" if value is None and len(lacking) == 2 else "P04")
    if lower is not None and upper is not None and lower > upper:
        rule = f"min = {lower:g} is above max = {upper:g}"
        findings.error((*path, "min"), dotted(path), rule, "exchange them", "P03")
        return
    if not _check_scale(path, parameter, findings):
        return
    if lower is not None and lower == upper:
        if value is not None and value != lower:
            rule = f"value = {value:g} is not the {lower:g} that min and max allow"
            findings.error((*path, "value"), dotted(path), rule, "correct one of them", "P07")
        else:
            rule = f"min and max are both {lower:g}; it is taken as fixed"
            findings.notice(path, dotted(path), rule, "write fixed = true to say so", "P03")
        return
    if value is None:
        return
    for key, bound, outside in (
        ("min", lower, lower is not None and value < lower),
        ("max", upper, upper is not None and value > upper),
    ):
        if outside and bound is not None:
            rule = f"value = {value:g} is {'below' if key == 'min' else 'above'} {key} = {bound:g}"
            findings.error((*path, "value"), dotted(path), rule, f"change the value or {key}", "P07")
        elif value == bound:
            rule = f"value = {value:g} lies on {key}; a fit starts just inside"
            findings.notice((*path, "value"), dotted(path), rule, "", "P08")


def _check_scale(path: Path, parameter: ParameterSpec, findings: Findings) -> bool:
    """Whether values and bounds can be put on the estimation scale."""
    scale: Scale = parameter.scale
    if scale == "lin":
        return True
    good = True
    for key in ("min", "max", "value"):
        number = getattr(parameter, key)
        if number is None or (number > 0 and (scale != "logit" or number < 1)):
            continue
        good = False
        rule = f"must be positive on the scale {scale}"
        remedy, code = f'give a positive {key}, or write scale = "lin"', "P05"
        if scale == "logit":
            rule, remedy = (
                "must lie between 0 and 1 on the scale logit",
                "move it inside, or choose another scale",
            )
        elif number < 0 and key != "value":
            power = 10.0**number if scale == "log10" and number > -300 else math.exp(max(number, -700.0))
            remedy, code = (
                f"bounds are of the parameter itself, not of its logarithm: {key} = {power:.4g}?",
                "P06",
            )
        findings.error((*path, key), f"{dotted((*path, key))} = {number:g}", rule, remedy, code)
    return good


def _check_prior(path: Path, parameter: ParameterSpec, findings: Findings) -> None:
    text_path = (*path, "prior")
    prior = _density(text_path, parameter.prior or "", findings)
    if prior is None or not is_estimated(parameter) or parameter.min is None or parameter.max is None:
        return
    low, high = (
        _scaled(bound, parameter.scale) if prior.on == "estimation" else bound
        for bound in (parameter.min, parameter.max)
    )
    support = prior.support
    if low < support[0] or high > support[1]:
        rule = f"is positive on [{support[0]:g}, {support[1]:g}] only, and the bounds are [{low:g}, {high:g}]"
        if prior.on == "estimation":
            rule += " on the estimation scale"
        remedy = "narrow the bounds to where the prior is positive"
        findings.error(text_path, f"{dotted(text_path)} = {prior}", rule, remedy, "P14")
    elif prior.within_bounds and prior.log_probability(low, high) == -math.inf:
        rule = f"has no probability between the bounds [{low:g}, {high:g}]"
        remedy = "correct the bounds, or choose another prior"
        findings.error(text_path, f"{dotted(text_path)} = {prior}", rule, remedy, "P14")


def _density(path: Path, text: str, findings: Findings) -> Prior | None:
    try:
        return parse_prior(text)
    except ExpressionError as error:
        given = f"{dotted(path)}: {error.given}"
        findings.at_text(path, text, error.column, given, error.rule, error.remedy, error.code)
        return None


def _scaled(value: float, scale: Scale) -> float:
    """The value on the estimation scale; NaN where it has none (which is reported with the bounds)."""
    if scale == "lin":
        return value
    if value <= 0 or (scale == "logit" and value >= 1):
        return math.nan
    if scale == "logit":
        return math.log(value / (1 - value))
    return math.log10(value) if scale == "log10" else math.log(value)

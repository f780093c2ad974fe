"""Measurements against the model: what they name, what noise they need, what they cannot tell."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from idfit.expressions import ExpressionError, names_in, parse
from idfit.spec.check_conditions import changes_by_itself
from idfit.spec.check_formulas import Formulas
from idfit.spec.check_names import copy_of, declared
from idfit.spec.check_parameters import is_estimated
from idfit.spec.findings import Findings, clipped, did_you_mean, listed
from idfit.spec.measurements import DEFAULT_CONDITION
from idfit.spec.schema import MeasurementTable, NoiseColumn, ObservableSpec, ProblemSpec

CLOSE_TIMES = 1e-12
WIDE_RANGE = 1e12


def check_measurements(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    table = spec.measurements
    if not len(table):
        return
    for n in range(len(table)):
        _check_row(n, spec, findings)
    _check_columns(spec, findings)
    _check_given_values(spec, findings)
    _check_steady(spec, formulas, findings)
    _tell_duplicates(table, findings)
    _tell_close_times(table, findings)
    _tell_what_lacks(spec, findings)
    for name, observable in spec.observables.items():
        _tell_about(name, observable, table, findings)
    _tell_few_data(spec, findings)


def line_of(table: MeasurementTable, n: int) -> int:
    return table.line[n] if table.line else n + 1


def _check_row(n: int, spec: ProblemSpec, findings: Findings) -> None:
    table = spec.measurements
    line = line_of(table, n)
    name, condition = table.observable[n], table.condition[n]
    observable = spec.observables.get(name)
    if observable is None and not findings.count_if_full("D21"):
        rule = f"is not in the model (it has {listed(spec.observables) or 'no observables'})"
        remedy = did_you_mean(name, spec.observables, "rename it, or add it under [observables]")
        findings.in_row(table.file, line, f"observable '{clipped(name)}'", rule, remedy, "D21")
    known = condition in spec.conditions or (not spec.conditions and condition == DEFAULT_CONDITION)
    if not known and not findings.count_if_full("D21"):
        rule = f"is not in the model (it has {listed(spec.conditions) or 'no conditions'})"
        remedy = did_you_mean(condition, spec.conditions, f"add [conditions.{clipped(condition)}]")
        findings.in_row(table.file, line, f"condition '{clipped(condition)}'", rule, remedy, "D21")
    t0 = spec.conditions[condition].t0 if condition in spec.conditions else 0.0
    if math.isnan(table.time[n]) or table.time[n] == -math.inf:
        findings.in_row(table.file, line, f"time = {table.time[n]}", "is not a time", "correct it", "D29")
    elif table.time[n] < t0:
        rule = f"is before the condition starts (t0 = {t0:g})"
        remedy = (
            "correct it, or set t0 in the condition" if spec.conditions else "add a condition with its t0"
        )
        findings.in_row(table.file, line, f"time = {table.time[n]:g}", rule, remedy, "D27")
    if not math.isfinite(table.value[n]):
        remedy = "correct it or delete the row"
        findings.in_row(
            table.file, line, f"value = {table.value[n]}", "is not a finite number", remedy, "D15"
        )
    if observable is not None:
        _check_noise_and_sign(n, observable, table, findings)


def _check_noise_and_sign(
    n: int, observable: ObservableSpec, table: MeasurementTable, findings: Findings
) -> None:
    line, value, sd = line_of(table, n), table.value[n], table.sd[n] if table.sd else math.nan
    logarithmic = observable.transform != "lin" or observable.distribution.startswith("log-")
    if logarithmic and value <= 0:
        rule = f"must be positive: '{table.observable[n]}' is compared on a logarithmic scale"
        remedy = "delete the row, or mark it as censored at the limit of detection"
        findings.in_row(table.file, line, f"value = {value:g}", rule, remedy, "D23")
    if sd <= 0 or math.isinf(sd):
        column = observable.noise.column if isinstance(observable.noise, NoiseColumn) else "sd"
        remedy = "give the noise of the measurement, or estimate it with a noise parameter"
        rule = "noise must be positive and finite"
        findings.in_row(table.file, line, f"{column} = {sd:g}", rule, remedy, "D19")
    elif math.isnan(sd) and isinstance(observable.noise, NoiseColumn):
        rule = f"is missing, and the noise of '{table.observable[n]}' is read from it"
        remedy = "fill it in, or give the observable a noise formula"
        findings.in_row(table.file, line, f"column '{clipped(observable.noise.column)}'", rule, remedy, "D20")
    if table.censored and table.censored[n] not in ("", "left", "right"):
        given = f"censored = '{clipped(table.censored[n])}'"
        findings.in_row(table.file, line, given, "must be left, right or empty", "", "D16")


def _check_columns(spec: ProblemSpec, findings: Findings) -> None:
    """Columns that copies of parameters are made for must exist and be filled in."""
    table = spec.measurements
    wanted = {
        (("observables", name, "per", parameter), column): name
        for name, observable in spec.observables.items()
        for parameter, column in observable.per.items()
    }
    wanted |= {(("parameters", name, "per"), p.per): None for name, p in spec.parameters.items() if p.per}
    wanted |= {
        (("observables", name, "columns", given), column): name
        for name, observable in spec.observables.items()
        for given, column in observable.columns.items()
    }
    known = {"condition": table.condition, "replicate": table.replicate, **table.columns}
    for (path, column), observable in wanted.items():
        cells = known.get(column)
        if cells is None or (column == "replicate" and not any(cells)):
            rule = f"the data have no column '{clipped(column)}' (they have {listed(known)})"
            remedy = did_you_mean(column, known, "add the column")
            findings.error(path, f"{path[2]} {column}", rule, remedy, "D13")
            continue
        for n, cell in enumerate(cells):
            if not cell and observable in (None, table.observable[n]):
                given = f"column '{clipped(column)}'"
                rule = "is empty, and parameters are read from it or have copies for its values"
                findings.in_row(table.file, line_of(table, n), given, rule, "fill it in", "D20")


def _tell_duplicates(table: MeasurementTable, findings: Findings) -> None:
    columns = [
        table.condition,
        table.time,
        table.observable,
        table.value,
        table.replicate,
        *table.columns.values(),
    ]
    rows = Counter(zip(*(column for column in columns if column), strict=True))
    number = sum(count - 1 for count in rows.values())
    if number:
        first = next(row for row, count in rows.items() if count > 1)
        given = f"{number} rows, such as {first[2]} = {first[3]:g} at {first[1]:g}"
        rule = "repeat another row exactly; they count as replicates"
        findings.in_row(table.file, 0, given, rule, "delete them if they are copies", "D25", "notice")


def _check_given_values(spec: ProblemSpec, findings: Findings) -> None:
    """Cells that give a name of an observable its value: numbers, or formulas of parameters."""
    table, kinds = spec.measurements, declared(spec)
    for n, name in enumerate(table.observable):
        observable = spec.observables.get(name)
        for column in observable.columns.values() if observable else ():
            if column not in table.columns:
                continue  # said by _check_columns
            cell = table.columns[column][n]
            given = f"{clipped(column)} = '{clipped(cell)}'"
            try:
                names = names_in(parse(cell))
            except ExpressionError as error:
                rule, remedy = f"is neither a number nor a formula: {error.rule}", error.remedy
                findings.in_row(table.file, line_of(table, n), given, rule, remedy, "D16")
                continue
            for other in sorted(names):
                if kinds.get(other) not in ("parameters", "constants"):
                    rule = f"'{clipped(other)}' is not a parameter"
                    remedy = did_you_mean(other, spec.parameters, "declare it under [parameters]")
                    findings.in_row(table.file, line_of(table, n), given, rule, remedy, "E12")


def _check_steady(spec: ProblemSpec, formulas: Formulas, findings: Findings) -> None:
    table = spec.measurements
    row = next((n for n, time in enumerate(table.time) if time == math.inf), None)
    if row is not None and (timed := changes_by_itself(spec, formulas, events=True)):
        rule = f"there is no steady state, as {timed} depends on the time"
        remedy = "leave the row out, or give a finite late time"
        findings.in_row(table.file, line_of(table, row), "time = inf", rule, remedy, "D28")


def _tell_close_times(table: MeasurementTable, findings: Findings) -> None:
    times = sorted({time for time in table.time if math.isfinite(time)})
    span = max((abs(time) for time in times), default=0.0)
    close = [(a, b) for a, b in pairwise(times) if b - a <= CLOSE_TIMES * span]
    if close:
        given = f"times {close[0][0]!r} and {close[0][1]!r}"
        findings.in_row(table.file, 0, given, "differ by rounding only", "round them", "D30", "notice")


def _tell_what_lacks(spec: ProblemSpec, findings: Findings) -> None:
    table = spec.measurements
    begun_from = {c.preequilibrate for c in spec.conditions.values() if c.preequilibrate}
    used = (("observables", set(table.observable)), ("conditions", begun_from.union(table.condition)))
    for section, present in used:
        lacking = [name for name in getattr(spec, section) if name not in present]
        if lacking and len(lacking) < len(getattr(spec, section)):
            given = f"{section} {listed(lacking)}"
            findings.warning((section, lacking[0]), given, "have no measurements", "", "D22")


def _tell_about(name: str, observable: ObservableSpec, table: MeasurementTable, findings: Findings) -> None:
    values = [value for value, which in zip(table.value, table.observable, strict=True) if which == name]
    given = f"observable '{name}'"
    estimates_noise = isinstance(observable.noise, str)
    if len(values) == 1 and estimates_noise:
        rule = "has one measurement, which cannot determine a noise parameter as well"
        findings.warning(("observables", name), given, rule, "give its noise as a number", "D32")
    elif len(values) > 1 and len(set(values)) == 1 and estimates_noise:
        rule = (
            f"all {len(values)} measurements are {values[0]:g}; estimated noise will end at its lower bound"
        )
        findings.warning(("observables", name), given, rule, "", "D33")
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    if sizes and max(sizes) > WIDE_RANGE * min(sizes) and observable.transform == "lin":
        rule = f"measurements range from {min(sizes):g} to {max(sizes):g}"
        findings.warning(("observables", name), given, rule, "consider a logarithmic transform", "D34")


def _tell_few_data(spec: ProblemSpec, findings: Findings) -> None:
    estimated = [name for name, p in spec.parameters.items() if is_estimated(p) and not copy_of(name)]
    number = sum(_copies(name, spec) for name in estimated)
    if number > len(spec.measurements):
        given = f"{number} parameters, {len(spec.measurements)} measurements"
        rule = "there are more estimated parameters than measurements"
        findings.warning(("parameters",), given, rule, "fix some, or add data or priors", "P02")


def _copies(name: str, spec: ProblemSpec) -> int:
    table = spec.measurements
    columns = {o.per[name] for o in spec.observables.values() if name in o.per}
    if own := spec.parameters[name].per:
        columns.add(own)
    known = {"condition": table.condition, "replicate": table.replicate, **table.columns}
    return max((len(set(known[column])) for column in columns if column in known), default=1)

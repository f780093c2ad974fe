"""Observables and measurements as tables of PEtab, with placeholders for what rows give themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy

from idfit.errors import InputError
from idfit.expressions import names_in, parse, to_text
from idfit.formats.formula_text import substituted
from idfit.formats.ids import Ids
from idfit.formats.mathml import Formula, number_text
from idfit.formats.petab_formulas import petab_formula
from idfit.formats.petab_naming import Ready, number_of
from idfit.formats.petab_written_experiments import Rows
from idfit.spec.check_names import declared
from idfit.spec.findings import Findings, clipped
from idfit.spec.schema import NoiseColumn, ObservableSpec

_BASES = {"log2": "2", "log10": "10"}

Placeholders = dict[str, dict[str, str]]
"""For the observable and the noise: the placeholders of names, in order."""


@dataclass
class Observables:
    """The observable table; for each row of the data the cells that fill placeholders; the names of the spec
    that the formulas use."""

    table: Rows = field(default_factory=list)
    cells: dict[int, dict[str, str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def observables_of(ready: Ready, version: int, findings: Findings) -> Observables:
    found = Observables()
    rows: dict[str, list[int]] = {}
    for n, name in enumerate(ready.spec.measurements.observable):
        rows.setdefault(name, []).append(n)
    for name, observable in ready.spec.observables.items():
        writing = _Writing(ready, name, observable, rows.get(name, []), version)
        try:
            writing.write(found)
        except InputError as error:
            for f in error.findings:
                given = f"observable {name}" + (f": {f.given}" if f.given else "")
                severity = "error" if name in rows else "notice"
                findings.in_row("", 0, given, f.rule, f.remedy, f.code or "E11", severity)
    return found


class _Writing:
    """Writes one observable with its measurements, the `rows`."""

    def __init__(self, ready: Ready, name: str, observable: ObservableSpec, rows: list[int], version: int):
        self.ready, self.name, self.observable = ready, name, observable
        self.rows, self.version = rows, version
        self.sd = Ids(declared(ready.tied)).new("sd")  # the noise, where rows give it

    def write(self, found: Observables) -> None:
        formula = self._expanded(self.observable.formula)
        noise = self._noise(formula)
        placeholders = self._placeholders(formula, noise)
        filled = {name: new for names in placeholders.values() for name, new in names.items()}
        texts = self.ready.entity | {n: self._common(n) for n in self.given if n not in filled} | filled
        used = names_in(parse(formula)) | names_in(parse(noise))
        if not self.rows and (lost := sorted(used & self.ready.touched - {*self.ready.varying})):
            raise InputError.of("", f"is not measured, has no value for {lost[0]}, and was left out")
        row = {
            "observableId": self.ready.entity[self.name],
            "observableFormula": petab_formula(substituted(formula, texts), self.ready.time),
            "noiseFormula": petab_formula(substituted(self._scaled(noise), texts), self.ready.time),
            **self._distribution(),
        }
        if self.version == 2:
            row |= {f"{kind}Placeholders": ";".join(names.values()) for kind, names in placeholders.items()}
        cells = {
            n: {
                f"{kind}Parameters": ";".join(self._cell(name, i) for name in names)
                for kind, names in placeholders.items()
            }
            for i, n in enumerate(self.rows)
        }
        found.table.append(row)
        found.cells |= cells
        found.used |= used - self.given.keys()

    # values that rows give --------------------------------------------------------------------------------

    @cached_property
    def given(self) -> dict[str, list[sympy.Expr]]:
        """Names for which the rows have values of their own, in ids; other names mean what the model says."""
        ready, resolution = self.ready, self.ready.resolution
        rows = [ready.values(resolution.row_map[n]) for n in self.rows]
        held = [ready.values(self._held(n)) for n in self.rows]
        found: dict[str, list[sympy.Expr]] = {}
        for name in sorted(resolution.read.get(self.name, frozenset()) & ready.touched):
            values = [row[name] for row in rows]
            in_model = name in resolution.dynamic and values == [now[name] for now in held]
            if not in_model:
                found[name] = values
        if isinstance(self.observable.noise, NoiseColumn):
            found[self.sd] = [sympy.Float(resolution.row_sd[n], 17) for n in self.rows]
        return found

    def _held(self, row: int) -> int:
        """The map that holds in the model when a row is measured."""
        time = self.ready.spec.measurements.time[row]
        simulation = self.ready.resolution.simulations[self.ready.resolution.row_simulation[row]]
        later = [c.map for c in simulation.changes if c.time <= time and c.map is not None]
        return [simulation.map, *later][-1]

    def _placeholders(self, formula: Formula, noise: Formula) -> Placeholders:
        """Those of names whose values differ between rows."""
        kinds = {"observable": names_in(parse(formula))}
        kinds["noise"] = names_in(parse(noise)) - kinds["observable"]
        differing = [name for name, values in self.given.items() if len(set(values)) > 1]
        own = self.ready.entity[self.name]
        return {
            kind: {
                name: f"{kind}Parameter{n}_{own}"
                for n, name in enumerate([d for d in differing if d in names], start=1)
            }
            for kind, names in kinds.items()
        }

    def _common(self, name: str) -> str:
        """The value that a name has in all rows."""
        return self.ready.text(self.given[name][0])

    def _cell(self, name: str, i: int) -> str:
        value = self.given[name][i]
        if not isinstance(value, sympy.Symbol) and number_of(value) is None:
            table = self.ready.spec.measurements
            line = f"line {table.line[self.rows[i]]}: " if table.line else ""
            given = f"{line}{name} = {clipped(to_text(value))}"
            rule = "is a formula, and rows of PEtab give numbers and parameters only"
            raise InputError.of(given, rule, "write the formula into the observable", code="D20")
        return self.ready.text(value)

    # formulas ---------------------------------------------------------------------------------------------

    def _expanded(self, formula: Formula) -> str:
        """The formula with other observables, and assignments that depend on what rows give, written out."""
        text = formula if isinstance(formula, str) else number_text(formula)
        given = frozenset(self.given)
        while True:
            names = names_in(parse(text)) - given
            parts = {n: str(self.ready.spec.observables[n].formula) for n in names & self._others}
            parts |= {
                n: str(self.ready.spec.assignments[n])
                for n in names & self.ready.assignments.keys()
                if self.ready.depends_on(n, given)
            }
            if not parts:
                return text
            text = parts.get(text) or substituted(text, parts)

    @cached_property
    def _others(self) -> set[str]:
        return self.ready.spec.observables.keys() - {self.name}

    def _noise(self, formula: str) -> str:
        """The noise, in which the name of the observable is its formula."""
        noise = self.observable.noise
        if isinstance(noise, NoiseColumn):
            return self.sd
        return self._expanded(substituted(str(noise), {self.name: formula}))

    def _scaled(self, noise: str) -> str:
        """The noise on the scale that PEtab knows: that of the natural logarithm for most."""
        base = _BASES.get(self.observable.transform)
        if base is None or (self.version == 1 and base == "10"):
            return noise
        return f"ln({base})*({noise})"

    def _distribution(self) -> dict[str, str]:
        transform, distribution = self.observable.transform, self.observable.distribution
        if distribution == "student-t":
            rule = "is not a distribution of PEtab, which has normal and Laplace noise and their logarithms"
            raise InputError.of(f"distribution {distribution}", rule, "choose one of these", code="D19")
        plain = distribution.removeprefix("log-")
        logarithmic = plain != distribution or transform != "lin"
        if self.version == 2:
            return {"noiseDistribution": f"log-{plain}" if logarithmic else plain}
        known = "log10" if transform == "log10" else "log" if logarithmic else "lin"
        return {"observableTransformation": known, "noiseDistribution": plain}


def measurement_rows(ready: Ready, named: Mapping[int, Mapping[str, str]], observables: Observables) -> Rows:
    """The measurement table; `named` are the cells that tell the experiment of each simulation."""
    table, resolution = ready.spec.measurements, ready.resolution
    datasets = table.columns.get("datasetId", ("",) * len(table))
    return [
        {
            "observableId": ready.entity[table.observable[n]],
            **named[resolution.row_simulation[n]],
            "measurement": number_text(table.value[n]),
            "time": number_text(table.time[n]),
            **observables.cells.get(n, {}),
            "datasetId": datasets[n],
            "replicateId": table.replicate[n] if table.replicate else "",
        }
        for n in range(len(table))
    ]

"""PEtab problems of versions 1 and 2, named by their YAML file, as problems of idfit.

The semantics are those of the specification (https://petab.readthedocs.io): formulas in natural logarithms,
changes before observations at the same time, an empty cell or NaN for the value of the model.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath

from idfit.errors import Finding, InputError
from idfit.expressions import names_in, parse
from idfit.expressions.parse import CONSTANTS
from idfit.formats.petab_conditions import Conditions, Experiment, Place, prepare, without_lost_settings
from idfit.formats.petab_entities import TIME, Entities
from idfit.formats.petab_files import ProblemFiles, read_problem_files
from idfit.formats.petab_noise import with_positive_noise
from idfit.formats.petab_observables import Measurements, Observed, read_observables
from idfit.formats.petab_parameters import read_parameters
from idfit.formats.petab_tables import Table, read_tables
from idfit.formats.petab_v1 import ConditionRows, targets_of
from idfit.formats.petab_v2 import ExperimentRows, read_mapping
from idfit.formats.sbml import SbmlImport, read_sbml_model
from idfit.spec.check import check_into
from idfit.spec.check_formulas import formula_texts
from idfit.spec.findings import Findings, Positions, clipped, did_you_mean, listed
from idfit.spec.schema import ObservableSpec, ParameterSpec, ProblemSpec
from idfit.spec.toml_positions import Path

_MODEL_SECTIONS = ("states", "odes", "parameters", "assignments", "events")


def read_petab(path: str | os.PathLike[str]) -> tuple[ProblemSpec, list[Finding]]:
    """The problem that a PEtab YAML file describes, with warnings and notices.

    Errors: `InputError` with everything that is wrong in any of its files. Files outside its folder are not
    read, and neither are models in other languages than SBML.
    """
    findings = Findings(Positions(os.fspath(path)))
    files = read_problem_files(path, findings)
    problem = _Problem(files, findings)
    spec = problem.read()
    if problem.broken:
        findings.raise_errors()  # more would be said of what is not in the tables than of what is wrong
    own = Findings(Positions(files.file, elsewhere=problem.places), findings.muted)
    check_into(spec, own)
    wrong = any(finding.severity == "error" for finding in findings.items)
    # what the rest gives reason to remark may come from what was left out
    findings.extend(finding for finding in own.items if not wrong or finding.severity == "error")
    return spec, findings.raise_errors()


class _Problem:
    """Reads all tables, then the model, then puts the parts together."""

    def __init__(self, files: ProblemFiles, findings: Findings):
        self.files, self.findings = files, findings
        self.places: dict[Path, Place] = {}
        self.broken = False

    def read(self) -> ProblemSpec:
        version = self.files.version
        parameter_table, observable_table = self.table("parameter"), self.table("observable")
        parameters = read_parameters(parameter_table, version)
        observed = read_observables(observable_table, version)
        data = self.table("measurement")
        conditions = self.table("condition", may_be_empty=version == 2)
        if version == 1:
            rows: ConditionRows | ExperimentRows = ConditionRows.of(conditions, data)
            targets = targets_of(conditions)
        else:
            rows = ExperimentRows.of(conditions, self.table("experiment", may_be_empty=True), data)
            targets = list(dict.fromkeys(conditions.columns.get("targetId", ())))
        try:
            model = self.model(data, {*parameters, *rows.always_set()})
        except InputError as error:
            self.findings.extend(error.findings)
            Measurements(data, observed, rows.label, {}, {}, not observable_table.broken, False).read()
            self.findings.raise_errors()
            raise
        aliases = self.aliases(model)
        self._check_constant(parameters, parameter_table, model, aliases)
        entities = Entities.of(model, aliases, parameters)
        self._declare(targets, observed, entities)
        self._note_places(parameter_table, observable_table, observed, entities)
        experiments = rows.experiments(entities)
        prepare(experiments, entities)
        measured = Measurements(
            data,
            observed,
            rows.label,
            {experiment.name: experiment.start for experiment in experiments},
            {given: name for given, name in entities.names.items() if name in entities.parameters},
            not observable_table.broken,
            not parameter_table.broken,
        )
        measured.read()
        spec = self._spec(entities, measured, observed)
        return self._with_conditions(spec, experiments, entities)

    # files ------------------------------------------------------------------------------------------------

    def table(self, kind: str, *, may_be_empty: bool = False) -> Table:
        files = self.files.tables.get(kind, ())
        table = read_tables(files, kind, self.files.version, self.findings, may_be_empty=may_be_empty)
        self.broken |= table.broken
        return table

    def model(self, data: Table, keep: Collection[str]) -> SbmlImport:
        """The model; if several are named, the only one that measurements use."""
        models = self.files.models
        used = list(dict.fromkeys(data.word("modelId", n) for n in range(len(data)))) or [""]
        unknown = [name for name in used if name and self.files.version == 2 and name not in models]
        if unknown or (len(models) > 1 and (len(used) > 1 or not used[0])):
            rule = "is not a model of the problem" if unknown else "idfit reads problems of one model"
            remedy = f"there are {listed(models)}; write a problem for each"
            given = f"modelId: {listed(name or '(empty)' for name in unknown or used)}"
            raise InputError.of(given, rule, remedy, code="M32", file=data.name)
        path = models[used[0]] if used[0] in models else next(iter(models.values()))
        self.places |= {(section,): (str(path), 0) for section in _MODEL_SECTIONS}
        model = read_sbml_model(path, keep=keep)
        self.findings.extend(model.notices)
        return model

    def aliases(self, model: SbmlImport) -> dict[str, str]:
        if self.files.version == 1:
            return {}
        own = {name: name for name in model.spec.parameters}
        return read_mapping(self.table("mapping", may_be_empty=True), own | model.names)

    # parts ------------------------------------------------------------------------------------------------

    def _check_constant(
        self,
        parameters: dict[str, ParameterSpec],
        table: Table,
        model: SbmlImport,
        aliases: Mapping[str, str],
    ) -> None:
        """Parameters that the model changes by itself are reported, and left out."""
        for n in range(len(table)):
            given = table.text("parameterId", n)
            name = aliases.get(given) or model.names.get(given, given)
            if given in parameters and (name in model.spec.states or name in model.spec.assignments):
                rule = "is changed by the model itself, and parameters are constant"
                remedy = "delete the row; a condition can give it a value at the start"
                table.say(n, f"parameterId = '{given}'", rule, remedy, "D21")
                del parameters[given]

    def _declare(
        self, targets: Collection[str], observed: Mapping[str, Observed], entities: Entities
    ) -> None:
        """Targets that only observables speak of are parameters, whose values the conditions give."""
        spoken = {
            name for o in observed.values() for name in names_in(parse(o.formula)) | names_in(parse(o.noise))
        }
        for target in targets:
            if entities.names.get(target, target) not in entities and target in spoken:
                entities.declare(target)

    def _note_places(
        self, parameters: Table, observables: Table, observed: Mapping[str, Observed], entities: Entities
    ) -> None:
        for n in range(len(parameters)):
            name = entities.names.get(parameters.text("parameterId", n), "")
            self.places.setdefault(("parameters", name), parameters.place(n))
        self.places |= {("observables", name): observables.place(o.n) for name, o in observed.items()}

    def _spec(
        self, entities: Entities, measured: Measurements, observed: Mapping[str, Observed]
    ) -> ProblemSpec:
        observables = measured.observables(entities.names)
        unseen = observed.keys() - observables.keys() - set(measured.table.columns.get("observableId", ()))
        for name in sorted(unseen):
            file, line = self.places["observables", name]
            rule = "has placeholders and no measurements, so it has no formula and was left out"
            self.findings.in_row(file, line, f"observable {name}", rule, "", "D22", "warning")
        names = self._new_names(observables, entities)
        data = measured.measurements(observables, names)
        observables = {names.get(name, name): spec for name, spec in observables.items()}
        self._check_formulas(observables, entities)
        self._raise_lower_bounds(entities, with_positive_noise(entities.parameters, observables, data))
        name = FilePath(self.files.file).stem
        return entities.spec(name=name, observables=observables, measurements=data)

    def _new_names(self, observables: Collection[str], entities: Entities) -> dict[str, str]:
        """Observables that are called like something in formulas get another name."""
        taken = {*entities.states, *entities.parameters, *entities.assignments, *observables}
        names: dict[str, str] = {}
        for name in observables:
            if name in entities or name in CONSTANTS:
                new = f"{name}_observed"
                while new in taken:
                    new += "_"
                taken.add(new)
                names[name] = new
                place = self.places["observables", new] = self.places["observables", name]
                rule = f"is the name of something else in formulas; the observable is called {new}"
                self.findings.in_row(*place, f"observableId = '{name}'", rule, "", "M18", "notice")
        return names

    def _check_formulas(self, observables: Mapping[str, ObservableSpec], entities: Entities) -> None:
        """Names that are nowhere are told in the words of PEtab, and not again."""
        for name, observable in observables.items():
            for key in ("formula", "noise"):
                text = getattr(observable, key)
                if not isinstance(text, str):
                    continue
                known = {*observable.columns, TIME, *((name,) if key == "noise" else ())}
                unknown = sorted(n for n in names_in(parse(text)) if n not in entities and n not in known)
                for other in unknown:
                    column = "noiseFormula" if key == "noise" else "observableFormula"
                    given = f"{column}: '{clipped(other)}'"
                    rule = "is neither in the model nor in the parameter table"
                    remedy = did_you_mean(other, entities.names, "add it to the parameter table")
                    self.findings.in_row(*self.places["observables", name], given, rule, remedy, "E12")
                    self.findings.muted.add(("observables", name, key))

    def _raise_lower_bounds(self, entities: Entities, floors: Mapping[str, float]) -> None:
        for name, floor in floors.items():
            given = f"{name}: lowerBound = {entities.parameters[name].min:g}"
            rule = f"noise of 0 makes the likelihood unbounded; the bound is {floor:.3g} here"
            self.findings.in_row(
                *self.places["parameters", name], given, rule, "give a positive one", "P17", "warning"
            )
            entities.parameters[name] = entities.parameters[name].model_copy(update={"min": floor})

    def _with_conditions(
        self, spec: ProblemSpec, experiments: list[Experiment], entities: Entities
    ) -> ProblemSpec:
        conditions = Conditions(entities, self.findings, experiments)
        self.places |= conditions.places
        spec, lost = without_lost_settings(spec.model_copy(update={"conditions": conditions.specs}))
        for label, name in lost:
            file, line = self.places.get(("conditions", label, "set", name), (self.files.file, 0))
            rule = f"acts through initial values only, which the steady state before '{label}' replaces"
            self.findings.in_row(file, line, name, rule, "", "N14", "notice")
        return _without_unused(spec, entities.tabled)


def _without_unused(spec: ProblemSpec, tabled: Collection[str]) -> ProblemSpec:
    """The spec without parameters of the model that nothing needs."""
    parameters = dict(spec.parameters)
    cells = (cell for column in spec.measurements.columns.values() for cell in set(column))
    used = {*tabled, *cells, *(name for condition in spec.conditions.values() for name in condition.set)}
    used |= {name for c in spec.conditions.values() for dose in c.dose for name in dose.set}
    formulas = {path: formula for path, formula in formula_texts(spec) if path[0] != "parameters"}
    used |= {name for formula in formulas.values() for name in names_in(parse(formula))}
    ties = {name: names_in(parse(p.tie)) for name, p in parameters.items() if p.tie is not None}
    pending = [name for name in ties if name in used]
    while pending:
        new = ties[pending.pop()] - used
        used |= new
        pending += [name for name in new if name in ties]
    return spec.model_copy(update={"parameters": {k: p for k, p in parameters.items() if k in used}})

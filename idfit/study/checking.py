"""What is wrong with the files and options of a run, told at once and before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

from idfit.errors import Finding, InputError
from idfit.formats.load import equations_alone, format_of, read
from idfit.optimize.fit import find_optimizer, noise_parameters
from idfit.optimize.local import DEFAULT_OPTIMIZER
from idfit.problem import Problem, Quantity, build
from idfit.problem.quantities import extended, noise_of
from idfit.spec.findings import did_you_mean, listed
from idfit.study.analyses import FunctionTable
from idfit.study.recipe import Recipe, check_names, check_options, finding_of
from idfit.study.reparameterizing import Change, required_change


@dataclass(frozen=True)
class Checked:
    """The problem of a recipe; the one to be fitted, where that is another; and warnings."""

    problem: Problem
    change: Change | None
    findings: list[Finding]

    @property
    def fitted(self) -> Problem:
        return self.problem if self.change is None else self.change.new


def read_and_check(recipe: Recipe) -> Checked:
    """The problem of a recipe that can be fitted. Errors: `InputError`, all faults of files and options."""
    errors: list[Finding] = []
    findings = check_options(recipe)
    try:
        find_optimizer(recipe.fit.optimizer or DEFAULT_OPTIMIZER)
    except InputError as error:
        errors += error.findings
    try:
        spec, more = read(recipe.model, recipe.data, missing=recipe.missing)
        findings += more
    except InputError as error:
        raise InputError([*errors, *findings, *error.findings]) from None
    errors += [finding for finding in findings if finding.severity == "error"]
    if not len(spec.measurements):
        rule, remedy = "has no measurements to fit", "give a data file, or simulate the model"
        if format_of(recipe.model) in ("sbml", "antimony"):
            remedy = equations_alone(recipe.model, "data")
        errors.append(Finding(recipe.model, 0, 0, "", rule, remedy))
    problem, change = build(spec), None
    if not len(problem.parameters):
        rule, remedy = "has nothing to estimate", "give a parameter bounds (min, max), or simulate the model"
        errors.append(Finding(recipe.model, 0, 0, "", rule, remedy, "P01"))
    else:
        if recipe.reparameterization is not None and not errors:
            change = required_change(problem, recipe.reparameterization)
        fitted = problem if change is None else change.new
        errors += check_names(recipe, fitted.parameters.names)
        errors += [] if errors else _check_analyses(recipe, fitted)
    if errors:
        raise InputError(errors)
    return Checked(problem, change, findings)


def quantity_of(table: FunctionTable) -> Quantity:
    """What a table of [functions] asks about."""
    return Quantity(
        formula=table.formula,
        time=table.time,
        condition=table.condition,
        scale=table.scale,
        unit=table.unit,
        tags=table.tags,
        new_measurement=table.validation,
        sd=table.sd,
    )


def _check_analyses(recipe: Recipe, problem: Problem) -> list[Finding]:
    """What the analyses ask of this problem and cannot have."""
    found = []
    if recipe.profiles is not None and recipe.profiles.threshold == "F":
        found += _check_threshold(recipe, problem)
    if recipe.design is not None:
        found += _check_design(recipe, problem)
    if recipe.prediction is not None:
        found += _check_prediction(recipe, problem)
    for name, table in recipe.functions.items():
        quantity = quantity_of(table)
        try:
            extended(problem, name, quantity, recipe.solver.rtol, recipe.solver.atol)
            if quantity.new_measurement:
                noise_of(problem, name, quantity, problem.parameters.nominal_scaled, recipe.solver.rtol)
        except InputError as error:
            rule = "; ".join(part for f in error.findings for part in (f.given, f.rule) if part)
            path = ("functions", name, "formula")
            found.append(finding_of(recipe, (path, f"{name} = {table.formula}", rule, ""), "P19"))
    return found


def _check_design(recipe: Recipe, problem: Problem) -> list[Finding]:
    from idfit.prediction.design import check_design

    asked = recipe.design
    assert asked is not None
    offers = {key: getattr(asked, key) for key in ("observables", "conditions", "times")}
    for keys, target, offered in (
        (["target"], asked.target, {key: None if key == "times" else {} for key in offers}),
        ([key for key, given in offers.items() if given] or ["target"], None, offers),
    ):
        try:
            check_design(problem, target, **offered)
        except InputError as error:
            rule = "; ".join(part for f in error.findings[:3] for part in (f.given, f.rule) if part)
            value = ", ".join(str(getattr(asked, key)) for key in keys)
            return [finding_of(recipe, (("design", keys[0]), value, rule, ""), "P19")]
    return []


def _check_prediction(recipe: Recipe, problem: Problem) -> list[Finding]:
    """Names, formulas and times of predictions, and what the method needs."""
    from idfit.prediction.cells import cells_of
    from idfit.prediction.curves import curves_of
    from idfit.study.predicting import quantities_of

    asked = recipe.prediction
    assert asked is not None
    found = _check_threshold(recipe, problem, "prediction") if asked.threshold == "F" else []
    if asked.method == "posterior" and recipe.posterior is None:
        fault = (("prediction", "method"), asked.method, "needs draws", "add the table [posterior]")
        found.append(finding_of(recipe, fault, "P19"))
    known = list(problem.spec.observables)
    for n, name in enumerate(asked.observables or ()):
        if name not in known:
            remedy = did_you_mean(name, known, f"there are {listed(known)}")
            fault = (("prediction", "observables", n), name, "is not an observable", remedy)
            found.append(finding_of(recipe, fault, "P19"))
    if found:
        return found
    try:
        theta = problem.parameters.nominal_scaled
        curves = curves_of(problem, quantities_of(asked))
        cells_of(problem, curves, asked.times, theta, recipe.solver.rtol, recipe.solver.atol)
    except InputError as error:
        rule = "; ".join(part for f in error.findings[:3] for part in (f.given, f.rule) if part)
        key = "formulas" if asked.formulas else "times"
        found.append(finding_of(recipe, (("prediction", key), getattr(asked, key), rule, ""), "P19"))
    return found


def _check_threshold(recipe: Recipe, problem: Problem, table: str = "profiles") -> list[Finding]:
    path, n = (table, "threshold"), len(noise_parameters(problem))
    if n != 1:
        rule = f"belongs to one noise level that is estimated; this problem has {n} such"
        return [finding_of(recipe, (path, "F", rule, "use chi2"), "P19")]
    if len(problem.spec.measurements) <= len(problem.parameters) - n:
        rule = "needs more measurements than parameters"
        return [finding_of(recipe, (path, "F", rule, "use chi2"), "P19")]
    return []

"""A study in other parameters: the change, the old fit and profiles beside the new, and the proof."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import xarray as xr

from idfit.errors import Finding, InputError
from idfit.expressions import names_in, parse
from idfit.formats.load import read
from idfit.problem import Problem, build
from idfit.reparameterization import Reparameterization, prove, reparameterization_of, with_profiles
from idfit.structural.combinations import find_combinations
from idfit.study.analyses import ProfilesTable, ReparameterizationTable
from idfit.study.fitting import fitted
from idfit.study.recipe import Recipe
from idfit.study.stages import Groups, Stage, failed, levels_of
from idfit.tasks import Runner

TABLE = "reparameterization"


@dataclass(frozen=True)
class Change:
    """The old problem, the new one, and the maps between their parameters."""

    old: Problem
    new: Problem
    maps: Reparameterization

    @property
    def changed(self) -> list[str]:
        """The estimated parameters of the new problem that the old one does not have."""
        kept = set(self.old.parameters.names)
        return [name for name in self.new.parameters.names if name not in kept]

    @property
    def replaced(self) -> list[str]:
        """The estimated parameters of the old problem that the new one does not have."""
        kept = set(self.new.parameters.names)
        return [name for name in self.old.parameters.names if name not in kept]


def change_of(problem: Problem, table: ReparameterizationTable) -> Change | None:
    """The problem in the parameters that a recipe asks for; None where the equations determine the old ones.

    Errors: `InputError` where there are no such parameters.
    """
    combinations = None if table.manual else find_combinations(problem)
    maps = reparameterization_of(
        problem,
        combinations,
        keep=table.keep,
        normalise=table.normalise,
        manual=table.manual or None,
        replacing=table.replacing,
    )
    if not maps:
        return None
    new = maps.apply(problem, priors=table.priors)
    assert isinstance(new, Problem)
    return Change(problem, new, maps)


def required_change(problem: Problem, table: ReparameterizationTable) -> Change:
    """As `change_of`. Errors: `InputError` where there is nothing to change."""
    change = change_of(problem, table)
    if change is None:
        rule = "finds nothing to change: the equations determine every parameter"
        remedy = 'leave it out, or give parameters of your own, such as manual = { ratio = "k1/k2" }'
        raise InputError.of(f"[{TABLE}]", rule, remedy, code="P19")
    return change


def with_changed_profiled(recipe: Recipe, change: Change) -> Recipe:
    """The recipe with profiles of the new parameters, unless it says which to profile."""
    if recipe.profiles is not None:
        return recipe
    return recipe.model_copy(update={"profiles": ProfilesTable(parameters=change.changed)})


def carried_over(recipe: Recipe, change: Change) -> tuple[Recipe, list[Finding]]:
    """The recipe of a run in the old parameters for one in the new: what it asks of parameters that are
    replaced is asked of the new ones, or left out with a notice."""
    gone, update = set(change.replaced), {}
    left_out: list[str] = []
    if recipe.profiles is not None and recipe.profiles.parameters is not None:
        stay = [name for name in recipe.profiles.parameters if name not in gone]
        update["profiles"] = recipe.profiles.model_copy(update={"parameters": [*change.changed, *stay]})
    if recipe.profiles_2d is not None and recipe.profiles_2d.pairs is not None:
        pairs = [pair for pair in recipe.profiles_2d.pairs if not gone & set(pair)]
        left_out += [f"profiles_2d of {', '.join(p)}" for p in recipe.profiles_2d.pairs if p not in pairs]
        update["profiles_2d"] = recipe.profiles_2d.model_copy(update={"pairs": pairs}) if pairs else None
    lost = [name for name, table in recipe.functions.items() if gone & names_in(parse(table.formula))]
    left_out += [f"the function {name}" for name in lost]
    update["functions"] = {name: table for name, table in recipe.functions.items() if name not in lost}
    rule = "asks about parameters that are replaced, and is left out"
    found = [Finding("", 0, 0, what, rule, "ask about the new ones", "", "notice") for what in left_out]
    return recipe.model_copy(update=update), found


def stages_of(change: Change) -> list[Stage]:
    """The stages behind all others: the old fit, its profiles, and the proof with both."""
    fitted, profiled, proven = (
        functools.partial(work, change) for work in (_fit_before, _profiles_before, _proof)
    )
    says = "proof that it is the same model"
    return [
        Stage("fit_before", TABLE, "the fit in the old parameters", fitted, _lost_starts),
        Stage("profiles_before", TABLE, "profiles of the old parameters", profiled, _nothing),
        Stage("reparameterization", TABLE, says, proven, _unproven, has_tasks=False),
    ]


def _fit_before(
    change: Change, problem: Problem, groups: Groups, recipe: Recipe, runner: Runner
) -> xr.Dataset:
    return fitted(change.old, recipe, runner)


def _profiles_before(
    change: Change, problem: Problem, groups: Groups, recipe: Recipe, runner: Runner
) -> xr.Dataset:
    from idfit.profiles import ProfileOptions, profile
    from idfit.study.joined import joined

    asked = levels_of(recipe)
    made = profile(
        change.old,
        groups["fit_before"],
        change.replaced,
        asked.ci_prob,
        asked.threshold,
        options=ProfileOptions(max_points=asked.max_points),
        runner=runner,
    )
    return joined(made, groups.get("structure"))


def _proof(change: Change, problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    proof = prove(change.old, change.new, change.maps, seed=recipe.seed or 0)
    if "profiles" in groups:
        proof = with_profiles(proof, change.maps, groups["profiles"], groups.get("profiles_before"))
    words = "\n".join(change.maps.sentences())
    return proof.assign_attrs(sentences=words, model_toml_before=change.old.to_toml())


def _lost_starts(made: xr.Dataset) -> list[str]:
    return failed(made["status"], "starts of the fit in the old parameters")


def _unproven(proof: xr.Dataset) -> list[str]:
    """What the proof does not show."""
    said = {
        "full_rank": "the equations do not determine every new parameter",
        "same_predictions": "predictions in old and new parameters differ",
        "same_nllh": "the likelihoods in old and new parameters differ",
    }
    return [f"reparameterization: {words}" for name, words in said.items() if not bool(proof[name])]


def _nothing(made: xr.Dataset) -> list[str]:
    return []


def propose(recipe: Recipe) -> tuple[Change | None, xr.Dataset | None, list[Finding]]:
    """The change that a recipe asks for and its proof, without a fit; None where there is nothing to change.

    Errors: `InputError` with all faults of the files, or where there are no such parameters.
    """
    spec, findings = read(recipe.model, recipe.data, missing=recipe.missing)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    assert recipe.reparameterization is not None
    change = change_of(build(spec), recipe.reparameterization)
    if change is None:
        return None, None, findings
    return change, prove(change.old, change.new, change.maps, seed=recipe.seed or 0), findings

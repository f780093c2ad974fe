"""What follows the fit: each analysis as a stage that makes a group of the study, or some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from idfit.errors import Finding, IdfitError, Interrupted, StorageError
from idfit.problem import Problem
from idfit.results import Status, Verdict, sentences
from idfit.study import predicting
from idfit.study.agreement import agreement
from idfit.study.analyses import ProfilesTable, decisive
from idfit.study.joined import joined
from idfit.study.kept import kept
from idfit.study.marginals import no_claim
from idfit.study.recipe import Recipe
from idfit.tasks import Runner

Groups = dict[str, xr.Dataset]
#: second opinions on the limits of profiles
OPINIONS = ("endpoints", "integration")
# of the objective; what lies lower by less is the same optimum, polished
_BETTER = 1e-3


def best_point(groups: Groups) -> np.ndarray:
    """Where most stages begin."""
    return best_known(groups)["optimum"].values[0]


@dataclass(frozen=True)
class Stage:
    """One analysis: `work` makes the dataset of `group`, or that one among others by name; `faults` says what
    is missing in it.

    table : of the recipe, which asks for it; says : what is being done, in words; has_tasks : whether its
    tasks are kept in a journal, so that it can be continued; method : of a second opinion; begins : from
    what its tasks begin, as numbers: those that began from others are not used again.
    """

    group: str
    table: str
    says: str
    work: Callable[[Problem, Groups, Recipe, Runner], xr.Dataset | Groups]
    faults: Callable[[xr.Dataset], list[str]]
    has_tasks: bool = True
    method: str = ""
    begins: Callable[[Groups], np.ndarray] = best_point

    def asked(self, recipe: Recipe) -> bool:
        if self.method:
            return recipe.second_opinions is not None and self.method in recipe.second_opinions.methods
        if self.table in ("fisher", "diagnostics"):
            return getattr(recipe, self.table).enabled
        if self.table == "agreement":
            return any(t is not None for t in (recipe.profiles, recipe.bootstrap, recipe.posterior))
        return bool(getattr(recipe, self.table))

    def identity(self, recipe: Recipe) -> dict[str, str]:
        """The options that decide its numbers, each by name."""
        options = {} if self.method else decisive(self.table, getattr(recipe, self.table))
        if self.method:
            shared = decisive("profiles", levels_of(recipe))
            options |= {name: value for name, value in shared.items() if name != "profiles.method"}
        elif self.table == "design":
            options |= decisive("profiles", levels_of(recipe)) | {
                "profiles": str(recipe.profiles is not None)
            }
        elif self.table in ("functions", "profiles_2d", "identifiability_test"):
            shared = decisive("profiles", levels_of(recipe))
            options |= {
                n: v for n, v in shared.items() if n not in ("profiles.parameters", "profiles.method")
            }
        return options


def levels_of(recipe: Recipe) -> ProfilesTable:
    """The options of profiles, which functions, pairs and the bootstrap share."""
    return recipe.profiles or ProfilesTable()


def run_stages(
    stages: list[Stage],
    problem: Problem,
    recipe: Recipe,
    groups: Groups,
    runner_of: Callable[[Stage, np.ndarray], Runner],
    begin: Callable[[Stage], None],
) -> list[str]:
    """Add the group of each stage; returns what is missing. A stage that fails leaves the others alone.

    Each begins at the best fit known by then. Errors: `Interrupted` and `StorageError`.
    """
    missing: list[str] = []
    for stage in stages:
        begin(stage)
        try:
            made = stage.work(problem, groups, recipe, runner_of(stage, stage.begins(groups)))
        except (Interrupted, StorageError):
            raise
        except IdfitError as error:
            missing.append(f"{stage.says}: {error}")
            continue
        groups |= made if isinstance(made, dict) else {stage.group: made}
        missing += stage.faults(groups[stage.group])
    return missing


def best_known(groups: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The fit, with the better optimum in front that the profiles have met, if they have."""
    fit = groups["fit"]
    theta, objective = better_optimum(groups)
    if theta is None:
        return fit
    better = fit.isel(optimum_index=[0, *range(fit.sizes["optimum_index"])]).copy(deep=True)
    better["optimum"][0], better["optimum_nllh"][0] = theta, objective
    better["hits"][0], better["hit_rate"][0] = 0, 0.0
    return better


def better_optimum(groups: Mapping[str, xr.Dataset]) -> tuple[np.ndarray | None, float]:
    """theta and nllh of an optimum that the profiles began from anew, as it is better than the fit's."""
    profiles = groups.get("profiles")
    if profiles is None or int(profiles.attrs["n_rounds"]) < 2:
        return None, float("nan")
    step = int(profiles["start_step"][0])
    return profiles["theta"].values[0, step], float(profiles["nllh"][0, step])


def what_was_found(groups: Mapping[str, xr.Dataset]) -> list[Finding]:
    """Warnings about the fit that the further stages give reason for."""
    found = []
    profiles = groups.get("profiles")
    if profiles is not None and better_optimum(groups)[0] is not None:
        rule = f"profiling met an optimum that is better than the fit by {profiles.attrs['better_by']:.4g}"
        remedy = "fitted.toml and what follows the profiles begin there; fit again from more starts"
        found.append(Finding("", 0, 0, "", rule, remedy, "", "warning"))
    for group in ("function_profiles", "profiles_2d"):
        made = groups.get(group)
        if made is not None and (by := float(made.attrs["better_by"])) > _BETTER:
            rule = f"{group} met an optimum that is better by {by:.4g} than the one they began at"
            found.append(Finding("", 0, 0, "", rule, "fit again from more starts", "", "warning"))
    return found


def _profile_options(recipe: Recipe, method: str = "path") -> Any:
    from idfit.profiles import ProfileOptions

    return ProfileOptions(method=method, max_points=levels_of(recipe).max_points)


def _profiles(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.profiles import profile

    asked = levels_of(recipe)
    made = profile(
        problem,
        groups["fit"],
        asked.parameters,
        asked.ci_prob,
        asked.threshold,
        options=_profile_options(recipe, asked.method),
        runner=runner,
    )
    return joined(made, groups.get("structure"))


def _opinion(method: str) -> Callable[[Problem, Groups, Recipe, Runner], xr.Dataset]:
    """The stage that finds the limits of the profiles in another way."""

    def work(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
        from idfit.profiles import profile

        asked = levels_of(recipe)
        made = profile(
            problem,
            best_known(groups),
            asked.parameters,
            asked.ci_prob,
            asked.threshold,
            options=_profile_options(recipe, method),
            runner=runner,
        )
        return joined(made, groups.get("structure"))

    return work


def _fisher(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.fisher import fisher_information

    return fisher_information(problem, best_known(groups), curvature=recipe.fisher.curvature)


def _functions(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.profiles import profile_functions
    from idfit.study.checking import quantity_of

    asked = levels_of(recipe)
    made = profile_functions(
        problem,
        best_known(groups),
        {name: quantity_of(table) for name, table in recipe.functions.items()},
        asked.ci_prob,
        asked.threshold,
        options=_profile_options(recipe),
        runner=runner,
    )
    return joined(made, groups.get("structure"))


def _pairs(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.profiles import profile_2d

    asked = recipe.profiles_2d
    assert asked is not None
    pairs = None if asked.pairs is None else [(first, second) for first, second in asked.pairs]
    levels = levels_of(recipe).ci_prob
    return profile_2d(problem, best_known(groups), pairs, levels, cells=asked.cells, runner=runner)


def _test(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.profiles import identifiability_test

    asked = recipe.identifiability_test
    assert asked is not None
    level = max(levels_of(recipe).ci_prob)
    return identifiability_test(problem, best_known(groups), asked.radius, level, runner=runner)


def _bootstrap(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    from idfit.profiles import bootstrap

    assert recipe.bootstrap is not None
    levels = levels_of(recipe).ci_prob
    return bootstrap(problem, best_known(groups), recipe.bootstrap.n, levels, runner=runner)


def _reduction(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    """One task, as its refits follow each other."""
    from idfit.reparameterization.reduction import ReductionOptions, reduce

    asked = recipe.reduction
    assert asked is not None
    options = ReductionOptions(asked.ci_prob, asked.directions, asked.starts, recipe.seed or 0)
    own = replace(runner, journal=None, progress=None)

    def make() -> xr.Dataset:
        return reduce(problem, best_known(groups), steps=asked.steps, options=options, runner=own)

    return kept("reduction", "reduction", make, runner)


def _posterior(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> Groups:
    """The groups of ArviZ's schema, and what the draws are worth."""
    from idfit.sampling.options import SampleOptions
    from idfit.sampling.sample import sample

    assert recipe.posterior is not None
    made = sample(
        problem,
        best_known(groups),
        seed=recipe.seed,
        profiles=groups.get("profiles"),
        ci_prob=levels_of(recipe).ci_prob,
        options=SampleOptions(**recipe.posterior.model_dump()),
        rtol=recipe.solver.rtol,
        atol=recipe.solver.atol,
        runner=runner,
        told=runner.told,
    )
    return {name: node.to_dataset() for name, node in made.children.items()}


def _where_chains_begin(groups: Groups) -> np.ndarray:
    """The best fit, and the paths of the profiles, along which the chains are spread."""
    profiles = groups.get("profiles")
    paths = np.empty(0) if profiles is None else profiles["theta"].values.ravel()
    return np.nan_to_num(np.concatenate([best_point(groups), paths]))


def _agreement(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    # in a study in other parameters the equations were asked about the old ones
    equations = ("structure", "combinations") if recipe.reparameterization is None else ()
    return agreement(
        groups["fit"], groups.get("fisher"), groups.get("profiles"), groups.get("bootstrap"),
        groups.get("posterior"), {m: groups[f"profiles_{m}"] for m in OPINIONS if f"profiles_{m}" in groups},
        sampling=groups.get("sampling"), **{name: groups.get(name) for name in equations},
    )  # fmt: skip


def _diagnostics(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    return predicting.diagnostics(problem, best_known(groups), recipe)


def _predictions(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    return predicting.predictions(problem, best_known(groups), groups, recipe, runner)


def _checks(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> Groups:
    return predicting.predictive_checks(problem, groups, recipe)


def _where_bands_begin(groups: Groups) -> np.ndarray:
    return predicting.where_bands_begin(groups, best_point(groups))


def _without_verdict(profiles: xr.Dataset) -> list[str]:
    """Profiles without a verdict, with the reason."""
    lost = profiles["verdict"].isin([int(Verdict.UNDETERMINED), int(Verdict.NOT_REACHED)])
    names, reasons = (profiles[v].where(lost, drop=True).values.tolist() for v in ("profiled", "reason"))
    return [f"no verdict on {n}: {reason}" for n, reason in zip(names, reasons, strict=True)]


def next_measurement(problem: Problem, groups: Groups, recipe: Recipe, runner: Runner) -> xr.Dataset:
    """The study's profiles say where the targets are open, unless they are of others or have no paths."""
    from idfit.prediction.design import design

    asked = recipe.design
    assert asked is not None
    profiles = groups.get("profiles")
    if profiles is not None:
        known = {str(name) for name in profiles["profiled"].values}
        usable = profiles.attrs["method"] == "path" and set(asked.target or ()) <= known
        profiles = profiles if usable else None
    return design(
        problem,
        best_known(groups),
        target=asked.target,
        criterion=asked.criterion,
        n_new=asked.n_new,
        profiles=profiles,
        method=asked.method,
        observables=asked.observables,
        conditions=asked.conditions,
        times=asked.times,
        replicates=asked.replicates,
        exchange=asked.exchange,
        check=asked.check,
        n_simulations=asked.simulations,
        ci_prob=max(levels_of(recipe).ci_prob),
        runner=runner,
    )


def lost_simulations(design: xr.Dataset) -> list[str]:
    if "simulated_status" not in design:
        return []
    return failed(design["simulated_status"], "refits of simulated new data")


def failed(status: xr.DataArray, what: str) -> list[str]:
    """How many of those that were tried have no value, by reason."""
    tried = status.values[status.values != Status.NOT_REACHED]
    gone = xr.DataArray([code for code in tried.tolist() if not Status(code).usable], dims="task")
    return [f"{n} of {tried.size} {what} failed: {sentence}" for sentence, n in sentences(gone).items()]


def _lost_replicates(bootstrap: xr.Dataset) -> list[str]:
    return failed(bootstrap["status"], "bootstrap replicates")


def _lost_cells(plane: xr.Dataset) -> list[str]:
    used_up = ["a 2-D profile used up its budget of cells"] if plane.attrs["budget_used"] else []
    return failed(plane["status"], "cells of 2-D profiles") + used_up


def _undetermined_test(test: xr.Dataset) -> list[str]:
    verdict = Verdict(int(test["verdict"]))
    return ["the identifiability test came to no verdict"] if verdict is Verdict.UNDETERMINED else []


def _unconverged(sampling: xr.Dataset) -> list[str]:
    return [f"the posterior makes no claim: {why}"] if (why := no_claim(sampling)) else []


def _nothing(made: xr.Dataset) -> list[str]:
    return []


#: In this order. The information follows the profiles, as they may have met a better optimum.
STAGES = (
    Stage("profiles", "profiles", "profiles", _profiles, _without_verdict),
    *(
        Stage(f"profiles_{m}", "second_opinions", f"limits by {m}", _opinion(m), _without_verdict, method=m)
        for m in OPINIONS
    ),
    Stage("fisher", "fisher", "Fisher information", _fisher, _nothing, has_tasks=False),
    Stage("diagnostics", "diagnostics", "residual diagnostics", _diagnostics, _nothing, has_tasks=False),
    Stage("function_profiles", "functions", "profiles of functions", _functions, _without_verdict),
    Stage("profiles_2d", "profiles_2d", "2-D profiles", _pairs, _lost_cells),
    Stage("identifiability_test", "identifiability_test", "identifiability test", _test, _undetermined_test),
    Stage("bootstrap", "bootstrap", "bootstrap", _bootstrap, _lost_replicates),
    Stage("reduction", "reduction", "limits of the model", _reduction, _nothing),
    Stage("sampling", "posterior", "posterior", _posterior, _unconverged, begins=_where_chains_begin),
    Stage("predictive_checks", "posterior", "predictive checks", _checks, _nothing, has_tasks=False),
    Stage(
        "prediction",
        "prediction",
        "predictions",
        _predictions,
        predicting.missing_limits,
        begins=_where_bands_begin,
    ),
    Stage("design", "design", "the next measurement", next_measurement, lost_simulations),
    Stage("agreement", "agreement", "agreement of the methods", _agreement, _nothing, has_tasks=False),
)

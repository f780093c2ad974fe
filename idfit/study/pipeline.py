"""From a recipe to a study: read, fit, simulate, ask what the data determine, store, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from idfit.errors import Finding, InputError, Interrupted, StorageError
from idfit.files import write_whole
from idfit.numerics.compilation import kernel_directory, kernels_are_compiled
from idfit.problem import Problem, simulate
from idfit.spec.writing import hashes
from idfit.study import equations
from idfit.study.analyses import decisive
from idfit.study.checking import Checked, read_and_check
from idfit.study.directory import (
    FITTED_FILE,
    NEW_MODEL_FILE,
    REDUCED_FILE,
    Mode,
    RunDirectory,
    read_record,
)
from idfit.study.fitting import fitted
from idfit.study.problem_table import problem_dataset
from idfit.study.products import write_products
from idfit.study.provenance import idfit_version, root_attrs
from idfit.study.recipe import Recipe, read_recipe
from idfit.study.reparameterizing import stages_of, with_changed_profiled
from idfit.study.stages import (
    STAGES,
    Groups,
    Stage,
    best_known,
    failed,
    run_stages,
    what_was_found,
)
from idfit.study.store import STUDY_FILE, save_study
from idfit.tasks import Progress, Runner

COMPILING = (
    "compiling the numerical kernels: this happens once on this machine and takes some tens of seconds ..."
)


def _silent(text: str) -> None:
    pass


@dataclass(frozen=True)
class Means:
    """With what a run is done; none of it changes a number of the result.

    `say` is told in a line what happens next, `stage` the name of each stage as it begins, `progress` of
    its finished tasks; `stop` is the flag that kernels poll.
    """

    workers: int = 1
    executor: Executor | None = None
    progress: Progress | None = None
    stop: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    say: Callable[[str], None] = _silent
    stage: Callable[[str], None] = _silent
    command: str = ""


@dataclass(frozen=True)
class Outcome:
    """A complete run: the study, its folder, what there was to say, and what is missing if anything is."""

    study: xr.DataTree
    directory: Path
    findings: tuple[Finding, ...]
    degraded: tuple[str, ...]


def run(
    recipe: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    workers: int = 1,
    resume: bool = False,
    overwrite: bool = False,
) -> xr.DataTree:
    """Do what a recipe file says and return the study, which is also stored in the run directory.

    `out` is the run directory (default: what the recipe says). Errors: `InputError` before anything is
    computed, `RunError` if no start ended with a value, `StorageError`, `Interrupted`.
    """
    read, _ = read_recipe(recipe)
    if out is not None:
        read = read.model_copy(update={"out": os.fspath(out)})
    return run_recipe(read, mode_of(resume, overwrite), Means(workers=workers)).study


def resume(directory: str | os.PathLike[str], *, workers: int = 1) -> xr.DataTree:
    """Continue the run of a directory; its numbers end up as if it had never been interrupted."""
    return resume_run(directory, Means(workers=workers)).study


def resume_run(directory: str | os.PathLike[str], means: Means) -> Outcome:
    """`resume` with all that is to be known about the outcome."""
    recipe, command = recorded(Path(directory))
    return run_recipe(recipe, "resume", means, command=command)


def extend_run(
    directory: str | os.PathLike[str],
    asked: Mapping[str, Mapping[str, Any]],
    means: Means,
    renew: bool = False,
) -> Outcome:
    """Add analyses to the run of a directory; its fit is kept and not computed again.

    asked : tables of a recipe with the options that are given; others keep the values of the run, or their
    defaults. An analysis that was done with other options is refused; with `renew` it is done anew, as are
    all that are asked for. Errors: those of `run_recipe`.
    """
    recipe, command = recorded(Path(directory))
    content = recipe.model_dump()
    for table, options in asked.items():
        content[table] = {**options} if table == "functions" else {**(content[table] or {}), **options}
    extended = Recipe.model_validate(content)
    if means.command and not command.endswith(means.command):
        command = f"{command} && {means.command}" if command else means.command
    again = {
        stage.group
        for stage in STAGES
        if stage.has_tasks and stage.asked(extended)
        if stage.table in asked
        or not stage.asked(recipe)
        or stage.identity(extended) != stage.identity(recipe)
    }
    if equations.TABLE in asked:
        again.add(equations.GROUP)
    return run_recipe(extended, "resume", means, command, frozenset(again if renew else ()))


def recorded(directory: Path) -> tuple[Recipe, str]:
    """The recipe of the run in a directory and the command that began it."""
    record = read_record(directory)
    try:
        recipe = Recipe.model_validate({**record["recipe"], "out": os.fspath(directory)})
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(f"{directory}: its run.json is damaged - begin the run again") from error
    return recipe, str(record.get("command", ""))


def mode_of(resume: bool, overwrite: bool) -> Mode:
    """Errors: `InputError` if both are asked for."""
    if resume and overwrite:
        rule, remedy = "contradict each other", "--resume keeps what there is, --overwrite removes it"
        raise InputError([Finding("", 0, 0, "--resume and --overwrite", rule, remedy, "P21")])
    return "resume" if resume else "overwrite" if overwrite else "new"


def run_recipe(
    recipe: Recipe, mode: Mode, means: Means, command: str = "", renew: frozenset[str] = frozenset()
) -> Outcome:
    """Do all that a recipe asks for. Whatever is wrong with files, options or the folder is refused before
    anything is computed; `renew` names stages whose finished tasks are not used again."""
    Runner(means.workers)  # refuses a number of workers that cannot be
    if recipe.out is None:
        raise InputError("no folder for the results was given - name one with --out")
    directory = Path(recipe.out)
    if mode == "resume":
        recipe = _with_what_was_added(recipe, directory)
    checked = read_and_check(recipe)
    problem, findings = checked.fitted, checked.findings
    if checked.change is not None:
        recipe = with_changed_profiled(recipe, checked.change)
    if recipe.seed is None:
        recipe = recipe.with_seed()
        means.say(f"seed {recipe.seed} was drawn; give --seed {recipe.seed} to repeat this run")
    command = command or means.command
    digests = hashes(checked.problem.spec)
    # Kernels of other sources or versions give other last digits, which must not be mixed with those of the
    # journal.
    identity = {"engine": kernel_directory().name, "idfit": idfit_version()}
    identity |= recipe.identity(digests["model"], digests["data"])
    stages = [stage for stage in STAGES if stage.asked(recipe)]
    stages += [] if checked.change is None else stages_of(checked.change)
    identities = {s.group: identity | s.identity(recipe) for s in stages if s.has_tasks}
    if recipe.structure.enabled:
        identities[equations.GROUP] = identity | decisive(equations.TABLE, recipe.structure)
    record = {"command": command, "recipe": located(recipe).model_dump()}
    with RunDirectory(directory, mode, identity, record, identities, renew) as folder:
        if not kernels_are_compiled():
            means.say(COMPILING)
        groups, missing, warnings = _computed(checked, recipe, stages, folder, means)
        findings += [*warnings, *what_was_found(groups)]
        study = study_of(groups, _attrs(problem, recipe, command, findings))
        save_study(study, directory / STUDY_FILE)
        estimates = problem.parameters.to_natural(best_known(groups)["optimum"].values[0]).tolist()
        fitted = problem.with_parameters(dict(zip(problem.parameters.names, estimates, strict=True)))
        write_whole(directory / FITTED_FILE, fitted.to_toml())
        if checked.change is not None:
            write_whole(directory / NEW_MODEL_FILE, problem.to_toml())
        if "reduction" in groups:
            write_whole(directory / REDUCED_FILE, reduced_model(groups["reduction"]))
        missing += write_products(study, directory, means.say)
        folder.finish()
    if means.stop[0]:
        raise Interrupted(f"interrupted, but the study is complete: {directory / STUDY_FILE}")
    return Outcome(study, directory, tuple(findings), tuple(missing))


def _computed(
    checked: Checked, recipe: Recipe, stages: list[Stage], folder: RunDirectory, means: Means
) -> tuple[Groups, list[str], list[Finding]]:
    """All groups of the study, what is missing in them, and what the equations warn of."""
    runner = Runner(means.workers, means.executor, folder.journal, means.progress, means.stop, means.say)
    problem = checked.fitted
    groups: Groups = {"problem": problem_dataset(problem)}
    warnings: list[Finding] = []
    if recipe.structure.enabled:
        means.say(f"computing: {equations.SAYS}")
        journal = folder.stage_journal(equations.GROUP, np.empty(0))
        asked, warnings = equations.ask_equations(
            checked.problem, recipe, replace(runner, journal=journal, progress=None)
        )
        groups |= asked
    means.say(f"fitting {len(problem.parameters)} parameters from {recipe.fit.starts} starts")
    means.stage("fit")
    groups["fit"] = fitted(problem, recipe, runner)
    missing = failed(groups["fit"]["status"], "starts")
    groups["simulation"] = simulate(
        problem, groups["fit"]["optimum"].values[0], rtol=recipe.solver.rtol, atol=recipe.solver.atol
    )

    def runner_of(stage: Stage, begins: np.ndarray) -> Runner:
        if not stage.has_tasks:
            return replace(runner, journal=None)
        return replace(runner, journal=folder.stage_journal(stage.group, begins))

    def begin(stage: Stage) -> None:
        means.say(f"computing: {stage.says}")
        means.stage(stage.says)

    missing += run_stages(stages, problem, recipe, groups, runner_of, begin)
    return groups, missing, warnings


def reduced_model(reduction: xr.Dataset) -> str:
    """The text of the smallest model that fits as well."""
    accepted = np.flatnonzero(reduction["accepted"].values)
    return str(reduction["model"].values[accepted[-1]])


def _with_what_was_added(recipe: Recipe, directory: Path) -> Recipe:
    """The recipe with the seed of the run and the analyses added to it, where it says nothing of them."""
    former, _ = recorded(directory)
    kept = {
        name: getattr(former, name)
        for name in ("seed", equations.TABLE, *(stage.table for stage in STAGES if stage.has_tasks))
        if getattr(recipe, name) == Recipe.model_fields[name].default
    }
    return recipe.model_copy(update=kept)


def _attrs(problem: Problem, recipe: Recipe, command: str, findings: list[Finding]) -> dict[str, Any]:
    """The attributes of the study's root."""
    assert recipe.seed is not None
    attrs = root_attrs(
        problem.spec,
        recipe,
        seed=recipe.seed,
        rtol=recipe.solver.rtol,
        atol=recipe.solver.atol,
        command=command,
    )
    return attrs | {
        "name": recipe.name or attrs["name"] or Path(recipe.model).stem,
        "description": recipe.description or attrs["description"],
        "findings": "\n".join(str(finding) for finding in findings),
    }


def study_of(groups: dict[str, xr.Dataset], attrs: dict[str, Any]) -> xr.DataTree:
    """The groups under a root that holds the provenance and no coordinates."""
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def located(recipe: Recipe) -> Recipe:
    """The recipe with paths that hold in any working directory."""
    paths = {key: getattr(recipe, key) for key in ("model", "data")}
    return recipe.model_copy(update={key: os.path.abspath(path) for key, path in paths.items() if path})

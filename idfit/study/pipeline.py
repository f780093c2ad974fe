"""From a recipe to a study: read, fit, simulate, store, report."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from idfit.errors import Finding, InputError, Interrupted, StorageError
from idfit.files import write_whole
from idfit.numerics.compilation import kernel_directory, kernels_are_compiled
from idfit.optimize.fit import find_optimizer, fit
from idfit.optimize.local import DEFAULT_OPTIMIZER
from idfit.problem import Problem, build, simulate
from idfit.results import Status, sentences
from idfit.spec.reading import read_problem
from idfit.spec.writing import hashes
from idfit.study.directory import FITTED_FILE, Mode, RunDirectory, read_record
from idfit.study.problem_table import problem_dataset
from idfit.study.products import write_products
from idfit.study.provenance import idfit_version, root_attrs
from idfit.study.recipe import Recipe, check_options, read_recipe
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

    `say` is told in a line what happens next, `progress` of finished tasks; `stop` is the flag that kernels
    poll.
    """

    workers: int = 1
    executor: Executor | None = None
    progress: Progress | None = None
    stop: np.ndarray = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    say: Callable[[str], None] = _silent
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
    record = read_record(Path(directory))
    try:
        recipe = Recipe.model_validate({**record["recipe"], "out": os.fspath(directory)})
    except (KeyError, ValueError, TypeError) as error:
        raise StorageError(f"{directory}: its run.json is damaged - begin the run again") from error
    return run_recipe(recipe, "resume", means, command=str(record.get("command", "")))


def mode_of(resume: bool, overwrite: bool) -> Mode:
    """Errors: `InputError` if both are asked for."""
    if resume and overwrite:
        rule, remedy = "contradict each other", "--resume keeps what there is, --overwrite removes it"
        raise InputError([Finding("", 0, 0, "--resume and --overwrite", rule, remedy, "P21")])
    return "resume" if resume else "overwrite" if overwrite else "new"


def run_recipe(recipe: Recipe, mode: Mode, means: Means, command: str = "") -> Outcome:
    """Read, fit, simulate, store, report. Whatever is wrong with files, options or the folder is refused
    before anything is computed."""
    runner = Runner(means.workers, means.executor, None, means.progress, means.stop)
    if recipe.out is None:
        raise InputError("no folder for the results was given - name one with --out")
    directory = Path(recipe.out)
    problem, findings = read_and_check(recipe)
    if mode == "resume" and recipe.seed is None:
        recipe = recipe.model_copy(update={"seed": _seed_of(directory)})
    if recipe.seed is None:
        recipe = recipe.with_seed()
        means.say(f"seed {recipe.seed} was drawn; give --seed {recipe.seed} to repeat this run")
    assert recipe.seed is not None
    digests = hashes(problem.spec)
    record = {"command": command or means.command, "recipe": located(recipe).model_dump()}
    # Kernels of other sources or versions give other last digits, which must not be mixed with those of the
    # journal.
    identity = {"engine": kernel_directory().name, "idfit": idfit_version()}
    identity |= recipe.identity(digests["model"], digests["data"])
    with RunDirectory(directory, mode, identity, record) as folder:
        if not kernels_are_compiled():
            means.say(COMPILING)
        runner = Runner(means.workers, means.executor, folder.journal, means.progress, means.stop)
        means.say(f"fitting {len(problem.parameters)} parameters from {recipe.fit.starts} starts")
        groups: dict[str, xr.Dataset] = {"problem": problem_dataset(problem)}
        groups["fit"] = _fit(problem, recipe, runner)
        degraded = _what_failed(groups["fit"])
        groups["simulation"] = simulate(
            problem, groups["fit"]["optimum"].values[0], rtol=recipe.solver.rtol, atol=recipe.solver.atol
        )
        attrs = root_attrs(
            problem.spec,
            seed=recipe.seed,
            rtol=recipe.solver.rtol,
            atol=recipe.solver.atol,
            command=command or means.command,
            hash_recipe=recipe.digest(),
        )
        attrs |= {
            "name": recipe.name or attrs["name"] or Path(recipe.model).stem,
            "description": recipe.description or attrs["description"],
        }
        attrs["findings"] = "\n".join(str(finding) for finding in findings)
        study = study_of(groups, attrs)
        save_study(study, directory / STUDY_FILE)
        estimates = dict(
            zip(problem.parameters.names, groups["fit"]["estimate"].values.tolist(), strict=True)
        )
        write_whole(directory / FITTED_FILE, problem.with_parameters(estimates).to_toml())
        degraded += write_products(study, directory, means.say)
    if means.stop[0]:
        raise Interrupted(f"interrupted, but the study is complete: {directory / STUDY_FILE}")
    return Outcome(study, directory, tuple(findings), tuple(degraded))


def read_and_check(recipe: Recipe) -> tuple[Problem, list[Finding]]:
    """The problem of a recipe that can be fitted, with warnings. Every fault of files and options at once."""
    errors: list[Finding] = []
    findings = check_options(recipe)
    try:
        find_optimizer(recipe.fit.optimizer or DEFAULT_OPTIMIZER)
    except InputError as error:
        errors += error.findings
    try:
        spec, more = read_problem(recipe.model, recipe.data, missing=recipe.missing)
        findings += more
    except InputError as error:
        raise InputError([*errors, *findings, *error.findings]) from None
    errors += [finding for finding in findings if finding.severity == "error"]
    if not len(spec.measurements):
        rule, remedy = "has no measurements to fit", "give a data file, or simulate the model"
        errors.append(Finding(recipe.model, 0, 0, "", rule, remedy))
    if errors:
        raise InputError(errors)
    problem = build(spec)
    if not len(problem.parameters):
        rule, remedy = "has nothing to estimate", "give a parameter bounds (min, max), or simulate the model"
        raise InputError([Finding(recipe.model, 0, 0, "", rule, remedy, "P01")])
    return problem, findings


def study_of(groups: dict[str, xr.Dataset], attrs: dict[str, Any]) -> xr.DataTree:
    """The groups under a root that holds the provenance and no coordinates."""
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def _fit(problem: Problem, recipe: Recipe, runner: Runner) -> xr.Dataset:
    return fit(
        problem,
        n_starts=recipe.fit.starts,
        seed=recipe.seed,
        sampling=recipe.fit.sampling,
        optimizer=recipe.fit.optimizer or DEFAULT_OPTIMIZER,
        rtol=recipe.solver.rtol,
        atol=recipe.solver.atol,
        runner=runner,
    )


def _what_failed(fitted: xr.Dataset) -> list[str]:
    """The starts without a value, counted by reason."""
    lost = [status for status in Status if not status.usable]
    status = fitted["status"]
    failed = status.where(status.isin([int(s) for s in lost]), drop=True)
    return [f"{n} of {status.size} starts failed: {sentence}" for sentence, n in sentences(failed).items()]


def located(recipe: Recipe) -> Recipe:
    """The recipe with paths that hold in any working directory."""
    paths = {key: getattr(recipe, key) for key in ("model", "data")}
    return recipe.model_copy(update={key: os.path.abspath(path) for key, path in paths.items() if path})


def _seed_of(directory: Path) -> int | None:
    seed = read_record(directory).get("recipe", {}).get("seed")
    return seed if isinstance(seed, int) else None

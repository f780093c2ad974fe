"""A study that holds a simulation and no fit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import xarray as xr

from idfit.errors import Finding, InputError
from idfit.formats.load import read
from idfit.problem import build, simulate
from idfit.spec.writing import hashes
from idfit.study.directory import Mode, RunDirectory
from idfit.study.pipeline import COMPILING, Means, kernels_are_compiled, located, study_of
from idfit.study.problem_table import problem_dataset
from idfit.study.products import write_products
from idfit.study.provenance import root_attrs
from idfit.study.recipe import Recipe, check_options
from idfit.study.store import STUDY_FILE, save_study

MAX_POINTS = 1_000_000


def simulate_recipe(
    recipe: Recipe, times: tuple[float, float, int] | None, mode: Mode, means: Means
) -> tuple[xr.DataTree, tuple[Finding, ...]]:
    """Simulate at the values of the model file; stored with its report where the recipe names a folder.

    `times` = (first, last, number) of the points of the curves; by default they follow the data. Errors:
    `InputError` for options, files and folder, before anything is computed.
    """
    findings = check_options(recipe)
    spec, more = read(recipe.model, recipe.data, missing=recipe.missing)
    findings = [*findings, *_check_times(recipe, times, len(spec.measurements)), *more]
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    problem = build(spec)
    if not kernels_are_compiled():
        means.say(COMPILING)
    grid = None if times is None else np.linspace(times[0], times[1], times[2])
    solver = recipe.solver.model_dump()

    def computed() -> xr.DataTree:
        groups = {"problem": problem_dataset(problem), "simulation": simulate(problem, times=grid, **solver)}
        attrs = root_attrs(spec, recipe, seed=0, command=means.command, **solver)
        attrs |= {"name": spec.name or Path(recipe.model).stem, "findings": "\n".join(map(str, findings))}
        return study_of(groups, attrs)

    if recipe.out is None:
        return computed(), tuple(findings)
    directory = Path(recipe.out)
    digests = hashes(spec)
    identity = {"work": "simulation", "times": json.dumps(times)}
    identity |= recipe.identity(digests["model"], digests["data"])
    record = {"work": "simulation", "command": means.command, "recipe": located(recipe).model_dump()}
    with RunDirectory(directory, mode, identity, record) as folder:
        study = computed()
        save_study(study, directory / STUDY_FILE)
        for reason in write_products(study, directory, means.say):
            means.say(f"degraded: {reason}")
        folder.finish()
    return study, tuple(findings)


def _check_times(
    recipe: Recipe, times: tuple[float, float, int] | None, n_measurements: int
) -> list[Finding]:
    if times is None:
        if n_measurements:
            return []
        rule = "without data nothing says until when to simulate"
        return [Finding(recipe.model, 0, 0, "", rule, "give data, or --times FIRST LAST NUMBER")]
    first, last, number = times
    if math.isfinite(first) and math.isfinite(last) and first < last and 2 <= number <= MAX_POINTS:
        return []
    given = f"--times {first:g} {last:g} {number}"
    rule = f"must be two increasing numbers and a number of points from 2 to {MAX_POINTS:,}"
    return [Finding("", 0, 0, given, rule, "--times 0 10 101")]

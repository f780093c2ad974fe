"""A study that holds what the equations allow, and no fit."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import xarray as xr

from idfit.errors import Finding, InputError
from idfit.files import cannot_write
from idfit.formats.load import read
from idfit.problem import Problem, build
from idfit.spec.findings import did_you_mean, listed
from idfit.structural.assess import assess_structure
from idfit.structural.combinations import find_combinations
from idfit.study.equations import not_determined
from idfit.study.pipeline import study_of
from idfit.study.problem_table import problem_dataset
from idfit.study.provenance import root_attrs
from idfit.study.recipe import Recipe
from idfit.study.store import save_study


def structural_study(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    known: Sequence[str] = (),
    functions: Mapping[str, str] | None = None,
    time_limit: float = 30.0,
    seed: int = 0,
    global_: bool = True,
    missing: Literal["refuse", "drop"] = "refuse",
    command: str = "",
) -> tuple[xr.DataTree, list[Finding]]:
    """What the equations of a model allow in the experiments of its data.

    Returns the groups `problem`, `structure` and, where something is not determined, `combinations`, with
    warnings about the files. `known` parameters have the values of the model file; the other options are
    those of `assess_structure`. Errors: `InputError`.
    """
    path = os.fspath(model)
    spec, findings = read(path, None if data is None else os.fspath(data), missing=missing)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise InputError(errors)
    problem = held(build(spec), known)
    groups = {"problem": problem_dataset(problem)}
    groups["structure"] = assess_structure(
        problem, functions=functions, time_limit=time_limit, seed=seed, global_=global_
    )
    if not_determined(groups["structure"]):
        groups["combinations"] = find_combinations(problem, seed=seed)
    recipe = Recipe(model=path, data=None if data is None else os.fspath(data), missing=missing)
    attrs = root_attrs(spec, recipe, seed=seed, command=command, **recipe.solver.model_dump())
    attrs |= {"name": spec.name or Path(path).stem, "findings": "\n".join(map(str, findings))}
    return study_of(groups, attrs), findings


def held(problem: Problem, known: Sequence[str]) -> Problem:
    """The problem with parameters fixed at the values that they have in the model file."""
    values = dict(zip(problem.parameters.names, problem.parameters.nominal.tolist(), strict=True))
    for name in known:
        if name not in values:
            remedy = did_you_mean(name, list(values), f"there are {listed(list(values))}")
            raise InputError.of(f"--known {name}", "is not an estimated parameter", remedy, code="P19")
        if not math.isfinite(values[name]):
            rule, remedy = "has no value in the model file", f"write {name} = {{ value = ... }} there"
            raise InputError.of(f"--known {name}", rule, remedy, code="P19")
    return problem.fix(**{name: values[name] for name in known}) if known else problem


def check_file(path: Path) -> None:
    """Errors: `InputError` for a name of a result that does not end with ``.nc``."""
    if path.suffix != ".nc":
        rule, remedy = "must be a file that ends with .nc", f"--out {path.with_suffix('.nc')}"
        raise InputError.of(f"--out {path}", rule, remedy, code="R09")


def write_study(study: xr.DataTree, path: Path) -> None:
    """Errors: those of `check_file`, and `StorageError`."""
    check_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path.parent, error) from error
    save_study(study, path)

"""Analyses of a run that is there, or of a fit made first: what `idfit profile` and others share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from idfit.cli.console import Console
from idfit.errors import Finding, InputError

# options of the fit, which a run that is there has already
_OF_THE_FIT = ("starts", "seed", "optimizer", "sampling", "rtol", "atol", "missing", "out")


@dataclass(frozen=True)
class FitAsked:
    """How to fit before the analysis."""

    starts: int
    seed: int | None
    optimizer: str | None
    sampling: str
    rtol: float
    atol: float
    missing: str


def analyse(
    console: Console,
    context: typer.Context,
    target: Path,
    data: Path | None,
    tables: Mapping[str, Mapping[str, Any]],
    fit: FitAsked,
    *,
    out: Path | None,
    workers: int,
    resume: bool,
    overwrite: bool,
) -> Any:
    """The outcome of a run with these tables of a recipe: added to the run in `target`, or begun with a fit.

    Errors: `InputError` for a target that is neither, and for options that do not belong to it.
    """
    from idfit.cli.running import with_means
    from idfit.study.pipeline import extend_run, mode_of, run_recipe
    from idfit.study.recipe import FitOptions, Recipe, SolverOptions

    mode = mode_of(resume, overwrite)
    if data is None and (directory := run_in(target)) is not None:
        _refuse_options_of_the_fit(context, target)
        return with_means(console, workers, lambda means: extend_run(directory, tables, means, overwrite))
    recipe = Recipe(
        model=str(target),
        data=str(data) if data else None,
        missing=fit.missing,  # type: ignore[arg-type]
        out=str(out or f"idfit-{target.stem}"),
        seed=fit.seed,
        fit=FitOptions(starts=fit.starts, optimizer=fit.optimizer, sampling=fit.sampling),  # type: ignore[arg-type]
        solver=SolverOptions(rtol=fit.rtol, atol=fit.atol),
    )
    recipe = Recipe.model_validate(
        recipe.model_dump() | {name: dict(table) for name, table in tables.items()}
    )
    return with_means(console, workers, lambda means: run_recipe(recipe, mode, means))


def given(**options: Any) -> dict[str, Any]:
    """What was given: the rest keeps the values of the run, or their defaults."""
    return {name: value for name, value in options.items() if value is not None}


def run_in(target: Path) -> Path | None:
    """The folder of a run, given as such or by its study; None for other files, which are models."""
    if target.suffix == ".nc":
        return target.parent
    return None if target.is_file() else target


def _refuse_options_of_the_fit(context: typer.Context, target: Path) -> None:
    given = [
        f"--{name}"
        for name in _OF_THE_FIT
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]
    if given:
        rule = f"belongs to a fit, and the one in {target} is kept"
        remedy = "leave it out, or give MODEL and DATA"
        raise InputError([Finding("", 0, 0, ", ".join(given), rule, remedy, "P21")])

"""``idfit demo``: the Boehm STAT5 data, fitted, profiled and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute
from idfit.errors import Finding, InputError

MODEL, DATA = Path("models/boehm.toml"), Path("data/boehm.csv")


def demo(
    folder: Annotated[
        Path, typer.Argument(help="A checkout of idfit, which has models/ and data/.")
    ] = Path(),
    starts: options.Starts = 50,
    seed: options.Seed = 1,
    out: options.Out = Path("idfit-demo"),
    workers: options.Workers = 1,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Fit and profile nine parameters of STAT5 signalling (Boehm et al. 2014) and write a report."""
    console = Console(quiet, json, debug)

    def work() -> int:
        for path in (MODEL, DATA):
            if not (folder / path).is_file():
                rule = f"{path} is not there; the demo reads it from a checkout of idfit"
                remedy = "run it in the project's folder, or give that folder: idfit demo FOLDER"
                raise InputError([Finding(str(folder.resolve()), 0, 0, "", rule, remedy)])
        from idfit.cli.running import tell_outcome, with_means
        from idfit.study.analyses import ProfilesTable
        from idfit.study.pipeline import run_recipe
        from idfit.study.recipe import FitOptions, Recipe

        recipe = Recipe(
            model=str(folder / MODEL),
            data=str(folder / DATA),
            out=str(out),
            seed=seed,
            fit=FitOptions(starts=starts),
            profiles=ProfilesTable(),
        )
        outcome = with_means(console, workers, lambda means: run_recipe(recipe, "overwrite", means))
        code = tell_outcome(console, outcome)
        console.show("Open the report in a browser; `idfit new NAME` begins a model of your own.")
        return code

    execute("demo", console, work)

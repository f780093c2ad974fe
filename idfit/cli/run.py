"""``idfit run`` and ``idfit resume``: a study from a recipe, and the rest of an interrupted one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe, as in reports/*.toml.", show_default=False)],
    out: options.Out = None,
    workers: options.Workers = 1,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Do what a recipe says: fit, study, report."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.running import tell_outcome, with_means
        from idfit.study.pipeline import mode_of, run_recipe
        from idfit.study.recipe import read_recipe

        read, findings = read_recipe(recipe)
        console.tell_findings(findings)
        if out is not None:
            read = read.model_copy(update={"out": str(out)})
        mode = mode_of(resume, overwrite)
        return tell_outcome(
            console, with_means(console, workers, lambda means: run_recipe(read, mode, means))
        )

    execute("run", console, work)


def resume(
    directory: Annotated[Path, typer.Argument(help="The folder of an interrupted run.", show_default=False)],
    workers: options.Workers = 1,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Continue an interrupted run; the numbers end up as if it had never stopped."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.running import tell_outcome, with_means
        from idfit.study.pipeline import resume_run

        return tell_outcome(console, with_means(console, workers, lambda means: resume_run(directory, means)))

    execute("resume", console, work)

"""``idfit fit``: a multistart fit, its study and its report."""

from __future__ import annotations

from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


def fit(
    model: options.ModelFile,
    data: options.DataFile = None,
    starts: options.Starts = 50,
    seed: options.Seed = None,
    out: options.Out = None,
    workers: options.Workers = 1,
    missing: options.MissingValues = options.Missing.refuse,
    update: Annotated[bool, typer.Option("--update", help="Write the best values into MODEL.")] = False,
    optimizer: options.Optimizer = None,
    sampling: options.SamplingOfStarts = options.Sampling.sobol,
    max_iterations: Annotated[
        int | None,
        typer.Option(help="Of each start; raise it where starts end there.", show_default=False),
    ] = None,
    rtol: options.Rtol = 1e-8,
    atol: options.Atol = 1e-12,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Fit a model from many starts; writes study.nc, report.html, tables and fitted.toml."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.running import check_can_be_updated, tell_outcome, with_means, write_back
        from idfit.study.pipeline import mode_of, run_recipe
        from idfit.study.recipe import FitOptions, Recipe, SolverOptions

        if update:
            check_can_be_updated(model)
        recipe = Recipe(
            model=str(model),
            data=str(data) if data else None,
            missing=missing.value,
            out=str(out or f"idfit-{model.stem}"),
            seed=seed,
            fit=FitOptions(
                starts=starts, optimizer=optimizer, sampling=sampling.value, max_iterations=max_iterations
            ),
            solver=SolverOptions(rtol=rtol, atol=atol),
        )
        mode = mode_of(resume, overwrite)
        outcome = with_means(console, workers, lambda means: run_recipe(recipe, mode, means))
        if update:
            write_back(console, model, outcome.study["fit"].to_dataset())
        return tell_outcome(console, outcome)

    execute("fit", console, work)

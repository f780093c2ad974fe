"""``idfit sample``: the posterior of the parameters, and whether its draws can be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


def sample(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    sampler: Annotated[
        options.Sampler | None,
        typer.Option(
            "--sampler",
            help="metropolis, tempering for several modes, emcee, nuts, or dynesty for the evidence.",
            show_default=False,
        ),
    ] = None,
    ensembles: Annotated[
        int | None,
        typer.Option("--ensembles", help="Independent superchains, at least 4.", show_default=False),
    ] = None,
    walkers: Annotated[
        int | None, typer.Option("--walkers", help="Of each ensemble of emcee.", show_default=False)
    ] = None,
    rungs: Annotated[
        int | None, typer.Option("--rungs", help="Temperatures of a ladder.", show_default=False)
    ] = None,
    ess: Annotated[
        float | None,
        typer.Option("--ess", help="Effective sample size asked of every parameter.", show_default=False),
    ] = None,
    rhat: Annotated[
        float | None,
        typer.Option("--rhat", help="Largest R-hat of superchains that agree.", show_default=False),
    ] = None,
    max_evaluations: Annotated[
        int | None,
        typer.Option(
            "--max-evaluations",
            help="Budget; what has not converged then makes no claim.",
            show_default=False,
        ),
    ] = None,
    max_draws: Annotated[
        int | None, typer.Option("--max-draws", help="Draws that are kept.", show_default=False)
    ] = None,
    starts: options.Starts = 50,
    seed: options.Seed = None,
    out: options.Out = None,
    workers: options.Workers = 1,
    missing: options.MissingValues = options.Missing.refuse,
    optimizer: options.Optimizer = None,
    sampling: options.SamplingOfStarts = options.Sampling.sobol,
    rtol: options.Rtol = 1e-8,
    atol: options.Atol = 1e-12,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Draw from the posterior until the draws count, or the budget ends.

    TARGET is the folder of a run, whose fit is kept and whose profiles spread the chains, or a model to be
    fitted to DATA first. With a folder, --overwrite samples anew.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.analysing import FitAsked, analyse, given
        from idfit.cli.running import tell_outcome

        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        table = given(
            sampler=None if sampler is None else sampler.value,
            ensembles=ensembles,
            walkers=walkers,
            rungs=rungs,
            ess=ess,
            rhat=rhat,
            max_evaluations=max_evaluations,
            max_draws=max_draws,
        )
        outcome = analyse(
            console, context, target, data, {"posterior": table}, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        return tell_outcome(console, outcome)

    execute("sample", console, work)

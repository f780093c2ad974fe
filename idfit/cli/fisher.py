"""``idfit fisher``: the Fisher information at the best fit."""

from __future__ import annotations

from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


def fisher(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    curvature: Annotated[
        bool, typer.Option("--curvature/--no-curvature", help="Curvatures of Bates & Watts too.")
    ] = True,
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
    """What the data determine near the best fit: information, undetermined directions, standard errors.

    TARGET is the folder of a run, or a model to be fitted to DATA first.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.analysing import FitAsked, analyse
        from idfit.cli.determined import error_lines, group
        from idfit.cli.running import tell_outcome

        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        tables = {"fisher": {"enabled": True, "curvature": curvature}}
        outcome = analyse(
            console, context, target, data, tables, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        code = tell_outcome(console, outcome)
        info = group(outcome.study, "fisher")
        for line in [] if info is None else error_lines(info):
            console.show(line)
        return code

    execute("fisher", console, work)

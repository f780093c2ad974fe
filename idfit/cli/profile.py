"""``idfit profile``: profile likelihoods, and what they say about each parameter."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


def profile(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", help="Names, separated by commas; all if left out.", show_default=False),
    ] = None,
    ci_prob: Annotated[
        str | None,
        typer.Option("--ci-prob", help="Confidence levels, as 0.68,0.95; the largest gives the verdicts."),
    ] = None,
    threshold: Annotated[
        options.Threshold | None,
        typer.Option("--threshold", help="chi2, or F for few data with one estimated noise level."),
    ] = None,
    method: Annotated[
        options.Method | None,
        typer.Option("--method", help="path, or endpoints for the limits alone, or integration."),
    ] = None,
    second_opinion: Annotated[
        list[options.Opinion] | None,
        typer.Option(
            "--second-opinion",
            help="endpoints or integration: the limits in another way too; may be repeated.",
            show_default=False,
        ),
    ] = None,
    max_points: Annotated[
        int | None, typer.Option("--max-points", help="Points of one side of a profile.", show_default=False)
    ] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function", help="name=formula of parameters to profile; may be repeated.", show_default=False
        ),
    ] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--pairs", help="a:b for a 2-D profile, repeated for more; or auto.", show_default=False
        ),
    ] = None,
    bootstrap: Annotated[
        int | None,
        typer.Option("--bootstrap", help="Replicates of a parametric bootstrap.", show_default=False),
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="The quick test of all parameters at once.")] = False,
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
    """Profile parameters and say what the data determine of each.

    TARGET is the folder of a run, whose fit is kept, or a model to be fitted to DATA first. With a folder,
    --overwrite does the analyses that are asked for anew and leaves the fit alone.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.analysing import FitAsked, analyse, given
        from idfit.cli.running import tell_outcome
        from idfit.cli.texts import levels_in, named_formulas, names_in, pair_in

        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        tables: dict[str, dict[str, Any]] = {
            "profiles": given(
                parameters=names_in(parameters),
                ci_prob=levels_in(ci_prob),
                threshold=None if threshold is None else threshold.value,
                method=None if method is None else method.value,
                max_points=max_points,
            )
        }
        if second_opinion:
            tables["second_opinions"] = {"methods": [opinion.value for opinion in second_opinion]}
        if function:
            tables["functions"] = named_formulas(function)
        if pairs:
            tables["profiles_2d"] = {} if pairs == ["auto"] else {"pairs": [pair_in(text) for text in pairs]}
        if bootstrap is not None:
            tables["bootstrap"] = {"n": bootstrap}
        if test:
            tables["identifiability_test"] = {}
        outcome = analyse(
            console, context, target, data, tables, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        return tell_outcome(console, outcome)

    execute("profile", console, work)

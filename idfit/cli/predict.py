"""``idfit predict``: what the fitted model predicts, with bands, and whether it fits."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


class Band(StrEnum):
    profiles = "profiles"
    profile_points = "profile_points"
    posterior = "posterior"
    linear = "linear"


def predict(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    method: Annotated[
        Band | None,
        typer.Option(
            "--method",
            help="profiles (exact), profile_points (inner approximation), posterior, or linear.",
            show_default=False,
        ),
    ] = None,
    times: Annotated[
        str | None,
        typer.Option(
            "--times",
            help="Times, separated by commas; up to the last measurement if left out.",
            show_default=False,
        ),
    ] = None,
    observables: Annotated[
        list[str] | None,
        typer.Option(
            "--observables", help="Names, separated by commas; all if left out.", show_default=False
        ),
    ] = None,
    formulas: Annotated[
        list[str] | None,
        typer.Option(
            "--formulas",
            help="name=formula of states and observables to predict; may be repeated.",
            show_default=False,
        ),
    ] = None,
    ci_prob: Annotated[
        float | None, typer.Option("--ci-prob", help="Confidence level, as 0.95.", show_default=False)
    ] = None,
    threshold: Annotated[
        options.Threshold | None,
        typer.Option(
            "--threshold", help="chi2, or F for few data with one estimated noise level.", show_default=False
        ),
    ] = None,
    validation: Annotated[
        bool, typer.Option("--validation/--no-validation", help="Also limits of new measurements.")
    ] = True,
    draws: Annotated[
        int | None, typer.Option("--draws", help="Of the posterior, at most.", show_default=False)
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
    """Predict observables and formulas with bands, for the value itself and for new measurements.

    TARGET is the folder of a run, whose fit is kept, or a model to be fitted to DATA first. With a folder,
    --overwrite predicts anew and leaves the fit alone.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.analysing import FitAsked, analyse
        from idfit.cli.running import tell_outcome
        from idfit.cli.texts import named_formulas, names_in, numbers_in

        table: dict[str, Any] = {
            "method": None if method is None else method.value,
            "times": numbers_in(times, "--times", "0,10,60"),
            "observables": names_in(observables),
            "formulas": named_formulas(formulas, "--formulas", "ratio=pA/A"),
            "ci_prob": ci_prob,
            "threshold": None if threshold is None else threshold.value,
            "validation": None if validation else False,
            "draws": draws,
        }
        given = {name: value for name, value in table.items() if value not in (None, {})}
        tables = {"prediction": given}
        if method is Band.posterior and data is not None:
            tables["posterior"] = {}
        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        outcome = analyse(
            console, context, target, data, tables, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        return tell_outcome(console, outcome)

    execute("predict", console, work)

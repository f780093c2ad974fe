"""``idfit profile``: profile likelihoods, and what they say about each parameter."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute
from idfit.errors import Finding, InputError


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
        from idfit.cli.analysing import FitAsked, analyse
        from idfit.cli.running import tell_outcome

        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        tables: dict[str, dict[str, Any]] = {
            "profiles": _given(
                parameters=_names(parameters),
                ci_prob=_levels(ci_prob),
                threshold=None if threshold is None else threshold.value,
                method=None if method is None else method.value,
                max_points=max_points,
            )
        }
        if second_opinion:
            tables["second_opinions"] = {"methods": [opinion.value for opinion in second_opinion]}
        if function:
            tables["functions"] = dict(_named_formula(text) for text in function)
        if pairs:
            tables["profiles_2d"] = {} if pairs == ["auto"] else {"pairs": [_pair(text) for text in pairs]}
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


def _given(**options: Any) -> dict[str, Any]:
    """What was given: the rest keeps the values of the run, or their defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _names(texts: list[str] | None) -> list[str] | None:
    """
    >>> _names(["a,b", "c"])
    ['a', 'b', 'c']
    """
    if texts is None:
        return None
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _levels(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise _refused(f"--ci-prob {text!r}", "must be numbers separated by commas", "0.68,0.95") from None


def _named_formula(text: str) -> tuple[str, str]:
    name, sign, formula = text.partition("=")
    if not sign or not name.strip() or not formula.strip():
        raise _refused(f"--function {text!r}", "must be name=formula", "--function ratio=k1/k2")
    return name.strip(), formula.strip()


def _pair(text: str) -> list[str]:
    names = [name.strip() for name in text.split(":")]
    if len(names) != 2:
        raise _refused(f"--pairs {text!r}", "must be two names with a colon between them", "--pairs k1:k2")
    return names


def _refused(given: str, rule: str, remedy: str) -> InputError:
    return InputError([Finding("", 0, 0, given, rule, remedy, "P19")])

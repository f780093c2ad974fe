"""``idfit design``: which measurement to make next, and what it would do to the intervals."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from idfit.cli import options
from idfit.cli.console import Console, execute


class Criterion(StrEnum):
    D = "D"
    A = "A"
    E = "E"
    single = "single"


class Ranking(StrEnum):
    fisher = "fisher"
    valley = "valley"
    both = "both"


def design(
    context: typer.Context,
    target: options.Target,
    data: options.DataFile = None,
    aims: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            help="Parameters or formulas that are to be known better, separated by commas; those whose "
            "profiles are open if left out.",
            show_default=False,
        ),
    ] = None,
    criterion: Annotated[
        Criterion | None, typer.Option("--criterion", help="D, A, E or single.", show_default=False)
    ] = None,
    method: Annotated[
        Ranking | None,
        typer.Option(
            "--method", help="fisher, valley or both: by information or along profiles.", show_default=False
        ),
    ] = None,
    n_new: Annotated[
        int | None, typer.Option("--n-new", help="Size of the proposed set.", show_default=False)
    ] = None,
    replicates: Annotated[
        int | None,
        typer.Option("--replicates", help="How often each of the set is measured.", show_default=False),
    ] = None,
    times: Annotated[
        str | None,
        typer.Option("--times", help="Times to choose from, separated by commas.", show_default=False),
    ] = None,
    observable: Annotated[
        list[str] | None,
        typer.Option(
            "--observable",
            help="name=formula of something else to measure, such as a state; may be repeated.",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            "--noise", help="name=sd or formula, for each --observable; may be repeated.", show_default=False
        ),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            help="name:k=2,S0=1 to offer a condition with these settings; may be repeated.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Try the proposal on simulated data.")
    ] = True,
    simulations: Annotated[
        int | None,
        typer.Option(
            "--simulations",
            help="Simulated data sets for each point that may be true.",
            show_default=False,
        ),
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
    """Rank the measurements that could be made next, propose some, and try them on simulated data.

    TARGET is the folder of a run, whose fit and profiles are kept, or a model to be fitted to DATA first.
    With a folder, --overwrite asks for the next measurement anew.
    """
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.cli.analysing import FitAsked, analyse
        from idfit.cli.running import tell_outcome
        from idfit.cli.texts import names_in, numbers_in

        table: dict[str, Any] = {
            "target": names_in(aims),
            "criterion": None if criterion is None else criterion.value,
            "method": None if method is None else method.value,
            "n_new": n_new,
            "replicates": replicates,
            "times": numbers_in(times, "--times", "0,10,60"),
            "observables": offered_observables(observable, noise),
            "conditions": offered_conditions(condition),
            "check": None if check else False,
            "simulations": simulations,
        }
        given = {name: value for name, value in table.items() if value not in (None, {})}
        asked = FitAsked(starts, seed, optimizer, sampling.value, rtol, atol, missing.value)
        # profiles say which sides are open; those of a run are kept as they are
        tables = {"design": given} if _has_profiles(target, data) else {"profiles": {}, "design": given}
        outcome = analyse(
            console, context, target, data, tables, asked,
            out=out, workers=workers, resume=resume, overwrite=overwrite,
        )  # fmt: skip
        return tell_outcome(console, outcome)

    execute("design", console, work)


def _has_profiles(target: Path, data: Path | None) -> bool:
    from idfit.cli.analysing import run_in
    from idfit.study.pipeline import recorded

    folder = run_in(target) if data is None else None
    return folder is not None and recorded(folder)[0].profiles is not None


def offered_observables(formulas: list[str] | None, noise: list[str] | None) -> dict[str, dict[str, Any]]:
    """
    >>> offered_observables(["nuclear = nucA"], ["nuclear = 5"])
    {'nuclear': {'formula': 'nucA', 'noise': 5.0}}
    """
    from idfit.cli.texts import named_formulas, refused

    offered = named_formulas(formulas, "--observable", "nuclear=nucA")
    levels = named_formulas(noise, "--noise", "nuclear=5")
    for name in offered.keys() ^ levels.keys():
        option, other = ("--observable", "--noise") if name in offered else ("--noise", "--observable")
        raise refused(f"{option} {name}", f"has no {other}", f"give {other} {name}=...")
    return {name: {"formula": formula, "noise": _number(levels[name])} for name, formula in offered.items()}


def offered_conditions(texts: list[str] | None) -> dict[str, dict[str, Any]]:
    """
    >>> offered_conditions(["high: S0 = 2, k = 1"])
    {'high': {'set': {'S0': 2.0, 'k': 1.0}}}
    """
    from idfit.cli.texts import named_formulas, refused

    found = {}
    for text in texts or ():
        name, colon, settings = text.partition(":")
        if not colon or not name.strip():
            raise refused(f"--condition {text!r}", "must be name:k=2,S0=1", "--condition high:S0=2")
        pairs = named_formulas(settings.split(","), f"--condition {name.strip()}:", "S0=2")
        found[name.strip()] = {"set": {key: _number(value) for key, value in pairs.items()}}
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text

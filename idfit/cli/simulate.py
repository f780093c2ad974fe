"""``idfit simulate``: one simulation at the values of the model file."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, FAILED, Console, execute

if TYPE_CHECKING:
    import xarray as xr


def simulate(
    model: options.ModelFile,
    data: options.DataFile = None,
    times: Annotated[
        tuple[float, float, int] | None,
        typer.Option("--times", help="First and last time and number of points.", show_default=False),
    ] = None,
    out: options.Out = None,
    missing: options.MissingValues = options.Missing.refuse,
    rtol: options.Rtol = 1e-8,
    atol: options.Atol = 1e-12,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Simulate a model at its own values; with data, say how well they are met. --out stores a study."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.results import Status
        from idfit.study.directory import REPORT_FILE
        from idfit.study.pipeline import Means
        from idfit.study.recipe import Recipe, SolverOptions
        from idfit.study.simulating import simulate_recipe

        recipe = Recipe(
            model=str(model),
            data=str(data) if data else None,
            missing=missing.value,
            out=str(out) if out else None,
            solver=SolverOptions(rtol=rtol, atol=atol),
        )
        means = Means(say=console.say, command=shlex.join(["idfit", *sys.argv[1:]]))
        study, findings = simulate_recipe(recipe, times, "overwrite" if overwrite else "new", means)
        console.tell_findings(findings)
        simulation = study["simulation"].to_dataset()
        status = Status(int(simulation["status"]))
        measured = bool(simulation.sizes.get("measurement"))
        if measured:
            console.facts |= {"status": status.label}
            for name in ("nllh", "chi2"):
                console.facts[name] = float(simulation[name])
                console.show(f"{name}: {float(simulation[name]):.10g}")
        elif out is None:
            console.show(_curves(study))
        if out is not None:
            console.facts["out"] = str(out)
            console.show(f"report: {Path(out) / REPORT_FILE}")
        if measured and not status.usable:
            console.say(f"error: {status.sentence}")
            return FAILED
        return COMPLETE

    execute("simulate", console, work)


def _curves(study: xr.DataTree) -> str:
    """The curves as CSV, tidy like data; those of the states where the model has no observables."""
    from idfit.reporting.tables import guard

    simulation = study["simulation"].to_dataset()
    observed = bool(simulation.sizes["trajectory_observable"])
    values, dim = ("trajectory", "trajectory_observable") if observed else ("state_trajectory", "state")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["condition", "time", "observable" if observed else "state", "value"])
    for condition in simulation["trajectory_condition"].values.tolist():
        at = simulation.sel(trajectory_condition=condition)
        times = at["trajectory_time"].values.tolist()
        for name in at[dim].values.tolist():
            curve = at[values].sel({dim: name}).values.tolist()
            labels = guard(condition), guard(name)
            writer.writerows([labels[0], t, labels[1], v] for t, v in zip(times, curve, strict=True))
    return text.getvalue().rstrip()

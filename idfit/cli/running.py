"""What the commands that fit have in common: stopping, progress, and words for the outcome."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from idfit.cli.allowed import structure_facts
from idfit.cli.console import COMPLETE, DEGRADED, Console
from idfit.cli.determined import determined_facts, further_lines, group, profile_lines
from idfit.errors import InputError
from idfit.files import write_whole
from idfit.formats.load import format_of
from idfit.results import Status
from idfit.spec.writing import updated_toml
from idfit.study.directory import FITTED_FILE, REPORT_FILE
from idfit.study.pipeline import Means, Outcome
from idfit.study.store import STUDY_FILE
from idfit.tasks import stop_on_signals

_STDERR = 2


def with_means(console: Console, workers: int, work: Callable[[Means], Outcome]) -> Outcome:
    """`work(means)` with progress, and with a stop flag that Ctrl-C and SIGTERM set."""
    stop = np.zeros(1, dtype=np.int64)
    command = shlex.join(["idfit", *sys.argv[1:]])
    with console.progress() as telling, stop_on_signals(stop, _stopping):
        return work(
            Means(workers, progress=telling, stop=stop, say=console.say, stage=telling.stage, command=command)
        )


def _stopping() -> None:
    """In a signal handler: past the buffered stream, which may be in the middle of a write."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, b"\nstopping; what is finished is kept. Ctrl-C again ends at once.\n")


def tell_outcome(console: Console, outcome: Outcome) -> int:
    """Findings, the result in a few lines, where it lies, and what is missing. Returns the exit code."""
    console.tell_findings(outcome.findings)
    fit = outcome.study["fit"].to_dataset()
    objective, hits = float(fit["objective"].min()), int(fit["hits"][0])
    console.show(f"best objective {objective:.6f}, found by {hits} of {fit.sizes['start']} starts")
    profiles = group(outcome.study, "profiles")
    for line in _parameter_lines(fit) if profiles is None else profile_lines(profiles):
        console.show(line)
    for line in further_lines(outcome.study):
        console.show(line)
    console.show(f"study:  {outcome.directory / STUDY_FILE}")
    console.show(f"report: {outcome.directory / REPORT_FILE}")
    for reason in outcome.degraded:
        console.say(f"degraded: {reason}")
    codes, counts = np.unique(fit["status"].values, return_counts=True)
    console.facts |= {
        "out": str(outcome.directory),
        "study": str(outcome.directory / STUDY_FILE),
        "report": str(outcome.directory / REPORT_FILE),
        "seed": int(fit.attrs["seed"]),
        "n_starts": fit.sizes["start"],
        "objective": objective,
        "nllh": float(fit["optimum_nllh"][0]),
        "hits": hits,
        "estimate": dict(zip(fit["parameter"].values.tolist(), fit["estimate"].values.tolist(), strict=True)),
        "status": {Status(int(c)).label: int(n) for c, n in zip(codes, counts, strict=True)},
        "degraded": list(outcome.degraded),
    } | determined_facts(outcome.study)
    if (structure := group(outcome.study, "structure")) is not None:
        console.facts |= structure_facts(structure, group(outcome.study, "combinations"))
    return DEGRADED if outcome.degraded else COMPLETE


def _parameter_lines(fit: xr.Dataset) -> list[str]:
    """Name, best value, standard error and unit on the natural scale, and where a bound is reached."""
    width = max(len(name) for name in fit["parameter"].values.tolist())
    lines = []
    for name in fit["parameter"].values.tolist():
        at = fit.sel(parameter=name)
        error = float(at["standard_error"].sel(space="natural"))
        spread = f" ± {error:.2g}" if math.isfinite(error) else ""
        side = {-1: " (at its lower bound)", 1: " (at its upper bound)"}.get(int(at["at_bound"]), "")
        lines.append(
            f"  {name:<{width}}  {float(at['estimate']):.6g}{spread} {at['unit'].values!s}{side}".rstrip()
        )
    return lines


def check_can_be_updated(model: Path) -> None:
    """Errors: `InputError` for a model of another format, into which no values are written."""
    if format_of(model) != "toml":
        rule, remedy = "are written into TOML files only", f"take them from {FITTED_FILE} in the run's folder"
        raise InputError.of("--update: best values", rule, remedy, code="P21", file=str(model))


def write_back(console: Console, model: Path, fit: xr.Dataset) -> None:
    """Write the best values into the model file. Copies, one for each gel say, have no entry in it."""
    values = dict(zip(fit["parameter"].values.tolist(), fit["estimate"].values.tolist(), strict=True))
    for name in list(values):
        try:
            updated_toml(model, {name: values[name]})
        except InputError:
            del values[name]
            console.say(f"notice: {name} has no entry of its own in {model}; its value stands in fitted.toml")
    write_whole(model, updated_toml(model, values))
    console.say(f"{model}: {len(values)} values updated")

"""The `idfit` command."""

from __future__ import annotations

import os
from typing import Annotated

# Workers are threads of their own: linear algebra must not open more below them. Before numpy is imported.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import typer

from idfit.cli import (
    check,
    convert,
    demo,
    design,
    fisher,
    fit,
    new,
    predict,
    profile,
    reparameterize,
    report,
    run,
    sample,
    simulate,
    status,
    structure,
)

app = typer.Typer(
    name="idfit",
    help="What do your data say about your ODE model?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for _command in (
    check.check,
    new.new,
    fit.fit,
    fisher.fisher,
    profile.profile,
    sample.sample,
    structure.structure,
    reparameterize.reparameterize,
    predict.predict,
    design.design,
    simulate.simulate,
    run.run,
    run.resume,
    status.status,
    report.report,
    convert.convert,
    demo.demo,
):
    app.command()(_command)


def _version(wanted: bool) -> None:
    if wanted:
        from idfit.study.provenance import idfit_version

        typer.echo(f"idfit {idfit_version()}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What do your data say about your ODE model?"""


def main() -> None:
    app()

"""``idfit report``: the report of a stored study, drawn again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


def report(
    study: Annotated[Path, typer.Argument(help="A study.nc, or the folder of a run.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The HTML file; beside the study if left out.", show_default=False),
    ] = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Draw the report of a study; no solver and no model file are needed."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.study.directory import REPORT_FILE
        from idfit.study.products import report as write

        beside = study if study.is_dir() else study.parent
        path = out or beside / REPORT_FILE
        write(study, path)
        console.show(f"report: {path}")
        console.facts["report"] = str(path)
        return COMPLETE

    execute("report", console, work)

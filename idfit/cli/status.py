"""``idfit status``: what a run directory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idfit.cli import options
from idfit.cli.console import COMPLETE, Console, execute


def status(
    directory: Annotated[Path, typer.Argument(help="The folder of a run.", show_default=False)],
    quiet: options.Quiet = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show how far a run is, whether somebody works on it, and what it was asked to do."""
    console = Console(quiet, json, debug)

    def work() -> int:
        from idfit.study.directory import LOCK_FILE, finished_tasks, read_lock, read_record
        from idfit.study.store import STUDY_FILE

        record = read_record(directory)
        finished = finished_tasks(directory)
        starts = finished.get("fit", 0)
        wanted = record.get("recipe", {}).get("fit", {}).get("starts")
        holder = read_lock(directory / LOCK_FILE)
        complete = (directory / STUDY_FILE).exists() and bool(record.get("complete"))
        state = "complete" if complete else "not complete"
        user = f", in use by process {holder.get('pid')} on {holder.get('host')}" if holder else ""
        console.show(f"{directory}: {state}, {starts} of {wanted} starts are finished{user}")
        for stage, n in finished.items():
            if stage != "fit":
                console.show(f"  {stage}: {n} tasks are finished")
        console.show(f"begun with: {record.get('command') or 'a script'}")
        if not complete and not holder:
            console.show(f"continue with: idfit resume {directory}")
        console.facts |= {
            "complete": complete, "finished": starts, "starts": wanted, "tasks": finished, "lock": holder,
        }  # fmt: skip
        return COMPLETE

    execute("status", console, work)

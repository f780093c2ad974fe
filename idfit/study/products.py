"""What is drawn from a stored study: the report, the tables and the figures."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from idfit.errors import StorageError
from idfit.reporting import save_figures, write_report, write_tables
from idfit.reporting.figures import Drawing, drawings
from idfit.study.directory import FIGURES, REPORT_FILE, TABLES
from idfit.study.store import open_study


def report(study: xr.DataTree | str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write the report of a study, given as such or as its file or run directory, as one HTML file."""
    write_report(study if isinstance(study, xr.DataTree) else open_study(study), path)


def write_products(study: xr.DataTree, directory: Path, say: Callable[[str], None]) -> list[str]:
    """Tables, report and figures of a stored study; returns what could not be drawn, as the data are safe."""
    say("writing tables, report and figures")
    failed = []

    @functools.cache
    def drawn() -> list[Drawing]:
        return list(drawings(study))

    for what, write in (
        (TABLES, lambda: write_tables(study, directory / TABLES)),
        (REPORT_FILE, lambda: write_report(study, directory / REPORT_FILE, drawn())),
        (FIGURES, lambda: save_figures(study, directory / FIGURES, drawn())),
    ):
        try:
            write()
        except StorageError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            failed.append(
                f"{what} could not be made ({reason}); the study is stored, try `idfit report {directory}`"
            )
    return failed

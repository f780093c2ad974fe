"""The tables as CSV files, with cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import xarray as xr

from idfit.errors import StorageError
from idfit.reporting import reading
from idfit.reporting.tables import design, identifiability, points, posterior, prediction, structure
from idfit.reporting.tables.fit import (
    data_table,
    fate_table,
    optimum_table,
    parameter_table,
    start_table,
    statistics_table,
)


def write_tables(study: xr.DataTree, folder: str | os.PathLike[str]) -> list[Path]:
    """Write what the study holds, a file per table, and return the files.

    Texts that a spreadsheet would run as a formula are preceded by an apostrophe. The tables are
    ``parameters``, ``starts``, ``optima``, ``fates``, ``statistics``, ``data``, ``measurements``;
    ``verdicts``, ``intervals``, ``profiles``, ``function_profiles``; ``fisher``, ``eigenvalues``,
    ``correlation``, ``curvature``; ``profiles_2d``, ``identifiability_test``, ``bootstrap``,
    ``bootstrap_replicates``, ``agreement``; ``posterior``, ``superchains``; ``predictions``,
    ``residual_tests``, ``predictive_checks``; ``next_measurement``, ``next_measurement_simulations``;
    ``structure``,
    ``combinations``, ``symmetries``,
    ``reparameterization``.
    """
    tables = {
        "parameters": _cells(parameter_table(study)),
        "starts": _start_cells(study),
        "optima": _cells(optimum_table(study)),
        "fates": _cells(fate_table(study)),
        "statistics": _cells(statistics_table(study)),
        "data": _cells(data_table(study)),
        "measurements": _measurement_cells(study),
        "verdicts": _cells(identifiability.verdict_table(study)),
        "intervals": _cells(identifiability.interval_table(study)),
        "profiles": points.profile_cells(study, "profiles"),
        "function_profiles": points.profile_cells(study, "function_profiles"),
        "fisher": _cells(identifiability.error_table(study)),
        "eigenvalues": points.eigen_cells(study),
        "correlation": points.correlation_cells(study),
        "curvature": points.curvature_cells(study),
        "profiles_2d": points.pair_cells(study),
        "identifiability_test": points.test_cells(study),
        "bootstrap": _cells(identifiability.bootstrap_table(study)),
        "bootstrap_replicates": points.replicate_cells(study),
        "agreement": _cells(identifiability.agreement_table(study)),
        "posterior": _cells(posterior.posterior_table(study)),
        "superchains": _cells(posterior.superchain_table(study)),
        "predictions": _cells(prediction.prediction_table(study)),
        "residual_tests": _cells(prediction.diagnostics_table(study)),
        "predictive_checks": _cells(prediction.check_table(study)),
        "next_measurement": _cells(design.candidate_table(study)),
        "next_measurement_simulations": _cells(design.simulated_table(study)),
        "structure": _cells(structure.structure_table(study)),
        "combinations": _cells(structure.combination_table(study)),
        "symmetries": _cells(structure.symmetry_table(study)),
        "reparameterization": _cells(structure.change_table(study)),
    }
    folder = Path(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, cells in tables.items():
            if len(cells) > 1:
                path = folder / f"{name}.csv"
                path.write_text(_csv(cells), encoding="utf-8", newline="")
                written.append(path)
    except OSError as error:
        raise StorageError(
            f"{folder}: the tables could not be written ({error.strerror}) - check the folder"
        ) from error
    return written


def guard(cell: object) -> object:
    """A text cell that begins like a formula (= + - @, tab, return) gets an apostrophe; numbers stay numbers.

    >>> guard("=1+1"), guard(-1.5), guard("k_on")
    ("'=1+1", -1.5, 'k_on')
    """
    if isinstance(cell, str) and cell.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n"):
        return "'" + cell
    return cell


def _csv(cells: list[list[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    for row in cells:
        writer.writerow([guard("" if isinstance(c, float) and math.isnan(c) else c) for c in row])
    return stream.getvalue()


def _cells(rows: Sequence[object]) -> list[list[object]]:
    if not rows:
        return []
    names = [f.name for f in fields(rows[0])]  # type: ignore[arg-type]
    head: list[object] = [*names]
    return [head, *([_plain(getattr(row, name)) for name in names] for row in rows)]


def _plain(value: object) -> object:
    if isinstance(value, tuple):  # the differences of an optimum
        return "; ".join(f"{name} = {here:.6g} (best: {best:.6g})" for name, here, best, _ in value)
    return value


def _start_cells(study: xr.DataTree) -> list[list[object]]:
    cells, starts = _cells(start_table(study)), reading.read_starts(study)
    if starts is None:
        return cells
    for name in starts.parameters:
        cells[0] += [f"theta:{name}", f"theta0:{name}"]
    for i, row in enumerate(cells[1:]):
        for j in range(len(starts.parameters)):
            row += [float(starts.theta[i, j]), float(starts.theta0[i, j])]
    return cells


def _measurement_cells(study: xr.DataTree) -> list[list[object]]:
    data = reading.read_measurements(study)
    if data is None:
        return []
    names = [f.name for f in fields(data)]
    columns = [getattr(data, name) for name in names]
    cells: list[list[object]] = [[*names]]
    for row in zip(*columns, strict=True):
        cells.append([cell if isinstance(cell, str) else float(cell) for cell in row])
    return cells

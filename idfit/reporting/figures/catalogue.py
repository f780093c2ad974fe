"""Which figures a study has, in the order of the report, each with the words beneath it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from idfit.errors import StorageError
from idfit.reporting.figures import fit, parameters, residuals, style, waterfall
from idfit.reporting.reading import read_starts

SECTIONS = ("fit", "residuals", "waterfall", "parameters")


@dataclass(frozen=True)
class Drawing:
    """A figure with its place: `section` of the report, `name` (also of its files), and its caption."""

    section: str
    name: str
    figure: Figure
    caption: str


def drawings(study: xr.DataTree) -> Iterator[Drawing]:
    """Every figure that the groups of this study allow."""
    pages = fit.fit_pages(study)
    for i, panels in enumerate(pages):
        name = f"fit_{i + 1}" if len(pages) > 1 else "fit"
        yield Drawing("fit", name, fit.plot_fit(study, panels), fit.fit_caption(study, panels, i, len(pages)))
    if residuals.has_residuals(study):
        yield Drawing(
            "residuals", "residuals", residuals.plot_residuals(study), residuals.residuals_caption(study)
        )
        yield Drawing(
            "residuals",
            "residual_distribution",
            residuals.plot_residual_distribution(study),
            residuals.distribution_caption(study),
        )
    starts = read_starts(study)
    if starts is not None and starts.finished.any():
        yield Drawing(
            "waterfall", "waterfall", waterfall.plot_waterfall(study), waterfall.waterfall_caption(study)
        )
        yield Drawing(
            "parameters",
            "parameters",
            parameters.plot_parameters(study),
            parameters.parameters_caption(study),
        )


def save_figures(study: xr.DataTree, folder: str | os.PathLike[str]) -> list[Path]:
    """Write every figure as ``<name>.svg`` and ``<name>.pdf``; returns the files."""
    folder = Path(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawing in drawings(study):
            for suffix, content in (
                (".svg", style.to_svg(drawing.figure).encode()),
                (".pdf", style.to_pdf(drawing.figure)),
            ):
                path = folder / f"{drawing.name}{suffix}"
                path.write_bytes(content)
                written.append(path)
    except OSError as error:
        raise StorageError(
            f"{folder}: the figures could not be written ({error.strerror}) - check the folder"
        ) from error
    return written

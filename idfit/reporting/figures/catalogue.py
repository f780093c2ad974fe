"""Which figures a study has, in the order of the report, each with the words beneath it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from idfit.errors import StorageError
from idfit.reporting.figures import (
    agreement,
    bootstrap,
    chains,
    change,
    corner,
    correlation,
    design,
    fit,
    marginals,
    pairs,
    parameters,
    prediction,
    profiles,
    residuals,
    spectrum,
    style,
    waterfall,
)
from idfit.reporting.reading import read_fisher, read_starts

SECTIONS = (
    "change",
    "fit",
    "residuals",
    "waterfall",
    "parameters",
    "profiles",
    "fisher",
    "pairs",
    "function_profiles",
    "agreement",
    "bootstrap",
    "posterior",
    "chains",
    "prediction",
    "design",
)


# of figures that are not named as their section
_NAMES = {"posterior": "marginals"}


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
        name = _numbered("fit", i, pages)
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
    if change.has_change(study):
        yield Drawing("change", "change", change.plot_change(study), change.change_caption(study))
    yield from _of_profiles(study)
    yield from _of_information(study)
    yield from of_pages(study)
    yield from of_chains(study)
    yield from of_design(study)


def _of_profiles(study: xr.DataTree) -> Iterator[Drawing]:
    for group in ("profiles", "function_profiles"):
        pages = profiles.profile_pages(study, group)
        for i, names in enumerate(pages):
            yield Drawing(
                group,
                _numbered(group, i, pages),
                profiles.plot_profiles(study, names, group),
                profiles.profiles_caption(study, group, i, len(pages)),
            )


def _of_information(study: xr.DataTree) -> Iterator[Drawing]:
    fisher = read_fisher(study)
    if fisher is None:
        return
    if np.isfinite(fisher.eigenvalue).any():
        figure = spectrum.plot_spectrum(study)
        yield Drawing("fisher", "spectrum", figure, spectrum.spectrum_caption(study))
    if np.isfinite(fisher.correlation).any():
        figure = correlation.plot_correlation(study)
        yield Drawing("fisher", "correlation", figure, correlation.correlation_caption(study))


def of_pages(study: xr.DataTree, sections: Sequence[str] = SECTIONS) -> Iterator[Drawing]:
    """Figures of these sections whose pages are lists of positions."""
    for section, find, draw, describe in (
        ("pairs", pairs.pair_pages, pairs.plot_pairs, pairs.pairs_caption),
        ("agreement", agreement.agreement_pages, agreement.plot_agreement, agreement.agreement_caption),
        ("bootstrap", bootstrap.bootstrap_pages, bootstrap.plot_bootstrap, bootstrap.bootstrap_caption),
        ("posterior", marginals.marginal_pages, marginals.plot_marginals, marginals.marginals_caption),
        (
            "prediction",
            prediction.prediction_pages,
            prediction.plot_predictions,
            prediction.predictions_caption,
        ),
    ):
        pages = find(study) if section in sections else []
        for i, which in enumerate(pages):
            caption = describe(study, i, len(pages))
            yield Drawing(
                section, _numbered(_NAMES.get(section, section), i, pages), draw(study, which), caption
            )


def of_chains(study: xr.DataTree) -> Iterator[Drawing]:
    """Of a posterior: pairs if it has converged, and what shows whether it has."""
    if corner.has_corner(study):
        yield Drawing("posterior", "corner", corner.plot_corner(study), corner.corner_caption(study))
    if chains.has_chains(study):
        yield Drawing("chains", "chains", chains.plot_chains(study), chains.chains_caption(study))
        caption = chains.autocorrelation_caption(study)
        yield Drawing("chains", "autocorrelation", chains.plot_autocorrelation(study), caption)


def of_design(study: xr.DataTree) -> Iterator[Drawing]:
    """Of the next measurement: what candidates tell, and intervals before and after."""
    if design.has_design(study):
        yield Drawing("design", "next_measurement", design.plot_gains(study), design.gains_caption(study))
    if design.has_check(study):
        caption = design.intervals_caption(study)
        yield Drawing("design", "next_measurement_intervals", design.plot_intervals(study), caption)


def _numbered(name: str, i: int, pages: Sequence[object]) -> str:
    return f"{name}_{i + 1}" if len(pages) > 1 else name


def save_figures(
    study: xr.DataTree, folder: str | os.PathLike[str], drawn: Iterable[Drawing] | None = None
) -> list[Path]:
    """Write every figure as ``<name>.svg`` and ``<name>.pdf``, those `drawn` already if given; returns the
    files."""
    folder = Path(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawing in drawings(study) if drawn is None else drawn:
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

"""Histograms of the estimates from simulated data sets."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from idfit.reporting import numerals, verdicts
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import read_bootstrap, read_profiles

PANELS_PER_PAGE = 24
_TALL, _HEAD, _FOOT = 0.85, 0.34, 0.62
_BINS = 24


def bootstrap_pages(study: xr.DataTree | xr.Dataset) -> list[list[int]]:
    found = read_bootstrap(study)
    if found is None or found.finished.sum() < 2:
        return []
    return multiples.pages_of(list(range(len(found.parameters))), PANELS_PER_PAGE)


@style.styled
def plot_bootstrap(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """How the estimates of each parameter scatter; the bar below is the percentile interval."""
    found = read_bootstrap(study)
    if found is None or found.finished.sum() < 2:
        raise ValueError("the study has fewer than two bootstrap replicates that succeeded - compute more")
    chosen = list(range(len(found.parameters))) if which is None else which
    profiles = read_profiles(study) if isinstance(study, xr.DataTree) else None
    rows = -(-len(chosen) // multiples.COLUMNS)
    cell = _HEAD + _TALL + _FOOT
    figure = style.new_figure(rows * cell + 0.1)
    for n, i in enumerate(chosen):
        row, column = divmod(n, multiples.COLUMNS)
        axes = multiples.add_axes(figure, column, 0.1 + row * cell + _HEAD, _TALL)
        axis = found.parameters[i]
        theta = found.theta[found.finished, i]
        theta = theta[np.isfinite(theta)]
        profile = profiles.of(axis.name) if profiles is not None else None
        multiples.value_axis(axes, "x", axis, multiples.value_range(axis, axis.natural(theta), 0.06))
        _draw(axes, axis.natural(_edges(theta)), np.histogram(theta, _edges(theta))[0])
        low, high = (float(e) for e in found.interval[i, found.level])
        top = axes.get_ylim()[1]
        if np.isfinite([low, high]).all():
            multiples.interval_bar(axes, -0.09 * top, low, high, style.INK, linewidth=2.6)
        if profile is not None and np.isfinite(profile.estimate):
            axes.axvline(profile.estimate, color=style.INK, linewidth=0.9, zorder=5)
        axes.set_ylim(-0.17 * top, top)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title(style.label(axis.name, 30))
        axes.set_xlabel(f"({style.label(axis.unit, 16)})" if axis.unit else "(no unit)", fontsize=8)
    return figure


def _edges(theta: np.ndarray) -> np.ndarray:
    low, high = float(theta.min()), float(theta.max())
    room = 0.01 * (high - low) or 1e-6 * max(1.0, abs(high))
    return np.linspace(low - room, high + room, _BINS + 1)


def _draw(axes, edges: np.ndarray, counts: np.ndarray) -> None:
    axes.fill_between(edges, np.append(counts, counts[-1]), step="post", color="#86b4d5", linewidth=0)
    axes.set_ylim(0, 1.05 * max(1, counts.max()))


def bootstrap_caption(study: xr.DataTree | xr.Dataset, page: int, n_pages: int) -> str:
    found = read_bootstrap(study)
    assert found is not None
    part = f"Part {page + 1} of {n_pages}. " if n_pages > 1 else ""
    level = verdicts.level_words(float(found.probs[found.level])) if len(found.probs) else "percentile"
    return (
        f"{part}Estimates from {numerals.count(int(found.finished.sum()), 'simulated data set')}, on the "
        f"scale on which each parameter was estimated; the bar is the {level} percentile interval, the "
        "line the best fit. A heap at an edge means that many data sets drive the parameter to its bound."
    )

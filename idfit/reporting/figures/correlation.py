"""Correlation map of the estimates, from the information of data and priors."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from idfit.reporting.figures import style
from idfit.reporting.figures.spectrum import DIVERGING, colour_bar, write_numbers
from idfit.reporting.reading import read_fisher

_NUMBERS_UP_TO = 12


@style.styled
def plot_correlation(study: xr.DataTree | xr.Dataset) -> Figure:
    """The correlation of every pair of estimates; hatched where it does not exist."""
    fisher = read_fisher(study)
    if fisher is None or not np.isfinite(fisher.correlation).any():
        raise ValueError("the study has no correlations to draw - compute the Fisher information first")
    n = len(fisher.parameters)
    cell = 0.46 if n <= _NUMBERS_UP_TO else max(0.13, min(0.3, 6.6 / n))
    longest = max(len(style.label(p.name, 24)) for p in fisher.parameters)
    left, bottom, top = 2.2, 0.3 + 0.052 * longest, 0.15
    height = top + n * cell + bottom
    figure = style.new_figure(height)
    wide = min(n * cell, style.WIDTH - left - 1.2)
    axes = figure.add_axes(
        (left / style.WIDTH, bottom / height, wide / style.WIDTH, n * cell / height), facecolor="#eceef1"
    )
    edges = np.arange(n + 1) - 0.5
    values = np.ma.masked_invalid(fisher.correlation)
    if values.mask.any():  # drawn beneath the cells, so that only the empty ones show it
        axes.fill_between(
            [-0.5, n - 0.5], -0.5, n - 0.5, facecolor="#f3f4f6", edgecolor="#c3c9d1", hatch="////", lw=0
        )
    look = {"edgecolors": "#ffffff", "linewidth": 0.5}
    axes.pcolormesh(edges, edges, values, cmap=DIVERGING, vmin=-1, vmax=1, **look)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xlim(-0.5, n - 0.5)
    size = 8 if n <= 24 else 6.5
    names = [style.label(p.name, 24) for p in fisher.parameters]
    axes.set_yticks(range(n), names, fontsize=size, color=style.INK)
    turned: dict[str, Any] = (
        {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if n <= 24 else {"rotation": 90}
    )
    axes.set_xticks(range(n), names, fontsize=size, color=style.INK, **turned)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if n <= _NUMBERS_UP_TO:
        write_numbers(axes, fisher.correlation)
    colour_bar(figure, axes, "correlation")
    return figure


def correlation_caption(study: xr.DataTree | xr.Dataset) -> str:
    fisher = read_fisher(study)
    assert fisher is not None
    text = (
        "Correlation of the estimates, from the expected information of data and priors on the "
        "estimation scale. Near +1 or −1, two parameters make up for each other: both may be badly known "
        "while a combination of them is well known."
    )
    if not np.isfinite(fisher.correlation).all():
        text += (
            " Hatched: there is none, as the parameter stands on a bound or the data leave a direction with "
            "it open."
        )
    return text

"""Standardised residuals: against time, as a histogram, and against normal quantiles."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.figures.fit import places, time_axis
from idfit.reporting.reading import (
    Measurements,
    attribute,
    is_gaussian,
    noise_was_estimated,
    read_measurements,
)

_AXIS = "standardised residual (σ)"
_MANY_POINTS = 3000
_MOST_PANELS = 24


def has_residuals(study: xr.DataTree) -> bool:
    data = read_measurements(study)
    return data is not None and bool(np.isfinite(data.residual).any())


def _read(study: xr.DataTree) -> Measurements:
    data = read_measurements(study)
    if data is None or not np.isfinite(data.residual).any():
        raise ValueError("the study has no residuals to draw - they stand in the group 'simulation'")
    return data


@style.styled
def plot_residuals(study: xr.DataTree) -> Figure:
    """Residuals against time, one panel for each observable, conditions told apart by colour when few."""
    data = _read(study)
    observables = list(dict.fromkeys(data.observable))[:_MOST_PANELS]
    conditions = list(dict.fromkeys(data.condition))
    columns = min(len(observables), 3 if len(observables) <= 9 else 4)
    rows = -(-len(observables) // columns)
    figure = style.new_figure(rows * 2.2 + 0.75 + 0.25 * (1 < len(conditions) <= 6))
    style.place(figure, bottom=0.52, top=0.4 + 0.25 * (1 < len(conditions) <= 6), wspace=0.22, hspace=0.5)
    finite = data.residual[np.isfinite(data.residual)]
    limit = 1.15 * max(3.0, float(np.abs(finite).max()))
    for i, observable in enumerate(observables):
        axes = figure.add_subplot(rows, columns, i + 1)
        axes.axhspan(-2, 2, color=style.RULE, alpha=0.35, linewidth=0)
        axes.axhline(0, color=style.MUTED, linewidth=0.7)
        for k, condition in enumerate(conditions):
            mine = data.where(condition, observable) & np.isfinite(data.residual)
            if not mine.any():
                continue
            told_apart = 1 < len(conditions) <= 6
            axes.plot(
                places(data.time[data.where(observable=observable)], data.time[mine]),
                data.residual[mine],
                linestyle="none",
                marker=style.MARKERS[k] if told_apart else "o",
                markersize=4.0 if mine.sum() <= 60 else 2.0,
                color=style.OPTIMA[k] if told_apart else style.INK,
                markeredgewidth=0,
                alpha=0.9 if mine.sum() <= 300 else 0.5,
                rasterized=int(mine.sum()) > _MANY_POINTS,
            )
        axes.set_ylim(-limit, limit)
        axes.set_title(style.label(observable, 30))
        time_axis(axes, data.time[data.where(observable=observable)])
        if i + columns >= len(observables):
            axes.set_xlabel(style.with_unit("time", attribute(study, "time_unit")))
        if i % columns == 0:
            axes.set_ylabel(_AXIS)
    if 1 < len(conditions) <= 6:
        handles = [
            Line2D([], [], linestyle="none", marker=style.MARKERS[k], color=style.OPTIMA[k], markersize=5)
            for k in range(len(conditions))
        ]
        figure.legend(
            handles, [style.label(c) for c in conditions], loc="upper left", ncols=min(len(conditions), 4)
        )
    return figure


@style.styled
def plot_residual_distribution(study: xr.DataTree) -> Figure:
    """Histogram beside the standard normal density, and the normal quantile plot with its 95 % band."""
    residual = np.sort(_read(study).residual)
    residual = residual[np.isfinite(residual)]
    figure = style.new_figure(3.5)
    style.place(figure, bottom=0.55, top=0.4, wspace=0.24)
    _histogram(figure.add_subplot(1, 2, 1), residual)
    _quantiles(figure.add_subplot(1, 2, 2), residual)
    return figure


def _histogram(axes: Axes, residual: np.ndarray) -> None:
    n = len(residual)
    spread = np.subtract(*np.percentile(residual, [75, 25])) if n > 3 else 0.0
    span = float(np.ptp(residual)) or 1.0
    n_bins = (
        int(np.clip(span / (2 * spread / n ** (1 / 3)), 5, 40)) if spread > 0 else 7
    )  # Freedman & Diaconis 1981
    axes.hist(
        residual,
        bins=n_bins,
        density=True,
        color=style.MODEL,
        alpha=0.35,
        edgecolor=style.PAPER,
        linewidth=0.8,
    )
    grid = np.linspace(min(-3.5, residual[0]), max(3.5, residual[-1]), 200)
    axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color=style.INK, linewidth=1.2)
    axes.set_xlabel(_AXIS)
    axes.set_ylabel("density (1/σ)")
    axes.set_title("Histogram; the line is the standard normal density")
    style.plain_axis(axes, "y")


def _quantiles(axes: Axes, residual: np.ndarray) -> None:
    n = len(residual)
    p = (np.arange(1, n + 1) - 0.375) / (n + 0.25)  # Blom 1958
    normal = NormalDist()
    expected = np.array([normal.inv_cdf(float(q)) for q in p])
    density = np.exp(-(expected**2) / 2) / np.sqrt(2 * np.pi)
    half = 1.959964 * np.sqrt(p * (1 - p) / n) / density  # asymptotic standard error of an order statistic
    axes.fill_between(expected, expected - half, expected + half, color=style.RULE, alpha=0.6, linewidth=0)
    axes.plot(expected, expected, color=style.MUTED, linewidth=0.9)
    axes.plot(
        expected,
        residual,
        linestyle="none",
        marker="o",
        markersize=3.6 if n <= 200 else 2.0,
        color=style.MODEL,
        markeredgewidth=0,
        rasterized=n > _MANY_POINTS,
    )
    axes.set_xlabel("quantile of the standard normal (σ)")
    axes.set_ylabel(_AXIS)
    axes.set_title("Quantiles; grey: where 95 % of each are expected")
    style.plain_axis(axes, "x", 7)
    style.plain_axis(axes, "y", 7)


def residuals_caption(study: xr.DataTree) -> str:
    data = _read(study)
    residual = data.residual[np.isfinite(data.residual)]
    outside = int((np.abs(residual) > 2).sum())
    expected = 2 * NormalDist().cdf(-2) * len(residual)
    aside = (
        f"; about {numerals.short_number(expected, 2)} would be expected of Gaussian noise"
        if is_gaussian(study)
        else ""
    )
    text = (
        "The differences between data and model (measured less predicted) in units of σ should "
        "scatter around zero "
        f"without a trend. {outside} of {len(residual)} lie outside ±2 σ (grey){aside}."
    )
    hidden = len(set(data.observable)) - _MOST_PANELS
    return text + (
        f" The first {_MOST_PANELS} observables are shown, {hidden} are not." if hidden > 0 else ""
    )


def distribution_caption(study: xr.DataTree) -> str:
    text = (
        "Left: all residuals together. Right: each residual against the value that Gaussian noise "
        "would give at its "
        "rank; points far outside the grey band are outliers, a bent row of points is noise of another shape."
    )
    if not is_gaussian(study):
        text += " Not all noise here was taken as Gaussian, so a bend at the ends is to be expected."
    return text + (
        " Where σ was itself estimated, a spread near one is a matter of course; the shape still tells."
        if noise_was_estimated(study)
        else ""
    )

"""Waterfall: the final objective of every start, best first, coloured by the optimum it found."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Starts, read_starts
from idfit.results import Status

_CONVERGED = int(Status.CONVERGED)  # other ends with a value are drawn hollow
_FLOOR = 1e-3


@style.styled
def plot_waterfall(study: xr.DataTree | xr.Dataset) -> Figure:
    """Objective above the best one against rank; differences below 0.001 are drawn at 0.001.

    study : the study, or the dataset of a fit
    """
    starts = read_starts(study)
    if starts is None or not starts.finished.any():
        raise ValueError("no start ended with a value - there is no waterfall to draw")
    order = starts.ranked
    above = np.maximum(starts.objective[order] - starts.best, _FLOOR)
    rank = np.arange(1, len(order) + 1)
    figure = style.new_figure(3.9)
    style.place(figure, left=0.85, bottom=0.55, top=0.45, right=2.75)
    axes = figure.add_subplot()
    n_failed = len(starts) - len(order)
    axes.step(rank, above, where="mid", color=style.RULE, linewidth=1.0, zorder=1)
    for cluster in np.unique(starts.cluster[order]):
        for converged in (True, False):
            mine = (starts.cluster[order] == cluster) & ((starts.status[order] == _CONVERGED) == converged)
            colour = style.colour_of(int(cluster))
            axes.plot(
                rank[mine],
                above[mine],
                linestyle="none",
                marker="o",
                markersize=5.0 if len(order) <= 120 else 3.2,
                markerfacecolor=colour if converged else style.PAPER,
                markeredgecolor=colour,
                markeredgewidth=0.9,
                zorder=3,
                clip_on=False,
                rasterized=len(order) > 3000,
            )
    if n_failed:
        axes.axvspan(len(order) + 0.5, len(starts) + 0.5, color=style.RULE, alpha=0.45, linewidth=0)
        axes.text(
            len(order) + 0.5 + n_failed / 2,
            0.5,
            f"{n_failed} without a value",
            transform=axes.get_xaxis_transform(),
            rotation=90,
            ha="center",
            va="center",
            color=style.MUTED,
            fontsize=8,
        )
    top = max(float(above.max()) * 2.5, 1.0)
    style.log_axis(axes, "y", _FLOOR / 1.8, top)
    written = axes.yaxis.get_major_formatter()
    axes.yaxis.set_major_formatter(
        lambda value, _: f"≤ {_FLOOR}" if value <= 1.01 * _FLOOR else written(value)
    )
    if top > 4:
        axes.axhline(1.9207, color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        axes.text(
            1.01,
            1.9207,
            "1.92",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            color=style.MUTED,
        )
    axes.set_xlim(0.4, len(starts) + 0.6)
    axes.set_xlabel("rank of the start (best first)")
    axes.set_ylabel("objective above the best (−log likelihood)")
    axes.set_title(f"Best objective {numerals.number(starts.best, 7)}")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.legend(handles=_legend(starts), loc="upper left", bbox_to_anchor=(1.06, 1.02), borderaxespad=0.0)
    return figure


def _legend(starts: Starts) -> list[Line2D]:
    def dot(colour: str, text: str, face: str = "") -> Line2D:
        return Line2D(
            [],
            [],
            linestyle="none",
            marker="o",
            markerfacecolor=face or colour,
            markeredgecolor=colour,
            label=text,
        )

    finished = starts.cluster[starts.finished]
    entries = []
    for cluster in [c for c in np.unique(finished) if 0 <= c < len(style.OPTIMA)]:
        name = f"optimum {cluster + 1}" + (" (best)" if cluster == 0 else "")
        n = int((finished == cluster).sum())
        entries.append(dot(style.OPTIMA[cluster], f"{name}: {numerals.count(n, 'start')}"))
    others = int(((finished < 0) | (finished >= len(style.OPTIMA))).sum())
    if others:
        entries.append(dot(style.OTHER, f"other optima: {numerals.count(others, 'start')}"))
    if (starts.status[starts.finished] != _CONVERGED).any():
        entries.append(dot(style.MUTED, "hollow: not converged", face=style.PAPER))
    return entries


def waterfall_caption(study: xr.DataTree | xr.Dataset) -> str:
    starts = read_starts(study)
    assert starts is not None
    near = int((starts.objective[starts.finished] - starts.best <= _FLOOR).sum())
    text = (
        "Each dot is one start, ordered by the objective it ended with. A long flat step at the "
        "bottom means that many "
        "starts agree on the best value; steps above it are other optima. Differences below 0.001 "
        "are drawn at 0.001"
        f" ({numerals.count(near, 'start')} here)."
    )
    if float(np.nanmax(starts.objective[starts.finished])) - starts.best > 1.6:
        text += (
            " The dashed line at 1.92 marks the values that a likelihood-ratio test of one "
            "parameter at 95 % would "
            "not tell from the best."
        )
    n_failed = int((~starts.finished).sum())
    if n_failed:
        text += f" {numerals.count(n_failed, 'start')} of {len(starts)} ended without a value (grey)."
    return text

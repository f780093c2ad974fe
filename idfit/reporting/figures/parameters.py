"""Where the near-optimal starts lie: parallel coordinates within the bounds, on the estimation scale."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Starts, axis_names, group, numbers, read_profiles, read_starts, texts
from idfit.reporting.scales import to_natural, to_scaled

NEAR = 10.0
_MOST_STARTS = 300


@style.styled
def plot_parameters(study: xr.DataTree, within: float = NEAR) -> Figure:
    """Every start whose objective is within `within` of the best: one line across all parameters.

    Each row is one parameter from its lower to its upper bound, on the scale on which it was estimated; where
    a bound is missing or infinite the row ends at the outermost value. The best start is drawn thick.
    """
    starts = read_starts(study)
    if starts is None or not starts.finished.any():
        raise ValueError("no start ended with a value - there are no parameters to draw")
    chosen = near_optimal(starts, within)[:_MOST_STARTS]
    lower, upper = _ends(study, starts, chosen)
    position = (starts.theta[chosen] - lower) / np.where(upper > lower, upper - lower, 1.0)
    n = len(starts.parameters)
    figure = style.new_figure(0.30 * n + 1.0)
    style.place(figure, left=2.5, right=1.05, bottom=0.42, top=0.42)
    axes = figure.add_subplot()
    rows = np.arange(n)[::-1]
    axes.hlines(rows, 0, 1, color=style.RULE, linewidth=0.8, zorder=0)
    for i in range(len(chosen) - 1, -1, -1):  # the best on top
        colour, best = style.colour_of(int(starts.cluster[chosen[i]])), i == 0
        axes.plot(
            position[i],
            rows,
            color=colour,
            linewidth=1.6 if best else 0.6,
            alpha=1.0 if best else 0.35 if len(chosen) <= 60 else 0.2,
            marker="o",
            markersize=5.0 if best else 3.4,
            markeredgewidth=0.6 if best else 0,
            markeredgecolor=style.PAPER,
            zorder=4 if best else 2,
            clip_on=False,
        )
    _bounds_text(axes, starts, lower, upper, rows)
    for x in (0, 1):
        axes.axvline(x, color=style.MUTED, linewidth=0.7, zorder=0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.6, n - 0.4)
    axes.set_yticks(rows, [style.label(p, 24) for p in starts.parameters], color=style.INK)
    axes.tick_params(axis="y", length=0, pad=48)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["lower bound", "¼", "½", "¾", "upper bound"])
    axes.set_xlabel("position between the bounds (estimation scale, no unit)")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    _legend(figure, starts, chosen)
    return figure


def near_optimal(starts: Starts, within: float = NEAR) -> np.ndarray:
    """Positions of the starts within `within` of the best objective, best first."""
    return starts.ranked[starts.objective[starts.ranked] - starts.best <= within]


def _ends(study: xr.DataTree, starts: Starts, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of rows on the estimation scale: bounds of the problem, else the range of the finished starts."""
    problem = group(study, "problem") if isinstance(study, xr.DataTree) else None
    values = starts.theta[starts.finished]
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    if problem is None:
        return low, high
    names = axis_names(problem, "parameter_all")
    scales = texts(problem, "scale", "parameter_all")
    lower, upper = (numbers(problem, name, ("parameter_all",)) for name in ("lower", "upper"))
    for i, name in enumerate(starts.parameters):
        if name in names:
            k = names.index(name)
            for bounds, ends in ((lower, low), (upper, high)):
                bound = to_scaled(float(bounds[k]), scales[k])
                ends[i] = bound if np.isfinite(bound) else ends[i]
    return low, high


def _bounds_text(axes, starts: Starts, lower: np.ndarray, upper: np.ndarray, rows: np.ndarray) -> None:
    """The ends of each row in numbers (natural scale, with unit)."""
    for i, row in enumerate(rows):
        low, high = (to_natural(float(end[i]), starts.scale[i]) for end in (lower, upper))
        text = {
            "transform": axes.get_yaxis_transform(),
            "va": "center",
            "fontsize": 7.5,
            "color": style.MUTED,
        }
        axes.text(-0.012, row, numerals.short_number(low, 3), ha="right", **text)
        unit = f" {style.label(starts.unit[i], 10)}" if starts.unit[i] else ""
        axes.text(1.012, row, numerals.short_number(high, 3) + unit, ha="left", **text)


def _legend(figure: Figure, starts: Starts, chosen: np.ndarray) -> None:
    clusters = np.unique(starts.cluster[chosen])
    entries = [
        Line2D([], [], color=style.colour_of(int(c)), marker="o", markersize=4, label=f"optimum {c + 1}")
        for c in clusters
        if 0 <= c < len(style.OPTIMA)
    ]
    if ((clusters < 0) | (clusters >= len(style.OPTIMA))).any():
        entries.append(Line2D([], [], color=style.OTHER, marker="o", markersize=4, label="other optima"))
    left = 2.45 / figure.get_size_inches()[0]
    figure.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(left, 1.0), ncols=len(entries), borderaxespad=0.2
    )


def parameters_caption(study: xr.DataTree, within: float = NEAR) -> str:
    starts = read_starts(study)
    assert starts is not None
    n = len(near_optimal(starts, within))
    told = "a profile likelihood would tell" if read_profiles(study) is None else "the profiles tell"
    if n == 1:
        return (
            f"Only the best start lies within {numerals.short_number(within)} of the best "
            "objective, so this figure "
            "cannot show how far other good fits lie from it. More starts would."
        )
    return (
        f"The {n} starts within {numerals.short_number(within)} of the best objective, each a line "
        "through its "
        "parameter values, coloured by the optimum it belongs to (thick: the best). Where all "
        "lines of one colour pass "
        "through one point, the starts agree on that parameter. Where lines of one colour spread, "
        "fits of nearly the "
        f"same objective differ in it; how far it can go, {told}."
        + (f" The best {_MOST_STARTS} are drawn." if n > _MOST_STARTS else "")
    )

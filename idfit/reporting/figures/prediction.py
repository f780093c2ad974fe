"""Predictions over time with their bands: of the value without noise, and of a new measurement."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from idfit.reporting import numerals, verdicts
from idfit.reporting.figures import style
from idfit.reporting.figures.fit import is_logarithmic, places, time_axis
from idfit.reporting.reading import Measurements, attribute, read_measurements
from idfit.reporting.reading.prediction import Band, Predictions, read_predictions
from idfit.results.prediction import LimitStatus

PANELS_PER_PAGE = 12
_BAND, _NOISY = 0.34, 0.13
# room around what is drawn, and how many times the spread of the rest a limit may take of it
_ROOM, _FAR = 0.06, 3.0


def prediction_pages(study: xr.DataTree) -> list[list[int]]:
    """Positions of the bands, in pages of small multiples."""
    found = read_predictions(study)
    if found is None:
        return []
    n = len(found.bands)
    columns = _columns(n)
    n_pages, n_rows = math.ceil(n / PANELS_PER_PAGE), math.ceil(n / columns)
    per_page = columns * math.ceil(n_rows / n_pages)
    return [list(range(i, min(i + per_page, n))) for i in range(0, n, per_page)]


def _columns(n: int) -> int:
    return n if n <= 3 else 2 if n == 4 else 3


@style.styled
def plot_predictions(study: xr.DataTree, which: list[int] | None = None) -> Figure:
    """Best fit (or median) as a line, its band darker, that of new measurements lighter, data as dots."""
    found = read_predictions(study)
    if found is None:
        raise ValueError("the study has no predictions to draw - ask for them with the table [prediction]")
    which = list(range(len(found.bands))) if which is None else which
    columns = min(_columns(len(found.bands)), len(which))
    rows = -(-len(which) // columns)
    tall = {1: 3.4, 2: 2.9}.get(columns, 2.5)
    figure = style.new_figure(rows * tall + 0.75, style.WIDTH if columns > 1 else 6.4)
    style.place(figure, left=0.75, right=0.12, bottom=0.55, top=0.62, wspace=0.34, hspace=0.46)
    data, unit = read_measurements(study), attribute(study, "time_unit")
    several = len({b.condition for b in found.bands}) > 1, len({b.observable for b in found.bands}) > 1
    for k, i in enumerate(which):
        band, axes = found.bands[i], figure.add_subplot(rows, columns, k + 1)
        _draw(axes, band, data)
        axes.set_title(_title(band, *several))
        axes.set_xlabel(style.with_unit("time", unit) if k + columns >= len(which) else "")
        axes.set_ylabel(style.with_unit(band.observable, band.unit, 22))
    _legend(figure, found, [found.bands[i] for i in which], data)
    return figure


def _title(band: Band, several_conditions: bool, several_observables: bool) -> str:
    if several_conditions and several_observables:
        return f"{style.label(band.condition, 17)} · {style.label(band.observable, 14)}"
    return style.label(band.condition if several_conditions else band.observable, 30)


def _draw(axes: Axes, band: Band, data: Measurements | None) -> None:
    rows = None if data is None else data.where(curve=band.condition, observable=band.observable)
    values = np.empty(0) if data is None or rows is None else data.value[rows]
    low, high, logarithmic = _value_range(band, values)
    if logarithmic:
        style.log_axis(axes, "y", low, high)
    else:
        axes.set_ylim(low, high)
        style.plain_axis(axes, "y")
    for lower, upper, alpha in (
        (band.validation_lower, band.validation_upper, _NOISY),
        (band.lower, band.upper, _BAND),
    ):
        # an open side runs to the edge of the panel
        ends = np.where(np.isnan(lower), np.nan, np.clip(lower, low, high)), np.clip(upper, low, high)
        if len(band.time) > 1:
            axes.fill_between(band.time, *ends, color=style.MODEL, alpha=alpha, linewidth=0)
        else:
            axes.vlines(band.time, *ends, color=style.MODEL, alpha=alpha, linewidth=9)
    axes.plot(band.time, band.centre, color=style.MODEL, linewidth=1.5, marker=_marker(band), markersize=3)
    for side, (edge, marker) in enumerate(((low, "v"), (high, "^"))):
        open_at = band.time[band.status[:, side] == int(LimitStatus.OPEN)]
        axes.plot(
            open_at, np.full(len(open_at), edge), linestyle="none", marker=marker, color=style.OPTIMA[1],
            markersize=5, markeredgewidth=0, clip_on=False, zorder=6,
        )  # fmt: skip
    times = band.time
    if data is not None and rows is not None and rows.any():
        times = np.concatenate([band.time, data.time[rows]])
        axes.plot(
            places(data.time[rows], data.time[rows]), data.value[rows], linestyle="none", marker="o",
            markersize=3.8 if rows.sum() <= 60 else 2.2, markerfacecolor=style.INK,
            markeredgecolor=style.PAPER, markeredgewidth=0.5, zorder=4,
        )  # fmt: skip
    time_axis(axes, times)


def _marker(band: Band) -> str:
    return "." if len(band.time) <= 3 else ""


def _value_range(band: Band, values: np.ndarray) -> tuple[float, float, bool]:
    """Limits of the value axis; bands that go far beyond data and curve are cut off."""
    core = np.concatenate([band.centre, values])
    core = core[np.isfinite(core)]
    ends = np.concatenate([band.lower, band.upper, band.validation_lower, band.validation_upper])
    ends = ends[np.isfinite(ends)]
    every = np.concatenate([core, ends])
    if not len(every):
        return 0.0, 1.0, False
    logarithmic = is_logarithmic(every, band.transform)
    scale = np.log10 if logarithmic else np.asarray
    low, high = (float(f(scale(core if len(core) else every))) for f in (np.min, np.max))
    spread = max(high - low, 0.1 * abs(high), 1e-12)
    if len(ends):
        low = max(min(low, float(scale(ends).min())), low - _FAR * spread)
        high = min(max(high, float(scale(ends).max())), high + _FAR * spread)
    room = _ROOM * (high - low)
    low, high = low - room, high + room
    return (10.0**low, 10.0**high, True) if logarithmic else (low, high, False)


def _legend(figure: Figure, found: Predictions, bands: list[Band], data: Measurements | None) -> None:
    centre = "median" if found.method == "posterior" else "best fit"
    level = verdicts.level_words(found.prob)
    entries: list[tuple[object, str]] = [(Line2D([], [], color=style.MODEL, linewidth=1.5), centre)]
    entries.append((Patch(color=style.MODEL, alpha=_BAND + _NOISY, linewidth=0), f"{level}, {found.kind}"))
    if any(band.has_validation for band in bands):
        entries.append((Patch(color=style.MODEL, alpha=_NOISY, linewidth=0), "a new measurement"))
    if any(band.n_with(LimitStatus.OPEN) for band in bands):
        entries.append((
            Line2D([], [], linestyle="none", marker="^", color=style.OPTIMA[1], markersize=5), "no limit"
        ))  # fmt: skip
    if data is not None and any(data.where(curve=b.condition, observable=b.observable).any() for b in bands):
        entries.append(
            (Line2D([], [], linestyle="none", marker="o", color=style.INK, markersize=4), "measured")
        )
    figure.legend(
        [e[0] for e in entries],  # type: ignore[misc]
        [e[1] for e in entries],
        loc="upper left",
        ncols=len(entries),
        bbox_to_anchor=(0.3 / figure.get_size_inches()[0], 1.0),
        handlelength=1.6,
        columnspacing=1.8,
    )


def predictions_caption(study: xr.DataTree, page: int, n_pages: int) -> str:
    """What the bands are, what they are not, and what has no limit."""
    found = read_predictions(study)
    assert found is not None
    text = f"Page {page + 1} of {n_pages}. " if n_pages > 1 else ""
    if found.reason:
        return f"{text}The measurements alone: chains that have not converged support no prediction."
    text += f"Predictions with bands of {verdicts.level_words(found.prob)} at each time ({found.kind})."
    if found.has_validation:
        text += (
            " The darker band is for the value without noise, the lighter one for a new measurement, which "
            "has noise of its own; so it is the lighter one that the dots should lie in."
        )
    if n := found.n_with(LimitStatus.OPEN):
        text += f" {numerals.count(n, 'limit')} (triangles at the edge) cannot be given: the data set none."
    if found.resting:
        names = numerals.listing([style.label(name, 40) for name in found.resting])
        text += f" Some limits hold only within the search bounds of {names}."
    if found.method != "posterior" or found.n_draws != found.n_draws:
        return text
    return f"{text} From {numerals.count(int(found.n_draws), 'draw')}."

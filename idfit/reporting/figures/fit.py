"""Data and best fit: a panel per condition (or copy of it) and observable, in pages of small multiples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import (
    Measurements,
    Trajectories,
    attribute,
    is_gaussian,
    read_measurements,
    read_observables,
    read_trajectories,
    simulated_at,
)

PANELS_PER_PAGE = 20
_MANY_POINTS = 3000


@dataclass(frozen=True)
class Panel:
    """What one small picture shows: `curve` is a condition, or a copy of it for one gel or subject."""

    curve: str
    observable: str
    unit: str = ""
    transform: str = "lin"


@dataclass(frozen=True)
class _Sheet:
    """Everything the panels of a study share."""

    data: Measurements
    curves: Trajectories | None
    time_unit: str
    several_curves: bool
    several_observables: bool

    @classmethod
    def read(cls, study: xr.DataTree, panels: list[Panel]) -> _Sheet | None:
        data = read_measurements(study)
        if data is None or not panels:
            return None
        return cls(
            data,
            read_trajectories(study),
            attribute(study, "time_unit"),
            len({p.curve for p in panels}) > 1,
            len({p.observable for p in panels}) > 1,
        )


def fit_panels(study: xr.DataTree) -> list[Panel]:
    """Every pair of curve and observable that has measurements, in the order of the data."""
    data = read_measurements(study)
    if data is None:
        return []
    units, transforms = read_observables(study, "unit"), read_observables(study, "transform")
    observables = list(dict.fromkeys(data.observable))
    panels = []
    for curve in dict.fromkeys(data.curve):
        for observable in observables:
            rows = data.where(curve=curve, observable=observable)
            if rows.any():
                unit = next((u for u in data.unit[rows] if u), "") or units.get(observable, "")
                panels.append(Panel(curve, observable, unit, transforms.get(observable) or "lin"))
    return panels


def fit_pages(study: xr.DataTree) -> list[list[Panel]]:
    """The panels cut into pages of at most `PANELS_PER_PAGE`; rows of one curve stay together."""
    panels = fit_panels(study)
    columns = _columns(panels)
    per_page = max(columns, PANELS_PER_PAGE - PANELS_PER_PAGE % columns)
    n_pages = -(-len(panels) // per_page)
    if n_pages:
        rows = -(-len(panels) // columns)
        per_page = columns * -(-rows // n_pages)  # pages of equal length, not nineteen panels and then one
    return [panels[i : i + per_page] for i in range(0, len(panels), per_page)]


def _columns(panels: list[Panel]) -> int:
    """A column for each observable where the grid is full, else as many as fit the page."""
    n_curves, n_observables = len({p.curve for p in panels}), len({p.observable for p in panels})
    if n_curves > 1 and 2 <= n_observables <= 4 and len(panels) == n_curves * n_observables:
        return n_observables
    return 4 if len(panels) > 9 or len(panels) == 4 else max(1, min(3, len(panels)))


@style.styled
def plot_fit(study: xr.DataTree, panels: list[Panel] | None = None) -> Figure:
    """Measurements with error bars of one sigma, the model as a line, its noise as a band.

    panels : which pictures, default all of them (see `fit_pages` for many)
    """
    everything = fit_panels(study)
    panels = everything if panels is None else panels
    sheet = _Sheet.read(study, everything)
    if sheet is None or not panels:
        raise ValueError("the study has no measurements to draw - a fit figure needs the group 'problem'")
    columns = min(_columns(everything), len(panels))
    rows = -(-len(panels) // columns)
    tall = {1: 3.6, 2: 3.1, 3: 2.7}.get(columns, 2.05)
    width = style.WIDTH if columns > 1 else 6.4
    figure = style.new_figure(rows * tall + 0.85, width)
    style.place(
        figure,
        left=0.75,
        right=0.12,
        bottom=0.55,
        top=0.62,
        wspace=0.34,
        hspace=0.55 if columns > 3 else 0.42,
    )
    limits = _shared_limits(sheet, everything)
    drawn = set()
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, i + 1)
        drawn |= _draw_panel(axes, sheet, panel, limits)
        last_of_column = i + columns >= len(panels)
        axes.set_xlabel(style.with_unit("time", sheet.time_unit) if last_of_column else "")
        crowded = columns > 3 and i % columns and not sheet.several_observables
        axes.set_ylabel("" if crowded else style.with_unit(panel.observable, panel.unit, 22))
        axes.set_title(_title(sheet, panel), color=style.INK, fontsize=9.5 if columns <= 3 else 8.5)
        axes.margins(x=0.03)
    _legend(figure, drawn, f"model {simulated_at(study)}")
    return figure


def _title(sheet: _Sheet, panel: Panel) -> str:
    if sheet.several_curves and sheet.several_observables:
        return f"{style.label(panel.curve, 17)} · {style.label(panel.observable, 14)}"
    return style.label(panel.curve if sheet.several_curves else panel.observable, 30)


def _draw_panel(axes: Axes, sheet: _Sheet, panel: Panel, limits: dict[str, tuple[float, float]]) -> set[str]:
    data, rows = sheet.data, sheet.data.where(curve=panel.curve, observable=panel.observable)
    time, value, sigma = data.time[rows], data.value[rows], data.sigma[rows]
    drawn = {"data"} if np.isfinite(value).any() else set()
    curve = sheet.curves.find(panel.curve, panel.observable) if sheet.curves else None
    shown = [value, data.prediction[rows]]
    if curve is not None:
        grid, model, noise = curve
        lower, upper = noise_band(model, noise, panel.transform)
        if np.isfinite(lower).any():
            axes.fill_between(grid, lower, upper, color=style.MODEL, alpha=0.14, linewidth=0)
            drawn.add("band")
        axes.plot(grid, model, color=style.MODEL, linewidth=1.6, solid_capstyle="round")
        shown.append(model)
        drawn.add("model")
    elif np.isfinite(data.prediction[rows]).any():
        _draw_predictions(axes, data, rows)
        drawn.add("prediction")
        _mark_steady(axes, data, rows)
    drawn |= _draw_data(axes, data, rows, panel)
    _scales(axes, panel, time, np.concatenate(shown), sigma, limits)
    return drawn


def noise_band(model: np.ndarray, sigma: np.ndarray, transform: str) -> tuple[np.ndarray, np.ndarray]:
    """Model minus and plus one sigma; for a transformed observable sigma counts on the transformed scale."""
    factor = {"log": np.e, "log10": 10.0, "log2": 2.0}.get(transform)
    if factor is None:
        return model - sigma, model + sigma
    with np.errstate(over="ignore"):
        return model * factor**-sigma, model * factor**sigma


def _draw_predictions(axes: Axes, data: Measurements, rows: np.ndarray) -> None:
    """Without a curve (scales that differ from gel to gel): the predictions, joined per replicate."""
    for replicate in dict.fromkeys(data.replicate[rows]):
        mine = rows & (data.replicate == replicate)
        order = np.argsort(data.time[mine], kind="stable")
        axes.plot(
            places(data.time[rows], data.time[mine])[order],
            data.prediction[mine][order],
            color=style.MODEL,
            linewidth=1.0,
            marker="_",
            markersize=7,
            markeredgewidth=1.6,
        )


def _mark_steady(axes: Axes, data: Measurements, rows: np.ndarray) -> None:
    """The model in the steady state, where no curve reaches."""
    steady = rows & np.isinf(data.time)
    time = places(data.time[rows], data.time[steady])
    axes.plot(time, data.prediction[steady], "_", color=style.MODEL, markersize=9, markeredgewidth=1.6)


def _draw_data(axes: Axes, data: Measurements, rows: np.ndarray, panel: Panel) -> set[str]:
    drawn = set()
    for censored, marker in (("", "o"), ("left", "v"), ("right", "^")):
        mine = rows & (data.censored == censored) & np.isfinite(data.value)
        if not mine.any():
            continue
        time, value, sigma = places(data.time[rows], data.time[mine]), data.value[mine], data.sigma[mine]
        many = len(value) > 60
        if np.isfinite(sigma).any() and not censored and not many:
            lower, upper = noise_band(value, np.nan_to_num(sigma), panel.transform)
            axes.vlines(time, lower, upper, color=style.INK, alpha=0.55, linewidth=0.9, zorder=3)
            drawn.add("bars")
        axes.plot(
            time,
            value,
            linestyle="none",
            marker=marker,
            markersize=2.2 if many else 4.2,
            markerfacecolor=style.INK if not censored else style.PAPER,
            markeredgecolor=style.PAPER if not censored and not many else style.INK,
            markeredgewidth=0.6 if not censored and not many else 0.5 if many else 1.0,
            zorder=4 if not many else 1.5,
            rasterized=len(value) > _MANY_POINTS,
        )
        if censored:
            drawn.add(censored)
    return drawn


def is_logarithmic(values: np.ndarray, transform: str) -> bool:
    """Log axis for a log-transformed observable, or when positive values span more than three decades."""
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() <= 0:
        return False
    return transform != "lin" or finite.max() / finite.min() > 1e3


def _scales(
    axes: Axes,
    panel: Panel,
    time: np.ndarray,
    shown: np.ndarray,
    sigma: np.ndarray,
    limits: dict[str, tuple[float, float]],
) -> None:
    shown = shown[np.isfinite(shown)]
    if is_logarithmic(shown, panel.transform):
        low, high = limits.get(panel.observable, (shown.min(), shown.max()))
        style.log_axis(axes, "y", low / 1.6, high * 1.6)
    else:
        style.plain_axis(axes, "y")
        if panel.observable in limits:
            low, high = limits[panel.observable]
            large = np.nanpercentile(sigma, 95) if np.isfinite(sigma).any() else 0.0
            pad = max(0.06 * (high - low), min(1.2 * large, 0.4 * (high - low))) or 1.0
            axes.set_ylim(low - pad, high + pad)
    time_axis(axes, time)


def _spread(ordered: np.ndarray) -> bool:
    """Whether times are laid out over decades, not on a grid that merely begins near zero."""
    return bool(
        len(ordered) > 4 and ordered[-1] / ordered[0] > 1e3 and ordered[len(ordered) // 2] < 0.1 * ordered[-1]
    )


def places(every: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Where times are drawn in a panel with `every` of them: t = inf stands behind the last one."""
    finite = every[np.isfinite(every)]
    last = float(finite.max(initial=0.0))
    beyond = 2.0 if _spread(np.unique(finite[finite > 0])) else 1.12
    return np.where(np.isinf(time), last * beyond if last > 0 else 1.0, time)


def time_axis(axes: Axes, time: np.ndarray) -> None:
    """Linear, or logarithmic when the times themselves are laid out over more than three decades."""
    if np.isinf(time).any():
        (place,) = places(time, np.array([np.inf]))
        axes.text(
            place, -0.03, "∞", transform=axes.get_xaxis_transform(), ha="center", va="top", color=style.INK
        )
        axes.axvline(place, color=style.RULE, linewidth=0.7, zorder=0)
        time = time[np.isfinite(time)]
    ordered = np.unique(time[time > 0])
    if not _spread(ordered):
        style.plain_axis(axes, "x")
    elif (time <= 0).any():
        style.symlog_axis(axes, "x", float(ordered[0]), float(ordered[-1]))
    else:
        style.log_axis(axes, "x", ordered[0] / 1.5, ordered[-1] * 1.5)


def _shared_limits(sheet: _Sheet, panels: list[Panel]) -> dict[str, tuple[float, float]]:
    """One value axis per observable over its conditions, unless that would flatten the smallest of them."""
    limits: dict[str, tuple[float, float]] = {}
    for observable in dict.fromkeys(p.observable for p in panels):
        spans = []
        for panel in panels:
            if panel.observable != observable:
                continue
            rows = sheet.data.where(curve=panel.curve, observable=observable)
            parts = [sheet.data.value[rows], sheet.data.prediction[rows]]
            curve = sheet.curves.find(panel.curve, observable) if sheet.curves else None
            if curve is not None:
                parts.append(curve[1])
            values = np.concatenate(parts)
            values = values[np.isfinite(values)]
            if len(values):
                spans.append((values.min(), values.max()))
        if not spans:
            continue
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        if len(spans) == 1 or min(s[1] - s[0] for s in spans) >= 0.15 * (high - low):
            limits[observable] = (float(low), float(high))
    return limits


def _legend(figure: Figure, drawn: set[str], model: str) -> None:
    """One legend for the whole page, along its top."""
    dot = {"linestyle": "none", "marker": "o", "markersize": 5, "markerfacecolor": style.INK}
    entries: list[tuple[object, str]] = []
    if "data" in drawn:
        measured = "measured ± σ" if "bars" in drawn else "measured"
        entries.append((Line2D([], [], markeredgecolor=style.PAPER, **dot), measured))
    hollow = {
        "linestyle": "none",
        "markersize": 5,
        "markerfacecolor": style.PAPER,
        "markeredgecolor": style.INK,
    }
    if "left" in drawn:
        entries.append((Line2D([], [], marker="v", **hollow), "below the limit shown (left-censored)"))
    if "right" in drawn:
        entries.append((Line2D([], [], marker="^", **hollow), "above the limit shown (right-censored)"))
    if "model" in drawn:
        entries.append((Line2D([], [], color=style.MODEL, linewidth=1.6), model))
    if "prediction" in drawn:
        entries.append(
            (Line2D([], [], color=style.MODEL, marker="_", markersize=7), "prediction at the data")
        )
    if "band" in drawn:
        entries.append((Patch(color=style.MODEL, alpha=0.14, linewidth=0), "model ± σ of the noise"))
    figure.legend(
        [e[0] for e in entries],  # type: ignore[misc]
        [e[1] for e in entries],
        loc="upper left",
        ncols=len(entries),
        bbox_to_anchor=(0.3 / figure.get_size_inches()[0], 1.0),
        handlelength=1.6,
        columnspacing=1.8,
    )


def fit_caption(study: xr.DataTree, panels: list[Panel], page: int, n_pages: int) -> str:
    """What to look for, in words, with what of the drawn data lies how far from the model."""
    data = read_measurements(study)
    assert data is not None
    rows = np.any([data.where(curve=p.curve, observable=p.observable) for p in panels], axis=0)
    residual = data.residual[rows]
    residual = residual[np.isfinite(residual)]
    modelled = np.isfinite(data.prediction[rows]).any()
    text = (
        f"Measurements (dots) and the model {simulated_at(study)} (line). "
        if modelled
        else "The measurements. "
    )
    if n_pages > 1:
        text = f"Page {page + 1} of {n_pages}. " + text
    if len(residual):
        expected = "; about 68 % is expected of Gaussian noise" if is_gaussian(study) else ""
        inside = int((np.abs(residual) <= 1).sum())
        text += (
            f"{inside} of {numerals.count(len(residual), 'measurement')} lie within one σ of the model "
            f"({numerals.percent(inside / len(residual))}{expected}). "
        )
    if modelled:
        text += "A good fit follows the shape of the data; runs of dots on one side of it point at the model."
    if any(p.transform != "lin" for p in panels):
        text += " Observables compared on a log scale are drawn on a log axis."
    return text

"""Pairs of parameters in the posterior, with paths of the profiles, optima and bounds drawn in."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.figures.marginals import FILL
from idfit.reporting.reading import (
    Axis,
    Posterior,
    Profiles,
    Starts,
    read_bounds,
    read_posterior,
    read_profiles,
    read_starts,
)
from idfit.reporting.reading.posterior import shown
from idfit.reporting.scales import to_natural

MOST = 8
_LEVELS = (0.68, 0.95)
_BINS, _SMOOTH = 26, 1.2
_INNER = (0.0005, 0.9995)  # of the draws that are shown
_ROOM = 0.05
_LEFT, _BOTTOM, _RIGHT, _TOP = 0.95, 0.85, 0.1, 0.42  # inches
_EDGE, _OUTER = "#3f8f74", "#d6ece3"
PATHS = ("#d98200", "#b5477f")
#: other optima lie at most this much above the best one, or the data exclude them
_WITHIN = 10.0


def has_corner(study: xr.DataTree | xr.Dataset) -> bool:
    """An unconverged chain makes no claim: there is nothing to draw."""
    found = read_posterior(study)
    return found is not None and found.converged and len(found.parameters) > 1


def chosen_parameters(found: Posterior, most: int = MOST) -> list[int]:
    """All if they are few; else those that the data narrow least, or that go most with another one."""
    n = len(found.parameters)
    if n <= most:
        return list(range(n))
    draws = np.array([found.drawn(i).reshape(-1) for i in range(n)])
    with np.errstate(invalid="ignore"):
        linked = np.abs(np.nan_to_num(np.corrcoef(draws)))
    np.fill_diagonal(linked, 0.0)
    open_ = 1.0 - np.clip(np.nan_to_num(found.contraction, nan=1.0), 0.0, 1.0)
    score = np.maximum(open_, linked.max(axis=1))
    return sorted(np.argsort(-score, kind="stable")[:most].tolist())


@style.styled
def plot_corner(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """Each pair of parameters in the posterior: contours that hold 68 and 95 % of it."""
    found = read_posterior(study)
    if found is None:
        raise ValueError("the study has no posterior to draw - sample it first")
    chosen = chosen_parameters(found) if which is None else which
    panels = _Panels(found, chosen, read_profiles(study), read_starts(study), read_bounds(study))
    side = (style.WIDTH - _LEFT - _RIGHT) / max(len(chosen), 3)
    width = _LEFT + _RIGHT + len(chosen) * side
    figure = style.new_figure(_BOTTOM + _TOP + len(chosen) * side, max(width, 6.0))
    grid = _contours(figure, panels)
    style.place(
        figure, _LEFT, figure.get_figwidth() - width + _RIGHT, _BOTTOM, _TOP, wspace=0.07, hspace=0.07
    )
    figure.align_labels()
    marks: dict[str, Line2D | Patch] = {"posterior": Patch(color=FILL, label="posterior, 68 and 95 %")}
    for row in range(len(chosen)):
        for column in range(row + 1):
            marks |= panels.draw(grid[row, column], row, column)
    height = figure.get_figheight()
    figure.legend(
        handles=list(marks.values()), loc="upper left", ncols=3 if width < 7 else 6, columnspacing=1.4,
        bbox_to_anchor=(0.1 / figure.get_figwidth(), 1 - 0.04 / height), borderaxespad=0, labelspacing=0.3,
    )  # fmt: skip
    return figure


def _contours(figure: Figure, panels: _Panels) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the library imports
        import corner

        corner.corner(
            panels.draws.T, bins=_BINS, range=panels.ranges, color=_EDGE, smooth=_SMOOTH, levels=_LEVELS,
            plot_datapoints=False, plot_density=False, fill_contours=True, fig=figure,
            hist_kwargs={"histtype": "stepfilled", "facecolor": FILL, "edgecolor": _EDGE, "linewidth": 0.8},
            contour_kwargs={"linewidths": 0.8, "colors": _EDGE},
            contourf_kwargs={"colors": [style.PAPER, _OUTER, FILL]},
        )  # fmt: skip
    n = len(panels.axes)
    return np.array(figure.axes).reshape(n, n)


class _Panels:
    """What is drawn into the panels; all values as axes show them (decades of logarithmic parameters)."""

    def __init__(
        self,
        found: Posterior,
        chosen: list[int],
        profiles: Profiles | None,
        starts: Starts | None,
        bounds: dict[str, tuple[float, float]],
    ):
        self.axes = [found.parameters[i] for i in chosen]
        self.draws = np.array([found.drawn(i).reshape(-1) for i in chosen])
        self.profiles = profiles
        self.starts = starts
        self.bounds = [shown(a, np.array(bounds.get(a.name, (np.nan, np.nan)))) for a in self.axes]
        self.ranges = [_range(values, ends) for values, ends in zip(self.draws, self.bounds, strict=True)]

    def draw(self, axes: Axes, row: int, column: int) -> dict[str, Line2D | Patch]:
        """Lines and marks of one panel; what they mean."""
        marks = self._bounds(axes, row, column)
        if row != column:
            marks |= self._paths(axes, row, column)
            axes.set_ylim(*self.ranges[row])
        marks |= self._optima(axes, row, column)
        axes.set_xlim(*self.ranges[column])
        self._label(axes, row, column)
        return marks

    def _bounds(self, axes: Axes, row: int, column: int) -> dict[str, Line2D | Patch]:
        look = {"color": style.MUTED, "linewidth": 0.9, "linestyle": ":"}
        inside = [b for b in self.bounds[column] if self.ranges[column][0] <= b <= self.ranges[column][1]]
        for bound in inside:
            axes.axvline(bound, **look)
        across = [b for b in self.bounds[row] if self.ranges[row][0] <= b <= self.ranges[row][1]]
        for bound in across if row != column else ():
            axes.axhline(bound, **look)
        return {"bound": Line2D([], [], label="bound", **look)} if inside or across else {}

    def _paths(self, axes: Axes, row: int, column: int) -> dict[str, Line2D | Patch]:
        """Where the profiles of the two parameters ran, seen in their plane."""
        marks: dict[str, Line2D | Patch] = {}
        for k, own in enumerate((column, row)):
            profile = None if self.profiles is None else self.profiles.of(self.axes[own].name)
            if profile is None or not profile.good.any():
                continue
            names = [p.name for p in profile.parameters]
            pair = (self.axes[column], self.axes[row])
            if any(a.name not in names for a in pair):
                continue
            x, y = (
                np.where(
                    profile.good,
                    shown(a, a.natural(profile.theta[:, names.index(a.name)])),
                    np.nan,
                )
                for a in pair
            )
            at = np.flatnonzero(profile.jump)
            axes.plot(
                np.insert(x, at, np.nan), np.insert(y, at, np.nan), color=PATHS[k], linewidth=1.1, zorder=4
            )
            text = f"path of the profile of {'x' if k == 0 else 'y'}"
            marks[f"path {k}"] = Line2D([], [], color=PATHS[k], linewidth=1.1, label=text)
        return marks

    def _optima(self, axes: Axes, row: int, column: int) -> dict[str, Line2D | Patch]:
        """The best fit, and the other optima that the data do not exclude."""
        marks: dict[str, Line2D | Patch] = {}
        for n, point in enumerate(self._points()):
            x, y = point[column], point[row]
            best = n == 0
            if not all(self.ranges[k][0] <= point[k] <= self.ranges[k][1] for k in (column, row)):
                continue
            if row == column:
                axes.axvline(x, color=style.INK if best else style.MUTED, linewidth=0.9, zorder=4)
                continue
            look = {
                "linestyle": "none", "marker": "D", "markersize": 4.2 if best else 3.6, "color": style.INK,
                "markerfacecolor": style.INK if best else style.PAPER,
            }  # fmt: skip
            axes.plot([x], [y], zorder=6, **look)
            what = "best fit" if best else "other optimum"
            marks[what] = Line2D([], [], label=what, **look)
        return marks

    def _points(self) -> list[np.ndarray]:
        starts = self.starts
        if starts is None or not starts.finished.any():
            return []
        names = starts.parameters
        if any(a.name not in names for a in self.axes):
            return []
        points = []
        for k, theta in enumerate(starts.optimum):
            least = starts.objective[starts.finished & (starts.cluster == k)]
            if len(least) and least.min() - starts.best > _WITHIN:
                continue
            values = [
                shown(
                    a,
                    np.array(
                        to_natural(float(theta[names.index(a.name)]), starts.scale[names.index(a.name)])
                    ),
                )
                for a in self.axes
            ]
            points.append(np.array(values, dtype=float))
        return points

    def _label(self, axes: Axes, row: int, column: int) -> None:
        last = row == len(self.axes) - 1
        for axis, wanted, of in (
            (axes.xaxis, last, column),
            (axes.yaxis, column == 0 and row > 0, row),
        ):
            axis.set_major_locator(FixedLocator(_ticks(self.axes[of], *self.ranges[of])))
            axis.set_major_formatter(FuncFormatter(_formatter(self.axes[of])))
            axis.set_tick_params(labelsize=6.5, labelrotation=45 if axis is axes.xaxis else 0, length=2.5)
            text = style.label(self.axes[of].name, 20) + _unit(self.axes[of])
            axis.set_label_text(text if wanted else "", fontsize=7.5)
        if row == column:
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        if not last:
            axes.set_xticklabels([])
        if column or not row:
            axes.set_yticklabels([])
        if row == column and row < 1:
            axes.set_ylabel("")


def _unit(axis: Axis) -> str:
    return f"\n({style.label(axis.unit, 16)})" if axis.unit else ""


def _formatter(axis: Axis):
    def text(value: float, _: object) -> str:
        return numerals.short_number(10.0**value if axis.is_logarithmic else value, 3)

    return text


def _ticks(axis: Axis, low: float, high: float) -> list[float]:
    """At most three values that are round in natural units."""
    if not axis.is_logarithmic or high - low < 0.7:
        decades = 10.0 ** np.array([low, high]) if axis.is_logarithmic else np.array([low, high])
        ticks = np.asarray(MaxNLocator(3).tick_values(*decades))
        return [float(t) for t in shown(axis, ticks[ticks > 0] if axis.is_logarithmic else ticks)]
    first, last = int(np.floor(low)), int(np.ceil(high))
    digits = (1.0, 2.0, 5.0) if high - low < 1.2 else (1.0, 3.0) if high - low < 2.0 else (1.0,)
    ticks = [k + np.log10(d) for k in range(first, last) for d in digits]
    ticks = [float(t) for t in ticks if low <= t <= high]
    return ticks[:: max(1, -(-len(ticks) // 3))]


def _range(values: np.ndarray, bounds: np.ndarray) -> tuple[float, float]:
    """All but the outermost draws, with some room."""
    low, high = np.quantile(values[np.isfinite(values)], _INNER)
    room = _ROOM * (high - low) or 0.05 * max(abs(high), 1.0)
    return float(low - room), float(high + room)


def corner_caption(study: xr.DataTree | xr.Dataset) -> str:
    found = read_posterior(study)
    assert found is not None
    n, chosen = len(found.parameters), chosen_parameters(found)
    which = (
        f" The {len(chosen)} of {n} parameters that the data narrow least, or that go most with another one."
        if len(chosen) < n
        else ""
    )
    paths = (
        " The lines are the paths of the profiles: where they leave the middle of the cloud, most values of "
        "the other parameters lie beside the best ones."
        if read_profiles(study) is not None
        else ""
    )
    return (
        "Posterior of each pair of parameters, all others integrated out; the inner contour holds 68 % of "
        f"it, the outer one 95 %.{which} Parameters on a logarithmic scale are drawn on it. A long or bent "
        f"region means that the two make up for each other.{paths}"
    )

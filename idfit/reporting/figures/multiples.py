"""Small multiples: pages of panels, and axes that show a parameter in its unit on its scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Axis

COLUMNS = 3
PANELS_PER_PAGE = 12
LEFT, RIGHT, GAP = 0.72, 0.42, 0.66  # inches
TONES = {"good": "#1a7f5a", "open": "#b4501a", "flat": "#8a3b7f", "unknown": "#66717f"}

T = TypeVar("T")


def pages_of(items: Sequence[T], most: int = PANELS_PER_PAGE) -> list[list[T]]:
    """The items cut into pages of nearly equal length, in whole rows."""
    if not items:
        return []
    n_pages = -(-len(items) // most)
    rows = -(-len(items) // COLUMNS)
    per_page = COLUMNS * -(-rows // n_pages)
    return [list(items[i : i + per_page]) for i in range(0, len(items), per_page)]


def column_width() -> float:
    return (style.WIDTH - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS


def add_axes(figure, column: int, top: float, height: float, sharex: Axes | None = None) -> Axes:
    """Axes in `column`, `top` inches below the upper edge of the figure, `height` inches high."""
    width, tall = figure.get_size_inches()
    wide = column_width()
    left = LEFT + column * (wide + GAP)
    box = (left / width, 1 - (top + height) / tall, wide / width, height / tall)
    return figure.add_axes(box, sharex=sharex)


def value_range(axis: Axis, values: np.ndarray, pad: float = 0.06) -> tuple[float, float]:
    """Range on the natural scale that holds `values` with some room, which is equal on the axis's scale."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if axis.is_logarithmic:
        values = np.log10(values[values > 0])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = pad * (high - low) or 0.05 * max(abs(high), 1.0 if axis.is_logarithmic else abs(high) or 1.0)
    low, high = low - room, high + room
    if axis.is_logarithmic:
        return 10.0 ** max(low, -300.0), 10.0 ** min(high, 300.0)
    return low, high


def value_axis(axes: Axes, which: str, axis: Axis, limits: tuple[float, float], bins: int = 4) -> None:
    """An axis in natural units, logarithmic where the parameter is estimated on a logarithmic scale."""
    low, high = limits
    decades = np.log10(high / low) if axis.is_logarithmic and low > 0 else 0.0
    if axis.is_logarithmic and decades > 1.3:
        style.log_axis(axes, which, low, high)
        return
    if axis.is_logarithmic:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    ticks = [t for t in MaxNLocator(bins).tick_values(low, high) if low <= t <= high]
    if axis.is_logarithmic and decades > 0.5:  # equal steps would crowd at the upper end
        ticks = [t for t in _one_two_five(low) if low <= t <= high]
    if which == "x" and any(len(numerals.short_number(t, 4)) > 8 for t in ticks):
        ticks = [t for t in MaxNLocator(2).tick_values(low, high) if low <= t <= high] or ticks[::2]
    target = axes.xaxis if which == "x" else axes.yaxis
    target.set_major_locator(FixedLocator(ticks))
    target.set_major_formatter(FuncFormatter(lambda value, _: numerals.short_number(value, 4)))
    target.set_minor_locator(NullLocator())


def _one_two_five(low: float) -> list[float]:
    first = int(np.floor(np.log10(low)))
    return [m * 10.0**k for k in range(first, first + 3) for m in (1.0, 2.0, 5.0)]


def name_axis(axes: Axes, which: str, axis: Axis, most: int = 26) -> None:
    text = style.with_unit(axis.name, axis.unit, most)
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(text)


def interval_bar(
    axes: Axes, y: float, low: float, high: float, colour: str, ends: tuple[str, str] = ("", ""), **line
) -> None:
    """A bar from `low` to `high`; an infinite end runs to the edge with an arrow, or the text of `ends`."""
    left, right = axes.get_xlim()
    drawn = [left if low == -np.inf else low, right if high == np.inf else high]
    line = {"linewidth": 3.2, "solid_capstyle": "butt", "zorder": 4} | line
    axes.plot(drawn, [y, y], color=colour, **line)
    for k, (end, edge, arrow) in enumerate(((low, left, "<"), (high, right, ">"))):
        if not np.isinf(end):
            continue
        if ends[k]:
            shift = 3 if k == 0 else -3
            axes.annotate(
                ends[k], (edge, y), (shift, 0), textcoords="offset points", color=colour, fontsize=8,
                ha="left" if k == 0 else "right", va="center", fontweight="bold", zorder=6,
                bbox={"facecolor": style.PAPER, "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
        else:
            axes.plot(
                [edge], [y], marker=arrow, color=colour, markersize=6, markeredgewidth=0, clip_on=False,
                zorder=6,
            )  # fmt: skip

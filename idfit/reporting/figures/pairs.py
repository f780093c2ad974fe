"""Two parameters at a time: contours of the profile likelihood, with the paths of the single profiles."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from idfit.reporting import verdicts
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import Pair, Profiles, read_pairs, read_profiles, read_starts

PAIRS_PER_PAGE = 6
_COLUMNS = 2
_FILLS = ("#1f6fa8", "#4f90bf", "#86b4d5", "#bdd6e8", "#e3eef6")
_PATHS = ("#d98200", "#b5477f")


def pair_pages(study: xr.DataTree | xr.Dataset) -> list[list[int]]:
    n = len(read_pairs(study))
    return [list(range(i, min(i + PAIRS_PER_PAGE, n))) for i in range(0, n, PAIRS_PER_PAGE)]


@style.styled
def plot_pairs(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """Δ(−2 log L) over two parameters: solid contours for both at once, dashed ones for each by itself."""
    pairs = read_pairs(study)
    pairs = pairs if which is None else [pairs[i] for i in which]
    if not pairs:
        raise ValueError("the study has no two-parameter profiles to draw - compute them first")
    found = read_profiles(study) if isinstance(study, xr.DataTree) else None
    columns = min(_COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    tall, head, foot, top = 3.1, 0.35, 0.62, 0.62
    width = style.WIDTH if columns > 1 else 5.4
    figure = style.new_figure(top + rows * (head + tall + foot), width)
    height = figure.get_size_inches()[1]
    wide = (width - columns * 0.85 - 0.15) / columns
    marks: dict[str, Line2D | Patch] = {}
    for i, pair in enumerate(pairs):
        row, column = divmod(i, columns)
        begin = top + row * (head + tall + foot) + head
        left = 0.8 + column * (wide + 0.85)
        axes = figure.add_axes((left / width, 1 - (begin + tall) / height, wide / width, tall / height))
        marks |= _draw_pair(axes, pair, found, _best(study, pair, found))
    figure.legend(
        handles=list(marks.values()), loc="lower left", ncols=4 if columns > 1 else 2, borderaxespad=0,
        bbox_to_anchor=(0.75 / width, 1 - (top + 0.05) / height), columnspacing=1.6, labelspacing=0.3,
    )  # fmt: skip
    return figure


def _best(
    study: xr.DataTree | xr.Dataset, pair: Pair, found: Profiles | None
) -> tuple[float, dict[str, float]]:
    """Least objective known, and the best fit on the natural scale: of the profiles, else of the fit."""
    if np.isfinite(pair.best) and np.isfinite(pair.estimate).all():
        natural = [a.natural(pair.estimate[k : k + 1])[0] for k, a in enumerate((pair.first, pair.second))]
        return pair.best, {pair.first.name: float(natural[0]), pair.second.name: float(natural[1])}
    least = float(np.nanmin(pair.objective)) if np.isfinite(pair.objective).any() else 0.0
    if found is not None and found.profiles:
        estimates = {p.name: p.estimate for p in found.profiles}
        best = found.profiles[0].best
        return (best if np.isfinite(best) else least), estimates
    starts = read_starts(study) if isinstance(study, xr.DataTree) else None
    if starts is None or not starts.finished.any():
        return least, {}
    theta = starts.theta[starts.ranked[0]]
    known = {p.name: p for p in pair.parameters}
    estimates = {
        name: float(known[name].natural(theta[j : j + 1])[0])
        for j, name in enumerate(starts.parameters)
        if name in known
    }
    return min(starts.best, least), estimates


def _draw_pair(
    axes: Axes, pair: Pair, found: Profiles | None, best: tuple[float, dict[str, float]]
) -> dict[str, Line2D | Patch]:
    x, y = pair.first.natural(pair.x), pair.second.natural(pair.y)
    delta = 2 * (pair.objective - best[0])
    usable = np.isfinite(delta) & ~pair.failed
    shown = pair.tried if pair.tried.any() else np.ones_like(usable)
    limits = [
        multiples.value_range(axis, values[shown.any(axis=1 - k)], 0.03)
        for k, (axis, values) in enumerate(((pair.first, x), (pair.second, y)))
    ]
    multiples.value_axis(axes, "x", pair.first, limits[0])
    multiples.value_axis(axes, "y", pair.second, limits[1])
    marks: dict[str, Line2D | Patch] = {}
    if usable.any():
        marks |= _draw_contours(axes, pair, x, y, np.ma.masked_where(~usable, delta))
    marks |= _draw_failed(axes, pair, x, y)
    marks |= _draw_paths(axes, pair, found)
    point = [best[1].get(pair.first.name, np.nan), best[1].get(pair.second.name, np.nan)]
    if np.isfinite(point).all():
        look = {"linestyle": "none", "marker": "D", "color": style.INK, "markersize": 5}
        axes.plot(*[[p] for p in point], zorder=6, **look)
        marks["best"] = Line2D([], [], label="best fit", **look)
    multiples.name_axis(axes, "x", pair.first)
    multiples.name_axis(axes, "y", pair.second)
    axes.set_title(_title(pair))
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    return marks


def _title(pair: Pair) -> str:
    regions = [c for c in pair.contours if c.df == 2] or pair.contours
    if not regions:
        return ""
    widest = max(regions, key=lambda c: c.prob)
    ends = "closed" if widest.closed else "open within the bounds"
    return f"{verdicts.level_words(widest.prob)} region: {ends}"


def _draw_contours(axes: Axes, pair: Pair, x, y, delta) -> dict[str, Line2D | Patch]:
    """Filled between the contours of both kinds; x and y ascending along the grid."""
    ordered = sorted(pair.contours, key=lambda c: c.rise)
    levels = sorted({round(2 * c.rise, 9) for c in ordered if np.isfinite(c.rise)})
    top = float(delta.max())
    marks: dict[str, Line2D | Patch] = {}
    if min(delta.shape) < 2 or not levels:
        return marks
    edges = [min(0.0, float(delta.min())), *[v for v in levels if v < top], top * 1.0001 + 1e-9]
    colours = [_FILLS[min(k, len(_FILLS) - 1)] for k in range(len(edges) - 1)]
    axes.contourf(x, y, delta.T, levels=edges, colors=colours, alpha=0.55, zorder=1)
    for contour in ordered:
        if not 0 < 2 * contour.rise < top:
            continue
        joint = contour.df == 2
        dashes = "solid" if joint else (0, (4, 2.5))
        # colour tells the level, dashes the kind
        line = {"linewidth": 1.5 if joint else 1.1, "linestyle": dashes}
        colour = style.INK if contour.prob > 0.8 else style.MODEL
        axes.contour(x, y, delta.T, levels=[2 * contour.rise], colors=[colour], zorder=3,
                     linewidths=line["linewidth"], linestyles=[dashes])  # fmt: skip
        what = "both at once" if joint else "each by itself"
        key = f"{contour.df} {contour.prob}"
        marks[key] = Line2D(
            [], [], color=colour, label=f"{verdicts.level_words(contour.prob)}, {what}", **line
        )
    return dict(sorted(marks.items(), reverse=True))


def _draw_failed(axes: Axes, pair: Pair, x: np.ndarray, y: np.ndarray) -> dict[str, Line2D | Patch]:
    if not pair.failed.any():
        return {}
    ex, ey = _edges(pair.x), _edges(pair.y)
    ex, ey = pair.first.natural(ex), pair.second.natural(ey)
    look = {"facecolor": "#ffffff", "edgecolor": "#c0392b", "hatch": "xxxx", "linewidth": 0}
    for i, j in np.argwhere(pair.failed):
        axes.fill_between([ex[i], ex[i + 1]], ey[j], ey[j + 1], zorder=2, **look)
    return {"failed": Patch(label="refit failed", **look)}


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of the cells around grid points."""
    middle = (values[1:] + values[:-1]) / 2
    if not len(middle):
        return np.array([values[0] - 0.5, values[0] + 0.5])
    return np.array([2 * values[0] - middle[0], *middle, 2 * values[-1] - middle[-1]])


def _draw_paths(axes: Axes, pair: Pair, found: Profiles | None) -> dict[str, Line2D | Patch]:
    """Where the single profiles ran: the crests that cast the one-parameter intervals."""
    marks: dict[str, Line2D | Patch] = {}
    both = (pair.first, pair.second)
    for k, axis in enumerate(both):
        profile = found.of(axis.name) if found is not None else None
        names = [p.name for p in profile.parameters] if profile is not None else []
        other = both[1 - k]
        if profile is None or other.name not in names or not profile.good.any():
            continue
        shift = profile.parameters[names.index(other.name)].natural(profile.theta[:, names.index(other.name)])
        line = [np.where(profile.good, profile.value, np.nan), np.where(profile.good, shift, np.nan)]
        axes.plot(*(line if k == 0 else line[::-1]), color=_PATHS[k], linewidth=1.3, zorder=4)
        text = f"path of the profile of {'x' if k == 0 else 'y'}"
        marks[f"path {k}"] = Line2D([], [], color=_PATHS[k], linewidth=1.3, label=text)
    return marks


def pairs_caption(study: xr.DataTree | xr.Dataset, page: int, n_pages: int) -> str:
    pairs = read_pairs(study)
    part = f"Part {page + 1} of {n_pages}. " if n_pages > 1 else ""
    text = (
        f"{part}Profile likelihood of two parameters, all others refitted at each point; the darker, the "
        "better the fit. Values inside a solid line are compatible with the data for both parameters at "
        "once; the shadow of a dashed line on an axis is the interval of that parameter alone. A long, "
        "thin or bent region means that the two make up for each other; a region that runs to the edge "
        "is open there."
    )
    if any(p.failed.any() for p in pairs):
        text += " Crossed cells could not be refitted."
    return text

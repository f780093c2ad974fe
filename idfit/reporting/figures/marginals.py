"""Marginal densities of the posterior, with what profile and prior say of each parameter."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from idfit.reporting import verdicts
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import Axis, Posterior, Profile, read_bounds, read_posterior, read_profiles
from idfit.reporting.reading.posterior import shown

PANELS_PER_PAGE = 24
_TALL, _HEAD, _FOOT, _TOP = 1.0, 0.34, 0.62, 0.34
_BINS = 40
FILL, PROFILE, PRIOR = "#a8d5c4", style.MODEL, style.INK
_MARGIN = 0.06


def marginal_pages(study: xr.DataTree | xr.Dataset) -> list[list[int]]:
    found = read_posterior(study)
    return [] if found is None else multiples.pages_of(list(range(len(found.parameters))), PANELS_PER_PAGE)


@style.styled
def plot_marginals(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """The density of each parameter with its interval; a line for each superchain if they do not agree."""
    found = read_posterior(study)
    if found is None:
        raise ValueError("the study has no posterior to draw - sample it first")
    chosen = list(range(len(found.parameters))) if which is None else which
    profiles = read_profiles(study)
    bounds = read_bounds(study)
    rows = -(-len(chosen) // multiples.COLUMNS)
    cell = _HEAD + _TALL + _FOOT
    figure = style.new_figure(_TOP + rows * cell + 0.1)
    marks: dict[str, Line2D | Patch] = {}
    for n, i in enumerate(chosen):
        row, column = divmod(n, multiples.COLUMNS)
        axes = multiples.add_axes(figure, column, _TOP + row * cell + _HEAD, _TALL)
        name = found.parameters[i].name
        profile = profiles.of(name) if profiles is not None else None
        marks |= _draw(axes, found, i, profile, bounds.get(name, (np.nan, np.nan)))
    width, height = figure.get_size_inches()
    figure.legend(
        handles=list(marks.values()), loc="upper left", ncols=6, borderaxespad=0, columnspacing=1.6,
        bbox_to_anchor=(multiples.LEFT / width, 1 - 0.06 / height),
    )  # fmt: skip
    return figure


def _draw(
    axes: Axes, found: Posterior, i: int, profile: Profile | None, bounds: tuple[float, float]
) -> dict[str, Line2D | Patch]:
    axis = found.parameters[i]
    limits = multiples.value_range(axis, np.quantile(found.draws[i], [0.001, 0.999]), _MARGIN)
    multiples.value_axis(axes, "x", axis, limits)
    # no bin reaches beyond a bound, where there is nothing
    first, last = shown(axis, np.clip(limits, *_known(bounds)))
    edges = np.linspace(float(first), float(last), _BINS + 1)
    marks: dict[str, Line2D | Patch] = {}
    if found.converged:
        heights = density(found.drawn(i), edges)
        top = float(heights.max())
        axes.fill_between(
            natural(axis, edges), np.append(heights, heights[-1]), step="post", color=FILL, linewidth=0
        )
        marks["posterior"] = Patch(color=FILL, label="posterior")
    else:
        top, lines = _draw_superchains(axes, found, i, edges)
        marks |= lines
    marks |= _draw_profile(axes, profile, top)
    marks |= _draw_prior(axes, found, i)
    marks |= _draw_bounds(axes, bounds)
    axes.set_ylim(-0.17 * top, 1.08 * top)
    if found.converged:
        multiples.interval_bar(axes, -0.09 * top, *found.limits(i), style.INK, linewidth=2.6)
        axes.plot(
            [found.median[i]],
            [-0.09 * top],
            "|",
            color=style.PAPER,
            markersize=4,
            markeredgewidth=1.6,
            zorder=6,
        )
        level = verdicts.level_words(found.prob)
        marks["interval"] = Line2D(
            [], [], color=style.INK, linewidth=2.6, label=f"{level} interval and median"
        )
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title(style.label(axis.name, 30))
    axes.set_xlabel(f"({style.label(axis.unit, 16)})" if axis.unit else "(no unit)", fontsize=8)
    return marks


def _known(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    return (low if np.isfinite(low) else -np.inf), (high if np.isfinite(high) else np.inf)


def natural(axis: Axis, values: np.ndarray) -> np.ndarray:
    return 10.0**values if axis.is_logarithmic else values


def density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of all values in each bin, per unit of the axis: those outside count too."""
    inside = np.histogram(values, edges)[0]
    return inside / (max(np.size(values), 1) * np.diff(edges))


def _draw_superchains(
    axes: Axes, found: Posterior, i: int, edges: np.ndarray
) -> tuple[float, dict[str, Line2D | Patch]]:
    x, top = natural(found.parameters[i], edges), 0.0
    marks: dict[str, Line2D | Patch] = {}
    for n, k in enumerate(found.superchains):
        heights = density(found.drawn(i)[found.superchain == k], edges)
        colour = style.superchain_colour(n)
        axes.step(x, np.append(heights, heights[-1]), where="post", color=colour, linewidth=1.1, zorder=3)
        marks[f"superchain {n}"] = Line2D([], [], color=colour, label=f"superchain {n + 1}")
        top = max(top, float(heights.max()))
    return top, dict(list(marks.items())[:6])


def _draw_profile(axes: Axes, profile: Profile | None, top: float) -> dict[str, Line2D | Patch]:
    """exp(−Δ) of the profile, as high as the posterior: where both differ, integrating is not maximising."""
    if profile is None or profile.good.sum() < 2:
        return {}
    # points of a path that jumps to another branch are no curve
    y = np.where(profile.good, np.exp(-profile.delta / 2), np.nan)
    axes.plot(profile.value, top * y, color=PROFILE, linewidth=1.2, zorder=4)
    return {"profile": Line2D([], [], color=PROFILE, linewidth=1.2, label="profile, exp(−Δ)")}


def prior_density(found: Posterior, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of an axis and the density of the prior between two of its quantiles, per unit of the axis."""
    values = shown(found.parameters[i], found.prior_quantile[i])
    middle, width = (values[1:] + values[:-1]) / 2, np.diff(values)
    good = np.isfinite(middle) & (width > 0)
    return middle[good], np.diff(found.prior_level)[good] / width[good]


def _draw_prior(axes: Axes, found: Posterior, i: int) -> dict[str, Line2D | Patch]:
    x, y = prior_density(found, i)
    if not len(x):
        return {}
    look = {"color": PRIOR, "linewidth": 1.1, "linestyle": (0, (4, 2))}
    axes.plot(natural(found.parameters[i], x), y, zorder=4, **look)
    return {"prior": Line2D([], [], label="prior", **look)}


def _draw_bounds(axes: Axes, bounds: tuple[float, float]) -> dict[str, Line2D | Patch]:
    low, high = axes.get_xlim()
    seen = [b for b in bounds if np.isfinite(b) and low <= b <= high]
    for bound in seen:
        axes.axvline(bound, color=style.MUTED, linewidth=0.9, linestyle=":", zorder=2)
    look = {"color": style.MUTED, "linewidth": 0.9, "linestyle": ":"}
    return {"bound": Line2D([], [], label="bound", **look)} if seen else {}


def marginals_caption(study: xr.DataTree | xr.Dataset, page: int, n_pages: int) -> str:
    found = read_posterior(study)
    assert found is not None
    part = f"Part {page + 1} of {n_pages}. " if n_pages > 1 else ""
    if not found.converged:
        return (
            f"{part}What each superchain saw. They have to lie on top of each other before any of them can "
            "be taken for the posterior; here they do not, so no interval is drawn."
        )
    text = (
        f"{part}Posterior density of each parameter, all others integrated out, with its "
        f"{verdicts.level_words(found.prob)} interval below."
    )
    if read_profiles(study) is not None:
        text += (
            " The profile is drawn as high as the density: there the others are refitted, not integrated "
            "out, so the two differ where many values of the others go with one value of this parameter."
        )
    if found.prior_quantile.size:
        text += " Where the density follows the prior, the data say nothing."
    return text

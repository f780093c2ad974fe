"""Whether chains have converged: traces and ranks of each superchain, and the autocorrelation."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from idfit.reporting import numerals
from idfit.reporting.figures import multiples, style
from idfit.reporting.figures.marginals import natural
from idfit.reporting.reading import Posterior, read_posterior

MOST = 8
_TALL, _GAP, _TOP, _BOTTOM = 0.72, 0.34, 0.62, 0.5
_MOST_POINTS = 160  # of a line of a trace
_RANK_BINS = 20
_MOST_LINES = 5


def has_chains(study: xr.DataTree | xr.Dataset) -> bool:
    found = read_posterior(study)
    return found is not None and found.draws.shape[2] > 1


def worst(found: Posterior, most: int = MOST) -> list[int]:
    """The parameters with the largest R-hat, in their order."""
    rhat = np.nan_to_num(found.rhat, nan=np.inf)
    return sorted(np.argsort(-rhat, kind="stable")[:most].tolist())


@style.styled
def plot_chains(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """Left the course of each superchain, right the ranks of its draws among all."""
    found = read_posterior(study)
    if found is None:
        raise ValueError("the study has no posterior to draw - sample it first")
    chosen = worst(found) if which is None else which
    figure = style.new_figure(_TOP + len(chosen) * (_TALL + _GAP) + _BOTTOM)
    width, height = figure.get_size_inches()
    for row, i in enumerate(chosen):
        top = 1 - (_TOP + row * (_TALL + _GAP)) / height
        boxes = ((1.05, 5.2), (6.75, width - 6.75 - 0.35))
        trace, ranks = (
            figure.add_axes((left / width, top - _TALL / height, wide / width, _TALL / height))
            for left, wide in boxes
        )
        _draw_trace(trace, found, i)
        _draw_ranks(ranks, found, i)
        if row == len(chosen) - 1:
            trace.set_xlabel("step after the burn-in")
            ranks.set_xlabel("rank among all draws")
            ranks.set_xticks([0, 1], ["lowest", "highest"])
        else:
            trace.set_xticklabels([])
    handles = [
        Line2D([], [], color=style.superchain_colour(n), linewidth=1.6, label=f"superchain {n + 1}")
        for n in range(min(len(found.superchains), 8))
    ]
    figure.legend(
        handles=handles, loc="upper left", ncols=8, borderaxespad=0, columnspacing=1.4,
        bbox_to_anchor=(0.1 / width, 1 - 0.06 / height),
    )  # fmt: skip
    return figure


def _draw_trace(axes: Axes, found: Posterior, i: int) -> None:
    """The middle walker and the middle 80 % of the walkers; a single chain is drawn itself."""
    axis = found.parameters[i]
    limits = multiples.value_range(axis, np.quantile(found.draws[i], [0.001, 0.999]), 0.06)
    multiples.value_axis(axes, "y", axis, limits, bins=3)
    for n, k in enumerate(found.superchains):
        walkers = found.drawn(i)[found.superchain == k]
        colour = style.superchain_colour(n)
        at = np.unique(np.linspace(0, walkers.shape[1] - 1, _MOST_POINTS).astype(int))
        low, middle, high = (natural(axis, q) for q in np.quantile(walkers[:, at], [0.1, 0.5, 0.9], axis=0))
        if len(walkers) > 1:
            axes.fill_between(found.step[at], low, high, color=colour, alpha=0.13, linewidth=0)
        axes.plot(found.step[at], middle, color=colour, linewidth=0.8)
    axes.set_xlim(found.step[0], found.step[-1])
    axes.set_title(f"{style.with_unit(axis.name, axis.unit, 34)}: R-hat {_rhat(found.rhat[i])}", pad=3)


def _rhat(value: float) -> str:
    return numerals.number(value, 4) if np.isfinite(value) else "not known"


def _draw_ranks(axes: Axes, found: Posterior, i: int) -> None:
    """Histograms of ranks that are flat where every superchain visits all values alike."""
    from scipy.stats import rankdata

    ranks = rankdata(found.draws[i], axis=None).reshape(found.draws[i].shape) / found.draws[i].size
    edges = np.linspace(0, 1, _RANK_BINS + 1)
    top = 2.0
    for n, k in enumerate(found.superchains):
        inside = ranks[found.superchain == k]
        heights = np.histogram(inside, edges)[0] * _RANK_BINS / max(inside.size, 1)
        axes.step(
            edges,
            np.append(heights, heights[-1]),
            where="post",
            color=style.superchain_colour(n),
            linewidth=1.0,
        )
        top = max(top, float(heights.max()))
    axes.axhline(1.0, color=style.MUTED, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.05 * top)
    axes.set_xticks([])
    axes.set_yticks([0, 1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def chains_caption(study: xr.DataTree | xr.Dataset) -> str:
    found = read_posterior(study)
    assert found is not None
    n = len(found.parameters)
    which = f"The {MOST} of {n} parameters with the largest R-hat. " if n > MOST else ""
    several = found.draws.shape[1] > len(found.superchains)
    what = (
        "the line is the middle walker of each superchain, the band holds 80 % of its walkers"
        if several
        else "a line for each chain"
    )
    return (
        f"{which}Left: the course of the sampling; {what}. Converged superchains lie on top of each other "
        "and drift nowhere. Right: how often each superchain takes the lowest to the highest of all values, "
        "against the dotted line, where all do alike; a slope or a hump of one colour is a superchain that "
        "sees another posterior."
    )


def autocorrelation(walkers: np.ndarray) -> np.ndarray:
    """ρ(lag) of series (walker, draw), averaged over the walkers about their common mean."""
    n = walkers.shape[1]
    centred = walkers - walkers.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, axis=1)[:, :n].mean(axis=0)
    return covariance / covariance[0] if covariance[0] > 0 else np.full(n, np.nan)


@style.styled
def plot_autocorrelation(study: xr.DataTree | xr.Dataset) -> Figure:
    """How soon each parameter forgets where it was; the slowest are named."""
    found = read_posterior(study)
    if found is None:
        raise ValueError("the study has no posterior to draw - sample it first")
    lag = found.step - found.step[0]
    curves = [
        np.mean([autocorrelation(found.drawn(i)[found.superchain == k]) for k in found.superchains], axis=0)
        for i in range(len(found.parameters))
    ]
    seen = max(2, min(len(lag), 2 + max(int(np.argmax(curve < 0.05)) or len(lag) for curve in curves) * 2))
    slow = sorted(range(len(curves)), key=lambda i: -float(np.nansum(curves[i][:seen])))[:_MOST_LINES]
    figure = style.new_figure(2.3)
    axes = figure.add_subplot()
    style.place(figure, 0.65, 2.6, 0.5, 0.15)
    for i, curve in enumerate(curves):
        if i not in slow:
            axes.plot(lag[:seen], curve[:seen], color=style.RULE, linewidth=1.0, zorder=2)
    for n, i in enumerate(slow):
        look = {"color": style.OPTIMA[n % len(style.OPTIMA)], "linewidth": 1.3}
        axes.plot(lag[:seen], curves[i][:seen], zorder=3, label=_named(found, i), **look)
    axes.axhline(0, color=style.MUTED, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, lag[seen - 1])
    axes.set_ylim(min(-0.1, float(np.nanmin([c[:seen].min() for c in curves]))), 1.02)
    axes.set_xlabel("lag (steps of the sampler)")
    axes.set_ylabel("autocorrelation")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    return figure


def _named(found: Posterior, i: int) -> str:
    time = found.autocorrelation_time[i]
    return style.label(found.parameters[i].name, 22) + (
        f": τ = {numerals.number(time, 2)}" if time > 0 else ""
    )


def autocorrelation_caption(study: xr.DataTree | xr.Dataset) -> str:
    found = read_posterior(study)
    assert found is not None
    kept = (
        f" Of {found.thin:.0f} draws one was kept, so the curves begin anew there." if found.thin > 1 else ""
    )
    more = " (the slowest in colour)" if len(found.parameters) > _MOST_LINES else ""
    return (
        f"Autocorrelation of each parameter{more} over the steps between two draws, averaged over walkers "
        "and superchains. τ is the autocorrelation time: so many steps of a walker count as one independent "
        f"draw.{kept}"
    )

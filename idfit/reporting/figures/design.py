"""What each measurement would tell, over time; and the intervals before and after, in simulations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from idfit.reporting import next_measurement
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import Design, Offer, attribute, read_design

# of the ratio of what is told to what is needed
_FLOOR, _CEILING = 1e-3, 1e3
_PANEL, _FOOT, _HEAD, _LEGEND = 2.3, 0.6, 0.42, 0.22  # inches
_LINE, _GAP = 0.045, 0.5  # inches per simulation, and between groups
_MOST_CURVES, _MOST_SIMULATIONS = 12, 40
_DASHED = (0, (4, 2))
# times whose last is so many times their median stand on a logarithmic axis
_SPREAD_OUT = 20


def has_design(study: xr.DataTree) -> bool:
    return read_design(study) is not None


def has_check(study: xr.DataTree) -> bool:
    design = read_design(study)
    return design is not None and design.has_check


@style.styled
def plot_gains(study: xr.DataTree) -> Figure:
    """What a candidate tells over the time at which it is measured: a panel per open side, or the gain."""
    design = _required(study)
    panels = _panels(design)
    curves = _curves(design)[:_MOST_CURVES]
    legend_rows = -(-len(curves) // 2)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    height = rows * (_HEAD + _PANEL + _FOOT) + legend_rows * _LEGEND + 0.1
    figure = style.new_figure(height)
    wide = (style.WIDTH - 0.8 - 0.15 - (columns - 1) * 0.85) / columns
    for n, (title, values, label) in enumerate(panels):
        row, column = divmod(n, columns)
        top = row * (_HEAD + _PANEL + _FOOT) + _HEAD
        box = (
            (0.8 + column * (wide + 0.85)) / style.WIDTH, 1 - (top + _PANEL) / height, wide / style.WIDTH,
            _PANEL / height,
        )  # fmt: skip
        axes = figure.add_axes(box)
        _draw_gains(axes, design, curves, values, logarithmic=bool(design.sides))
        axes.set_title(title)
        axes.set_ylabel(label)
        unit = attribute(study, "time_unit")
        axes.set_xlabel(f"time of the measurement ({unit})" if unit else "time of the measurement")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower left", ncols=2, bbox_to_anchor=(0.06, 0.0))
    return figure


def _required(study: xr.DataTree) -> Design:
    design = read_design(study)
    if design is None:
        raise ValueError("the study has no design - compute it with idfit design first")
    return design


def _panels(design: Design) -> list[tuple[str, np.ndarray, str]]:
    """Title, value of each candidate, and name of the value."""
    if not design.sides:
        gain = np.array([offer.gain for offer in design.offers])
        return [(f"ln of the {design.criterion} criterion", gain, "gain")]
    return [
        (
            f"{style.label(design.targets[s.target].name, 24)}: {s.word} limit",
            np.nanmax(s.ratio(), axis=0),
            "told / needed",
        )
        for s in design.sides
    ]


def _curves(design: Design) -> list[list[Offer]]:
    """Candidates of one observable in one condition, in order of time; the best curve first."""
    found: dict[tuple[str, str], list[Offer]] = {}
    for offer in sorted(design.offers, key=lambda o: o.time):
        found.setdefault((offer.observable, offer.condition), []).append(offer)
    return sorted(found.values(), key=lambda offers: min(o.rank for o in offers))


def _draw_gains(
    axes: Axes, design: Design, curves: list[list[Offer]], values: np.ndarray, logarithmic: bool
) -> None:
    times = np.array([t for offers in curves for o in offers for t in (o.time, o.last_time)])
    if logarithmic:
        values = np.clip(np.nan_to_num(values, nan=_FLOOR), _FLOOR, _CEILING)
        style.log_axis(axes, "y", _FLOOR * 0.7, _CEILING * 1.4)
        axes.axhline(1.0, color=style.INK, linewidth=0.9, zorder=2)
        axes.annotate(
            "enough", (0.0, 1.0), (3, 3), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
            ha="left", fontsize=7.5, color=style.INK,
        )  # fmt: skip
    for n, offers in enumerate(curves):
        colour, own = style.colour_of(n % len(style.OPTIMA)), values[[o.number for o in offers]]
        name = style.label(f"{offers[0].observable} in {offers[0].condition}", 52)
        line = {
            "color": colour,
            "label": name,
            "linestyle": _DASHED if offers[0].offered else "-",
            "zorder": 4,
        }
        if offers[0].is_course:
            axes.plot([offers[0].time, offers[0].last_time], [own[0]] * 2, linewidth=3.0, **line)
        else:
            axes.plot([o.time for o in offers], own, linewidth=1.4, marker="o", markersize=2.4, **line)
    for i in set(design.chosen):
        offer = design.offers[i]
        axes.plot(
            [0.5 * (offer.time + offer.last_time)], [values[i]], marker="*", markersize=11, color=style.INK,
            markeredgecolor=style.PAPER, zorder=7,
        )  # fmt: skip
    _time_axis(axes, times)


def _time_axis(axes: Axes, times: np.ndarray) -> None:
    positive = times[times > 0]
    if len(positive) and times.max() > _SPREAD_OUT * np.median(positive) and times.min() >= 0:
        style.symlog_axis(axes, "x", float(positive.min()), float(times.max()))
        axes.set_xlim(min(0.0, float(times.min())), float(times.max()) * 1.3)
    else:
        style.plain_axis(axes, "x")


def gains_caption(study: xr.DataTree) -> str:
    design = _required(study)
    star = "Stars are the proposal; dashed lines are what was offered beside the model's own."
    if not design.sides:
        return (
            "What each candidate adds to the information at the best fit: the fall of ln of the criterion of "
            f"the targets, for every observable over the time of the measurement. {star}"
        )
    often = "" if design.replicates == 1 else f" ({design.replicates} times each)"
    return (
        "What one candidate tells about each side that is open, over the time at which it is measured"
        f"{often}: how far it raises the objective at the open "
        "end of the profile once all other parameters are fitted again, in units of what gives that side a "
        "limit, for the most favourable of the points that may be true. Values outside the axis are drawn at "
        f"its edge. {star}"
    )


@style.styled
def plot_intervals(study: xr.DataTree) -> Figure:
    """The interval of each target now, and in each simulation with the proposed data."""
    design = _required(study)
    if not design.has_check:
        raise ValueError("the design was not tried on simulated data - leave check on")
    n = min(design.simulated.shape[1], _MOST_SIMULATIONS)
    heights = [
        _GAP * 0.7 + len(design.truths_for(i)) * (n * _LINE + _GAP) for i in range(len(design.targets))
    ]
    height = sum(heights) + len(heights) * (_HEAD + _FOOT)
    figure = style.new_figure(height)
    top = 0.0
    for i, tall in enumerate(heights):
        top += _HEAD
        box = (
            2.3 / style.WIDTH,
            1 - (top + tall) / height,
            (style.WIDTH - 2.3 - 0.3) / style.WIDTH,
            tall / height,
        )
        _draw_intervals(figure.add_axes(box), design, i, n)
        top += tall + _FOOT
    return figure


def _draw_intervals(axes: Axes, design: Design, i: int, n: int) -> None:
    target = design.targets[i]
    truths = design.truths_for(i)
    ends = np.concatenate(
        [design.interval[i], design.simulated[truths][:, :n, i].ravel(), design.true_value[truths, i]]
    )
    multiples.value_axis(axes, "x", target, multiples.value_range(target, ends[np.isfinite(ends)], 0.12))
    y, ticks = 0.0, []
    multiples.interval_bar(axes, y, *_ends(design.interval[i]), style.MUTED, linewidth=5.0)
    ticks.append((y, "now"))
    for t in truths:
        y += _GAP / _LINE * 0.6
        first = y
        for k in range(n):
            if not design.usable[t, k]:
                axes.plot(
                    [0.02],
                    [y],
                    marker="x",
                    transform=axes.get_yaxis_transform(),
                    color=style.FAILED,
                    markersize=3,
                )
            else:
                tone = "good" if design.closed[t, k, i].all() else "open"
                multiples.interval_bar(
                    axes,
                    y,
                    *_ends(design.simulated[t, k, i]),
                    multiples.TONES[tone],
                    linewidth=1.8,
                    solid_capstyle="round",
                )
            y += 1.0
        axes.plot(
            [design.true_value[t, i]] * 2, [first - 0.8, y - 0.2], color=style.MUTED, linewidth=0.9, zorder=2
        )
        ticks.append((0.5 * (first + y - 1.0), _truth_label(design, i, t)))
    axes.set_ylim(y + 1.0, -2.5)
    axes.set_yticks([p for p, _ in ticks], [words for _, words in ticks], fontsize=7.8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(style.label(target.name, 40))
    multiples.name_axis(axes, "x", target)


def _ends(limits: np.ndarray) -> tuple[float, float]:
    return float(limits[0]), float(limits[1])


def _truth_label(design: Design, i: int, t: int) -> str:
    usable = design.usable[t]
    both = int(design.closed[t, usable, i].all(axis=1).sum())
    truth = next_measurement.truth_words(design, i, t)
    return f"true: {style.label(truth, 34)}\nclosed in {both} of {int(usable.sum())}"


def intervals_caption(study: xr.DataTree) -> str:
    design = _required(study)
    return (
        f"The {next_measurement.level(design)} interval of each target: now (grey), and with the data as "
        "they are and the proposed measurements drawn from the model at the point that is taken to be true "
        "(vertical line), one thin bar for each simulation, fitted and profiled anew. Green has limits on "
        "both sides, orange is open on one or both, where the bar runs to the edge. Which point is true is "
        "not known: all of them fit the data."
    )

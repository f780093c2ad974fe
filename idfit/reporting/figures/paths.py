"""Partner paths: how far the other parameters move along a profile, zero at the best fit."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Axis, Profile

MOST = 4
COLOURS = ("#d98200", "#1a936f", "#b5477f", "#5a66c0")
_SMALLEST = 0.02  # half the height of the panel at least: round-off must not look like a movement


def partner_paths(profile: Profile, most: int = MOST) -> list[tuple[Axis, np.ndarray]]:
    """The parameters that move most and their shift (step,) from the best fit: decades, or their unit."""
    names = [p.name for p in profile.parameters]
    if not 0 <= profile.start < len(profile.theta):
        return []
    shift = np.where(profile.good[:, None], profile.theta - profile.theta[profile.start], np.nan)
    named = [names.index(p.axis.name) for p in profile.partners if p.axis.name in names]
    if not named:
        size = np.nan_to_num(np.nanmax(np.abs(np.nan_to_num(shift)), axis=0))
        named = [int(j) for j in np.argsort(-size, kind="stable") if size[j] > 0]
    chosen = [j for j in named if names[j] != profile.name][:most]
    return [(profile.parameters[j], _in_decades(profile.parameters[j], shift[:, j])) for j in chosen]


def _in_decades(axis: Axis, shift: np.ndarray) -> np.ndarray:
    return shift / math.log(10) if axis.scale == "log" else shift


def draw_paths(axes: Axes, profile: Profile) -> None:
    """One line per partner; where scales are mixed, each as a share of its own largest shift."""
    found = partner_paths(profile)
    axes.axhline(0, color=style.RULE, linewidth=0.8, zorder=0)
    mixed = len({_measure(axis) for axis, _ in found}) > 1
    handles = []
    for (axis, shift), colour in zip(found, COLOURS, strict=False):
        largest = float(np.nanmax(np.abs(shift))) if np.isfinite(shift).any() else 0.0
        y = shift / largest if mixed and largest > 0 else shift
        at = np.flatnonzero(profile.jump)
        axes.plot(np.insert(profile.value, at, np.nan), np.insert(y, at, np.nan), color=colour, linewidth=1.3)
        size = f" ({numerals.number(largest, 2)}{_short(axis)})" if mixed else ""
        handles.append(Line2D([], [], color=colour, linewidth=1.6, label=style.label(axis.name, 17) + size))
    if handles:
        axes.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(-0.03, 0.96), ncols=2, fontsize=7,
            handlelength=0.9, columnspacing=0.8, handletextpad=0.4, borderaxespad=0, labelspacing=0.25,
        )  # fmt: skip
        axes.set_ylabel("share" if mixed else f"shift ({_measure(found[0][0])})", fontsize=7.5)
    else:
        axes.text(
            0.5, 0.5, "no other parameter moves", transform=axes.transAxes, ha="center", va="center",
            fontsize=8, color=style.MUTED,
        )  # fmt: skip
        axes.set_yticks([0])
    low, high = axes.get_ylim()
    size = max(abs(low), abs(high), _SMALLEST)
    axes.set_ylim(-1.08 * size, 1.08 * size)
    if handles:
        axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
        axes.yaxis.set_major_formatter(lambda value, _: numerals.short_number(value, 3))


def _measure(axis: Axis) -> str:
    if axis.is_logarithmic:
        return "decades"
    if axis.scale == "logit":
        return "logit units"
    return style.label(axis.unit, 10) or "units"


def _short(axis: Axis) -> str:
    return " dec." if axis.is_logarithmic else f" {style.label(axis.unit, 8)}" if axis.unit else ""

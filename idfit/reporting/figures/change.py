"""Profiles of the parameters that were replaced beside those of the new ones."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from idfit.reporting import verdicts
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import Profile, read_change, read_profiles
from idfit.results import SideStatus

_HEIGHT, _HEAD, _FOOT, _TITLE = 1.7, 0.46, 0.66, 0.34  # inches
_TOP = 1.6  # of the threshold
_BEFORE = "#8a3b7f"
_MOST = 6  # panels before, and after


def has_change(study: xr.DataTree) -> bool:
    """Whether there are profiles from before to be drawn."""
    return read_change(study) is not None and bool(_before(study))


@style.styled
def plot_change(study: xr.DataTree) -> Figure:
    """Δ(−2 log L) along the old parameters (first rows) and along the new ones (last rows)."""
    parts = [
        ("before, old parameters", _before(study), _BEFORE),
        ("after, new parameters", _after(study), style.MODEL),
    ]
    if not parts[0][1]:
        raise ValueError("the study has no profiles from before a change of parameters - compute them first")
    rows = [-(-len(profiles) // multiples.COLUMNS) for _, profiles, _ in parts]
    row_height = _HEAD + _HEIGHT + _FOOT
    figure = style.new_figure(sum(rows) * row_height + _TITLE * sum(bool(r) for r in rows))
    top = 0.0
    for (title, profiles, colour), n in zip(parts, rows, strict=True):
        if not n:
            continue
        wide, tall = figure.get_size_inches()
        x = (multiples.LEFT - 0.1) / wide
        figure.text(x, 1 - (top + 0.24) / tall, title, fontsize=10, fontweight="bold", color=colour)
        top += _TITLE
        for i, profile in enumerate(profiles):
            row, column = divmod(i, multiples.COLUMNS)
            axes = multiples.add_axes(figure, column, top + row * row_height + _HEAD, _HEIGHT)
            _draw(axes, profile, colour)
            if column == 0:
                axes.set_ylabel("Δ(−2 log L)")
        top += n * row_height
    return figure


def change_caption(study: xr.DataTree) -> str:
    profiles = _before(study)
    level = verdicts.level_words(profiles[0].prob)
    text = (
        "The same data, the same model, before and after. Above, each old parameter is held at a series of "
        "values while the others are fitted again: where the curve lies flat, the fit does not notice. "
    )
    if any(p.side(p.level, k) == SideStatus.PARTNER_BOUND for p in profiles for k in (0, 1)):
        text += "Where such a curve rises at an end, another parameter has come to its search bound. "
    return text + (
        f"Below, the same for the new parameters: where the curve rises through the {level} line on both "
        "sides, the data determine them."
    )


def _before(study: xr.DataTree) -> list[Profile]:
    found = read_profiles(study, "profiles_before")
    return [] if found is None else found.profiles[:_MOST]


def _after(study: xr.DataTree) -> list[Profile]:
    """Profiles of the parameters that are new."""
    found, change = read_profiles(study), read_change(study)
    if found is None or change is None:
        return []
    new = {p.name for p in change.new if p.is_changed}
    chosen = [p for p in found.profiles if p.name in new or p.name.partition("[")[0] in new]
    return chosen[:_MOST]


def _draw(axes: Axes, profile: Profile, colour: str) -> None:
    height = 2 * float(profile.threshold[profile.level])
    top = _TOP * height
    seen = profile.good & (profile.delta <= 1.1 * top)
    multiples.value_axis(axes, "x", profile.axis, multiples.value_range(profile.axis, profile.value[seen]))
    axes.set_ylim(-0.06 * height, top)
    axes.axhline(height, color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    axes.text(
        1.012, height, verdicts.level_words(profile.prob), transform=axes.get_yaxis_transform(), ha="left",
        va="center", fontsize=7, color=style.MUTED,
    )  # fmt: skip
    order = np.argsort(profile.scaled[profile.good], kind="stable")
    axes.plot(
        profile.value[profile.good][order], profile.delta[profile.good][order], color=colour, linewidth=1.5,
        marker="o", markersize=2.3, zorder=3,
    )  # fmt: skip
    axes.add_line(Line2D([profile.estimate], [0.0], marker="D", color=style.INK, markersize=4.2, zorder=7))
    words = verdicts.tag(profile.verdict, profile.kind)[0]
    axes.text(
        0, 1.04, f"{style.label(profile.name, 24)}: {words}", transform=axes.transAxes, fontsize=8.4,
        color=colour, va="bottom",
    )  # fmt: skip
    multiples.name_axis(axes, "x", profile.axis)

"""Profile curves with thresholds, intervals and bounds, each above the paths of the parameters that move."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from idfit.reporting import verdicts
from idfit.reporting.figures import multiples, paths, style
from idfit.reporting.reading import Profile, Profiles, read_bounds, read_profiles
from idfit.reporting.scales import to_scaled
from idfit.results import SideStatus, Status

_CURVE, _PATH, _HEAD, _BETWEEN, _FOOT = 1.55, 0.72, 0.46, 0.40, 0.56  # inches
_DATA, _PRIOR, _BOUND = "#1a936f", "#7a6cc0", "#d98200"
_FAILED = "#c0392b"
_BEYOND: dict[str, Any] = {"facecolor": "#eceef1", "edgecolor": "#c3c9d1", "hatch": "////"}
_QUADRATIC: dict[str, Any] = {"color": style.MUTED, "linewidth": 1.0, "linestyle": (0, (2, 2))}
_TOP = 1.6  # of the threshold


@dataclass(frozen=True)
class _Mark:
    """An entry of the legend, made where it is drawn."""

    key: str
    handle: Line2D | Patch


def profile_pages(study: xr.DataTree | xr.Dataset, group: str = "profiles") -> list[list[str]]:
    """Names of the profiled quantities, in pages of at most twelve."""
    found = read_profiles(study, group)
    return [] if found is None else multiples.pages_of([p.name for p in found.profiles])


@style.styled
def plot_profiles(
    study: xr.DataTree | xr.Dataset, names: list[str] | None = None, group: str = "profiles"
) -> Figure:
    """Δ(−2 log L) along each profile and, below, how far the other parameters move.

    names : which profiles, default all of them (see `profile_pages` for many)
    """
    found = read_profiles(study, group)
    chosen = [] if found is None else [p for p in found.profiles if names is None or p.name in names]
    if found is None or not chosen:
        raise ValueError(f"the study has no group {group!r} with profiles to draw - compute profiles first")
    bounds = read_bounds(study)
    rows = -(-len(chosen) // multiples.COLUMNS)
    cell = _HEAD + _CURVE + _BETWEEN + _PATH + _FOOT
    top = 0.74
    figure = style.new_figure(rows * cell + top)
    marks: dict[str, Line2D | Patch] = {}
    for i, profile in enumerate(chosen):
        row, column = divmod(i, multiples.COLUMNS)
        begin = top + row * cell + _HEAD
        axes = multiples.add_axes(figure, column, begin, _CURVE)
        below = multiples.add_axes(figure, column, begin + _CURVE + _BETWEEN, _PATH, sharex=axes)
        for mark in _draw_curve(axes, profile, bounds.get(profile.name), found.method):
            marks.setdefault(mark.key, mark.handle)
        paths.draw_paths(below, profile)
        axes.tick_params(axis="x", labelbottom=False)
        multiples.name_axis(below, "x", profile.axis)
        if column == 0:
            axes.set_ylabel("Δ(−2 log L)")
    ordered = [marks[key] for key in _ORDER if key in marks]
    left = multiples.LEFT / figure.get_size_inches()[0]
    figure.legend(
        handles=ordered, loc="lower left", ncols=4, borderaxespad=0,
        bbox_to_anchor=(left - 0.01, 1 - (top - 0.02) / figure.get_size_inches()[1]),
        columnspacing=1.8, handlelength=1.9, labelspacing=0.3,
    )  # fmt: skip
    return figure


_ORDER = ("curve", "quadratic", "interval", "slice", "data", "prior", "failed", "on bound", "bounds", "best")


def _draw_curve(axes: Axes, profile: Profile, bounds: tuple[float, float] | None, method: str) -> list[_Mark]:
    height = 2 * float(profile.threshold[profile.level])
    top, floor = _TOP * height, -0.22 * height
    limits = _limits(profile, top)
    multiples.value_axis(axes, "x", profile.axis, limits)
    lowest = np.nanmin(profile.delta[profile.good]) if profile.good.any() else 0.0
    axes.set_ylim(min(floor, lowest + floor), top)
    axes.axhline(0, color=style.RULE, linewidth=0.8, zorder=0)
    axes.set_yticks([t for t in (0, 2, 4, 6, 8, 10, 12) if t < top] if top < 14 else [0, round(height)])
    marks = _draw_thresholds(axes, profile)
    marks += _draw_bounds(axes, bounds, limits)
    marks += _draw_parts(axes, profile)
    marks += _draw_quadratic(axes, profile, limits, top)
    marks += _draw_steps(axes, profile, top, method)
    marks += _draw_intervals(axes, profile, floor)
    if np.isfinite(profile.estimate):
        axes.plot(
            [profile.estimate], [0], marker="D", color=style.INK, markersize=4.2, linestyle="none", zorder=7
        )
        marks.append(_mark("best", "best fit", color=style.INK, marker="D", linestyle="none", markersize=4.2))
    _write_title(axes, profile)
    return marks


def _mark(key: str, text: str, **line) -> _Mark:
    return _Mark(key, Line2D([], [], label=text, **line))


def _limits(profile: Profile, top: float) -> tuple[float, float]:
    """Range of the panel: the steps up to a little above the threshold, the estimate and finite limits."""
    seen = profile.good & (profile.delta <= 1.1 * top)
    tried = profile.reached & ~profile.good
    ends = np.array([e for e in profile.limits(profile.level) if np.isfinite(e)])
    values = np.concatenate([profile.value[seen | tried], ends, [profile.estimate]])
    if not seen.any():
        values = np.concatenate([values, profile.wald_interval[profile.level]])
    return multiples.value_range(profile.axis, values)


def _write_title(axes: Axes, profile: Profile) -> None:
    words, tone = verdicts.tag(profile.verdict, profile.kind)
    text = verdicts.interval_of(profile).text
    axes.text(
        0, 1.145, style.label(profile.name, 34), transform=axes.transAxes, fontsize=9.5, color=style.INK,
        va="bottom",
    )  # fmt: skip
    short = words.partition(",")[0]
    axes.text(
        0, 1.03, f"{short}: {text}", transform=axes.transAxes, fontsize=8.2, color=multiples.TONES[tone],
        va="bottom",
    )  # fmt: skip


def _draw_thresholds(axes: Axes, profile: Profile) -> list[_Mark]:
    for prob, rise in zip(profile.probs, profile.threshold, strict=True):
        if not np.isfinite(rise):
            continue
        axes.axhline(2 * rise, color=style.MUTED, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        axes.text(
            1.012, 2 * rise, verdicts.level_words(float(prob)), transform=axes.get_yaxis_transform(),
            ha="left", va="center", fontsize=7, color=style.MUTED,
        )  # fmt: skip
    return []


def _draw_bounds(axes: Axes, bounds: tuple[float, float] | None, limits: tuple[float, float]) -> list[_Mark]:
    drawn = False
    for k, bound in enumerate(bounds or ()):
        beyond = (limits[0], bound) if k == 0 else (bound, limits[1])
        if np.isfinite(bound) and beyond[0] < beyond[1] and (bound > 0 or axes.get_xscale() != "log"):
            axes.axvspan(
                *beyond, facecolor="#eceef1", edgecolor="#c3c9d1", hatch="////", linewidth=0, zorder=0
            )
            axes.axvline(bound, color=style.MUTED, linewidth=0.8, zorder=1)
            drawn = True
    patch = Patch(linewidth=0, label="beyond a bound", **_BEYOND)
    return [_Mark("bounds", patch)] if drawn else []


def _draw_parts(axes: Axes, profile: Profile) -> list[_Mark]:
    """What data and priors each have in the rise, where the priors have any."""
    if not profile.prior_moves or not 0 <= profile.start < len(profile.nllh):
        return []
    marks = []
    for key, values, colour, text in (
        ("data", profile.nllh, _DATA, "rise of the data alone"),
        ("prior", profile.nlprior, _PRIOR, "rise of the priors alone"),
    ):
        rise = 2 * (values - values[profile.start])
        axes.plot(*_line(profile, rise), color=colour, linewidth=0.9, zorder=2)
        marks.append(_mark(key, text, color=colour, linewidth=0.9))
    return marks


def _line(profile: Profile, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y of a line through the good steps, with gaps at jumps and failures."""
    x, y = profile.value.copy(), np.where(profile.good, values, np.nan)
    at = np.flatnonzero(profile.jump)
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def _curve(profile: Profile, n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The profile between its points: signed √Δ is nearly linear on the scale of the profile.

    A jump leaves a gap, and so does a failed step.
    """
    root = np.sqrt(np.maximum(profile.delta, 0.0)) * np.sign(np.arange(len(profile.delta)) - profile.start)
    steps = np.flatnonzero(profile.good)
    x, y = [profile.scaled[steps[:1]]], [profile.delta[steps[:1]]]
    for before, here in pairwise(steps):
        if here != before + 1 or profile.jump[here]:
            x.append(np.array([np.nan, profile.scaled[here]]))
            y.append(np.array([np.nan, profile.delta[here]]))
            continue
        share = np.linspace(0, 1, n + 1)[1:]
        x.append(profile.scaled[before] + share * (profile.scaled[here] - profile.scaled[before]))
        y.append((root[before] + share * (root[here] - root[before])) ** 2)
        if min(profile.delta[before], profile.delta[here]) < 0:  # below the best fit there is no root
            y[-1] = profile.delta[before] + share * (profile.delta[here] - profile.delta[before])
    return profile.axis.natural(np.concatenate(x)), np.concatenate(y)


def _draw_quadratic(axes: Axes, profile: Profile, limits: tuple[float, float], top: float) -> list[_Mark]:
    """The parabola that has the curvature of the best fit, on the scale of the profile."""
    for level in (profile.level, *range(len(profile.probs))):
        low, high = (float(w) for w in profile.wald_scaled[level])
        width = (high - low) / 2
        if np.isfinite(width) and width > 0:
            break
    else:
        return []
    z = _normal_quantile(float(profile.probs[level]))
    scaled = _on_scale(profile, limits)
    rise = (z * (scaled - profile.estimate_scaled) / width) ** 2
    shown = rise <= 1.05 * top
    axes.plot(profile.axis.natural(scaled[shown]), rise[shown], zorder=2, **_QUADRATIC)
    return [_mark("quadratic", "quadratic approximation", **_QUADRATIC)]


def _on_scale(profile: Profile, limits: tuple[float, float], n: int = 241) -> np.ndarray:
    low, high = (to_scaled(float(v), profile.axis.scale) for v in limits)
    finite = profile.scaled[profile.good]
    low = low if np.isfinite(low) else float(finite.min()) if len(finite) else profile.estimate_scaled
    high = high if np.isfinite(high) else float(finite.max()) if len(finite) else profile.estimate_scaled
    return np.linspace(low, high, n)


def _normal_quantile(prob: float) -> float:
    return NormalDist().inv_cdf((1 + prob) / 2)


def _draw_steps(axes: Axes, profile: Profile, top: float, method: str) -> list[_Mark]:
    marks = []
    x, delta, good = profile.value, profile.delta, profile.good
    if good.any():
        if method != "endpoints":  # a line through the few points of a search would be a guess
            axes.plot(*_curve(profile), color=style.MODEL, linewidth=1.5, zorder=3)
        dots: dict[str, Any] = {"color": style.MODEL, "marker": "o", "markersize": 2.3}
        axes.plot(x[good], delta[good], linestyle="none", zorder=3, **dots)
        line = {"linestyle": "none"} if method == "endpoints" else {}
        marks.append(_mark("curve", _CURVES.get(method, _CURVES["path"]), **line, **dots))
    others = np.array([p.name != profile.name for p in profile.parameters], dtype=bool)
    held = profile.on_bound[:, others]
    if 0 <= profile.start < len(held):  # those that stand at a bound in the best fit are known already
        held = held & ~held[profile.start]
    bound = good & held.any(axis=1)
    if bound.any():
        look = {"marker": "s", "markersize": 3.8, "markerfacecolor": style.PAPER, "markeredgecolor": _BOUND}
        axes.plot(x[bound], delta[bound], linestyle="none", zorder=4, **look)
        marks.append(_mark("on bound", "another parameter meets a bound", linestyle="none", **look))
    failed = profile.reached & ~good
    if failed.any():
        height = np.where(np.isfinite(delta[failed]), np.minimum(delta[failed], 0.96 * top), 0.96 * top)
        look = {"marker": "x", "markersize": 4.6, "markeredgecolor": _FAILED, "markeredgewidth": 1.2}
        axes.plot(x[failed], height, linestyle="none", zorder=5, **look)
        marks.append(_mark("failed", "refit failed", linestyle="none", **look))
    return marks


_CURVES = {
    "path": "profile, others refitted",
    "integration": "profile, integrated",
    "endpoints": "points of the search",
}
_UNKNOWN = (SideStatus.BUDGET, SideStatus.FAILED, SideStatus.NOT_REACHED, None)


def _draw_intervals(axes: Axes, profile: Profile, floor: float) -> list[_Mark]:
    """The bars below the curve: the widest level thin, the narrower ones thick, and the slice's bracket."""
    marks = []
    tone = verdicts.tag(profile.verdict)[1]
    colour = multiples.TONES[tone]
    for level in np.argsort(-profile.probs):
        low, high = profile.limits(int(level))
        if not np.isfinite(profile.probs[level]) or profile.side(int(level), 0) == SideStatus.NOT_REACHED:
            continue
        sides = [profile.side(int(level), k) for k in (0, 1)]
        ends = ("?" if sides[0] in _UNKNOWN else "", "?" if sides[1] in _UNKNOWN else "")
        widest = level == np.argmax(profile.probs)
        width = {"linewidth": 2.2 if widest else 4.4}
        for a, b in _pieces(profile, int(level), low, high):
            multiples.interval_bar(axes, 0.40 * floor, a, b, colour, ends, **width)
    levels = [verdicts.level_words(float(p)) for p in np.sort(profile.probs)]
    words = f"{' (thick), '.join(levels)} (thin)" if len(levels) > 1 else levels[0]
    marks.append(_mark("interval", f"interval at {words}", color=multiples.TONES["good"], linewidth=3.2))
    slices = profile.slice_interval[profile.level]
    if np.isfinite(slices).all():
        look = {"color": style.INK, "linewidth": 0.9}
        axes.plot(slices, [0.80 * floor] * 2, zorder=4, **look)
        for x in slices:
            axes.plot([x, x], [0.68 * floor, 0.92 * floor], zorder=4, **look)
        marks.append(_mark("slice", "slice, others held", marker="|", **look))
    return marks


def _pieces(profile: Profile, level: int, low: float, high: float) -> list[tuple[float, float]]:
    n = int(profile.n_regions[level])
    found = [(float(a), float(b)) for a, b in profile.regions[level][:n] if not (np.isnan(a) or np.isnan(b))]
    if n < 2 or len(found) < n:
        return [(low, high)]
    found[0], found[-1] = (low, found[0][1]), (found[-1][0], high)
    return found


def profiles_caption(study: xr.DataTree | xr.Dataset, group: str, page: int, n_pages: int) -> str:
    found = read_profiles(study, group)
    assert found is not None
    part = f" (part {page + 1} of {n_pages})" if n_pages > 1 else ""
    return f"{_what(found, group)}{part}. {_how_to_read(found)}"


def _what(found: Profiles, group: str) -> str:
    if group == "profiles":
        return "Each parameter is held at a series of values while all others are fitted again"
    kinds = {p.kind for p in found.profiles}
    texts = []
    if kinds - {"prediction", "validation"}:
        texts.append("a function of the parameters is held at a series of values while they are fitted again")
    if "prediction" in kinds:
        texts.append(
            "for a prediction the noise-free value of the model is held: its interval says where the curve "
            "itself may run"
        )
    if "validation" in kinds:
        texts.append(
            "for a validation the value of a new measurement is held: its interval includes that "
            "measurement's noise"
        )
    text = "; ".join(texts)
    return text[0].upper() + text[1:]


def _how_to_read(found: Profiles) -> str:
    everything = found.profiles
    text = _NOT_THE_PATH.get(found.method, "") + (
        "The curve (dots: what was computed) shows how much worse the fit gets. Values below the "
        f"{verdicts.level_words(everything[0].prob)} line are compatible with the data; they form the bar "
        "beneath. "
    )
    if any(np.isinf(end) for p in everything for end in p.limits(p.level)):
        text += (
            "An arrow on the bar means that the curve stayed below the line as far as it was followed: "
            "on that side the data set no limit. "
        )
    if any(np.isfinite(p.wald_scaled).any() for p in everything):
        text += "Where the dotted parabola departs from the curve, standard errors mislead. "
    if any(np.isfinite(p.slice_interval).any() for p in everything):
        text += (
            "The bracket is the range with all others held, which is never a confidence interval: the bar is "
            "wider because the others make up for the change. "
        )
    if any(p.jump.any() for p in everything):
        text += "A gap in a curve is a jump: the others moved to another valley between two steps. "
    if any((p.reached & ~p.good).any() for p in everything):
        text += "Crosses are refits that failed. "
    if any(p.side(p.level, k) in _UNKNOWN for p in everything for k in (0, 1)):
        text += "A “?” ends a bar whose limit is not known. "
    return text + (
        "Small panels: the parameters that move most along the profile, from 0 at the best fit; a steep "
        "line is a parameter that makes up for the change."
    )


_NOT_THE_PATH = {
    "endpoints": "Only the limits were searched for: the dots are the points that were fitted on the way. ",
    "integration": "The path was integrated without refits, so the curves are approximate. ",
}


def failed_steps(profile: Profile) -> dict[int, int]:
    """Counts of the fates of the steps that failed."""
    codes, counts = np.unique(profile.status[profile.reached & ~profile.good], return_counts=True)
    return {int(c): int(n) for c, n in zip(codes, counts, strict=True) if int(c) != Status.NOT_REACHED}

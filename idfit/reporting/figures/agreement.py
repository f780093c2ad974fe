"""The intervals of every method side by side, a panel per parameter."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from idfit.reporting import numerals, verdicts
from idfit.reporting.figures import multiples, style
from idfit.reporting.reading import Opinions, read_agreement, read_profiles

PANELS_PER_PAGE = 24
COLOURS = {
    "wald": "#66717f",
    "wald_expected": "#a3abb5",
    "profile": "#1f6fa8",
    "endpoints": "#5b9bc8",
    "integration": "#7a6cc0",
    "bootstrap": "#d98200",
    "posterior": "#1a936f",
}
_ROW, _HEAD, _FOOT = 0.19, 0.34, 0.62


def method_words(method: str) -> str:
    """
    >>> method_words("wald"), method_words("mcmc_2")
    ('Wald', 'mcmc 2')
    """
    known = {"wald": "Wald", "wald_expected": "Wald (exp.)", "endpoints": "limits alone"}
    return known.get(method, style.label(method.replace("_", " "), 20))


def agreement_pages(study: xr.DataTree | xr.Dataset) -> list[list[int]]:
    """Positions of the parameters that have an interval by some method, in pages."""
    found = read_agreement(study)
    if found is None:
        return []
    given = [i for i in range(len(found.parameters)) if not np.isnan(found.interval[:, i]).all()]
    return multiples.pages_of(given, PANELS_PER_PAGE)


@style.styled
def plot_agreement(study: xr.DataTree | xr.Dataset, which: list[int] | None = None) -> Figure:
    """Intervals as bars on the scale of each parameter; an arrow runs to where there is no limit."""
    found = read_agreement(study)
    chosen = [i for page in agreement_pages(study) for i in page] if which is None else which
    if found is None or not chosen:
        raise ValueError("the study has no intervals to compare - compute profiles or a bootstrap first")
    profiles = read_profiles(study) if isinstance(study, xr.DataTree) else None
    rows = -(-len(chosen) // multiples.COLUMNS)
    tall = _ROW * len(found.methods) + 0.12
    cell = _HEAD + tall + _FOOT
    figure = style.new_figure(rows * cell + 0.1)
    for n, i in enumerate(chosen):
        row, column = divmod(n, multiples.COLUMNS)
        axes = multiples.add_axes(figure, column, 0.1 + row * cell + _HEAD, tall)
        profile = profiles.of(found.parameters[i].name) if profiles is not None else None
        _draw(axes, found, i, np.nan if profile is None else profile.estimate)
        if column:
            axes.set_yticklabels([])
    return figure


def _draw(axes, found: Opinions, i: int, estimate: float) -> None:
    axis = found.parameters[i]
    ends = found.interval[:, i]
    given = ends[np.isfinite(ends) & ((ends > 0) | (not axis.is_logarithmic))]
    values = np.array([*given, *([estimate] if np.isfinite(estimate) else [])])
    multiples.value_axis(axes, "x", axis, multiples.value_range(axis, values, 0.12))
    n = len(found.methods)
    for m, method in enumerate(found.methods):
        low, high = (float(e) for e in ends[m])
        if np.isnan(low) or np.isnan(high):
            axes.text(0.02, m, "none", transform=axes.get_yaxis_transform(), va="center", fontsize=7.5,
                      color=style.MUTED)  # fmt: skip
            continue
        if axis.is_logarithmic and low <= 0:
            low = -np.inf
        multiples.interval_bar(axes, m, low, high, COLOURS.get(method, style.OTHER), linewidth=4.0)
    if np.isfinite(estimate):
        axes.axvline(estimate, color=style.INK, linewidth=0.9, zorder=5)
    axes.set_ylim(n - 0.4, -0.6)
    axes.set_yticks(range(n), [method_words(m) for m in found.methods], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    disagree = found.disagree(i)
    axes.set_title(
        style.label(axis.name, 26) + (": disagree" if disagree else ""),
        color=multiples.TONES["open"] if disagree else style.INK,
    )
    axes.set_xlabel(f"({style.label(axis.unit, 16)})" if axis.unit else "(no unit)", fontsize=8)
    axes.spines["left"].set_visible(False)


def agreement_caption(study: xr.DataTree | xr.Dataset, page: int, n_pages: int) -> str:
    found = read_agreement(study)
    assert found is not None
    part = f"Part {page + 1} of {n_pages}. " if n_pages > 1 else ""
    methods = numerals.listing([method_words(m) for m in found.methods])
    return (
        f"{part}The {verdicts.level_words(found.prob)} interval of each parameter by every method "
        f"({methods}), on its natural scale. The vertical line is the best fit, an arrow a side without a "
        "limit. Wald intervals come from the curvature at the best fit alone; where they differ from the "
        "profile, believe the profile."
    )

"""Eigenvalues of the Fisher information, and of which parameters each direction is made."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from idfit.reporting import numerals
from idfit.reporting.figures import style
from idfit.reporting.reading import Fisher, read_fisher

DIVERGING = LinearSegmentedColormap.from_list(
    "idfit", ["#b4501a", "#f3d9c9", "#ffffff", "#cfe0ec", "#1f6fa8"]
)
_NUMBERS_UP_TO = 12


@style.styled
def plot_spectrum(study: xr.DataTree | xr.Dataset) -> Figure:
    """Eigenvalues on a logarithmic axis, the largest first; below, the components of each eigenvector."""
    fisher = read_fisher(study)
    if fisher is None or not np.isfinite(fisher.eigenvalue).any():
        raise ValueError("the study has no eigenvalues to draw - compute the Fisher information first")
    n, m = fisher.eigenvector.shape
    row = 0.235 if n <= 24 else 0.17
    top, upper, between, bottom = 0.35, 1.75, 0.22, 0.5
    height = top + upper + between + n * row + bottom
    figure = style.new_figure(height)
    left, right = 2.2, 1.25
    width = min(style.WIDTH - left - right, 0.62 * m)
    box = (left / style.WIDTH, width / style.WIDTH)
    axes = figure.add_axes((box[0], 1 - (top + upper) / height, box[1], upper / height))
    below = figure.add_axes((box[0], bottom / height, box[1], n * row / height), sharex=axes)
    _draw_eigenvalues(axes, fisher)
    _draw_components(figure, below, fisher)
    axes.tick_params(axis="x", labelbottom=False)
    return figure


def _draw_eigenvalues(axes: Axes, fisher: Fisher) -> None:
    values, null = fisher.eigenvalue, fisher.null | ~(fisher.eigenvalue > 0)
    x = np.arange(len(values))
    shown = values[~null]
    low = float(shown.min()) if len(shown) else 1e-3
    high = float(shown.max()) if len(shown) else 1.0
    floor = low / (30.0 if null.any() else 4.0)
    axes.vlines(x[~null], floor / 3, shown, color=style.RULE, linewidth=1.6, zorder=1)
    axes.plot(x[~null], shown, linestyle="none", marker="o", color=style.MODEL, markersize=6, zorder=3)
    axes.plot(
        x[null], np.full(int(null.sum()), floor), linestyle="none", marker="o", markersize=6,
        markerfacecolor=style.PAPER, markeredgecolor="#b4501a", markeredgewidth=1.4, zorder=3,
    )  # fmt: skip
    for k in np.flatnonzero(null):
        axes.annotate(
            "≈ 0",
            (float(k), floor),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color="#b4501a",
        )
    style.log_axis(axes, "y", floor / 3, max(high * 4, floor * 30))
    axes.set_ylabel("eigenvalue")
    axes.set_title(_title(fisher))


def _title(fisher: Fisher) -> str:
    n = len(fisher.eigenvalue)
    text = f"{n - fisher.nullity} of {numerals.count(n, 'direction')} determined"
    if np.isfinite(fisher.sloppiness):
        text += f"; these span {numerals.number(fisher.sloppiness, 2)} decades"
    return text


def _draw_components(figure: Figure, axes: Axes, fisher: Fisher) -> None:
    vectors = fisher.eigenvector
    n, m = vectors.shape
    axes.pcolormesh(
        np.arange(m + 1) - 0.5, np.arange(n + 1) - 0.5, vectors, cmap=DIVERGING, vmin=-1, vmax=1,
        edgecolors="#ffffff", linewidth=0.6,
    )  # fmt: skip
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xlim(-0.6, m - 0.4)
    size = 8 if n <= 24 else 6.5
    axes.set_yticks(
        range(n), [style.label(p.name, 24) for p in fisher.parameters], fontsize=size, color=style.INK
    )
    step = max(1, -(-m // 20))
    axes.set_xticks(range(0, m, step), [str(k + 1) for k in range(0, m, step)])
    axes.tick_params(length=0)
    axes.set_xlabel("direction, the best determined first")
    for side in axes.spines.values():
        side.set_visible(False)
    if n <= _NUMBERS_UP_TO:
        write_numbers(axes, vectors, least=0.1)
    colour_bar(figure, axes, "component")


def write_numbers(axes: Axes, values: np.ndarray, least: float = 0.0) -> None:
    """Numbers in the cells of a map, light on dark cells; those below `least` are left out."""
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value) and abs(value) >= least:
            colour = style.PAPER if abs(value) > 0.75 else style.INK
            text = f"{value:.2f}".replace("-", "−")
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)


def colour_bar(figure: Figure, axes: Axes, text: str, n: int = 40) -> None:
    """A narrow bar right of `axes`, at most 1.6 inches high, of cells: matplotlib's own would be a bitmap."""
    height = figure.get_size_inches()[1]
    box = axes.get_position()
    tall = min(box.height, 1.6 / height)
    bar = figure.add_axes((box.x1 + 0.02, box.y1 - tall, 0.012, tall))
    edges = np.linspace(-1, 1, n + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    bar.pcolormesh([0, 1], edges, middle[:, None], cmap=DIVERGING, vmin=-1, vmax=1, edgecolors="face")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_yticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    bar.set_ylabel(text)
    for side in bar.spines.values():
        side.set_visible(False)


def spectrum_caption(study: xr.DataTree | xr.Dataset) -> str:
    fisher = read_fisher(study)
    assert fisher is not None
    text = (
        "Above: eigenvalues of the data's expected information at the best fit, on the estimation scale. "
        "A large one is a direction in which the data determine the parameters well: the error along it "
        "is 1/√eigenvalue (in decades for log10 parameters). Below: the parameters that each direction "
        "is made of; two strong components of opposite sign mean that the data determine their ratio, of "
        "equal sign their product (on logarithmic scales), and the last columns what the data say least "
        "about."
    )
    if fisher.null.any():
        text += (
            " Hollow dots are zero to within the error of the integration: a step in that direction "
            "changes nothing that was measured."
        )
    return text

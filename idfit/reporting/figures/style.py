"""One look for all figures, and their way into SVG and PDF with the same bytes every time."""

from __future__ import annotations

import functools
import io
import re
import unicodedata
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from idfit.reporting import numerals

INK, MUTED, RULE, PAPER = "#1f2a37", "#66717f", "#d5dae1", "#ffffff"
MODEL, FAILED = "#1f6fa8", "#9aa3ae"
# After Okabe and Ito, told apart with any colour vision; the best optimum has the first.
OPTIMA = ("#1f6fa8", "#d98200", "#1a936f", "#b5477f", "#7a6cc0", "#8c7a4d")
OTHER = "#a9a9a9"
MARKERS = ("o", "s", "D", "^", "v", "P")
WIDTH = 9.6

_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # names may hold $ and underscores
    "text.usetex": False,
    "axes.unicode_minus": True,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 6.0,
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a94a1",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "figure.dpi": 100.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "idfit",
    "pdf.fonttype": 42,
    "path.simplify": True,
}

P = ParamSpec("P")
T = TypeVar("T")


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Draw with idfit's settings; the settings of a notebook are neither used nor changed."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure in inches that belongs to no window and no global state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def place(
    figure: Figure,
    left: float = 0.65,
    right: float = 0.1,
    bottom: float = 0.5,
    top: float = 0.3,
    **grid: float,
):
    """Margins in inches (so that they do not grow with the figure), spacing as in ``subplots_adjust``."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height, **grid
    )


def label(name: str, most: int = 28) -> str:
    """A name as a figure can show it: without control characters, shortened in the middle."""
    text = "".join("�" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") else c for c in str(name))
    if len(text) <= most:
        return text
    tail = most // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def with_unit(name: str, unit: str, most: int = 28) -> str:
    """``name (unit)``; the unit is left out where none was given."""
    return f"{label(name, most)} ({label(unit, 16)})" if unit else label(name, most)


def colour_of(cluster: int) -> str:
    return OPTIMA[cluster] if 0 <= cluster < len(OPTIMA) else OTHER


def superchain_colour(n: int) -> str:
    """Those of the optima after the first, which is that of the model."""
    return OPTIMA[1 + n % (len(OPTIMA) - 1)]


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """A logarithmic axis from `low` to `high` with ticks written 10⁻³ (plain text, no math font)."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    decades = np.log10(high / low)
    if decades < 2.2:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: numerals.short_number(value, 3)))
    else:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value)))
    axis.set_minor_formatter(NullFormatter())
    if decades > 6:
        axis.set_minor_locator(NullLocator())


def symlog_axis(axes: Axes, which: str, threshold: float, high: float) -> None:
    """Linear from 0 to `threshold`, logarithmic above: for times that begin at 0 and span many decades."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("symlog", linthresh=threshold)
    axis = axes.xaxis if which == "x" else axes.yaxis
    first, last = int(np.ceil(np.log10(threshold))), int(np.floor(np.log10(high)))
    step = max(1, (last - first) // 4)
    axis.set_major_locator(FixedLocator([0.0, *(10.0**k for k in range(first, last + 1, step))]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value) if value else "0"))
    axis.set_minor_locator(NullLocator())


def plain_axis(axes: Axes, which: str, bins: int = 5) -> None:
    """A linear axis with few ticks."""
    axes.locator_params(axis=which, nbins=bins)  # type: ignore[arg-type]


def _decade(value: float) -> str:
    if value <= 0:
        return ""
    exponent = np.log10(value)
    if abs(exponent - round(exponent)) > 1e-9:
        return ""
    k = round(float(exponent))
    return f"{value:g}" if -3 <= k <= 3 else numerals.power_of_ten(k)


@styled
def to_pdf(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the measuring font lacks
        figure.savefig(
            stream, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None}
        )
    return stream.getvalue()


@styled
def to_svg(figure: Figure) -> str:
    """A stand-alone SVG document with text as text."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _svg_text(_svg_tree(figure), standalone=True)


@styled
def to_inline_svg(figure: Figure, name: str, description: str = "") -> str:
    """SVG for the inside of an HTML page: no namespaces, ids beginning with `name`, scaled by the page.

    The text of `figure` goes through an XML parser and its writer, so nothing in a name can become markup.
    """
    root = _svg_tree(figure)
    used = {
        node
        for element in root.iter()
        for key, value in element.attrib.items()
        for node in _references(key, value)
    }
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                if value in used:
                    element.set("id", f"{name}-{value}")
                else:
                    del element.attrib["id"]
            elif _references(key, value):
                element.set(key, re.sub(r"(^|url\()#", rf"\g<1>#{name}-", value))
    root.attrib.pop("width", None)
    root.attrib.pop("height", None)
    root.set("style", f"--inches:{figure.get_figwidth():g}")
    root.set("role", "img")
    root.set("aria-label", description or name)
    return _svg_text(root, standalone=False)


def _references(key: str, value: str) -> list[str]:
    """Ids that an attribute points to: a link, a clip path, or the hatching that a style names."""
    if key == "href":
        return [value[1:]] if value.startswith("#") else []
    return re.findall(r"url\(#([^)\s]+)\)", value)  # a bare #1f6fa8 is a colour


def _svg_tree(figure: Figure) -> ElementTree.Element:
    stream = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure.savefig(stream, format="svg", metadata=nothing)
    root = ElementTree.fromstring(stream.getvalue())
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key in list(element.attrib):
            if "}" in key:
                element.attrib[key.rpartition("}")[2]] = element.attrib.pop(key)
        if element.tag == "path" and "d" in element.attrib:
            path = re.sub(r"(\.\d\d)\d+", r"\1", element.attrib["d"])
            element.set("d", re.sub(r"\s*\n\s*", " ", path).strip())
        if "style" in element.attrib:
            # only a generic family: the reader's own font, the same in every figure and in the page
            style = re.sub(
                r"font: ([^;]*?\d(?:px|pt)?) [^;]*", r"font: \1 sans-serif", element.attrib["style"]
            )
            element.set("style", re.sub(r"font-family: [^;]*", "font-family: sans-serif", style))
        element.tail = "\n" if element.tail is not None else None
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "title") or (
                child.tag == "g" and len(child) == 0 and not child.text
            ):
                parent.remove(child)
    return root


def _svg_text(root: ElementTree.Element, standalone: bool) -> str:
    if standalone:
        root.set("xmlns", "http://www.w3.org/2000/svg")
        for element in root.iter():
            if "href" in element.attrib:
                root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
                element.set("xlink:href", element.attrib.pop("href"))
    return ElementTree.tostring(root, encoding="unicode").strip() + "\n"

"""Plots as SVG, drawn by matplotlib.

Texts stay texts: the reader's browser chooses the font. Colours are variables of the page's style (`style.css`),
so that a plot is readable on a light and on a dark page.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lmctl.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.pages.elements import Element

# matplotlib needs colours as numbers. Each of these is written as a variable of the page's style instead.
_INK, _GRID = "#010101", "#020202"
_SERIES = ("#030303", "#040404", "#050505")
_VARIABLES = {_INK: "--ink", _GRID: "--grid"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_SERIES, start=1)
}
# Lines also differ in form, for readers who see no difference in colour.
_FORMS = ("-", "--", ":")
_MARKERS = ("o", "s", "^")
# Above this number of points, markers would cover the line.
_MOST_MARKERS = 40
_WIDTH_INCHES = 4.2
# A logarithmic axis over a smaller ratio has ticks at 1, 2 and 5; over a larger one, at powers of ten.
_MOST_DENSE_RATIO = 300
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lmctl",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.parse_math": False,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.5,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "legend.frameon": False,
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel. Points whose y is not finite are left out.

    Attributes:
        name: for the legend.
        points: (x, y), by rising x.
    """

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one y axis.

    Attributes:
        label: of the y axis.
        lines: three at most.
        logarithmic: whether the y axis is.
    """

    label: str
    lines: Sequence[Line]
    logarithmic: bool = False


def require_matplotlib() -> None:
    """Check that matplotlib is installed, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("a report needs matplotlib, which is not installed: pip install 'lmctl[report]'")


def plot_lines(panels: Sequence[Panel], x_label: str) -> Element:
    """Draw panels over one x axis, the first one three times as high as each other one."""
    with _drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 2.4 + 0.9 * (len(panels) - 1)), layout="constrained")
        axes = figure.subplots(
            len(panels), sharex=True, squeeze=False, height_ratios=[3, *[1] * (len(panels) - 1)]
        )[:, 0]
        for panel, axis in zip(panels, axes, strict=True):
            for place, line in enumerate(panel.lines):
                points = [(x, y) for x, y in line.points if math.isfinite(y)]
                axis.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    _FORMS[place],
                    color=_SERIES[place],
                    marker=_MARKERS[place] if len(points) <= _MOST_MARKERS else "",
                    markersize=3,
                    label=line.name,
                )
            axis.set_ylabel(panel.label)
            _set_ticks(axis.yaxis, ticks, logarithmic=panel.logarithmic)
            if len(panel.lines) > 1:
                axis.legend()
        axes[-1].set_xlabel(x_label)
        _set_ticks(axes[-1].xaxis, ticks, are_whole=_are_whole(panels))
        return _svg(figure)


def plot_bars(bars: Sequence[tuple[str, float]], label: str, *, logarithmic: bool = False) -> Element:
    """Draw horizontal bars, the first one at the top, each with its value.

    Args:
        bars: name and value of each bar. An infinite value has no bar.
        label: of the axis.
        logarithmic: whether the axis is; it begins at 1.
    """
    with _drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 0.7 + 0.28 * len(bars)), layout="constrained")
        axis = figure.subplots()
        # Where the axis begins.
        least = 1.0 if logarithmic else 0.0
        values = [value if math.isfinite(value) else least for _, value in bars]
        drawn = axis.barh([name for name, _ in bars], values, color=_SERIES[0], height=0.6)
        axis.bar_label(drawn, labels=[_number(value) for _, value in bars], padding=3)
        axis.invert_yaxis()
        axis.margins(x=0.18)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(label)
        if logarithmic:
            axis.set_xlim(least, max(values) ** 1.25 + 1)
        _set_ticks(axis.xaxis, ticks, logarithmic=logarithmic)
        return _svg(figure)


def plot_reliability(bins: Sequence[tuple[float, float, float, int]]) -> Element:
    """Draw a reliability diagram above a histogram of the same bins.

    Args:
        bins: (low, high, share that is right, number of answers) of each bin.
    """
    with _drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 3.6), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        starts, widths = [low for low, *_ in bins], [high - low for low, high, *_ in bins]
        upper.bar(
            starts,
            [right for _, _, right, _ in bins],
            widths,
            align="edge",
            color=_SERIES[0],
            edgecolor=_GRID,
            label="right answers",
        )
        upper.plot([0, 1], [0, 1], "--", color=_SERIES[1], label="perfect calibration")
        upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        lower.bar(starts, [count for *_, count in bins], widths, align="edge", color=_SERIES[0], edgecolor=_GRID)
        lower.set(ylabel="answers", xlabel="probability of the answer")
        lower.yaxis.set_major_locator(ticks.MaxNLocator(2))
        lower.yaxis.set_major_formatter(_tick)
        return _svg(figure)


@contextlib.contextmanager
def _drawing() -> Iterator[tuple[Any, Any]]:
    """A block in which figures have the settings of lmctl, whatever the user has configured.

    Yields:
        The class of figures, and the module of ticks.
    """
    # Imported here: it takes a second, and only reports need it.
    import matplotlib as mpl
    from matplotlib import ticker
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        # The browser has a font for the characters that the font of matplotlib does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield Figure, ticker


def _are_whole(panels: Sequence[Panel]) -> bool:
    """Whether every x is a whole number, as steps and generations are."""
    return all(float(x).is_integer() for panel in panels for line in panel.lines for x, _ in line.points)


def _set_ticks(axis: Any, ticks: Any, *, logarithmic: bool = False, are_whole: bool = False) -> None:
    if logarithmic:
        (axis.axes.set_yscale if axis.axis_name == "y" else axis.axes.set_xscale)("log")
        low, high = axis.get_view_interval()
        has_room = low > 0 and high / low < _MOST_DENSE_RATIO
        axis.set_major_locator(ticks.LogLocator(subs=(1, 2, 5) if has_room else (1,), numticks=7))
        axis.set_minor_locator(ticks.NullLocator())
    else:
        axis.set_major_locator(ticks.MaxNLocator(5, integer=are_whole))
    axis.set_major_formatter(_tick)


def _tick(value: float, _place: int) -> str:
    """A number at a tick of an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _number(value: float) -> str:
    """A number beside a bar."""
    return f"{value:,.1f}" if math.isfinite(value) else "∞"


def _svg(figure: Any) -> Element:
    """The SVG of a figure, to stand inside a page: without fonts, sizes and styles of its own."""
    written = io.StringIO()
    figure.savefig(
        written,
        format="svg",
        transparent=True,
        metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
    )
    text = written.getvalue()
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # The family of the font is that of the page.
    text = re.sub(r"font-family: [^;\"]*; ", "", text)
    root = ElementTree.fromstring(text)  # noqa: S314 - matplotlib wrote it
    for parent in root.iter():
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata") or not isinstance(child.tag, str):
                parent.remove(child)
    for each in root.iter():
        each.tag = each.tag.removeprefix(_SVG)
        each.text, each.tail = ((space or "").strip() or None for space in (each.text, each.tail))
        if link := each.attrib.pop(_LINK, None):
            each.set("href", link)
        for name, value in each.attrib.items():
            # A hundredth of a point is finer than any screen.
            each.set(name, re.sub(r"(\d+\.\d\d)\d+", r"\1", value))
    named = {reference for each in root.iter() for reference in _references(each)}
    for each in root.iter():
        if each.get("id") not in named:
            each.attrib.pop("id", None)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    return root


def _references(element: Element) -> list[str]:
    """Return the identifiers that an element of a plot refers to."""
    found = [value[5:-1] for value in element.attrib.values() if value.startswith("url(#")]
    link = element.get("href")
    return [*found, *([link[1:]] if link else [])]

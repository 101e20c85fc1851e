"""The settings of matplotlib for plots of a page, and its figures as SVG.

Texts stay texts: the reader's browser chooses the font. Colours are variables of the page's style (`style.css`),
so that a plot is readable on a light and on a dark page.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lmctl.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.pages.elements import Element

# matplotlib needs colours as numbers. Each of these is written as a variable of the page's style instead.
INK, GRID = "#010101", "#020202"
SERIES = ("#030303", "#040404", "#050505")
_VARIABLES = {INK: "--ink", GRID: "--grid"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES, start=1)
}
# A logarithmic axis over a smaller ratio has ticks at 1, 2 and 5; over a larger one, at powers of ten.
_MOST_DENSE_RATIO = 300
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lmctl",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    # Lines of the grid would cross bars and their numbers.
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"


def require_matplotlib() -> None:
    """Check that matplotlib is installed, without importing it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("a report needs matplotlib, which is not installed: pip install 'lmctl[report]'")


@contextlib.contextmanager
def drawing() -> Iterator[tuple[Any, Any]]:
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


def set_ticks(axis: Any, ticks: Any, *, logarithmic: bool = False, are_whole: bool = False) -> None:
    """Choose the scale, the ticks and the numbers of an axis; `ticks` is the module that `drawing` yields."""
    if logarithmic:
        (axis.axes.set_yscale if axis.axis_name == "y" else axis.axes.set_xscale)("log")
        low, high = axis.get_view_interval()
        has_room = low > 0 and high / low < _MOST_DENSE_RATIO
        axis.set_major_locator(ticks.LogLocator(subs=(1, 2, 5) if has_room else (1,), numticks=7))
        axis.set_minor_locator(ticks.NullLocator())
    else:
        axis.set_major_locator(ticks.MaxNLocator(5, integer=are_whole))
    axis.set_major_formatter(tick_label)


def tick_label(value: float, _place: int) -> str:
    """A number at a tick of an axis: short, or those of a logarithmic axis would touch each other."""
    if abs(value) >= 1e12:
        return f"{value:g}"
    for least, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= least:
            return f"{value / (1e3 if unit == 'k' else least):g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def svg_of(figure: Any) -> Element:
    """Return the SVG of a figure, to stand inside a page: without fonts, sizes and styles of its own."""
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

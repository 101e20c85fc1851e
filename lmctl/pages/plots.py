"""Plots as SVG: lines, bars, intervals and reliability diagrams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.pages.drawing import GRID, SERIES, drawing, set_ticks, svg_of, tick_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.pages.elements import Element

# Lines also differ in form, for readers who see no difference in colour.
_FORMS = ("-", "--", ":")
_MARKERS = ("o", "s", "^")
# Above this number of points, markers would cover the line.
_MOST_MARKERS = 40
_WIDTH_INCHES = 4.2
# The end of a longer bar: matplotlib computes powers of the ends of a logarithmic axis, which may not overflow.
_LONGEST_BAR = 1e200


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel. Points whose y is not finite are left out.

    Attributes:
        name: for the legend. Lines of a panel with the same name look alike.
        points: (x, y), by rising x.
    """

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over one y axis.

    Attributes:
        label: of the y axis.
        lines: of three names at most.
        logarithmic: whether the y axis is.
    """

    label: str
    lines: Sequence[Line]
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Estimates:
    """A value for each row of a plot, with its interval.

    Attributes:
        name: for the legend.
        values: (value, low, high) of each row, with equal numbers for a value without an interval. None, or a
            number that is not finite: the row is left empty.
    """

    name: str
    values: Sequence[tuple[float, float, float] | None]


def plot_lines(panels: Sequence[Panel], x_label: str) -> Element:
    """Draw panels over one x axis, the first one three times as high as each other one."""
    with drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 2.4 + 0.9 * (len(panels) - 1)), layout="constrained")
        axes = figure.subplots(
            len(panels), sharex=True, squeeze=False, height_ratios=[3, *[1] * (len(panels) - 1)]
        )[:, 0]
        for panel, axis in zip(panels, axes, strict=True):
            names = [*dict.fromkeys(line.name for line in panel.lines)]
            unnamed = set(names)
            for line in panel.lines:
                place = names.index(line.name)
                points = [(x, y) for x, y in line.points if math.isfinite(y)]
                axis.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    _FORMS[place],
                    color=SERIES[place],
                    marker=_MARKERS[place] if len(points) <= _MOST_MARKERS else "",
                    markersize=3,
                    # A name that begins with _ has no entry in the legend.
                    label=line.name if line.name in unnamed else "_",
                )
                unnamed.discard(line.name)
            axis.set_ylabel(panel.label)
            set_ticks(axis.yaxis, ticks, logarithmic=panel.logarithmic)
            if len(names) > 1:
                axis.legend()
        axes[-1].set_xlabel(x_label)
        set_ticks(axes[-1].xaxis, ticks, are_whole=_are_whole(panels))
        return svg_of(figure)


def plot_bars(bars: Sequence[tuple[str, float]], label: str, *, logarithmic: bool = False) -> Element:
    """Draw horizontal bars, the first one at the top, each with its value.

    Args:
        bars: name and value of each bar. An infinite value has no bar, and one above 1e200 is cut off.
        label: of the axis.
        logarithmic: whether the axis is; it begins at 1.
    """
    with drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 0.7 + 0.28 * len(bars)), layout="constrained")
        axis = figure.subplots()
        # Where the axis begins.
        least = 1.0 if logarithmic else 0.0
        values = [min(value, _LONGEST_BAR) if math.isfinite(value) else least for _, value in bars]
        drawn = axis.barh([name for name, _ in bars], values, color=SERIES[0], height=0.6)
        axis.bar_label(drawn, labels=[_number(value) for _, value in bars], padding=3)
        axis.invert_yaxis()
        axis.margins(x=0.18)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(label)
        if logarithmic:
            axis.set_xlim(least, max(values) ** 1.25 + 1)
        set_ticks(axis.xaxis, ticks, logarithmic=logarithmic)
        return svg_of(figure)


def plot_intervals(
    rows: Sequence[str], series: Sequence[Estimates], label: str, *, from_zero: bool = False
) -> Element:
    """Draw points with their intervals, the first row at the top.

    Args:
        rows: names of the rows.
        series: three at most, side by side within each row.
        label: of the axis.
        from_zero: whether a line marks zero, as for differences.
    """
    with drawing() as (plt_figure, ticks):
        height = 0.9 + len(rows) * (0.14 + 0.12 * len(series))
        figure = plt_figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
        axis = figure.subplots()
        for place, each in enumerate(series):
            shift = 0.22 * (place - (len(series) - 1) / 2)
            shown = [
                (row + shift, found)
                for row, found in enumerate(each.values)
                if found is not None and all(map(math.isfinite, found))
            ]
            axis.errorbar(
                [value for _, (value, _, _) in shown],
                [row for row, _ in shown],
                # The estimate itself may lie outside a percentile interval.
                xerr=[
                    [max(value - low, 0.0) for _, (value, low, _) in shown],
                    [max(high - value, 0.0) for _, (value, _, high) in shown],
                ],
                fmt=_MARKERS[place],
                color=SERIES[place],
                markersize=4,
                elinewidth=1,
                capsize=2,
                label=each.name,
            )
        axis.set_yticks(range(len(rows)), rows)
        axis.set_ylim(len(rows) - 0.5, -0.5)
        if from_zero:
            axis.axvline(0, color=GRID, linewidth=1)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(label)
        set_ticks(axis.xaxis, ticks)
        if len(series) > 1:
            figure.legend(loc="outside upper left", ncols=len(series))
        return svg_of(figure)


def plot_reliability(bins: Sequence[tuple[float, float, float, int]]) -> Element:
    """Draw a reliability diagram above a histogram of the same bins.

    Args:
        bins: (low, high, share that is right, number of answers) of each bin.
    """
    with drawing() as (plt_figure, ticks):
        figure = plt_figure(figsize=(_WIDTH_INCHES, 3.6), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        starts, widths = [low for low, *_ in bins], [high - low for low, high, *_ in bins]
        upper.bar(
            starts,
            [right for _, _, right, _ in bins],
            widths,
            align="edge",
            color=SERIES[0],
            edgecolor=GRID,
            label="right answers",
        )
        upper.plot([0, 1], [0, 1], "--", color=SERIES[1], label="perfect calibration")
        upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
        upper.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        lower.bar(starts, [count for *_, count in bins], widths, align="edge", color=SERIES[0], edgecolor=GRID)
        lower.set(ylabel="answers", xlabel="probability of the answer")
        lower.yaxis.set_major_locator(ticks.MaxNLocator(2))
        lower.yaxis.set_major_formatter(tick_label)
        return svg_of(figure)


def _are_whole(panels: Sequence[Panel]) -> bool:
    """Whether every x is a whole number, as steps and generations are."""
    return all(float(x).is_integer() for panel in panels for line in panel.lines for x, _ in line.points)


def _number(value: float) -> str:
    """A number beside a bar. A long one would leave no room for the bar."""
    if not math.isfinite(value):
        return "∞"
    return f"{value:,.1f}" if value < 1e9 else f"{value:.1e}"

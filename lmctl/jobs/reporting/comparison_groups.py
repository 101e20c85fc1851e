"""Sections of a comparison: the groups of tokens in which models differ, and the tokens that differ most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lmctl import files
from lmctl.jobs.reporting.numbers import count, decimal, percent, signed
from lmctl.pages.elements import element, table
from lmctl.pages.page import Figure, Section, figures, paragraph
from lmctl.pages.plots import Estimates, plot_intervals
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.pages.elements import Child, Element
    from lmctl.query.bootstrap import Interval
    from lmctl.query.compared import Comparison, Group, TokenDifference
    from lmctl.query.groups import By

# A plot has three series: the first three models that are compared with the baseline.
MOST_SERIES = 3
LONGEST_WORD = 60


class _Titles(NamedTuple):
    """The heading of a grouping, the name of its groups, and what they are."""

    heading: str
    group: str
    description: str


_GROUPINGS: dict[By, _Titles] = {
    "frequency": _Titles(
        "By frequency",
        "occurrences in training",
        "Tokens by how often they came in the training text of model 1; oov: not in its vocabulary; </s>: ends of "
        "sentences.",
    ),
    "position": _Titles("By place", "place in the sentence", "Tokens by their place in the sentence, from 1."),
    "frequency_length": _Titles(
        "By frequency and length",
        "occurrences x characters",
        "Tokens by how often they came in the training text of model 1, and by the number of their characters.",
    ),
    "ngram_length": _Titles(
        "By seen context",
        "longest n-gram",
        "Tokens by the number of words of the longest n-gram of the training text that ends in them. 1: the token "
        "never followed the one before it; the higher the number, the more of the context the training text has.",
    ),
}


def interval_text(interval: Interval, digits: int, *, is_signed: bool = False) -> str:
    """Both ends of an interval."""
    written = signed if is_signed else decimal
    return f"{written(interval.low, digits)} to {written(interval.high, digits)}"


def numbered(comparison: Comparison, place: int) -> str:
    """A model by its number and its name."""
    return f"{place + 1} {files.printable(comparison.models[place].model)}"


def groups_section(comparison: Comparison, heading: str) -> Section:
    """The groupings, each as a plot of differences with its numbers."""
    by: dict[By, dict[str, list[Group]]] = {}
    for group in comparison.groups:
        by.setdefault(group.by, {}).setdefault(group.group, []).append(group)
    shown = [_grouping(of, groups) for of, groups in by.items()]
    confidence = f"{comparison.models[0].interval.confidence:g} %"
    said = (
        "Each token is in one group of each grouping. Left of zero, a model is better than model 1. The line "
        f"through a point is its {confidence} interval; it is missing if one line, block or document of the text "
        "has all tokens of the group. Of many intervals, some leave out zero by chance."
    )
    if len(comparison.models) - 1 > MOST_SERIES:
        said += f" Plots show the models 2 to {MOST_SERIES + 1}; the numbers below each are of all models."
    return Section(heading, [paragraph(said), figures(*shown)])


def _grouping(by: By, groups: Mapping[str, Sequence[Group]]) -> Figure:
    titles = _GROUPINGS[by]
    others = range(1, len(next(iter(groups.values()))))
    series = [
        Estimates(f"{place + 1} less 1", [_estimate(of_group[place]) for of_group in groups.values()])
        for place in others[:MOST_SERIES]
    ]
    header = [titles.group, "tokens", "bits per token, 1"]
    for place in others:
        header += [str(place + 1), f"{place + 1} less 1", "interval", "share"]
    rows = []
    for name, of_group in groups.items():
        row = [name, count(of_group[0].tokens), decimal(of_group[0].bits_per_token, 3)]
        for each in of_group[1:]:
            row += [
                decimal(each.bits_per_token, 3),
                signed(_finite_or_none(each.difference_bits), 3),
                "-" if each.interval is None else interval_text(each.interval, 3, is_signed=True),
                percent(each.share),
            ]
        rows.append(row)
    return Figure(
        titles.heading,
        f"{titles.description} Bits per token, less those of model 1.",
        plot_intervals(list(groups), series, "bits per token, less those of 1", from_zero=True),
        table(f"Bits per token: {titles.heading.lower()}", header, rows),
    )


def _finite_or_none(value: float | None) -> float | None:
    """None for the difference of two infinite costs."""
    return None if value is None or math.isnan(value) else value


def _estimate(group: Group) -> tuple[float, float, float] | None:
    found = _finite_or_none(group.difference_bits)
    if found is None:
        return None
    return (found, found, found) if group.interval is None else (found, group.interval.low, group.interval.high)


def tokens_section(comparison: Comparison, heading: str, most: int, language: str | None) -> Section:
    """The tokens that differ most, at most so many of each model.

    Args:
        comparison: on one text.
        heading: of the section.
        most: number of tokens.
        language: of the text, as HTML names it; None: not known.
    """
    content: list[Child] = []
    for place in range(1, len(comparison.models)):
        name = comparison.models[place].model
        tokens = [token for token in comparison.tokens if token.model == name][:most]
        if not tokens:
            content.append(
                paragraph(f"{numbered(comparison, place)} gives every token the probability that model 1 gives.")
            )
            continue
        content.append(
            table(
                f"{numbered(comparison, place)}, against {numbered(comparison, 0)}: above 0, model 1 is better",
                ["line", "bits, 1", f"bits, {place + 1}", f"{place + 1} less 1", "token in its text"],
                [
                    (
                        count(token.line),
                        decimal(token.baseline_bits),
                        decimal(token.bits),
                        signed(_finite_or_none(token.difference_bits), 2),
                        _in_context(token, language),
                    )
                    for token in tokens
                ],
                is_captioned=True,
                is_wide=True,
            )
        )
    return Section(heading, content)


def _in_context(token: TokenDifference, language: str | None) -> Element:
    word = element("mark", shortened(token.word, LONGEST_WORD))
    return element("span", token.before, word, token.after, dir="auto", lang=language)

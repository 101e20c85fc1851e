"""Answers as a notebook shows them: IPython calls `_repr_html_` of the last value of a cell.

Colours are translucent, so the text is readable on light and dark pages. Every text is escaped.
"""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

# Surprisals from this one on, in bits, have the darkest shade.
MOST_BITS = 16.0
_SHADE = "rgba(214, 96, 77, {:.2f})"
_BAR = "rgba(67, 147, 195, 0.6)"


class RankedWord(Protocol):
    """A word of an answer, and its probability."""

    @property
    def word(self) -> str:
        """The word."""

    @property
    def prob(self) -> float:
        """Its probability."""


Word = TypeVar("Word", bound=RankedWord)


class RankedWords(list[Word]):
    """A list of words, best first, which a notebook shows as bars."""

    def _repr_html_(self) -> str:
        return bars(self)


def bars(words: Iterable[RankedWord]) -> str:
    """A table of words, with a bar as long as the probability of each, in HTML."""
    rows = "".join(
        f"<tr><td>{html.escape(each.word)}</td><td>{each.prob:.4f}</td>"
        f'<td style="width: 12em"><div style="width: {100 * each.prob:.1f}%; height: 1em; background: {_BAR}">'
        "</div></td></tr>"
        for each in words
    )
    return (
        f"<table><thead><tr><th>word</th><th>probability</th><th></th></tr></thead><tbody>{rows}</tbody></table>"
    )


def shaded(words: Iterable[str], log_probs: Iterable[float]) -> str:
    """Words, the darker the more surprising, in HTML. The surprisal in bits is their title.

    Args:
        words: the words, and `</s>`.
        log_probs: the natural log probability of each.
    """
    spans = []
    for word, log_prob in zip(words, log_probs, strict=True):
        bits = abs(log_prob) / math.log(2)
        shade = _SHADE.format(0.8 * min(bits, MOST_BITS) / MOST_BITS)
        spans.append(f'<span title="{bits:.2f} bits" style="background: {shade}">{html.escape(word)}</span>')
    return f"<p>{' '.join(spans)}</p>"

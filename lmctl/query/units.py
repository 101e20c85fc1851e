"""The units of a text that resamples are drawn from: lines, blocks of lines, or documents.

Lines of one article are alike, so an interval by lines is too narrow for a text of few articles. Blocks of lines
that stand together keep what lines have in common (bootstrap of blocks that do not overlap; Carlstein 1986, The
Use of Subseries Values for Estimating the Variance of a General Statistic from a Stationary Sequence).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Int64Array
    from lmctl.query.scored_text import ScoredText

# A number: so many lines, one after the other.
Unit = Literal["line", "document"] | int


def unit_of_sentences(text: ScoredText, unit: Unit) -> Int64Array:
    """The unit of each sentence of a text, from 0, rising, (S,).

    Args:
        text: the text.
        unit: "line": each sentence is one; a number: as many sentences as that, the last ones maybe fewer;
            "document": the sentences between lines without words. A line without words that was scored belongs to
            the document before it.
    """
    places = np.arange(len(text.lines))
    if unit == "line":
        return places
    if unit != "document":
        return places // unit
    has_words = np.diff(text.ends, prepend=0) > 1
    # A sentence with words starts a document if the line before it has none, whether that was scored or left out.
    follows = np.zeros(len(places), dtype=np.bool_)
    follows[1:] = (np.diff(text.lines) == 1) & has_words[:-1]
    documents: Int64Array = np.cumsum(has_words & ~follows)
    # Lines without words before the first document belong to it.
    return np.maximum(documents - 1, 0)

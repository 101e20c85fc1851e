"""Where the tokens of a line stand in the line as it was written, before normalization."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from lmctl.text.normalization import without_surrogates
from lmctl.text.subwords import SubwordSegmenter
from lmctl.text.tokenization import SENTENCE_START_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.text.tokenization import Tokenizer


class LocatedToken(NamedTuple):
    """A token and its place.

    Attributes:
        token: the token, normalized.
        start: the place of its first character in the original line, in code points.
        end: the place after its last character.
    """

    token: str
    start: int
    end: int


def locate_tokens(tokenizer: Tokenizer, line: str) -> list[LocatedToken]:
    """The tokens of a line, as `Tokenizer.tokens` gives them, with their places in the line.

    If normalization changes the number of characters, as NFC does with letters and combining marks, a token
    reaches to the borders of the grapheme clusters that it has a part of.
    """
    line = without_surrogates(line)
    text = tokenizer.normalized(line)
    segmenter = tokenizer.segmenter
    tokens = segmenter.segment(text)
    # The pieces of a model that normalizes the text do not stand in it.
    places = segmenter.places(text) if isinstance(segmenter, SubwordSegmenter) else _places(tokens, text)
    if text != line:
        whole = tokenizer.normalization(line)
        # Tags around the line are left out after normalization, and the white space beside them.
        before = len(whole) - len(whole.lstrip())
        if tokenizer.strip_tags and whole.startswith(SENTENCE_START_TAG, before):
            before += len(SENTENCE_START_TAG)
        skipped = 0 if text == whole else whole.find(text, before)
        starts, ends = _original_places(tokenizer.normalization, line, whole)
        # A piece without characters may stand at the end of the line.
        starts.append(len(line))
        places = [
            (starts[skipped + start], ends[skipped + end - 1] if end > start else starts[skipped + start])
            for start, end in places
        ]
    return [
        LocatedToken(token, start, end)
        for token, (start, end) in zip(tokens, places, strict=True)
        if token not in tokenizer.stop_words
    ]


def _places(tokens: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Start and end of each token in a text that has the tokens in this order, and white space between them."""
    places, done = [], 0
    for token in tokens:
        start = done
        while text[start].isspace():
            start += 1
        if text.startswith(token, start):
            done = start + len(token)
        else:
            # A token of the user dictionary has `_` in place of white space.
            pattern = re.escape(token).replace("_", r"(?:_|\s+)")
            found = re.compile(pattern).match(text, start)
            if found is None:
                raise ValueError(f"token {token!r} does not stand at {start} in {text!r}")
            done = found.end()
        places.append((start, done))
    return places


def _original_places(
    normalization: Callable[[str], str], line: str, normalized: str
) -> tuple[list[int], list[int]]:
    """For each character of the normalized line, the start and the end of the original characters that made it."""
    pieces = _clusters(line)
    found = list(map(normalization, pieces))
    if sum(map(len, found)) != len(normalized):
        # Characters of different clusters are normalized together. Those of different words never are.
        pieces = re.findall(r"\s+|\S+", line)
        found = list(map(normalization, pieces))
    starts: list[int] = []
    ends: list[int] = []
    borders = itertools.accumulate(map(len, pieces), initial=0)
    for (start, end), piece, new in zip(itertools.pairwise(borders), pieces, found, strict=True):
        # Marks may also change their order.
        if list(map(normalization, piece)) == list(new):
            starts += range(start, end)
            ends += range(start + 1, end + 1)
        else:
            starts += [start] * len(new)
            ends += [end] * len(new)
    return starts, ends


def _clusters(line: str) -> list[str]:
    """The grapheme clusters of a line. Canonical composition never joins two of them (UAX #29, section 3).

    White space is apart: a mark after it is in one cluster with it, but never composed with it.
    """
    if line.isascii():
        return list(line)
    from unicode_segmentation_rs import graphemes

    pieces: list[str] = []
    for cluster in graphemes(line, is_extended=True):
        if len(cluster) > 1 and cluster[0].isspace():
            pieces += [cluster[0], cluster[1:]]
        else:
            pieces.append(cluster)
    return pieces

"""The Stream-Safe Text Format of Unicode (UAX #15, section 13): no more than 30 combining marks in a row.

Normalization sorts a run of marks. The time of Python's unicodedata grows with the square of their number: 160 kB
of marks take seconds, 16 MB most of a day. No script has 30 marks on a letter. In a longer run, a combining
grapheme joiner (U+034F) is inserted after every 30 marks, as the standard says. All other text is unchanged.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_NONSTARTERS = 30
_GRAPHEME_JOINER = "\u034f"

# An overlong run has at least this many mark characters: a character decomposes into at most two marks (U+0344),
# and the letter before the run into a letter and at most three marks (U+1F82).
_FEWEST_CHARACTERS = 14

# Characters that are no marks themselves, but decompose into marks only: Tibetan vowels, half-width kana sound
# marks.
_BECOME_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")

_ASCII = bytes(range(0x80))


def stream_safe(text: str) -> str:
    """Insert joiners into overlong runs of marks."""
    # Every 14th character is examined: an overlong run contains at least one of them.
    sample = text[_FEWEST_CHARACTERS - 1 :: _FEWEST_CHARACTERS]
    others = sample.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    if not any(map(unicodedata.combining, others)) and _BECOME_MARKS.isdisjoint(others):
        return text
    parts, done = [], 0
    for start, end in _long_runs(text, _places(sample, set(filter(_is_mark, set(others))))):
        parts += [text[done:start], _with_joiners(text[start:end], _trailing_marks(text[start - 1 : start]))]
        done = end
    return "".join([*parts, text[done:]])


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in _BECOME_MARKS


def _places(sample: str, marks: set[str]) -> list[int]:
    """The places of marks in a text, in rising order."""
    # Few characters are marks, and str.find skips the others faster than a regular expression.
    places = []
    for mark in marks:
        place = sample.find(mark)
        while place >= 0:
            places.append(place)
            place = sample.find(mark, place + 1)
    return sorted(places)


def _long_runs(text: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """Start and stop of runs of marks that may be overlong.

    Args:
        text: the whole text.
        places: the places of marks in the sample, rising.
    """
    end = 0
    for place in places:
        start = (place + 1) * _FEWEST_CHARACTERS - 1
        if start < end:
            continue
        end = start + 1
        while end < len(text) and _is_mark(text[end]):
            end += 1
        while start and _is_mark(text[start - 1]):
            start -= 1
        if end - start >= _FEWEST_CHARACTERS:
            yield start, end


def _with_joiners(run: str, count: int) -> str:
    """Insert joiners into a run of marks; the letter before it has `count` marks of its own."""
    found = []
    for character in run:
        marks = len(unicodedata.normalize("NFKD", character))
        if count + marks > _MOST_NONSTARTERS:
            found.append(_GRAPHEME_JOINER)
            count = 0
        found.append(character)
        count += marks
    return "".join(found)


def _trailing_marks(character: str) -> int:
    """The number of marks at the end of the decomposition of a character."""
    decomposed = unicodedata.normalize("NFKD", character)
    return next(
        (place for place, part in enumerate(reversed(decomposed)) if not unicodedata.combining(part)),
        len(decomposed),
    )

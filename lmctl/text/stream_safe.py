"""The Stream-Safe Text Format of Unicode (UAX #15, section 13): no more than 30 combining marks in a row.

To normalize a run of marks is to sort them, and Python's unicodedata does that in a time that grows with the
square of their number: 160 kB of marks take seconds, 16 MB most of a day. No script has as many as 30 marks on a
letter. In a longer run, a combining grapheme joiner (U+034F) is put behind every 30 of them, as the standard has
it; all other text stays as it is.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_NONSTARTERS = 30
_GRAPHEME_JOINER = "\u034f"

# A run that is too long has at least so many characters that are marks: decomposed, each is two marks at most
# (U+0344), and the letter before them brings three (U+1F82).
_FEWEST_CHARACTERS = 14

# Characters that are no marks, and decompose into nothing else: Tibetan vowels, half-width sound marks of kana.
_BECOME_MARKS = frozenset("\u0f73\u0f75\u0f81\uff9e\uff9f")

_ASCII = bytes(range(0x80))


def stream_safe(text: str) -> str:
    """Put joiners into runs of marks that are too long."""
    # One of every so many characters is looked at: a run that is too long has no room between two of them.
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
    """Where the marks stand, in order."""
    # Few of many characters are marks, and str.find passes over the others faster than a regular expression.
    places = []
    for mark in marks:
        place = sample.find(mark)
        while place >= 0:
            places.append(place)
            place = sample.find(mark, place + 1)
    return sorted(places)


def _long_runs(text: str, places: list[int]) -> Iterator[tuple[int, int]]:
    """Where the runs of marks stand that may be too long, by the marks of the sample."""
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
    """A run of marks, parted; before it stand `count` others, in the letter that has them."""
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
    """How many marks a character ends with, decomposed."""
    decomposed = unicodedata.normalize("NFKD", character)
    return next(
        (place for place, part in enumerate(reversed(decomposed)) if not unicodedata.combining(part)),
        len(decomposed),
    )

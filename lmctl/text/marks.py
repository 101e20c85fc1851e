"""Marks: characters that belong to the character before them, such as accents and vowel signs of Indic scripts.

A mark is neither a letter nor a digit for Python's `str.isalnum`, but a word may end in one. So the question
whether a word stands before a place is asked of the base, the last character before the marks.
"""

from __future__ import annotations

import unicodedata

# They join the characters on both sides, and are no marks by their category (UAX #29, Extend and ZWJ).
_JOINERS = "\u200c\u200d"


def is_mark(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    # No mark comes before U+0300, and most characters do.
    return character >= "\u0300" and (unicodedata.category(character)[0] == "M" or character in _JOINERS)


def base_before(text: str, end: int) -> str:
    """The last character before a place in a text that is no mark; empty if there is none."""
    while end and is_mark(text[end - 1]):
        end -= 1
    return text[end - 1 : end]

"""Limits of the length of lines, words and word lists. They bound memory; written language is far below them.

Attributes:
    LONGEST_LINE_BYTES: the longest line that is read whole. A longer line is read in parts.
    LONGEST_WORD_BYTES: the longest word in UTF-8, in a text, a word list, a vocabulary or an ARPA file.
    LARGEST_WORD_LIST_BYTES: the largest word list, decompressed.
"""

from __future__ import annotations

from lmctl.errors import DataError, quoted

LONGEST_LINE_BYTES = 16 << 20
LONGEST_WORD_BYTES = 1 << 15
LARGEST_WORD_LIST_BYTES = 64 << 20


def check_word(word: str, place: str) -> None:
    """Refuse a word that is too long.

    Args:
        word: the word.
        place: its source and line, for the message.

    Raises:
        DataError: it is longer than `LONGEST_WORD_BYTES`.
    """
    # A character has at most four bytes in UTF-8.
    if 4 * len(word) <= LONGEST_WORD_BYTES:
        return
    if (length := len(word.encode("utf-8", "surrogatepass"))) > LONGEST_WORD_BYTES:
        raise DataError(f"{place}: a word of {length} bytes, {quoted(word)}; the limit is {LONGEST_WORD_BYTES}")

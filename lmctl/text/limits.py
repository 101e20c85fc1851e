"""How long text may be: limits that bound memory, and that nothing people write comes near.

Attributes:
    LONGEST_LINE_BYTES: a longer line is read in parts.
    LONGEST_WORD_BYTES: of a word in UTF-8: in a text, a word list, a vocabulary or an ARPA file. A line of an ARPA
        file has room for as many of them as an n-gram may have.
    LARGEST_WORD_LIST_BYTES: of a word list, decompressed.
"""

from __future__ import annotations

from lmctl.errors import DataError, quoted

LONGEST_LINE_BYTES = 16 << 20
LONGEST_WORD_BYTES = 1 << 15
LARGEST_WORD_LIST_BYTES = 64 << 20


def check_word(word: str, place: str) -> None:
    """Refuse a word that is too long.

    Args:
        word: any.
        place: where it stands, for the message.

    Raises:
        DataError: it is longer than `LONGEST_WORD_BYTES`.
    """
    # A character has four bytes at most.
    if 4 * len(word) <= LONGEST_WORD_BYTES:
        return
    if (length := len(word.encode("utf-8", "surrogatepass"))) > LONGEST_WORD_BYTES:
        raise DataError(f"{place}: a word of {length} bytes, {quoted(word)}; {LONGEST_WORD_BYTES} are the most")

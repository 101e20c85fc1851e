"""How long text may be: limits that bound memory, and that nothing people write comes near.

Attributes:
    LONGEST_LINE_BYTES: a longer line is read in parts.
    LONGEST_WORD_BYTES: of a word in UTF-8: in a text, a word list or an ARPA file.
    LARGEST_WORD_LIST_BYTES: of a word list, decompressed.
"""

LONGEST_LINE_BYTES = 16 << 20
LONGEST_WORD_BYTES = 1 << 16
LARGEST_WORD_LIST_BYTES = 64 << 20

r"""Control characters in words, names and records: a terminal or a page shows them as text.

A word of a corpus, the name of a file or a record in a foreign bundle may hold escape sequences. They could change
the title of a window, clear it, or type as if the user had. A terminal and a page get such a character as `\x1b`;
a pipe or a file of data gets the bytes.
"""

from __future__ import annotations

import re

# C0 except TAB and line feed, DEL, C1, line and paragraph separators, overrides and isolates of the writing
# direction, and halves of surrogate pairs, by which Python represents bytes of a path that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return a text with `\x1b` for an escape, `\u202e` for an override, and so on; TABs and line feeds stay."""
    return _CONTROLS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
        return f"\\x{code:02x}"
    # JSON spells a character as \u and four digits, and has none below a blank: shown like this, it stays JSON.
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"

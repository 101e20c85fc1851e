"""The validation text that a generation keeps, so that later models can be compared with it.

A bundle stores it as valid.txt: the whole text up to a megabyte. Of a longer text, it stores pieces from all parts
of the text. Lines are kept whole; but if each of these lines is longer than a megabyte, the beginning of the first
one is kept. The same text always gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.store.bundle import open_bundle
from lmctl.store.layout import KEPT_TEXT
from lmctl.store.writing import amend_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# About 200,000 words of English. The bits per character of so long a sample do not depend on its choice.
KEPT_BYTES = 1_000_000
# Of a longer text, every n-th piece of this many bytes is kept. So most lines keep the context before them.
PIECE_BYTES = 16_384


def keep_text(bundle: Path, text: bytes) -> None:
    """Store a text in a bundle that is not published yet; an empty text is not stored."""
    if text:
        amend_bundle(open_bundle(bundle), {KEPT_TEXT: text})


def kept_part(path: Path) -> bytes:
    """The part of a text file (a sentence a line) that is kept."""
    with path.open("rb") as file:
        return kept_lines(file, path.stat().st_size)


def kept_lines(lines: Iterable[bytes], total_bytes: int, most_bytes: int = KEPT_BYTES) -> bytes:
    """The part of a text that is kept.

    Args:
        lines: the lines, each with its line end; they are read one at a time.
        total_bytes: length of all lines together.
        most_bytes: longest length of the part.
    """
    stride = -(-total_bytes // most_bytes)
    kept, start, length = list[bytes](), 0, 0
    beginning = b""
    for line in lines:
        beginning = beginning or line[:most_bytes]
        chosen = stride <= 1 or (start // PIECE_BYTES) % stride == 0
        if chosen and length + len(line) <= most_bytes:
            kept.append(line)
            length += len(line)
        start += len(line)
    return b"".join(kept) or _without_a_part(beginning)


def _without_a_part(beginning: bytes) -> bytes:
    """The beginning of a line in UTF-8 to its last blank, or to its last whole character, with a line end."""
    words, _, _ = beginning.rpartition(b" ")
    whole = words if words.strip() else beginning[:-1].decode(errors="ignore").encode()
    return whole + b"\n" if whole else b""

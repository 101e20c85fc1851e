"""The validation text that a published generation keeps, so that later models can be compared with it.

A bundle holds it as valid.txt: all of it up to a megabyte, and of a longer text pieces from its beginning to its
end. The same text always gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.store.bundle import open_bundle
from lmctl.store.layout import KEPT_TEXT
from lmctl.store.writing import amend_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# About 200,000 words of English: bits per character of so many do not depend on which ones they are.
KEPT_BYTES = 1_000_000
# Of a longer text every n-th piece of so many bytes is kept: most lines keep the lines before them.
PIECE_BYTES = 16_384


def keep_text(bundle: Path, text: bytes) -> None:
    """Store a text in a bundle that no reader looks at yet; none is stored if it is empty."""
    if text:
        amend_bundle(open_bundle(bundle), {KEPT_TEXT: text})


def kept_part(path: Path) -> bytes:
    """What is kept of a text file, a sentence a line."""
    with path.open("rb") as file:
        return kept_lines(file, path.stat().st_size)


def kept_lines(lines: Iterable[bytes], total_bytes: int) -> bytes:
    """What is kept of a text.

    Args:
        lines: each with its end; read as they are needed.
        total_bytes: the length of them all.
    """
    stride = -(-total_bytes // KEPT_BYTES)
    kept, start, length = list[bytes](), 0, 0
    for line in lines:
        chosen = stride <= 1 or (start // PIECE_BYTES) % stride == 0
        if chosen and length + len(line) <= KEPT_BYTES:
            kept.append(line)
            length += len(line)
        start += len(line)
    return b"".join(kept)

"""Texts that end a generated text, for a model whose tokens are pieces of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.corpus.vocabulary import SPECIALS
from lmctl.text.subwords import BOUNDARY, BYTE_PIECE

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopTexts:
    """Finds stops in the pieces of a text.

    A stop has other pieces after a blank than after a word, and a sampled text may have any pieces. So the text
    that they write is compared, from the start of a piece to the end of one. Blanks around it do not matter.

    Args:
        stops: the stops.
        pieces: all pieces by id, (V,).

    Attributes:
        last_ids: ids of the pieces that a stop may end with.
    """

    def __init__(self, stops: Sequence[str], pieces: Sequence[str]) -> None:
        # In bytes, because a piece may be one byte of a character.
        self._written = [b""] * len(SPECIALS) + [_written(piece) for piece in pieces[len(SPECIALS) :]]
        blanks = (b"", b" ")
        self._stops = {before + stop.encode() + after for stop in stops for before in blanks for after in blanks}
        self._longest = max(map(len, self._stops), default=0)
        self.last_ids = [
            token_id
            for token_id, written in enumerate(self._written)
            if written and any(stop.endswith(written) for stop in self._stops)
        ]
        self._last_ids = frozenset(self.last_ids)

    def come_with(self, token_ids: Sequence[int], token_id: int) -> bool:
        """Whether one more token ends a stop, whose other tokens are the last ones of the text."""
        if token_id not in self._last_ids:
            return False
        written = self._written[token_id]
        for earlier in reversed(token_ids):
            if written in self._stops or len(written) >= self._longest or not self._written[earlier]:
                break
            written = self._written[earlier] + written
        return written in self._stops

    def can_come(self) -> bool:
        """Whether any stop can be written with the pieces."""
        return any(map(self._can_be_written, self._stops))

    def _can_be_written(self, stop: bytes) -> bool:
        pieces = frozenset(self._written)
        reached = {0}
        for end in range(1, len(stop) + 1):
            if any(stop[start:end] in pieces for start in reached):
                reached.add(end)
        return len(stop) in reached


def _written(piece: str) -> bytes:
    if byte := BYTE_PIECE.fullmatch(piece):
        return bytes([int(byte[1], 16)])
    return piece.replace(BOUNDARY, " ").encode()

"""Sequences side by side: of like length, so that little is padding, and never too many tokens at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Positions, padding included, that a model reads in one go; what it computes for them bounds the memory.
BATCH_TOKENS = 1 << 13
LARGEST_BATCH = 64


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places in `lengths` whose sequences go side by side; a sequence of any length fits, if need be alone."""
    places: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if places and (len(places) == LARGEST_BATCH or (len(places) + 1) * lengths[place] > BATCH_TOKENS):
            yield places
            places = []
        places.append(place)
    if places:
        yield places


def blocks_of_time(steps: int, batch: int) -> Iterator[slice]:
    """Cuts T steps of B columns into parts of at most `BATCH_TOKENS` positions, or of one step."""
    at_once = max(1, BATCH_TOKENS // batch)
    for first in range(0, steps, at_once):
        yield slice(first, min(first + at_once, steps))

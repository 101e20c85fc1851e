"""Puts sequences into batches of similar length, with little padding and a limited number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The most positions, padding included, that a model reads in one call. This bounds the memory.
BATCH_TOKENS = 1 << 13
LARGEST_BATCH = 64


def batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield batches of indices into `lengths`. A very long sequence is a batch of its own."""
    places: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if places and (len(places) == LARGEST_BATCH or (len(places) + 1) * lengths[place] > BATCH_TOKENS):
            yield places
            places = []
        places.append(place)
    if places:
        yield places


def blocks_of_time(steps: int, batch: int) -> Iterator[slice]:
    """Yield slices of T steps of B columns; each has at most `BATCH_TOKENS` positions, or one step."""
    at_once = max(1, BATCH_TOKENS // batch)
    for first in range(0, steps, at_once):
        yield slice(first, min(first + at_once, steps))

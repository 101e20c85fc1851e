"""Puts sequences into batches of similar length, with little padding and a limited number of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import IntArray
    from lmctl.families.base import LanguageModel

# The most positions, padding included, that a model reads in one call. This bounds the memory.
BATCH_TOKENS = 1 << 13
# The most positions of one column. More of them take memory and save no time.
STEPS_AT_ONCE = 1 << 11
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
    """Yield slices of T steps of B columns; each has at most `BATCH_TOKENS` positions, or one step.

    A slice has at most `STEPS_AT_ONCE` steps.
    """
    at_once = max(1, min(STEPS_AT_ONCE, BATCH_TOKENS // batch))
    for first in range(0, steps, at_once):
        yield slice(first, min(first + at_once, steps))


def read_side_by_side(
    language_model: LanguageModel[Any], state: Any, sequences: Sequence[Sequence[int] | IntArray]
) -> Any:
    """Read sequences of token ids, one in each column.

    Args:
        language_model: the model that reads.
        state: the state before the first tokens, B columns.
        sequences: B sequences.

    Returns:
        The state after the last token of each sequence.
    """
    lengths = np.array([len(token_ids) for token_ids in sequences])
    columns = np.full((int(lengths.max()), len(sequences)), SENTENCE_END_ID)
    for column, token_ids in enumerate(sequences):
        columns[: len(token_ids), column] = token_ids
    for block in blocks_of_time(*columns.shape):
        there = np.clip(lengths - block.start, 0, block.stop - block.start)
        state = language_model.advance(state, columns[block], there)
    return state

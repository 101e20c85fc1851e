"""The text that a warm start reads: the new text in full, and a part of the text that the old model has read.

A network that is trained on new text alone forgets the old text (McCloskey & Cohen 1989). Some of the old text
among the new prevents this, which is called rehearsal (Robins 1995). Here the new text is read as often as a
training from random weights would read it, and the old text a fraction of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.corpus.batches import TokenStream

    Positions = NDArray[np.int64]

# Largest length of a span of text, and smallest number of spans in a text. Spans are read in random order.
SPAN_TOKENS = 2048
FEWEST_SPANS = 100
# Tokens that are searched at once for the end of a sentence.
SCAN_TOKENS = 1 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """The text that a warm start reads.

    Attributes:
        stream: the text of one epoch.
        epochs: number of epochs.
        new_text: share of the tokens of the corpus that are new.
        rehearsed_text: number of tokens of the old text in an epoch, divided by all tokens of the old text.
        share: number of tokens in all epochs, divided by the number that a training from random weights reads. It
            is also the factor of the learning rate: the fewer steps follow, the less of what the old model has
            learned they may undo (docs/benchmarks.md has measurements).
    """

    stream: TokenStream
    epochs: int
    new_text: float
    rehearsed_text: float
    share: float


def plan_reading(
    stream: NDArray[Any], sources: Sequence[tuple[int, int]], *, epochs: int, rehearsal: float, seed: Sequence[int]
) -> Reading:
    """Choose the text that a warm start reads.

    If nothing is new, or all is, or `rehearsal` is 1, all of the text is read alike, for all epochs.

    Args:
        stream: token ids of the whole training text, (tokens,); every sentence ends with `</s>`.
        sources: for each source of the text, in order, its number of sentences, and how many of them, at its
            start, are old text.
        epochs: number of times that the new text is read.
        rehearsal: how often the old text is read, as a share of that, 0 to 1.
        seed: decides which old text is read, and the order.
    """
    edges = np.cumsum([0, *(part for whole, old in sources for part in (old, whole - old))])
    bounds = _sentence_starts(stream, edges).tolist()
    old_parts = list(zip(bounds[0::2], bounds[1::2], strict=False))
    new_parts = list(zip(bounds[1::2], bounds[2::2], strict=False))
    old, new = (sum(stop - start for start, stop in parts) for parts in (old_parts, new_parts))
    new_text = new / (old + new)
    if not old or not new or rehearsal == 1:
        return Reading(stream, epochs, new_text, rehearsed_text=1.0, share=1.0)
    share = (new + rehearsal * old) / (new + old)
    fewer_epochs = max(1, round(epochs * share))
    generator = np.random.default_rng(seed)
    longest = max(1, min(SPAN_TOKENS, (old + new) // FEWEST_SPANS))
    passes = epochs / fewer_epochs
    rehearsed = _drawn(_spans(stream, old_parts, longest), rehearsal * passes, generator)
    spans = np.concatenate([_drawn(_spans(stream, new_parts, longest), passes, generator), rehearsed])
    generator.shuffle(spans)
    return Reading(
        Spliced(stream, spans),
        fewer_epochs,
        new_text,
        rehearsed_text=float((rehearsed[:, 1] - rehearsed[:, 0]).sum() / old),
        share=share,
    )


class Spliced:
    """Spans of a stream, one after the other, that are read like a stream of their own. They are not copied.

    Args:
        stream: token ids, (tokens,).
        spans: first token of each span, and the token after it, (spans, 2).
    """

    def __init__(self, stream: NDArray[Any], spans: Positions) -> None:
        self._stream = stream
        self._spans = spans
        self._offsets = np.append(0, np.cumsum(spans[:, 1] - spans[:, 0]))

    def __len__(self) -> int:
        """Number of tokens."""
        return int(self._offsets[-1])

    def __getitem__(self, place: slice) -> NDArray[Any]:
        """The tokens of a slice whose step is 1."""
        start, stop, _ = place.indices(len(self))
        first, last = np.searchsorted(self._offsets, (start, stop), side="right") - 1
        parts = [self._stream[:0]]
        for span in range(first, min(last + 1, len(self._spans))):
            begins, ends = self._spans[span]
            shift = begins - self._offsets[span]
            parts.append(self._stream[max(begins, start + shift) : min(ends, stop + shift)])
        return np.concatenate(parts)


def _drawn(spans: Positions, passes: float, generator: np.random.Generator) -> Positions:
    """All spans as often as `passes` has whole numbers, and a random part of them for the fraction."""
    part = generator.permutation(len(spans))[: round((passes - int(passes)) * len(spans))]
    return np.concatenate([*[spans] * int(passes), spans[part]])


def _spans(stream: NDArray[Any], parts: Sequence[tuple[int, int]], longest: int) -> Positions:
    """Cut parts of a stream into spans of about `longest` tokens that end with a sentence, (spans, 2)."""
    spans: list[tuple[int, int]] = []
    for first, stop in parts:
        start = first
        stretch = 0
        for ends in _sentence_ends(stream, first, stop):
            # A span ends with the first sentence that ends in a stretch of `longest` tokens.
            stretches = (ends - first) // longest
            is_first = np.diff(stretches, prepend=stretch) > 0
            for end in ends[is_first].tolist():
                spans.append((start, end))
                start = end
            stretch = stretches[-1] if len(stretches) else stretch
        if start < stop:
            spans.append((start, stop))
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def _sentence_starts(stream: NDArray[Any], numbers: Positions) -> Positions:
    """The positions of sentences by their numbers, which rise from 0; after the last one, the stream's end."""
    positions = np.full(len(numbers), len(stream))
    positions[numbers == 0] = 0
    before = 0
    for ends in _sentence_ends(stream, 0, len(stream)):
        here = (numbers > before) & (numbers <= before + len(ends))
        positions[here] = ends[numbers[here] - before - 1]
        before += len(ends)
    return positions


def _sentence_ends(stream: NDArray[Any], start: int, stop: int) -> Iterator[Positions]:
    """The positions after the `</s>` of a part of a stream, in several arrays."""
    for first in range(start, stop, SCAN_TOKENS):
        block = stream[first : min(first + SCAN_TOKENS, stop)]
        yield np.flatnonzero(block == SENTENCE_END_ID) + first + 1

"""An id stream in the order that truncated back-propagation through time reads it.

The stream is cut into B columns that are read side by side, T tokens a step, each column carrying its state
from one step to the next. A column starts at the start of a sentence, from the initial state; so does a
restart: with a small probability a segment stops at its last `</s>`, and the next one begins there from the
initial state. That is how a network learns the state that every query starts from. Every token is a target
exactly once an epoch.

Positions follow from (seed, epoch, step) alone, so any step can be reached again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Stream = NDArray[np.unsignedinteger[Any]]
    Positions = NDArray[np.int64]

# How far ahead to look for a sentence's end at a time.
SCAN_TOKENS = 1 << 16


@dataclass(frozen=True, slots=True)
class Segment:
    """What one step reads: the token at (t, b) of `inputs` stands before that of `targets`.

    Attributes:
        inputs: token ids, (T, B) int32.
        targets: token ids, (T, B) int32.
        lengths: how many of a column's T positions are there, (B,) int32; the rest is padding.
        restart: which columns start from the initial state, (B,) bool; the others carry theirs.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    lengths: NDArray[np.int32]
    restart: NDArray[np.bool_]

    @property
    def tokens(self) -> int:
        """How many targets there are."""
        return int(self.lengths.sum())


class TrainingBatches:
    """The training stream as segments of constant shape (T, B).

    Args:
        stream: token ids, (tokens,); every sentence ends with `</s>`.
        batch_size: columns wanted; fewer where there are fewer sentences than that.
        num_steps: T; shorter where no column is that long.
        reset_probability: how likely a column's state is to be started afresh after a segment.
        seed: decides where restarts fall.
    """

    def __init__(
        self, stream: Stream, *, batch_size: int, num_steps: int, reset_probability: float = 0.0, seed: int = 0
    ) -> None:
        self._stream = stream
        self._starts = column_starts(stream, batch_size, num_steps)
        self._ends = np.append(self._starts[1:], len(stream))
        self._reset_probability = reset_probability
        self._seed = seed
        self.num_steps = min(num_steps, int((self._ends - self._starts).max()))
        self.batch_size = len(self._starts)

    def segments(self, epoch: int, first_step: int = 0) -> Iterator[Segment]:
        """The segments of one epoch, from `first_step` on.

        An earlier step's restarts move everything after it, so the steps before are walked through, unread.
        """
        walk = _ColumnWalk(
            self._stream, self._starts, self._ends, self.num_steps, lambda step: self._draw(epoch, step)
        )
        for _ in range(first_step):
            walk.skip()
        yield from walk

    def _draw(self, epoch: int, step: int) -> NDArray[np.bool_]:
        """Which columns are to start afresh after this segment, (B,)."""
        if not self._reset_probability:
            return np.zeros(self.batch_size, dtype=bool)
        generator = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, epoch, step]))
        return generator.random(self.batch_size) < self._reset_probability


def carried_segments(stream: Stream, *, batch_size: int, num_steps: int) -> Iterator[Segment]:
    """The whole stream once, in columns that carry their state to the end."""
    return TrainingBatches(stream, batch_size=batch_size, num_steps=num_steps).segments(0)


def sentence_segments(stream: Stream, *, batch_size: int, num_steps: int) -> Iterator[Segment]:
    """The whole stream once, every sentence from the initial state; sentences of like length side by side."""
    ends = np.flatnonzero(stream == SENTENCE_END_ID) + 1
    starts = np.append(0, ends[:-1])
    order = np.argsort(ends - starts, kind="stable")
    for first in range(0, len(order), batch_size):
        group = order[first : first + batch_size]
        longest = int((ends[group] - starts[group]).max())
        yield from _ColumnWalk(stream, starts[group], ends[group], min(num_steps, longest), _never)


def column_starts(stream: Stream, batch_size: int, num_steps: int) -> Positions:
    """Where each column starts, (B,): equal shares, moved on to the next start of a sentence.

    Where no sentence starts within half a share, the column starts inside one, unless shares are shorter than a
    segment: then there are fewer columns.
    """
    share = len(stream) / batch_size
    starts = [0]
    for column in range(1, batch_size):
        wanted = int(column * share)
        end = _next_sentence_end(stream, wanted - 1, wanted + int(share / 2))
        if end is None and share < num_steps:
            end = _next_sentence_end(stream, wanted - 1, len(stream))
        start = wanted if end is None else end + 1
        if starts[-1] < start < len(stream):
            starts.append(start)
    return np.array(starts, dtype=np.int64)


def _next_sentence_end(stream: Stream, first: int, stop: int) -> int | None:
    """Position of the first `</s>` in stream[first:stop]."""
    for position in range(max(first, 0), stop, SCAN_TOKENS):
        block = stream[position : min(position + SCAN_TOKENS, stop)]
        found = np.flatnonzero(block == SENTENCE_END_ID)
        if len(found):
            return position + int(found[0])
    return None


def _never(step: int) -> bool:  # noqa: ARG001
    return False


class _ColumnWalk:
    """Walks columns side by side, a segment at a time."""

    def __init__(
        self,
        stream: Stream,
        starts: Positions,
        ends: Positions,
        num_steps: int,
        draw: Callable[[int], NDArray[np.bool_] | bool],
    ) -> None:
        self._stream = stream
        self._positions = starts.copy()
        self._ends = ends
        self._num_steps = num_steps
        self._draw = draw
        self._step = 0
        self._restart = np.ones(len(starts), dtype=bool)
        # A restart that was drawn where no sentence ended waits for a segment where one does.
        self._pending = np.zeros(len(starts), dtype=bool)

    def __iter__(self) -> Iterator[Segment]:
        while True:
            positions, restart = self._positions.copy(), self._restart
            lengths = self.skip()
            if not lengths.any():
                return
            yield self._read(positions, lengths, restart)

    def skip(self) -> Positions:
        """Move on by one segment without reading it; returns its lengths, (B,)."""
        lengths: Positions = np.minimum(self._ends - self._positions, self._num_steps)
        self._pending |= self._draw(self._step)
        restart = np.zeros(len(lengths), dtype=bool)
        for column in np.flatnonzero(self._pending & (lengths > 0)):
            position = int(self._positions[column])
            targets = self._stream[position : position + int(lengths[column])]
            sentence_ends = np.flatnonzero(targets == SENTENCE_END_ID)
            if len(sentence_ends):
                lengths[column] = sentence_ends[-1] + 1
                restart[column] = True
        self._pending &= ~restart
        self._restart = restart
        self._positions = self._positions + lengths
        self._step += 1
        return lengths

    def _read(self, positions: Positions, lengths: Positions, restart: NDArray[np.bool_]) -> Segment:
        shape = (len(positions), self._num_steps)
        inputs = np.full(shape, SENTENCE_END_ID, dtype=np.int32)
        targets = np.full(shape, SENTENCE_END_ID, dtype=np.int32)
        for column, (position, length) in enumerate(zip(positions.tolist(), lengths.tolist(), strict=True)):
            targets[column, :length] = self._stream[position : position + length]
            # Before the first token of the stream stands `</s>`, as before every sentence.
            skipped = int(position == 0)
            inputs[column, skipped:length] = self._stream[position - 1 + skipped : position - 1 + length]
        return Segment(
            inputs=np.ascontiguousarray(inputs.T),
            targets=np.ascontiguousarray(targets.T),
            lengths=lengths.astype(np.int32),
            restart=restart,
        )

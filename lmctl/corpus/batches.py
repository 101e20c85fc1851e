"""Batches of an id stream for truncated back-propagation through time.

The stream is cut into B columns. Each step reads T tokens of every column (a segment), and each column carries its
state from one step to the next. A column starts at the start of a sentence, from the initial state.

A segment may end with a restart, with a small probability: it stops at its last `</s>`, and the column continues
there from the initial state. In this way a network learns the state from which every query starts.

Every token is a target exactly once an epoch. The positions follow from (seed, epoch, step) alone, so a resumed
run continues at any step.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Stream = NDArray[np.unsignedinteger[Any]]
    Positions = NDArray[np.int64]


class TokenStream(Protocol):
    """A text as token ids. An array of integers is one."""

    def __len__(self) -> int:
        """Number of tokens."""
        ...

    def __getitem__(self, place: slice, /) -> Stream:
        """The tokens of a slice."""
        ...


# Tokens that are searched at once for the end of a sentence.
SCAN_TOKENS = 1 << 16


@dataclass(frozen=True, slots=True)
class Segment:
    """The input of one training step.

    Attributes:
        inputs: token ids, (T, B) int32.
        targets: the id of the token after each input, (T, B) int32.
        lengths: number of positions of each column, (B,) int32, 0 to T; the rest is padding.
        restart: whether each column starts from the initial state, (B,) bool; other columns carry their state.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]
    lengths: NDArray[np.int32]
    restart: NDArray[np.bool_]

    @property
    def tokens(self) -> int:
        """Number of targets, without padding."""
        return int(self.lengths.sum())


class TrainingBatches:
    """The training stream as segments of constant shape (T, B).

    Args:
        stream: token ids; every sentence ends with `</s>`.
        batch_size: B, the number of columns; smaller if there are fewer sentences.
        num_steps: T, the length of a segment; shorter if no column is so long.
        reset_probability: probability that a column restarts from the initial state after a segment.
        unknown_rates: probability that a word is read as `<unk>` in an epoch, by its id, (V,); None: no word is.
        seed: all restarts follow from the seed, the epoch and the step, unknown words from the seed and the epoch.
    """

    def __init__(
        self,
        stream: TokenStream,
        *,
        batch_size: int,
        num_steps: int,
        reset_probability: float = 0.0,
        unknown_rates: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        self._stream = stream
        self._read: range | None = None
        self._starts = column_starts(stream, batch_size, num_steps)
        self._ends = np.append(self._starts[1:], len(stream))
        self._reset_probability = reset_probability
        self._unknown_rates = unknown_rates
        self._seed = seed
        self.num_steps = min(num_steps, int((self._ends - self._starts).max()))
        self.batch_size = len(self._starts)

    @property
    def tokens(self) -> int:
        """Number of targets in an epoch."""
        return len(self._stream)

    def read_only(self, columns: range) -> None:
        """Read the tokens of these columns alone; the others get padding. The lengths are those of all columns."""
        self._read = columns

    def segments(self, epoch: int, first_step: int = 0) -> Iterator[Segment]:
        """The segments of one epoch, from `first_step` on.

        Restarts shift all later positions of a column. So earlier steps are simulated, without reading their
        tokens.
        """
        walk = _ColumnWalk(
            self._stream,
            self._starts,
            self._ends,
            self.num_steps,
            lambda step: self._draw(epoch, step),
            self._read,
        )
        for _ in range(first_step):
            walk.skip()
        read_as = self._read_as(epoch)
        if read_as is None:
            yield from walk
            return
        for segment in walk:
            inputs, targets = read_as[segment.inputs], read_as[segment.targets]
            yield dataclasses.replace(segment, inputs=inputs, targets=targets)

    def _read_as(self, epoch: int) -> NDArray[np.int32] | None:
        """The id that each word has in an epoch, (V,): its own or that of `<unk>`; None: its own for all."""
        if self._unknown_rates is None:
            return None
        # The second number keeps these random numbers apart from those of `_draw`.
        generator = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 1, epoch, 0]))
        is_unknown = generator.random(len(self._unknown_rates)) < self._unknown_rates
        return np.where(is_unknown, UNKNOWN_ID, np.arange(len(is_unknown))).astype(np.int32)

    def _draw(self, epoch: int, step: int) -> NDArray[np.bool_]:
        """Draw which columns restart after a segment, (B,) bool."""
        if not self._reset_probability:
            return np.zeros(self.batch_size, dtype=bool)
        generator = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, epoch, step]))
        return generator.random(self.batch_size) < self._reset_probability


def unknown_rates(word_counts: Sequence[int], strength: float) -> NDArray[np.float64] | None:
    """The probability that a word is read as `<unk>` in an epoch of training, by its id, (V,); None: no word is.

    A word that occurs c times has the probability strength / (strength + c) (Kiperwasser & Goldberg 2016,
    arXiv:1603.04351, section 4).

    Args:
        word_counts: how often each word occurs in the training text, by id.
        strength: 0 or more; 0: never.
    """
    if not strength:
        return None
    rates: NDArray[np.float64] = strength / (strength + np.asarray(word_counts, dtype=np.float64))
    rates[[UNKNOWN_ID, SENTENCE_END_ID]] = 0
    return rates


def carried_segments(stream: TokenStream, *, batch_size: int, num_steps: int) -> Iterator[Segment]:
    """The whole stream once, in segments whose columns carry their state to the end."""
    return TrainingBatches(stream, batch_size=batch_size, num_steps=num_steps).segments(0)


def sentence_segments(
    stream: Stream, *, batch_size: int, num_steps: int, spread: bool = False
) -> Iterator[Segment]:
    """The whole stream once, every sentence from the initial state. A batch has sentences of similar length.

    Args:
        stream: token ids, (tokens,); every sentence ends with `</s>`.
        batch_size: number of sentences of a batch.
        num_steps: largest length of a segment.
        spread: False: the batches are sorted by the length of their sentences. True: the first batches, however
            many, have sentences of all lengths.
    """
    ends = np.flatnonzero(stream == SENTENCE_END_ID) + 1
    starts = np.append(0, ends[:-1])
    order = np.argsort(ends - starts, kind="stable")
    firsts = range(0, len(order), batch_size)
    for place in spread_order(len(firsts)) if spread else range(len(firsts)):
        first = firsts[place]
        group = order[first : first + batch_size]
        longest = int((ends[group] - starts[group]).max())
        yield from _ColumnWalk(stream, starts[group], ends[group], min(num_steps, longest), _never)


def spread_order(count: int) -> list[int]:
    """The numbers 0 to `count` - 1 in an order whose first numbers, however many, are spread over all of them.

    The numbers are sorted by their binary digits, read from the last one to the first (van der Corput 1935).
    """
    digits = max(count - 1, 1).bit_length()
    return sorted(range(count), key=lambda number: int(f"{number:0{digits}b}"[::-1], 2))


def column_starts(stream: TokenStream, batch_size: int, num_steps: int) -> Positions:
    """The start of each column, (B,): equal shares of the stream, moved to the next start of a sentence.

    If no sentence starts within half a share, the column starts inside a sentence. But if shares are shorter than
    a segment, there are fewer columns instead.
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


def _next_sentence_end(stream: TokenStream, first: int, stop: int) -> int | None:
    """The position of the first `</s>` in stream[first:stop]; None: there is none."""
    for position in range(max(first, 0), stop, SCAN_TOKENS):
        block = stream[position : min(position + SCAN_TOKENS, stop)]
        found = np.flatnonzero(block == SENTENCE_END_ID)
        if len(found):
            return position + int(found[0])
    return None


def _never(step: int) -> bool:  # noqa: ARG001
    return False


class _ColumnWalk:
    """Iterates over segments of B columns.

    Args:
        stream: token ids.
        starts: the start of each column, (B,).
        ends: the place after each column, (B,).
        num_steps: T.
        draw: given the number of the step, draws which columns restart after it, (B,) bool.
        read: the columns whose tokens are read; None: all.
    """

    def __init__(
        self,
        stream: TokenStream,
        starts: Positions,
        ends: Positions,
        num_steps: int,
        draw: Callable[[int], NDArray[np.bool_] | bool],
        read: range | None = None,
    ) -> None:
        self._columns = range(len(starts)) if read is None else read
        self._stream = stream
        self._positions = starts.copy()
        self._ends = ends
        self._num_steps = num_steps
        self._draw = draw
        self._step = 0
        self._restart = np.ones(len(starts), dtype=bool)
        # Restarts that were drawn for segments without the end of a sentence. They wait for a segment with one.
        self._pending = np.zeros(len(starts), dtype=bool)

    def __iter__(self) -> Iterator[Segment]:
        while True:
            positions, restart = self._positions.copy(), self._restart
            lengths = self.skip()
            if not lengths.any():
                return
            yield self._read(positions, lengths, restart)

    def skip(self) -> Positions:
        """Advance by one segment without reading its tokens, and return its lengths, (B,)."""
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
        for column in self._columns:
            position, length = int(positions[column]), int(lengths[column])
            targets[column, :length] = self._stream[position : position + length]
            # The input before the first token of the stream is `</s>`, as for every sentence.
            skipped = int(position == 0)
            inputs[column, skipped:length] = self._stream[position - 1 + skipped : position - 1 + length]
        return Segment(
            inputs=np.ascontiguousarray(inputs.T),
            targets=np.ascontiguousarray(targets.T),
            lengths=lengths.astype(np.int32),
            restart=restart,
        )

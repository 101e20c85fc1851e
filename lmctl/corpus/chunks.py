"""One chunk of text becomes tokens: the part of preparation that is spread over workers."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.text.reading import SourceChunk
    from lmctl.text.tokenization import Tokenizer

    BoolArray = NDArray[np.bool_]
    IntArray = NDArray[np.integer]

# Where a chunk belongs; `hash` decides line by line.
Split = Literal["train", "valid", "hash"]

# Local id of `</s>` in a chunk; the chunk's words follow.
LOCAL_SENTENCE_END = 0


@dataclass(frozen=True, slots=True)
class SplitRules:
    """How text is cut into tokens and shared out between training and validation."""

    tokenizer: Tokenizer
    blank_lines: Literal["drop", "keep"]
    valid_fraction: float


def line_is_valid(line: str, fraction: float) -> bool:
    """Does a line validate rather than train?

    Decided by its text alone, through CRC-32, so a line stays in its split when the corpus grows and copies of
    it never stand in both.
    """
    return zlib.crc32(line.encode("utf-8", "surrogatepass")) < fraction * 2**32


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk as tokens: what the worker counted, and where it left the rest."""

    stem: Path
    train_sentences: int
    train_words: int
    train_characters: int
    valid_sentences: int
    valid_words: int
    valid_characters: int

    def words(self) -> list[str]:
        """The distinct words of the chunk, by local id from 1."""
        text = self.stem.with_suffix(".words").read_bytes().decode("utf-8", "surrogatepass")
        return text.split("\n") if text else []

    def word_counts(self) -> list[int]:
        """How often each of `words()` stood in the training lines."""
        local_ids, is_valid = self._tokens()
        size = len(self.words()) + 1
        return cast("list[int]", np.bincount(local_ids[~is_valid], minlength=size)[1:].tolist())

    def translate(self, vocabulary: Vocabulary) -> tuple[IntArray, BoolArray]:
        """The chunk's token ids, and which of them validate; both (tokens,)."""
        token_ids = np.array([SENTENCE_END_ID, *vocabulary.encode(self.words())], dtype=np.uint32)
        local_ids, is_valid = self._tokens()
        return token_ids[local_ids], is_valid

    def all_training(self) -> EncodedChunk:
        """The same chunk with its validation lines trained on."""
        np.save(self.stem.with_suffix(".valid.npy"), np.zeros(self.train_sentences + self.valid_sentences, bool))
        return EncodedChunk(
            self.stem,
            self.train_sentences + self.valid_sentences,
            self.train_words + self.valid_words,
            self.train_characters + self.valid_characters,
            0,
            0,
            0,
        )

    def _tokens(self) -> tuple[IntArray, BoolArray]:
        local_ids = np.load(self.stem.with_suffix(".ids.npy"))
        ends = np.flatnonzero(local_ids == LOCAL_SENTENCE_END)
        lengths = np.diff(ends, prepend=-1)
        return local_ids, np.repeat(np.load(self.stem.with_suffix(".valid.npy")), lengths)


@dataclass(frozen=True, slots=True)
class ChunkEncoder:
    """The work on one chunk; sent to worker processes."""

    rules: SplitRules
    scratch: Path

    def __call__(self, numbered: tuple[int, tuple[SourceChunk, Split]]) -> EncodedChunk:
        """Cut the chunk into tokens, and leave words and local ids in the scratch folder."""
        number, (chunk, split) = numbered
        lines = self.rules.tokenizer.normalized(chunk.text()).split("\n")
        if not lines[-1]:
            lines.pop()
        sentences = self.rules.tokenizer.tokenize_lines(lines)
        is_valid = self._is_valid(lines, sentences, split)
        if self.rules.blank_lines == "drop":
            kept = [bool(tokens) for tokens in sentences]
            lines = list(itertools.compress(lines, kept))
            sentences = list(itertools.compress(sentences, kept))
            is_valid = is_valid[np.array(kept, dtype=bool)]

        flat = list(itertools.chain.from_iterable(sentences))
        local_id = {word: index for index, word in enumerate(dict.fromkeys(flat), start=1)}
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        ids = np.fromiter(map(local_id.__getitem__, flat), dtype=np.uint32, count=len(flat))
        ids = np.insert(ids, np.cumsum(lengths), LOCAL_SENTENCE_END)

        stem = self.scratch / f"{number:06d}"
        np.save(stem.with_suffix(".ids.npy"), ids)
        np.save(stem.with_suffix(".valid.npy"), is_valid)
        stem.with_suffix(".words").write_bytes("\n".join(local_id).encode("utf-8", "surrogatepass"))

        # A line's end is a character too: EVALUATION's bits per character counts it.
        characters = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines)) + 1
        return EncodedChunk(
            stem,
            train_sentences=int((~is_valid).sum()),
            train_words=int(lengths[~is_valid].sum()),
            train_characters=int(characters[~is_valid].sum()),
            valid_sentences=int(is_valid.sum()),
            valid_words=int(lengths[is_valid].sum()),
            valid_characters=int(characters[is_valid].sum()),
        )

    def _is_valid(self, lines: list[str], sentences: list[list[str]], split: Split) -> BoolArray:
        """Which lines validate, (lines,); a blank line goes with the line before it."""
        if split != "hash":
            return np.full(len(lines), split == "valid")
        flags, current = [], False
        for line, tokens in zip(lines, sentences, strict=True):
            if tokens:
                current = line_is_valid(line, self.rules.valid_fraction)
            flags.append(current)
        return np.array(flags, dtype=bool)

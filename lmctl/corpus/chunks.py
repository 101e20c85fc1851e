"""One chunk of text becomes tokens: the part of preparation that is spread over workers."""

from __future__ import annotations

import io
import itertools
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmctl.corpus.holding_out import LONG_LINE_CHARACTERS, HoldOut
from lmctl.corpus.prepared import SplitCounts
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.text.limits import LONGEST_WORD_BYTES, check_word
from lmctl.text.tokenization import has_tag, is_tagged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, IntArray
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.text.source_chunks import SourceChunk
    from lmctl.text.tokenization import Tokenizer


SPLITS = ("train", "valid")

# Where a chunk belongs; `hash` decides line by line.
Split = Literal["train", "valid", "hash"]

# Local id of `</s>` in a chunk; the chunk's words follow.
LOCAL_SENTENCE_END = 0


@dataclass(frozen=True, slots=True)
class SplitRules:
    """How text is cut into tokens and shared out between training and validation.

    Attributes:
        tokenizer: what cuts it.
        blank_lines: whether lines without words are left out.
        valid_fraction: the share of lines that validate; 0 if a text of its own does, or nothing.
        compare_lines: whether lines are to be found again that stand in both.
    """

    tokenizer: Tokenizer
    blank_lines: Literal["drop", "keep"]
    valid_fraction: float
    compare_lines: bool = False


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """A chunk as tokens: what the worker counted, and where it left the rest.

    Attributes:
        stem: of the names of its files in the scratch folder.
        train: sentences, words and characters of the lines that train.
        valid: likewise of those that validate.
        leading: likewise of the blank lines it starts with, which follow a line of an earlier chunk; they are in
            neither of the two until `after`.
        ends_valid: whether its last line with words validates; None if no line has any.
        leading_is_valid: whether the blank lines it starts with validate.
        different_lines: hashes of lines that the hash shares out, `holding_out.MOST_TOLD_APART` at most.
        long_lines: how many of those were cut.
        tagged_lines: how many of its lines stand between `<s>` and `</s>`, as unknown words.
    """

    stem: Path
    train: SplitCounts
    valid: SplitCounts
    leading: SplitCounts
    ends_valid: bool | None
    leading_is_valid: bool = False
    different_lines: frozenset[int] = frozenset()
    long_lines: int = 0
    tagged_lines: int = 0

    def after(self, line_is_valid: bool) -> EncodedChunk:
        """The chunk behind a line that validates or does not: the blank lines it starts with go the same way."""
        if line_is_valid:
            return replace(self, valid=self.valid + self.leading, leading_is_valid=True)
        return replace(self, train=self.train + self.leading)

    def word_counts(self, splits: Sequence[str]) -> tuple[list[str], list[int]]:
        """The chunk's distinct words, and how often each stands in the lines of `splits`."""
        counts = np.load(self.stem.with_suffix(".counts.npy"))
        rows = [SPLITS.index(split) for split in splits]
        return self._words(), counts[rows].sum(axis=0).tolist()

    def translate(self, vocabulary: Vocabulary) -> tuple[IntArray, BoolArray]:
        """The chunk's token ids, and which of them validate; both (tokens,)."""
        token_ids = np.array([SENTENCE_END_ID, *vocabulary.encode(self._words())], dtype=np.uint32)
        local_ids = np.load(self.stem.with_suffix(".ids.npy"))
        is_valid = np.load(self.stem.with_suffix(".valid.npy"))
        is_valid[: self.leading.tokens] = self.leading_is_valid
        return token_ids[local_ids], is_valid

    def line_keys(self) -> tuple[NDArray[np.uint64], IntArray]:
        """Of each line with words, a key that other lines do not have, and its number of words; both (lines,)."""
        keys, words = np.load(self.stem.with_suffix(".lines.npy"))
        return keys, words

    def valid_text(self) -> bytes:
        """The lines that validate, as they came, each with its end."""
        blank = b"\n" * self.leading.sentences if self.leading_is_valid else b""
        return blank + self.stem.with_suffix(".valid.txt").read_bytes()

    def _words(self) -> list[str]:
        """The distinct words, by local id from 1."""
        text = self.stem.with_suffix(".words").read_bytes().decode("utf-8", "surrogatepass")
        return text.split("\n") if text else []


@dataclass(frozen=True, slots=True)
class ChunkEncoder:
    """The work on one chunk; sent to worker processes."""

    rules: SplitRules
    scratch: Path

    def __call__(self, numbered: tuple[int, tuple[SourceChunk, Split]]) -> EncodedChunk:
        """Cut the chunk into tokens, and leave words, counts and local ids in the scratch folder."""
        number, (chunk, split) = numbered
        text = chunk.text()
        # No normalization adds or takes away a line.
        as_they_came = text.split("\n")
        segmenter = self.rules.tokenizer.segmenter.identity.name
        hold_out = HoldOut(self.rules.valid_fraction, white_space_cuts=segmenter == "space")
        if split == "hash" and len(text) > LONG_LINE_CHARACTERS:
            as_they_came = hold_out.cut_long_lines(as_they_came)
            text = "\n".join(as_they_came)
        lines = self.rules.tokenizer.normalized(text).split("\n")
        if not lines[-1]:
            lines.pop()
        sentences = list(map(self.rules.tokenizer.segment, lines))
        for place, line in enumerate(lines):
            # No word is longer than its line, and few lines are as long as that.
            if len(line) >= LONGEST_WORD_BYTES // 4:
                _check_words(sentences[place], chunk.source, chunk.first_line + hold_out.line_of(place), segmenter)
        flags = hold_out(lines, sentences) if split == "hash" else [split == "valid"] * len(lines)
        is_valid = np.array(flags, dtype=bool)
        if self.rules.blank_lines == "drop":
            kept = [bool(tokens) for tokens in sentences]
            lines = list(itertools.compress(lines, kept))
            as_they_came = list(itertools.compress(as_they_came, kept))
            sentences = list(itertools.compress(sentences, kept))
            is_valid = is_valid[np.array(kept, dtype=bool)]
        has_words = np.array(list(map(bool, sentences)), dtype=bool)
        # Only the hash lets lines of one chunk go different ways.
        leading = np.zeros(len(lines), dtype=bool) if split != "hash" else np.cumsum(has_words) == 0

        # A word takes the next id where it is first looked up.
        local_id: defaultdict[str, int] = defaultdict(itertools.count(LOCAL_SENTENCE_END + 1).__next__)
        lengths = np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))
        ids = np.fromiter(
            map(local_id.__getitem__, itertools.chain.from_iterable(sentences)),
            dtype=np.uint32,
            count=int(lengths.sum()),
        )
        ids = np.insert(ids, np.cumsum(lengths), LOCAL_SENTENCE_END)
        token_is_valid = np.repeat(is_valid, lengths + 1)
        counts = [np.bincount(ids[token_is_valid == held_out], minlength=len(local_id) + 1) for held_out in (0, 1)]

        stem = self.scratch / f"{number:06d}"
        _save(stem.with_suffix(".ids.npy"), ids)
        _save(stem.with_suffix(".valid.npy"), token_is_valid)
        _save(stem.with_suffix(".counts.npy"), np.stack(counts)[:, LOCAL_SENTENCE_END + 1 :])
        stem.with_suffix(".words").write_bytes("\n".join(local_id).encode("utf-8", "surrogatepass"))
        # A line without words is empty, here as where it starts a chunk and its text is not known any more.
        shown = (line if tokens else "" for line, tokens in zip(as_they_came, sentences, strict=False))
        valid_text = "".join(f"{line}\n" for line in itertools.compress(shown, is_valid & ~leading))
        stem.with_suffix(".valid.txt").write_bytes(valid_text.encode("utf-8", "surrogatepass"))

        if self.rules.compare_lines:
            keys = np.fromiter(map(_line_key, lines), dtype=np.uint64, count=len(lines))
            _save(stem.with_suffix(".lines.npy"), np.stack([keys, lengths.astype(np.uint64)])[:, has_words])

        # A line's end is a character too, as bits per character counts it.
        characters = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines)) + 1
        train, valid, before = (
            SplitCounts(
                sentences=int(np.count_nonzero(chosen)),
                words=int(lengths[chosen].sum()),
                characters=int(characters[chosen].sum()),
            )
            for chosen in (~is_valid & ~leading, is_valid, leading)
        )
        return EncodedChunk(
            stem,
            train,
            valid,
            before,
            ends_valid=bool(is_valid[-1]) if has_words.any() else None,
            different_lines=frozenset(hold_out.different),
            long_lines=hold_out.long_lines,
            tagged_lines=sum(map(is_tagged, lines)) if has_tag(text) else 0,
        )


def _check_words(words: Sequence[str], source: str, line: int, segmenter: str) -> None:
    """Refuse words that are too long, and say what may be the matter."""
    try:
        for word in words:
            check_word(word, f"{source}: line {line}")
    except DataError as error:
        if segmenter != "space":
            raise
        raise DataError(
            f"{error}; a text that is written without spaces is cut by --segmenter jieba or char"
        ) from None


def _line_key(line: str) -> int:
    """Two checksums as one number of 64 bits: another line has the same by a chance that can be left out."""
    content = line.strip().encode("utf-8", "surrogatepass")
    return zlib.crc32(content) << 32 | zlib.adler32(content)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Like np.save, which of a full disk says no more than how many bytes were asked for and written."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())

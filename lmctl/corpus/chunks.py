"""Turning one chunk of text into tokens: the part of preparation that worker processes do."""

from __future__ import annotations

import io
import itertools
import secrets
import zlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmctl.corpus.counts import SplitCounts
from lmctl.corpus.holding_out import LONG_LINE_CHARACTERS, HoldOut
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

# The split of a chunk. "hash": the hash of each line decides.
Split = Literal["train", "valid", "hash"]

# The local id of `</s>` in a chunk. The words of the chunk have the ids after it.
LOCAL_SENTENCE_END = 0


@dataclass(frozen=True, slots=True)
class SplitRules:
    """The rules for tokens and splits.

    Attributes:
        tokenizer: the tokenizer of the text.
        blank_lines: whether lines without words are kept or left out.
        valid_fraction: share of lines that are held out for validation, 0 to 1; 0: there is a separate validation
            text, or none.
        compare_lines: whether to record lines, so that lines in both splits can be counted.
    """

    tokenizer: Tokenizer
    blank_lines: Literal["drop", "keep"]
    valid_fraction: float
    compare_lines: bool = False


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """The result of a worker for one chunk: its counts, and the names of its files in the scratch folder.

    Attributes:
        stem: path of the files of the chunk, without suffix.
        train: counts of the training lines.
        valid: counts of the validation lines.
        leading: counts of the blank lines at the start of the chunk, whose split is that of the last line of an
            earlier chunk. `train` and `valid` include them only after `after`.
        ends_valid: whether the last line with words is a validation line; None: no line has words.
        leading_is_valid: whether the blank lines at the start are validation lines.
        different_lines: hashes of distinct lines, at most `holding_out.MOST_TOLD_APART`.
        long_lines: number of long lines that were cut into parts.
        tagged_lines: number of lines with `<s>` or `</s>` around them, which are read as unknown words.
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
        """Put the blank lines at the start into the split of the line before the chunk."""
        if line_is_valid:
            return replace(self, valid=self.valid + self.leading, leading_is_valid=True)
        return replace(self, train=self.train + self.leading)

    def word_counts(self, splits: Sequence[str]) -> tuple[list[str], list[int]]:
        """The distinct words of the chunk, and the count of each in the lines of `splits`."""
        counts = np.load(self.stem.with_suffix(".counts.npy"))
        rows = [SPLITS.index(split) for split in splits]
        return self._words(), counts[rows].sum(axis=0).tolist()

    def translate(self, vocabulary: Vocabulary) -> tuple[IntArray, BoolArray]:
        """The token ids of the chunk, (tokens,) uint32, and which are of validation lines, (tokens,) bool."""
        token_ids = np.array([SENTENCE_END_ID, *vocabulary.encode(self._words())], dtype=np.uint32)
        local_ids = np.load(self.stem.with_suffix(".ids.npy"))
        is_valid = np.load(self.stem.with_suffix(".valid.npy"))
        is_valid[: self.leading.tokens] = self.leading_is_valid
        return token_ids[local_ids], is_valid

    def line_keys(self) -> tuple[NDArray[np.uint64], IntArray]:
        """For each line with words, a 64-bit hash and its number of words, (lines,) each."""
        keys, words = np.load(self.stem.with_suffix(".lines.npy"))
        return keys, words

    def valid_text(self) -> bytes:
        """The validation lines, not normalized, each with its line end, in UTF-8."""
        blank = b"\n" * self.leading.sentences if self.leading_is_valid else b""
        return blank + self.stem.with_suffix(".valid.txt").read_bytes()

    def _words(self) -> list[str]:
        """The distinct words, by local id from 1."""
        text = self.stem.with_suffix(".words").read_bytes().decode("utf-8", "surrogatepass")
        return text.split("\n") if text else []


@dataclass(frozen=True, slots=True)
class ChunkEncoder:
    """The function that works on one chunk. It is sent to worker processes.

    Attributes:
        rules: the rules for tokens and splits.
        scratch: the folder for the files of chunks.
    """

    rules: SplitRules
    scratch: Path

    def versions(self) -> dict[str, str]:
        """What cuts the text, by name; on every worker it must be the same."""
        identity = self.rules.tokenizer.segmenter.identity
        return {f"segmenter {identity.name}": f"{identity.engine_version} {identity.tables_sha256[:16]}".strip()}

    def __call__(self, numbered: tuple[int, tuple[SourceChunk, Split]]) -> EncodedChunk:
        """Cut a chunk into tokens, and write its words, counts and local ids to the scratch folder.

        Args:
            numbered: the number of the chunk, the chunk and its split.

        Raises:
            DataError: the text is not valid, or a word is too long.
        """
        number, (chunk, split) = numbered
        text = chunk.text()
        # Normalization never adds or removes lines.
        as_they_came = text.split("\n")
        segmenter = self.rules.tokenizer.segmenter.identity.name
        hold_out = HoldOut(self.rules.valid_fraction, white_space_cuts=segmenter == "space")
        if split == "hash" and len(text) > LONG_LINE_CHARACTERS:
            as_they_came = hold_out.cut_long_lines(as_they_came)
            text = "\n".join(as_they_came)
        lines = self.rules.tokenizer.normalized(text).split("\n")
        # A last line without a line end may become empty, as `<s></s>` does if tags are left out.
        if not as_they_came[-1]:
            lines.pop()
        sentences = list(map(self.rules.tokenizer.segment, lines))
        for place, line in enumerate(lines):
            # Only a long line can have an overlong word.
            if len(line) >= LONGEST_WORD_BYTES // 4:
                _check_words(sentences[place], chunk.source, chunk.line_number(hold_out.line_of(place)), segmenter)
        flags = hold_out(lines, sentences) if split == "hash" else [split == "valid"] * len(lines)
        is_valid = np.array(flags, dtype=bool)
        if self.rules.blank_lines == "drop":
            kept = [bool(tokens) for tokens in sentences]
            lines = list(itertools.compress(lines, kept))
            as_they_came = list(itertools.compress(as_they_came, kept))
            sentences = list(itertools.compress(sentences, kept))
            is_valid = is_valid[np.array(kept, dtype=bool)]
        has_words = np.array(list(map(bool, sentences)), dtype=bool)
        # Only with "hash" can the lines of a chunk be in different splits.
        leading = np.zeros(len(lines), dtype=bool) if split != "hash" else np.cumsum(has_words) == 0

        # The first look-up of a word gives it the next id.
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
        _write(stem.with_suffix(".words"), "\n".join(local_id).encode("utf-8", "surrogatepass"))
        # A line without words is written as an empty line, as `valid_text` does for those at the start of a chunk.
        shown = (line if tokens else "" for line, tokens in zip(as_they_came, sentences, strict=False))
        valid_text = "".join(f"{line}\n" for line in itertools.compress(shown, is_valid & ~leading))
        _write(stem.with_suffix(".valid.txt"), valid_text.encode("utf-8", "surrogatepass"))

        if self.rules.compare_lines:
            keys = np.fromiter(map(_line_key, lines), dtype=np.uint64, count=len(lines))
            _save(stem.with_suffix(".lines.npy"), np.stack([keys, lengths.astype(np.uint64)])[:, has_words])

        # The line end counts as a character in bits per character.
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
    """Refuse overlong words; the message suggests another segmenter.

    Raises:
        DataError: a word is longer than `LONGEST_WORD_BYTES`.
    """
    try:
        for word in words:
            check_word(word, f"{source}: line {line}")
    except DataError as error:
        if segmenter != "space":
            raise
        raise DataError(
            f"{error}; a text that is written without spaces is cut by --segmenter words, jieba or char"
        ) from None


def _line_key(line: str) -> int:
    """A 64-bit hash of a line: two checksums. The probability of a collision is negligible."""
    content = line.strip().encode("utf-8", "surrogatepass")
    return zlib.crc32(content) << 32 | zlib.adler32(content)


def _save(path: Path, array: NDArray[Any]) -> None:
    """Save like np.save, but raise the usual OSError if the disk is full."""
    content = io.BytesIO()
    np.save(content, array)
    _write(path, content.getbuffer())


def _write(path: Path, content: bytes | memoryview) -> None:
    """Write a file by one rename: a cluster may do a chunk twice, while the result of the first time is read."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    unfinished.write_bytes(content)
    unfinished.replace(path)

"""Reading a KenLM trie: the words and n-grams of the ARPA file that it was built from.

A trie is sorted by the words from the last to the first: an n-gram hangs below its last n - 1 words, and its
record has its first word. If the ARPA file has an n-gram without its last n - 1 words (SRILM prunes so),
`build_binary` adds those, with the probability of backing off. They cannot be told from the others, and are read.

Log10 numbers are float32. The shortest decimals that become the same float32 are taken, which are nearly always
those of the ARPA file. So a trie and its ARPA file become the same model.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.families.arpa.kenlm.layout import BACKOFF_BITS, PROB_BITS, damaged, read_layout
from lmctl.families.arpa.sections import Section, check_backoffs, checked
from lmctl.log10 import shortest_decimals
from lmctl.text.encodings import resolve_encoding
from lmctl.text.file_types import HEAD_BYTES, KENLM_TRIE, file_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmctl.arrays import Float32Array, Float64Array, Int64Array, IntArray, UInt64Array
    from lmctl.families.arpa.kenlm.layout import Level

_SIGN_BIT = np.uint32(1 << 31)
_UNIGRAM = np.dtype([("log10_prob", "<f4"), ("log10_backoff", "<f4"), ("next", "<u8")])


def is_kenlm_trie(path: str) -> bool:
    """Whether a path is a regular file with a trie of KenLM. A compressed one is not recognised."""
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        return file_type(file.read(HEAD_BYTES)) is KENLM_TRIE


class KenlmTrie:
    """The content of a trie, as `sections.NgramFile`.

    Args:
        path: a file that `is_kenlm_trie` recognises. It is memory-mapped while it is read.
        encoding: the encoding of the words.
        positive: whether log probabilities above 0 are read as 0; else they are errors.
        on_bytes: called with the number of bytes that were read since the last call.

    Attributes:
        source: the path.
        words: the words, in the order of KenLM's ids.
        sections: the n-grams of each order, from order 1. The place of an n-gram is its number among all of them.
        is_escaped: False; a trie has no comments.

    Raises:
        UsageError: the encoding is unknown.
        DataError: the file is damaged, has another version, or has no words.
    """

    is_escaped = False

    def __init__(
        self,
        path: str,
        *,
        encoding: str = "utf-8",
        positive: bool = False,
        on_bytes: Callable[[int], object] = lambda _bytes: None,
    ) -> None:
        self.source = path
        self._content = np.memmap(path, dtype=np.uint8, mode="r")
        self._layout = read_layout(self._content, path)
        self.words = self._read_words(encoding)
        self.sections: list[Section] = []
        place = 0
        for order, (words, log10_probs, log10_backoffs) in enumerate(self._orders(), start=1):
            places = np.arange(place + 1, place + 1 + len(words))
            place += len(words)
            section = Section(order, words.reshape(-1), log10_probs, log10_backoffs, places)
            self.sections.append(checked(self, section, positive=positive))
            on_bytes(self._layout.unigrams if order == 1 else self._size_of(self._layout.levels[order - 2]))
        check_backoffs(self, self.sections)
        on_bytes(len(self._content) - self._layout.words)

    def fault(self, place: int, message: str) -> DataError:
        """Make the error for an n-gram, given its number in the file."""
        return DataError(f"{self.source}: n-gram {place:,} of a KenLM trie: {message}")

    def _size_of(self, level: Level) -> int:
        first = level.order == 2
        return level.stop - (self._layout.unigrams if first else self._layout.levels[level.order - 3].stop)

    def _read_words(self, encoding: str) -> list[str]:
        encoding, *_ = resolve_encoding(encoding, "strict")
        spelled = self._content[self._layout.words :].tobytes().split(b"\0")
        count = self._layout.counts[0]
        if len(spelled) != count + 1 or spelled.pop() or spelled[0] != b"<unk>":
            raise damaged(
                self.source, f"its last part is not a list of {count:,} words that starts with <unk>; cut off?"
            )
        words = []
        for number, word in enumerate(spelled, start=1):
            try:
                words.append(word.decode(encoding))
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self.source}: word {number:,} is not valid {encoding.upper()}; name the encoding of the "
                    "file with --encoding"
                ) from error
        if len(set(words)) < count:
            raise damaged(self.source, "a word is in its list a second time")
        return words

    def _orders(self) -> Iterator[tuple[IntArray, Float64Array, Float64Array]]:
        """For each order the word ids of its n-grams, (ngrams, order), and their log10 numbers, (ngrams,) each."""
        size = self._layout.counts[0]
        unigrams = np.frombuffer(self._content, _UNIGRAM, size + 1, self._layout.unigrams)
        words = np.arange(size, dtype=np.uint32)[:, np.newaxis]
        following = self._checked_places(unigrams["next"], 2)
        log10_probs, log10_backoffs = (unigrams[name][:-1] for name in ("log10_prob", "log10_backoff"))
        yield words, shortest_decimals(log10_probs), _backoffs_of(log10_backoffs)
        for level in self._layout.levels:
            lower = np.repeat(np.arange(len(words)), np.diff(following))
            first_words = level.records.field(0, level.word_bits)[:-1].astype(np.uint32)
            self._check_words(level.order, lower, first_words)
            words = np.concatenate([first_words[:, np.newaxis], words[lower]], axis=1)
            yield words, *self._numbers(level)
            if level.order < len(self._layout.counts):
                following = self._checked_places(self._following(level), level.order + 1)

    def _following(self, level: Level) -> UInt64Array:
        """For each n-gram the place of the first longer one below it; at the end the number of longer ones."""
        low = level.records.field(level.word_bits + level.value_bits, level.next_bits)
        if level.high_start is None:
            return low
        firsts = np.frombuffer(self._content, "<u8", level.high_count, level.high_start)
        high = np.searchsorted(firsts, np.arange(level.count + 1, dtype=np.uint64), side="right") - 1
        return high.astype(np.uint64) << np.uint64(level.next_bits) | low

    def _checked_places(self, places: UInt64Array, order: int) -> Int64Array:
        """Check the places of the first n-grams of an order below each shorter one."""
        if places[0] != 0 or places[-1] != self._layout.counts[order - 1] or (places[1:] < places[:-1]).any():
            raise damaged(self.source, f"places of {order}-grams are out of order")
        return places.astype(np.int64)

    def _check_words(self, order: int, lower: Int64Array, first_words: IntArray) -> None:
        """Check that words exist, and rise below each shorter n-gram."""
        rising = (first_words[1:] > first_words[:-1]) | (lower[1:] > lower[:-1])
        if not rising.all() or first_words.max(initial=0) >= self._layout.counts[0]:
            raise damaged(self.source, f"words of {order}-grams are out of order, or not in its list of words")

    def _numbers(self, level: Level) -> tuple[Float64Array, Float64Array]:
        """The log10 probabilities and back-offs of an order; back-offs of 0 in the highest order."""
        if self._layout.code_bits is not None:
            return self._coded_numbers(level, *self._layout.code_bits)
        magnitudes = level.records.field(level.word_bits, PROB_BITS)[:-1].astype(np.uint32)
        probs = shortest_decimals((magnitudes | _SIGN_BIT).view(np.float32))
        if level.order == len(self._layout.counts):
            return probs, np.zeros(level.count)
        backoffs = level.records.field(level.word_bits + PROB_BITS, BACKOFF_BITS)[:-1].astype(np.uint32)
        return probs, _backoffs_of(backoffs.view(np.float32))

    def _coded_numbers(self, level: Level, prob_bits: int, backoff_bits: int) -> tuple[Float64Array, Float64Array]:
        """The numbers of an order of a quantised trie."""
        start = self._layout.codebooks + 4 * (level.order - 2) * ((1 << prob_bits) + (1 << backoff_bits))
        probs = shortest_decimals(self._values(start, 1 << prob_bits))
        if level.order == len(self._layout.counts):
            return probs[level.records.field(level.word_bits, prob_bits)[:-1]], np.zeros(level.count)
        backoffs = _backoffs_of(self._values(start + 4 * (1 << prob_bits), 1 << backoff_bits))
        backoff_codes = level.records.field(level.word_bits, backoff_bits)[:-1]
        prob_codes = level.records.field(level.word_bits + backoff_bits, prob_bits)[:-1]
        return probs[prob_codes], backoffs[backoff_codes]

    def _values(self, start: int, count: int) -> Float32Array:
        """The values of codes."""
        return np.frombuffer(self._content, "<f4", count, start)


def _backoffs_of(values: Float32Array) -> Float64Array:
    """The decimals of back-offs. KenLM marks n-grams that are no contexts by -0, which becomes 0 (lm/blank.hh)."""
    return shortest_decimals(values) + 0.0

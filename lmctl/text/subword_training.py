"""Trains a SentencePiece model (Kudo & Richardson 2018) on lines of text, in bounded memory."""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING, Literal

from lmctl.errors import DataError, UsageError
from lmctl.text.literals import Literals
from lmctl.text.subwords import sentencepiece_module

if TYPE_CHECKING:
    from collections.abc import Iterator

Algorithm = Literal["unigram", "bpe"]

# Pieces are learned from a sample of this size at most. 14.8 million characters, English and a little Chinese,
# took 0.4 GB and 18 s (unigram, 8,000 pieces, two cores), or 0.2 GB and 2.5 s (bpe).
SAMPLE_CHARACTERS = 1 << 24
# SentencePiece leaves out lines of more than 4,192 bytes. A character has at most four.
LONGEST_PART_CHARACTERS = 1000
# The pieces of the algorithm unigram depend on this number (sentencepiece 0.2.3), so it does not follow the
# machine.
THREADS = 4

_PARTS = re.compile(rf".{{1,{LONGEST_PART_CHARACTERS}}}(?:(?<=\s)|\Z)|.{{{LONGEST_PART_CHARACTERS}}}", re.DOTALL)
_TOO_FEW_PIECES = re.compile(r"required_chars\. [0-9]+ vs ([0-9]+)")


class LineSample:
    """A sample of lines in bounded memory. The content of a line decides, so copies of a line stay together.

    If all copies of a single line are too many, the first ones are kept. So a text with words has a sample.

    Args:
        most_characters: largest size of the sample, unless it is a single line; some 4/5 of it on average if the
            text is much larger than the sample, and the sample than a line.
    """

    def __init__(self, most_characters: int = SAMPLE_CHARACTERS) -> None:
        self._most = most_characters
        self._bound = 1 << 32
        self._lines: list[str] = []
        self.characters = 0

    def add(self, line: str) -> None:
        """Add a line, unless its hash keeps it out."""
        if _hash(line) >= self._bound:
            return
        self._lines.append(line)
        self.characters += len(line)
        while self.characters > self._most and len(self._lines) > 1:
            lowest, highest = min(map(_hash, self._lines)), max(map(_hash, self._lines))
            if lowest == highest:
                # All are copies of one line, of which no more are added.
                self._bound = lowest
                self._lines.pop()
            else:
                # The line with the lowest hash stays.
                self._bound = max(self._bound * 3 // 4, lowest + 1)
                self._lines = [line for line in self._lines if _hash(line) < self._bound]
            self.characters = sum(map(len, self._lines))

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


def train_subwords(lines: list[str], pieces: int, algorithm: Algorithm) -> bytes:
    """Train a SentencePiece model.

    The text is cut as it is: the model has no normalization of its own. `<unk>`, `<s>` and `</s>` in the text are
    left out. Characters that make up less than 0.05 % of the text together may be missing.

    Args:
        lines: the lines, normalized.
        pieces: number of pieces, three reserved ones included; fewer if the text does not have as many.
        algorithm: "unigram" (Kudo 2018) or "bpe" (byte-pair encoding, Sennrich et al. 2016).

    Raises:
        MissingExtraError: sentencepiece is not installed.
        UsageError: the text has more characters than `pieces`.
        DataError: no line has a word.
    """
    trainer = sentencepiece_module().SentencePieceTrainer
    parts = list(_parts(lines))
    if not parts:
        raise DataError("the text has no words")
    model = io.BytesIO()
    try:
        trainer.train(
            sentence_iterator=iter(parts),
            model_writer=model,
            vocab_size=pieces,
            model_type=algorithm,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            num_threads=THREADS,
            minloglevel=2,
        )
    except RuntimeError as error:
        if found := _TOO_FEW_PIECES.search(str(error)):
            raise UsageError(
                f"text.subwords: {pieces:,} pieces are too few; the characters of the text alone are "
                f"{int(found[1]):,} pieces; set a larger number, such as {max(8000, 2 * int(found[1]))}"
            ) from None
        raise DataError(f"sentencepiece cannot learn pieces from this text: {error}") from error
    return model.getvalue()


def _parts(lines: list[str]) -> Iterator[str]:
    """The text between the reserved words, in parts that SentencePiece does not leave out."""
    literals = Literals()
    for line in lines:
        for text, token in literals.parts(" ".join(line.split())):
            if token is None:
                yield from filter(str.strip, _PARTS.findall(text.replace("\0", "")))


def _hash(line: str) -> int:
    return zlib.crc32(line.encode("utf-8", "surrogatepass"))

"""The segmenter `sentencepiece`: pieces of words, which a SentencePiece model has learned from text.

SentencePiece (Kudo & Richardson 2018) takes a blank for a character, `BOUNDARY`. A piece that starts a word starts
with this character, and the pieces of a line joined are the line. Neighbouring characters that the model has not
learned are one piece, which is in no vocabulary.

Runs of white space are one blank. `<unk>`, `<s>` and `</s>` in a text stay whole, as under every segmenter.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError, MissingExtraError
from lmctl.text.literals import Literals
from lmctl.text.segmentation import SegmenterIdentity, make_segmenter

if TYPE_CHECKING:
    from collections.abc import Callable

# U+2581, lower one eighth block.
BOUNDARY = "\u2581"
BYTE_PIECE = re.compile("<0x([0-9A-F]{2})>")
# The pieces of this text identify the rules of the installed version: words, numbers, runs of blanks, Han
# characters, compatibility characters, accents, rare characters.
_PROBE = (
    "The fox can\u2019t jump  32.3 feet, r\u00e9sume\u0301 \ufb01ne \uff21\uff11 "
    "\u8bed\u8a00\u6a21\u578b\u3002\U00020000"
)


class SubwordSegmenter:
    """Cuts lines into pieces. Can be pickled: unpickling makes it again from its model.

    Args:
        model: the bytes of a SentencePiece model.

    Raises:
        MissingExtraError: sentencepiece is not installed.
        DataError: the bytes are no SentencePiece model.
    """

    user_dictionary = b""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = _processor(model)
        self._literals = Literals()
        # treat_whitespace_as_suffix: a blank belongs to the word on its left.
        self._blanks_end_words = "".join(self._pieces("a")).endswith(BOUNDARY)
        probed = "\n".join(self._pieces(_PROBE))
        self.identity = SegmenterIdentity(
            name="sentencepiece",
            dictionary_sha256=hashlib.sha256(model).hexdigest(),
            tables_sha256=hashlib.sha256(probed.encode()).hexdigest(),
        )

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return functools.partial(make_segmenter, model=self.model), ("sentencepiece",)

    def segment(self, line: str) -> list[str]:
        """The pieces of a line."""
        return self._literals.cut(line, self._pieces)

    def may_be_piece(self, token: str) -> bool:
        """Whether a token is a piece of the model, or may stand for characters that the model has not learned."""
        processor = self._processor
        is_learned = processor.piece_to_id(token) != processor.unk_id()
        return is_learned or self.segment(token) in ([token], [BOUNDARY, token])

    def places(self, line: str) -> list[tuple[int, int]]:
        """Start and end of each piece in the line, without the white space around it.

        A piece without characters of the line has an empty place: a boundary, or one of several pieces that the
        normalization of the model has made of one character.
        """
        words = [(word.start(), word.end()) for word in re.finditer(r"\S+", line)]
        # The line as SentencePiece sees it, and the place in the line of each of its characters.
        text = " ".join([line[start:end] for start, end in words])
        origins = [place for start, end in words for place in (*range(start, end), end)]
        places: list[tuple[int, int]] = []
        done = 0
        for part, token in self._literals.parts(text):
            offsets = [(0, len(part))]
            if token is None:
                blanks = len(part) - len(part.lstrip())
                found = self._processor.encode(part[blanks:], return_type="offset_mapping")["offsets"]
                offsets = [(blanks + start, blanks + end) for start, end in found]
            places += [self._without_blanks(text, done + start, done + end) for start, end in offsets]
            done += len(part)
        return [(origins[start], origins[end - 1] + 1 if end > start else origins[start]) for start, end in places]

    def _without_blanks(self, text: str, start: int, end: int) -> tuple[int, int]:
        """A part of a text without the blanks around it."""
        if self._blanks_end_words and text[start:end].isspace():
            return start, start
        while start < end and text[start] == " ":
            start += 1
        while end > start and text[end - 1] == " ":
            end -= 1
        return start, end

    def _pieces(self, text: str) -> list[str]:
        pieces: list[str] = self._processor.encode(" ".join(text.split()), return_type=str)
        return pieces


def characters_in(piece: str) -> int:
    """Number of characters that a piece writes, without blanks. Of the bytes of a character, the first counts."""
    if byte := BYTE_PIECE.fullmatch(piece):
        # UTF-8: the further bytes of a character begin with the bits 10 (RFC 3629, section 3).
        return int(int(byte[1], 16) & 0b1100_0000 != 0b1000_0000)
    return len(piece) - piece.count(BOUNDARY)


def sentencepiece_module() -> Any:
    """The package sentencepiece.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError(
            "the segmenter sentencepiece needs the package sentencepiece, which is not installed: "
            "pip install 'lmctl[sentencepiece]'"
        ) from None
    return sentencepiece


def _processor(model: bytes) -> Any:
    processor = sentencepiece_module().SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError:
        raise DataError(
            "expected a SentencePiece model (the file .model that spm_train writes), got another file"
        ) from None
    return processor

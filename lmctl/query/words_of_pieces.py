"""Which runs of pieces are words (the segmenter `sentencepiece`): borders as in `whole_words`, and candidates."""

from __future__ import annotations

import functools
import itertools
import logging
import re
import unicodedata
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmctl.corpus.vocabulary import SPECIALS, UNKNOWN_ID
from lmctl.errors import UsageError, quoted
from lmctl.text.detokenization import detokenize
from lmctl.text.scripts import WITHOUT_SPACES
from lmctl.text.subwords import BOUNDARY, BYTE_PIECE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmctl.arrays import BoolArray
    from lmctl.query.text_model import TextModel

logger = logging.getLogger(__name__)

# Marks that belong to the word they stand in.
_MARKS_OF_WORDS = frozenset("'\u2019-\u2010\u2011_")
# U+200D joins two emoji: a family.
_JOINER = "\u200d"
# Skin tones.
_EMOJI_MODIFIERS = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


class Borders:
    """The pieces before which a word ends.

    Args:
        pieces: all pieces by id, (V,).
        lines_start_with_blanks: whether the first piece of a line starts with a blank, which SentencePiece adds by
            default.

    Attributes:
        at_boundary: the pieces that start with a blank, (V,).
    """

    def __init__(self, pieces: Sequence[str], *, lines_start_with_blanks: bool) -> None:
        self._lines_start_with_blanks = lines_start_with_blanks
        self.at_boundary: BoolArray = np.array([piece.startswith(BOUNDARY) for piece in pieces])
        self._apart: BoolArray = np.array([_is_apart(piece, 0) for piece in pieces]) | self.at_boundary
        self._apart[: len(SPECIALS)] = True
        self._extends: BoolArray = np.array([_extends(piece[:1]) for piece in pieces])

    def after(self, piece: str) -> BoolArray:
        """The pieces before which a border stands if this piece is on their left, (V,), as a new array.

        `</s>` is one of them, and `<unk>`, which may be any text. Without a piece on the left, a line starts: with
        a blank, or, if the SentencePiece model adds none, with any piece.
        """
        if piece.endswith(_JOINER) or (not piece and self._lines_start_with_blanks):
            only_blanks = self.at_boundary.copy()
            only_blanks[: len(SPECIALS)] = True
            return only_blanks
        if not piece or piece in SPECIALS:
            return np.ones_like(self._apart)
        return ~self._extends if _is_apart(piece, -1) else self._apart.copy()


class Candidates:
    """The only words that may be answers.

    After a blank, a word has the pieces of the segmenter; without a blank before it, any pieces.

    Args:
        model: the model.
        words: the words. Those with unknown characters, and those with a border inside, are ignored.
        may_be_none: whether all of them may be ignored.

    Attributes:
        useful: the pieces that a candidate may have, (V,).

    Raises:
        UsageError: all words are ignored.
    """

    def __init__(self, model: TextModel, words: Iterable[str], *, may_be_none: bool) -> None:
        self._texts = model.vocabulary.words
        self._words: set[str] = set()
        self._after_blanks: set[tuple[int, ...]] = set()
        wanted = list(dict.fromkeys(model.tokenizer.normalized(word).strip() for word in words))
        ignored = [word for word in wanted if not self._add(model, pieces_of(model, word))]
        reason = "unknown characters, or several words"
        if not (self._words or may_be_none):
            raise UsageError(f"none of the {len(wanted)} candidates can be an answer: each has {reason} in it")
        if ignored:
            logger.warning(
                "%d of %d candidates are ignored, such as %s: they have %s in them",
                len(ignored),
                len(wanted),
                quoted(ignored[0]),
                reason,
            )
        self._begun_after_blanks = {ids[:end] for ids in self._after_blanks for end in range(len(ids) + 1)}
        self._begun = {word[:end] for word in self._words for end in range(len(word) + 1)}
        inside = {word[start:] for word in self._begun for start in range(len(word) + 1)}
        self.useful: BoolArray = np.array([text.removeprefix(BOUNDARY) in inside for text in self._texts])

    def _add(self, model: TextModel, pieces: list[str]) -> bool:
        """Add a word if it can be an answer, after a blank or without one."""
        # The pieces are those of the word as the SentencePiece model has normalized it.
        without_blank = [pieces[0].removeprefix(BOUNDARY), *pieces[1:]] if pieces else []
        for cut in (pieces, list(filter(None, without_blank))):
            token_ids = model.vocabulary.encode(cut)
            if cut and UNKNOWN_ID not in token_ids and _is_one_word(cut):
                self._words.add(written(pieces))
                if cut is pieces:
                    self._after_blanks.add(tuple(token_ids))
        return written(pieces) in self._words

    def has(self, token_ids: Sequence[int]) -> bool:
        """Whether pieces are a candidate."""
        if self._texts[token_ids[0]].startswith(BOUNDARY):
            return tuple(token_ids) in self._after_blanks
        return self._text(token_ids) in self._words

    def begin_with(self, token_ids: Sequence[int]) -> bool:
        """Whether a candidate begins with pieces."""
        if self._texts[token_ids[0]].startswith(BOUNDARY):
            return tuple(token_ids) in self._begun_after_blanks
        return self._text(token_ids) in self._begun

    def _text(self, token_ids: Sequence[int]) -> str:
        return written([self._texts[token_id] for token_id in token_ids])


def pieces_of(model: TextModel, word: str) -> list[str]:
    """The pieces into which the segmenter cuts a word after a blank.

    It is cut behind another word, since a SentencePiece model may have no blank at the start of a line.
    """
    segment = model.tokenizer.segment
    return segment(f". {word}")[len(segment(".")) :]


def written(pieces: Sequence[str]) -> str:
    """Pieces as people write them."""
    return detokenize(pieces, "sentencepiece")


def _is_one_word(pieces: Sequence[str]) -> bool:
    """Whether no word ends inside these pieces."""
    return not any(_is_border(left, right) for left, right in itertools.pairwise(pieces) if left != BOUNDARY)


def _is_border(left: str, right: str) -> bool:
    """Whether a word ends between two pieces."""
    if right.startswith(BOUNDARY):
        return True
    if left.endswith(_JOINER) or _extends(right[0]):
        return False
    return _is_apart(left, -1) or _is_apart(right, 0)


@functools.lru_cache(maxsize=1 << 16)
def _is_apart(piece: str, place: Literal[0, -1]) -> bool:
    """Whether a border stands on both sides of the first (0) or the last (-1) character of a piece.

    A character is taken with its marks: no word begins or ends between the two.
    """
    characters = piece.removeprefix(BOUNDARY)
    while place == -1 and len(characters) > 1 and _extends(characters[-1]):
        characters = characters[:-1]
    character = characters[place:][:1]
    if not character or BYTE_PIECE.fullmatch(piece) or character in _MARKS_OF_WORDS or _extends(character):
        return False
    return unicodedata.category(character)[0] in "PS" or _WITHOUT_SPACES.match(character) is not None


def _extends(character: str) -> bool:
    """Whether a character belongs to the one on its left: a mark, an emoji modifier, a joiner (UAX #29, GB9)."""
    return bool(character) and (
        unicodedata.category(character)[0] == "M" or character == _JOINER or character in _EMOJI_MODIFIERS
    )

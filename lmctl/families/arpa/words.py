r"""The spelling of words in an ARPA file: special words, and words that could be mistaken for special ones.

KenLM, for example, reads the word `<UNK>` as `<unk>`. In such a word, lmctl writes \xNN for the first character. A
file with such words starts with a comment, by which `lmctl import` recognises the escapes.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.corpus.vocabulary import SENTENCE_END, SPECIALS, UNKNOWN
from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

logger = logging.getLogger(__name__)

SENTENCE_START = "<s>"
# Spellings of the unknown word; pocketsphinx reads only the second.
UNKNOWN_SPELLINGS = (UNKNOWN, "<UNK>")
# Start and end of a sentence: the usual spelling, in capitals, and those of HTK (HTKBook, chapter 15).
BOUNDARIES = ((SENTENCE_START, SENTENCE_END), ("<S>", "</S>"), ("!ENTER", "!EXIT"), ("!SENT_START", "!SENT_END"))
HTK_UNKNOWN = "!!UNK"

ESCAPES_COMMENT = r"# lmctl: \xNN at the start of a word stands for the character of that number"
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


class WordSpelling:
    """The spellings of the words of a vocabulary.

    Args:
        words: the words of the vocabulary: `<unk>`, `</s>`, then the others.
        unknown: the spelling of the unknown word.

    Attributes:
        words: the spelling of each word.
        escaped: the words whose spelling has an escape.
    """

    def __init__(self, words: Sequence[str], unknown: str = UNKNOWN) -> None:
        specials = {SENTENCE_START, SENTENCE_END, unknown, *UNKNOWN_SPELLINGS}
        ordinary = words[len(SPECIALS) :]
        self.escaped = [word for word in ordinary if word in specials]
        if self.escaped:
            # A word that starts like an escape is escaped, too.
            self.escaped += [word for word in ordinary if _ESCAPE.match(word)]
        escapes = {word: f"\\x{ord(word[0]):02x}{word[1:]}" for word in self.escaped}
        self.words = [unknown, SENTENCE_END, *(escapes.get(word, word) for word in ordinary)]


def unescape(word: str) -> str:
    """The word of a spelling of `WordSpelling`."""
    escape = _ESCAPE.match(word)
    return chr(int(escape[1], 16)) + word[escape.end() :] if escape else word


@dataclass(frozen=True, slots=True)
class SpecialWords:
    """The special words of a file. None: the word is found by its usual spellings.

    Attributes:
        unknown: the unknown word.
        start: the start of a sentence.
        end: the end of a sentence.
    """

    unknown: str | None = None
    start: str | None = None
    end: str | None = None

    def found_in(self, words: Collection[str], source: str) -> SpecialWords:
        """Find the special words of a file. In the result, None means that the file has no such word.

        Args:
            words: the words of its unigrams.
            source: name of the file for messages.

        Raises:
            DataError: a word that the user named is not among the unigrams, there is no end of a sentence, two
                words have the same meaning, or one word has two meanings.
        """
        for option, word in (("--unk", self.unknown), ("--bos", self.start), ("--eos", self.end)):
            if word is not None and word not in words:
                raise DataError(f"{source}: {word!r}, named by {option}, is not among the unigrams")
        start, end = self._boundaries(words)
        if end is None:
            raise DataError(
                f"{source}: no {SENTENCE_END} among the unigrams; name the word that ends a sentence with --eos"
            )
        unknown = self.unknown or _unknown(words, source)
        for special, taken in ((UNKNOWN, unknown), (SENTENCE_END, end)):
            if taken is not None and special != taken and special in words:
                raise DataError(f"{source}: both {taken!r} and {special!r} are unigrams; expected one of them")
        there = [word for word in (unknown, start, end) if word is not None]
        if twice := [word for word in there if there.count(word) > 1]:
            raise DataError(
                f"{source}: {twice[0]!r} is more than one of the unknown word (--unk), the start (--bos) and the "
                "end (--eos) of a sentence; expected three words"
            )
        usual = {SENTENCE_START, SENTENCE_END, *UNKNOWN_SPELLINGS, self.unknown, self.start, self.end}
        if recognised := [word for word in there if word not in usual]:
            logger.warning(
                "%s: took %s for the unknown word, a start or an end; --unk, --bos and --eos name others",
                source,
                ", ".join(recognised),
            )
        return SpecialWords(unknown, start, end)

    def _boundaries(self, words: Collection[str]) -> tuple[str | None, str | None]:
        """The words for the start and the end of a sentence; None: the file has none."""
        start, end = next((pair for pair in BOUNDARIES if pair[1] in words), (SENTENCE_START, None))
        return self.start or (start if start in words else None), self.end or end


def _unknown(words: Collection[str], source: str) -> str | None:
    found = [spelling for spelling in UNKNOWN_SPELLINGS if spelling in words]
    if len(found) > 1:
        raise DataError(
            f"{source}: both {' and '.join(found)} are unigrams; name the unknown word with --unk '{found[0]}'"
        )
    return found[0] if found else HTK_UNKNOWN if HTK_UNKNOWN in words else None

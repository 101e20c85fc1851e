"""Choose the tokenizer for queries of an imported model, so that queries can have the words of its ARPA file.

An ARPA file does not state how its text was cut, so the tokenizer is chosen by the words of the file. If a
tokenizer changes a word, for instance because jieba cuts it further or because it is lower-cased, no query can
have the word.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from lmctl.jobs.tokenizing import make_tokenizer
from lmctl.text.scripts import HAN, HANGUL, WITHOUT_SPACES
from lmctl.text.subwords import BOUNDARY, SubwordSegmenter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.config import TextConfig
    from lmctl.text.tokenization import Tokenizer

logger = logging.getLogger(__name__)

# Number of words that are tried. Of a larger vocabulary, this many words at equal distances are tried.
MOST_TRIED = 200_000
# jieba changes 1 to 2 % of the words that it has cut itself, because it cut them in their context.
_LOST_BY_JIEBA_ITSELF = 0.05
_CHARACTER_SHARE = 0.95
# Share of the words that start with a blank (U+2581) above which they are pieces of SentencePiece.
_PIECES_SHARE = 0.05
_LONGEST_SHOWN = 20

_HAN = re.compile(f"[{HAN}]")
# Characters that are words in models of characters. Letters are not among them: the words of a toy model are often
# single letters, and a text for a model of letters has spaces between them.
_CHARACTERS = re.compile(f"[{WITHOUT_SPACES}{HANGUL}]")


def choose_tokenizer(path: str, text: TextConfig, words: Sequence[str]) -> Tokenizer:
    """The configured tokenizer; for `auto`, the one that leaves the words of the file unchanged.

    `auto` takes `char` if most words in scripts without spaces are single characters; `jieba` if most words are
    Chinese, and jieba changes no more of them than of words that it has cut itself; else `space`. Warnings say
    how many words no query can have, and that words are pieces of words.

    Args:
        path: path of the file, for the warning.
        text: the section `text` of the configuration.
        words: the words of the file, without `<unk>` and `</s>`.

    Raises:
        LmctlError: a dictionary or word list of `text` is missing or damaged.
    """
    tried = words[:: max(1, -(-len(words) // MOST_TRIED))]
    name = _choose(text, tried) if text.segmenter == "auto" else text.segmenter
    if text.segmenter == "auto" and sum(word.startswith(BOUNDARY) for word in tried) > _PIECES_SHARE * len(tried):
        logger.warning(
            "%s: its words are pieces of words, such as %s; queries are cut into pieces with --segmenter "
            "sentencepiece --set text.model_file=FILE.model",
            path,
            _shown(next(word for word in tried if word.startswith(BOUNDARY))),
        )
    tokenizer = make_tokenizer(text, name)
    _report(path, text, tokenizer, words, tried)
    return tokenizer


def _choose(text: TextConfig, words: Sequence[str]) -> str:
    unspaced = [word for word in words if _CHARACTERS.search(word)]
    if 2 * len(unspaced) <= len(words):
        return "space"
    if sum(len(word) == 1 for word in unspaced) >= _CHARACTER_SHARE * len(unspaced):
        return "char"
    if 2 * sum(_HAN.search(word) is not None for word in words) <= len(words):
        return "space"
    lost = _lost(make_tokenizer(text, "jieba"), words)
    return "jieba" if len(lost) <= _LOST_BY_JIEBA_ITSELF * len(words) else "space"


def _lost(tokenizer: Tokenizer, words: Sequence[str]) -> list[str]:
    """The words that no query can have, because the tokenizer changes them."""
    segmenter = tokenizer.segmenter
    if isinstance(segmenter, SubwordSegmenter):
        return [word for word in words if tokenizer.normalized(word) != word or not segmenter.may_be_piece(word)]
    return [word for word in words if segmenter.segment(tokenizer.normalized(word)) != [word]]


def _report(path: str, text: TextConfig, tokenizer: Tokenizer, words: Sequence[str], tried: Sequence[str]) -> None:
    """Warn of words that no query can have: their number, three examples, the cause and the remedy."""
    lost = _lost(tokenizer, tried)
    if not lost:
        return
    changed = sum(tokenizer.normalized(word) != word for word in lost)
    causes = []
    if changed < len(lost):
        name = tokenizer.segmenter.identity.name
        causes.append(
            f"{len(lost) - changed} of them are no pieces of {text.model_file}"
            if name == "sentencepiece"
            else f"{name} cuts {len(lost) - changed} of them (--segmenter space would not)"
        )
    if changed:
        what, remedy = (
            ("lower-casing", "no --lowercase") if text.lowercase else (text.normalize, "--normalize none")
        )
        causes.append(f"{what} changes {changed} of them ({remedy} would not)")
    logger.warning(
        "%s: %d of %s words cannot occur in a query, such as %s: %s",
        path,
        len(lost),
        len(tried) if len(tried) == len(words) else f"{len(tried)} (tried of {len(words)})",
        ", ".join(map(_shown, lost[:3])),
        ", ".join(causes),
    )


def _shown(word: str) -> str:
    """A word of the file, short enough for a message and without control characters."""
    short = word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}..."
    return repr(short)

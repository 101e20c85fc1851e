"""Segmentation of a line into tokens: by white space, by character, by jieba, into words, or into pieces of words.

`lmctl.text.words` and `lmctl.text.subwords` describe the last two.

jieba segments by a dictionary, and unknown words by a hidden Markov model (HMM).

Two engines implement the segmenter jieba: rjieba (Rust, some ten times faster, the default) and jieba (Python, the
reference; extra jieba). They have the same dictionary and the same HMM. The engine is part of the identity of a
segmenter, because the two differ in these cases:

- Latin letters, digits and ``. - _`` without space between them: rjieba keeps ``formula_1``, ``7-9`` and ``1.2.3``
  whole; jieba cuts them into ``formula _ 1``, ``7 - 9`` and ``1.2 . 3``.
- Rare ideographs outside U+4E00-9FD5: rjieba may join unknown ones to their neighbours; jieba makes each a token.
- Ties in the HMM: the unknown word 常在 before 较 is one token for rjieba and two for jieba. In a million tokens
  of Chinese Wikipedia this was the only difference on Han text. It occurred twice.
- A user word without a frequency: the frequency that each engine computes may differ by rounding, which rarely
  matters.

Neither engine joins over punctuation or white space. So user words that have these inside are literals
(`lmctl.text.literals`), as is `<unk>`: all segmenters but space search for them before they cut the rest.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

from lmctl.errors import UsageError

SEGMENTERS = ("space", "words", "jieba", "char", "sentencepiece")


@dataclass(frozen=True)
class SegmenterIdentity:
    """The settings of a segmenter that decide its tokens. Segmenters with equal identities give equal tokens.

    Attributes:
        name: one of `SEGMENTERS`.
        engine: "rjieba" or "jieba", for Chinese; "" for space, char and sentencepiece.
        engine_version: the version of the engine; "" without an engine.
        dictionary_sha256: hash of the bytes of the user dictionary or of the SentencePiece model, in hex; "" if
            there is neither.
        tables_sha256: in hex. For jieba, hash of the engine's own dictionary and hidden Markov model
            (`lmctl.text.engines`). For words, hash of Unicode's boundaries (`lmctl.text.words`), since the engine
            is loaded only if a text has Han characters. For sentencepiece, hash of the pieces of a fixed text.
    """

    name: str
    engine: str = ""
    engine_version: str = ""
    dictionary_sha256: str = ""
    tables_sha256: str = ""


class Segmenter(Protocol):
    """Cuts lines into tokens. Can be pickled: unpickling makes it again from its settings."""

    @property
    def identity(self) -> SegmenterIdentity:
        """The identity of the segmenter, stored with every model that uses it."""

    @property
    def user_dictionary(self) -> bytes:
        """The bytes of the user dictionary; empty without one."""

    @property
    def model(self) -> bytes:
        """The bytes of the SentencePiece model; empty for other segmenters."""

    def segment(self, line: str) -> list[str]:
        """Cut a line into tokens. No token contains white space."""


def make_segmenter(
    name: str, engine: str = "rjieba", user_dictionary: bytes = b"", *, model: bytes = b""
) -> Segmenter:
    """Make a segmenter. A segmenter with an engine or a model is made once for each setting: loading takes long.

    Args:
        name: "space" (white space separates tokens), "words" (words and punctuation are tokens), "jieba", "char"
            (every character is a token) or "sentencepiece" (pieces of words are tokens).
        engine: the engine of jieba: "rjieba" or "jieba". words always has rjieba.
        user_dictionary: for jieba and words: the result of `encode_user_dictionary` for normalized words.
        model: for sentencepiece: the bytes of a SentencePiece model.

    Raises:
        UsageError: `name` or `engine` is unknown, or a segmenter without a dictionary is given one.
        DataError: the user dictionary has another format than `encode_user_dictionary` writes, or the model is not
            valid.
        MissingExtraError: sentencepiece, or jieba as the engine, is not installed.
        LmctlError: the engine rjieba is not installed, or the engine does not work.
    """
    if name not in SEGMENTERS:
        raise UsageError(f"{name}: unknown segmenter; expected space, words, jieba, char or sentencepiece")
    if name in ("space", "char", "sentencepiece"):
        if user_dictionary:
            raise UsageError(
                f"the {name} segmenter has no dictionary; choose words or jieba, or leave the user dictionary out"
            )
        if name == "sentencepiece":
            return _load_subwords(model)
        return _SpaceSegmenter() if name == "space" else _CharSegmenter()
    # Imported here, because a text whose words white space separates needs none of this.
    from lmctl.text.dictionary_segmentation import load_jieba, load_words
    from lmctl.text.engines import ENGINES

    if engine not in ENGINES:
        raise UsageError(f"{engine}: unknown segmenter engine; expected rjieba or jieba")
    return load_words(user_dictionary) if name == "words" else load_jieba(engine, user_dictionary)


class _SpaceSegmenter:
    identity = SegmenterIdentity("space")
    user_dictionary = model = b""

    def segment(self, line: str) -> list[str]:
        return line.split()


class _CharSegmenter:
    identity = SegmenterIdentity("char")
    user_dictionary = model = b""

    def __init__(self) -> None:
        from lmctl.text.literals import Literals

        self._literals = Literals()

    def segment(self, line: str) -> list[str]:
        return self._literals.cut(line, self._cut)

    @staticmethod
    def _cut(text: str) -> list[str]:
        return list("".join(text.split()))


@functools.lru_cache(maxsize=4)
def _load_subwords(model: bytes) -> Segmenter:
    from lmctl.text.subwords import SubwordSegmenter

    return SubwordSegmenter(model)

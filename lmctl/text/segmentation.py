"""Segmentation: a line -> its tokens, by whitespace, by character, or by jieba's dictionary and HMM.

Two engines run the jieba method: rjieba (Rust, some ten times faster, the default) and jieba (Python, the
reference). Both carry the same dictionary and the same HMM. They differ, and so an engine is part of a
segmenter's identity, in

- Latin letters, digits and ``. - _`` that touch: rjieba keeps ``formula_1``, ``7-9`` and ``1.2.3`` whole,
  jieba cuts them into ``formula _ 1``, ``7 - 9`` and ``1.2 . 3``;
- rare ideographs outside U+4E00-9FD5: rjieba lets unknown ones join their neighbours, jieba makes each a token;
- ties in the HMM: the unknown 常在 before 较 is one word to rjieba and two to jieba. Nothing else differed on Han
  text in a million tokens of Chinese Wikipedia, and this did twice;
- a user word without a frequency: the one each engine works out may differ by rounding, which rarely matters.

Neither ever joins over punctuation or whitespace: a user word with either inside is looked for before they cut
(`lmctl.text.literals`), as `<unk>` is, in texts that are cut by jieba or into characters.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lmctl.errors import UsageError
from lmctl.text.engines import ENGINES, load_engine
from lmctl.text.literals import Literals
from lmctl.text.user_dictionary import decode_user_dictionary

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class SegmenterIdentity:
    """What must be equal for two segmenters to give the same tokens.

    Attributes:
        name: "space", "jieba" or "char".
        engine: "rjieba" or "jieba"; "" for the other two.
        engine_version: version that the engine itself has; "" without engine.
        dictionary_sha256: hash of the user dictionary's bytes, in hex; "" without one.
        tables_sha256: hash of the engine's own dictionary and hidden Markov model (`lmctl.text.engines`).
    """

    name: str
    engine: str = ""
    engine_version: str = ""
    dictionary_sha256: str = ""
    tables_sha256: str = ""


class Segmenter(Protocol):
    """Turns lines into tokens; can be pickled, and is then made again from its settings."""

    @property
    def identity(self) -> SegmenterIdentity:
        """What this segmenter is, for storing beside the models made with it."""

    @property
    def user_dictionary(self) -> bytes:
        """The user dictionary's bytes; empty without one."""

    def segment(self, line: str) -> list[str]:
        """Cut a line into tokens, none of which contains whitespace."""


def make_segmenter(name: str, engine: str = "rjieba", user_dictionary: bytes = b"") -> Segmenter:
    """Make a segmenter; the same settings give the same object, since loading a dictionary takes long.

    Args:
        name: "space" (whitespace separates tokens), "char" (every character is one) or "jieba".
        engine: what runs the jieba method: "rjieba" or "jieba".
        user_dictionary: what `encode_user_dictionary` makes of words that are normalized as the text is; jieba
            alone has one.

    Raises:
        UsageError: a name is unknown, or a user dictionary has no use.
        DataError: the user dictionary is not what `encode_user_dictionary` writes.
        LmctlError: the engine is not installed, or does not work.
    """
    if name not in ("space", "char", "jieba"):
        raise UsageError(f"{name}: unknown segmenter; expected space, jieba or char")
    if name != "jieba":
        if user_dictionary:
            raise UsageError(
                f"the {name} segmenter has no dictionary; choose jieba or leave the user dictionary out"
            )
        return _SpaceSegmenter() if name == "space" else _CharSegmenter()
    if engine not in ENGINES:
        raise UsageError(f"{engine}: unknown segmenter engine; expected rjieba or jieba")
    return _load_jieba(engine, user_dictionary)


class _SpaceSegmenter:
    identity = SegmenterIdentity("space")
    user_dictionary = b""

    def segment(self, line: str) -> list[str]:
        return line.split()


class _CharSegmenter:
    identity = SegmenterIdentity("char")
    user_dictionary = b""

    def __init__(self) -> None:
        self._literals = Literals()

    def segment(self, line: str) -> list[str]:
        return self._literals.cut(line, self._cut)

    @staticmethod
    def _cut(text: str) -> list[str]:
        return list("".join(text.split()))


class _JiebaSegmenter:
    def __init__(
        self,
        identity: SegmenterIdentity,
        user_dictionary: bytes,
        literals: Literals,
        cut: Callable[[str], list[str]],
    ) -> None:
        self.identity = identity
        self.user_dictionary = user_dictionary
        self._literals = literals
        self._cut = cut

    def __reduce__(self) -> tuple[Callable[..., Segmenter], tuple[str, str, bytes]]:
        return make_segmenter, (self.identity.name, self.identity.engine, self.user_dictionary)

    def segment(self, line: str) -> list[str]:
        return self._literals.cut(line, self._cut_between)

    def _cut_between(self, text: str) -> list[str]:
        # Neither engine joins over whitespace, so cutting what stands between it gives the same tokens, and
        # none that has to be left out again.
        pieces = text.split()
        if len(pieces) == 1:
            return self._cut(pieces[0])
        return [token for piece in pieces for token in self._cut(piece)]


# Kept, so that a worker process which unpickles a segmenter with every task loads its dictionary once.
@functools.lru_cache(maxsize=4)
def _load_jieba(engine: str, user_dictionary: bytes) -> Segmenter:
    user_words = decode_user_dictionary(user_dictionary)
    loaded = load_engine(engine, [word for word in user_words if word.is_joined])
    identity = SegmenterIdentity(
        name="jieba",
        engine=engine,
        engine_version=loaded.version,
        dictionary_sha256=hashlib.sha256(user_dictionary).hexdigest() if user_dictionary else "",
        tables_sha256=loaded.tables_sha256,
    )
    literals = Literals(word.word for word in user_words if not word.is_joined)
    return _JiebaSegmenter(identity, user_dictionary, literals, loaded.cut)

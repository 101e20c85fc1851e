"""The segmenters that look words up in a dictionary, the engine's and the user's: jieba and words."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

from lmctl.text.engines import installed_version, load_engine
from lmctl.text.literals import Literals
from lmctl.text.segmentation import SegmenterIdentity, make_segmenter
from lmctl.text.user_dictionary import decode_user_dictionary

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.text.segmentation import Segmenter


class _DictionarySegmenter:
    """Finds literals, and cuts the text between them by a function."""

    model = b""

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
        return self._literals.cut(line, self._cut)


# Cached, because a worker process unpickles a segmenter with every task; it loads the dictionary once.
@functools.lru_cache(maxsize=4)
def load_jieba(engine: str, user_dictionary: bytes) -> Segmenter:
    """The segmenter jieba; see `make_segmenter`."""
    user_words = decode_user_dictionary(user_dictionary)
    loaded = load_engine(engine, [word for word in user_words if word.is_joined])

    def cut(text: str) -> list[str]:
        # Neither engine joins over white space, so cutting the text between it gives the same tokens, without the
        # tokens of white space.
        pieces = text.split()
        if len(pieces) == 1:
            return loaded.cut(pieces[0])
        return [token for piece in pieces for token in loaded.cut(piece)]

    identity = SegmenterIdentity(
        name="jieba",
        engine=engine,
        engine_version=loaded.version,
        dictionary_sha256=_sha256(user_dictionary),
        tables_sha256=loaded.tables_sha256,
    )
    literals = Literals(word.word for word in user_words if not word.is_joined)
    return _DictionarySegmenter(identity, user_dictionary, literals, cut)


@functools.lru_cache(maxsize=4)
def load_words(user_dictionary: bytes) -> Segmenter:
    """The segmenter words; see `make_segmenter`."""
    from lmctl.text.words import WordCutter

    user_words = decode_user_dictionary(user_dictionary)
    load = functools.cache(lambda: load_engine("rjieba", [word for word in user_words if word.is_han]))
    cutter = WordCutter(lambda run: load().cut(run))
    identity = SegmenterIdentity(
        name="words",
        engine="rjieba",
        engine_version=installed_version("rjieba"),
        dictionary_sha256=_sha256(user_dictionary),
        tables_sha256=cutter.tables_sha256,
    )
    literals = Literals(word.word for word in user_words if not word.is_han)
    return _DictionarySegmenter(identity, user_dictionary, literals, cutter)


def _sha256(user_dictionary: bytes) -> str:
    return hashlib.sha256(user_dictionary).hexdigest() if user_dictionary else ""

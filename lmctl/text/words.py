"""The segmenter `words`: text of any script as people write it, words and punctuation apart.

Words are those between Unicode's default word boundaries (UAX #29, section 4), as the package
unicode-segmentation-rs finds them. So a contraction (don't), a number (3.14) and an abbreviation (U.S) are one
token each, a hyphen separates two words, and every punctuation mark is a token. These rules come first:

1. A URL and an e-mail address are one token.
2. A run of Han characters is cut by jieba.
3. Kana and the scripts of South-East Asia have no spaces, and nothing here knows their words. They are cut into
   grapheme clusters, the characters as a reader sees them (UAX #29, section 3).
4. `#` or `@` right before a word belongs to it: a hashtag or a mention.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError
from lmctl.text.marks import base_before
from lmctl.text.scripts import HAN, KANA, SOUTH_EAST_ASIAN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A URL ends before white space, quotes, angle brackets, characters outside ASCII, and punctuation at its end. Each
# expression starts where a run of its characters starts, so a long run is tried once.
_URL_CHARACTER = r"[!#-;=?-~]"
_URL_END = r"(?<![!'(),.:;?\]}])"
_URL = rf"(?<![A-Za-z0-9+.-])(?:[A-Za-z][A-Za-z0-9+.-]*://|[Ww](?:ww|WW)\.){_URL_CHARACTER}+{_URL_END}"
_EMAIL = r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_ADDRESS = re.compile(f"{_URL}|{_EMAIL}")

_OTHERS_WITHOUT_SPACES = KANA + SOUTH_EAST_ASIAN
_WITHOUT_SPACES = re.compile(f"[{HAN}{_OTHERS_WITHOUT_SPACES}]")
_RUN = re.compile(f"(?P<han>[{HAN}]+)|(?P<others>[{_OTHERS_WITHOUT_SPACES}]+)|[^{HAN}{_OTHERS_WITHOUT_SPACES}]+")

# The examples of UAX #29, and characters whose boundaries have changed between versions of Unicode: emoji joined
# by U+200D, flags, conjuncts of Indic scripts, Katakana, apostrophes, numbers.
_PROBE = (
    "The quick (\u201cbrown\u201d) fox can\u2019t jump 32.3 feet, right? 1,000 U.S.A. a_b "
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 \U0001f44d\U0001f3fd "
    "\u0915\u094d\u0937\u093f \u05d0\u05f4\u05d1 \u30ab\u30bf\u30ab\u30ca \uff21\uff11 e\u0301 \ud55c\uad6d\uc5b4"
)


class WordCutter:
    """Cuts lines into words.

    Args:
        cut_han: a function that cuts a run of Han characters.

    Attributes:
        tables_sha256: hash of the boundaries in a fixed text, in hex: other rules of Unicode give another hash.

    Raises:
        LmctlError: unicode-segmentation-rs is not installed.
    """

    def __init__(self, cut_han: Callable[[str], list[str]]) -> None:
        try:
            import unicode_segmentation_rs
        except ImportError as error:
            raise LmctlError(
                f"unicode-segmentation-rs cannot be imported ({error}); install lmctl's requirements again"
            ) from error
        self._bounds: Callable[[str], list[str]] = unicode_segmentation_rs.split_word_bounds
        self._clusters: Callable[[str], list[str]] = lambda text: unicode_segmentation_rs.graphemes(
            text, is_extended=True
        )
        self._cut_han = cut_han
        probed = "\n".join([*self._bounds(_PROBE), *self._clusters(_PROBE)])
        self.tables_sha256 = hashlib.sha256(probed.encode()).hexdigest()

    def __call__(self, text: str) -> list[str]:
        """The words of a text. Together they are the text without its white space."""
        if not ("@" in text or "://" in text or "ww." in text or "WW." in text):
            return self._cut(text)
        tokens, done = [], 0
        for match in _ADDRESS.finditer(text):
            tokens += [*self._cut(text[done : match.start()]), match[0]]
            done = match.end()
        return tokens + self._cut(text[done:])

    def _cut(self, text: str) -> list[str]:
        """The words of a text without addresses."""
        if text.isascii() or _WITHOUT_SPACES.search(text) is None:
            return self._with_spaces(text)
        tokens = []
        for run in _RUN.finditer(text):
            if run["han"]:
                tokens += self._cut_han(run[0])
            elif run["others"]:
                tokens += self._clusters(run[0])
            else:
                tokens += self._with_spaces(run[0])
        return tokens

    def _with_spaces(self, text: str) -> list[str]:
        """The words of a text in scripts with spaces."""
        # Of all white space, only the blank is printable.
        if "  " in text or not text.isprintable():
            text = " ".join(text.split())
        pieces = self._bounds(text)
        if "#" in text or "@" in text:
            pieces = _with_tag_marks(pieces)
        if text.isascii():
            return [piece for piece in pieces if piece != " "]
        # A mark or an invisible character after a blank is in one piece with it.
        return [piece.lstrip() for piece in pieces if piece != " "]


def _with_tag_marks(pieces: Sequence[str]) -> list[str]:
    """Join `#` and `@` to the word after them, unless they stand right after another word."""
    joined: list[str] = []
    after_word = False
    mark = ""
    for piece in pieces:
        if mark and any(map(str.isalpha, piece)):
            joined[-1] += piece
        else:
            joined.append(piece)
        mark = piece if piece in ("#", "@") and not after_word else ""
        after_word = base_before(piece, len(piece)).isalnum()
    return joined

"""Normalization: Unicode form and lower-casing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, cast

from lmctl.errors import UsageError
from lmctl.text.stream_safe import stream_safe

_FORMS = {"nfc": "NFC", "nfkc": "NFKC"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Put U+FFFD in place of each half of a surrogate pair, which is no character and has no UTF-8.

    No text that is decoded has one. Strings of a Python program may have some.
    """
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


@dataclass(frozen=True)
class Normalization:
    """A function that maps the spellings of a word to one. Half a surrogate pair becomes U+FFFD in every form.

    A line end never combines with its neighbours. So normalizing a text whole or line by line has the same result,
    with the same number of lines. Long runs of combining marks are separated by joiners first
    (`lmctl.text.stream_safe`), so that the time is linear in the length of the text.

    Attributes:
        form: the Unicode form (UAX #15): "nfc" (canonical composition), "nfkc" (compatibility composition, which
            also replaces full-width letters, ligatures and the like) or "none".
        lowercase: whether capital letters become small letters.

    Raises:
        UsageError: `form` is unknown.
    """

    form: str
    lowercase: bool

    def __post_init__(self) -> None:
        if self.form not in (*_FORMS, "none"):
            raise UsageError(f"{self.form}: unknown normalization; expected nfc, nfkc or none")

    def __call__(self, text: str) -> str:
        """Normalize a text of any number of lines."""
        text = self._to_form(without_surrogates(text))
        # A small letter may have a composed form if its capital has none, such as J with caron.
        return self._to_form(text.lower()) if self.lowercase else text

    def _to_form(self, text: str) -> str:
        if self.form == "none" or text.isascii():
            return text
        text = stream_safe(text)
        form = cast('Literal["NFC", "NFKC"]', _FORMS[self.form])
        # Line by line, since `normalize` returns a text that passes Unicode's quick check at once. In a whole
        # text, a single line that fails the check would make it process all lines.
        return "\n".join([unicodedata.normalize(form, line) for line in text.split("\n")])

"""Normalization: Unicode form and lower-casing."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal, cast

from lmctl.errors import UsageError
from lmctl.text.stream_safe import stream_safe

_FORMS = {"nfc": "NFC", "nfkc": "NFKC"}


@dataclass(frozen=True)
class Normalization:
    """One spelling for what should count as one word.

    A line end never combines with what stands around it, so that a text may be normalized whole or line by
    line, with the same result and the same number of lines. More than 30 combining marks in a row are parted by
    joiners first (`lmctl.text.stream_safe`), so that no text takes more time than its length asks for.

    Attributes:
        form: "nfc" (canonical composition), "nfkc" (full-width letters, ligatures and the like too) or "none".
        lowercase: whether capital letters become small ones.

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
        text = self._to_form(text)
        # Small letters may compose where their capitals do not: J with caron.
        return self._to_form(text.lower()) if self.lowercase else text

    def _to_form(self, text: str) -> str:
        if self.form == "none" or text.isascii():
            return text
        text = stream_safe(text)
        form = cast('Literal["NFC", "NFKC"]', _FORMS[self.form])
        # Line by line: most lines pass Unicode's quick check, and one that does not would cost all of them it.
        return "\n".join([unicodedata.normalize(form, line) for line in text.split("\n")])

"""Cutting paragraphs into sentences, by the package sentencex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

# Its rules also end a sentence at 。！？ and at the marks of other scripts; its abbreviations are English.
_LANGUAGE = "en"


def sentence_splitter() -> Callable[[str], list[str]]:
    """Return a function that cuts a paragraph into its sentences, without the white space around them.

    A paragraph without words has one empty sentence.

    Raises:
        MissingExtraError: sentencex is not installed.
    """
    try:
        import sentencex
    except ImportError:
        raise MissingExtraError(
            "--line paragraph (text.line) needs the package sentencex, which is not installed: "
            "pip install 'lmctl[sentences]'"
        ) from None

    def split(paragraph: str) -> list[str]:
        # "\r" alone is white space in lmctl, and ends a paragraph in sentencex.
        pieces = sentencex.segment(_LANGUAGE, paragraph.replace("\r", " "))
        return [sentence for piece in pieces if (sentence := piece.strip())] or [""]

    return split

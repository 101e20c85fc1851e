"""How raw text became tokens: stored beside everything made from them, so that a query does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import msgspec

from lmctl.errors import DataError, UsageError
from lmctl.records import shortened
from lmctl.text.normalization import Normalization
from lmctl.text.segmentation import SegmenterIdentity, make_segmenter
from lmctl.text.tokenization import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_DICTIONARY_FILE = "user_dictionary.txt"
STOP_WORDS_FILE = "stop_words.txt"
LARGEST_DICTIONARY_BYTES = 256 << 20


class TextRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides which tokens a text becomes; dictionaries are files beside it."""

    segmenter: SegmenterIdentity
    normalize: Literal["nfc", "nfkc", "none"]
    lowercase: bool
    stop_words: int
    blank_lines: Literal["drop", "keep"]
    sentence_tags: Literal["keep", "strip"]

    @classmethod
    def of(cls, tokenizer: Tokenizer, blank_lines: Literal["drop", "keep"]) -> TextRecipe:
        """The recipe that `tokenizer` follows."""
        return cls(
            segmenter=tokenizer.segmenter.identity,
            normalize=cast("Literal['nfc', 'nfkc', 'none']", tokenizer.normalization.form),
            lowercase=tokenizer.normalization.lowercase,
            stop_words=len(tokenizer.stop_words),
            blank_lines=blank_lines,
            sentence_tags="strip" if tokenizer.strip_tags else "keep",
        )

    def tokenizer(self, files: Mapping[str, bytes]) -> Tokenizer:
        """Make the tokenizer again, from the dictionaries in `files` (name -> content)."""
        try:
            segmenter = make_segmenter(
                self.segmenter.name,
                self.segmenter.engine or "rjieba",
                files.get(USER_DICTIONARY_FILE, b""),
            )
            stop_words = files.get(STOP_WORDS_FILE, b"").decode().split()
        except UsageError as error:
            # Nobody asked for it on the command line: the record says so.
            raise DataError(f"its text recipe cannot be followed: {shortened(str(error))}") from error
        except UnicodeDecodeError as error:
            raise DataError(f"{STOP_WORDS_FILE}: damaged; byte {error.start} is not valid UTF-8") from error
        return Tokenizer(
            Normalization(self.normalize, self.lowercase),
            segmenter,
            frozenset(stop_words),
            strip_tags=self.sentence_tags == "strip",
        )


def recipe_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """The dictionaries that `tokenizer` uses, to be stored beside its recipe: name -> content."""
    files = {}
    if tokenizer.segmenter.user_dictionary:
        files[USER_DICTIONARY_FILE] = tokenizer.segmenter.user_dictionary
    if tokenizer.stop_words:
        files[STOP_WORDS_FILE] = "".join(f"{word}\n" for word in sorted(tokenizer.stop_words)).encode()
    return files

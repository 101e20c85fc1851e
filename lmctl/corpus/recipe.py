"""The text recipe: the settings that turn raw text into tokens. Every model stores it, so queries use the same."""

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
SUBWORD_MODEL_FILE = "subwords.model"
RECIPE_FILES = (USER_DICTIONARY_FILE, STOP_WORDS_FILE, SUBWORD_MODEL_FILE)
LARGEST_DICTIONARY_BYTES = 256 << 20


class TextRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that decide the tokens of a text. Dictionaries and a SentencePiece model are separate files.

    Attributes:
        segmenter: the identity of the segmenter.
        normalize: the Unicode form.
        lowercase: whether capital letters become small letters.
        stop_words: number of stop words.
        blank_lines: whether lines without words are left out.
        sentence_tags: whether `<s>` and `</s>` around a line are kept or left out.
    """

    segmenter: SegmenterIdentity
    normalize: Literal["nfc", "nfkc", "none"]
    lowercase: bool
    stop_words: int
    blank_lines: Literal["drop", "keep"]
    sentence_tags: Literal["keep", "strip"]

    @classmethod
    def of(cls, tokenizer: Tokenizer, blank_lines: Literal["drop", "keep"]) -> TextRecipe:
        """The recipe of a tokenizer."""
        return cls(
            segmenter=tokenizer.segmenter.identity,
            normalize=cast("Literal['nfc', 'nfkc', 'none']", tokenizer.normalization.form),
            lowercase=tokenizer.normalization.lowercase,
            stop_words=len(tokenizer.stop_words),
            blank_lines=blank_lines,
            sentence_tags="strip" if tokenizer.strip_tags else "keep",
        )

    def differences(self, other: TextRecipe) -> list[str]:
        """How another recipe may cut a line into other tokens than this one: "segmenter char, not jieba".

        `blank_lines` decides which lines are scored, not how a line is cut, so it is left out. The words in a list
        of stop words are in a file beside the recipe.
        """
        found = []
        if other.segmenter.name != self.segmenter.name:
            found.append(f"segmenter {other.segmenter.name}, not {self.segmenter.name}")
        elif other.segmenter.dictionary_sha256 != self.segmenter.dictionary_sha256:
            found.append("another SentencePiece model" if self.has_pieces else "another user dictionary")
        elif other.segmenter != self.segmenter:
            found.append(f"another version of the segmenter {self.segmenter.name}")
        for key in ("normalize", "lowercase", "stop_words", "sentence_tags"):
            ours, theirs = (str(getattr(recipe, key)).lower() for recipe in (self, other))
            if ours != theirs:
                found.append(f"{key} {theirs}, not {ours}")
        return found

    @property
    def has_pieces(self) -> bool:
        """Whether the tokens are pieces of words."""
        return self.segmenter.name == "sentencepiece"

    def tokenizer(self, files: Mapping[str, bytes]) -> Tokenizer:
        """Make the tokenizer.

        Args:
            files: the contents of the dictionaries, by name (`recipe_files`).

        Raises:
            DataError: the recipe has impossible settings, or a dictionary is damaged.
            MissingExtraError: the package of the segmenter is an extra that is not installed.
            LmctlError: the engine of the segmenter does not work.
        """
        try:
            segmenter = make_segmenter(
                self.segmenter.name,
                self.segmenter.engine or "rjieba",
                files.get(USER_DICTIONARY_FILE, b""),
                model=files.get(SUBWORD_MODEL_FILE, b""),
            )
            stop_words = files.get(STOP_WORDS_FILE, b"").decode().split()
        except UsageError as error:
            # The record is at fault, not the command line.
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
    """The dictionaries and the model of a tokenizer, stored beside its recipe: contents by name."""
    files = {}
    if tokenizer.segmenter.user_dictionary:
        files[USER_DICTIONARY_FILE] = tokenizer.segmenter.user_dictionary
    if tokenizer.segmenter.model:
        files[SUBWORD_MODEL_FILE] = tokenizer.segmenter.model
    if tokenizer.stop_words:
        files[STOP_WORDS_FILE] = "".join(f"{word}\n" for word in sorted(tokenizer.stop_words)).encode()
    return files

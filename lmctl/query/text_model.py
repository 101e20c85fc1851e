"""A model that reads text: a vocabulary, a tokenizer and a LanguageModel or a GapModel."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lmctl.arguments import whole_number
from lmctl.errors import DataError, MissingExtraError, UsageError
from lmctl.families import check_predicts_next_word, load_model, no_next_word
from lmctl.families.gap_model import GapModel
from lmctl.query.context_reader import ContextReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from lmctl.families.base import LanguageModel
    from lmctl.families.family import Runtime
    from lmctl.store.bundle import Bundle
    from lmctl.text.segmentation import SegmenterIdentity
    from lmctl.text.tokenization import Tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text after segmentation and encoding; OOVs have the id of `<unk>`."""

    words: list[str]
    token_ids: list[int]
    characters: int


class TextModel:
    """A model that reads text. Its answers are deterministic, and it writes no files.

    Args:
        bundle: the opened bundle.
        cache: number of words of the text in the cache; 0: no cache.

    Attributes:
        runtime: the model on token ids, of the next word or of gaps.
        dynamic_rate: size of a step of dynamic evaluation (jobs/dynamic_evaluation.py); None: the weights stay.

    Raises:
        UsageError: a cache is asked for, but none was tuned for this model, or the model has no next word.
        DataError: the bundle is damaged.
    """

    def __init__(self, bundle: Bundle, cache: int = 0) -> None:
        self.bundle = bundle
        self.cache = cache
        self.dynamic_rate: float | None = None
        # Small files are read now, because this generation may be removed after a newer one is published.
        self._recipe_files = bundle.recipe_files()
        self.characters = bundle.characters()
        self.vocabulary = bundle.vocabulary()
        self.runtime: Runtime = load_model(bundle)
        if cache:
            self.runtime = self._with_cache(cache)

    @property
    def language_model(self) -> LanguageModel[Any]:
        """The model of the next word.

        Raises:
            UsageError: the model fills gaps only.
        """
        if isinstance(self.runtime, GapModel):
            raise no_next_word(self.bundle)
        return self.runtime

    @property
    def gap_model(self) -> GapModel | None:
        """The model of gaps; None if the model predicts the next word."""
        return self.runtime if isinstance(self.runtime, GapModel) else None

    @cached_property
    def contexts(self) -> ContextReader:
        """Reads contexts from the null state. The last states that were used stay in memory.

        Raises:
            UsageError: the model fills gaps only.
        """
        return ContextReader(self.language_model)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model was trained with.

        Raises:
            DataError: the bundle's recipe or dictionaries are damaged.
            MissingExtraError: the package that cuts the text is not installed.
        """
        recipe = self.bundle.record.recipe
        try:
            tokenizer = recipe.tokenizer(self._recipe_files)
        except (DataError, MissingExtraError) as error:
            raise type(error)(f"{self.bundle.folder}: {error}") from error
        if tokenizer.segmenter.identity != recipe.segmenter:
            logger.warning(
                "this model was trained with %s, but %s is installed: some words may be cut differently",
                *_versions(recipe.segmenter, tokenizer.segmenter.identity),
            )
        return tokenizer

    @property
    def length_of(self) -> Callable[[str], int]:
        """A function of a token: the number of characters of text that it stands for, without blanks."""
        if self.tokenizer.segmenter.identity.name != "sentencepiece":
            return len
        # Imported here, because a prediction needs none of it.
        from lmctl.text.subwords import characters_in

        return characters_in

    def for_another_thread(self) -> Self:
        """The same model for a thread of its own. Both use one runtime, and one store of states of contexts."""
        other = copy.copy(self)
        if self.gap_model is None:
            other.__dict__["contexts"] = ContextReader(self.language_model, self.contexts.store)
        return other

    def with_cache(self, words: int) -> Self:
        """The same model with a cache of the last words of the text, in place of the one that it may have.

        Args:
            words: number of words in the cache, above 0.

        Raises:
            UsageError: `words` is no whole number above 0, no cache was tuned for this model, or it has no next
                word.
        """
        words = whole_number("the cache", words)
        other = copy.copy(self)
        other.cache, other.runtime = words, self._with_cache(words)
        # Its states are others.
        other.__dict__.pop("contexts", None)
        return other

    def _with_cache(self, words: int) -> LanguageModel[Any]:
        check_predicts_next_word(self.bundle)
        if self.bundle.record.cache is None:
            raise UsageError(
                f"{self.bundle.folder}: no cache was tuned for this model, because it had no validation text, or "
                "a cache did not help on that text; leave out the cache"
            )
        from lmctl.families.cached.runtime import CachedLanguageModel

        model = self.language_model
        if isinstance(model, CachedLanguageModel):
            model = model.model
        return CachedLanguageModel(model, self.bundle.record.cache, words)

    def encode(self, text: str) -> EncodedText:
        """Cut a line of text into words and look up their ids, as in training."""
        normalized = self.tokenizer.normalized(text)
        words = self.tokenizer.segment(normalized)
        return EncodedText(words, self.vocabulary.encode(words), len(normalized))


def _versions(stored: SegmenterIdentity, installed: SegmenterIdentity) -> tuple[str, str]:
    """Return the names and versions of two different segmenters for a message."""
    old, new = (
        f"{identity.engine or identity.name} {identity.engine_version}" for identity in (stored, installed)
    )
    if old == new and stored.tables_sha256 != installed.tables_sha256:
        others = {"words": "other word boundaries", "sentencepiece": "other rules for its pieces"}
        return old, f"{new} with {others.get(stored.name, 'another dictionary or hidden Markov model')}"
    return old, new

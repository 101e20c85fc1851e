"""A model opened for questions: a vocabulary, a tokenizer and a language model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.errors import DataError, UsageError
from lmctl.families import load_language_model
from lmctl.layers.distributions import check_log_probs
from lmctl.store.bundle import Bundle, open_bundle
from lmctl.store.naming import opened
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    import os

    from lmctl.arrays import Float32Array
    from lmctl.families.base import LanguageModel
    from lmctl.query.prediction import Prediction
    from lmctl.query.scoring import SentenceScore
    from lmctl.text.segmentation import SegmenterIdentity
    from lmctl.text.tokenization import Tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text as the model reads it; words that are out of the vocabulary have the id of `<unk>`."""

    words: list[str]
    token_ids: list[int]
    characters: int


class Model:
    """A trained model that answers questions in words.

    Made by `lmctl.load`. Everything is deterministic; nothing is written.

    Args:
        bundle: opened.
        cache: how many words of the text at hand are remembered; 0: none.

    Raises:
        UsageError: a cache is asked for, and none was tuned for this model.
        DataError: the bundle is damaged.
    """

    def __init__(self, bundle: Bundle, cache: int = 0) -> None:
        self.bundle = bundle
        self.cache = cache
        # Small files are read now: once a newer generation has been published, this one may be removed.
        self._recipe_files = bundle.recipe_files()
        self.characters = bundle.characters()
        self.vocabulary = bundle.vocabulary()
        self.language_model: LanguageModel[Any] = load_language_model(bundle)
        if cache:
            if bundle.record.cache is None:
                raise UsageError(
                    f"{bundle.folder}: no cache was tuned for this model: it had no text to validate on, or one "
                    "on which a cache helps nothing; `lmctl train` and `lmctl mix` tune one where it helps"
                )
            from lmctl.families.cached.runtime import CachedLanguageModel

            self.language_model = CachedLanguageModel(self.language_model, bundle.record.cache, cache)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the model was trained with."""
        recipe = self.bundle.record.recipe
        try:
            tokenizer = recipe.tokenizer(self._recipe_files)
        except DataError as error:
            raise DataError(f"{self.bundle.folder}: {error}") from error
        if tokenizer.segmenter.identity != recipe.segmenter:
            logger.warning(
                "this model was trained with %s, and %s is installed: some words may be cut differently",
                *_versions(recipe.segmenter, tokenizer.segmenter.identity),
            )
        return tokenizer

    def encode(self, text: str) -> EncodedText:
        """Cut a line of text into tokens, as the training text was."""
        normalized = self.tokenizer.normalized(text)
        words = self.tokenizer.segment(normalized)
        return EncodedText(words, self.vocabulary.encode(words), len(normalized))

    def predict(self, text: str, k: int = 5) -> list[Prediction]:
        """The k most probable next words after a text that starts a sentence, best first.

        `<unk>` and `</s>` are left out; probabilities are those of the whole distribution.

        Args:
            text: the context, a line without its end; may be empty.
            k: how many words to answer with.
        """
        from lmctl.query.prediction import Predictor

        return Predictor(self, k=k).answer([text])[0].predictions

    def score(self, text: str) -> SentenceScore:
        """Log probability (natural) of every word of a sentence, and of its end.

        Args:
            text: one sentence, a line without its end.
        """
        from lmctl.query.scoring import score_sentences

        return next(score_sentences(self, [text], blank_lines="keep"))

    def log_probs(self, text: str) -> Float32Array:
        """Natural log probability of every next token after a text that starts a sentence, (V,).

        Args:
            text: the context, a line without its end; may be empty.
        """
        token_ids = np.array(self.encode(text).token_ids, dtype=np.int64)[:, None]
        state: Any = self.language_model.initial_state(1)
        return self.language_model.log_probs(self.language_model.advance(state, token_ids))[0]  # type: ignore[no-any-return]


def load(path: str | os.PathLike[str], *, cache: int = 0) -> Model:
    """Open a model for questions.

    Args:
        path: a model's folder, `folder@6` for one of its generations, or a bundle's folder.
        cache: how many words of a text that is read with its state carried are remembered; 0: none.

    Raises:
        UsageError: a cache is asked for, and none was tuned for this model.
        InputMissingError: there is no model there.
        DataError: it is damaged, or of a format that this version does not read.
    """
    return load_named(str(Path(path)), cache=cache)


def load_named(name: str | None, *, cache: int = 0) -> Model:
    """Open the model that `-m NAME` means; one that is published meanwhile is as good.

    Raises:
        UsageError: nothing was named and there is not exactly one model; or a cache is asked for, and none was
            tuned for it.
        InputMissingError: there is no model there.
        DataError: it is damaged, or of a format that this version does not read.
    """
    return opened(name, lambda folder: Model(open_bundle(folder), cache))


def _versions(stored: SegmenterIdentity, installed: SegmenterIdentity) -> tuple[str, str]:
    """What two segmenters that differ are called."""
    old, new = (
        f"{identity.engine or identity.name} {identity.engine_version}" for identity in (stored, installed)
    )
    if old == new and stored.tables_sha256 != installed.tables_sha256:
        return old, f"{new} with another dictionary or hidden Markov model"
    return old, new


def verify_model(folder: Path) -> None:
    """Check all of a bundle: every file, and that its weights and text recipe make a model.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
    """
    model = Model(verify_bundle(folder))
    check_log_probs(model.log_probs(""))

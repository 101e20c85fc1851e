"""Warm start: weights of an older model for a new corpus, and the changes of the text since then."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl import families
from lmctl.config.presets import AUTO
from lmctl.corpus.choosing import NEW_WORDS_NAMED
from lmctl.corpus.prepared import NewWords
from lmctl.corpus.rehearsal import plan_reading
from lmctl.corpus.vocabulary import NEVER_WORDS, UNKNOWN_ID
from lmctl.deadline import NEVER
from lmctl.errors import FormatVersionError, LmctlError, UsageError, joined
from lmctl.jobs.train.network_size import configured_sizes
from lmctl.layers.clusters import first_ids
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import Model
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import MODEL_FILE
from lmctl.store.naming import find_bundle, opened
from lmctl.training.events import Drift
from lmctl.training.moments import carry_over

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import IntArray
    from lmctl.config import Config, Settings
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.corpus.rehearsal import Reading
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.deadline import Deadline
    from lmctl.query.metrics import Figures
    from lmctl.store.bundle import Bundle
    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)

# The value of `training.init_from` for the current generation of the model that is trained.
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Initial weights of a training.

    Attributes:
        weights: weights for the new vocabulary, by name.
        moments: second moments of the optimizer (`training.moments`); None: the optimizer starts anew.
        drift: changes of the text since the old model was trained.
        reading: the text that is read.
    """

    weights: dict[str, NDArray[np.float32]]
    moments: dict[str, NDArray[Any]] | None
    drift: Drift
    reading: Reading

    def shortened(self, config: Config) -> Config:
        """The configuration with the length and the learning rate of a training that reads a part of the text."""
        training = config.training
        rate = training.learning_rate * self.reading.share
        training = msgspec.structs.replace(training, epochs=self.reading.epochs, learning_rate=rate)
        return msgspec.structs.replace(config, training=training)


class OldModel:
    """The model that training starts from.

    Args:
        bundle: the opened bundle of a model, or of a mixture with such a member.

    Attributes:
        bundle: the bundle whose weights are taken.
        family: its family.
        sizes: its sizes.
        vocabulary: its vocabulary.
        sources: the texts that it was trained on; none if it was imported.

    Raises:
        UsageError: the family of the model has no warm start.
        DataError: the bundle is damaged.
    """

    def __init__(self, bundle: Bundle) -> None:
        # In a mixture, the member that has a warm start is taken.
        for candidate in (bundle, *bundle.members()):
            family = families.find(candidate.record.family)
            if family.inherited_sizes:
                self.bundle, self.family, self.sizes = candidate, family, candidate.record.sizes
                break
        else:
            can_be_trained_on = [family.name for family in families.every() if family.inherited_sizes]
            raise UsageError(
                f"training.init_from: {bundle.folder} is of family {bundle.record.family}; expected a model of "
                f"family {joined(can_be_trained_on, 'or')}"
            )
        self.vocabulary: Vocabulary = self.bundle.vocabulary()
        corpus = self.bundle.record.corpus
        self.sources = [] if corpus is None else [source for source in corpus.sources if source.split == "train"]

    @classmethod
    def find(cls, init_from: str | None, folder: ModelFolder) -> OldModel | None:
        """The model that `training.init_from` names; None if training starts from random weights.

        Raises:
            LmctlError: there is no such model, or its family has no warm start.
        """
        if init_from is None:
            return None
        if init_from != CURRENT:
            return opened(init_from, lambda place: cls(open_bundle(place)))
        current = folder.current()
        if current is None:
            logger.info("training.init_from: nothing is published yet, so training starts from random weights")
            return None
        try:
            return cls(open_bundle(current))
        except FormatVersionError as error:
            if not error.is_older:
                raise
            logger.warning("training.init_from: %s; so training starts from random weights", error)
            return None

    @property
    def preset(self) -> str:
        """The preset that it was trained with; `auto` if that is not known, as of an imported model."""
        training = self.bundle.record.training
        return AUTO if training is None else training.preset

    def inherit(self, config: Config, settings: Settings, vocabulary: Vocabulary) -> Config:
        """The configuration, with sizes of this model for sizes that the user did not set.

        Args:
            config: the configuration.
            settings: the settings of the user.
            vocabulary: the new vocabulary. If the old words come first, in their old order, they stay in their
                clusters of the softmax.

        Raises:
            UsageError: the user set another family or another size.
        """
        if config.family.name != self.family.name:
            raise UsageError(
                f"model.family: {config.family.name} cannot start from the weights of {self.bundle.folder}, "
                f"which is of family {self.family.name}; leave out training.init_from, or choose that family"
            )
        sizes, inherited = self.sizes, {}
        for name in self.family.inherited_sizes:
            has, wanted = getattr(sizes, name), getattr(config.model, name)
            asked = f"model.{name}" in settings.explicit or settings.preset != "auto"
            if asked and has != wanted:
                raise UsageError(
                    f"model.{name}: {wanted} does not fit the model that training.init_from names: "
                    f"{self.bundle.folder} has {has}; leave one of the two out"
                )
            inherited[name] = has
        is_free = getattr(config.model, "softmax", "full") != "full" and config.model.cutoffs is None
        if is_free and (cutoffs := self._cutoffs(self._ids_here(vocabulary))):
            inherited["cutoffs"] = ",".join(map(str, cutoffs))
        return msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, **inherited))

    def warm_start(self, corpus: PreparedCorpus, config: Config, deadline: Deadline = NEVER) -> WarmStart:
        """Weights for the vocabulary of a corpus, and the changes of the text.

        Args:
            corpus: the corpus.
            config: the resolved configuration.
            deadline: end of the time for scoring the old model on the new validation text.
        """
        if corpus.record.recipe.segmenter.name != self.bundle.record.recipe.segmenter.name:
            logger.warning(
                "the text is cut by segmenter %s, but the text of the model that training starts from was cut "
                "by %s: the two vocabularies may have few words in common",
                corpus.record.recipe.segmenter.name,
                self.bundle.record.recipe.segmenter.name,
            )
        old_ids = self._ids_here(corpus.vocabulary)
        # Loading checks names, shapes and values, as for a query.
        families.load_model(self.bundle)
        new_sizes = configured_sizes(corpus, config)
        weights, rows = self.family.carry_over(self.bundle.weights(), self.sizes, new_sizes, old_ids)
        new_words = corpus.record.new_words or _new_words(corpus, old_ids)
        before = self._evaluate(corpus, config, deadline)
        words = corpus.record.train.words
        reading = self._reading(corpus, config)
        return WarmStart(
            weights,
            self._moments(weights, new_sizes, old_ids),
            Drift(
                model_sha256=self.bundle.record.sha256,
                oov_rate=new_words.oov / words if words else 0.0,
                new_words=new_words.most_frequent,
                rows_kept=rows.kept,
                rows_moved=rows.moved,
                rows_new=rows.new,
                rows_gone=rows.gone,
                valid_perplexity=None if before is None else before.perplexity,
                valid_oov_rate=None if before is None else before.oov_rate,
                valid_state=None if before is None else config.validation.state,
                new_text=reading.new_text,
                rehearsed_text=reading.rehearsed_text,
                rate_factor=reading.share,
            ),
            reading,
        )

    def _moments(
        self, weights: Mapping[str, NDArray[Any]], new_sizes: Any, old_ids: IntArray
    ) -> dict[str, NDArray[Any]] | None:
        """The second moments for the new vocabulary; None: this model has none, or they do not fit."""
        kept = self.bundle.moments()
        if kept is None:
            return None
        fixed = self.family.fixed_weights
        shapes = {name: weight.shape for name, weight in weights.items() if name not in fixed}
        return carry_over(kept, shapes, self.family.carried_rows(self.sizes, new_sizes, old_ids))

    def _ids_here(self, vocabulary: Vocabulary) -> IntArray:
        """The id that each word of a vocabulary has in this model, (V,); -1 if it has none."""
        ids = {word: number for number, word in enumerate(self.vocabulary.words)}
        return np.array([ids.get(word, -1) for word in vocabulary.words])

    def _cutoffs(self, old_ids: IntArray) -> list[int] | None:
        """The first ids of this model's further clusters, in the new vocabulary.

        None if the softmax has one cluster, if the old words have changed their order, or if a cluster is empty.
        """
        before = first_ids(self.sizes.clusters)[1:]
        known = old_ids[old_ids >= 0]
        if not before or (old_ids[len(known) :] >= 0).any() or (np.diff(known) < 0).any():
            return None
        cutoffs = np.searchsorted(known, before).tolist()
        bounds = [0, *cutoffs, len(old_ids)]
        return cutoffs if all(first < end for first, end in pairwise(bounds)) else None

    def known_sentences(self, corpus: PreparedCorpus) -> list[tuple[int, int]]:
        """The number of sentences of each training text, and of those at its start that this model has read."""
        known = {source.sha256 for source in self.sources}
        return [
            # A corpus that was prepared without the old model has only whole texts to recognise.
            (source.sentences, source.sentences if source.sha256 in known else source.known_sentences)
            for source in corpus.record.sources
            if source.split == "train"
        ]

    def _reading(self, corpus: PreparedCorpus, config: Config) -> Reading:
        """The text that is read."""
        return plan_reading(
            corpus.train,
            self.known_sentences(corpus),
            epochs=config.training.epochs,
            rehearsal=config.training.rehearsal,
            # The old text differs from one night to the next.
            seed=(config.training.seed, int(self.bundle.record.sha256, 16)),
        )

    def _evaluate(self, corpus: PreparedCorpus, config: Config, deadline: Deadline) -> Figures | None:
        """Figures of the old model on the new validation text.

        None if there is no such text, if scoring fails or takes too long, or if the model fills gaps and has no
        perplexity.
        """
        if not len(corpus.valid) or not self.family.predicts_next_word:
            return None
        try:
            with deadline.enforced("training.time_limit leaves no time for it"):
                return evaluate_file(
                    Model(self.bundle),
                    str(corpus.valid_text),
                    state=config.validation.state,
                    blank_lines=corpus.record.recipe.blank_lines,
                    threads=config.device.threads,
                )
        except LmctlError as error:
            logger.warning("the model that training starts from was not scored: %s", error)
            return None


def _new_words(corpus: PreparedCorpus, old_ids: NDArray[np.integer]) -> NewWords:
    """Words of a corpus that the old model does not have; a word that is OOV in both vocabularies counts as new.

    For a corpus that was prepared without the old model, and so has no record of them.
    """
    vocabulary = corpus.vocabulary
    new = [place for place in np.flatnonzero(old_ids < 0).tolist() if vocabulary.words[place] not in NEVER_WORDS]
    return NewWords(
        oov=vocabulary.counts[UNKNOWN_ID] + sum(vocabulary.counts[place] for place in new),
        most_frequent=[(vocabulary.words[place], vocabulary.counts[place]) for place in new[:NEW_WORDS_NAMED]],
    )


def old_model_file(init_from: object) -> Path | None:
    """The record of the model that `training.init_from` names, as a path; None if it names no path.

    The record has the hashes of the other files, so it changes with the model.

    Raises:
        LmctlError: there is no such model.
    """
    if init_from is None or init_from == CURRENT:
        return None
    return open_bundle(find_bundle(str(init_from))).folder / MODEL_FILE

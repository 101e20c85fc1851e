"""Training on from an older model: which one, with which sizes, and what has changed since."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl import families
from lmctl.corpus.choosing import NEW_WORDS_NAMED
from lmctl.corpus.prepared import NewWords
from lmctl.corpus.vocabulary import NEVER_WORDS, UNKNOWN_ID
from lmctl.errors import LmctlError, UsageError
from lmctl.jobs.train.network_size import configured_sizes
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import Model
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import MODEL_FILE
from lmctl.store.naming import find_bundle, opened
from lmctl.training.events import Drift

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.config import Config, Settings
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.query.metrics import Figures
    from lmctl.store.bundle import Bundle
    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)

# What `training.init_from` calls the generation that is published where the new one goes.
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What training starts from.

    Attributes:
        weights: for the new vocabulary, by name.
        drift: what has changed since the old model was trained.
    """

    weights: dict[str, NDArray[np.float32]]
    drift: Drift


class OldModel:
    """The model that training starts from.

    Args:
        bundle: opened.

    Raises:
        UsageError: it is of a family that has no weights.
        DataError: it is damaged.
    """

    def __init__(self, bundle: Bundle) -> None:
        # Of a mixture, the network is trained on.
        for candidate in (bundle, *bundle.members()):
            family = families.find(candidate.record.family)
            if family.inherited_sizes:
                self.bundle, self.family, self.sizes = candidate, family, candidate.record.sizes
                break
        else:
            can_be_trained_on = [family.name for family in families.every() if family.inherited_sizes]
            raise UsageError(
                f"training.init_from: {bundle.folder} is of family {bundle.record.family}; expected "
                + " or ".join(can_be_trained_on)
            )
        self.vocabulary: Vocabulary = self.bundle.vocabulary()

    @classmethod
    def find(cls, init_from: str | None, folder: ModelFolder) -> OldModel | None:
        """The model that `training.init_from` means; None where training starts from random weights.

        Raises:
            LmctlError: there is no such model, or it cannot be trained on.
        """
        if init_from is None:
            return None
        if init_from != CURRENT:
            return opened(init_from, lambda place: cls(open_bundle(place)))
        current = folder.current()
        if current is None:
            logger.info("nothing is published yet: training starts from random weights")
            return None
        return cls(open_bundle(current))

    def inherit(self, config: Config, settings: Settings) -> Config:
        """The configuration with this model's sizes where the user set none.

        Raises:
            UsageError: the user set another size.
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
                    f"model.{name}: {wanted} does not fit {self.bundle.folder}, which has {has} and which "
                    "training.init_from starts from; leave one of the two out"
                )
            inherited[name] = has
        return msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, **inherited))

    def warm_start(self, corpus: PreparedCorpus, config: Config) -> WarmStart:
        """Weights for the vocabulary of a corpus, and what has changed."""
        if corpus.record.recipe.segmenter.name != self.bundle.record.recipe.segmenter.name:
            logger.warning(
                "the text is cut by %s, and the model that training starts from was trained on text cut by %s: "
                "few words may be the same",
                corpus.record.recipe.segmenter.name,
                self.bundle.record.recipe.segmenter.name,
            )
        ids = dict(zip(self.vocabulary.words, range(len(self.vocabulary)), strict=True))
        old_ids = np.array([ids.get(word, -1) for word in corpus.vocabulary.words])
        # As a query opens it: names, shapes and values are checked.
        families.load_language_model(self.bundle)
        weights, rows = self.family.carry_over(
            self.bundle.weights(),
            self.sizes,
            configured_sizes(corpus, config),
            old_ids,
        )
        new_words = corpus.record.new_words or _new_words(corpus, old_ids)
        before = self._evaluate(corpus, config)
        words = corpus.record.train.words
        return WarmStart(
            weights,
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
            ),
        )

    def _evaluate(self, corpus: PreparedCorpus, config: Config) -> Figures | None:
        """How it predicts the new validation text, if there is any that it can read."""
        if not len(corpus.valid):
            return None
        try:
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
    """What a corpus that was prepared without the old model has beside it; what is OOV to both counts as new."""
    vocabulary = corpus.vocabulary
    new = [place for place in np.flatnonzero(old_ids < 0).tolist() if vocabulary.words[place] not in NEVER_WORDS]
    return NewWords(
        oov=vocabulary.counts[UNKNOWN_ID] + sum(vocabulary.counts[place] for place in new),
        most_frequent=[(vocabulary.words[place], vocabulary.counts[place]) for place in new[:NEW_WORDS_NAMED]],
    )


def old_model_file(init_from: object) -> Path | None:
    """The file whose content is that of a model named by `training.init_from`; None if it names none.

    Raises:
        LmctlError: there is no such model.
    """
    if init_from is None or init_from == CURRENT:
        return None
    return open_bundle(find_bundle(str(init_from))).folder / MODEL_FILE

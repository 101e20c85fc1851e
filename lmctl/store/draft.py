"""The draft of a bundle of any family: its contents before they are written."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from lmctl.config import to_yaml
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import CHARACTERS, CONFIG, HISTORY, METRICS, MODEL_FILE, MOMENTS, VOCABULARY, WEIGHTS
from lmctl.store.model_record import CorpusSummary, ModelRecord, TrainingSummary
from lmctl.store.writing import encode_history, encode_metrics, weights_file, write_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.corpus.recipe import TextRecipe
    from lmctl.store.bundle import Bundle


@dataclass(frozen=True, slots=True)
class TextFiles:
    """The text recipe, vocabulary and character counts that a bundle of every family has.

    Attributes:
        recipe: how raw text becomes tokens.
        vocabulary: the content of vocabulary.tsv.
        characters: the content of characters.tsv.
        dictionaries: the content of the recipe's dictionaries, by file name.
    """

    recipe: TextRecipe
    vocabulary: bytes
    characters: bytes
    dictionaries: Mapping[str, bytes]

    @classmethod
    def of_corpus(cls, corpus: PreparedCorpus) -> TextFiles:
        """Return the text files of a prepared corpus."""
        return cls(
            corpus.record.recipe,
            corpus.vocabulary.to_tsv().encode(),
            corpus.characters.to_tsv().encode(),
            corpus.recipe_files(),
        )

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> TextFiles:
        """Return the text files of another bundle."""
        return cls(bundle.record.recipe, bundle.read(VOCABULARY), bundle.read(CHARACTERS), bundle.recipe_files())


@dataclass(frozen=True, slots=True)
class Draft:
    """A bundle that has not been written yet.

    Attributes:
        text: text recipe, vocabulary and character counts.
        sizes: of the model, a struct of its family.
        config: the resolved configuration, or the content of config.yaml.
        corpus: summary of the training corpus; None if it is unknown, or if there are several.
        training: summary of the training of a network; None for other families.
        metrics: the figures that are known so far.
        weights: the weights of a network, by name.
        moments: second moments of the optimizer of a network, for a warm start; None: there are none.
        history: a record for each epoch of a network.
        tables: names of the files that are already in the bundle's folder.
        members: number of the bundles that are already in `members/`.
    """

    text: TextFiles
    sizes: Any
    config: Config | bytes
    _: KW_ONLY
    corpus: CorpusSummary | None = None
    training: TrainingSummary | None = None
    metrics: Mapping[str, Any] = field(default_factory=lambda: {"valid": None})
    weights: Mapping[str, NDArray[np.float32]] | None = None
    moments: Mapping[str, NDArray[Any]] | None = None
    history: Sequence[Any] | None = None
    tables: Sequence[str] = ()
    members: int = 0

    def write(self, folder: Path) -> Bundle:
        """Write the bundle into a folder that no reader uses yet, and open it.

        Raises:
            DataError: model.json would be too large.
            OSError: a file cannot be written.
        """
        record = ModelRecord(
            sizes=self.sizes,
            recipe=self.text.recipe,
            corpus=self.corpus,
            training=self.training,
            members=self.members,
        )
        contents = {
            VOCABULARY: self.text.vocabulary,
            CHARACTERS: self.text.characters,
            CONFIG: self.config if isinstance(self.config, bytes) else to_yaml(self.config).encode(),
            METRICS: encode_metrics(self.metrics),
            **self.text.dictionaries,
        }
        if self.weights is not None:
            contents[WEIGHTS] = weights_file(self.weights)
        if self.moments is not None:
            contents[MOMENTS] = weights_file(self.moments)
        if self.history is not None:
            contents[HISTORY] = encode_history(self.history)
        there = [*self.tables, *(f"{name}/{MODEL_FILE}" for name in record.member_names)]
        write_bundle(folder, record, contents, there)
        return open_bundle(folder)


def corpus_summary(corpus: PreparedCorpus) -> CorpusSummary:
    """Return the summary of a corpus that model.json stores."""
    return CorpusSummary(train=corpus.record.train, valid=corpus.record.valid, sources=corpus.record.sources)

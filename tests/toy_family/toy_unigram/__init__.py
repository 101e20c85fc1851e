"""A family of models in another package: the probability of a word does not depend on its context."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta

from lmctl.errors import DataError
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.exporting import ExportFormat
from lmctl.families.family import Family
from lmctl.families.results import Estimated

TABLE = "unigram.npy"


class UnigramConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="family", tag="unigram"):
    """The keys of `model:`."""

    added: Annotated[float, Meta(gt=0, description="Added to the count of every word (Laplace).")] = 1.0


class UnigramSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="family", tag="unigram"):
    """The dimensions of a model."""

    vocabulary_size: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class UnigramLanguageModel(LanguageModel[int]):
    """Log probabilities in a table, (V,). A state is the number of columns."""

    context_length = 0

    def __init__(self, table):
        self.table = table
        self.vocabulary_size = len(table)

    def null_state(self, batch):
        return batch

    def advance(self, state, token_ids, lengths=None):
        return state

    def select_columns(self, state, columns):
        return len(columns)

    def join(self, states):
        return sum(states)

    def log_probs(self, state):
        return np.tile(self.table, (state, 1))

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        present = np.arange(len(inputs))[:, None] < lengths
        return Scores(np.where(present, self.table[targets].astype(np.float64), 0.0), None), state


class Unigram(Family):
    """The family of unigram models, estimated by counting words."""

    name = "unigram"
    title = "words that are counted"
    estimates = True
    export_formats: ClassVar = {"tsv": ExportFormat("tsv", frozenset({"unknown"}))}

    @property
    def config_type(self) -> type[Any]:
        return UnigramConfig

    @property
    def sizes_type(self) -> type[Any]:
        return UnigramSizes

    def estimate(self, token_ids, vocabulary_size, folder, config, scratch, workers):
        counts = np.bincount(token_ids, minlength=vocabulary_size) + config.added
        np.save(folder / TABLE, np.log(counts / counts.sum()).astype(np.float32))
        return Estimated(UnigramSizes(vocabulary_size), config, [TABLE])

    def load(self, bundle, members):
        table = np.load(bundle.check(TABLE), allow_pickle=False)
        if table.shape != (bundle.sizes.vocabulary_size,) or table.dtype != np.float32:
            raise DataError(f"{bundle.folder / TABLE}: {table.dtype} {table.shape} does not fit the sizes")
        return UnigramLanguageModel(table)

    def describe(self, sizes):
        return {"family": self.name}

    def count_parameters(self, sizes):
        return sizes.vocabulary_size

    def export(self, bundle, format, file, options):
        words = [options.unknown, *bundle.vocabulary().words[1:]]
        for word, log_prob in zip(words, np.load(bundle.check(TABLE)), strict=True):
            file.write(f"{word}\t{np.exp(log_prob):.6f}\n".encode())


FAMILY = Unigram()

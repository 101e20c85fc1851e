"""Language models without training: an LSTM with random weights, and a table of bigrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from random_networks import drawn

from lmctl.families.base import LanguageModel, Scores
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes
from lmctl.layers.clusters import one_cluster

if TYPE_CHECKING:
    from collections.abc import Callable


class Bigram(LanguageModel):
    """The next token's probabilities are the row of the last one; it has no features."""

    def __init__(self, probs):
        with np.errstate(divide="ignore"):
            self.table = np.log(np.array(probs, dtype=np.float64)).astype(np.float32)
        self.vocabulary_size = self.table.shape[1]

    def null_state(self, batch):
        return np.zeros(batch, dtype=np.int64)

    def advance(self, state, token_ids, lengths=None):
        ends = [len(token_ids)] * len(state) if lengths is None else lengths
        return np.array([[last, *column][end] for last, column, end in zip(state, token_ids.T, ends, strict=True)])

    def select_columns(self, state, columns):
        return state[columns]

    def join(self, states):
        return np.concatenate(states)

    def log_probs(self, state):
        return self.table[state]

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        there = np.arange(len(inputs))[:, None] < lengths
        found = np.where(there, self.table[inputs, targets].astype(np.float64), 0.0)
        return Scores(found, None), self.advance(state, inputs, lengths)


@pytest.fixture(scope="session")
def make_bigram() -> Callable[[int | list[list[float]]], LanguageModel]:
    """`make_bigram(probs)`, the rows of a table (V, V); or `make_bigram(seed)`, nine words and random rows."""

    def make(probs: int | list[list[float]]) -> LanguageModel:
        return Bigram(np.random.default_rng(probs).dirichlet(np.ones(9), 9) if isinstance(probs, int) else probs)

    return make


@pytest.fixture(scope="session")
def make_lstm() -> Callable[..., LanguageModel]:
    """`make_lstm(seed, hidden_units=4)`: nine words, random weights."""

    def make(seed: int, hidden_units: int = 4) -> LanguageModel:
        sizes = LSTMSizes(
            vocabulary_size=9,
            embedding_dim=3,
            hidden_units=hidden_units,
            layers=1,
            tied=False,
            clusters=one_cluster(9, hidden_units),
        )
        return LSTMLanguageModel(sizes, drawn(weight_shapes(sizes), seed=seed))

    return make

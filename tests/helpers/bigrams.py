"""A model whose probabilities a test writes down: those of the next token depend on the last one alone."""

from __future__ import annotations

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.base import LanguageModel


class Bigrams(LanguageModel):
    """A model with the probability of each token after each token, (V, V). The state is the last token, (B,)."""

    def __init__(self, probs):
        with np.errstate(divide="ignore"):
            self.table = np.log(np.array(probs, dtype=np.float64)).astype(np.float32)
        self.vocabulary_size = len(self.table)

    def null_state(self, batch):
        return np.full(batch, SENTENCE_END_ID)

    def advance(self, state, token_ids, lengths=None):
        lengths = np.full(len(state), len(token_ids)) if lengths is None else lengths
        read = np.concatenate([state[None], token_ids])
        return read[lengths, np.arange(len(state))]

    def select_columns(self, state, columns):
        return state[columns]

    def join(self, states):
        return np.concatenate(states)

    def log_probs(self, state):
        return self.table[state]

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        raise NotImplementedError

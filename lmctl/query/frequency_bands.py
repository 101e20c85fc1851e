"""How well a model predicts words of different frequency.

The tokens of a text are put into bands by the count of the token in the training text. Out-of-vocabulary words and
ends of sentences have bands of their own. The bands do not overlap, so their tokens and their nats add up to those
of the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, UNKNOWN_ID
from lmctl.perplexity import perplexity_of
from lmctl.query.bands import COUNTS, OOV, band_names, bands_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array, IntArray

_NAMES = [*band_names(COUNTS), OOV, SENTENCE_END]
_OOV_BAND, _END_BAND = len(COUNTS), len(COUNTS) + 1


@dataclass(frozen=True, slots=True)
class Band:
    """The tokens of a text that belong to one band.

    Attributes:
        name: the counts (`band_names`); `oov` for OOVs, `</s>` for ends of sentences.
        tokens: number of tokens of the text.
        nats: sum of -ln p over them; infinite if one has probability 0.
    """

    name: str
    tokens: int
    nats: float

    @property
    def perplexity(self) -> float:
        """The exponential of the mean nats."""
        return perplexity_of(self.nats / self.tokens)


class BandTally:
    """Adds up the log probabilities of tokens, band by band.

    Args:
        counts: number of occurrences of each token in the training text, by id, (V,).
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._band_of_id = bands_of(COUNTS, np.array(counts))
        self._band_of_id[[UNKNOWN_ID, SENTENCE_END_ID]] = _OOV_BAND, _END_BAND
        self._tokens = np.zeros(_END_BAND + 1, dtype=np.int64)
        self._nats = np.zeros(_END_BAND + 1)

    def add(self, token_ids: IntArray, log_probs: Float64Array) -> None:
        """Add tokens with their natural log probabilities, both (N,)."""
        bands = self._band_of_id[token_ids]
        self._tokens += np.bincount(bands, minlength=len(self._tokens))
        self._nats -= np.bincount(bands, log_probs, minlength=len(self._nats))

    def bands(self) -> list[Band]:
        """Return the bands that have tokens: words from rare to frequent, then OOVs, then ends of sentences."""
        return [
            Band(name, int(tokens), 0.0 + float(nats))
            for name, tokens, nats in zip(_NAMES, self._tokens, self._nats, strict=True)
            if tokens
        ]

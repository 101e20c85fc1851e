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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array, IntArray

OOV = "oov"
# The least count of each band; a band reaches to the count before the next one.
COUNTS = (0, 1, 2, 10, 100, 1_000, 10_000)
_OOV_BAND, _END_BAND = len(COUNTS), len(COUNTS) + 1


@dataclass(frozen=True, slots=True)
class Band:
    """The tokens of a text that belong to one band.

    Attributes:
        name: the counts: `1` if there is one, `2-9` if there are several, `10000-` for the last band; `oov` for
            OOVs, `</s>` for ends of sentences.
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
        self._band_of_id = np.searchsorted(COUNTS, np.array(counts), side="right") - 1
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
            Band(_named(place), int(tokens), 0.0 + float(nats))
            for place, (tokens, nats) in enumerate(zip(self._tokens, self._nats, strict=True))
            if tokens
        ]


def _named(place: int) -> str:
    """The name of a band."""
    if place >= len(COUNTS):
        return OOV if place == _OOV_BAND else SENTENCE_END
    least = COUNTS[place]
    if place == len(COUNTS) - 1:
        return f"{least}-"
    return str(least) if COUNTS[place + 1] == least + 1 else f"{least}-{COUNTS[place + 1] - 1}"

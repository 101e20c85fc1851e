"""What KenLM and SRILM make of a score: log10 in float32, added up in their order.

An n-gram model's terms are turned into the decimals of its ARPA file, so that the numbers are those that these
programs print, nearly always to the last digit. A network's log probabilities are only turned into log10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.log10 import LN_10, LOG10_ZERO, log10_of
from lmctl.perplexity import perplexity_of_log10

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import FloatArray
    from lmctl.query.scoring import SentenceScore


# Digits of a network's figures.
DIGITS = 6
# What SRILM prints of a float32 (lm/src/Prob.cc, LogP_Precision).
SRILM_DIGITS = 7


def log10_probs(score: SentenceScore, zero: float) -> FloatArray:
    """Log10 probabilities of a sentence's tokens: float32 of n-grams, float64 of a network.

    Args:
        score: of the sentence.
        zero: what a probability or back-off of zero counts as: -99 in KenLM, -inf in SRILM.
    """
    if score.ngram_terms is None:
        return score.log_probs / LN_10
    terms = log10_of(score.ngram_terms)
    if zero != LOG10_ZERO:
        terms[np.isneginf(score.ngram_terms)] = zero
    # From the shortest context to the longest, each sum a float32.
    added: FloatArray = np.add.accumulate(terms.astype(np.float32), axis=0, dtype=np.float32)[-1]
    return added


def ngram_lengths(score: SentenceScore) -> Sequence[int]:
    """Length of the n-gram of each token; a network reads all from the sentence's start, `<s>` first."""
    if score.ngram_lengths is not None:
        return score.ngram_lengths.tolist()  # type: ignore[no-any-return]
    return range(2, len(score.token_ids) + 2)


class KenLMTally:
    """Adds up sentences as KenLM's `query` does (lm/ngram_query.hh)."""

    def __init__(self) -> None:
        self._tokens = self._oov = 0
        self._total = self._of_oov = 0.0

    def add(self, log10s: FloatArray, score: SentenceScore) -> np.floating[Any]:
        """Count a sentence, given its tokens' `log10_probs`; what it comes to."""
        total: np.floating[Any] = np.add.accumulate(log10s)[-1]
        unknown = np.array(score.token_ids) == UNKNOWN_ID
        self._tokens += len(log10s)
        self._oov += int(np.count_nonzero(unknown))
        self._total += float(total)
        self._of_oov += float(log10s[unknown].sum(dtype=np.float64))
        return total

    def perplexity(self) -> float:
        """Including OOVs."""
        return perplexity_of_log10(-self._total / self._tokens)

    def perplexity_excluding_oov(self) -> float:
        """Excluding OOVs."""
        return perplexity_of_log10(-(self._total - self._of_oov) / (self._tokens - self._oov))

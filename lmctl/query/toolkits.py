"""Scores as KenLM and SRILM print them: log10 in float32, summed in the same order.

The terms of an n-gram model are converted to the decimals of its ARPA file. The results then equal the output of
these programs, nearly always to the last digit. Log probabilities of a network are only converted to log10.
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
    from lmctl.query.sentence_scores import SentenceScore


# Decimals printed for a network.
DIGITS = 6
# Significant digits that SRILM prints (lm/src/Prob.cc, LogP_Precision).
SRILM_DIGITS = 7


def log10_probs(score: SentenceScore, zero: float) -> FloatArray:
    """Return the log10 probabilities of a sentence's tokens: float32 for n-grams, float64 for a network.

    Args:
        score: score of the sentence.
        zero: log10 of a zero probability or back-off: -99 in KenLM, -inf in SRILM.
    """
    if score.ngram_terms is None:
        return score.log_probs / LN_10
    terms = log10_of(score.ngram_terms)
    if zero != LOG10_ZERO:
        terms[np.isneginf(score.ngram_terms)] = zero
    # Summed from the shortest context to the longest, and each sum is rounded to float32.
    added: FloatArray = np.add.accumulate(terms.astype(np.float32), axis=0, dtype=np.float32)[-1]
    return added


def ngram_lengths(score: SentenceScore) -> Sequence[int]:
    """Return the length of the n-gram of each token; for a network, the number of tokens from `<s>` on."""
    if score.ngram_lengths is not None:
        return score.ngram_lengths.tolist()  # type: ignore[no-any-return]
    return range(2, len(score.token_ids) + 2)


class KenLMTally:
    """Adds up sentences as KenLM's `query` does (lm/ngram_query.hh)."""

    def __init__(self) -> None:
        self._tokens = self._oov = 0
        self._total = self._of_oov = 0.0

    def add(self, log10s: FloatArray, score: SentenceScore) -> np.floating[Any]:
        """Add a sentence, given the `log10_probs` of its tokens, and return their sum."""
        total: np.floating[Any] = np.add.accumulate(log10s)[-1]
        unknown = np.array(score.token_ids) == UNKNOWN_ID
        self._tokens += len(log10s)
        self._oov += int(np.count_nonzero(unknown))
        self._total += float(total)
        self._of_oov += float(log10s[unknown].sum(dtype=np.float64))
        return total

    def perplexity(self) -> float:
        """Return the perplexity including OOVs."""
        return perplexity_of_log10(-self._total / self._tokens)

    def perplexity_excluding_oov(self) -> float:
        """Return the perplexity excluding OOVs."""
        return perplexity_of_log10(-(self._total - self._of_oov) / (self._tokens - self._oov))

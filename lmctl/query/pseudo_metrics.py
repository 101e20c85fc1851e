"""Pseudo-perplexity and other figures of a text under a model that fills gaps, as docs/metrics.md defines them.

Let P be the sum of the natural log probabilities of all W words, each given all other words of its sentence, and
O the number of OOVs among them. The pseudo-perplexity is exp(-P / W) (Salazar et al. 2020, arXiv:1910.14659). It
is no perplexity, because P is not the log probability of the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.perplexity import perplexity_of
from lmctl.query.metrics import LN_2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.corpus.characters import CharacterUnigram
    from lmctl.query.gap_scoring import GapScore


class PseudoFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one text under a model that fills gaps.

    Attributes:
        sentences: number of sentences with words.
        words: W, all of which were scored.
        oov: O.
        oov_rate: O / W.
        characters: number of code points of the words, without blanks.
        pll: P, the pseudo-log-likelihood in nats, an OOV scored as `<unk>`.
        pll_excluding_oov: P without the terms of OOVs.
        pseudo_perplexity: exp(-P / W).
        pseudo_perplexity_excluding_oov: OOV terms left out of P and of the count; None if all words are OOVs.
        pseudo_cross_entropy_nats: -P / W.
        pseudo_bits_per_character: bits of all words and of the spelling of OOVs, a character; None if stop words
            were removed.
        accuracy: share of words that were among the k most probable, by k; None if ranks were not computed.
        mean_reciprocal_rank: mean of 1 / rank; None if ranks were not computed.
        vocabulary_size: V.
    """

    sentences: int
    words: int
    oov: int
    oov_rate: float
    characters: int
    pll: float
    pll_excluding_oov: float
    pseudo_perplexity: float
    pseudo_perplexity_excluding_oov: float | None
    pseudo_cross_entropy_nats: float
    pseudo_bits_per_character: float | None
    accuracy: dict[str, float] | None
    mean_reciprocal_rank: float | None
    vocabulary_size: int


class PseudoTally:
    """Adds up the scores of sentences; every sum is a float64.

    Args:
        spelling: the character model that OOVs are spelled with; None: no bits per character.
        accuracy_at: the values of k for accuracy@k; empty: ranks are ignored.
        length_of: see `TextModel.length_of`.
    """

    def __init__(
        self,
        spelling: CharacterUnigram | None = None,
        accuracy_at: Sequence[int] = (),
        length_of: Callable[[str], int] = len,
    ) -> None:
        self._spelling = spelling
        self._length_of = length_of
        self._hits = dict.fromkeys(accuracy_at, 0)
        self._reciprocal_ranks = 0.0
        self._nats = 0.0
        self._known_nats = 0.0
        self._spelling_bits = 0.0
        self.sentences = self.words = self.oov = self.characters = 0

    def add(self, score: GapScore) -> None:
        """Add the scores of the words of one sentence."""
        is_known = np.array(score.token_ids) != UNKNOWN_ID
        self.sentences += 1
        self.words += len(score.words)
        self.oov += score.oov
        self.characters += sum(map(self._length_of, score.words))
        self._nats -= score.pseudo_log_likelihood
        self._known_nats -= float(score.log_probs[is_known].sum())
        if self._spelling is not None:
            unknown = (word for word, known in zip(score.words, is_known.tolist(), strict=True) if not known)
            self._spelling_bits += sum(map(self._spelling.spelling_bits, unknown))
        if score.ranks is not None:
            # An OOV is a miss, whatever rank `<unk>` has.
            ranks = score.ranks[is_known].tolist()
            self._reciprocal_ranks += sum(1.0 / rank for rank in ranks)
            for k in self._hits:
                self._hits[k] += sum(rank <= k for rank in ranks)

    @property
    def bits(self) -> float:
        """Bits of all words, and of the spelling of OOVs."""
        return self._nats / LN_2 + self._spelling_bits

    @property
    def bits_per_character(self) -> float | None:
        """See `PseudoFigures.pseudo_bits_per_character`; at least one word must have been added."""
        if self._spelling is None:
            return None
        # A text of nothing but the character that pieces have for blanks has no others.
        return self.bits / max(self.characters, 1)

    def figures(self, vocabulary_size: int) -> PseudoFigures:
        """Return the figures; at least one word must have been added."""
        known = self.words - self.oov
        return PseudoFigures(
            sentences=self.sentences,
            words=self.words,
            oov=self.oov,
            oov_rate=self.oov / self.words,
            characters=self.characters,
            pll=0.0 - self._nats,
            pll_excluding_oov=0.0 - self._known_nats,
            pseudo_perplexity=perplexity_of(self._nats / self.words),
            pseudo_perplexity_excluding_oov=perplexity_of(self._known_nats / known) if known else None,
            pseudo_cross_entropy_nats=self._nats / self.words,
            pseudo_bits_per_character=self.bits_per_character,
            accuracy={str(k): hits / self.words for k, hits in self._hits.items()} if self._hits else None,
            mean_reciprocal_rank=self._reciprocal_ranks / self.words if self._hits else None,
            vocabulary_size=vocabulary_size,
        )


def pseudo_sentence_figures(score: GapScore) -> PseudoFigures:
    """Return the figures of one sentence; their mean over a text is not the figure of the text."""
    tally = PseudoTally()
    tally.add(score)
    return tally.figures(vocabulary_size=0)

"""Perplexities and other figures of a text, as docs/metrics.md defines them.

Let L be the sum of the log10 probabilities of all scored tokens, W the number of words, O the number of OOVs among
them, and S the number of sentences. The perplexity including OOVs is 10^(-L / (W + S)), as in KenLM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.log10 import LN_10
from lmctl.perplexity import perplexity_of
from lmctl.query.bootstrap import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import BoolArray, Float64Array, IntArray
    from lmctl.corpus.characters import CharacterUnigram
    from lmctl.query.sentence_scores import SentenceScore, WindowScores

LN_2 = math.log(2.0)
# So many spellings are remembered, because a few OOVs make up most of them.
SPELLINGS = 1 << 14


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one text under one model.

    Attributes:
        sentences: S.
        words: W.
        oov: O.
        tokens: W + S, the number of scored tokens.
        oov_rate: O / W.
        characters: number of code points of the normalised lines, and one for each line end.
        logprob10: L, log10 of the probability of the text, an OOV scored as `<unk>`.
        logprob10_excluding_oov: the same with OOV terms left out.
        perplexity: including OOVs, 10^(-L / (W + S)).
        perplexity_excluding_oov: OOV terms left out of L and of the count.
        zeroprobs: Z, tokens of probability 0 that are not OOVs.
        srilm_logprob10: L without the terms of OOVs and zeroprobs, as SRILM's logprob.
        srilm_ppl: perplexity from srilm_logprob10, with OOVs and zeroprobs left out of the count, too.
        ppl1: the same, but `</s>` is also left out of the count (not of the sum), as SRILM's ppl1.
        cross_entropy_nats: mean of -ln p over the tokens.
        bits_per_character: bits of all tokens and of the spelling of OOVs, a character; None if stop words were
            removed.
        accuracy: share of tokens that were among the k most probable, by k; None if ranks were not computed.
        mean_reciprocal_rank: mean of 1 / rank; None if ranks were not computed.
        vocabulary_size: V.
        state: "reset" or "carry".
        cache: number of words in the cache; 0: no cache.
        dynamic_rate: size of a step of dynamic evaluation; None: the weights did not change.
        interval: of `perplexity`, by resampling lines; None: not computed.
    """

    sentences: int
    words: int
    oov: int
    tokens: int
    oov_rate: float
    characters: int
    logprob10: float
    logprob10_excluding_oov: float
    perplexity: float
    perplexity_excluding_oov: float
    zeroprobs: int
    srilm_logprob10: float
    srilm_ppl: float
    ppl1: float
    cross_entropy_nats: float
    bits_per_character: float | None
    accuracy: dict[str, float] | None
    mean_reciprocal_rank: float | None
    vocabulary_size: int
    state: str
    cache: int
    dynamic_rate: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class SentenceSums:
    """What the figures of a text need of some of its sentences. Can be sent from a worker process.

    Attributes:
        sentences: number of sentences.
        words: number of words.
        oov: number of OOVs.
        zeroprobs: number of tokens of probability 0 that are not OOVs.
        characters: of all sentences.
        total: the natural log probability of each sentence, (sentences,).
        known: the same without OOVs.
        possible: the same without OOVs and zeroprobs.
        spelling_bits: bits of spelling the OOVs of each sentence that has some.
    """

    sentences: int
    words: int
    oov: int
    zeroprobs: int
    characters: int
    total: Float64Array
    known: Float64Array
    possible: Float64Array
    spelling_bits: list[float]


class Tally:
    """Adds up the scores of sentences; every sum is a float64.

    Args:
        spelling: the character model that OOVs are spelled with; None: no bits per character.
        accuracy_at: the values of k for accuracy@k; empty: ranks are ignored.
    """

    def __init__(self, spelling: CharacterUnigram | None, accuracy_at: Sequence[int] = ()) -> None:
        self._spelling_bits_of = None if spelling is None else lru_cache(SPELLINGS)(spelling.spelling_bits)
        self._hits = dict.fromkeys(accuracy_at, 0)
        self._reciprocal_ranks = 0.0
        self._spelling_bits = 0.0
        self._total_nats = 0.0
        self._known_nats = 0.0
        self._possible_nats = 0.0
        self.sentences = self.words = self.oov = self.zeroprobs = self.characters = 0

    def add(self, score: SentenceScore) -> None:
        """Add the score of one sentence."""
        token_ids, lengths = np.array(score.token_ids), np.array([len(score.token_ids)])
        self.add_sums(self._sums(token_ids, score.log_probs, lengths, [score.words], score.characters))
        if score.ranks is not None:
            self._add_ranks(score.ranks[token_ids != UNKNOWN_ID].tolist())

    def add_window(self, window: WindowScores) -> None:
        """Add the scores of a window of sentences. The result is that of `add` for one after the other."""
        self.add_sums(self.sums_of(window))
        if window.tokens.ranks is not None:
            known = window.token_ids != UNKNOWN_ID
            for first, stop in zip([0, *window.ends[:-1].tolist()], window.ends.tolist(), strict=True):
                self._add_ranks(window.tokens.ranks[first:stop][known[first:stop]].tolist())

    def sums_of(self, window: WindowScores) -> SentenceSums:
        """What `add_sums` needs of a window of sentences; nothing is added yet."""
        return self._sums(
            window.token_ids,
            window.tokens.log_probs,
            np.diff(window.ends, prepend=0),
            [line.text.words for line in window.lines],
            sum(line.text.characters + 1 for line in window.lines),
        )

    def add_sums(self, sums: SentenceSums) -> None:
        """Add sentences. The last digits do not depend on how a text is divided into windows."""
        self.sentences += sums.sentences
        self.words += sums.words
        self.oov += sums.oov
        self.zeroprobs += sums.zeroprobs
        self.characters += sums.characters
        self._total_nats = _less(self._total_nats, sums.total)
        self._known_nats = _less(self._known_nats, sums.known)
        self._possible_nats = _less(self._possible_nats, sums.possible)
        for bits in sums.spelling_bits:
            self._spelling_bits += bits

    def _sums(
        self,
        token_ids: IntArray,
        log_probs: Float64Array,
        lengths: IntArray,
        words: Sequence[list[str]],
        characters: int,
    ) -> SentenceSums:
        """The sums of sentences, given their tokens one after the other, (N,), and the tokens of each."""
        unknown = token_ids == UNKNOWN_ID
        possible = ~unknown & (log_probs > -np.inf)
        oov = int(np.count_nonzero(unknown))
        return SentenceSums(
            sentences=len(lengths),
            words=len(token_ids) - len(lengths),
            oov=oov,
            zeroprobs=len(token_ids) - oov - int(np.count_nonzero(possible)),
            characters=characters,
            total=sums_of_sentences(log_probs, lengths),
            known=sums_of_sentences(log_probs, lengths, ~unknown),
            possible=sums_of_sentences(log_probs, lengths, possible),
            spelling_bits=self._spelled(np.flatnonzero(unknown), lengths, words),
        )

    def _spelled(self, places: IntArray, lengths: IntArray, words: Sequence[list[str]]) -> list[float]:
        """The bits of spelling the OOVs of each sentence that has some, given their places among all tokens."""
        if self._spelling_bits_of is None:
            return []
        ends = np.cumsum(lengths)
        sentences = np.searchsorted(ends, places, side="right")
        bits: dict[int, list[float]] = {}
        for sentence, place in zip(
            sentences.tolist(), (places - (ends - lengths)[sentences]).tolist(), strict=True
        ):
            bits.setdefault(sentence, []).append(self._spelling_bits_of(words[sentence][place]))
        return [sum(of_sentence) for of_sentence in bits.values()]

    def _add_ranks(self, ranks: list[int]) -> None:
        """Add the ranks of the known words of a sentence.

        An OOV cannot be predicted. It counts as a miss, also if `<unk>` has rank 1.
        """
        self._reciprocal_ranks += sum(1.0 / rank for rank in ranks)
        for k in self._hits:
            self._hits[k] += sum(rank <= k for rank in ranks)

    @property
    def bits(self) -> float:
        """Bits of all tokens, and of the spelling of OOVs."""
        return self._total_nats / LN_2 + self._spelling_bits

    def figures(
        self, vocabulary_size: int, state: str, cache: int = 0, dynamic_rate: float | None = None
    ) -> Figures:
        """Return the figures; at least one sentence must have been added."""
        # Below, 0 and not -0 for a certain text.
        tokens = self.words + self.sentences
        possible = tokens - self.oov - self.zeroprobs
        return Figures(
            sentences=self.sentences,
            words=self.words,
            oov=self.oov,
            tokens=tokens,
            oov_rate=self.oov / self.words if self.words else 0.0,
            characters=self.characters,
            logprob10=0.0 - self._total_nats / LN_10,
            logprob10_excluding_oov=0.0 - self._known_nats / LN_10,
            perplexity=perplexity_of(self._total_nats / tokens),
            perplexity_excluding_oov=perplexity_of(self._known_nats / (tokens - self.oov)),
            zeroprobs=self.zeroprobs,
            srilm_logprob10=0.0 - self._possible_nats / LN_10,
            srilm_ppl=perplexity_of(self._possible_nats / possible) if possible else math.inf,
            ppl1=perplexity_of(self._possible_nats / (possible - self.sentences))
            if possible > self.sentences
            else math.inf,
            cross_entropy_nats=self._total_nats / tokens,
            bits_per_character=None if self._spelling_bits_of is None else self.bits / self.characters,
            accuracy={str(k): hits / tokens for k, hits in self._hits.items()} if self._hits else None,
            mean_reciprocal_rank=self._reciprocal_ranks / tokens if self._hits else None,
            vocabulary_size=vocabulary_size,
            state=state,
            cache=cache,
            dynamic_rate=dynamic_rate,
        )


def surprisal_bits(log_prob: float) -> float:
    """-log2 of a probability, given its natural logarithm; 0 and not -0 for a certain word."""
    return 0.0 - log_prob / LN_2


def sentence_figures(score: SentenceScore) -> Figures:
    """Return the figures of one sentence; their mean over a text is not the figure of the text."""
    tally = Tally(None)
    tally.add(score)
    return tally.figures(vocabulary_size=0, state="")


def _less(total: float, amounts: Float64Array) -> float:
    """The total less the amounts, one after the other, so that the last digits do not depend on windows."""
    for amount in amounts.tolist():
        total -= amount
    return total


def sums_of_sentences(values: Float64Array, lengths: IntArray, there: BoolArray | None = None) -> Float64Array:
    """The sum of the values of each sentence, (sentences,), with the last digits of `ndarray.sum`.

    Args:
        values: of the tokens of all sentences, (N,).
        lengths: the number of tokens of each sentence, (sentences,).
        there: whether each value is one of the sum, (N,); None: all are.
    """
    sentences = np.repeat(np.arange(len(lengths)), lengths)
    if there is not None:
        values, sentences = values[there], sentences[there]
        lengths = np.bincount(sentences, minlength=len(lengths))
    # `reduceat` starts from the first value and adds the sum of the others; `sum` starts from 0.
    from_zero = np.zeros(len(values) + len(lengths))
    from_zero[np.arange(1, len(values) + 1) + sentences] = values
    return np.add.reduceat(from_zero, np.cumsum(lengths) - lengths + np.arange(len(lengths)))

"""Score the validation text with a finished model, in the same way as a query.

Of a model that fills gaps, a sample of the words is scored, each given all others of its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl import families
from lmctl.corpus.batches import spread_order
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.deadline import NEVER, paced
from lmctl.families import load_language_model, load_model
from lmctl.families.gap_model import GapModel
from lmctl.perplexity import perplexity_of
from lmctl.progress import Meter
from lmctl.query.gap_scoring import FEWEST_TIMED_GAPS, SAMPLED_WORDS, sampled_gaps, score_gaps, sentences_of
from lmctl.query.scoring import token_log_probs

if TYPE_CHECKING:
    from lmctl.arrays import Float64Array
    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.store.bundle import Bundle


class ValidFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the validation text, as in metrics.json.

    Attributes:
        includes_oov: whether OOVs count.
        state: "carry" or "reset".
        oov_rate: share of the words of the whole text that are not in the vocabulary.
        tokens: how many were read; fewer than the text has if a time limit left no time for all.
    """

    cross_entropy_nats: float
    perplexity: float
    includes_oov: bool
    state: str
    vocabulary_size: int
    oov_rate: float
    tokens: int


class ValidGapsFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the validation text under a model that fills gaps, as in metrics.json.

    Attributes:
        pseudo_cross_entropy_nats: mean of -ln p over the scored words.
        pseudo_perplexity: exp of it.
        scored_words: how many words were hidden and scored; they are spread evenly over the text.
        includes_oov: whether OOVs count.
        oov_rate: share of the words that are not in the vocabulary.
    """

    pseudo_cross_entropy_nats: float
    pseudo_perplexity: float
    scored_words: int
    includes_oov: bool
    vocabulary_size: int
    oov_rate: float


@dataclass(frozen=True, slots=True)
class ValidScores:
    """Log probabilities of the validation text, or of its beginning.

    Attributes:
        log_probs: natural logs, of the tokens that count, (N,).
        includes_oov: whether OOVs count; they do not if the training text has no unknown word.
        tokens: number of tokens that were scored, counted or not.
    """

    log_probs: Float64Array
    includes_oov: bool
    tokens: int

    def beginning(self, other: ValidScores) -> ValidScores:
        """The scores of the tokens that another model has scored, too."""
        if other.tokens >= self.tokens:
            return self
        return ValidScores(self.log_probs[: len(other.log_probs)], self.includes_oov, other.tokens)

    @property
    def cross_entropy_nats(self) -> float:
        """Mean nats per token."""
        return float(-self.log_probs.mean())

    @property
    def perplexity(self) -> float:
        """Infinite if a token is impossible."""
        return perplexity_of(self.cross_entropy_nats)


def score_valid(
    bundle: Bundle, corpus: PreparedCorpus, config: Config, deadline: Deadline = NEVER
) -> ValidScores | None:
    """Score the validation text with a model; None if there is none, or if no token of the scored part counts.

    Args:
        bundle: the model.
        corpus: the corpus.
        config: the resolved configuration.
        deadline: see `token_log_probs`.
    """
    token_ids = corpus.valid.astype(np.int64)
    includes_oov = corpus.record.train.oov > 0
    if not includes_oov and not (token_ids != UNKNOWN_ID).any():
        return None
    if not len(token_ids):
        return None
    log_probs = token_log_probs(
        load_language_model(bundle),
        token_ids,
        state=config.validation.state,
        threads=config.device.threads,
        deadline=deadline,
    )
    tokens = len(log_probs)
    if not includes_oov:
        log_probs = log_probs[token_ids[:tokens] != UNKNOWN_ID]
    return ValidScores(log_probs, includes_oov, tokens) if len(log_probs) else None


def valid_figures(scores: ValidScores, corpus: PreparedCorpus, config: Config) -> ValidFigures:
    """The figures of the validation text."""
    return figures_of(scores.cross_entropy_nats, scores.tokens, corpus, config)


def own_figures(bundle: Bundle, corpus: PreparedCorpus) -> dict[str, float] | None:
    """The figures that only the family of a model has (`Family.own_figures`), from the validation text; or None.

    If OOVs do not count, sentences with one are left out.
    """
    token_ids = corpus.valid.astype(np.int64)
    if not corpus.record.train.oov:
        sentences = np.split(token_ids, np.flatnonzero(token_ids == SENTENCE_END_ID) + 1)
        without = [sentence for sentence in sentences if not (sentence == UNKNOWN_ID).any()]
        token_ids = np.concatenate([token_ids[:0], *without])
    return families.find(bundle.family).own_figures(bundle, token_ids) or None


def figures_of(cross_entropy_nats: float, tokens: int, corpus: PreparedCorpus, config: Config) -> ValidFigures:
    """The figures of the validation text, from the mean nats per token of the scored tokens."""
    return ValidFigures(
        cross_entropy_nats=cross_entropy_nats,
        perplexity=perplexity_of(cross_entropy_nats),
        includes_oov=corpus.record.train.oov > 0,
        state=config.validation.state,
        vocabulary_size=len(corpus.vocabulary),
        oov_rate=corpus.record.valid.oov_rate,
        tokens=tokens,
    )


def valid_gaps_figures(
    bundle: Bundle, corpus: PreparedCorpus, config: Config, deadline: Deadline = NEVER
) -> ValidGapsFigures | None:
    """Score words of the validation text with a model that fills gaps; None if there is none to score.

    Args:
        bundle: the model.
        corpus: the corpus.
        config: the resolved configuration.
        deadline: fewer words are scored if it comes before the end.
    """
    model = load_model(bundle)
    if not isinstance(model, GapModel):
        raise TypeError(f"{bundle.family} does not fill gaps")
    log_probs = sampled_log_probs(model, corpus, SAMPLED_WORDS, config.device.threads, deadline)
    if not len(log_probs):
        return None
    nats = float(-log_probs.mean())
    return ValidGapsFigures(
        pseudo_cross_entropy_nats=nats,
        pseudo_perplexity=perplexity_of(nats),
        scored_words=len(log_probs),
        includes_oov=corpus.record.train.oov > 0,
        vocabulary_size=len(corpus.vocabulary),
        oov_rate=corpus.record.valid.oov_rate,
    )


def sampled_log_probs(
    model: GapModel, corpus: PreparedCorpus, most: int, threads: int = 0, deadline: Deadline = NEVER
) -> Float64Array:
    """Natural log probabilities of words of the validation text, each given all others of its sentence, (N,).

    Args:
        model: the model.
        corpus: the corpus. If its training text has no unknown word, none is scored.
        most: number of words, spread evenly over the text; all if there are fewer.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        deadline: words are scored until then. They are spread over the text, however many there are.
    """
    sentences = sentences_of(corpus.valid.astype(np.int64))
    gaps = sampled_gaps(sentences, most, left_out=None if corpus.record.train.oov > 0 else UNKNOWN_ID)
    progress = Meter("scoring hidden words", len(gaps))
    progress.units_read = progress.tokens_read = len(gaps)
    in_order = [gaps[place] for place in spread_order(len(gaps))]
    found = [
        score_gaps(model, sentences, piece, threads=threads, meter=progress).log_probs
        for piece in paced(in_order, lambda _: 1, deadline, FEWEST_TIMED_GAPS, max(len(gaps), 1))
    ]
    return np.concatenate([np.zeros(0), *found])

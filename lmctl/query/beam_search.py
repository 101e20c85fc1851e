"""Beam search: the most probable continuations of a prompt, as far as a beam of K texts finds them.

Every unfinished text of the beam is continued by every token. Texts that end (`GrowingText.ended_by`) are
finished. Of the others, the K most probable ones are the next beam (Lowerre 1976, "The HARPY speech recognition
system"; Graves 2012, arXiv:1211.3711, section 3.2).

The score of a text is the sum of the natural log probabilities of its tokens, `</s>` included. It is not divided
by the length, so of two texts the shorter one often has the higher score. Texts with `<unk>` are left out. This
gives the order of the probabilities given that the text has no `<unk>`: all are divided by the same number.

A score can only fall while a text grows. So the search ends when enough finished texts have at least the score of
the best unfinished one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.layers.distributions import check_log_probs, largest
from lmctl.progress import tell

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.query.growing_text import GrowingText

# Columns times words of the distributions that are in memory at once.
NUMBERS_AT_ONCE = 1 << 22


class _Continuation(NamedTuple):
    """A token after a text of the beam.

    Attributes:
        score: the log probability of the text with the token.
        place: the place of the text in the beam.
        token_id: the token.
        log_prob: the log probability of the token after the text.
    """

    score: float
    place: int
    token_id: int
    log_prob: float


class BeamSearch:
    """Searches for the most probable continuations.

    Args:
        language_model: the model.
        beam: K, at least 1.
    """

    def __init__(self, language_model: LanguageModel[Any], beam: int) -> None:
        self._language_model = language_model
        self._beam = beam

    def run(self, state: Any, text: GrowingText, most: int) -> list[GrowingText]:
        """Continue a text until it ends.

        Args:
            state: the state after the prompt, one column.
            text: the text without added tokens.
            most: number of texts to return, at most K.

        Returns:
            Finished texts, of falling score. There are fewer than `most` if the limits allow no more.
        """
        texts, finished, dead = [text], [], []
        while texts:
            ended, continued = self._step(state, texts, most)
            dead += [grown for grown in ended if grown.ended_by == "dead end"]
            finished += [grown for grown in ended if grown.ended_by != "dead end"]
            finished = sorted(finished, key=lambda grown: -grown.log_prob)[:most]
            if not continued:
                break
            if len(finished) == most and finished[-1].log_prob >= continued[0].score:
                break
            texts = [_grown(texts[each.place], each.token_id, each.log_prob) for each in continued]
            tell(f"searching, {len(texts[0].token_ids):,} tokens")
            state = self._language_model.select_columns(state, np.array([each.place for each in continued]))
            state = self._language_model.advance(state, np.array([[each.token_id for each in continued]]))
        # A text that cannot go on is no whole text.
        dead.sort(key=lambda grown: -grown.log_prob)
        return [*finished, *dead][:most]

    def _step(
        self, state: Any, texts: list[GrowingText], most: int
    ) -> tuple[list[GrowingText], list[_Continuation]]:
        """Continue every text by every token.

        Returns:
            Texts that ended, the `most` best ones of each text; and the K best continuations that did not end, the
            best first.
        """
        ended: list[GrowingText] = []
        found: list[_Continuation] = []
        at_once = max(1, NUMBERS_AT_ONCE // self._language_model.vocabulary_size)
        for first in range(0, len(texts), at_once):
            places = np.arange(first, min(first + at_once, len(texts)))
            block = state if len(places) == len(texts) else self._language_model.select_columns(state, places)
            log_probs = self._language_model.log_probs(block).copy()
            check_log_probs(log_probs.max(axis=1))
            log_probs[:, UNKNOWN_ID] = -np.inf
            for place, of_text in zip(places.tolist(), log_probs, strict=True):
                of_text[list(texts[place].bans())] = -np.inf
                ended += _ended(texts[place], of_text, most)
            scores = np.array([texts[place].log_prob for place in places])
            found += _continued(scores, log_probs, first, self._beam)
        found.sort(key=lambda each: (-each.score, each.place, each.token_id))
        return ended, found[: self._beam]


def _continued(scores: Float64Array, log_probs: Float32Array, first: int, k: int) -> list[_Continuation]:
    """The k best continuations of some texts, without those of probability 0, in any order.

    Args:
        scores: the scores of the texts, (N,).
        log_probs: the log probabilities of tokens after them, (N, V).
        first: the place of the first text in the beam.
        k: number of continuations.
    """
    totals = (scores[:, None] + log_probs).ravel()
    k = min(k, int(np.count_nonzero(totals > -np.inf)))
    if not k:
        return []
    # Of equal scores, the earlier text and the smaller id are the better ones.
    (contenders,) = np.nonzero(totals >= np.partition(totals, len(totals) - k)[len(totals) - k])
    best = contenders[np.argsort(-totals[contenders], kind="stable")[:k]]
    texts, token_ids = np.divmod(best, log_probs.shape[1])
    return [
        _Continuation(score, first + text, token_id, log_prob)
        for score, text, token_id, log_prob in zip(
            totals[best].tolist(),
            texts.tolist(),
            token_ids.tolist(),
            log_probs[texts, token_ids].tolist(),
            strict=True,
        )
    ]


def _grown(text: GrowingText, token_id: int, log_prob: float) -> GrowingText:
    """A copy of a text with one more token."""
    grown = text.branch()
    grown.append(token_id, log_prob)
    return grown


def _ended(text: GrowingText, log_probs: Float32Array, most: int) -> list[GrowingText]:
    """Return the most probable continuations that end a text, and take those out of `log_probs`, (V,)."""
    if log_probs.max() == -np.inf:
        return [_grown(text, UNKNOWN_ID, -np.inf)]
    token_ids = np.array(text.ending_tokens(), dtype=np.int64)
    if text.ends_with_any_word:
        # The end of a sentence is no word. It may end the text, too.
        is_word = np.arange(len(log_probs)) != SENTENCE_END_ID
        token_ids = np.union1d(token_ids, np.flatnonzero(is_word))
    ended = [_grown(text, *each) for each in _most_probable(log_probs, token_ids, most)]
    log_probs[token_ids] = -np.inf
    return ended


def _most_probable(log_probs: Float32Array, token_ids: IntArray, k: int) -> list[tuple[int, float]]:
    """The k most probable of some tokens of a distribution (V,), without those of probability 0, best first."""
    ids, best = largest(log_probs[None, token_ids], token_ids, min(k, len(token_ids)))
    return [
        (token_id, log_prob)
        for token_id, log_prob in zip(ids[0].tolist(), best[0].tolist(), strict=True)
        if log_prob > -np.inf
    ]

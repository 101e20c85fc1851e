"""A text that grows token by token: when it ends, and which tokens would repeat an n-gram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmctl.corpus.vocabulary import SENTENCE_END_ID

if TYPE_CHECKING:
    from lmctl.query.stop_texts import StopTexts

EndedBy = Literal["words", "sentences", "stop", "dead end"]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a text ends, and what it may not repeat.

    Attributes:
        words: the most words that are added; `</s>` is no word.
        sentences: the text ends with this many `</s>`.
        stops: token ids of the sequences that end the text.
        stop_texts: texts that end the text in any pieces, for a model of pieces.
        no_repeat_ngram: N; no N tokens of a sentence occur twice in the text, the prompt included. None: any
            repetition is allowed. (Paulus, Xiong & Socher 2018, arXiv:1705.04304, section 2.5, with N = 3.)
    """

    words: int
    sentences: int
    stops: tuple[tuple[int, ...], ...] = ()
    no_repeat_ngram: int | None = None
    stop_texts: StopTexts | None = None


class GrowingText:
    """The tokens that a model has added to a prompt so far.

    Args:
        limits: when the text ends.
        prompt_ids: the tokens of the prompt.

    Attributes:
        token_ids: the added tokens.
        log_prob: the sum of their natural log probabilities in the distribution of the model.
        ended_by: the limit that ended the text; "dead end": no token had a probability above 0; None: it may grow.
    """

    def __init__(self, limits: Limits, prompt_ids: list[int]) -> None:
        self.token_ids: list[int] = []
        self.log_prob = 0.0
        self.ended_by: EndedBy | None = None
        self._limits = limits
        self._words = 0
        self._sentences = 0
        # The last N - 1 tokens of the sentence, and the tokens that have followed each N - 1 tokens.
        self._recent: tuple[int, ...] = ()
        self._followers: dict[tuple[int, ...], tuple[int, ...]] = {}
        for token_id in prompt_ids:
            self._note(token_id)

    def branch(self) -> GrowingText:
        """Return a copy, to continue it apart."""
        copy = GrowingText(self._limits, [])
        copy.token_ids = self.token_ids.copy()
        copy.log_prob, copy.ended_by = self.log_prob, self.ended_by
        copy._words, copy._sentences = self._words, self._sentences
        copy._recent, copy._followers = self._recent, self._followers.copy()
        return copy

    def bans(self) -> tuple[int, ...]:
        """Ids of the tokens that would repeat an n-gram. `</s>` is never one of them."""
        return self._followers.get(self._recent, ())

    def end_after(self, token_id: int) -> EndedBy | None:
        """Return the limit that a next token would reach; None: the text could grow on."""
        if token_id == SENTENCE_END_ID:
            return "sentences" if self._sentences + 1 == self._limits.sentences else None
        for stop in self._limits.stops:
            before = len(stop) - 1
            if token_id == stop[-1] and (not before or tuple(self.token_ids[-before:]) == stop[:-1]):
                return "stop"
        if self._limits.stop_texts is not None and self._limits.stop_texts.come_with(self.token_ids, token_id):
            return "stop"
        return "words" if self._words + 1 == self._limits.words else None

    def ending_tokens(self) -> list[int]:
        """Ids of the tokens that would end the text now, if it does not end with any word."""
        ids = {SENTENCE_END_ID, *(stop[-1] for stop in self._limits.stops)}
        if self._limits.stop_texts is not None:
            ids.update(self._limits.stop_texts.last_ids)
        return sorted(token_id for token_id in ids if self.end_after(token_id))

    @property
    def ends_with_any_word(self) -> bool:
        """Whether the next word is the last one."""
        return self._words + 1 == self._limits.words

    def append(self, token_id: int, log_prob: float) -> None:
        """Add a token.

        Args:
            token_id: its id.
            log_prob: its natural log probability; -inf: no token is possible, and the text ends without it.
        """
        if log_prob == -float("inf"):
            self.ended_by = "dead end"
            return
        self.ended_by = self.end_after(token_id)
        self.token_ids.append(token_id)
        self.log_prob += log_prob
        if token_id == SENTENCE_END_ID:
            self._sentences += 1
        else:
            self._words += 1
        self._note(token_id)

    def _note(self, token_id: int) -> None:
        length = self._limits.no_repeat_ngram
        if length is None:
            return
        if token_id == SENTENCE_END_ID:
            self._recent = ()
            return
        if len(self._recent) == length - 1:
            self._followers[self._recent] = (*self.bans(), token_id)
        # Not [-0:], which is everything.
        self._recent = (*self._recent, token_id)[-(length - 1) :] if length > 1 else ()

"""Whole words from a model whose tokens are pieces of words (the segmenter `sentencepiece`).

A word is a run of pieces between two borders. A border stands before a blank, on both sides of a punctuation mark
or symbol (an apostrophe and a hyphen belong to the word), and on both sides of a character of a script without
spaces. The probability of the word of the pieces a b, given that a word begins after the context, is

    P(a | context) P(b | context a) P(border | context a b) / P(border | context)

where P(border | ...) is the sum of the probabilities of the pieces before which a border stands, `</s>` included.
The pieces of a word are those that the segmenter cuts it into, as in `eval` and `surprisal`.

A word cannot be more probable than its first pieces. So the unfinished words are read in falling order of their
probability, until none of them can become one of the k best.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.arguments import texts_of
from lmctl.corpus.vocabulary import SENTENCE_END_ID, SPECIALS, UNKNOWN_ID
from lmctl.errors import UsageError, quoted
from lmctl.layers.distributions import check_log_probs
from lmctl.query.batching import read_side_by_side
from lmctl.query.prediction import Answer, Prediction, Predictor
from lmctl.query.words_of_pieces import Borders, Candidates, pieces_of, written
from lmctl.text.subwords import BOUNDARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lmctl.arrays import BoolArray, Float64Array, IntArray
    from lmctl.query.text_model import TextModel

# Unfinished words that are read together.
BATCH = 16
# Unfinished words that are read for a context by default.
LIMIT = 1000

# Natural log of a probability, and pieces by id.
_Finished = tuple[float, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class WordAnswer(Answer):
    """The words for one context.

    Attributes:
        exact: whether the words and their order are certain; False if a limit ended the search too early.
        unseen: the probability of all words that the search has not finished.
    """

    exact: bool
    unseen: float


class WordPredictor(Predictor):
    """Answers contexts with whole words.

    Args:
        model: a model whose tokens are pieces of words.
        limit: largest number of unfinished words that are read for a context.
        candidates: the only words that may be answers; None: all words.
        allow_unknown: whether `<unk>`, a piece that is not in the vocabulary, may be an answer.
        allow_sentence_end: whether `</s>` may be an answer.
        settings: as of `Predictor`.

    Raises:
        UsageError: the tokens of the model are no pieces, or pieces end with blanks; or no candidate can be an
            answer; or as raised by `Predictor`.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        limit: int = LIMIT,
        candidates: Iterable[str] | None = None,
        allow_unknown: bool = False,
        allow_sentence_end: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(model, **settings)
        segmenter = model.tokenizer.segmenter.identity.name
        if segmenter != "sentencepiece":
            raise UsageError(
                f"{model.bundle.folder}: its tokens are words already (segmenter {segmenter}); leave --words out"
            )
        self._limit = limit
        self._texts = model.vocabulary.words
        if endings := [text for text in self._texts if text.endswith(BOUNDARY) and text.strip(BOUNDARY)]:
            raise UsageError(
                f"{model.bundle.folder}: pieces of its SentencePiece model end with a blank, such as "
                f"{quoted(endings[0])}; --words expects blanks at the start of pieces alone"
            )
        starts_with_blank = model.tokenizer.segment("a")[0].startswith(BOUNDARY)
        self._borders = Borders(self._texts, lines_start_with_blanks=starts_with_blank)
        self._specials = [UNKNOWN_ID] * allow_unknown + [SENTENCE_END_ID] * allow_sentence_end
        self._candidates: Candidates | None = None
        if candidates is not None:
            self._candidates = Candidates(
                model, texts_of("candidates", candidates), may_be_none=allow_unknown or allow_sentence_end
            )
        # The last piece that was read into the carried state; "" at the start of a sentence. In the middle of one,
        # an unknown word ends before a blank or a mark, as after the boundary.
        self._last_piece = "" if self._before else BOUNDARY

    def answer(self, contexts: Sequence[str]) -> list[Answer]:
        """See `Predictor.answer`; each answer is a `WordAnswer`."""
        encoded = [self._model.encode(context) for context in contexts]
        found: list[Answer] = []
        for context, text, state in zip(contexts, encoded, self._states(contexts, encoded), strict=True):
            last_piece = text.words[-1] if text.words else self._last_piece
            if self.carries(context):
                self._last_piece = last_piece
            words, exact, unseen = self._search(state, last_piece)
            found.append(WordAnswer(context, self._unknown_words(text), words, exact, unseen))
        return found

    def _search(self, state: Any, last_piece: str) -> tuple[list[Prediction], bool, float]:
        """The best words after a state, whether they are certain, and the probability of the unfinished words."""
        log_probs = self._log_probs(state, [()])[0]
        starts = self._borders.after(last_piece)
        of_starts = _log_sum(log_probs[starts])
        if of_starts == -math.inf:
            # The context ends inside a word that a model without smoothing knows only with its end.
            return [], True, 0.0
        log_probs -= of_starts
        best: list[_Finished] = [(float(log_probs[special]), (special,)) for special in self._specials]
        best.sort(key=_falling)
        finished = sum(math.exp(log_probs[special]) for special in {SENTENCE_END_ID, *self._specials})
        starts[: len(SPECIALS)] = False
        if self._candidates is not None:
            starts &= self._candidates.useful
        unfinished = _Unfinished()
        # No more continuations of a word can be read than the limit allows, but candidates filter them.
        most = len(starts) if self._candidates else self._limit + 1
        unfinished.add((), log_probs, starts, most)
        read = 0
        while batch := unfinished.pop(min(BATCH, self._limit - read), above=self._bar(best)):
            if self._candidates is not None:
                batch = [each for each in batch if self._candidates.begin_with(each[1])]
            read += len(batch)
            if not batch:
                continue
            rows = self._log_probs(state, [token_ids for _, token_ids in batch])
            for (log_prob, token_ids), row in zip(batch, rows, strict=True):
                last = self._texts[token_ids[-1]]
                borders = self._borders.after(last)
                if last == BOUNDARY:
                    borders[:] = False
                elif self._is_word(token_ids):
                    of_word = log_prob + (0.0 if borders.all() else _log_sum(row[borders]))
                    finished += math.exp(of_word)
                    best.append((of_word, token_ids))
                continuing = ~borders & ~self._borders.at_boundary
                continuing[: len(SPECIALS)] = False
                if self._candidates is not None:
                    continuing &= self._candidates.useful
                unfinished.add(token_ids, row + log_prob, continuing, most)
            best = heapq.nsmallest(self._k, best, key=_falling)
        best = heapq.nsmallest(self._k, best, key=_falling)
        exact = unfinished.best() <= self._bar(best)
        return self._as_predictions(best), exact, max(0.0, 1.0 - finished)

    def _log_probs(self, state: Any, sequences: Sequence[Sequence[int]]) -> Float64Array:
        """Natural log probabilities of the next piece after each of several sequences of pieces, (N, V)."""
        columns = self._language_model.select_columns(state, np.zeros(len(sequences), dtype=np.int64))
        if any(sequences):
            columns = read_side_by_side(self._language_model, columns, sequences)
        log_probs = self._language_model.log_probs(columns)
        check_log_probs(log_probs)
        return log_probs.astype(np.float64)

    def _bar(self, best: Sequence[_Finished]) -> float:
        """The natural log of the probability that a word needs more than to be one of the k best."""
        lowest = math.log(self._threshold) if self._threshold else -math.inf
        return lowest if len(best) < self._k else max(lowest, best[self._k - 1][0])

    def _is_word(self, token_ids: Sequence[int]) -> bool:
        """Whether pieces are a word that may be answered, cut as the segmenter cuts it."""
        if self._candidates is not None:
            return self._candidates.has(token_ids)
        pieces = [self._texts[token_id] for token_id in token_ids]
        # The pieces of a word without a blank before it depend on the text on its left.
        return not pieces[0].startswith(BOUNDARY) or pieces_of(self._model, written(pieces)) == pieces

    def _as_predictions(self, best: Sequence[_Finished]) -> list[Prediction]:
        return [
            Prediction(written([self._texts[token_id] for token_id in token_ids]), math.exp(log_prob), log_prob)
            for log_prob, token_ids in best
            if math.exp(log_prob) >= self._threshold and log_prob > -math.inf
        ]


class _Unfinished:
    """Unfinished words, most probable first; of equally probable ones, that with the smaller ids first."""

    def __init__(self) -> None:
        # For each word that was continued: its pieces, and its continuations, best first.
        self._continued: list[tuple[tuple[int, ...], IntArray, Float64Array]] = []
        # The best continuation of each: -log probability, pieces, place in `_continued`, rank of the continuation.
        self._heap: list[tuple[float, tuple[int, ...], int, int]] = []

    def add(self, token_ids: tuple[int, ...], log_probs: Float64Array, allowed: BoolArray, most: int) -> None:
        """Add the continuations of a word by one piece.

        Args:
            token_ids: the pieces of the word.
            log_probs: the natural log of the probability of the word with each piece, (V,).
            allowed: the pieces that may continue the word, (V,).
            most: number of continuations that are kept, the best ones.
        """
        pieces = np.flatnonzero(allowed & (log_probs > -np.inf))
        pieces = pieces[np.argsort(-log_probs[pieces], kind="stable")[:most]]
        self._continued.append((token_ids, pieces, log_probs[pieces]))
        self._push(len(self._continued) - 1, 0)

    def best(self) -> float:
        """The largest log probability; -inf if there is no word."""
        return -self._heap[0][0] if self._heap else -math.inf

    def pop(self, most: int, above: float) -> list[_Finished]:
        """Remove and return the best words, at most so many, with a log probability above this one."""
        found: list[_Finished] = []
        while len(found) < most and self.best() > above:
            cost, token_ids, place, rank = heapq.heappop(self._heap)
            found.append((-cost, token_ids))
            self._push(place, rank + 1)
        return found

    def _push(self, place: int, rank: int) -> None:
        token_ids, pieces, log_probs = self._continued[place]
        if rank < len(pieces):
            word = (*token_ids, int(pieces[rank]))
            heapq.heappush(self._heap, (-float(log_probs[rank]), word, place, rank))


def _falling(word: _Finished) -> tuple[float, tuple[int, ...]]:
    return -word[0], word[1]


def _log_sum(log_probs: Float64Array) -> float:
    return float(np.logaddexp.reduce(log_probs, initial=-np.inf))

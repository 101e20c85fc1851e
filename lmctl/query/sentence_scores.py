"""The scores of sentences: of one, and of a window of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, UNKNOWN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.query.text_model import EncodedText


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """The log probabilities of one sentence.

    Attributes:
        words: the words of the text after segmentation.
        token_ids: ids of the words, and of `</s>` at the end; an OOV has the id of `<unk>`.
        log_probs: natural log probability of each token.
        ranks: rank of each token in its distribution, from 1; a tie gets the worst rank. None: not computed.
        characters: code points of the normalised line, plus one for its end.
        line: number of its line in the text, from 1; blank lines that are left out also count.
        ngram_lengths: length of the n-gram that gave each probability, the token included; None for models without
            n-grams.
        ngram_terms: the terms of each log probability, (N, tokens); see `Scores.ngram_terms`.
        entropies: entropy of the distribution that predicted each token, in nats. None: not computed.
        top_ids: the most probable token in place of each token; of equally probable ones the smallest id. None:
            not computed.
        top_log_probs: natural log probability of each of them. None: not computed.
    """

    words: list[str]
    token_ids: list[int]
    log_probs: Float64Array
    ranks: IntArray | None
    characters: int
    line: int = 1
    ngram_lengths: IntArray | None = None
    ngram_terms: Float32Array | None = None
    entropies: Float64Array | None = None
    top_ids: IntArray | None = None
    top_log_probs: Float64Array | None = None

    @property
    def oov(self) -> int:
        """Number of OOVs."""
        return self.token_ids.count(UNKNOWN_ID)

    @property
    def total_log_prob(self) -> float:
        """Natural log probability of the sentence, its end included."""
        return float(self.log_probs.sum())

    def _repr_html_(self) -> str:
        from lmctl.query.notebook import shaded

        return shaded([*self.words, SENTENCE_END], self.log_probs.tolist())


class EncodedLine(NamedTuple):
    """A line of a text after encoding; its number is counted from 1."""

    number: int
    text: EncodedText


class Tokens(NamedTuple):
    """The results for all tokens of a window, one after the other; see the attributes of `SentenceScore`."""

    log_probs: Float64Array
    ranks: IntArray | None
    ngram_lengths: IntArray | None
    ngram_terms: Float32Array | None
    entropies: Float64Array | None
    top_ids: IntArray | None
    top_log_probs: Float64Array | None

    def at(self, there: Any) -> Tokens:
        """The results for some tokens, given what NumPy takes as an index: places, a slice, or (T, B) flags."""
        others: Iterator[Any] = (None if each is None else each[..., there] for each in self[1:])
        return Tokens(self.log_probs[there], *others)


class WindowScores(Sequence[SentenceScore]):
    """The scores of the sentences of a window. A `SentenceScore` is made only if it is asked for.

    Args:
        lines: the sentences.
        token_ids: ids of all tokens of all sentences, each sentence with `</s>` at its end, (N,).
        tokens: the results for these tokens.

    Attributes:
        ends: the place after the last token of each sentence, (sentences,).
    """

    def __init__(self, lines: list[EncodedLine], token_ids: IntArray, tokens: Tokens) -> None:
        self.lines = lines
        self.token_ids = token_ids
        self.tokens = tokens
        self.ends = np.cumsum(lengths_of(lines))

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, place: int) -> SentenceScore: ...

    @overload
    def __getitem__(self, place: slice) -> list[SentenceScore]: ...

    def __getitem__(self, place: int | slice) -> SentenceScore | list[SentenceScore]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        line, stop = self.lines[place], int(self.ends[place])
        found = self.tokens.at(slice(stop - len(line.text.token_ids) - 1, stop))
        return SentenceScore(
            line.text.words,
            [*line.text.token_ids, SENTENCE_END_ID],
            found.log_probs,
            found.ranks,
            line.text.characters + 1,
            line.number,
            found.ngram_lengths,
            found.ngram_terms,
            found.entropies,
            found.top_ids,
            found.top_log_probs,
        )


def lengths_of(lines: Sequence[EncodedLine]) -> IntArray:
    """The number of tokens of each sentence, `</s>` included."""
    return np.array([len(line.text.token_ids) + 1 for line in lines])


def token_ids_of(lines: Sequence[EncodedLine]) -> IntArray:
    """The ids of all tokens, the `</s>` of each sentence included."""
    end = (SENTENCE_END_ID,)
    return np.fromiter(
        chain.from_iterable(chain.from_iterable((line.text.token_ids, end) for line in lines)), np.int64
    )

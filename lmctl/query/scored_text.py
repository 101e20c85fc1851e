"""The scores of all tokens of a text under one model, in arrays, to be compared with those of other models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.query.metrics import LN_2
from lmctl.query.scoring import score_encoded
from lmctl.query.sentence_scores import EncodedLine
from lmctl.query.text_model import EncodedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    from lmctl.arrays import Float64Array, Int64Array, IntArray
    from lmctl.corpus.characters import CharacterUnigram
    from lmctl.families.base import LanguageModel
    from lmctl.query.sentence_scores import SentenceScore


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A text of S sentences and N tokens, the `</s>` of each sentence among them.

    Attributes:
        lines: number of the line of each sentence, from 1, rising, (S,).
        ends: the place after the last token of each sentence, (S,).
        characters: code points of each normalised line, and one for its end, (S,).
        token_ids: ids of the tokens; an OOV has the id of `<unk>`, (N,).
        lengths: number of characters of each token, without blanks; 0 for `</s>`, (N,).
        nats: -ln p of each token, (N,).
        spelling_bits: bits for the spelling of each token; 0 if it is no OOV, (N,).
    """

    lines: Int64Array
    ends: Int64Array
    characters: Int64Array
    token_ids: IntArray
    lengths: IntArray
    nats: Float64Array
    spelling_bits: Float64Array

    @property
    def starts(self) -> Int64Array:
        """The place of the first token of each sentence, (S,)."""
        return np.concatenate([[0], self.ends[:-1]])

    @property
    def sentences(self) -> Int64Array:
        """The sentence of each token, from 0, (N,)."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    @property
    def positions(self) -> Int64Array:
        """The place of each token in its sentence, from 1, (N,)."""
        return np.arange(len(self.token_ids)) - np.repeat(self.starts, np.diff(self.ends, prepend=0)) + 1

    def bits(self, *, spelling: bool) -> Float64Array:
        """Bits of each token, with or without those for the spelling of OOVs, (N,)."""
        bits: Float64Array = self.nats / LN_2
        return bits + self.spelling_bits if spelling else bits

    def ngram_lengths(
        self, ngrams: LanguageModel[Any], state: Literal["reset", "carry"], threads: int = 0
    ) -> IntArray:
        """The length of the longest n-gram of a model that ends in each token, the token included, (N,).

        Args:
            ngrams: a model whose scores have `ngram_lengths`, over the ids of this text.
            state: as the text was scored.
            threads: largest number of batches that are scored at once; 0: the number of cores.
        """

        def encoded() -> Iterator[EncodedLine]:
            for line, start, end in zip(
                self.lines.tolist(), self.starts.tolist(), self.ends.tolist(), strict=True
            ):
                yield EncodedLine(line, EncodedText([], self.token_ids[start : end - 1].tolist(), 0))

        found = [
            score.ngram_lengths
            for window in score_encoded(ngrams, [encoded()], state=state, threads=threads)
            for score in window
        ]
        return np.concatenate([lengths for lengths in found if lengths is not None])


@dataclass(slots=True)
class Collector:
    """Collects the scores of sentences; `evaluate_file` calls it with each.

    Args:
        spelling: the character model that OOVs are spelled with; None: their spelling costs nothing.
        length_of: see `TextModel.length_of`.
    """

    spelling: CharacterUnigram | None
    length_of: Callable[[str], int]
    _sentences: list[tuple[int, int]] = field(default_factory=list)
    _arrays: list[tuple[IntArray, IntArray, Float64Array, Float64Array]] = field(default_factory=list)

    def __call__(self, score: SentenceScore) -> None:
        """Add the score of a sentence."""
        self._sentences.append((score.line, score.characters))
        ids = np.array(score.token_ids, dtype=np.int32)
        lengths = np.array([*map(self.length_of, score.words), 0], dtype=np.int32)
        bits = np.zeros(len(ids))
        if self.spelling is not None:
            for place in np.flatnonzero(ids == UNKNOWN_ID).tolist():
                bits[place] = self.spelling.spelling_bits(score.words[place])
        # 0 and not -0 for a certain word. The copy lets go of the batch that the scores are a view of.
        self._arrays.append((ids, lengths, 0.0 - score.log_probs, bits))

    def text(self) -> ScoredText:
        """The scores of all sentences; at least one must have been added."""
        lines, characters = np.array(self._sentences, dtype=np.int64).T
        ids, lengths, nats, bits = (np.concatenate(arrays) for arrays in zip(*self._arrays, strict=True))
        ends = np.cumsum([len(arrays[0]) for arrays in self._arrays])
        return ScoredText(lines, ends, characters, ids, lengths, nats, bits)

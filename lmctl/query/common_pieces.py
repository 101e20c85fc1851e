"""Pieces of a text that several models can be compared on: the tokens, if all models cut the text alike.

If they cut it differently, a piece is the shortest part of a line at whose ends every model has the end of a
token. A piece of a Chinese line is then a word of one model and several characters of another. The cost of a piece
is the sum of the costs of its tokens: log P(a b) = log P(a) + log P(b | a).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.text.alignment import locate_tokens
from lmctl.text.reading import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.arrays import BoolArray, Float64Array, Int64Array, IntArray
    from lmctl.query.scored_text import ScoredText
    from lmctl.query.text_model import TextModel
    from lmctl.text.alignment import LocatedToken
    from lmctl.text.formats import TextFormat


@dataclass(frozen=True, slots=True)
class TextSource:
    """A text that can be read again; see `evaluate_file`."""

    path: str
    encoding: str = "utf-8"
    errors: str = "strict"
    text_format: TextFormat | None = None

    def lines(self, wanted: Iterable[int]) -> Iterator[tuple[int, str]]:
        """The lines with these numbers, which are counted from 1 and rise.

        Raises:
            DataError: the text has no such line any more.
        """
        every = enumerate(
            read_lines(self.path, encoding=self.encoding, errors=self.errors, text_format=self.text_format), 1
        )
        for number in wanted:
            line = next((line for place, line in every if place == number), None)
            if line is None:
                raise self.changed()
            yield number, line

    def changed(self) -> DataError:
        """The error for a text that is not the one that was scored."""
        return DataError(f"{self.path}: changed while models were compared on it; compare them again")

    def located(self, model: TextModel, line: str, tokens: int) -> list[LocatedToken]:
        """The tokens of a line, of which there must be as many as were scored."""
        found = locate_tokens(model.tokenizer, line)
        if len(found) != tokens:
            raise self.changed()
        return found


@dataclass(frozen=True, slots=True)
class Pieces:
    """P pieces of a text of S sentences, under several models. The `</s>` of each sentence is one.

    Attributes:
        ends: for each model, the place after the last token of each piece, (P,).
        per_sentence: number of pieces of each sentence, (S,).
        lengths: number of characters of each piece, without white space; 0 for `</s>`, (P,).
    """

    ends: Sequence[Int64Array]
    per_sentence: Int64Array
    lengths: IntArray

    def starts(self, model: int = 0) -> Int64Array:
        """The place of the first token of each piece under a model, (P,)."""
        return np.concatenate([[0], self.ends[model][:-1]])

    @property
    def last(self) -> Int64Array:
        """The last piece of each sentence, its `</s>`, (S,)."""
        return np.cumsum(self.per_sentence) - 1

    @property
    def sentences(self) -> Int64Array:
        """The sentence of each piece, from 0, (P,)."""
        return np.repeat(np.arange(len(self.per_sentence)), self.per_sentence)

    @property
    def positions(self) -> Int64Array:
        """The place of each piece in its sentence, from 1, (P,)."""
        before = self.last + 1 - self.per_sentence
        return np.arange(len(self.lengths)) - np.repeat(before, self.per_sentence) + 1

    def sums(self, values: Float64Array, model: int) -> Float64Array:
        """The sum of the values of the tokens of each piece, (P,), given those of the tokens under a model."""
        found: Float64Array = np.add.reduceat(values, self.starts(model))
        return found

    def least(self, values: IntArray, model: int) -> IntArray:
        """The least value of the tokens of each piece, (P,)."""
        found: IntArray = np.minimum.reduceat(values, self.starts(model))
        return found

    def any(self, values: BoolArray, model: int) -> BoolArray:
        """Whether a token of each piece has the property, (P,)."""
        found: BoolArray = np.logical_or.reduceat(values, self.starts(model))
        return found


def tokens_as_pieces(text: ScoredText, models: int) -> Pieces:
    """The tokens of a text that all models cut alike."""
    ends = np.arange(1, len(text.token_ids) + 1)
    return Pieces([ends] * models, np.diff(text.ends, prepend=0), text.lengths)


def common_pieces(models: Sequence[TextModel], texts: Sequence[ScoredText], source: TextSource) -> Pieces:
    """The pieces of a text that models cut differently. The lines are read again.

    Args:
        models: the models.
        texts: the text under each model, with the same sentences.
        source: the text.

    Raises:
        DataError: the text is not the one that was scored.
    """
    ends: list[list[int]] = [[] for _ in models]
    per_sentence, lengths = [], []
    sizes = [np.diff(text.ends, prepend=0).tolist() for text in texts]
    starts = [text.starts.tolist() for text in texts]
    for sentence, (_, line) in enumerate(source.lines(texts[0].lines.tolist())):
        located = [
            source.located(model, line, size[sentence] - 1) for model, size in zip(models, sizes, strict=True)
        ]
        borders = common_borders(located)
        per_sentence.append(len(borders) + 1)
        first = 0
        for border in borders:
            there = line[located[0][first].start : located[0][border[0] - 1].end]
            lengths.append(len("".join(there.split())))
            first = border[0]
        lengths.append(0)
        for place, own in enumerate(ends):
            own += [starts[place][sentence] + border[place] for border in borders]
            own.append(starts[place][sentence] + sizes[place][sentence])
    return Pieces([np.array(own) for own in ends], np.array(per_sentence), np.array(lengths))


def common_borders(located: Sequence[Sequence[LocatedToken]]) -> list[tuple[int, ...]]:
    """The borders between pieces of a line.

    Args:
        located: for each model, the tokens of the line with their places.

    Returns:
        For each piece, the number of tokens up to its end under each model. If a model has no token, there is no
        piece.
    """
    totals = tuple(map(len, located))
    if not all(totals):
        return []
    ends = [_token_ends(tokens) for tokens in located]
    common = sorted(set(ends[0]).intersection(*ends[1:]))
    found = [tuple(own[end] for own in ends) for end in common]
    rest = tuple(
        total - done for total, done in zip(totals, found[-1] if found else (0,) * len(ends), strict=True)
    )
    if all(rest):
        found.append(totals)
    else:
        # Tokens without characters at the end of the line belong to the piece before them.
        found[-1] = totals
    return found


def _token_ends(tokens: Sequence[LocatedToken]) -> dict[int, int]:
    """The places in a line at which a token ends and no other goes on, with the number of tokens up to there.

    A token without characters, as a boundary or the first byte of a character, belongs to the token on its right.
    """
    starts = [token.start for token in tokens[1:]] + [tokens[-1].end]
    return {
        token.end: count
        for count, (token, following) in enumerate(zip(tokens, starts, strict=True), start=1)
        if token.end > token.start and following >= token.end
    }

"""The tokens whose costs under two models differ most, with the text around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END
from lmctl.query.compared import TokenDifference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.query.common_pieces import Pieces, TextSource
    from lmctl.query.scored_text import ScoredText
    from lmctl.query.text_model import TextModel

# Characters of the text before and after a token.
BEFORE, AFTER = 60, 30


def largest_differences(
    names: Sequence[str],
    baseline: TextModel,
    text: ScoredText,
    pieces: Pieces,
    bits: Float64Array,
    source: TextSource,
    most: int,
) -> list[TokenDifference]:
    """For each model after the first one, the tokens with the largest differences of their bits, largest first.

    Args:
        names: of the models.
        baseline: the first model.
        text: the text under the first model.
        pieces: the pieces of the text, which are its tokens if all models cut text alike.
        bits: of each piece under each model, (M, P).
        source: the text, whose lines with these tokens are read again.
        most: number of tokens.

    Raises:
        DataError: the text is not the one that was scored.
    """
    chosen = [_largest(own, bits[0], most) for own in bits[1:]]
    if not any(map(len, chosen)):
        return []
    sentences = pieces.sentences
    needed = np.unique(np.concatenate([sentences[places] for places in chosen]))
    lines = dict(source.lines(text.lines[needed].tolist()))
    starts, ends, positions = pieces.starts(), pieces.ends[0], pieces.positions
    sizes = np.diff(text.ends, prepend=0)
    found = []
    for name, own, places in zip(names[1:], bits[1:], chosen, strict=True):
        for place in places.tolist():
            sentence = int(sentences[place])
            number = int(text.lines[sentence])
            first, stop = (int(each) - int(text.starts[sentence]) for each in (starts[place], ends[place]))
            before, word, after = _in_context(
                baseline, lines[number], first, stop, int(sizes[sentence]) - 1, source
            )
            found.append(
                TokenDifference(
                    model=name,
                    line=number,
                    position=int(positions[place]),
                    before=before,
                    word=word,
                    after=after,
                    bits=float(own[place]),
                    baseline_bits=float(bits[0][place]),
                    difference_bits=float(own[place] - bits[0][place]),
                )
            )
    return found


def _largest(own: Float64Array, of_baseline: Float64Array, most: int) -> IntArray:
    """The places of the largest differences that are not 0; of equal ones, the first in the text comes first."""
    with np.errstate(invalid="ignore"):
        # Two models that both give a word probability 0 do not differ.
        differences = np.nan_to_num(np.abs(own - of_baseline), nan=0.0, posinf=np.inf)
    places: IntArray = np.argsort(-differences, kind="stable")[:most]
    found: IntArray = places[differences[places] > 0]
    return found


def _in_context(
    model: TextModel, line: str, first: int, stop: int, words: int, source: TextSource
) -> tuple[str, str, str]:
    """The text before a piece of a line, the piece, and the text after it, as they are written.

    Args:
        model: the model whose tokens `first` to `stop` the piece has.
        line: the line.
        first: its first token.
        stop: the token after its last one; the token after the words is `</s>`.
        words: number of words of the line.
        source: the text, for messages.
    """
    located = source.located(model, line, words)
    if stop > words:
        return line.rstrip()[-BEFORE:], SENTENCE_END, ""
    start, end = located[first].start, located[stop - 1].end
    word = line[start:end].strip() or located[first].token
    return line[max(start - BEFORE, 0) : start].lstrip(), word, line[end : end + AFTER].rstrip()

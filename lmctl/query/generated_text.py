"""A text to continue, and its continuation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lmctl.query.growing_text import EndedBy


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue.

    Attributes:
        line: its number, from 1.
        text: the text, with single spaces in place of other white space.
        words: its tokens.
        token_ids: their ids.
        oov: the tokens that are out of vocabulary.
        seed: the seed of its random numbers.
    """

    line: int
    text: str
    words: list[str]
    token_ids: list[int]
    oov: list[str]
    seed: int


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """A prompt and its continuation.

    Attributes:
        line: number of the prompt, from 1.
        sample: number among the texts of the prompt, from 1; of a beam search, the rank.
        prompt: the prompt.
        oov: its tokens that are out of vocabulary.
        text: the prompt and the continuation as people write them, or as tokens with spaces between them, if so
            asked; a line for each sentence.
        tokens: the tokens of the continuation, with `</s>` at the end of each sentence.
        logprob: the natural log of the probability that the model gives to `tokens` after the prompt.
        ended_by: the limit that ended the text: "words", "sentences" or "stop"; or "dead end": the model gave no
            further token a probability above 0.
        seed: the seed of the random numbers; None: beam search has none.
    """

    line: int
    sample: int
    prompt: str
    oov: list[str]
    text: str
    tokens: list[str]
    logprob: float
    ended_by: EndedBy
    seed: int | None


class Piece(NamedTuple):
    """A piece of a text that is being generated.

    Attributes:
        place: place of the prompt among the prompts, from 0.
        sample: number among the texts of the prompt, from 1.
        text: the piece.
    """

    place: int
    sample: int
    text: str

"""The bodies of answers, with the keys of the command line's jsonl."""

from __future__ import annotations

from typing import Literal, Self

from msgspec import UNSET, Struct, UnsetType

from lmctl.query.filling import Filling
from lmctl.query.metrics import Figures
from lmctl.query.prediction import Prediction
from lmctl.visible import visible


class ContextAnswer(Struct, frozen=True, kw_only=True):
    """The words that may follow a context, best first; `logprob` is the natural log.

    With `words`, `exact` says whether a limit ended the search early, and `unseen` how probable all words are that
    it has not finished.
    """

    line: int
    context: str
    oov: list[str]
    predictions: list[Prediction]
    prefix: str | UnsetType = UNSET
    exact: bool | UnsetType = UNSET
    unseen: float | UnsetType = UNSET


class TokenScore(Struct, frozen=True, kw_only=True):
    """A token of a sentence; `logprob` is the natural log. Null: a probability of 0; no `accuracy_at`."""

    position: int
    word: str
    oov: bool
    logprob: float | None
    surprisal_bits: float | None
    rank: int | None


class SentenceAnswer(Struct, frozen=True, kw_only=True):
    """The score of a sentence, its end included; `words` and `oov` are numbers of words."""

    line: int
    text: str
    words: int
    oov: int
    characters: int
    logprob: float | None
    tokens: list[TokenScore] | UnsetType = UNSET


class SurprisalWord(Struct, frozen=True, kw_only=True):
    """A word; `start` and `end` are its places in the text, in code points; null bits: a probability of 0."""

    index: int
    word: str
    start: int
    end: int
    bits: float | None
    entropy: float | UnsetType = UNSET
    oov: bool


class SurprisalAnswer(Struct, frozen=True, kw_only=True):
    """The surprisals of a sentence."""

    line: int
    text: str
    words: list[SurprisalWord]


class FilledAnswer(Struct, frozen=True, kw_only=True):
    """The words for the gap of a text, best first; docs/fill.md explains the keys."""

    line: int
    text: str
    oov: list[str]
    exact: bool
    candidates: int
    scored: int
    unseen: float
    predictions: list[Filling]


class GeneratedPiece(Struct, frozen=True, kw_only=True):
    """A piece of a text that is streamed; the pieces of a text together are the `text` of its answer."""

    model: str
    generation: int | None
    line: int
    sample: int
    piece: str


class GeneratedAnswer(Struct, frozen=True, kw_only=True):
    """A prompt and its continuation; docs/generate.md explains the keys."""

    line: int
    sample: int
    prompt: str
    oov: list[str]
    text: str
    tokens: list[str]
    logprob: float | None
    ended_by: str
    seed: int | None


class Response(Struct, frozen=True, kw_only=True):
    """The model and the generation of it that answered; null: a bundle outside a model folder."""

    model: str
    generation: int | None


class PredictResponse(Response, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and an answer for each context."""

    answers: list[ContextAnswer]


class ScoreResponse(Response, frozen=True, kw_only=True):
    """The model and its generation, an answer for each text, and the figures of all texts: docs/metrics.md."""

    answers: list[SentenceAnswer]
    summary: Figures


class SurprisalResponse(Response, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and an answer for each text."""

    answers: list[SurprisalAnswer]


class FillResponse(Response, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and an answer for each text."""

    answers: list[FilledAnswer]


class GenerateResponse(Response, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and the texts of each prompt."""

    answers: list[GeneratedAnswer]


class Health(Struct, frozen=True, kw_only=True):
    """The server answers, with this generation.

    `segmenter` says how the model cuts text into words, and `fills_gaps` that it answers /v1/fill alone.
    """

    status: Literal["ok"]
    model: str
    generation: int | None
    segmenter: str
    fills_gaps: bool
    needs_token: bool
    lmctl: str


class Failure(Struct, frozen=True, kw_only=True):
    """Why a request was refused: one line."""

    error: str

    @classmethod
    def of(cls, message: str) -> Self:
        """A refusal whose message may quote line ends and control characters of a request."""
        return cls(error=visible(message).replace("\n", "\\n").replace("\t", "\\t"))

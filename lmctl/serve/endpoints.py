"""What each endpoint computes: several requests with the same settings are answered as one batch.

Models compute in exact products, so an answer is the same to the last bit whichever requests are answered with it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN_ID
from lmctl.query.metrics import Tally, surprisal_bits
from lmctl.query.scoring import score_sentences
from lmctl.query.surprisal import Item, surprisals
from lmctl.serve.answers import (
    FillResponse,
    GenerateResponse,
    PredictResponse,
    ScoreResponse,
    SentenceAnswer,
    SurprisalAnswer,
    SurprisalResponse,
    SurprisalWord,
    TokenScore,
)
from lmctl.serve.batches import all_texts, by_state, check_needed, check_state
from lmctl.serve.bodies import FillRequest, GenerateRequest, PredictRequest, ScoreRequest, SurprisalRequest
from lmctl.serve.generating import generate, stream
from lmctl.serve.words import fill, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.query.surprisal import Words
    from lmctl.query.text_model import TextModel
    from lmctl.serve.batches import Fields
    from lmctl.serve.live_model import OpenedModel

_WORDS: dict[str, Words] = {"attach": "given", "separate": "given_without_punctuation"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the server.

    Attributes:
        path: its path.
        summary: what it does, for the reference.
        request: the type of the body.
        response: the type of the answer.
        answer: computes the fields of the responses to requests with the same settings.
        example: a body, for the reference.
        stream: as `answer`, and tells pieces before; see `lmctl.serve.generating.stream`. None: no pieces.
    """

    path: str
    summary: str
    request: type[Any]
    response: type[Any]
    answer: Callable[[OpenedModel, Sequence[Any]], list[Fields]]
    example: Fields
    stream: Callable[..., list[Fields]] | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def score(opened: OpenedModel, requests: Sequence[ScoreRequest]) -> list[Fields]:
    """The log probabilities of sentences, and the figures of the texts of each request."""
    asked = requests[0]
    check_state(asked)
    model = opened.with_cache(asked.cache)
    answered = []
    for some in by_state(requests):
        found = score_sentences(
            model,
            all_texts(some),
            state=asked.state,
            blank_lines="keep",
            ranks=bool(asked.accuracy_at),
            threads=1,
        )
        answered += [
            _scored(model, request, list(itertools.islice(found, len(request.texts)))) for request in some
        ]
    return answered


def _scored(model: TextModel, request: ScoreRequest, scores: Sequence[SentenceScore]) -> Fields:
    recipe = model.bundle.record.recipe
    tally = Tally(None if recipe.stop_words else model.characters, request.accuracy_at)
    answers = []
    for line, (text, found) in enumerate(zip(request.texts, scores, strict=True), start=1):
        tally.add(found)
        answers.append(
            SentenceAnswer(
                line=line,
                text=text,
                words=len(found.words),
                oov=found.oov,
                characters=found.characters,
                logprob=found.total_log_prob,
                tokens=_tokens(found) if request.level == "word" else msgspec.UNSET,
            )
        )
    return {"answers": answers, "summary": tally.figures(len(model.vocabulary), request.state, request.cache)}


def _tokens(found: SentenceScore) -> list[TokenScore]:
    ranks = itertools.repeat(None) if found.ranks is None else iter(found.ranks.tolist())
    rows = zip((*found.words, SENTENCE_END), found.token_ids, found.log_probs.tolist(), ranks, strict=False)
    return [
        TokenScore(
            position=position,
            word=word,
            oov=token_id == UNKNOWN_ID,
            logprob=nats,
            surprisal_bits=surprisal_bits(nats),
            rank=rank,
        )
        for position, (word, token_id, nats, rank) in enumerate(rows, start=1)
    ]


def surprisal(opened: OpenedModel, requests: Sequence[SurprisalRequest]) -> list[Fields]:
    """The surprisal of each word of sentences."""
    check_state(requests[0])
    if requests[0].punctuation != "attach":
        check_needed(requests[0], "words_given", "punctuation")
    return [found for some in by_state(requests) for found in _surprising(opened, some)]


def _surprising(opened: OpenedModel, requests: Sequence[SurprisalRequest]) -> list[Fields]:
    asked = requests[0]
    items = [Item(line, text) for request in requests for line, text in enumerate(request.texts, start=1)]
    found = itertools.chain.from_iterable(
        surprisals(
            opened.with_cache(asked.cache),
            [items],
            state=asked.state,
            words=_WORDS[asked.punctuation] if asked.words_given else "tokens",
            sentence_end=asked.eos,
            entropy=asked.entropy,
            threads=1,
        )
    )
    return [
        {
            "answers": [
                SurprisalAnswer(
                    line=item.line,
                    text=item.text,
                    words=[
                        SurprisalWord(
                            index=word.index,
                            word=word.word,
                            start=word.start,
                            end=word.end,
                            bits=word.bits,
                            entropy=msgspec.UNSET if word.entropy is None else word.entropy,
                            oov=word.oov,
                        )
                        for word in words
                    ],
                )
                for item, words in itertools.islice(found, len(request.texts))
            ]
        }
        for request in requests
    ]


ENDPOINTS = (
    Endpoint(
        "/v1/predict",
        "The most probable next words after contexts.",
        PredictRequest,
        PredictResponse,
        predict,
        {"contexts": ["the cat sat on the"], "k": 3},
    ),
    Endpoint(
        "/v1/score",
        "The log probability of sentences, and the perplexity of all of them.",
        ScoreRequest,
        ScoreResponse,
        score,
        {"texts": ["the cat sat on the mat ."], "level": "word"},
    ),
    Endpoint(
        "/v1/surprisal",
        "The surprisal of each word, with its place in the text.",
        SurprisalRequest,
        SurprisalResponse,
        surprisal,
        {"texts": ["the cat sat on the mat ."], "eos": False},
    ),
    Endpoint(
        "/v1/fill",
        "The most probable words for the gap in each text.",
        FillRequest,
        FillResponse,
        fill,
        {"texts": ["the cat ___ on the mat ."], "k": 3},
    ),
    Endpoint(
        "/v1/generate",
        "Continuations of prompts, drawn from the model or searched.",
        GenerateRequest,
        GenerateResponse,
        generate,
        {"prompts": ["the cat"], "words": 8, "seed": 1},
        stream,
    ),
)

"""What each endpoint computes: several requests with the same settings are answered as one batch.

Models compute in exact products, so an answer is the same to the last bit whichever requests are answered with it.
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN_ID
from lmctl.query.metrics import LN_2, Tally
from lmctl.query.prediction import Predictor
from lmctl.query.scoring import score_sentences
from lmctl.query.surprisal import Item, surprisals
from lmctl.serve.bodies import (
    ContextAnswer,
    GeneratedAnswer,
    GenerateRequest,
    GenerateResponse,
    PredictRequest,
    PredictResponse,
    ScoreRequest,
    ScoreResponse,
    SentenceAnswer,
    SurprisalAnswer,
    SurprisalRequest,
    SurprisalResponse,
    SurprisalWord,
    TokenScore,
    texts_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.query.prefixes import Prefixes
    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.query.surprisal import Words
    from lmctl.query.text_model import TextModel
    from lmctl.serve.live_model import OpenedModel

# The fields of a response beside the model and its generation.
Fields = dict[str, Any]
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
    """

    path: str
    summary: str
    request: type[Any]
    response: type[Any]
    answer: Callable[[OpenedModel, Sequence[Any]], list[Fields]]
    example: Fields

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def settings_of(request: Any) -> Any:
    """A request without its texts; requests with equal settings are answered as one batch."""
    if isinstance(request, PredictRequest):
        return msgspec.structs.replace(request, contexts=())
    if isinstance(request, GenerateRequest):
        # Sampled prompts have seeds of their own. Beside a beam, a seed is a mistake, which the search reports.
        return msgspec.structs.replace(request, prompts=(), seed=request.seed if request.beam else None)
    return msgspec.structs.replace(request, texts=())


def predict(opened: OpenedModel, requests: Sequence[PredictRequest]) -> list[Fields]:
    """The next words after contexts."""
    asked = requests[0]
    settings: dict[str, Any] = {
        "k": asked.k,
        "threshold": asked.threshold,
        "allow_unknown": asked.allow_unk,
        "allow_sentence_end": asked.allow_eos,
        "mid_sentence": asked.mid_sentence,
    }
    if asked.prefix:
        from lmctl.query.prefixes import PrefixPredictor

        prefixes: Prefixes = opened.prefixes(ignore_case=asked.ignore_case)
        predictor: Predictor = PrefixPredictor(
            opened.model, prefixes=prefixes, given_prefix=asked.given_prefix, **settings
        )
    else:
        predictor = Predictor(opened.model, **settings)
    found = iter(predictor.answer(_all_texts(requests)))
    return [
        {
            "answers": [
                ContextAnswer(
                    line=line,
                    context=answer.context,
                    oov=answer.oov,
                    predictions=answer.predictions,
                    prefix=getattr(answer, "prefix", msgspec.UNSET),
                )
                for line, answer in enumerate(itertools.islice(found, len(request.contexts)), start=1)
            ]
        }
        for request in requests
    ]


def score(opened: OpenedModel, requests: Sequence[ScoreRequest]) -> list[Fields]:
    """The log probabilities of sentences, and the figures of the texts of each request."""
    model, asked = opened.model, requests[0]
    found = score_sentences(
        model, _all_texts(requests), blank_lines="keep", ranks=bool(asked.accuracy_at), threads=1
    )
    return [_scored(model, request, list(itertools.islice(found, len(request.texts)))) for request in requests]


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
    return {"answers": answers, "summary": tally.figures(len(model.vocabulary), "reset")}


def _tokens(found: SentenceScore) -> list[TokenScore]:
    ranks = itertools.repeat(None) if found.ranks is None else iter(found.ranks.tolist())
    rows = zip((*found.words, SENTENCE_END), found.token_ids, found.log_probs.tolist(), ranks, strict=False)
    return [
        TokenScore(
            position=position,
            word=word,
            oov=token_id == UNKNOWN_ID,
            logprob=nats,
            surprisal_bits=0.0 - nats / LN_2,
            rank=rank,
        )
        for position, (word, token_id, nats, rank) in enumerate(rows, start=1)
    ]


def surprisal(opened: OpenedModel, requests: Sequence[SurprisalRequest]) -> list[Fields]:
    """The surprisal of each word of sentences."""
    asked = requests[0]
    items = [Item(line, text) for request in requests for line, text in enumerate(request.texts, start=1)]
    found = itertools.chain.from_iterable(
        surprisals(
            opened.model,
            [items],
            words=_WORDS[asked.punctuation] if asked.words_given else "tokens",
            sentence_end=asked.eos,
            entropy=asked.entropy,
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


def generate(opened: OpenedModel, requests: Sequence[GenerateRequest]) -> list[Fields]:
    """Continuations of prompts. Those of all requests grow side by side, each with the seed of its request."""
    from lmctl.query.generation import TextGenerator
    from lmctl.query.sampling import Sampling

    asked = requests[0]
    generator = TextGenerator(
        opened.model,
        samples=asked.samples,
        words=asked.words,
        sentences=asked.sentences,
        sampling=Sampling(asked.temperature, asked.top_k, asked.top_p, asked.min_p),
        beam=asked.beam,
        seed=asked.seed if asked.beam else None,
        stop=asked.stop,
        no_repeat_ngram=asked.no_repeat_ngram,
        tokens=asked.tokens,
    )
    prompts = []
    for request in requests:
        seed = secrets.randbits(32) if request.seed is None else request.seed
        prompts.append(
            [generator.read(text, line=line, seed=seed) for line, text in enumerate(request.prompts, start=1)]
        )
    if asked.beam:
        # A search runs prompt by prompt, and may find fewer texts than it was asked for.
        found = [list(itertools.chain.from_iterable(generator.generate(some))) for some in prompts]
    else:
        texts = itertools.chain.from_iterable(generator.generate([*itertools.chain.from_iterable(prompts)]))
        found = [list(itertools.islice(texts, len(some) * asked.samples)) for some in prompts]
    return [{"answers": [GeneratedAnswer(**asdict(text)) for text in some]} for some in found]


def _all_texts(requests: Sequence[Any]) -> list[str]:
    return [text for request in requests for text in texts_of(request)]


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
        "/v1/generate",
        "Continuations of prompts, drawn from the model or searched.",
        GenerateRequest,
        GenerateResponse,
        generate,
        {"prompts": ["the cat"], "words": 8, "seed": 1},
    ),
)

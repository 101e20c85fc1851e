"""The bodies of requests and answers. Answers have the keys of the command line's jsonl.

A request that breaks a bound here is refused with 422, and the message names the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from lmctl.query.metrics import Figures
from lmctl.query.prediction import Prediction
from lmctl.query.sampling import LARGEST_SEED

# Lengths in characters (code points).
LONGEST_TEXT = 10_000
MOST_CHARACTERS = 100_000
MOST_TEXTS = 64
MOST_ANSWERS = 1000
MOST_WORDS = 1000
MOST_SAMPLES = 16
LARGEST_BEAM = 16
MOST_STOPS = 8
MOST_ACCURACIES = 8

Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MOST_TEXTS)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class PredictRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Contexts, and which words may follow them; the keys are options of `lmctl predict`."""

    contexts: Annotated[Texts, Meta(description="Texts that each start a sentence; one may be empty.")]
    k: Annotated[int, Meta(ge=1, le=MOST_ANSWERS, description="Number of words for each context.")] = 5
    threshold: Annotated[Share, Meta(description="Leave out words that are less probable.")] = 0.0
    allow_unk: Annotated[bool, Meta(description="Allow `<unk>` as an answer.")] = False
    allow_eos: Annotated[bool, Meta(description="Allow `</s>` as an answer.")] = False
    mid_sentence: Annotated[bool, Meta(description="Contexts start inside a sentence.")] = False
    prefix: Annotated[
        bool, Meta(description="The last word is unfinished, unless white space follows it; answers begin so.")
    ] = False
    given_prefix: Annotated[
        bool, Meta(description="With `prefix`: divide by the probability of all of these.")
    ] = False
    ignore_case: Annotated[bool, Meta(description="With `prefix`: capital and small letters are equal.")] = False


class ScoreRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sentences to be scored, as by `lmctl eval`. A sentence without words is scored, too: its end."""

    texts: Annotated[Texts, Meta(description="Sentences; each stands alone.")]
    level: Annotated[Literal["sentence", "word"], Meta(description="word: each answer has its tokens.")] = (
        "sentence"
    )
    accuracy_at: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=MOST_ANSWERS)], ...],
        Meta(max_length=MOST_ACCURACIES, description="Values of k for accuracy@k; with any, tokens have ranks."),
    ] = ()


class SurprisalRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sentences whose words are shown with their surprisals; the keys are options of `lmctl surprisal`."""

    texts: Annotated[Texts, Meta(description="Sentences; each stands alone.")]
    words_given: Annotated[bool, Meta(description="White space separates the words.")] = False
    punctuation: Annotated[
        Literal["attach", "separate"], Meta(description="With `words_given`: where punctuation marks belong.")
    ] = "attach"
    entropy: Annotated[bool, Meta(description="Add the entropy of the distribution before each word.")] = False
    eos: Annotated[bool, Meta(description="Add `</s>`, the end of each sentence.")] = True


class GenerateRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prompts to be continued; the keys are options of `lmctl generate`."""

    prompts: Annotated[Texts, Meta(description="Texts that each start a sentence; one may be empty.")]
    samples: Annotated[int, Meta(ge=1, le=MOST_SAMPLES, description="Number of texts for each prompt.")] = 1
    words: Annotated[int, Meta(ge=1, le=MOST_WORDS, description="End a text after so many words.")] | None = None
    sentences: (
        Annotated[int, Meta(ge=1, le=MOST_WORDS // 100, description="End a text with this sentence end.")] | None
    ) = None
    stop: Annotated[
        tuple[Text, ...], Meta(max_length=MOST_STOPS, description="End a text after these words.")
    ] = ()
    temperature: Annotated[float, Meta(ge=0, le=1000, description="0: always the most probable word.")] = 1.0
    top_k: Annotated[int, Meta(ge=1, description="Draw only from so many words.")] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1, description="Draw only from words that first sum to this.")] = 1.0
    min_p: Annotated[Share, Meta(description="Draw only words with this share of the best one's probability.")] = (
        0.0
    )
    seed: Annotated[int, Meta(ge=0, le=LARGEST_SEED, description="The same seed gives the same texts.")] | None = (
        None
    )
    beam: Annotated[int, Meta(ge=1, le=LARGEST_BEAM, description="Search the most probable texts.")] | None = None
    no_repeat_ngram: (
        Annotated[int, Meta(ge=1, le=MOST_WORDS, description="Never repeat so many words of a sentence.")] | None
    ) = None
    tokens: Annotated[bool, Meta(description="Write tokens with spaces between them.")] = False


Request: TypeAlias = PredictRequest | ScoreRequest | SurprisalRequest | GenerateRequest


class ContextAnswer(Struct, frozen=True, kw_only=True):
    """The words that may follow a context, best first; `logprob` is the natural log."""

    line: int
    context: str
    oov: list[str]
    predictions: list[Prediction]
    prefix: str | UnsetType = UNSET


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


class PredictResponse(Struct, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and an answer for each context."""

    model: str
    generation: int | None
    answers: list[ContextAnswer]


class ScoreResponse(Struct, frozen=True, kw_only=True):
    """The model and its generation, an answer for each text, and the figures of all texts: docs/metrics.md."""

    model: str
    generation: int | None
    answers: list[SentenceAnswer]
    summary: Figures


class SurprisalResponse(Struct, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and an answer for each text."""

    model: str
    generation: int | None
    answers: list[SurprisalAnswer]


class GenerateResponse(Struct, frozen=True, kw_only=True):
    """The model and the generation of it that answered, and the texts of each prompt."""

    model: str
    generation: int | None
    answers: list[GeneratedAnswer]


class Health(Struct, frozen=True, kw_only=True):
    """The server answers, with this generation; `segmenter` says how the model cuts text into words."""

    status: Literal["ok"]
    model: str
    generation: int | None
    segmenter: str
    needs_token: bool
    lmctl: str


class Failure(Struct, frozen=True, kw_only=True):
    """Why a request was refused: one line."""

    error: str


def texts_of(request: Any) -> tuple[str, ...]:
    """The texts of a request, whatever its kind."""
    for name in ("contexts", "texts", "prompts"):
        if hasattr(request, name):
            found: tuple[str, ...] = getattr(request, name)
            return found
    raise TypeError(type(request))

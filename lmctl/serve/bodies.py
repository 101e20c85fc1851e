"""The bodies of requests, whose keys are options of the command line; `lmctl.serve.answers` has those of answers.

A request that breaks a bound here is refused with 422, and the message names the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

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
MOST_CANDIDATES = 1000
LARGEST_CACHE = 10_000
# Unfinished words that are read for a context, or candidates that are scored for a gap.
LARGEST_LIMIT = 100_000

Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Texts: TypeAlias = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MOST_TEXTS)]
Candidates: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=1000)], ...],
    Meta(min_length=1, max_length=MOST_CANDIDATES, description="The only words that may be answers."),
]
State: TypeAlias = Annotated[
    Literal["reset", "carry"],
    Meta(description="carry: each text of the request continues the one before; reset: each stands alone."),
]
Cache: TypeAlias = Annotated[
    int, Meta(ge=0, le=LARGEST_CACHE, description="With `state` carry: make so many last words more probable.")
]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=LARGEST_LIMIT)]
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
    candidates: Candidates | None = None
    words: Annotated[
        bool, Meta(description="For a model whose tokens are pieces of words: answer with whole words.")
    ] = False
    limit: (
        Annotated[Limit, Meta(description="With `words`: read at most so many unfinished words; null: 1000.")]
        | None
    ) = None
    state: State = "reset"
    cache: Cache = 0
    peek: Annotated[
        bool, Meta(description="With `state` carry: a context that does not end in white space is not continued.")
    ] = False


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
    state: State = "reset"
    cache: Cache = 0


class SurprisalRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sentences whose words are shown with their surprisals; the keys are options of `lmctl surprisal`."""

    texts: Annotated[Texts, Meta(description="Sentences; each stands alone.")]
    words_given: Annotated[bool, Meta(description="White space separates the words.")] = False
    punctuation: Annotated[
        Literal["attach", "separate"], Meta(description="With `words_given`: where punctuation marks belong.")
    ] = "attach"
    entropy: Annotated[bool, Meta(description="Add the entropy of the distribution before each word.")] = False
    eos: Annotated[bool, Meta(description="Add `</s>`, the end of each sentence.")] = True
    state: State = "reset"
    cache: Cache = 0


class FillRequest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sentences with one gap each, and which words may fill it; the keys are options of `lmctl fill`."""

    texts: Annotated[Texts, Meta(description="Sentences, each with one gap.")]
    k: Annotated[int, Meta(ge=1, le=MOST_ANSWERS, description="Number of words for each gap.")] = 5
    blank: Annotated[str, Meta(max_length=100, description="The characters that mark the gap.")] = "___"
    allow_unk: Annotated[bool, Meta(description="Allow `<unk>` as an answer.")] = False
    allow_eos: Annotated[bool, Meta(description="Allow `</s>` as an answer.")] = False
    candidates: Candidates | None = None
    limit: (
        Annotated[Limit, Meta(description="Score at most so many words for each gap; null: as many as it takes.")]
        | None
    ) = None
    full: Annotated[bool, Meta(description="Score every word, so that probabilities are exact.")] = False
    mid_sentence: Annotated[bool, Meta(description="Texts are parts of sentences.")] = False


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
    beam: Annotated[int, Meta(ge=1, le=LARGEST_BEAM, description="Search for the most probable texts.")] | None = (
        None
    )
    no_repeat_ngram: (
        Annotated[int, Meta(ge=1, le=MOST_WORDS, description="Never repeat so many words of a sentence.")] | None
    ) = None
    tokens: Annotated[bool, Meta(description="Write tokens with spaces between them.")] = False
    stream: Annotated[
        bool, Meta(description="Answer in pieces as the texts grow, as server-sent events; not with `beam`.")
    ] = False


Request: TypeAlias = PredictRequest | ScoreRequest | SurprisalRequest | FillRequest | GenerateRequest


def texts_of(request: Any) -> tuple[str, ...]:
    """The texts of a request, whatever its kind."""
    for name in ("contexts", "texts", "prompts"):
        if hasattr(request, name):
            found: tuple[str, ...] = getattr(request, name)
            return found
    raise TypeError(type(request))

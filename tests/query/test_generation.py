"""Generated texts: reproducible, the same in any company, ended by their limits, and written as people write."""

import itertools
import math

import numpy as np
import pytest
from bigrams import Bigrams

from lmctl import families
from lmctl.errors import DataError, UsageError
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.mixture.runtime import MixtureLanguageModel
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.transformer.config import TransformerConfig
from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.vae.config import VAEConfig
from lmctl.families.vae.sizes import VAESizes
from lmctl.layers.clusters import Cluster
from lmctl.query import generation
from lmctl.query.generation import TextGenerator
from lmctl.query.sampling import Sampling
from lmctl.query.scoring import score_sentences

WORDS = [f"w{number}" for number in range(98)]
CLUSTERS = {"clusters": [Cluster(words=40, width=6), Cluster(words=60, width=3)], "tied": False, "hidden_units": 6}
OPTIONS = [
    {},
    {"sampling": Sampling(0.7)},
    {"sampling": Sampling(top_k=5)},
    {"sampling": Sampling(top_p=0.9, min_p=0.01)},
    {"no_repeat_ngram": 1},
    {"no_repeat_ngram": 2, "sampling": Sampling(0.3, top_k=4)},
]


@pytest.fixture(params=["clusters", "transformer", "vae", "mixture", "cache", "ngram"])
def any_model(request, make_model, estimate_text):
    """A model of each kind over the words w0 to w97."""
    model = make_model(words=WORDS, sizes=CLUSTERS)
    if request.param == "transformer":
        config = TransformerConfig(hidden_units=8, layers=1, heads=2, feedforward_units=10, context=5)
        model.runtime = families.find("transformer").random_model(TransformerSizes.of([1] * 100, config))
    elif request.param == "vae":
        config = VAEConfig(embedding_dim=4, hidden_units=6, layers=1, encoder_units=4, code_dim=3, codes=3)
        model.runtime = families.find("vae").random_model(VAESizes.of([1] * 100, config))
    elif request.param == "ngram":
        lines = np.random.default_rng(1).choice(WORDS, size=(40, 8))
        model.vocabulary, tables = estimate_text("\n".join(map(" ".join, lines)), order=3, smoothing="mle")
        model.runtime = NgramLanguageModel(tables)
    elif request.param in ("mixture", "cache"):
        members = [model.language_model, make_model(words=WORDS, sizes=CLUSTERS, seed=2).language_model]
        model.runtime = MixtureLanguageModel(members, [0.4, 0.6])
    if request.param == "cache":
        model.runtime = CachedLanguageModel(model.language_model, CacheParameters(weight=0.3, theta=4.0), 50)
    return model


def flat(batches):
    return list(itertools.chain.from_iterable(batches))


def texts(model, *prompts, **options):
    generator = TextGenerator(model, **{"seed": 1, **options})
    return flat(generator.generate([generator.read(prompt) for prompt in prompts]))


@pytest.fixture
def small(make_model):
    """`small(probs)`: a model of the words the, cat, sat with the given probabilities of <unk>, </s> and these."""

    def make(probs):
        model = make_model(words=["the", "cat", "sat"])
        model.runtime = Bigrams(probs)
        return model

    return make


@pytest.fixture
def certain(small):
    """After </s> comes the, then cat, then sat, then </s>."""
    return small([[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]])


# The same in any company


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_text_is_the_same_alone_and_in_company(any_model, options, monkeypatch):
    prompts = ["w1 w2 w3", "", "w5"]
    many = texts(any_model, *prompts, samples=5, words=12, **options)

    assert [(text.line, text.sample) for text in many] == list(itertools.product((1, 2, 3), (1, 2, 3, 4, 5)))
    few = texts(any_model, *prompts, samples=2, words=12, **options)
    assert few == [text for text in many if text.sample <= 2]
    monkeypatch.setattr(generation, "LARGEST_BATCH", 1)
    assert texts(any_model, *prompts, samples=5, words=12, **options) == many


def test_the_words_of_a_stream_are_those_of_the_text(any_model):
    for options in OPTIONS:
        generator = TextGenerator(any_model, samples=2, seed=1, words=12, **options)
        prompt = generator.read("w1 w2")
        whole = [text.text for text in flat(generator.generate([prompt]))]

        assert ["".join(generator.stream(prompt, sample)) for sample in (1, 2)] == whole


def test_samples_prompts_and_seeds_have_their_own_random_numbers(model):
    found = texts(model, "", "", samples=2, words=30) + texts(model, "", words=30, seed=2)

    assert len({tuple(text.tokens) for text in found}) == 5


def test_without_a_seed_the_text_has_a_random_one_that_repeats_it(model):
    (text,) = texts(model, "the", words=20, seed=None)

    assert texts(model, "the", words=20, seed=text.seed) == [text]
    assert texts(model, "the", words=20, seed=None)[0].seed != text.seed


@pytest.mark.parametrize("samples", [1, 4])
def test_prompts_are_answered_alike_one_after_the_other_and_together(model, samples):
    together = texts(model, "the", "cat sat on", samples=samples, words=9)
    generator = TextGenerator(model, samples=samples, seed=1, words=9)

    apart = [flat(generator.generate([generator.read(prompt)])) for prompt in ("the", "cat sat on")]
    assert flat(apart) == together


def test_prompts_with_seeds_of_their_own_are_answered_alike_alone_and_together(model):
    asked = [("the", 1, 7), ("cat sat on", 1, 8), ("the", 2, 7)]
    generator = TextGenerator(model, words=9, samples=2)
    together = flat(generator.generate([generator.read(text, line=line, seed=seed) for text, line, seed in asked]))

    assert [(text.line, text.seed) for text in together[::2]] == [(1, 7), (1, 8), (2, 7)]
    for (prompt, line, seed), first in zip(asked, together[::2], strict=True):
        others = TextGenerator(model, words=9, samples=2, seed=seed)
        assert flat(others.generate([others.read(prompt, line=line)]))[0] == first


# The distribution


def test_the_log_probability_is_the_one_that_eval_gives(any_model):
    for text in texts(any_model, "", samples=8, words=30, sentences=1):
        (score,) = score_sentences(any_model, [" ".join(text.tokens).removesuffix("</s>")], blank_lines="keep")
        expected = score.log_probs if text.ended_by == "sentences" else score.log_probs[:-1]
        assert text.logprob == pytest.approx(math.fsum(expected), abs=1e-3)


def test_unk_is_never_generated(small):
    model = small([[0.9, 0.02, 0.02, 0.03, 0.03]] * 5)

    found = texts(model, "the", samples=20, words=10)

    assert {token for text in found for token in text.tokens} == {"</s>", "the", "cat", "sat"}


def test_samples_have_the_frequencies_of_the_model(small):
    # the has 3/4, cat 1/4. The seed is fixed, so the count is, too; 5 standard deviations of it are 43.
    model = small([[0, 0, 0.75, 0.25, 0]] * 5)

    found = texts(model, "", samples=400, words=1)

    assert abs(sum(text.tokens == ["the"] for text in found) - 300) < 43


# Ends


def test_a_sentence_ends_a_text_by_default(certain):
    (text,) = texts(certain, "the")

    assert (text.text, text.tokens, text.ended_by) == ("the cat sat", ["cat", "sat", "</s>"], "sentences")
    assert (text.prompt, text.oov, text.logprob) == ("the", [], 0.0)


def test_a_number_of_words_goes_on_over_sentences(certain):
    (text,) = texts(certain, "", words=7)

    assert text.text == "the cat sat\nthe cat sat\nthe"
    assert text.tokens == ["the", "cat", "sat", "</s>", "the", "cat", "sat", "</s>", "the"]
    assert text.ended_by == "words"


def test_the_first_limit_ends_a_text(certain):
    assert texts(certain, "", words=7, sentences=2)[0].text == "the cat sat\nthe cat sat"
    assert texts(certain, "", words=4, sentences=2)[0].text == "the cat sat\nthe"
    assert texts(certain, "", sentences=2, tokens=True)[0].text == "the cat sat\nthe cat sat"


def test_there_are_no_more_sentences_than_words(small):
    model = small([[0, 1, 0, 0, 0]] * 5)

    (text,) = texts(model, "", words=3)

    assert (text.tokens, text.ended_by) == (["</s>"] * 3, "sentences")


def test_a_sentence_without_an_end_has_100_words(small):
    model = small([[0, 0, 1, 0, 0]] * 5)

    assert [len(texts(model, "", **options)[0].tokens) for options in ({}, {"sentences": 2})] == [100, 200]


def test_a_stop_ends_a_text_and_belongs_to_it(certain):
    assert texts(certain, "", stop=["cat"])[0].text == "the cat"
    assert texts(certain, "", stop=["sat", "the cat"])[0].ended_by == "stop"
    # Words of the prompt are no part of a stop, nor do stops reach over the end of a sentence.
    assert texts(certain, "the", stop=["the cat"], words=6)[0].text == "the cat sat\nthe cat"
    assert texts(certain, "the", stop=["sat the"], words=6)[0].ended_by == "words"


def test_a_text_that_cannot_go_on_ends(small):
    model = small([[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0]])

    (text,) = texts(model, "")

    assert (text.text, text.tokens, text.ended_by) == ("the", ["the"], "dead end")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_no_ngram_is_repeated_within_sentences(model, length):
    for text in texts(model, "the cat sat on the", samples=10, words=40, no_repeat_ngram=length):
        sentences = [line.split() for line in f"the cat sat on the {' '.join(text.tokens)}".split("</s>")]
        prompt = 5 if length == 1 else 0
        ngrams = [
            tuple(words[start : start + length]) for words in sentences for start in range(len(words) - length + 1)
        ]
        # The prompt itself repeats a word.
        assert len(ngrams) - len(set(ngrams)) == (1 if prompt else 0)


# Prompts and text


def test_the_text_starts_with_the_prompt_as_it_was_given(make_model):
    model = make_model(words=["the", "cat", "sat"], lowercase=True)
    model.runtime = Bigrams([[0, 0, 0, 1, 0]] * 5)

    (text,) = texts(model, "  The  zebra ", words=1)

    assert (text.prompt, text.text, text.oov) == ("The zebra", "The zebra cat", ["zebra"])
    assert texts(model, "  The  zebra ", words=1, tokens=True)[0].text == "the zebra cat"


def test_punctuation_is_attached_also_to_the_prompt(make_model):
    model = make_model(words=["the", ".", '"'])
    model.runtime = Bigrams([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])

    # The quotation that the prompt opens is closed; the next sentence opens a new one.
    assert texts(model, '" the', words=5)[0].text == '" the".\nthe ".'
    assert texts(model, '" the', words=2, tokens=True)[0].text == '" the " .'


def test_chinese_has_no_spaces(make_model):
    model = make_model(words=["编程", "艺术", "。"], segmenter="jieba")
    model.runtime = Bigrams([[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0]])

    assert texts(model, "编程")[0].text == "编程艺术。"
    assert texts(model, "编程", tokens=True)[0].text == "编程 艺术 。"


# Beam search


def test_a_beam_search_gives_the_best_texts_first(certain, small):
    (text,) = texts(certain, "the", beam=2, seed=None)
    assert (text.text, text.sample, text.seed, text.logprob) == ("the cat sat", 1, None, 0.0)
    model = small([[0, 0.1, 0.2, 0.3, 0.4]] * 5)

    found = texts(model, "", "the", beam=3, samples=3, words=1, seed=None)

    assert [(text.line, text.sample, text.tokens) for text in found] == [
        (line, rank, [word]) for line in (1, 2) for rank, word in enumerate(["sat", "cat", "the"], start=1)
    ]


def test_the_best_text_of_a_network_is_the_best_of_all_short_ones(model):
    words = model.vocabulary.words[2:]
    lines = [" ".join(chosen) for length in range(3) for chosen in itertools.product(words, repeat=length)]
    scores = dict(zip(lines, score_sentences(model, lines, blank_lines="keep"), strict=True))

    def log_prob(line):
        # A text of two words is ended by their number.
        return math.fsum(scores[line].log_probs[:-1] if line.count(" ") else scores[line].log_probs)

    (best,) = texts(model, "", beam=8, words=2, sentences=1, seed=None)

    assert best.text == max(lines, key=log_prob)
    assert best.logprob == pytest.approx(log_prob(best.text), abs=1e-4)


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples is 0; expected a whole number of at least 1"),
        ({"words": 0}, "words is 0; expected a whole number of at least 1"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram is -1; expected a whole number of at least 1"),
        ({"seed": 2**32}, "the seed is 4294967296; expected a whole number from 0 to 4294967295"),
        (
            {"beam": 9},
            "the beam is 9; expected a whole number from 1 to 8, the size of the vocabulary without <unk>",
        ),
        ({"beam": 2, "samples": 3}, "a beam of 2 cannot give 3 texts; ask for at most 2, or for a larger beam"),
        (
            {"beam": 2, "sampling": Sampling(top_k=3)},
            "a beam search draws nothing; leave out the seed and the options of sampling",
        ),
        ({"beam": 2, "seed": 3}, "a beam search draws nothing; leave out the seed and the options of sampling"),
        ({"stop": ["a zebra"]}, "the stop 'a zebra' would never come: 'a' is not in the model's vocabulary"),
        ({"stop": [" "]}, "the stop ' ' has no words; expected one or more"),
    ],
)
def test_a_value_outside_its_range_is_refused(model, options, message):
    with pytest.raises(UsageError) as raised:
        TextGenerator(model, **options)
    assert str(raised.value) == message


def test_a_prompt_without_a_known_word_is_refused(model):
    with pytest.raises(DataError, match="no word of the prompt '编程 x' is in the model's vocabulary"):
        texts(model, "编程 x")


def test_a_beam_search_cannot_be_streamed(model):
    generator = TextGenerator(model, beam=2)

    with pytest.raises(UsageError, match="certain only at its end"):
        next(generator.stream(generator.read("the")))


def test_a_model_that_fills_gaps_is_refused(make_model):
    with pytest.raises(UsageError, match="has no distribution of the next word"):
        make_model(family="masked").generate("the")


def test_the_model_generates_with_the_options_of_the_generator(model):
    found = model.generate("the", samples=3, words=5, temperature=0.5, top_k=4, seed=7, no_repeat_ngram=2)

    options = {"samples": 3, "words": 5, "seed": 7, "no_repeat_ngram": 2, "sampling": Sampling(0.5, top_k=4)}
    assert found == texts(model, "the", **options)
    assert model.generate(beam=2, words=3) == texts(model, "", beam=2, words=3, seed=None)

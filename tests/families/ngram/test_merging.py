"""Static interpolation and entropy pruning of n-gram models."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lmctl.families.mixture.runtime import MixtureLanguageModel
from lmctl.families.ngram.entropy_pruning import divergences, prune
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.keyed_tables import write_keyed
from lmctl.families.ngram.merging import Member, interpolate, keyed
from lmctl.families.ngram.renormalizing import renormalize
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables

IDS = {"<unk>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4, "d": 5}
ONE = "a b c d\nb c a\nd a b c\nc c a b\na b c a\n" * 2 + "d d b\n"
TWO = "d c b a\na a c\nb d a\nc a d b\na c d\nb\n"


@pytest.fixture
def members(tmp_path):
    """`members(order, smoothing="kneser-ney", quantize=32)`: two models of one vocabulary."""

    def make(*orders, smoothing="kneser-ney", **options):
        made = []
        for number, (text, order) in enumerate(zip((ONE, TWO), orders, strict=True)):
            folder = tmp_path / f"member{number}"
            folder.mkdir(exist_ok=True)
            ids = np.array([IDS[word] for line in text.splitlines() for word in [*line.split(), "</s>"]])
            sizes = estimate(ids, 6, folder, order=order, smoothing=smoothing, **options)
            made.append(NgramLanguageModel(open_tables(folder, sizes)))
        return made

    return make


def as_model(ngrams, folder):
    """The n-grams as a model that answers."""
    return NgramLanguageModel(open_tables(folder, write_keyed(ngrams, folder)))


def contexts_of(size, length):
    """All contexts of up to `length` words, with and without the start of a sentence."""
    words = [token for token in range(size) if token != 1]
    for count in range(length + 1):
        for context in itertools.product(words, repeat=count):
            yield context
            yield (1, *context)


def distribution(model, context):
    state = model.null_state(1)
    if context:
        state = model.advance(state, np.array(context)[:, None])
    return np.exp(model.log_probs(state)[0], dtype=np.float64)


@pytest.mark.parametrize(
    ("orders", "quantize"), [((3, 3), 32), ((3, 2), 32), ((2, 4), 32), ((3, 3), 8), ((1, 2), 32)]
)
def test_every_ngram_has_the_probability_of_the_mixture_and_every_context_sums_to_1(
    members, tmp_path, orders, quantize
):
    models = members(*orders, quantize=quantize)
    mixture = MixtureLanguageModel(models, [0.3, 0.7])

    ngrams = interpolate(list(map(Member.alone, models)), [0.3, 0.7])

    merged = as_model(ngrams, tmp_path)
    for order in range(1, max(orders) + 1):
        words = ngrams.words(order, np.arange(len(ngrams.log_probs[order])))
        for *context, word in words.tolist():
            expected = distribution(mixture, context)[word]
            assert distribution(merged, context)[word] == pytest.approx(expected, rel=1e-6)
    for context in contexts_of(merged.vocabulary_size, max(orders) - 1):
        assert distribution(merged, context).sum() == pytest.approx(1, abs=1e-6)


def test_it_has_the_ngrams_of_all_members(members):
    models = members(3, 3)
    found = interpolate(list(map(Member.alone, models)), [0.5, 0.5])

    for order in (2, 3):
        expected = {
            tuple(words)
            for model in models
            for words in model.words(order, np.arange(model.sizes.ngrams[order - 1])).tolist()
        }
        words = found.words(order, np.arange(len(found.keys[order])))
        assert {tuple(each) for each in words.tolist()} == expected
        assert len(words) == len(expected)


def test_one_member_stays_the_same_model(members, tmp_path):
    (model, _) = members(3, 3)

    again = as_model(keyed(model), tmp_path)

    for context in contexts_of(model.vocabulary_size, 2):
        np.testing.assert_allclose(distribution(again, context), distribution(model, context), rtol=1e-5)


def test_relative_frequencies_leave_nothing_to_other_words(members, tmp_path):
    models = members(2, 2, smoothing="mle")

    merged = as_model(interpolate(list(map(Member.alone, models)), [0.5, 0.5]), tmp_path)

    for context in ((1,), (2,), (3,)):
        expected = distribution(MixtureLanguageModel(models, [0.5, 0.5]), context)
        np.testing.assert_allclose(distribution(merged, context), expected, rtol=0, atol=1e-6)


def test_orders_without_n_grams_stay_empty(tmp_path):
    # The longest n-gram of the sentences "a" and "b" is </s> a </s>, of three words.
    sizes = estimate(np.array([2, 1, 3, 1, 2, 1]), 4, tmp_path, order=5, smoothing="kneser-ney")
    model = NgramLanguageModel(open_tables(tmp_path, sizes))

    ngrams = keyed(model)
    prune(ngrams, 0.0)

    assert [len(each) for each in ngrams.log_probs.values()] == [4, 4, 2, 0, 0]
    folder = tmp_path / "again"
    folder.mkdir()
    again = as_model(ngrams, folder)
    for context in ((1,), (2,), (1, 2)):
        np.testing.assert_allclose(distribution(again, context), distribution(model, context), rtol=1e-5)


def divergence_by_enumeration(before, after, order, ngrams, place):
    """The divergence of two models in the one context in which they differ, weighted by its probability."""
    *context, _ = ngrams.words(order, np.array([place]))[0].tolist()
    old, new = distribution(before, context), distribution(after, context)
    # The start of a sentence has the probability of the unigram `</s>`.
    prob = distribution(before, ())[context[0]]
    for length in range(1, len(context)):
        prob *= distribution(before, context[:length])[context[length]]
    return prob * (old * np.log(old / new)).sum()


@pytest.mark.parametrize("order", [2, 3])
def test_the_divergence_is_that_of_the_distributions(members, tmp_path, order):
    (model, _) = members(order, order)
    ngrams = keyed(model)
    found = divergences(ngrams, order)

    for place in range(len(found)):
        one_less = keyed(model)
        for values in (one_less.keys, one_less.log_probs):
            values[order] = np.delete(values[order], place)
        renormalize(one_less)
        folder = tmp_path / str(place)
        folder.mkdir()
        expected = divergence_by_enumeration(model, as_model(one_less, folder), order, ngrams, place)
        assert found[place] == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_pruning_keeps_contexts_and_sums_and_everything_at_a_threshold_of_0(members, tmp_path):
    (model, _) = members(3, 3)
    whole, some, least = keyed(model), keyed(model), keyed(model)

    prune(whole, 0.0)
    prune(some, 2e-3)
    prune(least, 10.0)

    counts = [[len(each) for each in ngrams.log_probs.values()] for ngrams in (whole, some, least)]
    assert counts[0] == model.sizes.ngrams
    assert counts[2] == [model.vocabulary_size, 0, 0]
    assert counts[0][2] > counts[1][2] > 0
    pruned = as_model(some, tmp_path)
    for context in contexts_of(model.vocabulary_size, 2):
        assert distribution(pruned, context).sum() == pytest.approx(1, abs=1e-6)


def test_the_threshold_is_a_share_of_the_perplexity(members):
    # SRILM, ngram(1), -prune: the perplexity rises by exp(D) - 1, which is more than D.
    (model, _) = members(2, 2)
    loss = np.max(divergences(keyed(model), 2))
    assert loss > 0.01
    counts = []
    for threshold in (loss, np.expm1(loss) * 0.999, np.expm1(loss) * 1.001):
        ngrams = keyed(model)
        prune(ngrams, threshold)
        counts.append(len(ngrams.keys[2]))

    assert counts == [1, 1, 0]

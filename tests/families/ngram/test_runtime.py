import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.base import LanguageModel
from lmctl.families.ngram.runtime import NgramLanguageModel

CORPUS = Path(__file__).parents[3] / "corpora/en.txt"


class SlowModel:
    """An n-gram model in dictionaries of tuples, by the formulas of Chen & Goodman 1998, without back-offs.

    Args:
        sentences: token ids.
        size: size of the vocabulary.
        order: order of the longest n-grams.
        smoothing: "kneser-ney" or "mle".
        pruning: for each order, n-grams that occur at most this often are left out.
    """

    def __init__(self, sentences, size, order, smoothing, pruning):
        self.size, self.order, self.smoothing = size, order, smoothing
        occurrences = [Counter() for _ in range(order + 1)]
        for sentence in sentences:
            padded = (SENTENCE_END_ID, *sentence, SENTENCE_END_ID)
            for length in range(1, order + 1):
                first = 1 if length == 1 else 0
                occurrences[length].update(
                    padded[at : at + length] for at in range(first, len(padded) - length + 1)
                )
        self.continuations = [defaultdict(dict) for _ in range(order + 1)]
        self.discounts = [None]
        for length in range(1, order + 1):
            counts = occurrences[length]
            if smoothing == "kneser-ney" and length < order:
                before = Counter(longer[1:] for longer in occurrences[length + 1])
                starts = {ngram for ngram in counts if length > 1 and ngram[0] == SENTENCE_END_ID}
                counts = {ngram: counts[ngram] if ngram in starts else before[ngram] for ngram in counts}
            having = Counter(counts.values())
            self.discounts.append(self.closed_form(having) or {1: 0.5, 2: 1.0, 3: 1.5})
            for ngram, count in counts.items():
                kept = occurrences[length][ngram] > pruning[length - 1]
                self.continuations[length][ngram[:-1]][ngram[-1]] = (count, kept)

    @staticmethod
    def closed_form(having):
        if not (having[1] and having[2] and having[3]):
            return None
        share = having[1] / (having[1] + 2 * having[2])
        discounts = {c: c - (c + 1) * share * having[c + 1] / having[c] for c in (1, 2, 3)}
        return discounts if all(0 <= discounts[c] <= c for c in discounts) else None

    def prob(self, context, word):
        """Probability of a word after a tuple of at most order - 1 words, the start of the sentence among them."""
        length = len(context) + 1
        after = self.continuations[length].get(context, {})
        if context and not any(kept for _, kept in after.values()):
            return self.prob(context[1:], word)
        lower = self.prob(context[1:], word) if context else 1 / self.size
        count, kept = after.get(word, (0, False))
        if self.smoothing == "mle":
            total = sum(count for count, kept in after.values() if kept)
            return count / total if kept else 0.0
        total = sum(count for count, _ in after.values())
        discounts = self.discounts[length]
        left = sum(discounts[min(count, 3)] if kept else count for count, kept in after.values())
        own = count - discounts[min(count, 3)] if kept else 0
        return own / total + left / total * lower

    def row(self, history):
        """Probabilities of all words after a history, which may go over the ends of sentences."""
        history = list(history)
        if SENTENCE_END_ID in history:
            history = history[len(history) - 1 - history[::-1].index(SENTENCE_END_ID) :]
        context = tuple(history[max(0, len(history) - self.order + 1) :])
        return np.array([self.prob(context, word) for word in range(self.size)])


def log(probs):
    with np.errstate(divide="ignore"):
        return np.log(probs)


def text_of(sentences):
    """A text whose words have the ids of `sentences`: words are given ids by falling count, then by name."""
    return "".join(" ".join(chr(ord("a") + token) for token in sentence) + "\n" for sentence in sentences)


@st.composite
def models(draw):
    """A small corpus in ids, and the settings of a model. Quantised, it has all shares exactly: up to order 3."""
    words = st.integers(0, 5)
    sentences = draw(st.lists(st.lists(words, max_size=6), min_size=1, max_size=10))
    smoothing, quantize = draw(st.sampled_from([("kneser-ney", 8), ("kneser-ney", 32), ("mle", 32)]))
    order = draw(st.integers(1, 3 if quantize == 8 else 5))
    thresholds = sorted(draw(st.lists(st.integers(0, 2), min_size=order - 1, max_size=order - 1)))
    return sentences, order, smoothing, (0, *thresholds), quantize


@pytest.fixture(scope="module")
def make_models(estimate_text):
    """`make_models(drawn)`: the model, and the slow one of the same corpus."""

    def make(drawn):
        sentences, order, smoothing, pruning, quantize = drawn
        text = text_of(sentences)
        vocabulary, tables = estimate_text(
            text, order=order, smoothing=smoothing, pruning=pruning, quantize=quantize
        )
        ids = [vocabulary.encode(line.split()) for line in text.splitlines()]
        return NgramLanguageModel(tables), SlowModel(ids, len(vocabulary), order, smoothing, pruning)

    return make


def read(model, history):
    return model.advance(model.null_state(1), np.array(history, dtype=np.int64)[:, None])


def histories(model, drawn):
    return drawn.draw(st.lists(st.integers(0, model.vocabulary_size - 1), max_size=7))


@settings(max_examples=80)
@given(drawn=models(), more=st.data())
def test_distributions_are_those_of_the_formulas(make_models, drawn, more):
    model, slow = make_models(drawn)
    history = histories(model, more)

    (found,) = np.exp(model.log_probs(read(model, history)).astype(float))

    # Quantised shares are multiples of 2^-24, and the nearest ones that differ by less than 10^-4 are one value.
    rtol = 2e-4 if model.sizes.quantize == 8 else 2e-6
    np.testing.assert_allclose(found, slow.row(history), rtol=rtol, atol=1e-12)
    assert found.sum() == pytest.approx(1, abs=1e-6)


@settings(max_examples=80)
@given(drawn=models(), more=st.data())
def test_scores_are_the_log_probs_of_the_targets(make_models, drawn, more):
    model, slow = make_models(drawn)
    steps, batch = more.draw(st.integers(1, 6)), more.draw(st.integers(1, 3))
    tokens = st.lists(st.integers(0, model.vocabulary_size - 1), min_size=steps * batch, max_size=steps * batch)
    inputs = np.array(more.draw(tokens)).reshape(steps, batch)
    targets = np.array(more.draw(tokens)).reshape(steps, batch)
    if more.draw(st.booleans()):
        targets[:-1] = inputs[1:]
    lengths = np.array(more.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch)))
    before = model.initial_state(batch)

    scores, state = model.score(inputs, targets, lengths, before, ranks=True)

    for column in range(batch):
        for step in range(lengths[column]):
            row = slow.row([SENTENCE_END_ID, *inputs[: step + 1, column]])
            found = scores.log_probs[step, column]
            atol = 2e-4 if model.sizes.quantize == 8 else 1e-6
            np.testing.assert_allclose(found, log(row[targets[step, column]]), rtol=1e-6, atol=atol)
            own = model.advance(before, inputs[: step + 1])
            log_probs = model.log_probs(own)[column]
            assert np.float32(found) == log_probs[targets[step, column]]
            assert scores.ranks[step, column] == np.count_nonzero(log_probs >= np.float32(found))
        assert not scores.log_probs[lengths[column] :, column].any()
        assert not scores.ranks[lengths[column] :, column].any()
    np.testing.assert_array_equal(state.contexts, model.advance(before, inputs, lengths).contexts)


@settings(max_examples=80)
@given(drawn=models(), more=st.data())
def test_the_best_words_are_the_beginning_of_a_full_sort(make_models, drawn, more):
    model, _ = make_models(drawn)
    batch = [histories(model, more) for _ in range(2)]
    state = model.null_state(2)
    lengths = np.array([len(history) for history in batch])
    columns = np.zeros((max(lengths.max(), 1), 2), dtype=np.int64)
    for column, history in enumerate(batch):
        columns[: len(history), column] = history
    state = model.advance(state, columns, lengths)
    k = more.draw(st.integers(0, 9))
    size = model.vocabulary_size
    allowed = more.draw(st.one_of(st.none(), st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)))

    words, log_probs = model.top_k(state, k, allowed)

    # The base class sorts the whole distribution.
    expected_words, expected = LanguageModel.top_k(model, state, k, allowed)
    assert words.tolist() == expected_words.tolist()
    assert log_probs.tolist() == expected.tolist()


@settings(max_examples=80)
@given(drawn=models(), more=st.data())
def test_states_carried_in_pieces_are_those_of_one_go(make_models, drawn, more):
    model, _ = make_models(drawn)
    history = histories(model, more)
    assume(history)
    cut = more.draw(st.integers(0, len(history)))
    tokens = np.array(history)[:, None]
    targets = np.roll(tokens, -1)

    whole, end = model.score(tokens, targets, np.array([len(tokens)]), model.null_state(1))
    first, state = model.score(tokens[:cut], targets[:cut], np.array([cut]), model.null_state(1))
    rest, state = model.score(tokens[cut:], targets[cut:], np.array([len(tokens) - cut]), state)

    np.testing.assert_array_equal(state.contexts, end.contexts)
    assert np.concatenate([first.log_probs, rest.log_probs]).tolist() == whole.log_probs.tolist()
    piecewise = model.advance(model.advance(model.null_state(1), tokens[:cut]), tokens[cut:])
    np.testing.assert_array_equal(piecewise.contexts, end.contexts)


@pytest.fixture(scope="module", params=[("kneser-ney", 8), ("kneser-ney", 32), ("mle", 32)])
def english(request, estimate_text):
    """A model, and the text that it was estimated from, in ids."""
    text = CORPUS.read_text(encoding="utf-8")
    smoothing, quantize = request.param
    vocabulary, tables = estimate_text(text, order=5, smoothing=smoothing, quantize=quantize)
    tokens = [token for line in text.splitlines() for token in (*vocabulary.encode(line.split()), SENTENCE_END_ID)]
    return NgramLanguageModel(tables), np.array(tokens)


def test_every_one_of_a_thousand_random_distributions_sums_to_one(english):
    # A third of the contexts is from the text, a third is from the text but for the first words, a third is
    # random.
    model, text = english
    generator = np.random.default_rng(3)
    tokens = generator.integers(0, model.vocabulary_size, size=(6, 1000))
    starts = generator.integers(len(text) - 6, size=666)
    tokens[:, :666] = text[starts + np.arange(6)[:, None]]
    tokens[:3, :333] = generator.integers(0, model.vocabulary_size, size=(3, 333))
    state = model.advance(model.null_state(1000), tokens)

    sums = np.exp(model.log_probs(state).astype(float)).sum(axis=1)

    np.testing.assert_allclose(sums, 1, atol=1e-6)
    # Contexts of every length are among them.
    assert (np.count_nonzero(state.contexts >= 0, axis=1) > [999, 500, 400, 100]).all()


def test_the_best_words_of_a_larger_vocabulary_are_the_beginning_of_a_full_sort(english):
    model, text = english
    generator = np.random.default_rng(4)
    state = model.advance(model.null_state(200), text[:800].reshape(200, 4).T)
    allowed = generator.random(model.vocabulary_size) < 0.7

    for k in (1, 10, 700):
        words, log_probs = model.top_k(state, k, allowed)
        expected_words, expected = LanguageModel.top_k(model, state, k, allowed)
        np.testing.assert_array_equal(words, expected_words)
        np.testing.assert_array_equal(log_probs, expected)


def test_a_context_does_not_include_words_before_a_sentence_end(estimate_text):
    vocabulary, tables = estimate_text("a b\nb a\n", order=3, smoothing="kneser-ney")
    model = NgramLanguageModel(tables)
    a, b = vocabulary.encode(["a", "b"])

    after_both = read(model, [a, b, SENTENCE_END_ID])

    np.testing.assert_array_equal(after_both.contexts, model.initial_state(1).contexts)
    assert after_both.contexts.tolist() == [[SENTENCE_END_ID], [-1]]


def test_backing_off_by_hand(estimate_text):
    # Maximum likelihood, order 3, "a b c" and "b a": after (b, a) only </s> was seen; (a, a) was never seen, so
    # it backs off to a: b once, </s> once; after <unk>, which was never seen, all 7 tokens: a 2, b 2, c 1, </s> 2.
    vocabulary, tables = estimate_text("a b c\nb a\n", order=3, smoothing="mle")
    model = NgramLanguageModel(tables)
    a, b, c = vocabulary.encode(["a", "b", "c"])

    for history, expected in [
        ([b, a], {SENTENCE_END_ID: 1}),
        ([a, a], {b: 1 / 2, SENTENCE_END_ID: 1 / 2}),
        ([a, 0], {a: 2 / 7, b: 2 / 7, c: 1 / 7, SENTENCE_END_ID: 2 / 7}),
    ]:
        (row,) = np.exp(model.log_probs(read(model, history)))
        assert row.tolist() == pytest.approx([expected.get(word, 0) for word in range(5)])


def test_uniform_counts_give_the_probability_of_a_uniform_model(estimate_text):
    # Order 1: "a", "b" and </s> once each of 3; a uniform distribution over them by maximum likelihood.
    _, tables = estimate_text("a b\n", order=1, smoothing="mle")
    model = NgramLanguageModel(tables)
    tokens = np.array([[2], [3], [1]])

    scores, state = model.score(tokens, tokens, np.array([3]), model.null_state(1))

    assert math.exp(-scores.log_probs.mean()) == pytest.approx(3)
    assert state.contexts.shape == (0, 1)


def test_there_are_no_features(english):
    model, _ = english

    assert not model.has_features
    with pytest.raises(NotImplementedError, match="NgramLanguageModel has no features"):
        model.features(model.null_state(1))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_distributions_along_a_text_are_those_of_its_states(estimate_text, order):
    _, tables = estimate_text("a b a\nb b c\na c\n", order=order, smoothing="kneser-ney")
    model = NgramLanguageModel(tables)
    text = np.array([[1, 2], [2, 3], [3, 1]])

    along, _ = model.advance_with_log_probs(model.null_state(2), text)

    state = model.null_state(2)
    for step, tokens in enumerate(text):
        state = model.advance(state, tokens[None])
        np.testing.assert_allclose(along[step], model.log_probs(state), atol=1e-6)

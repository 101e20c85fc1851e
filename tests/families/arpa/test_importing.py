"""ARPA files -> models: probabilities by hand, from the lines of the file."""

import math

import numpy as np
import pytest
from arpa_texts import ARPA, log10_prob

from lmctl.corpus.vocabulary import SENTENCE_END_ID


def test_words_get_ids_by_falling_probability_then_by_code_point(load):
    vocabulary, _ = load(ARPA)

    assert vocabulary.words == ("<unk>", "</s>", "b", "A", "a")
    assert vocabulary.counts == (0,) * 5


@pytest.mark.parametrize(
    ("context", "word", "expected"),
    [
        ([], "a", -0.75),
        (["b"], "a", -0.2),
        (["<s>"], "a", -0.1),
        (["<s>"], "b", -0.5 - 0.5),
        (["<s>", "a"], "A", -0.06),
        # <s> a backs off to a, which backs off to the unigram.
        (["<s>", "a"], "</s>", -0.3 - 0.25 - 0.7),
        (["A", "a"], "b", -0.25 - 0.5),
        (["b"], "</s>", -0.3),
        (["a", "b"], "a", -0.05),
        # Import adds "a b" with the back-off 1.
        (["a", "b"], "</s>", -0.3),
        (["a", "b"], "A", -0.125 - 0.75),
        # The probability of b after a does not change: it backs off from a to the unigram b.
        (["a"], "b", -0.25 - 0.5),
        (["<s>", "a"], "b", -0.3 - 0.25 - 0.5),
        (["zebra"], "zebra", -1.5),
    ],
)
def test_probabilities_are_those_of_the_file(load, context, word, expected):
    # Sums by hand over the lines of the file, by ngram-format(5).
    vocabulary, model = load(ARPA)

    assert log10_prob(vocabulary, model, context, word) == pytest.approx(expected, abs=1e-6)
    assert model.sizes.ngrams == [5, 5, 2]


def test_lengths_and_terms_are_those_of_the_ngrams_that_were_found(load):
    # "<s> a" is a bigram, "<s> a A" a trigram; "</s>" after them backs off from "a A" and from "A".
    vocabulary, model = load(ARPA)
    a, upper_a = vocabulary.encode(["a", "A"])
    inputs, targets = np.array([[SENTENCE_END_ID], [a], [upper_a]]), np.array([[a], [upper_a], [SENTENCE_END_ID]])

    scores, _ = model.score(inputs, targets, np.array([3]), model.null_state(1))

    assert scores.ngram_lengths.tolist() == [[2], [3], [1]]
    log10s = scores.ngram_terms[:, :, 0] / math.log(10)
    np.testing.assert_allclose(log10s, [[-0.1, -0.06, -0.7], [0, 0, -0.0625], [0, 0, -0.6]], atol=1e-6)
    np.testing.assert_allclose(scores.log_probs, scores.ngram_terms.sum(axis=0), atol=1e-6)


def test_contexts_of_contexts_are_put_in_too(load):
    # A 4-gram without its context among the trigrams and bigrams.
    vocabulary, model = load(
        "\\data\\\nngram 1=4\nngram 2=1\nngram 3=0\nngram 4=1\n\n\\1-grams:\n-99\t<s>\t-0.5\n-0.7\t</s>\n"
        "-0.5\ta\t-0.25\n-0.6\tb\t-0.125\n\n\\2-grams:\n-0.3\tb a\t-0.0625\n\n\\3-grams:\n\n\\4-grams:\n"
        "-0.01\ta b a b\n\n\\end\\\n"
    )

    assert model.sizes.ngrams == [4, 2, 1, 1]
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "b") == pytest.approx(-0.01)
    # a b is added with -0.25 - 0.6; a b a with the probability of b a, because the back-off of a b is 1.
    assert log10_prob(vocabulary, model, ["a"], "b") == pytest.approx(-0.85)
    assert log10_prob(vocabulary, model, ["a", "b"], "a") == pytest.approx(-0.3)
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "</s>") == pytest.approx(-0.0625 - 0.25 - 0.7)


def test_a_context_that_is_not_missing_after_all_keeps_its_own_line(load):
    # The file has the trigram "a b a", but not its context.
    text = ARPA.replace("ngram 3=2", "ngram 3=2\nngram 4=1").replace(
        "\\end", "\\4-grams:\n-0.02\ta b a A\n\n\\end"
    )

    vocabulary, model = load(text)

    assert model.sizes.ngrams == [5, 5, 2, 1]
    assert log10_prob(vocabulary, model, ["a", "b"], "a") == pytest.approx(-0.05)
    assert log10_prob(vocabulary, model, ["a", "b", "a"], "A") == pytest.approx(-0.02)


def test_a_high_order_is_read(load):
    # Of one sentence of ten words, every n-gram that starts with <s>. phonetisaurus-train asks for order 8, models
    # of characters for more.
    order, words = 12, ["<s>", *"abcdefghij", "</s>"]
    sections = [
        f"\\{n}-grams:\n-0.{n:02}\t{' '.join(words[:n])}\t{'' if n == order else -0.5}"
        for n in range(2, order + 1)
    ]
    unigrams = "".join(f"-1\t{word}\t-0.25\n" for word in words)
    counts = "".join(f"ngram {n}={order if n == 1 else 1}\n" for n in range(1, order + 1))

    vocabulary, model = load(f"\\data\\\n{counts}\\1-grams:\n{unigrams}" + "\n".join(sections) + "\n\\end\\\n")

    assert model.sizes.order == 12
    assert log10_prob(vocabulary, model, words[:11], "</s>") == pytest.approx(-0.12, abs=1e-6)
    # Of the contexts, only the one of 11 words and the last word alone are in the file, each with its back-off.
    assert log10_prob(vocabulary, model, words[:11], "a") == pytest.approx(-0.5 - 0.25 - 1, abs=1e-6)

import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.keyed_tables import write_keyed
from lmctl.families.ngram.keys import KeyedNgrams, make_keys
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.tables import open_tables


def test_a_score_of_many_terms_has_the_same_bits_in_any_company(tmp_path):
    # The n-grams a a, a a a, and so on up to ten words. After nine times a, the log probability of b is that of
    # its unigram and nine back-offs: numbers so different that their sum depends on the order of additions.
    a, b, order = 2, 3, 10
    log_prob = -5 / 7
    backoffs = [-1e-8 / 3, -1 / 3, -1 / 7, -1e-11 / 3, -2 / 3, -2e-9 / 3, -1e-9 / 3, -3.3, -1e-10 / 7]
    contexts = {length: a if length == 2 else 0 for length in range(2, order + 1)}
    ngrams = KeyedNgrams(
        4,
        keys={length: make_keys(np.array([context]), np.array([a]), 2) for length, context in contexts.items()},
        log_probs={1: np.array([-3, -2, -1, log_prob])} | {length: np.array([-0.1]) for length in contexts},
        backoffs={1: np.array([0, 0, backoffs[0], 0])}
        | {length: np.array([backoff]) for length, backoff in enumerate(backoffs[1:], start=2)},
    )
    model = NgramLanguageModel(open_tables(tmp_path, write_keyed(ngrams, tmp_path)))
    inputs = np.full((order - 1, 3), a)
    targets = np.concatenate([inputs[1:], np.full((1, 3), b)])

    together, state = model.score(inputs, targets, np.full(3, order - 1), model.null_state(3))
    alone, _ = model.score(inputs[:, :1], targets[:, :1], np.array([order - 1]), model.null_state(1))

    # Added from the longest context on, as for the whole distribution.
    expected = 0.0
    for term in (*reversed(backoffs), log_prob):
        expected += float(np.float32(term))
    assert together.log_probs[-1].tolist() == [expected] * 3
    assert alone.log_probs[-1].tolist() == [expected]
    assert model.log_probs(state)[:, b].tolist() == [np.float32(expected)] * 3


@pytest.mark.parametrize("quantize", [8, 32])
def test_a_context_that_leaves_nothing_makes_other_words_impossible(tmp_path, quantize):
    # "a x" and "a y" twice, "p q r" three times, and a sentence of 15 other words. Of the bigrams, 16 occur once,
    # 4 twice, 4 three times, and </s> a four times. Chen & Goodman 1998, equation 26: Y = 16 / (16 + 2 * 4) = 2/3,
    # and D2 = 2 - 3 * 2/3 * 4/4 = 0. So x and y have 1/2 each after a, and leave nothing to other words.
    a, x, y = 2, 3, 4
    sentences = [[a, x], [a, y]] * 2 + [[5, 6, 7]] * 3 + [list(range(8, 23))]
    token_ids = np.array([token for sentence in sentences for token in (*sentence, SENTENCE_END_ID)])
    sizes = estimate(token_ids, 23, tmp_path, order=2, smoothing="kneser-ney", quantize=quantize)
    model = NgramLanguageModel(open_tables(tmp_path, sizes))

    scores, _ = model.score(np.full((1, 3), a), np.array([[x, y, 8]]), np.ones(3, dtype=int), model.null_state(3))

    assert np.exp(scores.log_probs[0]).tolist() == pytest.approx([1 / 2, 1 / 2, 0])
    np.testing.assert_allclose(scores.ngram_terms.sum(axis=0), scores.log_probs, atol=1e-7)

import numpy as np

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

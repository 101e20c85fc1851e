import numpy as np

from lmctl.families.ngram.keys import ABSENT, KeyedNgrams, make_keys


def test_keys_that_no_float64_tells_apart_are_found():
    # A float64 has no odd numbers from 2**53 on. NumPy (2.4.6) compares int64 with uint64 as float64, so
    # that a needle of another type than the keys finds its neighbour.
    vocabulary_size = 2**31 - 1
    contexts = np.repeat([2**23, 2**23 + 1, 2**31 - 2], 3)
    words = np.tile([2**30, 2**30 + 1, 2**30 + 2], 3)
    keys = make_keys(contexts, words, 31)
    assert keys.min() > 2**53
    ngrams = KeyedNgrams(vocabulary_size, keys={2: keys}, log_probs={}, backoffs={})

    assert ngrams.find(2, contexts, words).tolist() == list(range(9))
    assert ngrams.find(2, contexts, words + 3).tolist() == [ABSENT] * 9
    assert ngrams.words(2, np.arange(9)).tolist() == np.stack([contexts, words], axis=1).tolist()

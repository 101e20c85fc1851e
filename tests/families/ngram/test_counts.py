import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram import columns
from lmctl.families.ngram.columns import Pieces, write_pieces
from lmctl.families.ngram.counts import count_ngrams, part_bounds
from lmctl.families.ngram.estimation import whole_contexts
from lmctl.families.ngram.sizes import word_bits

VOCABULARY_SIZE = 6


def count_by_hand(sentences, order):
    """Counts of n-grams as tuples, with `</s>` in front of each sentence."""
    counts = Counter()
    for sentence in sentences:
        padded = (SENTENCE_END_ID, *sentence, SENTENCE_END_ID)
        # The start of a sentence is no unigram, because it is never predicted.
        first = 1 if order == 1 else 0
        counts.update(padded[at : at + order] for at in range(first, len(padded) - order + 1))
    return counts


def as_tuples(counted):
    """The same from the tables of counts."""
    bits = word_bits(VOCABULARY_SIZE)
    words = [(word,) for word in range(VOCABULARY_SIZE)]
    found = [{word: int(count) for word, count in zip(words, counted[0].counts.read(), strict=True) if count}]
    suffixes_fit = True
    for of_order in counted[1:]:
        keys = of_order.keys.read().tolist()
        shorter, words = words, [(*words[key >> bits], key & ((1 << bits) - 1)) for key in keys]
        suffixes = [shorter[place] for place in of_order.suffixes.read().tolist()]
        suffixes_fit &= [word[1:] for word in words] == suffixes
        assert words == sorted(words)
        found.append(dict(zip(words, of_order.counts.read().tolist(), strict=True)))
    return found, suffixes_fit


@given(
    sentences=st.lists(st.lists(st.sampled_from([0, 2, 3, 5]), max_size=6), min_size=1, max_size=8),
    order=st.integers(1, 5),
    at_once=st.sampled_from([1, 2, 3, 7, 1000]),
)
def test_counts_in_little_memory_are_those_of_a_dictionary(sentences, order, at_once):
    stream = np.array([token for sentence in sentences for token in (*sentence, SENTENCE_END_ID)], dtype=np.uint16)

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as scratch:
        patch.setattr(columns, "VALUES_AT_ONCE", at_once)
        found, suffixes_fit = as_tuples(count_ngrams(stream, VOCABULARY_SIZE, order, Path(scratch)))

    assert found == [dict(count_by_hand(sentences, length)) for length in range(1, order + 1)]
    assert suffixes_fit


def test_no_ngram_goes_past_the_end_of_a_sentence(tmp_path):
    # 2 3 </s> 2 </s>, with </s> in front: (1 2) twice, and 3 never before 2.
    found, _ = as_tuples(count_ngrams(np.array([2, 3, 1, 2, 1]), VOCABULARY_SIZE, 3, tmp_path))

    assert found[1] == {(1, 2): 2, (2, 1): 1, (2, 3): 1, (3, 1): 1}
    assert found[2] == {(1, 2, 1): 1, (1, 2, 3): 1, (2, 3, 1): 1}


def test_keys_beyond_2_to_the_53_are_divided_at_the_ends_of_contexts(tmp_path, monkeypatch):
    # NumPy (2.4.6) compares uint64 with int64 as float64, which has no odd numbers from 2**53 on.
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 4)
    contexts = np.repeat(np.array([2**60, 2**60 + 1, 2**60 + 2], dtype=np.uint64), 3)
    keys = contexts << np.uint64(2) | np.tile(np.arange(3, dtype=np.uint64), 3)
    of_runs = (keys, keys[::2], keys[1::2])
    runs = [write_pieces(tmp_path, "keys", of_run)[0] for of_run in of_runs]

    blocks = list(whole_contexts(Pieces(runs[:1], np.uint64), 2))
    bounds = part_bounds(runs, of_runs, map).T.tolist()
    parts = [
        set().union(*(of_run[start:stop].tolist() for of_run, (start, stop) in zip(of_runs, part, strict=True)))
        for part in zip(*map(pairwise, bounds), strict=True)
    ]

    assert blocks == [(0, 3), (3, 6), (6, 9)]
    # Equal keys of all runs are in one part, and no key is missing.
    assert len(parts) > 1
    assert sum(map(len, parts)) == len(keys)
    assert set().union(*parts) == set(keys.tolist())

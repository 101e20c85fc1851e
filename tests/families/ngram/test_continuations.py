import bisect
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.families.ngram import continuations, packing
from lmctl.families.ngram.continuations import open_continuations, word_dtype
from lmctl.families.ngram.keys import make_keys
from lmctl.families.ngram.packing import write_continuations
from lmctl.families.ngram.sizes import table_name, word_bits


def made(ngrams, contexts, vocabulary_size, folder, pieces=1):
    """Write n-grams, sorted pairs of context and word, and open them."""
    pairs = np.array(ngrams, dtype=np.int64).reshape(-1, 2)
    keys = make_keys(pairs[:, 0], pairs[:, 1], word_bits(vocabulary_size))
    write_continuations(folder, 2, np.array_split(keys, pieces), contexts, vocabulary_size, folder)
    return open_continuations(folder, 2, len(pairs), contexts, vocabulary_size)


@st.composite
def random_ngrams(draw):
    """Sorted pairs, the number of contexts and V: many contexts with one word, some with none or with many."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    contexts = draw(st.integers(1, 400))
    vocabulary_size = draw(st.sampled_from([3, 256, 257, 65_536, 65_537, 2**24 + 1]))
    lengths = generator.choice(
        [0, 1, 2, 90], contexts, p=draw(st.sampled_from([(0.1, 0.8, 0.1, 0), (0.2, 0.5, 0, 0.3)]))
    )
    words = [
        np.unique(generator.integers(0, vocabulary_size, min(length, vocabulary_size)))
        for length in lengths.tolist()
    ]
    return [(c, w) for c, of_context in enumerate(words) for w in of_context.tolist()], contexts, vocabulary_size


@settings(max_examples=60, deadline=None)
@given(drawn=random_ngrams(), pieces=st.integers(1, 9), at_once=st.sampled_from([64, 128, 1 << 18]))
def test_look_ups_are_those_of_a_sorted_list(drawn, pieces, at_once):
    ngrams, contexts, vocabulary_size = drawn
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setattr(continuations, "CONTEXTS_AT_ONCE", at_once)
        patch.setattr(packing, "CONTEXTS_AT_ONCE", at_once)
        found = made(ngrams, contexts, vocabulary_size, Path(folder), pieces)
        of_places = found.contexts_of(np.arange(len(ngrams))[::-1])

    first, stop = found.between(np.arange(contexts))
    assert first.tolist() == [bisect.bisect_left(ngrams, (context, 0)) for context in range(contexts)]
    assert stop.tolist() == [bisect.bisect_left(ngrams, (context + 1, 0)) for context in range(contexts)]
    assert found.words.tolist() == [word for _, word in ngrams]
    assert of_places.tolist() == [context for context, _ in reversed(ngrams)]
    # All n-grams, and neighbours of their words; together, and a few at a time.
    places = {ngram: place for place, ngram in enumerate(ngrams)}
    asked = [(c, w + more) for c, w in ngrams for more in (-1, 0, 1) if 0 <= w + more < vocabulary_size]
    asked += [(c, 1) for c in range(contexts)]
    expected = {number: places[ngram] for number, ngram in enumerate(asked) if ngram in places}
    of_asked, words = np.array(asked, dtype=np.int64).reshape(-1, 2).T
    for few in (0, len(asked)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(continuations, "FEW_SEARCHES", few)
            numbers, at = found.find_between(*found.between(of_asked), words)
        assert dict(zip(numbers.tolist(), at.tolist(), strict=True)) == expected


def test_a_context_with_more_ngrams_than_an_offset_of_two_bytes_holds(tmp_path):
    ngrams = [(0, word) for word in range(70_000)] + [(1, 5), (2, 5), (2, 6)]

    found = made(ngrams, 4, 70_000, tmp_path)

    assert found.offsets.dtype == np.uint32
    assert [values.tolist() for values in found.between(np.arange(4))] == [
        [0, 70_000, 70_001, 70_003],
        [70_000, 70_001, 70_003, 70_003],
    ]


def test_the_contexts_of_n_grams_that_lie_far_apart_take_memory_for_a_part_of_the_contexts(tmp_path, monkeypatch):
    # Of 100,000 contexts, three have an n-gram.
    monkeypatch.setattr(continuations, "CONTEXTS_AT_ONCE", 1024)
    found = made([(0, 1), (40_000, 0), (99_999, 2)], 100_000, 3, tmp_path)

    tracemalloc.start()
    contexts = found.contexts_of(np.array([2, 0, 1, 1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert contexts.tolist() == [99_999, 0, 40_000, 40_000]
    # Less than two bytes a context; the places of all of them have 8 bytes each.
    assert peak < 2 * 100_000


def test_opening_takes_memory_for_a_part_of_the_n_grams_and_checks_all_of_them(tmp_path, monkeypatch):
    # 400 contexts of 500 words, of which 4096 n-grams are checked at once; in the last context a word falls.
    monkeypatch.setattr(continuations, "CONTEXTS_AT_ONCE", 4096)
    keys = make_keys(np.repeat(np.arange(400), 500), np.tile(np.arange(500), 400), word_bits(500))
    write_continuations(tmp_path, 2, [keys], 400, 500, tmp_path)

    tracemalloc.start()
    open_continuations(tmp_path, 2, len(keys), 400, 500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    # Places have 8 bytes each.
    assert peak < 8 * len(keys) / 4
    path = tmp_path / table_name(2, "words")
    words = np.load(path)
    words[-1] = 0
    np.save(path, words)
    with pytest.raises(DataError, match="the words of a context do not rise"):
        open_continuations(tmp_path, 2, len(keys), 400, 500)


@pytest.mark.parametrize(
    ("vocabulary_size", "dtype"), [(3, "u1"), (256, "u1"), (257, "u2"), (65_536, "u2"), (65_537, "u4")]
)
def test_words_have_the_narrowest_type(vocabulary_size, dtype):
    assert word_dtype(vocabulary_size) == np.dtype(dtype)

from collections import Counter

import numpy as np
import pytest

from lmctl.corpus import word_counts
from lmctl.corpus.word_counts import WordCounts


def add(counts, text):
    words = Counter(text.split())
    counts.add(list(words), list(words.values()))


@pytest.fixture
def chunks():
    """A hundred chunks of words from a thousand, some beyond the basic plane, one with a lone surrogate."""
    generator = np.random.default_rng(1)
    words = [f"{chr(point)}{number % 7}" for number, point in enumerate(range(0x10000 - 500, 0x10000 + 500))]
    chunks = [" ".join(generator.choice(words, 50)) for _ in range(100)]
    return [*chunks, "\ud800 a"]


def test_counts_of_several_chunks_add_up(tmp_path):
    counts = WordCounts(tmp_path)
    add(counts, "the cat sat on the mat")
    add(counts, "the dog sat")

    assert dict(counts.items()) == {"the": 3, "cat": 1, "sat": 2, "on": 1, "mat": 1, "dog": 1}
    assert counts.total == 9
    assert list(tmp_path.iterdir()) == []


def test_a_word_of_validation_lines_alone_is_not_counted(tmp_path):
    counts = WordCounts(tmp_path)
    counts.add(["train", "valid"], [2, 0])

    assert list(counts.items()) == [("train", 2)]


@pytest.mark.parametrize("most", [0, 1, 30, 700])
def test_spilling_to_disk_gives_the_same_counts(tmp_path, monkeypatch, chunks, most):
    in_memory = WordCounts(tmp_path)
    for chunk in chunks:
        add(in_memory, chunk)

    monkeypatch.setattr(word_counts, "MOST_COUNTS_IN_MEMORY", most)
    spilled = WordCounts(tmp_path)
    for chunk in chunks:
        add(spilled, chunk)

    assert list(tmp_path.iterdir())
    assert spilled.total == in_memory.total == 5_002
    for _ in range(2):  # the vocabulary is chosen in one pass, characters are counted in another
        items = list(spilled.items())
        assert len(items) == len(dict(items))
        assert dict(items) == dict(in_memory.items()) == Counter(" ".join(chunks).split())

import numpy as np
import pytest

from lmctl.layers.word_classes import word_classes


def text_of_pairs(sentences=3000):
    """Sentences of a noun (ids 1 to 5), a verb (6 to 10) and an end (0)."""
    generator = np.random.default_rng(1)
    nouns, verbs = generator.integers(1, 6, sentences), generator.integers(6, 11, sentences)
    return np.stack([nouns, verbs, np.zeros_like(nouns)], axis=1).ravel()


def test_words_with_the_same_neighbours_are_one_class():
    classes = word_classes(text_of_pairs(), 11, 3, 8)

    assert len(set(classes[1:6])) == 1
    assert len(set(classes[6:11])) == 1
    assert len({classes[0], classes[1], classes[6]}) == 3


def test_no_class_has_more_words_than_it_may():
    classes = word_classes(text_of_pairs(), 11, 4, 3)

    assert np.bincount(classes, minlength=4).max() <= 3


def test_a_word_that_was_never_seen_has_a_class():
    classes = word_classes(text_of_pairs(), 40, 5, 16)

    assert classes.shape == (40,)
    assert set(classes) <= set(range(5))


@pytest.mark.parametrize("classes", [11, 64])
def test_with_as_many_classes_as_words_each_word_has_its_own(classes):
    assert word_classes(text_of_pairs(10), 11, classes, 1).tolist() == list(range(11))

import numpy as np
import pytest

from lmctl.families.feedforward import FAMILY
from lmctl.families.feedforward.runtime import FeedForwardLanguageModel


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_the_same_vocabulary_has_the_same_weights_bit_for_bit(make_sizes, make_weights, tied, adaptive):
    sizes = make_sizes(tied=tied, adaptive=adaptive)
    weights = make_weights(sizes)

    carried, rows = FAMILY.carry_over(weights, sizes, sizes, np.arange(9))

    assert carried.keys() == weights.keys()
    assert all(carried[name].tobytes() == weights[name].tobytes() for name in weights)
    assert (rows.kept, rows.moved, rows.new, rows.gone) == (9, 0, 0, 0)


def test_words_with_other_ids_are_predicted_and_read_as_before(make_sizes, make_weights):
    sizes = make_sizes(order=3)
    weights = make_weights(sizes)
    old_ids = np.array([0, 1, 5, 6, 2, 3, 4, 8, 7])

    carried, _ = FAMILY.carry_over(weights, sizes, sizes, old_ids)

    before, after = (FeedForwardLanguageModel(sizes, each) for each in (weights, carried))
    # A text that is shorter than a context: the padding is carried over, too.
    for text in ([3], [3, 7], [2, 8, 4]):
        expected = before.log_probs(before.advance(before.null_state(1), old_ids[text][:, None]))[0]
        found = after.log_probs(after.advance(after.null_state(1), np.array(text)[:, None]))[0]
        np.testing.assert_allclose(found, expected[old_ids], atol=1e-6)


def test_a_new_word_starts_as_the_mean_and_other_weights_stay(make_sizes, make_weights):
    old, new = make_sizes(), make_sizes(vocabulary_size=10)
    weights = make_weights(old)

    carried, rows = FAMILY.carry_over(weights, old, new, np.array([*range(9), -1]))

    np.testing.assert_allclose(carried["embedding"][9], weights["embedding"].mean(axis=0), atol=1e-6)
    for name in ("padding", "hidden.kernel", "hidden.bias", "direct.kernel"):
        assert carried[name].tobytes() == weights[name].tobytes()
    assert (rows.kept, rows.new, rows.gone) == (9, 1, 0)

import math

import numpy as np
import pytest

from lmctl.layers.screen import Screen


def exactly(hidden, projection, table, bias):
    """The largest log probability of each row, in float64."""
    logits = hidden.astype(float) @ projection.T.astype(float) @ table.T.astype(float) + bias
    most = logits.max(axis=1)
    return -np.log(np.exp(logits - most[:, None]).sum(axis=1))


def test_two_words_as_a_reader_computes_them():
    # Products 2 x 3 and 13/3 x 3, plus biases 1 and 0: logits 7 and 13.
    screen = Screen(np.float32([[1]]), np.float32([[2], [13 / 3]]), np.float32([1, 0]))

    (bound,) = screen.most_probable(np.float32([[3]]))

    assert bound == pytest.approx(-math.log1p(math.exp(-6)), abs=1e-3)


@pytest.mark.parametrize("scale", [0.01, 1, 30])
@pytest.mark.parametrize(("width", "length", "words"), [(320, 40, 2000), (8, 2, 1), (64, 16, 300)])
def test_no_word_is_more_probable_than_the_bound(scale, width, length, words):
    generator = np.random.default_rng(words)
    hidden, projection, table = (
        generator.normal(size=size).astype(np.float32) for size in [(20, width), (length, width), (words, length)]
    )
    projection *= np.float32(scale / math.sqrt(width))
    bias = generator.normal(size=words).astype(np.float32)
    expected = exactly(hidden, projection, table, bias)

    bounds = Screen(projection, table, bias).most_probable(hidden)

    assert (bounds >= expected).all()
    assert (bounds <= expected + 0.02 * (1 + scale * length)).all()


def test_a_row_that_is_no_number_rules_nothing_out():
    screen = Screen(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), np.zeros(2, dtype=np.float32))

    assert np.isnan(screen.most_probable(np.float32([[math.nan, 0]]))).all()


def test_the_bound_covers_the_errors_of_long_vectors_at_right_angles_to_a_projection():
    # The sums are small and their terms large, so that float32 loses digits. One word has the vector 0.
    generator = np.random.default_rng(1)
    projection, table = (generator.normal(size=size).astype(np.float32) for size in [(16, 64), (300, 16)])
    table[0] = 0
    hidden = 1e5 * generator.normal(size=(20, 64))
    hidden = (hidden - hidden @ np.linalg.pinv(projection) @ projection).astype(np.float32)
    bias = np.zeros(300, dtype=np.float32)

    bounds = Screen(projection, table, bias).most_probable(hidden)

    assert (bounds >= exactly(hidden, projection, table, bias)).all()

import math

import numpy as np
import pytest

from lmctl.query.frequency_bands import BandTally


def banded(counts, token_ids, probs):
    tally = BandTally(counts)
    tally.add(np.array(token_ids), np.log(probs))
    return {band.name: (band.tokens, band.perplexity) for band in tally.bands()}


def test_a_band_has_the_perplexity_of_its_words():
    # Ids 0 and 1 are <unk> and </s>; id 2 is counted 5 times, id 3 50 times, and id 4 99 times.
    found = banded([7, 9, 5, 50, 99], [2, 3, 4, 3, 0, 1], [1 / 8, 1 / 2, 1 / 2, 1 / 16, 1 / 4, 1.0])

    # Three words of 10 to 99: the cube root of 2 * 2 * 16 is 4.
    assert found == {
        "2-9": (1, pytest.approx(8)),
        "10-99": (3, pytest.approx(4)),
        "oov": (1, pytest.approx(4)),
        "</s>": (1, pytest.approx(1)),
    }


@pytest.mark.parametrize(
    ("count", "name"),
    [
        (0, "0"),
        (1, "1"),
        (2, "2-9"),
        (9, "2-9"),
        (10, "10-99"),
        (9_999, "1000-9999"),
        (10_000, "10000-"),
        (10**17, "10000-"),
    ],
)
def test_the_count_in_the_training_text_decides(count, name):
    assert list(banded([0, 0, count], [2], [0.5])) == [name]


def test_bands_add_up_to_the_text(model):
    score = model.score("the cat sat on the zebra")
    tally = BandTally(model.vocabulary.counts)
    tally.add(np.array(score.token_ids), score.log_probs)

    bands = tally.bands()
    assert sum(band.tokens for band in bands) == 7
    assert sum(band.nats for band in bands) == pytest.approx(-score.total_log_prob)


def test_an_impossible_word_makes_its_band_infinite():
    with np.errstate(divide="ignore"):
        found = banded([0, 0, 5, 50], [2, 3], [0.0, 0.5])

    assert found == {"2-9": (1, math.inf), "10-99": (1, pytest.approx(2))}

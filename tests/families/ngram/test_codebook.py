import numpy as np
import pytest

from lmctl.families.ngram.codebook import GRID, ShareCounts, below, nearest


def codebook_of(shares, size):
    counted = ShareCounts()
    for part in np.array_split(np.array(shares, dtype=np.float32), 3):
        counted.add(part)
    return counted.codebook(size)


def test_a_few_values_are_exact_and_the_last_one_is_repeated():
    shares = [0.25, 0.5, 0.5, 0.125, 0.75]

    codebook = codebook_of(shares, 8)

    assert codebook.tolist() == [0.125, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert codebook[nearest(codebook, np.array(shares, dtype=np.float32))].tolist() == shares


def test_two_clusters_by_hand():
    # One value is the least share. Of the two others, one stands for 1/5 and the other for 1/2 and 4/5: their
    # logits, log(1) = 0 and log(4), have the mean log(2), which is the logit of 2/3.
    codebook = codebook_of([0.2] * 100 + [0.5, 0.8], 3)

    assert codebook == pytest.approx([0.2, 0.2, 2 / 3], abs=1e-4) or codebook == pytest.approx(
        [0.2, 2 / 3, 2 / 3], abs=1e-4
    )


@pytest.mark.parametrize("size", [16, 256])
def test_values_are_multiples_of_the_grid_and_any_share_can_be_rounded_down(size):
    shares = np.random.default_rng(size).beta(0.3, 2, 20_000).astype(np.float32)

    codebook = codebook_of(shares, size)

    assert len(codebook) == size
    assert (np.diff(codebook) > 0).all()
    assert (codebook / GRID % 1 == 0).all()
    assert (codebook[below(codebook, shares)] <= shares).all()
    # A value stands for the shares between the middles of logits.
    logits = np.log(codebook.clip(GRID / 2)) - np.log1p(-codebook)
    of_shares = np.log(shares.clip(GRID / 2).astype(float)) - np.log1p(-shares.astype(float))
    codes = nearest(codebook, shares)
    distances = np.abs(of_shares[:, None] - logits)
    assert (distances[np.arange(len(shares)), codes] <= distances.min(axis=1) + 1e-6).all()


def test_no_shares_have_a_codebook():
    assert len(codebook_of([], 16)) == 16


def test_a_share_of_one_has_the_largest_value_below_one():
    codebook = codebook_of([0.25] * 100 + [0.5, 1.0], 3)

    assert codebook[0] == 0.25
    assert 0.5 < codebook[-1] <= 1 - GRID

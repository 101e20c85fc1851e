import numpy as np
import pytest

SEED = np.array([1, 5], np.int32)


def test_masks_at_different_places_differ(cpu):
    from lmctl.layers.keras.masks import Masks

    masks = Masks(SEED)

    drawn = {np.asarray(masks.draw((20, 20), 0.5)).tobytes() for _ in range(5)}

    assert len(drawn) == 5


def test_a_mask_keeps_the_mean(cpu):
    from lmctl.layers.keras.masks import Masks

    mask = np.asarray(Masks(SEED).draw((100, 100), 0.2))

    # Each kept element is 1 / (1 - 0.2); of 10,000 draws the share kept is 0.8 within 5 standard deviations, 0.02.
    assert set(np.unique(mask).tolist()) == {0.0, 1.25}
    assert (mask > 0).mean() == pytest.approx(0.8, abs=0.02)


def test_normal_numbers_follow_from_the_seed_and_the_place(cpu):
    from lmctl.layers.keras.masks import Masks

    masks = Masks(SEED)
    first, second = (np.asarray(masks.normal((100, 100))) for _ in range(2))

    np.testing.assert_array_equal(first, Masks(SEED).normal((100, 100)))
    assert not np.array_equal(first, second)
    # 10,000 draws: five standard errors of the mean are 0.05, and of the variance 0.07.
    assert first.mean() == pytest.approx(0, abs=0.05)
    assert first.var() == pytest.approx(1, abs=0.07)

import math

import numpy as np
import pytest

from lmctl.query.calibration import CalibrationTally


def calibrated(confidences, right, bins):
    tally = CalibrationTally(bins)
    tally.add(np.array(confidences), np.array(right))
    return tally.calibration()


def test_the_error_is_the_weighted_gap_of_the_bins():
    # Bin (0, 0.5]: confidences 0.2 and 0.4, mean 0.3, one of two right: gap 0.2.
    # Bin (0.5, 1]: confidences 0.9, 0.9 and 0.6, mean 0.8, one of three right: gap 0.8 - 1/3.
    found = calibrated([0.2, 0.9, 0.4, 0.9, 0.6], [True, True, False, False, False], bins=2)

    assert found.error == pytest.approx(2 / 5 * 0.2 + 3 / 5 * (0.8 - 1 / 3))
    assert (found.answers, found.accuracy) == (5, pytest.approx(2 / 5))
    assert found.confidence == pytest.approx(3.0 / 5)
    assert [(each.low, each.high, each.answers) for each in found.bins] == [(0.0, 0.5, 2), (0.5, 1.0, 3)]
    assert [each.accuracy for each in found.bins] == pytest.approx([1 / 2, 1 / 3])
    assert [each.confidence for each in found.bins] == pytest.approx([0.3, 0.8])


def test_answers_that_are_right_as_often_as_they_claim_have_no_error():
    assert calibrated([0.5] * 4 + [1.0], [True, True, False, False, True], bins=4).error == pytest.approx(0)


@pytest.mark.parametrize(("confidence", "high"), [(0.25, 0.25), (0.2500001, 0.5), (1.0, 1.0), (1.0000001, 1.0)])
def test_the_upper_end_belongs_to_a_bin(confidence, high):
    assert [each.high for each in calibrated([confidence], [True], bins=4).bins] == [high]


@pytest.mark.parametrize("bins", [15, 25, 29, 41, 100])
def test_every_upper_end_belongs_to_its_bin(bins):
    # 7 / 25 * 25 is 7.000000000000001.
    ends = [place / bins for place in range(1, bins + 1)]

    assert [(each.high, each.answers) for each in calibrated(ends, [True] * bins, bins).bins] == [
        (end, 1) for end in ends
    ]


def test_answers_are_added_batch_by_batch():
    tally = CalibrationTally(2)
    assert tally.calibration() is None
    for confidence, right in ((0.2, True), (0.4, False)):
        tally.add(np.array([confidence]), np.array([right]))

    assert tally.calibration().error == pytest.approx(math.fabs(1 / 2 - 0.3))

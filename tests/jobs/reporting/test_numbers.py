"""Numbers of reports."""

from __future__ import annotations

import math

import pytest

from lmctl.jobs.reporting.numbers import decimal, percent, signed


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (decimal(1234.5), "1,234.50"),
        (decimal(-1.005, 1), "-1.0"),
        (decimal(-0.004), "0.00"),
        (decimal(math.inf), "∞"),
        (decimal(None), "-"),
        (signed(0.126), "+0.13"),
        (signed(-0.126), "-0.13"),
        (signed(-0.004), "0.00"),
        (percent(0.12345), "12.35 %"),
        (percent(-0.00001), "0.00 %"),
    ],
)
def test_a_number_that_rounds_to_zero_has_no_minus(written, expected):
    assert written == expected

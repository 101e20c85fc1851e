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
        (decimal(-math.inf), "-∞"),
        (signed(-math.inf), "-∞"),
        (decimal(math.nan), "-"),
        (decimal(999_999_999_999_999.0), "999,999,999,999,999.00"),
        (decimal(1e100), "1.00e+100"),
        (decimal(-1.5e20, 1), "-1.5e+20"),
        (decimal(None), "-"),
        (signed(0.126), "+0.13"),
        (signed(-0.126), "-0.13"),
        (signed(-0.004), "0.00"),
        (percent(0.12345), "12.35 %"),
        (percent(-0.00001), "0.00 %"),
    ],
)
def test_numbers_have_separators_and_a_sign_unless_they_round_to_zero(written, expected):
    assert written == expected

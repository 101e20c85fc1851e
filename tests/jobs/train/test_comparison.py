"""The figures of a comparison by the gate, in words."""

import pytest

from lmctl.jobs.train.comparison import Comparison


@pytest.mark.parametrize(
    ("published", "new", "expected"),
    [
        (2.0, 2.5, "25.0 % worse than the current one (2.5000 against 2.0000 bits per character; 1 % is allowed)"),
        # n-grams without smoothing are certain of a text whose lines are all the same.
        (0.0, 0.5, "worse than the current one (0.5000 against 0.0000 bits per character; 1 % is allowed)"),
    ],
)
def test_a_worse_model_in_words(published, new, expected):
    comparison = Comparison("validation", published, new, 0.01, 10)

    assert not comparison.passed
    assert str(comparison) == f"the new model is {expected}"

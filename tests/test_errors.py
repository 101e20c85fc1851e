"""How messages name several things."""

import pytest

from lmctl.errors import joined


@pytest.mark.parametrize(
    ("names", "conjunction", "expected"),
    [([], "and", ""), (["a"], "and", "a"), (["a", "b"], "and", "a and b"), (("a", "b", "c"), "or", "a, b or c")],
)
def test_names_are_joined_as_in_a_sentence(names, conjunction, expected):
    assert joined(names, conjunction) == expected

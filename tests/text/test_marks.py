import pytest

from lmctl.text.marks import base_before, is_mark


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("a", False),
        (" ", False),
        # A combining acute accent (Mn), a vowel sign of Devanagari (Mc), the keycap (Me), joiners (Cf).
        *((character, True) for character in "\u0301\u0940\u20e3\u200c\u200d"),
        # A spacing acute accent (Sk), a soft hyphen (Cf), an ideograph.
        *((character, False) for character in "\u00b4\u00ad\u4e00"),
    ],
)
def test_what_a_mark_is(character, expected):
    assert is_mark(character) == expected


@pytest.mark.parametrize(
    ("text", "end", "base"),
    [("ab", 1, "a"), ("ab", 0, ""), ("x\u0301\u0302y", 3, "x"), ("\u0301", 1, ""), ("\u0939\u0940", 2, "\u0939")],
)
def test_the_base_is_the_last_character_that_is_no_mark(text, end, base):
    assert base_before(text, end) == base

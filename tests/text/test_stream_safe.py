import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.text import stream_safe as module
from lmctl.text.normalization import Normalization
from lmctl.text.stream_safe import stream_safe

JOINER = "\u034f"
# Letters with zero to three marks, marks of several classes, marks that decompose to two marks, characters that
# become marks by decomposition, and characters that end a run of marks.
ALPHABET = "aé\u1f82字\u0301\u0323\u0344\u0f73\uff9e\u094d\u093c\u034f\n"


def marks_of(character):
    """Leading and trailing non-starters of a decomposed character, and whether it has only non-starters."""
    classes = [unicodedata.combining(part) for part in unicodedata.normalize("NFKD", character)]
    leading = next((place for place, value in enumerate(classes) if not value), len(classes))
    trailing = next((place for place, value in enumerate(reversed(classes)) if not value), len(classes))
    return leading, trailing, leading == len(classes)


def as_the_standard_has_it(text):
    """UAX #15, 13.1, Stream-Safe Text Process, step by step."""
    count, output = 0, []
    for character in text:
        leading, trailing, all_marks = marks_of(character)
        if count + leading > 30:
            output.append(JOINER)
            count = 0
        output.append(character)
        count = count + leading if all_marks else trailing
    return "".join(output)


def test_a_joiner_follows_thirty_marks_those_of_the_letter_included():
    assert stream_safe("a" + 30 * "\u0301") == "a" + 30 * "\u0301"
    assert stream_safe("a" + 31 * "\u0301") == "a" + 30 * "\u0301" + JOINER + "\u0301"
    assert stream_safe("é" + 30 * "\u0301") == "é" + 29 * "\u0301" + JOINER + "\u0301"


@given(
    st.lists(
        st.one_of(
            st.text(alphabet=ALPHABET, max_size=20),
            st.builds(lambda mark, count: mark * count, st.sampled_from(ALPHABET), st.integers(1, 70)),
        ),
        max_size=8,
    ).map("".join)
)
def test_joiners_stand_where_the_standard_puts_them(text):
    safe = stream_safe(text)
    assert safe == as_the_standard_has_it(text)
    assert stream_safe(safe) == safe
    for form in ("nfc", "nfkc"):
        normalization = Normalization(form, lowercase=True)
        assert normalization(normalization(text)) == normalization(text)


def test_no_character_of_unicode_is_overlooked():
    # Higher code points are ideographs and private use.
    assert not any(map(unicodedata.combining, map(chr, range(0x20000, 0x110000))))
    for character in map(chr, range(0x20000)):
        leading, trailing, all_marks = marks_of(character)
        if leading:
            assert module._is_mark(character)
            assert all_marks
            assert leading <= 2
        else:
            assert not module._is_mark(character)
            assert trailing <= 3


def test_real_text_stays_as_it_is():
    for text in ["Tiếng Việt", "क्षत्रिय हिन्दी", "שָׁלוֹם עֲלֵיכֶם", "بِسْمِ اللَّهِ", "བོད་ཡིག", "가나다", "ｶﾞｷﾞ"]:
        for form in ("NFC", "NFD", "NFKC"):
            written = unicodedata.normalize(form, text) * 20
            assert stream_safe(written) == written


@pytest.mark.parametrize("mark", ["\u0301\u0323", "\u0f73\u0f71", "\u0344"])
def test_a_line_of_marks_is_normalized_by_thirty(mark):
    # Half a million marks that have to be sorted. An algorithm of quadratic time would not end.
    normalized = Normalization("nfc", lowercase=False)("a" + mark * 250_000)
    assert len(max(normalized.split(JOINER), key=len)) <= 31


def test_half_width_sound_marks_are_marks_once_decomposed():
    normalized = Normalization("nfkc", lowercase=False)("カ" + "\uff9e" * 100_000)
    assert normalized.startswith("ガ" + "\u3099" * 29 + JOINER)
